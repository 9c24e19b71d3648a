/** @file A compiled folder in ONNX Runtime, and the cases of the checkpoint that it was made of. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { runCases, type Session, type Tally } from "./cases.ts";
import { runPairCases } from "./encoder-decoder-cases.ts";
import type { Stored } from "./stored.ts";

type Provider = "cpu" | "webgpu";

/** The cases of a checkpoint on the folder that was made of it. An encoder-decoder is two models. */
export async function runFolder(checkpoint: string, out: string, provider: Provider = "cpu"): Promise<Tally> {
  if (existsSync(join(out, "model.onnx"))) return runCases(checkpoint, await open(join(out, "model.onnx"), provider));
  return runPairCases(checkpoint, {
    encoder: await open(join(out, "encoder_model.onnx"), provider),
    decoder: await open(join(out, "decoder_model_merged.onnx"), provider),
  });
}

async function open(path: string, provider: Provider): Promise<Session> {
  const session = await InferenceSession.create(path, { logSeverityLevel: 3, executionProviders: [provider] });
  const inputs = session.inputMetadata.map((m) => {
    if (!m.isTensor) throw new Error(`${m.name} is no tensor`);
    return { name: m.name, dims: m.shape, type: m.type };
  });
  const tensorOf = ({ shape, data }: Stored, type: string): Tensor =>
    type === "float32"
      ? new Tensor("float32", Float32Array.from(data), shape)
      : new Tensor("int64", BigInt64Array.from(Array.from(data), BigInt), shape);
  return {
    inputs,
    run: async (feed) => {
      const found = await session.run(
        Object.fromEntries(inputs.map((i) => [i.name, tensorOf(feed.get(i.name)!, i.type)])),
      );
      return new Map(
        Object.entries(found).map(([key, t]) => [
          key,
          { shape: t.dims, data: Float64Array.from(t.data as Float32Array) },
        ]),
      );
    },
  };
}
