/**
 * Checkpoints that generate, in every form of cache: the reference's text and scores, token for token; rows of a batch as they would
 * be alone, whatever their lengths; rows dropped and repeated; what cannot be done is said.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CACHE_FORMS } from "../../src/backends/onnx/targets.ts";
import { DecodeFailure, type Decoder, type GivenInputs } from "../../src/generate/decoder.ts";
import { openDecoder } from "../../src/host/decoder.ts";
import { readCases, TOLERANCE, type ReadCase } from "../support/cases.ts";
import { CHECKPOINTS } from "../support/checkpoint-cases.ts";
import { tfm } from "../support/cli.ts";

let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), "tfm-generate-"))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const generating = readdirSync(CHECKPOINTS).flatMap((name) => {
  if (!existsSync(join(CHECKPOINTS, name, "reference.json"))) return [];
  const found = readCases(join(CHECKPOINTS, name)).find((c) => c.kind === "generate");
  return found ? [{ name, reference: found }] : [];
});

async function opened(name: string, ...options: readonly string[]): Promise<Decoder> {
  const out = join(folder, [name, ...options].join(""));
  if (!existsSync(out)) {
    const made = await tfm("compile", join(CHECKPOINTS, name), "-o", out, ...options);
    expect(made, made.err).toMatchObject({ status: 0 });
  }
  const { value, diagnostics } = await openDecoder(out);
  expect(diagnostics).toEqual([]);
  return value!;
}

function best(scores: Float32Array): number {
  return scores.indexOf(Math.max(...scores));
}

/** The largest difference, relative where scores exceed one. */
function difference(found: ArrayLike<number>, wanted: ArrayLike<number>): number {
  let [worst, scale] = [0, 1];
  for (let i = 0; i < wanted.length; i++) {
    scale = Math.max(scale, Math.abs(wanted[i]!));
    worst = Math.max(worst, Math.abs(found[i]! - wanted[i]!));
  }
  return found.length === wanted.length ? worst / scale : Infinity;
}

/** What the case gives beside the tokens, and the same for each later token: places in a block count on, all else stays. */
function givenIn(inputs: ReadCase["inputs"], step: number): GivenInputs {
  const others = [...inputs].filter(([n]) => /position|prefix/.test(n) && n !== "input_ids");
  return Object.fromEntries(
    others.map(([name, { shape, data }]) => {
      if (shape.length === 1) return [name, [...data]];
      const on = /block/.test(name) || !inputs.has(`block_${name}`) ? step : 0;
      return [name, [step === 0 ? [...data] : [data.at(-1)! + on]]];
    }),
  );
}

test("there are checkpoints that generate", () => expect(generating.length).toBeGreaterThanOrEqual(12));

describe.each(CACHE_FORMS)("%s", (form) => {
  test.each(generating)("$name: the reference's text", async ({ name, reference }) => {
    const decoder = await opened(name, "--cache", form);
    const { inputs, outputs, options } = reference;
    const config = JSON.parse(readFileSync(join(CHECKPOINTS, name, "config.json"), "utf8")) as Record<string, number>;
    const ids = [...inputs.get("input_ids")!.data];
    const sequence = decoder.readsSource ? [config["decoder_start_token_id"]!] : [...ids];
    if (decoder.readsSource) await decoder.start([ids]);
    const wanted = outputs.get("logits")!.data;
    let next = [...sequence];
    for (let i = 0; i < options.new_tokens!; i++) {
      const [scores] = await decoder.step([next], decoder.readsSource ? {} : givenIn(inputs, i));
      const at = wanted.subarray(i * decoder.vocab, (i + 1) * decoder.vocab);
      expect(difference(scores!, at)).toBeLessThan(TOLERANCE);
      next = [best(scores!)];
      sequence.push(next[0]!);
    }
    expect(sequence).toEqual([...outputs.get("sequences")!.data]);
    expect(decoder.length).toBe(sequence.length - 1);
    await decoder.close();
  });

  test("rows of any lengths are as they would be alone, dropped and repeated too", async () => {
    const decoder = await opened("llama3", "--cache", form);
    const steps = [
      [[5, 6, 7, 8, 9, 10, 11], [12], [13, 14, 15]],
      [[1], [2, 3, 4, 5], [6, 7]],
      [[9], [8], [7]],
    ];
    const alone: Float32Array[][] = [];
    for (const row of [0, 1, 2]) {
      decoder.reset();
      const own = [];
      for (const step of steps) own.push((await decoder.step([step[row]!]))[0]!.slice());
      own.push((await decoder.step([[3]]))[0]!.slice());
      alone.push(own);
    }
    decoder.reset();
    for (const [i, step] of steps.entries()) {
      const scores = await decoder.step(step);
      for (const row of [0, 1, 2]) expect(difference(scores[row]!, alone[row]![i]!)).toBeLessThan(1e-5);
    }
    expect(decoder).toMatchObject({ rows: 3, length: 12 });
    decoder.select([2, 0, 2]);
    const scores = await decoder.step([[3], [3], [3]]);
    for (const [i, row] of [2, 0, 2].entries()) expect(difference(scores[i]!, alone[row]![3]!)).toBeLessThan(1e-5);
    await decoder.close();
  });

  test("sources of different lengths are as they would be alone", async () => {
    const decoder = await opened("t5", "--cache", form);
    const sources = [
      [5, 6, 7, 8, 1],
      [9, 1],
    ];
    const steps = [[0], [14], [22]];
    const alone: Float32Array[][] = [];
    for (const source of sources) {
      await decoder.start([source]);
      const own = [];
      for (const step of steps) own.push((await decoder.step([step]))[0]!.slice());
      alone.push(own);
    }
    await decoder.start(sources);
    for (const [i, step] of steps.slice(0, 2).entries())
      for (const [row, scores] of (await decoder.step([step, step])).entries())
        expect(difference(scores, alone[row]![i]!)).toBeLessThan(1e-5);
    decoder.select([1]);
    expect(difference((await decoder.step([steps[2]!]))[0]!, alone[1]![2]!)).toBeLessThan(1e-5);
    await decoder.close();
  });

  test("a sequence that outgrows its buffers more than once goes on as it was", async () => {
    const decoder = await opened("llama3_1", "--cache", form);
    const token = (i: number): number => (i * 37 + 11) % 90;
    const whole = await decoder.step([Array.from({ length: 200 }, (_, i) => token(i))]);
    const wanted = whole[0]!.slice();
    decoder.reset();
    await decoder.step([Array.from({ length: 60 }, (_, i) => token(i))]);
    let last: Float32Array | undefined;
    for (let i = 60; i < 200; i++) last = (await decoder.step([[token(i)]]))[0];
    expect(difference(last!, wanted)).toBeLessThan(1e-5);
    await decoder.close();
  });
});

test("a step that cannot be taken is refused, and what was decoded before still holds", async () => {
  const decoder = await opened("gpt2", "--cache", "rows");
  const first = (await decoder.step([[1, 2, 3]]))[0]!.slice();
  const refused = async (step: Promise<unknown>): Promise<string> =>
    step.then(
      () => "",
      (e: unknown) => (e instanceof DecodeFailure ? e.diagnostic.message : "something else"),
    );
  expect(await refused(decoder.step([[1], [2]]))).toBe("this step cannot be taken: there are 1 rows, and tokens for 2");
  expect(await refused(decoder.step([[]]))).toContain("row 0 has no token");
  expect(await refused(decoder.step([[96]]))).toContain("row 0 has the token 96, and there are 0 to 95");
  expect(await refused(decoder.step([new Array<number>(62).fill(1)]))).toContain(
    "would have 65 tokens, and the model has places for 64",
  );
  expect(await refused(decoder.start([[1]]))).toContain("reads no source");
  expect(decoder).toMatchObject({ rows: 1, length: 3, limit: 64, vocab: 96 });
  const next = (await decoder.step([[4]]))[0]!.slice();
  decoder.reset();
  expect(difference((await decoder.step([[1, 2, 3]]))[0]!, first)).toBe(0);
  expect(difference((await decoder.step([[4]]))[0]!, next)).toBe(0);
  await decoder.close();
  await decoder.close();
  expect(await refused(decoder.step([[1]]))).toContain("closed");
});

test("a model that does not generate is refused with the reason", async () => {
  const out = join(folder, "bert");
  expect(await tfm("compile", join(CHECKPOINTS, "bert-base-model"), "-o", out)).toMatchObject({ status: 0 });
  const { value, diagnostics } = await openDecoder(out, { name: "bert" });
  expect(value).toBeUndefined();
  expect(diagnostics.map((d) => d.message)).toEqual([
    "the model in bert cannot generate: it hands nothing on from step to step",
  ]);
});

test("a model of whole sequences, and a folder whose data is cut, are refused", async () => {
  const out = join(folder, "llama-whole-sequences");
  expect(await tfm("compile", join(CHECKPOINTS, "llama3"), "-o", out, "--no-cache")).toMatchObject({ status: 0 });
  expect((await openDecoder(out)).diagnostics.map((d) => d.code)).toEqual(["generate/cannot"]);
  expect((await openDecoder(join(folder, "nowhere"))).diagnostics.map((d) => d.code)).toEqual(["cli/no-artifact"]);
});
