/** `tfm compile` and `tfm run`: what is written, how it is checked, what is refused. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { STAGES } from "../../src/cli/program.ts";
import { selfCheck, type Boundary, type Run } from "../../src/cli/self-check.ts";
import { parameterReader } from "../../src/cli/parameters.ts";
import { openModel } from "../../src/cli/runtime.ts";
import { weightsOf } from "../../src/cli/weights.ts";
import { tfm } from "../support/cli.ts";
import { elaborateText } from "../support/programs.ts";
import { readStored } from "../support/stored.ts";

const CHECKPOINT = new URL("../checkpoints/llama3", import.meta.url).pathname;
const STACK = ["-e", "decoder x2 < gqa(2), rmsnorm, swiglu >", "-s", "hidden=16", "-s", "heads=4"];

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tfm-compile-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => join(folder, name);

describe("compile", () => {
  test("a checkpoint: the weights are links to it, the rest lies beside, and it was run", async () => {
    const said = await tfm("compile", CHECKPOINT, "-o", at("linked"));
    expect(said, said.err).toMatchObject({ status: 0, err: "" });
    expect(said.out).toContain("hard link");
    expect(said.out).toMatch(/run for 2 steps in ONNX Runtime: within \de-\d/);
    expect(said.out).toContain("past_key_values.{0..1}.key");
    expect(statSync(at("linked/model.safetensors")).ino).toBe(statSync(join(CHECKPOINT, "model.safetensors")).ino);
    expect(readdirSync(at("linked")).sort()).toEqual([
      "config.json",
      "generation_config.json",
      "model.onnx",
      "model.safetensors",
      "tfm.json",
      "tokenizer.json",
      "tokenizer_config.json",
    ]);
    const record = JSON.parse(readFileSync(at("linked/tfm.json"), "utf8")) as {
      inputs: { name: string; default?: unknown; below?: number }[];
      states: unknown[];
      settings: object;
    };
    expect(record.inputs).toMatchObject([
      { name: "input_ids", below: 96 },
      { name: "attention_mask", default: "ones" },
      { name: "position_ids", default: "positions" },
    ]);
    expect(record.states).toHaveLength(4);
    expect(record.settings).toMatchObject({ hidden: "48", kv_heads: "2" });
  });

  test("--copy links nothing", async () => {
    expect(await tfm("compile", CHECKPOINT, "-o", at("copied"), "--copy")).toMatchObject({ status: 0, err: "" });
    expect(statSync(at("copied/model.safetensors")).nlink).toBe(1);
  });

  test("drawn weights: the same for a seed, others for another", async () => {
    for (const [name, seed] of [
      ["a", "1"],
      ["b", "1"],
      ["c", "2"],
    ])
      expect((await tfm("compile", ...STACK, "--seed", seed!, "-o", at(name!))).status).toBe(0);
    const data = (name: string): Buffer => readFileSync(at(`${name}/model.onnx_data`));
    expect(data("a").equals(data("b"))).toBe(true);
    expect(data("a").equals(data("c"))).toBe(false);
  });

  test("--json says the same as data", async () => {
    const said = await tfm("compile", ...STACK, "-o", at("json"), "--json");
    const data = JSON.parse(said.out) as object;
    expect(data).toMatchObject({
      ok: true,
      diagnostics: [],
      target: "onnx",
      folder: at("json"),
      inputs: [{ name: "x", dtype: "float32" }],
    });
  });

  test.each(STAGES)("--emit %s", async (stage) => {
    const program = at("stages.tfm");
    writeFileSync(
      program,
      "model m(hidden = 16, heads = 4) {\n  input x: float[batch, seq, hidden]\n  output y = x -> decoder x2 < mha, rmsnorm, mlp(gelu) >\n}\n",
    );
    const said = await tfm("compile", program, "--emit", stage, ...(stage === "tfjs" ? ["-t", stage] : []));
    expect(said, said.err).toMatchObject({ status: 0, err: "" });
    expect(said.out.length).toBeGreaterThan(100);
  });

  test("without -o it is a usage error", async () => {
    expect(await tfm("compile", CHECKPOINT)).toMatchObject({
      status: 2,
      out: "",
      err: expect.stringContaining("-o FOLDER") as unknown,
    });
  });

  test.each([
    ["artifact/checkpoint-folder", () => [CHECKPOINT, "-o", CHECKPOINT]],
    ["map/missing", () => [...STACK, "-w", CHECKPOINT, "-o", at("no")]],
    [
      "setting/inexact",
      () => ["-e", "decoder < gqa(3), rmsnorm, swiglu >", "-s", "hidden=16", "-s", "heads=4", "-o", at("no")],
    ],
  ])("%s: nothing is written", async (code, argv) => {
    const said = await tfm("compile", ...argv());
    expect(said).toMatchObject({ status: 1, out: "" });
    expect(said.err).toContain(`error[${code}]`);
    expect(existsSync(at("no"))).toBe(false);
  });
});

describe("the self-check", () => {
  const config = JSON.parse(readFileSync(join(CHECKPOINT, "config.json"), "utf8")) as never;
  async function check(wrap: (run: Run) => Run) {
    const { value: model } = elaborateText(undefined, { config: { name: "config.json", value: config } });
    const { value: weights } = weightsOf(model!, CHECKPOINT, 0);
    await tfm("compile", CHECKPOINT, "-o", at("checked"));
    const session = await openModel(at("checked/model.onnx"));
    try {
      return await selfCheck(model!, {}, parameterReader(model!.graph, weights!), () => wrap(session.run));
    } finally {
      await session.close();
      weights!.checkpoint?.close();
    }
  }
  /** The runtime's outputs, one of them changed in one place. */
  const changed =
    (name: string, change: (x: number, i: number) => number): ((run: Run) => Run) =>
    (run) =>
    async (inputs) => {
      const found = new Map(await run(inputs));
      const { dtype, dims, data } = found.get(name)!;
      return found.set(name, { dtype, dims, data: Float64Array.from(data, change) } satisfies Boundary);
    };

  test("a sound model agrees", async () => {
    expect(await check((run) => run)).toMatchObject({ kind: "agrees", steps: 2 });
  });

  test.each([
    ["a score", changed("logits", (x, i) => (i === 100 ? x + 0.1 : x))],
    ["a NaN", changed("logits", (x, i) => (i === 100 ? Number.NaN : x))],
    ["a kept key", changed("present.1.key", (x, i) => (i === 0 ? x + 0.1 : x))],
    [
      "another shape",
      (run: Run): Run =>
        async (inputs) =>
          new Map(
            [...(await run(inputs))].map(([n, v]) => [n, n === "logits" ? { ...v, dims: [...v.dims].reverse() } : v]),
          ),
    ],
  ])("%s is found", async (_, wrap) => {
    expect(await check(wrap)).toMatchObject({ kind: "differs", diagnostic: { code: "cli/self-check" } });
  });

  test("what the program itself makes infinite, or no number, is not held against the file", async () => {
    const program = join(folder, "infinite.tfm");
    const text = (last: string): string => `model m(hidden = 4) {
  input x: float[batch, seq, hidden]
  output nothing = 0 / sum(where(x > 1e30, x, 0), over = hidden)
  output most = max(where(x > 1e30, x, -inf), over = seq)
  output y = ${last}
}`;
    writeFileSync(program, text("x -> linear(3)"));
    const made = await tfm("compile", program, "-o", at("infinite"));
    expect(made, made.err).toMatchObject({ status: 0 });
    expect(made.out).toMatch(/within \d/);
  });

  test("a mask that is not heeded is found", async () => {
    const blind =
      (run: Run): Run =>
      (inputs) =>
        run(
          new Map(
            [...inputs].map(([n, v]) => [
              n,
              n === "attention_mask" ? { ...v, data: new Float64Array(v.data.length).fill(1) } : v,
            ]),
          ),
        );
    expect(await check(blind)).toMatchObject({ kind: "differs" });
  });
});

describe("run", () => {
  beforeAll(async () => {
    await tfm("compile", CHECKPOINT, "-o", at("ready"));
  });
  const reference = `@${join(CHECKPOINT, "reference.safetensors")}`;

  test("what the reference implementation computed, written to a file", async () => {
    const said = await tfm(
      "run",
      at("ready"),
      "--input",
      `input_ids=${reference}:single.input.input_ids`,
      "-o",
      at("outputs.safetensors"),
    );
    expect(said.status, said.err).toBe(0);
    expect(said.out).toContain("logits  float32[1, 7, 96]");
    const found = readStored(at("outputs.safetensors")).get("logits")!;
    const wanted = readStored(join(CHECKPOINT, "reference.safetensors")).get("single.output.logits")!;
    expect(found.shape).toEqual(wanted.shape);
    expect(Math.max(...found.data.map((x, i) => Math.abs(x - wanted.data[i]!)))).toBeLessThan(1e-4);
  });

  test("a second step goes on from the first", async () => {
    const step = at("step.safetensors");
    await tfm("run", at("ready"), "--input", "input_ids=[[5, 6, 7]]", "-o", step);
    const past = [0, 1].flatMap((i) =>
      ["key", "value"].flatMap((kind) => ["--input", `past_key_values.${i}.${kind}=@${step}:present.${i}.${kind}`]),
    );
    const two = JSON.parse((await tfm("run", at("ready"), "--input", "input_ids=[[8]]", ...past, "--json")).out) as {
      outputs: Record<string, { values: number[] }>;
    };
    const whole = JSON.parse(
      (await tfm("run", at("ready"), "--input", "input_ids=[[5, 6, 7, 8]]", "-o", at("whole.safetensors"), "--json"))
        .out,
    ) as { ok: boolean };
    expect(whole.ok).toBe(true);
    const last = readStored(at("whole.safetensors")).get("logits")!.data.slice(-96);
    two.outputs["logits"]!.values.forEach((x, i) => expect(x).toBeCloseTo(last[i]!, 3));
  });

  test.each([
    ["cli/no-artifact", () => [CHECKPOINT]],
    ["cli/missing-input", () => [at("ready")]],
    ["cli/input-form", () => [at("ready"), "--input", "[[1]]"]],
    ["cli/unknown-input", () => [at("ready"), "--input", "input_id=[[1]]"]],
    ["cli/input-value", () => [at("ready"), "--input", "input_ids=[[1], [2, 3]]"]],
    ["cli/input-value", () => [at("ready"), "--input", "input_ids=[[96]]"]],
  ])("%s", async (code, argv) => {
    const said = await tfm("run", ...argv());
    expect(said).toMatchObject({ status: 1, out: "" });
    expect(said.err).toContain(`error[${code}]`);
  });

  test("words of the tokenizer, where there is one", async () => {
    await tfm("compile", new URL("../checkpoints/kjv-bert", import.meta.url).pathname, "-o", at("words"));
    const said = await tfm(
      "run",
      at("words"),
      "--input",
      "input_ids=[[70,133,254,88,4,9,94,89,316,142,88,68,250,72,68,4,11]]",
    );
    expect(said.out).toContain('"and it came to pass , that he went up to the house of the lord ."');
  });
});
