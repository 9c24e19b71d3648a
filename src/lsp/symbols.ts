/**
 * @file What every name in a declaration stands for: the places that `names/` has found, with those that it does not look at
 * (arguments and slots by name, bases, what a preset stands for), each with the declaration that it means.
 */
import { BRACKETS, CONSTANTS, FUNCTIONS } from "../elaborate/primitives.ts";
import type { Module, Named } from "../elaborate/program.ts";
import { scopeOf, type Scope } from "../names/names.ts";
import { type Span, textOf } from "../source/source.ts";
import type * as ast from "../syntax/ast.ts";
import { forEachChild, type Node } from "../syntax/walk.ts";
import type { Analysis } from "./analysis.ts";

export type SymbolKind =
  | "model"
  | "block"
  | "op"
  | "setting"
  | "given"
  | "operand"
  | "slot"
  | "input"
  | "weight"
  | "dimension"
  | "let"
  | "output"
  | "axis"
  | "primitive";

/** What a name stands for. */
export interface Meaning {
  readonly name: string;
  readonly kind: SymbolKind;
  /** Where it is declared; absent of what the language begins with. */
  readonly ident?: ast.Ident;
  /** The declaration that it is, or stands in. */
  readonly decl?: ast.Decl;
  readonly module?: Module;
  /** The setting, slot or statement that declares it. */
  readonly node?: ast.Param | ast.Slot | ast.Statement;
}

export interface Occurrence {
  readonly name: string;
  readonly span: Span;
  readonly meaning?: Meaning;
}

export function sameMeaning(a: Meaning, b: Meaning): boolean {
  if (!a.ident || !b.ident) return a.ident === b.ident && a.name === b.name && a.kind === b.kind;
  return a.ident.span.file === b.ident.span.file && a.ident.span.start === b.ident.span.start;
}

/** `in'` is a place of `in`. */
export const withoutPrimes = (name: string): string => name.replace(/'+$/, "");

const CACHE = new WeakMap<Analysis, Map<object, readonly Occurrence[]>>();

/** Every name in a declaration (or a bare expression) of some module. */
export function occurrencesIn(analysis: Analysis, module: Module, decl: ast.Decl | ast.Expr): readonly Occurrence[] {
  let known = CACHE.get(analysis);
  if (!known) CACHE.set(analysis, (known = new Map()));
  let found = known.get(decl);
  if (!found) known.set(decl, (found = new Finder(analysis, module, decl).run()));
  return found;
}

/** The name at an offset of the document. */
export function occurrenceAt(analysis: Analysis, offset: number): Occurrence | undefined {
  const { chunk, start } = analysis.chunkAt(offset);
  const at = offset - start;
  const all = roots(chunk.syntax).flatMap((root) => occurrencesIn(analysis, analysis.main, root));
  return all.find((o) => o.span.file === chunk.file && o.span.start <= at && at <= o.span.end);
}

export function roots(file: ast.File): readonly (ast.Decl | ast.Expr)[] {
  return file.bare ? [file.bare] : file.decls;
}

/** What a name at the top means in a module. */
export function topMeaning(analysis: Analysis, module: Module, name: string): Meaning | undefined {
  const found = analysis.program.find(module, name);
  if (found) return meaningOfDecl(found.decl, found.module);
  if (FUNCTIONS.has(name) || BRACKETS.has(name) || CONSTANTS.has(name)) return { name, kind: "primitive" };
  return undefined;
}

export function meaningOfDecl(decl: Named, module: Module): Meaning {
  const kind = decl.kind === "Model" ? "model" : decl.kind === "Block" ? "block" : "op";
  return { name: decl.name.name, kind, ident: decl.name, decl, module };
}

/** A setting, given, operand or slot of what is called, also of what an alias stands for. */
export function parameterOf(analysis: Analysis, of: Meaning, name: string, depth = 0): Meaning | undefined {
  return parametersOf(analysis, of, depth).find((m) => m.name === name);
}

/** All that can be given to a block, operator or model by name; of an alias also what it hands on. */
export function parametersOf(analysis: Analysis, of: Meaning, depth = 0): readonly Meaning[] {
  const { decl, module } = of;
  if (!decl || !module || depth > 20) return [];
  const all: Meaning[] = [];
  const add = (kind: SymbolKind, node: ast.Param | ast.Slot): void => {
    if (!all.some((m) => m.name === node.name.name))
      all.push({ name: node.name.name, kind, ident: node.name, decl, module, node });
  };
  if (decl.kind === "Block") {
    for (const p of decl.params.items) add("setting", p);
    for (const p of decl.given) add("given", p);
    for (const s of decl.slots.items) add("slot", s);
  } else if (decl.kind === "Op") {
    for (const p of decl.settings?.items ?? []) add("setting", p);
    for (const p of decl.operands.items) add("operand", p);
    for (const p of decl.given) add("given", p);
  } else if (decl.kind === "Model") for (const p of decl.params.items) add("setting", p);
  else return all;
  const next =
    decl.kind === "Model" && decl.base
      ? topMeaning(analysis, module, decl.base.name)
      : decl.meaning.kind === "Alias"
        ? calleeOf(analysis, module, decl.meaning.value, undefined, depth + 1)
        : undefined;
  for (const m of next ? parametersOf(analysis, next, depth + 1) : [])
    if (!all.some((o) => o.name === m.name)) all.push(m);
  return all;
}

/** The block, operator or model that an expression applies: of `decoder(post) x12 < ... >` the block `decoder`. */
export function calleeOf(
  analysis: Analysis,
  module: Module,
  x: ast.Expr,
  around: ast.Decl | undefined,
  depth = 0,
): Meaning | undefined {
  if (depth > 30) return undefined;
  switch (x.kind) {
    case "Name": {
      const bound = around && letOf(around, x.name);
      if (bound && bound.value !== x) return calleeOf(analysis, module, bound.value, undefined, depth + 1);
      return topMeaning(analysis, module, x.name);
    }
    case "Call":
    case "Fill":
      return calleeOf(analysis, module, x.callee, around, depth + 1);
    case "Repeat":
    case "New":
    case "Label":
      return calleeOf(analysis, module, x.body, around, depth + 1);
    case "Paren":
      return x.items.length === 1 ? calleeOf(analysis, module, x.items[0]!.value, around, depth + 1) : undefined;
    case "Index":
      return calleeOf(analysis, module, x.object, around, depth + 1);
    default:
      return undefined;
  }
}

function letOf(decl: ast.Decl, name: string): ast.Let | undefined {
  for (const s of statementsOf(decl)) if (s.kind === "Let" && s.names.some((n) => n.name === name)) return s;
  return undefined;
}

export function statementsOf(decl: ast.Decl): readonly ast.Statement[] {
  return (decl.kind === "Block" || decl.kind === "Op" || decl.kind === "Model") && decl.meaning.kind === "Body"
    ? decl.meaning.statements
    : [];
}

class Finder {
  private readonly found: Occurrence[] = [];
  private readonly seen = new Set<number>();
  private readonly around: ast.Decl | undefined;

  constructor(
    private readonly analysis: Analysis,
    private readonly module: Module,
    private readonly root: ast.Decl | ast.Expr,
  ) {
    this.around = isDecl(root) ? root : undefined;
  }

  run(): readonly Occurrence[] {
    const { root } = this;
    if (isDecl(root)) {
      if (root.kind === "Block" || root.kind === "Op" || root.kind === "Model") this.named(root);
      else if (root.kind === "Law" || root.kind === "Rewrite") this.law(root);
      else if (root.kind === "Checkpoint") this.add(root.model, this.top(root.model.name));
    }
    this.walk(root, undefined);
    return this.found.sort((a, b) => a.span.start - b.span.start);
  }

  private add(ident: ast.Ident, meaning: Meaning | undefined): void {
    // A hole has a place and no text; what a base declares has the place of the whole.
    if (textOf(ident.span) !== ident.name || this.seen.has(ident.span.start)) return;
    this.seen.add(ident.span.start);
    this.found.push({ name: ident.name, span: ident.span, ...(meaning ? { meaning } : {}) });
  }

  private top(name: string): Meaning | undefined {
    return topMeaning(this.analysis, this.module, name);
  }

  private named(decl: ast.Block | ast.Op | ast.Model): void {
    this.add(decl.name, meaningOfDecl(decl, this.module));
    if (decl.kind === "Model" && decl.base) this.add(decl.base, this.top(decl.base.name));
    const scope = scopeOf(this.analysis.program, this.module, decl);
    for (const ident of scope.places)
      this.add(ident, localMeaning(this.analysis, this.module, decl, scope, ident.name));
  }

  private law(decl: ast.Law | ast.Rewrite): void {
    const locals = new Map<string, Meaning>();
    const declare = (ident: ast.Ident, kind: SymbolKind, node?: ast.Param): void => {
      if (!locals.has(ident.name))
        locals.set(ident.name, { name: ident.name, kind, ident, decl, module: this.module, ...(node ? { node } : {}) });
      this.add(ident, locals.get(ident.name));
    };
    for (const p of decl.operands.items) {
      declare(p.name, "operand", p);
      for (const axis of p.type?.axes ?? []) if (axis.kind === "Axis") declare(axis.name, "axis");
    }
    if (decl.kind === "Law") for (const b of decl.bindings) declare(b.name, "dimension");
    this.locals = locals;
  }

  private locals: ReadonlyMap<string, Meaning> | undefined;

  private walk(x: Node, callee: Meaning | undefined): void {
    switch (x.kind) {
      case "Name": {
        const name = x as ast.Name;
        this.add(name, this.locals?.get(withoutPrimes(name.name)) ?? this.top(name.name));
        return;
      }
      case "Call": {
        const { callee: head, args } = x as ast.Call;
        const applied = calleeOf(this.analysis, this.module, head, this.around);
        this.walk(head, undefined);
        for (const arg of args) this.argument(arg, applied);
        return;
      }
      case "Fill": {
        const { callee: head, fillers } = x as ast.Fill;
        const applied = calleeOf(this.analysis, this.module, head, this.around);
        this.walk(head, undefined);
        for (const arg of fillers) this.argument(arg, applied);
        return;
      }
      case "Class":
        this.add(
          (x as unknown as { model: ast.Ident }).model,
          this.top((x as unknown as { model: ast.Ident }).model.name),
        );
        forEachChild(x, (child) => this.walk(child, callee));
        return;
      default:
        forEachChild(x, (child) => this.walk(child, callee));
    }
  }

  private argument(arg: ast.Arg, applied: Meaning | undefined): void {
    if (arg.name && arg.name.name !== "over")
      this.add(arg.name, applied && parameterOf(this.analysis, applied, arg.name.name));
    this.walk(arg.value, undefined);
  }
}

const DECLS: ReadonlySet<string> = new Set(["Use", "Model", "Block", "Op", "Checkpoint", "Law", "Rewrite"]);
const isDecl = (x: ast.Decl | ast.Expr): x is ast.Decl => DECLS.has(x.kind);

/** What a name means inside a declaration: its own, its base's, else what it means at the top. */
export function localMeaning(
  analysis: Analysis,
  module: Module,
  decl: ast.Block | ast.Op | ast.Model,
  scope: Scope,
  written: string,
  depth = 0,
): Meaning | undefined {
  const base = withoutPrimes(written);
  const known = scope.known.get(written) ?? scope.known.get(base);
  if (!known) return topMeaning(analysis, module, written);
  const { ident } = known;
  if (ident.span === decl.span) return inheritedMeaning(analysis, module, decl, base, depth);
  return { name: ident.name, ident, decl, module, ...declaredBy(decl, ident) };
}

/** A name that an extension or a preset has from its base. */
function inheritedMeaning(
  analysis: Analysis,
  module: Module,
  decl: ast.Block | ast.Op | ast.Model,
  name: string,
  depth: number,
): Meaning | undefined {
  if (decl.kind !== "Model" || depth > 20) return undefined;
  const parent = decl.base
    ? topMeaning(analysis, module, decl.base.name)
    : decl.meaning.kind === "Alias"
      ? calleeOf(analysis, module, decl.meaning.value, undefined)
      : undefined;
  if (parent?.decl?.kind !== "Model" || !parent.module) return undefined;
  const scope = scopeOf(analysis.program, parent.module, parent.decl);
  return localMeaning(analysis, parent.module, parent.decl, scope, name, depth + 1);
}

function declaredBy(decl: ast.Block | ast.Op | ast.Model, ident: ast.Ident): Pick<Meaning, "kind" | "node"> {
  const is = (i: ast.Ident | undefined): boolean => i?.span.start === ident.span.start;
  const param = (list: readonly ast.Param[]): ast.Param | undefined => list.find((p) => is(p.name));
  const setting = param(decl.kind === "Op" ? (decl.settings?.items ?? []) : decl.params.items);
  if (setting) return { kind: "setting", node: setting };
  if (decl.kind !== "Model") {
    const given = param(decl.given);
    if (given) return { kind: "given", node: given };
  }
  if (decl.kind === "Op") {
    const operand = param(decl.operands.items);
    if (operand) return { kind: "operand", node: operand };
  }
  const slot = decl.kind === "Block" ? decl.slots.items.find((s) => is(s.name)) : undefined;
  if (slot) return { kind: "slot", node: slot };
  for (const s of statementsOf(decl)) {
    if (s.kind === "Let") {
      if (s.names.some(is)) return { kind: "let", node: s };
    } else if (is(s.name)) return { kind: KIND_OF[s.kind], node: s };
  }
  return { kind: "axis" };
}

const KIND_OF = { Input: "input", Param: "weight", Dim: "dimension", Output: "output" } as const;
