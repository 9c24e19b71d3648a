/**
 * @file Finds the operators of a graph through which a place reads others along the growing axis, other than `keep`, `previous` and
 * `scan`: a step, which has the new places only, would compute something else.
 */
import type { Graph, Node } from "../ir/graph.ts";
import type { Size } from "../ir/size.ts";
import { axisNamed } from "../ir/type.ts";
import type { Span } from "../source/source.ts";
import type { CacheProblem } from "./cache-plan.ts";

/** `keptNames` are the axes that `keep` makes: along these every place is there. */
export function findMixing(graph: Graph, grows: string, keptNames: ReadonlySet<string>, within?: Span): CacheProblem[] {
  const growing = (node: Node, operand: number, name: string): boolean => {
    const axis = node.inputs[operand] && axisNamed(node.inputs[operand].type, name);
    return axis !== undefined && !keptNames.has(name) && axis.size.symbols.has(grows);
  };
  const problems: CacheProblem[] = [];
  for (const node of graph.nodes) {
    // Inside a composite the place to show is where it is applied.
    const span = within ?? node.span;
    const what = mixes(node, growing, grows, keptNames);
    if (what !== undefined) problems.push({ message: what, ...(span ? { span } : {}) });
    for (const body of node.bodies)
      problems.push(...findMixing(body, grows, keptNames, within ?? (node.op === "call" ? node.span : undefined)));
  }
  return problems;
}

/** Whether a node's result at one place depends on others along an axis of a size, or on how many there are. */
export function readsOthers(node: Node, symbol: string): boolean {
  const along = (n: Node, operand: number, name: string): boolean =>
    n.inputs[operand] !== undefined && axisNamed(n.inputs[operand].type, name)?.size.symbols.has(symbol) === true;
  return mixes(node, along, symbol, new Set()) !== undefined;
}

type Growing = (node: Node, operand: number, name: string) => boolean;

/** What is wrong with a node, if anything is. */
function mixes(node: Node, growing: Growing, grows: string, keptNames: ReadonlySet<string>): string | undefined {
  const reads = (axis: string | undefined): string | undefined =>
    axis === undefined
      ? undefined
      : `${node.op} reads other positions of ${axis}; from step to step only keep[${axis} -> ...] hands them on`;
  const has = (size: Size): boolean => size.symbols.has(grows);
  switch (node.op) {
    case "sum":
    case "mean":
    case "reduce_max":
    case "reduce_min":
    case "any":
    case "all":
      return reads(node.attrs.over.find((name) => growing(node, 0, name)));
    case "dot":
      return reads(node.attrs.over.find((name) => growing(node, 0, name) || growing(node, 1, name)));
    case "softmax":
    case "cumulative_sum":
      return reads([node.attrs.over].find((name) => growing(node, 0, name)));
    case "pick":
    case "lookup":
    case "top_k":
      return reads([node.attrs.axis].find((name) => growing(node, 0, name)));
    case "slice":
      if (has(node.attrs.start) || has(node.attrs.size))
        return `slice reaches as far as ${grows} is long, which a step does not know`;
      return reads([node.attrs.axis].find((name) => growing(node, 0, name)));
    case "concat":
      return reads(node.attrs.axes.find((name, i) => growing(node, i, name)));
    case "size":
      return has(node.attrs.of)
        ? `the size ${node.attrs.of.toString()} depends on how long ${grows} is, which a step does not know`
        : undefined;
    case "position":
      return keptNames.size === 0 && has(node.attrs.axis.size)
        ? `position(${node.attrs.axis.name}) counts from the places before, and nothing is kept that says how many these are`
        : undefined;
    case "rename":
      return growing(node, 0, node.attrs.from) && keptNames.has(node.attrs.to)
        ? `${node.attrs.from} is renamed to ${node.attrs.to}, where elsewhere keep[${node.attrs.from} -> ${node.attrs.to}] has all positions; use keep here as well`
        : undefined;
    default:
      return undefined;
  }
}
