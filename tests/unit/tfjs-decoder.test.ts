/** Decoding with compiled folders in TensorFlow.js: the reference's texts token for token, batches, branches, nothing left behind. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DecodeFailure, type Decoder, type GivenInputs } from "../../src/generate/decoder.ts";
import { tfjsDecoder } from "../../src/generate/tfjs.ts";
import { CHECKPOINTS, readFixture } from "../support/checkpoint-cases.ts";
import { tfm } from "../support/cli.ts";
import { folderSource } from "../support/tfjs-folder.ts";
import { noGpu, tensorflow, type WholeTf } from "../support/tfjs.ts";

const GENERATING = ["gpt1", "gpt2", "gpt3", "llama3", "llama3_1", "mistral", "glm", "t5", "t5-v1_1", "seq2seq"];
const root = mkdtempSync(join(tmpdir(), "tfm-decoder-"));
let tf: WholeTf;
afterAll(() => rmSync(root, { recursive: true, force: true }));
beforeAll(async () => {
  tf = await tensorflow();
  for (const name of GENERATING)
    expect(await tfm("compile", join(CHECKPOINTS, name), "-o", join(root, name), "-t", "tfjs")).toMatchObject({
      status: 0,
    });
}, 120_000);

const open = (name: string, backend: string): Promise<Decoder> =>
  tfjsDecoder(tf, folderSource(join(root, name)), { backends: [backend] });

const argmax = (scores: Float32Array): number => scores.reduce((best, s, i) => (s > scores[best]! ? i : best), 0);

/** How the reference goes on: places that count, for models that are told them. */
function givenOf(name: string): { first: GivenInputs; next(step: number): GivenInputs } {
  const { inputs } = readFixture(name).cases.get("generate")!;
  const list = (key: string): number[] | undefined => inputs.get(key) && Array.from(inputs.get(key)!.data, Number);
  const [position, block, prefix] = ["position_ids", "block_position_ids", "prefix_length"].map(list);
  if (!position || !block || !prefix) return { first: {}, next: () => ({}) };
  return {
    first: { position_ids: [position], block_position_ids: [block], prefix_length: prefix },
    next: (step) => ({
      position_ids: [[position.at(-1)!]],
      block_position_ids: [[block.at(-1)! + step]],
      prefix_length: prefix,
    }),
  };
}

function near(found: ArrayLike<number>, wanted: ArrayLike<number>): void {
  expect(found.length).toBe(wanted.length);
  let worst = 0;
  for (let i = 0; i < found.length; i++) worst = Math.max(worst, Math.abs(found[i]! - wanted[i]!));
  expect(worst).toBeLessThan(1e-4);
}

describe.each(["cpu", "wasm"])("on %s", (backend) => {
  test.each(GENERATING)("%s", async (name) => {
    const decoder = await open(name, backend);
    await generate(name, decoder);
    await decoder.close();
  });
});

// The software driver takes half a second for a step: few of them.
test.skipIf(noGpu)("on webgpu: tokens, and neither tensors nor the device's memory grow with the text", async () => {
  const decoder = await open("gpt2", "webgpu");
  await generate("gpt2", decoder, 3);
  const bytes = (): number => (tf.memory() as unknown as { numBytesAllocatedInGPU: number }).numBytesAllocatedInGPU;
  const held = [tf.memory().numTensors, bytes()];
  for (let i = 0; i < 6; i++) await decoder.step([[5]]);
  expect([tf.memory().numTensors, bytes()]).toEqual(held);
  await decoder.close();
});
test.skipIf(noGpu)("on webgpu: an encoder-decoder", async () => {
  const decoder = await open("t5", "webgpu");
  await generate("t5", decoder, 2);
  await decoder.close();
});

async function generate(name: string, decoder: Decoder, count = 12): Promise<void> {
  const { inputs, outputs } = readFixture(name).cases.get("generate")!;
  const prompt = Array.from(inputs.get("input_ids")!.data, Number);
  const sequence = Array.from(outputs.get("sequences")!.data, Number);
  const logits = outputs.get("logits")!;
  const vocab = logits.dims.at(-1)!;
  expect(decoder.vocab).toBe(vocab);
  const given = givenOf(name);
  let text = prompt;
  if (decoder.readsSource) {
    const config = JSON.parse(readFileSync(join(CHECKPOINTS, name, "config.json"), "utf8")) as Record<string, number>;
    text = [config["decoder_start_token_id"]!];
    await decoder.start([prompt]);
  }
  let [scores] = await decoder.step([text], given.first);
  for (let i = 0; i < count; i++) {
    near(scores!, logits.data.slice(i * vocab, (i + 1) * vocab) as Float32Array);
    text = [...text, argmax(scores!)];
    if (i < count - 1) [scores] = await decoder.step([[text.at(-1)!]], given.next(i + 1));
  }
  expect(text).toEqual(sequence.slice(0, sequence.length - 12 + count));
}

const ROWS = [
  [5, 6, 7, 8, 9, 10, 11],
  [12, 13, 14],
  [15, 16, 17, 18, 19],
];

/** What each row gives alone: after its prompt, and after each of these. */
async function alone(decoder: Decoder, steps: readonly (readonly (readonly number[])[])[]): Promise<Float32Array[][]> {
  const all: Float32Array[][] = [];
  for (const [i, row] of ROWS.entries()) {
    decoder.reset();
    if (decoder.readsSource) await decoder.start([row]);
    const own: Float32Array[] = [(await decoder.step([decoder.readsSource ? [1] : row]))[0]!];
    for (const step of steps) own.push((await decoder.step([step[i]!]))[0]!);
    all.push(own);
  }
  decoder.reset();
  return all;
}

const STEPS = [
  [[20], [21], [22]],
  [[23, 24], [25], [26, 27, 28]],
  [[29], [30], [31]],
];

const batched = ["gpt2", "mistral", "gpt3", "t5", "seq2seq"].map((name) => [name, "wasm"]);
if (!noGpu) batched.push(["gpt2", "webgpu"]);
test.each(batched)("rows of any lengths together give what each gives alone: %s on %s", async (name, backend) => {
  const decoder = await open(name!, backend!);
  const steps = backend === "webgpu" ? STEPS.slice(0, 1) : STEPS;
  const wanted = await alone(decoder, steps);
  if (decoder.readsSource) await decoder.start(ROWS);
  const first = await decoder.step(decoder.readsSource ? ROWS.map(() => [1]) : ROWS);
  expect(decoder.rows).toBe(3);
  for (const [i] of ROWS.entries()) near(first[i]!, wanted[i]![0]!);
  for (const [s, step] of steps.entries()) {
    const scores = await decoder.step(step);
    for (const [i] of ROWS.entries()) near(scores[i]!, wanted[i]![s + 1]!);
  }
  await decoder.close();
});

test("rows are dropped and repeated, and branch", async () => {
  const decoder = await open("gpt2", "wasm");
  const [a, , c] = await alone(decoder, [
    [[20], [21], [22]],
    [[30], [31], [32]],
  ]);
  await decoder.step(ROWS);
  await decoder.step([[20], [21], [22]]);
  decoder.select([2, 0, 2]);
  expect(decoder.rows).toBe(3);
  const scores = await decoder.step([[32], [30], [33]]);
  near(scores[0]!, c![2]!);
  near(scores[1]!, a![2]!);
  expect(Math.max(...scores[2]!.map((s, i) => Math.abs(s - c![2]![i]!)))).toBeGreaterThan(1e-3);
  expect(() => decoder.select([3])).toThrow(/there are 3 rows/);
  await decoder.close();
  await decoder.close();
});

test.each(["cpu", "wasm"])("a hundred steps leave as many tensors as one: %s", async (backend) => {
  await tf.setBackend(backend);
  const before = tf.memory().numTensors;
  const decoder = await open("gpt2", backend);
  await decoder.step([[1, 2, 3]]);
  await decoder.step([[4]]);
  const held = tf.memory().numTensors;
  for (let i = 0; i < 56; i++) await decoder.step([[5]]);
  expect(tf.memory().numTensors).toBe(held);
  // Longer than the table of positions: what was decoded before still holds.
  for (let i = decoder.length; i < 64; i++) await decoder.step([[5]]);
  const failed = await decoder.step([[5]]).catch((e: unknown) => e);
  expect(failed).toBeInstanceOf(DecodeFailure);
  expect((failed as DecodeFailure).diagnostic.message).toMatch(/position_ids has 64/);
  expect(tf.memory().numTensors).toBe(held);
  expect(decoder.length).toBe(64);
  expect(decoder.limit).toBe(64);
  await decoder.close();
  expect(tf.memory().numTensors).toBe(before);
});

test("what cannot be decoded", async () => {
  const out = join(root, "uncached");
  expect(await tfm("compile", join(CHECKPOINTS, "gpt2"), "--no-cache", "-o", out, "-t", "tfjs")).toMatchObject({
    status: 0,
  });
  await expect(tfjsDecoder(tf, folderSource(out), { backends: ["cpu"] })).rejects.toThrow(/does not generate/);
  const glm = await open("glm", "cpu");
  await expect(glm.step([[1, 2]])).rejects.toThrow(/position_ids is missing/);
  await glm.close();
  await expect(glm.step([[1]])).rejects.toThrow(/closed/);
});
