/** @file The tables that a graph's inputs are looked up in. */
import { hasTrait } from "../ops/registry.ts";
import type { Graph, Value } from "./graph.ts";
import type { Size } from "./size.ts";

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
