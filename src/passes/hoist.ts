/**
 * @file Moves out of repeated bodies what is the same in every iteration: masks and rotary tables are computed once, not in each
 * layer. What depends on what an iteration is handed, or on its own parameters, stays.
 *
 * Before: a body with `%5 = position()`, `%6 = cos(%5)`, `%7 = mul(%carried, %6)`. After: `%5` and `%6` stand before the repeat, and the
 * body captures `%6`.
 */
import type { Graph, Node, NodeOf, Value } from "../ir/graph.ts";
import { rebuild, type Scope } from "../ir/transform.ts";
import type { PrimitiveName } from "../ops/attributes.ts";
import { hasTrait } from "../ops/registry.ts";

/** Numbers: not worth a capture of their own. What moves out takes them along. */
const CHEAP: ReadonlySet<PrimitiveName> = new Set(["constant", "size"]);

export function hoistInvariants(graph: Graph): Graph {
  return rebuild(graph, {
    node(node, scope) {
      if (scope.kind !== "repeat" || CHEAP.has(node.op) || node.op === "repeat" || hasTrait(node.op, "temporal"))
        return undefined;
      const to = target(node, scope);
      if (to === scope) return undefined;
      for (const input of node.inputs) to.set(input, bring(scope.get(input), scope, to));
      return to.copy(node);
    },
  });
}

/** The outermost graph in which all operands are there. */
function target(node: Node, scope: Scope): Scope {
  const inputs = scope.inputs(node).filter((v) => !isCheap(v, scope));
  let to = scope;
  while (to.kind === "repeat" && to.parent && inputs.every((v) => to.parent!.sees(v))) to = to.parent;
  return to;
}

function isCheap(value: Value, scope: Scope): boolean {
  const made = scope.definition(value);
  return made !== undefined && CHEAP.has(made.op);
}

/** The value in the graph `to`: a number is made there again. */
function bring(value: Value, scope: Scope, to: Scope): Value {
  if (to.sees(value)) return value;
  const { op, attrs } = scope.definition(value) as unknown as NodeOf<PrimitiveName>;
  return to.emit1(op, [], attrs, value.span);
}
