/**
 * @file Computes what is computed of repeated elements once, and repeats it. Angles as wide as a head are often each angle twice: their
 * sines and cosines are too.
 *
 * Before: `%1 = concat(%0, %0)`, `%2 = cos(%1)`. After: `%1 = cos(%0)`, `%2 = concat(%1, %1)`.
 */
import type { Graph, Node, Value } from "../ir/graph.ts";
import { rebuild, type Definition, type Scope } from "../ir/transform.ts";
import type { AttrsOf, PrimitiveName } from "../ops/attributes.ts";
import { hasTrait } from "../ops/registry.ts";

export function repeatLast(graph: Graph): Graph {
  return rebuild(graph, { node: later });
}

/** An elementwise operator on one repeated value, and on numbers. */
function later(node: Node, scope: Scope): readonly Value[] | undefined {
  if (!hasTrait(node.op, "elementwise")) return undefined;
  const inputs = scope.inputs(node);
  const wide = inputs.filter((v) => scope.definition(v)?.op !== "constant");
  const [x] = wide;
  if (!x || wide.length > 1) return undefined;
  const moves = movesTo(x, scope);
  if (!moves) return undefined;
  const few = inputs.map((v) => (v === x ? moves.from : v));
  const once = scope.emit1(node.op as PrimitiveName, few, node.attrs as never, node.span);
  return [moves.chain.reduceRight((value, move) => moved(move, value, scope, node), once)];
}

interface Moves {
  /** What is repeated. */
  readonly from: Value;
  /** What repeats it and moves that, the last first. */
  readonly chain: readonly Definition[];
}

/** How a value is made of one that has fewer elements. */
function movesTo(value: Value, scope: Scope): Moves | undefined {
  const made = scope.definition(value);
  const [x] = made?.inputs ?? [];
  if (!made || !x || !scope.sees(value)) return undefined;
  if (made.op === "concat" || made.op === "stack")
    return made.inputs.length > 1 && made.inputs.every((v) => v === x) ? { from: x, chain: [made] } : undefined;
  if (made.op !== "merge" && made.op !== "rename" && made.op !== "split") return undefined;
  const before = movesTo(x, scope);
  return before && { from: before.from, chain: [made, ...before.chain] };
}

function moved(move: Definition, value: Value, scope: Scope, { span }: Node): Value {
  const inputs = move.inputs.map(() => value);
  return scope.emit1(move.op as PrimitiveName, inputs, move.attrs as AttrsOf<PrimitiveName>, span);
}
