/** A checkpoint's generation_config.json: followed where nothing else is asked for, and named where it cannot be. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { generate, load, type Model } from "../../src/api/node.ts";
import { defaultsIn, withDefaults, type GenerationDefaults } from "../../src/generate/defaults.ts";
import { tfm } from "../support/cli.ts";

function defaults(own: object | undefined, config: object = {}): GenerationDefaults {
  const made = defaultsIn(own as Record<string, unknown> | undefined, config as Record<string, unknown>);
  if ("reason" in made) throw new Error(made.reason);
  return made;
}

describe("what the files say", () => {
  test("a published one that draws: its numbers, all its end tokens, and the usual top-k where it names none", () => {
    const made = defaults({
      bos_token_id: 128000,
      do_sample: true,
      eos_token_id: [128001, 128008, 128009],
      temperature: 0.6,
      top_p: 0.9,
      transformers_version: "4.43.0",
    });
    expect(made).toMatchObject({ temperature: 0.6, topP: 0.9, topK: 50, end: [128001, 128008, 128009], unread: [] });
    expect(defaults({ do_sample: true, top_k: 0 })).toMatchObject({ temperature: 1, topK: undefined });
    expect(defaults({ do_sample: true, top_k: 20, repetition_penalty: 1.05 })).toMatchObject({
      topK: 20,
      repetitionPenalty: 1.05,
    });
  });

  test("without do_sample nothing is drawn, whatever stands beside it", () => {
    const made = defaults({ temperature: 0.6, top_p: 0.9, top_k: 5, repetition_penalty: 1.2 });
    expect(made.temperature).toBeUndefined();
    expect(made.topP).toBeUndefined();
    expect(made.topK).toBeUndefined();
    expect(made.repetitionPenalty).toBe(1.2);
    // Not even what would mean nothing.
    expect(defaults({ do_sample: false, temperature: -1 })).toMatchObject({ unread: [] });
  });

  test("older checkpoints have the keys in config.json; tokens are looked up in either", () => {
    expect(defaults(undefined, { do_sample: true, temperature: 0.5, eos_token_id: 7, max_length: 20 })).toMatchObject({
      temperature: 0.5,
      end: [7],
      maxLength: undefined,
    });
    expect(defaults({ do_sample: null }, { do_sample: true, temperature: 0.5, eos_token_id: 7 })).toMatchObject({
      end: [7],
    });
    expect(defaults({}, { do_sample: true }).temperature).toBeUndefined();
    expect(defaults({ decoder_start_token_id: 3, pad_token_id: 0 }).begin).toEqual([3]);
  });

  test("lengths: of new tokens before those of all", () => {
    expect(defaults({ max_new_tokens: 5, max_length: 9 })).toMatchObject({ maxTokens: 5, maxLength: undefined });
    expect(defaults({ max_length: 9 })).toMatchObject({ maxTokens: undefined, maxLength: 9 });
  });

  test("what is asked for comes first, and an end of one's own", () => {
    const made = defaults({ do_sample: true, temperature: 0.6, top_p: 0.9, max_length: 9, eos_token_id: 1 });
    expect(withDefaults({ temperature: 0, topP: undefined, end: [] }, made)).toEqual({
      temperature: 0,
      topP: 0.9,
      topK: 50,
      end: [],
      begin: [],
      maxLength: 9,
      maxTokens: undefined,
      repetitionPenalty: undefined,
    });
    expect(withDefaults({ maxTokens: 4 }, made)).toMatchObject({ maxTokens: 4 });
    expect(withDefaults({ maxTokens: 4 }, made).maxLength).toBeUndefined();
  });

  test("what is not done is named, where it would change anything", () => {
    expect(
      defaults({ num_beams: 4, bad_words_ids: [[58100]], no_repeat_ngram_size: 0, min_length: 0, length_penalty: 2 })
        .unread,
    ).toEqual(["num_beams = 4", "bad_words_ids = [[58100]]"]);
    expect(defaults({ num_beams: 1, suppress_tokens: [], forced_bos_token_id: null, min_p: 0.1 }).unread).toEqual([]);
    expect(defaults({ do_sample: true, min_p: 0.1 }).unread).toEqual(["min_p = 0.1"]);
  });

  test.each([
    [{ do_sample: true, temperature: -1 }, "temperature cannot be used: it is -1"],
    [{ do_sample: true, temperature: "hot" }, 'temperature is "hot", which is no number'],
    [{ do_sample: true, top_p: 0 }, "top_p"],
    [{ do_sample: true, top_k: 1.5 }, "top_k"],
    [{ repetition_penalty: 0 }, "repetition_penalty"],
    [{ max_new_tokens: 0 }, "max_new_tokens is 0"],
  ])("%j means nothing", (stated, said) => {
    expect(defaultsIn(stated, {})).toMatchObject({ reason: expect.stringContaining(said) as string });
  });
});

describe("a checkpoint that says how", () => {
  let root = "";
  const folders: Record<string, string> = {};
  const CHECKPOINT = new URL("../checkpoints/kjv", import.meta.url).pathname;
  async function compiled(name: string, change: object, ...options: string[]): Promise<string> {
    const checkpoint = join(root, `${name}-checkpoint`);
    cpSync(CHECKPOINT, checkpoint, { recursive: true });
    const path = join(checkpoint, "generation_config.json");
    writeFileSync(path, JSON.stringify({ ...(JSON.parse(readFileSync(path, "utf8")) as object), ...change }));
    const said = await tfm("compile", checkpoint, "-o", join(root, name), ...options);
    expect(said, said.err).toMatchObject({ status: 0 });
    return join(root, name);
  }
  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), "tfm-defaults-"));
    const drawn = { do_sample: true, temperature: 0.7, top_k: 20, top_p: 0.95, max_new_tokens: 12 };
    folders["drawn"] = await compiled("drawn", drawn, "--for", "genai,transformers.js");
    folders["plain"] = await compiled("plain", {});
    const { model } = JSON.parse(readFileSync(join(CHECKPOINT, "tokenizer.json"), "utf8")) as {
      model: { vocab: Record<string, number> };
    };
    // A comma ends the text too.
    folders["ended"] = await compiled("ended", { eos_token_id: [1, model.vocab[","]], num_beams: 4 });
  }, 60_000);
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  async function text(folder: string, ...options: string[]) {
    const { status, out, err } = await tfm("generate", folder, "-p", "And God said", "--json", ...options);
    expect(status, err + out).toBe(0);
    const made = JSON.parse(out) as {
      diagnostics: { code: string }[];
      rows: { text: string; tokens: number; ended: string }[];
    };
    return { ...made.rows[0]!, codes: made.diagnostics.map((d) => d.code) };
  }

  test("is followed, as if its numbers stood on the command line; they come first where they do", async () => {
    const asked = ["--temperature", "0.7", "--top-k", "20", "--top-p", "0.95", "--max-tokens", "12", "--seed", "5"];
    const own = await text(folders["drawn"]!, "--seed", "5");
    expect(own).toEqual(await text(folders["plain"]!, ...asked));
    expect(own.tokens).toBe(12);
    expect(await text(folders["drawn"]!, "--seed", "6")).not.toEqual(own);
    const best = await text(folders["plain"]!, "--max-tokens", "15");
    expect(await text(folders["drawn"]!, "--temperature", "0", "--max-tokens", "15")).toEqual(best);
  });

  test("programs follow it as well", async () => {
    const answer = async (model: Model, options: object): Promise<string> => {
      let all = "";
      for await (const piece of generate(model, "And God said", options)) all += piece.text;
      return all;
    };
    const model = await load(folders["drawn"]!);
    expect(await model.defaults()).toMatchObject({ temperature: 0.7, maxTokens: 12 });
    expect(await answer(model, { seed: 5 })).toBe((await text(folders["drawn"]!, "--seed", "5")).text);
    const best = (await text(folders["plain"]!, "--max-tokens", "15")).text;
    expect(await answer(model, { temperature: 0, maxTokens: 15 })).toBe(best);
    await model.close();
  });

  test("clients find it where they look", () => {
    const config = (name: string) =>
      JSON.parse(readFileSync(join(folders["drawn"]!, name), "utf8")) as Record<string, Record<string, unknown>>;
    expect(config("generation_config.json")).toMatchObject({ do_sample: true, temperature: 0.7, top_k: 20 });
    expect(config("genai_config.json")["search"]).toMatchObject({
      do_sample: true,
      temperature: 0.7,
      top_k: 20,
      top_p: 0.95,
      repetition_penalty: 1,
      no_repeat_ngram_size: 0,
    });
  });

  test("each of several end tokens ends a text; a search with beams is named", async () => {
    const ended = await text(folders["ended"]!);
    expect(ended).toMatchObject({ text: " unto him", ended: "end", codes: ["generate/unread"] });
    const on = await text(folders["ended"]!, "--ignore-end", "--max-tokens", "8");
    expect(on.text).toContain(" unto him,");
    const shown = await tfm("generate", folders["ended"]!, "-p", "And God said", "--max-tokens", "2");
    expect(shown.err).toContain("num_beams = 4");
  });

  test("one that cannot be followed is refused by its file", async () => {
    writeFileSync(join(folders["plain"]!, "generation_config.json"), '{ "repetition_penalty": "much" }');
    const said = await tfm("generate", folders["plain"]!, "-p", "And");
    expect(said.status).toBe(1);
    expect(said.err).toContain("generate/defaults");
    expect(said.err).toContain("generation_config.json");
  });
});
