/** Weights beyond what a buffer may hold lie there in pieces, and the numbers are those of the whole. */
import { describe, expect, test } from "vitest";
import { evaluateGraph } from "../../src/backends/reference/evaluate.ts";
import { float64 } from "../../src/backends/reference/float64.ts";
import type { TfjsArtifact } from "../../src/backends/tfjs/emit.ts";
import type { TfmMetadata } from "../../src/backends/tfjs/fusions.ts";
import type { ModelJson } from "../../src/backends/tfjs/graph-def.ts";
import { load } from "../../src/backends/tfjs/runtime/load.ts";
import { trainable } from "../../src/backends/tfjs/runtime/train.ts";
import { tfjsKeeps, tfjsTargets } from "../../src/backends/tfjs/targets.ts";
import { prepare } from "../../src/compile.ts";
import type { VerifiedGraph } from "../../src/ir/graph.ts";
import type { Tensor } from "../../src/ops/op.ts";
import { draw, drawParams, graphOf, Random, tensorOf } from "../conformance/onnx-harness.ts";
import { elaborateText, type Options } from "../support/programs.ts";
import { noGpu, tensorflow } from "../support/tfjs.ts";
import { emitForTfjs, execute, loadTfjs, rangeIn, TFJS_BACKENDS, use, weightBytes } from "../support/tfjs-model.ts";

/** In bytes: tables of these models have some thousands. */
const LIMIT = 600;
const SMALL = { vocab: 67, hidden: 12, heads: 6, layers: 1 };

function graphFor(options: Options, text?: string): VerifiedGraph {
  const { value, diagnostics } = elaborateText(text, options);
  expect(diagnostics.map((d) => d.message)).toEqual([]);
  const made = prepare(value!, { keeps: tfjsKeeps, optimize: true, cache: false });
  return made.value![0]!.graph;
}

const inPieces = (
  graph: VerifiedGraph,
  params: ReadonlyMap<string, Tensor<number>>,
  storedAs?: "uint8",
): TfjsArtifact =>
  emitForTfjs(graph, "any", storedAs ?? "float32", {
    target: { ...tfjsTargets.any, largestTable: LIMIT },
    rangeOf: rangeIn(params),
  });

const modelOf = (artifact: TfjsArtifact): ModelJson => JSON.parse(artifact.model) as ModelJson;

async function compare(graph: VerifiedGraph, limit: number, sizes = { batch: 2, seq: 5 }): Promise<void> {
  const params = drawParams(graph);
  const random = new Random();
  const inputs = new Map(
    graph.inputs.map((i) => [
      i.outside ?? i.name,
      tensorOf(i.value.type, sizes, draw(i.value.type, sizes, random, limit)),
    ]),
  );
  const byName = new Map(graph.inputs.map((i) => [i.name, inputs.get(i.outside ?? i.name)!]));
  const wanted = evaluateGraph(graph, { inputs: byName, param: (path) => params.get(path)! }, { arithmetic: float64 });
  const model = await loadTfjs(inPieces(graph, params), params);
  const found = await execute(model, inputs);
  model.dispose();
  for (const o of graph.outputs) {
    const { data } = wanted.outputs.get(o.name)!;
    const own = found.get(o.outside ?? o.name)!.data;
    const scale = Math.max(1, ...Array.from(data as number[], Math.abs));
    expect(own.length).toBe(data.length);
    own.forEach((v, i) => expect(Math.abs(v - (data[i] as number)) / scale).toBeLessThan(1e-4));
  }
}

describe("no constant is larger than the limit", () => {
  test.each([
    ["a table that is also the head", { model: "gpt_lm", settings: { ...SMALL, positions: 70 } }],
    ["a table and a head", { model: "llama_lm", settings: { ...SMALL, kv_heads: 2, intermediate: 40 } }],
  ])("%s", (_, options) => {
    const graph = graphFor(options);
    const weights = modelOf(inPieces(graph, drawParams(graph))).weightsManifest.flatMap((g) => g.weights);
    const bytes = weights.map((w) => 4 * w.shape.reduce((a, b) => a * b, 1));
    expect(Math.max(...bytes)).toBeLessThanOrEqual(LIMIT);
    expect(weights.filter((w) => w.name.includes("/part")).length).toBeGreaterThan(5);
  });

  test("those of 128 MiB or less stay whole, and so do all where there is no such limit", () => {
    const of = (rows: number) =>
      graphOf((g) => {
        const table = g.weight("table", `rows=${rows}`, "width=1024");
        g.out("y", g.op("lookup", [table, g.in("x", "int", "seq")], { axis: "rows" }));
      });
    const constants = (rows: number, provider: "any" | "webgpu" | "wasm"): readonly string[] =>
      JSON.parse(emitForTfjs(of(rows), provider).model).userDefinedMetadata.tfm.parameters[0].constants;
    expect(constants(32_768, "any")).toEqual(["table"]);
    expect(constants(32_769, "any")).toEqual(["table/part0", "table/part1"]);
    expect(constants(32_769, "webgpu").length).toBe(2);
    expect(constants(32_769, "wasm")).toEqual(["table"]);
  });
});

if (noGpu) test.skip(`webgpu is not tested: ${noGpu}`, () => undefined);

describe.each(TFJS_BACKENDS)("on %s", (backend) => {
  test.each([
    ["gpt_lm", { positions: 70 }],
    ["llama_lm", { kv_heads: 2, intermediate: 40 }],
    ["bert", { intermediate: 40, positions: 70 }],
    ["glm", { places: 70 }],
  ])(
    "%s",
    async (model, settings) => {
      await use(backend);
      const graph = graphFor({ model, settings: { ...SMALL, ...settings } });
      await compare(graph, model === "bert" ? 2 : 67);
    },
    120_000,
  );

  test("a table of which columns are looked up, and one in which a middle axis is", async () => {
    await use(backend);
    const graph = graphOf((g) => {
      const at = g.in("at", "int", "batch", "seq");
      const columns = g.weight("columns", "width=5", "rows=67");
      g.out("a", g.op("lookup", [columns, at], { axis: "rows" }));
      const middle = g.weight("middle", "first=3", "rows=67", "width=2");
      g.out("b", g.op("lookup", [middle, at], { axis: "rows" }));
      // Cut as the product wants it: the lookup goes along the other axis.
      const both = g.weight("both", "rows=67", "width=5");
      g.out("c", g.op("lookup", [both, at], { axis: "rows" }));
      g.out("d", g.op("dot", [g.in("x", "float", "batch", "rows=67"), both], { over: ["rows"] }));
    });
    await compare(graph, 67);
  });
});

describe("training and bytes", () => {
  const sourceOf = (artifact: TfjsArtifact, params: ReadonlyMap<string, Tensor<number>>) => {
    const files = new Map<string, ArrayBuffer>([["model.json", new TextEncoder().encode(artifact.model).buffer]]);
    const bytes = weightBytes(artifact, params);
    expect(artifact.shards.length).toBe(1);
    files.set(artifact.shards[0]!, bytes);
    return { name: "memory", read: async (file: string) => files.get(file) };
  };

  test("gradients of pieces are pieces of the gradient", async () => {
    const graph = graphOf((g) => {
      const table = g.weight("table", "rows=67", "width=5");
      const x = g.op("lookup", [table, g.in("x", "int", "seq")], { axis: "rows" });
      const scores = g.op("dot", [x, table], { over: ["width"] });
      g.out("loss", g.op("sum", [g.op("tanh", [scores], {})], { over: ["seq", "rows"] }));
    });
    const params = drawParams(graph);
    const tf = await tensorflow();
    const found: (readonly [readonly number[], Float32Array])[] = [];
    for (const artifact of [emitForTfjs(graph), inPieces(graph, params)]) {
      const model = await load(tf, sourceOf(artifact, params), { backends: ["cpu"], fuse: false });
      const training = trainable(model);
      const batch = { x: { dims: [4], data: [66, 0, 33, 32] } };
      const { loss, gradients } = training.gradients(batch);
      const data = await Promise.all(Object.values(gradients).map(async (g) => [...(await g.data())]));
      const [weight] = await training.weights();
      expect(Array.from(weight!.data)).toEqual(Array.from(params.get("table")!.data as number[]));
      found.push([data.flat(), weight!.data]);
      for (const t of [loss, ...Object.values(gradients)]) t.dispose();
      training.dispose();
      model.dispose();
    }
    const [[whole], [pieces]] = found as [(typeof found)[0], (typeof found)[0]];
    expect(pieces.length).toBe(whole.length);
    pieces.forEach((v, i) => expect(v).toBeCloseTo(whole[i]!, 4));
  });

  test("each piece has a scale of its own", async () => {
    const graph = graphFor({ model: "llama_lm", settings: { ...SMALL, vocab: 670, kv_heads: 2, intermediate: 40 } });
    const params = drawParams(graph);
    const target = { ...tfjsTargets.any, largestTable: 8192 };
    const artifact = emitForTfjs(graph, "any", "uint8", { target, rangeOf: rangeIn(params) });
    const { weights } = modelOf(artifact).weightsManifest[0]!;
    const parts = weights.filter((w) => w.name.includes("/part"));
    expect(parts.length).toBeGreaterThan(3);
    const scales = parts.map(({ quantization: q }) => (q?.dtype === "uint8" ? q.scale : undefined));
    expect(scales).not.toContain(undefined);
    expect(new Set(scales).size).toBeGreaterThan(2);
    const { tfm } = modelOf(artifact).userDefinedMetadata as { tfm: TfmMetadata };
    expect(tfm.parameters.filter((p) => p.along !== undefined).map((p) => p.constants.length)).toEqual([4, 4]);
  });
});
