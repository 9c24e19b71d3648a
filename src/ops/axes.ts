/** @file Operators about axes: they move or choose elements and compute nothing. */
import { Size } from "../ir/size.ts";
import { axisNamed, type Axis, type Type } from "../ir/type.ts";
import type { Evaluation, Inferred, Primitive, Tensor } from "./op.ts";
import { fail, outOfRange, replaceAxis, requireAxes, requireDistinct, result } from "./rules.ts";
import { arrange, axisIndex, count, places, stridesIn, zeros, type ConcreteAxes } from "./tensor.ts";

/** A type whose axes are checked to have distinct names. */
function distinct(x: Type, axes: readonly Axis[]): Inferred {
  return requireDistinct(axes.map((a) => a.name)) ?? result(x.dtype, axes);
}

/** The elements of x at the given places, as a tensor with other axes. */
function gather<S>(run: Evaluation<S>, x: Tensor<S>, axes: ConcreteAxes, at: ArrayLike<number>): Tensor<S> {
  const out = zeros(run, x.dtype, at.length);
  for (let i = 0; i < at.length; i++) out[i] = (x.data as ArrayLike<S>)[at[i]!]!;
  return { dtype: x.dtype, axes, data: out };
}

export function renamed<S>(x: Tensor<S>, from: string, to: string): Tensor<S> {
  return { ...x, axes: x.axes.map((a) => (a.name === from ? { name: to, size: a.size } : a)) };
}

/** The part of x from `start` on along an axis. */
export function sliced<S>(run: Evaluation<S>, x: Tensor<S>, axis: string, start: number, size: number): Tensor<S> {
  const axes = x.axes.map((a) => (a.name === axis ? { name: axis, size } : a));
  const first = start * stridesIn(x.axes, x.axes)[axisIndex(x.axes, axis)]!;
  // The steps are those of the whole, the extents those of the part.
  const at = places(x.axes, axes);
  for (let i = 0; i < at.length; i++) at[i] = at[i]! + first;
  return gather(run, x, axes, at);
}

const rename: Primitive<"rename"> = {
  name: "rename",
  doc: "The same elements with another name for one axis. `k[seq -> keys]`.",
  operands: ["x"],
  traits: ["structural"],
  constraints: { axis: "x has the axis", free: "x has no other axis of the new name" },
  infer([x], { from, to }) {
    const size = axisNamed(x!, from);
    if (!size) return fail({ kind: "axis-missing", operand: 0, axis: from });
    return distinct(x!, replaceAxis(x!.axes, from, [{ ...size, name: to }]));
  },
  evaluate: (_, [x], { from, to }) => [renamed(x!, from, to)],
};

const transpose: Primitive<"transpose"> = {
  name: "transpose",
  doc: "The same elements with the axes in another order, which is what the last axis is, and what a client sees. `output y: [batch, seq, d] = x`.",
  operands: ["x"],
  traits: ["structural"],
  constraints: { axes: "the order names every axis of x, each once" },
  infer([x], { order }) {
    const failure = requireAxes(x!, order) ?? requireDistinct(order);
    if (failure) return failure;
    const left = x!.axes.find((a) => !order.includes(a.name));
    if (left) return fail({ kind: "axis-missing", operand: 0, axis: left.name });
    return result(
      x!.dtype,
      order.map((name) => axisNamed(x!, name)!),
    );
  },
  evaluate(run, [x], { order }) {
    const axes = order.map((name) => x!.axes[axisIndex(x!.axes, name)]!);
    return [{ dtype: x!.dtype, axes, data: arrange(run, x!, axes) }];
  },
};

const split: Primitive<"split"> = {
  name: "split",
  doc: "One axis becomes several, the first the slowest, in its place. `x[head_dim -> (pair = 2, half)]` puts the two halves side by side.",
  operands: ["x"],
  traits: ["structural"],
  constraints: {
    axis: "x has the axis",
    free: "x has no other axis of a new name",
    size: "the product of the parts is the size of the axis",
  },
  infer([x], { axis, into }) {
    const whole = axisNamed(x!, axis);
    if (!whole) return fail({ kind: "axis-missing", operand: 0, axis });
    const product = into.reduce((all, part) => all.times(part.size), Size.ONE);
    if (!product.equals(whole.size)) return fail({ kind: "split-size", axis: whole, parts: into });
    return distinct(x!, replaceAxis(x!.axes, axis, into));
  },
  evaluate(run, [x], { axis, into }) {
    const parts = into.map((a) => ({ name: a.name, size: run.size(a.size) }));
    return [{ ...x!, axes: x!.axes.flatMap((a) => (a.name === axis ? parts : [a])) }];
  },
};

const merge: Primitive<"merge"> = {
  name: "merge",
  doc: "Several axes become one, the first the slowest, where the first of them stood. `x[(heads, head_dim) -> mixed]`.",
  operands: ["x"],
  traits: ["structural"],
  constraints: { axes: "x has every axis named, each once", free: "x has no other axis of the new name" },
  infer([x], { axes, into }) {
    const failure = requireAxes(x!, axes) ?? requireDistinct(axes);
    if (failure) return failure;
    const parts = axes.map((name) => axisNamed(x!, name)!);
    const merged: Axis = {
      name: into,
      size: parts.reduce((all, a) => all.times(a.size), Size.ONE),
      origin: parts[0]?.origin,
    };
    return distinct(
      x!,
      replaceAxis(x!.axes, axes[0]!, [merged]).filter((a) => a === merged || !axes.includes(a.name)),
    );
  },
  evaluate(run, [x], { axes, into }) {
    const parts = axes.map((name) => x!.axes[axisIndex(x!.axes, name)]!);
    const order = x!.axes.flatMap((a) => (a.name === axes[0] ? parts : axes.includes(a.name) ? [] : [a]));
    const merged = { name: into, size: count(parts) };
    const after = order.flatMap((a) => (a.name === axes[0] ? [merged] : axes.includes(a.name) ? [] : [a]));
    return [{ dtype: x!.dtype, axes: after, data: arrange(run, x!, order) }];
  },
};

const pick: Primitive<"pick"> = {
  name: "pick",
  doc: "One place of an axis, which goes; a negative index counts from its end. `x[seq = 0]` is the first token.",
  operands: ["x"],
  traits: ["structural"],
  constraints: { axis: "x has the axis", range: "the index lies in it" },
  infer([x], { axis, index }) {
    const whole = axisNamed(x!, axis);
    if (!whole) return fail({ kind: "axis-missing", operand: 0, axis });
    const start = index < 0 ? whole.size.plus(Size.of(index)) : Size.of(index);
    return outOfRange(whole, start, start.plus(Size.ONE)) ?? result(x!.dtype, replaceAxis(x!.axes, axis, []));
  },
  evaluate(run, [x], { axis, index }) {
    const whole = x!.axes[axisIndex(x!.axes, axis)]!;
    const part = sliced(run, x!, axis, index < 0 ? whole.size + index : index, 1);
    return [{ ...part, axes: part.axes.filter((a) => a.name !== axis) }];
  },
};

const slice: Primitive<"slice"> = {
  name: "slice",
  doc: "A stretch of an axis, which keeps its name and gets a new size. `x[seq = 1..]` leaves the first token out.",
  operands: ["x"],
  traits: ["structural"],
  constraints: { axis: "x has the axis", range: "the stretch lies in it" },
  infer([x], { axis, start, size }) {
    const whole = axisNamed(x!, axis);
    if (!whole) return fail({ kind: "axis-missing", operand: 0, axis });
    return (
      outOfRange(whole, start, start.plus(size)) ?? result(x!.dtype, replaceAxis(x!.axes, axis, [{ ...whole, size }]))
    );
  },
  evaluate: (run, [x], { axis, start, size }) => [sliced(run, x!, axis, run.size(start), run.size(size))],
};

const spread: Primitive<"spread"> = {
  name: "spread",
  doc: "A new axis, before all others, along which the value is the same. A weight [inner, hidden] spread over experts is [experts, inner, hidden].",
  operands: ["x"],
  traits: ["structural"],
  constraints: { free: "x has no axis of that name" },
  infer: ([x], { axis }) => distinct(x!, [axis, ...x!.axes]),
  evaluate(run, [x], { axis }) {
    const axes = [{ name: axis.name, size: run.size(axis.size) }, ...x!.axes];
    return [gather(run, x!, axes, places(x!.axes, axes))];
  },
};

export const axes = { rename, transpose, split, merge, pick, slice, spread };
