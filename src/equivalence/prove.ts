/**
 * @file Proves two nets equal in residues, step by step: pairs of nodes that agree at a float64 point are proved from the pairs
 * proved before, which become fresh inputs (Brand, 1993; Kuehlmann and Krohm, 1997). A fresh input stands for any value, so what is
 * proved from it holds; what fails with it may still hold, and the outputs are tried again from the drawn inputs.
 */
import type { Tensor } from "../ops/op.ts";
import { hasTrait } from "../ops/registry.ts";
import { arrange, count } from "../ops/tensor.ts";
import { boundOf, type Bound } from "./degree.ts";
import { computeResidues, Stopped, type Given, type Values } from "./evaluate.ts";
import { drawTower, type Random, type Tower } from "./field.ts";
import type { Flat, FlatNode } from "./flat.ts";
import { Beyond, Residues, Unlucky, type Residue } from "./residues.ts";

/** What is to be equal. */
export interface Problem {
  readonly flat: Flat;
  readonly pairs: readonly (readonly [number, number])[];
  /** Values at float64 points: the first finds candidates, all stand beside residues; ints and bools are taken from them. */
  readonly points: readonly Values<number>[];
}

export type Proof =
  /** The probability that unequal sides pass is at most 2^-bits. */
  | { readonly kind: "proved"; readonly bits: number; readonly steps: number }
  /** Residues are equal, but nothing bounds the error. */
  | { readonly kind: "checked"; readonly why: string; readonly node: FlatNode | undefined }
  /** Residues differ; `exact`: then the reals do. */
  | { readonly kind: "differs"; readonly exact: boolean; readonly node: FlatNode | undefined }
  /** `blind`: a part of what the law says was never looked at, by points either. */
  | { readonly kind: "beyond"; readonly why: string; readonly node: FlatNode | undefined; readonly blind?: boolean };

/** Towers of primes, drawn once and used by all steps: each step's error is bounded by itself. */
export class Towers {
  private readonly plain: Tower[] = [];
  private readonly turning: Tower[] = [];

  constructor(private readonly random: Random) {}

  at(i: number, angles: boolean): Tower {
    const all = angles ? this.turning : this.plain;
    while (all.length <= i) all.push(drawTower(this.random, angles));
    return all[i]!;
  }
}

const WANTED_BITS = 40;
const MOST_TRIALS = 8;
const MOST_ROOTS = 2;
/** Nodes of a step that is tried without cuts too. */
const SMALL = 60;
const MOST_TOWERS = 48;
/** Hashed, or branched on. */
const OPAQUE: ReadonlySet<string> = new Set([
  "erf",
  "log",
  "log2",
  "abs",
  "sign",
  "floor",
  "ceil",
  "round",
  "min",
  "max",
  "reduce_min",
  "reduce_max",
  "pow",
  "sqrt",
  "rsqrt",
  "top_k",
]);
/** Branches are taken at this many points. */
const REGIONS = 8;

export function prove(problem: Problem, towers: Towers, random: Random, outOfTime: () => boolean): Proof {
  return new Prover(problem, towers, random, outOfTime).run();
}

class Prover {
  private readonly parent: number[];
  /** Depends on a real that is drawn; what depends on whole numbers alone is computed, never cut. */
  private readonly real: Uint8Array;
  /** With infinities, or zeros made of them: what a mask has put into a value is known of it, and would not be of a fresh one. */
  private readonly masked: Uint8Array;
  private readonly left: Uint8Array;
  private readonly right: Uint8Array;
  private readonly proved = new Set<number>();
  /** Why the last step that failed has no bound. */
  private unbounded: { readonly why: string; readonly node: FlatNode | undefined } | undefined;
  private worst = Infinity;
  private steps = 0;

  constructor(
    private readonly problem: Problem,
    private readonly towers: Towers,
    private readonly random: Random,
    private readonly outOfTime: () => boolean,
  ) {
    const { flat, pairs } = problem;
    this.parent = flat.nodes.map((n) => n.id);
    this.real = new Uint8Array(flat.nodes.length);
    for (const n of flat.nodes)
      this.real[n.id] = Number(n.op === "leaf" ? n.dtype === "float" : n.inputs.some((i) => this.real[i] === 1));
    this.masked = new Uint8Array(flat.nodes.length);
    for (const n of flat.nodes) {
      const t = problem.points[0]!.get(n.id);
      this.masked[n.id] = Number(
        has(t, Infinity) || (n.op !== "dot" && n.inputs.some((i) => this.masked[i] === 1) && has(t, 0)),
      );
    }
    this.left = new Uint8Array(flat.nodes.length);
    this.right = new Uint8Array(flat.nodes.length);
    for (const id of flat.cone(pairs.map((p) => p[0]))) this.left[id] = 1;
    for (const [part, whole] of flat.views) if (this.left[whole] === 1) this.left[part] = 1;
    for (const id of flat.cone(pairs.map((p) => p[1]))) this.right[id] = 1;
  }

  private readonly find = (id: number): number => {
    let root = id;
    while (this.parent[root] !== root) root = this.parent[root]!;
    return root;
  };

  run(): Proof {
    this.merge();
    for (const [a, b] of this.problem.pairs) {
      if (this.find(a) === this.find(b)) continue;
      if (this.provesInSomeWay(a, b) || this.proves(a, b, false)) continue;
      return this.explain();
    }
    return {
      kind: "proved",
      bits: this.steps === 0 ? Infinity : this.worst - Math.log2(this.steps),
      steps: this.steps,
    };
  }

  /** Goes through the right side from its inputs on, and makes nodes one that are proved equal. */
  private merge(): void {
    const { flat } = this.problem;
    const candidates = new Candidates(this.problem, (id) => this.left[id] === 1 && this.isCandidate(flat.node(id)));
    for (const node of flat.nodes) {
      if (!this.right[node.id] || this.left[node.id] || node.op === "leaf") continue;
      const inputs = node.inputs.map(this.find);
      const known = flat.known(node.op, inputs, node.attrs, node.out);
      if (known !== undefined && this.find(known) !== node.id) {
        this.unite(node.id, this.find(known));
        continue;
      }
      if (!this.isCandidate(node) || this.outOfTime()) continue;
      for (const a of candidates.of(node)) {
        if (!this.provesInSomeWay(a, node.id)) continue;
        this.unite(node.id, a, true);
        break;
      }
    }
  }

  private isCandidate(node: FlatNode): boolean {
    return this.real[node.id] === 1 && node.dtype === "float" && node.op !== "leaf";
  }

  /** Few enough operators to try without cuts. */
  private isSmall(a: number, b: number): boolean {
    return this.problem.flat.cone([a, b]).length <= SMALL;
  }

  /** The node that comes first stands for both: so operands are always made before they are used. */
  private unite(b: number, a: number, proved = false): void {
    const [first, second] = a < b ? [a, b] : [b, a];
    this.parent[second] = first;
    this.left[first] = Math.max(this.left[a]!, this.left[b]!);
    this.right[first] = 1;
    // What is known of a part is said of the whole, which comes before it.
    const whole = this.problem.flat.views.get(first);
    if (whole !== undefined) {
      this.right[this.find(whole)] = 1;
      return;
    }
    if (proved) this.proved.add(first);
  }

  /** From what was proved before; without cuts where that is little; at last without what masks say of values. */
  private provesInSomeWay(a: number, b: number): boolean {
    if (this.proves(a, b, true)) return true;
    const first = this.unbounded;
    if (this.isSmall(a, b) && this.proves(a, b, false)) return true;
    if (first !== undefined && this.proves(a, b, true, true)) return true;
    this.unbounded ??= first;
    return false;
  }

  private proves(a: number, b: number, cut: boolean, masked = false): boolean {
    const step = this.step([[a, b]], cut, masked);
    try {
      const bits = this.trials(step);
      if (bits === undefined) {
        this.unbounded = undefined;
        return false;
      }
      this.worst = Math.min(this.worst, bits);
      this.steps++;
      return true;
    } catch (e) {
      if (!(e instanceof Beyond) && !(e instanceof Stopped)) throw e;
      this.unbounded = { why: e.message, node: e instanceof Stopped ? e.node : undefined };
      return false;
    }
  }

  /** `masked`: cut also where a mask has made zeros, which a fresh input does not have. */
  private step(pairs: readonly (readonly [number, number])[], cut: boolean, masked = false): Step {
    const { flat } = this.problem;
    // Of a part, the value that it is of is what is to be proved.
    const roots = pairs
      .flat()
      .map(this.find)
      .flatMap((id) => [id, flat.views.get(id) ?? id]);
    const isCut = (id: number): boolean =>
      cut &&
      !roots.includes(id) &&
      !flat.views.has(id) &&
      (masked ? !this.hasInfinities(id) : this.masked[id] === 0) &&
      this.left[id] === 1 &&
      this.right[id] === 1 &&
      this.isCandidate(flat.node(id)) &&
      (this.proved.has(id) || !isStructural(flat.node(id)));
    const isLeaf = (id: number): boolean => flat.node(id).op === "leaf" || isCut(id);
    const find = cut ? this.find : (id: number): number => id;
    return { pairs, cone: flat.cone(pairs.flat(), find, isLeaf), isLeaf, find };
  }

  private hasInfinities(id: number): boolean {
    return this.problem.points.some((p) => has(p.get(id), Infinity));
  }

  /** The bits of certainty, or undefined where residues differ. Throws where no bound is known. */
  private trials(step: Step): number | undefined {
    const { flat } = this.problem;
    const bound = boundOf(flat, step.cone, step.isLeaf, step.find, step.pairs);
    const bits = bitsOf(bound);
    if (bits < 5) throw new Beyond("too many terms for a bound");
    if (bound.roots > MOST_ROOTS) throw new Beyond("too many roots in one step");
    // Where the arguments of roots are squares of something, residues know its sign for a part of all draws only: see `missed`.
    const gained = -Math.log2(missed(bound.roots) + 2 ** -bits);
    const trials = Math.ceil((WANTED_BITS + 10) / gained);
    if (bound.roots === 0 && trials > MOST_TRIALS) throw new Beyond("too many terms for a bound");
    let roots = 0;
    for (let i = 0, done = 0; done < trials; i++) {
      if (i - done > MOST_TOWERS || (done > 0 && this.outOfTime()))
        throw new Beyond(i - done > MOST_TOWERS ? "no primes in which all constants have roots" : "no time was left");
      const made = this.trial(step, i % MOST_TOWERS, false);
      if (made === "again") continue;
      if (!made.equal) return undefined;
      roots = made.field.constantRoots;
      done++;
    }
    return (gained - (bound.roots === 0 ? 2 * roots : 0)) * trials;
  }

  private trial(step: Step, tower: number, regions: boolean): { equal: boolean; field: Residues } | "again" {
    const { flat, points } = this.problem;
    const ops = new Set(step.cone.map((id) => flat.node(id).op));
    const inner = ["exp", "sigmoid", "tanh", "softmax", "pow"].some((op) => ops.has(op as never));
    const angles = ops.has("sin") || ops.has("cos");
    const field = new Residues({ tower: this.towers.at(tower, angles), random: this.random, regions, inner, angles });
    try {
      const values = computeResidues(
        flat,
        step.cone,
        step.isLeaf,
        field,
        residuesOf(field, points[tower % points.length]!),
        step.find,
        this.outOfTime,
      );
      return {
        equal: step.pairs.every(([a, b]) => sameResidues(values.get(step.find(a))!, values.get(step.find(b))!)),
        field,
      };
    } catch (e) {
      if (e instanceof Unlucky) return "again";
      throw e;
    }
  }

  /** Why the outputs are not proved: the whole is computed in residues, at last with branches at points. */
  private explain(): Proof {
    const step = this.step(this.problem.pairs, false);
    let why = "";
    let node: FlatNode | undefined;
    for (const regions of [false, true]) {
      try {
        const made = this.rounds(step, regions);
        if (made === undefined) continue;
        if (made.equal)
          return regions
            ? this.inRegions(step, node)
            : { kind: "checked", why: "nothing bounds the error", node, ...this.unbounded };
        if (regions || !made.field.hashed)
          return {
            kind: "differs",
            exact: !made.field.rounded && !made.field.hashed && !made.field.branched && !this.hasDrawnRoots(step),
            node: node ?? this.opaque(step),
          };
      } catch (e) {
        if (!(e instanceof Stopped) && !(e instanceof Beyond)) throw e;
        why = e.message;
        node = e instanceof Stopped ? e.node : undefined;
      }
    }
    return { kind: "beyond", why: why || "residues are not defined", node };
  }

  private rounds(step: Step, regions: boolean): { equal: boolean; field: Residues } | undefined {
    let last: { equal: boolean; field: Residues } | undefined;
    for (let i = 0, done = 0; done < (regions ? REGIONS : 3) && i < MOST_TOWERS; i++) {
      const made = this.trial(step, i, regions);
      if (made === "again") continue;
      if (!made.equal) return made;
      last = made;
      done++;
    }
    return last;
  }

  /** The first operator of which the fields know too little, else the first constant that is no short decimal. */
  private opaque(step: Step): FlatNode | undefined {
    const nodes = step.cone.map((id) => this.problem.flat.node(id));
    return (
      nodes.find((n) => n.drawn && OPAQUE.has(n.op)) ??
      nodes.find((n) => n.op === "constant" && String((n.attrs as { value: number }).value).length > 13)
    );
  }

  /** Equal in the regions that were met: were both outcomes of every comparison among them? */
  private inRegions(step: Step, node: FlatNode | undefined): Proof {
    const oneSided = step.cone
      .map((id) => this.problem.flat.node(id))
      .find((n) => this.real[n.id] === 1 && isOneSided(n, this.problem.points));
    if (oneSided)
      return {
        kind: "beyond",
        why: "at every point that was drawn a comparison came out the same, and the other branch was never seen",
        node: oneSided,
        blind: true,
      };
    return { kind: "checked", why: "comparisons hold in the regions that were met", node };
  }

  private hasDrawnRoots(step: Step): boolean {
    return step.cone.some((id) => {
      const { op, drawn } = this.problem.flat.node(id);
      return drawn && (op === "sqrt" || op === "rsqrt" || op === "pow");
    });
  }
}

const COMPARISONS: ReadonlySet<string> = new Set(["less", "less_equal", "greater", "greater_equal"]);

function isOneSided(node: FlatNode, points: readonly Values<number>[]): boolean {
  const seen = new Set<boolean>();
  for (const values of points) {
    const own = values.get(node.id);
    if (!own) continue;
    if (COMPARISONS.has(node.op)) for (const x of Array.from(own.data as ArrayLike<number>)) seen.add(x === 1);
    else if (node.op === "min" || node.op === "max") {
      const [a, b] = node.inputs.map((i) => arrange(FLOATS, values.get(i)!, own.axes) as ArrayLike<number>);
      for (let i = 0; i < own.data.length; i++) if (a![i] !== b![i]) seen.add(a![i]! < b![i]!);
    } else return false;
  }
  return seen.size === 1;
}

interface Step {
  readonly pairs: readonly (readonly [number, number])[];
  readonly cone: readonly number[];
  readonly isLeaf: (id: number) => boolean;
  readonly find: (id: number) => number;
}

function isStructural(node: FlatNode): boolean {
  return node.op === "spread" || (node.op !== "leaf" && hasTrait(node.op, "structural"));
}

/** Left nodes whose values at the point are those of a right node. */
class Candidates {
  private readonly groups = new Map<string, number[]>();

  constructor(
    private readonly problem: Problem,
    wanted: (id: number) => boolean,
  ) {
    for (const node of problem.flat.nodes) {
      if (!wanted(node.id)) continue;
      const key = signature(node);
      this.groups.set(key, [...(this.groups.get(key) ?? []), node.id]);
    }
  }

  of(node: FlatNode): readonly number[] {
    const own = this.problem.points[0]!.get(node.id);
    if (!own) return [];
    return (this.groups.get(signature(node)) ?? [])
      .filter((id) => agree(this.problem.points[0]!.get(id), own))
      .slice(0, 2);
  }
}

/** Whether an element is `x` or its negative; of what was not computed nothing is known. */
function has(t: Tensor<number> | undefined, x: number): boolean {
  return t !== undefined && t.dtype === "float" && (t.data as Float64Array).some((y) => Math.abs(y) === x);
}

function signature(node: FlatNode): string {
  return node.axes
    .map((a) => `${a.name}=${a.size}`)
    .sort()
    .join(",");
}

function agree(a: Tensor<number> | undefined, b: Tensor<number>): boolean {
  if (!a) return false;
  const x = arrange(FLOATS, a, b.axes);
  let largest = 0;
  let difference = 0;
  for (let i = 0; i < b.data.length; i++) {
    if (Object.is(x[i], b.data[i])) continue;
    if (!Number.isFinite(x[i]) || !Number.isFinite(b.data[i])) return false;
    largest = Math.max(largest, Math.abs(x[i]!), Math.abs(b.data[i]!));
    difference = Math.max(difference, Math.abs(x[i]! - b.data[i]!));
  }
  return difference <= 1e-7 * largest;
}

const FLOATS = { arithmetic: { native: true }, size: () => 0 } as never;

function residuesOf(field: Residues, point: Values<number>): Given {
  return (node) => {
    const near = point.get(node.id)!;
    if (node.dtype !== "float") return near as unknown as Tensor<Residue>;
    return {
      dtype: "float",
      axes: node.axes,
      data: Array.from({ length: count(node.axes) }, (_, i) => field.draw(near.data[i] as number)),
    };
  };
}

function sameResidues(a: Tensor<Residue>, b: Tensor<Residue>): boolean {
  const x = arrange(
    { arithmetic: { native: false, of: () => 0 } as never, size: () => 0 },
    a as Tensor<never>,
    b.axes,
  ) as ArrayLike<Residue | number>;
  for (let i = 0; i < b.data.length; i++) {
    const [p, q] = [x[i]!, b.data[i]!];
    if (
      typeof p === "number" || typeof q === "number"
        ? valueOf(p) !== valueOf(q)
        : !(p.p === q.p || (Object.is(p.f, q.f) && Object.is(p.p, q.p)))
    )
      return false;
  }
  return true;
}

function valueOf(x: Residue | number): number {
  return typeof x === "number" ? x : x.f;
}

/** Primes that the outer one is drawn from, at least, and the smallest inner one: see `field.ts`. */
const PRIMES = 2 ** 18;
const PRIMES_WITH_ANGLES = 2 ** 15;
const LEAST_INNER = 2 ** 22;
const LEAST_ANGLE = 2 ** 18;
/** The largest multiple of an angle that laws at small sizes have. */
const MOST_TURNS = 32;

/**
 * The part of all draws in which m roots may hide that sides differ. sqrt(c^2) is |c| in the reals and, in residues, the one of c and -c
 * that is a square: for half of all c it is c. So a law that is false for some signs fails in one of 2^m classes of draws at least.
 */
function missed(m: number): number {
  return 1 - 2 ** -m;
}

/** Bits of certainty of one trial; equivalence.md, "What a verdict means". */
function bitsOf(bound: Bound): number {
  let error = bound.degree / 2 ** 48;
  if (bound.exponentials)
    error +=
      ((bound.terms - 1) * Math.max(1, bound.exponent)) / LEAST_INNER +
      (1.1 * bound.degree) / (bound.angles ? PRIMES_WITH_ANGLES : PRIMES);
  if (bound.angles) error += (bound.degree * MOST_TURNS) / (bound.exponentials ? LEAST_ANGLE : 2 ** 34);
  return -Math.log2(error) - 2 * bound.roots;
}
