/**
 * @file The order of the passes: composites that the backend has no kernel for are taken apart, what is the same everywhere is computed
 * once, and what is repeated before it is, rules are applied, what nobody reads goes.
 */
import type { Graph } from "../ir/graph.ts";
import { shareCommon } from "./cse.ts";
import { removeDead } from "./dce.ts";
import { foldConstants } from "./fold.ts";
import { hoistInvariants } from "./hoist.ts";
import { inlineCalls, type CallNode } from "./inline.ts";
import { repeatLast } from "./repeated.ts";

export interface OptimizeOptions {
  /** Composite operators that the backend has a kernel for. */
  readonly keeps: (node: CallNode) => boolean;
  /** Without it composites are still taken apart, and nothing else is done. */
  readonly enabled: boolean;
  /** The rules of the library, on a graph in which nothing stands twice; gives such a graph. */
  readonly rewrite?: (graph: Graph) => Graph;
}

export function optimize(graph: Graph, options: OptimizeOptions): Graph {
  const flat = inlineCalls(graph, options.keeps);
  if (!options.enabled) return removeDead(flat);
  const once = removeDead(shareCommon(hoistInvariants(shareCommon(repeatLast(foldConstants(flat))))));
  // What a rewrite makes of captured values alone is the same in every layer too.
  return options.rewrite ? removeDead(hoistInvariants(options.rewrite(once))) : once;
}
