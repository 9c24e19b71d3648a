// The reference's numbers: a small safetensors file as a map from names to shapes and lists.
import { readFileSync } from "node:fs";

export function readStored(path) {
  const file = readFileSync(path);
  const start = 8 + Number(file.readBigUInt64LE(0));
  const all = new Map();
  for (const [name, t] of Object.entries(JSON.parse(file.subarray(8, start).toString("utf8")))) {
    if (name === "__metadata__") continue;
    const bytes = new Uint8Array(file.subarray(start + t.data_offsets[0], start + t.data_offsets[1])).buffer;
    const data =
      t.dtype === "I64"
        ? Array.from(new BigInt64Array(bytes), Number)
        : t.dtype === "F32"
          ? Array.from(new Float32Array(bytes))
          : Array.from(new Uint8Array(bytes));
    all.set(name, { shape: t.shape, data });
  }
  return all;
}
