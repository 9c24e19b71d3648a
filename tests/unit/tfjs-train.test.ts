/** Training through compiled folders gives the losses and gradients of the reference implementation; the README shows how. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import * as product from "../../src/tfjs.ts";
import { CHECKPOINTS } from "../support/checkpoint-cases.ts";
import { tfm } from "../support/cli.ts";
import { folderSource } from "../support/tfjs-folder.ts";
import { tensorflow } from "../support/tfjs.ts";
import { trainingTests } from "../support/training.ts";

// On webgpu the operators are the same; its software driver takes a minute for them.
trainingTests(tensorflow, ["cpu", "wasm"]);

test("the README's program", async () => {
  const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
  const programs = [...readme.matchAll(/^```js\n(.*?)^```$/gms)].map((m) => m[1]!);
  const text = programs.find((program) => program.includes("trainable("));
  const folder = mkdtempSync(join(tmpdir(), "tfm-readme-train-"));
  const said: number[] = [];
  const log = vi.spyOn(console, "log").mockImplementation((n: number) => void said.push(n));
  try {
    const made = await tfm(
      "compile",
      join(CHECKPOINTS, "gpt2"),
      "--objective",
      "next_token",
      "-o",
      folder,
      "-t",
      "tfjs",
    );
    expect(made).toMatchObject({ status: 0 });
    const tf = await tensorflow();
    await tf.setBackend("cpu");
    const load = (own: typeof tf, _url: string, options: product.LoadOptions) =>
      product.load(own, folderSource(folder), { ...options, backends: ["cpu"] });
    const body = text!.replace(/^import .*$/gm, "");
    const run = new Function(
      "tf",
      "tfm",
      `return (async () => { const { load, trainable, adamW } = tfm; ${body} })()`,
    ) as (...args: unknown[]) => Promise<void>;
    await run(tf, { ...product, load });
  } finally {
    log.mockRestore();
    rmSync(folder, { recursive: true, force: true });
  }
  expect(said.length).toBe(10);
  expect(said.at(-1)!).toBeLessThan(said[0]! - 0.1);
});

test("weights that have a factor are not the program's, and are not trained", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tfm-factor-"));
  try {
    const text = "model m(hidden = 4) { input x: float[batch, seq, hidden]\n output y = (x -> p: linear(3)) * 0.3 }";
    const tf = await tensorflow();
    await tf.setBackend("cpu");
    const refusal = async (...options: readonly string[]): Promise<string> => {
      expect(await tfm("compile", "-e", text, "-o", folder, "-t", "tfjs", ...options)).toMatchObject({ status: 0 });
      const model = await product.load(tf, folderSource(folder), { backends: ["cpu"], fuse: false });
      try {
        product.trainable(model, "y");
        return "none";
      } catch (e) {
        return String(e);
      } finally {
        model.dispose();
      }
    };
    expect(await refusal()).toContain("p.weight is there times 0.3");
    expect(await refusal("--no-optimize")).not.toContain("times");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
