/** @file Types of the graph's values: a dtype and named axes. The order of axes is the declared one; memory layout is a backend's. */
import type { Span } from "../source/source.ts";
import type { Size } from "./size.ts";

export type Dtype = "float" | "int" | "bool";

export interface Axis {
  readonly name: string;
  readonly size: Size;
  /** Where the size came from, for messages. Never compared. */
  readonly origin?: Span | undefined;
}

export interface Type {
  readonly dtype: Dtype;
  readonly axes: readonly Axis[];
}

export function axisNamed(type: Type, name: string): Axis | undefined {
  return type.axes.find((a) => a.name === name);
}

export function showAxis(a: Axis): string {
  const size = a.size.toString();
  return size === a.name ? a.name : `${a.name}=${size}`;
}

/** `float[batch, seq, hidden=4096]`. */
export function showType(t: Type): string {
  return t.axes.length === 0 ? t.dtype : `${t.dtype}[${t.axes.map(showAxis).join(", ")}]`;
}

export function sameType(a: Type, b: Type): boolean {
  return (
    a.dtype === b.dtype &&
    a.axes.length === b.axes.length &&
    a.axes.every((x, i) => x.name === b.axes[i]!.name && x.size.equals(b.axes[i]!.size))
  );
}
