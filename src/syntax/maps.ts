/** @file Checkpoint maps and paths of weights: from the concrete tree to the syntax tree. */
import type * as C from "../../grammar/cst.ts";
import { cover } from "../source/source.ts";
import type { Entry, Path, PathPart, Where } from "./ast.ts";
import { type Context, first, isReal, parts } from "./context.ts";
import { condition, expression } from "./expressions.ts";

export function entries(context: Context, node: C.MapCstNode | undefined): Entry[] {
  return node === undefined
    ? []
    : (parts(node).entry ?? []).flatMap((e) => entry(context, e, context.ofNode(node, 0).end) ?? []);
}

function entry(context: Context, node: C.EntryCstNode, fallback: number): Entry | undefined {
  const e = parts(node);
  const span = context.ofNode(node, fallback);
  if (e.requireEntry?.[0]) {
    return { kind: "Require", condition: condition(context, parts(e.requireEntry[0]).condition?.[0], span.end), span };
  }
  if (e.ignoreEntry?.[0]) {
    const patterns = (parts(e.ignoreEntry[0]).Text ?? []).filter(isReal).map((t) => context.textLiteral(t, span.end));
    return { kind: "Ignore", patterns, span };
  }
  if (e.prefixEntry?.[0]) {
    const { Question, Text } = parts(e.prefixEntry[0]);
    return {
      kind: "Prefix",
      optional: first(Question) !== undefined,
      prefix: context.textLiteral(first(Text), span.end),
      span,
    };
  }
  if (e.renameEntry?.[0]) {
    const { from, to } = parts(e.renameEntry[0]);
    return {
      kind: "Rename",
      from: context.textLiteral(first(from), span.end),
      to: context.textLiteral(first(to), span.end),
      span,
    };
  }
  if (e.cacheEntry?.[0]) {
    const { path: paths, Text } = parts(e.cacheEntry[0]);
    return {
      kind: "Cache",
      path: path(context, paths?.[0], span.end),
      name: context.textLiteral(first(Text), span.end),
      span,
    };
  }
  if (e.clientEntry?.[0]) {
    const { name, type } = parts(e.clientEntry[0]);
    return {
      kind: "Client",
      name: context.textLiteral(first(name), span.end),
      type: context.textLiteral(first(type), span.end),
      span,
    };
  }
  if (e.taskEntry?.[0]) {
    const { name, row } = parts(e.taskEntry[0]);
    const rows = (row ?? []).filter(isReal).map((t) => context.textLiteral(t, span.end));
    return { kind: "Task", name: context.textLiteral(first(name), span.end), rows, span };
  }
  if (e.classEntry?.[0]) {
    const { Text, Name, map } = parts(e.classEntry[0]);
    const classes = (Text ?? []).filter(isReal).map((t) => context.textLiteral(t, span.end));
    return {
      kind: "Class",
      classes,
      model: context.ident(first(Name), span.end),
      entries: entries(context, map?.[0]),
      span,
    };
  }
  return e.pathEntry?.[0] ? pathEntry(context, e.pathEntry[0], fallback) : undefined;
}

function pathEntry(context: Context, node: C.PathEntryCstNode, fallback: number): Entry {
  const { path: paths, From, Text, map, expression: values } = parts(node);
  const span = context.ofNode(node, fallback);
  const left = path(context, paths?.[0], span.start);
  if (From) {
    return {
      kind: "From",
      path: left,
      prefix: context.textLiteral(first(Text), span.end),
      entries: entries(context, map?.[0]),
      span,
    };
  }
  return { kind: "Assign", path: left, value: expression(context, values?.[0], span.end), span };
}

export function path(context: Context, node: C.PathCstNode | undefined, fallback: number): Path {
  if (node === undefined) return { parts: [], span: context.span(fallback, fallback) };
  const { head, headSet, pathStep: steps = [] } = parts(node);
  const token = first(head);
  const start: PathPart[] = [];
  if (token) start.push({ kind: "Name", name: token.image, span: context.ofToken(token) });
  if (headSet?.[0]) start.push(setPart(context, headSet[0], fallback));
  return {
    parts: [...start, ...steps.flatMap((s) => step(context, s, fallback))],
    span: context.ofNode(node, fallback),
  };
}

function step(context: Context, node: C.PathStepCstNode, fallback: number): PathPart[] {
  const { Name, Star, set: sets, expression: indexes } = parts(node);
  const name = first(Name);
  const star = first(Star);
  if (name) return [{ kind: "Name", name: name.image, span: context.ofToken(name) }];
  if (star) return [{ kind: "Star", span: context.ofToken(star) }];
  if (sets?.[0]) return [setPart(context, sets[0], fallback)];
  if (!indexes?.[0]) return [];
  return [{ kind: "Index", index: expression(context, indexes[0], fallback), span: context.ofNode(node, fallback) }];
}

function setPart(context: Context, node: C.SetCstNode, fallback: number): PathPart {
  return { kind: "Set", names: context.idents(parts(node).item), span: context.ofNode(node, fallback) };
}

export function wheres(context: Context, node: C.WheresCstNode | undefined): Where[] {
  if (node === undefined) return [];
  return (parts(node).where ?? []).map((one) => {
    const { path: paths, expression: values } = parts(one);
    const span = context.ofNode(one, context.ofNode(node, 0).end);
    const left = path(context, paths?.[0], span.start);
    const value = expression(context, values?.[0], span.end);
    return { path: left, value, span: cover(span, value.span) };
  });
}
