/** @file The primitive operators by name, each with its attributes. What they mean is in the records of this folder. */
import type { Axis, Dtype } from "../ir/type.ts";
import type { Size } from "../ir/size.ts";

type None = Readonly<Record<never, never>>;

/** A value known while compiling that a composite operator was given. */
export type Setting = number | boolean | string | null;

export interface PrimitiveAttrs {
  // Made from nothing
  constant: { readonly value: number; readonly dtype: Dtype };
  /** int[axis]: start, start + 1, ... */
  position: { readonly axis: Axis; readonly start: Size };
  /** int, no axes: a size as a value. */
  size: { readonly of: Size };

  // Elementwise, one operand
  neg: None;
  abs: None;
  exp: None;
  log: None;
  log2: None;
  sqrt: None;
  rsqrt: None;
  sin: None;
  cos: None;
  tanh: None;
  sigmoid: None;
  erf: None;
  floor: None;
  ceil: None;
  round: None;
  sign: None;
  not: None;
  cast: { readonly to: Dtype };

  // Elementwise, two operands, aligned by the names of their axes; an axis that one lacks is broadcast
  add: None;
  sub: None;
  mul: None;
  div: None;
  floor_div: None;
  mod: None;
  pow: None;
  min: None;
  max: None;
  equal: None;
  not_equal: None;
  less: None;
  less_equal: None;
  greater: None;
  greater_equal: None;
  and: None;
  or: None;
  /** condition, then, else */
  where: None;

  // Over axes
  sum: { readonly over: readonly string[] };
  mean: { readonly over: readonly string[] };
  reduce_max: { readonly over: readonly string[] };
  reduce_min: { readonly over: readonly string[] };
  any: { readonly over: readonly string[] };
  all: { readonly over: readonly string[] };
  /** Running sum along an axis. */
  cumulative_sum: { readonly over: string };
  /** A row that is -inf everywhere gives zeros. */
  softmax: { readonly over: string };
  /** Sum of products over the named axes, which both have; all other axes are aligned by name. */
  dot: { readonly over: readonly string[] };

  // About axes
  rename: { readonly from: string; readonly to: string };
  transpose: { readonly order: readonly string[] };
  split: { readonly axis: string; readonly into: readonly Axis[] };
  /** The axes, the first slowest, become one, which stands where the first of them stood. */
  merge: { readonly axes: readonly string[]; readonly into: string };
  /** The axis goes; negative indices count from its end. */
  pick: { readonly axis: string; readonly index: number };
  /** The axis keeps its name and gets a new size. */
  slice: { readonly axis: string; readonly start: Size; readonly size: Size };
  /** table, indices (int): each index picks along `axis` of the table; axes that both have are aligned. */
  lookup: { readonly axis: string };
  /** a, b, ...: axis `axes[i]` of operand i; one after the other they are the axis `into`. */
  concat: { readonly axes: readonly string[]; readonly into: string };
  /** a, b, ...: a new axis, after all others, that tells them apart. Operands are broadcast against each other. */
  stack: { readonly axis: string };
  /** Adds an axis along which the value is the same. */
  spread: { readonly axis: Axis };
  /** values and indices (int) of the `into.size` largest along `axis`, largest first. */
  top_k: { readonly axis: string; readonly into: Axis };

  // Over time
  /** All places so far on a new axis. Without a cache: a renaming. */
  keep: { readonly from: string; readonly to: string; readonly path: string; readonly last: number | null };
  /**
   * Computed in the first step and handed on. With a name outside: computed in a graph of its own before the steps, whose graph
   * takes it under that name. Without a cache: nothing.
   */
  once: { readonly path: string; readonly outside?: string };
  /** One place ago along the axis, zero before the start. */
  previous: { readonly axis: string; readonly path: string };
  /** state = body(state, xs...) along the axis; the outputs are all states. operands: start, xs... */
  scan: { readonly axis: string; readonly path: string };

  // With bodies
  repeat: {
    readonly label: string;
    readonly count: number;
    readonly carried: number;
    readonly schedule: readonly number[];
  };
  call: {
    /** The operator's name in the language. */
    readonly name: string;
    /** The name of the operand that each input is. */
    readonly operands: readonly string[];
    /** Operands and settings whose values are known while compiling. */
    readonly settings: Readonly<Record<string, Setting>>;
    /** What the dimension names of its signature stand for here. */
    readonly dims: Readonly<Record<string, Axis>>;
  };
}

export type PrimitiveName = keyof PrimitiveAttrs;
export type AttrsOf<K extends PrimitiveName> = PrimitiveAttrs[K];
