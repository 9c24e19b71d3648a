/** @file What a graph of TensorFlow.js cannot do. */
import { diagnose, type Diagnostic } from "../../diagnostics/diagnostic.ts";
import type { Graph } from "../../ir/graph.ts";
import { sizeOf } from "../lowering/time.ts";

/** So many places of a scan are written out one after the other at most: a graph of many more takes long to load, and longer to run. */
const MOST_PLACES = 1024;

/** Says of every node for which there is nothing where it stands in the program; nothing where the graph can be emitted. */
export function refusals(graph: Graph, names: Graph["sizeNames"] = graph.sizeNames): readonly Diagnostic[] {
  return graph.nodes.flatMap((node) => {
    const inner = node.bodies.flatMap((body) => refusals(body, names));
    if (node.op !== "scan") return inner;
    const size = sizeOf(node);
    const places = size.known;
    if (places !== undefined && places <= MOST_PLACES) return inner;
    const name = names.get(size.symbol ?? "") ?? size.symbol ?? "NAME";
    const hint =
      places === undefined
        ? `say how long it is: --size ${name}=1, which generates step by step; or compile for onnx, which has loops`
        : `${places} places are more than ${MOST_PLACES}: compile for fewer, or for onnx, which has loops`;
    return [diagnose("model/loop", { target: "tfjs" }, node.span, { hint })];
  });
}
