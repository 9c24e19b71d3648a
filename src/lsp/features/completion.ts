/** @file Completion: what can stand at the cursor, the likeliest first. */
import { CompletionItemKind, InsertTextFormat, MarkupKind, type CompletionItem } from "vscode-languageserver-types";
import * as T from "../../../grammar/tokens.ts";
import { BRACKETS, CONSTANTS, FUNCTIONS } from "../../elaborate/primitives.ts";
import { scopeOf } from "../../names/names.ts";
import type * as ast from "../../syntax/ast.ts";
import type { Analysis } from "../analysis.ts";
import { cursorAt, type Cursor, type Opened } from "../cursor.ts";
import {
  calleeOf,
  localMeaning,
  parametersOf,
  statementsOf,
  topMeaning,
  withoutPrimes,
  type Meaning,
  type SymbolKind,
} from "../symbols.ts";
import type { View } from "../view.ts";
import { code, codeOf, docOf, roleOf } from "./describe.ts";

export function completion(view: View, offset: number): CompletionItem[] {
  // A half-typed declaration has no name yet.
  return candidates(view, offset).filter((item) => item.label !== "");
}

function candidates({ analysis }: View, offset: number): CompletionItem[] {
  const cursor = cursorAt(analysis, offset);
  if (cursor.quiet) return [];
  const { tokens, open } = cursor;
  const before = tokens[tokens.length - 1];
  const inner = open[open.length - 1];
  if (before?.tokenType === T.Use || isInUse(cursor)) return modules(analysis, cursor);
  if (before?.tokenType === T.Dot) return members(analysis, cursor);
  if (!inner) return atTop(analysis, cursor);
  if (inner.bracket === "{") return inBody(analysis, cursor);
  if (before?.tokenType === T.Colon && !inner.callee) return types();
  if (inner.bracket === "<") return inSlots(analysis, cursor, inner);
  if (inner.bracket === "[") return inBrackets(analysis, cursor);
  return inParens(analysis, cursor, inner);
}

// ── Items ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

const KINDS: Readonly<Record<SymbolKind, CompletionItemKind>> = {
  model: CompletionItemKind.Class,
  block: CompletionItemKind.Struct,
  op: CompletionItemKind.Function,
  setting: CompletionItemKind.Property,
  given: CompletionItemKind.Property,
  operand: CompletionItemKind.Variable,
  slot: CompletionItemKind.Property,
  input: CompletionItemKind.Variable,
  weight: CompletionItemKind.Field,
  dimension: CompletionItemKind.Constant,
  let: CompletionItemKind.Variable,
  output: CompletionItemKind.Variable,
  axis: CompletionItemKind.Constant,
  primitive: CompletionItemKind.Function,
};

/** Rank 0 comes first. */
function itemOf(meaning: Meaning, rank: number, text = meaning.name): CompletionItem {
  const doc = docOf(meaning);
  return {
    label: text.trim(),
    insertText: text,
    filterText: meaning.name,
    kind: KINDS[meaning.kind],
    detail: roleOf(meaning),
    documentation: { kind: MarkupKind.Markdown, value: `${code(codeOf(meaning))}${doc ? `\n${doc}` : ""}` },
    sortText: `${rank}${meaning.name}`,
  };
}

function word(label: string, rank: number, detail = "word of the language"): CompletionItem {
  return { label, kind: CompletionItemKind.Keyword, detail, sortText: `${rank}${label}` };
}

function snippet(label: string, insertText: string, detail: string): CompletionItem {
  return {
    label,
    insertText,
    insertTextFormat: InsertTextFormat.Snippet,
    kind: CompletionItemKind.Snippet,
    detail,
    sortText: `0${label}`,
  };
}

const wordsOf = (types: readonly T.TokenType[], rank: number): CompletionItem[] =>
  types.map((t) => word((t.PATTERN as RegExp).source, rank));

/** Names of the declaration at the cursor. */
function locals(analysis: Analysis, decl: ast.Decl | undefined): Meaning[] {
  if (decl?.kind !== "Block" && decl?.kind !== "Op" && decl?.kind !== "Model") return [];
  const scope = scopeOf(analysis.program, analysis.main, decl);
  const names = new Set([...scope.known.keys()].map(withoutPrimes));
  names.delete("");
  return [...names].flatMap((name) => localMeaning(analysis, analysis.main, decl, scope, name) ?? []);
}

function tops(analysis: Analysis): Meaning[] {
  const names = new Set(analysis.program.visible(analysis.main));
  return [...names].flatMap((name) => topMeaning(analysis, analysis.main, name) ?? []);
}

function primitives(): Meaning[] {
  return [...FUNCTIONS.keys(), ...BRACKETS.keys(), ...CONSTANTS.keys()].map((name) => ({ name, kind: "primitive" }));
}

/** What can stand where a value is wanted; after `->` what can be applied comes first. */
function values(analysis: Analysis, cursor: Cursor): CompletionItem[] {
  const afterArrow = cursor.tokens[cursor.tokens.length - 1]?.tokenType === T.Arrow;
  const own = locals(analysis, cursor.decl);
  const names = new Set(own.map((m) => m.name));
  return [
    ...own.map((m) => itemOf(m, afterArrow && m.kind !== "let" && m.kind !== "slot" ? 2 : 1)),
    ...tops(analysis)
      .filter((m) => m.kind !== "model" && !names.has(m.name))
      .map((m) => itemOf(m, afterArrow ? 1 : 2)),
    ...primitives().map((m) => itemOf(m, 3)),
    ...wordsOf([T.If, T.Match, T.New, T.Not, T.True, T.False, T.None], 4),
  ];
}

// ── Places ────────────────────────────────────────────────────────────────────────────────────────────────────────────

function isInUse({ tokens }: Cursor): boolean {
  let i = tokens.length - 1;
  while (i >= 0 && (tokens[i]!.tokenType === T.Dot || /^[A-Za-z_]\w*$/.test(tokens[i]!.image))) {
    if (tokens[i]!.tokenType === T.Use) return true;
    i--;
  }
  return false;
}

function modules(analysis: Analysis, { tokens }: Cursor): CompletionItem[] {
  const from = tokens.findLastIndex((t) => t.tokenType === T.Use) + 1;
  const written = tokens
    .slice(from)
    .map((t) => t.image)
    .join("");
  return analysis.library
    .modules()
    .filter((name) => name.startsWith(written))
    .map((name) => ({
      label: name,
      insertText: name.slice(written.length),
      filterText: name.slice(written.length),
      kind: CompletionItemKind.Module,
      detail: "module of the library",
    }));
}

/** After a dot: the weights of an instance, the results that a name stands for. */
function members(analysis: Analysis, { tokens, decl }: Cursor): CompletionItem[] {
  const name = tokens[tokens.length - 2]?.image;
  if (name === undefined) return [];
  const bound = decl && statementsOf(decl).find((s) => s.kind === "Let" && s.names.some((n) => n.name === name));
  const value = bound?.kind === "Let" ? bound.value : undefined;
  const meaning = value && calleeOf(analysis, analysis.main, value, decl);
  return meaning ? weightsOf(analysis, meaning, 0) : [];
}

function weightsOf(analysis: Analysis, meaning: Meaning, depth: number): CompletionItem[] {
  const { decl, module } = meaning;
  if (!decl || !module || depth > 20) return [];
  if (decl.kind === "Block" && decl.meaning.kind === "Alias") {
    const next = calleeOf(analysis, module, decl.meaning.value, undefined);
    return next ? weightsOf(analysis, next, depth + 1) : [];
  }
  return statementsOf(decl).flatMap((node): CompletionItem[] => {
    if (node.kind === "Param") {
      const name = node.outside?.value ?? node.name.name;
      return [itemOf({ name, kind: "weight", ident: node.name, decl, module, node }, 0)];
    }
    return node.kind === "Output" && node.name
      ? [itemOf({ name: node.name.name, kind: "output", ident: node.name, decl, module, node }, 1)]
      : [];
  });
}

function atTop(analysis: Analysis, cursor: Cursor): CompletionItem[] {
  const { tokens } = cursor;
  const before = tokens[tokens.length - 1];
  const begins = tokens.findLast((t) => T.declarationWords.includes(t.tokenType));
  if (before?.tokenType === T.Extends || before?.tokenType === T.For || isPresetOf(tokens))
    return tops(analysis)
      .filter((m) => m.kind === "model")
      .map((m) => itemOf(m, 0));
  if (before?.tokenType === T.Colon) return roles(analysis).map((r) => word(r, 0, "role"));
  if (before?.tokenType === T.Grows) return locals(analysis, cursor.decl).map((m) => itemOf(m, 0));
  const words = wordsOf(T.declarationWords, 1);
  const heads = begins ? wordsOf([T.Given, T.Extends, T.Grows, T.When], 2) : [];
  const isValue = before !== undefined && (before.tokenType === T.Equal || before.tokenType === T.Arrow);
  // A text without a declaration is one expression.
  const expression = isValue || !begins ? values(analysis, cursor) : [];
  return [...(isValue ? [] : [...SNIPPETS, ...words, ...heads]), ...expression];
}

const isPresetOf = (tokens: readonly T.IToken[]): boolean =>
  tokens[tokens.length - 1]?.tokenType === T.Equal &&
  tokens.findLast((t) => T.declarationWords.includes(t.tokenType))?.tokenType === T.Model;

const SNIPPETS: readonly CompletionItem[] = [
  snippet(
    "model",
    'model ${1:name}(vocab = ${2:1000}, hidden = ${3:64}, heads = ${4:4}, layers = ${5:2}) {\n  input tokens as "input_ids": int[batch, seq]\n\n  output ${6:logits} = tokens\n    -> $0\n}',
    "a model with an input and an output",
  ),
  snippet("block", "block ${1:name}(${2}) {\n  input x: [..., ${3:hidden}]\n  output x$0\n}", "a block with an input"),
  snippet("op", "op ${1:name}(${2:x}) = $0", "an operator"),
  snippet("law", 'law "${1:what is equal}" { $2 == $0 }', "an equation to be tested"),
];

function roles(analysis: Analysis): readonly string[] {
  const all = new Set<string>();
  for (const module of analysis.program.modules.values())
    for (const decl of module.own.values()) {
      if (decl.kind !== "Block") continue;
      if (decl.role) all.add(decl.role.name);
      for (const s of decl.slots.items) if (s.role) all.add(s.role.name);
    }
  return [...all].sort();
}

const types = (): CompletionItem[] =>
  ["int", "float", "bool", "text", "list", "dim", "dims", "op", "block"].map((t) => word(t, 0, "type"));

function inBody(analysis: Analysis, cursor: Cursor): CompletionItem[] {
  const { tokens } = cursor;
  const before = tokens[tokens.length - 1]!;
  const isTyped =
    before.tokenType === T.Colon && T.statementWords.includes(tokens[tokens.length - 3]?.tokenType ?? T.Comma);
  if (isTyped) return types();
  const wantsValue =
    before.tokenType === T.Equal ||
    before.tokenType === T.Arrow ||
    (before.tokenType.CATEGORIES ?? []).includes(T.Infix);
  const statements = wantsValue ? [] : wordsOf(T.statementWords, 0);
  return [...statements, ...values(analysis, cursor)];
}

/** Blocks whose role a slot still wants come first, then names of slots. */
function inSlots(analysis: Analysis, cursor: Cursor, inner: Opened): CompletionItem[] {
  if (inner.named !== undefined) return blocks(analysis, new Set([inner.named]));
  const slots = inner.callee ? parametersOf(analysis, inner.callee).filter((m) => m.kind === "slot") : [];
  const roleOfSlot = (s: Meaning): string => (s.node && "role" in s.node && s.node.role?.name) || s.name;
  const filled = inner.unnamed.flatMap((name) => {
    const block = topMeaning(analysis, analysis.main, name);
    return (block && roleOfBlock(analysis, block)) ?? [];
  });
  const left = slots.filter((s) => !inner.given.includes(s.name) && !filled.includes(roleOfSlot(s)));
  const wanted = new Set(left.map(roleOfSlot));
  return [
    ...blocks(analysis, wanted),
    ...left.map((s) => itemOf(s, 2, `${s.name} = `)),
    ...locals(analysis, cursor.decl)
      .filter((m) => m.kind === "slot" || m.kind === "setting" || m.kind === "let")
      .map((m) => itemOf(m, 3)),
    word("none", 4),
    word("if", 4),
  ];
}

function blocks(analysis: Analysis, wanted: ReadonlySet<string>): CompletionItem[] {
  return tops(analysis)
    .filter((m) => m.kind === "block")
    .map((m) => itemOf(m, wanted.has(roleOfBlock(analysis, m) ?? "") ? 0 : 3));
}

/** The role of a block: its own, or that of what its alias stands for. */
function roleOfBlock(analysis: Analysis, meaning: Meaning, depth = 0): string | undefined {
  const { decl, module } = meaning;
  if (decl?.kind !== "Block" || !module || depth > 20) return undefined;
  if (decl.role) return decl.role.name;
  if (decl.meaning.kind !== "Alias") return undefined;
  const next = calleeOf(analysis, module, decl.meaning.value, undefined);
  return next && roleOfBlock(analysis, next, depth + 1);
}

/** Axes and dimensions. */
function inBrackets(analysis: Analysis, cursor: Cursor): CompletionItem[] {
  const own = locals(analysis, cursor.decl);
  const rank = (m: Meaning): number =>
    m.kind === "axis" || m.kind === "dimension" ? 0 : m.kind === "setting" || m.kind === "given" ? 1 : 2;
  return [...own.map((m) => itemOf(m, rank(m))), word("...", 2, "any further axes")];
}

/** Settings by name that are not given yet, then values. */
function inParens(analysis: Analysis, cursor: Cursor, inner: Opened): CompletionItem[] {
  const settings = inner.callee && inner.named === undefined ? parametersOf(analysis, inner.callee) : [];
  // Arguments without a name are the first settings; behind an alias other ones are the first.
  const { decl } = inner.callee ?? {};
  const isOwn = decl?.kind === "Block" && decl.meaning.kind !== "Alias";
  const unnamed = isOwn ? decl.params.items.slice(0, inner.argument - inner.given.length).map((p) => p.name.name) : [];
  const named = settings
    .filter((m) => m.kind !== "slot" && !inner.given.includes(m.name) && !unnamed.includes(m.name))
    .map((m) => itemOf(m, 0, `${m.name} = `));
  const over = inner.callee?.kind === "primitive" && !inner.given.includes("over") ? [overItem()] : [];
  const words = inner.named === undefined ? [] : choicesOf(analysis, inner);
  return [...words, ...named, ...over, ...values(analysis, cursor)];
}

function overItem(): CompletionItem {
  return { label: "over =", insertText: "over = ", kind: CompletionItemKind.Property, sortText: "0over" };
}

/** The words of a choice, where the argument is one. */
function choicesOf(analysis: Analysis, inner: Opened): CompletionItem[] {
  const found = inner.callee && parametersOf(analysis, inner.callee).find((m) => m.name === inner.named);
  const type = found?.node && "type" in found.node ? found.node.type : undefined;
  if (!type?.base || type.alternatives.length === 0) return [];
  return [type.base, ...type.alternatives].map((w) => ({
    label: w.name,
    kind: CompletionItemKind.EnumMember,
    detail: `a choice for ${inner.named}`,
    sortText: `0${w.name}`,
  }));
}
