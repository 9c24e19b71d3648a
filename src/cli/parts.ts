/** @file What `tfm compile` makes of one graph, for each target: the files, and how they are read again. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Keeps, Producer, Signature } from "../backends/backend.ts";
import { emitOnnx, printOnnxLayout, type OnnxCache, type OnnxOptions } from "../backends/onnx/emit.ts";
import type { Reason } from "../backends/onnx/attention.ts";
import { sharedProblem } from "../backends/onnx/cache-shared.ts";
import { printOnnx } from "../backends/onnx/print.ts";
import { rereadOnnx } from "../backends/onnx/reread.ts";
import {
  keeps,
  ONNX_PROVIDERS,
  targetOf,
  type CacheForm,
  type OnnxProvider,
  type TargetName,
} from "../backends/onnx/targets.ts";
import { emitTfjs, type StoredAs } from "../backends/tfjs/emit.ts";
import { SHARD_BYTES } from "../backends/tfjs/graph-def.ts";
import { rereadTfjs } from "../backends/tfjs/reread.ts";
import { multipliedBy } from "../backends/lowering/kernels.ts";
import type { Target } from "../backends/lowering/target.ts";
import { tfjsKeeps, tfjsTargets, type ProviderName } from "../backends/tfjs/targets.ts";
import type { FileLayout } from "../clients/plan.ts";
import type { Prepared } from "../compile.ts";
import { diagnose, type Diagnostic } from "../diagnostics/diagnostic.ts";
import type { PlannedFile } from "../host/artifact.ts";
import { evaluateComputed } from "../host/computed.ts";
import { planDataFile, planShards, rangeOfPlanned } from "../host/data-file.ts";
import { statOf } from "../host/system.ts";
import type { Graph } from "../ir/graph.ts";
import type { ScaleOptions } from "../passes/scales.ts";
import { portsOf, type Ports } from "./record.ts";
import type { Weights } from "./weights.ts";

export interface TargetOptions {
  readonly target: TargetName | "tfjs";
  readonly provider?: Exclude<ProviderName, "any"> | OnnxProvider;
  /** How weights are stored. */
  readonly dtype: StoredAs;
  /** In what form the model hands on what it keeps; false: it hands nothing on. */
  readonly cache?: CacheForm | false;
}

/** One graph of the model, and its files. */
export interface Part {
  readonly prepared: Prepared;
  /** The file that a runtime opens. */
  readonly file: string;
  readonly files: readonly PlannedFile[];
  /** The checkpoint's files that the model refers to, and where in the folder it expects them. */
  readonly linkedFiles: readonly { readonly name: string; readonly file: string }[];
  readonly signature: Signature;
  /** What `tfm.json` says of it. */
  readonly ports: Ports;
  /** How what is kept is handed on, where that is not whole. */
  readonly cache?: OnnxCache | undefined;
  /** How many nodes there are of each operator of the target. */
  readonly nodeCounts: Readonly<Record<string, number>>;
  /** A late stage as text; undefined where the target has no such stage. */
  readonly print: (stage: "layout" | "onnx" | "tfjs") => string | undefined;
  /** What is wrong with the files in this folder: nothing, or the compiler has a bug. */
  readonly reread: (folder: string) => readonly string[];
}

export interface Backend {
  readonly keeps: Keeps;
  /** What the target can do. */
  readonly target: Target;
  /** How factors go into its weights, where they do. */
  readonly scales?: ScaleOptions | undefined;
  /** What the target cannot do. */
  readonly refusals: (graph: Graph) => readonly Diagnostic[];
  /** What the target has a kernel for and is written out all the same, and why. */
  readonly writtenOut: (prepared: Prepared) => readonly Reason[];
  readonly emit: (prepared: Prepared, weights: Weights, producer: Producer) => Part;
}

/** The backend that the command line asks for. */
export function backendOf(
  options: TargetOptions,
  layout?: FileLayout,
): { readonly backend: Backend } | { readonly usage: string } {
  const form = options.cache === false ? undefined : options.cache;
  if (options.target === "tfjs")
    return form !== undefined && form !== "whole"
      ? { usage: `--cache ${form} goes with -t onnx, onnx-23 or onnx-17` }
      : options.provider === "cuda"
        ? { usage: "--provider cuda goes with -t onnx" }
        : { backend: tfjs({ ...options, provider: options.provider }) };
  const { target, dtype } = options;
  if (dtype === "uint8") return { usage: "--dtype uint8 goes with -t tfjs" };
  if (form === "shared" && target !== "onnx")
    return { usage: `--cache shared goes with -t onnx: it takes an operator of ONNX Runtime's own` };
  const provider = ONNX_PROVIDERS.find((p) => p === options.provider);
  if (options.provider !== undefined && provider === undefined)
    return { usage: `--provider ${options.provider} goes with -t tfjs` };
  if (provider !== undefined && target !== "onnx")
    return { usage: `--provider goes with -t onnx or tfjs: ${target} is for any runtime` };
  return {
    backend: {
      keeps: keeps(target, provider),
      target: targetOf(target, provider),
      scales: scalesOf(targetOf(target, provider), dtype === "float16"),
      refusals: (graph) => (form === "shared" ? unshared(graph, keeps(target, provider)) : []),
      writtenOut: ({ graph }) => emitOnnx(graph, { target, provider, cache: form, dtype, ...UNWEIGHTED }).reasons,
      emit: (...args) => onnxPart({ target, provider, cache: form, dtype, layout }, ...args),
    },
  };
}

function scalesOf(target: Target, halves: boolean): ScaleOptions | undefined {
  return target.foldsScales ? { multiplied: multipliedBy(target), halves } : undefined;
}

/** Stands in for what is not known before a model is written. */
const UNWEIGHTED = {
  weights: () => ({ kind: "initial", initial: { kind: "constant", value: 0 }, seed: 0 }) as const,
  dataFile: "",
  producer: { name: "", version: "" },
};

/** What a graph hands on that cannot be in one buffer. */
function unshared(graph: Graph, kept: Keeps): readonly Diagnostic[] {
  const reason = sharedProblem(graph, kept);
  return reason === undefined ? [] : [diagnose("cli/cache-form", { form: "shared", reason })];
}

function onnxPart(
  {
    target,
    provider,
    cache,
    dtype,
    layout,
  }: Pick<OnnxOptions, "target" | "provider" | "cache" | "dtype"> & { readonly layout: FileLayout | undefined },
  prepared: Prepared,
  weights: Weights,
  producer: Producer,
): Part {
  const file = layout?.model(prepared.name) ?? `${prepared.name}.onnx`;
  const within = file.slice(0, file.lastIndexOf("/") + 1);
  const names = new DataFileNames(file.slice(within.length), layout?.chunk);
  const dataFile = (stored?: string): string => names.nameOf(stored);
  const artifact = emitOnnx(prepared.graph, {
    target,
    provider,
    cache,
    dtype,
    weights: sourceOf(weights),
    dataFile,
    producer,
  });
  const { model, planned, linkedFiles, signature, nodeCounts } = artifact;
  return {
    prepared,
    file,
    linkedFiles: linkedFiles.map((stored) => ({ name: `${within}${dataFile(stored)}`, file: stored })),
    signature,
    ports: portsOf(prepared, signature, artifact),
    cache: artifact.cache,
    nodeCounts,
    files: [
      { kind: "bytes", name: file, bytes: model },
      ...(planned.length > 0
        ? [planDataFile(`${within}${dataFile()}`, planned, sourceOf(weights), numbersOf(weights))]
        : []),
    ],
    print: (stage) =>
      stage === "layout" ? printOnnxLayout(artifact) : stage === "onnx" ? printOnnx(model) : undefined,
    reread: (folder) =>
      rereadOnnx(readFileSync(join(folder, file)), {
        signature,
        fileSize: (name) => statOf(join(folder, within, name))?.size,
      }),
  };
}

/** What a model calls its data files: the checkpoint's as they are, or all after the model, in the order in which it refers to them. */
class DataFileNames {
  private readonly names = new Map<string, string>();

  constructor(
    private readonly model: string,
    private readonly chunk: FileLayout["chunk"],
  ) {}

  nameOf(stored?: string): string {
    if (!this.chunk) return stored ?? `${this.model}_data`;
    const key = stored ?? "";
    const name = this.names.get(key) ?? this.chunk(this.model, this.names.size);
    this.names.set(key, name);
    return name;
  }
}

function tfjs({ provider = "any", dtype }: { provider?: ProviderName | undefined; dtype: StoredAs }): Backend {
  return {
    keeps: tfjsKeeps,
    target: tfjsTargets[provider],
    scales: scalesOf(tfjsTargets[provider], dtype === "float16"),
    refusals: () => [],
    writtenOut: () => [],
    emit: (prepared, weights, producer) => {
      const { name, graph, scales } = prepared;
      const made = emitTfjs(graph, {
        provider,
        scaled: scales && new Set(scales.folded.flatMap((s) => s.weights)),
        weights: sourceOf(weights),
        storedAs: dtype,
        rangeOf: (tensor) => rangeOfPlanned(tensor, sourceOf(weights), numbersOf(weights)),
        name,
        producer,
      });
      const { model, planned, constants, shards, signature, nodeCounts } = made;
      const file = `${name}.json`;
      return {
        prepared,
        file,
        linkedFiles: [],
        signature,
        ports: portsOf(prepared, signature),
        nodeCounts,
        files: [
          { kind: "bytes", name: file, bytes: model },
          planShards(shards, SHARD_BYTES, planned, constants, sourceOf(weights), numbersOf(weights)),
        ],
        print: (stage) => (stage === "tfjs" ? `${JSON.stringify(JSON.parse(model), undefined, 1)}\n` : undefined),
        reread: (folder) =>
          rereadTfjs(readFileSync(join(folder, file), "utf8"), {
            signature,
            fileSize: (shard) => statOf(join(folder, shard))?.size,
          }),
      };
    },
  };
}

function sourceOf(weights: Weights): (path: string) => NonNullable<ReturnType<Weights["sources"]["get"]>> {
  return (path) => {
    const source = weights.sources.get(path);
    if (!source) throw new Error(`nothing fills the weight ${path}`);
    return source;
  };
}

const numbersOf = (weights: Weights) => ({ checkpoint: weights.checkpoint, evaluate: evaluateComputed });
