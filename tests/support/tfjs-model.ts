/** @file Graphs emitted for TensorFlow.js, loaded with an unchanged `loadGraphModel` and run on one of its backends. */
import type { GraphModel } from "@tensorflow/tfjs-converter";
import { quantized, rangeOf } from "../../src/weights/affine.ts";
import type { PlannedTensor } from "../../src/backends/backend.ts";
import type { VerifiedGraph } from "../../src/ir/graph.ts";
import type { Tensor } from "../../src/ops/op.ts";
import { emitTfjs, type StoredAs, type TfjsArtifact, type TfjsOptions } from "../../src/backends/tfjs/emit.ts";
import type { TfmMetadata } from "../../src/backends/tfjs/fusions.ts";
import type { ModelJson } from "../../src/backends/tfjs/graph-def.ts";
import type { ProviderName } from "../../src/backends/tfjs/targets.ts";
import type { Tf } from "../../src/backends/tfjs/runtime/tf.ts";
import { permute } from "./permute.ts";
import { nativeFolder, noGpu, tensorflow } from "./tfjs.ts";

/** By TensorFlow.js's names; `tensorflow` is that of tfjs-node. */
export type TfjsBackend = "cpu" | "wasm" | "webgpu" | "tensorflow";

/** Those that the packages here have, and this machine. */
export const TFJS_BACKENDS: readonly TfjsBackend[] =
  nativeFolder !== undefined ? ["tensorflow"] : noGpu ? ["cpu", "wasm"] : ["cpu", "wasm", "webgpu"];

export function emitForTfjs(
  graph: VerifiedGraph,
  provider: ProviderName = "any",
  storedAs: StoredAs = "float32",
  more: Partial<TfjsOptions> = {},
): TfjsArtifact {
  return emitTfjs(graph, {
    provider,
    storedAs,
    ...more,
    weights: () => ({ kind: "initial", initial: { kind: "constant", value: 0 }, seed: 0 }),
    name: "model",
    producer: { name: "tfm", version: "test" },
  });
}

/** The shards one after the other, filled from these parameters, whose axes are in the order of their declaration. */
export function weightBytes(artifact: TfjsArtifact, params: ReadonlyMap<string, Tensor<number>>): ArrayBuffer {
  const end = artifact.planned.reduce((n, p) => Math.max(n, p.offset + p.length), 0);
  const bytes = new Uint8Array(end + artifact.constants.length);
  for (const p of artifact.planned) {
    const order = p.order.map((a) => a.name);
    const numbers = permute(p.part ? stretch(params.get(p.path)!, p) : params.get(p.path)!, order);
    if (p.dtype === "U8") bytes.set([...quantized([new Uint8Array(numbers.buffer)], p.affine)][0]!, p.offset);
    else bytes.set(new Uint8Array(numbers.buffer), p.offset);
  }
  bytes.set(artifact.constants, end);
  return bytes.buffer;
}

/** The least and greatest number of what is planned. */
export function rangeIn(params: ReadonlyMap<string, Tensor<number>>): NonNullable<TfjsOptions["rangeOf"]> {
  return (p) => {
    const x = params.get(p.path)!;
    return rangeOf([new Uint8Array(Float32Array.from((p.part ? stretch(x, p) : x).data as number[]).buffer)]);
  };
}

/** A part of a tensor along an axis. */
function stretch(x: Tensor<number>, { part, order }: Pick<PlannedTensor, "part" | "order">): Tensor<number> {
  const { axis, start } = part!;
  const at = x.axes.findIndex((a) => a.name === axis);
  const size = order.find((a) => a.name === axis)!.size.known!;
  const inner = x.axes.slice(at + 1).reduce((n, a) => n * a.size, 1);
  const whole = x.axes[at]!.size;
  const data = Array.from(x.data as ArrayLike<number>).filter((_, i) => {
    const place = Math.floor(i / inner) % whole;
    return place >= start && place < start + size;
  });
  return { ...x, axes: x.axes.map((a) => (a.name === axis ? { ...a, size } : a)), data };
}

/** The model, on the backend that is in use. */
export async function loadTfjs(
  artifact: TfjsArtifact,
  params: ReadonlyMap<string, Tensor<number>>,
  tf?: Tf,
): Promise<GraphModel> {
  const { modelTopology, signature, weightsManifest, userDefinedMetadata } = JSON.parse(artifact.model) as ModelJson;
  const specs = weightsManifest.flatMap((g) => g.weights);
  return (tf ?? (await tensorflow())).loadGraphModel({
    load: async () => ({
      format: "graph-model",
      modelTopology: modelTopology as object,
      signature: signature as object,
      weightSpecs: specs as never,
      weightData: weightBytes(artifact, params),
      userDefinedMetadata: userDefinedMetadata as never,
    }),
  });
}

/** Switches to a backend, and sees that it is the one in use. */
export async function use(backend: TfjsBackend): Promise<void> {
  const tf = await tensorflow();
  if (tf.getBackend() !== backend && !(await tf.setBackend(backend))) throw new Error(`${backend} cannot be used here`);
  if (tf.getBackend() !== backend) throw new Error(`${tf.getBackend()} is in use instead of ${backend}`);
  if (backend === "webgpu") watch(tf.backend() as unknown as Gpu);
}

/** By the backend's numbers. */
const SMALL_OUTPUT_SIZE = 2;

/**
 * Chooses how webgpu multiplies: as the backend does, or never by a workgroup of 256 threads for each number. So it computes products of at
 * most 128 numbers, and a driver in software takes nine tenths of a decoding step for their barriers (measured: 1.2 s of 1.3 s).
 */
export async function multiply(how: "as-chosen" | "without-reductions"): Promise<void> {
  (await tensorflow()).env().set("WEBGPU_MATMUL_PROGRAM_TYPE", how === "as-chosen" ? -1 : SMALL_OUTPUT_SIZE);
}

interface Gpu {
  readonly device: {
    addEventListener(
      type: "uncapturederror",
      listener: (e: { readonly error: { readonly message: string } }) => void,
    ): void;
  };
  shouldExecuteOnCPU(inputs: readonly unknown[], sizeThreshold?: number): boolean;
}

const watched = new WeakSet<Gpu>();
/** What the device of webgpu has complained of: it does so where nobody waits, and what is read afterwards is of no worth. */
const complaints: string[] = [];

/**
 * Fewer numbers than this are computed without the device where they have not been there: of shapes a graph relies on it. The backend
 * says 1,000, by which tests with tiny tensors would never see its kernels for whole numbers.
 */
const ON_HOST_BELOW = 8;

function watch(gpu: Gpu): void {
  if (watched.has(gpu)) return;
  watched.add(gpu);
  gpu.device.addEventListener("uncapturederror", ({ error }) => complaints.push(error.message));
  const { shouldExecuteOnCPU } = gpu;
  gpu.shouldExecuteOnCPU = (inputs) => shouldExecuteOnCPU.call(gpu, inputs, ON_HOST_BELOW);
}

export interface Numbers {
  readonly dims: readonly number[];
  readonly data: readonly number[];
}

/** Runs a model once and sees that it leaves no tensor behind. Outputs by their names. */
export async function execute(
  model: GraphModel,
  fed: ReadonlyMap<string, Tensor<number>>,
  own?: Tf,
): Promise<ReadonlyMap<string, Numbers>> {
  const tf = own ?? (await tensorflow());
  const before = tf.memory().numTensors;
  const feeds = Object.fromEntries(
    [...fed].map(([name, { dtype, axes, data }]) => {
      const dims = axes.map((a) => a.size);
      const numbers = Array.from(data as ArrayLike<number>);
      return [
        name,
        dtype === "float"
          ? tf.tensor(Float32Array.from(numbers), dims, "float32")
          : tf.tensor(Int32Array.from(numbers), dims, "int32"),
      ];
    }),
  );
  const names = model.outputs.map((o) => o.name);
  const { tfm } = (model.metadata ?? {}) as { readonly tfm?: TfmMetadata };
  const made =
    names.length === 0 ? [] : tfm?.asynchronous ? await model.executeAsync(feeds, names) : model.execute(feeds, names);
  const tensors = Array.isArray(made) ? made : [made];
  const results = new Map<string, Numbers>();
  for (const [i, tensor] of tensors.entries())
    results.set(names[i]!, { dims: tensor.shape, data: Array.from(await tensor.data()) });
  for (const t of [...Object.values(feeds), ...tensors]) t.dispose();
  const left = tf.memory().numTensors - before;
  if (left !== 0) throw new Error(`${left} tensors were left behind`);
  if (complaints.length > 0) throw new Error(`the device complains: ${complaints.splice(0).join("\n")}`);
  return results;
}
