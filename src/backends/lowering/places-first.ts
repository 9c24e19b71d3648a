/**
 * @file Which inputs are turned, so that everything made of them has the places before the sequences. Where heads are then taken apart,
 * the rows of attention's products come first in memory and the sequences behind them: runtimes read that as it lies, where rows that
 * stand between sequences and heads are transposed first (ONNX Runtime's `transBatchA`; measured: 1.01 to 1.02 of the speed of an encoder).
 */
import type { Graph, Input, NodeOf, Value } from "../../ir/graph.ts";
import { hasStates } from "../../ir/states.ts";
import { operandOf } from "./call.ts";

/**
 * Inputs of whole numbers [sequences, places] that are looked up, in a model whose attention has these axes and that hands nothing on: what
 * is handed on lies in the order of its clients, and a step has one place.
 */
export function placesFirst(graph: Graph): ReadonlySet<Value> {
  const attentions = hasStates(graph) ? [] : attendsIn(graph);
  const turns = ({ value }: Input): boolean => {
    const [outer, inner, ...more] = value.type.axes;
    if (!outer || !inner || more.length > 0 || value.type.dtype !== "int") return false;
    if (outer.size.known !== undefined || inner.size.known !== undefined) return false;
    const isIndex = graph.nodes.some((n) => n.op === "lookup" && n.inputs[1] === value);
    return isIndex && attentions.some((a) => isRowOf(a, outer.name, inner.name));
  };
  return new Set(graph.inputs.filter(turns).map((i) => i.value));
}

/** Has an attention its places along `places`, and a product for each of `sequences`? */
function isRowOf(call: NodeOf<"call">, sequences: string, places: string): boolean {
  const [q, k] = ["q", "k"].map((name) => operandOf(call, call.inputs, name)?.type.axes.map((a) => a.name));
  return !!q && !!k && [q, k].every((names) => names.includes(sequences)) && q.includes(places) && !k.includes(places);
}

function attendsIn(graph: Graph): readonly NodeOf<"call">[] {
  return graph.nodes.flatMap((n) =>
    n.op === "call" ? (n.attrs.name === "attend" ? [n] : []) : n.bodies.flatMap(attendsIn),
  );
}
