/** @file Plain tensors for the meaning of operators: making them, reading them along other axes, converting their elements. */
import type { Dtype } from "../ir/type.ts";
import type { Evaluation, Tensor } from "./op.ts";

export interface ConcreteAxis {
  readonly name: string;
  readonly size: number;
}
export type ConcreteAxes = readonly ConcreteAxis[];

/** Elements that can be written; what a `Tensor` is made of. */
export type Elements<T> = { [i: number]: T } & { readonly length: number };

/** Data that do not fit a program: an index outside its table, sizes of one symbol that differ. */
export class EvaluationError extends Error {
  override readonly name = "EvaluationError";
}

export function count(axes: ConcreteAxes): number {
  return axes.reduce((n, a) => n * a.size, 1);
}

export function axisIndex(axes: ConcreteAxes, name: string): number {
  const at = axes.findIndex((a) => a.name === name);
  if (at < 0) throw new Error(`no axis ${name} among ${axes.map((a) => a.name).join(", ")}`);
  return at;
}

export function sizeOf(axes: ConcreteAxes, name: string): number {
  return axes[axisIndex(axes, name)]!.size;
}

/** Zeros: of a float the arithmetic's, in a typed array where its scalars are numbers. */
export function zeros<S>(run: Evaluation<S>, dtype: Dtype, length: number): Elements<S> {
  if (dtype === "bool") return new Uint8Array(length) as unknown as Elements<S>;
  if (dtype === "int" || run.arithmetic.native) return new Float64Array(length) as unknown as Elements<S>;
  return new Array<S>(length).fill(run.arithmetic.of(0));
}

/**
 * For each element of a tensor with the axes `to`, in order, the place of the element of a tensor with the axes `from` that
 * stands there. Axes that `from` lacks are broadcast; each that it has must be in `to` with the same size, or be at 0.
 */
export function places(from: ConcreteAxes, to: ConcreteAxes): Int32Array {
  const strides = stridesIn(from, to);
  let out = new Int32Array(1);
  // One axis at a time, slowest first: every place so far becomes a row of places.
  for (const [i, axis] of to.entries()) {
    const stride = strides[i]!;
    const wider = new Int32Array(out.length * axis.size);
    for (let p = 0, at = 0; p < out.length; p++) for (let j = 0; j < axis.size; j++) wider[at++] = out[p]! + j * stride;
    out = wider;
  }
  return out;
}

/** How far apart in a tensor with the axes `from` neighbours along each axis of `to` are; 0 where it lacks the axis. */
export function stridesIn(from: ConcreteAxes, to: ConcreteAxes): number[] {
  const own = new Map<string, number>();
  let stride = 1;
  for (const axis of from.toReversed()) {
    own.set(axis.name, stride);
    stride *= axis.size;
  }
  return to.map((a) => own.get(a.name) ?? 0);
}

export function sameAxes(a: ConcreteAxes, b: ConcreteAxes): boolean {
  return a.length === b.length && a.every((x, i) => x.name === b[i]!.name && x.size === b[i]!.size);
}

/** The elements in the order of other axes, broadcast along those that the tensor lacks. */
export function arrange<S>(run: Evaluation<S>, t: Tensor<S>, axes: ConcreteAxes): ArrayLike<S> {
  const data = t.data as ArrayLike<S>;
  if (sameAxes(t.axes, axes)) return data;
  const at = places(t.axes, axes);
  const out = zeros(run, t.dtype, at.length);
  for (let i = 0; i < at.length; i++) out[i] = data[at[i]!]!;
  return out;
}

/** The tensor in another dtype; floats become ints towards zero, and true where they are not zero. */
export function convert<S>(run: Evaluation<S>, t: Tensor<S>, to: Dtype): Tensor<S> {
  if (t.dtype === to) return t;
  const { arithmetic } = run;
  const out = zeros(run, to, t.data.length) as unknown as Elements<S | number>;
  for (let i = 0; i < t.data.length; i++) {
    const x = t.data[i]!;
    if (to === "float") out[i] = arithmetic.of(x as number);
    else if (to === "bool")
      out[i] = t.dtype === "float" ? (arithmetic.compare(x as S, arithmetic.of(0)) === 0 ? 0 : 1) : Number(x !== 0);
    else out[i] = t.dtype === "float" ? Math.trunc(numberOf(run, x as S)) : (x as number);
  }
  return { dtype: to, axes: t.axes, data: out as ArrayLike<S> };
}

export function numberOf<S>(run: Evaluation<S>, x: S): number {
  if (!run.arithmetic.toNumber) throw new EvaluationError(`${run.arithmetic.name} has no order and no integers`);
  return run.arithmetic.toNumber(x);
}

/** The axes of all tensors, each name once, in the order in which they are met. */
export function alignedAxes(tensors: readonly { readonly axes: ConcreteAxes }[]): ConcreteAxes {
  const met = new Map<string, ConcreteAxis>();
  for (const t of tensors) for (const axis of t.axes) if (!met.has(axis.name)) met.set(axis.name, axis);
  return [...met.values()];
}

/** A tensor seen as rows along one axis: element j of row r is at `start(r) + j * stride`. */
export interface Rows {
  readonly length: number;
  readonly stride: number;
  readonly starts: Int32Array;
}

/** Rows in the order of the other axes. */
export function rowsAlong(axes: ConcreteAxes, name: string): Rows {
  const others = axes.filter((a) => a.name !== name);
  return {
    length: sizeOf(axes, name),
    stride: stridesIn(axes, axes)[axisIndex(axes, name)]!,
    starts: places(axes, others),
  };
}
