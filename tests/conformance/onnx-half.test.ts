/** Graphs in float16: near the reference, finite where halves overflow, and with islands of float32 where they must be. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { describe, expect, test } from "vitest";
import { emitOnnx, type OnnxArtifact } from "../../src/backends/onnx/emit.ts";
import { deserialize } from "../../src/backends/onnx/serialize.ts";
import type { VerifiedGraph } from "../../src/ir/graph.ts";
import { concreteStates } from "../../src/ir/states.ts";
import { fromFloat32 } from "../../src/weights/dtypes.ts";
import { tfm } from "../support/cli.ts";
import { elaborateText } from "../support/programs.ts";
import { difference, drawInputs, drawWeights, prepared, reference, type Drawn } from "../support/run-program.ts";
import { numbersOf, SESSION, toOrt } from "./onnx-harness.ts";

const SMALL = { vocab: 19, hidden: 12, heads: 6, layers: 3 };
const SIZES = { batch: 2, seq: 5 };

function halved(graph: VerifiedGraph): OnnxArtifact {
  return emitOnnx(graph, {
    target: "onnx",
    dtype: "float16",
    weights: () => ({ kind: "initial", initial: { kind: "constant", value: 0 }, seed: 0 }),
    dataFile: "model.onnx_data",
    producer: { name: "tfm", version: "test" },
  });
}

async function run(graph: VerifiedGraph, { params, inputs }: Drawn): Promise<ReadonlyMap<string, readonly number[]>> {
  const artifact = halved(graph);
  const data = new Uint8Array(Math.max(0, ...artifact.planned.map((p) => p.offset + p.length)));
  for (const { path, dtype, offset, length } of artifact.planned) {
    expect(dtype).toBe("F16");
    const numbers = fromFloat32("F16", Float32Array.from(params.get(path)!.data as number[]));
    expect(numbers.length).toBe(length);
    data.set(numbers, offset);
  }
  const options = { ...SESSION, externalData: [{ path: "model.onnx_data", data }] };
  const session = await ort.InferenceSession.create(artifact.model, options);
  const fed = graph.inputs.map((i) => [i.outside ?? i.name, toOrt(inputs.get(i.name)!)] as const);
  const results = await session.run(Object.fromEntries(fed));
  await session.release();
  return new Map(graph.outputs.map((o) => [o.name, numbersOf(results[o.outside ?? o.name]!)] as const));
}

describe("near the reference", () => {
  const models = {
    bert: { ...SMALL, intermediate: 16, positions: 20 },
    gpt_lm: { ...SMALL, positions: 20 },
    llama_lm: { ...SMALL, kv_heads: 2, intermediate: 16 },
    glm: { ...SMALL, places: 20 },
  };
  test.each(Object.entries(models))("%s", async (model, settings) => {
    const graph = prepared(elaborateText(undefined, { model, settings }).value!, "onnx", false);
    const drawn = { params: drawWeights(graph), inputs: drawInputs(graph, SIZES, 2) };
    const wanted = reference(graph, drawn);
    for (const [name, numbers] of await run(graph, drawn))
      expect(difference(numbers, wanted.outputs.get(name)!.data), name).toBeLessThan(3e-2);
  });
});

/** A residual stream of some hundreds: its square is beyond the largest float16. */
test.each(["rmsnorm", "layernorm", "rms_by_hand"])(
  "activations of some hundreds through %s stay finite",
  async (norm) => {
    const text = `
    op by_hand(x: [..., d], w: [d]) = x / sqrt(mean(x ^ 2, over = d) + 1e-6) * w
    block rms_by_hand(): norm { input x: [..., d]; param weight: [d] = ones; output by_hand(x, weight) }
    model m(hidden = 8, heads = 2) {
      input x: float[batch, seq, hidden]
      output y = x * 400 -> a: ${norm} -> b: linear(hidden)
    }`;
    const graph = prepared(elaborateText(text).value!, "onnx", false);
    const drawn = { params: drawWeights(graph), inputs: drawInputs(graph, SIZES, 2) };
    const [numbers] = [...(await run(graph, drawn)).values()];
    expect(numbers!.every(Number.isFinite)).toBe(true);
    expect(difference(numbers!, reference(graph, drawn).outputs.get("y")!.data)).toBeLessThan(2e-2);
  },
);

test("places beyond 2,048, which halves cannot tell apart, keep their angles", async () => {
  const text = `
    model m(hidden = 8, heads = 1) {
      input x: float[batch, seq, hidden]
      input position_ids as "position_ids": int[batch, seq]
      output y = x -> mha(rope())
    }`;
  const graph = prepared(elaborateText(text).value!, "onnx", false);
  const inputs = drawInputs(graph, SIZES, 2);
  const far = [...inputs].map(([name, t]) =>
    name === "position_ids"
      ? ([name, { ...t, data: Array.from(t.data, (_, i) => 60_001 + 3 * i) }] as const)
      : ([name, t] as const),
  );
  const drawn = { params: drawWeights(graph), inputs: new Map(far) };
  const [numbers] = [...(await run(graph, drawn)).values()];
  expect(difference(numbers!, reference(graph, drawn).outputs.get("y")!.data)).toBeLessThan(2e-2);
});

test("what is handed on is in halves, other ports float32; products are of halves, powers, roots and softmax of floats", () => {
  const settings = { ...SMALL, kv_heads: 2, intermediate: 16 };
  const model = elaborateText(undefined, { model: "llama_lm", settings }).value!;
  const artifact = halved(prepared(model, "onnx", true));
  for (const { name, dtype } of artifact.signature.inputs.concat(artifact.signature.outputs))
    expect(dtype, name).toBe(/^(past|present)/.test(name) ? "float16" : name === "logits" ? "float32" : "int64");
  expect(concreteStates(prepared(model, "onnx", true)).length).toBeGreaterThan(0);
  const { graph } = deserialize(artifact.model);
  const castTo = new Map(
    graph!.node!.filter((n) => n.opType === "Cast").map((n) => [n.output![0]!, Number(n.attribute![0]!.i)]),
  );
  for (const n of graph!.node!)
    for (const input of n.input!) {
      if (["MatMul", "Gemm"].includes(n.opType!)) expect(castTo.get(input), `${n.name} reads ${input}`).not.toBe(1);
      if (["Pow", "Sqrt", "Softmax", "Sin", "Cos"].includes(n.opType!)) expect(castTo.get(input), n.name!).not.toBe(10);
    }
});

const CHECKPOINTS = new URL("../checkpoints/", import.meta.url).pathname;

/** The command's own check: two steps of two rows, one of them padded on the left, so that a row of the first step sees nothing. */
test.each(
  ["llama3", "gpt2", "t5"].flatMap((name) =>
    ["whole", "rows", ...(name === "t5" ? [] : ["shared"])].map((form) => [name, form]),
  ),
)("%s with its cache in halves: %s", async (name, form) => {
  const folder = mkdtempSync(join(tmpdir(), "tfm-half-"));
  try {
    const out = join(folder, "out");
    const made = await tfm("compile", join(CHECKPOINTS, name!), "-o", out, "--dtype", "float16", "--cache", form!);
    expect(made.err).toBe("");
    expect(made.out).toMatch(/run for 2 steps in ONNX Runtime: within \de-3/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
