/** @file Elementwise operators of two and three operands: aligned by the names of their axes, broadcast along what one lacks. */
import type { Dtype, Type } from "../ir/type.ts";
import type { Arithmetic, Evaluation, Inferred, Primitive, Tensor, Trait } from "./op.ts";
import {
  align,
  firstFailure,
  promote,
  requireAlike,
  requireBools,
  requireDtype,
  requireNumbers,
  result,
  type Failure,
} from "./rules.ts";
import { alignedAxes, arrange, convert, count, zeros, type ConcreteAxes } from "./tensor.ts";

type ArithmeticName = "add" | "sub" | "mul" | "div" | "floor_div" | "mod" | "pow" | "min" | "max";
type ComparisonName = "equal" | "not_equal" | "less" | "less_equal" | "greater" | "greater_equal";

const ALIGNED = "axes that both operands have are of one size";

function aligned(
  inputs: readonly Type[],
  dtype: Dtype,
  failure: Failure | undefined,
  ordering: readonly Type[] = inputs,
): Inferred {
  const made = align(inputs.map((t) => t.axes));
  if (failure || "problem" in made) return failure ?? (made as Failure);
  const order = new Set([...wholeFirst(ordering).flatMap((t) => t.axes), ...made.axes].map((a) => a.name));
  return result(
    dtype,
    [...order].map((name) => made.axes.find((a) => a.name === name)!),
  );
}

/** Where one operand has the axes of all, the result has its order: `weight * x` is as `x * weight`. That one first. */
function wholeFirst<T extends { readonly axes: readonly { readonly name: string }[] }>(
  all: readonly T[],
): readonly T[] {
  const names = new Set(all.flatMap((t) => t.axes.map((a) => a.name)));
  const whole = all.find((t) => t.axes.length === names.size);
  return whole ? [whole, ...all.filter((t) => t !== whole)] : all;
}

/** The elements of each operand, all in one dtype, along the axes of the result. */
function operands<S>(
  run: Evaluation<S>,
  inputs: readonly Tensor<S>[],
  dtype: Dtype,
  axes: ConcreteAxes,
): ArrayLike<S>[] {
  return inputs.map((t) => arrange(run, convert(run, t, dtype), axes));
}

interface ArithmeticOp {
  readonly doc: string;
  readonly traits: readonly Trait[];
  floats<S>(m: Arithmetic<S>, a: S, b: S): S;
  /** Absent where the result is a float whatever the operands are. */
  ints?(a: number, b: number): number;
}

function arithmetic<K extends ArithmeticName>(name: K, op: ArithmeticOp): Primitive<K> {
  const resultDtype = (dtypes: readonly Dtype[]): Dtype => (op.ints ? promote(dtypes) : "float");
  return {
    name,
    doc: op.doc,
    operands: ["a", "b"],
    traits: ["elementwise", ...op.traits],
    constraints: { numbers: "both operands are int or float; an int with a float becomes a float", aligned: ALIGNED },
    infer: (inputs) => aligned(inputs, resultDtype(inputs.map((t) => t.dtype)), requireNumbers(inputs)),
    evaluate(run, inputs) {
      const dtype = resultDtype(inputs.map((t) => t.dtype));
      const axes = alignedAxes(wholeFirst(inputs));
      const [a, b] = operands(run, inputs, dtype, axes);
      const out = zeros(run, dtype, count(axes));
      if (dtype === "int")
        for (let i = 0; i < out.length; i++) out[i] = op.ints!(a![i] as number, b![i] as number) as never;
      else for (let i = 0; i < out.length; i++) out[i] = op.floats(run.arithmetic, a![i]!, b![i]!);
      return [{ dtype, axes, data: out }];
    },
  };
}

function comparison<K extends ComparisonName>(name: K, doc: string, holds: (order: number) => boolean): Primitive<K> {
  const equality = name === "equal" || name === "not_equal";
  return {
    name,
    doc,
    operands: ["a", "b"],
    traits: equality ? ["elementwise", "commutative"] : ["elementwise"],
    constraints: {
      alike: equality ? "both operands are numbers, or both bools" : "both operands are int or float",
      aligned: ALIGNED,
    },
    infer: (inputs) => aligned(inputs, "bool", equality ? requireAlike(inputs) : requireNumbers(inputs)),
    evaluate(run, inputs) {
      const dtype = promote(inputs.map((t) => t.dtype));
      const axes = alignedAxes(wholeFirst(inputs));
      const [a, b] = operands(run, inputs, dtype, axes);
      const out = new Uint8Array(count(axes));
      for (let i = 0; i < out.length; i++) {
        const order =
          dtype === "float" ? run.arithmetic.compare(a![i]!, b![i]!) : (a![i] as number) - (b![i] as number);
        out[i] = Number(holds(order));
      }
      return [{ dtype: "bool", axes, data: out }];
    },
  };
}

function logical<K extends "and" | "or">(name: K, doc: string, holds: (a: number, b: number) => number): Primitive<K> {
  return {
    name,
    doc,
    operands: ["a", "b"],
    traits: ["elementwise", "commutative", "associative"],
    constraints: { bools: "both operands are bool", aligned: ALIGNED },
    infer: (inputs) => aligned(inputs, "bool", requireBools(inputs)),
    evaluate(run, inputs) {
      const axes = alignedAxes(wholeFirst(inputs));
      const [a, b] = operands(run, inputs, "bool", axes) as unknown as ArrayLike<number>[];
      return [{ dtype: "bool", axes, data: Uint8Array.from({ length: count(axes) }, (_, i) => holds(a![i]!, b![i]!)) }];
    },
  };
}

const where: Primitive<"where"> = {
  name: "where",
  doc: "`then` where the condition holds, else `else`. `where(key <= query, scores, -inf)` hides later places.",
  operands: ["condition", "then", "else"],
  traits: ["elementwise"],
  constraints: {
    condition: "the condition is bool",
    alike: "both branches are numbers (an int with a float becomes a float), or both bools",
    aligned: "axes of one name are of one size",
  },
  infer(inputs) {
    const failure = firstFailure([requireDtype(inputs, ["bool"], 0), requireAlike(inputs, 1)]);
    // The branches' axes come before those that only the condition has: a mask does not change the order of what it masks.
    const [condition, a, b] = inputs;
    const made = aligned([a!, b!, condition!], promote([a!.dtype, b!.dtype]), failure, [a!, b!]);
    if (!("problem" in made) || made.problem.kind !== "axis-sizes" || failure) return made;
    const [i, j] = made.problem.operands;
    return { problem: { ...made.problem, operands: [(i + 1) % 3, (j + 1) % 3] } };
  },
  evaluate(run, inputs) {
    const [condition, ...branches] = inputs;
    const dtype = promote(branches.map((t) => t.dtype));
    const axes = alignedAxes([...wholeFirst(branches), condition!]);
    const [a, b] = operands(run, branches, dtype, axes);
    const chosen = arrange(run, condition!, axes) as unknown as ArrayLike<number>;
    const out = zeros(run, dtype, count(axes));
    for (let i = 0; i < out.length; i++) out[i] = chosen[i] ? a![i]! : b![i]!;
    return [{ dtype, axes, data: out }];
  },
};

const ANY_ORDER = ["commutative", "associative"] as const;

export const binary = {
  add: arithmetic("add", {
    doc: "a + b. `x + shift` adds one vector at every place.",
    traits: ANY_ORDER,
    floats: (m, a, b) => m.add(a, b),
    ints: (a, b) => a + b,
  }),
  sub: arithmetic("sub", {
    doc: "a - b. `query - key` is a table of distances.",
    traits: [],
    floats: (m, a, b) => m.sub(a, b),
    ints: (a, b) => a - b,
  }),
  mul: arithmetic("mul", {
    doc: "a * b, element by element. `x * weight` scales each feature.",
    traits: ANY_ORDER,
    floats: (m, a, b) => m.mul(a, b),
    ints: (a, b) => a * b,
  }),
  div: arithmetic("div", {
    doc: "a / b, always as floats. `7 / 2` is 3.5.",
    traits: [],
    floats: (m, a, b) => m.div(a, b),
  }),
  floor_div: arithmetic("floor_div", {
    doc: "The quotient rounded down; of ints an int. `-7 div 2` is -4.",
    traits: [],
    floats: (m, a, b) => m.unary("floor", m.div(a, b)),
    ints: (a, b) => Math.floor(a / b),
  }),
  mod: arithmetic("mod", {
    doc: "What the quotient rounded down leaves; its sign is that of b. `-7 % 2` is 1.",
    traits: [],
    floats: (m, a, b) => m.sub(a, m.mul(m.unary("floor", m.div(a, b)), b)),
    ints: (a, b) => a - Math.floor(a / b) * b,
  }),
  pow: arithmetic("pow", {
    doc: "a to the power b, always as floats. `3 ^ 2` is 9.",
    traits: [],
    floats: (m, a, b) => m.pow(a, b),
  }),
  min: arithmetic("min", {
    doc: "The lesser of the two. `min(x, 6)` is x, but not above 6.",
    traits: ANY_ORDER,
    floats: (m, a, b) => m.min(a, b),
    ints: Math.min,
  }),
  max: arithmetic("max", {
    doc: "The greater of the two. `max(x, 0)` is x, but not below 0.",
    traits: ANY_ORDER,
    floats: (m, a, b) => m.max(a, b),
    ints: Math.max,
  }),
  equal: comparison("equal", "Whether a is b. `kind == 0` is true at places of kind 0.", (order) => order === 0),
  not_equal: comparison(
    "not_equal",
    "Whether a is not b. `tokens != pad` is true at real tokens.",
    (order) => order !== 0,
  ),
  less: comparison("less", "Whether a is below b. `distance < window`.", (order) => order < 0),
  less_equal: comparison(
    "less_equal",
    "Whether a is not above b. `key <= query` hides later places.",
    (order) => order <= 0,
  ),
  greater: comparison("greater", "Whether a is above b. `distance > 0`.", (order) => order > 0),
  greater_equal: comparison("greater_equal", "Whether a is not below b. `x >= 0`.", (order) => order >= 0),
  and: logical("and", "Whether both hold. `key <= query and attention_mask`.", (a, b) => a & b),
  or: logical("or", "Whether one holds at least. `key <= query or key < prefix`.", (a, b) => a | b),
  where,
};
