/** @file A runtime as decoders see it: ONNX Runtime's interface, which is the same in Node and in the browser. */
import type { PortDtype } from "./signature.ts";

export type Numbers = Float32Array | Uint16Array | BigInt64Array | Int32Array | Uint8Array;

/** Row-major. */
export interface Tensor {
  readonly dims: readonly number[];
  readonly data: Numbers;
}

/** A loaded model. */
export interface Session {
  /** Computes these outputs. Inputs are read where they lie, and not changed. */
  run(
    inputs: ReadonlyMap<string, Tensor & { readonly dtype: PortDtype }>,
    wanted: readonly string[],
  ): Promise<ReadonlyMap<string, Tensor>>;
  close(): Promise<void>;
}

export function memoryOf(dtype: PortDtype, length: number): Numbers {
  switch (dtype) {
    case "float32":
      return new Float32Array(length);
    case "float16":
      return new Uint16Array(length);
    case "int64":
      return new BigInt64Array(length);
    case "int32":
      return new Int32Array(length);
    case "bool":
      return new Uint8Array(length);
  }
}

/** Whole numbers (or floats) as the memory of a dtype. */
export function filledWith(dtype: PortDtype, numbers: ArrayLike<number>): Numbers {
  const memory = memoryOf(dtype, numbers.length);
  if (memory instanceof BigInt64Array) for (let i = 0; i < numbers.length; i++) memory[i] = BigInt(numbers[i]!);
  else memory.set(numbers);
  return memory;
}

/** A runtime's memory as decoders read it: where there is an array of halves, runtimes use that in place of their bits. */
export function bitsOf(data: unknown): Numbers {
  const view = data as Numbers;
  return (view as { readonly constructor: { readonly name: string } }).constructor.name === "Float16Array"
    ? new Uint16Array(view.buffer, view.byteOffset, view.length)
    : view;
}

export function countOf(dims: readonly number[]): number {
  return dims.reduce((n, d) => n * d, 1);
}

/** These rows of a tensor along an axis, in this order. */
export function gathered({ dims, data }: Tensor, axis: number, rows: readonly number[]): Tensor {
  const inner = countOf(dims.slice(axis + 1));
  const outer = countOf(dims.slice(0, axis));
  const from = dims[axis]!;
  const made = data.slice(0, 0).constructor as new (length: number) => Numbers;
  const out = new made(outer * rows.length * inner);
  for (let i = 0; i < outer; i++)
    for (const [j, row] of rows.entries())
      copy(data, (i * from + row) * inner, out, (i * rows.length + j) * inner, inner);
  return { dims: dims.map((d, i) => (i === axis ? rows.length : d)), data: out };
}

/** Copies a stretch between memories of one dtype. */
export function copy(from: Numbers, start: number, to: Numbers, at: number, length: number): void {
  (to as Float32Array).set((from as Float32Array).subarray(start, start + length), at);
}
