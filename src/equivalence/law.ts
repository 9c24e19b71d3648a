/** @file Tests one law: what is found of its two sides, each verdict with its evidence and no stronger than it. */
import { distinctSizes, drawCase, keyOf, smallSizes, type Case, type LawSource } from "./cases.ts";
import { shrink, type Smaller } from "./counterexample.ts";
import type { Random } from "./field.ts";
import { TooLarge } from "./flat.ts";
import type { Point } from "./floats.ts";
import { Towers, type Proof } from "./prove.ts";
import { conclude, proofOf, sample, UNDEFINED_EVERYWHERE, type Verdict } from "./verdict.ts";

export type { Verdict } from "./verdict.ts";

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
      const c = drawn.case;
      seen.add(keyOf(c));
      this.cases.push(c);
      const sampled = sample(c, this.random);
      this.points += sampled.points.length + (sampled.differing ? 1 : 0);
      this.largest = Math.max(this.largest, sampled.largest);
      if (sampled.differing) return this.different(c, sampled.differing);
      if (sampled.points.length === 0) return UNDEFINED_EVERYWHERE;
      proofs.push(proofOf(c, sampled.points, this.towers, this.random, this.outOfTime));
    }
    return conclude(proofs, this.largest);
  }

  private different(c: Case, at: Point): Verdict {
    const smaller: Smaller = (skip) => {
      const drawn = drawCase(this.source, smallSizes, this.random, skip);
      return "case" in drawn ? drawn.case : undefined;
    };
    return { kind: "different", counterexample: shrink(smaller, c, at, this.random, this.outOfTime), why: "" };
  }
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
