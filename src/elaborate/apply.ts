/** @file Calls and stages: what it means to apply a function of any kind. */
import type * as ast from "../syntax/ast.ts";
import { GraphBuilder } from "../ir/builder.ts";
import type { Axis } from "../ir/type.ts";
import type { Value } from "../ir/graph.ts";
import type { Setting } from "../ops/attributes.ts";
import type { Span } from "../source/source.ts";
import { applyBlock } from "./blocks.ts";
import { bracket } from "./brackets.ts";
import type { Elaborator } from "./elaborator.ts";
import { axesOver, evaluate } from "./expressions.ts";
import { Frame } from "./frame.ts";
import { BRACKETS, type FunctionPrimitive, type Operand } from "./primitives.ts";
import { bindArguments, fit, valueFor } from "./settings.ts";
import { runBody } from "./statements.ts";
import { asNumber, describe, INVALID, isFunction, tensor, type OpV, type V } from "./values.ts";

/** Operands given as values (from the left of `->`) before those that stand in parentheses. */
interface Operands {
  readonly first: readonly Operand[];
  readonly args: readonly ast.Arg[];
  readonly frame: Frame;
}

/** `callee(args)` where it is no stage. */
export function call(e: Elaborator, x: ast.Call, frame: Frame): V {
  const callee = evaluate(e, x.callee, frame);
  if (callee.kind === "invalid") return callee;
  if (callee.kind === "none") return callee;
  const written = { args: x.args, frame, span: x.span };
  if (callee.kind === "block") return { ...callee, given: [...callee.given, written], span: x.span };
  if (callee.kind === "repeat")
    return e.fail("type/settings-after-repeat", {}, x.span, {
      hint: "settings come before the repeat: `decoder(post) x12 < ... >`",
    });
  if (callee.kind === "op" && wantsSettings(callee)) return { ...callee, settings: written };
  if (!isFunction(callee)) return e.fail("type/not-a-function", { found: describe(callee) }, x.callee.span);
  return apply(e, callee, { first: [], args: x.args, frame }, x.span, undefined);
}

/** An operator with two lists whose first has not been given yet. */
function wantsSettings(op: OpV): boolean {
  if (op.settings !== undefined) return false;
  if (op.meaning.kind === "bracket") return op.meaning.primitive.settings === true;
  return op.meaning.kind === "declared" && op.meaning.decl.settings !== undefined;
}

/** `input -> stage`. A stage that is `none` is left out. */
export function applyStage(e: Elaborator, stage: ast.Expr, input: V, frame: Frame, span: Span): V {
  const first: Operand[] = [{ v: input, span }];
  if (stage.kind === "Paren" && stage.items.length === 1)
    return applyStage(e, stage.items[0]!.value, input, frame, span);
  if (stage.kind === "List") {
    const items = stage.items.map((value): ast.Arg => ({ value, span: value.span }));
    return bracket(e, input, items, frame, stage.span);
  }
  if (stage.kind === "If" || stage.kind === "Match")
    return applyValue(e, evaluate(e, stage, frame), first, frame, stage.span, undefined);
  if (stage.kind === "Label") {
    const v = stage.body.kind === "Call" ? undefined : evaluate(e, stage.body, frame);
    if (v) return applyValue(e, v, first, frame, stage.span, stage.label.name);
    return applyCallStage(e, stage.body as ast.Call, first, frame, stage.label.name);
  }
  if (stage.kind === "Call") return applyCallStage(e, stage, first, frame, undefined);
  if (stage.kind === "Index" && !(stage.object.kind === "Name" && BRACKETS.has(stage.object.name))) {
    // `x -> f(a)[b -> c]`: the brackets are about what has come out so far.
    return bracket(e, applyStage(e, stage.object, input, frame, span), stage.items, frame, stage.span);
  }
  return applyValue(e, evaluate(e, stage, frame), first, frame, stage.span, undefined);
}

function applyCallStage(
  e: Elaborator,
  stage: ast.Call,
  first: readonly Operand[],
  frame: Frame,
  label: string | undefined,
): V {
  const callee = evaluate(e, stage.callee, frame);
  if (callee.kind === "invalid" || first[0]!.v.kind === "invalid") return INVALID;
  if (callee.kind === "none") return first[0]!.v;
  const written = { args: stage.args, frame, span: stage.span };
  if (callee.kind === "block")
    return apply(
      e,
      { ...callee, given: [...callee.given, written], span: stage.span },
      { first, args: [], frame },
      stage.span,
      label,
    );
  if (callee.kind === "op" && wantsSettings(callee))
    return apply(e, { ...callee, settings: written }, { first, args: [], frame }, stage.span, label);
  if (callee.kind === "repeat" && stage.args.length > 0)
    return e.fail("type/settings-after-repeat", {}, stage.span, {
      hint: "settings come before the repeat: `decoder(post) x12 < ... >`",
    });
  if (!isFunction(callee))
    return e.fail("type/not-a-stage", { found: describe(callee) }, stage.callee.span, {
      hint: "a stage is a block or an operator; `x -> f(a)` is f of x and a",
    });
  return apply(e, callee, { first, args: stage.args, frame }, stage.span, label);
}

function applyValue(
  e: Elaborator,
  v: V,
  first: readonly Operand[],
  frame: Frame,
  span: Span,
  label: string | undefined,
): V {
  if (v.kind === "invalid") return v;
  if (v.kind === "none") return first[0]!.v;
  if (!isFunction(v))
    return e.fail("type/not-a-stage", { found: describe(v) }, span, {
      hint: "a stage is a block or an operator: `x -> linear(64)`, `x -> gelu`",
    });
  return apply(e, v, { first, args: [], frame }, span, label);
}

/** Applies any function to operands. */
export function apply(
  e: Elaborator,
  f: Exclude<ReturnType<typeof asFunction>, undefined>,
  operands: Operands,
  span: Span,
  label: string | undefined,
): V {
  const broken = operands.first.some((o) => o.v.kind === "invalid");
  // A bracket names axes even where its operand is broken, so that what reads them stays silent.
  if (broken && !(f.kind === "op" && f.meaning.kind === "bracket")) return INVALID;
  if (f.kind === "op") return applyOp(e, f, operands, span);
  const inputs = [
    ...operands.first,
    ...operands.args.map((a) => ({ v: evaluate(e, a.value, operands.frame), span: a.span })),
  ];
  if (inputs.some((i) => i.v.kind === "invalid")) return INVALID;
  return applyBlock(e, f, inputs, label, operands.frame, span);
}

function asFunction(v: V) {
  return isFunction(v) ? v : undefined;
}

function applyOp(e: Elaborator, op: OpV, operands: Operands, span: Span): V {
  const meaning = op.meaning;
  if (meaning.kind === "declared") return applyDeclared(e, op, meaning.decl, operands, span);
  const evaluated: Operand[] = [...operands.first];
  let over: readonly string[] | undefined;
  for (const arg of operands.args) {
    if (arg.name?.name === "over") {
      over = axesOver(e, arg.value, operands.frame);
      if (!over) return INVALID;
    } else if (arg.name)
      return e.fail("setting/unknown", { name: arg.name.name, owner: op.name }, arg.name.span, { hint: usageOf(op) });
    else evaluated.push({ v: evaluate(e, arg.value, operands.frame), span: arg.span });
  }
  if (evaluated.some((o) => o.v.kind === "invalid") && meaning.kind !== "bracket") return INVALID;
  const call = { operands: evaluated, over, span, frame: operands.frame, settings: op.settings };
  if (meaning.kind === "bracket") return meaning.primitive.apply(e, meaning.items, call, meaning.frame);
  const p: FunctionPrimitive = meaning.primitive;
  if (evaluated.length < p.least || evaluated.length > p.most)
    return e.fail("type/usage", { name: op.name, usage: p.usage }, span);
  return p.apply(e, call);
}

function usageOf(op: OpV): string | undefined {
  return op.meaning.kind === "function" || op.meaning.kind === "bracket"
    ? `write ${op.meaning.primitive.usage}`
    : undefined;
}

/** An operator of the language: computed now if all its operands are known, else one `call` node whose body is its meaning. */
function applyDeclared(e: Elaborator, op: OpV, decl: ast.Op, operands: Operands, span: Span): V {
  const module = op.meaning.kind === "declared" ? op.meaning.module : operands.frame.module;
  const frame = new Frame("op", decl.name.name, module, undefined, operands.frame, span, operands.frame.path);
  const run = (): V => {
    bindList(e, op.settings ? [op.settings] : [], decl.settings?.items ?? [], decl, frame, span);
    bindGivens(e, decl, frame, operands.frame, span);
    const values = bindOperands(e, decl, operands, frame, span);
    if (!values) return INVALID;
    const anyTensor = [...values.values()].some((v) => v.kind === "tensor");
    return anyTensor
      ? callNode(e, decl, values, frame, span)
      : e.outsideLet(() => runBody(e, decl.meaning, frame, decl.name.name));
  };
  return e.within(`op:${decl.name.name}`, span, run) ?? INVALID;
}

function bindList(
  e: Elaborator,
  written: OpV["settings"][],
  params: readonly ast.Param[],
  decl: ast.Op,
  frame: Frame,
  span: Span,
): void {
  const title = decl.name.name;
  const bound = bindArguments(
    e,
    written.filter((w) => w !== undefined),
    params,
    [],
    false,
    title,
    span,
  );
  for (const param of params) {
    const given = bound.byName.get(param.name.name);
    frame.set(param.name.name, {
      lazy: () => {
        const v = given ? valueFor(e, param, given, frame, title) : undefined;
        if (v && !(v.kind === "none" && param.default && !param.type?.optional)) return v;
        if (param.default) return fit(e, param, evaluate(e, param.default, frame), frame, param.span, title);
        return e.fail("setting/missing", { name: param.name.name, owner: title }, span, {
          hint: `write \`${title}(${param.name.name} = ...)\``,
        });
      },
    });
  }
  for (const param of params) frame.own(param.name.name);
}

function bindGivens(e: Elaborator, decl: ast.Op, frame: Frame, around: Frame, span: Span): void {
  for (const param of decl.given) {
    frame.set(param.name.name, {
      lazy: () => {
        const found = around.given(param.name.name);
        if (found) return found;
        if (param.default) return evaluate(e, param.default, frame);
        return e.fail("setting/missing", { name: param.name.name, owner: decl.name.name }, span);
      },
    });
  }
}

/** Operands by name. Dimensions are matched in order, so that later operands fit what earlier ones have bound. */
function bindOperands(
  e: Elaborator,
  decl: ast.Op,
  operands: Operands,
  frame: Frame,
  span: Span,
): Map<string, V> | undefined {
  const title = decl.name.name;
  const params = decl.operands.items;
  const values = new Map<string, V>();
  const positional = [...operands.first];
  const named = new Map<string, ast.Arg>();
  for (const arg of operands.args) {
    if (arg.name) named.set(arg.name.name, arg);
    else positional.push({ v: INVALID, span: arg.span });
  }
  const texts = operands.args.filter((a) => !a.name);
  if (positional.length > params.length) {
    e.fail("setting/too-many", { owner: title, most: params.length }, positional[params.length]!.span, {
      hint: `it takes ${params.map((p) => p.name.name).join(", ") || "nothing"}`,
    });
    return undefined;
  }
  for (const name of named.keys())
    if (!params.some((p) => p.name.name === name)) {
      e.fail("setting/unknown", { name, owner: title }, named.get(name)!.span, {
        hint: `it takes ${params.map((p) => p.name.name).join(", ")}`,
      });
      return undefined;
    }
  let ok = true;
  for (const [i, param] of params.entries()) {
    const arg =
      i < operands.first.length ? undefined : (texts[i - operands.first.length] ?? named.get(param.name.name));
    let v: V;
    if (i < operands.first.length) v = fit(e, param, operands.first[i]!.v, frame, operands.first[i]!.span, title);
    else if (arg) v = fit(e, param, evaluate(e, arg.value, operands.frame), frame, arg.span, title);
    else if (param.default) v = fit(e, param, evaluate(e, param.default, frame), frame, param.span, title);
    else v = e.fail("setting/missing", { name: param.name.name, owner: title }, span);
    if (v.kind === "invalid") ok = false;
    values.set(param.name.name, v);
    frame.set(param.name.name, v);
  }
  return ok ? values : undefined;
}

function callNode(e: Elaborator, decl: ast.Op, values: ReadonlyMap<string, V>, frame: Frame, span: Span): V {
  const inner = new GraphBuilder(decl.name.name, e.builder);
  const names: string[] = [];
  const outerOf = new Map<number, Value>();
  const settings: Record<string, Setting> = {};
  const operands: Value[] = [];
  for (const [name, v] of values) {
    if (v.kind === "tensor") {
      const seen = inner.input(name, v.value.type, undefined, v.value.span);
      outerOf.set(seen.id, v.value);
      operands.push(v.value);
      names.push(name);
      frame.set(name, tensor(seen));
    } else addSetting(settings, name, v);
  }
  for (const param of decl.settings?.items ?? []) {
    const v = frame.own(param.name.name);
    if (v) addSetting(settings, param.name.name, v);
  }
  const result = e.building(inner, () => e.outsideLet(() => runBody(e, decl.meaning, frame, decl.name.name)));
  if (result.kind === "invalid") return INVALID;
  // What is handed through unchanged, or was there before, needs no node.
  const results: Value[] = [];
  const collect = (v: V): void => {
    if (v.kind === "tuple") v.items.forEach(collect);
    else if (v.kind === "tensor" && inner.owns(v.value) && !outerOf.has(v.value.id) && !results.includes(v.value))
      results.push(v.value);
  };
  collect(result);
  for (const [i, v] of results.entries()) inner.output(`${i}`, v);
  const made = results.length === 0 ? [] : addCall(e, decl, inner, operands, names, settings, frame, span, results);
  const outside = (v: V): V => {
    if (v.kind === "tuple") return { kind: "tuple", items: v.items.map(outside) };
    if (v.kind !== "tensor") return v;
    const at = results.indexOf(v.value);
    return at >= 0 ? tensor(made[at]!) : tensor(outerOf.get(v.value.id) ?? v.value);
  };
  return outside(result);
}

function addCall(
  e: Elaborator,
  decl: ast.Op,
  inner: GraphBuilder,
  operands: readonly Value[],
  names: readonly string[],
  settings: Readonly<Record<string, Setting>>,
  frame: Frame,
  span: Span,
  results: readonly Value[],
): readonly Value[] {
  const dims: Record<string, Axis> = {};
  for (const name of frame.visible()) {
    const v = frame.own(name);
    if (v?.kind === "dim") dims[name] = v.axis;
  }
  const attrs = {
    name: decl.name.name,
    operands: [...names, ...inner.captures.map((_, i) => `captured${i}`)],
    settings,
    dims,
  };
  return e.builder.node(
    "call",
    [...operands, ...inner.captures],
    attrs,
    results.map((r) => r.type),
    span,
    [inner.build()],
  );
}

function addSetting(settings: Record<string, Setting>, name: string, v: V): void {
  const n = asNumber(v);
  if (n !== undefined && v.kind !== "dim") settings[name] = n;
  else if (v.kind === "bool" || v.kind === "text" || v.kind === "word") settings[name] = v.value;
  else if (v.kind === "none") settings[name] = null;
}
