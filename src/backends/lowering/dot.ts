/**
 * @file Sums of products. Without an axis that both operands keep it is one two-dimensional product (`Gemm`), the
 * weight read as it is stored; with such axes it is a batch of products (`MatMul`). All axes that only one operand has
 * are folded into its rows or columns: so the groups of grouped-query attention are rows, and keys are never repeated.
 */
import type { Node, NodeOf } from "../../ir/graph.ts";
import type { Size } from "../../ir/size.ts";
import type { Axis, Type } from "../../ir/type.ts";
import { inMemoryOrder } from "../../layout/choose.ts";
import { isOne, product as sizeOfAll, type SizeOf } from "../../layout/layout.ts";
import { isPhysical, sizeIn } from "../../layout/view.ts";
import type { Emitter, Placed, Scope } from "./emitter.ts";
import { emitPacked } from "./packing.ts";
import { folderOf } from "./weights.ts";
import { Elem, type Tensor } from "./writer.ts";

/** The axes of both operands, by the part they play. Axes of size one are in none: they are nowhere in memory. */
export interface Roles {
  readonly batch: readonly string[];
  readonly rows: readonly string[];
  readonly columns: readonly string[];
  readonly over: readonly string[];
}

export function emitDot(e: Emitter, node: NodeOf<"dot">, scope: Scope): readonly Placed[] {
  if (emitPacked(e, node, scope)) return [scope.get(node.outputs[0]!)];
  const { dtype } = node.outputs[0]!.type;
  const [a, b] = node.inputs.map((v) => e.as(scope.get(v), dtype)) as [Placed, Placed];
  const fused = biasOf(e, node, [a, b], scope);
  const made = (fused?.node ?? node).outputs[0]!;
  const result = product(e, a, b, node.attrs.over, made.type, {
    bias: fused?.bias,
    outgoing: e.outgoing.has(made),
    stored: node.inputs.some((v) => scope.uses.of(v).some((user) => user.op === "lookup")),
  });
  if (fused) {
    scope.done.add(fused.node);
    scope.bind(fused.node.outputs[0]!, result);
  }
  return [result];
}

/**
 * What goes into the product beside its operands: `bias` has the columns' axes and is added; `scale` multiplies the
 * first operand.
 */
export interface Extras {
  readonly bias?: Placed | undefined;
  readonly scale?: number;
  /** The weight among the operands is read in its own order elsewhere: it is not to be written twice. */
  readonly stored?: boolean;
  /** The model puts it out, in the order of its type. */
  readonly outgoing?: boolean;
}

/** The product of two values, summed over the named axes. */
export function product(
  e: Emitter,
  a: Placed,
  b: Placed,
  over: readonly string[],
  type: Type,
  extras: Extras = {},
): Placed {
  const swap = e.weights.weightOf(a) !== undefined && e.weights.weightOf(b) === undefined;
  const [left, right] = swap ? [b, a] : [a, b];
  const roles = rolesOf(left, right, over);
  return roles.batch.length === 0
    ? flatProduct(e, left, right, roles, type, extras)
    : batchedProduct(e, left, right, roles, type, extras);
}

/** The addition that is the dot's only use and whose other operand is a parameter with just the weight's axes. */
export function biasOf(
  e: Emitter,
  node: NodeOf<"dot">,
  operands: readonly [Placed, Placed],
  scope: Scope,
): { node: Node; bias: Placed } | undefined {
  const add = scope.uses.only(node.outputs[0]!);
  if (add?.op !== "add" || node.outputs[0]!.type.dtype !== "float") return undefined;
  const other = add.inputs[0]!.id === node.outputs[0]!.id ? add.inputs[1]! : add.inputs[0]!;
  const bias = scope.find(other);
  const weight = operands.find((o) => e.weights.weightOf(o));
  const input = operands.find((o) => o !== weight);
  if (!bias || !e.weights.weightOf(bias) || !weight || !input) return undefined;
  const { batch, columns } = rolesOf(input, weight, node.attrs.over);
  const axes = bias.type.axes.filter((x) => !isOne(x.size)).map((x) => x.name);
  const fits = batch.length === 0 && axes.length === columns.length && axes.every((x) => columns.includes(x));
  return fits ? { node: add, bias } : undefined;
}

export function rolesOf(left: Placed, right: Placed, over: readonly string[]): Roles {
  const real = (v: Placed): string[] =>
    v.type.axes.filter((x) => !isOne(x.size) && isPhysical(v, x.name)).map((x) => x.name);
  const [ofLeft, ofRight] = [real(left), real(right)];
  const all = new Set([...left.type.axes, ...right.type.axes].filter((x: Axis) => !isOne(x.size)).map((x) => x.name));
  const free = [...all].filter((x) => !over.includes(x));
  return {
    batch: free.filter((x) => ofLeft.includes(x) && ofRight.includes(x)),
    rows: free.filter((x) => ofLeft.includes(x) && !ofRight.includes(x)),
    columns: free.filter((x) => ofRight.includes(x) && !ofLeft.includes(x)),
    over: over.filter((x) => all.has(x)),
  };
}

function flatProduct(
  e: Emitter,
  left: Placed,
  right: Placed,
  roles: Roles,
  type: Type,
  { bias, scale, stored, outgoing = false }: Extras,
): Placed {
  const columns = inMemoryOrder(e.book, right, roles.columns);
  const widens = outgoing && isLess(roles.over, roles.columns, sizeIn(right));
  // Of what goes out and what it is made of, the narrower one is brought into the order that is wanted.
  const rows = widens ? roles.rows : inMemoryOrder(e.book, left, roles.rows);
  const over = inMemoryOrder(e.book, right, roles.over);
  const isFloat = type.dtype === "float";
  // Read either way round, whichever costs no transpose. What is not stored so is brought into the usual form.
  const { ordersWeights } = e.target;
  const transB = isFloat && !startsWith(e, right, over) && (!ordersWeights || (stored ?? false));
  const transA = isFloat && !ordersWeights && rows.length > 0 && over.length > 0 && startsWith(e, left, over);
  const a = scaled(e, e.book.read(left, transA ? [over, rows] : [rows, over]), scale);
  const b = e.book.read(right, transB ? [columns, over] : [over, columns]);
  const scope = labelled(e, right, isFloat ? "Gemm" : "MatMul");
  const tensor = isFloat
    ? gemm(e, a, b, transA, transB, bias && e.book.read(bias, [columns]), scope)
    : e.writer.add("MatMul", [a, b], {}, a.elem, scope);
  return e.book.made(tensor, [rows, columns], type);
}

function isLess(a: readonly string[], b: readonly string[], sizeOf: SizeOf): boolean {
  const [less, more] = [a, b].map((axes) => sizeOfAll(axes, sizeOf).known);
  return less !== undefined && more !== undefined && less < more;
}

function gemm(
  e: Emitter,
  a: Tensor,
  b: Tensor,
  transA: boolean,
  transB: boolean,
  bias: Tensor | undefined,
  label: string,
): Tensor {
  const attributes = { ...(transA ? { transA: 1 } : {}), ...(transB ? { transB: 1 } : {}) };
  return e.writer.add("Gemm", bias ? [a, b, bias] : [a, b], attributes, Elem.float, label);
}

function batchedProduct(e: Emitter, left: Placed, right: Placed, roles: Roles, type: Type, { scale }: Extras): Placed {
  const batch = inMemoryOrder(e.book, right, roles.batch);
  const rows = rowsBehind(inMemoryOrder(e.book, left, [...roles.batch, ...roles.rows]), roles.batch);
  const columns = inMemoryOrder(e.book, right, roles.columns);
  const over = inMemoryOrder(e.book, right, roles.over);
  const outer = batch.map((x) => [x]);
  const a = scaled(e, e.book.read(left, [...outer, rows, over]), scale);
  const b = e.book.read(right, [...outer, over, columns]);
  const label = labelled(e, right, "MatMul");
  const apart = e.target.splitsBatches ? batch.findIndex((x) => isFew(sizeIn(right)(x))) : -1;
  const tensor =
    apart < 0
      ? e.writer.add("MatMul", [a, b], {}, a.elem, label)
      : oneByOne(e, a, b, apart, sizeIn(right)(batch[apart]!).known!, label);
  return e.book.made(tensor, [...outer, rows, columns], type);
}

/** As many products as are worth a node each. */
export function isFew({ known }: Size): boolean {
  return known !== undefined && known > 1 && known <= 64;
}

/** A batch of products as products, put together again: along dimension `at`, of `count`. */
function oneByOne(e: Emitter, a: Tensor, b: Tensor, at: number, count: number, label: string): Tensor {
  const ones = e.writer.ints(Array.from({ length: count }, () => 1));
  const parts = (t: Tensor): readonly Tensor[] =>
    e.writer.addMany(
      "Split",
      [t, ones],
      { axis: at },
      Array.from({ length: count }, () => t.elem),
    );
  const [lefts, rights] = [parts(a), parts(b)];
  const products = lefts.map((left, i) => e.writer.add("MatMul", [left, rights[i]!], {}, a.elem, label));
  return e.writer.add("Concat", products, { axis: at });
}

/**
 * Rows in an order that moves as little as possible: those that lie behind all batch axes, then those that have to move
 * there. Of queries [batch, seq, kv_heads, groups, head_dim] the places go behind the heads, groups stay with theirs.
 */
function rowsBehind(order: readonly string[], batch: readonly string[]): readonly string[] {
  const last = Math.max(...order.map((x, i) => (batch.includes(x) ? i : -1)));
  return [...order.slice(last + 1), ...order.slice(0, last + 1).filter((x) => !batch.includes(x))];
}

/** Right before the product, where runtimes make it part of it. */
function scaled(e: Emitter, tensor: Tensor, scale: number | undefined): Tensor {
  return scale === undefined || scale === 1 ? tensor : e.writer.add("Mul", [tensor, e.writer.float(scale)]);
}

/** Do these axes come first in memory (and is there anything behind them)? */
export function startsWith(e: Emitter, view: Placed, axes: readonly string[]): boolean {
  const sizeOf = sizeIn(view);
  const order = e.book.memoryOrder(view).filter((x) => !isOne(sizeOf(x)));
  return order.length > axes.length && axes.every((x, i) => order[i] === x);
}

/** Products with a weight are named after it. */
function labelled(e: Emitter, right: Placed, op: string): string {
  const weight = e.weights.weightOf(right);
  return weight ? `${folderOf(weight.path)}/${op}` : op;
}
