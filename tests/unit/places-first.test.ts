/** In what order an encoder's rows lie: what of it runtimes can read without a transpose. */
import { expect, test } from "vitest";
import { emitOnnx } from "../../src/backends/onnx/emit.ts";
import { readOnnx } from "../../src/backends/onnx/read.ts";
import { keeps, type OnnxProvider, type TargetName } from "../../src/backends/onnx/targets.ts";
import type { WrittenNode } from "../../src/backends/written.ts";
import { prepare } from "../../src/compile.ts";
import { elaborateText, type Options } from "../support/programs.ts";

/** The transposes, each as its permutation and what reads it, in the order in which they run. */
function transposes(
  text: string,
  options: Options = {},
  target: TargetName = "onnx",
  provider?: OnnxProvider,
): string[] {
  const { value, diagnostics } = elaborateText(text, options);
  expect(diagnostics).toEqual([]);
  const [prepared] = prepare(value!, { optimize: true, keeps: keeps(target, provider) }).value!;
  const { model } = emitOnnx(prepared!.graph, {
    target,
    provider,
    dataFile: "model.onnx_data",
    producer: { name: "tfm", version: "test" },
    weights: () => ({ kind: "initial", initial: { kind: "constant", value: 0 }, seed: 0 }),
  });
  const { nodes } = readOnnx(model, () => new Uint8Array());
  const shown = (n: WrittenNode): string => {
    const readers = nodes.filter((r) => r.inputs.includes(n.outputs[0]!)).map((r) => r.op);
    return `${(n.attributes["perm"] as readonly number[]).join("")} ${readers.join() || "out"}`;
  };
  return nodes.filter((n) => n.op === "Transpose").map(shown);
}

const encoder = (tail = "", head = ""): string => `
model net(vocab = 32, hidden = 16, heads = 4, layers = 2${head}) {
  input tokens as "input_ids": int[batch, seq]
  input attention_mask as "attention_mask": bool[batch, seq] = true
  output y = tokens -> words: embed(vocab) -> layers: encoder x{layers} < mha(bias = true), layernorm, mlp(gelu, 32) >${tail}
}`;

/**
 * Queries (before their scale, which goes into the product too), keys, values: of these ONNX Runtime makes `transBatchA`, `transBatchB` and
 * `transB` of the product (MatmulTransposeFusion). What was seen, before rows that see nothing are made zero: the only one that it runs.
 */
const LAYER = ["1203 Mul", "1230 MatMul", "1203 MatMul", "2013 Mul"];

test("an encoder has its places first: none of the operands of its products is transposed at run time", () => {
  const found = transposes(encoder());
  expect(found[0]).toBe("10 Gather");
  for (const layer of [0, 1]) expect(found.slice(1 + 4 * layer, 5 + 4 * layer).sort()).toEqual([...LAYER].sort());
  expect(found.slice(9)).toEqual(["102 out"]);
  expect(transposes(encoder(), {}, "onnx-17")).toEqual(found);
});

test("where a head is wider than what it reads, that is put back, not what it gives", () => {
  expect(transposes(encoder(" -> score: linear(5)")).at(-1)).toBe("102 out");
  expect(transposes(encoder(" -> score: linear(500)")).at(-1)).toBe("102 Reshape");
});

test("other targets, a model that hands on what it keeps, and one without attention have their rows as they come", () => {
  expect(transposes(encoder(), {}, "onnx-23")).toEqual([]);
  expect(transposes(encoder(), {}, "onnx", "webgpu").filter((t) => t.startsWith("10 "))).toEqual([]);
  const decoder = `
model net(vocab = 32, hidden = 16, heads = 4) grows seq {
  input tokens as "input_ids": int[batch, seq]
  output y = tokens -> words: embed(vocab) -> layers: decoder x2 < mha, rmsnorm, mlp(gelu, 32) >
}`;
  expect(transposes(decoder).filter((t) => /^(10|102|1203) /.test(t))).toEqual([]);
  const bag = `
model net(vocab = 32, hidden = 16) {
  input tokens as "input_ids": int[batch, seq]
  output y = tokens -> words: embed(vocab) -> norm: layernorm -> ffn: mlp(gelu, 32)
}`;
  expect(transposes(bag)).toEqual([]);
});
