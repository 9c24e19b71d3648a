/**
 * @file Compiled folders for TensorFlow.js in Node. The packages are peers that need not be there: that on libtensorflow (tfjs-node-gpu or
 * tfjs-node) is taken first, else the core with whichever backends are installed.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { TfjsRuntimeError } from "../backends/tfjs/runtime/errors.ts";
import { load, type TfjsModel } from "../backends/tfjs/runtime/load.ts";
import type { ModelSource } from "../backends/tfjs/runtime/source.ts";
import type { Tf } from "../backends/tfjs/runtime/tf.ts";
import { diagnose, type Diagnostic, type Result } from "../diagnostics/diagnostic.ts";
import type { Session } from "../generate/session.ts";
import { fillInputs } from "./fill.ts";
import type { ArtifactPort, ArtifactRecord } from "./record.ts";
import type { OpenArtifact } from "./run.ts";
import { statOf } from "./system.ts";
import type { InputValue } from "./tensors.ts";
import type { TensorValue } from "./values.ts";

/** `node` is libtensorflow. */
export const TFJS_BACKENDS = ["node", "webgpu", "wasm", "cpu"] as const;
export type TfjsBackendName = (typeof TFJS_BACKENDS)[number];

/** What helps where a runtime gives up over the numbers that it was fed. */
export const CHECK_THE_NUMBERS =
  "check the numbers: are tokens in the vocabulary, and the sequence no longer than the model allows?";

export interface Tfjs {
  readonly tf: Tf;
  /** As TensorFlow.js calls them, those to be tried first coming first. */
  readonly backends: readonly string[];
}

const require = createRequire(import.meta.url);

/** The package, or undefined where it is not installed or does not start. */
function found<T>(name: string): T | undefined {
  try {
    return require(name) as T;
  } catch {
    return undefined;
  }
}

/** The TensorFlow.js that is installed, with this backend, or with the fastest that there is but webgpu (which has to be asked for). */
export function openTfjs(folder: string, wanted?: TfjsBackendName): Result<Tfjs> {
  const absent = (reason: string, hint: string): Result<Tfjs> => ({
    diagnostics: [diagnose("cli/tfjs-absent", { folder, reason }, undefined, { hint })],
  });
  if (wanted === undefined || wanted === "node") {
    const native = nativeTfjs();
    if (native) return { value: { tf: native, backends: ["tensorflow"] }, diagnostics: [] };
    if (wanted === "node")
      return absent("libtensorflow's packages are not installed", "npm install @tensorflow/tfjs-node");
  }
  if (wanted === "webgpu" && !provideGpu()) return absent("Node has no webgpu of its own", "npm install webgpu");
  const core = found<object>("@tensorflow/tfjs-core");
  const converter = found<object>("@tensorflow/tfjs-converter");
  if (!core || !converter)
    return absent(
      "TensorFlow.js is not installed",
      "npm install @tensorflow/tfjs-core @tensorflow/tfjs-converter @tensorflow/tfjs-backend-wasm",
    );
  const backends = (wanted === undefined ? (["wasm", "cpu"] as const) : [wanted]).filter((name) => {
    const backend = found<{ setWasmPaths?(path: string): void }>(`@tensorflow/tfjs-backend-${name}`);
    backend?.setWasmPaths?.(`${dirname(require.resolve(`@tensorflow/tfjs-backend-${name}`))}/`);
    return backend !== undefined;
  });
  if (backends.length === 0) {
    const name = wanted ?? "wasm";
    return absent(`no backend for ${name} is installed`, `npm install @tensorflow/tfjs-backend-${name}`);
  }
  return { value: { tf: { ...core, ...converter } as Tf, backends }, diagnostics: [] };
}

function nativeTfjs(): Tf | undefined {
  // Node 23 dropped what the package still calls.
  const util = require("util") as { isNullOrUndefined?: (v: unknown) => boolean };
  util.isNullOrUndefined ??= (v) => v === null || v === undefined;
  process.env["TF_CPP_MIN_LOG_LEVEL"] ??= "1";
  return found<Tf>("@tensorflow/tfjs-node-gpu") ?? found<Tf>("@tensorflow/tfjs-node");
}

/** The backend looks for `navigator.gpu` when it is imported. */
function provideGpu(): boolean {
  const { navigator } = globalThis as { navigator?: { readonly gpu?: unknown } };
  if (navigator?.gpu) return true;
  const webgpu = found<{ create(options: readonly string[]): unknown; globals: object }>("webgpu");
  if (!webgpu) return false;
  Object.assign(globalThis, webgpu.globals);
  const value = { ...navigator, gpu: webgpu.create([]) };
  Object.defineProperty(globalThis, "navigator", { value, configurable: true, writable: true });
  return true;
}

/** A folder on the disk. */
export function folderSource(folder: string, name = folder): ModelSource {
  return {
    name,
    read: async (file) => {
      const path = join(folder, file);
      if (!statOf(path)) return undefined;
      const { buffer, byteOffset, byteLength } = readFileSync(path);
      return buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer;
    },
  };
}

export class TfjsArtifact implements OpenArtifact {
  readonly inputs: readonly ArtifactPort[];
  private model: TfjsModel | undefined;

  constructor(
    readonly folder: string,
    private readonly name: string,
    readonly record: ArtifactRecord,
    private readonly file: string,
    private readonly backend: TfjsBackendName | undefined,
  ) {
    const pasts = new Set(record.states.map((s) => s.past));
    this.inputs = record.inputs.filter((p) => !pasts.has(p.name));
  }

  fill(given: ReadonlyMap<string, InputValue>): Result<ReadonlyMap<string, TensorValue>> {
    return fillInputs(this.record, given, this.name);
  }

  async run(given: ReadonlyMap<string, InputValue>): Promise<Result<ReadonlyMap<string, TensorValue>>> {
    const { value: filled, diagnostics } = this.fill(given);
    if (!filled) return { diagnostics };
    const opened = await this.open();
    if (!opened.value) return { diagnostics: opened.diagnostics };
    const names = [...this.record.outputs.map((o) => o.name), ...this.record.states.map((s) => s.present)];
    try {
      return { value: await compute(opened.value, filled, [...new Set(names)]), diagnostics: [] };
    } catch (e) {
      return { diagnostics: [this.failed(e)] };
    }
  }

  /** For whoever runs it once. Step by step it runs through the decoder for TensorFlow.js, which keeps what it keeps on the device. */
  async load(): Promise<Result<Session>> {
    const { value: model, diagnostics } = await this.open();
    if (!model) return { diagnostics };
    return {
      value: { run: (inputs, wanted) => compute(model, inputs, wanted), close: () => this.close() },
      diagnostics,
    };
  }

  private async open(): Promise<Result<TfjsModel>> {
    const opened = openTfjs(this.name, this.backend);
    if (!opened.value) return { diagnostics: opened.diagnostics };
    const { tf, backends } = opened.value;
    try {
      this.model ??= await load(tf, folderSource(this.folder, this.name), { backends, file: this.file });
      return { value: this.model, diagnostics: [] };
    } catch (e) {
      if (!(e instanceof TfjsRuntimeError)) throw e;
      return { diagnostics: [this.failed(e)] };
    }
  }

  /** The runtime's own errors are plain ones. */
  private failed(e: unknown): Diagnostic {
    const { message } = e as Error;
    const { reason, hint } = e instanceof TfjsRuntimeError ? e : { reason: message, hint: CHECK_THE_NUMBERS };
    return diagnose("cli/run-failed", { folder: this.name, reason }, undefined, { hint });
  }

  async close(): Promise<void> {
    this.model?.dispose();
    this.model = undefined;
  }
}

async function compute(
  model: TfjsModel,
  inputs: ReadonlyMap<string, { readonly dims: readonly number[]; readonly data: ArrayLike<number | bigint> }>,
  wanted: readonly string[],
): Promise<ReadonlyMap<string, TensorValue>> {
  const feeds = Object.fromEntries(
    [...inputs].map(([key, { dims, data }]) => [key, { dims, data: Array.from(data, Number) }] as const),
  );
  const outputs = await model.run(feeds, wanted);
  return new Map(
    [...outputs].map(([key, { dims, data }]): [string, TensorValue] => [
      key,
      data instanceof Int32Array
        ? { dtype: "int32", dims, data }
        : { dtype: "float32", dims, data: data as Float32Array },
    ]),
  );
}
