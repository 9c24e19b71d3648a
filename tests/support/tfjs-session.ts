/** @file A model file of a compiled folder, opened with an unchanged `loadGraphModel`, as a session of `cases.ts`. */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { GraphModel } from "@tensorflow/tfjs-converter";
import type { ModelJson } from "../../src/backends/tfjs/graph-def.ts";
import type { Tf } from "../../src/backends/tfjs/runtime/tf.ts";
import type { Tensor } from "../../src/ops/op.ts";
import type { Session } from "./cases.ts";
import { execute } from "./tfjs-model.ts";

export interface TfjsSession extends Session {
  dispose(): void;
}

/** On the backend that is in use. `tf` may be another TensorFlow.js than that of the tests; `change` is made before the model is loaded. */
export async function openTfjs(
  path: string,
  tf: Tf,
  change: (model: ModelJson) => ModelJson = (model) => model,
  instead: (name: string) => Float32Array | undefined = () => undefined,
): Promise<TfjsSession> {
  const { modelTopology, signature, weightsManifest } = change(JSON.parse(readFileSync(path, "utf8")) as ModelJson);
  const shards = weightsManifest.flatMap((g) => g.paths.map((p) => readFileSync(join(dirname(path), p))));
  const model: GraphModel = await tf.loadGraphModel({
    load: async () => ({
      format: "graph-model",
      modelTopology: modelTopology as object,
      signature: signature as object,
      weightSpecs: weightsManifest.flatMap((g) => g.weights) as never,
      weightData: new Uint8Array(Buffer.concat(shards)).buffer,
    }),
  });
  // What a constant is instead, where that is asked for.
  for (const [name, [tensor]] of Object.entries(model.weights)) {
    const numbers = instead(name);
    if (!numbers || !tensor) continue;
    model.weights[name] = [tf.tensor(numbers, tensor.shape)];
    tensor.dispose();
  }
  return {
    inputs: Object.entries(signature.inputs).map(([name, { tensorShape }]) => ({
      name,
      dims: tensorShape.dim.map(({ size }, i) => (Number(size) < 0 ? `dim ${i}` : Number(size))),
    })),
    run: async (feed) => {
      const fed = Object.entries(signature.inputs).map(([name, { dtype }]): [string, Tensor<number>] => {
        const { shape, data } = feed.get(name)!;
        const axes = shape.map((size, i) => ({ name: String(i), size }));
        return [name, { dtype: dtype === "DT_FLOAT" ? "float" : "int", axes, data }];
      });
      const found = await execute(model, new Map(fed), tf);
      return new Map(
        [...found].map(([name, { dims, data }]) => [name, { shape: dims, data: Float64Array.from(data) }]),
      );
    },
    dispose: () => model.dispose(),
  };
}
