/** @file Go to definition, find references, rename. */
import type { Location, TextEdit, WorkspaceEdit } from "vscode-languageserver-types";
import { reservedWords } from "../../../grammar/tokens.ts";
import { hasErrors } from "../../diagnostics/diagnostic.ts";
import type { Module } from "../../elaborate/program.ts";
import { scopeOf } from "../../names/names.ts";
import { textOf, type Span } from "../../source/source.ts";
import type { Analysis } from "../analysis.ts";
import { OpenText } from "../analysis.ts";
import {
  occurrenceAt,
  occurrencesIn,
  roots,
  sameMeaning,
  topMeaning,
  withoutPrimes,
  type Meaning,
} from "../symbols.ts";
import { locationOf, nodesAt, rangeIn, type View } from "../view.ts";

export function definition(view: View, offset: number): Location | undefined {
  const meaning = occurrenceAt(view.analysis, offset)?.meaning;
  if (meaning?.ident) return locationOf(view, meaning.ident.span);
  const used = nodesAt(view.analysis, offset).nodes.find((n) => n.kind === "Use");
  const module = used && view.analysis.main.uses.find((u) => u.use === (used as unknown))?.module;
  return module && locationOf(view, { file: module.file, start: 0, end: 0 });
}

/** Every place of the name at an offset: in the document, and in the modules that it sees. */
export function references(view: View, offset: number, withDeclaration: boolean): Location[] {
  const meaning = occurrenceAt(view.analysis, offset)?.meaning;
  if (!meaning) return [];
  const isLocal = meaning.decl !== undefined && meaning.module === view.analysis.main && isInside(meaning);
  const modules = isLocal ? [view.analysis.main] : [...view.analysis.program.modules.values()];
  return modules
    .flatMap((module) => placesOf(view.analysis, module, meaning))
    .filter((span) => withDeclaration || !isDeclaration(meaning, span))
    .map((span) => locationOf(view, span));
}

function isDeclaration(meaning: Meaning, span: Span): boolean {
  return meaning.ident?.span.file === span.file && meaning.ident.span.start === span.start;
}

/** A `let`, an axis and the like can be named only where they are declared. */
function isInside(meaning: Meaning): boolean {
  return meaning.kind === "let" || meaning.kind === "axis" || meaning.kind === "dimension" || meaning.kind === "weight";
}

/** All places in a module that mean the same. */
export function placesOf(analysis: Analysis, module: Module, meaning: Meaning): Span[] {
  return roots(module.syntax).flatMap((root) =>
    occurrencesIn(analysis, module, root)
      .filter((o) => o.meaning && sameMeaning(o.meaning, meaning))
      .map((o) => o.span),
  );
}

export type Renamed = { readonly edit: WorkspaceEdit } | { readonly refused: string };

/** The name at an offset, if it can be renamed; else why not. */
export function prepareRename(view: View, offset: number): { readonly span: Span } | { readonly refused: string } {
  const found = occurrenceAt(view.analysis, offset);
  if (!found) return { refused: "there is no name here" };
  const { meaning } = found;
  if (!meaning) return { refused: `${found.name} is not declared anywhere` };
  if (meaning.kind === "primitive") return { refused: `${found.name} belongs to the language` };
  if (meaning.module?.file.library) return { refused: `${found.name} belongs to the standard library` };
  if (meaning.module !== view.analysis.main)
    return { refused: `${found.name} is declared in ${meaning.module?.name}: rename it there` };
  return { span: found.span };
}

/** Renames the name at an offset everywhere in the document, unless the program would mean something else. */
export function rename(view: View, offset: number, to: string): Renamed {
  const prepared = prepareRename(view, offset);
  if ("refused" in prepared) return prepared;
  const { analysis, document } = view;
  const meaning = occurrenceAt(analysis, offset)!.meaning!;
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(to)) return { refused: `${to === "" ? "nothing" : to} is not a name` };
  if (isReserved(to)) return { refused: `${to} is a word of the language` };
  if (to === meaning.name) return { edit: { changes: {} } };
  const taken = takenBy(analysis, meaning, to);
  if (taken) return { refused: taken };
  const places = placesOf(analysis, analysis.main, meaning).filter((s) => withoutPrimes(textOf(s)) === meaning.name);
  const edits = places.flatMap((span): TextEdit[] => {
    const range = rangeIn(view, { ...span, end: span.start + meaning.name.length });
    return range ? [{ range, newText: to }] : [];
  });
  const broken = whatBreaks(analysis, places, meaning.name, to);
  if (broken) return { refused: broken };
  return { edit: { changes: { [document.uri]: edits } } };
}

function isReserved(name: string): boolean {
  return reservedWords.some((t) => (t.PATTERN as RegExp).source === name);
}

/** Says what has the new name already where the old one is seen. */
function takenBy(analysis: Analysis, meaning: Meaning, to: string): string | undefined {
  const { decl, module } = meaning;
  if (!decl || !module) return undefined;
  const isTop = "name" in decl && decl.name === meaning.ident;
  if (isTop) {
    if (topMeaning(analysis, module, to)) return `${to} is declared already`;
    for (const other of module.own.values())
      if (scopeOf(analysis.program, module, other).known.has(to)) return `${other.name.name} has a name ${to} already`;
    return undefined;
  }
  if (decl.kind === "Block" || decl.kind === "Op" || decl.kind === "Model") {
    const scope = scopeOf(analysis.program, module, decl);
    if (scope.known.has(to) || scope.read.has(to)) return `${decl.name.name} has a name ${to} already`;
  }
  return undefined;
}

/** Checks the renamed program: names that blocks look up where they are applied are seen only so. */
function whatBreaks(analysis: Analysis, places: readonly Span[], from: string, to: string): string | undefined {
  const at = places.flatMap((s) => analysis.inDocument(s)?.start ?? []).sort((a, b) => b - a);
  let { text } = analysis;
  for (const start of at) text = text.slice(0, start) + to + text.slice(start + from.length);
  const before = analysis;
  before.step();
  const after = new OpenText(analysis.open.name, analysis.open.environment).update(text);
  after.step();
  if (!hasErrors(after.diagnostics())) return undefined;
  const known = new Map<string, number>();
  for (const d of before.diagnostics()) known.set(d.code, (known.get(d.code) ?? 0) + 1);
  for (const d of after.diagnostics()) {
    const left = (known.get(d.code) ?? 0) - 1;
    known.set(d.code, left);
    if (left < 0 && d.severity === "error") return `it would break the program: ${d.message}`;
  }
  return undefined;
}
