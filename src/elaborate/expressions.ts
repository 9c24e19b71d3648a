/** @file Evaluates expressions: what is known while compiling becomes a value, what is not a node. */
import { nearest } from "../diagnostics/suggest.ts";
import type * as ast from "../syntax/ast.ts";
import type { Span } from "../source/source.ts";
import { binary, sameConstant, unary } from "./arithmetic.ts";
import { applyStage, call } from "./apply.ts";
import { bracket } from "./brackets.ts";
import type { Elaborator } from "./elaborator.ts";
import { Frame } from "./frame.ts";
import { instanceOf, makeWeight } from "./blocks.ts";
import { storedPattern, storedTensor, storedText } from "./stored.ts";
import { axesOfName } from "./signatures.ts";
import { BRACKETS, CONSTANTS, FUNCTIONS } from "./primitives.ts";
import { asNumber, bool, describe, INVALID, NONE, number, type V } from "./values.ts";

/** Words of a choice type that may stand where a value of that type is expected. */
export type Expected = readonly string[] | undefined;

export function evaluate(e: Elaborator, x: ast.Expr, frame: Frame, words?: Expected): V {
  const v = evaluateAny(e, x, frame, words);
  e.note(x.span, v);
  return v;
}

function evaluateAny(e: Elaborator, x: ast.Expr, frame: Frame, words: Expected): V {
  switch (x.kind) {
    case "Name":
      return name(e, x, frame, words);
    case "Number":
      return number(x.value, x.span);
    case "Text":
      return e.mapReading ? storedText(e, x, frame) : { kind: "text", value: x.value };
    case "Bool":
      return bool(x.value);
    case "None":
      return NONE;
    case "Invalid":
      return INVALID;
    case "Unary":
      return unary(e, x.op, evaluate(e, x.operand, frame), x.span);
    case "Binary":
      return binaryExpr(e, x, frame);
    case "Pipe":
      return applyStage(e, x.stage, evaluate(e, x.input, frame), frame, x.span);
    case "Range": {
      const from = x.from && evaluate(e, x.from, frame);
      const to = x.to && evaluate(e, x.to, frame);
      if (from?.kind === "invalid" || to?.kind === "invalid") return INVALID;
      return { kind: "range", from, to };
    }
    case "Label": {
      const v = evaluate(e, x.body, frame);
      if (v.kind === "block" || v.kind === "repeat") return { ...v, label: x.label.name };
      if (v.kind === "invalid" || v.kind === "none") return v;
      return e.fail("type/label", { label: x.label.name, found: describe(v) }, x.span);
    }
    case "New":
      return instanceOf(e, x, frame);
    case "Member":
      return member(e, x, frame);
    case "Call":
      return call(e, x, frame);
    case "Index":
      return index(e, x, frame);
    case "Fill":
      return fill(e, x, frame);
    case "Repeat":
      return repeat(e, x, frame);
    case "Paren": {
      if (x.items.length === 1 && !x.items[0]!.name) return evaluate(e, x.items[0]!.value, frame, words);
      const items = x.items.map((i) => evaluate(e, i.value, frame));
      return items.some((i) => i.kind === "invalid") ? INVALID : { kind: "tuple", items };
    }
    case "List": {
      const items = x.items.map((i) => evaluate(e, i, frame));
      return items.some((i) => i.kind === "invalid") ? INVALID : { kind: "list", items };
    }
    case "For":
      return comprehension(e, x, frame);
    case "Set":
      return e.fail("type/braces", {}, x.span);
    case "If": {
      const condition = evaluate(e, x.condition, frame);
      if (condition.kind === "invalid") return INVALID;
      if (condition.kind === "bool") return evaluate(e, condition.value ? x.then : x.else, frame, words);
      return e.fail("type/condition", { found: describe(condition) }, x.condition.span, {
        hint:
          condition.kind === "tensor"
            ? "`if` chooses while compiling; choose among values with `where(condition, a, b)`"
            : "compare it with something: `if x == 1 then ...`",
      });
    }
    case "Match":
      return match(e, x, frame, words);
  }
}

function name(e: Elaborator, x: ast.Name, frame: Frame, words: Expected): V {
  const own = frame.lookup(x.name);
  if (own !== undefined) return own;
  if (words?.includes(x.name)) return { kind: "word", value: x.name };
  if (frame.kind === "alias") {
    const given = frame.given(x.name);
    if (given) return given;
  }
  return globalName(e, x.name, frame, x.span) ?? unknown(e, x, frame);
}

/** A declaration of the program, a primitive or a constant. */
function globalName(e: Elaborator, text: string, frame: Frame, span: Span): V | undefined {
  const found = e.program.find(frame.module, text);
  if (found) {
    e.used.add(found.decl);
    if (found.decl.kind === "Block")
      return { kind: "block", decl: found.decl, module: found.module, given: [], fillers: [], called: text, span };
    if (found.decl.kind === "Op")
      return { kind: "op", name: text, meaning: { kind: "declared", decl: found.decl, module: found.module } };
    return e.fail("type/model-as-value", { name: text }, span);
  }
  const primitive = FUNCTIONS.get(text);
  if (primitive) return { kind: "op", name: text, meaning: { kind: "function", primitive } };
  const constant = CONSTANTS.get(text);
  return constant === undefined ? undefined : number(constant);
}

function unknown(e: Elaborator, x: ast.Name, frame: Frame): V {
  const close = nearest(x.name, [
    ...frame.visible(),
    ...e.program.visible(frame.module),
    ...FUNCTIONS.keys(),
    ...BRACKETS.keys(),
    ...CONSTANTS.keys(),
  ]);
  // The index of a repeat is there where the repeat is written; a block around which it stands is told it as any other given.
  if (x.name === "layer")
    return e.fail("name/unknown", { name: x.name }, x.span, {
      hint: "a block that is repeated is told which layer it is: `given layer`",
    });
  return e.fail("name/unknown", { name: x.name }, x.span, {
    hint: close ? `did you mean ${close}?` : undefined,
    fixes: close ? [{ title: `write ${close}`, span: x.span, replacement: close }] : [],
  });
}

function binaryExpr(e: Elaborator, x: ast.Binary, frame: Frame): V {
  if (x.op === "??") {
    const left = evaluate(e, x.left, frame);
    return left.kind === "none" ? evaluate(e, x.right, frame) : left;
  }
  if (x.op === "|") return alternatives(e, x, frame);
  const left = storedTensor(e, evaluate(e, x.left, frame), x.left.span);
  // `and` and `or` look at their right side only where the left one leaves it open.
  if (left.kind === "bool" && ((x.op === "and" && !left.value) || (x.op === "or" && left.value))) return left;
  const words =
    (x.op === "==" || x.op === "!=") && left.kind === "word" && x.right.kind === "Name" ? [x.right.name] : undefined;
  const right = storedTensor(e, evaluate(e, x.right, frame, words), x.right.span);
  return binary(e, x.op, left, right, x.span, [x.left.span, x.right.span]);
}

/** `"a" | "b"` in a checkpoint map: the first of them that is stored. */
function alternatives(e: Elaborator, x: ast.Binary, frame: Frame): V {
  if (!e.mapReading) return e.fail("type/alternatives", {}, x.opSpan);
  const left = evaluate(e, x.left, frame);
  return left.kind === "none" ? evaluate(e, x.right, frame) : left;
}

function member(e: Elaborator, x: ast.Member, frame: Frame): V {
  const object = evaluate(e, x.object, frame);
  const key = x.names[0]!;
  if (object.kind === "invalid" || object.kind === "none") return object;
  if (object.kind === "object") {
    const path = `${object.path}.${key.name}`;
    return ofJson(object.members[key.name], path, e);
  }
  if (object.kind === "weights")
    return object.member(key.name) ?? e.fail("law/no-weight", { path: `${object.path}.${key.name}` }, x.span);
  if (object.kind === "instance") {
    const weight = object.weights.get(`${object.path}.${key.name}`) ?? makeWeight(e, object, key.name);
    if (weight) return { kind: "tensor", value: weight };
    return e.fail("type/no-weight", { path: object.path, name: key.name }, key.span, {
      hint: `it has ${[...object.weights.keys()].map((k) => k.slice(object.path.length + 1)).join(", ") || "no weights"}`,
    });
  }
  return e.fail("type/no-member", { found: describe(object), name: key.name }, x.span);
}

/** A part of a config as a value; reading it is remembered. */
export function ofJson(json: unknown, path: string, e: Elaborator): V {
  e.configRead.add(path);
  if (json === undefined || json === null) return NONE;
  if (typeof json === "number") return number(json);
  if (typeof json === "boolean") return bool(json);
  if (typeof json === "string") return { kind: "text", value: json };
  if (Array.isArray(json)) return { kind: "list", items: json.map((j, i) => ofJson(j, `${path}[${i}]`, e)) };
  return { kind: "object", members: json as { [key: string]: unknown }, path };
}

function index(e: Elaborator, x: ast.Index, frame: Frame): V {
  if (x.object.kind === "Name" && frame.lookup(x.object.name) === undefined) {
    const primitive = BRACKETS.get(x.object.name);
    if (primitive?.block) return primitive.block(e, x.items, frame, x.span);
    if (primitive)
      return { kind: "op", name: x.object.name, meaning: { kind: "bracket", primitive, items: x.items, frame } };
  }
  const object = evaluate(e, x.object, frame);
  if (object.kind === "weights") return weightAt(e, object, x, frame);
  if (object.kind === "stored" || object.kind === "none")
    return e.mapReading && object.kind === "stored" ? storedPattern(e, object, x, frame) : object;
  return bracket(e, object, x.items, frame, x.span);
}

/** `left.layers[0]`: the weights of one of several layers. */
function weightAt(e: Elaborator, object: Extract<V, { kind: "weights" }>, x: ast.Index, frame: Frame): V {
  const at = x.items.length === 1 ? evaluate(e, x.items[0]!.value, frame) : INVALID;
  const n = asNumber(at);
  return (
    (n === undefined ? undefined : object.member(String(n))) ??
    e.fail("law/no-weight", { path: `${object.path}[${describe(at)}]` }, x.span)
  );
}

function fill(e: Elaborator, x: ast.Fill, frame: Frame): V {
  const callee = evaluate(e, x.callee, frame);
  const written = { args: x.fillers, frame, span: x.span };
  if (callee.kind === "invalid") return callee;
  if (callee.kind === "block" || callee.kind === "repeat" || callee.kind === "each")
    return { ...callee, fillers: [...callee.fillers, written] };
  return e.fail("type/not-a-block", { found: describe(callee) }, x.callee.span, {
    hint: "`< >` fills the slots of a block",
  });
}

function repeat(e: Elaborator, x: ast.Repeat, frame: Frame): V {
  const count = evaluate(e, x.count, frame);
  if (count.kind === "invalid") return INVALID;
  const n = asNumber(count);
  if (n === undefined || !Number.isInteger(n) || n < 1 || n > 1000)
    return e.fail("type/repeat-count", { found: describe(count) }, x.count.span, {
      related:
        count.kind === "dim" && count.axis.origin ? [{ span: count.axis.origin, message: "it comes from here" }] : [],
    });
  const inside = new Frame("repeat", frame.title, frame.module, frame, frame, x.span, frame.path);
  inside.set("layer", number(0));
  const body = evaluate(e, x.body, inside);
  if (body.kind === "invalid") return INVALID;
  if (body.kind !== "block" && body.kind !== "instance")
    return e.fail("type/not-a-block", { found: describe(body) }, x.body.span, { hint: "`xN` repeats a block" });
  const called = body.kind === "block" ? (body.label ?? body.called) : (body.path.split(".").at(-1) ?? body.path);
  return { kind: "repeat", body: x.body, frame, count: n, fillers: [], called, span: x.span };
}

function comprehension(e: Elaborator, x: ast.For, frame: Frame): V {
  const from = evaluate(e, x.binding.from, frame);
  if (from.kind === "invalid" || from.kind === "none") return from;
  let items: readonly V[];
  if (x.binding.to) {
    const to = evaluate(e, x.binding.to, frame);
    const [a, b] = [asNumber(from), asNumber(to)];
    if (a === undefined || b === undefined || b - a > 100_000)
      return e.fail("type/loop", { found: describe(from) }, x.binding.span);
    items = Array.from({ length: Math.max(0, b - a) }, (_, i) => number(a + i));
  } else if (from.kind === "list") items = from.items;
  else if (from.kind === "range") {
    const [a, b] = [from.from ? asNumber(from.from) : 0, from.to ? asNumber(from.to) : undefined];
    if (a === undefined || b === undefined || b - a > 100_000)
      return e.fail("type/loop", { found: describe(from) }, x.binding.span);
    items = Array.from({ length: Math.max(0, b - a) }, (_, i) => number(a + i));
  } else return e.fail("type/loop", { found: describe(from) }, x.binding.span);
  const made: V[] = [];
  for (const item of items) {
    const inside = new Frame(frame.kind, frame.title, frame.module, frame, frame.dynamic, frame.site, frame.path);
    inside.set(x.binding.name.name, item);
    made.push(evaluate(e, x.body, inside));
  }
  return made.some((m) => m.kind === "invalid") ? INVALID : { kind: "list", items: made };
}

function match(e: Elaborator, x: ast.Match, frame: Frame, words: Expected): V {
  const subject = evaluate(e, x.subject, frame);
  if (subject.kind === "invalid") return INVALID;
  for (const arm of x.arms) {
    for (const pattern of arm.patterns) {
      if (pattern.kind === "Name" && pattern.name === "_") return evaluate(e, arm.value, frame, words);
      const value: V =
        pattern.kind === "Name"
          ? { kind: "word", value: pattern.name }
          : pattern.kind === "Number"
            ? number(pattern.value)
            : pattern.kind === "Text"
              ? { kind: "text", value: pattern.value }
              : pattern.kind === "Bool"
                ? bool(pattern.value)
                : NONE;
      if (sameConstant(subject, value) === true) return evaluate(e, arm.value, frame, words);
    }
  }
  const known = x.arms.flatMap((a) =>
    a.patterns.map((p) =>
      p.kind === "Name" ? p.name : p.kind === "Text" ? `"${p.value}"` : p.kind === "None" ? "none" : `${p.value}`,
    ),
  );
  const asked = e.sites.at(-1);
  return e.fail("type/no-arm", { found: describe(subject) }, x.subject.span, {
    related: asked && asked.file.library ? [{ span: asked, message: "this asks for it" }] : [],
    hint: `it takes ${known.join(", ")}`,
  });
}

/** Names of the axes that `over = ...` gives. */
export function axesOver(e: Elaborator, x: ast.Expr, frame: Frame): readonly string[] | undefined {
  if (x.kind === "Paren") {
    const all = x.items.map((i) => axesOver(e, i.value, frame));
    return all.some((a) => !a) ? undefined : (all as string[][]).flat();
  }
  if (x.kind === "Name" && frame.lookup(x.name) === undefined && !x.name.endsWith("'")) return [x.name];
  if (x.kind === "Name" && x.name.endsWith("'")) {
    const axes = axesOfTwin(frame, x.name);
    if (axes) return axes;
  }
  const v = evaluate(e, x, frame);
  if (v.kind === "dim") return [v.axis.name];
  if (v.kind === "list" && v.items.every((i) => i.kind === "dim"))
    return v.items.map((i) => (i as { axis: { name: string } }).axis.name);
  if (v.kind !== "invalid")
    e.fail("type/operand", { op: "over", found: describe(v) }, x.span, { hint: "`over =` takes the name of an axis" });
  return undefined;
}

function axesOfTwin(frame: Frame, text: string): readonly string[] | undefined {
  return axesOfName(frame, text)?.map((a) => a.name) ?? [text];
}
