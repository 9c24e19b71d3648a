/**
 * @file Values of an artifact beside those of the program: the same numbers in another arrangement. The program knows axes by names, the
 * artifact dimensions that are runs of them in some order; a proof goes from one to the other step by step and needs both under one name.
 */
import type { Tensor } from "../../ops/op.ts";
import { hasTrait } from "../../ops/registry.ts";
import { Size } from "../../ir/size.ts";
import type { Values } from "../evaluate.ts";
import type { Flat, FlatNode } from "../flat.ts";

/** A value of the left side that has the numbers of one of the right. */
export interface Match {
  /** The left value; of a part of one the part. */
  readonly left: number;
  /** An axis of it that is two here: names of the parts, the first the slowest. */
  readonly split?: { readonly axis: string; readonly into: FlatNode["axes"] };
  /** Its axes of more than one place, in the order of the right value's numbers. */
  readonly order: readonly string[];
  readonly axes: FlatNode["axes"];
}

/** Relative to the largest element: at one point, of two roundings of one real. */
const NEAR = 1e-7;
/** Left values that are tried for one of the right. */
const MOST_FITS = 3;
/** Axes of more than one place that are tried in every order. */
const MOST_AXES = 6;

/**
 * For the right values that have a left one of the same numbers and other axes, that one. `left` is in order of preference; `sizes` are those
 * of which a dimension may be a product, such as the batch's.
 */
export function matches(
  flat: Flat,
  left: Iterable<number>,
  right: Iterable<number>,
  values: Values<number>,
  sizes: readonly number[],
): readonly Match[] {
  const known = new Map<string, number[]>();
  for (const id of left) {
    const key = keyOf(values.get(id));
    if (key === undefined) continue;
    const same = known.get(key);
    if (same) same.push(id);
    else known.set(key, [id]);
  }
  const found: Match[] = [];
  const seen = new Set<string>();
  for (const id of right) {
    const node = flat.node(id);
    if (node.op === "leaf" || isMoved(node.op)) continue;
    const own = values.get(id);
    let fits = 0;
    for (const candidate of nearKeys(own).flatMap((k) => known.get(k) ?? [])) {
      const fit = fitOf(values.get(candidate)!, own!, sizes);
      if (!fit) continue;
      const match: Match = { left: candidate, ...fit, axes: node.axes };
      const key = JSON.stringify(match);
      if (!seen.has(key)) found.push(match);
      seen.add(key);
      // Values that agree here may not everywhere: a product with a mask that is open at this point.
      if (++fits === MOST_FITS) break;
    }
  }
  return found;
}

/** Whether an operator computes nothing. */
export function isMoved(op: FlatNode["op"]): boolean {
  return op !== "leaf" && hasTrait(op, "structural");
}

/** The left value under the right one's axes; made before the right side is. */
export function arrangedAs(flat: Flat, { left, split, order, axes }: Match): number {
  let id = left;
  if (split) {
    const into = split.into.map((a) => ({ name: a.name, size: Size.of(a.size) }));
    [id] = flat.infer("split", [id], { axis: split.axis, into }) as [number];
  }
  for (const a of flat.node(id).axes)
    if (a.size === 1) [id] = flat.infer("pick", [id], { axis: a.name, index: 0 }) as [number];
  let name = order[0];
  const rename = (to: string): void => {
    if (name !== to) [id] = flat.infer("rename", [id], { from: name!, to }) as [number];
  };
  // Axis by axis where they are the same, so that nothing is moved.
  const sizes = new Map(flat.node(id).axes.map((a) => [a.name, a.size]));
  if (order.length === axes.length && order.every((n, i) => sizes.get(n) === axes[i]!.size)) {
    for (const [i, from] of order.entries())
      [id] = flat.infer("rename", [id], { from, to: `${axes[i]!.name}\0${i}` }) as [number];
    for (const [i, a] of axes.entries())
      [id] = flat.infer("rename", [id], { from: `${a.name}\0${i}`, to: a.name }) as [number];
    return id;
  }
  if (order.length > 1) [id] = flat.infer("merge", [id], { axes: order, into: (name = "\0") }) as [number];
  if (axes.length === 1) rename(axes[0]!.name);
  else if (axes.length > 1) {
    rename("\0\0");
    const into = axes.map((a) => ({ name: a.name, size: Size.of(a.size) }));
    [id] = flat.infer("split", [id], { axis: "\0\0", into }) as [number];
  }
  return id;
}

/** How many numbers, and their sum of squares to a few digits; undefined of what has no numbers to compare. */
function keyOf(t: Tensor<number> | undefined): string | undefined {
  return nearKeys(t)[0];
}

/** The key, and its neighbour where rounding might have made it that. */
function nearKeys(t: Tensor<number> | undefined): readonly string[] {
  if (!t || t.dtype !== "float" || t.data.length === 0) return [];
  let squares = 0;
  for (const x of t.data as Float64Array) squares += x * x;
  if (!Number.isFinite(squares) || squares === 0) return [];
  const digits = Math.log2(squares) * 1e4;
  const whole = Math.round(digits);
  const other = digits > whole ? whole + 1 : whole - 1;
  return [`${t.data.length} ${whole}`, `${t.data.length} ${other}`];
}

/** How a tensor has the numbers of another: in what order of its axes, of which one may have to be taken apart. */
function fitOf(
  a: Tensor<number>,
  b: Tensor<number>,
  known: readonly number[],
): Pick<Match, "order" | "split"> | undefined {
  const order = orderOf(a, b);
  if (order) return { order };
  // Files have several axes as one dimension where that is convenient.
  const sizes = new Set([...b.axes.map((x) => x.size), ...known]);
  for (const axis of a.axes)
    for (const size of new Set([...sizes].flatMap((n) => (axis.size % n === 0 ? [n, axis.size / n] : [])))) {
      if (size === 1 || size === axis.size) continue;
      const into = [
        { name: `${axis.name}\0a`, size },
        { name: `${axis.name}\0b`, size: axis.size / size },
      ];
      const apart = { ...a, axes: a.axes.flatMap((x) => (x === axis ? into : [x])) };
      const found = orderOf(apart, b);
      if (found) return { order: found, split: { axis: axis.name, into } };
    }
  return undefined;
}

/** In what order of its axes a tensor has the numbers of another, if it has. */
function orderOf(a: Tensor<number>, b: Tensor<number>): readonly string[] | undefined {
  const axes = a.axes.filter((x) => x.size !== 1);
  if (axes.length > MOST_AXES) return undefined;
  const y = b.data as ArrayLike<number>;
  let largest = 0;
  for (let i = 0; i < y.length; i++) largest = Math.max(largest, Math.abs(y[i]!));
  const strides = new Map<string, number>();
  a.axes.reduceRight((stride, x) => (strides.set(x.name, stride), stride * x.size), 1);
  const x = a.data as ArrayLike<number>;
  // One axis after the other, slowest first: an order that is wrong differs soon.
  const search = (
    chosen: readonly (typeof axes)[number][],
    left: readonly (typeof axes)[number][],
  ): string[] | undefined => {
    if (left.length === 0) return agree(chosen) ? chosen.map((c) => c.name) : undefined;
    for (const next of left) {
      const found = search(
        [...chosen, next],
        left.filter((l) => l !== next),
      );
      if (found) return found;
    }
    return undefined;
  };
  const agree = (order: readonly (typeof axes)[number][]): boolean => {
    const steps = order.map((o) => strides.get(o.name)!);
    const counter = order.map(() => 0);
    let at = 0;
    for (let i = 0; i < y.length; i++) {
      if (!(Math.abs(x[at]! - y[i]!) <= NEAR * largest)) return false;
      for (let d = order.length - 1; d >= 0; d--) {
        counter[d]!++;
        at += steps[d]!;
        if (counter[d]! < order[d]!.size) break;
        at -= steps[d]! * order[d]!.size;
        counter[d] = 0;
      }
    }
    return true;
  };
  return search([], axes);
}
