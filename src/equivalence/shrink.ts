/**
 * @file Makes the numbers of a counterexample few and simple where there are too many to try each: whole tensors, then halves of them, and
 * of these halves, as zeros or whole numbers (delta debugging; Zeller and Hildebrandt, 2002). What does not depend on what was changed is
 * not computed again.
 */
import type { Tensor } from "../ops/op.ts";
import type { Case } from "./cases.ts";
import { evaluateAt, TOLERANCE, type Leaves, type Point } from "./floats.ts";

/** Below this a difference is not one to show: rounding at the given scale could be taken for it. */
const VISIBLE = 1e-6;

/** The point with as many numbers simple as there is time for; the sides differ there by a tenth of what they did at least. */
export function reduced(
  c: Case,
  start: Point,
  outOfTime: () => boolean,
  keeps: (point: Point) => boolean = () => true,
): Point {
  return new Reducer(c, start, outOfTime, keeps).run();
}

type Change = (x: number) => number;

class Reducer {
  private best: Point;
  private readonly enough: number;
  private readonly dependents = new Map<number, ReadonlySet<number>>();

  constructor(
    private readonly c: Case,
    private readonly start: Point,
    private readonly outOfTime: () => boolean,
    /** What else must stay as it is. */
    private readonly keeps: (point: Point) => boolean,
  ) {
    this.best = start;
    this.enough = Math.max(TOLERANCE, Math.min(VISIBLE, start.difference / 10), start.difference / 10);
    if (!Number.isFinite(this.enough)) this.enough = VISIBLE;
  }

  run(): Point {
    const { flat } = this.c;
    const leaves = [...this.start.leaves.keys()].map((id) => flat.node(id));
    // What is fed first: a reader looks at it first.
    leaves.sort((a, b) => Number(b.leaf!.kind === "operand") - Number(a.leaf!.kind === "operand"));
    for (const { id, dtype } of leaves) {
      if (dtype === "float") continue;
      this.halves(id, () => (dtype === "bool" ? 1 : 0));
      this.halves(id, () => 0);
    }
    const floats = leaves.filter((n) => n.dtype === "float");
    for (const { id, leaf } of floats) {
      const ones = leaf!.initial?.kind === "constant" && leaf!.initial.value === 1;
      if (!(ones && this.tried(id, this.all(id), () => 1))) this.tried(id, this.all(id), () => 0);
    }
    for (const change of [() => 0, Math.round, (x: number) => Math.round(x * 10) / 10] satisfies Change[])
      for (const { id } of floats) this.halves(id, change);
    return this.best;
  }

  private all(id: number): readonly [number, number] {
    return [0, this.start.leaves.get(id)!.data.length];
  }

  /** All of it, else each half, and so on. */
  private halves(id: number, change: Change, [from, to] = this.all(id)): void {
    if (this.outOfTime() || this.isSimple(id, change, from, to) || this.tried(id, [from, to], change)) return;
    if (to - from <= 1) return;
    const middle = (from + to) >> 1;
    this.halves(id, change, [from, middle]);
    this.halves(id, change, [middle, to]);
  }

  private isSimple(id: number, change: Change, from: number, to: number): boolean {
    const { data } = this.best.leaves.get(id)!;
    for (let i = from; i < to; i++) if (change(data[i] as number) !== data[i]) return false;
    return true;
  }

  /** Whether the sides still differ; then it stays changed. */
  private tried(id: number, [from, to]: readonly [number, number], change: Change): boolean {
    if (this.outOfTime()) return false;
    const own = this.best.leaves.get(id)!;
    const data = Array.from(own.data as ArrayLike<number>, (x, i) => (i >= from && i < to ? change(x) : x));
    const next = evaluateAt(this.c, withData(this.best.leaves, id, own, data), this.kept(id));
    if (!next || !(next.difference >= this.enough)) return false;
    if (Number.isFinite(next.difference) !== Number.isFinite(this.start.difference)) return false;
    if (!this.keeps(next)) return false;
    this.best = next;
    return true;
  }

  /** The values that do not depend on a leaf. */
  private kept(leaf: number): Point["values"] {
    const { flat } = this.c;
    let own = this.dependents.get(leaf);
    if (!own) {
      const found = new Set([leaf]);
      for (const node of flat.nodes) if (node.inputs.some((i) => found.has(i))) found.add(node.id);
      this.dependents.set(leaf, (own = found));
    }
    return new Map([...this.best.values].filter(([id]) => !own.has(id)));
  }
}

function withData(leaves: Leaves, id: number, t: Tensor<number>, data: readonly number[]): Leaves {
  return new Map([
    ...leaves,
    [id, { ...t, data: t.dtype === "bool" ? Uint8Array.from(data) : Float64Array.from(data) }],
  ]);
}
