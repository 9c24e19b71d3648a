/** @file Types laws and rewrites: both sides of the equation are elaborated over operands of the axes stated, and compared. */
import type * as ast from "../syntax/ast.ts";
import { Size } from "../ir/size.ts";
import { showType, type Axis, type Dtype } from "../ir/type.ts";
import type { Elaborator } from "./elaborator.ts";
import { evaluate } from "./expressions.ts";
import type { Frame } from "./frame.ts";
import type { Module } from "./program.ts";
import { axesOfName } from "./signatures.ts";
import { asNumber, describe, isFunction, number, tensor, type V } from "./values.ts";

/** A size for what a law leaves to the sampler: any would do for its types. */
const DRAWN = 4;

/** Reports what is wrong with the two sides; running a law is another matter. */
export function checkEquation(e: Elaborator, decl: ast.Law | ast.Rewrite, module: Module): void {
  const frame = e.frame(
    "model",
    `the ${decl.kind === "Law" ? "law" : "rewrite"} "${decl.title.value}"`,
    module,
    undefined,
    undefined,
    undefined,
    [],
  );
  const sizes = neededSizes(e);
  frame.fallback = (name) => (sizes.has(name) ? drawn(name, decl) : undefined);
  if (decl.kind === "Law") for (const b of decl.bindings) bindDrawn(e, b, frame);
  for (const operand of decl.operands.items) declareOperand(e, operand, frame, sizes);
  const [left, right] = decl.kind === "Rewrite" ? [decl.left, decl.right] : sidesOf(decl.body);
  if (!left || !right) return;
  const a = side(e, left, frame);
  const b = side(e, right, frame);
  compare(e, a, b, decl);
}

/** What blocks declare as `given` without a default: sizes that a law leaves to the sampler. */
export function neededSizes(e: Elaborator): ReadonlySet<string> {
  const names = new Set<string>();
  for (const module of e.program.modules.values())
    for (const decl of module.own.values())
      if (decl.kind === "Block") for (const g of decl.given) if (!g.default) names.add(g.name.name);
  return names;
}

function drawn(name: string, decl: ast.Law | ast.Rewrite): V {
  return { kind: "dim", axis: { name, size: Size.of(DRAWN), origin: decl.title.span } };
}

export function sidesOf(x: ast.Expr): readonly [ast.Expr, ast.Expr] | readonly [] {
  if (x.kind === "Paren" && x.items.length === 1) return sidesOf(x.items[0]!.value);
  return x.kind === "Binary" && (x.op === "==" || x.op === "!=") ? [x.left, x.right] : [];
}

/** Each side's weights are its own: paths may repeat. */
function side(e: Elaborator, x: ast.Expr, frame: Frame): V {
  e.paths = new Map();
  return evaluate(e, x, frame);
}

/** `heads in 1..8`: the first that there is, as a dimension of that name. */
function bindDrawn(e: Elaborator, binding: ast.Binding, frame: Frame): void {
  const { name } = binding.name;
  const from = evaluate(e, binding.from, frame);
  const first = from.kind === "list" ? from.items[0] : from.kind === "range" ? (from.from ?? number(0)) : from;
  const n = first && asNumber(first);
  frame.offer(name);
  if (n !== undefined && Number.isInteger(n) && n > 0)
    frame.set(name, { kind: "dim", axis: { name, size: Size.of(n), origin: binding.span } });
  else frame.set(name, first ?? { kind: "invalid" });
}

function declareOperand(e: Elaborator, operand: ast.Param, frame: Frame, sizes: ReadonlySet<string>): void {
  const { name } = operand.name;
  const { type } = operand;
  const dtype: Dtype = type?.base?.name === "int" || type?.base?.name === "bool" ? type.base.name : "float";
  const axes: Axis[] = [];
  for (const item of type?.axes ?? []) {
    if (item.kind === "Rest") axes.push({ name: "rest", size: Size.symbol("rest"), origin: item.span });
    else if (item.kind === "Axis") {
      const known = axesOfName(frame, item.name.name);
      const axis: Axis = {
        name: item.name.name,
        size: sizes.has(item.name.name) ? Size.of(DRAWN) : Size.symbol(item.name.name),
        origin: item.span,
      };
      axes.push(...(known ?? [axis]));
      if (!known) {
        frame.set(item.name.name, { kind: "dim", axis });
        frame.offer(item.name.name);
      }
    } else {
      const n = asNumber(evaluate(e, item.size, frame));
      if (n !== undefined)
        axes.push({ name: item.kind === "Sized" ? item.name.name : `size${n}`, size: Size.of(n), origin: item.span });
    }
  }
  const distinct = axes.filter((a, i) => axes.findIndex((b) => b.name === a.name) === i);
  frame.set(name, tensor(e.builder.input(name, { dtype, axes: distinct }, undefined, operand.span)));
}

function compare(e: Elaborator, a: V, b: V, decl: ast.Law | ast.Rewrite): void {
  if (a.kind === "invalid" || b.kind === "invalid") return;
  if (a.kind === "tuple" && b.kind === "tuple" && a.items.length === b.items.length) {
    a.items.forEach((item, i) => compare(e, item, b.items[i]!, decl));
    return;
  }
  if (isFunction(a) && isFunction(b)) return;
  const x = e.asTensor(a, decl.span);
  const y = e.asTensor(b, decl.span);
  if (!x || !y) {
    e.fail("law/kinds", { left: describe(a), right: describe(b) }, decl.title.span);
    return;
  }
  const numbers = (t: Dtype): Dtype => (t === "int" ? "float" : t);
  const same =
    numbers(x.type.dtype) === numbers(y.type.dtype) &&
    x.type.axes.length === y.type.axes.length &&
    x.type.axes.every((p) => y.type.axes.some((q) => q.name === p.name && q.size.equals(p.size)));
  if (!same) e.fail("law/sides", { left: showType(x.type), right: showType(y.type) }, decl.title.span);
}
