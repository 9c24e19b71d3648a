/** @file Programs before and after all rewrites: the same numbers, and what the rewrites say. */
import { multipliedBy } from "../../src/backends/lowering/kernels.ts";
import { keeps, targetOf } from "../../src/backends/onnx/targets.ts";
import { evaluateGraph } from "../../src/backends/reference/evaluate.ts";
import { prepare, type Elaborated, type Prepared } from "../../src/compile.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { float64 } from "../../src/ops/float64.ts";
import type { Tensor } from "../../src/ops/op.ts";
import { arrange } from "../../src/ops/tensor.ts";
import { elaborateText, type Options } from "./programs.ts";
import { drawInputs, drawWeights } from "./run-program.ts";

/** The one model of a text, as a target with kernels for the usual operators gets it. */
export function rewritten(text: string | undefined, options: Options = {}): Prepared {
  const { value, diagnostics } = elaborateText(text, options);
  if (!value) throw new Error(diagnostics.map((d) => `${d.code}: ${d.message}`).join("; "));
  return afterRewrites(value);
}

export function afterRewrites(model: Elaborated): Prepared {
  return prepare(model, { cache: false, optimize: true, keeps: keeps("onnx") }).value![0]!;
}

/** How many nodes of each operator there are, bodies of repeats once; a composite operator by its name. */
export function operatorsOf(graph: Graph): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  const visit = (g: Graph): void => {
    for (const node of g.nodes) {
      const name = node.op === "call" ? node.attrs.name : node.op;
      counts[name] = (counts[name] ?? 0) + 1;
      if (node.op !== "call") node.bodies.forEach(visit);
    }
  };
  visit(graph);
  return counts;
}

/**
 * The largest difference between the model as it is written and as it is after all rewrites, factors in its weights, relative to the largest value of each
 * output, on drawn weights and inputs in float64.
 */
export function differenceByRewrites(model: Elaborated, sizes: Readonly<Record<string, number>>, limit = 2): number {
  const before = prepare(model, { cache: false, optimize: false, keeps: () => false }).value!;
  const scales = { multiplied: multipliedBy(targetOf("onnx")) };
  const after = prepare(model, { cache: false, optimize: true, keeps: keeps("onnx"), scales }).value!;
  let worst = 0;
  for (const [i, { graph }] of before.entries()) {
    const params = drawWeights(graph);
    const inputs = drawInputs(graph, sizesOf(graph, sizes), limit);
    const feed = { inputs, param: (path: string): Tensor<number> => params.get(path)! };
    const a = evaluateGraph(graph, feed, { arithmetic: float64 }).outputs;
    const b = evaluateGraph(after[i]!.graph, feed, { arithmetic: float64 }).outputs;
    for (const [name, wanted] of a) worst = Math.max(worst, differenceOfTensors(wanted, b.get(name)!));
  }
  return worst;
}

/** Symbols that the caller gives no size for have 3 places. */
function sizesOf(graph: Graph, given: Readonly<Record<string, number>>): Readonly<Record<string, number>> {
  const symbols = graph.inputs.flatMap((i) => i.value.type.axes.flatMap((a) => [...a.size.symbols]));
  return Object.fromEntries(symbols.map((s) => [s, given[s] ?? 3]));
}

/**
 * The largest difference, relative to the largest value; infinite where only one of two is finite. Where the first is not a number,
 * the second may be one: exponentials that overflow before they are divided do not in the operator that divides them.
 */
export function differenceOfTensors(wanted: Tensor<number>, found: Tensor<number>): number {
  const run = { arithmetic: float64, size: () => 0 };
  const x = wanted.data as ArrayLike<number>;
  const y = arrange(run, found, wanted.axes) as ArrayLike<number>;
  let scale = 1e-300;
  let largest = 0;
  for (let i = 0; i < x.length; i++) {
    if (Number.isNaN(x[i]) || Object.is(x[i], y[i])) continue;
    if (!Number.isFinite(x[i]) || !Number.isFinite(y[i])) return Infinity;
    scale = Math.max(scale, Math.abs(x[i]!));
    largest = Math.max(largest, Math.abs(x[i]! - y[i]!));
  }
  return largest / scale;
}
