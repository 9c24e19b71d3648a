/**
 * @file For tests that compute a block once more, by plain loops: a program evaluated with drawn weights, and its tensors read by
 * index. Nothing here goes through the operators of the compiler but the evaluation itself.
 */
import { expect } from "vitest";
import type { Tensor } from "../../src/ops/op.ts";
import type { Sizes } from "../conformance/onnx-harness.ts";
import { elaborateText } from "./programs.ts";
import { drawInputs, drawWeights, prepared, reference, type Tensors } from "./run-program.ts";

export interface Evaluation {
  readonly params: Tensors;
  readonly inputs: Tensors;
  output(name?: string): Tensor<number>;
  /** The numbers of a parameter, row by row. */
  weight(path: string): readonly number[];
  input(name: string): readonly number[];
}

/** Evaluates the one model of a text; inputs that are not given are drawn. */
export function evaluated(
  text: string,
  sizes: Sizes,
  given: Readonly<Record<string, readonly number[]>> = {},
): Evaluation {
  const { value, diagnostics } = elaborateText(text);
  expect(diagnostics.map((d) => d.message)).toEqual([]);
  const graph = prepared(value!, "onnx", false);
  const params = drawWeights(graph);
  const drawn = drawInputs(graph, sizes, 5);
  const inputs = new Map([...drawn].map(([name, t]) => [name, name in given ? { ...t, data: given[name]! } : t]));
  const { outputs } = reference(graph, { params, inputs });
  const numbers = (t: Tensor<number> | undefined, what: string): readonly number[] => {
    if (!t) throw new Error(`there is no ${what}; there are ${[...params.keys(), ...inputs.keys()].join(", ")}`);
    return Array.from(t.data as ArrayLike<number>);
  };
  return {
    params,
    inputs,
    output: (name = "y") => outputs.get(name)!,
    weight: (path) => numbers(params.get(path), path),
    input: (name) => numbers(inputs.get(name), name),
  };
}

/** Compares a tensor, in the order of axes stated, with what a function gives for each index. */
export function expectEach(
  found: Tensor<number>,
  axes: readonly string[],
  wanted: (...index: number[]) => number,
  tolerance = 1e-9,
): void {
  expect([...found.axes.map((a) => a.name)].sort(), "axes").toEqual([...axes].sort());
  const sizes = axes.map((name) => found.axes.find((a) => a.name === name)!.size);
  const strides = axes.map((name) => {
    const at = found.axes.findIndex((a) => a.name === name);
    return found.axes.slice(at + 1).reduce((n, a) => n * a.size, 1);
  });
  const index = axes.map(() => 0);
  const total = sizes.reduce((n, s) => n * s, 1);
  expect(total).toBeGreaterThan(0);
  for (let i = 0; i < total; i++) {
    const at = index.reduce((sum, x, k) => sum + x * strides[k]!, 0);
    const [is, should] = [(found.data as ArrayLike<number>)[at]!, wanted(...index)];
    if (!(Math.abs(is - should) <= tolerance * (1 + Math.abs(should))))
      expect.fail(`at [${index.join(", ")}] it is ${is}, computed by hand ${should}`);
    for (let k = axes.length - 1; k >= 0; k--) {
      if (++index[k]! < sizes[k]!) break;
      index[k] = 0;
    }
  }
}

/** W x + b of one vector; the rows of W one after the other. */
export function affine(weight: readonly number[], x: readonly number[], bias?: readonly number[]): number[] {
  const rows = weight.length / x.length;
  return Array.from({ length: rows }, (_, r) => {
    let sum = bias ? bias[r]! : 0;
    for (let c = 0; c < x.length; c++) sum += weight[r * x.length + c]! * x[c]!;
    return sum;
  });
}

export function softmaxOf(scores: readonly number[]): number[] {
  const top = Math.max(...scores);
  if (top === Number.NEGATIVE_INFINITY) return scores.map(() => 0);
  const powers = scores.map((s) => Math.exp(s - top));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((p) => p / sum);
}

export const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
export const silu = (x: number): number => x * sigmoid(x);

export function rms(x: readonly number[], weight: readonly number[], eps: number): number[] {
  const mean = x.reduce((a, b) => a + b * b, 0) / x.length;
  return x.map((v, i) => (v / Math.sqrt(mean + eps)) * weight[i]!);
}

export function layer(
  x: readonly number[],
  weight: readonly number[],
  shift: readonly number[],
  eps: number,
): number[] {
  const mean = x.reduce((a, b) => a + b, 0) / x.length;
  const variance = x.reduce((a, b) => a + (b - mean) ** 2, 0) / x.length;
  return x.map((v, i) => ((v - mean) / Math.sqrt(variance + eps)) * weight[i]! + shift[i]!);
}

/** The vectors of an input [batch, seq, width]. */
export function vectors(numbers: readonly number[], batch: number, seq: number): number[][][] {
  const width = numbers.length / batch / seq;
  return Array.from({ length: batch }, (_, b) =>
    Array.from({ length: seq }, (_, s) => numbers.slice((b * seq + s) * width, (b * seq + s + 1) * width)),
  );
}
