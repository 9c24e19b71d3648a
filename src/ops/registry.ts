/** @file All primitive operators by name: the one place that passes, backends and the elaborator ask. */
import type { Graph, Node, NodeOf } from "../ir/graph.ts";
import type { Type } from "../ir/type.ts";
import type { AttrsOf, PrimitiveName } from "./attributes.ts";
import { axes } from "./axes.ts";
import { binary } from "./binary.ts";
import { bodies } from "./bodies.ts";
import { joins } from "./joins.ts";
import type { Inferred, Primitive, Trait } from "./op.ts";
import { reductions } from "./reductions.ts";
import { sources } from "./sources.ts";
import { temporal } from "./temporal.ts";
import { unary } from "./unary.ts";

export const primitives: { readonly [K in PrimitiveName]: Primitive<K> } = {
  ...sources,
  ...unary,
  ...binary,
  ...reductions,
  ...axes,
  ...joins,
  ...temporal,
  ...bodies,
};

/** The types of an operator's results, or the constraint that its operands break. */
export function infer<K extends PrimitiveName>(
  op: K,
  inputs: readonly Type[],
  attrs: AttrsOf<K>,
  nested: readonly Graph[] = [],
): Inferred {
  return primitives[op].infer(inputs, attrs, nested);
}

/** The same for a node as it stands, with other operand types if these are given. */
export function inferNode(
  node: Node,
  inputs: readonly Type[] = node.inputs.map((v) => v.type),
  nested: readonly Graph[] = node.bodies,
): Inferred {
  const { op, attrs } = node as unknown as NodeOf<PrimitiveName>;
  return infer(op, inputs, attrs, nested);
}

export function hasTrait(op: PrimitiveName, trait: Trait): boolean {
  return primitives[op].traits.includes(trait);
}
