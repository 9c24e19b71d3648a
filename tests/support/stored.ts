/** @file Reads the numbers that the reference implementation stored: a reader of its own, so that the compiler's is not its own judge. */
import { readFileSync } from "node:fs";

export interface Stored {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

/** All tensors of a small safetensors file (F32 and I64), as float64. */
export function readStored(path: string): ReadonlyMap<string, Stored> {
  const file = readFileSync(path);
  const start = 8 + Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.subarray(8, start).toString("utf8")) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  const all = new Map<string, Stored>();
  for (const [name, t] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const bytes = new Uint8Array(file.subarray(start + t.data_offsets[0], start + t.data_offsets[1])).buffer;
    if (t.dtype === "F32") all.set(name, { shape: t.shape, data: Float64Array.from(new Float32Array(bytes)) });
    else if (t.dtype === "I64")
      all.set(name, { shape: t.shape, data: Float64Array.from(new BigInt64Array(bytes), Number) });
    else if (t.dtype === "BOOL") all.set(name, { shape: t.shape, data: Float64Array.from(new Uint8Array(bytes)) });
    else throw new Error(`${path}: ${name} is ${t.dtype}`);
  }
  return all;
}
