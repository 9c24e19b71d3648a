/** `previous` and `scan` from step to step: what the last place left is handed on, and the steps are the whole. */
import { describe, expect, it } from "vitest";
import { prepare } from "../../src/compile.ts";
import { elaborateText } from "../support/programs.ts";
import {
  along,
  difference,
  drawInputs,
  drawWeights,
  emptyStates,
  inOnnx,
  prepared,
  reference,
  stepInputs,
} from "../support/run-program.ts";

const SIZES = { batch: 2, seq: 7 };
const STEPS = [
  [0, 1],
  [1, 4],
  [4, 5],
  [5, 7],
] as const;

function graphs(text: string) {
  const { value, diagnostics } = elaborateText(text);
  expect(diagnostics.map((d) => d.message)).toEqual([]);
  return { model: value!, whole: prepared(value!, "onnx", false), stepped: prepared(value!, "onnx", true) };
}

/** The states by path, with the sizes of their axes before the first step. */
async function steps(text: string): Promise<Record<string, string>> {
  const { whole, stepped } = graphs(text);
  const drawn = { params: drawWeights(whole), inputs: drawInputs(whole, SIZES, 5) };
  const all = reference(whole, drawn).outputs.get("y")!;
  expect(new Set(Array.from(all.data as ArrayLike<number>)).size, "the result says something").toBeGreaterThan(4);
  const empty = emptyStates(stepped, SIZES);
  let states = empty;
  for (const [from, to] of STEPS) {
    const step = { params: drawn.params, inputs: stepInputs(stepped, drawn.inputs, "seq", from, to) };
    const made = reference(stepped, step, states);
    const part = along(all, "seq", from, to).data as ArrayLike<number>;
    expect(difference(made.outputs.get("y")!.data as ArrayLike<number>, part), `${from}..${to}`).toBeLessThan(1e-12);
    for (const target of ["onnx", "onnx-17"] as const)
      expect(
        difference((await inOnnx(stepped, target, step, states)).get("y")!, part),
        `${target} ${from}..${to}`,
      ).toBeLessThan(1e-4);
    states = made.states;
  }
  return Object.fromEntries([...empty].map(([path, t]) => [path, t.axes.map((a) => `${a.name}=${a.size}`).join(" ")]));
}

const model = (value: string, more = ""): string => `${more}
model m(hidden = 4) grows seq {
  input x: float[batch, seq, hidden]
  output y = ${value}
}`;

describe("previous", () => {
  it("hands on the last place", async () => {
    const block =
      "block shift() { input x: [..., seq, d] param mix: [d] = constant(0.5) let before = previous[seq](x) output x * mix + before }";
    expect(await steps(model("x -> shift x2", block))).toEqual({
      "shift.0.before": "batch=2 seq=1 hidden=4",
      "shift.1.before": "batch=2 seq=1 hidden=4",
    });
  });
  it("of previous: two places ago", async () => {
    expect(Object.keys(await steps(model("x + previous[seq](previous[seq](x))")))).toHaveLength(2);
  });
  it("inside of an operator", async () => {
    await steps(model("mixed(x, 2 * x)", "op mixed(a, b: [..., seq, d]) = a - previous[seq](b)"));
  });
});

describe("scan", () => {
  const sum = "op add(state, x) = state + x\n";

  it("from zero", async () => {
    expect(await steps(model("scan[seq](add, start = 0)(x)", sum))).toEqual({ kept: "batch=2 hidden=4" });
  });
  it("from zero, unsaid", async () => {
    await steps(model("x -> scan[seq](add)()", sum));
  });
  it("from another number: the first step is told from the others", async () => {
    expect(await steps(model("scan[seq](add, start = 2.5)(x)", sum))).toEqual({ kept: "begun=0 batch=2 hidden=4" });
  });
  it("a running greatest, from minus infinity", async () => {
    await steps(model("scan[seq](most, start = -inf)(x)", "op most(state, x) = max(state, x)\n"));
  });
  it("from learned numbers, of operands with axes of their own", async () => {
    const block = `op decayed(state, fade, u) = fade * state + u
block memory() {
  input x: [..., seq, d]
  dim width = 3
  param first: [width] = normal(1)
  param fade: [d] = normal(1)
  let state = scan[seq](decayed, start = first)(sigmoid(fade), x * position(width))
  output x + sum(state, over = width)
}
`;
    expect(await steps(model("x -> memory x2", block))).toEqual({
      "memory.0.state": "begun=0 batch=2 hidden=4 width=3",
      "memory.1.state": "begun=0 batch=2 hidden=4 width=3",
    });
  });
  it("of ints", async () => {
    const text =
      "op count(state, t) = state + t\nmodel m grows seq { input tokens: int[batch, seq] output y = scan[seq](count)(tokens) }";
    await steps(text);
  });
  it("with settings that close over a tensor", async () => {
    const text = `op fading(rate: float[hidden])(state, x) = state * sigmoid(rate) + x\nblock f() given hidden { input x: [..., seq, hidden] param rate: [hidden] = normal(1) output scan[seq](fading(rate))(x) }`;
    await steps(model("x -> f", text));
  });
});

describe("what cannot be handed on", () => {
  const problems = (text: string): readonly string[] => {
    const { value, diagnostics } = elaborateText(text);
    expect(diagnostics.map((d) => d.message)).toEqual([]);
    return prepare(value!, { optimize: true, cache: true, keeps: () => false }).diagnostics.map((d) => d.message);
  };
  it("the shift of a merged axis", () => {
    const [message] = problems(model("(previous[both](x[(seq, hidden) -> both]))[both -> (seq, hidden)]"));
    expect(message).toContain("previous[both] goes along 4*seq places a step, not seq");
  });
});
