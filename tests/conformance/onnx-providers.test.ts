/**
 * The kernels of ONNX Runtime's own in graphs for webgpu and cuda: which form gets which operator, and why one gets none. All run in the
 * CPU provider, which has these operators too.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import proto, { type onnx } from "onnx-proto";
import { InferenceSession } from "onnxruntime-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { emitOnnx, type OnnxArtifact } from "../../src/backends/onnx/emit.ts";
import { deserialize } from "../../src/backends/onnx/serialize.ts";
import { keeps, type OnnxProvider } from "../../src/backends/onnx/targets.ts";
import { checkAll, prepare, type Prepared } from "../../src/compile.ts";
import type { VerifiedGraph } from "../../src/ir/graph.ts";
import { openDecoder } from "../../src/host/decoder.ts";
import { CHECKPOINTS } from "../support/checkpoint-cases.ts";
import { tfm } from "../support/cli.ts";
import { elaborateText, request } from "../support/programs.ts";
import { fromFloat32 } from "../../src/weights/dtypes.ts";
import { difference, drawInputs, drawWeights, reference } from "../support/run-program.ts";
import { agree, emit, graphOf, numbersOf, PROVIDERS, SESSION, toOrt } from "./onnx-harness.ts";
import { layerNorm, rmsNorm } from "./onnx-stdlib.ts";
import { axis } from "./onnx-harness.ts";

const [MHA, GQA] = ["com.microsoft.MultiHeadAttention", "com.microsoft.GroupQueryAttention"] as const;
const [SKIP, SIMPLE] = [
  "com.microsoft.SkipLayerNormalization",
  "com.microsoft.SkipSimplifiedLayerNormalization",
] as const;
const CONTRIBUTED = [MHA, GQA, SKIP, SIMPLE] as const;

let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), "tfm-providers-"))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function written(graph: VerifiedGraph, provider: OnnxProvider, dtype: "float32" | "float16" = "float32"): OnnxArtifact {
  return emitOnnx(graph, {
    target: "onnx",
    provider,
    dtype,
    weights: () => ({ kind: "initial", initial: { kind: "constant", value: 0 }, seed: 0 }),
    dataFile: "model.onnx_data",
    producer: { name: "tfm", version: "test" },
  });
}

function graphsOf(text: string, provider: OnnxProvider, cache?: boolean): readonly VerifiedGraph[] {
  const { value, diagnostics } = elaborateText(text);
  expect(diagnostics.filter((d) => d.severity === "error")).toEqual([]);
  const made = prepare(value!, {
    optimize: true,
    keeps: keeps("onnx", provider),
    ...(cache === undefined ? {} : { cache }),
  });
  return made.value!.map((p) => p.graph);
}

const decoder = (attention: string): string => `
model m(vocab = 20, hidden = 32, heads = 4, layers = 2) grows seq {
  input tokens as "input_ids": int[batch, seq]
  let words = new embed(vocab)
  output logits = words(tokens) -> layers: decoder x{layers} < ${attention}, rmsnorm, swiglu > -> norm: rmsnorm -> head: linear(vocab)
}`;

describe("attention of a decoder", () => {
  test.each([
    ["mha(rope())", MHA, []],
    ["gqa(2, rope())", GQA, []],
    ["mqa(rope())", GQA, []],
    ["gqa(2, rope(), window = 3)", GQA, []],
    ["mha(window = 3)", MHA, []],
    ["mha(softcap = 5.0)", "Softmax", ["its scores are capped"]],
    ["gqa(2, scale = 1.0)", GQA, []],
    ["gqa(2, head_dim = 12)", "Softmax", ["GroupQueryAttention takes heads of multiples of 8, not of 12"]],
    ["mha(head_dim = 12)", MHA, []],
    [
      "gqa(2, sees = sliding(3))",
      "Softmax",
      ["GroupQueryAttention hides what comes after a query, and the mask may not"],
    ],
    ["mha(sees = sliding(3))", MHA, []],
  ] as const)("%s is %s on webgpu", (attention, op, reasons) => {
    const [graph] = graphsOf(decoder(attention), "webgpu");
    const made = written(graph!, "webgpu");
    expect(made.nodeCounts[op]).toBe(2);
    expect([MHA, GQA, "Softmax"].reduce((n, o) => n + (made.nodeCounts[o] ?? 0), 0)).toBe(2);
    expect([...new Set(made.reasons.map((r) => r.why))]).toEqual(reasons);
    expect(made.reasons.every((r) => r.where.startsWith("layers."))).toBe(true);
    expect(made.nodeCounts["Concat"] ?? 0).toBeLessThanOrEqual(op === "Softmax" ? 12 : 6);
    expect(made.isNarrow).toBe(op === GQA);
  });

  test("what is kept is joined by the operator: no transposes, no concatenations in a layer", () => {
    for (const provider of PROVIDERS) {
      const [graph] = graphsOf(decoder("gqa(2, rope())"), provider);
      const { graph: model } = deserialize(written(graph!, provider).model);
      const layer = model!.node!.filter((n) => n.name!.startsWith("layers."));
      expect(layer.filter((n) => ["Transpose", "Concat"].includes(n.opType!))).toEqual([]);
      const attention = layer.filter((n) => /Attention$/.test(n.opType!));
      expect(attention.map((n) => n.output!.slice(1))).toEqual([
        ["present.layers.0.attention.body.k", "present.layers.0.attention.body.v"],
        ["present.layers.1.attention.body.k", "present.layers.1.attention.body.v"],
      ]);
    }
  });

  test("a mask that is no more than causal is none: the operator is told so, and no row is blind", () => {
    const [graph] = graphsOf(decoder("mha(rope())"), "webgpu");
    const { graph: model } = deserialize(written(graph!, "webgpu").model);
    const attention = model!.node!.find((n) => n.opType === "MultiHeadAttention")!;
    expect(attention.attribute!.map((a) => [a.name, Number(a.i)])).toContainEqual(["unidirectional", 1]);
    expect(attention.input!.slice(3, 6)).toEqual(["", "", ""]);
    expect(model!.node!.filter((n) => ["ReduceMax", "Where"].includes(n.opType!))).toEqual([]);
  });

  test("without a cache the present is not asked for", () => {
    const [graph] = graphsOf(decoder("gqa(2, rope())"), "webgpu", false);
    const { graph: model } = deserialize(written(graph!, "webgpu").model);
    const attention = model!.node!.find((n) => n.opType === "GroupQueryAttention")!;
    expect(attention.output).toHaveLength(1);
    expect(attention.input!.slice(3, 5)).toEqual(["", ""]);
  });

  test("cuda has ONNX's own for all, with what is kept", () => {
    for (const attention of ["mha(rope())", "gqa(2, rope())", "gqa(2, head_dim = 12)"]) {
      const [graph] = graphsOf(decoder(attention), "cuda");
      const made = written(graph!, "cuda");
      expect(made.nodeCounts["Attention"]).toBe(2);
      expect(made.reasons).toEqual([]);
      expect(made.isNarrow).toBe(false);
    }
  });
});

describe("a sum and its norm", () => {
  const d = axis("d=6");
  const sizes = { batch: 2, seq: 3 };

  const layers = (norm: string, layer: string): string => `
    model m(hidden = 8, heads = 2, layers = 3) {
      input x: float[batch, seq, hidden]
      output y = x -> linear(hidden) -> layers: ${layer} x{layers} < mha, ${norm}, mlp(gelu) > -> last: ${norm}
    }`;

  test("on the CPU they stay two", () => {
    for (const kind of ["encoder(pre)", "encoder(post)"]) {
      const [graph] = graphsOf(layers("layernorm", kind), "cpu");
      const { nodeCounts } = written(graph!, "cpu");
      for (const op of CONTRIBUTED) expect(nodeCounts[op]).toBeUndefined();
    }
  });

  test("a sum that is the same along an axis is left to the sum", async () => {
    const graph = graphOf((g) => {
      const sum = g.op("add", [g.in("a", "float", "seq", "d=6"), g.in("b", "float", "d=6")], {});
      g.out("y", rmsNorm(g, sum, g.weight("w", "d=6"), 1e-5, d));
    });
    await agree({ graph, sizes });
    for (const provider of PROVIDERS) expect(emit(graph, "onnx", provider).nodeCounts).toMatchObject({ Add: 1 });
  });

  test("two norms of one sum: the second reads what the first hands out", async () => {
    for (const late of [false, true]) {
      const graph = graphOf((g) => {
        const sum = g.op("add", [g.in("a", "float", "seq", "d=6"), g.in("b", "float", "seq", "d=6")], {});
        const other = layerNorm(g, sum, g.weight("v", "d=6"), g.weight("s", "d=6"), 1e-5, d);
        // A weight that is made after the sum is read already.
        const weight = late ? g.op("tanh", [other], {}) : undefined;
        const w = weight ? g.op("mean", [weight], { over: ["seq"] }) : g.weight("w", "d=6");
        g.out("y", g.op("add", [rmsNorm(g, sum, w, 1e-5, d), other], {}));
        g.out("sum", sum);
      });
      await agree({ graph, sizes });
      for (const provider of PROVIDERS)
        expect(emit(graph, "onnx", provider).nodeCounts).toMatchObject({ [SKIP]: 1, RMSNormalization: 1 });
    }
  });

  test.each([
    ["layernorm", "encoder(pre)", SKIP],
    ["layernorm(bias = false)", "encoder(pre)", SKIP],
    ["layernorm", "encoder(post)", SKIP],
    ["rmsnorm", "encoder(pre)", SIMPLE],
    ["rmsnorm", "encoder(post)", SIMPLE],
    ["rmsnorm(offset = 1)", "encoder(pre)", SIMPLE],
  ])("%s in an %s", async (norm, kind, op) => {
    const [graph] = graphsOf(layers(norm, kind), "webgpu");
    await agree({ graph: graph!, sizes, tfjs: [], tolerance: 2e-4 });
    const { nodeCounts } = written(graph!, "webgpu");
    // Two of each layer, and the last: all but the first of all have a sum before them.
    expect(nodeCounts[op]).toBe(6);
    expect((nodeCounts["LayerNormalization"] ?? 0) + (nodeCounts["RMSNormalization"] ?? 0)).toBe(1);
    expect(nodeCounts["Add"] ?? 0).toBe(norm.includes("offset") ? 7 : 0);
  });

  test("in float16 they are webgpu's alone: older kernels of cuda add up squares in halves", () => {
    const [graph] = graphsOf(layers("rmsnorm", "encoder(pre)"), "cuda");
    expect(written(graph!, "cuda").nodeCounts[SIMPLE]).toBe(6);
    expect(written(graph!, "cuda", "float16").nodeCounts[SIMPLE]).toBeUndefined();
    expect(written(graph!, "webgpu", "float16").nodeCounts[SIMPLE]).toBe(6);
  });
});

const EXAMPLES = new URL("../../examples/", import.meta.url).pathname;
const models = readdirSync(EXAMPLES)
  .filter((f) => f.endsWith(".tfm"))
  .flatMap((file) => {
    const text = readFileSync(join(EXAMPLES, file), "utf8");
    return /^model /m.test(text) ? (checkAll(request(text)).value ?? []).map((m) => ({ file, model: m.model })) : [];
  });

/** The command's own check runs what is written, two steps of what generates, and compares with what the program means. */
describe.each(models)("$file: $model", ({ file, model }) => {
  test.each(PROVIDERS)("for %s", async (provider) => {
    const out = join(folder, "out");
    const said = await tfm("compile", join(EXAMPLES, file), "-m", model, "-o", out, "--json", "--provider", provider);
    const { checked } = JSON.parse(said.out) as { checked?: string };
    expect(checked).toMatch(/^re-read; run .* in ONNX Runtime: within [0-9]e-(0[5-9]|[5-9]|1[0-9]) /);
  });
});

test.each(["llama3_1", "t5", "bert-pretraining"])("%s in float16", async (name) => {
  for (const provider of PROVIDERS) {
    const out = join(folder, "half");
    const said = await tfm(
      "compile",
      join(CHECKPOINTS, name),
      "-o",
      out,
      "--json",
      "--provider",
      provider,
      "--dtype",
      "float16",
    );
    const { checked } = JSON.parse(said.out) as { checked?: string };
    expect(checked, provider).toMatch(/^re-read; run .* within [0-9]e-0?[2-9] /);
  }
});

test("the angles of rotary positions are products of float64 on webgpu, which run where their sines do", () => {
  const [graph] = graphsOf(decoder("gqa(2, rope())"), "webgpu");
  const { graph: model } = deserialize(written(graph!, "webgpu").model);
  const { graph: own } = deserialize(written(graph!, "cuda").model);
  const angleOf = (nodes: readonly onnx.INodeProto[]): onnx.INodeProto =>
    nodes.find((n) => n.output![0] === nodes.find((s) => s.opType === "Sin")!.input![0])!;
  expect(angleOf(own!.node!).opType).toBe("Mul");
  const cast = angleOf(model!.node!);
  expect(cast).toMatchObject({ opType: "Cast" });
  expect(model!.node!.find((n) => n.output![0] === cast.input![0])!.opType).toBe("Transpose");
});

test("in float16 a layer has no cast, and a sum of some hundreds stays finite", async () => {
  const settings = { vocab: 19, hidden: 32, heads: 4, kv_heads: 2, layers: 4, intermediate: 16 };
  const { value } = elaborateText(undefined, { model: "llama_lm", settings });
  for (const provider of PROVIDERS) {
    const [{ graph }] = prepare(value!, { optimize: true, keeps: keeps("onnx", provider) }).value as [Prepared];
    const { graph: model } = deserialize(written(graph, provider, "float16").model);
    const layer = model!.node!.filter((n) => n.name!.startsWith("layers.2"));
    expect(layer.length).toBeGreaterThan(10);
    // The sums of cuda's norms are apart: what the norm has made in halves is read as it is.
    expect(layer.filter((n) => n.opType === "Cast").map((n) => n.name)).toEqual([]);
  }
  const text = `
    model m(hidden = 8) {
      input x: float[batch, seq, hidden]
      let a = x * 300 -> first: linear(hidden)
      output y = a + (a -> second: linear(hidden)) -> rmsnorm -> last: linear(hidden)
    }`;
  const [graph] = graphsOf(text, "webgpu");
  const artifact = written(graph!, "webgpu", "float16");
  expect(artifact.nodeCounts[SIMPLE]).toBe(1);
  const drawn = { params: drawWeights(graph!), inputs: drawInputs(graph!, { batch: 2, seq: 3 }, 2) };
  const data = new Uint8Array(Math.max(...artifact.planned.map((t) => t.offset + t.length)));
  for (const t of artifact.planned)
    data.set(fromFloat32("F16", Float32Array.from(drawn.params.get(t.path)!.data as number[])), t.offset);
  const options = { ...SESSION, externalData: [{ path: "model.onnx_data", data }] };
  const session = await InferenceSession.create(artifact.model, options);
  const found = numbersOf((await session.run({ x: toOrt(drawn.inputs.get("x")!) }))["y"]!);
  expect(difference(found, reference(graph!, drawn).outputs.get("y")!.data)).toBeLessThan(2e-2);
});

describe("what the files compute is proved, and mistakes in them are found", () => {
  const equiv = async (out: string, name: string): Promise<{ verdict: string; status: number }> => {
    const said = await tfm("equiv", out, join(CHECKPOINTS, name), "--json");
    return { ...(JSON.parse(said.out) as { verdict: string }), status: said.status };
  };
  test.each(["llama3_1", "gpt2", "bert-base-model", "t5"])("%s", { timeout: 120_000 }, async (name) => {
    for (const provider of PROVIDERS) {
      const out = join(folder, `equiv-${name}`);
      expect((await tfm("compile", join(CHECKPOINTS, name), "-o", out, "--provider", provider)).status).toBe(0);
      expect(await equiv(out, name), provider).toMatchObject({ status: 0, verdict: "proved" });
    }
  });

  const attributeOf = (node: onnx.INodeProto, name: string): onnx.IAttributeProto =>
    node.attribute!.find((a) => a.name === name)!;
  test.each<[string, string, string, (node: onnx.INodeProto) => void]>([
    ["another scale", "gpt2", "MultiHeadAttention", (n) => (attributeOf(n, "scale").f! *= 1.01)],
    ["other heads", "gpt2", "MultiHeadAttention", (n) => (attributeOf(n, "num_heads").i = 2)],
    ["no bias", "gpt2", "MultiHeadAttention", (n) => (n.input![5] = "")],
    ["keys that are values", "llama3_1", "GroupQueryAttention", (n) => (n.input![1] = n.input![2]!)],
    ["another epsilon", "llama3_1", "SkipSimplifiedLayerNormalization", (n) => (attributeOf(n, "epsilon").f = 0.1)],
    ["the sum left out", "gpt2", "SkipLayerNormalization", (n) => (n.input![1] = n.input![0]!)],
  ])("%s", { timeout: 60_000 }, async (_, name, op, change) => {
    const out = join(folder, `mutant-${name}`);
    expect((await tfm("compile", join(CHECKPOINTS, name), "-o", out, "--provider", "webgpu", "--copy")).status).toBe(0);
    const path = join(out, "model.onnx");
    const model = deserialize(readFileSync(path));
    const node = model.graph!.node!.filter((n) => n.opType === op).at(-1)!;
    change(node);
    writeFileSync(path, proto.onnx.ModelProto.encode(model).finish());
    const said = await equiv(out, name);
    expect(said.status).not.toBe(0);
    expect(said.verdict).not.toBe("proved");
  });
});

test("a batch whose prompt comes in two steps: attention that takes no such step gets its places one by one", async () => {
  const results = [];
  for (const provider of ["cpu", "webgpu"]) {
    const out = join(folder, `narrow-${provider}`);
    const made = await tfm("compile", join(CHECKPOINTS, "llama3_1"), "-o", out, "--provider", provider);
    expect(made.status).toBe(0);
    const { value: decoder } = await openDecoder(out);
    await decoder!.step([
      [3, 4, 5],
      [6, 7],
    ]);
    results.push(await decoder!.step([[8, 9, 2, 3], [5]]));
    await decoder!.close();
  }
  const [cpu, webgpu] = results as [readonly Float32Array[], readonly Float32Array[]];
  cpu.forEach((row, i) => row.forEach((x, j) => expect(Math.abs(x - webgpu[i]![j]!)).toBeLessThan(1e-4)));
});
