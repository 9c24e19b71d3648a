/**
 * @file Computes once what stands in a graph or body more than once: same operator, operands and attributes, and for composites
 * the same body.
 *
 * Before: `%1 = exp(%0)`, `%2 = exp(%0)`, `%3 = add(%1, %2)`. After: `%1 = exp(%0)`, `%2 = add(%1, %1)`.
 */
import type { Graph, Node, Value } from "../ir/graph.ts";
import { printGraph } from "../ir/print.ts";
import { rebuild, type Scope } from "../ir/transform.ts";
import { sameType } from "../ir/type.ts";
import { hasTrait } from "../ops/registry.ts";
import { attributesKey } from "./keys.ts";

export function shareCommon(graph: Graph): Graph {
  const tables = new WeakMap<Scope, Map<string, readonly Value[]>>();
  return rebuild(graph, {
    node(node, scope) {
      // Each keeps a state of its own; iterations have parameters of their own.
      if (hasTrait(node.op, "temporal") || node.op === "repeat") return undefined;
      const table = tables.get(scope) ?? new Map<string, readonly Value[]>();
      tables.set(scope, table);
      const key = keyOf(node, scope.inputs(node));
      const made = table.get(key) ?? scope.copy(node);
      table.set(key, made);
      return made;
    },
  });
}

function keyOf(node: Node, inputs: readonly Value[]): string {
  const [a, b] = inputs;
  // Operands of other axes change the order of the result's: only those of one type may trade places.
  const either = hasTrait(node.op, "commutative") && inputs.length === 2 && sameType(a!.type, b!.type);
  const ids = inputs.map((v) => v.id);
  if (either) ids.sort((x, y) => x - y);
  return [node.op, ids.join(","), attributesKey(node.attrs), ...node.bodies.map(printGraph)].join("|");
}
