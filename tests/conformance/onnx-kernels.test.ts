/** @file Composite operators with kernels, against their bodies in the reference evaluator; and whole small models. */
import { describe, expect, it } from "vitest";
import { keeps } from "../../src/backends/onnx/targets.ts";
import type { NodeOf } from "../../src/ir/graph.ts";
import { verified } from "../../src/ir/verify.ts";
import { agree, axis, graphOf, TARGETS, withFixed } from "./onnx-harness.ts";
import { cachedModel } from "./onnx-models.ts";
import {
  attend,
  attendSettings,
  gelu,
  geluTanh,
  layerNorm,
  quickGelu,
  relu,
  rmsNorm,
  silu,
  turned,
  turnedPartly,
} from "./onnx-stdlib.ts";

const SIZES = { batch: 2, seq: 3, keys: 5 };
const d = axis("d=6");

describe("norms", () => {
  it("rms_norm", async () => {
    const graph = graphOf((g) =>
      g.out("y", rmsNorm(g, g.in("x", "float", "batch", "seq", "d=6"), g.weight("w", "d=6"), 1e-5, d)),
    );
    const [modern, standard] = await agree({ graph, sizes: SIZES });
    expect(modern!.nodeCounts).toMatchObject({ Pow: 1, Div: 1, Sqrt: 1 });
    expect(standard!.nodeCounts).toEqual({ Concat: 1, Reshape: 2, RMSNormalization: 1, Shape: 1 });
  });
  it("rms_norm over an inner axis", async () => {
    await agree({
      graph: graphOf((g) =>
        g.out("y", rmsNorm(g, g.in("x", "float", "batch", "d=6", "seq"), g.weight("w", "d=6"), 1e-5, d)),
      ),
      sizes: SIZES,
    });
  });
  it("layer_norm with weight and shift", async () => {
    const graph = graphOf((g) =>
      g.out(
        "y",
        layerNorm(g, g.in("x", "float", "batch", "seq", "d=6"), g.weight("w", "d=6"), g.weight("b", "d=6"), 1e-5, d),
      ),
    );
    const [modern] = await agree({ graph, sizes: SIZES });
    expect(modern!.nodeCounts["LayerNormalization"]).toBe(1);
  });
  for (const [weight, shift] of [
    [1, 0],
    [2, 0],
    [1, 0.5],
  ] as const)
    it(`layer_norm with the constants ${weight} and ${shift}`, async () => {
      await agree({
        graph: graphOf((g) => g.out("y", layerNorm(g, g.in("x", "float", "seq", "d=6"), weight, shift, 1e-5, d))),
        sizes: SIZES,
      });
    });
  it("layer_norm with a weight of another shape is taken apart", async () => {
    const graph = graphOf((g) =>
      g.out("y", layerNorm(g, g.in("x", "float", "seq", "d=6"), g.in("w", "float", "seq"), 0, 1e-5, d)),
    );
    const artifacts = await agree({ graph, sizes: SIZES });
    for (const a of artifacts) expect(a.nodeCounts["LayerNormalization"]).toBeUndefined();
  });
});

describe("rotary positions", () => {
  for (const neighbours of [false, true])
    for (const [what, x, angles] of [
      ["heads after places", ["batch", "seq", "kv=2", "groups=3", "d=8"], ["batch", "seq", "half=4"]],
      ["heads before places", ["batch", "kv=2", "seq", "d=8"], ["batch", "seq", "half=4"]],
      ["angles of places alone", ["batch", "seq", "kv=2", "d=8"], ["seq", "half=4"]],
      ["no heads", ["batch", "seq", "d=8"], ["batch", "seq", "half=4"]],
    ] as const)
      it(`${what}, ${neighbours ? "neighbours" : "halves"}`, async () => {
        const graph = graphOf((g) => {
          const [c, s] = [g.in("c", "float", ...angles), g.in("s", "float", ...angles)];
          g.out("y", turned(g, g.in("x", "float", ...x), c, s, neighbours, axis("d=8")));
        });
        const artifacts = await agree({ graph, sizes: SIZES });
        const counts = artifacts.map((a) => [
          a.nodeCounts["com.microsoft.RotaryEmbedding"],
          a.nodeCounts["RotaryEmbedding"],
        ]);
        expect(counts).toEqual([
          [1, undefined],
          [undefined, 1],
          [undefined, undefined],
        ]);
      });

  for (const neighbours of [false, true])
    for (const [what, x, angles, splits] of [
      ["heads after places", ["batch", "seq", "kv=2", "groups=3", "d=8"], ["batch", "seq", "half=2"], undefined],
      ["heads before places", ["batch", "kv=2", "seq", "d=8"], ["batch", "seq", "half=3"], undefined],
      ["no heads", ["batch", "seq", "d=8"], ["batch", "seq", "half=1"], undefined],
      // ONNX Runtime's own operator turns all of a head only, where it is not told how many heads there are.
      ["an open number of heads", ["seq", "kv=2", "keys", "d=8"], ["keys", "half=2"], 1],
    ] as const)
      it(`of the first coordinates, ${what}, ${neighbours ? "neighbours" : "halves"}`, async () => {
        const graph = graphOf((g) => {
          const [c, s] = [g.in("c", "float", ...angles), g.in("s", "float", ...angles)];
          g.out("y", turnedPartly(g, g.in("x", "float", ...x), c, s, neighbours, axis("d=8")));
        });
        const artifacts = await agree({ graph, sizes: SIZES });
        const counts = artifacts.map(({ nodeCounts: n }) => [
          n["com.microsoft.RotaryEmbedding"] ?? n["RotaryEmbedding"],
          n["Split"],
        ]);
        expect(counts).toEqual([
          [1, splits],
          [1, undefined],
          [undefined, 2],
        ]);
      });
});

describe("activations", () => {
  for (const [name, apply] of Object.entries({ gelu, geluTanh, quickGelu, silu, relu }))
    it(name, async () => {
      await agree({
        graph: graphOf((g) => g.out("y", apply(g, g.in("x", "float", "batch", "seq", "d=6")))),
        sizes: SIZES,
      });
    });
});

describe("attend", () => {
  interface Form {
    readonly groups?: number;
    readonly kv?: number;
    readonly mask?: readonly string[];
    readonly bias?: readonly string[];
    readonly softcap?: number;
    readonly open?: (i: number) => number;
  }
  async function check({ groups = 2, kv = 3, mask, bias, softcap, open }: Form): Promise<void> {
    const build = () =>
      graphOf((g) => {
        const q = g.in("q", "float", "batch", "seq", `kv=${kv}`, `groups=${groups}`, "d=4");
        const k = g.in("k", "float", "batch", "keys", `kv=${kv}`, "d=4");
        const v = g.in("v", "float", "batch", "keys", `kv=${kv}`, "d=4");
        const m = mask && g.in("m", "bool", ...mask);
        const b = bias && g.in("b", "float", ...bias);
        const y = attend(
          g,
          { q, k, v, ...(m ? { mask: m } : {}), ...(b ? { bias: b } : {}) },
          attendSettings({ softcap: softcap ?? null }),
          axis("d=4"),
        );
        g.out("y", g.op("merge", [y], { axes: ["kv", "groups", "d"], into: "mixed" }));
      });
    const count = (mask ?? []).reduce((n, a) => n * (SIZES as Record<string, number>)[a]!, 1);
    const feeds = open ? { m: Array.from({ length: count }, (_, i) => open(i)) } : {};
    for (const graph of [build(), withFixed(SIZES, build)]) {
      const artifacts = await agree({ graph, sizes: SIZES, feeds });
      for (const [i, { nodeCounts }] of artifacts.entries())
        expect(nodeCounts[TARGETS[i] === "onnx-23" && softcap === undefined ? "Attention" : "Softmax"]).toBe(1);
    }
  }
  for (const groups of [1, 2])
    for (const kv of [1, 3]) {
      it(`${groups} groups of ${kv}, unmasked`, () => check({ groups, kv }));
      it(`${groups} groups of ${kv}, masked`, () => check({ groups, kv, mask: ["batch", "seq", "keys"] }));
      it(`${groups} groups of ${kv}, a mask without batch`, () => check({ groups, kv, mask: ["seq", "keys"] }));
      it(`${groups} groups of ${kv}, a mask of keys`, () => check({ groups, kv, mask: ["batch", "keys"] }));
      it(`${groups} groups of ${kv}, a row that sees nothing`, () =>
        check({ groups, kv, mask: ["batch", "seq", "keys"], open: (i) => Number(i >= 5 && i !== 17) }));
      it(`${groups} groups of ${kv}, nothing seen at all`, () =>
        check({ groups, kv, mask: ["batch", "keys"], open: () => 0 }));
      it(`${groups} groups of ${kv}, a bias`, () =>
        check({ groups, kv, bias: [`kv=${kv}`, `groups=${groups}`, "seq", "keys"] }));
      it(`${groups} groups of ${kv}, a bias and a mask`, () =>
        check({ groups, kv, mask: ["batch", "keys"], bias: [`kv=${kv}`, `groups=${groups}`, "seq", "keys"] }));
      it(`${groups} groups of ${kv}, a mask of rows`, () => check({ groups, kv, mask: ["batch", "seq"] }));
      it(`${groups} groups of ${kv}, capped`, () => check({ groups, kv, mask: ["seq", "keys"], softcap: 2 }));
    }
  it("values of another width, keys without heads", async () => {
    const graph = graphOf((g) => {
      const q = g.in("q", "float", "batch", "seq", "heads=3", "d=4");
      const operands = {
        q,
        k: g.in("k", "float", "batch", "keys", "d=4"),
        v: g.in("v", "float", "batch", "keys", "heads=3", "value=5"),
        mask: g.in("m", "bool", "seq", "keys"),
      };
      g.out("y", attend(g, operands, attendSettings({}), axis("d=4")));
    });
    await agree({ graph, sizes: SIZES });
  });
});

describe("a model with a cache", () => {
  for (const past of [0, 4])
    it(`agrees with a past of ${past}`, async () => {
      const [modern] = await agree({
        graph: verified(cachedModel().build()),
        sizes: { batch: 2, seq: 3, past },
        limit: 11,
        tolerance: 1e-4,
      });
      expect(modern!.signature.inputs.map((i) => i.name)).toEqual([
        "tokens",
        "attention_mask",
        "past_key_values.0.key",
        "past_key_values.0.value",
        "past_key_values.1.key",
        "past_key_values.1.value",
      ]);
      expect(modern!.signature.outputs.map((i) => i.name)).toEqual([
        "logits",
        "present.0.key",
        "present.0.value",
        "present.1.key",
        "present.1.value",
      ]);
      expect(modern!.signature.outputs[1]!.dims).toEqual([
        "batch_size",
        2,
        "past_sequence_length + sequence_length",
        4,
      ]);
    });
});

describe("keeps", () => {
  it("says which calls have a kernel", () => {
    const graph = graphOf((g) => {
      g.out("a", silu(g, g.in("x", "float", "seq")));
      g.out("b", silu(g, g.in("i", "int", "seq")));
      g.out(
        "c",
        g.call("silu", { x: g.in("z", "float", "seq") }, { slope: 2 }, {}, (b, { x }) => b.op("neg", [x!], {})),
      );
    });
    expect(graph.nodes.map((n) => keeps("onnx")(n as NodeOf<"call">))).toEqual([true, false, false]);
  });
});
