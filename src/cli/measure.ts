/** @file What a model costs, counted on its graph: parameters, operations per token, bytes kept per token. */
import type { Graph } from "../ir/graph.ts";
import { concreteParams, elements } from "../ir/params.ts";
import { Size } from "../ir/size.ts";

export interface Weighed {
  readonly path: string;
  readonly shape: readonly number[];
  readonly elements: number;
}

/** Every parameter once, tied ones included once. */
export function parametersOf(graph: Graph): readonly Weighed[] {
  return [...concreteParams(graph)].map(({ path, param }) => ({
    path,
    shape: param.value.type.axes.map((a) => a.size.known ?? Number.NaN),
    elements: elements(param),
  }));
}

export function totalElements(parameters: readonly Weighed[]): number {
  return parameters.reduce((n, p) => n + p.elements, 0);
}

/**
 * Multiplications and additions of all products of a whole forward pass, two for each pair of factors, as a function of the
 * open sizes. Elementwise work is not counted: it is a few parts in a thousand.
 */
export function operations(graph: Graph): Size {
  let all = Size.ZERO;
  for (const node of graph.nodes) {
    if (node.op === "dot") {
      const [a] = node.inputs;
      const summed = a!.type.axes.filter((x) => node.attrs.over.includes(x.name));
      const pairs = [...node.outputs[0]!.type.axes, ...summed].reduce((n, x) => n.times(x.size), Size.ONE);
      all = all.plus(pairs.times(Size.of(2)));
    } else if (node.op === "repeat") {
      for (const kind of node.attrs.schedule) all = all.plus(operations(node.bodies[kind]!));
    } else for (const body of node.bodies) all = all.plus(operations(body));
  }
  return all;
}

export interface PerToken {
  /** Whatever the length. */
  readonly fixed: number;
  /** For each token of the whole sequence, by attention. */
  readonly perContextToken: number;
}

/** Operations for one token of one row (of each text, where there are two): other sizes are those of a row (one), `lengths` those of texts. */
export function operationsPerToken(graph: Graph, lengths: ReadonlySet<string>): PerToken {
  const total = operations(graph);
  let fixed = 0;
  let perContextToken = 0;
  for (const { coefficient, symbols } of total.summands) {
    const times = symbols.filter((s) => lengths.has(s)).length;
    if (times >= 2) perContextToken += coefficient;
    else fixed += coefficient;
  }
  return { fixed, perContextToken };
}

/** The sizes of the axes along which inputs have their places: what the graph grows along, and the last open one of each input, if it is the last of all. */
export function tokenAxes(graph: Graph): ReadonlySet<string> {
  const open = graph.inputs.map(({ value }) => value.type.axes.flatMap((a) => a.size.symbol ?? []));
  const rows = new Set(open.flatMap((symbols) => symbols.slice(0, -1)));
  const lasts = open.flatMap((symbols) => symbols.slice(-1)).filter((symbol) => !rows.has(symbol));
  return new Set(graph.grows === undefined ? lasts : [graph.grows, ...lasts]);
}

/** Elements of floats kept for one token of one row, of a graph in its cached form; `length` is the size of its past. */
export function keptPerToken(graph: Graph, length: string): number {
  let all = 0;
  const own = graph.states.filter((s) => s.past.type.dtype === "float");
  for (const { past } of own) {
    const size = past.type.axes.reduce((n, a) => n.times(a.size), Size.ONE);
    for (const { coefficient, symbols } of size.summands) if (symbols.includes(length)) all += coefficient;
  }
  for (const node of graph.nodes)
    if (node.op === "repeat") for (const kind of node.attrs.schedule) all += keptPerToken(node.bodies[kind]!, length);
  return all;
}
