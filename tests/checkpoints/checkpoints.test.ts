/**
 * Every checkpoint folder here, compiled for every target by the command itself, gives what the reference implementation computed:
 * whole sequences, padded batches, prefill and steps, greedy text.
 */
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TARGETS } from "../../src/cli/program.ts";
import { runCases, type Session, type Tally } from "../support/cases.ts";
import { tfm } from "../support/cli.ts";
import { runPairCases } from "../support/encoder-decoder-cases.ts";
import type { Stored } from "../support/stored.ts";

const here = new URL(".", import.meta.url).pathname;
const checkpoints = readdirSync(here).filter((name) => statSync(join(here, name)).isDirectory());

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tfm-checkpoints-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("there are checkpoints", () => expect(checkpoints.length).toBeGreaterThanOrEqual(14));

describe.each(checkpoints)("%s", (name) => {
  test.each(TARGETS.filter((t) => t !== "tfjs"))("%s", async (target) => {
    const out = join(folder, name, target);
    const made = await tfm("compile", join(here, name), "-o", out, "-t", target);
    expect(made, made.err).toMatchObject({ status: 0, err: "" });
    const tally = await run(join(here, name), out);
    expect(tally.failures).toEqual([]);
    expect(tally.cases).toBeGreaterThanOrEqual(2);
  });
});

/** An encoder-decoder is two models. */
async function run(checkpoint: string, out: string): Promise<Tally> {
  if (existsSync(join(out, "model.onnx"))) return runCases(checkpoint, await open(join(out, "model.onnx")));
  return runPairCases(checkpoint, {
    encoder: await open(join(out, "encoder_model.onnx")),
    decoder: await open(join(out, "decoder_model_merged.onnx")),
  });
}

async function open(path: string): Promise<Session> {
  const session = await InferenceSession.create(path, { logSeverityLevel: 3 });
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
