/** @file What each primitive operator becomes in ONNX. A primitive without a line does not compile. */
import * as axes from "./axes.ts";
import { emitDot } from "./dot.ts";
import type { Lowering } from "./emitter.ts";
import { emitMaskedSoftmax, emitWhereOrTilt } from "./hidden.ts";
import * as numbers from "./numbers.ts";
import * as time from "./time.ts";

const { plain, comparison, negated, emitReduction, emitTruth } = numbers;

export const table: Lowering["table"] = {
  constant: numbers.emitConstant,
  position: numbers.emitPosition,
  size: numbers.emitSize,

  neg: plain("Neg"),
  abs: plain("Abs"),
  exp: plain("Exp"),
  log: plain("Log"),
  log2: numbers.emitLog2,
  sqrt: plain("Sqrt"),
  rsqrt: numbers.emitRsqrt,
  sin: plain("Sin"),
  cos: plain("Cos"),
  tanh: plain("Tanh"),
  sigmoid: plain("Sigmoid"),
  erf: plain("Erf"),
  floor: plain("Floor"),
  ceil: plain("Ceil"),
  round: plain("Round"),
  sign: plain("Sign"),
  not: plain("Not"),
  cast: numbers.emitCast,

  add: plain("Add"),
  sub: plain("Sub"),
  mul: plain("Mul"),
  div: plain("Div"),
  floor_div: numbers.emitFloorDiv,
  mod: numbers.emitMod,
  pow: plain("Pow"),
  min: plain("Min"),
  max: plain("Max"),
  equal: comparison("Equal"),
  not_equal: negated("Equal"),
  less: comparison("Less"),
  less_equal: comparison("LessOrEqual"),
  greater: comparison("Greater"),
  greater_equal: comparison("GreaterOrEqual"),
  and: plain("And"),
  or: plain("Or"),
  where: emitWhereOrTilt,

  sum: emitReduction("ReduceSum"),
  mean: emitReduction("ReduceMean"),
  reduce_max: emitReduction("ReduceMax"),
  reduce_min: emitReduction("ReduceMin"),
  any: emitTruth("ReduceMax"),
  all: emitTruth("ReduceMin"),
  cumulative_sum: numbers.emitCumulativeSum,
  softmax: emitMaskedSoftmax,
  dot: emitDot,

  rename: axes.emitRename,
  transpose: axes.emitTranspose,
  split: axes.emitSplit,
  merge: axes.emitMerge,
  pick: axes.emitPick,
  slice: axes.emitSlice,
  lookup: axes.emitLookup,
  concat: axes.emitConcat,
  stack: axes.emitStack,
  spread: axes.emitSpread,
  top_k: numbers.emitTopK,

  keep: axes.emitKeep,
  once: axes.emitOnce,
  previous: time.emitPrevious,
  scan: time.emitScan,
  repeat: time.emitRepeat,
};
