/** @file The parameters of a graph one by one: those of repeated bodies once for every iteration. */
import type { Graph, Param } from "./graph.ts";
import { concretePath } from "./paths.ts";

export interface ConcreteParam {
  /** Without holes: `layers.3.attention.norm.weight`. */
  readonly path: string;
  readonly param: Param;
}

/** Every parameter once, in the order in which a forward pass meets them. */
export function* concreteParams(graph: Graph): Generator<ConcreteParam> {
  const seen = new Set<string>();
  // A stack that is applied twice has the same weights in both places.
  for (const p of all(graph, [])) if (!seen.has(p.path)) yield (seen.add(p.path), p);
}

function* all(graph: Graph, indices: readonly number[]): Generator<ConcreteParam> {
  for (const param of graph.params) yield { path: concretePath(param.path, indices), param };
  for (const node of graph.nodes) {
    if (node.op !== "repeat") continue;
    for (const [i, kind] of node.attrs.schedule.entries()) yield* all(node.bodies[kind]!, [...indices, i]);
  }
}

/** The number of elements of a parameter. */
export function elements(param: Param): number {
  return param.value.type.axes.reduce((n, a) => n * (a.size.known ?? Number.NaN), 1);
}
