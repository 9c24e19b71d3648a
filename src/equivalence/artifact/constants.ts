/**
 * @file What the numbers of an artifact, which are rounded to float32 or to halves, stand for. A proof is over the reals, so 1e-5 as float32
 * must be the 1e-5 of the program, and sqrt(2) the root of two.
 */
import { fromFloat32, toFloat32 } from "../../weights/dtypes.ts";

/**
 * From here on a number that the program does not have stands for minus infinity: it is what masks add (-30000 in halves, -1e30 else), and
 * no score of a model comes near.
 */
export const LOWEST = -3e4;

/** Constants that operators are defined with. */
const WELL_KNOWN = [
  Math.SQRT2,
  Math.SQRT1_2,
  Math.sqrt(2 / Math.PI),
  Math.LN2,
  Math.LOG2E,
  Math.PI,
  2 * Math.PI,
  1 / (2 * Math.PI),
];

/**
 * Numbers of float32 as the real that they stand for: of these candidates the first that rounds to it; else minus infinity, the decimal of at most six
 * digits, the quotient of small whole numbers, the root of one, or the product or quotient of two candidates (a scale over a cap), that
 * does; else the shortest decimal.
 */
export function meantBy(candidates: readonly number[]): Meant {
  const given = [...new Set(candidates)].filter((c) => c !== 0 && Number.isFinite(c));
  const [whole, half] = [Math.fround, toHalf].map((round) => {
    const known = new Map<number, number>();
    for (const c of [...candidates, ...WELL_KNOWN])
      for (const each of [c, -c]) {
        const rounded = round(each);
        if (!known.has(rounded)) known.set(rounded, each);
      }
    return known;
  }) as [Map<number, number>, Map<number, number>];
  return (x, isHalf = false) => {
    const known = isHalf ? half : whole;
    let meant = known.get(x);
    if (meant === undefined) {
      if (x <= LOWEST) meant = -Infinity;
      else meant = (isHalf ? ofTwo(x, given, toHalf) : undefined) ?? real(x, given);
      known.set(x, meant);
    }
    return meant;
  };
}

/** What a number stands for that was rounded to float32, or to a half. */
export type Meant = (x: number, isHalf?: boolean) => number;

function toHalf(x: number): number {
  return toFloat32("F16", fromFloat32("F16", Float32Array.of(x)))[0]!;
}

function real(x: number, given: readonly number[]): number {
  if (!Number.isFinite(x) || Number.isInteger(x) || Math.fround(x) !== x) return x;
  const short = shortest(x);
  if (short.digits <= 6) return short.value;
  const size = Math.abs(x);
  for (const [from, back] of [
    [size, (q: number) => q],
    [size * size, Math.sqrt],
  ] as const)
    for (let below = 1; below <= MOST_BELOW; below++) {
      const value = back(Math.round(from * below) / below);
      if (value !== 0 && Math.fround(value) === size) return Math.sign(x) * value;
    }
  return ofTwo(x, given) ?? short.value;
}

function ofTwo(x: number, given: readonly number[], round = Math.fround): number | undefined {
  const size = Math.abs(x);
  for (const a of given)
    for (const b of given)
      for (const value of [Math.abs(a * b), Math.abs(a / b)]) if (round(value) === size) return Math.sign(x) * value;
  return undefined;
}

/** Larger ones would come near enough to anything. */
const MOST_BELOW = 200;

/** The decimal of the fewest digits that rounds to a float32. */
function shortest(x: number): { readonly value: number; readonly digits: number } {
  for (let digits = 1; digits < 9; digits++) {
    const value = Number(x.toPrecision(digits));
    if (Math.fround(value) === x) return { value, digits };
  }
  return { value: x, digits: 17 };
}
