/** Compiled for wasm, attention goes head by head: the same numbers as the reference, for heads, groups, biases and other texts. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { ModelJson } from "../../src/backends/tfjs/graph-def.ts";
import { runCases } from "../support/cases.ts";
import { CHECKPOINTS } from "../support/checkpoint-cases.ts";
import { tfm } from "../support/cli.ts";
import { runPairCases } from "../support/encoder-decoder-cases.ts";
import { nativeFolder, tensorflow } from "../support/tfjs.ts";
import { use } from "../support/tfjs-model.ts";
import { openTfjs } from "../support/tfjs-session.ts";

const folder = mkdtempSync(join(tmpdir(), "tfm-heads-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.skipIf(nativeFolder !== undefined).each(["bert-base-model", "gpt2", "llama3", "mistral", "glm", "t5"])(
  "%s",
  async (name) => {
    const out = join(folder, name);
    const made = await tfm("compile", join(CHECKPOINTS, name), "-o", out, "-t", "tfjs", "--provider", "wasm");
    expect(made, made.err).toMatchObject({ status: 0, err: "" });
    await use("wasm");
    const tf = await tensorflow();
    const open = (file: string) => openTfjs(join(out, file), tf);
    if (existsSync(join(out, "model.json"))) {
      const { modelTopology } = JSON.parse(readFileSync(join(out, "model.json"), "utf8")) as ModelJson;
      expect(modelTopology.node.filter((n) => n.op === "Softmax").length).toBeGreaterThan(2);
      const session = await open("model.json");
      const tally = await runCases(join(CHECKPOINTS, name), session);
      session.dispose();
      expect(tally.failures).toEqual([]);
      expect(tally.cases).toBeGreaterThan(0);
    } else {
      const pair = { encoder: await open("encoder_model.json"), decoder: await open("decoder_model_merged.json") };
      const tally = await runPairCases(join(CHECKPOINTS, name), pair, ["forward", "decode", "generate"]);
      for (const session of Object.values(pair)) session.dispose();
      expect(tally.failures).toEqual([]);
    }
  },
  120_000,
);
