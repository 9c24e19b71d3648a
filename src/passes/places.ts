/** @file What a comparison says of places: in whatever way it is written, `key <= query`, `not (key > query)`, `query - key >= 0`. */
import type { Node, NodeOf, Value } from "../ir/graph.ts";

type Definition = (value: Value) => Node | undefined;

/** Places times whole numbers, and a number. */
interface Sum {
  readonly places: ReadonlyMap<Value, number>;
  readonly number: number;
}

type Places = NodeOf<"position">;

/** True where `key - query <= most`. */
export interface Order {
  readonly key: Places;
  readonly query: Places;
  readonly most: number;
}

/** Of a comparison that compares nothing but two places. */
export function orderOf(node: Node, definition: Definition): Order | undefined {
  const { op } = node;
  if (op !== "less" && op !== "less_equal" && op !== "greater" && op !== "greater_equal") return undefined;
  const [a, b] = node.inputs.map((v) => sumOf(v, definition));
  if (!a || !b) return undefined;
  const below = op === "less" || op === "less_equal" ? plus(a, b, -1) : plus(b, a, -1);
  const [x, y, ...more] = [...below.places];
  if (!x || !y || more.length > 0 || x[1] * y[1] !== -1) return undefined;
  const [key, query] = (x[1] === 1 ? [x, y] : [y, x]).map(([v]) => definition(v)) as [Places, Places];
  return { key, query, most: -below.number - (op === "less" || op === "greater" ? 1 : 0) };
}

function sumOf(value: Value, definition: Definition): Sum | undefined {
  const node = definition(value);
  if (!node || value.type.dtype !== "int") return undefined;
  if (node.op === "position") return { places: new Map([[value, 1]]), number: 0 };
  if (node.op === "constant") return { places: new Map(), number: node.attrs.value };
  if (node.op !== "add" && node.op !== "sub" && node.op !== "neg") return undefined;
  const [a, b] = node.inputs.map((v) => sumOf(v, definition));
  if (node.op === "neg") return a && plus(NOTHING, a, -1);
  return a && b && plus(a, b, node.op === "add" ? 1 : -1);
}

const NOTHING: Sum = { places: new Map(), number: 0 };

function plus(a: Sum, b: Sum, times: 1 | -1): Sum {
  const places = new Map(a.places);
  for (const [value, n] of b.places) places.set(value, (places.get(value) ?? 0) + times * n);
  for (const [value, n] of places) if (n === 0) places.delete(value);
  return { places, number: a.number + times * b.number };
}
