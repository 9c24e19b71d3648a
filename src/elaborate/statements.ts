/** @file The statements of a body, in order. */
import type * as ast from "../syntax/ast.ts";
import type { Initializer } from "../ir/graph.ts";
import { Size } from "../ir/size.ts";
import type { Span } from "../source/source.ts";
import type { Elaborator } from "./elaborator.ts";
import { evaluate } from "./expressions.ts";
import type { Frame } from "./frame.ts";
import { nearDivisors } from "../diagnostics/suggest.ts";
import { axesOfPattern } from "./signatures.ts";
import { asNumber, describe, INVALID, tensor, type V } from "./values.ts";

/** Runs a body (inputs are bound already) and gives what it puts out. */
export function runBody(e: Elaborator, meaning: ast.Meaning, frame: Frame, title: string): V {
  if (meaning.kind === "Alias") return evaluate(e, meaning.value, frame);
  let result: V | undefined;
  for (const statement of meaning.statements) {
    if (statement.kind === "Output") result = evaluate(e, statement.value, frame);
    else runStatement(e, statement, frame);
  }
  return result ?? e.fail("model/no-output", { name: title }, meaning.span, { hint: "end it with `output ...`" });
}

/** One statement that is neither an output nor an input. */
export function runStatement(e: Elaborator, s: ast.Statement, frame: Frame): void {
  switch (s.kind) {
    case "Param":
      declareParam(e, s, frame);
      return;
    case "Dim":
      frame.set(s.name.name, dimOf(e, s, frame));
      return;
    case "Let":
      runLet(e, s, frame);
      return;
    case "Input":
    case "Output":
      return;
  }
}

/** A parameter is made where it is first read: one that no branch taken reads does not exist. */
function declareParam(e: Elaborator, s: ast.ParamDecl, frame: Frame): void {
  frame.set(s.name.name, {
    lazy: () => {
      const axes = s.type.axes ? axesOfPattern(e, s.type.axes, frame) : [];
      const initial = initialOf(e, s.initial, frame);
      if (!axes || !initial) return INVALID;
      const dtype = s.type.base?.name === "int" || s.type.base?.name === "bool" ? s.type.base.name : "float";
      const path = [...frame.path, s.outside?.value ?? s.name.name].join(".");
      return makeParam(e, path, { dtype, axes }, initial, s.name.span);
    },
  });
}

/** Makes the weight, or finds it where a shared instance has made it already. */
export function makeParam(
  e: Elaborator,
  path: string,
  type: { dtype: "float" | "int" | "bool"; axes: readonly import("../ir/type.ts").Axis[] },
  initial: Initializer,
  span: Span,
): V {
  const known = e.home.shared?.get(path);
  if (known) return tensor(known);
  const earlier = e.paths.get(path);
  if (earlier && !e.home.shared && !e.home.tied) {
    const user = e.userSpan(span);
    return e.fail("name/path-twice", { path }, span, {
      related: earlier !== user ? [{ span: earlier, message: "the first one is made here" }] : [],
      hint: "give one of the two blocks a label, `name: block`; or make one with `new` and apply it twice, to share its weights",
    });
  }
  e.paths.set(path, e.userSpan(span));
  const { each = [] } = e.home;
  const twice = type.axes.find((a) => each.some((b) => b.name === a.name));
  if (twice)
    return e.fail("axis/twice", { axis: twice.name }, span, {
      hint: "inside of `each` every weight has that axis in front already",
    });
  const value = e.home.builder.param(path, { ...type, axes: [...each, ...type.axes] }, initial, span);
  e.home.shared?.set(path, value);
  return tensor(value);
}

function initialOf(e: Elaborator, x: ast.Expr | undefined, frame: Frame): Initializer | undefined {
  if (!x) return { kind: "normal", deviation: 0.02 };
  if (x.kind === "Name" && frame.lookup(x.name) === undefined) {
    if (x.name === "zeros") return { kind: "constant", value: 0 };
    if (x.name === "ones") return { kind: "constant", value: 1 };
  }
  if (
    x.kind === "Call" &&
    x.callee.kind === "Name" &&
    (x.callee.name === "normal" || x.callee.name === "constant") &&
    x.args.length === 1
  ) {
    const v = evaluate(e, x.args[0]!.value, frame);
    const n = asNumber(v);
    if (v.kind === "invalid") return undefined;
    if (n !== undefined && Number.isFinite(n))
      return x.callee.name === "normal" ? { kind: "normal", deviation: n } : { kind: "constant", value: n };
  }
  e.fail("model/initialiser", {}, x.span, { hint: "write zeros, ones, normal(0.02) or constant(0.5)" });
  return undefined;
}

function dimOf(e: Elaborator, s: ast.Dim, frame: Frame): V {
  const v = evaluate(e, s.size, frame);
  if (v.kind === "invalid") return v;
  const name = frame.fresh(s.name.name);
  if (v.kind === "dim") return { kind: "dim", axis: { name, size: v.axis.size, origin: v.axis.origin ?? s.span } };
  if (v.kind === "size") return { kind: "dim", axis: { name, size: v.size, origin: s.span } };
  const n = asNumber(v);
  if (n === undefined)
    return e.fail(
      "setting/kind",
      { name: s.name.name, owner: frame.title, expected: "a size", found: describe(v) },
      s.size.span,
    );
  if (Number.isInteger(n) && n >= 0) return { kind: "dim", axis: { name, size: Size.of(n), origin: s.span } };
  return notWhole(e, s.name.name, s.size, frame, n);
}

/**
 * A size that does not come out whole. Of a quotient of two settings both are shown, where each comes from, and which
 * divisors are near by.
 */
export function notWhole(e: Elaborator, name: string, x: ast.Expr, frame: Frame, n: number): V {
  const fraction = quotient(e, x, frame);
  if (!fraction) return e.fail("setting/not-whole", { name, text: `${n}` }, x.span);
  const { above, below } = fraction;
  const near = nearest(nearDivisors(above.size, below.size), below.size);
  const place = below.origin && !below.origin.file.library ? below.origin : x.span;
  const fix = (d: number): { title: string; span: Span; replacement: string } => ({
    title: `write ${d}`,
    span: place,
    replacement: `${d}`,
  });
  const literal =
    place !== x.span && place.file.text.slice(place.start, place.end).replaceAll("_", "") === `${below.size}`;
  return e.fail(
    "setting/inexact",
    { name, above: above.text, a: above.size, below: below.text, b: below.size },
    place,
    {
      related: [
        ...(below.origin && below.origin !== place
          ? [{ span: below.origin, message: `${below.text} = ${below.size} comes from here` }]
          : []),
        ...(above.origin ? [{ span: above.origin, message: `${above.text} = ${above.size} comes from here` }] : []),
        ...(place === x.span ? [] : [{ span: x.span, message: `${frame.title} divides here` }]),
      ],
      hint: `${below.text} must divide ${above.text}: near ${below.size} lie ${near.slice(0, -1).join(", ")}${near.length > 1 ? " and " : ""}${near.at(-1)}`,
      fixes: literal ? near.map(fix) : [],
    },
  );
}

/** The four numbers nearest to n, in order. */
function nearest(numbers: readonly number[], n: number): readonly number[] {
  return [...numbers]
    .sort((a, b) => Math.abs(a - n) - Math.abs(b - n))
    .slice(0, 4)
    .sort((a, b) => a - b);
}

interface Part {
  readonly text: string;
  readonly size: number;
  readonly origin: Span | undefined;
}

function quotient(e: Elaborator, x: ast.Expr, frame: Frame): { above: Part; below: Part } | undefined {
  if (x.kind === "Paren" && x.items.length === 1) return quotient(e, x.items[0]!.value, frame);
  if (x.kind !== "Binary" || x.op !== "/") return undefined;
  const part = (side: ast.Expr): Part | undefined => {
    const v = evaluate(e, side, frame);
    const size = asNumber(v);
    if (size === undefined || !Number.isInteger(size) || size < 1) return undefined;
    const origin = v.kind === "dim" ? v.axis.origin : v.kind === "number" ? v.origin : undefined;
    return { text: side.span.file.text.slice(side.span.start, side.span.end), size, origin };
  };
  const above = part(x.left);
  const below = part(x.right);
  return above && below ? { above, below } : undefined;
}

function runLet(e: Elaborator, s: ast.Let, frame: Frame): void {
  const before = { letName: e.letName, currentLet: e.currentLet };
  const single = s.names.length === 1 ? s.names[0]!.name : undefined;
  e.currentLet = single;
  e.letName = single !== undefined && countBlocks(e, s.value, frame) === 1 ? single : undefined;
  const v = evaluate(e, s.value, frame);
  e.letName = before.letName;
  e.currentLet = before.currentLet;
  if (single !== undefined) {
    frame.set(single, v);
    return;
  }
  if (v.kind !== "tuple" || v.items.length !== s.names.length) {
    if (v.kind !== "invalid") e.fail("type/results", { wanted: s.names.length, found: describe(v) }, s.span);
    for (const n of s.names) frame.set(n.name, INVALID);
    return;
  }
  for (const [i, n] of s.names.entries()) if (n.name !== "_") frame.set(n.name, v.items[i]!);
}

/** How many blocks an expression applies without a label: a `let` lends its name if it is one. */
function countBlocks(e: Elaborator, x: ast.Expr, frame: Frame): number {
  switch (x.kind) {
    case "Pipe":
      return countBlocks(e, x.input, frame) + (headIsBlock(e, x.stage, frame) ? 1 : countInside(e, x.stage, frame));
    case "New":
      return 1;
    case "Label":
      return 0;
    default:
      return countInside(e, x, frame);
  }
}

function countInside(e: Elaborator, x: ast.Expr, frame: Frame): number {
  switch (x.kind) {
    case "Binary":
      return countBlocks(e, x.left, frame) + countBlocks(e, x.right, frame);
    case "Unary":
      return countBlocks(e, x.operand, frame);
    case "Paren":
      return x.items.reduce((n, i) => n + countBlocks(e, i.value, frame), 0);
    case "Index":
      return countBlocks(e, x.object, frame);
    case "Call":
      return x.args.reduce((n, i) => n + countBlocks(e, i.value, frame), 0);
    case "If":
      return Math.max(countBlocks(e, x.then, frame), countBlocks(e, x.else, frame));
    case "Match":
      return Math.max(0, ...x.arms.map((a) => countBlocks(e, a.value, frame)));
    default:
      return 0;
  }
}

function headIsBlock(e: Elaborator, stage: ast.Expr, frame: Frame): boolean {
  switch (stage.kind) {
    case "Call":
    case "Fill":
      return headIsBlock(e, stage.callee, frame);
    case "Repeat":
      return headIsBlock(e, stage.body, frame);
    case "Index":
      return headIsBlock(e, stage.object, frame);
    case "Paren":
      return stage.items.length === 1 && headIsBlock(e, stage.items[0]!.value, frame);
    case "If":
      return headIsBlock(e, stage.then, frame) || headIsBlock(e, stage.else, frame);
    case "Name": {
      // One that is left out counts too: what the others are called must not depend on it.
      if (frame.expectsBlock(stage.name)) return true;
      const own = frame.lookup(stage.name);
      if (own) return own.kind === "block" || own.kind === "repeat" || own.kind === "pipeline";
      return e.program.find(frame.module, stage.name)?.decl.kind === "Block";
    }
    default:
      return false;
  }
}
