/** A recurrence in TensorFlow.js: its places one after the other where they are counted, else a loop. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { openArtifact } from "../../src/host/run.ts";
import type { ModelJson } from "../../src/backends/tfjs/graph-def.ts";
import { load, type TfjsModel } from "../../src/backends/tfjs/runtime/load.ts";
import { trainable } from "../../src/backends/tfjs/runtime/train.ts";
import { tfjsDecoder } from "../../src/generate/tfjs.ts";
import { tfm } from "../support/cli.ts";
import { folderSource } from "../support/tfjs-folder.ts";
import { tensorflow } from "../support/tfjs.ts";
import { multiply, TFJS_BACKENDS, use } from "../support/tfjs-model.ts";

const folder = mkdtempSync(join(tmpdir(), "tfm-scan-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const example = new URL("../../examples/linear-recurrence.tfm", import.meta.url).pathname;

const TEXT = [3, 1, 4, 1, 5, 9];

test("a recurrence, step by step and as a whole, as in ONNX Runtime", async () => {
  const compile = async (name: string, ...more: readonly string[]): Promise<string> => {
    const made = await tfm("compile", example, "-o", join(folder, name), ...more);
    expect(made, made.err).toMatchObject({ status: 0, err: "" });
    return join(folder, name);
  };
  const onnx = await compile("onnx", "--no-cache");
  const { value: opened } = openArtifact(onnx);
  const ids = { dtype: "int64", dims: [1, TEXT.length], data: BigInt64Array.from(TEXT, BigInt) } as const;
  const { value: ran } = await opened!.run(new Map([["input_ids", ids]]));
  const wanted = Array.from(ran!.get("logits")!.data, Number);
  await opened!.close();
  expect(wanted.length).toBe(TEXT.length * 32);
  const whole = await compile("whole", "-t", "tfjs", "--no-cache", "--size", `seq=${TEXT.length}`);
  const step = await compile("step", "-t", "tfjs", "--size", "seq=1");
  const tf = await tensorflow();
  for (const backend of TFJS_BACKENDS.filter((b) => b !== "webgpu")) {
    const model = await load(tf, folderSource(whole), { backends: [backend] });
    const found = (await model.run({ input_ids: { dims: [1, TEXT.length], data: TEXT } })).get("logits")!;
    model.dispose();
    expect(farthest(found.data, wanted)).toBeLessThan(1e-5);

    const stepping = await load(tf, folderSource(step), { backends: [backend] });
    const rows = await rowsOf(
      stepping,
      TEXT.map((t) => [t]),
    );
    stepping.dispose();
    expect(farthest(rows, wanted)).toBeLessThan(1e-5);
  }
});

describe("of a length that is not known", () => {
  const open = async (name: string, ...more: readonly string[]): Promise<string> => {
    const out = join(folder, name);
    const made = await tfm("compile", example, "-o", out, "-t", "tfjs", ...more);
    expect(made, made.err).toMatchObject({ status: 0, err: "" });
    return out;
  };

  test.each(TFJS_BACKENDS)(
    "%s: a prompt and steps, and nothing is left",
    async (backend) => {
      const [loops, step] = [await open(`loops-${backend}`), await open(`step-${backend}`, "--size", "seq=1")];
      const tf = await tensorflow();
      await use(backend);
      if (backend === "webgpu") await multiply("without-reductions");
      const stepping = await load(tf, folderSource(step), { backends: [backend] });
      const wanted = await rowsOf(
        stepping,
        TEXT.map((t) => [t]),
      );
      stepping.dispose();
      const before = tf.memory().numTensors;
      const model = await load(tf, folderSource(loops), { backends: [backend] });
      expect(model.asynchronous).toBe(true);
      // The weights are on the host until something reads them, and so is what is computed of little: all of it on the device.
      for (const cut of [[6], [4, 1, 1], [2, 3, 1]]) {
        let from = 0;
        const parts = cut.map((n) => TEXT.slice(from, (from += n)));
        expect(farthest(await rowsOf(model, parts), wanted)).toBeLessThan(1e-5);
      }
      const held = tf.memory().numTensors;
      for (let i = 0; i < (backend === "webgpu" ? 10 : 100); i++)
        await model.run({ input_ids: { dims: [2, 3], data: TEXT } });
      expect(tf.memory().numTensors).toBe(held);
      model.dispose();
      expect(tf.memory().numTensors).toBe(before);
    },
    120_000,
  );

  test("a decoder takes its steps", async () => {
    const loops = await open("decoder");
    const tf = await tensorflow();
    const model = await load(tf, folderSource(loops), { backends: ["cpu"] });
    const all = await rowsOf(model, [TEXT]);
    model.dispose();
    const decoder = await tfjsDecoder(tf, folderSource(loops), { backends: ["cpu"] });
    await decoder.step([TEXT.slice(0, 4)]);
    for (const at of [4, 5]) {
      const [scores] = await decoder.step([[TEXT[at]!]]);
      expect(farthest(scores!, all.slice(32 * at, 32 * (at + 1)))).toBeLessThan(1e-5);
    }
    await decoder.close();
  });

  test("what cannot wait, and what has nothing to go through, says so", async () => {
    const out = await open("no-wait", "--no-cache");
    const tf = await tensorflow();
    const model = await load(tf, folderSource(out), { backends: ["cpu"] });
    const ids = model.fed("input_ids", { dims: [1, 2], data: [1, 2] });
    expect(() => model.execute({ input_ids: ids }, ["logits"])).toThrow(/has loops.*use executeAsync/);
    expect(() => trainable(model, "logits")).toThrow(/no gradients of loops.*--size/);
    ids.dispose();
    const before = tf.memory().numTensors;
    await expect(model.run({ input_ids: { dims: [1, 0], data: [] } })).rejects.toThrow(/input_ids has no places/);
    expect(tf.memory().numTensors).toBe(before);
    model.dispose();
  });

  test("the command runs it", async () => {
    const out = await open("run");
    const ran = await tfm("run", out, "--input", `input_ids=[[${TEXT.join()}]]`);
    expect(ran, ran.err).toMatchObject({ status: 0 });
    expect(ran.out).toContain("float32[1, 6, 32]");
  });

  test("it is proved from its file", async () => {
    const made = await tfm("equiv", example, "--with", "compiled", "-t", "tfjs");
    expect(made, made.err).toMatchObject({ status: 0 });
    expect(made.out).toMatch(/^equal, proved/m);
  }, 120_000);

  test("more places than are written out", async () => {
    const out = await open("long", "--size", "seq=2000", "--no-cache");
    const { node } = (JSON.parse(readFileSync(join(out, "model.json"), "utf8")) as ModelJson).modelTopology;
    expect(node.filter((n) => n.op === "StatelessWhile").length).toBe(2);
  });
});

/** The scores of parts of a text, each after those before it. */
async function rowsOf(model: TfjsModel, parts: readonly (readonly number[])[]): Promise<number[]> {
  const rows: number[] = [];
  let kept = {};
  for (const part of parts) {
    const made = await model.run({ input_ids: { dims: [1, part.length], data: part }, ...kept });
    rows.push(...Array.from(made.get("logits")!.data));
    kept = Object.fromEntries(model.signature.states.map((s) => [s.past, made.get(s.present)!]));
  }
  return rows;
}

function farthest(found: ArrayLike<number>, wanted: ArrayLike<number>): number {
  expect(found.length).toBe(wanted.length);
  return Math.max(...Array.from(wanted, (w, i) => Math.abs(w - found[i]!)));
}
