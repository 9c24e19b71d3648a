/** @file Elementwise operators, constants and operators over axes. */
import type { Graph, NodeOf, Value } from "../../ir/graph.ts";
import type { Size } from "../../ir/size.ts";
import type { Axis, Type } from "../../ir/type.ts";
import { isolated } from "../../layout/choose.ts";
import { isOne, type Layout } from "../../layout/layout.ts";
import { isPhysical, sizeIn } from "../../layout/view.ts";
import type { PrimitiveName } from "../../ops/attributes.ts";
import { elemOf, type Emit, type Emitter, type Placed, type Scope } from "./emitter.ts";
import { Elem, type Tensor } from "./writer.ts";

const operands = (node: { readonly inputs: readonly Value[] }, scope: Scope): Placed[] =>
  node.inputs.map((v) => scope.get(v));
const typeOf = (node: { readonly outputs: readonly Value[] }): Type => node.outputs[0]!.type;

/** An operator that ONNX has; it works in the dtype of its result. */
export function plain<K extends PrimitiveName>(op: string): Emit<K> {
  return (e, node, scope) => [e.elementwise(op, converted(e, node, scope), typeOf(node))];
}

/** A comparison; it works in the dtype that its operands have in common. */
export function comparison<K extends PrimitiveName>(op: string): Emit<K> {
  return (e, node, scope) => [compare(e, op, operands(node, scope), typeOf(node))];
}

/** The opposite of a comparison that ONNX has. */
export function negated<K extends PrimitiveName>(op: string): Emit<K> {
  return (e, node, scope) => [
    e.elementwise("Not", [compare(e, op, operands(node, scope), typeOf(node))], typeOf(node)),
  ];
}

function compare(e: Emitter, op: string, values: readonly Placed[], type: Type): Placed {
  const dtype = values.some((v) => v.type.dtype === "float") ? "float" : values[0]!.type.dtype;
  return e.elementwise(
    op,
    values.map((v) => e.as(v, dtype)),
    type,
  );
}

/** The operands in the dtype of the result. */
function converted(
  e: Emitter,
  node: { readonly inputs: readonly Value[]; readonly outputs: readonly Value[] },
  scope: Scope,
): Placed[] {
  return operands(node, scope).map((v) => e.as(v, typeOf(node).dtype));
}

export const emitConstant: Emit<"constant"> = (e, node) => [e.constant(node.attrs.value, node.attrs.dtype)];

export const emitPosition: Emit<"position"> = (e, node) => {
  const { axis, start } = node.attrs;
  const key = `position on ${axis.name}=${axis.size.toString()} from ${start.toString()}`;
  return [e.sharedAs(key, () => positions(e, axis, start, typeOf(node)))];
};

function positions(e: Emitter, axis: Axis, start: Size, type: Type): Placed {
  const [from, count] = [start.known, axis.size.known];
  const tensor =
    from !== undefined && count !== undefined && count <= 4096
      ? e.writer.ints(Array.from({ length: count }, (_, i) => from + i))
      : e.writer.before("Range", [
          e.sizes.scalar(start),
          e.sizes.scalar(start.plus(axis.size)),
          e.writer.ints([1], []),
        ]);
  return e.book.made(tensor, [[axis.name]], type);
}

export const emitSize: Emit<"size"> = (e, node) => [e.book.made(e.sizes.scalar(node.attrs.of), [], typeOf(node))];

export const emitCast: Emit<"cast"> = (e, node, scope) => [e.as(scope.get(node.inputs[0]!), node.attrs.to)];

export const emitRsqrt: Emit<"rsqrt"> = (e, node, scope) => {
  const root = e.elementwise("Sqrt", converted(e, node, scope), typeOf(node));
  return [e.elementwise("Reciprocal", [root], typeOf(node))];
};

/** log2 x = ln x / ln 2 */
export const emitLog2: Emit<"log2"> = (e, node, scope) => {
  const natural = e.elementwise("Log", converted(e, node, scope), typeOf(node));
  return [e.elementwise("Mul", [natural, e.constant(Math.LOG2E)], typeOf(node))];
};

/** Rounds towards minus infinity; ONNX's integer `Div` rounds towards zero, its `Mod` has the divisor's sign. */
export const emitFloorDiv: Emit<"floor_div"> = (e, node, scope) => {
  const [a, b] = converted(e, node, scope) as [Placed, Placed];
  const type = typeOf(node);
  if (type.dtype === "float") return [e.elementwise("Floor", [e.elementwise("Div", [a, b], type)], type)];
  const whole = e.elementwise("Sub", [a, e.elementwise("Mod", [a, b], type)], type);
  return [e.elementwise("Div", [whole, b], type)];
};

/** The remainder has the divisor's sign; ONNX has that for integers only. */
export const emitMod: Emit<"mod"> = (e, node, scope) => {
  const [a, b] = converted(e, node, scope) as [Placed, Placed];
  const type = typeOf(node);
  if (type.dtype === "int") return [e.elementwise("Mod", [a, b], type)];
  const times = e.elementwise("Floor", [e.elementwise("Div", [a, b], type)], type);
  return [e.elementwise("Sub", [a, e.elementwise("Mul", [times, b], type)], type)];
};

/** Runtimes lack `Where` on truth values: (c and a) or (not c and b). */
export const emitWhere: Emit<"where"> = (e, node, scope) => {
  const type = typeOf(node);
  const [condition, ...branches] = operands(node, scope) as [Placed, Placed, Placed];
  const [a, b] = branches.map((v) => e.as(v, type.dtype)) as [Placed, Placed];
  if (type.dtype !== "bool") return [e.elementwise("Where", [condition, a, b], type)];
  const first = e.elementwise("And", [condition, a], type);
  const second = e.elementwise(
    "And",
    [e.elementwise("Not", [condition], { dtype: "bool", axes: condition.type.axes }), b],
    type,
  );
  return [e.elementwise("Or", [first, second], type)];
};

type Reduction = "ReduceSum" | "ReduceMean" | "ReduceMax" | "ReduceMin";

/** Reduces over the named axes. Where the value is the same along one, only a sum needs it. */
export function reduce(e: Emitter, op: Reduction, x: Placed, over: readonly string[], type: Type): Placed {
  const sizeOf = sizeIn(x);
  const real = over.filter((a) => !isOne(sizeOf(a)) && (op === "ReduceSum" || isPhysical(x, a)));
  if (real.length === 0) return e.elementwise("Identity", [dropped(x, over, type)], type);
  const layout = isolated(e.book, x, real);
  const axes = layout.flatMap((g, i) => (g.length === 1 && real.includes(g[0]!) ? [i] : []));
  const tensor = reduceTensor(e, op, e.book.read(x, layout), axes, 0);
  return e.book.made(
    tensor,
    layout.filter((_, i) => !axes.includes(i)),
    type,
  );
}

export function reduceTensor(e: Emitter, op: Reduction, x: Tensor, axes: readonly number[], keepdims: 0 | 1): Tensor {
  const asInput = op === "ReduceSum" || e.target.reduceAxesAsInput;
  return asInput ? e.writer.add(op, [x, e.writer.ints(axes)], { keepdims }) : e.writer.add(op, [x], { axes, keepdims });
}

/** The value without axes along which it is the same. */
function dropped(x: Placed, axes: readonly string[], type: Type): Placed {
  const left = new Map([...x.axes].filter(([name]) => !axes.includes(name)));
  return { type, storage: x.storage, axes: left, spread: x.spread };
}

export function emitReduction<K extends "sum" | "mean" | "reduce_max" | "reduce_min">(op: Reduction): Emit<K> {
  return (e, node, scope) => [
    reduce(e, op, e.as(scope.get(node.inputs[0]!), typeOf(node).dtype), node.attrs.over, typeOf(node)),
  ];
}

/** Is any, are all true along the axes? The largest, the smallest of 0 and 1. */
export function emitTruth<K extends "any" | "all">(op: "ReduceMax" | "ReduceMin"): Emit<K> {
  return (e, node, scope) => [reduceTruth(e, op, scope.get(node.inputs[0]!), node.attrs.over, typeOf(node))];
}

function reduceTruth(
  e: Emitter,
  op: "ReduceMax" | "ReduceMin",
  x: Placed,
  over: readonly string[],
  type: Type,
): Placed {
  return e.as(reduce(e, op, e.as(x, "int"), over, { dtype: "int", axes: type.axes }), "bool");
}

export const emitCumulativeSum: Emit<"cumulative_sum"> = (e, node, scope) => {
  const x = scope.get(node.inputs[0]!);
  const layout = isolated(e.book, x, [node.attrs.over]);
  const axis = layout.findIndex((g) => g[0] === node.attrs.over);
  return [
    e.book.made(e.writer.add("CumSum", [e.book.read(x, layout), e.writer.ints([axis], [])]), layout, typeOf(node)),
  ];
};

/** The axis as a dimension of its own, the last one where a target can have it no other way. */
function alongDimension(e: Emitter, x: Placed, axis: string): { layout: Layout; at: number } {
  const layout = isolated(e.book, x, [axis]);
  const at = layout.findIndex((g) => g[0] === axis);
  if (!e.target.lastDimensionOnly || at === layout.length - 1) return { layout, at };
  return { layout: [...layout.filter((_, i) => i !== at), [axis]], at: layout.length - 1 };
}

export const emitTopK: Emit<"top_k"> = (e, node, scope) => {
  const x = scope.get(node.inputs[0]!);
  const { axis: name, into } = node.attrs;
  const { layout, at: axis } = alongDimension(e, x, name);
  const inputs = [e.book.read(x, layout), e.sizes.list(into.size)];
  const tensors = e.writer.addMany("TopK", inputs, { axis }, [elemOf(x.type), Elem.int64]);
  const written = layout.map((g, i) => (i === axis ? [into.name] : g));
  return tensors.map((t, i) => e.book.made(t, written, node.outputs[i]!.type));
};

/**
 * Where a row may be -inf throughout, ONNX's `Softmax` would give NaN: scores are kept finite, and such rows become
 * zero.
 */
export const emitSoftmax: Emit<"softmax"> = (e, node, scope) => {
  const x = e.as(scope.get(node.inputs[0]!), "float");
  const { layout, at: axis } = alongDimension(e, x, node.attrs.over);
  const scores = e.book.read(x, layout);
  if (!mayBeMinusInfinity(node.inputs[0]!, producers(scope.graph))) {
    return [e.book.made(e.writer.add("Softmax", [scores], { axis }), layout, typeOf(node))];
  }
  const lowest = e.writer.float(e.lowest);
  const finite = e.writer.add("Max", [scores, lowest]);
  const seen = e.writer.add("Greater", [reduceTensor(e, "ReduceMax", scores, [axis], 1), lowest], {}, Elem.bool);
  const share = e.writer.add("Softmax", [finite], { axis });
  return [e.book.made(e.writer.add("Where", [seen, share, e.writer.float(0)], {}, Elem.float), layout, typeOf(node))];
};

/** The nodes of a graph by the values that they make. */
export function producers(graph: Graph): ReadonlyMap<number, NodeOf<PrimitiveName>> {
  return new Map(graph.nodes.flatMap((n) => n.outputs.map((o) => [o.id, n as NodeOf<PrimitiveName>] as const)));
}

/** Operators whose results are finite where their operands are reasonable numbers, or even where they are not. */
const FINITE: ReadonlySet<PrimitiveName> = new Set<PrimitiveName>([
  "dot",
  "softmax",
  "sigmoid",
  "tanh",
  "sin",
  "cos",
  "erf",
  "sign",
  "position",
  "size",
]);

/** Can -inf have got into this value on purpose: through a constant, an input, a logarithm? */
export function mayBeMinusInfinity(value: Value, made: ReadonlyMap<number, NodeOf<PrimitiveName>>): boolean {
  const node = made.get(value.id);
  if (!node) return true;
  if (node.op === "constant") return (node as NodeOf<"constant">).attrs.value === -Infinity;
  if (FINITE.has(node.op)) return false;
  if (["log", "log2", "repeat", "scan", "call"].includes(node.op)) return true;
  return node.inputs.some((v) => v.type.dtype === "float" && mayBeMinusInfinity(v, made));
}
