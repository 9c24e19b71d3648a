/** @file Models: settings, inputs and outputs at the boundary; `extends` and presets. */
import { nearest } from "../diagnostics/suggest.ts";
import type * as ast from "../syntax/ast.ts";
import { Size } from "../ir/size.ts";
import { showType, type Axis, type Dtype } from "../ir/type.ts";
import { spanOf, type Span } from "../source/source.ts";
import { parse } from "../syntax/parse.ts";
import type { Elaborator } from "./elaborator.ts";
import { evaluate } from "./expressions.ts";
import { Frame } from "./frame.ts";
import type { Found, Module } from "./program.ts";
import { dimension, fit, wordsOf } from "./settings.ts";
import { axesOfName, transposed } from "./signatures.ts";
import { runStatement } from "./statements.ts";
import { asNumber, describe, INVALID, NONE, tensor, type V } from "./values.ts";

/** A value for a setting from outside the model: the command line, a config, a preset. */
export interface Outside {
  readonly span: Span | undefined;
  /** What the value is; `words` may be written bare where the setting is a choice. */
  value(words: readonly string[] | undefined): V;
}

export type OutsideSettings = ReadonlyMap<string, Outside>;

/** What an absent input is to a client: a number everywhere, or the places 0, 1, 2, ... */
export type InputDefault = number | "positions";

export interface ModelResult {
  readonly frame: Frame;
  readonly settings: readonly { readonly name: string; readonly text: string }[];
  readonly inputDefaults: ReadonlyMap<string, InputDefault>;
}

/** `-s name=text`: the text is an expression of the language. */
export function settingFromText(e: Elaborator, name: string, text: string, module: Module): Outside {
  const file = { name: `-s ${name}=${text}`, text };
  const { value, diagnostics } = parse(file);
  e.reporter.addAll(diagnostics);
  const span = spanOf(file, 0, text.length);
  const frame = new Frame("program", "the command line", module, undefined, undefined, undefined, []);
  const bare = value!.bare;
  return {
    span,
    value: (words) => {
      if (bare) return evaluate(e, bare, frame, words);
      if (diagnostics.length > 0) return INVALID;
      return e.fail(
        "setting/kind",
        { name, owner: "-s", expected: "a value", found: text === "" ? "nothing" : text },
        span,
      );
    },
  };
}

/** Every setting of a model, its base's first. */
export function settingsOf(e: Elaborator, found: Found): ReadonlyMap<string, { param: ast.Param; module: Module }> {
  const all = new Map<string, { param: ast.Param; module: Module }>();
  const seen = new Set<ast.Model>();
  const visit = (f: Found | undefined): void => {
    if (!f || f.decl.kind !== "Model" || seen.has(f.decl)) return;
    seen.add(f.decl);
    if (f.decl.base) visit(e.program.find(f.module, f.decl.base.name));
    const target = aliasTarget(f.decl);
    if (target) visit(e.program.find(f.module, target.name));
    for (const param of f.decl.params.items) all.set(param.name.name, { param, module: f.module });
  };
  visit(found);
  return all;
}

function aliasTarget(decl: ast.Model): ast.Name | undefined {
  if (decl.meaning.kind !== "Alias") return undefined;
  const value = decl.meaning.value;
  const head = value.kind === "Call" ? value.callee : value;
  return head.kind === "Name" ? head : undefined;
}

/**
 * The objectives that a model can be trained by: those for it, for what it extends, and for what it is a preset of; of two of one name
 * the nearer.
 */
export function objectivesOf(e: Elaborator, model: Found, modules: readonly Module[]): ReadonlyMap<string, Found> {
  const found = new Map<string, Found>();
  for (let of: Found | undefined = model, depth = 0; of?.decl.kind === "Model" && depth < 20; depth++) {
    const { decl, module }: { decl: ast.Model; module: Module } = { decl: of.decl, module: of.module };
    for (const m of new Set([...modules, module]))
      for (const o of m.own.values()) {
        if (o.kind !== "Model" || !o.objective || found.has(o.name.name)) continue;
        if (e.program.find(m, o.base!.name)?.decl === decl) found.set(o.name.name, { decl: o, module: m });
      }
    const parent: ast.Ident | ast.Name | undefined = decl.base ?? aliasTarget(decl);
    of = parent && e.program.find(module, parent.name);
  }
  return found;
}

/**
 * Elaborates a model into `e.builder`; undefined where a mistake (reported) leaves nothing.
 * An objective is elaborated on top of `trained`, where it is given: the model for which it is, or one that extends or presets that.
 */
export function elaborateModel(
  e: Elaborator,
  found: Found,
  outside: OutsideSettings,
  trained?: Found,
): ModelResult | undefined {
  const decl = found.decl as ast.Model;
  if (decl.objective) return elaborateObjective(e, found, trained, outside);
  return elaborateWhole(e, found, outside);
}

/** An objective: the model's names are in scope, its outputs are not put out, and it does not generate. */
function elaborateObjective(
  e: Elaborator,
  found: Found,
  trained: Found | undefined,
  outside: OutsideSettings,
): ModelResult | undefined {
  const made = elaborateWhole(e, found, outside, trained);
  if (!made) return undefined;
  e.builder.grows = undefined;
  for (const { outside: name, value } of e.builder.outputs) {
    const { dtype, axes } = value.type;
    if (dtype === "float" && axes.length === 0) continue;
    e.fail("model/objective-output", { name: name ?? "", type: showType(value.type) }, found.decl.name.span, {
      hint: "take the mean over the places that count: `counted_mean(cross_entropy(logits, labels), labels)`",
    });
  }
  return made;
}

function elaborateWhole(
  e: Elaborator,
  found: Found,
  outside: OutsideSettings,
  trained?: Found,
): ModelResult | undefined {
  const decl = found.decl as ast.Model;
  const known = new Map([...(trained ? settingsOf(e, trained) : []), ...settingsOf(e, found)]);
  for (const [name, o] of outside) {
    if (known.has(name)) continue;
    const close = nearest(name, [...known.keys()]);
    e.fail("setting/unknown", { name, owner: decl.name.name }, o.span ?? decl.name.span, {
      hint: close ? `did you mean ${close}?` : `it takes ${[...known.keys()].join(", ") || "no settings"}`,
    });
  }
  const entered = enter(e, found, outside, [], undefined, true, trained);
  if (!entered) return undefined;
  const settings = [...known.keys()].map((name) => ({ name, text: show(e, entered.frame.lookup(name) ?? NONE) }));
  return { frame: entered.frame, settings, inputDefaults: entered.defaults };
}

interface Entered {
  readonly frame: Frame;
  readonly defaults: Map<string, InputDefault>;
}

/**
 * Enters a model: its base first, in a frame of its own whose names the extension sees. Only the outermost model's outputs
 * are outputs of the graph; those of a base are names, worked out when read.
 */
function enter(
  e: Elaborator,
  found: Found,
  outside: OutsideSettings,
  over: readonly string[],
  site: Span | undefined,
  outermost: boolean,
  trained?: Found,
): Entered | undefined {
  const decl = found.decl as ast.Model;
  if (e.applying.includes(`model:${decl.name.name}`)) {
    e.fail("name/recursive", { name: decl.name.name }, site ?? decl.name.span);
    return undefined;
  }
  e.applying.push(`model:${decl.name.name}`);
  try {
    return decl.meaning.kind === "Alias"
      ? enterAlias(e, found, outside, over, outermost)
      : enterBody(e, found, outside, over, outermost, trained);
  } finally {
    e.applying.pop();
  }
}

function modelNamed(e: Elaborator, module: Module, name: ast.Ident | ast.Name): Found | undefined {
  const found = e.program.find(module, name.name);
  if (found?.decl.kind === "Model") {
    e.used.add(found.decl);
    return found;
  }
  const models = e.program.visible(module).filter((n) => e.program.find(module, n)?.decl.kind === "Model");
  const close = nearest(name.name, models);
  e.fail("model/unknown", { name: name.name }, name.span, {
    hint: close ? `did you mean ${close}?` : "models of a family are seen after `use std.families.NAME`",
    fixes: close ? [{ title: `write ${close}`, span: name.span, replacement: close }] : [],
  });
  return undefined;
}

/** `model llama_2_7b = llama_lm(hidden = 4096)`: a preset. */
function enterAlias(
  e: Elaborator,
  found: Found,
  outside: OutsideSettings,
  over: readonly string[],
  outermost: boolean,
): Entered | undefined {
  const decl = found.decl as ast.Model;
  const value = (decl.meaning as Extract<ast.Meaning, { kind: "Alias" }>).value;
  const name = aliasTarget(decl);
  if (!name) {
    e.fail("model/preset", {}, value.span);
    return undefined;
  }
  const target = modelNamed(e, found.module, name);
  if (!target) return undefined;
  const own = e.frame("model", decl.name.name, found.module, undefined, undefined, undefined, []);
  declareSettings(e, decl, own, outside);
  const settings = new Map<string, Outside>();
  const args = value.kind === "Call" ? value.args : [];
  const known = settingsOf(e, target);
  const names = [...known.keys()];
  for (const [i, arg] of args.entries()) {
    const setting = arg.name?.name ?? names[i];
    if (setting === undefined || !known.has(setting)) {
      const close = setting && nearest(setting, names);
      e.fail("setting/unknown", { name: setting ?? `${i + 1}`, owner: name.name }, arg.span, {
        hint: close ? `did you mean ${close}?` : `it takes ${names.join(", ")}`,
      });
      continue;
    }
    settings.set(setting, { span: arg.span, value: (words) => evaluate(e, arg.value, own, words) });
  }
  for (const [n, o] of outside) if (known.has(n)) settings.set(n, o);
  return enter(e, target, settings, over, decl.name.span, outermost);
}

function enterBody(
  e: Elaborator,
  found: Found,
  outside: OutsideSettings,
  over: readonly string[],
  outermost: boolean,
  trained?: Found,
): Entered | undefined {
  const { decl: named, module } = found;
  const decl = named as ast.Model;
  let base: Entered | undefined;
  if (decl.base) {
    const target = trained ?? modelNamed(e, module, decl.base);
    if (!target) return undefined;
    base = enter(e, target, outside, decl.over ? [...over, decl.over.name] : over, decl.base.span, false);
    if (!base) return undefined;
  }
  const frame = e.frame("model", decl.name.name, module, base?.frame, base?.frame, undefined, []);
  const defaults = base?.defaults ?? new Map<string, InputDefault>();
  declareSettings(e, decl, frame, outside);
  const meaning = decl.meaning as Extract<ast.Meaning, { kind: "Body" }>;
  let outputs = 0;
  for (const s of meaning.statements) {
    if (s.kind === "Input") declareInput(e, s, frame, over, defaults);
    else if (s.kind === "Output") {
      outputs++;
      declareOutput(e, s, frame, outermost);
    } else runStatement(e, s, frame);
  }
  if (outermost && outputs === 0)
    e.fail("model/no-output", { name: decl.name.name }, decl.name.span, { hint: "end it with `output ...`" });
  if (decl.grows) {
    const axis = frame.lookup(decl.grows.name);
    if (axis?.kind === "dim" && axis.axis.size.symbol) e.builder.grows = axis.axis.size.symbol;
    else
      e.fail("model/grows", { name: decl.grows.name }, decl.grows.span, {
        hint: "`grows` names an axis of an input whose size is open, such as seq in `int[batch, seq]`",
      });
  }
  return { frame, defaults };
}

function declareSettings(e: Elaborator, decl: ast.Model, frame: Frame, outside: OutsideSettings): void {
  const title = decl.name.name;
  for (const param of decl.params.items) {
    const name = param.name.name;
    frame.offer(name);
    if (param.type?.base?.name === "block") frame.expectBlock(name);
    frame.set(name, {
      lazy: () => {
        const given = outside.get(name);
        const from = given?.value(wordsOf(param.type));
        if (from && from.kind !== "none") return asSetting(e, param, from, frame, given!.span ?? param.span, title);
        if (param.default)
          return asSetting(
            e,
            param,
            evaluate(e, param.default, frame, wordsOf(param.type)),
            frame,
            param.default.span,
            title,
          );
        if (from?.kind === "none" && param.type?.optional) return NONE;
        return e.fail("setting/missing", { name, owner: title }, param.span, {
          hint: `give it: \`-s ${name}=...\` on the command line, or a default here: \`${name} = ...\``,
        });
      },
    });
  }
  for (const param of decl.params.items) frame.own(param.name.name);
}

/** A whole number is a dimension under the setting's own name, wherever it came from. */
function asSetting(e: Elaborator, param: ast.Param, v: V, frame: Frame, span: Span, title: string): V {
  const fitted = fit(e, param, v, frame, span, title);
  const n = asNumber(fitted);
  if (n === undefined) return fitted;
  const name = param.name.name;
  if (param.type?.base?.name === "float") return { kind: "number", value: n, origin: span };
  if (
    Number.isInteger(n) &&
    n > 0 &&
    n <= Number.MAX_SAFE_INTEGER &&
    (!param.type || param.type.base?.name === "dim")
  ) {
    const origin =
      fitted.kind === "dim"
        ? (fitted.axis.origin ?? span)
        : fitted.kind === "number" && fitted.origin
          ? fitted.origin
          : span;
    return { kind: "dim", axis: { name, size: Size.of(n), origin } };
  }
  if (param.type?.base?.name === "dim") return dimension(e, name, fitted, span);
  return fitted.kind === "number" ? { ...fitted, origin: fitted.origin ?? span } : fitted;
}

/** An input of the model: of the artifact too, if it has no default or is given a name outside, and that is not to be left out. */
function declareInput(
  e: Elaborator,
  s: ast.Input,
  frame: Frame,
  over: readonly string[],
  defaults: Map<string, InputDefault>,
): void {
  const name = s.name.name;
  frame.offer(name);
  const dtype = s.type.base?.name as Dtype | undefined;
  if (dtype !== "int" && dtype !== "float" && dtype !== "bool") {
    e.fail("model/input-type", { name }, s.type.span, {
      hint: "write `int[batch, seq]`, `float[batch, seq, hidden]` or `bool[batch, seq]`",
    });
    frame.set(name, INVALID);
    return;
  }
  const axes: Axis[] = [];
  for (const [i, item] of (s.type.axes ?? []).entries()) {
    if (item.kind === "Rest") {
      e.fail("axis/rest-in-param", {}, item.span);
      continue;
    }
    if (item.kind === "Size" || item.kind === "Sized") {
      const n = asNumber(evaluate(e, item.size, frame));
      const axisName = item.kind === "Sized" ? item.name.name : `size${i}`;
      if (n !== undefined) axes.push({ name: axisName, size: Size.of(n), origin: item.span });
    } else axes.push(...openAxis(e, frame, item));
    if (i === 0)
      for (const extra of over)
        axes.push(...openAxis(e, frame, { kind: "Axis", span: item.span, name: { name: extra, span: item.span } }));
  }
  const twice = axes.find((a, i) => axes.findIndex((b) => b.name === a.name) !== i);
  if (twice) {
    e.fail("axis/twice", { axis: twice.name }, s.type.span);
    frame.set(name, INVALID);
    return;
  }
  if (s.default && (s.outside === undefined || e.byDefault.has(s.outside.value))) {
    const given = s.default;
    frame.set(name, { lazy: () => evaluate(e, given, frame) });
    return;
  }
  const outside = s.outside?.value ?? name;
  if (e.builder.inputs.some((i) => i.outside === outside)) {
    e.fail("model/input-twice", { name: outside }, s.span);
    frame.set(name, INVALID);
    return;
  }
  frame.set(name, tensor(e.builder.input(name, { dtype, axes }, outside, s.span, s.outsideStep?.value)));
  const byDefault = s.default && defaultOf(s.default, e, frame);
  if (byDefault !== undefined) defaults.set(outside, byDefault);
}

/** The axis of an input: a setting's dimension, or one whose size is open. */
function openAxis(e: Elaborator, frame: Frame, item: Extract<ast.AxisPattern, { kind: "Axis" }>): readonly Axis[] {
  const name = item.name.name;
  const known = axesOfName(frame, name);
  if (known && !known.some((a) => a.size.symbol === name)) return known;
  const axis: Axis = { name, size: Size.symbol(name), origin: item.span };
  if (!known) frame.set(name, { kind: "dim", axis });
  if (item.outside) e.builder.sizeNames.set(name, item.outside.value);
  return [axis];
}

function defaultOf(x: ast.Expr, e: Elaborator, frame: Frame): InputDefault | undefined {
  if (x.kind === "Call" && x.callee.kind === "Name" && x.callee.name === "position") return "positions";
  const v = evaluate(e, x, frame);
  if (v.kind === "bool") return v.value ? 1 : 0;
  return asNumber(v);
}

function declareOutput(e: Elaborator, s: ast.Output, frame: Frame, outermost: boolean): void {
  const name = s.name?.name ?? "output";
  const work = (): V => {
    const before = e.letName;
    e.letName = undefined;
    const v = evaluate(e, s.value, frame);
    e.letName = before;
    return v;
  };
  if (!outermost) {
    frame.set(name, { lazy: work });
    return;
  }
  const v = work();
  frame.set(name, v);
  if (v.kind === "invalid") return;
  const given = e.asTensor(v, s.span);
  if (!given) {
    e.fail("model/output-kind", { name, found: describe(v) }, s.value.span);
    return;
  }
  let value = given;
  if (s.type?.axes) {
    const wanted = s.type.axes.flatMap((a) =>
      a.kind === "Axis" ? (axesOfName(frame, a.name.name) ?? [{ name: a.name.name, size: Size.ZERO }]) : [],
    );
    const same =
      wanted.length === value.type.axes.length && wanted.every((a) => value.type.axes.some((b) => b.name === a.name));
    if (!same) {
      e.fail("axis/output", { name, found: showType(value.type) }, s.type.span, {
        hint: `state each of its axes (${value.type.axes.map((x) => x.name).join(", ")}), in the order in which clients are to get them`,
      });
      return;
    }
    value = transposed(
      e,
      value,
      wanted.map((a) => a.name),
      s.span,
    );
  }
  const outside = s.outside?.value ?? name;
  if (e.builder.outputs.some((o) => o.outside === outside)) {
    e.fail("model/output-twice", { name: outside }, s.span, { hint: "outputs of one model have different names" });
    return;
  }
  e.builder.output(name, value, outside);
}

/** A value as the language writes it. */
export function show(e: Elaborator, v: V): string {
  switch (v.kind) {
    case "number":
      return String(v.value);
    case "dim":
      return v.axis.size.toString();
    case "bool":
      return String(v.value);
    case "text":
      return JSON.stringify(v.value);
    case "word":
      return v.value;
    case "list":
      return `[${v.items.map((i) => show(e, i)).join(", ")}]`;
    case "op":
      return v.settings
        ? `${v.name}(${v.settings.args.map((a) => `${a.name ? `${a.name.name} = ` : ""}${show(e, evaluate(e, a.value, v.settings!.frame))}`).join(", ")})`
        : v.name;
    case "block":
      return v.called;
    default:
      return describe(v);
  }
}
