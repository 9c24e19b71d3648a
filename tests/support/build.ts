/** @file Builds graphs by hand in tests, typed by the rules of their operators. */
import { GraphBuilder } from "../../src/ir/builder.ts";
import type { Graph, Value } from "../../src/ir/graph.ts";
import type { AttrsOf, PrimitiveName } from "../../src/ops/attributes.ts";
import { infer } from "../../src/ops/registry.ts";

/** Appends a node with inferred types and gives its first result. */
export function emit<K extends PrimitiveName>(
  b: GraphBuilder,
  op: K,
  inputs: readonly Value[],
  attrs: AttrsOf<K>,
  bodies: readonly Graph[] = [],
): Value {
  const inferred = infer(
    op,
    inputs.map((v) => v.type),
    attrs,
    bodies,
  );
  if ("problem" in inferred) throw new Error(`${op}: ${JSON.stringify(inferred.problem)}`);
  return b.node(op, inputs, attrs, inferred.types, undefined, bodies)[0]!;
}

export function number(b: GraphBuilder, value: number, dtype: "float" | "int" | "bool" = "float"): Value {
  return emit(b, "constant", [], { value, dtype });
}

/** A repeat of one body: `write` makes the next value from x. */
export function repeat(
  b: GraphBuilder,
  label: string,
  count: number,
  start: Value,
  write: (body: GraphBuilder, x: Value) => Value,
): Value {
  const body = new GraphBuilder(label, b);
  const next = write(body, body.input("x", start.type));
  body.output("x", next);
  const attrs = { label, count, carried: 1, schedule: Array.from({ length: count }, () => 0) };
  return emit(b, "repeat", [start, ...body.captures], attrs, [body.build()]);
}

export function call(
  b: GraphBuilder,
  name: string,
  operands: readonly Value[],
  write: (body: GraphBuilder, ...inputs: Value[]) => Value,
): Value {
  const body = new GraphBuilder(name);
  const names = operands.map((_, i) => `o${i}`);
  const result = write(body, ...operands.map((v, i) => body.input(names[i]!, v.type)));
  body.output("y", result);
  return emit(b, "call", operands, { name, operands: names, settings: {}, dims: {} }, [body.build()]);
}
