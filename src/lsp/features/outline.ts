/** @file Document symbols and folding. */
import { FoldingRangeKind, SymbolKind, type DocumentSymbol, type FoldingRange } from "vscode-languageserver-types";
import type { Span } from "../../source/source.ts";
import type * as ast from "../../syntax/ast.ts";
import { forEachChild, type Node } from "../../syntax/walk.ts";
import { statementsOf } from "../symbols.ts";
import { rangeIn, type View } from "../view.ts";

export function documentSymbols(view: View): DocumentSymbol[] {
  return view.analysis.placed.flatMap(({ chunk }) => chunk.syntax.decls.flatMap((d) => declared(view, d) ?? []));
}

const KINDS = {
  Use: SymbolKind.Module,
  Model: SymbolKind.Class,
  Block: SymbolKind.Struct,
  Op: SymbolKind.Function,
  Checkpoint: SymbolKind.Interface,
  Law: SymbolKind.Boolean,
  Rewrite: SymbolKind.Boolean,
} as const;
const MEMBERS = {
  Input: SymbolKind.Interface,
  Param: SymbolKind.Field,
  Dim: SymbolKind.Constant,
  Let: SymbolKind.Variable,
  Output: SymbolKind.Event,
} as const;

function declared(view: View, decl: ast.Decl): DocumentSymbol | undefined {
  const { name, span } = nameOf(decl);
  const made = symbol(view, name, KINDS[decl.kind], decl.span, span);
  if (!made) return undefined;
  const settings = decl.kind === "Model" || decl.kind === "Block" ? decl.params.items : [];
  const children = [
    ...settings.flatMap((p) => symbol(view, p.name.name, SymbolKind.Property, p.span, p.name.span) ?? []),
    ...statementsOf(decl).flatMap((s) => member(view, s)),
  ];
  const first = "doc" in decl ? decl.doc.split("\n")[0] : undefined;
  return { ...made, ...(first ? { detail: first } : {}), children };
}

function nameOf(decl: ast.Decl): { readonly name: string; readonly span: Span } {
  switch (decl.kind) {
    case "Use":
      return { name: decl.path ?? (decl.names ?? []).map((n) => n.name).join("."), span: decl.span };
    case "Checkpoint":
      return { name: `checkpoint for ${decl.model.name}`, span: decl.model.span };
    case "Law":
    case "Rewrite":
      return { name: decl.title.value, span: decl.title.span };
    default:
      return { name: decl.name.name, span: decl.name.span };
  }
}

function member(view: View, s: ast.Statement): DocumentSymbol[] {
  const names = s.kind === "Let" ? s.names : s.name ? [s.name] : [];
  return names.flatMap((n) => symbol(view, n.name, MEMBERS[s.kind], s.span, n.span) ?? []);
}

function symbol(view: View, name: string, kind: SymbolKind, span: Span, selection: Span): DocumentSymbol | undefined {
  const range = rangeIn(view, span);
  const selected = rangeIn(view, selection);
  if (!range || !selected) return undefined;
  const isInside = selection.start >= span.start && selection.end <= span.end;
  // The protocol allows no empty name; a half-typed declaration has none yet.
  return { name: name.trim() === "" ? "(unnamed)" : name, kind, range, selectionRange: isInside ? selected : range };
}

export function foldingRanges(view: View): FoldingRange[] {
  const ranges: FoldingRange[] = [];
  const fold = (span: Span, kind?: FoldingRangeKind): void => {
    const range = rangeIn(view, span);
    if (range && range.end.line > range.start.line)
      ranges.push({ startLine: range.start.line, endLine: range.end.line, ...(kind ? { kind } : {}) });
  };
  for (const { chunk } of view.analysis.placed) {
    for (const decl of chunk.syntax.decls) {
      fold(decl.span);
      foldInside(decl as Node, fold);
    }
    for (const group of adjacent(chunk.comments, chunk.file.text))
      fold({ file: chunk.file, ...group }, FoldingRangeKind.Comment);
  }
  return ranges;
}

function foldInside(node: Node, fold: (span: Span) => void): void {
  forEachChild(node, (child) => {
    if (child.kind === "Match" || child.kind === "Fill" || child.kind === "From" || child.kind === "Class")
      fold(child.span);
    foldInside(child, fold);
  });
}

interface Place {
  readonly start: number;
  readonly end: number;
}

/** Comments with nothing but one line's end between them, as one. */
function adjacent(comments: readonly Place[], text: string): Place[] {
  const groups: Place[] = [];
  for (const c of comments) {
    const last = groups[groups.length - 1];
    if (last && /^[ \t]*\r?\n[ \t]*$/.test(text.slice(last.end, c.start)))
      groups[groups.length - 1] = { start: last.start, end: c.end };
    else groups.push({ start: c.start, end: c.end });
  }
  return groups;
}
