/** Which decoding graphs may read a prompt in parts: those where no place sees one behind it, and no others. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { prepare } from "../../src/compile.ts";
import { keeps } from "../../src/backends/onnx/targets.ts";
import { isCausal } from "../../src/passes/causal.ts";
import { elaborateText } from "../support/programs.ts";

const EXAMPLES = new URL("../../examples/", import.meta.url);
const library = (model: string, settings = {}) => elaborateText(undefined, { model, settings }).value!;
const program = (body: string, more = "") =>
  elaborateText(`${more}
model m(hidden = 8, heads = 2) grows seq {
  input x: float[batch, seq, hidden]
  output y = ${body}
}`).value!;
const example = (file: string, model?: string) =>
  elaborateText(readFileSync(new URL(file, EXAMPLES), "utf8"), model === undefined ? {} : { model }).value!;

const causal = (model: ReturnType<typeof library>) =>
  isCausal(prepare(model, { optimize: true, cache: true, keeps: keeps("onnx") }).value!.at(-1)!.graph);

test.each([
  ["gpt_2_small", () => library("gpt_2_small", { layers: 2 })],
  ["llama_3_8b", () => library("llama_3_8b", { layers: 2 })],
  ["t5_small: its own places one after the other, the source's all at once", () => library("t5_small")],
  ["a window", () => program("x -> decoder x2 < mha(window = 3), layernorm, mlp(relu) >")],
  [
    "a mask of one's own beside the causal one",
    () =>
      program(
        "x -> decoder < mha(sees = later), layernorm, mlp(relu) >",
        "op later(query, key) = query >= key and query - key < 5",
      ),
  ],
  [
    "differences of places",
    () =>
      program(
        "x -> decoder < mha(sees = behind), layernorm, mlp(relu) >",
        "op behind(query, key) = not (key - query > 0) and query - key < 5",
      ),
  ],
  ["a place ago", () => program("x + previous[seq](x)")],
  ["windows in turn", () => example("windows-in-turn.tfm")],
])("%s", (_, model) => expect(causal(model())).toBe(true));

test.each([
  ["a prefix whose places see each other", () => library("glm", { layers: 2 })],
  ["an encoder with a cache", () => program("x -> encoder < mha, layernorm, mlp(relu) >")],
  [
    "a mask that lets the next place be seen",
    () => program("x -> decoder < mha(sees = next), layernorm, mlp(relu) >", "op next(query, key) = key <= query + 1"),
  ],
  [
    "a difference that lets the next place be seen",
    () =>
      program("x -> decoder < mha(sees = next), layernorm, mlp(relu) >", "op next(query, key) = not (key - query > 1)"),
  ],
  [
    "a difference the other way round",
    () =>
      program("x -> decoder < mha(sees = ahead), layernorm, mlp(relu) >", "op ahead(query, key) = key - query >= 0"),
  ],
  [
    "one of two masks",
    () =>
      program(
        "x -> decoder < mha(sees = either), layernorm, mlp(relu) >",
        "op either(query, key) = key <= query or key < 3",
      ),
  ],
  ["a mean of all places", () => program("x + mean(keep[seq -> keys](x), over = keys)")],
  [
    "one layer that sees everything",
    () => program("x -> decoder < mha, layernorm, mlp(relu) > -> encoder < mha, layernorm, mlp(relu) >"),
  ],
])("not %s", (_, model) => expect(causal(model())).toBe(false));
