/** Folders for TensorFlow.js in Node, with the packages that are installed: by `tfm run`, and step by step. */
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { load } from "../../src/api/node.ts";
import { openDecoder } from "../../src/host/decoder.ts";
import { CHECKPOINTS, readFixture } from "../support/checkpoint-cases.ts";
import { tfm } from "../support/cli.ts";

const root = mkdtempSync(join(tmpdir(), "tfm-host-tfjs-"));
const folder = join(root, "gpt2");
afterAll(() => rmSync(root, { recursive: true, force: true }));
beforeAll(async () => {
  expect(await tfm("compile", join(CHECKPOINTS, "gpt2"), "-o", folder, "-t", "tfjs")).toMatchObject({ status: 0 });
});

test.each(["wasm", "cpu"] as const)("a decoder on %s", async (backend) => {
  const { value: decoder, diagnostics } = await openDecoder(folder, { backend });
  expect(diagnostics).toEqual([]);
  const { inputs, outputs } = readFixture("gpt2").cases.get("generate")!;
  const text = Array.from(inputs.get("input_ids")!.data, Number);
  const wanted = Array.from(outputs.get("sequences")!.data, Number);
  let next = text;
  while (text.length < wanted.length) {
    const [scores] = await decoder!.step([next]);
    next = [scores!.reduce((best, s, i) => (s > scores![best]! ? i : best), 0)];
    text.push(...next);
  }
  expect(text).toEqual(wanted);
  await decoder!.close();
});

test("tfm run", async () => {
  const ran = await tfm("run", folder, "-i", "input_ids=[[1,2,3]]");
  expect(ran).toMatchObject({ status: 0 });
  expect(ran.out).toContain("logits  float32[1, 3, 96]");
  const wrong = await tfm("run", folder, "-i", "input_ids=[[1,200]]", "--backend", "wasm");
  expect(wrong.status).toBe(1);
  expect(wrong.err).toContain("200 at [0, 1] is outside of 0 to 95");
});

test("a program loads it as any other folder, and runs it once", async () => {
  const model = await load(folder);
  const run = await model.run({ input_ids: { dtype: "int32", dims: [1, 3], data: Int32Array.of(1, 2, 3) } });
  expect(run.get("logits")?.dims).toEqual([1, 3, 96]);
  await model.close();
});

test("what the runtime cannot compute is an error with its words, not a bug", async () => {
  const program = join(root, "looked-up.tfm");
  writeFileSync(
    program,
    `model m(rows = 3, hidden = 4) {
  input ids as "ids": int[batch]
  param table: [rows, hidden] = normal(1)
  output y = table[rows = ids * 2]
}`,
  );
  const out = join(root, "looked-up");
  expect(await tfm("compile", program, "-o", out, "-t", "tfjs")).toMatchObject({ status: 0 });
  const ran = await tfm("run", out, "-i", "ids=[2]", "--backend", "cpu");
  expect(ran.status).toBe(1);
  expect(ran.err).toMatch(/error\[cli\/run-failed\][^]*index value 4 [^]*check the numbers/);
});

test("a package that is not installed, and a file that is cut short", async () => {
  const node = await tfm("run", folder, "-i", "input_ids=[[1]]", "--backend", "node");
  // Where the package is installed, it runs.
  if (node.status !== 0) expect(node.err).toMatch(/error\[cli\/tfjs-absent\][^]*npm install @tensorflow\/tfjs-node/);
  truncateSync(join(folder, "model-shard1of1.bin"), 100);
  const cut = await tfm("run", folder, "-i", "input_ids=[[1]]");
  expect(cut.status).toBe(1);
  expect(cut.err).toContain("error[artifact/file-size]");
});
