/** @file Elementwise operators of one operand. */
import type { Dtype, Type } from "../ir/type.ts";
import type { Inferred, Primitive } from "./op.ts";
import { requireBools, requireNumbers, result } from "./rules.ts";
import { convert, zeros } from "./tensor.ts";

type MathName =
  | "neg"
  | "abs"
  | "exp"
  | "log"
  | "log2"
  | "sqrt"
  | "rsqrt"
  | "sin"
  | "cos"
  | "tanh"
  | "sigmoid"
  | "erf"
  | "floor"
  | "ceil"
  | "round"
  | "sign";

/** Of an int these are ints; the others of an int are computed as floats. */
const ON_INTS: Partial<Record<MathName, (x: number) => number>> = { neg: (x) => 0 - x, abs: Math.abs, sign: Math.sign };

function math<K extends MathName>(name: K, doc: string): Primitive<K> {
  const onInts = ON_INTS[name];
  return {
    name,
    doc,
    operands: ["x"],
    traits: ["elementwise"],
    constraints: { number: "x is int or float" },
    infer(inputs: readonly Type[]): Inferred {
      const [x] = inputs as [Type];
      return requireNumbers(inputs) ?? result(onInts && x.dtype === "int" ? "int" : "float", x.axes);
    },
    evaluate(run, [x]) {
      const dtype: Dtype = onInts && x!.dtype === "int" ? "int" : "float";
      const out = zeros(run, dtype, x!.data.length);
      if (dtype === "int") {
        for (let i = 0; i < out.length; i++) out[i] = onInts!(x!.data[i] as number) as never;
      } else {
        const { arithmetic } = run;
        const data = convert(run, x!, "float").data as ArrayLike<ReturnType<typeof arithmetic.of>>;
        for (let i = 0; i < out.length; i++)
          out[i] = name === "neg" ? arithmetic.neg(data[i]!) : arithmetic.unary(name, data[i]!);
      }
      return [{ dtype, axes: x!.axes, data: out }];
    },
  };
}

const not: Primitive<"not"> = {
  name: "not",
  doc: "True where the operand is false. `not attention_mask` is true at padding.",
  operands: ["x"],
  traits: ["elementwise"],
  constraints: { bool: "x is bool" },
  infer: (inputs) => requireBools(inputs) ?? result("bool", inputs[0]!.axes),
  evaluate: (_, [x]) => [
    { dtype: "bool", axes: x!.axes, data: Uint8Array.from(x!.data as ArrayLike<number>, (b) => 1 - b) },
  ],
};

const cast: Primitive<"cast"> = {
  name: "cast",
  doc: "The same elements in another dtype. A float becomes an int towards zero (-1.5 is -1) and is true where it is not zero.",
  operands: ["x"],
  traits: ["elementwise"],
  constraints: {},
  infer: ([x], { to }) => result(to, x!.axes),
  evaluate: (run, [x], { to }) => [convert(run, x!, to)],
};

export const unary = {
  neg: math("neg", "-x. `neg` of [1, -2] is [-1, 2]; ints stay ints."),
  abs: math("abs", "The distance from zero. `abs(query - key)` is how far two places are apart; ints stay ints."),
  exp: math("exp", "e to the power x. `exp(0)` is 1."),
  log: math("log", "The natural logarithm. `log(1)` is 0; of zero it is -inf."),
  log2: math("log2", "The logarithm to base 2. `log2(8)` is 3."),
  sqrt: math("sqrt", "The square root. `sqrt(9)` is 3."),
  rsqrt: math("rsqrt", "One over the square root. `rsqrt(4)` is 0.5."),
  sin: math("sin", "The sine of an angle in radians. `sin(0)` is 0."),
  cos: math("cos", "The cosine of an angle in radians. `cos(0)` is 1."),
  tanh: math("tanh", "The hyperbolic tangent, between -1 and 1. `tanh(0)` is 0."),
  sigmoid: math("sigmoid", "1 / (1 + exp(-x)), between 0 and 1. `sigmoid(0)` is 0.5."),
  erf: math("erf", "The error function, 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x. `erf(0)` is 0."),
  floor: math("floor", "The largest whole number that is not above x, as a float. `floor(-1.5)` is -2."),
  ceil: math("ceil", "The least whole number that is not below x, as a float. `ceil(-1.5)` is -1."),
  round: math("round", "The nearest whole number, as a float; halves go to the even one. `round(2.5)` is 2."),
  sign: math("sign", "-1, 0 or 1 by the sign of x. `sign(-3)` is -1; ints stay ints."),
  not,
  cast,
};
