/** @file Finds what feeds nothing but `once`, along which open size: that is computed of new places only. */
import type { Graph, Node, NodeOf, Value } from "../ir/graph.ts";
import { readsOthers } from "./cache-mixing.ts";

export interface OncePlan {
  /** The symbol of the open size along which its past is kept, by the id of the result of each `once` that has a state. */
  readonly onces: ReadonlyMap<number, string>;
  /** The same symbol, by the ids of the results of nodes that are computed of new places only. */
  readonly partial: ReadonlyMap<number, string>;
  /** Whether a value has the new places only; also of what a body captures. */
  isPartial(value: Value): boolean;
}

/** `isOpen`: whether a symbol is one that neither grows nor is a size of what grows, such as the batch. */
export function planOnce(graph: Graph, isOpen: (symbol: string) => boolean): OncePlan {
  const planner = new Planner(isOpen);
  for (const output of graph.outputs) planner.use(output.value, WHOLE);
  planner.graph(graph);
  return planner;
}

/** All places are wanted. Symbols are names of the language, and never empty. */
const WHOLE = "";

class Planner implements OncePlan {
  readonly onces = new Map<number, string>();
  readonly partial = new Map<number, string>();
  /** What for each value is wanted: a symbol, or all of it. */
  private readonly wanted = new Map<number, string>();
  /** What a captured input of a body is outside, by ids. */
  private readonly outer = new Map<number, number>();

  constructor(private readonly isOpen: (symbol: string) => boolean) {}

  isPartial(value: Value): boolean {
    let id = value.id;
    for (let next = this.outer.get(id); next !== undefined; next = this.outer.get(id)) id = next;
    return this.partial.has(id);
  }

  use(value: Value, how: string): void {
    const before = this.wanted.get(value.id);
    this.wanted.set(value.id, before === undefined || before === how ? how : WHOLE);
  }

  /** From the last node to the first, so that every reader comes before what it reads. */
  graph(graph: Graph): void {
    for (const state of graph.states) this.use(state.present, WHOLE);
    for (const node of graph.nodes.toReversed()) this.node(node);
  }

  private node(node: Node): void {
    const how = this.howOf(node);
    if (how === undefined) return;
    if (node.op === "once") return this.once(node, how);
    if (node.op === "repeat") return this.repeat(node);
    if (how !== WHOLE && !mixesAlong(node, how)) return this.mark(node, how);
    for (const body of node.bodies) {
      for (const output of body.outputs) this.use(output.value, WHOLE);
      this.graph(body);
    }
    for (const input of node.inputs) this.use(input, WHOLE);
  }

  /** What the readers of a node want of it; undefined where there are none. */
  private howOf(node: Node): string | undefined {
    const all = node.outputs.flatMap((o) => this.wanted.get(o.id) ?? []);
    if (all.length === 0) return undefined;
    return all.every((h) => h === all[0]) ? all[0] : WHOLE;
  }

  private once(node: NodeOf<"once">, how: string): void {
    const [x] = node.inputs as [Value];
    const open = x.type.axes.flatMap((a) =>
      a.size.symbol !== undefined && this.isOpen(a.size.symbol) ? [a.size.symbol] : [],
    );
    if (open.length === 1) this.onces.set(node.outputs[0]!.id, open[0]!);
    this.use(x, open.length === 1 ? open[0]! : how);
  }

  private repeat(node: NodeOf<"repeat">): void {
    const { carried } = node.attrs;
    for (const body of node.bodies) {
      for (const output of body.outputs) this.use(output.value, WHOLE);
      this.graph(body);
      for (const [i, { value }] of body.inputs.entries()) {
        const how = i < carried ? WHOLE : this.wanted.get(value.id);
        if (how !== undefined) this.use(node.inputs[i]!, how);
        if (i >= carried) this.outer.set(value.id, node.inputs[i]!.id);
      }
    }
    for (const input of node.inputs.slice(0, carried)) this.use(input, WHOLE);
  }

  /** A node, and all of what it means, is computed of new places. */
  private mark(node: Node, how: string): void {
    for (const output of node.outputs) this.partial.set(output.id, how);
    for (const input of node.inputs) this.use(input, how);
    for (const body of node.bodies) this.markBody(body, how);
  }

  private markBody(body: Graph, how: string): void {
    for (const { value } of body.inputs) this.partial.set(value.id, how);
    for (const node of body.nodes) {
      for (const output of node.outputs) this.partial.set(output.id, how);
      for (const inner of node.bodies) this.markBody(inner, how);
    }
  }
}

/** Whether a place of the result depends on other places of the size, or on how many there are. */
function mixesAlong(node: Node, symbol: string): boolean {
  if (node.op === "scan" || node.op === "previous") return true;
  if (node.op === "call") return node.bodies.some((b) => b.nodes.some((n) => mixesAlong(n, symbol)));
  return node.op !== "position" && readsOthers(node, symbol);
}
