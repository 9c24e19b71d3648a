/** Places that a model counts itself and looks up in a table: beyond its end there is an error before anything is run. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test, vi } from "vitest";
import { load } from "../../src/backends/tfjs/runtime/load.ts";
import { openDecoder } from "../../src/host/decoder.ts";
import { lengthBounds } from "../../src/ir/tables.ts";
import { elaborateText } from "../support/programs.ts";
import { tfm } from "../support/cli.ts";
import { folderSource } from "../support/tfjs-folder.ts";
import { tensorflow } from "../support/tfjs.ts";

const folder = mkdtempSync(join(tmpdir(), "tfm-limits-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const text = (index: string, rows = 6): string => `
model m(vocab = 11, hidden = 8, heads = 2) grows seq {
  input tokens as "input_ids": int[batch, seq]
  param table: [rows = ${rows}, hidden] = normal(1)
  output logits = (tokens -> embed(vocab)) + table[rows = ${index}] -> decoder x1 < mha, layernorm, mlp(relu, 16) > -> head: linear(vocab)
}`;

describe("what is looked up", () => {
  const boundsOf = (program: string): readonly string[] => {
    const { value, diagnostics } = elaborateText(program);
    expect(diagnostics.map((d) => d.message)).toEqual([]);
    return lengthBounds(value!.graph).map(({ size, most }) => `${size.toString()} <= ${most}`);
  };
  test("a place, one further on, the least of two tables, none", () => {
    expect(boundsOf(text("position(seq)"))).toEqual(["seq <= 6"]);
    expect(boundsOf(text("position(seq) + 2"))).toEqual(["seq <= 4"]);
    expect(boundsOf(text("max(position(seq) - 3, 0)"))).toEqual([]);
    expect(boundsOf(text("tokens"))).toEqual([]);
  });
});

describe.each(["onnx", "tfjs"] as const)("a run in %s", (target) => {
  test("as long as the table, and longer", async () => {
    const program = join(folder, "m.tfm");
    writeFileSync(program, text("position(seq)"));
    const out = join(folder, target);
    const made = await tfm("compile", program, "-o", out, "-t", target);
    expect(made, made.err).toMatchObject({ status: 0, err: "" });
    const { limits } = JSON.parse(readFileSync(join(out, "tfm.json"), "utf8")) as { limits: unknown };
    expect(limits).toEqual([{ size: "past_seq + seq", most: 6 }]);
    expect(await tfm("run", out, "-i", "input_ids=[[1,2,3,4,5,6]]")).toMatchObject({ status: 0 });
    const long = await tfm("run", out, "-i", "input_ids=[[1,2,3,4,5,6,7]]");
    expect(long).toMatchObject({ status: 1 });
    expect(long.err).toContain("error[cli/input-value]");
    expect(long.err).toContain("past_seq + seq is 7, and the model has a table of 6 places");

    const { value: decoder } = await openDecoder(out, target === "tfjs" ? { backend: "cpu" } : {});
    expect(decoder!.limit).toBe(6);
    await decoder!.close();
  });
});

test("the runtime for TensorFlow.js, with a past too", async () => {
  // The packages that `tfm run` opened are another copy.
  const quiet = vi.spyOn(console, "warn").mockImplementation(() => undefined);
  const tf = await tensorflow();
  quiet.mockRestore();
  const model = await load(tf, folderSource(join(folder, "tfjs")), { backends: ["cpu"] });
  const ids = (count: number) => ({ dims: [1, count], data: Array.from({ length: count }, () => 1) });
  const made = await model.run({ input_ids: ids(5) });
  const pasts = (): Record<string, { dims: readonly number[]; data: ArrayLike<number> }> =>
    Object.fromEntries(model.signature.states.map((s) => [s.past, made.get(s.present)!]));
  await model.run({ input_ids: ids(6) });
  await expect(model.run({ input_ids: ids(7) })).rejects.toMatchObject({ code: "too-long" });
  await expect(model.run({ input_ids: ids(7) })).rejects.toThrow(/past_seq \+ seq is 7.*table of 6 places.*shorter/);
  expect(model.signature.states.length).toBeGreaterThan(0);
  await model.run({ input_ids: ids(1), ...pasts() });
  await expect(model.run({ input_ids: ids(2), ...pasts() })).rejects.toMatchObject({ code: "too-long" });
  model.dispose();
});
