/**
 * @file Numbers as bytes, as TensorFlow.js has them: byte q stands for `q * scale + min`, one scale and one min a tensor. A number is off
 * by half a step at most, which is 1/510 of the distance between the tensor's least and greatest number; zero, where it is between
 * them, is exact.
 */
import { toFloat32 } from "./dtypes.ts";

const MOST = 255;

export interface Affine {
  readonly scale: number;
  readonly min: number;
}

/** The least and the greatest of a tensor's numbers. */
export interface Range {
  readonly least: number;
  readonly greatest: number;
}

/** Of float32 numbers that come in pieces; undefined where there are none, or one of them is not finite. */
export function rangeOf(pieces: Iterable<Uint8Array>): Range | undefined {
  let [least, greatest] = [Infinity, -Infinity];
  for (const piece of pieces)
    for (const x of toFloat32("F32", piece)) {
      if (!Number.isFinite(x)) return undefined;
      if (x < least) least = x;
      if (x > greatest) greatest = x;
    }
  return least <= greatest ? { least, greatest } : undefined;
}

/** Steps of equal length over the range, moved by less than one so that zero is a step (as the converter of TensorFlow.js does). */
export function affineOf({ least, greatest }: Range): Affine {
  const scale = (greatest - least) / MOST;
  if (scale === 0) return { scale: 1, min: least };
  const min = least <= 0 && greatest >= 0 ? -Math.round(-least / scale) * scale : least;
  return { scale, min: min === 0 ? 0 : min };
}

/** float32 numbers as bytes, to the nearest step. */
export function* quantized(pieces: Iterable<Uint8Array>, { scale, min }: Affine): Generator<Uint8Array> {
  for (const piece of pieces) {
    const values = toFloat32("F32", piece);
    const out = new Uint8Array(values.length);
    for (let i = 0; i < values.length; i++)
      out[i] = Math.max(0, Math.min(MOST, Math.round((values[i]! - min) / scale)));
    yield out;
  }
}
