/**
 * @file Stored numbers and float32: widening is exact (but for float64 and large ints, which are rounded), narrowing
 * rounds to the nearest, ties to even (IEEE 754). Bytes are little-endian, as safetensors has them and as every
 * platform of Node.js is.
 */
import type { StoredDtype } from "./source.ts";

/** Bytes an element. */
export const WIDTH: { readonly [K in StoredDtype]: number } = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
};

export type FloatDtype = "F64" | "F32" | "F16" | "BF16";

export function isFloat(dtype: StoredDtype): dtype is FloatDtype {
  return dtype === "F64" || dtype === "F32" || dtype === "F16" || dtype === "BF16";
}

/** The bytes at an address that typed arrays of this width can use; copied only where they are not. */
export function aligned(bytes: Uint8Array, width: number): Uint8Array {
  return bytes.byteOffset % width === 0 ? bytes : bytes.slice();
}

/** The elements as numbers of their own kind: `F16` and `BF16` as their 16 bits, the others as JavaScript has them. */
export function rawElements(
  dtype: StoredDtype,
  stored: Uint8Array,
): Float64Array | Float32Array | Uint16Array | BigInt64Array | Int32Array | Int16Array | Int8Array | Uint8Array {
  const width = WIDTH[dtype];
  const { buffer, byteOffset, byteLength } = aligned(stored, width);
  const length = Math.floor(byteLength / width);
  switch (dtype) {
    case "F64":
      return new Float64Array(buffer, byteOffset, length);
    case "F32":
      return new Float32Array(buffer, byteOffset, length);
    case "F16":
    case "BF16":
      return new Uint16Array(buffer, byteOffset, length);
    case "I64":
      return new BigInt64Array(buffer, byteOffset, length);
    case "I32":
      return new Int32Array(buffer, byteOffset, length);
    case "I16":
      return new Int16Array(buffer, byteOffset, length);
    case "I8":
      return new Int8Array(buffer, byteOffset, length);
    case "U8":
    case "BOOL":
      return new Uint8Array(buffer, byteOffset, length);
  }
}

/** Stored elements as float32. Of F32 it is a view of the same memory where that is aligned. */
export function toFloat32(dtype: StoredDtype, stored: Uint8Array): Float32Array {
  const raw = rawElements(dtype, stored);
  if (raw instanceof Float32Array) return raw;
  const out = new Float32Array(raw.length);
  if (dtype === "F16") {
    const table = halves();
    const bits = raw as Uint16Array;
    for (let i = 0; i < bits.length; i++) out[i] = table[bits[i]!]!;
  } else if (dtype === "BF16") {
    const bits = raw as Uint16Array;
    const words = new Uint32Array(out.buffer);
    for (let i = 0; i < bits.length; i++) words[i] = bits[i]! << 16;
  } else if (raw instanceof BigInt64Array) {
    for (let i = 0; i < raw.length; i++) out[i] = Number(raw[i]!);
  } else out.set(raw);
  return out;
}

/** float32 numbers as bytes of another float type. Too large for it becomes infinite, NaN stays NaN. */
export function fromFloat32(dtype: FloatDtype, values: Float32Array): Uint8Array {
  if (dtype === "F32") return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  if (dtype === "F64") return new Uint8Array(Float64Array.from(values).buffer);
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const out = new Uint16Array(values.length);
  if (dtype === "BF16") for (let i = 0; i < words.length; i++) out[i] = bfloatOf(words[i]!);
  else for (let i = 0; i < words.length; i++) out[i] = halfOf(words[i]!);
  return new Uint8Array(out.buffer);
}

function bfloatOf(bits: number): number {
  // The payload of a NaN may lie in the bits that go: a quiet bit keeps it one.
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

const oneFloat = new Float32Array(1);
const oneWord = new Uint32Array(oneFloat.buffer);

function halfOf(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const size = bits & 0x7fffffff;
  if (size >= 0x47800000) return sign | (size > 0x7f800000 ? 0x7e00 : 0x7c00);
  if (size < 0x38800000) {
    // Below 2^-14 halves have a fixed point: added to 0.5, whose float32 neighbours are as far apart, the sum rounds
    // as it must.
    oneWord[0] = size;
    oneFloat[0] = oneFloat[0]! + 0.5;
    return sign | (oneWord[0]! - 0x3f000000);
  }
  return sign | ((size - 0x38000000 + 0xfff + ((size >>> 13) & 1)) >>> 13);
}

let halfTable: Float32Array | undefined;

/** The value of each of the 65,536 halves. */
function halves(): Float32Array {
  if (halfTable) return halfTable;
  halfTable = new Float32Array(65_536);
  for (let bits = 0; bits < 65_536; bits++) {
    const exponent = (bits >>> 10) & 31;
    const fraction = bits & 1023;
    const size =
      exponent === 31
        ? fraction === 0
          ? Infinity
          : NaN
        : exponent === 0
          ? fraction * 2 ** -24
          : (1024 + fraction) * 2 ** (exponent - 25);
    halfTable[bits] = bits & 0x8000 ? -size : size;
  }
  return halfTable;
}
