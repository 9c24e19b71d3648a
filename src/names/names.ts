/**
 * @file Static checks of names in a file: unknown ones wherever they stand (also in blocks that no model applies), and what is
 * declared and never used. What a name means is decided where it is evaluated; this pass only looks.
 */
import { nearest } from "../diagnostics/suggest.ts";
import type { Reporter } from "../diagnostics/diagnostic.ts";
import { BRACKETS, CONSTANTS, FUNCTIONS } from "../elaborate/primitives.ts";
import type { Module, Program } from "../elaborate/program.ts";
import type * as ast from "../syntax/ast.ts";
import { forEachChild, type Node } from "../syntax/walk.ts";

/** The names of one block, op or model: what is known, and what was read. */
export class Scope {
  readonly known = new Map<string, { ident: ast.Ident; kind: "setting" | "let" | "slot" | "other" }>();
  readonly read = new Set<string>();
  /** Every place that declares or reads a name, for editors. */
  readonly places: ast.Ident[] = [];
  /** Names to be looked up once everything of the declaration is known (a name may be bound by a later bracket). */
  readonly pending: ast.Ident[] = [];

  declare(ident: ast.Ident, kind: "setting" | "let" | "slot" | "other"): void {
    if (!this.known.has(ident.name)) this.known.set(ident.name, { ident, kind });
    this.places.push(ident);
  }

  use(ident: ast.Ident): void {
    this.read.add(ident.name);
    this.read.add(ident.name.replace(/'+$/, ""));
    this.places.push(ident);
  }
}

/** Checks one file. Only files of the user's are checked: the library is tested. */
export function checkNames(program: Program, module: Module, reporter: Reporter): void {
  const global = new Set<string>();
  for (const decl of module.syntax.decls) checkDeclaration(program, module, decl, reporter, global);
  if (module.syntax.bare) collectGlobals(module.syntax.bare, global);
  checkUses(module, reporter, global);
}

/** Checks one declaration of a file; adds to `global` what it reads of the names at the top. */
export function checkDeclaration(
  program: Program,
  module: Module,
  decl: ast.Decl,
  reporter: Reporter,
  global: Set<string>,
): void {
  if (decl.kind === "Block" || decl.kind === "Op" || decl.kind === "Model") {
    if (decl.kind === "Model") modelGlobals(decl, global);
    // What an alias names on its right side may be a given of the block that it stands for.
    const lenient = decl.kind === "Block" && decl.meaning.kind === "Alias";
    finish(program, module, decl.name.name, scopeOf(program, module, decl), reporter, global, lenient);
  } else if (decl.kind !== "Use") collectGlobals(decl, global);
}

/** The names of a declaration; of a model that extends another, those of its base too. */
export function scopeOf(program: Program, module: Module, decl: ast.Block | ast.Op | ast.Model): Scope {
  const scope = new Scope();
  if (decl.kind === "Block") visitBlock(decl, scope);
  else if (decl.kind === "Op") visitOp(decl, scope);
  else visitModel(program, module, decl, scope);
  return scope;
}

/** Says which of a file's `use` lines nothing needs; `global` are the names that the whole file reads at the top. */
export function checkUses(module: Module, reporter: Reporter, global: ReadonlySet<string>): void {
  for (const { use, module: used } of module.uses) {
    const needed =
      [...used.own.keys()].some((name) => global.has(name)) || (used.checkpoints.length > 0 && !used.file.library);
    if (!needed)
      reporter.report("name/unused-use", { name: used.name }, use.span, {
        fixes: [{ title: "take it out", span: use.span, replacement: "" }],
      });
  }
}

export function collectGlobals(node: Node, into: Set<string>): void {
  if (node.kind === "Name") into.add((node as ast.Name).name);
  if (node.kind === "Checkpoint") into.add((node as ast.Checkpoint).model.name);
  if (node.kind === "Class") into.add((node as unknown as { model: ast.Ident }).model.name);
  forEachChild(node, (child) => collectGlobals(child, into));
}

function visitBlock(decl: ast.Block, scope: Scope): void {
  // A setting of a block with slots may be meant for a `given` of what fills them.
  for (const p of decl.params.items) scope.declare(p.name, decl.slots.items.length > 0 ? "other" : "setting");
  for (const p of decl.given) scope.declare(p.name, "other");
  for (const s of decl.slots.items) scope.declare(s.name, "slot");
  visitAll([...decl.params.items, ...decl.given], scope);
  for (const s of decl.slots.items) if (s.default) look(s.default, scope);
  visitMeaning(decl.meaning, scope);
}

function visitOp(decl: ast.Op, scope: Scope): void {
  for (const p of decl.settings?.items ?? []) scope.declare(p.name, "setting");
  for (const p of [...decl.operands.items, ...decl.given]) scope.declare(p.name, "other");
  visitAll([...(decl.settings?.items ?? []), ...decl.operands.items, ...decl.given], scope);
  visitMeaning(decl.meaning, scope);
}

/** What a model names of the top beside its expressions: its base, and the model that a preset stands for. */
function modelGlobals(decl: ast.Model, global: Set<string>): void {
  if (decl.base) global.add(decl.base.name);
  if (decl.meaning.kind === "Body") return;
  const { value } = decl.meaning;
  collectGlobals(value.kind === "Call" ? value.callee : value, global);
}

function visitModel(program: Program, module: Module, decl: ast.Model, scope: Scope): void {
  // Settings of a model may be meant for a `given` of any block in it: they are never called unused.
  for (const p of decl.params.items) scope.declare(p.name, "other");
  for (const name of inherited(program, module, decl)) scope.declare({ name, span: decl.span }, "other");
  if (decl.over) scope.declare(decl.over, "other");
  visitAll(decl.params.items, scope);
  // The model that a preset names is looked up where it is elaborated.
  if (decl.meaning.kind === "Body") visitMeaning(decl.meaning, scope);
  else if (decl.meaning.value.kind === "Call") for (const arg of decl.meaning.value.args) look(arg.value, scope);
  if (decl.grows) scope.use(decl.grows);
}

/** Every name that an extension sees of its base. */
function inherited(program: Program, module: Module, decl: ast.Model, depth = 0): readonly string[] {
  const names: string[] = [];
  const value = decl.meaning.kind === "Alias" ? decl.meaning.value : undefined;
  const head = value?.kind === "Call" ? value.callee : value;
  const parent = decl.base?.name ?? (head?.kind === "Name" ? head.name : undefined);
  const found = parent === undefined ? undefined : program.find(module, parent);
  if (!found || found.decl.kind !== "Model" || depth > 20) return names;
  const scope = new Scope();
  for (const p of found.decl.params.items) scope.declare(p.name, "other");
  visitMeaning(found.decl.meaning, scope);
  return [...scope.known.keys(), ...inherited(program, found.module, found.decl, depth + 1)];
}

function visitAll(params: readonly ast.Param[], scope: Scope): void {
  for (const p of params) {
    if (p.type) lookType(p.type, scope);
    if (p.default) look(p.default, scope);
  }
}

function visitMeaning(meaning: ast.Meaning, scope: Scope): void {
  if (meaning.kind === "Alias") {
    look(meaning.value, scope);
    return;
  }
  for (const s of meaning.statements) {
    switch (s.kind) {
      case "Input":
        scope.declare(s.name, "other");
        lookType(s.type, scope);
        if (s.default) look(s.default, scope);
        break;
      case "Param":
        scope.declare(s.name, "other");
        lookType(s.type, scope);
        if (s.initial && !isInitialiser(s.initial)) look(s.initial, scope);
        break;
      case "Dim":
        scope.declare(s.name, "other");
        look(s.size, scope);
        break;
      case "Let":
        for (const n of s.names) if (n.name !== "_") scope.declare(n, "let");
        look(s.value, scope);
        break;
      case "Output":
        if (s.name) scope.declare(s.name, "other");
        look(s.value, scope);
        break;
    }
  }
}

function isInitialiser(x: ast.Expr): boolean {
  if (x.kind === "Name") return x.name === "zeros" || x.name === "ones";
  return x.kind === "Call" && x.callee.kind === "Name" && (x.callee.name === "normal" || x.callee.name === "constant");
}

function lookType(type: ast.TypeExpr, scope: Scope): void {
  for (const axis of type.axes ?? []) {
    if (axis.kind === "Axis") {
      scope.declare({ name: axis.name.name.replace(/'+$/, ""), span: axis.name.span }, "other");
      scope.use(axis.name);
    } else if (axis.kind === "Sized") {
      scope.declare(axis.name, "other");
      look(axis.size, scope);
    } else if (axis.kind === "Size") look(axis.size, scope);
  }
}

/** Names read by an expression; names of axes in brackets are dimensions from there on. */
function look(x: Node, scope: Scope): void {
  switch (x.kind) {
    case "Name": {
      const name = x as ast.Name;
      scope.use(name);
      scope.pending.push(name);
      return;
    }
    case "Index":
      look((x as ast.Index).object, scope);
      for (const item of (x as ast.Index).items) lookBracket(item, scope);
      return;
    case "List":
      for (const item of (x as ast.List).items)
        item.kind === "Pipe" ? lookBracket({ value: item, span: item.span }, scope) : look(item, scope);
      return;
    case "Call":
      look((x as ast.Call).callee, scope);
      for (const arg of (x as ast.Call).args)
        arg.name?.name === "over" ? lookAxes(arg.value, scope) : look(arg.value, scope);
      return;
    case "Fill":
      look((x as ast.Fill).callee, scope);
      for (const arg of (x as ast.Fill).fillers) look(arg.value, scope);
      return;
    case "Match":
      look((x as ast.Match).subject, scope);
      for (const arm of (x as ast.Match).arms) look(arm.value, scope);
      return;
    case "Binary": {
      const b = x as ast.Binary;
      look(b.left, scope);
      // The right side of `order == pre` may be a word of the left side's type.
      if ((b.op === "==" || b.op === "!=") && b.right.kind === "Name") scope.use(b.right);
      else look(b.right, scope);
      return;
    }
    case "For":
      scope.declare((x as ast.For).binding.name, "other");
      forEachChild(x, (child) => look(child, scope));
      return;
    default:
      forEachChild(x, (child) => look(child, scope));
  }
}

function lookBracket(item: ast.Arg, scope: Scope): void {
  if (item.name) {
    scope.use(item.name);
    look(item.value, scope);
    return;
  }
  if (item.value.kind === "Pipe") {
    lookAxes(item.value.input, scope);
    lookAxes(item.value.stage, scope);
  } else if (item.value.kind === "Name") lookAxes(item.value, scope);
  else look(item.value, scope);
}

/** Names of axes: known, or new from here on. */
function lookAxes(x: ast.Expr, scope: Scope): void {
  if (x.kind === "Name") {
    scope.use(x);
    scope.declare({ name: x.name, span: x.span }, "other");
  } else if (x.kind === "Paren") {
    for (const i of x.items) {
      if (i.name) {
        scope.declare(i.name, "other");
        look(i.value, scope);
      } else lookAxes(i.value, scope);
    }
  } else if (x.kind === "Binary") {
    lookAxes(x.left, scope);
    lookAxes(x.right, scope);
  } else look(x, scope);
}

function finish(
  program: Program,
  module: Module,
  title: string,
  scope: Scope,
  reporter: Reporter,
  global: Set<string>,
  lenient: boolean,
): void {
  for (const name of scope.pending) {
    if (scope.known.has(name.name) || scope.known.has(name.name.replace(/'+$/, ""))) continue;
    global.add(name.name);
    if (
      program.find(module, name.name) ||
      FUNCTIONS.has(name.name) ||
      BRACKETS.has(name.name) ||
      CONSTANTS.has(name.name)
    )
      continue;
    // Words of a choice and givens of an alias's target are known only where they are evaluated.
    if (lenient || name.name === "layer" || name.name === "_" || isWord(program, name.name)) continue;
    const close = nearest(name.name, [
      ...scope.known.keys(),
      ...program.visible(module),
      ...FUNCTIONS.keys(),
      ...BRACKETS.keys(),
    ]);
    reporter.report("name/unknown", { name: name.name }, name.span, {
      hint: close ? `did you mean ${close}?` : undefined,
      fixes: close ? [{ title: `write ${close}`, span: name.span, replacement: close }] : [],
    });
  }
  for (const [name, { ident, kind }] of scope.known) {
    if (kind === "let" && FUNCTIONS.has(name))
      reporter.report("name/shadowed", { name, by: "an operator" }, ident.span);
    else if (kind === "let" && program.find(module, name))
      reporter.report("name/shadowed", { name, by: "a declaration" }, ident.span);
    if (kind === "other" || scope.read.has(name)) continue;
    if (kind === "let") reporter.report("name/unused-let", { name }, ident.span);
    if (kind === "setting" && !lenient) reporter.report("name/unused-setting", { name, owner: title }, ident.span);
    if (kind === "slot" && !lenient) reporter.report("name/unused-slot", { name, owner: title }, ident.span);
  }
}

const words = new WeakMap<Program, Set<string>>();

/** True of a word of any choice type that the program declares. */
function isWord(program: Program, name: string): boolean {
  let all = words.get(program);
  if (!all) {
    all = new Set();
    for (const module of program.modules.values())
      for (const decl of module.own.values()) {
        const params =
          decl.kind === "Op" ? [...(decl.settings?.items ?? []), ...decl.operands.items] : decl.params.items;
        for (const p of params)
          if (p.type?.base && p.type.alternatives.length > 0)
            for (const w of [p.type.base, ...p.type.alternatives]) all.add(w.name);
      }
    words.set(program, all);
  }
  return all.has(name);
}
