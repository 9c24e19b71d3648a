/** @file Operators that bring an axis down to one element, or run along one: sums, means, extremes, softmax, products summed. */
import type { Axis, Dtype, Type } from "../ir/type.ts";
import type { Arithmetic, Evaluation, Primitive, Tensor } from "./op.ts";
import {
  align,
  firstFailure,
  promote,
  requireAxes,
  requireBools,
  requireDistinct,
  requireNumbers,
  result,
  type Failure,
} from "./rules.ts";
import { arrange, convert, count, rowsAlong, zeros, type ConcreteAxes } from "./tensor.ts";
import { product } from "./product.ts";

type ReductionName = "sum" | "mean" | "reduce_max" | "reduce_min" | "any" | "all";

const OVER = "the operand has every axis named, each once";

function checkOver(x: Type, over: readonly string[]): Failure | undefined {
  return requireAxes(x, over) ?? requireDistinct(over);
}

/** The operand's elements with the reduced axes last, so that each group is one stretch of memory. */
function groups<S>(
  run: Evaluation<S>,
  x: Tensor<S>,
  over: readonly string[],
): { axes: ConcreteAxes; length: number; data: ArrayLike<S> } {
  const axes = x.axes.filter((a) => !over.includes(a.name));
  const inner = x.axes.filter((a) => over.includes(a.name));
  return { axes, length: count(inner), data: arrange(run, x, [...axes, ...inner]) };
}

interface ReductionOp {
  readonly doc: string;
  readonly bools?: boolean;
  dtype(x: Dtype): Dtype;
  /** What a group of no elements gives. */
  readonly empty: number;
  floats?<S>(m: Arithmetic<S>, a: S, b: S): S;
  numbers(a: number, b: number): number;
}

function reduction<K extends ReductionName>(name: K, op: ReductionOp): Primitive<K> {
  return {
    name,
    doc: op.doc,
    operands: ["x"],
    traits: ["reduction"],
    constraints: { dtype: op.bools ? "x is bool" : "x is int or float", over: OVER },
    infer(inputs, { over }) {
      const [x] = inputs as [Type];
      const failure = (op.bools ? requireBools(inputs) : requireNumbers(inputs)) ?? checkOver(x, over);
      return (
        failure ??
        result(
          op.dtype(x.dtype),
          x.axes.filter((a) => !over.includes(a.name)),
        )
      );
    },
    evaluate(run, [x], { over }) {
      const dtype = op.dtype(x!.dtype);
      const { axes, length, data } = groups(run, convert(run, x!, dtype), over);
      const out = zeros(run, dtype, count(axes));
      const { arithmetic } = run;
      for (let g = 0, at = 0; g < out.length; g++, at += length) {
        let all =
          length > 0 ? data[at]! : ((dtype === "float" ? arithmetic.of(op.empty) : op.empty) as (typeof out)[number]);
        for (let i = 1; i < length; i++) {
          const next = data[at + i]!;
          all =
            dtype === "float"
              ? op.floats!(arithmetic, all, next)
              : (op.numbers(all as number, next as number) as typeof all);
        }
        out[g] = name === "mean" ? arithmetic.div(all, arithmetic.of(length)) : all;
      }
      return [{ dtype, axes, data: out }];
    },
  };
}

const keepDtype = (x: Dtype): Dtype => x;

const cumulative_sum: Primitive<"cumulative_sum"> = {
  name: "cumulative_sum",
  doc: "The running sum along an axis, each element included. Of [1, 2, 3] it is [1, 3, 6].",
  operands: ["x"],
  traits: [],
  constraints: { dtype: "x is int or float", over: "x has the axis" },
  infer: (inputs, { over }) =>
    requireNumbers(inputs) ?? requireAxes(inputs[0]!, [over]) ?? result(inputs[0]!.dtype, inputs[0]!.axes),
  evaluate(run, [x], { over }) {
    const { arithmetic } = run;
    const out = zeros(run, x!.dtype, x!.data.length);
    const data = x!.data as typeof out;
    const rows = rowsAlong(x!.axes, over);
    for (const start of rows.starts) {
      for (let j = 0, at = start; j < rows.length; j++, at += rows.stride) {
        if (j === 0) out[at] = data[at]!;
        else if (x!.dtype === "float") out[at] = arithmetic.add(out[at - rows.stride]!, data[at]!);
        else out[at] = ((out[at - rows.stride] as number) + (data[at] as number)) as never;
      }
    }
    return [{ dtype: x!.dtype, axes: x!.axes, data: out }];
  },
};

const softmax: Primitive<"softmax"> = {
  name: "softmax",
  doc: "exp(x) over its sum along an axis; a row that is -inf everywhere gives zeros. Of [0, 0] it is [0.5, 0.5], of [-inf, -inf] it is [0, 0].",
  operands: ["x"],
  traits: [],
  constraints: { dtype: "x is int or float", over: "x has the axis" },
  infer: (inputs, { over }) =>
    requireNumbers(inputs) ?? requireAxes(inputs[0]!, [over]) ?? result("float", inputs[0]!.axes),
  evaluate(run, [x], { over }) {
    const m = run.arithmetic;
    const data = convert(run, x!, "float").data as ArrayLike<ReturnType<typeof m.of>>;
    const out = zeros(run, "float", data.length);
    const rows = rowsAlong(x!.axes, over);
    const nothing = m.of(-Infinity);
    for (const start of rows.starts) {
      const end = start + rows.length * rows.stride;
      let largest = nothing;
      for (let at = start; at < end; at += rows.stride) largest = m.max(largest, data[at]!);
      // Nothing to see: the row stays zero. (Its exponentials would be of -inf less -inf.)
      if (m.compare(largest, nothing) === 0) continue;
      let sum = m.of(0);
      for (let at = start; at < end; at += rows.stride) {
        out[at] = m.unary("exp", m.sub(data[at]!, largest));
        sum = m.add(sum, out[at]!);
      }
      for (let at = start; at < end; at += rows.stride) out[at] = m.div(out[at]!, sum);
    }
    return [{ dtype: "float", axes: x!.axes, data: out }];
  },
};

const dot: Primitive<"dot"> = {
  name: "dot",
  doc:
    "The sum of products over the named axes. The axes of a that are left come first, then those of b that a lacks; what both have left is aligned. " +
    "`dot(x, weight, over = in)` with x [batch, seq, in] and weight [out, in] is [batch, seq, out].",
  operands: ["a", "b"],
  traits: ["reduction"],
  constraints: {
    numbers: "both operands are int or float",
    over: "both operands have every axis named",
    aligned: "axes that both have are of one size",
  },
  infer(inputs, { over }) {
    const [a, b] = inputs as [Type, Type];
    const failure = firstFailure([
      requireNumbers(inputs),
      requireAxes(a, over, 0),
      requireAxes(b, over, 1),
      requireDistinct(over),
    ]);
    if (failure) return failure;
    const all = align([a.axes, b.axes]);
    if ("problem" in all) return all;
    return result(
      promote([a.dtype, b.dtype]),
      all.axes.filter((axis: Axis) => !over.includes(axis.name)),
    );
  },
  evaluate(run, [a, b], { over }) {
    const dtype = promote([a!.dtype, b!.dtype]);
    return [product(run, convert(run, a!, dtype), convert(run, b!, dtype), over)];
  },
};

export const reductions = {
  sum: reduction("sum", {
    doc: "The sum over the named axes; of ints an int. `sum(x, over = d)` of [1, 2, 3] is 6.",
    dtype: keepDtype,
    empty: 0,
    floats: (m, a, b) => m.add(a, b),
    numbers: (a, b) => a + b,
  }),
  mean: reduction("mean", {
    doc: "The mean over the named axes, a float. `mean(x ^ 2, over = d)` is the mean square.",
    dtype: () => "float",
    empty: 0,
    floats: (m, a, b) => m.add(a, b),
    numbers: (a, b) => a + b,
  }),
  reduce_max: reduction("reduce_max", {
    doc: "The greatest element along the named axes. `max(x, over = d)` of [1, 3, 2] is 3.",
    dtype: keepDtype,
    empty: -Infinity,
    floats: (m, a, b) => m.max(a, b),
    numbers: Math.max,
  }),
  reduce_min: reduction("reduce_min", {
    doc: "The least element along the named axes. `min(x, over = d)` of [1, 3, 2] is 1.",
    dtype: keepDtype,
    empty: Infinity,
    floats: (m, a, b) => m.min(a, b),
    numbers: Math.min,
  }),
  any: reduction("any", {
    doc: "Whether one element along the named axes holds at least. `any(position(groups) == group, over = picked)`.",
    bools: true,
    dtype: keepDtype,
    empty: 0,
    numbers: (a, b) => a | b,
  }),
  all: reduction("all", {
    doc: "Whether every element along the named axes holds. `all(mask, over = keys)`.",
    bools: true,
    dtype: keepDtype,
    empty: 1,
    numbers: (a, b) => a & b,
  }),
  cumulative_sum,
  softmax,
  dot,
};
