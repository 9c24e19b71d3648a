/** @file Training through compiled folders: the losses, gradients and trained weights of the reference implementation. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { load, type TfjsModel } from "../../src/backends/tfjs/runtime/load.ts";
import type { Values } from "../../src/backends/tfjs/runtime/ports.ts";
import { adamW, trainable } from "../../src/backends/tfjs/runtime/train.ts";
import { CHECKPOINTS, readFixture } from "./checkpoint-cases.ts";
import { tfm } from "./cli.ts";
import { inParameters, TRAINED, trainingInput } from "./objectives.ts";
import { folderSource } from "./tfjs-folder.ts";
import type { WholeTf } from "./tfjs.ts";

/** Declares the tests: for every checkpoint that the reference trained, on these backends of a TensorFlow.js. */
export function trainingTests(open: () => Promise<WholeTf>, backends: readonly string[]): void {
  const out = mkdtempSync(join(tmpdir(), "tfm-train-"));
  afterAll(() => rmSync(out, { recursive: true, force: true }));
  let tf: WholeTf;
  beforeAll(async () => {
    tf = await open();
  }, 120_000);

  describe.each(TRAINED)("$checkpoint by $objective", ({ checkpoint, objective }) => {
    const folder = join(out, checkpoint);
    beforeAll(async () => {
      const made = await tfm(
        "compile",
        join(CHECKPOINTS, checkpoint),
        "--objective",
        objective,
        "-o",
        folder,
        "-t",
        "tfjs",
      );
      expect(made).toMatchObject({ status: 0, err: "" });
    });

    const stored = readFixture(checkpoint).cases;
    const batchOf = ({ signature }: TfjsModel, name: string): Record<string, Values> => {
      const defaults = new Map(
        signature.inputs.flatMap((i) => (i.default === undefined ? [] : [[i.name, i.default] as const])),
      );
      return Object.fromEntries(
        signature.inputs.map((i) => [i.name, trainingInput(i.name, stored.get(name)!, defaults)]),
      );
    };
    /** The reference's tensors of this beginning (`grad.`), as the model's parameters have them. */
    const wantedOf = (name: string, beginning: string): ReturnType<typeof inParameters> =>
      inParameters(
        join(CHECKPOINTS, checkpoint),
        objective,
        new Map(
          [...stored.get(name)!.outputs].flatMap(([key, { data }]) =>
            key.startsWith(beginning) ? [[key.slice(beginning.length), data as Float32Array] as const] : [],
          ),
        ),
      );

    test.each(backends)("ten steps of AdamW on %s", async (backend) => {
      const model = await load(tf, folderSource(folder), { backends: [backend], fuse: false });
      const batch = batchOf(model, "train");
      const training = trainable(model);
      const optimizer = adamW(tf);
      const losses: number[] = [];
      let tensors = 0;
      for (let i = 0; i < 10; i++) {
        losses.push(await training.step(batch, optimizer));
        if (i === 0) tensors = tf.memory().numTensors;
      }
      expect(tf.memory().numTensors).toBe(tensors);
      const last = training.loss(batch);
      losses.push((await last.data())[0]!);
      last.dispose();
      const wanted = Array.from(stored.get("train")!.outputs.get("losses")!.data, Number);
      expect(Math.max(...losses.map((l, i) => Math.abs(l / wanted[i]! - 1)))).toBeLessThan(1e-4);
      const trained = wantedOf("train", "trained.");
      let compared = 0;
      for (const { path, order, data } of await training.weights()) {
        const found = trained(path, order);
        if (!found) continue;
        compared++;
        expect(farthest(data, found), path).toBeLessThan(2e-4);
      }
      expect(compared).toBeGreaterThanOrEqual(4);
      optimizer.dispose();
      training.dispose();
      model.dispose();
    });

    test.each(backends)("gradients on %s", async (backend) => {
      const model = await load(tf, folderSource(folder), { backends: [backend], fuse: false });
      const training = trainable(model);
      const { loss, gradients } = training.gradients(batchOf(model, "gradient"));
      const wanted = stored.get("gradient")!.outputs.get("loss")!.data[0] as number;
      expect(Math.abs((await loss.data())[0]! / wanted - 1)).toBeLessThan(1e-4);
      const gradient = wantedOf("gradient", "grad.");
      let compared = 0;
      for (const { path, order } of model.parameters) {
        const found = gradient(path, order);
        if (!found) continue;
        compared++;
        expect(farthest(await gradients[path]!.data(), found), path).toBeLessThan(1e-4);
      }
      expect(compared).toBeGreaterThanOrEqual(4);
      for (const t of [loss, ...Object.values(gradients)]) t.dispose();
      training.dispose();
      model.dispose();
    });
  });
}

function farthest(found: ArrayLike<number>, wanted: ArrayLike<number>): number {
  expect(found.length).toBe(wanted.length);
  let worst = 0;
  for (let i = 0; i < found.length; i++) worst = Math.max(worst, Math.abs(found[i]! - wanted[i]!));
  return worst;
}
