/**
 * Every checkpoint folder here, compiled for TensorFlow.js by the command itself and opened by an unchanged `loadGraphModel`, gives what
 * the reference implementation computed, on every backend: one artifact for all of them.
 */
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { KINDS, runCases, type Kind, type Tally } from "../support/cases.ts";
import { tfm } from "../support/cli.ts";
import { readFixture } from "../support/checkpoint-cases.ts";
import { runPairCases } from "../support/encoder-decoder-cases.ts";
import { noGpu, tensorflow } from "../support/tfjs.ts";
import { multiply, TFJS_BACKENDS, use } from "../support/tfjs-model.ts";
import { openTfjs } from "../support/tfjs-session.ts";

const here = new URL(".", import.meta.url).pathname;
const checkpoints = readdirSync(here).filter((name) => statSync(join(here, name)).isDirectory());

let folder = "";
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "tfm-checkpoints-tfjs-"));
  await tensorflow();
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

if (noGpu) test.skip(`webgpu is not tested: ${noGpu}`, () => undefined);

const compiled = new Map<string, string>();

/** The folder that a checkpoint is compiled to, once for all backends. */
async function compile(name: string): Promise<string> {
  const known = compiled.get(name);
  if (known !== undefined) return known;
  const out = join(folder, name);
  const made = await tfm("compile", join(here, name), "-o", out, "-t", "tfjs");
  expect(made, made.err).toMatchObject({ status: 0, err: "" });
  compiled.set(name, out);
  return out;
}

/**
 * A driver in software takes a second for a step of a few numbers: of each class of models one runs on webgpu as on any device, the others
 * without the program that takes that long, and only these generate text. `TFM_ALL_CASES=1` runs all cases as on any device.
 */
const everything = process.env["TFM_ALL_CASES"] === "1";
const classes = checkpoints.map((name) => readFixture(name).modelClass);
const isFirst = (name: string): boolean => classes.indexOf(readFixture(name).modelClass) === checkpoints.indexOf(name);

describe.each(checkpoints)("%s", (name) => {
  for (const backend of TFJS_BACKENDS)
    test(
      backend,
      async () => {
        const out = await compile(name);
        await use(backend);
        const asChosen = everything || isFirst(name);
        if (backend === "webgpu") await multiply(asChosen ? "as-chosen" : "without-reductions");
        const kinds = backend === "webgpu" && asChosen && !everything ? (["forward", "decode"] as const) : KINDS;
        const tally = await run(join(here, name), out, kinds);
        expect(tally.failures).toEqual([]);
        expect(tally.cases).toBeGreaterThanOrEqual(1);
      },
      300_000,
    );
});

/** An encoder-decoder is two models. */
async function run(checkpoint: string, out: string, kinds: readonly Kind[]): Promise<Tally> {
  const tf = await tensorflow();
  const open = (file: string) => openTfjs(join(out, file), tf);
  if (existsSync(join(out, "model.json"))) {
    const session = await open("model.json");
    const tally = await runCases(checkpoint, session, kinds);
    session.dispose();
    return tally;
  }
  const [encoder, decoder] = [await open("encoder_model.json"), await open("decoder_model_merged.json")];
  const tally = await runPairCases(checkpoint, { encoder, decoder }, kinds);
  encoder.dispose();
  decoder.dispose();
  return tally;
}
