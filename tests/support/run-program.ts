/**
 * @file Programs run: weights and inputs that are drawn, the reference evaluator on the whole and step by step, ONNX Runtime
 * beside it.
 */
import { concreteStates } from "../../src/ir/states.ts";
import { keeps } from "../../src/backends/onnx/targets.ts";
import { emitOnnx } from "../../src/backends/onnx/emit.ts";
import type { TargetName } from "../../src/backends/onnx/targets.ts";
import { evaluateGraph, type Evaluated } from "../../src/backends/reference/evaluate.ts";
import { prepare, type Elaborated } from "../../src/compile.ts";
import type { Graph, VerifiedGraph } from "../../src/ir/graph.ts";
import { concreteParams } from "../../src/ir/params.ts";
import type { Type } from "../../src/ir/type.ts";
import { float64 } from "../../src/ops/float64.ts";
import type { Tensor } from "../../src/ops/op.ts";
import { draw, numbersOf, Random, sessionOf, tensorOf, toOrt, type Sizes } from "../conformance/onnx-harness.ts";

export type Tensors = ReadonlyMap<string, Tensor<number>>;

export interface Drawn {
  readonly params: Tensors;
  readonly inputs: Tensors;
}

/** Weights near what they are initialised with, wide enough that every one of them shows in the result. */
export function drawWeights(graph: Graph, random = new Random(7)): Tensors {
  return new Map(
    [...concreteParams(graph)].map(({ path, param }) => {
      const { initial, value } = param;
      const width = value.type.axes.at(-1)?.size.known ?? 1;
      const spread = Math.min(0.4, 1.6 / Math.sqrt(width));
      const data = draw(value.type, {}, random).map((x) =>
        Math.fround(initial.kind === "constant" ? initial.value + 0.2 * x : spread * x),
      );
      // A running variance is positive.
      return [path, tensorOf(value.type, {}, path.endsWith("running_var") ? data.map((x) => Math.abs(x) + 0.1) : data)];
    }),
  );
}

/** Inputs for the whole of a text. Places count from 0, masks leave out the first place of the first row. */
export function drawInputs(graph: Graph, sizes: Sizes, limit: number, random = new Random(11)): Tensors {
  return new Map(
    graph.inputs.map(({ name, value: { type } }) => {
      const drawn = tensorOf(type, sizes, draw(type, sizes, random, limit));
      const last = drawn.axes.at(-1)?.size ?? 1;
      if (name.includes("position")) return [name, { ...drawn, data: Array.from(drawn.data, (_, i) => i % last) }];
      if (name.includes("mask")) return [name, { ...drawn, data: Array.from(drawn.data, (_, i) => (i === 0 ? 0 : 1)) }];
      return [name, drawn];
    }),
  );
}

export function reference(graph: VerifiedGraph, { params, inputs }: Drawn, states?: Tensors): Evaluated<number> {
  const param = (path: string): Tensor<number> => params.get(path)!;
  return evaluateGraph(graph, { inputs, param, ...(states ? { states } : {}) }, { arithmetic: float64 });
}

/** The one graph that a target gets; throws where the program cannot be compiled so. */
export function prepared(model: Elaborated, target: TargetName, cache: boolean): VerifiedGraph {
  const made = prepare(model, { optimize: true, cache, keeps: keeps(target) });
  const [one, ...others] = made.value ?? [];
  if (!one || others.length > 0 || made.diagnostics.length > 0)
    throw new Error(`${made.diagnostics.map((d) => d.message).join("; ")} (${others.length} more graphs)`);
  return one.graph;
}

/** The graph of a step, and its inputs for a whole text: what is computed once before the steps is computed by the reference evaluator. */
export function preparedStep(
  model: Elaborated,
  target: TargetName,
  drawn: Drawn,
): { readonly graph: VerifiedGraph; readonly inputs: Tensors } {
  const made = prepare(model, { optimize: true, cache: true, keeps: keeps(target) });
  const [first, second] = made.value ?? [];
  if (!first || made.diagnostics.length > 0) throw new Error(made.diagnostics.map((d) => d.message).join("; "));
  if (!second) return { graph: first.graph, inputs: drawn.inputs };
  const { outputs } = reference(first.graph, drawn);
  const handed = second.graph.inputs.flatMap(({ name, outside }) => {
    const output = first.graph.outputs.find((o) => o.outside !== undefined && o.outside === second.given.get(outside!));
    return output ? [[name, outputs.get(output.name)!] as const] : [];
  });
  return { graph: second.graph, inputs: new Map([...drawn.inputs, ...handed]) };
}

/** Runs once in ONNX Runtime: outputs by name and states by path, as plain numbers. */
export async function inOnnx(
  graph: VerifiedGraph,
  target: TargetName,
  { params, inputs }: Drawn,
  states: Tensors = new Map(),
): Promise<ReadonlyMap<string, readonly number[]>> {
  const artifact = emitOnnx(graph, {
    target,
    weights: () => ({ kind: "initial", initial: { kind: "constant", value: 0 }, seed: 0 }),
    dataFile: "model.onnx_data",
    producer: { name: "tfm", version: "test" },
  });
  const session = await sessionOf(artifact, params);
  const kept = concreteStates(graph);
  const fed = [
    ...graph.inputs.map((i) => [i.outside ?? i.name, toOrt(inputs.get(i.name)!)] as const),
    ...kept.map((s) => [s.pastName, toOrt(states.get(s.path)!)] as const),
  ];
  const results = await session.run(Object.fromEntries(fed));
  await session.release();
  return new Map([
    ...graph.outputs.map((o) => [o.name, numbersOf(results[o.outside ?? o.name]!)] as const),
    ...kept.map((s) => [s.path, numbersOf(results[s.presentName]!)] as const),
  ]);
}

/** What no step before has left: zeros, and no place along an axis that grows. */
export function emptyStates(graph: VerifiedGraph, sizes: Sizes): Tensors {
  const zero = (type: Type): Tensor<number> => {
    const known: Record<string, number> = { ...sizes };
    for (const axis of type.axes) for (const symbol of axis.size.symbols) known[symbol] ??= 0;
    const empty = tensorOf(type, known, []);
    return { ...empty, data: new Array<number>(empty.axes.reduce((n, a) => n * a.size, 1)).fill(0) };
  };
  return new Map(concreteStates(graph).map((s) => [s.path, zero(s.past.type)]));
}

/** The inputs of one step, `from` to `to`: a kept input, which is longer, is passed whole. */
export function stepInputs(graph: Graph, whole: Tensors, grows: string, from: number, to: number): Tensors {
  return new Map(
    graph.inputs.map(({ name, value: { type } }) => {
      const all = whole.get(name)!;
      const axis = type.axes.find((a) => a.size.symbols.has(grows));
      if (!axis) return [name, all];
      const kept = axis.size.symbol !== grows;
      return [name, along(all, axis.name, kept ? 0 : from, to)];
    }),
  );
}

/** Places `from` to `to` along an axis. */
export function along(x: Tensor<number>, name: string, from: number, to: number): Tensor<number> {
  const at = x.axes.findIndex((a) => a.name === name);
  if (at < 0) return x;
  const inner = x.axes.slice(at + 1).reduce((n, a) => n * a.size, 1);
  const { size } = x.axes[at]!;
  const data = Array.from(x.data as ArrayLike<number>).filter((_, i) => {
    const place = Math.floor(i / inner) % size;
    return place >= from && place < to;
  });
  return { ...x, axes: x.axes.map((a, i) => (i === at ? { ...a, size: to - from } : a)), data };
}

/** Largest difference, relative to numbers above one. */
export function difference(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (found.length !== expected.length) return Number.POSITIVE_INFINITY;
  let worst = 0;
  for (let i = 0; i < found.length; i++) {
    const [a, b] = [found[i]!, expected[i]!];
    const apart = a === b ? 0 : Math.abs(a - b) / Math.max(1, Math.abs(b));
    worst = Number.isNaN(apart) ? Number.POSITIVE_INFINITY : Math.max(worst, apart);
  }
  return worst;
}
