/** @file Whether two stored tensors hold the same numbers: read side by side, a piece at a time. */
import { aligned, isFloat, toFloat32, WIDTH } from "./dtypes.ts";
import type { Checkpoint, StoredTensor } from "./source.ts";

/** Elements that are compared at once. */
const PIECE = 1 << 18;

/**
 * True where both have one shape and the same elements in it. Bytes are compared; where they differ, or the dtypes do, the numbers as
 * float32 have them. Never more than a piece of each is in memory. Throws `ReadFailure` where a file changed or cannot be read.
 */
export function sameNumbers(checkpoint: Checkpoint, a: StoredTensor, b: StoredTensor): boolean {
  if (a.shape.length !== b.shape.length || a.shape.some((n, i) => n !== b.shape[i])) return false;
  if (a.file === b.file && a.offset === b.offset && a.dtype === b.dtype) return true;
  const elements = a.shape.reduce((n, size) => n * size, 1);
  for (let at = 0; at < elements; at += PIECE) {
    const count = Math.min(PIECE, elements - at);
    const [x, y] = [a, b].map((t) => checkpoint.read(t, at * WIDTH[t.dtype], count * WIDTH[t.dtype])) as [
      Uint8Array,
      Uint8Array,
    ];
    if (a.dtype === b.dtype && sameBytes(x, y)) continue;
    if (!isFloat(a.dtype) || !isFloat(b.dtype)) return false;
    const [p, q] = [toFloat32(a.dtype, x), toFloat32(b.dtype, y)];
    if (!p.every((n, i) => n === q[i])) return false;
  }
  return true;
}

function sameBytes(x: Uint8Array, y: Uint8Array): boolean {
  const words = x.length >> 2;
  const [p, q] = [x, y].map((bytes) => {
    const { buffer, byteOffset } = aligned(bytes, 4);
    return new Int32Array(buffer, byteOffset, words);
  }) as [Int32Array, Int32Array];
  for (let i = 0; i < words; i++) if (p[i] !== q[i]) return false;
  for (let i = words << 2; i < x.length; i++) if (x[i] !== y[i]) return false;
  return true;
}
