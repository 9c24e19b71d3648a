/** What is written by hand becomes the operator that it spells, in every spelling; what only looks like it does not. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { lawsOf, prepare } from "../../src/compile.ts";
import type { Diagnostic } from "../../src/diagnostics/diagnostic.ts";
import { textOf } from "../../src/source/source.ts";
import { elaborateText, request } from "../support/programs.ts";
import { differenceByRewrites, operatorsOf, rewritten } from "../support/rewritten.ts";

const errorsIn = (diagnostics: readonly Diagnostic[]): readonly string[] =>
  diagnostics.filter((d) => d.severity === "error").map((d) => d.message);

const SIZES = { batch: 2, seq: 4 };

/** A block's statements around x [batch, seq, d], with weights `w` and `s` along d. */
function program(body: string, more = ""): string {
  return `${more}
block mine() {
  input x: [..., d]
  param w: [d] = ones
  param s: [d] = zeros
  ${body}
}
model m(hidden = 6, vocab = 9) {
  input tokens: int[batch, seq]
  output y = tokens -> embed(vocab) -> mine
}`;
}

function found(body: string, within = 1e-9): Readonly<Record<string, number>> {
  const text = program(body);
  const { value } = elaborateText(text);
  expect(differenceByRewrites(value!, SIZES)).toBeLessThan(within);
  return operatorsOf(rewritten(text).graph);
}

/** Operators that a graph of nothing but this one has: the embedding looks words up. */
const only = (name: string) => ({ lookup: 1, [name]: 1 });

describe("an rms norm", () => {
  test.each([
    "output x * rsqrt(mean(x ^ 2, over = d) + 1e-6) * w",
    "output x * (rsqrt(mean(x * x, over = d) + 1e-6) * w)",
    "output x / sqrt(mean(x ^ 2, over = d) + 1e-6) * w",
    "output x / (mean(x ^ 2, over = d) + 1e-6) ^ 0.5 * w",
    "output x * (1e-6 + mean(x ^ 2, over = d)) ^ -0.5 * w",
    "output x * w / sqrt(sum(x * x, over = d) / size(d) + 1e-6)",
    "output x * w * (1 / sqrt(sum(x ^ 2, over = d) * (1 / 6) + 1e-6))",
    "let r = rsqrt(dot(x, x, over = d) / size(d) + 1e-6)\n  output (x * r) * w",
    "output w * (x / sqrt(mean(x ^ 2, over = d) + 1e-6))",
    "output w * x * rsqrt(mean(x ^ 2, over = d) + 1e-6)",
    "let r = w * rsqrt(mean(x ^ 2, over = d) + 1e-6)\n  output x * r",
    "let r = w / sqrt(mean(x ^ 2, over = d) + 1e-6)\n  output x * r",
    "let r = rsqrt(mean(x ^ 2, over = d) + 1e-6) * w\n  output r * x",
  ])("%s", (body) => expect(found(body)).toEqual(only("rms_norm")));

  test("in another order of axes, where that is not handed on", () =>
    expect(found("let r = w * rsqrt(mean(x ^ 2, over = d) + 1e-6)\n  let y = r * x\n  output x + y")).toEqual({
      ...only("rms_norm"),
      add: 1,
    }));
  test.each([
    "output sqrt(size(d)) * x / sqrt(sum(x ^ 2, over = d) + 1e-6) * w",
    "let length = sqrt(sum(x * x, over = d))\n  output x / length * w * sqrt(6)",
    "let length = sqrt(dot(x, x, over = d) + 1e-6)\n  output w * (x * 6 ^ 0.5 / length)",
  ])("from its length: %s", (body) => expect(found(body)).toEqual(only("rms_norm")));
  test("a vector of length one is one, times a number", () =>
    expect(found("output x / sqrt(sum(x ^ 2, over = d) + 1e-6)")).toMatchObject({ rms_norm: 1, mul: 1 }));
  test("and the weight's share of it", () =>
    expect(found("let n = x * rsqrt(mean(x ^ 2, over = d) + 1e-6)\n  output n + n * w")).toMatchObject({
      rms_norm: 1,
      add: 1,
    }));
  test("without a weight", () =>
    expect(found("output x / sqrt(mean(x ^ 2, over = d) + 1e-5)")).toEqual(only("rms_norm")));
  test("with a weight that is computed", () => {
    const { rms_norm } = found("output x * rsqrt(mean(x ^ 2, over = d) + 1e-6) * (1 + w)");
    expect(rms_norm).toBe(1);
  });
  test("inside a longer product", () =>
    expect(found("output x * rsqrt(mean(x ^ 2, over = d) + 1e-6) * w * 3")).toEqual({
      ...only("rms_norm"),
      constant: 1,
      mul: 1,
    }));
  test("whose weight stands behind the library's norm", () =>
    expect(found("output rms_norm(x, 1, 1e-6) * w")).toEqual(only("rms_norm")));
  test("eps in another place is another norm", () => {
    expect(found("output x / (sqrt(mean(x ^ 2, over = d)) + 1e-6) * w")).not.toHaveProperty("rms_norm");
    expect(found("output x * (rsqrt(mean(x ^ 2, over = d)) + 1e-6) * w")).not.toHaveProperty("rms_norm");
  });
  test("a sum or another power is none", () => {
    expect(found("output x * rsqrt(mean(x ^ 4, over = d) + 1e-6) * w")).not.toHaveProperty("rms_norm");
    expect(found("output x * rsqrt(mean(abs(x), over = d) + 1e-6) * w")).not.toHaveProperty("rms_norm");
  });
  test("of another value is none", () =>
    expect(found("let z = x + s\n  output z * rsqrt(mean(x ^ 2, over = d) + 1e-6) * w")).not.toHaveProperty(
      "rms_norm",
    ));
});

describe("a layer norm", () => {
  const heads = [
    "let c = x - mean(x, over = d)\n  let v = mean(c ^ 2, over = d)",
    "let c = x - sum(x, over = d) / size(d)\n  let v = sum(c * c, over = d) / size(d)",
    "let m = mean(x, over = d)\n  let c = x - m\n  let v = mean((x - m) ^ 2, over = d)",
    "let m = mean(x, over = d)\n  let c = x - m\n  let v = mean(x ^ 2, over = d) - m ^ 2",
    "let c = centre(x)\n  let v = mean(c * c, over = d)",
    "let c = -mean(x, over = d) + x\n  let v = mean(c ^ 2, over = d)",
    "let m = mean(x, over = d)\n  let c = x - m\n  let v = mean((m - x) ^ 2, over = d)",
  ];
  const tails = [
    "output c * rsqrt(v + 1e-5) * w + s",
    "output c / sqrt(v + 1e-5) * w + s",
    "output c / (1e-5 + v) ^ 0.5 * w + s",
    "output s + w * (c / sqrt(v + 1e-5))",
  ];
  test.each(heads.flatMap((head) => tails.map((tail) => `${head}\n  ${tail}`)))("%s", (body) => {
    expect(found(body)).toEqual(only("layer_norm"));
  });
  test.each([
    "let m = mean(x, over = d)\n  let r = w * rsqrt(mean((x - m) ^ 2, over = d) + 1e-5)\n  output x * r + (s - m * r)",
    "let m = mean(x, over = d)\n  let r = w / sqrt(mean(x ^ 2, over = d) - m ^ 2 + 1e-5)\n  output x * r + (s - m * r)",
    "let m = mean(x, over = d)\n  let r = rsqrt(mean((x - m) ^ 2, over = d) + 1e-5)\n  output x * r - m * r",
    "let m = mean(x, over = d)\n  let r = w * rsqrt(mean((x - m) ^ 2, over = d) + 1e-5)\n  output (x - m) * r + s",
  ])("with one scale and one shift: %s", (body) => expect(found(body)).toEqual(only("layer_norm")));
  test("without shift, without weight, without either", () => {
    const norm = "let c = x - mean(x, over = d)\n  let n = c * rsqrt(mean(c ^ 2, over = d) + 1e-5)\n  ";
    for (const end of ["output n * w", "output n + s", "output n"])
      expect(found(norm + end)).toEqual(only("layer_norm"));
  });
  test("a mean that is not taken away leaves another norm", () => {
    const made = found("let c = x - mean(x, over = d)\n  output x * rsqrt(mean(c ^ 2, over = d) + 1e-5) * w + s");
    expect(made).not.toHaveProperty("layer_norm");
    expect(made).not.toHaveProperty("rms_norm");
  });
  test("a shift that is scaled is no shift", () => {
    const made = found("let c = x - mean(x, over = d)\n  output (c * rsqrt(mean(c ^ 2, over = d) + 1e-5) + s) * w");
    expect(made).toMatchObject({ layer_norm: 1, mul: 1 });
  });
});

describe("activations", () => {
  test.each([
    ["gelu", "output 0.5 * x * (1 + erf(x / sqrt(2)))"],
    ["gelu", "output x * (erf(x * 0.7071067811865476) + 1) / 2"],
    ["gelu", "output x * (0.5 + 0.5 * erf(x / 1.4142135623730951))"],
    ["gelu_tanh", "output 0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x ^ 3)))"],
    ["gelu_tanh", "output 0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)))"],
    ["gelu_tanh", "output 0.5 * x * (1 + tanh(0.7978845608 * x * (1 + 0.044715 * x * x)))"],
    ["quick_gelu", "output x * sigmoid(1.702 * x)"],
    ["quick_gelu", "output x / (1 + exp(-1.702 * x))"],
    ["silu", "output x * sigmoid(x)"],
    ["silu", "output x / (1 + exp(-x))"],
    ["relu", "output max(x, 0)"],
    ["relu", "output max(0, x)"],
    ["relu", "output where(x > 0, x, 0)"],
    ["relu", "output where(0 < x, x, 0)"],
    ["relu", "output where(x >= 0, x, 0)"],
    ["relu", "output where(x < 0, 0, x)"],
    ["relu", "output where(0 >= x, 0, x)"],
    ["relu", "output (x + abs(x)) / 2"],
    ["sigmoid", "output exp(x) / (exp(x) + 1)"],
    ["sigmoid", "output (1 + tanh(x / 2)) / 2"],
    ["tanh", "output (exp(2 * x) - 1) / (exp(2 * x) + 1)"],
    ["tanh", "output (1 - exp(-2 * x)) / (1 + exp(-2 * x))"],
    ["tanh", "output 1 - 2 / (exp(2 * x) + 1)"],
    ["silu", "output x * 0.5 * (1 + tanh(0.5 * x))"],
    ["silu", "output 0.5 * x + 0.5 * x * tanh(0.5 * x)"],
    ["silu", "output 0.5 * x + 0.5 * x * tanh(x / 2)"],
    ["gelu", "output 0.5 * x + 0.5 * x * erf(x / sqrt(2))"],
    ["gelu_tanh", "output x * sigmoid(1.5957691216 * (x + 0.044715 * x ^ 3))"],
    ["gelu_tanh", "output x * sigmoid(1.5957691216 * x * (1 + 0.044715 * x ^ 2))"],
    ["gelu_tanh", "output 0.5 * x * (1 + tanh(0.7978845608028654 * x + 0.035677408136300125 * x ^ 3))"],
    ["gelu_tanh", "output x * sigmoid(1.5957691216057308 * x + 0.07135481627260025 * x ^ 3)"],
  ])("%s: %s", (name, body) => expect(found(body)).toEqual(only(name)));

  // What float32 cannot tell from the constant is the constant.
  test.each([
    ["gelu", "output 0.5 * x * (1 + erf(x * 0.70710678))"],
    ["gelu", "output 0.5 * x * (1 + erf(x / 1.41421356))"],
    ["gelu_tanh", "output 0.5 * x * (1 + tanh(0.79788456 * (x + 0.044715 * x ^ 3)))"],
    ["gelu_tanh", "output 0.5 * x * (1 + tanh(0.79788456 * x + 0.035677408 * x ^ 3))"],
  ])("%s, of eight digits: %s", (name, body) => expect(found(body, 1e-8)).toEqual(only(name)));
  test.each([
    "output 0.5 * x * (1 + erf(x * 0.707107))",
    "output 0.5 * x * (1 + erf(x / 1.414214))",
    "output 0.5 * x * (1 + tanh(0.797885 * (x + 0.044715 * x ^ 3)))",
    "output 0.5 * x * (1 + tanh(0.7978845608 * (x + 0.04471 * x ^ 3)))",
  ])("of six digits it is another: %s", (body) => {
    for (const name of ["gelu", "gelu_tanh"]) expect(found(body)).not.toHaveProperty(name);
  });

  test.each([
    "output x * (1 + erf(x / 2))",
    "output 0.5 * x * (1 + tanh(0.79 * (x + 0.044715 * x ^ 3)))",
    "output x * sigmoid(1.7 * x)",
    "output max(x, 1)",
  ])("another function: %s", (body) => {
    const names = Object.keys(found(body));
    for (const name of ["gelu", "gelu_tanh", "quick_gelu", "silu", "relu"]) expect(names).not.toContain(name);
  });
  test("beside others in a maximum", () =>
    expect(found("output max(max(x, 0), x * w + s)")).toMatchObject({ relu: 1, max: 1 }));
  test("twice itself", () => expect(found("output x * (1 + erf(x / sqrt(2)))")).toMatchObject({ gelu: 1, mul: 1 }));
  test("the gate of a gated network", () =>
    expect(found("output x / (1 + exp(-x)) * (x * w)")).toMatchObject({ silu: 1, mul: 2 }));
});

describe("attention", () => {
  const attention = (body: string): string => `
block linear_of(out: dims) {
  input x: [..., in]
  param weight: [out, in'] = normal(0.3)
  output dot(x[in -> in'], weight, over = in')
}
model m(hidden = 6, vocab = 9, h = 2, w = 3) {
  input tokens: int[batch, seq]
  input real: bool[batch, seq]
  let x = tokens -> embed(vocab)
  let q = x -> linear_of(h, w)
  let k = (x -> linear_of(h, w))[seq -> keys]
  let v = (x -> linear_of(h, w))[seq -> keys]
  let causal = position(keys) <= position(seq)
  let open = causal and real[seq -> keys]
  let tilt = -abs(position(seq) - position(keys)) * 0.1
  ${body}
}`;
  const made = (body: string): Readonly<Record<string, number>> => {
    const { value, diagnostics } = elaborateText(attention(body));
    expect(errorsIn(diagnostics)).toEqual([]);
    expect(differenceByRewrites(value!, SIZES)).toBeLessThan(1e-9);
    return operatorsOf(rewritten(attention(body)).graph);
  };
  test.each([
    "output y = dot(softmax(dot(q, k, over = w) / sqrt(w), over = keys), v, over = keys)",
    "output y = dot(softmax(dot(q * 0.5, k, over = w), over = keys), v, over = keys)",
    "output y = dot(softmax(where(causal, dot(q, k, over = w) * 0.5, -inf), over = keys), v, over = keys)",
    "output y = dot(softmax(dot(q, k, over = w) * 0.5 + where(open, 0, -inf), over = keys), v, over = keys)",
    "output y = dot(softmax(where(causal, dot(q, k, over = w) * 0.5 + tilt, -inf), over = keys), v, over = keys)",
    "output y = dot(softmax(dot(q, k, over = w) + tilt, over = keys), v, over = keys)",
    "output y = dot(softmax(dot(q, k, over = w) - tilt, over = keys), v, over = keys)",
    "output y = dot(softmax(where(causal, dot(q, k, over = w) / sqrt(w) - 0.3 * (position(seq) - position(keys)), -inf), over = keys), v, over = keys)",
    "output y = dot(softmax(20 * tanh(dot(q, k, over = w) * 0.5 / 20), over = keys), v, over = keys)",
    "let s = where(causal, dot(q, k, over = w) / 2, -inf)\n  let e = exp(s - max(s, over = keys))\n  output y = dot(e, v, over = keys) / sum(e, over = keys)",
    "let s = where(causal, dot(q, k, over = w) / 2, -inf)\n  let e = exp(s - max(s, over = keys))\n  output y = dot(e / sum(e, over = keys), v, over = keys)",
    "let p = softmax(where(causal, sum(q * k, over = w) / 2, -inf), over = keys)\n  output y = dot(p, v, over = keys)",
  ])("%s", (body) => {
    const names = made(body);
    expect(names).toHaveProperty("attend", 1);
    expect(names).not.toHaveProperty("softmax");
  });
  const before = "position(seq) - position(keys)";
  test.each([
    ["hidden", "softmax(where(position(keys) > position(seq), -inf, s), over = keys)"],
    ["hidden, by a choice of numbers", "softmax(s + where(position(keys) > position(seq), -inf, 0), over = keys)"],
    ["not allowed", `softmax(s + where(not (${before} >= 0), -inf, 0), over = keys)`],
    ["hidden by an input", "softmax(where(real[seq -> keys], -inf, s), over = keys)"],
    ["a bias, then the mask", "softmax(s + tilt + where(open, 0, -inf), over = keys)"],
    ["the mask, then a bias", "softmax(where(open, s, -inf) + tilt, over = keys)"],
    ["the mask with the bias", "softmax(tilt + where(open, 0, -inf) + s, over = keys)"],
    ["two biases", "softmax(where(open, s + tilt + (x[seq -> keys])[hidden = 0], -inf), over = keys)"],
    ["scaled behind the mask", "softmax(where(open, dot(q, k, over = w), -inf) / sqrt(w), over = keys)"],
    ["one mask chosen, one added", "softmax(where(causal, s, -inf) + where(real[seq -> keys], 0, -inf), over = keys)"],
    [
      "three masks in three ways",
      `softmax(where(${before} > 2, -inf, where(causal, s, -inf)) + where(real[seq -> keys], 0, -inf), over = keys)`,
    ],
    ["capped before", "softmax(where(open, 5 * tanh(s / 5), -inf) + tilt, over = keys)"],
  ])("with a mask: %s", (_, weights) => {
    const names = made(`let s = dot(q, k, over = w) / sqrt(w)\n  output y = dot(${weights}, v, over = keys)`);
    expect(names).toHaveProperty("attend", 1);
    for (const other of ["softmax", "where"]) expect(names).not.toHaveProperty(other);
  });
  test("a mask of numbers that others read stays for them", () => {
    const names = made(
      "let mask = where(open, 0, -inf)\n  output y = dot(softmax(dot(q, k, over = w) + mask, over = keys), v, over = keys)\n  output z = mask",
    );
    expect(names).toMatchObject({ attend: 1, where: 1 });
    expect(names).not.toHaveProperty("softmax");
  });
  test.each([
    ["a number below", "softmax(s + where(open, 0, -1e9), over = keys)"],
    ["a choice between numbers", "softmax(s + where(open, 1, -inf), over = keys)"],
    ["a product that turns it round", "softmax(-where(open, s, -inf), over = keys)"],
  ])("with what is no mask, or more than one: %s", (_, weights) => {
    const { value } = elaborateText(
      attention(`let s = dot(q, k, over = w)\n  output y = dot(${weights}, v, over = keys)`),
    );
    expect(differenceByRewrites(value!, SIZES)).toBeLessThan(1e-9);
  });
  test("its shares divided after the product, without a shift", () =>
    expect(
      made("let e = exp(dot(q, k, over = w) / sqrt(w))\n  output y = dot(e, v, over = keys) / sum(e, over = keys)"),
    ).toMatchObject({ attend: 1 }));
  test("what each head has seen through a map of its own, all added: one product", () => {
    const text = `model m(hidden = 6, h = 2, w = 3) {
  input seen: float[batch, seq, h, w]
  param out: [h, w, hidden] = normal(0.3)
  output y = sum(dot(seen, out, over = w), over = h)
}`;
    const { value } = elaborateText(text);
    expect(differenceByRewrites(value!, SIZES)).toBeLessThan(1e-9);
    expect(operatorsOf(rewritten(text).graph)).toEqual({ dot: 1 });
  });
  test("whose shares are handed on as well is left", () =>
    expect(
      made("let p = softmax(dot(q, k, over = w), over = keys)\n  output y = dot(p, v, over = keys)\n  output z = p"),
    ).not.toHaveProperty("attend"));
  test("under a mask and another", () =>
    expect(
      made(
        "let s = where(real[seq -> keys], where(causal, dot(q, k, over = w), -inf), -inf)\n  output y = dot(softmax(s, over = keys), v, over = keys)",
      ),
    ).toHaveProperty("attend", 1));
  test.each(["-1e9", "-1e4", "0"])(
    "with %s where it is not seen is no masked one: a row that sees nothing differs",
    (low) => {
      const { rewrites } = rewritten(
        attention(`output y = dot(softmax(where(causal, dot(q, k, over = w), ${low}), over = keys), v, over = keys)`),
      );
      expect(rewrites!.fired).toEqual([]);
      expect(rewrites!.refused.map((r) => r.why)).toContain(`it has ${Number(low)} where the rule has -Infinity`);
    },
  );
  test("with the softmax over the queries is none", () =>
    expect(made("output y = dot(softmax(dot(q, k, over = w), over = seq), v, over = keys)")).not.toHaveProperty(
      "attend",
    ));
});

describe("rotary positions", () => {
  const turning = (body: string): Readonly<Record<string, number>> => {
    const text = `model m(d = 8, wide = 12) {
  input x: float[batch, seq, d]
  input y: float[batch, seq, d]
  input z: float[batch, seq, wide]
  dim half = d / 2
  dim still = wide - d
  let angle = position(seq) * 10 ^ (-position(half) / half)
  ${body}
}`;
    const { value, diagnostics } = elaborateText(text);
    expect(errorsIn(diagnostics)).toEqual([]);
    expect(differenceByRewrites(value!, SIZES)).toBeLessThan(1e-9);
    return operatorsOf(rewritten(text).graph);
  };
  const halves = "concat[half + half -> d](-x[d = half..][d -> half], x[d = ..half][d -> half])";
  const neighbours =
    "stack[pair](-x[d -> (half, pair = 2)][pair = 1], x[d -> (half, pair = 2)][pair = 0])[(half, pair) -> d]";
  test.each([
    ["angles twice", "concat[half + half -> d](angle, angle)", halves],
    ["each angle twice", "stack[pair](angle, angle)[(half, pair) -> d]", neighbours],
  ])("%s, and their sines after that, for two values", (_, wide, other) => {
    const made = turning(`let wide = ${wide}
  output a = x * cos(wide) + ${other} * sin(wide)
  output b = y * cos(wide) + ${other.replaceAll("x[", "y[")} * sin(wide)`);
    // One product makes the angles.
    expect(made).toMatchObject({ cos: 1, sin: 1, mul: 1, turned: 2 });
    expect(made).not.toHaveProperty("concat");
  });
  test("of the first coordinates, in one concatenation", () => {
    const made = turning(`let a = z[wide = ..half][wide -> half]
  let b = z[wide = half..d][wide -> half]
  output turned = concat[half + half + still -> wide](
    a * cos(angle) - b * sin(angle), b * cos(angle) + a * sin(angle), z[wide = d..][wide -> still]
  )`);
    expect(made).toMatchObject({ turned_partly: 1, mul: 1 });
    expect(made).not.toHaveProperty("concat");
  });
});

test("the example by hand: every operator with a kernel is found, in a repeat once", () => {
  const text = readFileSync(new URL("../../examples/by-hand.tfm", import.meta.url), "utf8");
  const { value } = elaborateText(text);
  const before = operatorsOf(prepare(value!, { cache: false, optimize: false, keeps: () => false }).value![0]!.graph);
  const after = rewritten(text);
  const count = (all: Readonly<Record<string, number>>): number => Object.values(all).reduce((a, b) => a + b, 0);
  expect(operatorsOf(after.graph)).toMatchObject({ rms_norm: 3, layer_norm: 1, attend: 1, silu: 1, gelu: 1, dot: 10 });
  expect([count(before), count(after.graph ? operatorsOf(after.graph) : {})]).toMatchInlineSnapshot(`
    [
      91,
      36,
    ]
  `);
  expect(differenceByRewrites(value!, SIZES)).toBeLessThan(1e-9);
});

describe("what is said of rewrites", () => {
  test("what fired, where, and how often", () => {
    const { rewrites } = rewritten(program("output x * rsqrt(mean(x ^ 2, over = d) + 1e-6) * w"));
    expect(rewrites!.fired).toHaveLength(1);
    const [{ rule, span, nodes, times }] = rewrites!.fired as [(typeof rewrites & object)["fired"][number]];
    expect({ rule, text: textOf(span!), nodes, times }).toEqual({
      rule: "rms norm",
      text: "x * rsqrt(mean(x ^ 2, over = d) + 1e-6) * w",
      nodes: [6, 1],
      times: 1,
    });
  });
  const refusals = (body: string): readonly string[] =>
    rewritten(program(body)).rewrites!.refused.map((r) => `${r.rule}, ${r.kind}: ${r.why}`);

  test("what others read stays", () =>
    expect(refusals("let n = x * rsqrt(mean(x ^ 2, over = d) + 1e-6)\n  output n * w + n")).toEqual([]));
  test("what nearly matched, and what was in the way", () => {
    expect(refusals("output x * rsqrt(mean(x ^ 4, over = d) + 1e-6) * w")).toMatchInlineSnapshot(`
      [
        "rms norm, nearly: it has \`lookup\` besides, which the rule has not",
      ]
    `);
    expect(refusals("let v = mean(x ^ 2, over = d) + 1e-6\n  output x * rsqrt(v) * w + v")).toMatchInlineSnapshot(`
      [
        "rms norm, refused: its add is read by another add",
      ]
    `);
  });
});

describe("the left sides of wrong rules are left alone, or become what they are", () => {
  const text = readFileSync(new URL("../laws/rewrites.tfm", import.meta.url), "utf8");
  const laws = lawsOf(request(text)).value!;
  test("as many as there are", () => expect(laws.length).toBeGreaterThanOrEqual(30));
  test.each(laws.map((l) => [l.decl.title.value, l.decl] as const))("%s", (_, decl) => {
    if (decl.kind !== "Rewrite") return;
    // `batch` is open; all other sizes are settings, and operands without axes are numbers.
    const sizes: Record<string, number> = { d: 3, keys: 4, seq: 5, rows: 2, queries: 2, half: 3, e: 2, rest: 2 };
    const numbers: Record<string, number> = { eps: 0.125, scale: 0.5, softcap: 5, slope: 2 };
    const names = new Set<string>();
    const lines = decl.operands.items.map(({ name: { name }, type }) => {
      const axes = (type?.axes ?? []).map((a) => {
        if (a.kind === "Sized") return `${a.name.name} = ${textOf(a.size.span)}`;
        if (a.kind === "Axis") names.add(a.name.name);
        return a.kind === "Axis" ? a.name.name : "batch";
      });
      return axes.length === 0
        ? `let ${name} = ${numbers[name]!}`
        : `input ${name}: ${type?.base?.name ?? "float"}[${axes.join(", ")}]`;
    });
    const settings = [...names].map((n) => `${n} = ${sizes[n]!}`).join(", ");
    const text = `model m(${settings}) {\n  ${lines.join("\n  ")}\n  output y = ${textOf(decl.left.span)}\n}`;
    const { value, diagnostics } = elaborateText(text);
    expect(errorsIn(diagnostics)).toEqual([]);
    expect(differenceByRewrites(value!, SIZES)).toBeLessThan(1e-9);
  });
});
