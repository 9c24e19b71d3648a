/**
 * @file Computes what is constant, and leaves out what does nothing: x + 0, x * 1, casts to the same dtype, chains of renamings,
 * choices whose condition is known.
 *
 * Before: `%1 = constant(1)`, `%2 = constant(2)`, `%3 = div(%1, %2)`, `%4 = mul(%0, %3)`, `%5 = add(%4, 0)`. After: `%1 = constant(0.5)`,
 * `%2 = mul(%0, %1)`.
 */
import type { Graph, Node, Value } from "../ir/graph.ts";
import { rebuild, type Scope } from "../ir/transform.ts";
import { sameType, type Dtype } from "../ir/type.ts";
import type { AttrsOf, PrimitiveName } from "../ops/attributes.ts";
import { float64 } from "../ops/float64.ts";
import type { Evaluation, Tensor } from "../ops/op.ts";
import { hasTrait, primitives } from "../ops/registry.ts";

export function foldConstants(graph: Graph): Graph {
  return rebuild(graph, {
    node: (node, scope) => computed(node, scope) ?? chosen(node, scope) ?? simpler(node, scope),
  });
}

/** The number that a value is everywhere. */
function constantOf(value: Value, scope: Scope): number | undefined {
  const made = scope.definition(value);
  return made?.op === "constant" ? (made.attrs as AttrsOf<"constant">).value : undefined;
}

const NO_SIZES: Evaluation<number> = {
  arithmetic: float64,
  size: () => {
    throw new Error("an elementwise operator asked for a size");
  },
};

/** An elementwise operator on constants, as a constant. */
function computed(node: Node, scope: Scope): readonly Value[] | undefined {
  if (node.op === "size")
    return node.attrs.of.known === undefined ? undefined : [constant(scope, node, node.attrs.of.known, "int")];
  if (!hasTrait(node.op, "elementwise")) return undefined;
  const inputs = scope.inputs(node);
  const numbers = inputs.map((v) => constantOf(v, scope));
  if (numbers.includes(undefined)) return undefined;
  const { data, dtype } = resultOf(node, inputs, numbers as number[]);
  return [constant(scope, node, data[0]!, dtype)];
}

/** Of a choice between two numbers the choice between what they become: `(1 - where(m, 1, 0)) * -1e4` is `where(m, 0, -1e4)`. */
function chosen(node: Node, scope: Scope): readonly Value[] | undefined {
  if (!hasTrait(node.op, "elementwise") || node.op === "where") return undefined;
  const inputs = scope.inputs(node);
  const [choice, ...more] = inputs.filter((v) => constantOf(v, scope) === undefined);
  const made = choice && scope.definition(choice);
  if (made?.op !== "where" || more.length > 0 || inputs.indexOf(choice!) !== inputs.lastIndexOf(choice!))
    return undefined;
  const [condition, ...branches] = made.inputs as [Value, Value, Value];
  const results = branches.map((branch) => {
    const numbers = inputs.map((v) => constantOf(v === choice ? branch : v, scope));
    return numbers.includes(undefined) ? undefined : resultOf(node, inputs, numbers as number[]);
  });
  const { dtype } = node.outputs[0]!.type;
  if (dtype === "bool" || results.some((r) => r?.dtype !== dtype)) return undefined;
  const [a, b] = results.map((r) => constant(scope, node, r!.data[0]!, dtype)) as [Value, Value];
  return [scope.emit1("where", [condition, a, b], {}, node.span)];
}

function resultOf(node: Node, inputs: readonly Value[], numbers: readonly number[]): Tensor<number> {
  const tensors = inputs.map((v, i): Tensor<number> => ({ dtype: v.type.dtype, axes: [], data: [numbers[i]!] }));
  return evaluate(node.op, tensors, node.attrs as AttrsOf<PrimitiveName>)[0]!;
}

function evaluate<K extends PrimitiveName>(
  op: K,
  inputs: readonly Tensor<number>[],
  attrs: AttrsOf<K>,
): readonly Tensor<number>[] {
  return primitives[op].evaluate!(NO_SIZES, inputs, attrs);
}

function constant(scope: Scope, node: Node, value: number, dtype: Dtype): Value {
  return scope.emit1("constant", [], { value, dtype }, node.span);
}

/** A value that the node is equal to, where there is a simpler one. */
function simpler(node: Node, scope: Scope): readonly Value[] | undefined {
  const found = same(node, scope);
  if (found) return sameType(found.type, node.outputs[0]!.type) ? [found] : undefined;
  if (node.op === "not") return opposite(node, scope);
  return node.op === "rename" ? renamed(node, scope) : undefined;
}

const OPPOSITES = {
  less: "greater_equal",
  less_equal: "greater",
  greater: "less_equal",
  greater_equal: "less",
  equal: "not_equal",
  not_equal: "equal",
} as const;

/** One comparison of whole numbers for its opposite; of others none may hold, nor its opposite. */
function opposite(node: Extract<Node, { op: "not" }>, scope: Scope): readonly Value[] | undefined {
  const made = scope.definition(scope.inputs(node)[0]!);
  if (!made || !Object.hasOwn(OPPOSITES, made.op) || made.inputs.some((v) => v.type.dtype !== "int")) return undefined;
  return [scope.emit1(OPPOSITES[made.op as keyof typeof OPPOSITES], made.inputs, {}, node.span)];
}

/** One of the operands, or what one was made of, that has the node's value (if it has its type as well). */
function same(node: Node, scope: Scope): Value | undefined {
  const [a, b, c] = scope.inputs(node);
  const x = a && constantOf(a, scope);
  const y = b && constantOf(b, scope);
  switch (node.op) {
    case "add":
      return y === 0 ? a : x === 0 ? b : undefined;
    case "sub":
      return y === 0 ? a : undefined;
    case "mul":
      return y === 1 ? a : x === 1 ? b : undefined;
    case "div":
    case "pow":
      return y === 1 ? a : undefined;
    case "and":
      return absorbing(0, x, y, a, b) ?? (y === 1 ? a : x === 1 ? b : undefined);
    case "or":
      return absorbing(1, x, y, a, b) ?? (y === 0 ? a : x === 0 ? b : undefined);
    case "where":
      return x === undefined ? undefined : x !== 0 ? b : c;
    case "not":
    case "neg":
      return inner(node.op, a!, scope);
    case "cast":
      return a;
    case "rename":
      return node.attrs.from === node.attrs.to ? a : undefined;
    case "transpose":
      return a;
    case "slice":
      return node.attrs.start.known === 0 ? a : undefined;
    case "sum":
    case "reduce_max":
    case "reduce_min":
    case "any":
    case "all":
      return node.attrs.over.length === 0 ? a : undefined;
    default:
      return undefined;
  }
}

/** The constant that decides `and` and `or` by itself. */
function absorbing(
  decides: 0 | 1,
  x: number | undefined,
  y: number | undefined,
  a: Value | undefined,
  b: Value | undefined,
): Value | undefined {
  return x === decides ? a : y === decides ? b : undefined;
}

/** x of not(not(x)). */
function inner(op: "not" | "neg", value: Value, scope: Scope): Value | undefined {
  const made = scope.definition(value);
  return made?.op === op ? made.inputs[0] : undefined;
}

/** One renaming for two in a row. */
function renamed(node: Extract<Node, { op: "rename" }>, scope: Scope): readonly Value[] | undefined {
  const [x] = scope.inputs(node) as [Value];
  const made = scope.definition(x);
  if (made?.op !== "rename") return undefined;
  const { from, to } = made.attrs as AttrsOf<"rename">;
  if (to !== node.attrs.from) return undefined;
  const [source] = made.inputs as [Value];
  return from === node.attrs.to ? [source] : [scope.emit1("rename", [source], { from, to: node.attrs.to }, node.span)];
}
