/** @file A model's parameters as tensors, for the reference evaluator. */
import { evaluateComputed } from "../host/computed.ts";
import type { Graph } from "../ir/graph.ts";
import { concreteParams } from "../ir/params.ts";
import type { Tensor } from "../ops/op.ts";
import { toFloat32 } from "../weights/dtypes.ts";
import { materializeWhole } from "../weights/materialize.ts";
import type { Weights } from "./weights.ts";

/** Reads a parameter by its concrete path, each once. */
export function parameterReader(graph: Graph, weights: Weights): (path: string) => Tensor<number> {
  const types = new Map([...concreteParams(graph)].map(({ path, param }) => [path, param.value.type]));
  const known = new Map<string, Tensor<number>>();
  return (path) => {
    let tensor = known.get(path);
    if (!tensor) {
      const { axes } = types.get(path)!;
      const stored = materializeWhole(
        weights.sources.get(path)!,
        { path, order: axes, dtype: "F32" },
        { checkpoint: weights.checkpoint, evaluate: evaluateComputed },
      );
      tensor = {
        dtype: "float",
        axes: axes.map((a) => ({ name: a.name, size: a.size.known! })),
        data: toFloat32("F32", stored),
      };
      known.set(path, tensor);
    }
    return tensor;
  };
}
