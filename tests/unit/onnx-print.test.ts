/** @file The text of a small ONNX model, and what may be relied upon in one of many layers. */
import { describe, expect, it } from "vitest";
import { printOnnxLayout } from "../../src/backends/onnx/emit.ts";
import { printOnnx } from "../../src/backends/onnx/print.ts";
import { rereadOnnx } from "../../src/backends/onnx/reread.ts";
import { keeps } from "../../src/backends/onnx/targets.ts";
import { verified } from "../../src/ir/verify.ts";
import { optimize } from "../../src/passes/optimize.ts";
import { axis, emit, graphOf, TARGETS } from "../conformance/onnx-harness.ts";
import { cachedModel } from "../conformance/onnx-models.ts";
import { layerNorm } from "../conformance/onnx-stdlib.ts";

describe("printing", () => {
  const graph = graphOf((g) => {
    g.sizeNames.set("batch", "batch_size");
    const x = layerNorm(
      g,
      g.in("x", "float", "batch", "seq", "in=4"),
      g.weight("norm.weight", "in=4"),
      0,
      1e-5,
      axis("in=4"),
    );
    const y = g.op("dot", [x, g.weight("up.weight", "out=3", "in=4")], { over: ["in"] });
    g.out(
      "y",
      g.op(
        "where",
        [g.in("open", "bool", "batch", "seq"), g.op("add", [y, g.weight("up.bias", "out=3")], {}), g.number(0)],
        {},
      ),
    );
  });
  it("gives one line a node", () => {
    expect(printOnnx(emit(graph, "onnx").model)).toBe(`model small (IR 10; ai.onnx 21; tfm test)
input x: float[batch_size, seq, 4]
input open: int64[batch_size, seq]
constant const/int_2_-1_4: int64[2] = [-1, 4]
linked norm.weight: float[4] in model.onnx_data at 0, 16 bytes
linked up.weight: float[3, 4] in model.onnx_data at 64, 48 bytes
linked up.bias: float[3] in model.onnx_data at 128, 12 bytes
constant const/float_0: float[] = [0]
constant const/int_2_-1_1: int64[2] = [-1, 1]
constant const/int_2_-1_3: int64[2] = [-1, 3]
shapes/Shape:0 = Shape(x) {start=0, end=1}
shapes/Concat:0 = Concat(shapes/Shape:0, const/int_2_-1_3) {axis=0}
Cast:0 = Cast(open) {to=9}
Reshape:0 = Reshape(x, const/int_2_-1_4)
LayerNormalization:0 = LayerNormalization(Reshape:0, norm.weight) {axis=-1, epsilon=0.000009999999747378752}
up/Gemm:0 = Gemm(LayerNormalization:0, up.weight, up.bias) {transB=1}
Reshape_1:0 = Reshape(Cast:0, const/int_2_-1_1)
Where:0 = Where(Reshape_1:0, up/Gemm:0, const/float_0)
y = Reshape(Where:0, shapes/Concat:0)
output y: float[batch_size, seq, 3]
`);
  });
  it("gives the layouts with the names of the model", () => {
    expect(printOnnxLayout(emit(graph, "onnx")).split("\n").slice(-3)).toEqual([
      "  y: [batch, seq, out]  reshape of Where:0",
      "3 reshapes, 0 transposes, 0 expansions",
      "",
    ]);
  });
});

describe("a model of many layers", () => {
  const layers = (n: number, target: (typeof TARGETS)[number]) =>
    emit(verified(optimize(cachedModel(n).build(), { keeps: keeps(target), enabled: true })), target);
  for (const target of TARGETS) {
    it(`${target}: is the same every time`, () => {
      expect(Buffer.from(layers(3, target).model).equals(Buffer.from(layers(3, target).model))).toBe(true);
    });
    it(`${target}: every layer behind the first costs the same nodes, and hangs together`, () => {
      const [three, four, five] = [3, 4, 5].map((n) => layers(n, target).nodeCounts);
      for (const op of Object.keys(five!)) expect(five![op]! - four![op]!, op).toBe(four![op]! - three![op]!);
      const { model, signature } = layers(5, target);
      expect(rereadOnnx(model, { signature, fileSize: () => 1e9 })).toEqual([]);
    });
    it(`${target}: a layer has no more conversions than it needs`, () => {
      const [four, five] = [4, 5].map((n) => layers(n, target).nodeCounts);
      // q, k and v into heads and back; keys turned for the scores, where attention is no operator: nothing else moves.
      expect(five!["Transpose"]! - four!["Transpose"]!).toBe(target === "onnx-23" ? 4 : 5);
      expect(five!["Expand"]).toBeUndefined();
    });
  }
  it("names nodes by layer and weight", () => {
    const text = printOnnx(layers(3, "onnx").model);
    for (const name of [
      "layers.2.q/Gemm:0 = Gemm(layers.2/",
      "layers.2/Softmax:0 = Softmax(",
      "present.2.key = Concat(past_key_values.2.key, layers.2/",
    ])
      expect(text).toContain(name);
  });
});
