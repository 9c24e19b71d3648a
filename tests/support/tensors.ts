/** @file Short ways to write tensors and types in tests. */
import { float64 } from "../../src/ops/float64.ts";
import { Size } from "../../src/ir/size.ts";
import type { Axis, Dtype, Type } from "../../src/ir/type.ts";
import type { AttrsOf, PrimitiveName } from "../../src/ops/attributes.ts";
import type { Evaluation, Tensor } from "../../src/ops/op.ts";
import { primitives } from "../../src/ops/registry.ts";

/** `axis("seq")` has the symbol seq as its size, `axis("hidden", 8)` a number, `axis("keys", "past + seq")` a sum of symbols and numbers. */
export function axis(name: string, size: number | string = name): Axis {
  if (typeof size === "number") return { name, size: Size.of(size) };
  const terms = size.split("+").map((t) => t.trim());
  return {
    name,
    size: terms.reduce((all, t) => all.plus(/^\d+$/.test(t) ? Size.of(Number(t)) : Size.symbol(t)), Size.ZERO),
  };
}

/** `type("float", { batch: "batch", hidden: 8 })`. */
export function type(dtype: Dtype, axes: Readonly<Record<string, number | string>> = {}): Type {
  return { dtype, axes: Object.entries(axes).map(([name, size]) => axis(name, size)) };
}

export function tensor(dtype: Dtype, axes: Readonly<Record<string, number>>, data: readonly number[]): Tensor<number> {
  const shape = Object.entries(axes).map(([name, size]) => ({ name, size }));
  const count = shape.reduce((n, a) => n * a.size, 1);
  if (count !== data.length) throw new Error(`${data.length} elements for [${JSON.stringify(axes)}]`);
  return { dtype, axes: shape, data: Float64Array.from(data) };
}

export function evaluation(sizes: Readonly<Record<string, number>> = {}): Evaluation<number> {
  return { arithmetic: float64, size: (s) => s.evaluate(new Map(Object.entries(sizes))) };
}

/** Runs one operator. */
export function run<K extends PrimitiveName>(
  op: K,
  inputs: readonly Tensor<number>[],
  attrs: AttrsOf<K>,
  sizes: Readonly<Record<string, number>> = {},
): readonly Tensor<number>[] {
  return primitives[op].evaluate!(evaluation(sizes), inputs, attrs);
}

/** `float[batch=2, hidden=3]: 1 2 3 4 5 6`. */
export function show(t: Tensor<number>): string {
  const axes = t.axes.length === 0 ? "" : `[${t.axes.map((a) => `${a.name}=${a.size}`).join(", ")}]`;
  return `${t.dtype}${axes}: ${Array.from(t.data, (x) => String(x === 0 ? 0 : x)).join(" ")}`;
}
