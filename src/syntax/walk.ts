/** @file Walks the syntax tree: every node is plain data with a `span`, so its children are the objects in it that have one. */
import type { Span } from "../source/source.ts";

/** Any node of the tree; those without a `kind` (parameters, arguments, bindings) have an empty one. */
export interface Node {
  readonly kind?: string;
  readonly span: Span;
}

function isNode(x: unknown): x is Node {
  return typeof x === "object" && x !== null && "span" in x && typeof (x as Node).span === "object";
}

/** Calls `visit` for every direct child of a node, in the order of its fields. */
export function forEachChild(node: Node, visit: (child: Node) => void): void {
  const each = (value: unknown): void => {
    if (Array.isArray(value)) value.forEach(each);
    else if (isNode(value)) visit(value);
    else if (typeof value === "object" && value !== null && "items" in value) each((value as { items: unknown }).items);
    else if (typeof value === "object" && value !== null && "kind" in value) each(Object.values(value));
  };
  for (const [key, value] of Object.entries(node))
    if (key !== "span" && key !== "opSpan" && key !== "rest") each(value);
}
