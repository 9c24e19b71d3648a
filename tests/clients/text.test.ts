/** Text: tokenizers, the families' forms of their tasks, sampling, stop texts, chat templates. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { chatText } from "../../src/generate/chat.ts";
import { formRows } from "../../src/generate/forms.ts";
import { StopWatch } from "../../src/generate/generate.ts";
import { inputsOfRows } from "../../src/generate/rows.ts";
import { Sampler, samplingProblem } from "../../src/generate/sampling.ts";
import type { Port } from "../../src/generate/signature.ts";
import { TextStream } from "../../src/generate/text-stream.ts";
import { tokenizerOf, type Tokenizer } from "../../src/generate/tokenizer.ts";

const json = (path: string): Record<string, any> =>
  JSON.parse(readFileSync(new URL(`../checkpoints/${path}`, import.meta.url), "utf8")) as Record<string, any>;

function tokenizer(name: string, more: Record<string, unknown> = {}, tokens: readonly string[] = []): Tokenizer {
  const file = json(`${name}/tokenizer.json`);
  const size = Object.keys(file["model"]["vocab"] as object).length;
  const added = tokens.map((content, i) => ({
    ...{ id: size + i, content, special: true },
    ...{ single_word: false, lstrip: false, rstrip: false, normalized: false },
  }));
  const made = tokenizerOf(
    { ...file, added_tokens: [...(file["added_tokens"] as object[]), ...added] },
    { ...json(`${name}/tokenizer_config.json`), ...more },
  );
  if ("reason" in made) throw new Error(made.reason);
  return made;
}

describe("tokenizers", () => {
  const stored = (["bert-base-model", "gpt2", "llama3", "t5", "seq2seq"] as const).flatMap((name) =>
    (json(`${name}/reference.json`)["tokenizer"] as { text: string; ids: number[] }[]).map((t) => ({ name, ...t })),
  );
  test.each(stored)("$name has the reference's tokens for $text", ({ name, text, ids }) => {
    const t = tokenizer(name);
    expect(t.encode(text).ids).toEqual(ids);
  });

  test("a pair has two segments", () => {
    const t = tokenizer("bert-base-model");
    const { ids, segments } = t.encode("the", { pair: "of" });
    expect(t.decode(ids, { special: true })).toMatch(/\[CLS\].*\[SEP\].*\[SEP\]/);
    expect(segments).toEqual([0, 0, 0, 1, 1]);
  });

  test("a stream gives the text that all tokens together have, and no half letters", () => {
    const t = tokenizer("gpt2");
    for (const text of ["the water of 90 was long", "they could see"]) {
      const { ids } = t.encode(text);
      const stream = new TextStream(t);
      const pieces = ids.map((id) => stream.push(id));
      expect(pieces.join("") + stream.end()).toBe(t.decode(ids));
      expect(pieces.filter((p) => p !== "").length).toBeGreaterThan(2);
    }
  });

  test("a file that is no tokenizer is refused", () => {
    expect(tokenizerOf({ model: { type: "Unknown" } })).toHaveProperty("reason");
  });
});

describe("forms of tasks", () => {
  const bert = () => tokenizer("bert-base-model");

  test("a form by segments is the tokenizer's own pair", () => {
    const t = bert();
    const rows = formRows(["{[CLS]}{text}{[SEP]}{|}{pair}{[SEP]}"], { text: "the", pairs: ["of", "water"] }, t);
    if ("reason" in rows) throw new Error(rows.reason);
    expect(rows).toHaveLength(2);
    expect(rows[0]).toEqual({ ...t.encode("the", { pair: "of" }), places: {} });
  });

  test("a form of words is one text, with what the tokenizer adds", () => {
    const t = tokenizer("t5");
    const rows = formRows(["the long {text}"], { text: "water", pairs: [] }, t);
    expect(rows).toEqual([{ ...t.encode("the long water"), places: {} }]);
  });

  test("a marked token gives an input its place, in each row", () => {
    const t = tokenizer("gpt2", {}, ["_start_", "_delimiter_", "_classify_"]);
    const form = "{_start_}{text}{_delimiter_}{pair}{_classify_:mc_token_ids}";
    const rows = formRows([form], { text: "the", pairs: ["of", "they could"] }, t);
    if ("reason" in rows) throw new Error(rows.reason);
    const names = ["batch", "choices", "seq"].map((name) => ({ name }));
    const ports: Port[] = [
      { name: "input_ids", dtype: "int64", axes: names, below: 99 },
      { name: "attention_mask", dtype: "int64", axes: names, default: "ones" },
      { name: "mc_token_ids", dtype: "int64", axes: names.slice(0, 2) },
    ];
    const inputs = inputsOfRows(ports, [rows]);
    if ("reason" in inputs) throw new Error(inputs.reason);
    const [first, second] = rows as [(typeof rows)[0], (typeof rows)[0]];
    expect(inputs.get("input_ids")!.dims).toEqual([1, 2, second.ids.length]);
    expect([...(inputs.get("mc_token_ids")!.data as BigInt64Array)].map(Number)).toEqual([
      first.ids.length - 1,
      second.ids.length - 1,
    ]);
    const mask = [...(inputs.get("attention_mask")!.data as BigInt64Array)].map(Number);
    expect(mask.reduce((a, b) => a + b)).toBe(first.ids.length + second.ids.length);
  });

  test("what does not fit is said", () => {
    const t = bert();
    expect(formRows(["{[CLS]}{text}{pair}"], { text: "the", pairs: [] }, t)).toMatchObject({
      reason: expect.stringContaining("--pair") as string,
    });
    expect(formRows(["{text}"], { text: "the", pairs: ["of"] }, t)).toMatchObject({ reason: "it has no second text" });
    expect(formRows(["{_start_}{text}"], { text: "the", pairs: [] }, t)).toEqual({
      reason: "the vocabulary has no token _start_",
    });
    const port: Port = { name: "x", dtype: "int64", axes: [{ name: "b" }, { name: "s" }], below: 9 };
    const rows = [[{ ids: [1], segments: [0], places: {} }], [{ ids: [1, 2], segments: [0, 0], places: {} }]];
    expect(inputsOfRows([port], rows)).toMatchObject({ reason: expect.stringContaining("mask") as string });
    expect(inputsOfRows([], rows)).toMatchObject({ reason: "it has no input of tokens" });
  });
});

describe("sampling", () => {
  const scores = (): Float32Array => Float32Array.from([1, 3, 2, -1]);
  /** How often each token is drawn. */
  const drawn = (options: ConstructorParameters<typeof Sampler>[0], n = 4000): number[] => {
    const sampler = new Sampler(options);
    const counts = [0, 0, 0, 0];
    for (let i = 0; i < n; i++) counts[sampler.choose(scores(), [])]! += 1 / n;
    return counts;
  };

  test("without a temperature the best, of equals the first", () => {
    expect(new Sampler().choose(scores(), [])).toBe(1);
    expect(new Sampler().choose(Float32Array.from([2, 2]), [])).toBe(0);
  });

  test("tokens are drawn as often as the softmax of the scores over the temperature says", () => {
    for (const temperature of [0.5, 1, 2]) {
      const weights = [...scores()].map((s) => Math.exp(s / temperature));
      const total = weights.reduce((a, b) => a + b);
      for (const [i, share] of drawn({ temperature }).entries()) expect(share).toBeCloseTo(weights[i]! / total, 1);
    }
  });

  test("top-k and top-p leave the best ones", () => {
    expect(drawn({ temperature: 1, topK: 1 })).toEqual([0, expect.closeTo(1), 0, 0]);
    const two = drawn({ temperature: 1, topK: 2 });
    expect([two[0], two[3]]).toEqual([0, 0]);
    // Softmax: 0.09, 0.66, 0.24, 0.01.
    const most = drawn({ temperature: 1, topP: 0.8 });
    expect([most[0], most[3]]).toEqual([0, 0]);
    expect(most[1]).toBeCloseTo(0.73, 1);
    expect(drawn({ temperature: 1, topP: 0.6 })[1]).toBeCloseTo(1);
  });

  test("a repetition penalty lowers what was there, whatever its sign", () => {
    const at = Float32Array.from([2, 1.5, -1]);
    expect(new Sampler({ repetitionPenalty: 2 }).choose(at, [0, 2, 0])).toBe(1);
    expect([...at]).toEqual([1, 1.5, -2]);
  });

  test("a seed repeats, another does not", () => {
    const row = (seed: number): number[] => {
      const sampler = new Sampler({ temperature: 1, seed });
      return Array.from({ length: 40 }, () => sampler.choose(scores(), []));
    };
    expect(row(7)).toEqual(row(7));
    expect(row(7)).not.toEqual(row(8));
  });

  test.each([
    ["temperature", { temperature: -1 }],
    ["topK", { topK: 0 }],
    ["topP", { topP: 1.5 }],
    ["repetitionPenalty", { repetitionPenalty: 0 }],
    ["seed", { seed: 0.5 }],
  ])("%s out of its range is said", (option, options) => {
    expect(samplingProblem(options)).toMatchObject({ option });
    expect(samplingProblem({})).toBeUndefined();
  });
});

test("stop texts are found across tokens, and nothing of them is shown", () => {
  const watch = new StopWatch(["END", "\n\n"]);
  expect(watch.push("one E")).toEqual({ text: "one ", stopped: false });
  expect(watch.push("N")).toEqual({ text: "", stopped: false });
  expect(watch.push("X\n")).toEqual({ text: "ENX", stopped: false });
  expect(watch.push("\nmore")).toEqual({ text: "", stopped: true });
  const other = new StopWatch(["END"]);
  other.push("an EN");
  expect(other.end()).toBe("EN");
});

describe("chat templates", () => {
  const template =
    "{{ bos_token }}{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}\n{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}";
  const messages = [
    { role: "system", content: "Be short." },
    { role: "user", content: "Why?" },
  ];

  test("the conversation up to where the answer begins", async () => {
    const t = tokenizer("gpt2", { chat_template: template });
    expect(await chatText(messages, t)).toEqual({ text: "<|endoftext|>[system] Be short.\n[user] Why?\n[assistant]" });
    const named = [
      { name: "tool_use", template: "x" },
      { name: "default", template },
    ];
    expect(await chatText(messages, tokenizer("gpt2", { chat_template: named }))).toHaveProperty("text");
  });

  test("no template, or one that refuses, is said", async () => {
    expect(await chatText(messages, tokenizer("gpt2"))).toMatchObject({ reason: "its tokenizer has no chat template" });
    const refusing = tokenizer("gpt2", { chat_template: "{{ raise_exception('no system messages') }}" });
    expect(await chatText(messages, refusing)).toMatchObject({
      reason: expect.stringContaining("no system messages") as string,
    });
  });
});
