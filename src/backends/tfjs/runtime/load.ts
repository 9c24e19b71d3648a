/** @file Loads a compiled folder into TensorFlow.js and runs it. */
import type { Fusion, TfmParameter } from "../fusions.ts";
import type { ModelJson } from "../graph-def.ts";
import { BACKENDS, useBackend, type Backend } from "./backend.ts";
import { TfjsRuntimeError } from "./errors.ts";
import { FUSED, registerFused } from "./kernels/register.ts";
import { checkIds, fillInputs, signatureOf, type RuntimeSignature, type Values } from "./ports.ts";
import { withFusions } from "./rewrite.ts";
import { folderAt, readModel, type ModelSource } from "./source.ts";
import { readWeights, type LoadProgress } from "./weights.ts";
import type { GraphModel, NamedTensorMap, Tensor, Tf } from "./tf.ts";

export interface LoadOptions {
  /** In order; the first that can be used is. Default: tensorflow (tfjs-node), webgpu, wasm, cpu. */
  readonly backends?: readonly string[];
  /** Which of several model files; default `model.json`. */
  readonly file?: string;
  /** Use fused kernels where the backend has them (default). A model that is to be trained must not. */
  readonly fuse?: boolean;
  /** Stops loading: `load` then throws the signal's reason. */
  readonly signal?: AbortSignal;
  /** How much of the weights is there, again and again. */
  readonly onProgress?: (progress: LoadProgress) => void;
}

/**
 * Loads a folder that `tfm compile -t tfjs` wrote, from a URL or by whatever reads its files. `tf` is the program's own TensorFlow.js.
 * Throws `TfjsRuntimeError`.
 */
export async function load(tf: Tf, from: string | ModelSource, options: LoadOptions = {}): Promise<TfjsModel> {
  const { backends = BACKENDS, file = "model.json", fuse = true } = options;
  const source = typeof from === "string" ? folderAt(from) : from;
  options.signal?.throwIfAborted();
  const { model, metadata, record, folder } = await readModel(source, file);
  const backend = await useBackend(tf, backends);
  // What a later compiler knows of and this one does not is left as it is.
  const known = (metadata?.fusions ?? []).filter((f) => f.op in FUSED);
  const fusions = fuse && backend.name === "webgpu" ? known : [];
  if (fusions.length > 0) registerFused(tf);
  const rewritten = withFusions(model, fusions);
  const graph = await opened(tf, source, rewritten);
  const weights = await readWeights(tf, source, folder, model.weightsManifest, () => backend.check(), options);
  give(graph, weights);
  return new TfjsModel(tf, backend, graph, {
    signature: signatureOf(model, record, file),
    nodes: new Map(Object.entries(rewritten.signature.outputs).map(([name, info]) => [name, info.name])),
    fusions,
    parameters: metadata?.parameters ?? [],
    asynchronous: metadata?.asynchronous ?? false,
  });
}

/** The graph, without its weights yet: `loadGraphModel` would want the bytes of all of them first. */
async function opened(tf: Tf, source: ModelSource, model: ModelJson): Promise<GraphModel> {
  const { modelTopology, signature } = model;
  try {
    return await tf.loadGraphModel({
      load: async () => ({
        format: "graph-model",
        modelTopology: modelTopology as object,
        signature: signature as object,
        weightSpecs: [],
        weightData: new ArrayBuffer(0),
      }),
    });
  } catch (e) {
    throw new TfjsRuntimeError(
      "not-a-model",
      `TensorFlow.js does not open model.json of ${source.name}: ${e instanceof Error ? e.message : String(e)}`,
      "compile the model again, and see that TensorFlow.js is of version 4",
    );
  }
}

/** What TensorFlow.js itself does with weights that it has read. */
function give(graph: GraphModel, weights: ReadonlyMap<string, Tensor>): void {
  const { executor } = graph as unknown as { readonly executor: { weightMap: Record<string, Tensor[]> } };
  executor.weightMap = Object.fromEntries([...weights].map(([name, tensor]) => [name, [tensor]]));
}

interface Parts {
  readonly signature: RuntimeSignature;
  /** The nodes that give the outputs. */
  readonly nodes: ReadonlyMap<string, string>;
  readonly fusions: readonly Fusion[];
  readonly parameters: readonly TfmParameter[];
  readonly asynchronous: boolean;
}

/** A loaded model. `dispose` frees its weights. */
export class TfjsModel {
  readonly signature: RuntimeSignature;
  /** The kernels of ours that it runs. */
  readonly fusions: readonly Fusion[];
  readonly parameters: readonly TfmParameter[];
  private disposed = false;

  constructor(
    readonly tf: Tf,
    private readonly using: Backend,
    private readonly graph: GraphModel,
    private readonly parts: Parts,
  ) {
    this.signature = parts.signature;
    this.fusions = parts.fusions;
    this.parameters = parts.parameters;
  }

  get backend(): string {
    return this.using.name;
  }

  /** Throws where the backend is no longer the model's, or its device is lost: what was read since is then not to be trusted. */
  check(): void {
    this.usable();
  }

  /** The constants of the graph by their names: the weights, and small numbers. They belong to the model. */
  constants(): ReadonlyMap<string, Tensor> {
    this.usable();
    return new Map(
      Object.entries(this.graph.weights).flatMap(([name, [tensor]]) => (tensor ? [[name, tensor] as const] : [])),
    );
  }

  /**
   * Runs the model on numbers and gives numbers: all outputs, or those named. Absent inputs are filled by their defaults, the past of a
   * first step is empty. Leaves no tensor behind. Throws `TfjsRuntimeError`.
   */
  async run(
    given: Readonly<Record<string, Values>>,
    outputs: readonly string[] = this.signature.outputs.map((o) => o.name),
  ): Promise<ReadonlyMap<string, Values>> {
    this.usable();
    const filled = fillInputs(this.signature, given);
    const feeds: NamedTensorMap = {};
    for (const [name, { port, values }] of filled) feeds[name] = this.tensor(values, port.dtype);
    let made: readonly Tensor[] = [];
    try {
      made = await this.executeAsync(feeds, outputs);
      const data = await Promise.all(made.map((t) => t.data()));
      // A device that is lost gives zeros.
      this.using.check();
      return new Map(outputs.map((name, i) => [name, { dims: made[i]!.shape, data: data[i]! as Float32Array }]));
    } finally {
      for (const t of [...Object.values(feeds), ...made]) t.dispose();
    }
  }

  /**
   * Runs the model on tensors, which stay the caller's, and gives tensors, which are the caller's to dispose of. A constant may be fed
   * too, by its name. Ids are not checked. Throws `TfjsRuntimeError`.
   */
  execute(feeds: NamedTensorMap, outputs: readonly string[]): readonly Tensor[] {
    this.usable();
    if (this.asynchronous)
      throw new TfjsRuntimeError(
        "has-loops",
        "the model has loops, whose rounds are waited for",
        "use executeAsync, or compile it with the loop's length fixed: --size seq=1",
      );
    const before = this.tf.memory().numTensors;
    const made = this.graph.execute(feeds, this.nodesOf(outputs));
    const tensors = Array.isArray(made) ? made : [made];
    // What was fed or is a constant may come out as it is; it is counted already.
    const leaked = this.tf.memory().numTensors - before - tensors.length;
    if (leaked > 0 && !this.recording()) {
      for (const t of tensors) t.dispose();
      throw new TfjsRuntimeError(
        "tensor-leak",
        `a run left ${leaked} tensors behind that nobody holds`,
        "an operator registered by another package keeps tensors: return only its result from it, in tf.tidy",
      );
    }
    return tensors;
  }

  /**
   * The same for every model, with loops too. While one with loops runs, others may make tensors: that it leaves none behind is not looked
   * at here.
   */
  async executeAsync(feeds: NamedTensorMap, outputs: readonly string[]): Promise<readonly Tensor[]> {
    if (!this.asynchronous) return this.execute(feeds, outputs);
    this.usable();
    const none = this.signature.inputs.find(({ name }) => feeds[name]?.size === 0);
    if (none)
      throw new TfjsRuntimeError(
        "input-shape",
        `${none.name} has no places, and the model's loops go through one at least`,
        "give it one place or more",
      );
    const made = await this.graph.executeAsync(feeds, this.nodesOf(outputs));
    return Array.isArray(made) ? made : [made];
  }

  /** Has it loops? Then only `executeAsync` runs it, and it cannot be trained. */
  get asynchronous(): boolean {
    return this.parts.asynchronous;
  }

  private nodesOf(outputs: readonly string[]): string[] {
    return outputs.map((o) => this.parts.nodes.get(o) ?? o);
  }

  /** What is to be fed to this input, as a tensor; the caller's to dispose of. Throws where a number is no row of its table. */
  fed(name: string, values: Values): Tensor {
    const port = [...this.signature.inputs, ...this.signature.pasts].find((p) => p.name === name);
    if (!port) throw new TfjsRuntimeError("input-unknown", `the model has no input ${name}`, "see its signature");
    checkIds(port, values);
    return this.tensor(values, port.dtype);
  }

  /** Numbers as a tensor of the backend; the caller's to dispose of. */
  tensor({ dims, data }: Values, dtype: "float32" | "int32" | "bool"): Tensor {
    const typed =
      dtype === "float32" ? Float32Array.from(data) : dtype === "int32" ? Int32Array.from(data) : Uint8Array.from(data);
    return this.tf.tensor(typed, dims as number[], dtype);
  }

  /** Frees the weights. Nothing else may be called after it; a second call does nothing. */
  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    this.graph.dispose();
  }

  /** Inside `tf.grad` and its kin intermediate results are kept on purpose. */
  private recording(): boolean {
    const { gradientDepth } = (this.tf.engine() as unknown as { state: { gradientDepth: number } }).state;
    return gradientDepth > 0;
  }

  private usable(): void {
    if (this.disposed)
      throw new TfjsRuntimeError("disposed", "the model was disposed of", "load it again, or dispose of it later");
    this.using.check();
  }
}
