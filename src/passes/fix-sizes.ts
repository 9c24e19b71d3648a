/**
 * @file Open sizes that are known after all: a batch of one, a step of one place. A dimension of one costs no transpose, and runtimes
 * that take fixed shapes only (WebNN, many accelerators) run the model.
 *
 * Before: `%1: float[batch, seq, d] = ...`, `%2: float[batch, past_seq + seq, d] = concat(%past, %1)`.
 * After, with batch 1 and seq 1: `%1: float[batch=1, seq=1, d]`, `%2: float[batch=1, past_seq + 1, d]`.
 */
import { newValue } from "../ir/builder.ts";
import type { Graph, Node, State, Value } from "../ir/graph.ts";
import { Size } from "../ir/size.ts";
import type { Type } from "../ir/type.ts";
import type { Problem } from "../ops/op.ts";
import { inferNode } from "../ops/registry.ts";

/** What each open size is called: the symbol, and its name at the boundary where that is another. */
export function openSizes(graph: Graph): ReadonlyMap<string, string> {
  const symbols = new Map<string, string>();
  const note = ({ axes }: Type): void => {
    for (const a of axes) for (const s of a.size.symbols) symbols.set(s, graph.sizeNames.get(s) ?? s);
  };
  for (const input of graph.inputs) note(input.value.type);
  const states = (g: Graph): void => {
    for (const s of g.states) note(s.past.type);
    for (const n of g.nodes) n.bodies.forEach(states);
  };
  states(graph);
  return symbols;
}

/** The graph with these numbers for symbols. It may not be well formed: a sequence can be longer than a table. */
export function fixSizes(graph: Graph, sizes: ReadonlyMap<string, number>): Graph {
  if (sizes.size === 0) return graph;
  return substituteSizes(graph, new Map([...sizes].map(([symbol, n]) => [symbol, Size.of(n)])));
}

/** The graph with other sizes for symbols, in types and attributes. */
export function substituteSizes(graph: Graph, sizes: ReadonlyMap<string, Size>): Graph {
  return new Fixer(sizes).graph(graph);
}

/** The first node that does not fit its operands. */
export function misfitOf(graph: Graph): { readonly node: Node; readonly problem: Problem } | undefined {
  for (const node of graph.nodes) {
    const within = node.bodies.map(misfitOf).find((m) => m !== undefined);
    if (within) return within;
    const inferred = inferNode(node);
    if ("problem" in inferred) return { node, problem: inferred.problem };
  }
  return undefined;
}

class Fixer {
  private readonly values = new Map<number, Value>();

  constructor(private readonly sizes: ReadonlyMap<string, Size>) {}

  graph(graph: Graph): Graph {
    const inputs = graph.inputs.map((i) => ({ ...i, value: this.value(i.value) }));
    const params = graph.params.map((p) => ({ ...p, value: this.value(p.value) }));
    const pasts = graph.states.map((s) => this.value(s.past));
    const nodes = graph.nodes.map((n): Node => {
      const attrs = this.within(n.attrs);
      const bodies = n.bodies.map((b) => this.graph(b));
      const operands = n.inputs.map((v) => this.value(v));
      return { ...n, attrs, bodies, inputs: operands, outputs: n.outputs.map((v) => this.value(v)) } as Node;
    });
    const states = graph.states.map((s, i): State => ({ ...s, past: pasts[i]!, present: this.value(s.present) }));
    const outputs = graph.outputs.map((o) => ({ ...o, value: this.value(o.value) }));
    const sizeNames = new Map([...graph.sizeNames].filter(([symbol]) => !this.sizes.has(symbol)));
    return { ...graph, inputs, params, states, nodes, outputs, sizeNames };
  }

  private value(old: Value): Value {
    const known = this.values.get(old.id);
    if (known) return known;
    const made = newValue(this.within(old.type), old.span);
    this.values.set(old.id, made);
    return made;
  }

  /** Whatever it is, with the sizes in it. */
  private within<T>(thing: T): T {
    if (thing instanceof Size) return thing.substitute(this.sizes) as T;
    if (Array.isArray(thing)) return thing.map((x: unknown) => this.within(x)) as T;
    if (thing instanceof Map) return new Map([...thing].map(([k, v]) => [k, this.within<unknown>(v)])) as T;
    if (typeof thing !== "object" || thing === null || Object.getPrototypeOf(thing) !== Object.prototype) return thing;
    return Object.fromEntries(Object.entries(thing).map(([k, v]) => [k, this.within<unknown>(v)])) as T;
  }
}
