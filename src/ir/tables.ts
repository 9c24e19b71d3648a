/** @file The tables that a graph's inputs, and places themselves, are looked up in. */
import { hasTrait } from "../ops/registry.ts";
import type { Graph, Node, Value } from "./graph.ts";
import { Size } from "./size.ts";

/** How many rows the smallest table has in which an input looks something up, by the input's id; of tables of no fixed size one of them. */
export function tableBounds(graph: Graph): ReadonlyMap<number, Size> {
  const bounds = new Map<number, Size>();
  const origins = new Map<number, number>(graph.inputs.map((i) => [i.value.id, i.value.id]));
  const follow = (g: Graph): void => {
    for (const node of g.nodes) {
      const origin = (v: Value | undefined): number | undefined => v && origins.get(v.id);
      const [first, second] = node.inputs;
      const from = origin(first);
      if (from !== undefined && node.outputs[0] && (node.op === "cast" || hasTrait(node.op, "structural")))
        origins.set(node.outputs[0].id, from);
      const looked = node.op === "lookup" ? origin(second) : undefined;
      if (looked !== undefined && node.op === "lookup") {
        const rows = first!.type.axes.find((a) => a.name === node.attrs.axis)!.size;
        const least = bounds.get(looked)?.known ?? Infinity;
        if (!bounds.has(looked) || (rows.known ?? Infinity) < least) bounds.set(looked, rows);
      }
      for (const body of node.bodies) {
        const handed = node.op === "repeat" ? node.attrs.carried : 0;
        for (const [i, input] of body.inputs.entries()) {
          const outer = origin(node.inputs[i]);
          if (i >= handed && outer !== undefined) origins.set(input.value.id, outer);
        }
        follow(body);
      }
    }
  };
  follow(graph);
  return bounds;
}

/** A size that a run may not exceed: so many rows has the smallest table in which its places are looked up. */
export interface LengthBound {
  readonly size: Size;
  readonly most: number;
}

/**
 * What places that the graph counts itself (`position(seq)`, with or without a number added) are looked up in, by the size that is bounded:
 * the places so far. Sizes that are known are none.
 */
export function lengthBounds(graph: Graph): readonly LengthBound[] {
  /** One more than the greatest place of a value. */
  const ends = new Map<number, Size>();
  const numbers = new Map<number, number>();
  const bounds = new Map<string, LengthBound>();
  const note = (size: Size, most: number): void => {
    const known = size.summands.find((t) => t.symbols.length === 0)?.coefficient ?? 0;
    const open = size.minus(Size.of(known));
    if (open.symbols.size === 0) return;
    const least = Math.min(most - known, bounds.get(open.toString())?.most ?? Infinity);
    bounds.set(open.toString(), { size: open, most: least });
  };
  const endOf = (node: Node): Size | undefined => {
    const [first, second] = node.inputs.map((v) => ends.get(v.id));
    const [one, two] = node.inputs.map((v) => numbers.get(v.id));
    if (node.op === "position") return node.attrs.start.plus(node.attrs.axis.size);
    if (node.op === "add" && first && two !== undefined) return first.plus(Size.of(two));
    if (node.op === "add" && second && one !== undefined) return second.plus(Size.of(one));
    if (node.op === "sub" && first && two !== undefined) return first.minus(Size.of(two));
    return node.op !== "slice" && node.op !== "pick" && hasTrait(node.op, "structural") && node.inputs.length === 1
      ? first
      : undefined;
  };
  const follow = (g: Graph): void => {
    for (const node of g.nodes) {
      if (node.op === "constant") numbers.set(node.outputs[0]!.id, node.attrs.value);
      const end = endOf(node);
      if (end) ends.set(node.outputs[0]!.id, end);
      const looked = node.op === "lookup" ? ends.get(node.inputs[1]!.id) : undefined;
      if (looked && node.op === "lookup") {
        const rows = node.inputs[0]!.type.axes.find((a) => a.name === node.attrs.axis)!.size.known;
        if (rows !== undefined) note(looked, rows);
      }
      for (const body of node.bodies) {
        const handed = node.op === "repeat" ? node.attrs.carried : node.op === "scan" ? node.inputs.length : 0;
        for (const [i, input] of body.inputs.entries()) {
          const outer = node.inputs[i];
          const known = outer && ends.get(outer.id);
          const number = outer && numbers.get(outer.id);
          if (i >= handed && known) ends.set(input.value.id, known);
          if (i >= handed && number !== undefined) numbers.set(input.value.id, number);
        }
        follow(body);
      }
    }
  };
  follow(graph);
  return [...bounds.values()];
}
