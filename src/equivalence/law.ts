/** @file Tests one law: what is found of its two sides, each verdict with its evidence and no stronger than it. */
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import type { Span } from "../source/source.ts";
import { distinctSizes, drawCase, keyOf, smallSizes, type Case, type LawSource } from "./cases.ts";
import { shrink, type Counterexample } from "./counterexample.ts";
import type { Random } from "./field.ts";
import type { FlatNode } from "./flat.ts";
import { TooLarge } from "./flat.ts";
import { drawLeaves, evaluateAt, TOLERANCE, type Point } from "./floats.ts";
import { prove, Towers, type Proof } from "./prove.ts";

export type Verdict =
  /** Equal over the reals at these sizes: a wrong proof has a probability of at most 2^-bits (none where both sides are one net). */
  | { readonly kind: "proved"; readonly bits: number; readonly steps: number }
  /** Equal at points, up to rounding; `why` there is no proof, and where. */
  | { readonly kind: "sampled"; readonly why: string; readonly span: Span | undefined }
  | { readonly kind: "different"; readonly counterexample: Counterexample | undefined; readonly why: string }
  | { readonly kind: "unknown"; readonly why: string; readonly span: Span | undefined }
  /** It could not be tested: the diagnostics say why. */
  | { readonly kind: "invalid"; readonly diagnostics: readonly Diagnostic[] };

export interface LawReport {
  readonly source: LawSource;
  readonly verdict: Verdict;
  /** Of a law with `!=`, that they differ. */
  readonly holds: boolean;
  /** Sizes and settings at which it was tested. */
  readonly cases: readonly ReadonlyMap<string, string>[];
  /** Float64 points, and the largest relative difference among them. */
  readonly points: number;
  readonly largest: number;
}

export interface TestOptions {
  readonly seed: number;
  /** Milliseconds for one law; what is not done by then is not evidence. */
  readonly budget: number;
  /** A clock in milliseconds; the core has none. */
  readonly now: () => number;
}

const SCALES: readonly (readonly [number, number])[] = [
  [1, 4],
  [1e-3, 2],
  [30, 2],
];

/** The state of one run of `tfm test`: the seed's numbers, and primes that laws share. */
export class Tester {
  private readonly towers: Towers;

  constructor(private readonly options: TestOptions) {
    this.towers = new Towers(randomOf(options.seed, "towers"));
  }

  /** Tests one law; what is drawn for it depends on the seed and its title alone. */
  test(source: LawSource): LawReport {
    const random = randomOf(this.options.seed, source.decl.title.value);
    const end = this.options.now() + this.options.budget;
    return new Test(source, random, this.towers, () => this.options.now() > end).run();
  }
}

class Test {
  private readonly cases: Case[] = [];
  private points = 0;
  private largest = 0;

  constructor(
    private readonly source: LawSource,
    private readonly random: Random,
    private readonly towers: Towers,
    private readonly outOfTime: () => boolean,
  ) {}

  run(): LawReport {
    const verdict = this.guarded();
    const { decl } = this.source;
    const unequal = decl.kind === "Law" && isUnequal(decl.body);
    const equal = verdict.kind === "proved" || verdict.kind === "sampled";
    return {
      source: this.source,
      verdict,
      holds: unequal ? verdict.kind === "different" : equal,
      cases: this.cases.map((c) => c.sizes),
      points: this.points,
      largest: this.largest,
    };
  }

  private guarded(): Verdict {
    try {
      return this.verdict();
    } catch (e) {
      if (e instanceof TooLarge) return { kind: "unknown", why: e.message, span: undefined };
      throw e;
    }
  }

  private verdict(): Verdict {
    const proofs: Proof[] = [];
    const seen = new Set<string>();
    for (const preference of [distinctSizes(0), distinctSizes(1), smallSizes]) {
      if (this.cases.length > 0 && this.outOfTime()) break;
      const drawn = drawCase(this.source, preference, this.random, seen, preference !== smallSizes);
      if ("diagnostics" in drawn) {
        if (this.cases.length > 0) continue;
        return { kind: "invalid", diagnostics: drawn.diagnostics };
      }
      seen.add(keyOf(drawn.case));
      this.cases.push(drawn.case);
      const found = this.sample(drawn.case);
      if (found.differing)
        return {
          kind: "different",
          counterexample: shrink(this.source, drawn.case, found.differing, this.random, this.outOfTime),
          why: "",
        };
      if (found.points.length === 0)
        return { kind: "unknown", why: "at every point that was drawn both sides are undefined", span: undefined };
      proofs.push(this.prove(drawn.case, found.points));
    }
    return this.conclude(proofs);
  }

  /** Points in float64: the first that differs, and one to prove beside. */
  private sample(c: Case): { readonly differing?: Point; readonly points: readonly Point[] } {
    const points: Point[] = [];
    for (const [scale, times] of SCALES)
      for (let i = 0; i < times; i++) {
        const at = evaluateAt(c, drawLeaves(c, this.random, { scale, positive: i % 2 === 0 }));
        if (!at || Number.isNaN(at.difference)) continue;
        this.points++;
        this.largest = Math.max(this.largest, at.difference);
        if (at.difference > TOLERANCE) return { differing: at, points };
        points.push(at);
      }
    return { points };
  }

  private prove(c: Case, points: readonly Point[]): Proof {
    return prove(
      { flat: c.flat, pairs: c.pairs, points: points.map((p) => p.values) },
      this.towers,
      this.random,
      this.outOfTime,
    );
  }

  private conclude(proofs: readonly Proof[]): Verdict {
    const differs = proofs.find((p) => p.kind === "differs");
    if (differs?.kind === "differs" && differs.exact)
      return {
        kind: "different",
        counterexample: undefined,
        why: `the difference is below float64's precision: residues differ, and points by at most ${this.largest.toExponential(1)}`,
      };
    if (differs)
      return {
        kind: "unknown",
        why: "residues differ and points do not: a rounded constant, or an identity of a function that is taken as unknown",
        span: spanOf(differs.node),
      };
    const blind = proofs.findLast((p) => p.kind === "beyond" && p.blind);
    // Small sizes have few elements: what larger ones saw counts.
    if (blind?.kind === "beyond" && proofs.every((p) => p.kind === "beyond" && p.blind))
      return { kind: "unknown", why: blind.why, span: spanOf(blind.node) };
    const other = proofs.find((p) => p.kind !== "proved");
    if (!other) {
      const proved = proofs.filter((p) => p.kind === "proved");
      return {
        kind: "proved",
        bits: Math.min(...proved.map((p) => p.bits)) - Math.log2(proved.length),
        steps: proved.reduce((n, p) => n + p.steps, 0),
      };
    }
    const { why, node } = other as Extract<Proof, { kind: "checked" | "beyond" }>;
    return { kind: "sampled", why, span: spanOf(node) };
  }
}

function spanOf(node: FlatNode | undefined): Span | undefined {
  return node?.span;
}

function isUnequal(x: LawBody): boolean {
  if (x.kind === "Paren" && x.items.length === 1) return isUnequal(x.items[0]!.value);
  return x.kind === "Binary" && x.op === "!=";
}

type LawBody = Extract<LawSource["decl"], { kind: "Law" }>["body"];

/** Numbers in [0, 1) from a seed and a text (sfc32, Doty-Humphrey). */
export function randomOf(seed: number, text: string): Random {
  let [a, b, c, d] = [seed | 0, Math.floor(seed / 2 ** 32) | 0, 0x9e3779b9 | 0, 1];
  const next = (): number => {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + t) | 0;
    return (t >>> 0) / 2 ** 32;
  };
  for (let i = 0; i < text.length; i++) {
    a ^= text.charCodeAt(i);
    next();
  }
  for (let i = 0; i < 15; i++) next();
  return next;
}
