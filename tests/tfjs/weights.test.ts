/** Weights stored in half precision or as bytes: fewer bytes, and nearly the numbers. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { ModelJson, WeightEntry } from "../../src/backends/tfjs/graph-def.ts";
import { CHECKPOINTS, readFixture } from "../support/checkpoint-cases.ts";
import { readCases, runCases, type Tensors } from "../support/cases.ts";
import { tfm } from "../support/cli.ts";
import { tensorflow } from "../support/tfjs.ts";
import { use } from "../support/tfjs-model.ts";
import { openTfjs } from "../support/tfjs-session.ts";

const folder = mkdtempSync(join(tmpdir(), "tfm-tfjs-weights-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("float16", async () => {
  const source = join(CHECKPOINTS, "gpt2");
  const made = await tfm("compile", source, "-o", join(folder, "half"), "-t", "tfjs", "--dtype", "float16");
  expect(made, made.err).toMatchObject({ status: 0, err: "" });
  const shards = readdirSync(join(folder, "half")).filter((name) => name.endsWith(".bin"));
  const bytes = shards.reduce((n, name) => n + statSync(join(folder, "half", name)).size, 0);
  const { parameterCount } = readFixture("gpt2");
  expect(bytes).toBeGreaterThanOrEqual(2 * parameterCount);
  expect(bytes).toBeLessThan(2.2 * parameterCount);

  await use("cpu");
  const session = await openTfjs(join(folder, "half", "model.json"), await tensorflow());
  const found: Tensors[] = [];
  await runCases(
    source,
    {
      ...session,
      run: async (feed) => {
        const outputs = await session.run(feed);
        found.push(outputs);
        return outputs;
      },
    },
    ["forward"],
  );
  session.dispose();
  const cases = readCases(source).filter((c) => c.kind === "forward");
  expect(found.length).toBe(cases.length);
  cases.forEach(({ name, outputs }, i) => {
    if (name === "batch2") return; // Padded places hold whatever the reference left there.
    const [wanted, logits] = [outputs.get("logits")!.data, found[i]!.get("logits")!.data];
    const scale = Math.max(1, ...wanted.map(Math.abs));
    const worst = Math.max(...wanted.map((w, k) => Math.abs(w - logits[k]!))) / scale;
    // A half has 11 bits; what is stored is not what was computed.
    expect(worst).toBeLessThan(1e-2);
    expect(worst).toBeGreaterThan(1e-6);
  });
});

test("uint8: what is computed is what the numbers that the bytes stand for give", async () => {
  const source = join(CHECKPOINTS, "gpt2");
  const compile = async (name: string, ...more: readonly string[]): Promise<string> => {
    const made = await tfm("compile", source, "-o", join(folder, name), "-t", "tfjs", ...more);
    expect(made, made.err).toMatchObject({ status: 0, err: "" });
    return join(folder, name);
  };
  const [bytes, whole] = [await compile("bytes", "--dtype", "uint8"), await compile("whole")];
  await use("cpu");
  const tf = await tensorflow();
  const [packed, plain] = [readWeights(bytes), readWeights(whole)];
  let matrices = 0;
  for (const [name, { entry, data }] of packed) {
    const wanted = plain.get(name)!.data;
    const q = entry.quantization;
    const count = entry.shape.reduce((a, b) => a * b, 1);
    const isVector = entry.shape.length < 2;
    if (isVector || count < 1024) expect(q, name).toBeUndefined();
    if (q?.dtype !== "uint8") expect(data).toEqual(wanted);
    else {
      matrices++;
      const range = Math.max(...wanted) - Math.min(...wanted);
      const worst = Math.max(...wanted.map((w, i) => Math.abs(w - data[i]!)));
      expect(worst / range, name).toBeLessThan(1 / 509);
      expect(q.scale).toBeCloseTo(range / 255, 6);
    }
  }
  expect(matrices).toBeGreaterThan(4);

  // The same graph with the numbers themselves.
  const session = await openTfjs(join(bytes, "model.json"), tf);
  const dequantised = await openTfjs(join(whole, "model.json"), tf, undefined, (name) => packed.get(name)?.data);
  const ids = { shape: [2, 5], data: Float64Array.from({ length: 10 }, (_, i) => 3 * i) };
  const feed = new Map(
    session.inputs.map(({ name, dims }) => [
      name,
      name === "input_ids"
        ? ids
        : name.startsWith("past")
          ? { shape: dims.map((d, i) => (i === 0 ? 2 : typeof d === "number" ? d : 0)), data: new Float64Array() }
          : {
              shape: [2, 5],
              data: Float64Array.from({ length: 10 }, (_, i) => (name === "attention_mask" ? 1 : i % 5)),
            },
    ]),
  );
  const [a, b] = [(await session.run(feed)).get("logits")!.data, (await dequantised.run(feed)).get("logits")!.data];
  expect(Math.max(...a.map((x, i) => Math.abs(x - b[i]!)))).toBeLessThan(1e-6);
  session.dispose();
  dequantised.dispose();

  const onnx = await tfm("compile", source, "-o", join(folder, "onnx"), "--dtype", "uint8");
  expect(onnx).toMatchObject({ status: 2 });
  expect(onnx.err).toContain("--dtype uint8 goes with -t tfjs");
});

/** The weights of a folder as numbers, by the rules of TensorFlow.js's format. */
function readWeights(path: string): ReadonlyMap<string, { readonly entry: WeightEntry; readonly data: Float32Array }> {
  const { weightsManifest } = JSON.parse(readFileSync(join(path, "model.json"), "utf8")) as ModelJson;
  const [{ paths, weights }] = weightsManifest as [ModelJson["weightsManifest"][0]];
  const all = Buffer.concat(paths.map((p) => readFileSync(join(path, p))));
  let at = 0;
  const found = new Map<string, { entry: WeightEntry; data: Float32Array }>();
  for (const entry of weights) {
    const count = entry.shape.reduce((a, b) => a * b, 1);
    const { quantization: q } = entry;
    const width = entry.dtype === "bool" || q?.dtype === "uint8" ? 1 : 4;
    const bytes = new Uint8Array(all.subarray(at, at + width * count));
    at += width * count;
    if (entry.dtype !== "float32") continue;
    const data =
      q?.dtype === "uint8" ? Float32Array.from(bytes, (v) => v * q.scale + q.min) : new Float32Array(bytes.buffer);
    found.set(entry.name, { entry, data });
  }
  return found;
}
