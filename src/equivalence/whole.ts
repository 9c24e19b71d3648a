/** @file Whole models as two sides of a net: sampled, proved, or told apart; what every comparison of models comes down to. */
import type { Case } from "./cases.ts";
import { partingOf, sameNumbers, simplified, type Counterexample, type Parting } from "./counterexample.ts";
import type { Random } from "./field.ts";
import { TooLarge, type Flat } from "./flat.ts";
import { drawLeaves, evaluateAt, type Point } from "./floats.ts";
import { randomOf, type TestOptions } from "./law.ts";
import { reduced } from "./shrink.ts";
import { Towers } from "./prove.ts";
import { conclude, proofOf, sample, UNDEFINED_EVERYWHERE, type Verdict } from "./verdict.ts";

export interface ModelOptions extends TestOptions {
  /** False: points in float64 alone, which is much quicker. */
  readonly proof?: boolean;
}

export interface Judged {
  readonly verdict: Verdict;
  readonly points: number;
  readonly largest: number;
  /** The repeated layer that the first value is in which the first model never has; "" outside of all. */
  readonly layer?: string;
}

/** The two models cannot be compared at all. */
export class Incomparable extends Error {
  override readonly name = "Incomparable";
}

/** Numbers that a model may have, its weights and what it is fed with: more would not be compared in minutes. */
const MOST_NUMBERS = 3_000_000;
/** Counterexamples of more numbers are made simple by halves. */
const MOST_SINGLE = 400;
/** Below this a difference is not one to show. */
const VISIBLE = 1e-6;
/** The part of the time that counterexamples are made simple for. */
const SHRINKING = 1 / 4;

/** Weights and inputs at these scales: small ones make visible what is added before a root, large ones what saturates. */
const SCALES: readonly (readonly [number, number])[] = [
  [1, 2],
  [0.03, 1],
  [5, 1],
];

/** Why models of so many numbers are not compared, or undefined where they are. */
export function tooLarge(numbers: number): string | undefined {
  return numbers <= MOST_NUMBERS
    ? undefined
    : `the models have ${numbers.toLocaleString("en")} numbers, and at most ${MOST_NUMBERS.toLocaleString("en")} are compared: make them smaller with -s`;
}

export interface Sides {
  readonly flat: Flat;
  /** Left and right values that are to be equal. */
  readonly pairs: readonly (readonly [number, number])[];
  readonly rearranged?: boolean;
}

/** The same sides at other sizes. */
export type AtSizes = (sizes: ReadonlyMap<string, number>) => Sides;

/** What is found of two sides at these sizes, within the time that is given. Counterexamples are looked for at smaller ones too. */
export function judge(
  sizes: ReadonlyMap<string, number>,
  options: ModelOptions,
  build: () => Sides,
  smaller: { readonly at: AtSizes; readonly least: (name: string) => number } | undefined = undefined,
): Judged {
  const random = randomOf(options.seed, "models");
  const end = options.now() + options.budget;
  const found = { points: 0, largest: 0 };
  let layer: string | undefined;
  let verdict: Verdict;
  try {
    const c = caseOf(sizes, build());
    verdict = verdictOf(c, random, options, () => options.now() > end, found);
    if (verdict.kind === "different" && verdict.counterexample) {
      const until = options.now() + Math.min(end - options.now(), options.budget * SHRINKING);
      verdict = {
        ...verdict,
        counterexample: shrunk(verdict.counterexample, sizes, smaller, random, () => options.now() > until),
      };
    }
    if (verdict.kind === "different") layer = verdict.counterexample?.parting?.node.layer;
  } catch (e) {
    if (!(e instanceof TooLarge) && !(e instanceof Incomparable)) throw e;
    verdict = { kind: "unknown", why: e.message, span: undefined };
  }
  return { verdict, ...found, ...(layer === undefined ? {} : { layer }) };
}

function verdictOf(
  c: Case,
  random: Random,
  options: ModelOptions,
  outOfTime: () => boolean,
  found: { points: number; largest: number },
): Verdict {
  if (c.pairs.every(([a, b]) => a === b)) return { kind: "proved", bits: Infinity, steps: 0 };
  const numbers = c.flat.cone(c.pairs.flat()).reduce((n, id) => {
    const node = c.flat.node(id);
    return node.op === "leaf" ? n + node.axes.reduce((m, a) => m * a.size, 1) : n;
  }, 0);
  const why = tooLarge(numbers);
  if (why !== undefined) return { kind: "unknown", why, span: undefined };
  const sampled = sample(c, random, SCALES, true);
  found.points = sampled.points.length + (sampled.differing ? 1 : 0);
  found.largest = sampled.largest;
  if (sampled.differing)
    return {
      kind: "different",
      why: "",
      counterexample: { case: c, point: sampled.differing, parting: undefined, leftParting: undefined },
    };
  if (sampled.points.length === 0) return UNDEFINED_EVERYWHERE;
  if (options.proof === false) return { kind: "sampled", why: "none was asked for", span: undefined };
  const proof = proofOf(c, sampled.points, new Towers(randomOf(options.seed, "towers")), random, outOfTime);
  return conclude([proof], sampled.largest);
}

function caseOf(sizes: ReadonlyMap<string, number>, sides: Sides): Case {
  return { sizes: new Map([...sizes].map(([n, s]) => [n, String(s)])), ...sides };
}

/** At the smallest sizes that do, with numbers as simple as there is time for. */
function shrunk(
  found: Counterexample,
  sizes: ReadonlyMap<string, number>,
  smaller: { readonly at: AtSizes; readonly least: (name: string) => number } | undefined,
  random: Random,
  outOfTime: () => boolean,
): Counterexample {
  let { case: c, point } = found;
  let partings = [partingOf(c, point, 0), partingOf(c, point, 1)] as const;
  for (const more of smaller ? [0, 1, 2] : []) {
    if (outOfTime()) break;
    const wanted = new Map([...sizes].map(([n, size]) => [n, Math.min(size, smaller!.least(n) + more)]));
    const next = differingAt(caseOf(wanted, smaller!.at(wanted)), random);
    if (!next) continue;
    const own = [partingOf(next.case, next.point, 0), partingOf(next.case, next.point, 1)] as const;
    // What differs first must not be lost on the way.
    if (!own.every((p, i) => samePlace(p, partings[i]))) continue;
    ({ case: c, point } = next);
    partings = own;
    break;
  }
  const numbers = [...point.leaves.values()].reduce((n, t) => n + t.data.length, 0);
  const [l, r] = partings;
  const parts = (at: Point): boolean => !l || !r || !sameNumbers(at.values.get(l.node.id)!, at.values.get(r.node.id)!);
  const shrink = numbers <= MOST_SINGLE ? simplified : reduced;
  const at = shrink(c, point, outOfTime, parts(point) ? parts : undefined);
  return { case: c, point: at, parting: r && now(r, at), leftParting: l && now(l, at) };
}

function now({ node }: Parting, { values }: Point): Parting {
  return { node, value: values.get(node.id)! };
}

function samePlace(a: Parting | undefined, b: Parting | undefined): boolean {
  const place = (p: Parting | undefined): string =>
    p
      ? `${p.node.layer} ${p.node.op} ${p.node.note ?? ""} ${p.node.span?.file.name ?? ""} ${p.node.span?.start ?? ""}`
      : "";
  return place(a) === place(b);
}

/** Differences that are visible, of small whole numbers rather than of others. */
function differingAt(c: Case, random: Random): { readonly case: Case; readonly point: Point } | undefined {
  for (const small of [true, true, true, false]) {
    const point = evaluateAt(c, drawLeaves(c, random, { scale: 1, positive: true, small, model: true }));
    if (point && point.difference > VISIBLE && Number.isFinite(point.difference)) return { case: c, point };
  }
  return undefined;
}
