/** @file Syntax trees as JSON and back: what the build parses once, a command need not parse again. Spans are `[start, end]`. */
import type { SourceFile } from "../source/source.ts";
import type * as ast from "./ast.ts";

const SPANS: ReadonlySet<string> = new Set(["span", "opSpan", "rest"]);

interface Place {
  readonly start: number;
  readonly end: number;
}

/** The tree as JSON text. */
export function storeSyntax(file: ast.File): string {
  return JSON.stringify(file, (key, value: unknown) =>
    SPANS.has(key) && isPlace(value) ? [value.start, value.end] : value,
  );
}

function isPlace(value: unknown): value is Place {
  return typeof value === "object" && value !== null && "start" in value && "end" in value;
}

/** The tree that `storeSyntax` has stored, over `file`; the stored object becomes the tree. */
export function restoreSyntax(stored: unknown, file: SourceFile): ast.File {
  restore(stored as Record<string, unknown>, file);
  return stored as ast.File;
}

function restore(node: Record<string, unknown> | unknown[], file: SourceFile): void {
  for (const key in node) {
    const value = (node as Record<string, unknown>)[key];
    if (typeof value !== "object" || value === null) continue;
    if (SPANS.has(key) && Array.isArray(value)) {
      (node as Record<string, unknown>)[key] = { file, start: value[0] as number, end: value[1] as number };
    } else restore(value as Record<string, unknown>, file);
  }
}
