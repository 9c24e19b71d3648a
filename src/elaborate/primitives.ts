/** @file The functions that the language begins with: each computes on numbers, or makes one node of the graph. */
import type * as ast from "../syntax/ast.ts";
import type { Value } from "../ir/graph.ts";
import { Size } from "../ir/size.ts";
import type { Axis } from "../ir/type.ts";
import type { PrimitiveName } from "../ops/attributes.ts";
import type { Span } from "../source/source.ts";
import { float64 } from "../ops/float64.ts";
import { elementwise } from "./arithmetic.ts";
import type { Elaborator } from "./elaborator.ts";
import type { Frame } from "./frame.ts";
import { eachOf } from "./each.ts";
import { evaluate } from "./expressions.ts";
import { applyScan } from "./scan.ts";
import { axisName } from "./signatures.ts";
import { alike } from "./stored-names.ts";
import { asNumber, describe, INVALID, number, tensor, type V, type Written } from "./values.ts";

export interface Operand {
  readonly v: V;
  readonly span: Span;
}

/** Arguments of a primitive, evaluated; `over` has names of axes. */
export interface PrimitiveCall {
  readonly operands: readonly Operand[];
  readonly over: readonly string[] | undefined;
  readonly span: Span;
  readonly frame: Frame;
  /** The first of two lists, of a primitive that takes settings. */
  readonly settings?: Written | undefined;
}

export interface FunctionPrimitive {
  readonly name: string;
  /** How it is called, for messages. */
  readonly usage: string;
  readonly least: number;
  readonly most: number;
  apply(e: Elaborator, call: PrimitiveCall): V;
}

/** Primitives that take axes in brackets before their operands: `keep[seq -> keys](x)`. */
export interface BracketPrimitive {
  readonly name: string;
  readonly usage: string;
  /** It has settings before its operands: `scan[seq](op, start = 0)(a, u)`. */
  readonly settings?: boolean;
  /** It makes a block, whose slot is filled: `each[experts] < expert >`. */
  block?(e: Elaborator, items: readonly ast.Arg[], frame: Frame, span: Span): V;
  apply(e: Elaborator, items: readonly ast.Arg[], call: PrimitiveCall, itemFrame: Frame): V;
}

const UNARY = [
  "abs",
  "exp",
  "log",
  "log2",
  "sqrt",
  "rsqrt",
  "sin",
  "cos",
  "tanh",
  "sigmoid",
  "erf",
  "floor",
  "ceil",
  "round",
  "sign",
] as const;
type UnaryName = (typeof UNARY)[number];

const KEEPS_INT: ReadonlySet<string> = new Set(["abs", "sign", "floor", "ceil", "round"]);

function unaryPrimitive(name: UnaryName): FunctionPrimitive {
  return {
    name,
    usage: `${name}(x)`,
    least: 1,
    most: 1,
    apply(e, { operands: [x], span }) {
      const n = asNumber(x!.v);
      if (n !== undefined) return number(float64.unary(name, n));
      const value = e.asTensor(x!.v, x!.span);
      if (!value || value.type.dtype === "bool")
        return e.fail("type/operand", { op: name, found: describe(x!.v) }, x!.span);
      if (value.type.dtype === "int") {
        if (name === "floor" || name === "ceil" || name === "round") return tensor(value);
        if (!KEEPS_INT.has(name)) return e.emit1(name, [e.cast(value, "float", span)], {}, span);
      }
      const made = e.emit1(name, [value], {}, span);
      // Rounded numbers count and index: they are ints from here on.
      return made.kind === "tensor" && (name === "floor" || name === "ceil" || name === "round")
        ? tensor(e.cast(made.value, "int", span))
        : made;
    },
  };
}

/** `min(a, b)` between values, `min(x, over = d)` along an axis. */
function extremum(name: "min" | "max"): FunctionPrimitive {
  return {
    name,
    usage: `${name}(a, b) or ${name}(x, over = axis)`,
    least: 1,
    most: 2,
    apply(e, call) {
      const [a, b] = call.operands;
      if (call.over) return reduce(e, name === "min" ? "reduce_min" : "reduce_max", call);
      if (!b) return e.fail("type/usage", { name, usage: this.usage }, call.span);
      return elementwise(e, name, name, a!.v, b.v, call.span, [a!.span, b.span]);
    },
  };
}

type Reduction = Extract<PrimitiveName, "sum" | "mean" | "reduce_max" | "reduce_min" | "any" | "all">;

function reduce(e: Elaborator, op: Reduction, call: PrimitiveCall): V {
  const [x] = call.operands;
  if (!call.over || !x)
    return e.fail(
      "type/usage",
      { name: op.replace("reduce_", ""), usage: `${op.replace("reduce_", "")}(x, over = axis)` },
      call.span,
    );
  let value = e.asTensor(x.v, x.span);
  if (!value) return e.fail("type/operand", { op: op.replace("reduce_", ""), found: describe(x.v) }, x.span);
  if (op === "mean" && value.type.dtype === "int") value = e.cast(value, "float", call.span);
  return e.emit1(op, [value], { over: call.over }, call.span, [x.span]);
}

function reduction(name: "sum" | "mean" | "any" | "all"): FunctionPrimitive {
  return { name, usage: `${name}(x, over = axis)`, least: 1, most: 1, apply: (e, call) => reduce(e, name, call) };
}

const softmax: FunctionPrimitive = {
  name: "softmax",
  usage: "softmax(x, over = axis)",
  least: 1,
  most: 1,
  apply(e, call) {
    const value = operandValue(e, call.operands[0]!, "softmax");
    if (!value) return INVALID;
    if (call.over?.length !== 1) return e.fail("type/usage", { name: "softmax", usage: this.usage }, call.span);
    return e.emit1("softmax", [e.cast(value, "float", call.span)], { over: call.over[0]! }, call.span, [
      call.operands[0]!.span,
    ]);
  },
};

const cumulative: FunctionPrimitive = {
  name: "cumulative_sum",
  usage: "cumulative_sum(x, over = axis)",
  least: 1,
  most: 1,
  apply(e, call) {
    const value = operandValue(e, call.operands[0]!, "cumulative_sum");
    if (!value) return INVALID;
    if (call.over?.length !== 1) return e.fail("type/usage", { name: "cumulative_sum", usage: this.usage }, call.span);
    return e.emit1("cumulative_sum", [value], { over: call.over[0]! }, call.span);
  },
};

const dot: FunctionPrimitive = {
  name: "dot",
  usage: "dot(a, b, over = axis)",
  least: 2,
  most: 2,
  apply(e, call) {
    const [a, b] = call.operands.map((o) => operandValue(e, o, "dot"));
    if (!a || !b) return INVALID;
    if (!call.over) return e.fail("type/usage", { name: "dot", usage: this.usage }, call.span);
    return e.emit1(
      "dot",
      [e.cast(a, "float", call.span), e.cast(b, "float", call.span)],
      { over: call.over },
      call.span,
      call.operands.map((o) => o.span),
    );
  },
};

const where: FunctionPrimitive = {
  name: "where",
  usage: "where(condition, then, else)",
  least: 3,
  most: 3,
  apply(e, call) {
    const [c, a, b] = call.operands;
    if (c!.v.kind === "bool") return c!.v.value ? a!.v : b!.v;
    const condition = operandValue(e, c!, "where");
    if (!condition) return INVALID;
    const isFloat = (v: V): boolean =>
      v.kind === "tensor" ? v.value.type.dtype === "float" : v.kind === "number" && !Number.isInteger(v.value);
    const real = isFloat(a!.v) || isFloat(b!.v);
    const side = (o: Operand): Value | undefined => {
      const t = e.asTensor(o.v, o.span, real ? "float" : undefined);
      if (!t) e.fail("type/operand", { op: "where", found: describe(o.v) }, o.span);
      return t && real && t.type.dtype === "int" ? e.cast(t, "float", o.span) : t;
    };
    const left = side(a!);
    const right = side(b!);
    if (!left || !right) return INVALID;
    return e.emit1(
      "where",
      [condition, left, right],
      {},
      call.span,
      call.operands.map((o) => o.span),
    );
  },
};

const position: FunctionPrimitive = {
  name: "position",
  usage: "position(dimension)",
  least: 1,
  most: 1,
  apply(e, { operands: [d], span }) {
    if (d!.v.kind === "invalid") return INVALID;
    if (d!.v.kind !== "dim")
      return e.fail("type/operand", { op: "position", found: describe(d!.v) }, d!.span, {
        hint: "`position` takes a dimension: position(seq)",
      });
    return e.emit1("position", [], { axis: d!.v.axis, start: Size.ZERO }, span);
  },
};

const size: FunctionPrimitive = {
  name: "size",
  usage: "size(dimension)",
  least: 1,
  most: 1,
  apply(e, { operands: [d], span }) {
    if (d!.v.kind === "invalid") return INVALID;
    if (d!.v.kind !== "dim") return e.fail("type/operand", { op: "size", found: describe(d!.v) }, span);
    return { kind: "size", size: d!.v.axis.size };
  },
};

/** Of a list, or of an object of a config; of none none. */
const length: FunctionPrimitive = {
  name: "length",
  usage: "length(list)",
  least: 1,
  most: 1,
  apply(e, { operands: [x], span }) {
    if (x!.v.kind === "list") return number(x!.v.items.length);
    if (x!.v.kind === "object") return number(Object.keys(x!.v.members).length);
    if (x!.v.kind === "none" || x!.v.kind === "invalid") return x!.v;
    return e.fail("type/operand", { op: "length", found: describe(x!.v) }, span);
  },
};

const once: FunctionPrimitive = {
  name: "once",
  usage: "once(x)",
  least: 1,
  most: 1,
  apply(e, call) {
    const value = operandValue(e, call.operands[0]!, "once");
    return value ? e.emit1("once", [value], { path: statePath(e, call.frame) }, call.span) : INVALID;
  },
};

/** `once["name"](x)`: what a graph of its own computes before the steps, and what the steps' graph calls it. */
const onceNamed: BracketPrimitive = {
  name: "once",
  usage: 'once["name_outside"](x)',
  apply(e, items, call) {
    const [x] = call.operands;
    const name = items[0]?.value;
    if (items.length !== 1 || items[0]!.name || name?.kind !== "Text" || call.operands.length !== 1)
      return e.fail("type/usage", { name: "once", usage: this.usage }, call.span);
    const value = operandValue(e, x!, "once");
    return value
      ? e.emit1("once", [value], { path: statePath(e, call.frame), outside: name.value }, call.span)
      : INVALID;
  },
};

export function operandValue(e: Elaborator, o: Operand, op: string): Value | undefined {
  if (o.v.kind === "invalid") return undefined;
  const value = e.asTensor(o.v, o.span);
  if (!value) e.fail("type/operand", { op, found: describe(o.v) }, o.span);
  return value;
}

/** What is kept is called by the `let` it stands in, under the block's path. */
export function statePath(e: Elaborator, frame: Frame): string {
  return [...frame.path, e.currentLet ?? "kept"].join(".");
}

const keep: BracketPrimitive = {
  name: "keep",
  usage: "keep[seq -> keys](x)",
  apply(e, items, call, itemFrame) {
    const [x] = call.operands;
    const arrow = items[0]?.value;
    if (items.length < 1 || arrow?.kind !== "Pipe" || arrow.input.kind !== "Name" || arrow.stage.kind !== "Name")
      return e.fail("type/usage", { name: "keep", usage: this.usage }, call.span);
    const from = axisName(itemFrame, arrow.input.name);
    const to = arrow.stage.name;
    if (!x || x.v.kind === "invalid") {
      if (itemFrame.lookup(to) === undefined) itemFrame.set(to, INVALID);
      return INVALID;
    }
    if (x.v.kind !== "tensor") return x.v;
    const axis = x.v.value.type.axes.find((a) => a.name === from);
    // What does not have the axis is the same at all places.
    if (!axis) return x.v;
    const known = itemFrame.lookup(to);
    const name = known?.kind === "dim" ? known.axis.name : itemFrame.fresh(to);
    const made = e.emit1(
      "keep",
      [x.v.value],
      { from, to: name, path: statePath(e, call.frame), last: null },
      call.span,
    );
    if (made.kind === "tensor" && known?.kind !== "dim") itemFrame.set(to, { kind: "dim", axis: { ...axis, name } });
    return made;
  },
};

const topK: BracketPrimitive = {
  name: "top_k",
  usage: "top_k[experts -> chosen](x)",
  apply(e, items, call, itemFrame) {
    const arrow = items[0]?.value;
    const x = call.operands[0];
    if (arrow?.kind !== "Pipe" || arrow.input.kind !== "Name" || arrow.stage.kind !== "Name" || !x)
      return e.fail("type/usage", { name: "top_k", usage: this.usage }, call.span);
    const into = itemFrame.lookup(arrow.stage.name);
    if (into?.kind !== "dim")
      return e.fail("name/unknown", { name: arrow.stage.name }, arrow.stage.span, {
        hint: "state how many with `dim chosen = 2` before",
      });
    const value = operandValue(e, x, "top_k");
    if (!value) return INVALID;
    const made = e.emit("top_k", [value], { axis: axisName(itemFrame, arrow.input.name), into: into.axis }, call.span, [
      x.span,
    ]);
    return made ? { kind: "tuple", items: made.map(tensor) } : INVALID;
  },
};

const stack: BracketPrimitive = {
  name: "stack",
  usage: "stack[axis](a, b)",
  apply(e, items, call, itemFrame) {
    const axis = items[0]?.value;
    if (axis?.kind !== "Name") return e.fail("type/usage", { name: "stack", usage: this.usage }, call.span);
    // A list stands for its items.
    const operands = call.operands.flatMap((o) =>
      o.v.kind === "list" ? o.v.items.map((v) => ({ v, span: o.span })) : [o],
    );
    const values = operands.map((o) => operandValue(e, o, "stack"));
    if (values.some((v) => !v)) return INVALID;
    const known = itemFrame.lookup(axis.name);
    const name = known ? axisName(itemFrame, axis.name) : itemFrame.fresh(axis.name);
    const made = e.emit1(
      "stack",
      values as Value[],
      { axis: name },
      call.span,
      operands.map((o) => o.span),
    );
    if (made.kind === "tensor" && !known) bindNew(itemFrame, axis.name, made.value, name);
    return made;
  },
};

const concat: BracketPrimitive = {
  name: "concat",
  usage: "concat[a + b -> d](x, y)",
  apply(e, items, call, itemFrame) {
    const arrow = items[0]?.value;
    if (arrow?.kind !== "Pipe" || arrow.stage.kind !== "Name")
      return e.fail("type/usage", { name: "concat", usage: this.usage }, call.span);
    const axes: string[] = [];
    const collect = (x: ast.Expr): boolean => {
      if (x.kind === "Binary" && x.op === "+") return collect(x.left) && collect(x.right);
      if (x.kind !== "Name") return false;
      axes.push(axisName(itemFrame, x.name));
      return true;
    };
    if (!collect(arrow.input) || axes.length !== call.operands.length)
      return e.fail("type/usage", { name: "concat", usage: this.usage }, call.span);
    const values = call.operands.map((o) => operandValue(e, o, "concat"));
    if (values.some((v) => !v)) return INVALID;
    const known = itemFrame.lookup(arrow.stage.name);
    const into = known?.kind === "dim" ? known.axis.name : itemFrame.fresh(arrow.stage.name);
    const made = e.emit1(
      "concat",
      alongAll(e, values as Value[], axes, call.span),
      { axes, into },
      call.span,
      call.operands.map((o) => o.span),
    );
    if (made.kind === "tensor" && known?.kind !== "dim") bindNew(itemFrame, arrow.stage.name, made.value, into);
    return made;
  },
};

/** What is joined, the same along each axis that it lacks and another has; `joined` are those that become one. */
function alongAll(e: Elaborator, values: readonly Value[], joined: readonly string[], span: Span): readonly Value[] {
  const others = values.flatMap(({ type }, i) => type.axes.filter((a) => a.name !== joined[i]));
  const all = others.filter((a, i) => others.findIndex((b) => b.name === a.name) === i);
  return values.map((value, i) =>
    all
      .filter((a) => a.name !== joined[i] && !value.type.axes.some((b) => b.name === a.name))
      .reduceRight((made, axis) => {
        const wide = e.emit1("spread", [made], { axis }, span);
        return wide.kind === "tensor" ? wide.value : made;
      }, value),
  );
}

const repeated: BracketPrimitive = {
  name: "repeat",
  usage: "repeat[groups](x)",
  apply(e, items, call, itemFrame) {
    const along = items.length === 1 && !items[0]!.name ? evaluate(e, items[0]!.value, itemFrame) : INVALID;
    const [x] = call.operands;
    if (along.kind !== "dim" || !x)
      return along.kind === "invalid" && items.length === 1
        ? INVALID
        : e.fail("type/usage", { name: "repeat", usage: this.usage }, call.span);
    const value = operandValue(e, x, "repeat");
    if (!value) return INVALID;
    return e.emit1("spread", [value], { axis: along.axis }, call.span, [x.span]);
  },
};

const previous: BracketPrimitive = {
  name: "previous",
  usage: "previous[seq](x)",
  apply(e, items, call, itemFrame) {
    const axis = items[0]?.value;
    if (axis?.kind !== "Name" || !call.operands[0])
      return e.fail("type/usage", { name: "previous", usage: this.usage }, call.span);
    const value = operandValue(e, call.operands[0], "previous");
    return value
      ? e.emit1(
          "previous",
          [value],
          { axis: axisName(itemFrame, axis.name), path: statePath(e, call.frame) },
          call.span,
        )
      : INVALID;
  },
};

const scan: BracketPrimitive = { name: "scan", usage: "scan[seq](op, start = 0)(x)", settings: true, apply: applyScan };

const each: BracketPrimitive = {
  name: "each",
  usage: "each[experts] < block >",
  block: eachOf,
  apply(e, _items, call) {
    return e.fail("type/usage", { name: "each", usage: this.usage }, call.span);
  },
};

/** A name first met in a bracket is a dimension of the block from there on. */
export function bindNew(frame: Frame, name: string, value: Value, axisNamed: string): void {
  const axis: Axis | undefined = value.type.axes.find((a) => a.name === axisNamed);
  if (axis && frame.lookup(name)?.kind !== "dim") frame.set(name, { kind: "dim", axis });
}

export const FUNCTIONS: ReadonlyMap<string, FunctionPrimitive> = new Map(
  [
    ...UNARY.map(unaryPrimitive),
    extremum("min"),
    extremum("max"),
    reduction("sum"),
    reduction("mean"),
    reduction("any"),
    reduction("all"),
    softmax,
    cumulative,
    dot,
    where,
    position,
    size,
    length,
    once,
    alike,
  ].map((p) => [p.name, p]),
);

export const BRACKETS: ReadonlyMap<string, BracketPrimitive> = new Map(
  [keep, onceNamed, topK, stack, concat, repeated, previous, scan, each].map((p) => [p.name, p]),
);

export const CONSTANTS: ReadonlyMap<string, number> = new Map([
  ["pi", Math.PI],
  ["inf", Infinity],
]);
