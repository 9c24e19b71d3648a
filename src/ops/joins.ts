/** @file Operators that bring values together or choose by value: looking up, one after the other, side by side, the largest. */
import { Size } from "../ir/size.ts";
import { axisNamed, type Axis, type Type } from "../ir/type.ts";
import type { Evaluation, Inferred, Primitive, Tensor } from "./op.ts";
import {
  align,
  axisSizes,
  fail,
  firstFailure,
  outOfRange,
  promote,
  replaceAxis,
  requireAlike,
  requireAxes,
  requireDistinct,
  requireDtype,
  requireNumbers,
  result,
  type Failure,
} from "./rules.ts";
import {
  alignedAxes,
  arrange,
  axisIndex,
  convert,
  count,
  EvaluationError,
  places,
  rowsAlong,
  sizeOf,
  stridesIn,
  zeros,
} from "./tensor.ts";

/** The axes of what is looked up: in place of the axis those of the indices that the table lacks. */
function lookedUp<A extends { readonly name: string }>(table: readonly A[], indices: readonly A[], axis: string): A[] {
  const others = table.filter((a) => a.name !== axis);
  const own = indices.filter((a) => !others.some((b) => b.name === a.name));
  return table.flatMap((a) => (a.name === axis ? own : [a]));
}

const lookup: Primitive<"lookup"> = {
  name: "lookup",
  doc:
    "Each index picks along one axis of the table; a negative one counts from its end. The indices' axes stand where the axis stood; " +
    "axes that both have are aligned. A table [vocab, hidden] at ids [batch, seq] is [batch, seq, hidden]; x [batch, seq, hidden] at end [batch] is [batch, hidden].",
  operands: ["table", "indices"],
  traits: ["structural"],
  constraints: {
    axis: "the table has the axis",
    indices: "the indices are int",
    aligned: "axes that both have are of one size",
  },
  infer(inputs, { axis }) {
    const [table, indices] = inputs as [Type, Type];
    const failure = requireAxes(table, [axis], 0) ?? requireDtype(inputs, ["int"], 1);
    if (failure) return failure;
    const rest = table.axes.filter((a) => a.name !== axis);
    const clash = rest.find((a) => axisNamed(indices, a.name) && !axisNamed(indices, a.name)!.size.equals(a.size));
    if (clash) return axisSizes(clash, axisNamed(indices, clash.name)!, [0, 1]);
    return result(table.dtype, lookedUp(table.axes, indices.axes, axis));
  },
  evaluate(run, [table, indices], { axis }) {
    const size = sizeOf(table!.axes, axis);
    const stride = stridesIn(table!.axes, table!.axes)[axisIndex(table!.axes, axis)]!;
    const result = lookedUp(table!.axes, indices!.axes, axis);
    // Along the looked-up axis the place depends on the index alone, along an axis of that name of the indices not at all.
    const others = table!.axes.map((a) => (a.name === axis ? { ...a, name: "" } : a));
    const base = places(others, result);
    const chosen = places(indices!.axes, result);
    const out = zeros(run, table!.dtype, base.length);
    for (let i = 0; i < out.length; i++) {
      const index = indices!.data[chosen[i]!] as number;
      const at = index < 0 ? index + size : index;
      if (!(at >= 0 && at < size))
        throw new EvaluationError(`the index ${index} is outside of the axis ${axis}, which has ${size} places`);
      out[i] = (table!.data as typeof out)[base[i]! + at * stride]!;
    }
    return [{ dtype: table!.dtype, axes: result, data: out }];
  },
};

const concat: Primitive<"concat"> = {
  name: "concat",
  doc: "Operands one after the other along an axis of each, which together become `into`, where it stood in the first. `concat[turning + still -> d](a, b)`.",
  operands: ["a", "b..."],
  traits: ["structural"],
  constraints: {
    axis: "each operand has its axis",
    same: "apart from that all have the same axes, of the same sizes",
    free: "none of these is named as the new axis",
    alike: "all are numbers (an int with a float becomes a float), or all bools",
  },
  infer(inputs, { axes, into }) {
    const failure = firstFailure([...inputs.map((t, i) => requireAxes(t, [axes[i]!], i)), requireAlike(inputs)]);
    if (failure) return failure;
    const rests = inputs.map((t, i) => t.axes.filter((a) => a.name !== axes[i]));
    const mismatch = sameAxisNames(rests);
    if (mismatch) return mismatch;
    const aligned = align(rests);
    if ("problem" in aligned) return aligned;
    const parts = inputs.map((t, i) => axisNamed(t, axes[i]!)!);
    const whole: Axis = {
      name: into,
      size: parts.reduce((all, a) => all.plus(a.size), Size.ZERO),
      origin: parts[0]!.origin,
    };
    const result = replaceAxis(inputs[0]!.axes, axes[0]!, [whole]);
    return (
      requireDistinct(result.map((a) => a.name)) ?? {
        types: [{ dtype: promote(inputs.map((t) => t.dtype)), axes: result }],
      }
    );
  },
  evaluate(run, inputs, { axes, into }) {
    const dtype = promote(inputs.map((t) => t.dtype));
    const order = (size: number) => inputs[0]!.axes.map((a) => (a.name === axes[0] ? { name: into, size } : a));
    const parts = inputs.map((t, i) => ({
      ...convert(run, t, dtype),
      axes: t.axes.map((a) => (a.name === axes[i] ? { ...a, name: into } : a)),
    }));
    return [joined(run, parts, into, order)];
  },
};

/** Puts tensors of one dtype after each other along an axis that all have; `order` gives the result's axes for its size. */
function joined<S>(
  run: Evaluation<S>,
  parts: readonly Tensor<S>[],
  axis: string,
  order: (size: number) => Tensor<S>["axes"],
): Tensor<S> {
  const sizes = parts.map((t) => sizeOf(t.axes, axis));
  const axes = order(sizes.reduce((a, b) => a + b, 0));
  const out = zeros(run, parts[0]!.dtype, count(axes));
  const stride = stridesIn(axes, axes)[axisIndex(axes, axis)]!;
  let start = 0;
  for (const [p, part] of parts.entries()) {
    const own = order(sizes[p]!);
    const data = arrange(run, part, own);
    // Slower axes step over the whole, from the axis on all is one stretch.
    const stretch = stride * sizes[p]!;
    const whole = stride * sizeOf(axes, axis);
    for (let i = 0, at = start * stride; i < data.length; i += stretch, at += whole)
      for (let j = 0; j < stretch; j++) out[at + j] = data[i + j]!;
    start += sizes[p]!;
  }
  return { dtype: parts[0]!.dtype, axes, data: out };
}

/** A problem where one of the operands lacks an axis that another has. */
function sameAxisNames(operands: readonly (readonly Axis[])[]): Failure | undefined {
  const all = new Set(operands.flatMap((axes) => axes.map((a) => a.name)));
  for (const [operand, axes] of operands.entries())
    for (const axis of all)
      if (!axes.some((a) => a.name === axis)) return fail({ kind: "axis-missing", operand, axis });
  return undefined;
}

const stack: Primitive<"stack"> = {
  name: "stack",
  doc: "Operands side by side on a new axis, after all others; axes that one lacks are broadcast. `stack[pair](a, b)` with a, b [half] is [half, pair=2].",
  operands: ["a", "b..."],
  traits: ["structural"],
  constraints: {
    free: "no operand has an axis of that name",
    aligned: "axes of one name are of one size",
    alike: "all are numbers (an int with a float becomes a float), or all bools",
  },
  infer(inputs, { axis }) {
    const failure = requireAlike(inputs);
    if (failure) return failure;
    const aligned = align(inputs.map((t) => t.axes));
    if ("problem" in aligned) return aligned;
    const axes = [...aligned.axes, { name: axis, size: Size.of(inputs.length) }];
    return requireDistinct(axes.map((a) => a.name)) ?? result(promote(inputs.map((t) => t.dtype)), axes);
  },
  evaluate(run, inputs, { axis }) {
    const dtype = promote(inputs.map((t) => t.dtype));
    const rest = alignedAxes(inputs);
    const order = (size: number) => [...rest, { name: axis, size }];
    return [
      joined(
        run,
        inputs.map((t) => sameEverywhere(run, convert(run, t, dtype), order(1))),
        axis,
        order,
      ),
    ];
  },
};

/** The tensor along more axes. */
function sameEverywhere<S>(run: Evaluation<S>, t: Tensor<S>, axes: Tensor<S>["axes"]): Tensor<S> {
  return { dtype: t.dtype, axes, data: arrange(run, t, axes) };
}

const top_k: Primitive<"top_k"> = {
  name: "top_k",
  doc:
    "The largest along an axis, largest first, and their indices; of equal ones the earlier first. As many as the new axis is long. " +
    "`top_k[experts -> chosen](scores)` with chosen = 2 of [3, 1, 2] is ([3, 2], [0, 2]).",
  operands: ["x"],
  traits: [],
  constraints: {
    dtype: "x is int or float",
    axis: "x has the axis",
    range: "it is as long as the new one at least",
    free: "x has no other axis of the new name",
  },
  infer(inputs, { axis, into }): Inferred {
    const [x] = inputs as [Type];
    const failure =
      requireNumbers(inputs) ?? requireAxes(x, [axis]) ?? outOfRange(axisNamed(x, axis)!, Size.ZERO, into.size);
    if (failure) return failure;
    const axes = replaceAxis(x.axes, axis, [into]);
    return (
      requireDistinct(axes.map((a) => a.name)) ?? {
        types: [
          { dtype: x.dtype, axes },
          { dtype: "int", axes },
        ],
      }
    );
  },
  evaluate(run, [x], { axis, into }) {
    const size = run.size(into.size);
    const axes = x!.axes.map((a) => (a.name === axis ? { name: into.name, size } : a));
    const values = zeros(run, x!.dtype, count(axes));
    const indices = new Float64Array(values.length);
    const from = rowsAlong(x!.axes, axis);
    const to = rowsAlong(axes, into.name);
    const order = (a: number, b: number): number => {
      const [p, q] = [x!.data[a]!, x!.data[b]!];
      return x!.dtype === "float" ? run.arithmetic.compare(q as never, p as never) : (q as number) - (p as number);
    };
    for (const [r, start] of from.starts.entries()) {
      const ranked = Array.from({ length: from.length }, (_, j) => start + j * from.stride).sort(
        (a, b) => order(a, b) || a - b,
      );
      for (let j = 0, at = to.starts[r]!; j < size; j++, at += to.stride) {
        values[at] = (x!.data as typeof values)[ranked[j]!]!;
        indices[at] = (ranked[j]! - start) / from.stride;
      }
    }
    return [
      { dtype: x!.dtype, axes, data: values },
      { dtype: "int", axes, data: indices },
    ];
  },
};

export const joins = { lookup, concat, stack, top_k };
