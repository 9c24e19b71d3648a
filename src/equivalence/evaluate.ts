/** @file Computes a net of operators in any arithmetic, and in residues with draws repeated until every root is a square. */
import type { PrimitiveName } from "../ops/attributes.ts";
import type { Arithmetic, Evaluation, Tensor } from "../ops/op.ts";
import { primitives } from "../ops/registry.ts";
import { rowsAlong } from "../ops/tensor.ts";
import type { Flat, FlatNode } from "./flat.ts";
import { Beyond, isInfinite, Unlucky, type Residue, type Residues } from "./residues.ts";

export type Values<S> = Map<number, Tensor<S>>;

const identity = (id: number): number => id;

/** Computes the nodes of a cone (ascending) that have no value yet. */
export function compute<S>(
  flat: Flat,
  cone: readonly number[],
  values: Values<S>,
  arithmetic: Arithmetic<S>,
  find: (id: number) => number = identity,
): void {
  const run: Evaluation<S> = { arithmetic, size: (s) => s.known! };
  for (const id of cone) {
    if (values.has(id)) continue;
    const node = flat.node(id);
    values.set(
      id,
      meaning(
        run,
        node,
        node.inputs.map((i) => values.get(find(i))!),
      ),
    );
  }
}

function meaning<S>(run: Evaluation<S>, node: FlatNode, inputs: readonly Tensor<S>[]): Tensor<S> {
  const primitive = primitives[node.op as PrimitiveName] as {
    evaluate?: (run: Evaluation<S>, inputs: readonly Tensor<S>[], attrs: object) => readonly Tensor<S>[];
  };
  return primitive.evaluate!(run, inputs, node.attrs)[node.out]!;
}

const MOST_DRAWS = 3000;

/** What a leaf of a step is in the integers and bools of this trial; floats are drawn. */
export type Given = (node: FlatNode) => Tensor<Residue>;

/**
 * Computes a cone in residues. Where the argument of a root is no square, the elements of the leaves are drawn again that share its
 * coordinates. Throws `Beyond` with the node where the arithmetic cannot go on; `Unlucky` where no draw will do.
 */
export function computeResidues(
  flat: Flat,
  cone: readonly number[],
  isLeaf: (id: number) => boolean,
  field: Residues,
  given: Given,
  find: (id: number) => number,
  outOfTime: () => boolean,
): Values<Residue> {
  const leaves = cone.filter(isLeaf);
  const drawn = new Map(leaves.map((id) => [id, given(flat.node(id))]));
  for (let draw = 0; draw < MOST_DRAWS; draw++) {
    const values: Values<Residue> = new Map(drawn);
    const failed = attempt(flat, cone, values, field, find);
    if (!failed) return values;
    if (draw > 0 && outOfTime()) throw new Beyond("no time was left");
    redraw(flat, leaves, drawn, field, failed);
  }
  throw new Beyond("no draw makes all roots squares");
}

interface Failed {
  readonly node: FlatNode;
  readonly index: number | undefined;
}

/** Where a computation stopped. */
export class Stopped extends Error {
  constructor(
    readonly why: string,
    readonly node: FlatNode,
  ) {
    super(why);
  }
}

function attempt(
  flat: Flat,
  cone: readonly number[],
  values: Values<Residue>,
  field: Residues,
  find: (id: number) => number,
): Failed | undefined {
  const run: Evaluation<Residue> = { arithmetic: field, size: (s) => s.known! };
  for (const id of cone) {
    if (values.has(id)) continue;
    const node = flat.node(id);
    const inputs = node.inputs.map((i) => values.get(find(i))!);
    try {
      values.set(id, inResidues(run, field, node, inputs));
    } catch (e) {
      if (e instanceof Unlucky && !e.primes) return { node, index: e.index };
      if (e instanceof Beyond) throw new Stopped(e.message, node);
      throw e;
    }
  }
  return undefined;
}

function inResidues(
  run: Evaluation<Residue>,
  field: Residues,
  node: FlatNode,
  inputs: readonly Tensor<Residue>[],
): Tensor<Residue> {
  if (node.op === "softmax") return softmax(field, inputs[0]!, (node.attrs as { over: string }).over);
  const [x, exponent] = inputs as [Tensor<Residue>, Tensor<Residue> | undefined];
  const isPower = node.op === "pow" && exponent?.dtype === "float" && exponent.axes.length === 0;
  if ((node.op !== "sqrt" && node.op !== "rsqrt" && !isPower) || x.dtype !== "float") return meaning(run, node, inputs);
  const data: Residue[] = [];
  for (let i = 0; i < x.data.length; i++) {
    field.at = i;
    const element = x.data[i] as Residue;
    data.push(isPower ? field.pow(element, exponent.data[0] as Residue) : field.unary(node.op as "sqrt", element));
  }
  field.at = undefined;
  return { dtype: "float", axes: x.axes, data };
}

/** exp(x) over its sum: the largest element, which the operator subtracts, would cancel. */
function softmax(field: Residues, x: Tensor<Residue>, over: string): Tensor<Residue> {
  const data: Residue[] = new Array(x.data.length);
  const rows = rowsAlong(x.axes, over);
  for (const start of rows.starts) {
    let sum = field.of(0);
    let some = false;
    for (let j = 0, at = start; j < rows.length; j++, at += rows.stride) {
      const element = x.data[at];
      const e = typeof element === "number" ? field.of(element) : (element as Residue);
      some ||= !isInfinite(e);
      data[at] = field.unary("exp", e);
      sum = field.add(sum, data[at]!);
    }
    for (let j = 0, at = start; j < rows.length; j++, at += rows.stride)
      data[at] = some ? field.div(data[at]!, sum) : field.of(0);
  }
  return { dtype: "float", axes: x.axes, data };
}

function redraw(
  flat: Flat,
  leaves: readonly number[],
  drawn: Map<number, Tensor<Residue>>,
  field: Residues,
  failed: Failed,
): void {
  const at = new Map<string, number>();
  if (failed.index !== undefined) {
    let rest = failed.index;
    for (const axis of failed.node.axes.toReversed()) {
      at.set(axis.name, rest % axis.size);
      rest = Math.floor(rest / axis.size);
    }
  }
  const shares = (id: number): boolean => flat.node(id).axes.some((a) => at.has(a.name));
  const some = leaves.some((id) => flat.node(id).dtype === "float" && shares(id));
  for (const id of leaves) {
    const node = flat.node(id);
    if (node.dtype !== "float" || (some && !shares(id))) continue;
    const before = drawn.get(id)!;
    const data = Array.from(before.data as ArrayLike<Residue>, (r, i) =>
      !some || matches(node, i, at) ? field.draw(r.f) : r,
    );
    drawn.set(id, { ...before, data });
  }
}

function matches(node: FlatNode, index: number, at: ReadonlyMap<string, number>): boolean {
  let rest = index;
  for (const axis of node.axes.toReversed()) {
    const wanted = at.get(axis.name);
    if (wanted !== undefined && wanted !== rest % axis.size) return false;
    rest = Math.floor(rest / axis.size);
  }
  return true;
}
