/** @file What a graph of TensorFlow.js cannot do. */
import { diagnose, type Diagnostic } from "../../diagnostics/diagnostic.ts";
import type { Graph } from "../../ir/graph.ts";

/** Says of every node for which there is nothing where it stands in the program; nothing where the graph can be emitted. */
export function refusals(graph: Graph): readonly Diagnostic[] {
  return graph.nodes.flatMap((node) =>
    node.op === "scan"
      ? [diagnose("model/loop", { target: "tfjs" }, node.span, { hint: "compile for onnx, which has loops" })]
      : node.bodies.flatMap(refusals),
  );
}
