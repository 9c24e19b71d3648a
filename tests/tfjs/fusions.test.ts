/** What a compiled model says of fusions is true: with our kernels in their places it gives the stored numbers, in few launches. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TfmMetadata } from "../../src/backends/tfjs/fusions.ts";
import type { ModelJson } from "../../src/backends/tfjs/graph-def.ts";
import { registerFused } from "../../src/backends/tfjs/runtime/kernels/register.ts";
import { withFusions } from "../../src/backends/tfjs/runtime/rewrite.ts";
import { runCases } from "../support/cases.ts";
import { CHECKPOINTS } from "../support/checkpoint-cases.ts";
import { tfm } from "../support/cli.ts";
import { noGpu, tensorflow, type WholeTf } from "../support/tfjs.ts";
import { use } from "../support/tfjs-model.ts";
import { openTfjs } from "../support/tfjs-session.ts";

const SIZES = ["vocab=19", "heads=6", "intermediate=16"];

/**
 * Launches in a layer. Of BERT: three products for the attention, itself, one after it, a norm, two products with an activation between,
 * a norm; of Llama two rotations, a gate and the transposes of keys and values, too.
 */
const LAUNCHES = [
  { name: "bert", sizes: [...SIZES, "hidden=12", "positions=20"], fused: 10, plain: 45 },
  { name: "llama_3_8b", sizes: [...SIZES, "hidden=24", "kv_heads=3"], fused: 17, plain: 57 },
];

let folder = "";
let tf: WholeTf;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "tfm-fusions-"));
  tf = await tensorflow();
  if (!noGpu) registerFused(tf);
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function compiled(
  name: string,
  ...more: readonly string[]
): Promise<{ path: string; fusions: TfmMetadata["fusions"] }> {
  const out = join(folder, name);
  const made = await tfm("compile", join(CHECKPOINTS, name), "-o", out, "-t", "tfjs", ...more);
  expect(made, made.err).toMatchObject({ status: 0, err: "" });
  const path = join(out, "model.json");
  return { path, fusions: metadataOf(path).fusions };
}

function metadataOf(path: string): TfmMetadata {
  const model = JSON.parse(readFileSync(path, "utf8")) as {
    readonly userDefinedMetadata: { readonly tfm: TfmMetadata };
  };
  return model.userDefinedMetadata.tfm;
}

const count = (fusions: TfmMetadata["fusions"], op: string): number => fusions.filter((f) => f.op === op).length;

test("a layer of BERT: attention, two norms with their sums, an activation", async () => {
  const { fusions } = await compiled("bert-base-model");
  const layers = 2;
  expect(count(fusions, "tfm.Attention")).toBe(layers);
  expect(count(fusions, "tfm.Activation")).toBe(layers);
  const norms = fusions.filter((f) => f.op === "tfm.LayerNorm");
  expect(norms.length).toBe(2 * layers + 1);
  expect(norms.filter((f) => f.inputs[1] !== null).length).toBe(2 * layers);
});

test("a layer of Llama: attention of grouped queries, its rotations, a gate, norms", async () => {
  const { fusions } = await compiled("llama3");
  const attention = fusions.find((f) => f.op === "tfm.Attention");
  expect(attention?.attrs.kvHeads).toBeLessThan(attention!.attrs.heads);
  expect(count(fusions, "tfm.Rotary")).toBe(2 * count(fusions, "tfm.Attention"));
  expect(count(fusions, "tfm.Gated")).toBe(count(fusions, "tfm.Attention"));
  expect(count(fusions, "tfm.RmsNorm")).toBe(2 * count(fusions, "tfm.Attention") + 1);
});

test("queries and keys that are normed head by head turn in one kernel each, as others do", async () => {
  const out = join(folder, "normed");
  const example = join(CHECKPOINTS, "../../examples/tame-scores.tfm");
  expect(await tfm("compile", example, "-m", "normed_heads", "-o", out, "-t", "tfjs")).toMatchObject({ status: 0 });
  const { fusions } = metadataOf(join(out, "model.json"));
  expect(count(fusions, "tfm.Rotary")).toBe(2 * count(fusions, "tfm.Attention"));
});

test("where no backend has kernels of ours, nothing is noted", async () => {
  const { fusions } = await compiled("gpt1", "--provider", "wasm");
  expect(fusions).toEqual([]);
});

if (noGpu) test.skip(`webgpu is not tested: ${noGpu}`, () => undefined);

describe.skipIf(noGpu)("on webgpu", () => {
  test.each(["bert-base-model", "llama3", "gpt2", "glm"])(
    "%s",
    async (name) => {
      await use("webgpu");
      const { path, fusions } = await compiled(name);
      const session = await openTfjs(path, tf, (model) => withFusions(model, fusions));
      const tally = await runCases(join(CHECKPOINTS, name), session, ["forward"]);
      session.dispose();
      expect(tally.failures).toEqual([]);
    },
    300_000,
  );

  test.each(LAUNCHES)(
    "launches in a layer: %j",
    async (model) => {
      await use("webgpu");
      const [one, two] = [await ofLayers(model, 1), await ofLayers(model, 2)];
      expect(two.fused - one.fused).toBeLessThanOrEqual(model.fused);
      expect(two.plain - one.plain).toBeLessThanOrEqual(model.plain);
    },
    300_000,
  );
});

/** How many programs of the device a model of so many layers takes, as it is and fused. */
async function ofLayers(
  { name, sizes }: (typeof LAUNCHES)[number],
  layers: number,
): Promise<{ readonly plain: number; readonly fused: number }> {
  const settings = [...sizes, `layers=${layers}`].flatMap((s) => ["-s", s]);
  const out = join(folder, `${name}-${layers}`);
  const made = await tfm("compile", "-m", name, ...settings, "-o", out, "-t", "tfjs", "--no-cache");
  expect(made, made.err).toMatchObject({ status: 0, err: "" });
  const { fusions } = metadataOf(join(out, "model.json"));
  const gpu = tf.backend() as unknown as { runWebGPUProgram: (...args: unknown[]) => unknown };
  const own = gpu.runWebGPUProgram;
  const launches = async (change: (model: ModelJson) => ModelJson): Promise<number> => {
    const session = await openTfjs(join(out, "model.json"), tf, change);
    let count = 0;
    gpu.runWebGPUProgram = (...args) => {
      count++;
      return own.apply(gpu, args);
    };
    const ids = { shape: [2, 5], data: Float64Array.from({ length: 10 }, (_, i) => i) };
    await session.run(new Map(session.inputs.map(({ name }) => [name, name === "input_ids" ? ids : ones])));
    gpu.runWebGPUProgram = own;
    session.dispose();
    return count;
  };
  return { plain: await launches((model) => model), fused: await launches((model) => withFusions(model, fusions)) };
}

const ones = { shape: [2, 5], data: new Float64Array(10).fill(1) };
