/** The page "Write your own family" holds: its pieces, put together, compile a checkpoint that the library does not know. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { keeps } from "../../src/backends/onnx/targets.ts";
import { elaborate, prepare } from "../../src/compile.ts";
import { isCausal } from "../../src/passes/causal.ts";
import type { Checkpoint } from "../../src/weights/source.ts";
import { request } from "../support/programs.ts";

const page = readFileSync(new URL("../../stdlib/families/README.md", import.meta.url), "utf8");
const pieces = [...page.matchAll(/```tfm\n(.*?)```/gs)].map((m) => m[1]!);
const [model, settings, ignored, weights, packed, cache] = pieces as [string, string, string, string, string, string];

/** As the reference implementation writes one now, and as it did up to its fourth version. */
const NOW = {
  rope_parameters: { partial_rotary_factor: 0.25, rope_theta: 10000, rope_type: "default" },
  attention_bias: true,
  is_decoder: false,
};
const BEFORE = { rotary_pct: 0.25, rotary_emb_base: 10000 };
const CONFIG = {
  model_type: "gpt_neox",
  vocab_size: 64,
  hidden_size: 32,
  num_attention_heads: 4,
  num_hidden_layers: 2,
  intermediate_size: 48,
  layer_norm_eps: 1e-5,
  hidden_act: "gelu",
  use_parallel_residual: true,
  tie_word_embeddings: false,
  max_position_embeddings: 128,
};

function tensors(): Map<string, readonly number[]> {
  const norm = (name: string): [string, number[]][] => [
    [`${name}.weight`, [32]],
    [`${name}.bias`, [32]],
  ];
  const linear = (name: string, out: number, into: number): [string, number[]][] => [
    [`${name}.weight`, [out, into]],
    [`${name}.bias`, [out]],
  ];
  const layer = (i: number): [string, number[]][] =>
    [
      ...norm("input_layernorm"),
      ...norm("post_attention_layernorm"),
      ...linear("attention.query_key_value", 96, 32),
      ...linear("attention.dense", 32, 32),
      ...linear("mlp.dense_h_to_4h", 48, 32),
      ...linear("mlp.dense_4h_to_h", 32, 48),
    ].map(([name, shape]) => [`gpt_neox.layers.${i}.${name}`, shape]);
  return new Map([
    ["gpt_neox.embed_in.weight", [64, 32]],
    ["embed_out.weight", [64, 32]],
    ...norm("gpt_neox.final_layer_norm"),
    ...layer(0),
    ...layer(1),
  ]);
}

function elaborated(family: string, rotary: object): ReturnType<typeof elaborate> {
  return elaborate({
    ...request(undefined, { config: { name: "config.json", value: { ...CONFIG, ...rotary } } }),
    uses: [{ name: "neox.tfm", text: family }],
  });
}

function check(family: string, rotary: object = BEFORE): readonly string[] {
  const made = elaborated(family, rotary);
  const checkpoint: Checkpoint = {
    name: "model.safetensors",
    files: [],
    read: () => new Uint8Array(),
    close: () => undefined,
    tensors: new Map(
      [...tensors()].map(([name, shape]) => [
        name,
        { name, shape, dtype: "F32", file: "model.safetensors", offset: 0, bytes: 0 },
      ]),
    ),
  };
  const mapped = made.value?.mapWeights(checkpoint);
  const prepared = made.value && prepare(made.value, { optimize: true, keeps: () => false });
  return [...made.diagnostics, ...(mapped?.diagnostics ?? []), ...(prepared?.diagnostics ?? [])].map((d) => d.message);
}

test("each step is told what is missing", () => {
  const first = check(model + settings);
  expect(first).toContainEqual(expect.stringContaining("use_parallel_residual"));
  expect(first).toContain("the map of neox has no line for the weight layers[i].attention.q.weight");
  const open = settings.trimEnd().replace(/\}$/, "");
  const second = check(`${model}${open}${ignored}}`);
  expect(second).not.toContainEqual(expect.stringContaining("use_parallel_residual"));
  expect(second).toContain("the map of neox has no line for the weight words.weight");
});

const whole = model + settings.trimEnd().replace(/\}$/, "") + ignored + weights + packed + cache;

test.each([NOW, BEFORE])("the whole page compiles: %j", (rotary) => {
  expect(check(whole, rotary)).toEqual([]);
});

test("no place of the page's model sees a later one", () => {
  const { value } = elaborated(whole, NOW);
  expect(isCausal(prepare(value!, { optimize: true, cache: true, keeps: keeps("onnx") }).value!.at(-1)!.graph)).toBe(
    true,
  );
});
