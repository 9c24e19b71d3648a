/**
 * Every example that generates, in the forms of cache in which the past lies in buffers: the command's own check runs two steps, with
 * places in the buffers that do not count, and compares them with what the program means.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkAll } from "../../src/compile.ts";
import { CHECKPOINTS } from "../support/checkpoint-cases.ts";
import { tfm } from "../support/cli.ts";
import { request } from "../support/programs.ts";

const EXAMPLES = new URL("../../examples/", import.meta.url).pathname;

let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), "tfm-forms-"))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const models = readdirSync(EXAMPLES)
  .filter((f) => f.endsWith(".tfm"))
  .flatMap((file) => {
    const text = readFileSync(join(EXAMPLES, file), "utf8");
    if (!/\bgrows\b/.test(text)) return [];
    const all = checkAll(request(text)).value ?? [];
    return all.filter((m) => m.graph.grows !== undefined).map((m) => ({ file, model: m.model }));
  });

/** Models that keep something else than keys and values of attention, or read them elsewhere too. */
const NOT_SHARED = ["differential-attention.tfm", "latent-attention.tfm"];

interface Made {
  readonly checked?: string;
  readonly diagnostics?: readonly { readonly code: string }[];
}

async function compiled(source: string, ...options: readonly string[]): Promise<Made> {
  const { out } = await tfm("compile", source, "-o", join(folder, "out"), "--json", ...options);
  return JSON.parse(out) as Made;
}

const RUN = /^re-read; run for 2 steps in ONNX Runtime: within [0-9]e-(0[5-9]|[5-9]|1[0-9]) /;

test("there are examples that generate", () => expect(models.length).toBeGreaterThanOrEqual(20));

describe.each(models)("$file: $model", ({ file, model }) => {
  test("rows", async () => {
    expect((await compiled(join(EXAMPLES, file), "-m", model, "--cache", "rows")).checked).toMatch(RUN);
  });

  test("shared", async () => {
    const { checked, diagnostics = [] } = await compiled(join(EXAMPLES, file), "-m", model, "--cache", "shared");
    if (NOT_SHARED.includes(file)) expect(diagnostics.map((d) => d.code)).toEqual(["cli/cache-form"]);
    else expect(checked).toMatch(RUN);
  });
});

test.each([
  ["llama3", "-t", "onnx-17"],
  ["t5", "-t", "onnx-17"],
  ["gpt2", "-t", "onnx-23"],
  ["llama3", "--provider", "webgpu"],
  ["llama3", "--logits", "last"],
])("%s in rows, %s %s", async (name, ...options) => {
  expect((await compiled(join(CHECKPOINTS, name), "--cache", "rows", ...options)).checked).toMatch(RUN);
});

test("a shared buffer takes an operator of ONNX Runtime's own, and goes with the target that has them", async () => {
  const said = await tfm(
    "compile",
    join(CHECKPOINTS, "llama3"),
    "-o",
    join(folder, "x"),
    "-t",
    "onnx-17",
    "--cache",
    "shared",
  );
  expect(said.status).toBe(2);
  expect(said.err).toContain("--cache shared goes with -t onnx");
});
