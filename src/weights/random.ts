/**
 * @file Numbers drawn for weights without a checkpoint. Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel
 * Random Numbers: As Easy as 1, 2, 3", 2011) is keyed by a parameter's path and counts by seed and place, so that
 * each number depends on nothing else: not on other parameters, not on the order in which any are made.
 */

const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;
/** How the key changes from round to round. */
const W0 = 0x9e3779b9;
const W1 = 0xbb67ae85;

/** Four words of 32 bits from a counter of four and a key of two; they are put into `out` at `at`. */
export function philox(
  c0: number,
  c1: number,
  c2: number,
  c3: number,
  k0: number,
  k1: number,
  out: Uint32Array,
  at: number,
): void {
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(M0, c0);
    const low0 = Math.imul(M0, c0);
    const high1 = multiplyHigh(M1, c2);
    const low1 = Math.imul(M1, c2);
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 = (k0 + W0) | 0;
    k1 = (k1 + W1) | 0;
  }
  out[at] = c0;
  out[at + 1] = c1;
  out[at + 2] = c2;
  out[at + 3] = c3;
}

/** The upper 32 bits of a product of unsigned 32-bit numbers, from products of 16 bits that a double holds. */
function multiplyHigh(a: number, b: number): number {
  const al = a & 0xffff;
  const ah = a >>> 16;
  const bl = b & 0xffff;
  const bh = b >>> 16;
  const middle = ah * bl + ((al * bl) >>> 16);
  const low = al * bh + (middle & 0xffff);
  return (ah * bh + (middle >>> 16) + (low >>> 16)) | 0;
}

/** 64 bits that tell texts apart (cyrb53's mixing, Bryc 2018, with both words kept). */
export function keyOf(path: string): readonly [number, number] {
  let a = 0xdeadbeef;
  let b = 0x41c6ce57;
  for (let i = 0; i < path.length; i++) {
    const c = path.charCodeAt(i);
    a = Math.imul(a ^ c, 2654435761);
    b = Math.imul(b ^ c, 1597334677);
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909);
  return [a | 0, b | 0];
}

/**
 * Fills `out` with the numbers `start`, `start + 1`, ... of a parameter: normal, mean 0 (Box and Muller, 1958; two
 * numbers from two words).
 * @param seed a whole number from 0 to 2^53 - 1
 */
export function fillNormal(out: Float32Array, start: number, path: string, seed: number, deviation: number): void {
  const [k0, k1] = keyOf(path);
  const seedLow = seed | 0;
  const seedHigh = Math.floor(seed / 2 ** 32) | 0;
  const words = new Uint32Array(4);
  const four = new Float64Array(4);
  let at = 0;
  for (let block = Math.floor(start / 4); at < out.length; block++) {
    philox(block | 0, Math.floor(block / 2 ** 32) | 0, seedLow, seedHigh, k0, k1, words, 0);
    pair(words[0]!, words[1]!, deviation, four, 0);
    pair(words[2]!, words[3]!, deviation, four, 2);
    for (let i = Math.max(0, start - block * 4); i < 4 && at < out.length; i++) out[at++] = four[i]!;
  }
}

function pair(a: number, b: number, deviation: number, out: Float64Array, at: number): void {
  // Between 0 and 1, neither included: the logarithm is finite.
  const radius = deviation * Math.sqrt(-2 * Math.log((a + 0.5) * 2 ** -32));
  const angle = 2 * Math.PI * ((b + 0.5) * 2 ** -32);
  out[at] = radius * Math.cos(angle);
  out[at + 1] = radius * Math.sin(angle);
}
