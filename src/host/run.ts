/** @file Opens a compiled folder and runs it in ONNX Runtime, which is loaded when it is first needed, or in TensorFlow.js (`tfjs.ts`). */
import { join } from "node:path";
import type { InferenceSession, Tensor } from "onnxruntime-node";
import { diagnose, type Result } from "../diagnostics/diagnostic.ts";
import { bitsOf, type Session } from "../generate/session.ts";
import { fillInputs, pastPort } from "./fill.ts";
import { fileProblems, readRecord, type ArtifactPort, type ArtifactRecord, type PortDtype } from "./record.ts";
import { CHECK_THE_NUMBERS, TfjsArtifact, type TfjsBackendName } from "./tfjs.ts";
import type { InputValue } from "./tensors.ts";
import type { TensorValue } from "./values.ts";

export interface OpenArtifact {
  readonly folder: string;
  readonly record: ArtifactRecord;
  /** What `tfm run` can be given: the inputs, without the past. */
  readonly inputs: readonly ArtifactPort[];
  /** Loads the model, fills what was not given, runs. Outputs are in the order of the record, presents last. */
  run(given: ReadonlyMap<string, InputValue>): Promise<Result<ReadonlyMap<string, TensorValue>>>;
  /** The given inputs and the ones that are filled, as `run` would pass them on. */
  fill(given: ReadonlyMap<string, InputValue>): Result<ReadonlyMap<string, TensorValue>>;
  /** Loads the model for whoever runs it step by step. Closing either closes both. */
  load(): Promise<Result<Session>>;
  close(): Promise<void>;
}

export interface OpenOptions {
  /** As messages call the folder; by default its path. */
  readonly name?: string;
  /** Which of its model files; by default the one that runs first. */
  readonly model?: string;
  /** How many threads an operator may take; by default as many as there are cores. */
  readonly threads?: number;
  /** Which backend of TensorFlow.js; by default the fastest that is installed. */
  readonly backend?: TfjsBackendName;
}

/** Reads a folder's record and checks that its files are those that were written. */
export function openArtifact(
  folder: string,
  { name = folder, model: wanted, threads, backend }: OpenOptions = {},
): Result<OpenArtifact> {
  const { value: whole, diagnostics } = readRecord(folder, name);
  if (!whole) return { diagnostics };
  const tfjs = whole.target === "tfjs";
  const only = tfjs ? "model.json" : "model.onnx";
  const model = wanted ?? whole.graphs?.[0]?.file ?? only;
  const graph = whole.graphs?.find((g) => g.file === model);
  const files = whole.graphs?.map((g) => g.file) ?? [only];
  if (wanted !== undefined && !files.includes(wanted))
    return { diagnostics: [diagnose("cli/no-model-file", { folder: name, file: wanted, files })] };
  const { limits: _, ...others } = whole;
  const record: ArtifactRecord = graph
    ? {
        ...others,
        inputs: graph.inputs,
        outputs: graph.outputs,
        states: graph.states,
        ...(graph.limits ? { limits: graph.limits } : {}),
      }
    : whole;
  const problems = fileProblems(folder, name, record, model);
  return problems.length > 0
    ? { diagnostics: problems }
    : {
        value: tfjs
          ? new TfjsArtifact(folder, name, record, model, backend)
          : new OnnxArtifact(folder, name, record, model, threads),
        diagnostics: [],
      };
}

class OnnxArtifact implements OpenArtifact {
  readonly inputs: readonly ArtifactPort[];
  private session: InferenceSession | undefined;

  constructor(
    readonly folder: string,
    private readonly name: string,
    readonly record: ArtifactRecord,
    private readonly model: string,
    private readonly threads: number | undefined,
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
    if (opened.diagnostics.length > 0) return { diagnostics: opened.diagnostics };
    const ort = await import("onnxruntime-node");
    const feeds: Record<string, Tensor> = {};
    for (const [name, { dtype, dims, data }] of filled)
      feeds[name] = new ort.Tensor(dtype, data as never, dims as number[]);
    let results: Awaited<ReturnType<InferenceSession["run"]>>;
    try {
      results = await opened.value!.run(feeds);
    } catch (e) {
      return {
        diagnostics: [
          diagnose("cli/run-failed", { folder: this.name, reason: runtimeReason(e) }, undefined, {
            hint: CHECK_THE_NUMBERS,
          }),
        ],
      };
    }
    const names = [...this.record.outputs.map((o) => o.name), ...this.record.states.map((s) => s.present)];
    return { value: new Map([...new Set(names)].map((name) => [name, valueOf(results[name]!)])), diagnostics: [] };
  }

  async load(): Promise<Result<Session>> {
    const { value: session, diagnostics } = await this.open();
    if (!session) return { diagnostics };
    const ort = await import("onnxruntime-node");
    return {
      value: {
        run: async (inputs, wanted) => {
          const feeds: Record<string, Tensor> = {};
          for (const [name, { dtype, dims, data }] of inputs)
            feeds[name] = new ort.Tensor(dtype, data as never, dims as number[]);
          let results: Awaited<ReturnType<InferenceSession["run"]>>;
          try {
            results = await session.run(feeds, wanted);
          } catch (e) {
            throw new Error(runtimeReason(e), { cause: e });
          }
          return new Map(wanted.map((name) => [name, valueOf(results[name]!)]));
        },
        close: () => this.close(),
      },
      diagnostics,
    };
  }

  async close(): Promise<void> {
    await this.session?.release();
    this.session = undefined;
  }

  private async open(): Promise<Result<InferenceSession>> {
    if (this.session) return { value: this.session, diagnostics: [] };
    const damaged = (reason: string): Result<InferenceSession> => ({
      diagnostics: [
        diagnose("artifact/damaged", { folder: this.name, file: this.model, reason }, undefined, {
          hint: "compile again",
        }),
      ],
    });
    const ort = await import("onnxruntime-node");
    let session: InferenceSession;
    try {
      // The runtime's own log goes to stderr; what it has to say comes as an error too.
      session = await ort.InferenceSession.create(join(this.folder, this.model), {
        logSeverityLevel: 4,
        ...(this.threads === undefined ? {} : { intraOpNumThreads: this.threads }),
      });
    } catch (e) {
      return damaged(runtimeReason(e));
    }
    const wrong =
      portReason(
        "input",
        session.inputNames,
        [...this.inputs, ...this.record.states.map(pastPort)].map((p) => p.name),
      ) ??
      portReason("output", session.outputNames, [
        ...this.record.outputs.map((o) => o.name),
        ...this.record.states.map((s) => s.present),
      ]);
    if (wrong !== undefined) {
      await session.release();
      return damaged(wrong);
    }
    this.session = session;
    return { value: session, diagnostics: [] };
  }
}

function portReason(kind: string, found: readonly string[], stated: readonly string[]): string | undefined {
  const extra = found.find((n) => !stated.includes(n));
  if (extra !== undefined) return `it has the ${kind} ${extra}, which tfm.json does not state`;
  const missing = stated.find((n) => !found.includes(n));
  return missing === undefined ? undefined : `it lacks the ${kind} ${missing}, which tfm.json states`;
}

function valueOf(tensor: Tensor): TensorValue {
  return { dtype: tensor.type as PortDtype, dims: tensor.dims, data: bitsOf(tensor.data) };
}

/** The runtime's message, on one line, without its own places in source files. */
function runtimeReason(e: unknown): string {
  const text = e instanceof Error ? e.message : String(e);
  const line =
    text
      .split("\n")
      .map((l) => l.trim())
      .find((l) => l !== "") ?? "";
  return line
    .replace(/^.*Status Message: /, "")
    .replace(/^Load model from .* failed: ?/, "")
    .replace(/\S*\/onnxruntime\/\S+ .*?\) /g, "")
    .slice(0, 300);
}
