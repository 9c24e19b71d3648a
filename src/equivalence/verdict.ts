/** @file What is found of two sides at given sizes: points in float64, a proof in residues, and the verdict that both allow. */
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import type { Span } from "../source/source.ts";
import type { Case } from "./cases.ts";
import type { Counterexample } from "./counterexample.ts";
import type { Random } from "./field.ts";
import { drawLeaves, evaluateAt, TOLERANCE, type Point } from "./floats.ts";
import { prove, type Proof, type Towers } from "./prove.ts";

export type Verdict =
  /** Equal over the reals at these sizes: a wrong proof has a probability of at most 2^-bits (none where both sides are one net). */
  | { readonly kind: "proved"; readonly bits: number; readonly steps: number }
  /** Equal at points, up to rounding; `why` there is no proof, and where. */
  | { readonly kind: "sampled"; readonly why: string; readonly span: Span | undefined }
  | { readonly kind: "different"; readonly counterexample: Counterexample | undefined; readonly why: string }
  | { readonly kind: "unknown"; readonly why: string; readonly span: Span | undefined }
  /** It could not be tested: the diagnostics say why. */
  | { readonly kind: "invalid"; readonly diagnostics: readonly Diagnostic[] };

export const UNDEFINED_EVERYWHERE: Verdict = {
  kind: "unknown",
  why: "at every point that was drawn both sides are undefined",
  span: undefined,
};

/** Scales of the operands, and how many points of each. */
const SCALES: readonly (readonly [number, number])[] = [
  [1, 4],
  [1e-3, 2],
  [30, 2],
];

export interface Sampled {
  /** Points at which the sides agree. */
  readonly points: readonly Point[];
  /** The first at which they do not. */
  readonly differing?: Point;
  /** The largest relative difference met. */
  readonly largest: number;
}

/** Compares both sides at points in float64; of a `model` the weights are scaled too. */
export function sample(c: Case, random: Random, scales = SCALES, model = false): Sampled {
  const points: Point[] = [];
  let largest = 0;
  for (const [scale, times] of scales)
    for (let i = 0; i < times; i++) {
      const at = evaluateAt(c, drawLeaves(c, random, { scale, positive: i % 2 === 0, model }));
      if (!at || Number.isNaN(at.difference)) continue;
      largest = Math.max(largest, at.difference);
      if (at.difference > TOLERANCE) return { differing: at, points, largest };
      points.push(at);
    }
  return { points, largest };
}

export function proofOf(
  c: Case,
  points: readonly Point[],
  towers: Towers,
  random: Random,
  outOfTime: () => boolean,
): Proof {
  const problem = { flat: c.flat, pairs: c.pairs, points: points.map((p) => p.values) };
  return prove(problem, towers, random, outOfTime);
}

/** What the proofs at all sizes allow to say; `largest` is the largest difference at a point. */
export function conclude(proofs: readonly Proof[], largest: number): Verdict {
  const differs = proofs.find((p) => p.kind === "differs");
  if (differs?.kind === "differs" && differs.exact)
    return {
      kind: "different",
      counterexample: undefined,
      why: `the difference is below float64's precision: residues differ, and points by at most ${largest.toExponential(1)}`,
    };
  if (differs)
    return {
      kind: "unknown",
      why: "residues differ and points do not: a rounded constant, or an identity of a function that is taken as unknown",
      span: differs.node?.span,
    };
  const blind = proofs.findLast((p) => p.kind === "beyond" && p.blind);
  // Small sizes have few elements: what larger ones saw counts.
  if (blind?.kind === "beyond" && proofs.every((p) => p.kind === "beyond" && p.blind))
    return { kind: "unknown", why: blind.why, span: blind.node?.span };
  const other = proofs.find((p) => p.kind !== "proved");
  if (other) {
    const { why, node } = other as Extract<Proof, { kind: "checked" | "beyond" }>;
    return { kind: "sampled", why, span: node?.span };
  }
  const proved = proofs.filter((p) => p.kind === "proved");
  return {
    kind: "proved",
    bits: Math.min(...proved.map((p) => p.bits)) - Math.log2(proved.length),
    steps: proved.reduce((n, p) => n + p.steps, 0),
  };
}
