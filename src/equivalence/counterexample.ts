/** @file The smallest counterexample that is found: small sizes, small whole numbers, most of them zero. */
import { keyOf, type Case } from "./cases.ts";
import type { Random } from "./field.ts";
import type { FlatNode } from "./flat.ts";
import { distance, drawLeaves, evaluateAt, TOLERANCE, type Leaves, type Point } from "./floats.ts";
import { hasTrait } from "../ops/registry.ts";
import type { Tensor } from "../ops/op.ts";

export interface Counterexample {
  readonly case: Case;
  readonly point: Point;
  /** The first value of the right side that no value of the left side is. */
  readonly parting: Parting | undefined;
  /** The first value of the left side that no value of the right side is. */
  readonly leftParting: Parting | undefined;
}

export interface Parting {
  readonly node: FlatNode;
  readonly value: Tensor<number>;
}

/** Below this a difference is not one to show: rounding at the given scale could be taken for it. */
const VISIBLE = 1e-6;
/** Choices of small sizes that are tried. */
const SMALL_CASES = 24;

/** Another case with small sizes that is not among these, or undefined where there is none. */
export type Smaller = (skip: ReadonlySet<string>) => Case | undefined;

/** Shrinks: other sizes, other numbers. What was found first stands where nothing smaller differs. */
export function shrink(
  smaller: Smaller,
  found: Case,
  at: Point,
  random: Random,
  outOfTime: () => boolean,
): Counterexample {
  let [best, point] = [found, at];
  const skip = new Set<string>();
  for (let i = 0; i < SMALL_CASES && !outOfTime(); i++) {
    const next = smaller(skip);
    if (!next) break;
    skip.add(keyOf(next));
    const differing = differingPoint(next, random);
    if (!differing) continue;
    [best, point] = [next, differing];
    break;
  }
  if (best === found) point = differingPoint(best, random) ?? point;
  const simple = simplified(best, point, outOfTime);
  return { case: best, point: simple, parting: partingOf(best, simple, 1), leftParting: partingOf(best, simple, 0) };
}

/** A point at which the sides differ; one at which both are defined rather than one at which one is not. */
function differingPoint(c: Case, random: Random): Point | undefined {
  let undefinedAt: Point | undefined;
  for (const scale of [1, 1, 1, 1e-3]) {
    const small = scale === 1;
    for (let i = 0; i < 4; i++) {
      const point = evaluateAt(c, drawLeaves(c, random, { scale, positive: true, small }));
      if (!point || !(point.difference > VISIBLE)) continue;
      if (Number.isFinite(point.difference)) return point;
      undefinedAt ??= point;
    }
  }
  return undefinedAt;
}

/** Each element in turn the simplest number with which the sides still differ visibly. */
export function simplified(
  c: Case,
  start: Point,
  outOfTime: () => boolean,
  keeps: (point: Point) => boolean = () => true,
): Point {
  let best = start;
  const enough = Math.min(VISIBLE, start.difference / 10);
  for (const [id, tensor] of start.leaves) {
    for (let i = 0; i < tensor.data.length; i++) {
      if (outOfTime()) return best;
      const now = best.leaves.get(id)!.data[i] as number;
      for (const wish of tensor.dtype === "bool"
        ? [1, 0]
        : tensor.dtype === "int"
          ? [0, 1]
          : [0, 1, -1, 2, Math.round(now), Math.round(now * 100) / 100]) {
        if (wish === now) break;
        const next = evaluateAt(c, replaced(best.leaves, id, i, wish));
        if (
          !next ||
          !(next.difference > Math.max(enough, TOLERANCE)) ||
          next.difference < start.difference / 10 ||
          Number.isFinite(next.difference) !== Number.isFinite(start.difference) ||
          !keeps(next)
        )
          continue;
        best = next;
        break;
      }
    }
  }
  return best;
}

function replaced(leaves: Leaves, id: number, index: number, value: number): Leaves {
  const t = leaves.get(id)!;
  const data = Array.from(t.data as ArrayLike<number>);
  data[index] = value;
  return new Map([
    ...leaves,
    [id, { ...t, data: t.dtype === "bool" ? Uint8Array.from(data) : Float64Array.from(data) }],
  ]);
}

/** The first value of a side (0: left, 1: right) that the other side never has. */
export function partingOf(c: Case, point: Point, side: 0 | 1): Parting | undefined {
  if (c.rearranged) return rearrangedParting(c, point, side);
  const others = c.flat.cone(c.pairs.map((p) => p[1 - side]!)).flatMap((id) => point.values.get(id) ?? []);
  for (const id of c.flat.cone(c.pairs.map((p) => p[side]))) {
    const node = c.flat.node(id);
    const value = point.values.get(id)!;
    if (
      node.op === "leaf" ||
      node.op === "spread" ||
      hasTrait(node.op, "structural") ||
      node.axes.length === 0 ||
      // What depends on nothing is no news, but a mask is.
      (!node.drawn && node.dtype !== "bool")
    )
      continue;
    if (!others.some((t) => sameAnywhere(t, value))) return { node, value };
  }
  return undefined;
}

/** Equal elements under the same or other names of axes. */
function sameAnywhere(a: Tensor<number>, b: Tensor<number>): boolean {
  if (a.data.length !== b.data.length || a.dtype !== b.dtype) return false;
  const named =
    b.axes.length === a.axes.length && b.axes.every((x) => a.axes.some((y) => y.name === x.name && y.size === x.size));
  const other = named ? a : { ...a, axes: b.axes };
  return !(distance(other, b) > TOLERANCE);
}

/** The same where the other side may have values in pieces, in another order, or repeated: by the numbers in them alone. */
function rearrangedParting(c: Case, point: Point, side: 0 | 1): Parting | undefined {
  const { flat, pairs } = c;
  const others = flat.cone([...pairs.map((p) => p[1 - side]!), ...flat.views.keys()]);
  const known = new Map<number, Float64Array[]>();
  for (const id of others) {
    const value = point.values.get(id);
    if (value?.dtype !== "float") continue;
    const numbers = distinct(value);
    const same = known.get(numbers.length);
    if (same) same.push(numbers);
    else known.set(numbers.length, [numbers]);
  }
  const cone = flat.cone(pairs.map((p) => p[side]));
  const real = new Set<number>();
  const alone: FlatNode[] = [];
  const met = new Set<number>();
  for (const node of cone.map((id) => flat.node(id))) {
    if (node.op === "leaf" ? node.dtype === "float" : node.inputs.some((i) => real.has(i))) real.add(node.id);
    if (!real.has(node.id) || node.op === "leaf" || node.dtype !== "float" || hasTrait(node.op, "structural")) continue;
    const numbers = distinct(point.values.get(node.id)!);
    const has = (known.get(numbers.length) ?? []).some((other) => near(other, numbers));
    if (!has) alone.push(node);
    else if (numbers.length > 1) met.add(node.id);
  }
  // Another way to what the other side has as well is no parting.
  const leads = new Set<number>(met);
  for (const id of cone.toReversed()) if (leads.has(id)) for (const i of flat.node(id).inputs) leads.add(i);
  const node = alone.find((n) => !leads.has(n.id)) ?? alone[0];
  return node && { node, value: point.values.get(node.id)! };
}

/** The numbers of a tensor, each once, ascending; what rounding tells apart is one. */
function distinct(t: Tensor<number>): Float64Array {
  const all = Float64Array.from(t.data as ArrayLike<number>).sort();
  const largest = all.reduce((m, x) => (Number.isFinite(x) ? Math.max(m, Math.abs(x)) : m), 0);
  return all.filter((x, i) => i === 0 || !(Math.abs(x - all[i - 1]!) <= ROUNDING * largest));
}

const ROUNDING = 1e-12;

/** The same numbers in whatever order, and however often each. */
export function sameNumbers(a: Tensor<number>, b: Tensor<number>): boolean {
  const [x, y] = [distinct(a), distinct(b)];
  return x.length === y.length && near(x, y);
}

function near(a: Float64Array, b: Float64Array): boolean {
  const largest = b.reduce((m, x) => (Number.isFinite(x) ? Math.max(m, Math.abs(x)) : m), 0);
  return a.every((x, i) => x === b[i] || Math.abs(x - b[i]!) <= TOLERANCE * largest);
}
