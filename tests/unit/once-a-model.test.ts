/**
 * Positions, masks, rotary tables and relative biases are computed once a model, not once a layer: what more layers add to the files has
 * none of the operators that these are made of. Whole texts and steps, for each target.
 */
import { describe, expect, test } from "vitest";
import { emitOnnx } from "../../src/backends/onnx/emit.ts";
import { keeps, ONNX_PROVIDERS, type OnnxProvider, type TargetName } from "../../src/backends/onnx/targets.ts";
import { tfjsKeeps, tfjsTargets, type ProviderName } from "../../src/backends/tfjs/targets.ts";
import { prepare, type Elaborated } from "../../src/compile.ts";
import type { VerifiedGraph } from "../../src/ir/graph.ts";
import { elaborateText, type Options } from "../support/programs.ts";
import { emitForTfjs } from "../support/tfjs-model.ts";

const LAYERS = "layers: decoder x{layers} <";
const decoder = (stack: string, more = "", before = ""): string => `${more}
model m(vocab = 11, hidden = 16, heads = 4, layers = 4) grows seq {
  input tokens as "input_ids": int[batch, seq]
  input attention_mask as "attention_mask": bool[batch, seq] = true
  input position_ids as "position_ids": int[batch, seq] = position(seq)
  ${before}
  output logits = tokens -> words: embed(vocab) -> ${stack} -> head: linear(vocab)
}`;

/** Library models, and programs with layers of several kinds. */
const MODELS: Readonly<Record<string, string | Options>> = {
  llama_3_1_8b: { model: "llama_3_1_8b" },
  mistral_7b: { model: "mistral_7b" },
  bert_base: { model: "bert_base" },
  gpt_3_small: { model: "gpt_3_small" },
  glm_110m: { model: "glm_110m" },
  t5_small: { model: "t5_small" },
  transformer_base: { model: "transformer_base" },
  "windows and bases in turn": decoder(
    `${LAYERS} gqa(2, rope(if layer % 2 == 0 then 1e4 else 1e6), window = if layer % 2 == 0 then 3 else none), rmsnorm, swiglu(9) >`,
  ),
  "slopes by distance": decoder(`${LAYERS} gqa(2, score_bias = alibi(heads)), layernorm, mlp(gelu, 9) >`),
  "buckets of distance": decoder(
    `${LAYERS} mha(score_bias = near), rmsnorm, mlp(relu, 9) >`,
    "",
    "let near = new relative_bias(8, furthest = 20, both_ways = false)",
  ),
  "texts side by side": decoder(
    `${LAYERS} gqa(2, rope, sees = same_text(texts)), layernorm, mlp(gelu, 9) >`,
    "op same_text(texts: int[..., seq])(query, key: int[keys]) = key <= query and keep[seq -> keys](texts) == texts",
    'input texts as "texts": int[batch, seq]',
  ),
  "a mask and a decay by hand": decoder(
    "layers: fading x{layers}",
    `block fading() given hidden, heads {
  input x: [..., seq, hidden]
  dim width = hidden / heads
  let q = x -> q: linear(heads, width)
  let k = x -> k: linear(heads, width) -> keep[seq -> keys]
  let decay = where(position(keys) <= position(seq), 0.9 ^ (position(seq) - position(keys)), 0)
  output x + dot(dot(q, k, over = width) * decay, k, over = keys)[(heads, width) -> hidden]
}`,
  ),
  "latent attention": decoder(`${LAYERS} mla(none, 9, plain = 5, turning = 4, value = 6), rmsnorm, swiglu(9) >`),
};

/** What positions and masks are made of. A cast, a `Max` or a product may be of anything. */
const ONCE =
  /^(Sin|Cos|Round|Range|CumSum|Floor|FloorMod|Ceil|Log|Abs|Where|Less|LessOrEqual|LessEqual|Greater|GreaterOrEqual|GreaterEqual|Equal|NotEqual|And|Or|Not|LogicalAnd|LogicalOr|LogicalNot|Gather|GatherV2|GatherND|OneHot|Trilu|Tile|Expand|Shape)$/;

type Counts = Readonly<Record<string, number>>;
type Emits = (graph: VerifiedGraph) => Counts;

const onnx =
  (target: TargetName, provider: OnnxProvider): Emits =>
  (graph) =>
    emitOnnx(graph, {
      target,
      provider,
      dataFile: "model.onnx_data",
      producer: { name: "tfm", version: "test" },
      weights: () => ({ kind: "initial", initial: { kind: "constant", value: 0 }, seed: 0 }),
    }).nodeCounts;

const TARGETS: Readonly<Record<string, readonly [keeps: typeof tfjsKeeps, emits: Emits]>> = {
  ...Object.fromEntries(ONNX_PROVIDERS.map((p) => [`onnx, ${p}`, [keeps("onnx", p), onnx("onnx", p)]])),
  "onnx-23": [keeps("onnx-23"), onnx("onnx-23", "cpu")],
  "onnx-17": [keeps("onnx-17"), onnx("onnx-17", "cpu")],
  ...Object.fromEntries(
    (Object.keys(tfjsTargets) as ProviderName[]).map((p) => [
      `tfjs, ${p}`,
      [tfjsKeeps, (graph: VerifiedGraph) => emitForTfjs(graph, p).nodeCounts],
    ]),
  ),
};

function model(of: string | Options, layers: number): Elaborated {
  const [text, options] = typeof of === "string" ? [of, {}] : [undefined, of];
  const { value, diagnostics } = elaborateText(text, { ...options, settings: { ...options.settings, layers } });
  expect(diagnostics.filter((d) => d.severity === "error").map((d) => d.message)).toEqual([]);
  return value!;
}

/** Of all files of a model together. */
function counts(of: Elaborated, target: keyof typeof TARGETS, cache: boolean): Counts {
  const [kept, emits] = TARGETS[target]!;
  const { value } = prepare(of, { optimize: true, keeps: kept, cache });
  const sums: Record<string, number> = {};
  for (const { graph } of value!) for (const [op, n] of Object.entries(emits(graph))) sums[op] = (sums[op] ?? 0) + n;
  return sums;
}

describe.each(Object.keys(MODELS))("%s", (name) => {
  const [few, many] = [4, 8].map((layers) => model(MODELS[name]!, layers)) as [Elaborated, Elaborated];
  test.each(Object.keys(TARGETS))("%s", (target) => {
    for (const cache of few.graph.grows === undefined ? [false] : [true, false]) {
      const before = counts(few, target, cache);
      const after = counts(many, target, cache);
      const grown = Object.keys(after).filter((op) => after[op]! > (before[op] ?? 0));
      expect(grown.length).toBeGreaterThan(3);
      expect(grown.filter((op) => ONCE.test(op.replace(/^.*\./, "")))).toEqual([]);
    }
  });
});
