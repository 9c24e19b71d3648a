/** @file Operators between values: numbers and sizes are computed, tensors become nodes. */
import type { Value } from "../ir/graph.ts";
import { Size } from "../ir/size.ts";
import type { PrimitiveName } from "../ops/attributes.ts";
import type { Span } from "../source/source.ts";
import type { BinaryOp } from "../syntax/ast.ts";
import type { Elaborator } from "./elaborator.ts";
import { asNumber, bool, describe, INVALID, number, type V } from "./values.ts";

type ElementwiseBinary = Extract<
  PrimitiveName,
  | "add"
  | "sub"
  | "mul"
  | "div"
  | "floor_div"
  | "mod"
  | "pow"
  | "min"
  | "max"
  | "equal"
  | "not_equal"
  | "less"
  | "less_equal"
  | "greater"
  | "greater_equal"
  | "and"
  | "or"
>;

const NODE: Partial<Record<BinaryOp, ElementwiseBinary>> = {
  "+": "add",
  "-": "sub",
  "*": "mul",
  "/": "div",
  div: "floor_div",
  "%": "mod",
  "^": "pow",
  "==": "equal",
  "!=": "not_equal",
  "<": "less",
  "<=": "less_equal",
  ">": "greater",
  ">=": "greater_equal",
  and: "and",
  or: "or",
};

/** Numbers while compiling, by the operator that the graph would have. */
export const ON_NUMBERS: Readonly<Record<string, (a: number, b: number) => number | boolean>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  floor_div: (a, b) => Math.floor(a / b),
  mod: (a, b) => a - Math.floor(a / b) * b,
  pow: (a, b) => a ** b,
  min: Math.min,
  max: Math.max,
  equal: (a, b) => a === b,
  not_equal: (a, b) => a !== b,
  less: (a, b) => a < b,
  less_equal: (a, b) => a <= b,
  greater: (a, b) => a > b,
  greater_equal: (a, b) => a >= b,
};

/** Applies an operator of the language. `places` are the spans of both sides. */
export function binary(e: Elaborator, op: BinaryOp, a: V, b: V, span: Span, places: readonly [Span, Span]): V {
  if (a.kind === "invalid" || b.kind === "invalid") return INVALID;
  if (op === "++") {
    if (a.kind === "list" && b.kind === "list") return { kind: "list", items: [...a.items, ...b.items] };
    if (a.kind === "text" && b.kind === "text") return { kind: "text", value: a.value + b.value };
    return e.fail("type/operands", { op, left: describe(a), right: describe(b) }, span, {
      hint: "`++` joins two lists or two texts",
    });
  }
  if (op === "in") {
    if (b.kind !== "list")
      return e.fail("type/operands", { op, left: describe(a), right: describe(b) }, span, {
        hint: "the right side of `in` is a list",
      });
    return bool(b.items.some((item) => sameConstant(a, item) === true));
  }
  if (op === "==" || op === "!=") {
    const same = sameConstant(a, b);
    if (same !== undefined) return bool(same === (op === "=="));
  }
  const node = NODE[op];
  if (!node) return e.fail("type/operands", { op, left: describe(a), right: describe(b) }, span);
  return elementwise(e, node, op, a, b, span, places);
}

/** Whether two values known while compiling are equal; undefined where that is not known. */
export function sameConstant(a: V, b: V): boolean | undefined {
  const x = asNumber(a);
  const y = asNumber(b);
  if (x !== undefined && y !== undefined) return x === y;
  const plain = (v: V): boolean =>
    v.kind === "text" || v.kind === "bool" || v.kind === "none" || v.kind === "word" || asNumber(v) !== undefined;
  if (a.kind === "none" || b.kind === "none") return a.kind === b.kind;
  if (!plain(a) || !plain(b)) return undefined;
  const text = (v: V): string | undefined => (v.kind === "text" || v.kind === "word" ? v.value : undefined);
  if (text(a) !== undefined || text(b) !== undefined) return text(a) === text(b);
  if (a.kind === "bool" && b.kind === "bool") return a.value === b.value;
  return false;
}

/** The same for `min(a, b)` and its like. */
export function elementwise(
  e: Elaborator,
  node: ElementwiseBinary,
  op: string,
  a: V,
  b: V,
  span: Span,
  places: readonly [Span, Span],
): V {
  if (a.kind === "invalid" || b.kind === "invalid") return INVALID;
  const logical = node === "and" || node === "or";
  if (logical) {
    if (a.kind === "bool") return a.value === (node === "and") ? needBool(e, b, op, span) : a;
    if (b.kind === "bool") return b.value === (node === "and") ? needBool(e, a, op, span) : b;
  }
  const x = asNumber(a);
  const y = asNumber(b);
  if (x !== undefined && y !== undefined && !logical) {
    const result = ON_NUMBERS[node]!(x, y);
    return typeof result === "boolean" ? bool(result) : number(result);
  }
  const sized = sizes(node, a, b);
  if (sized) return sized;
  if (!isOperand(a) || !isOperand(b)) {
    const hint =
      a.kind === "none" || b.kind === "none"
        ? "test for none first: `if x == none then ... else ...`, or give a value for it with `??`"
        : undefined;
    return e.fail("type/operands", { op, left: describe(a), right: describe(b) }, span, { hint });
  }
  const identity = neutral(node, a, b, x, y);
  if (identity) return identity;
  return combine(e, node, op, a, b, span, places);
}

function needBool(e: Elaborator, v: V, op: string, span: Span): V {
  if (v.kind === "bool" || v.kind === "invalid" || (v.kind === "tensor" && v.value.type.dtype === "bool")) return v;
  return e.fail("type/operands", { op, left: describe(v), right: "a bool" }, span, {
    hint: "`and`, `or` and `not` take bools only; compare with `!= 0` to make one of a number",
  });
}

function isOperand(v: V): boolean {
  return v.kind === "tensor" || v.kind === "number" || v.kind === "dim" || v.kind === "size" || v.kind === "bool";
}

/** Arithmetic on sizes that are known only at run time stays a size where it can. */
function sizes(node: ElementwiseBinary, a: V, b: V): V | undefined {
  const size = (v: V): Size | undefined => {
    if (v.kind === "dim") return v.axis.size;
    if (v.kind === "size") return v.size;
    if (v.kind === "number" && Number.isInteger(v.value)) return Size.of(v.value);
    return undefined;
  };
  const x = size(a);
  const y = size(b);
  if (!x || !y) return undefined;
  const made =
    node === "add"
      ? x.plus(y)
      : node === "sub"
        ? x.minus(y)
        : node === "mul"
          ? x.times(y)
          : node === "div" || node === "floor_div"
            ? x.dividedBy(y)
            : undefined;
  return made ? { kind: "size", size: made } : undefined;
}

/** x + 0, x * 1, x / 1, x ^ 1: the graph is not burdened with settings left at their neutral value. */
function neutral(node: ElementwiseBinary, a: V, b: V, x: number | undefined, y: number | undefined): V | undefined {
  if (
    a.kind === "tensor" &&
    ((y === 0 && (node === "add" || node === "sub")) || (y === 1 && (node === "mul" || node === "pow")))
  )
    return a;
  if (a.kind === "tensor" && y === 1 && node === "div" && a.value.type.dtype === "float") return a;
  if (b.kind === "tensor" && ((x === 0 && node === "add") || (x === 1 && node === "mul"))) return b;
  return undefined;
}

/** True of operators whose result is real whatever the operands are. */
const REAL: ReadonlySet<string> = new Set(["div", "pow"]);

function combine(
  e: Elaborator,
  node: ElementwiseBinary,
  op: string,
  a: V,
  b: V,
  span: Span,
  places: readonly [Span, Span],
): V {
  const dtype = (v: V): string =>
    v.kind === "tensor"
      ? v.value.type.dtype
      : v.kind === "bool"
        ? "bool"
        : v.kind === "number" && !Number.isInteger(v.value)
          ? "float"
          : "int";
  const kinds = [dtype(a), dtype(b)];
  const logical = node === "and" || node === "or";
  const comparesBools = (node === "equal" || node === "not_equal") && kinds.every((k) => k === "bool");
  if (!logical && !comparesBools && kinds.includes("bool"))
    return e.fail("type/operands", { op, left: describe(a), right: describe(b) }, span, {
      hint: "a bool is no number; choose with `where(condition, a, b)`",
    });
  if (logical && kinds.some((k) => k !== "bool"))
    return e.fail("type/operands", { op, left: describe(a), right: describe(b) }, span, {
      hint: "`and` and `or` take bools only",
    });
  const real = kinds.includes("float") || REAL.has(node);
  const side = (v: V, place: Span): Value | undefined => {
    const t = e.asTensor(v, place, real ? "float" : undefined);
    return t && real && t.type.dtype === "int" ? e.cast(t, "float", place) : t;
  };
  const left = side(a, places[0]);
  const right = side(b, places[1]);
  if (!left || !right) return INVALID;
  return e.emit1(node, [left, right], {}, span, places);
}

export function unary(e: Elaborator, op: "-" | "not", v: V, span: Span): V {
  if (v.kind === "invalid") return v;
  if (op === "not") {
    if (v.kind === "bool") return bool(!v.value);
    if (v.kind === "tensor" && v.value.type.dtype === "bool") return e.emit1("not", [v.value], {}, span);
    return e.fail("type/operand", { op, found: describe(v) }, span, { hint: "`not` takes a bool" });
  }
  const n = asNumber(v);
  if (n !== undefined) return number(-n);
  if (v.kind === "dim") return { kind: "size", size: Size.ZERO.minus(v.axis.size) };
  if (v.kind === "size") return { kind: "size", size: Size.ZERO.minus(v.size) };
  if (v.kind === "tensor" && v.value.type.dtype !== "bool") return e.emit1("neg", [v.value], {}, span);
  return e.fail("type/operand", { op, found: describe(v) }, span);
}
