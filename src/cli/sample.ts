/** @file Small inputs that a model can be run on: tokens that its tables have, positions in order, a mask with one padded place. */
import type { Prepared } from "../compile.ts";
import type { Graph, Input, State } from "../ir/graph.ts";
import { concreteStates, isGiven } from "../ir/states.ts";
import { tableBounds } from "../ir/tables.ts";
import { pastSymbol } from "../passes/cache.ts";
import { BEGUN } from "../passes/cache-last.ts";
import type { Tensor } from "../ops/op.ts";

/** A graph, and what clients mean by leaving an input out. */
export type Sampled = Pick<Prepared, "graph" | "inputDefaults">;

export type Sizes = ReadonlyMap<string, number>;

/** Numbers for the open sizes: two rows, `now` places after `past`, three of everything else. */
export function sampleSizes(graph: Graph, now: number, past: number): Sizes {
  const sizes = new Map<string, number>();
  const symbols = graph.inputs.flatMap((i) => i.value.type.axes.flatMap((a) => [...a.size.symbols]));
  for (const [i, symbol] of symbols.entries()) if (!sizes.has(symbol)) sizes.set(symbol, i === 0 ? 2 : 3);
  if (graph.grows !== undefined) {
    sizes.set(graph.grows, now);
    sizes.set(pastSymbol(graph.grows), past);
  }
  // What is handed on of what does not grow is there as a whole from the second step on.
  for (const [symbol, size] of [...sizes])
    if (!sizes.has(pastSymbol(symbol))) sizes.set(pastSymbol(symbol), past === 0 ? 0 : size);
  const states = concreteStates(graph);
  for (const { past: given } of states.filter(isGiven))
    for (const { size } of given.type.axes)
      if (size.symbol !== undefined && !sizes.has(size.symbol)) sizes.set(size.symbol, 3);
  for (const state of states)
    for (const [i, { size }] of state.past.type.axes.entries())
      if (size.symbol !== undefined && !sizes.has(size.symbol))
        sizes.set(size.symbol, past === 0 ? 0 : state.present.type.axes[i]!.size.evaluate(sizes));
  sizes.set(BEGUN, past === 0 ? 0 : 1);
  return sizes;
}

/** A value for every input, by its name in the graph. The same sizes give the same values, and a step goes on where its past ended. */
export function sampleInputs({ graph, inputDefaults }: Sampled, sizes: Sizes): Map<string, Tensor<number>> {
  const bounds = tableBounds(graph);
  const past = graph.grows === undefined ? 0 : sizes.get(pastSymbol(graph.grows))!;
  return new Map(
    graph.inputs.map((input) => {
      const { dtype, axes: declared } = input.value.type;
      const axes = declared.map((a) => ({ name: a.name, size: a.size.evaluate(sizes) }));
      const length = axes.reduce((n, a) => n * a.size, 1);
      const last = axes.at(-1)?.size ?? 1;
      const given = inputDefaults.get(input.outside ?? input.name);
      const bound = bounds.get(input.value.id)?.evaluate(sizes) ?? 4;
      const element = (i: number): number => {
        if (isMask(input, inputDefaults)) return Number(!isPadded(i, length, last, graph.grows !== undefined));
        if (dtype === "float") return Math.sin(i * 1.7 + 1);
        if (dtype === "bool") return given === undefined ? i % 2 : Number(given !== 0);
        return given === "positions" ? past + (i % last) : Math.floor(noise(i + 31 * past + 1) * bound);
      };
      return [input.name, { dtype, axes, data: Float64Array.from({ length }, (_, i) => element(i)) }];
    }),
  );
}

/** Numbers for what a step is given whole, by its path: the same in every step. */
export function sampleStates(given: readonly State[], sizes: Sizes): Map<string, Tensor<number>> {
  return new Map(
    given.map(({ path, past: { type } }) => {
      const axes = type.axes.map((a) => ({ name: a.name, size: a.size.evaluate(sizes) }));
      const length = axes.reduce((n, a) => n * a.size, 1);
      return [path, { dtype: type.dtype, axes, data: Float64Array.from({ length }, (_, i) => Math.sin(i * 1.3 + 2)) }];
    }),
  );
}

/** A truth that is true where a client says nothing: which places there are. */
export function isMask(input: Input, inputDefaults: Sampled["inputDefaults"]): boolean {
  return (
    input.value.type.dtype === "bool" &&
    input.value.type.axes.length >= 2 &&
    inputDefaults.get(input.outside ?? input.name) === 1
  );
}

/** In the last row of `length / last` one place is padding: the first of a model that generates, else the last. */
function isPadded(i: number, length: number, last: number, grows: boolean): boolean {
  return last > 1 && i === (grows ? length - last : length - 1);
}

/** Between 0 and 1, the same for the same number. */
function noise(n: number): number {
  const x = Math.sin(n * 12.9898) * 43758.5453;
  return x - Math.floor(x);
}
