/**
 * @file What the wasm backend lacks for training: the kernel of a table's gradient (tensorflow/tfjs#8082), and products with a transposed
 * operand that are not 15 times slower than others. Gradients of products are made of both.
 */
import type { TensorInfo, Tf } from "./tf.ts";

interface WasmBackend {
  readSync(id: object): Float32Array | Int32Array;
  makeOutput(shape: readonly number[], dtype: string): TensorInfo;
  typedArrayFromHeap(tensor: TensorInfo): Float32Array;
  disposeData(id: object): void;
}

type Kernel = NonNullable<ReturnType<Tf["getKernel"]>>;
type Inputs = Readonly<Record<string, TensorInfo>>;

const done = new WeakSet<Kernel>();

/** Registers them; a second call does nothing. */
export function prepareWasm(tf: Tf): void {
  if (!tf.getKernel("UnsortedSegmentSum", "wasm"))
    tf.registerKernel({
      kernelName: "UnsortedSegmentSum",
      backendName: "wasm",
      kernelFunc: ({ inputs, backend, attrs }) =>
        segmentSum(
          backend as unknown as WasmBackend,
          inputs as Inputs,
          (attrs as { numSegments?: number } | undefined)?.numSegments ?? 0,
        ),
    });
  const product = tf.getKernel("BatchMatMul", "wasm");
  const transpose = tf.getKernel("Transpose", "wasm");
  if (!product || !transpose || done.has(product)) return;
  const better: Kernel = { ...product, kernelFunc: untransposed(product, transpose) };
  done.add(better);
  tf.unregisterKernel("BatchMatMul", "wasm");
  tf.registerKernel(better);
}

/** Rows of x added up where they have the same segment: x [n, ...], segmentIds [n], the result [numSegments, ...]. */
function segmentSum(backend: WasmBackend, { x, segmentIds }: Inputs, segments: number): TensorInfo {
  const ids = backend.readSync(segmentIds!.dataId);
  const from = backend.readSync(x!.dataId);
  const width = x!.shape.slice(1).reduce((a, b) => a * b, 1);
  const out = backend.makeOutput([segments, ...x!.shape.slice(1)], x!.dtype);
  const to = backend.typedArrayFromHeap(out).fill(0);
  for (let row = 0; row < ids.length; row++) {
    const id = ids[row]!;
    if (id < 0 || id >= segments) continue;
    for (let i = 0; i < width; i++) to[id * width + i]! += from[row * width + i]!;
  }
  return out;
}

/** The product with operands that are transposed first. */
function untransposed(product: Kernel, transpose: Kernel): Kernel["kernelFunc"] {
  return ({ inputs, backend, attrs }) => {
    const flags = attrs as unknown as { readonly transposeA: boolean; readonly transposeB: boolean };
    const made: TensorInfo[] = [];
    const plain = (x: TensorInfo, flag: boolean): TensorInfo => {
      if (!flag) return x;
      const last = x.shape.length - 1;
      const perm = x.shape.map((_, i) => (i === last ? last - 1 : i === last - 1 ? last : i));
      const turned = transpose.kernelFunc({ inputs: { x }, backend, attrs: { perm } as never }) as TensorInfo;
      made.push(turned);
      return turned;
    };
    const { a, b } = inputs as { a: TensorInfo; b: TensorInfo };
    const operands = { a: plain(a, flags.transposeA), b: plain(b, flags.transposeB) };
    const out = product.kernelFunc({
      inputs: operands,
      backend,
      attrs: { ...flags, transposeA: false, transposeB: false } as never,
    });
    for (const t of made) (backend as unknown as WasmBackend).disposeData(t.dataId);
    return out;
  };
}
