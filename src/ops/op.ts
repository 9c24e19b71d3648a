/**
 * @file What a primitive operator is: one record with its documentation, traits, constraints, type rule and meaning.
 *
 * `infer` gives the types of the results or the constraint that the operands break. `evaluate` is the meaning in plain loops,
 * over an abstract scalar for floats (float64, or a prime field for proofs); ints and bools are plain numbers.
 */
import type { Graph } from "../ir/graph.ts";
import type { Size } from "../ir/size.ts";
import type { Axis, Dtype, Type } from "../ir/type.ts";
import type { AttrsOf, PrimitiveName } from "./attributes.ts";

export type Trait =
  | "elementwise" // result element i depends on elements i alone
  | "commutative"
  | "associative"
  | "structural" // moves elements, computes nothing
  | "reduction"
  | "temporal"; // reads other places of the growing axis

/** Why operands do not fit; the checker turns it into a diagnostic with spans. Indices are of operands. */
export type Problem =
  | { readonly kind: "axis-missing"; readonly operand: number; readonly axis: string }
  | {
      readonly kind: "axis-sizes";
      readonly axis: string;
      readonly first: Axis;
      readonly second: Axis;
      readonly operands: readonly [number, number];
    }
  | { readonly kind: "axis-twice"; readonly axis: string }
  | { readonly kind: "dtype"; readonly operand: number; readonly expected: readonly Dtype[]; readonly found: Dtype }
  | { readonly kind: "split-size"; readonly axis: Axis; readonly parts: readonly Axis[] }
  | { readonly kind: "out-of-range"; readonly axis: Axis; readonly start: Size; readonly end: Size };

export type Inferred = { readonly types: readonly Type[] } | { readonly problem: Problem };

/** A float as some arithmetic has it. `undefined` operations do not exist there (an exponential in a prime field). */
export interface Arithmetic<S> {
  readonly name: string;
  /** Floats are JavaScript numbers and `add`, `mul` are `+`, `*`: inner loops may use these. */
  readonly native?: boolean;
  of(n: number): S;
  /** For comparisons, indices and output; may be absent. */
  toNumber?(x: S): number;
  add(a: S, b: S): S;
  sub(a: S, b: S): S;
  mul(a: S, b: S): S;
  div(a: S, b: S): S;
  neg(a: S): S;
  /** Unary functions by the operator's name: exp, log, log2, sqrt, rsqrt, sin, cos, tanh, sigmoid, erf, floor, ceil, round, abs, sign. */
  unary(name: string, a: S): S;
  pow(a: S, b: S): S;
  min(a: S, b: S): S;
  max(a: S, b: S): S;
  /** Negative, zero or positive. */
  compare(a: S, b: S): number;
}

/** Elements in row-major order of `axes`. Floats are scalars of the arithmetic; ints and bools (0, 1) are numbers. */
export interface Tensor<S> {
  readonly dtype: Dtype;
  readonly axes: readonly { readonly name: string; readonly size: number }[];
  readonly data: ArrayLike<S> | ArrayLike<number>;
}

export interface Evaluation<S> {
  readonly arithmetic: Arithmetic<S>;
  /** The number that a symbolic size has in this run. */
  size(s: Size): number;
}

export interface Primitive<K extends PrimitiveName> {
  readonly name: K;
  readonly doc: string;
  /** Names of the operands; a last one ending in `...` takes any number. */
  readonly operands: readonly string[];
  readonly traits: readonly Trait[];
  /** What must hold, by label. */
  readonly constraints: Readonly<Record<string, string>>;
  /** `bodies` are the node's; only the rules of `call` and `scan` read them. */
  infer(inputs: readonly Type[], attrs: AttrsOf<K>, bodies: readonly Graph[]): Inferred;
  /** `repeat`, `call` and `scan` are run by the evaluator itself. */
  evaluate?<S>(run: Evaluation<S>, inputs: readonly Tensor<S>[], attrs: AttrsOf<K>): readonly Tensor<S>[];
}
