/** @file What nodes cost, as rules compare it: an estimate of passes over memory, with products dearer. A target may have its own. */
import type { Graph, Node } from "../ir/graph.ts";
import type { PrimitiveName } from "../ops/attributes.ts";
import { hasTrait } from "../ops/registry.ts";

export type Cost = (node: Node) => number;

const FREE: ReadonlySet<PrimitiveName> = new Set(["constant", "size", "position"]);
const REDUCTION = 2;
const PRODUCT = 4;
/** A little less than one primitive: what has a kernel of its own is better used as that. */
const KERNEL = 0.9;

/** A composite operator that is still there has a kernel: one pass, and the products that it holds. */
export const costOf: Cost = (node) => {
  if (FREE.has(node.op) || hasTrait(node.op, "structural")) return 0;
  if (node.op === "call") return KERNEL + productsIn(node.bodies[0]!) * PRODUCT;
  if (node.op === "dot") return PRODUCT;
  return node.op === "softmax" || hasTrait(node.op, "reduction") ? REDUCTION : 1;
};

function productsIn(graph: Graph): number {
  return graph.nodes.reduce(
    (n, node) => n + (node.op === "dot" ? 1 : node.bodies.reduce((m, b) => m + productsIn(b), 0)),
    0,
  );
}
