/** @file Arithmetic in float64, by JavaScript's own numbers. */
import type { Arithmetic } from "./op.ts";
import { erf, roundHalfEven } from "./special.ts";

const UNARY: Readonly<Record<string, (x: number) => number>> = {
  abs: Math.abs,
  exp: Math.exp,
  log: Math.log,
  log2: Math.log2,
  sqrt: Math.sqrt,
  rsqrt: (x) => 1 / Math.sqrt(x),
  sin: Math.sin,
  cos: Math.cos,
  tanh: Math.tanh,
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  erf,
  floor: Math.floor,
  ceil: Math.ceil,
  round: roundHalfEven,
  sign: Math.sign,
};

export const float64: Arithmetic<number> = {
  name: "float64",
  native: true,
  of: (n) => n,
  toNumber: (x) => x,
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  neg: (a) => -a,
  unary(name, a) {
    const f = UNARY[name];
    if (!f) throw new Error(`float64 has no function ${name}`);
    return f(a);
  },
  pow: Math.pow,
  min: Math.min,
  max: Math.max,
  // Not the difference: of two infinities that is NaN.
  compare: (a, b) => (a < b ? -1 : a > b ? 1 : a === b ? 0 : NaN),
};
