/** @file `--emit`: the stages of a compilation as text. */
import type { Elaborated, TypeNote } from "../compile.ts";
import { lineColumn, textOf } from "../source/source.ts";
import type * as ast from "../syntax/ast.ts";

/** The syntax tree as JSON; a place is `line:column`. */
export function printSyntax(file: ast.File): string {
  return `${JSON.stringify(file, (key, value: unknown) => (key === "span" || key === "opSpan" ? placeOf(value as ast.File["span"]) : value), 2)}\n`;
}

/** One line for each expression that has a type: its place, its text, its type. */
export function printTypes(model: Elaborated): string {
  return model.types
    .map((note) => `${note.span.file.name}:${placeOf(note.span)}  ${excerpt(note)}: ${note.text}\n`)
    .join("");
}

function placeOf(span: ast.File["span"]): string {
  const { line, column } = lineColumn(span.file, span.start);
  return `${line}:${column}`;
}

function excerpt(note: TypeNote): string {
  const text = textOf(note.span).replace(/\s+/g, " ");
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}
