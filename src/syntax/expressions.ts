/** @file Expressions: from the concrete tree to the syntax tree. What recovery left out is `Invalid`. */
import type * as C from "../../grammar/cst.ts";
import type { IToken } from "../../grammar/index.ts";
import { cover, type Span } from "../source/source.ts";
import type { Arg, Arm, Binding, Expr } from "./ast.ts";
import { type Context, first, isReal, parts } from "./context.ts";
import { checkCommas, restOf } from "./lists.ts";
import { isOperator, type Item, treeOf } from "./precedence.ts";

/** More operators or suffixes than this in one row would make a tree too deep to walk. */
const longestRow = 256;
const longestSigns = 16;

export function invalid(context: Context, offset: number): Expr {
  return { kind: "Invalid", span: context.span(offset, offset) };
}

/** An expression; `fallback` is where the hole is put if there is none. */
export function expression(
  context: Context,
  node: C.ExpressionCstNode | undefined,
  fallback: number,
  rangeAllowed = false,
): Expr {
  if (node === undefined) return invalid(context, fallback);
  const { operand: operands, operator } = parts(node);
  if (operator === undefined && operands?.length === 1) {
    // Most expressions are a single operand: no row is needed.
    const { sign, stage: stages } = parts(operands[0]!);
    if (sign === undefined) return stage(context, stages?.[0], fallback);
  }
  const end = context.ofNode(node, fallback).end;
  return treeOf(context, rowOf(context, node, fallback), end, rangeAllowed);
}

/** `a = b` where a condition is wanted is read as `a == b`, and reported. */
export function condition(context: Context, node: C.ConditionCstNode | undefined, fallback: number): Expr {
  if (node === undefined) return invalid(context, fallback);
  const { expression: sides = [], Equal } = parts(node);
  const equal = first(Equal);
  if (equal === undefined) return expression(context, sides[0], fallback);
  const span = context.ofToken(equal);
  context.reporter.report("syntax/equals-for-equality", {}, span, {
    hint: "`=` gives a name its value; `==` compares",
    fixes: [{ title: "compare with `==`", span, replacement: "==" }],
  });
  const row = sides.flatMap((side) => rowOf(context, side, fallback));
  const at = row.findIndex((item) => item.at > equal.startOffset);
  row.splice(at < 0 ? row.length : at, 0, { kind: "operator", at: equal.startOffset, token: equal, op: "==" });
  return treeOf(context, row, context.ofNode(node, fallback).end, false);
}

/** Operands and operators in the order of the text. */
function rowOf(context: Context, node: C.ExpressionCstNode, fallback: number): Item[] {
  const { operand = [], operator = [] } = parts(node);
  const row: Item[] = [];
  let o = 0;
  for (const item of operand) {
    const at = item.location?.startOffset;
    if (at === undefined || Number.isNaN(at)) continue;
    for (; o < operator.length && operator[o]!.startOffset < at; o++) pushOperator(row, operator[o]!);
    const { sign = [], stage: stages } = parts(item);
    row.push({ kind: "operand", at, signs: signsOf(context, sign), value: stage(context, stages?.[0], fallback) });
  }
  for (; o < operator.length; o++) pushOperator(row, operator[o]!);
  if (row.length > 2 * longestRow) {
    const cut = row[2 * longestRow]!;
    context.reporter.report(
      "syntax/too-deep",
      { what: `an expression of more than ${longestRow} operators` },
      context.span(cut.at, cut.at + 1),
      { hint: "give parts of it names with `let`" },
    );
    return row.slice(0, 2 * longestRow + 1);
  }
  return row;
}

function pushOperator(row: Item[], token: IToken): void {
  const op = token.image;
  if (isReal(token) && isOperator(op)) row.push({ kind: "operator", at: token.startOffset, token, op });
}

/** The signs before an operand, not more than a tree can bear. */
function signsOf(context: Context, signs: readonly IToken[]): readonly IToken[] {
  const real = signs.filter(isReal);
  if (real.length <= longestSigns) return real;
  context.reporter.report(
    "syntax/too-deep",
    { what: `a row of more than ${longestSigns} signs` },
    context.ofToken(real[0]!),
    {
      hint: "two `-` or two `not` cancel each other",
    },
  );
  return real.slice(-1);
}
function stage(context: Context, node: C.StageCstNode | undefined, fallback: number): Expr {
  if (node === undefined) return invalid(context, fallback);
  const { Name, postfix: bodies } = parts(node);
  const label = first(Name);
  const body = postfix(context, bodies?.[0], context.ofNode(node, fallback).end);
  if (label === undefined) return body;
  const ident = context.ident(label, fallback);
  return { kind: "Label", label: ident, body, span: cover(ident.span, body.span) };
}

export function postfix(context: Context, node: C.PostfixCstNode | undefined, fallback: number): Expr {
  if (node === undefined) return invalid(context, fallback);
  const { New, primary: primaries, suffix: suffixes = [] } = parts(node);
  const start = context.ofNode(node, fallback);
  let value = primary(context, primaries?.[0], start.start);
  if (suffixes.length > longestRow) {
    context.reporter.report("syntax/too-deep", { what: `more than ${longestRow} applications in a row` }, start, {
      hint: "give parts of it names with `let`",
    });
  }
  for (const one of suffixes.slice(0, longestRow)) value = withSuffix(context, value, one);
  const word = first(New);
  return word ? { kind: "New", body: value, span: cover(context.ofToken(word), value.span) } : value;
}

function withSuffix(context: Context, value: Expr, node: C.SuffixCstNode): Expr {
  const {
    Name,
    set: sets,
    parens: calls,
    brackets: indexes,
    fillers: fills,
    RepeatN,
    RepeatX,
    expression: counts,
  } = parts(node);
  const span = cover(value.span, context.ofNode(node, value.span.end));
  if (calls?.[0]) {
    const { args, rest } = list(context, calls[0]);
    return { kind: "Call", callee: value, args, span, ...(rest ? { rest } : {}) };
  }
  if (indexes?.[0]) {
    const { args, rest } = list(context, indexes[0], true);
    return { kind: "Index", object: value, items: args, span, ...(rest ? { rest } : {}) };
  }
  if (fills?.[0]) return fill(context, value, fills[0], span);
  const repeat = first(RepeatN);
  if (repeat) return { kind: "Repeat", body: value, count: count(context, repeat), span };
  if (RepeatX) return { kind: "Repeat", body: value, count: expression(context, counts?.[0], span.end), span };
  if (sets?.[0]) return { kind: "Member", object: value, names: setNames(context, sets[0]), set: true, span };
  const name = first(Name);
  return { kind: "Member", object: value, names: [context.ident(name, span.end)], set: false, span };
}

/** The `12` of `x12`. */
function count(context: Context, token: IToken): Expr {
  const span = context.ofToken(token);
  const value = Number(token.image.slice(1).replaceAll("_", ""));
  if (value < 1 || !Number.isSafeInteger(value)) {
    context.reporter.report("syntax/repeat-count", { text: token.image }, span, {
      hint: "a repeat counts whole layers, one or more: `x12`, or `x{layers}` for a setting",
    });
    return { kind: "Invalid", span };
  }
  return { kind: "Number", value, integer: true, span: context.span(Math.min(span.start + 1, span.end), span.end) };
}

function fill(context: Context, callee: Expr, node: C.FillersCstNode, span: Span): Expr {
  const { slotArg: items = [], Comma } = parts(node);
  checkCommas(context, items, Comma);
  const fillers: Arg[] = [];
  const rests: IToken[] = [];
  let last = 0;
  for (const item of items) {
    const { Ellipsis, Name, filler: fillers_ } = parts(item);
    const at = context.ofNode(item, span.end);
    const rest = first(Ellipsis);
    if (rest) {
      rests.push(rest);
      continue;
    }
    last = at.start;
    const name = first(Name);
    const value = filler(context, fillers_?.[0], at.end);
    fillers.push({ value, span: at, ...(name ? { name: context.ident(name, at.start) } : {}) });
  }
  const rest = restOf(context, rests, last);
  return { kind: "Fill", callee, fillers, span, ...(rest ? { rest } : {}) };
}

/** What fills a slot: one stage, or several along `->`. */
export function filler(context: Context, node: C.FillerCstNode | undefined, fallback: number): Expr {
  if (node === undefined) return invalid(context, fallback);
  const { stage: stages = [] } = parts(node);
  const built = stages.map((one) => stage(context, one, context.ofNode(one, fallback).start));
  if (built.length === 0) return invalid(context, fallback);
  return built.reduce((input, next) => ({ kind: "Pipe", input, stage: next, span: cover(input.span, next.span) }));
}

/** The items of `( )` or `[ ]`; ranges stand only in `[ ]` behind a value. */
function list(
  context: Context,
  node: C.ParensCstNode | C.BracketsCstNode,
  rangeAllowed = false,
): { args: Arg[]; rest?: Span; rests: readonly IToken[] } {
  const { arg: items = [], Comma } = parts<C.ParensCstNode>(node as C.ParensCstNode);
  checkCommas(context, items, Comma);
  const args: Arg[] = [];
  const rests: IToken[] = [];
  let last = 0;
  for (const item of items) {
    const { Ellipsis, Name, expression: values } = parts(item);
    const at = context.ofNode(item, context.ofNode(node, 0).end);
    const rest = first(Ellipsis);
    if (rest) {
      rests.push(rest);
      continue;
    }
    last = at.start;
    const name = first(Name);
    const value = expression(context, values?.[0], at.end, rangeAllowed);
    args.push({ value, span: at, ...(name ? { name: context.ident(name, at.start) } : {}) });
  }
  const rest = restOf(context, rests, last);
  return { args, rests, ...(rest ? { rest } : {}) };
}

function primary(context: Context, node: C.PrimaryCstNode | undefined, fallback: number): Expr {
  if (node === undefined) return invalid(context, fallback);
  const { atom: atoms, parens, set: sets, list: lists, if: ifs, match: matches } = parts(node);
  const span = context.ofNode(node, fallback);
  const token = first(atoms);
  if (token) return atom(context, token);
  if (parens?.[0]) {
    const { args, rest } = list(context, parens[0]);
    if (rest) reportRest(context, rest, "in parentheses that apply nothing");
    else if (args.length === 0) {
      context.reporter.report("syntax/empty-parentheses", {}, span, {
        hint: "put a value between them, or leave them out",
      });
      return { kind: "Invalid", span };
    }
    return { kind: "Paren", items: args, span };
  }
  if (sets?.[0]) return setLiteral(context, sets[0], span);
  if (lists?.[0]) return listLiteral(context, lists[0], span);
  if (ifs?.[0]) return ifExpression(context, ifs[0], span);
  if (matches?.[0]) return matchExpression(context, matches[0], span);
  return { kind: "Invalid", span };
}

function atom(context: Context, token: IToken): Arm["patterns"][number] {
  const span = context.ofToken(token);
  switch (token.tokenType.name) {
    case "NumberWord":
      return context.number(token);
    case "Text":
    case "UnclosedText":
    case "OddText":
      return context.textLiteral(token, span.start);
    case "True":
    case "False":
      return { kind: "Bool", value: token.tokenType.name === "True", span };
    case "None":
      return { kind: "None", span };
    default:
      return { kind: "Name", name: token.image, span };
  }
}

function setNames(context: Context, node: C.SetCstNode): { name: string; span: Span }[] {
  return context.idents(parts(node).item);
}

function setLiteral(context: Context, node: C.SetCstNode, span: Span): Expr {
  const items = (parts(node).item ?? []).filter(isReal).map((t) => atom(context, t));
  return { kind: "Set", items, span };
}

function listLiteral(context: Context, node: C.ListCstNode, span: Span): Expr {
  const { binding: bindings, expression: bodies, brackets, For } = parts(node);
  if (For) {
    const body = expression(context, bodies?.[0], span.end);
    return { kind: "For", binding: binding(context, bindings?.[0], span.end), body, span };
  }
  if (!brackets?.[0]) return { kind: "Invalid", span };
  const { args, rest } = list(context, brackets[0]);
  if (rest) reportRest(context, rest, "in a list");
  for (const { name } of args) {
    if (name === undefined) continue;
    context.reporter.report("syntax/named-item", { name: name.name }, name.span, {
      hint: "the items of a list have no names; `==` compares",
    });
  }
  return { kind: "List", items: args.map((a) => a.value), span };
}

function reportRest(context: Context, rest: Span, where: string): void {
  context.reporter.report("syntax/misplaced-rest", { where }, rest, {
    hint: "`...` stands last in the lists of an alias, `block wide(...) = deep(4, ...)`, and in a type, `[..., d]`",
  });
}

export function binding(context: Context, node: C.BindingCstNode | undefined, fallback: number): Binding {
  if (node === undefined) {
    return {
      name: context.ident(undefined, fallback),
      from: invalid(context, fallback),
      span: context.span(fallback, fallback),
    };
  }
  const { Name, postfix: ends = [], DotDot } = parts(node);
  const span = context.ofNode(node, fallback);
  const to = DotDot ? { to: postfix(context, ends[1], span.end) } : {};
  return { name: context.ident(first(Name), span.start), from: postfix(context, ends[0], span.end), ...to, span };
}

function ifExpression(context: Context, node: C.IfCstNode, span: Span): Expr {
  const { condition: conditions, then: thens, else: elses } = parts(node);
  return {
    kind: "If",
    span,
    condition: condition(context, conditions?.[0], span.end),
    then: expression(context, thens?.[0], span.end),
    else: expression(context, elses?.[0], span.end),
  };
}

function matchExpression(context: Context, node: C.MatchCstNode, span: Span): Expr {
  const { expression: subjects, arm: arms = [] } = parts(node);
  const subject = expression(context, subjects?.[0], span.end);
  return { kind: "Match", subject, arms: arms.map((a) => arm(context, a, span.end)), span };
}

function arm(context: Context, node: C.ArmCstNode, fallback: number): Arm {
  const { pattern: patterns = [], expression: values } = parts(node);
  const span = context.ofNode(node, fallback);
  const read = patterns.flatMap((p) => first(parts(p).atom) ?? []).map((t) => atom(context, t));
  return { patterns: read, value: expression(context, values?.[0], span.end), span };
}
