/**
 * @file Sine and cosine by arithmetic. WGSL promises of its own only that they are off by no more than 2^-11, and between -pi and pi
 * only; angles of rotary embeddings are as large as the place. Here the error is about that of float32 for angles up to 400,000.
 */

/** Appends a node of two operands (or one) and gives it. */
export interface Arithmetic {
  readonly apply: (op: string, x: string, y?: string) => string;
  readonly number: (value: number) => string;
}

/** Two pi in three parts, the first two of so few bits that up to 2^16 times them are exact (Cody and Waite, 1980; the parts are Cephes'). */
const TURN = [6.28125, 1.93500518798828125e-3, 3.019915981956752864e-7] as const;

/** 1/n! with alternating signs, n from the last one that shows in float32 at pi. */
const seriesFrom = (last: number): readonly number[] => {
  const terms: number[] = [];
  for (let n = last; n >= 0; n -= 2) {
    let factorial = 1;
    for (let i = 2; i <= n; i++) factorial *= i;
    terms.push((Math.floor(n / 2) % 2 === 0 ? 1 : -1) / factorial);
  }
  return terms;
};
export const SIN = seriesFrom(17);
export const COS = seriesFrom(18);

export interface Reduced {
  /** The angle less whole turns. */
  readonly angle: string;
  readonly square: string;
}

/** An angle less whole turns, from -pi to pi. */
export function reduced({ apply, number }: Arithmetic, x: string): Reduced {
  const turns = apply("Round", apply("Mul", x, number(1 / (2 * Math.PI))));
  const angle = TURN.reduce((rest, part) => apply("Sub", rest, apply("Mul", turns, number(part))), x);
  return { angle, square: apply("Mul", angle, angle) };
}

export function sine(a: Arithmetic, { angle, square }: Reduced): string {
  return a.apply("Mul", angle, polynomial(a, SIN, square));
}

export function cosine(a: Arithmetic, { square }: Reduced): string {
  return polynomial(a, COS, square);
}

function polynomial({ apply, number }: Arithmetic, [first, ...others]: readonly number[], x: string): string {
  return others
    .slice(1)
    .reduce(
      (sum, term) => apply("AddV2", apply("Mul", sum, x), number(term)),
      apply("AddV2", apply("Mul", x, number(first!)), number(others[0]!)),
    );
}
