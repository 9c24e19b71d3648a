/** Checkpoint maps: how lines find stored tensors, and what is said of those that nothing finds. */
import { expect, test } from "vitest";
import { elaborate, type Json } from "../../src/compile.ts";
import type { Diagnostic } from "../../src/diagnostics/diagnostic.ts";
import { sameNumbers } from "../../src/weights/same.ts";
import type { Checkpoint, StoredDtype, WeightMap } from "../../src/weights/source.ts";
import { request } from "../support/programs.ts";

const MODEL = `model toy(vocab = 8, hidden = 4, heads = 2, layers = 2, bias = true) {
  input ids as "input_ids": int[batch, seq]
  let words = new embed(vocab)
  output y = words(ids) -> layers: encoder x{layers} < mha(bias = bias), rmsnorm, mlp(relu, 6, bias = false) > -> norm: rmsnorm
}
`;
const MAP = `checkpoint for toy when config.model_type == "toy" {
  layers = config.depth; bias = config.biased
  ignore "*.inv_freq"
  prefix? "model."
  rename ".gamma" => ".weight"
  words.weight = "embed.weight" | "head.weight"
  norm.weight = "last.weight"
  layers[i] from "block.{i}." {
    {attention, ffn}.norm.weight = "{first, second}.weight"
    attention.body.{q, k, v}.weight = "qkv.weight"[hidden', (part = 3, heads, head_dim)][part = {0, 1, 2}]
    attention.body.{q, k, v}.bias = "qkv.bias"[(part = 3, heads, head_dim)][part = {0, 1, 2}]
    attention.body.out.* = "out.*"
    ffn.body.{up, down}.weight = "mlp.{0, 1}.weight"
  }
}
`;

type Tensors = Record<string, readonly number[]>;

function layer(i: number, prefix = ""): Tensors {
  return Object.fromEntries(
    Object.entries({
      "first.weight": [4],
      "second.weight": [4],
      "qkv.weight": [4, 12],
      "qkv.bias": [12],
      "out.weight": [4, 4],
      "out.bias": [4],
      "mlp.0.weight": [6, 4],
      "mlp.1.weight": [4, 6],
    }).map(([name, shape]) => [`${prefix}block.${i}.${name}`, shape]),
  );
}
const WHOLE: Tensors = { "embed.weight": [8, 4], "last.weight": [4], ...layer(0), ...layer(1) };

function holding(tensors: Tensors, dtype: StoredDtype = "F32"): Checkpoint {
  return {
    name: "model.safetensors",
    files: [],
    close: () => undefined,
    read: () => new Uint8Array(),
    tensors: new Map(
      Object.entries(tensors).map(([name, shape]) => [
        name,
        { name, dtype, shape, file: "model.safetensors", offset: 0, bytes: 0 },
      ]),
    ),
  };
}

function map(
  tensors: Tensors,
  config: Json = { model_type: "toy", depth: 2 },
  dtype: StoredDtype = "F32",
  lines = MAP,
): { weights: WeightMap | undefined; said: readonly string[] } {
  const made = elaborate({
    ...request(undefined, { config: { name: "config.json", value: config } }),
    uses: [{ name: "family.tfm", text: MODEL + lines }],
  });
  const mapped = made.value?.mapWeights(holding(tensors, dtype));
  const all: readonly Diagnostic[] = [...made.diagnostics, ...(mapped?.diagnostics ?? [])];
  return { weights: mapped?.value, said: all.map((d) => `${d.code}: ${d.message}`) };
}

test("names, steps, stars and patterns find every weight", () => {
  const { weights, said } = map(WHOLE);
  expect(said).toEqual([]);
  const show = (path: string): string => {
    const w = weights!.get(path)!;
    return w.kind === "stored"
      ? `${w.tensor.name} as ${w.order.map((a) => a.name).join(" ")}`
      : `${w.kind} from ${w.kind === "computed" ? w.tensors.map((t) => t.name).join(", ") : ""}`;
  };
  expect(show("words.weight")).toBe("embed.weight as vocab hidden");
  expect(show("layers.1.attention.norm.weight")).toBe("block.1.first.weight as hidden");
  expect(show("layers.0.ffn.norm.weight")).toBe("block.0.second.weight as hidden");
  expect(show("layers.1.attention.body.k.weight")).toBe("computed from block.1.qkv.weight");
  expect(show("layers.0.attention.body.out.bias")).toBe("block.0.out.bias as hidden");
  expect(show("layers.1.ffn.body.down.weight")).toBe("block.1.mlp.1.weight as hidden inner'");
});

test("a prefix may be there or not, in any order, under older names", () => {
  const old = Object.fromEntries(
    Object.entries({
      "model.embed.weight": [8, 4],
      "model.last.gamma": [4],
      ...layer(0, "model."),
      ...layer(1, "model."),
    }).reverse(),
  );
  expect(map(old).said).toEqual([]);
});

test("of two tied tensors either one will do", () => {
  const { "embed.weight": table, ...rest } = WHOLE;
  const { said, weights } = map({ ...rest, "head.weight": table! });
  expect(said).toEqual([]);
  expect(weights!.get("words.weight")).toMatchObject({ kind: "stored", tensor: { name: "head.weight" } });
});

test("a tensor that no weight takes is named; one that is ignored, or that this instance lacks, is not", () => {
  expect(map({ ...WHOLE, "block.0.rotary.inv_freq": [2] }).said).toEqual([]);
  expect(map({ ...WHOLE, "block.0.extra": [4], "block.1.extra": [4] }).said).toEqual([
    "map/unread: model.safetensors holds block.0.extra and 1 more of its kind, which toy does not use",
  ]);
  expect(map(WHOLE, { model_type: "toy", depth: 2, biased: false }).said.map((s) => s.split(" ")[0])).toEqual([
    "map/unread:",
  ]); // out.bias: the star is used by the weight
});

test("more layers in the file than the config counts are named", () => {
  expect(map({ ...WHOLE, ...layer(2) }).said.every((s) => s.startsWith("map/unread") && s.includes("block.2."))).toBe(
    true,
  );
  expect(map({ ...WHOLE, ...layer(2) }).said).toHaveLength(7); // mlp.0 and mlp.1 are of one kind
});

test("a missing tensor, a wrong shape and a wrong dtype are errors with their names", () => {
  const { "last.weight": _, ...lacking } = WHOLE;
  expect(map(lacking).said).toEqual(["map/missing: model.safetensors has no last.weight, which norm.weight needs"]);
  expect(map({ ...WHOLE, "last.weight": [5] }).said).toEqual([
    "map/shape: last.weight in model.safetensors has the shape [5]; the model needs [hidden=4]",
  ]);
  expect(map({ ...WHOLE, "block.0.qkv.weight": [12, 4] }).said[0]).toBe(
    "map/shape: block.0.qkv.weight in model.safetensors has the shape [12, 4]; the model needs [hidden'=4, part=3, heads=2, head_dim=2]",
  );
  expect(map(WHOLE, undefined, "I8").said[0]).toBe("map/not-float: embed.weight in model.safetensors is stored as I8");
});

test("a number fills a weight; what fills none is said", () => {
  const filled = (by: string): ReturnType<typeof map> =>
    map(
      WHOLE,
      undefined,
      "F32",
      MAP.replace(
        'attention.body.out.* = "out.*"',
        `attention.body.out.weight = "out.weight"; attention.body.out.bias = ${by}`,
      ),
    );
  const { weights, said } = filled("2 * 0.5");
  expect(said).toEqual([
    "map/unread: model.safetensors holds block.0.out.bias and 1 more of its kind, which toy does not use",
  ]);
  expect(weights!.get("layers.1.attention.body.out.bias")).toEqual({
    kind: "initial",
    initial: { kind: "constant", value: 1 },
    seed: 0,
  });
  expect(filled("none").said).toEqual([
    "config/unmapped-weight: the map of toy has no line for the weight layers[i].attention.body.out.bias",
  ]);
  expect(filled("relu").said).toEqual(["type/operand: layers.0.attention.body.out.bias cannot take the operator relu"]);
});

test("the size of an axis in a pattern may be made of the weight's own axes", () => {
  const packed = MAP.replace(
    /attention\.body\.\{q, k, v\}\.weight = .*/,
    `attention.body.q.weight = "qkv.weight"[hidden', (heads, slot = groups + 2, head_dim)][slot = ..groups][slot -> groups]
    attention.body.{k, v}.weight = "qkv.weight"[hidden', (heads, part = 3, head_dim)][part = {1, 2}]`,
  );
  const { weights, said } = map(WHOLE, undefined, "F32", packed);
  expect(said).toEqual([]);
  expect(weights!.get("layers.0.attention.body.q.weight")).toMatchObject({ tensors: [{ name: "block.0.qkv.weight" }] });
});

test("a config's keys are read, known to change nothing, or named", () => {
  expect(map(WHOLE, { model_type: "toy", depth: 2, use_cache: true, dropout: 0.1, unset: null }).said).toEqual([]);
  expect(
    map(WHOLE, { model_type: "toy", depth: 2, logit_scale: 3, deep: { a: 1 } }).said.map((s) => s.split(",")[0]),
  ).toEqual(["config/unread: config.json sets logit_scale = 3", 'config/unread: config.json sets deep = {"a":1}']);
});

test("impossible numbers in a config are errors, not crashes", () => {
  for (const depth of [0, -1, 1.5, 1e9, "two", [2], {}, true])
    expect(map(WHOLE, { model_type: "toy", depth }).said.some((s) => /^(type|setting)\//.test(s))).toBe(true);
});

test("a model without a map takes the tensors of its weights' own paths", () => {
  const { value } = elaborate(
    request("model plain(hidden = 4) {\n  input x: float[batch, hidden]\n  output y = x -> up: linear(6)\n}"),
  );
  const open = (tensors: Tensors): Checkpoint => ({
    name: "mine.safetensors",
    files: [],
    close: () => undefined,
    read: () => new Uint8Array(),
    tensors: new Map(
      Object.entries(tensors).map(([name, shape]) => [
        name,
        { name, dtype: "BF16", shape, file: "mine.safetensors", offset: 0, bytes: 0 },
      ]),
    ),
  });
  const said = (tensors: Tensors): readonly string[] =>
    value!.mapWeights(open(tensors)).diagnostics.map((d) => d.message);
  expect(said({ "up.weight": [6, 4], "up.bias": [6] })).toEqual([]);
  expect(said({ "up.weight": [4, 6], "up.bias": [6] })).toEqual([
    "up.weight in mine.safetensors has the shape [4, 6]; the model needs [out=6, hidden'=4]",
  ]);
  expect(said({ "up.weight": [6, 4] })).toEqual(["mine.safetensors has no up.bias, which up.bias needs"]);
  expect(said({ "up.weight": [6, 4], "up.bias": [6], other: [1] })).toEqual([
    "mine.safetensors holds other, which plain does not use",
  ]);
});

test.each([
  [true, "cls.predictions.bias"],
  [false, "cls.predictions.decoder.bias"],
])("of BERT's two biases of the head, tied %s, it is the one that is added", (tied, name) => {
  const config = {
    model_type: "bert",
    architectures: ["BertForMaskedLM"],
    vocab_size: 7,
    hidden_size: 4,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    intermediate_size: 6,
    max_position_embeddings: 5,
    type_vocab_size: 2,
    tie_word_embeddings: tied,
  };
  const { value } = elaborate(request(undefined, { config: { name: "config.json", value: config } }));
  const shapes: Record<string, readonly number[]> = {
    "embeddings.word_embeddings.weight": [7, 4],
    "embeddings.token_type_embeddings.weight": [2, 4],
    "embeddings.position_embeddings.weight": [5, 4],
    "cls.predictions.transform.dense.weight": [4, 4],
    "cls.predictions.decoder.weight": [7, 4],
    "cls.predictions.decoder.bias": [7],
    "cls.predictions.bias": [7],
    "encoder.layer.0.intermediate.dense.weight": [6, 4],
    "encoder.layer.0.intermediate.dense.bias": [6],
    "encoder.layer.0.output.dense.weight": [4, 6],
  };
  for (const dense of ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"])
    shapes[`encoder.layer.0.${dense}.weight`] = [4, 4];
  for (const vector of [
    "attention.self.query.bias",
    "attention.self.key.bias",
    "attention.self.value.bias",
    "attention.output.dense.bias",
    "output.dense.bias",
    ...["attention.output", "output"].flatMap((at) => [`${at}.LayerNorm.weight`, `${at}.LayerNorm.bias`]),
  ])
    shapes[`encoder.layer.0.${vector}`] = [4];
  for (const norm of ["embeddings", "cls.predictions.transform"])
    for (const part of ["weight", "bias"]) shapes[`${norm}.LayerNorm.${part}`] = [4];
  shapes["cls.predictions.transform.dense.bias"] = [4];
  const { value: weights, diagnostics } = value!.mapWeights(holding(shapes));
  expect(diagnostics.map((d) => d.message)).toEqual([]);
  expect(weights!.get("head.bias")).toMatchObject({ kind: "stored", tensor: { name } });
});

/** Where each tensor's bytes lie is said by its offset. */
function bytesOf(tensors: Record<string, Float32Array>): Checkpoint {
  const all = Object.entries(tensors);
  return {
    name: "model.safetensors",
    files: [],
    close: () => undefined,
    read: ({ offset }, start = 0, length) => {
      const { buffer, byteLength } = all[offset]![1];
      return new Uint8Array(buffer, start, length ?? byteLength);
    },
    tensors: new Map(
      all.map(([name, { length, byteLength }], i) => [
        name,
        { name, dtype: "F32", shape: [length], file: "model.safetensors", offset: i, bytes: byteLength },
      ]),
    ),
  };
}

test("two stored tensors are the same where each number is, however many pieces they are read in", () => {
  const numbers = Float32Array.from({ length: 600_001 }, (_, i) => i % 977);
  const other = (at: number, n: number): Float32Array => numbers.map((x, i) => (i === at ? n : x));
  const checkpoint = bytesOf({
    a: numbers,
    same: numbers.slice(),
    last: other(600_000, -1),
    middle: other(300_000, -1),
    zero: other(0, -0),
    short: numbers.slice(1),
  });
  const against = (name: string) =>
    sameNumbers(checkpoint, checkpoint.tensors.get("a")!, checkpoint.tensors.get(name)!);
  expect(["a", "same", "last", "middle", "zero", "short"].map(against)).toEqual([
    true,
    true,
    false,
    false,
    true,
    false,
  ]);
});

const LLAMA: Json = {
  model_type: "llama",
  architectures: ["LlamaForCausalLM"],
  vocab_size: 6,
  hidden_size: 4,
  intermediate_size: 8,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  rms_norm_eps: 1e-5,
};

/** Whether the table of words serves as the head, and what is said. */
function tiedIn(
  tensors: Record<string, Float32Array>,
  more: object,
  settings: readonly { name: string; text: string }[] = [],
) {
  const checkpoint = bytesOf(tensors);
  let opened = 0;
  const open = () => {
    opened++;
    return checkpoint;
  };
  const config = { name: "config.json", value: { ...(LLAMA as object), ...more }, open };
  const { value, diagnostics } = elaborate({ ...request(undefined, { config }), settings });
  return {
    tied: value?.settings.find((s) => s.name === "tied")?.text,
    said: diagnostics.map((d) => d.code),
    message: diagnostics[0]?.message,
    opened,
  };
}

test("a head stored with numbers of its own is not tied, whatever config.json says, and that is said", () => {
  const table = Float32Array.from({ length: 24 }, (_, i) => i);
  const tie = { tie_word_embeddings: true };
  const words = { "model.embed_tokens.weight": table };
  const found = tiedIn({ ...words, "lm_head.weight": table.map((x) => x + 1) }, tie);
  expect(found).toMatchObject({ tied: "false", said: ["map/not-alike"] });
  expect(found.message).toContain("model.embed_tokens.weight and lm_head.weight");
  expect(tiedIn({ ...words, "lm_head.weight": table.slice() }, tie)).toMatchObject({ tied: "true", said: [] });
  expect(tiedIn(words, tie)).toMatchObject({ tied: "true", said: [] });
  // Where the config does not tie them, or the user says what to do, nothing is looked at.
  expect(tiedIn({ ...words, "lm_head.weight": table }, {})).toMatchObject({ tied: "false", said: [], opened: 0 });
  const asked = tiedIn({ ...words, "lm_head.weight": table.map((x) => x + 1) }, tie, [{ name: "tied", text: "true" }]);
  expect(asked).toMatchObject({ tied: "true", said: [], opened: 0 });
});

test("GPT-2's scores are divided as config.json says: by the root of the width or not, by the layer's number or not", () => {
  const scaled = (more: object) => {
    const value = {
      model_type: "gpt2",
      architectures: ["GPT2LMHeadModel"],
      vocab_size: 9,
      n_embd: 8,
      n_head: 2,
      n_layer: 2,
      n_positions: 4,
    };
    const made = elaborate(request(undefined, { config: { name: "config.json", value: { ...value, ...more } } }));
    expect(made.diagnostics).toEqual([]);
    const { graph } = made.value!;
    const repeat = graph.nodes.find((n) => n.op === "repeat")!;
    return {
      bodies: repeat.bodies.length,
      scales: repeat.bodies.flatMap((b) =>
        b.nodes.flatMap((n) =>
          n.op === "call" && n.attrs.name === "attend"
            ? n.bodies[0]!.nodes.flatMap((m) =>
                m.op === "constant" && m.attrs.value !== 0 && Number.isFinite(m.attrs.value) ? [m.attrs.value] : [],
              )
            : [],
        ),
      ),
    };
  };
  expect(scaled({})).toEqual({ bodies: 1, scales: [0.5] });
  expect(scaled({ scale_attn_weights: false })).toEqual({ bodies: 1, scales: [] });
  expect(scaled({ scale_attn_by_inverse_layer_idx: true })).toEqual({ bodies: 2, scales: [0.5, 0.25] });
});

test("rotary frequencies that depend on the text's length are refused by the key that asks for them", () => {
  const said = (more: object): readonly string[] =>
    elaborate(
      request(undefined, { config: { name: "config.json", value: { ...(LLAMA as object), ...more } } }),
    ).diagnostics.map((d) => `${d.code}: ${d.message}`);
  const refused = (key: string, type: string) => [
    `config/unsupported: config.json sets ${key} to the text "${type}", which this model does not compute`,
  ];
  const scaling = { factor: 2, original_max_position_embeddings: 8 };
  expect(said({ rope_parameters: { rope_type: "dynamic", rope_theta: 1e4, ...scaling } })).toEqual(
    refused("rope_parameters.rope_type", "dynamic"),
  );
  expect(said({ rope_scaling: { rope_type: "longrope", ...scaling } })).toEqual(
    refused("rope_scaling.rope_type", "longrope"),
  );
  expect(said({ rope_scaling: { type: "su", factor: 2 } })).toEqual(refused("rope_scaling.type", "su"));
  // By what, has no default.
  expect(said({ rope_parameters: { rope_type: "llama3", rope_theta: 1e4 } })).toEqual(
    refused("rope_parameters.rope_type", "llama3"),
  );
  expect(said({ rope_scaling: { rope_type: "yarn" } })).toEqual(refused("rope_scaling.rope_type", "yarn"));
  for (const type of ["linear", "yarn"])
    expect(said({ rope_scaling: { type, ...scaling } }).filter((m) => !/unread/.test(m))).toEqual([]);
});

test("what a config leaves out is as the class that reads it has it, and what that does not read changes nothing", () => {
  const setting = (name: string, value: Json) => {
    const { value: made, diagnostics } = elaborate(request(undefined, { config: { name: "config.json", value } }));
    return { text: made?.settings.find((s) => s.name === name)?.text, said: diagnostics.map((d) => d.message) };
  };
  const { rms_norm_eps: _, ...llama } = LLAMA as Record<string, Json>;
  const mistral = { ...llama, model_type: "mistral", architectures: ["MistralForCausalLM"] };
  const t5 = { model_type: "t5", architectures: ["T5ForConditionalGeneration"], d_ff: 8 };
  const mt5 = { model_type: "mt5", architectures: ["MT5ForConditionalGeneration"], d_ff: 8 };
  const marian = { model_type: "marian", architectures: ["MarianMTModel"] };
  const cases: readonly [setting: string, config: Json, text: string][] = [
    ["eps", llama, "0.000001"],
    ["window", { ...mistral, sliding_window: 3 }, "3"],
    ["feed", t5, "mlp"],
    ["feed", mt5, "gated"],
    ["feed", { ...t5, feed_forward_proj: "silu" }, "mlp"],
    ["feed", { ...t5, feed_forward_proj: "gelu_new" }, "mlp"],
    ["feed", { ...t5, feed_forward_proj: "gated-relu" }, "gated"],
    ["feed", { ...t5, feed_forward_proj: "gated-gelu_new" }, "gated"],
    ["scaled", t5, "true"],
    ["scaled", { ...t5, tie_word_embeddings: false }, "false"],
    ["scaled", mt5, "false"],
    ["scaled", { ...mt5, tie_word_embeddings: true }, "false"],
    ["activation", marian, "gelu"],
    ["scaled", marian, "false"],
    ["scaled", { ...marian, scale_embedding: true }, "true"],
  ];
  for (const [name, config, text] of cases) expect([name, setting(name, config)]).toEqual([name, { text, said: [] }]);
  expect(setting("window", { ...llama, sliding_window: 3 })).toEqual({
    text: "none",
    said: ["config.json sets sliding_window = 3, which the map of llama does not read"],
  });
});
