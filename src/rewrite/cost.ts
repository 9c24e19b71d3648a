/** @file What nodes cost, as rules compare it. A target has its own: where the memory is slow passes count, where launches are dear their number. */
import type { Graph, Node } from "../ir/graph.ts";
import type { PrimitiveName } from "../ops/attributes.ts";
import { hasTrait } from "../ops/registry.ts";

export type Cost = (node: Node) => number;

const FREE: ReadonlySet<PrimitiveName> = new Set(["constant", "size", "position"]);

/** Of one node of each kind; an elementwise one is 1. */
export interface Costs {
  readonly reduction: number;
  readonly product: number;
  /** Of a composite operator, beside the products that it holds: a little less than one primitive, so that it is used where there is one. */
  readonly kernel: number;
}

/** Passes over memory, as they are on a processor. */
export const PASSES: Costs = { reduction: 2, product: 4, kernel: 0.9 };
/** Launches: what a kernel does in one counts little beside that it is one. */
export const LAUNCHES: Costs = { reduction: 1, product: 1.5, kernel: 0.9 };

/** A composite operator that is still there has a kernel: one pass, and the products that it holds. */
export function costBy({ reduction, product, kernel }: Costs): Cost {
  return (node) => {
    if (FREE.has(node.op) || hasTrait(node.op, "structural")) return 0;
    if (node.op === "call") return kernel + productsIn(node.bodies[0]!) * product;
    if (node.op === "dot") return product;
    return node.op === "softmax" || hasTrait(node.op, "reduction") ? reduction : 1;
  };
}

function productsIn(graph: Graph): number {
  return graph.nodes.reduce(
    (n, node) => n + (node.op === "dot" ? 1 : node.bodies.reduce((m, b) => m + productsIn(b), 0)),
    0,
  );
}
