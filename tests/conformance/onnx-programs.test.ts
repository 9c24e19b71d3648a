/**
 * @file Whole programs through the pipeline, emitted for each target with and without a cache, against the reference
 * evaluator.
 */
import { describe, expect, it } from "vitest";
import { keeps } from "../../src/backends/onnx/targets.ts";
import { rereadOnnx } from "../../src/backends/onnx/reread.ts";
import { prepare } from "../../src/compile.ts";
import type { VerifiedGraph } from "../../src/ir/graph.ts";
import type { TargetName } from "../../src/backends/onnx/targets.ts";
import { elaborateText, type Options } from "../support/programs.ts";
import { agree, TARGETS, TFJS, type Sizes } from "./onnx-harness.ts";

const SMALL = { vocab: 19, hidden: 12, heads: 6, layers: 3 };
/** A block that reads other places. */
const BLOCKS = `
block token_shift() {
  input x: [..., seq, d]
  param mix: [d] = constant(0.5)
  output x * mix + previous[seq](x) * (1 - mix)
}
`;
const program = (body: string, grows = ""): string => `${BLOCKS}
model m(vocab = 19, hidden = 12, heads = 6, layers = 3) ${grows} {
  input tokens as "input_ids": int[batch, seq]
  output y = tokens -> embed(vocab) -> ${body}
}`;

interface Program {
  readonly text?: string;
  readonly options?: Options;
  readonly sizes?: Sizes;
  readonly limit?: number;
}

const PROGRAMS: Readonly<Record<string, Program>> = {
  bert: { options: { model: "bert", settings: { ...SMALL, intermediate: 16, positions: 20 } }, limit: 2 },
  bert_choice: {
    options: { model: "bert_choice", settings: { ...SMALL, intermediate: 16, positions: 20 } },
    limit: 2,
    sizes: { batch: 2, choices: 3, seq: 4 },
  },
  gpt_lm: { options: { model: "gpt_lm", settings: { ...SMALL, positions: 20 } } },
  llama_lm: { options: { model: "llama_lm", settings: { ...SMALL, kv_heads: 2, intermediate: 16 } } },
  glm: { options: { model: "glm", settings: { ...SMALL, places: 20 } } },
  "an encoder of multi-query attention": { text: program("encoder x{layers} < mqa, layernorm, mlp(relu, 16) >") },
  "a decoder with neighbouring rotary pairs": {
    text: program("decoder(sandwich) x{layers} < gqa(2, rope(neighbours = true)), rmsnorm, swiglu(16) >", "grows seq"),
  },
  "a decoder that turns a part": {
    text: program(
      "decoder(branch) x{layers} < gqa(3, rope(width = 2), window = 3), rmsnorm(1e-5), gated(gelu, 16) >",
      "grows seq",
    ),
  },
  "a decoder with slopes and caps": {
    text: program(
      "decoder x{layers} < mha(score_bias = alibi(heads), softcap = 5), rmsnorm, swiglu(16) >",
      "grows seq",
    ),
  },
  "layers of two kinds": {
    text: program(
      "decoder x{layers} < gqa(2, rope, window = if layer == 1 then 2 else none), rmsnorm, if (layer < 2) then swiglu(16) else mlp(gelu_tanh, 20) >",
      "grows seq",
    ),
  },
  "one layer in several places, and over and over": {
    text: `${BLOCKS}
model m(vocab = 19, hidden = 12, heads = 6) grows seq {
  input tokens as "input_ids": int[batch, seq]
  let one = new decoder(post) < gqa(2, rope), layernorm, mlp(gelu, 16) >
  let shift = new token_shift
  output y = tokens -> embed(vocab) -> one -> shift -> one x2 -> shift -> one -> head: linear(vocab)
}`,
  },
  // A row of the mask is closed everywhere at place 0.
  "heads that talk, under a mask that hides a place from itself": {
    text: `
block talking() given hidden, heads {
  input x: [..., seq, hidden]
  dim width = hidden / heads
  dim mixed = heads
  param before: [heads, mixed] = normal(0.5)
  let k = x -> k: linear(heads, width) -> keep[seq -> keys]
  let v = x -> v: linear(heads, width) -> keep[seq -> keys]
  let scores = dot(dot(x -> q: linear(heads, width), k, over = width), before, over = heads)
  let shares = softmax(where(position(keys) < position(seq), scores, -inf), over = keys)
  output x + dot(shares[mixed -> heads], v, over = keys)[(heads, width) -> hidden]
}
model m(vocab = 19, hidden = 12, heads = 3) grows seq {
  input tokens as "input_ids": int[batch, seq]
  output y = tokens -> embed(vocab) -> talking x2 -> head: linear(vocab)
}`,
  },
  "token shift": { text: program("token_shift -> linear(5)") },
};

function prepared(
  { text, options }: Program,
  target: TargetName,
  cache: boolean,
  optimize: boolean,
): VerifiedGraph | undefined {
  const { value, diagnostics } = elaborateText(text, options);
  expect(diagnostics.map((d) => d.message)).toEqual([]);
  if (cache && value!.graph.grows === undefined) return undefined;
  const made = prepare(value!, { keeps: keeps(target), optimize, cache });
  expect(made.diagnostics.map((d) => d.message)).toEqual([]);
  return made.value![0]!.graph;
}

/** Sizes for all symbols of the inputs and states; the past is as given. */
function sizesFor(graph: VerifiedGraph, given: Sizes, past: number): Sizes {
  const types = [
    ...graph.inputs.map((i) => i.value.type),
    ...graph.nodes.flatMap((n) => n.bodies.flatMap((b) => b.states.map((s) => s.past.type))),
  ];
  const symbols = new Set(
    [...types, ...graph.states.map((s) => s.past.type)].flatMap((t) => t.axes.flatMap((a) => [...a.size.symbols])),
  );
  return { ...Object.fromEntries([...symbols].map((s) => [s, given[s] ?? past])) };
}

describe.each(Object.entries(PROGRAMS))("%s", (_, program) => {
  const { sizes: given = { batch: 2, seq: 4 }, limit = 4 } = program;
  for (const target of TARGETS) {
    // What it computes is the same for all of ONNX's dialects.
    const tfjs = target === "onnx" ? TFJS : [];
    for (const optimize of [true, false])
      it(`${target}${optimize ? "" : ", nothing optimised"}`, async () => {
        const graph = prepared(program, target, false, optimize)!;
        const [artifact] = await agree({ graph, sizes: given, targets: [target], tfjs, tolerance: 2e-3, limit });
        expect(rereadOnnx(artifact!.model, { signature: artifact!.signature, fileSize: () => 1e9 })).toEqual([]);
      });
    for (const past of [0, 3])
      it(`${target}, with a past of ${past}`, async () => {
        const graph = prepared(program, target, true, true);
        if (!graph) return;
        await agree({
          graph,
          sizes: sizesFor(graph, { batch: 2, seq: past === 0 ? 4 : 1 }, past),
          targets: [target],
          tfjs,
          tolerance: 2e-3,
          limit,
        });
      });
  }
});
