/** @file Settings: which argument goes to which parameter, and what kinds a parameter takes. */
import { nearest } from "../diagnostics/suggest.ts";
import type * as ast from "../syntax/ast.ts";
import { Size } from "../ir/size.ts";
import type { Span } from "../source/source.ts";
import type { Elaborator } from "./elaborator.ts";
import { evaluate } from "./expressions.ts";
import type { Frame } from "./frame.ts";
import { fitTensor } from "./signatures.ts";
import { asNumber, describe, INVALID, isFunction, NONE, type V, type Written } from "./values.ts";

/** An argument bound to a parameter, not yet evaluated. */
export interface Bound {
  readonly expr: ast.Expr;
  readonly frame: Frame;
}

export interface Binding {
  readonly byName: ReadonlyMap<string, Bound>;
  /** Positional arguments of a `dims` parameter. */
  readonly dims: readonly Bound[];
  /** What was not a parameter here and may be one of the block that an alias stands for. */
  readonly left: readonly Written[];
}

/** The types whose words may be written bare. */
export function wordsOf(type: ast.TypeExpr | undefined): readonly string[] | undefined {
  return type?.base && type.alternatives.length > 0
    ? [type.base.name, ...type.alternatives.map((a) => a.name)]
    : undefined;
}

/**
 * Distributes arguments over parameters: positional ones in order, the others by name. With `open` (an alias that ends in
 * `...`) what is left is handed on.
 */
export function bindArguments(
  e: Elaborator,
  written: readonly Written[],
  params: readonly ast.Param[],
  extra: readonly ast.Param[],
  open: boolean,
  title: string,
  site: Span,
): Binding {
  const byName = new Map<string, Bound>();
  const dims: Bound[] = [];
  const left: Written[] = [];
  const named = new Map([...params, ...extra].map((p) => [p.name.name, p]));
  const variadic = params.find((p) => p.type?.base?.name === "dims");
  let next = 0;
  for (const w of written) {
    const over: ast.Arg[] = [];
    for (const arg of w.args) {
      if (arg.name) {
        const known = named.has(arg.name.name);
        if (known && arg.name.name !== variadic?.name.name) {
          if (byName.has(arg.name.name))
            e.fail("setting/twice", { name: arg.name.name, owner: title }, arg.span, {
              hint: "it is set by its place already, or named twice",
            });
          byName.set(arg.name.name, { expr: arg.value, frame: w.frame });
        } else if (open) over.push(arg);
        else if (known) {
          e.fail("setting/dims-by-place", { name: arg.name.name, owner: title }, arg.span);
          dims.push({ expr: arg.value, frame: w.frame });
        } else unknownSetting(e, arg, [...named.keys()], title);
      } else if (variadic) dims.push({ expr: arg.value, frame: w.frame });
      else {
        while (next < params.length && byName.has(params[next]!.name.name)) next++;
        if (next < params.length) byName.set(params[next++]!.name.name, { expr: arg.value, frame: w.frame });
        else if (open) over.push(arg);
        else
          e.fail("setting/too-many", { owner: title, most: params.length }, arg.span, {
            hint:
              params.length > 0
                ? `it takes ${params.map((p) => p.name.name).join(", ")}`
                : `${title} takes no settings`,
          });
      }
    }
    if (over.length > 0) left.push({ args: over, frame: w.frame, span: w.span });
  }
  void site;
  return { byName, dims, left };
}

function unknownSetting(e: Elaborator, arg: ast.Arg, known: readonly string[], title: string): void {
  const close = nearest(arg.name!.name, known);
  e.fail("setting/unknown", { name: arg.name!.name, owner: title }, arg.name!.span, {
    hint: close
      ? `did you mean ${close}?`
      : known.length > 0
        ? `it takes ${known.join(", ")}`
        : `${title} takes no settings`,
    fixes: close ? [{ title: `write ${close}`, span: arg.name!.span, replacement: close }] : [],
  });
}

/** The value of a bound argument, as the parameter takes it. */
export function valueFor(e: Elaborator, param: ast.Param, bound: Bound, frame: Frame, title: string): V {
  const v = evaluate(e, bound.expr, bound.frame, wordsOf(param.type));
  return fit(e, param, v, frame, bound.expr.span, title);
}

/** The kind of thing that a parameter takes: its type's, else its default's. */
function kindOf(param: ast.Param): "number" | "bool" | "text" | "any" {
  if (param.type?.base) {
    const base = param.type.base.name;
    if (base === "float" || base === "int") return "number";
    if (base === "bool") return "bool";
    if (base === "text") return "text";
    return "any";
  }
  if (param.type) return "any";
  switch (param.default?.kind) {
    case "Number":
      return "number";
    case "Bool":
      return "bool";
    case "Text":
      return "text";
    default:
      return "any";
  }
}

/** A value as a parameter takes it: dimensions get a name, kinds are checked, tensors matched against the axes stated. */
export function fit(e: Elaborator, param: ast.Param, v: V, frame: Frame, span: Span, title: string): V {
  const { type } = param;
  const label = param.name.name;
  if (v.kind === "invalid") return v;
  if (v.kind === "none") {
    if (type?.optional || param.default?.kind === "None" || !type) return v;
    return wrongKind(e, label, title, "something", v, span);
  }
  if (type?.base?.name === "dim") return dimension(e, label, v, span);
  if (type?.base?.name === "op")
    return isFunction(v) ? closed(v, frame, span) : wrongKind(e, label, title, "an operator", v, span);
  if (type?.base?.name === "block")
    return v.kind === "block" || v.kind === "repeat" || v.kind === "instance" || v.kind === "pipeline"
      ? v
      : wrongKind(e, label, title, "a block", v, span);
  if (type?.base?.name === "list") return v.kind === "list" ? v : wrongKind(e, label, title, "a list", v, span);
  const words = wordsOf(type);
  if (words) {
    const text = v.kind === "word" || v.kind === "text" ? v.value : undefined;
    if (text !== undefined && words.includes(text)) return { kind: "word", value: text };
    return wrongKind(e, label, title, `one of ${words.join(", ")}`, v, span);
  }
  if (v.kind === "tensor") {
    if (type?.axes) return fitTensor(e, v, type, frame, span, `${title}'s ${label}`);
    for (const axis of v.value.type.axes) frame.meet(axis.name);
    return type ? fitTensor(e, v, type, frame, span, `${title}'s ${label}`) : v;
  }
  const kind = kindOf(param);
  if (kind === "number") {
    const n = asNumber(v);
    if (n === undefined && v.kind !== "dim" && v.kind !== "size")
      return wrongKind(e, label, title, "a number", v, span);
    if (type?.base?.name === "int" && n !== undefined && !Number.isInteger(n))
      return wrongKind(e, label, title, "a whole number", v, span);
  }
  if (kind === "bool" && v.kind !== "bool") return wrongKind(e, label, title, "true or false", v, span);
  if (kind === "text" && v.kind !== "text") return wrongKind(e, label, title, "a text", v, span);
  return v;
}

/** Passed on bare, an operator with two lists has its settings' defaults. */
function closed(v: V, frame: Frame, span: Span): V {
  if (v.kind !== "op" || v.settings || v.meaning.kind !== "declared" || !v.meaning.decl.settings) return v;
  return { ...v, settings: { args: [], frame, span } };
}

function wrongKind(e: Elaborator, name: string, owner: string, expected: string, v: V, span: Span): V {
  return e.fail("setting/kind", { name, owner, expected, found: describe(v) }, span);
}

/** Passed as a dimension, a dimension keeps its name; a number takes the parameter's. */
export function dimension(e: Elaborator, name: string, v: V, span: Span): V {
  if (v.kind === "dim" || v.kind === "invalid") return v;
  if (v.kind === "size") return { kind: "dim", axis: { name, size: v.size, origin: span } };
  const n = asNumber(v);
  if (n === undefined)
    return e.fail("setting/kind", { name, owner: "a dimension", expected: "a size", found: describe(v) }, span);
  if (!Number.isInteger(n) || n < 0 || n > Number.MAX_SAFE_INTEGER)
    return e.fail("setting/not-whole", { name, text: `${n}` }, span);
  return { kind: "dim", axis: { name, size: Size.of(n), origin: span } };
}

/** The axes of a `dims` parameter; at most one may be without a name. */
export function dimensions(e: Elaborator, param: ast.Param, bounds: readonly Bound[], title: string, site: Span): V {
  const items: V[] = [];
  let unnamed = 0;
  for (const bound of bounds) {
    const v = evaluate(e, bound.expr, bound.frame);
    if (v.kind === "invalid") return INVALID;
    if (v.kind === "list") {
      items.push(...v.items);
      continue;
    }
    if (v.kind !== "dim" && ++unnamed > 1)
      return e.fail("setting/unnamed-dims", { owner: title, name: param.name.name }, bound.expr.span);
    const d = dimension(e, param.name.name, v, bound.expr.span);
    if (d.kind === "invalid") return d;
    items.push(d);
  }
  if (items.length === 0)
    return e.fail("setting/missing", { name: param.name.name, owner: title }, site, {
      hint: `write the size: \`${title}(64)\``,
    });
  return { kind: "list", items };
}

export { NONE };
