/** @file ONNX Runtime for the self-check. It is loaded only where something is run: it costs a command 50 ms. */
import type { Boundary, Run } from "./self-check.ts";

/** Opens a model file; the model must be sound, so that a refusal is a bug of the compiler. */
export async function openModel(path: string): Promise<{ readonly run: Run; close(): Promise<void> }> {
  const { InferenceSession, Tensor } = await import("onnxruntime-node");
  const session = await InferenceSession.create(path, { logSeverityLevel: 3 });
  const tensorOf = ({ dtype, dims, data }: Boundary): InstanceType<typeof Tensor> =>
    dtype === "float32"
      ? new Tensor("float32", Float32Array.from(data), dims)
      : new Tensor("int64", BigInt64Array.from(Array.from(data), BigInt), dims);
  return {
    run: async (inputs) => {
      const found = await session.run(Object.fromEntries([...inputs].map(([name, value]) => [name, tensorOf(value)])));
      return new Map(
        Object.entries(found).map(([name, t]): [string, Boundary] => {
          const isFloat = t.type === "float32";
          const data = isFloat ? (t.data as Float32Array) : Float64Array.from(t.data as BigInt64Array, Number);
          return [name, { dtype: isFloat ? "float32" : "int64", dims: t.dims, data }];
        }),
      );
    },
    close: () => session.release(),
  };
}
