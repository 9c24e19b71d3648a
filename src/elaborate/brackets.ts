/** @file Brackets after a tensor: rename, split, merge, pick, slice and look up, by the names of axes. */
import type * as ast from "../syntax/ast.ts";
import { Size } from "../ir/size.ts";
import { showType, type Axis } from "../ir/type.ts";
import type { Span } from "../source/source.ts";
import type { Elaborator } from "./elaborator.ts";
import { evaluate } from "./expressions.ts";
import type { Frame } from "./frame.ts";
import { bindNew } from "./primitives.ts";
import { axesOfName, axisName } from "./signatures.ts";
import { asNumber, describe, INVALID, NONE, type V } from "./values.ts";

/** `object[items]` where the object is a value. */
export function bracket(e: Elaborator, object: V, items: readonly ast.Arg[], frame: Frame, span: Span): V {
  if (object.kind === "invalid") return INVALID;
  if (object.kind === "none") return NONE;
  if (object.kind === "list") return item(e, object.items, items, frame, span);
  let value: V = object;
  for (const one of items) {
    if (value.kind === "invalid") return INVALID;
    if (value.kind !== "tensor") {
      // What has no axes is the same under any renaming of them.
      if (value.kind === "number" || value.kind === "bool") return value;
      return e.fail("type/no-axes", { found: describe(value) }, span, {
        hint: "brackets rename, split, merge, pick or slice axes of a tensor, or pick from a list",
      });
    }
    value = one.name ? pickOrLook(e, value, one, frame) : rearrange(e, value, one, frame);
  }
  return value;
}

function item(e: Elaborator, list: readonly V[], items: readonly ast.Arg[], frame: Frame, span: Span): V {
  const index = items.length === 1 && !items[0]!.name ? evaluate(e, items[0]!.value, frame) : undefined;
  if (index?.kind === "invalid") return INVALID;
  const n = index && asNumber(index);
  if (n === undefined || !Number.isInteger(n))
    return e.fail("type/index", { found: index ? describe(index) : "several", count: list.length }, span);
  const found = list[n < 0 ? list.length + n : n];
  return found ?? e.fail("type/index", { found: `${n}`, count: list.length }, span);
}

type TensorV = Extract<V, { kind: "tensor" }>;

function rearrange(e: Elaborator, x: TensorV, one: ast.Arg, frame: Frame): V {
  const arrow = one.value;
  if (arrow.kind !== "Pipe")
    return e.fail("axis/bracket", {}, one.span, {
      hint: "write `[a -> b]`, `[a -> (b, c)]`, `[(a, b) -> c]`, `[a = 0]`, `[a = 1..]` or `[a = indices]`",
    });
  const { input: from, stage: to } = arrow;
  if (from.kind === "Name" && to.kind === "Name") return rename(e, x, from, to, frame, one.span);
  if (from.kind === "Name" && to.kind === "Paren") return split(e, x, from, to.items, frame, one.span);
  if (from.kind === "Paren" && to.kind === "Name") return merge(e, x, from.items, to, frame, one.span);
  return e.fail("axis/bracket", {}, one.span, { hint: "on each side of `->` stands a name or a list of names in ( )" });
}

function rename(e: Elaborator, x: TensorV, from: ast.Name, to: ast.Name, frame: Frame, span: Span): V {
  const source = axisName(frame, from.name);
  const known = axesOfName(frame, to.name);
  const target = known?.length === 1 ? known[0]!.name : frame.fresh(to.name);
  const axis = x.value.type.axes.find((a) => a.name === source);
  if (!axis)
    return e.fail("axis/missing", { axis: source, type: showType(x.value.type) }, from.span, {
      hint: `it has ${axesOf(x)}`,
    });
  if (known?.length === 1 && !known[0]!.size.equals(axis.size))
    return e.fail(
      "axis/two-sizes",
      { axis: target, first: known[0]!.size.toString(), second: axis.size.toString() },
      span,
      {
        related: known[0]!.origin
          ? [{ span: known[0]!.origin, message: `${target} is ${known[0]!.size.toString()} from here` }]
          : [],
      },
    );
  if (source === target) return x;
  const made = e.emit1("rename", [x.value], { from: source, to: target }, span, [from.span]);
  if (made.kind === "tensor" && !known) bindNew(frame, to.name, made.value, target);
  return made;
}

function split(e: Elaborator, x: TensorV, from: ast.Name, parts: readonly ast.Arg[], frame: Frame, span: Span): V {
  const source = axisName(frame, from.name);
  const axis = x.value.type.axes.find((a) => a.name === source);
  if (!axis)
    return e.fail("axis/missing", { axis: source, type: showType(x.value.type) }, from.span, {
      hint: `it has ${axesOf(x)}`,
    });
  const into: (Axis | { open: string })[] = [];
  for (const part of parts) {
    if (part.name) {
      const v = evaluate(e, part.value, frame);
      if (v.kind === "invalid") return INVALID;
      const n = asNumber(v);
      if (n === undefined || !Number.isInteger(n) || n < 0)
        return e.fail("axis/size", { found: describe(v) }, part.span);
      const axis: Axis = { name: frame.fresh(part.name.name), size: Size.of(n), origin: part.span };
      frame.set(part.name.name, { kind: "dim", axis });
      into.push(axis);
    } else if (part.value.kind === "Name") {
      const known = axesOfName(frame, part.value.name);
      if (known) into.push(...known);
      else into.push({ open: part.value.name });
    } else return e.fail("axis/bracket", {}, part.span);
  }
  const open = into.filter((a) => "open" in a);
  if (open.length > 1) return e.fail("axis/open-parts", { names: open.map((a) => a.open) }, span);
  let product = Size.ONE;
  for (const a of into) if (!("open" in a)) product = product.times(a.size);
  const rest = open.length === 1 ? axis.size.dividedBy(product) : undefined;
  if (open.length === 1 && !rest)
    return e.fail(
      "axis/split-size",
      { axis: source, size: axis.size.toString(), parts: `${product.toString()} * ${open[0]!.open}` },
      span,
      {
        related: axis.origin ? [{ span: axis.origin, message: `${source} comes from here` }] : [],
      },
    );
  const axes = into.map((a): Axis => ("open" in a ? { name: frame.fresh(a.open), size: rest!, origin: span } : a));
  const made = e.emit1("split", [x.value], { axis: source, into: axes }, span, [from.span]);
  if (made.kind === "tensor" && open.length === 1)
    bindNew(frame, open[0]!.open, made.value, frame.fresh(open[0]!.open));
  return made;
}

function merge(e: Elaborator, x: TensorV, parts: readonly ast.Arg[], to: ast.Name, frame: Frame, span: Span): V {
  const axes: string[] = [];
  for (const part of parts) {
    if (part.name || part.value.kind !== "Name")
      return e.fail("axis/bracket", {}, part.span, {
        hint: "what is merged are names of axes: `[(heads, head_dim) -> mixed]`",
      });
    const known = axesOfName(frame, part.value.name);
    axes.push(...(known ? known.map((a) => a.name) : [part.value.name]));
  }
  const known = axesOfName(frame, to.name);
  const into = known?.length === 1 ? known[0]!.name : frame.fresh(to.name);
  const made = e.emit1("merge", [x.value], { axes, into }, span);
  if (made.kind !== "tensor") return made;
  const axis = made.value.type.axes.find((a) => a.name === into)!;
  if (known?.length === 1 && !known[0]!.size.equals(axis.size))
    return e.fail(
      "axis/two-sizes",
      { axis: into, first: known[0]!.size.toString(), second: axis.size.toString() },
      span,
      {
        related: known[0]!.origin
          ? [{ span: known[0]!.origin, message: `${into} is ${known[0]!.size.toString()} from here` }]
          : [],
      },
    );
  if (!known) bindNew(frame, to.name, made.value, into);
  return made;
}

function pickOrLook(e: Elaborator, x: TensorV, one: ast.Arg, frame: Frame): V {
  const axisText = axisName(frame, one.name!.name);
  const axis = x.value.type.axes.find((a) => a.name === axisText);
  const what = evaluate(e, one.value, frame);
  if (what.kind === "invalid") return INVALID;
  if (!axis)
    return e.fail("axis/missing", { axis: axisText, type: showType(x.value.type) }, one.name!.span, {
      hint: `it has ${axesOf(x)}`,
    });
  if (what.kind === "range") {
    const start = what.from ? bound(what.from) : Size.ZERO;
    const end = what.to ? bound(what.to) : axis.size;
    if (!start || !end) return e.fail("axis/size", { found: describe(!start ? what.from! : what.to!) }, one.value.span);
    return e.emit1("slice", [x.value], { axis: axisText, start, size: end.minus(start) }, one.span);
  }
  const n = asNumber(what);
  if (n !== undefined) {
    if (!Number.isInteger(n)) return e.fail("axis/size", { found: describe(what) }, one.value.span);
    const size = axis.size.known;
    if (size !== undefined && (n >= size || n < -size))
      return e.fail(
        "axis/out-of-range",
        { axis: axisText, size: `${size}`, start: `${n}`, end: `${n + 1}` },
        one.span,
        {
          related: axis.origin ? [{ span: axis.origin, message: `${axisText} comes from here` }] : [],
        },
      );
    return e.emit1("pick", [x.value], { axis: axisText, index: n }, one.span);
  }
  if (what.kind === "tensor")
    return e.emit1("lookup", [x.value, what.value], { axis: axisText }, one.span, [one.span, one.value.span]);
  return e.fail("type/operand", { op: "[ ]", found: describe(what) }, one.value.span);
}

function bound(v: V): Size | undefined {
  if (v.kind === "dim") return v.axis.size;
  if (v.kind === "size") return v.size;
  return v.kind === "number" && Number.isInteger(v.value) ? Size.of(v.value) : undefined;
}

function axesOf(x: TensorV): string {
  return `the axes ${x.value.type.axes.map((a) => a.name).join(", ") || "(none)"}`;
}
