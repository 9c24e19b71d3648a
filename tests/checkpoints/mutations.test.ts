/**
 * The test of the tests: of each family's source ten details are changed, one at a time, and the comparison with the reference
 * fails every time: by more than the tolerance, or because the compiler says that something does not fit.
 */
import { describe, expect, test } from "vitest";
import { CHECKPOINTS } from "../support/checkpoint-cases.ts";
import { differenceOf, type Change } from "../support/evaluate-checkpoint.ts";
import { TOLERANCE } from "../support/cases.ts";

const layers = (from: string, to: string): Change => ({ module: "std.layers", from, to });
const attention = (from: string, to: string): Change => ({ module: "std.attention", from, to });
const operators = (from: string, to: string): Change => ({ module: "std.operators", from, to });
const inFile =
  (module: string) =>
  (from: string, to: string): Change => ({ module: `std.families.${module}`, from, to });

const scale = attention(
  "qk_norm_whole = false, scale: float = head_dim ^ -0.5",
  "qk_norm_whole = false, scale: float = 1",
);
const causal = layers(
  "block decoder(...) < ... > = transformer_layer(causal = true, ...) < ... >",
  "block decoder(...) < ... > = transformer_layer(causal = false, ...) < ... >",
);
const epsilon = operators("rsqrt(mean(x ^ 2, over = d) + eps) * weight", "rsqrt(mean(x ^ 2, over = d)) * weight + eps");
const centred = operators("op centre(x: [..., d]) = x - mean(x, over = d)", "op centre(x: [..., d]) = x");
const erf = operators("op gelu(x) = 0.5 * x * (1 + erf(x / sqrt(2)))", "op gelu(x) = gelu_tanh(x)");
const cubic = operators("0.044715", "0.04");

const llama = inFile("llama");
const bert = inFile("bert");
const gpt = inFile("gpt");
const glm = inFile("glm");
const t5 = inFile("t5");
const transformer = inFile("transformer");
const positions = (from: string, to: string): Change => ({ module: "std.positions", from, to });

const FAMILIES: Readonly<Record<string, readonly [folder: string, caseName: string, change: Change][]>> = {
  llama: [
    ["llama3", "single", scale],
    ["llama3", "single", causal],
    ["mistral", "single", epsilon],
    ["mistral", "long", llama('window = if config.model_type == "mistral" then config.sliding_window else none', "")],
    ["llama3", "single", llama("rope(theta, scaling)", "rope(theta, scaling, neighbours = true)")],
    ["llama3", "single", llama("theta = config.rope_parameters.rope_theta ?? config.rope_theta", "theta = none")],
    [
      "llama3_1",
      "long",
      llama(
        "scaling = rope_scaling_of(config.rope_parameters ?? config.rope_scaling, config.max_position_embeddings)",
        "scaling = unscaled",
      ),
    ],
    [
      "llama3",
      "single",
      llama('{gate, up, down}.* = "mlp.{gate, up, down}_proj.*"', '{up, gate, down}.* = "mlp.{gate, up, down}_proj.*"'),
    ],
    ["llama3", "single", llama("    -> norm: rmsnorm(eps)\n", "")],
    ["llama3", "single", llama("decoder x{layers}", "decoder(post) x{layers}")],
    ["llama3", "single", llama("activation = activation_named(config.hidden_act)", "activation = gelu")],
  ],
  bert: [
    ["bert-base-model", "single", scale],
    ["bert-base-model", "single", centred],
    ["bert-base-model", "single", erf],
    ["bert-base-model", "single", bert("encoder(post)", "encoder")],
    ["bert-base-model", "single", bert("encoder(post)", "decoder(post)")],
    ["bert-base-model", "single", bert(" + (segment_ids -> kind: embed(segments))", "")],
    ["bert-base-model", "single", bert("position(seq) -> place", "(position(seq) + 1) -> place")],
    ["bert-base-model", "single", bert("last_hidden_state[seq = 0]", "last_hidden_state[seq = 1]")],
    ["bert-sequence-classification", "single", bert("eps = config.layer_norm_eps;", "")],
    [
      "bert-base-model",
      "single",
      bert(
        '{q, k, v}.* = "attention.self.{query, key, value}.*"',
        '{k, q, v}.* = "attention.self.{query, key, value}.*"',
      ),
    ],
    [
      "bert-pretraining",
      "single",
      bert("-> transform: linear(hidden) -> activation ->", "-> transform: linear(hidden) -> relu ->"),
    ],
    ["bert-base-model", "single", bert("pooler: linear(hidden) -> tanh", "pooler: linear(hidden)")],
  ],
  gpt: [
    ["gpt2", "single", gpt("scale: float = (hidden / heads) ^ -0.5", "scale: float = hidden ^ -0.5")],
    ["gpt2", "single", gpt("scale_by_layer = config.scale_attn_by_inverse_layer_idx", "scale_by_layer = true")],
    ["gpt2", "single", causal],
    ["gpt2", "single", cubic],
    ["gpt2", "single", gpt("position_ids -> place", "(position_ids + 1) -> place")],
    [
      "gpt2",
      "single",
      gpt(
        '{q, k, v}.weight = "attn.c_attn.weight"[hidden\', (part = 3, heads, head_dim)][part = {0, 1, 2}]',
        '{q, k, v}.weight = "attn.c_attn.weight"[hidden\', (heads, part = 3, head_dim)][part = {0, 1, 2}]',
      ),
    ],
    [
      "gpt2",
      "single",
      gpt(
        '{q, k, v}.bias = "attn.c_attn.bias"[(part = 3, heads, head_dim)][part = {0, 1, 2}]',
        '{q, k, v}.bias = "attn.c_attn.bias"[(part = 3, heads, head_dim)][part = {2, 1, 0}]',
      ),
    ],
    ["gpt2", "single", gpt('"attn.c_proj.weight"[mixed\', hidden]', '"attn.c_proj.weight"')],
    ["gpt2", "single", gpt('last_norm = config.model_type != "openai-gpt"', "last_norm = false")],
    ["gpt1", "single", gpt("then post else pre", "then pre else post")],
    ["gpt3", "long", gpt('if t == "banded"', 'if t == "dense"')],
    [
      "gpt2-sequence-classification",
      "batch2",
      gpt("tokens != pad, position(seq), 0)", "tokens != pad, position(seq), 0) - 1 * (tokens[seq = 0] * 0 + 1)"),
    ],
    ["gpt1", "single", gpt('== "gelu" then gelu_tanh', '== "gelu" then gelu')],
  ],
  glm: [
    ["glm", "single", scale],
    ["glm", "single", attention("key <= query or key < n", "key <= query or key <= n")],
    ["glm", "single", attention("key <= query or key < n", "key < n or key < query")],
    ["glm", "single", glm("sees = prefix(prefix_length), ", "")],
    ["glm", "single", glm(" + (block_position_ids -> block_place: embed(places))", "")],
    [
      "glm",
      "single",
      glm(
        "(position_ids -> place: embed(places)) + (block_position_ids",
        "(block_position_ids -> place: embed(places)) + (position_ids",
      ),
    ],
    ["glm", "single", glm("mlp(gelu_tanh)", "mlp(relu)")],
    [
      "glm",
      "single",
      glm(
        "[(part = 3, heads, head_dim), hidden'][part = {0, 1, 2}]",
        "[(part = 3, heads, head_dim), hidden'][part = {1, 0, 2}]",
      ),
    ],
    ["glm", "single", glm("decoder x{layers}", "decoder(post) x{layers}")],
    ["glm", "single", glm("{input, post_attention}_layernorm", "{post_attention, input}_layernorm")],
    ["glm", "single", centred],
  ],
  t5: [
    ["t5", "single", causal],
    ["t5", "single", t5("mha(score_bias = near, scale = 1,", "mha(score_bias = near,")],
    ["t5", "single", t5("cross(read, scale = 1)", "cross(read)")],
    ["t5", "long", t5("buckets, furthest, both_ways = false", "buckets, furthest")],
    ["t5", "long", t5("furthest = config.relative_attention_max_distance", "furthest = 96")],
    ["t5", "single", positions("let distance = key - query", "let distance = query - key")],
    ["t5", "long", positions("let exact = n div 2", "let exact = n div 4")],
    ["t5", "single", t5("if scaled then state * hidden ^ -0.5 else state", "state")],
    ["t5", "batch2", t5(", attention_mask = memory_mask", "")],
    ["t5", "batch2", attention("keys, memory_mask[source -> keys], scale", "keys, true, scale")],
    ["t5", "single", t5("cross.body.{q, k, v, out}.weight", "cross.body.{k, q, v, out}.weight")],
    ["t5", "single", t5("    -> decoder_norm: rmsnorm(eps)\n", "\n")],
    ["t5-v1_1", "single", t5('"gated-gelu_new" => gated(gelu_tanh, inner)', '"gated-gelu_new" => gated(relu, inner)')],
    ["t5-v1_1", "single", t5('ffn.body.{gate, down}.weight = "2.', 'ffn.body.{down, gate}.weight = "2.')],
  ],
  transformer: [
    ["seq2seq", "single", scale],
    ["seq2seq", "single", causal],
    ["seq2seq", "single", centred],
    [
      "seq2seq",
      "single",
      attention("scale: float = head_dim ^ -0.5, bias = false): cross", "scale: float = 1, bias = false): cross"),
    ],
    ["seq2seq", "single", transformer("neighbours = false;", "")],
    ["seq2seq", "single", transformer("if scaled then hidden ^ 0.5 else 1", "1")],
    ["seq2seq", "single", transformer("encoder(post)", "encoder")],
    ["seq2seq", "single", transformer("decoder(post)", "decoder")],
    ["seq2seq", "single", transformer("(position(seq))", "(position(seq) + 1)")],
    [
      "seq2seq",
      "single",
      transformer('activation = activation_named(config.activation_function ?? "gelu")', "activation = gelu"),
    ],
    ["seq2seq", "single", transformer("if shifted then scores + shift else scores", "scores")],
    ["seq2seq", "single", transformer("cross(memory, bias = attention_bias)", "cross(memory)")],
    [
      "seq2seq",
      "single",
      transformer('"{self_attn, encoder_attn, final}_layer_norm.*"', '"{encoder_attn, self_attn, final}_layer_norm.*"'),
    ],
    ["seq2seq", "batch2", transformer(", attention_mask = memory_mask", "")],
  ],
};

describe.each(Object.entries(FAMILIES))("%s", (_, changes) => {
  test("ten details or more are changed", () => expect(changes.length).toBeGreaterThanOrEqual(10));

  test.each([...new Set(changes.map(([folder, caseName]) => `${folder} ${caseName}`))])(
    "%s agrees unchanged",
    (name) => {
      const [folder, caseName] = name.split(" ") as [string, string];
      expect(differenceOf(`${CHECKPOINTS}${folder}`, caseName)).toBeLessThan(TOLERANCE);
    },
  );

  test.each(
    changes.map(([folder, caseName, change]) => ({
      folder,
      caseName,
      change,
      title: `${folder}: ${change.to.slice(0, 70) || `without ${change.from.slice(0, 50)}`}`,
    })),
  )("$title", ({ folder, caseName, change }) => {
    const found = differenceOf(`${CHECKPOINTS}${folder}`, caseName, change);
    if (typeof found === "string") expect(found).not.toBe("");
    else expect(found).toBeGreaterThan(TOLERANCE);
  });
});
