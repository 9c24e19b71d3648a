/**
 * @file Tensors as they go into an artifact and come out: their memory, conversions between their types, and
 * summaries for people.
 */
import { fromFloat32, toFloat32 } from "../weights/dtypes.ts";
import type { StoredDtype } from "../weights/source.ts";
import type { ArtifactPort, PortDtype } from "./record.ts";

/** Row-major; float16 as its bits, bool as 0 and 1. */
export interface TensorValue {
  readonly dtype: PortDtype;
  readonly dims: readonly number[];
  readonly data: Float32Array | Uint16Array | BigInt64Array | Int32Array | Uint8Array;
}

/** As safetensors call the dtypes of ports. */
export const STORED: { readonly [K in PortDtype]: StoredDtype } = {
  float32: "F32",
  float16: "F16",
  int64: "I64",
  int32: "I32",
  bool: "BOOL",
};

export function countOf(dims: readonly number[]): number {
  return dims.reduce((n, d) => n * d, 1);
}

/** Numbers as the memory of a dtype, or what does not fit it. */
export function fromNumbers(
  dtype: PortDtype,
  numbers: ArrayLike<number | bigint>,
  dims: readonly number[],
): TensorValue | { readonly reason: string } {
  if (dtype === "float32") return { dtype, dims, data: Float32Array.from(numbers as ArrayLike<number>, Number) };
  if (dtype === "float16")
    return {
      dtype,
      dims,
      data: new Uint16Array(fromFloat32("F16", Float32Array.from(numbers as ArrayLike<number>, Number)).buffer),
    };
  const [low, high] = RANGES[dtype];
  for (let i = 0; i < numbers.length; i++) {
    const n = numbers[i]!;
    const whole = typeof n === "bigint" || Number.isSafeInteger(n);
    if (!whole || n < low || n > high)
      return { reason: `${n} at ${place(i, dims)} is no ${dtype === "bool" ? "true or false (1 or 0)" : dtype}` };
  }
  if (dtype === "int64")
    return { dtype, dims, data: BigInt64Array.from(numbers as ArrayLike<number>, (n) => BigInt(n)) };
  const data =
    dtype === "int32"
      ? Int32Array.from(numbers as ArrayLike<number>, Number)
      : Uint8Array.from(numbers as ArrayLike<number>, Number);
  return { dtype, dims, data };
}

const RANGES = { int64: [-(2n ** 63n), 2n ** 63n - 1n], int32: [-(2 ** 31), 2 ** 31 - 1], bool: [0, 1] } as const;

/** The same everywhere. */
export function filled(
  dtype: PortDtype,
  dims: readonly number[],
  value: number,
): TensorValue | { readonly reason: string } {
  return fromNumbers(dtype, new Float64Array(countOf(dims)).fill(value), dims);
}

/** Of each element; int64 beyond 2^53 are rounded. */
export function numbersOf({ dtype, data }: TensorValue): ArrayLike<number> {
  if (data instanceof BigInt64Array) return Float64Array.from(data, Number);
  return dtype === "float16"
    ? toFloat32("F16", new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    : (data as ArrayLike<number>);
}

/** `[1, 4]`: where an element stands. */
export function place(index: number, dims: readonly number[]): string {
  const at: number[] = [];
  for (const d of dims.toReversed()) {
    at.unshift(index % d);
    index = Math.floor(index / d);
  }
  return `[${at.join(", ")}]`;
}

/** `int64[batch_size, sequence_length]`. */
export function showPort(port: Pick<ArtifactPort, "dtype" | "axes">): string {
  return `${port.dtype}[${port.axes.map((a) => (a.size === undefined ? a.name : String(a.size))).join(", ")}]`;
}

export interface Summary {
  readonly dtype: PortDtype;
  readonly shape: readonly number[];
  /** Of the numbers that are finite; null where none is. */
  readonly min: number | null;
  readonly max: number | null;
  readonly mean: number | null;
  /** How many are NaN or infinite, where any are. */
  readonly notFinite?: number;
  /** All elements of a small tensor, nested as its axes are; of a larger one the first few, flat. */
  readonly values: unknown;
  readonly more?: number;
}

/** What to print of a tensor. */
export function summarize(value: TensorValue, most = 64): Summary {
  const numbers = numbersOf(value);
  let [min, max, sum, finite] = [Infinity, -Infinity, 0, 0];
  for (let i = 0; i < numbers.length; i++) {
    const n = numbers[i]!;
    if (!Number.isFinite(n)) continue;
    finite++;
    sum += n;
    if (n < min) min = n;
    if (n > max) max = n;
  }
  const shown = Array.from({ length: Math.min(numbers.length, most) }, (_, i) => jsonNumber(numbers[i]!));
  return {
    dtype: value.dtype,
    shape: value.dims,
    ...(finite > 0 ? { min, max, mean: sum / finite } : { min: null, max: null, mean: null }),
    ...(finite < numbers.length ? { notFinite: numbers.length - finite } : {}),
    ...(shown.length === numbers.length
      ? { values: nested(shown, value.dims) }
      : { values: shown, more: numbers.length - shown.length }),
  };
}

/** JSON has no NaN and no infinity: they are texts. */
function jsonNumber(n: number): number | string {
  return Number.isFinite(n) ? n : String(n);
}

function nested(flat: readonly unknown[], dims: readonly number[]): unknown {
  if (dims.length === 0) return flat[0];
  const [first, ...rest] = dims as [number, ...number[]];
  const step = countOf(rest);
  return Array.from({ length: first }, (_, i) => nested(flat.slice(i * step, (i + 1) * step), rest));
}
