/** @file The parameters of a graph one by one: those of repeated bodies once for every iteration. */
import type { Graph, Param } from "./graph.ts";

export interface ConcreteParam {
  /** Without holes: `layers.3.attention.norm.weight`. */
  readonly path: string;
  readonly param: Param;
}

/** Puts the indices of the repeats around into a path: `{0}` is the outermost. */
export function concretePath(path: string, indices: readonly number[]): string {
  return path.replace(/\{(\d+)\}/g, (hole, depth: string) => (indices[Number(depth)] === undefined ? hole : String(indices[Number(depth)])));
}

/** Every parameter, in the order in which a forward pass meets them. */
export function* concreteParams(graph: Graph, indices: readonly number[] = []): Generator<ConcreteParam> {
  for (const param of graph.params) yield { path: concretePath(param.path, indices), param };
  for (const node of graph.nodes) {
    if (node.op !== "repeat") continue;
    for (const [i, kind] of node.attrs.schedule.entries()) yield* concreteParams(node.bodies[kind]!, [...indices, i]);
  }
}

/** The number of elements of a parameter. */
export function elements(param: Param): number {
  return param.value.type.axes.reduce((n, a) => n * (a.size.known ?? Number.NaN), 1);
}
