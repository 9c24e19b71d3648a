/**
 * @file Takes composite operators apart: a call becomes the nodes of its body, unless it is kept for a backend's kernel.
 *
 * Before: `%2 = call(%0, %1) {name=silu}`. After: `%2 = sigmoid(%0)`, `%3 = mul(%0, %2)`.
 */
import type { Graph, NodeOf } from "../ir/graph.ts";
import { rebuild } from "../ir/transform.ts";

export type CallNode = NodeOf<"call">;

/** Also inside the bodies of kept calls. */
export function inlineCalls(graph: Graph, keep: (node: CallNode) => boolean): Graph {
  return rebuild(graph, {
    node: (node, scope) =>
      node.op === "call" && !keep(node) ? scope.inline(node.bodies[0]!, scope.inputs(node)) : undefined,
  });
}
