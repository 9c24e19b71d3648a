/** Families whose experts are stored one by one, or packed: the axis that `each` puts in front is filled from either. */
import { describe, expect, it } from "vitest";
import { evaluateGraph } from "../../src/backends/reference/evaluate.ts";
import { elaborate } from "../../src/compile.ts";
import { verified } from "../../src/ir/verify.ts";
import { float64 } from "../../src/ops/float64.ts";
import type { Checkpoint, StoredTensor, WeightSource } from "../../src/weights/source.ts";
import { request } from "../support/programs.ts";

const HIDDEN = 8;
const INNER = 6;
const EXPERTS = 4;

const model = (map: string): string => `
model sparse(vocab = 8, hidden = 8, heads = 2, layers = 2, inner = 6, experts = 4, dense = 0) grows seq {
  input tokens as "input_ids": int[batch, seq]
  let words = new embed(vocab)
  output logits = words(tokens)
    -> layers: decoder x{layers} < mla(none, 4, 2, 2, 3), rmsnorm,
         if (layer < dense) then swiglu(inner) else moe_grouped(experts, 2, 2, 1) < expert = swiglu(inner), shared = swiglu(inner) > >
    -> norm: rmsnorm -> head: linear(vocab, bias = false)
}
checkpoint for sparse when config.model_type == "sparse" {
  dense = config.first_k_dense_replace
  words.weight = "embed.weight"; norm.weight = "norm.weight"; head.weight = "head.weight"
  layers[i] from "layers.{i}." {
    {attention, ffn}.norm.weight = "{input, post}_norm.weight"
    attention.body.{q, kv_down, kv_norm, kv_up, out}.weight = "attn.{q, a, n, b, o}.weight"
    ffn.body.{gate, up, down}.weight = "mlp.{gate, up, down}.weight"
    ffn.body.router.weight = "mlp.router.weight"; ffn.body.correction = "mlp.router.bias"
    ffn.body.shared.{gate, up, down}.weight = "mlp.shared.{gate, up, down}.weight"
    ${map}
  }
  class "Sparse" => sparse { }
}`;

function shapesOf(experts: readonly (readonly [string, readonly number[]])[]): Map<string, readonly number[]> {
  const feed = (name: string): [string, number[]][] => [
    [`${name}.gate.weight`, [INNER, HIDDEN]],
    [`${name}.up.weight`, [INNER, HIDDEN]],
    [`${name}.down.weight`, [HIDDEN, INNER]],
  ];
  const layer = (i: number): [string, readonly number[]][] =>
    [
      ["input_norm.weight", [8]],
      ["post_norm.weight", [8]],
      ["attn.q.weight", [8, 8]],
      ["attn.a.weight", [6, 8]],
      ["attn.n.weight", [4]],
      ["attn.b.weight", [10, 4]],
      ["attn.o.weight", [8, 6]],
      ...(i === 0
        ? feed("mlp")
        : [
            ["mlp.router.weight", [4, 8]] as [string, number[]],
            ["mlp.router.bias", [4]] as [string, number[]],
            ...feed("mlp.shared"),
            ...experts,
          ]),
    ].map(([name, shape]) => [`layers.${i}.${name as string}`, shape as readonly number[]]);
  return new Map<string, readonly number[]>([
    ["embed.weight", [8, 8]],
    ["norm.weight", [8]],
    ["head.weight", [8, 8]],
    ...layer(0),
    ...layer(1),
  ]);
}

function mapped(
  map: string,
  experts: readonly (readonly [string, readonly number[]])[],
): ReadonlyMap<string, WeightSource> {
  const config = { model_type: "sparse", architectures: ["Sparse"], first_k_dense_replace: 1 };
  const made = elaborate({
    ...request(undefined, { config: { name: "config.json", value: config } }),
    uses: [{ name: "sparse.tfm", text: model(map) }],
  });
  expect(made.diagnostics.map((d) => d.message)).toEqual([]);
  const tensors = new Map<string, StoredTensor>(
    [...shapesOf(experts)].map(([name, shape]) => [
      name,
      { name, shape, dtype: "F32", file: "f", offset: 0, bytes: 0 },
    ]),
  );
  const checkpoint: Checkpoint = {
    name: "model.safetensors",
    files: [],
    read: () => new Uint8Array(),
    close: () => undefined,
    tensors,
  };
  const result = made.value!.mapWeights(checkpoint);
  expect(result.diagnostics.map((d) => d.message)).toEqual([]);
  return result.value!;
}

/** The numbers of a computed weight; each stored tensor counts from its own hundred. */
function numbers(source: WeightSource | undefined): {
  axes: readonly string[];
  data: readonly number[];
  names: readonly string[];
} {
  if (source?.kind !== "computed") throw new Error(`it is ${source?.kind}`);
  const inputs = new Map(
    source.graph.inputs.map((input, n) => {
      const axes = input.value.type.axes.map((a) => ({ name: a.name, size: a.size.known! }));
      const count = axes.reduce((all, a) => all * a.size, 1);
      return [
        input.name,
        { dtype: "float" as const, axes, data: Array.from({ length: count }, (_, i) => 1000 * n + i) },
      ];
    }),
  );
  const out = evaluateGraph(
    verified(source.graph),
    {
      inputs,
      param: () => {
        throw new Error("no parameters");
      },
    },
    { arithmetic: float64 },
  ).outputs.get("weight")!;
  return {
    axes: out.axes.map((a) => a.name),
    data: Array.from(out.data as ArrayLike<number>),
    names: source.tensors.map((t) => t.name),
  };
}

describe("experts", () => {
  it("stored one by one", () => {
    const each = [0, 1, 2, 3].flatMap((e) =>
      (["gate", "up", "down"] as const).map(
        (p) => [`mlp.experts.${e}.${p}.weight`, p === "down" ? [HIDDEN, INNER] : [INNER, HIDDEN]] as const,
      ),
    );
    const sources = mapped(
      'ffn.body.expert.{gate, up, down}.weight = "mlp.experts.{experts}.{gate, up, down}.weight"',
      each,
    );
    expect(sources.get("layers.0.ffn.body.up.weight")?.kind).toBe("stored");
    const { axes, data, names } = numbers(sources.get("layers.1.ffn.body.expert.up.weight"));
    expect(names).toEqual([0, 1, 2, 3].map((e) => `layers.1.mlp.experts.${e}.up.weight`));
    const at = (e: number, i: number, h: number): number => {
      const index: Record<string, number> = { experts: e, inner: i, "hidden'": h };
      const size: Record<string, number> = { experts: EXPERTS, inner: INNER, "hidden'": HIDDEN };
      return data[axes.reduce((sum, a) => sum * size[a]! + index[a]!, 0)]!;
    };
    for (let e = 0; e < EXPERTS; e++) expect(at(e, 2, 3)).toBe(1000 * e + 2 * HIDDEN + 3);
  });

  it("gate and up in turn, in one tensor", () => {
    const sources = mapped(
      `ffn.body.expert.{gate, up}.weight = "mlp.experts.gate_up"[experts, hidden', (inner, side = 2)][side = {0, 1}]
    ffn.body.expert.down.weight = "mlp.experts.down"`,
      [
        ["mlp.experts.gate_up", [EXPERTS, HIDDEN, 2 * INNER]],
        ["mlp.experts.down", [EXPERTS, HIDDEN, INNER]],
      ],
    );
    const { axes, data } = numbers(sources.get("layers.1.ffn.body.expert.up.weight"));
    expect(axes).toEqual(["experts", "hidden'", "inner"]);
    expect(data[(2 * HIDDEN + 3) * INNER + 1]).toBe((2 * HIDDEN + 3) * 2 * INNER + 2 * 1 + 1);
    expect(sources.get("layers.1.ffn.body.expert.down.weight")?.kind).toBe("stored");
  });
});
