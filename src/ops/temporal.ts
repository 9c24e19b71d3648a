/**
 * @file Operators through which a place reads others of the axis along which a model generates. What is here is their meaning
 * for a whole sequence; the cache pass gives them the one for steps.
 */
import { axisNamed, type Type } from "../ir/type.ts";
import type { Primitive } from "./op.ts";
import { renamed } from "./axes.ts";
import { fail, replaceAxis, requireAxes, requireDistinct, requireNumbers, result } from "./rules.ts";
import { rowsAlong, zeros } from "./tensor.ts";

const keep: Primitive<"keep"> = {
  name: "keep",
  doc: "All places so far on a new axis, kept from step to step. Without a cache a renaming; of a value that lacks the axis the value. `k -> keep[seq -> keys]`.",
  operands: ["x"],
  traits: ["structural", "temporal"],
  constraints: { free: "x has no axis of the new name" },
  infer([x], { from, to }) {
    const axis = axisNamed(x!, from);
    if (!axis) return result(x!.dtype, x!.axes);
    const axes = replaceAxis(x!.axes, from, [{ ...axis, name: to }]);
    return requireDistinct(axes.map((a) => a.name)) ?? result(x!.dtype, axes);
  },
  evaluate: (_, [x], { from, to }) => [renamed(x!, from, to)],
};

const once: Primitive<"once"> = {
  name: "once",
  doc: 'Computed in the first step and handed on to the others; without a cache x itself. `once(k)` of the keys of a memory that does not grow. `once["name"](x)` is computed in a graph of its own; that of the steps takes it under the name.',
  operands: ["x"],
  traits: ["structural", "temporal"],
  constraints: {},
  infer: ([x]) => result(x!.dtype, x!.axes),
  evaluate: (_, [x]) => [x!],
};

const previous: Primitive<"previous"> = {
  name: "previous",
  doc: "x one place ago along an axis, zero before the start. `previous[seq](x)` of [1, 2, 3] is [0, 1, 2].",
  operands: ["x"],
  traits: ["structural", "temporal"],
  constraints: { axis: "x has the axis", dtype: "x is int or float" },
  infer: (inputs, { axis }) =>
    requireNumbers(inputs) ?? requireAxes(inputs[0]!, [axis]) ?? result(inputs[0]!.dtype, inputs[0]!.axes),
  evaluate(run, [x], { axis }) {
    const out = zeros(run, x!.dtype, x!.data.length);
    const rows = rowsAlong(x!.axes, axis);
    for (const start of rows.starts)
      for (let j = 1; j < rows.length; j++)
        out[start + j * rows.stride] = (x!.data as typeof out)[start + (j - 1) * rows.stride]!;
    return [{ dtype: x!.dtype, axes: x!.axes, data: out }];
  },
};

const scan: Primitive<"scan"> = {
  name: "scan",
  doc:
    "state = body(state, xs...) place by place along an axis, from `start` on; the result is every state, on that axis, which comes first. " +
    "A running sum is `scan[seq](add, start = 0)(x)`.",
  operands: ["start", "xs..."],
  traits: ["temporal"],
  constraints: { axis: "one of the xs has the axis", state: "what the body gives has the type of its first operand" },
  infer(inputs, { axis }, bodies) {
    const along = inputs
      .slice(1)
      .map((t: Type) => axisNamed(t, axis))
      .find((a) => a !== undefined);
    if (!along) return fail({ kind: "axis-missing", operand: 1, axis });
    const state = bodies[0]!.outputs[0]!.value.type;
    const axes = [along, ...state.axes];
    return requireDistinct(axes.map((a) => a.name)) ?? result(state.dtype, axes);
  },
};

export const temporal = { keep, once, previous, scan };
