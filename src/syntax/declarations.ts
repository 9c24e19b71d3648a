/** @file Declarations and statements: from the concrete tree to the syntax tree. */
import type * as C from "../../grammar/cst.ts";
import type { Checkpoint, Decl, Expr, Law, Meaning, Model, Op, Rewrite, Statement, Use } from "./ast.ts";
import { type Context, first, parts } from "./context.ts";
import { binding, condition, expression, invalid } from "./expressions.ts";
import { entries, wheres } from "./maps.ts";
import { given, params, slots, typeExpr } from "./types.ts";

export function declarations(context: Context, node: C.FileCstNode): Decl[] {
  return (parts(node).declaration ?? []).flatMap((d) => declaration(context, d) ?? []);
}

function declaration(context: Context, node: C.DeclarationCstNode): Decl | undefined {
  const d = parts(node);
  if (d.use?.[0]) return use(context, d.use[0]);
  if (d.model?.[0]) return model(context, d.model[0]);
  if (d.objective?.[0]) return objective(context, d.objective[0]);
  if (d.block?.[0]) return block(context, d.block[0]);
  if (d.op?.[0]) return op(context, d.op[0]);
  if (d.checkpoint?.[0]) return checkpoint(context, d.checkpoint[0]);
  if (d.law?.[0]) return law(context, d.law[0]);
  return d.rewrite?.[0] ? rewrite(context, d.rewrite[0]) : undefined;
}

/** The place and the documentation of a declaration or statement. */
function declared(context: Context, node: C.DeclarationCstNode | Parameters<Context["ofNode"]>[0]) {
  const span = context.ofNode(node, 0);
  return { span, doc: context.docAt(span.start) };
}

function use(context: Context, node: C.UseCstNode): Use {
  const { Text, Name } = parts(node);
  const path = first(Text);
  const common = { kind: "Use" as const, ...declared(context, node) };
  return path ? { ...common, path: context.textLiteral(path, 0).value } : { ...common, names: context.idents(Name) };
}

function model(context: Context, node: C.ModelCstNode): Model {
  const { Name, params: lists, base, over, grows, meaning: meanings } = parts(node);
  const common = declared(context, node);
  const optional = (name: "base" | "over" | "grows", tokens: typeof base): object => {
    const token = first(tokens);
    return token ? { [name]: context.ident(token, 0) } : {};
  };
  return {
    kind: "Model",
    ...common,
    name: context.ident(first(Name), common.span.end),
    params: params(context, lists?.[0]),
    ...optional("base", base),
    ...optional("over", over),
    ...optional("grows", grows),
    meaning: meaning(context, meanings?.[0], common.span.end),
  };
}

function objective(context: Context, node: C.ObjectiveCstNode): Model {
  const { Name, params: lists, base, body } = parts(node);
  const common = declared(context, node);
  return {
    kind: "Model",
    objective: true,
    ...common,
    name: context.ident(first(Name), common.span.end),
    params: params(context, lists?.[0]),
    base: context.ident(first(base), common.span.end),
    meaning: bodyOf(context, body?.[0], common.span.end),
  };
}

function block(context: Context, node: C.BlockCstNode): Decl {
  const { Name, params: lists, slots: slotLists, role, given: givens, meaning: meanings } = parts(node);
  const common = declared(context, node);
  const roleToken = first(role);
  return {
    kind: "Block",
    ...common,
    name: context.ident(first(Name), common.span.end),
    params: params(context, lists?.[0]),
    slots: slots(context, slotLists?.[0]),
    ...(roleToken ? { role: context.ident(roleToken, 0) } : {}),
    given: given(context, givens?.[0]),
    meaning: meaning(context, meanings?.[0], common.span.end),
  };
}

function op(context: Context, node: C.OpCstNode): Op {
  const { Name, params: lists = [], given: givens, meaning: meanings } = parts(node);
  const common = declared(context, node);
  const [one, two, extra] = lists;
  if (extra) {
    context.reporter.report("syntax/too-many-lists", {}, context.ofNode(extra, common.span.end), {
      hint: "an op has one list, its operands, or two: settings, then operands",
    });
  }
  return {
    kind: "Op",
    ...common,
    name: context.ident(first(Name), common.span.end),
    ...(two ? { settings: params(context, one) } : {}),
    operands: params(context, two ?? one),
    given: given(context, givens?.[0]),
    meaning: meaning(context, meanings?.[0], common.span.end),
  };
}

function checkpoint(context: Context, node: C.CheckpointCstNode): Checkpoint {
  const { Name, When, condition: conditions, map } = parts(node);
  const common = declared(context, node);
  return {
    kind: "Checkpoint",
    ...common,
    model: context.ident(first(Name), common.span.end),
    ...(When ? { when: condition(context, conditions?.[0], common.span.end) } : {}),
    entries: entries(context, map?.[0]),
  };
}

function law(context: Context, node: C.LawCstNode): Law {
  const { Text, params: lists, binding: bindings = [], condition: conditions, wheres: whereLists } = parts(node);
  const common = declared(context, node);
  const body = condition(context, conditions?.[0], common.span.end);
  if (body.kind !== "Invalid" && !isEquation(body)) {
    context.reporter.report("syntax/law-without-equation", {}, body.span, {
      hint: "a law says that two sides are equal, `a == b`, or that they are not, `a != b`",
    });
  }
  return {
    kind: "Law",
    ...common,
    title: context.textLiteral(first(Text), common.span.end),
    operands: params(context, lists?.[0]),
    bindings: bindings.map((b) => binding(context, b, common.span.end)),
    body,
    wheres: wheres(context, whereLists?.[0]),
  };
}

const isEquation = (e: Expr): boolean => e.kind === "Binary" && (e.op === "==" || e.op === "!=");

function rewrite(context: Context, node: C.RewriteCstNode): Rewrite {
  const { Text, params: lists, When, condition: conditions, left, right, wheres: whereLists } = parts(node);
  const common = declared(context, node);
  return {
    kind: "Rewrite",
    ...common,
    title: context.textLiteral(first(Text), common.span.end),
    operands: params(context, lists?.[0]),
    ...(When ? { when: condition(context, conditions?.[0], common.span.end) } : {}),
    left: expression(context, left?.[0], common.span.end),
    right: expression(context, right?.[0], common.span.end),
    wheres: wheres(context, whereLists?.[0]),
  };
}

function meaning(context: Context, node: C.MeaningCstNode | undefined, fallback: number): Meaning {
  if (node === undefined) return { kind: "Alias", value: invalid(context, fallback) };
  const { body, expression: values } = parts(node);
  const span = context.ofNode(node, fallback);
  if (!body?.[0]) return { kind: "Alias", value: expression(context, values?.[0], span.end) };
  return bodyOf(context, body[0], fallback);
}

function bodyOf(context: Context, node: C.BodyCstNode | undefined, fallback: number): Meaning {
  if (node === undefined) return { kind: "Alias", value: invalid(context, fallback) };
  const span = context.ofNode(node, fallback);
  const statements = (parts(node).statement ?? []).flatMap((s) => statement(context, s, span.end) ?? []);
  return { kind: "Body", statements, span };
}

function statement(context: Context, node: C.StatementCstNode, fallback: number): Statement | undefined {
  const s = parts(node);
  const span = context.ofNode(node, fallback);
  if (s.tensor?.[0]) return tensor(context, s.tensor[0]);
  if (s.dim?.[0]) {
    const { Name, expression: sizes } = parts(s.dim[0]);
    return {
      kind: "Dim",
      name: context.ident(first(Name), span.end),
      size: expression(context, sizes?.[0], span.end),
      span,
    };
  }
  if (s.let?.[0]) {
    const { Name, expression: values } = parts(s.let[0]);
    return { kind: "Let", names: context.idents(Name), value: expression(context, values?.[0], span.end), span };
  }
  return s.output?.[0] ? output(context, s.output[0]) : undefined;
}

function tensor(context: Context, node: C.TensorCstNode): Statement {
  const { word, Name, As, Text, step: steps, type: types, Equal, expression: values } = parts(node);
  const common = declared(context, node);
  const end = common.span.end;
  const head = {
    ...common,
    name: context.ident(first(Name), end),
    ...(As ? { outside: context.textLiteral(first(Text), end) } : {}),
    type: typeExpr(context, types?.[0], end),
  };
  const value = Equal ? expression(context, values?.[0], end) : undefined;
  const step = first(steps);
  if (first(word)?.tokenType.name === "Param") {
    if (step)
      context.reporter.report("syntax/second-name", {}, context.ofToken(step), { hint: "a parameter has one name" });
    return { kind: "Param", ...head, ...(value ? { initial: value } : {}) };
  }
  const outsideStep = step ? { outsideStep: context.textLiteral(step, end) } : {};
  return { kind: "Input", ...head, ...outsideStep, ...(value ? { default: value } : {}) };
}

function output(context: Context, node: C.OutputCstNode): Statement {
  const { outputHead: heads, expression: values } = parts(node);
  const common = declared(context, node);
  const end = common.span.end;
  const value = expression(context, values?.[0], end);
  if (!heads?.[0]) return { kind: "Output", ...common, value };
  const { Name, As, Text, type: types } = parts(heads[0]);
  return {
    kind: "Output",
    ...common,
    name: context.ident(first(Name), end),
    ...(As ? { outside: context.textLiteral(first(Text), end) } : {}),
    ...(types?.[0] ? { type: typeExpr(context, types[0], end) } : {}),
    value,
  };
}
