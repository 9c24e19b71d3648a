/** A recurrence in TensorFlow.js: its places one after the other where they are counted, else an error that says what to do. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openArtifact } from "../../src/host/run.ts";
import { load } from "../../src/backends/tfjs/runtime/load.ts";
import { tfm } from "../support/cli.ts";
import { folderSource } from "../support/tfjs-folder.ts";
import { tensorflow } from "../support/tfjs.ts";

const folder = mkdtempSync(join(tmpdir(), "tfm-scan-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const example = new URL("../../examples/linear-recurrence.tfm", import.meta.url).pathname;

const TEXT = [3, 1, 4, 1, 5, 9];

test("a recurrence, step by step and as a whole, on cpu and wasm as in ONNX Runtime", async () => {
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
  for (const backend of ["cpu", "wasm"]) {
    const model = await load(tf, folderSource(whole), { backends: [backend] });
    const found = (await model.run({ input_ids: { dims: [1, TEXT.length], data: TEXT } })).get("logits")!;
    model.dispose();
    expect(farthest(found.data, wanted)).toBeLessThan(1e-5);

    const stepping = await load(tf, folderSource(step), { backends: [backend] });
    const rows: number[] = [];
    let kept = {};
    for (const token of TEXT) {
      const made = await stepping.run({ input_ids: { dims: [1, 1], data: [token] }, ...kept }, [
        "logits",
        ...stepping.signature.states.map((s) => s.present),
      ]);
      rows.push(...Array.from(made.get("logits")!.data));
      kept = Object.fromEntries(stepping.signature.states.map((s) => [s.past, made.get(s.present)!]));
    }
    stepping.dispose();
    expect(farthest(rows, wanted)).toBeLessThan(1e-5);
  }
});

test("of a length that is not known", async () => {
  const made = await tfm("compile", example, "-o", join(folder, "open"), "-t", "tfjs");
  expect(made).toMatchObject({ status: 1 });
  expect(made.err).toContain("error[model/loop]");
  expect(made.err).toContain("--size seq=1");
  const long = await tfm(
    "compile",
    example,
    "-o",
    join(folder, "long"),
    "-t",
    "tfjs",
    "--size",
    "seq=2000",
    "--no-cache",
  );
  expect(long).toMatchObject({ status: 1 });
  expect(long.err).toContain("2000 places are more than 1024");
});

function farthest(found: ArrayLike<number>, wanted: ArrayLike<number>): number {
  expect(found.length).toBe(wanted.length);
  return Math.max(...Array.from(wanted, (w, i) => Math.abs(w - found[i]!)));
}
