/** @file A hand-built attention: evaluated whole and step by step, with past and present, the two are equal. */
import { describe, expect, it } from "vitest";
import { evaluateGraph } from "../../src/backends/reference/evaluate.ts";
import { GraphBuilder } from "../../src/ir/builder.ts";
import type { Graph, Value } from "../../src/ir/graph.ts";
import { printGraph } from "../../src/ir/print.ts";
import { verified } from "../../src/ir/verify.ts";
import { Size } from "../../src/ir/size.ts";
import { float64 } from "../../src/ops/float64.ts";
import type { Tensor } from "../../src/ops/op.ts";
import { withCache, withoutCache } from "../../src/passes/cache.ts";
import { shareCommon } from "../../src/passes/cse.ts";
import { foldConstants } from "../../src/passes/fold.ts";
import { hoistInvariants } from "../../src/passes/hoist.ts";
import { inlineCalls } from "../../src/passes/inline.ts";
import { emit } from "../support/build.ts";
import { axis, tensor, type } from "../support/tensors.ts";

const VOCAB = 5;
const HIDDEN = 4;

/** Two layers of causal attention with one head; the mask and the places stand in the body, as a program writes them. */
function model(change: (body: GraphBuilder, x: Value) => Value = (_, x) => x): Graph {
  const g = new GraphBuilder("tiny");
  const tokens = g.input("tokens", type("int", { batch: "batch", seq: "seq" }), "input_ids");
  const mask = g.input("mask", type("int", { batch: "batch", seq: "seq" }), "attention_mask");
  const words = g.param("words.weight", type("float", { vocab: VOCAB, hidden: HIDDEN }), {
    kind: "normal",
    deviation: 1,
  });
  const places = g.param("places.weight", type("float", { place: 16, hidden: HIDDEN }), {
    kind: "normal",
    deviation: 1,
  });
  const at = emit(g, "lookup", [places, emit(g, "position", [], { axis: axis("seq"), start: Size.ZERO })], {
    axis: "place",
  });
  const start = emit(g, "add", [emit(g, "lookup", [words, tokens], { axis: "vocab" }), at], {});

  const b = new GraphBuilder("layer", g);
  const x = b.input("x", start.type);
  const projected = (name: string): Value => {
    const weight = b.param(`layers.{0}.${name}.weight`, type("float", { head_dim: HIDDEN, hidden: HIDDEN }), {
      kind: "normal",
      deviation: 1,
    });
    return emit(b, "dot", [x, weight], { over: ["hidden"] });
  };
  const keep = (v: Value, path: string): Value =>
    emit(b, "keep", [v], { from: "seq", to: "keys", path: `layers.{0}.${path}`, last: null });
  const q = projected("q");
  const k = keep(projected("k"), "k");
  const v = keep(projected("v"), "v");
  const query = emit(b, "position", [], { axis: axis("seq"), start: Size.ZERO });
  const key = emit(b, "position", [], { axis: { ...axis("keys"), size: Size.symbol("seq") }, start: Size.ZERO });
  const real = emit(b, "not_equal", [mask, emit(b, "constant", [], { value: 0, dtype: "int" })], {});
  const seen = emit(b, "and", [emit(b, "less_equal", [key, query], {}), keep(real, "mask")], {});
  const attended = attend(b, [q, k, v, seen]);
  const out = emit(b, "add", [x, change(b, emit(b, "rename", [attended], { from: "head_dim", to: "hidden" }))], {});
  b.output("x", out);

  const [last] = g.node(
    "repeat",
    [start, ...b.captures],
    { label: "layers", count: 2, carried: 1, schedule: [0, 0] },
    [start.type],
    undefined,
    [b.build()],
  );
  // A plain use of the kept input: padded places are zero.
  const shown = emit(g, "mul", [last!, emit(g, "cast", [mask], { to: "float" })], {});
  g.output("state", shown);
  g.grows = "seq";
  g.sizeNames.set("seq", "sequence_length");
  return g.build();
}

/** The composite, as a call. */
function attend(b: GraphBuilder, inputs: readonly [Value, Value, Value, Value]): Value {
  const body = new GraphBuilder("attend");
  const [q, k, v, seen] = inputs.map((x, i) => body.input(["q", "k", "v", "mask"][i]!, x.type));
  const scores = emit(body, "dot", [q!, k!], { over: ["head_dim"] });
  const masked = emit(
    body,
    "where",
    [seen!, scores, emit(body, "constant", [], { value: -Infinity, dtype: "float" })],
    {},
  );
  body.output("y", emit(body, "dot", [emit(body, "softmax", [masked], { over: "keys" }), v!], { over: ["keys"] }));
  const dims = { keys: { ...axis("keys"), size: Size.symbol("seq") } };
  return emit(b, "call", inputs, { name: "attend", operands: ["q", "k", "v", "mask"], settings: {}, dims }, [
    body.build(),
  ]);
}

/** Numbers that depend on the path and the place alone. */
function param(path: string): Tensor<number> {
  const rows = path.startsWith("words")
    ? { vocab: VOCAB }
    : path.startsWith("places")
      ? { place: 16 }
      : { head_dim: HIDDEN };
  const seed = [...path].reduce((s, c) => (s * 31 + c.charCodeAt(0)) % 1009, 7);
  const count = Object.values(rows)[0]! * HIDDEN;
  return tensor(
    "float",
    { ...(rows as Record<string, number>), hidden: HIDDEN },
    Array.from({ length: count }, (_, i) => Math.sin(seed + i * 1.7)),
  );
}

const TOKENS = [1, 4, 2, 0, 3, 3, 4, 1, 2, 2, 0, 1];
const MASK = [0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1];

function columns(data: readonly number[], from: number, to: number): number[] {
  return [0, 1].flatMap((row) => data.slice(row * 6 + from, row * 6 + to));
}

function whole(graph: Graph): Tensor<number> {
  const inputs = new Map([
    ["tokens", tensor("int", { batch: 2, seq: 6 }, TOKENS)],
    ["mask", tensor("int", { batch: 2, seq: 6 }, MASK)],
  ]);
  return evaluateGraph(verified(graph), { inputs, param }, { arithmetic: float64 }).outputs.get("state")!;
}

/** The first four places at once, then one by one. */
function stepped(graph: Graph): number[][] {
  const ready = verified(graph);
  let states: Map<string, Tensor<number>> | undefined;
  const rows: number[][] = [];
  for (const [from, to] of [
    [0, 4],
    [4, 5],
    [5, 6],
  ] as const) {
    const inputs = new Map([
      ["tokens", tensor("int", { batch: 2, seq: to - from }, columns(TOKENS, from, to))],
      ["mask", tensor("int", { batch: 2, seq: to }, columns(MASK, 0, to))],
    ]);
    const result = evaluateGraph(ready, { inputs, param, ...(states ? { states } : {}) }, { arithmetic: float64 });
    states = result.states;
    const { data } = result.outputs.get("state")!;
    const width = (to - from) * HIDDEN;
    for (const row of [0, 1])
      for (let i = 0; i < to - from; i++)
        rows.push([row, from + i, ...Array.from({ length: HIDDEN }, (_, j) => data[row * width + i * HIDDEN + j]!)]);
  }
  return rows;
}

function differences(all: Tensor<number>, steps: readonly number[][]): number {
  expect(steps).toHaveLength(12);
  return Math.max(
    ...steps.flatMap(([row, at, ...xs]) => xs.map((x, j) => Math.abs(x - all.data[(row! * 6 + at!) * HIDDEN + j]!))),
  );
}

describe("withCache", () => {
  it("makes states of what is kept and passes a kept input whole", () => {
    const { graph, problems } = withCache(model());
    expect(problems).toEqual([]);
    expect(printGraph(graph!)).toMatchSnapshot();
  });

  it("steps compute what the whole does", () => {
    const all = whole(model());
    expect(whole(withoutCache(model())).data).toEqual(all.data);
    const { graph } = withCache(model());
    expect(differences(all, stepped(graph!))).toBeLessThan(1e-14);
  });

  it("also after the other passes, in which the mask leaves the layers", () => {
    const { graph } = withCache(model());
    const hoisted = hoistInvariants(shareCommon(foldConstants(inlineCalls(graph!, () => false))));
    const body = hoisted.nodes.find((n) => n.op === "repeat")!.bodies[0]!;
    expect(body.nodes.map((n) => n.op)).not.toContain("position");
    expect(body.nodes.map((n) => n.op)).not.toContain("less_equal");
    expect(body.nodes.map((n) => n.op)).not.toContain("call");
    expect(differences(whole(model()), stepped(hoisted))).toBeLessThan(1e-14);
  });

  it("the family names what is handed on", () => {
    const names = (path: string) =>
      path.endsWith(".k") ? { past: "past_key_values.{0}.key", present: "present.{0}.key" } : undefined;
    const { graph } = withCache(model(), names);
    const [k, v] = graph!.nodes.find((n) => n.op === "repeat")!.bodies[0]!.states;
    expect([k!.pastName, k!.presentName]).toEqual(["past_key_values.{0}.key", "present.{0}.key"]);
    expect([v!.pastName, v!.presentName]).toEqual(["past.layers.{0}.v", "present.layers.{0}.v"]);
  });

  it.each([
    [
      "mean",
      (b: GraphBuilder, x: Value) => emit(b, "mean", [x], { over: ["seq"] }),
      "mean reads other positions of seq; from step to step only keep[seq -> ...] hands them on",
    ],
    [
      "pick",
      (b: GraphBuilder, x: Value) => emit(b, "pick", [x], { axis: "seq", index: 0 }),
      "pick reads other positions of seq; from step to step only keep[seq -> ...] hands them on",
    ],
    [
      "rename",
      (b: GraphBuilder, x: Value) =>
        emit(b, "rename", [emit(b, "rename", [x], { from: "seq", to: "keys" })], { from: "keys", to: "seq" }),
      "seq is renamed to keys, where elsewhere keep[seq -> keys] has all positions; use keep here as well",
    ],
    [
      "size",
      (b: GraphBuilder, x: Value) => emit(b, "mul", [x, emit(b, "size", [], { of: Size.symbol("seq") })], {}),
      "the size seq depends on how long seq is, which a step does not know",
    ],
  ])("%s along the growing axis is a problem", (_, change, message) => {
    const { graph, problems } = withCache(model(change));
    expect(graph).toBeUndefined();
    expect(problems.map((p) => p.message)).toEqual([message]);
  });
});
