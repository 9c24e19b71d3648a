/** Compiled folders as `load` opens them on webgpu, with fused kernels: the reference's numbers, and few launches. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { FusionOp } from "../../src/backends/tfjs/fusions.ts";
import { load, type TfjsModel } from "../../src/backends/tfjs/runtime/load.ts";
import { trainable } from "../../src/backends/tfjs/runtime/train.ts";
import { CHECKPOINTS, readFixture } from "../support/checkpoint-cases.ts";
import { tfm } from "../support/cli.ts";
import { folderSource } from "../support/tfjs-folder.ts";
import { noGpu, tensorflow, type WholeTf } from "../support/tfjs.ts";

/** With what each must at least use. */
const MODELS: readonly (readonly [string, readonly FusionOp[]])[] = [
  ["bert-pretraining", ["tfm.Attention", "tfm.LayerNorm", "tfm.Activation"]],
  ["gpt3", ["tfm.Attention", "tfm.LayerNorm"]],
  ["t5-encoder", ["tfm.Attention", "tfm.RmsNorm"]],
  ["llama3", ["tfm.Attention", "tfm.RmsNorm", "tfm.Gated", "tfm.Rotary", "tfm.Sine"]],
];
/** Of an unfused layer of BERT there are 45. */
const MOST_LAUNCHES = 15;

const root = mkdtempSync(join(tmpdir(), "tfm-fusions-"));
let tf: WholeTf;
afterAll(() => rmSync(root, { recursive: true, force: true }));
beforeAll(async () => {
  if (!noGpu) tf = await tensorflow();
}, 120_000);

async function compiled(name: string, ...args: readonly string[]): Promise<string> {
  const folder = join(root, name);
  expect(await tfm("compile", ...args, "-o", folder, "-t", "tfjs")).toMatchObject({ status: 0 });
  return folder;
}

/** Programs that a run starts on the device. */
async function launches(model: TfjsModel, feed: Parameters<TfjsModel["run"]>[0]): Promise<number> {
  const backend = tf.backend() as unknown as { runWebGPUProgram(...args: unknown[]): unknown };
  const { runWebGPUProgram } = backend;
  let count = 0;
  backend.runWebGPUProgram = (...args) => {
    count++;
    return runWebGPUProgram.apply(backend, args);
  };
  try {
    await model.run(feed);
  } finally {
    backend.runWebGPUProgram = runWebGPUProgram;
  }
  return count;
}

describe.skipIf(noGpu)("with fused kernels", () => {
  test.each(MODELS)("%s", async (name, wanted) => {
    const folder = await compiled(name, join(CHECKPOINTS, name));
    const model = await load(tf, folderSource(folder), { backends: ["webgpu"] });
    const used = new Set(model.fusions.map((f) => f.op));
    expect(wanted.filter((op) => !used.has(op))).toEqual([]);
    for (const caseName of ["single", "batch2"]) {
      const { inputs, outputs } = readFixture(name).cases.get(caseName)!;
      const feed = Object.fromEntries(
        model.signature.inputs.flatMap(({ name: port }) => {
          const given = inputs.get(port);
          return given ? [[port, { dims: given.dims, data: Array.from(given.data, Number) }] as const] : [];
        }),
      );
      const found = await model.run(feed);
      const real = inputs.get("attention_mask")?.data;
      let compared = 0;
      for (const [key, { dims, data }] of found) {
        const stored = outputs.get(key);
        if (!stored) continue;
        compared++;
        expect(dims).toEqual(stored.dims);
        const perPlace = data.length / (dims[0]! * (dims.length > 2 ? dims[1]! : 1));
        let worst = 0;
        for (let i = 0; i < data.length; i++) {
          // Padded places hold whatever the reference left there.
          if (real && dims.length > 2 && Number(real[Math.floor(i / perPlace)]) === 0) continue;
          worst = Math.max(worst, Math.abs(data[i]! - (stored.data[i] as number)));
        }
        expect(worst, `${caseName} ${key}`).toBeLessThan(1e-4);
      }
      expect(compared).toBeGreaterThan(0);
    }
    model.dispose();
  });

  test("fused kernels have no gradients, and training says so", async () => {
    const folder = await compiled("objective", join(CHECKPOINTS, "gpt2"), "--objective", "next_token");
    const model = await load(tf, folderSource(folder), { backends: ["webgpu"] });
    expect(() => trainable(model)).toThrow(/fused kernels have no gradients.*fuse: false/);
    model.dispose();
    const plain = await load(tf, folderSource(folder), { backends: ["webgpu"], fuse: false });
    const training = trainable(plain);
    const row = { dims: [1, 3], data: [1, 2, 3] };
    const before = tf.memory().numTensors;
    const { loss, gradients } = training.gradients({ input_ids: row, labels: row });
    expect((await loss.data())[0]).toBeGreaterThan(1);
    expect(Object.keys(gradients).sort()).toEqual([...training.variables.keys()].sort());
    for (const t of [loss, ...Object.values(gradients)]) t.dispose();
    expect(tf.memory().numTensors).toBe(before);
    training.dispose();
    plain.dispose();
  });

  test(`a layer of BERT is at most ${MOST_LAUNCHES} launches, a third of what it is without`, async () => {
    const counts: number[][] = [];
    for (const layers of [1, 2]) {
      const sizes = ["vocab=50", "hidden=32", "heads=4", "intermediate=64", "positions=16", `layers=${layers}`];
      const settings = sizes.flatMap((s) => ["-s", s]);
      const folder = await compiled(`bert${layers}`, "-m", "bert_base", ...settings);
      const feed = { input_ids: { dims: [1, 8], data: [1, 2, 3, 4, 5, 6, 7, 8] } };
      const own: number[] = [];
      for (const fuse of [true, false]) {
        const model = await load(tf, folderSource(folder), { backends: ["webgpu"], fuse });
        own.push(await launches(model, feed));
        model.dispose();
      }
      counts.push(own);
    }
    const [fused, plain] = [0, 1].map((i) => counts[1]![i]! - counts[0]![i]!);
    expect(plain).toBeGreaterThanOrEqual(40);
    expect(fused).toBeLessThanOrEqual(MOST_LAUNCHES);
  });
});

if (noGpu) test.skip(`not tested: ${noGpu}`, () => undefined);
