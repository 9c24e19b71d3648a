/** @file ONNX Runtime for the self-check. It is loaded only where something is run: it costs a command 50 ms. */
import type { Tensor } from "onnxruntime-node";
import { bitsOf } from "../generate/session.ts";
import { fromFloat32, toFloat32 } from "../weights/dtypes.ts";
import type { Boundary, Run } from "./self-check.ts";

/** Opens a model file; the model must be sound, so that a refusal is a bug of the compiler. */
export async function openModel(path: string): Promise<{ readonly run: Run; close(): Promise<void> }> {
  const { InferenceSession, Tensor: OrtTensor } = await import("onnxruntime-node");
  const session = await InferenceSession.create(path, { logSeverityLevel: 3 });
  const types = new Map(session.inputMetadata.map((m) => [m.name, m.isTensor ? m.type : "none"]));
  const tensorOf = (name: string, { dtype, dims, data }: Boundary): Tensor => {
    if (types.get(name) === "float16") return new OrtTensor("float16", halves(data), dims);
    return dtype === "float32"
      ? new OrtTensor("float32", Float32Array.from(data), dims)
      : new OrtTensor("int64", BigInt64Array.from(Array.from(data), BigInt), dims);
  };
  return {
    run: async (inputs) => {
      const found = await session.run(
        Object.fromEntries([...inputs].map(([name, value]) => [name, tensorOf(name, value)])),
      );
      return new Map(
        Object.entries(found).map(([name, t]): [string, Boundary] => {
          return [name, { dtype: t.type === "int64" ? "int64" : "float32", dims: t.dims, data: numbersOf(t) }];
        }),
      );
    },
    close: () => session.release(),
  };
}

function halves(data: ArrayLike<number>): Uint16Array {
  return new Uint16Array(fromFloat32("F16", Float32Array.from(data)).buffer);
}

function numbersOf({ type, data }: Tensor): ArrayLike<number> {
  if (type === "int64") return Float64Array.from(data as BigInt64Array, Number);
  if (type !== "float16") return data as Float32Array;
  const { buffer, byteOffset, byteLength } = bitsOf(data);
  return toFloat32("F16", new Uint8Array(buffer, byteOffset, byteLength));
}
