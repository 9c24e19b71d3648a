/** @file Types, parameters and slots: from the concrete tree to the syntax tree. */
import type * as C from "../../grammar/cst.ts";
import type { IToken } from "../../grammar/index.ts";
import type { AxisPattern, Param, Params, Slot, Slots, TypeExpr } from "./ast.ts";
import { type Context, first, isReal, parts } from "./context.ts";
import { expression, filler } from "./expressions.ts";
import { checkCommas, restOf } from "./lists.ts";

export function typeExpr(context: Context, node: C.TypeCstNode | undefined, fallback: number): TypeExpr {
  if (node === undefined) return { optional: false, alternatives: [], span: context.span(fallback, fallback) };
  const { base, axes: patterns, Question, alternative } = parts(node);
  const word = first(base);
  return {
    span: context.ofNode(node, fallback),
    ...(word ? { base: context.ident(word, fallback) } : {}),
    ...(patterns?.[0] ? { axes: axes(context, patterns[0]) } : {}),
    optional: first(Question) !== undefined,
    alternatives: context.idents(alternative),
  };
}

function axes(context: Context, node: C.AxesCstNode): AxisPattern[] {
  const { axis: items = [], Comma } = parts(node);
  checkCommas(context, items, Comma);
  return items.map((item) => axis(context, item, context.ofNode(node, 0).end));
}

function axis(context: Context, node: C.AxisCstNode, fallback: number): AxisPattern {
  const { Ellipsis, Name, As, Text, expression: values } = parts(node);
  const span = context.ofNode(node, fallback);
  if (Ellipsis) return { kind: "Rest", span };
  const named = first(Name);
  const name = context.ident(named, span.start);
  if (As) return { kind: "Axis", span, name, outside: context.textLiteral(first(Text), span.end) };
  const value = expression(context, values?.[0], span.end);
  if (named) return { kind: "Sized", span, name, size: value };
  if (value.kind === "Name") return { kind: "Axis", span, name: { name: value.name, span: value.span } };
  return { kind: "Size", span, size: value };
}

export function params(context: Context, node: C.ParamsCstNode | undefined): Params {
  if (node === undefined) return { items: [] };
  const { param: nodes = [], Comma } = parts(node);
  checkCommas(context, nodes, Comma);
  return withRest(context, nodes, context.ofNode(node, 0).end, param);
}

export function given(context: Context, node: C.GivenCstNode | undefined): Param[] {
  if (node === undefined) return [];
  const { items, rest } = withRest(context, parts(node).param ?? [], context.ofNode(node, 0).end, param);
  if (rest) {
    context.reporter.report("syntax/misplaced-rest", { where: "after `given`" }, rest, {
      hint: "`given` names each thing that is looked up around the block",
    });
  }
  return [...items];
}

export function slots(context: Context, node: C.SlotsCstNode | undefined): Slots {
  if (node === undefined) return { items: [] };
  const { slot: nodes = [], Comma } = parts(node);
  checkCommas(context, nodes, Comma);
  return withRest(context, nodes, context.ofNode(node, 0).end, slot);
}

/** The items of a list that may end in `...`. */
function withRest<N extends C.ParamCstNode | C.SlotCstNode, I>(
  context: Context,
  nodes: readonly N[],
  fallback: number,
  build: (context: Context, node: N, fallback: number) => I,
): { items: I[]; rest?: Params["rest"] & {} } {
  const items: I[] = [];
  const rests: IToken[] = [];
  let last = 0;
  for (const node of nodes) {
    const ellipsis = (node.children as { Ellipsis?: IToken[] }).Ellipsis?.find(isReal);
    if (ellipsis) {
      rests.push(ellipsis);
      continue;
    }
    last = context.ofNode(node, fallback).start;
    items.push(build(context, node, fallback));
  }
  const rest = restOf(context, rests, last);
  return { items, ...(rest ? { rest } : {}) };
}

function param(context: Context, node: C.ParamCstNode, fallback: number): Param {
  const { Name, type: types, Equal, expression: values } = parts(node);
  const span = context.ofNode(node, fallback);
  return {
    name: context.ident(first(Name), span.start),
    ...(types?.[0] ? { type: typeExpr(context, types[0], span.end) } : {}),
    ...(Equal ? { default: expression(context, values?.[0], span.end) } : {}),
    span,
  };
}

function slot(context: Context, node: C.SlotCstNode, fallback: number): Slot {
  const { Name, Question, role, Equal, filler: values } = parts(node);
  const span = context.ofNode(node, fallback);
  const roleToken = first(role);
  return {
    name: context.ident(first(Name), span.start),
    optional: first(Question) !== undefined,
    ...(roleToken ? { role: context.ident(roleToken, span.end) } : {}),
    ...(Equal ? { default: filler(context, values?.[0], span.end) } : {}),
    span,
  };
}
