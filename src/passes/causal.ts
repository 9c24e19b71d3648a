/**
 * @file Whether a place of a decoding graph sees none behind it. Then a long prompt may be read in parts, one after the other: the result
 * is the same, and attention takes half the products and a part of the memory. A prefix whose places see each other has to come whole.
 *
 * What earlier and later places left behind lies along axes as long as the past and the step together. Nothing may sum, compare or look
 * up along such an axis but attention under a mask that hides every key behind the query.
 */
import type { Graph, Node, NodeOf, Value } from "../ir/graph.ts";
import type { Type } from "../ir/type.ts";
import { pastSymbol } from "./cache.ts";
import { orderOf } from "./places.ts";

/** Of a graph with a cache. What is not understood is taken not to be causal. */
export function isCausal(graph: Graph): boolean {
  return graph.grows !== undefined && new Checker(pastSymbol(graph.grows)).graph(graph, new Map());
}

/** What is known of a value: places counted from somewhere, or a mask that hides what comes later. */
type Known =
  | { readonly kind: "places"; readonly of: "all" | "step" }
  /** For each key and query: false where the key comes behind the query. */
  | { readonly kind: "mask" };

class Checker {
  private readonly known = new Map<number, Known>();
  private readonly definitions = new Map<number, Node>();

  constructor(private readonly past: string) {}

  /** `outer`: what the values are that the graph's inputs stand for. */
  graph(graph: Graph, outer: ReadonlyMap<number, Known>): boolean {
    for (const [id, known] of outer) this.known.set(id, known);
    return graph.nodes.every((n) => this.node(n));
  }

  private node(node: Node): boolean {
    if (node.op === "call" && node.attrs.name === "attend") return this.attention(node);
    for (const output of node.outputs) this.definitions.set(output.id, node);
    const made = this.made(node);
    if (made) for (const output of node.outputs) this.known.set(output.id, made);
    const along = mixedAlong(node);
    const mixes = node.inputs.some((v) => this.allPlaces(v.type).some((axis) => along.includes(axis)));
    return !mixes && node.bodies.every((b) => this.body(node, b));
  }

  private body(node: Node, body: Graph): boolean {
    const outer = new Map<number, Known>();
    for (const [i, input] of body.inputs.entries()) {
      const known = this.of(node.inputs[i]);
      // What a repeat hands on may be something else after the first iteration.
      const constant = node.op === "call" || (node.op === "repeat" && i >= node.attrs.carried);
      if (known && constant) outer.set(input.value.id, known);
    }
    if (!this.graph(body, outer)) return false;
    if (node.op === "call")
      for (const [i, output] of body.outputs.entries()) {
        const known = this.of(output.value);
        if (known) this.known.set(node.outputs[i]!.id, known);
      }
    return true;
  }

  private attention(node: NodeOf<"call">): boolean {
    const keys = node.attrs.dims["keys"];
    if (!keys?.size.symbols.has(this.past)) return true; // of what does not grow: all of it is there from the start
    return this.of(node.inputs[node.attrs.operands.indexOf("mask")])?.kind === "mask";
  }

  private made(node: Node): Known | undefined {
    const [a, b] = node.inputs.map((v) => this.of(v));
    const before = (key: Known | undefined, query: Known | undefined): Known | undefined =>
      key?.kind === "places" && key.of === "all" && query?.kind === "places" && query.of === "step"
        ? { kind: "mask" }
        : undefined;
    switch (node.op) {
      case "position": {
        const { axis, start } = node.attrs;
        if (start.known === 0 && axis.size.symbols.has(this.past)) return { kind: "places", of: "all" };
        return start.symbol === this.past ? { kind: "places", of: "step" } : undefined;
      }
      case "less":
      case "less_equal":
        return before(a, b) ?? this.ordered(node);
      case "greater":
      case "greater_equal":
        return before(b, a) ?? this.ordered(node);
      case "and":
        return a?.kind === "mask" ? a : b?.kind === "mask" ? b : undefined;
      case "rename":
      case "transpose":
      case "spread":
        return a;
      default:
        return undefined;
    }
  }

  /** A comparison of places written some other way, as of their difference. */
  private ordered(node: Node): Known | undefined {
    const order = orderOf(node, (v) => this.definitions.get(v.id));
    if (!order || order.most > 0) return undefined;
    const [key, query] = [order.key, order.query].map((n) => this.of(n.outputs[0]));
    return key?.kind === "places" && key.of === "all" && query?.kind === "places" && query.of === "step"
      ? { kind: "mask" }
      : undefined;
  }

  private of(value: Value | undefined): Known | undefined {
    return value && this.known.get(value.id);
  }

  private allPlaces({ axes }: Type): readonly string[] {
    return axes.filter((a) => a.size.symbols.has(this.past)).map((a) => a.name);
  }
}

/** The axes along which a node makes one element of others. A running sum sees only what comes before. */
function mixedAlong(node: Node): readonly string[] {
  switch (node.op) {
    case "sum":
    case "mean":
    case "reduce_max":
    case "reduce_min":
    case "any":
    case "all":
    case "dot":
      return node.attrs.over;
    case "softmax":
      return [node.attrs.over];
    case "lookup":
    case "top_k":
      return [node.attrs.axis];
    case "merge":
      return node.attrs.axes;
    default:
      return [];
  }
}
