/** `tfm generate` and `tfm run --text`: a trained model goes on from text; rows alike alone and together; every broken folder is said. */
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { generate } from "../../src/generate/generate.ts";
import { openDecoder } from "../../src/host/decoder.ts";
import { tfm, type Said } from "../support/cli.ts";
import { readStored } from "../support/stored.ts";

const CHECKPOINTS = new URL("../checkpoints", import.meta.url).pathname;
let root = "";
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "tfm-text-"));
  for (const [name, ...options] of [["kjv"], ["kjv", "--cache", "rows"], ["kjv-bert"], ["t5"], ["seq2seq"]] as const) {
    const said = await tfm("compile", join(CHECKPOINTS, name), "-o", at([name, ...options].join("")), ...options);
    expect(said, said.err).toMatchObject({ status: 0 });
  }
}, 60_000);
afterAll(() => rmSync(root, { recursive: true, force: true }));
const at = (name: string): string => join(root, name);

interface Answer {
  readonly rows: readonly { prompt: string; text: string; tokens: number; ended: string }[];
  readonly tokensPerSecond: number;
  readonly firstTokenMilliseconds: number;
}

async function said(...argv: readonly string[]): Promise<Answer> {
  const { status, out, err } = await tfm("generate", ...argv, "--json");
  expect(status, err + out).toBe(0);
  return JSON.parse(out) as Answer;
}

const SAID = " unto him, Thou art my God, and I have done this thing.\n";

describe.each(["kjv", "kjv--cacherows"])("%s", (folder) => {
  test("goes on from a text, and says how quickly", async () => {
    const { status, out, err } = await tfm("generate", at(folder), "--prompt", "And God said", "--max-tokens", "20");
    expect(status).toBe(0);
    expect(out.startsWith(SAID), out).toBe(true);
    expect(err).toMatch(/^20 tokens, [\d.]+ tokens\/s; first token after .+ from the start\n$/);
  });

  test("rows together say what each says alone", async () => {
    const prompts = ["And God said", "Thou shalt not", "Blessed"];
    const together = await said(at(folder), ...prompts.flatMap((p) => ["-p", p]), "--max-tokens", "16");
    for (const [i, prompt] of prompts.entries()) {
      const alone = await said(at(folder), "-p", prompt, "--max-tokens", "16");
      expect(together.rows[i]).toEqual(alone.rows[0]);
    }
    writeFileSync(at("prompts.txt"), `${prompts.join("\n")}\n\n`);
    const fromFile = await said(at(folder), "--prompt-file", at("prompts.txt"), "--max-tokens", "16");
    expect(fromFile.rows).toEqual(together.rows);
  });

  test("the tokens are the reference's", async () => {
    const reference = readStored(join(CHECKPOINTS, "kjv", "reference.safetensors"));
    const prompt = [...reference.get("generate.input.input_ids")!.data];
    const wanted = [...reference.get("generate.output.sequences")!.data].slice(prompt.length);
    const { value: decoder } = await openDecoder(at(folder));
    const found: number[] = [];
    for await (const event of generate(decoder!, [prompt], { maxTokens: wanted.length }))
      if (event.kind === "token") found.push(event.token);
    await decoder!.close();
    expect(found).toEqual(wanted);
  });
});

describe("a long prompt", () => {
  const TOKENS = Array.from({ length: 600 }, (_, i) => 5 + ((i * 37) % 80));
  const scores = async (folder: string, rows: number, each: number): Promise<readonly Float32Array[]> => {
    const { value: decoder } = await openDecoder(at(folder));
    let found: readonly Float32Array[] = [];
    // The second row is shorter: padding stands before it.
    for (let i = 0; i < TOKENS.length; i += each)
      found = await decoder!.step(
        Array.from({ length: rows }, (_, row) => TOKENS.slice(i, i + each).slice(row > 0 && i === 0 ? 7 : 0)),
      );
    await decoder!.close();
    return found;
  };
  const near = (a: readonly Float32Array[], b: readonly Float32Array[]): void =>
    a.forEach((row, i) => row.forEach((x, j) => expect(Math.abs(x - b[i]![j]!)).toBeLessThan(1e-4)));

  test.each(["whole", "rows", "shared"])("is read in parts: --cache %s", async (form) => {
    const folder = `long-${form}`;
    const compiled = await tfm("compile", join(CHECKPOINTS, "llama3"), "-o", at(folder), "--cache", form);
    expect(compiled, compiled.err).toMatchObject({ status: 0 });
    for (const rows of form === "shared" ? [1] : [1, 2])
      near(await scores(folder, rows, 600), await scores(folder, rows, 120));
  });

  test("is read place by place where a step has one", async () => {
    const sizes = ["--size", "batch_size=1", "--size", "sequence_length=1"];
    const compiled = await tfm("compile", join(CHECKPOINTS, "llama3"), "-o", at("steps"), ...sizes);
    expect(compiled, compiled.err).toMatchObject({ status: 0 });
    near(await scores("steps", 1, 600), await scores("long-whole", 1, 600));
    const { value: decoder } = await openDecoder(at("steps"));
    await expect(decoder!.step([[5], [6]])).rejects.toThrow("compiled for 1 rows");
    await decoder!.close();
  });
});

test("a seed repeats what is drawn; temperature, top-k and top-p change it", async () => {
  const drawn = async (...options: string[]): Promise<string> =>
    (await said(at("kjv"), "-p", "And God said", "--max-tokens", "24", ...options)).rows[0]!.text;
  const one = await drawn("--temperature", "1", "--seed", "3");
  expect(await drawn("--temperature", "1", "--seed", "3")).toBe(one);
  expect(await drawn("--temperature", "1", "--seed", "4")).not.toBe(one);
  const best = await drawn();
  expect(await drawn("--temperature", "1", "--top-k", "1")).toBe(best);
  expect(await drawn("--temperature", "1", "--top-p", "0.000001")).toBe(best);
  expect(await drawn("--repetition-penalty", "3")).not.toBe(best);
});

test("a stop text ends a row, and is not shown", async () => {
  const { rows } = await said(at("kjv"), "-p", "And God said", "--max-tokens", "40", "--stop", "my God");
  expect(rows[0]).toMatchObject({ text: " unto him, Thou art ", ended: "stopped" });
});

test("the model's places end a row", async () => {
  const { rows } = await said(at("kjv"), "-p", "And God said", "--ignore-end", "--max-tokens", "300");
  expect(rows[0]!.tokens).toBeLessThanOrEqual(300);
  expect(rows[0]!.ended).toBe("length");
});

test.each(["t5", "seq2seq"])("%s reads a source and answers", async (name) => {
  const { rows } = await said(at(name), "-p", "the long water", "-p", "they", "--max-tokens", "8", "--ignore-end");
  expect(rows.map((r) => r.tokens)).toEqual([8, 8]);
  const alone = await said(at(name), "-p", "they", "--max-tokens", "8", "--ignore-end");
  expect(alone.rows[0]).toEqual(rows[1]);
});

test("a task puts the text into the family's form", async () => {
  const form = "translate English to German: they";
  const asked = await said(at("t5"), "-p", "they", "--task", "english to german", "--max-tokens", "6", "--ignore-end");
  const written = await said(at("t5"), "-p", form, "--max-tokens", "6", "--ignore-end");
  expect(asked.rows[0]!.text).toBe(written.rows[0]!.text);
  const wrong = await tfm("generate", at("t5"), "-p", "they", "--task", "english to germann");
  expect(wrong.status).toBe(1);
  expect(wrong.err).toContain("did you mean english to german?");
});

describe("tfm run", () => {
  test("takes a text and a pair, and fills the gaps", async () => {
    const text = "And it came to [MASK], that he went up to the house of the [MASK].";
    const one = await tfm("run", at("kjv-bert"), "--text", text);
    expect(one, one.err).toMatchObject({ status: 0 });
    expect(one.out).toContain("and it came to pass , that he went up to the house of the lord .");
    const pair = await tfm("run", at("kjv-bert"), "--text", "he went up", "--pair", "to the [MASK]", "--task", "pair");
    expect(pair, pair.err).toMatchObject({ status: 0 });
    const two = await tfm("run", at("kjv-bert"), "--text", "he went up to the house", "--text", "and", "--json");
    const { outputs } = JSON.parse(two.out) as { outputs: Record<string, { shape: number[] }> };
    expect(outputs["logits"]!.shape[0]).toBe(2);
  });

  test("says where texts do not fit", async () => {
    expect(await tfm("run", at("kjv-bert"), "--pair", "b")).toMatchObject({ status: 2 });
    const task = await tfm("run", at("kjv-bert"), "--text", "a", "--task", "pair");
    expect(task.err).toContain("--pair gives");
  });
});

describe("broken folders", () => {
  async function broken(change: (folder: string) => void, ...more: string[]): Promise<Said> {
    rmSync(at("broken"), { recursive: true, force: true });
    cpSync(at("kjv"), at("broken"), { recursive: true });
    change(at("broken"));
    return tfm("generate", at("broken"), "--prompt", "And", "--max-tokens", "2", ...more);
  }
  test.each([
    ["a tokenizer lost", "artifact/missing-file", (f: string) => rmSync(join(f, "tokenizer.json"))],
    [
      "a tokenizer of another kind",
      "generate/tokenizer",
      (f: string) => writeFileSync(join(f, "tokenizer.json"), '{"model":{"type":"Odd"}}'),
    ],
    ["a tokenizer cut off", "cli/bad-config", (f: string) => truncateSync(join(f, "tokenizer.json"), 500)],
    ["data cut off", "artifact/file-size", (f: string) => truncateSync(join(f, "model.safetensors"), 4000)],
    ["no model", "artifact/missing-file", (f: string) => rmSync(join(f, "model.onnx"))],
    [
      "an older version",
      "artifact/version",
      (f: string) => {
        const record = JSON.parse(readFileSync(join(f, "tfm.json"), "utf8")) as object;
        writeFileSync(join(f, "tfm.json"), JSON.stringify({ ...record, version: 0 }));
      },
    ],
    ["no record", "cli/no-artifact", (f: string) => rmSync(join(f, "tfm.json"))],
  ])("%s: %s", async (_, code, change) => {
    const { status, err } = await broken(change);
    expect(err).toContain(code);
    expect(status).toBe(1);
  });

  test("a checkpoint that had no tokenizer: numbers of tokens only", async () => {
    const { status, err } = await broken((f) => {
      rmSync(join(f, "tokenizer.json"));
      const record = JSON.parse(readFileSync(join(f, "tfm.json"), "utf8")) as { files: { name: string }[] };
      record.files = record.files.filter((x) => x.name !== "tokenizer.json");
      writeFileSync(join(f, "tfm.json"), JSON.stringify(record));
    });
    expect(err).toContain("generate/tokenizer");
    expect(status).toBe(1);
  });

  test("another model's tokenizer: a warning, and an error where a token is none of the model's", async () => {
    const other = (name: string) => (f: string) =>
      cpSync(join(CHECKPOINTS, name, "tokenizer.json"), join(f, "tokenizer.json"));
    const small = await broken(other("llama3"));
    expect(small).toMatchObject({ status: 0, err: expect.stringContaining("client/vocabulary") as string });
    const large = await broken(other("kjv-bert"), "--prompt", "righteousness wickedness abominations Jerusalem");
    expect(large.status).toBe(1);
    expect(large.err).toContain("it has tokens up to 1535, and the model those up to 1023");
    expect(large.err).toMatch(/has the token \d+, and there are 0 to 1023/);
  });

  test("a file that was renamed is found", async () => {
    const { status, err } = await broken((f) => renameSync(join(f, "model.safetensors"), join(f, "weights.bin")));
    expect(status).toBe(1);
    expect(err).toContain("weights.bin is as long: call it model.safetensors again if it was renamed");
  });

  test("options and models that do not fit", async () => {
    expect((await tfm("generate", at("kjv"), "-p", "a", "--top-p", "2")).err).toContain("--top-p cannot be used");
    expect(await tfm("generate", at("kjv"))).toMatchObject({ status: 2 });
    expect((await tfm("generate", at("kjv-bert"), "-p", "a")).err).toContain("generate/cannot");
    expect((await tfm("generate", at("kjv"), "-p", "a", "--chat")).err).toContain("no chat template");
    expect(existsSync(at("none"))).toBe(false);
    expect((await tfm("generate", at("none"), "-p", "a")).err).toContain("cli/no-artifact");
  });
});
