/**
 * @file Of what a model that grows hands out at every place, only the last place's: for clients that draw the next token and read no
 * more. The cut is moved up through everything that treats each place by itself, so that a head is computed for one place.
 */
import type { Graph, Node, Value } from "../ir/graph.ts";
import { Size } from "../ir/size.ts";
import { rebuild, type Scope } from "../ir/transform.ts";
import type { Axis, Type } from "../ir/type.ts";
import type { PrimitiveName } from "../ops/attributes.ts";

/** Operators that compute each element from the elements at its own place. */
const PLACE_BY_PLACE: ReadonlySet<PrimitiveName> = new Set<PrimitiveName>([
  ...(["neg", "abs", "exp", "log", "log2", "sqrt", "rsqrt", "sin", "cos", "tanh", "sigmoid", "erf", "floor"] as const),
  ...(["ceil", "round", "sign", "not", "cast", "add", "sub", "mul", "div", "floor_div", "mod", "pow", "min"] as const),
  ...(["max", "equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "and", "or", "where"] as const),
]);

/** The graph whose float outputs along the growing axis have its last place only, as an axis of size one. */
export function lastPlaceOnly(graph: Graph): Graph {
  const { grows } = graph;
  if (grows === undefined) return graph;
  const cut = new Set(graph.outputs.filter((o) => isCut(o.value, grows)).map((o) => o.value.id));
  const chain = chainTo(graph, cut, grows);
  const cuts = new Map<number, Value>();
  const lastOf = (old: Value, scope: Scope): Value => {
    const now = scope.get(old);
    const axis = growing(now.type, grows);
    if (!axis) return now;
    let made = cuts.get(old.id);
    if (!made) {
      const attrs = { axis: axis.name, start: axis.size.minus(Size.ONE), size: Size.ONE };
      cuts.set(old.id, (made = scope.emit1("slice", [now], attrs, old.span)));
    }
    return made;
  };
  return rebuild(graph, {
    node(node, scope) {
      if (!chain.has(node)) return undefined;
      const inputs = node.inputs.map((v) => lastOf(v, scope));
      return node.op === "call"
        ? scope.copyCall(node, inputs)
        : scope.emit(node.op, inputs, node.attrs as never, node.span);
    },
    finish(scope) {
      if (scope.kind !== "graph") return;
      for (const [i, output] of graph.outputs.entries())
        if (cut.has(output.value.id))
          scope.builder.outputs[i] = { ...scope.builder.outputs[i]!, value: lastOf(output.value, scope) };
    },
  });
}

function isCut(value: Value, grows: string): boolean {
  return value.type.dtype === "float" && growing(value.type, grows) !== undefined;
}

function growing(type: Type, grows: string): Axis | undefined {
  return type.axes.find((a) => a.size.symbol === grows);
}

/** The nodes of which nothing but the last place is wanted, and that need nothing but the last place of their operands. */
function chainTo(graph: Graph, cut: ReadonlySet<number>, grows: string): ReadonlySet<Node> {
  const wanted = new Set(cut);
  const kept = new Set([
    ...graph.outputs.flatMap((o) => (cut.has(o.value.id) ? [] : [o.value.id])),
    ...graph.states.map((s) => s.present.id),
  ]);
  const chain = new Set<Node>();
  const readers = new Map<number, Node[]>();
  for (const node of graph.nodes) for (const v of node.inputs) readers.set(v.id, [...(readers.get(v.id) ?? []), node]);
  for (const node of [...graph.nodes].reverse()) {
    const [result, ...others] = node.outputs;
    if (!result || others.length > 0 || kept.has(result.id)) continue;
    const users = readers.get(result.id) ?? [];
    const lastOnly = (wanted.has(result.id) || users.length > 0) && users.every((u) => chain.has(u));
    const axis = growing(result.type, grows);
    if (lastOnly && axis && eachPlaceAlone(node, axis.name)) chain.add(node);
  }
  return chain;
}

/** Does the node compute what it gives at a place of the axis from that place of its operands? */
function eachPlaceAlone(node: Node, axis: string): boolean {
  switch (node.op) {
    case "dot":
    case "sum":
    case "mean":
    case "reduce_max":
    case "reduce_min":
      return !node.attrs.over.includes(axis);
    case "softmax":
      return node.attrs.over !== axis;
    case "rename":
      return node.attrs.from !== axis && node.attrs.to !== axis;
    case "transpose":
      return true;
    case "split":
    case "pick":
    case "slice":
      return node.attrs.axis !== axis;
    case "merge":
      return !node.attrs.axes.includes(axis);
    case "call":
      return node.bodies[0]!.nodes.every(
        (inner) =>
          inner.op === "constant" || (isAlong(inner, axis) ? eachPlaceAlone(inner, axis) : !makes(inner, axis)),
      );
    default:
      return PLACE_BY_PLACE.has(node.op);
  }
}

const has = (value: Value, axis: string): boolean => value.type.axes.some((a) => a.name === axis);
const isAlong = (node: Node, axis: string): boolean => node.inputs.some((v) => has(v, axis));
const makes = (node: Node, axis: string): boolean =>
  node.op === "size" || node.outputs.some((v) => has(v, axis)) || node.bodies.length > 0;
