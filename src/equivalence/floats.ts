/** @file Both sides in float64 at drawn points, and how far apart they are. */
import { float64 } from "../ops/float64.ts";
import type { AttrsOf } from "../ops/attributes.ts";
import type { Tensor } from "../ops/op.ts";
import { arrange, count, EvaluationError } from "../ops/tensor.ts";
import type { Case } from "./cases.ts";
import { compute, type Values } from "./evaluate.ts";
import type { Random } from "./field.ts";
import type { FlatNode } from "./flat.ts";

/** Sides are equal where they differ by no more than this part of the largest element. */
export const TOLERANCE = 1e-9;

export type Leaves = ReadonlyMap<number, Tensor<number>>;

export interface Point {
  readonly leaves: Leaves;
  readonly values: Values<number>;
  /** The largest difference of a pair relative to its largest element; NaN where both sides are undefined. */
  readonly difference: number;
  /** The pair that it is of. */
  readonly pair: number;
}

/** How a leaf's elements are drawn. */
export interface Manner {
  /** Of operands; weights are of scale one. */
  readonly scale: number;
  /** Weights that begin as ones, and numbers without axes, are positive. */
  readonly positive: boolean;
  /** Whole numbers from -2 to 2. */
  readonly small?: boolean;
  /** As in a model: weights are of this scale too, and a matrix's smaller the more there is to add up. */
  readonly model?: boolean;
}

export function drawLeaves(c: Case, random: Random, manner: Manner): Map<number, Tensor<number>> {
  const limits = rowsOf(c);
  const leaves = new Map<number, Tensor<number>>();
  for (const id of c.flat.cone(c.pairs.flat())) {
    const node = c.flat.node(id);
    if (node.op !== "leaf") continue;
    const given = c.fixed?.get(id);
    const data = given?.data ?? drawData(node, random, manner, limits.get(id) ?? MOST_ROWS);
    leaves.set(id, { dtype: node.dtype, axes: node.axes, data });
  }
  return leaves;
}

function drawData(node: FlatNode, random: Random, manner: Manner, rows: number): Float64Array | Uint8Array {
  const n = count(node.axes);
  if (node.dtype === "bool") return Uint8Array.from({ length: n }, () => (random() < 0.75 ? 1 : 0));
  if (node.dtype === "int") return Float64Array.from({ length: n }, () => Math.floor(random() * rows));
  const initial = node.leaf?.initial;
  const ones =
    (initial?.kind === "constant" && initial.value === 1) || (node.leaf?.kind === "operand" && node.axes.length === 0);
  const scale = node.leaf?.kind === "operand" ? manner.scale : manner.model ? manner.scale * fanIn(node) : 1;
  return Float64Array.from({ length: n }, () => {
    const x = manner.small ? Math.floor(random() * 5) - 2 : normal(random);
    return ones && manner.positive ? (manner.small ? Math.abs(x) + 1 : Math.exp(x / 2)) : x * scale;
  });
}

/** One over the root of how many numbers are added up. */
function fanIn(node: FlatNode): number {
  return node.axes.length < 2 ? 1 : 1 / Math.sqrt(Math.max(1, count(node.axes.slice(1))));
}

function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Drawn ints are below this. */
const MOST_ROWS = 8;

/** Drawn ints are rows of every table that is looked up by them: how many that has, by leaf. */
function rowsOf(c: Case): ReadonlyMap<number, number> {
  const limits = new Map<number, number>();
  for (const node of c.flat.nodes) {
    if (node.op !== "lookup") continue;
    const { axis } = node.attrs as AttrsOf<"lookup">;
    const rows = c.flat.node(node.inputs[0]!).axes.find((a) => a.name === axis)!.size;
    for (const id of c.flat.cone([node.inputs[1]!]))
      if (c.flat.node(id).op === "leaf") limits.set(id, Math.max(1, Math.min(rows, limits.get(id) ?? MOST_ROWS)));
  }
  return limits;
}

/** Computes both sides, but for values that are `known`; undefined where an index is outside of its table. */
export function evaluateAt(c: Case, leaves: Leaves, known: Values<number> = new Map()): Point | undefined {
  const values: Values<number> = new Map([...known, ...leaves]);
  try {
    compute(c.flat, c.flat.cone([...c.pairs.flat(), ...c.flat.views.keys()]), values, float64);
  } catch (e) {
    if (e instanceof EvaluationError) return undefined;
    throw e;
  }
  let difference = NaN;
  let pair = 0;
  for (const [i, [a, b]] of c.pairs.entries()) {
    const noise = NOISE * Math.max(...[a, b].map((id) => largestInto(c, id, values)));
    const [x, y] = [values.get(a)!, values.get(b)!];
    const whole = distance(x, y, noise);
    const d = whole === Infinity && leavesRange(c, [a, b], values) ? distance(x, y, noise, true) : whole;
    if (d > difference || Number.isNaN(difference)) {
      difference = d;
      pair = i;
    }
  }
  return { leaves, values, difference, pair };
}

/** What a side's last operator may leave by rounding, relative to what goes into it: where large numbers cancel, that is no difference. */
const NOISE = 4e-15;

function largestInto(c: Case, id: number, values: Values<number>): number {
  let largest = 0;
  for (const input of c.flat.node(id).inputs)
    for (const x of Array.from(values.get(input)!.data as ArrayLike<number>))
      if (Number.isFinite(x)) largest = Math.max(largest, Math.abs(x));
  return largest;
}

/**
 * Whether exponentials that these are made of are beyond what float64 can hold: a softmax without a shift overflows where one with a shift
 * does not, and both are one over the reals.
 */
function leavesRange(c: Case, ids: readonly number[], values: Values<number>): boolean {
  return c.flat.cone(ids).some((id) => {
    const { op, inputs } = c.flat.node(id);
    if (op !== "exp") return false;
    const results = values.get(id)!.data as ArrayLike<number>;
    return Array.from(values.get(inputs[0]!)!.data as ArrayLike<number>).some(
      (x, i) => Number.isFinite(x) && (results[i] === 0 || results[i] === Infinity),
    );
  });
}

/**
 * Relative to the largest element of both; infinite where one side alone is undefined or infinite (unless such elements are left out:
 * `definedOnly`), NaN where nothing is defined, 0 where the difference itself is no more than `noise`.
 */
export function distance(a: Tensor<number>, b: Tensor<number>, noise = 0, definedOnly = false): number {
  const x = arranged(a, b.axes);
  const y = b.data as ArrayLike<number>;
  let largest = 0;
  let difference = 0;
  let defined = y.length === 0;
  for (let i = 0; i < y.length; i++) {
    const [p, q] = [x[i]!, y[i]!];
    if (Number.isNaN(p) && Number.isNaN(q)) continue;
    if (definedOnly && p !== q && !Number.isFinite(p - q)) continue;
    defined = true;
    if (p === q) {
      if (Number.isFinite(p)) largest = Math.max(largest, Math.abs(p));
      continue;
    }
    if (!Number.isFinite(p) || !Number.isFinite(q)) return Infinity;
    largest = Math.max(largest, Math.abs(p), Math.abs(q));
    difference = Math.max(difference, Math.abs(p - q));
  }
  if (!defined) return NaN;
  return difference <= noise ? 0 : difference / largest;
}

export function arranged(t: Tensor<number>, axes: Tensor<number>["axes"]): ArrayLike<number> {
  return arrange({ arithmetic: float64, size: () => 0 }, t, axes);
}
