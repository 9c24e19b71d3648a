/** @file Runs the right sides of checkpoint maps by the meanings of their operators. */
import { evaluateGraph } from "../backends/reference/evaluate.ts";
import { verify } from "../ir/verify.ts";
import { float64 } from "../ops/float64.ts";
import type { EvaluateComputed } from "../weights/materialize.ts";

export const evaluateComputed: EvaluateComputed = (graph, inputs) => {
  const { value, problems } = verify(graph);
  if (!value) throw new Error(`the graph of a computed weight is not well formed: ${problems.slice(0, 3).join("; ")}`);
  const fed = new Map(graph.inputs.map((input, i) => [input.name, inputs[i]!]));
  const { outputs } = evaluateGraph(
    value,
    { inputs: fed, param: (path) => noParameter(path) },
    { arithmetic: float64 },
  );
  return [...outputs.values()][0]!;
};

function noParameter(path: string): never {
  throw new Error(`a computed weight reads the parameter ${path}`);
}
