/**
 * @file A model's weights from its shards to tensors, a few shards at a time: what was read is let go as soon as the tensors have it, so
 * that the weights are never there twice.
 */
import { toFloat32 } from "../../../weights/dtypes.ts";
import { SHARD_BYTES, type ModelJson, type WeightEntry } from "../graph-def.ts";
import { TfjsRuntimeError } from "./errors.ts";
import { missing, type ModelSource } from "./source.ts";
import type { Tensor, Tf } from "./tf.ts";

/** How much of the weights is there, in bytes of the files. */
export interface LoadProgress {
  readonly loaded: number;
  readonly total: number;
}

export interface WeightOptions {
  /** Stops reading: `load` then throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Called before the first shard is there, and after each. */
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
}

/** So many shards are asked for before they are needed. */
const AHEAD = 3;

const WIDTH: Readonly<Record<string, number>> = { float32: 4, int32: 4, bool: 1, float16: 2, uint8: 1 };

type Numbers = Float32Array | Int32Array | Uint8Array;

/**
 * Reads the shards that `manifest` names, which lie in `folder` of the source, into tensors by their names. `check` throws where they
 * would be of no use any more. Throws `TfjsRuntimeError` where a shard is missing or not as long as it should be; then no tensor is left.
 */
export async function readWeights(
  tf: Tf,
  source: ModelSource,
  folder: string,
  manifest: ModelJson["weightsManifest"],
  check: () => void,
  { signal, onProgress }: WeightOptions = {},
): Promise<ReadonlyMap<string, Tensor>> {
  const made = new Map<string, Tensor>();
  const sizes = manifest.map((g) => g.weights.map((w) => bytesOf(w, source)));
  const total = sizes.flat().reduce((n, s) => n + s, 0);
  let loaded = 0;
  onProgress?.({ loaded, total });
  try {
    for (const [i, { paths, weights }] of manifest.entries()) {
      const bytes = sizes[i]!.reduce((n, s) => n + s, 0);
      const filling = new Filling(weights, (name, tensor) => made.set(name, tensor), tf);
      for await (const shard of shardsOf(source, folder, paths, bytes, signal)) {
        check();
        filling.take(shard);
        loaded += shard.byteLength;
        onProgress?.({ loaded, total });
      }
      filling.end();
    }
    return made;
  } catch (e) {
    for (const tensor of made.values()) tensor.dispose();
    throw e;
  }
}

/** The shards of a group in turn, each as long as it should be. */
async function* shardsOf(
  source: ModelSource,
  folder: string,
  paths: readonly string[],
  bytes: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const asked: Promise<ArrayBuffer | undefined>[] = [];
  const ask = (): void => {
    const path = paths[asked.length];
    if (path === undefined) return;
    const read = source.read(`${folder}${path}`, signal);
    // One that is not waited for any more may fail.
    read.catch(() => undefined);
    asked.push(read);
  };
  for (let i = 0; i < AHEAD; i++) ask();
  // All but the last are of one length.
  const full = Math.ceil(bytes / SHARD_BYTES) === paths.length ? SHARD_BYTES : undefined;
  let each = full ?? 0;
  for (const [i, path] of paths.entries()) {
    signal?.throwIfAborted();
    const found = await asked[i]!;
    delete asked[i];
    signal?.throwIfAborted();
    if (found === undefined) throw missing(source, `${folder}${path}`);
    if (i === 0) each = full ?? found.byteLength;
    const wanted = i < paths.length - 1 ? each : bytes - each * i;
    if (found.byteLength !== wanted) throw misfit(source, `${folder}${path}`, found.byteLength, wanted);
    ask();
    yield new Uint8Array(found);
  }
}

/** A shard that is cut short would leave the weights that lie in it and after it full of whatever follows. */
function misfit({ name }: ModelSource, path: string, found: number, wanted: number): TfjsRuntimeError {
  return new TfjsRuntimeError(
    "shard-size",
    `${path} of ${name} is ${found} bytes long, and model.json says ${wanted}: it is ${found < wanted ? "cut short" : "another model's"}`,
    "copy the whole folder again, or compile again",
  );
}

/** Cuts what comes into weights, whose numbers are written where they stay. */
class Filling {
  /** Of the weight that is being filled. */
  private numbers: Numbers | undefined;
  private filled = 0;
  private index = 0;
  /** The first bytes of a number whose others are in the next shard. */
  private rest = new Uint8Array(0);

  constructor(
    private readonly weights: readonly WeightEntry[],
    private readonly done: (name: string, tensor: Tensor) => void,
    private readonly tf: Tf,
  ) {}

  take(shard: Uint8Array): void {
    let bytes = shard;
    if (this.rest.length > 0) {
      bytes = new Uint8Array(this.rest.length + shard.length);
      bytes.set(this.rest);
      bytes.set(shard, this.rest.length);
      this.rest = new Uint8Array(0);
    }
    let at = 0;
    this.empties();
    while (at < bytes.length && this.index < this.weights.length) {
      const entry = this.weights[this.index]!;
      const width = widthOf(entry);
      this.numbers ??= room(entry);
      const count = Math.min(Math.floor((bytes.length - at) / width), this.numbers.length - this.filled);
      if (count === 0) break;
      put(this.numbers, this.filled, entry, bytes.subarray(at, at + count * width));
      this.filled += count;
      at += count * width;
      if (this.filled === this.numbers.length) this.next();
      this.empties();
    }
    this.rest = bytes.slice(at);
  }

  end(): void {
    this.empties();
  }

  /** Weights of no numbers. */
  private empties(): void {
    while (this.numbers === undefined && this.index < this.weights.length) {
      const entry = this.weights[this.index]!;
      if (countOf(entry) > 0) return;
      this.numbers = room(entry);
      this.next();
    }
  }

  private next(): void {
    const { tf } = this;
    const { name, shape, dtype } = this.weights[this.index]!;
    const tensor = tf.tensor(this.numbers!, shape as number[], dtype);
    this.numbers = undefined;
    this.filled = 0;
    this.index++;
    this.done(name, tensor);
    upload(tf, tensor);
  }
}

/** On webgpu to the device at once, where it would go when a kernel first reads it: what is on the host is let go. */
function upload(tf: Tf, tensor: Tensor): void {
  const backend = tf.backend() as { uploadToGPU?(dataId: object): void };
  if (tf.getBackend() !== "webgpu" || !backend.uploadToGPU) return;
  // Small ones may be shapes, which stay on the host.
  if (tensor.size >= tf.env().getNumber("WEBGPU_CPU_HANDOFF_SIZE_THRESHOLD")) backend.uploadToGPU(tensor.dataId);
}

const countOf = ({ shape }: WeightEntry): number => shape.reduce((a, b) => a * b, 1);

const widthOf = ({ dtype, quantization }: WeightEntry): number => WIDTH[quantization?.dtype ?? dtype]!;

function room(entry: WeightEntry): Numbers {
  const count = countOf(entry);
  if (entry.dtype === "float32") return new Float32Array(count);
  return entry.dtype === "int32" ? new Int32Array(count) : new Uint8Array(count);
}

/** Writes stored numbers from a place on. */
function put(numbers: Numbers, at: number, { dtype, quantization }: WeightEntry, bytes: Uint8Array): void {
  if (quantization?.dtype === "uint8") {
    const { scale, min } = quantization;
    for (let i = 0; i < bytes.length; i++) numbers[at + i] = bytes[i]! * scale + min;
  } else if (quantization) numbers.set(toFloat32("F16", bytes), at);
  else if (dtype === "bool") numbers.set(bytes, at);
  else new Uint8Array(numbers.buffer).set(bytes, 4 * at);
}

function bytesOf(entry: WeightEntry, source: ModelSource): number {
  const { name, shape, dtype, quantization } = entry;
  const width = WIDTH[quantization?.dtype ?? dtype];
  const count = countOf(entry);
  if (width === undefined || !Number.isSafeInteger(count) || shape.some((d) => d < 0))
    throw new TfjsRuntimeError(
      "not-a-model",
      `the weight ${name} of ${source.name} has the dtype ${quantization?.dtype ?? dtype} and the shape [${shape.join(", ")}]`,
      "compile the model again",
    );
  return count * width;
}
