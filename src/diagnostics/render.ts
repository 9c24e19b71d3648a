/** @file Diagnostics for people (text with code frames) and for tools (plain data). */
import picocolors from "picocolors";
import { lineColumn, type Span } from "../source/source.ts";
import type { Diagnostic } from "./diagnostic.ts";
import { frame, lastLine, type Mark, type Paint, visible } from "./frame.ts";

export interface RenderOptions {
  /** Default: no colour. */
  readonly color?: boolean;
  /** Cells in a line of the terminal; longer lines of source are clipped around their mark. Default 120. */
  readonly width?: number;
}

/** All diagnostics, with a blank line between them; "" where there are none. */
export function render(diagnostics: readonly Diagnostic[], options: RenderOptions = {}): string {
  const colors = picocolors.createColors(options.color ?? false);
  return diagnostics.map((d) => renderOne(d, colors, options.width ?? 120)).join("\n");
}

type Colors = ReturnType<typeof picocolors.createColors>;

function renderOne(d: Diagnostic, colors: Colors, width: number): string {
  const strong = (text: string): string => colors.bold(d.severity === "error" ? colors.red(text) : colors.yellow(text));
  const paint: Paint = { gutter: colors.blue, primary: strong, secondary: colors.cyan };
  const out = [`${strong(`${d.severity}[${d.code}]`)}${colors.bold(`: ${d.message}`)}`];
  const marks = marksOf(d);
  const digits = Math.max(1, String(lastLine(marks)).length);
  const empty = " ".repeat(digits);
  let lead = "-->";
  for (const group of byFile(marks)) {
    const place = group[0]!.span;
    const { line, column } = lineColumn(place.file, visible(place).start);
    out.push(`${colors.blue(`${empty}${lead}`)} ${place.file.name}:${line}:${column}`);
    out.push(colors.blue(`${empty} |`));
    out.push(...frame(place.file, group, digits, width, paint));
    lead = ":::";
  }
  const notes = [
    ...d.related.filter((r) => !r.span).map((r) => `${colors.bold("note:")} ${r.message}`),
    ...(d.hint !== undefined ? [`${colors.bold("hint:")} ${d.hint}`] : []),
  ];
  if (notes.length > 0 && marks.length > 0) out.push(colors.blue(`${empty} |`));
  for (const note of notes) {
    out.push(`${colors.blue(`${empty} =`)} ${note.replaceAll("\n", `\n${empty}   `)}`);
  }
  return `${out.join("\n")}\n`;
}

/** The primary mark first. */
function marksOf(d: Diagnostic): Mark[] {
  const primary = d.span ? [{ span: d.span, label: "", primary: true }] : [];
  const related = d.related.flatMap((r) => (r.span ? [{ span: r.span, label: r.message, primary: false }] : []));
  return [...primary, ...related];
}

/** One frame for each file, in the order in which the files come up. */
function byFile(marks: readonly Mark[]): Mark[][] {
  const groups: Mark[][] = [];
  for (const mark of marks) {
    const group = groups.find((g) => g[0]!.span.file === mark.span.file);
    if (group) group.push(mark);
    else groups.push([mark]);
  }
  return groups;
}

// ── For tools ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Lines and columns count from one, in UTF-16 units; `start` and `end` are offsets from zero, `end` behind the last. */
export interface JsonPlace {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly endLine: number;
  readonly endColumn: number;
  readonly start: number;
  readonly end: number;
}

export interface JsonDiagnostic {
  readonly code: string;
  readonly severity: string;
  readonly message: string;
  readonly place?: JsonPlace;
  readonly related: readonly { readonly message: string; readonly place?: JsonPlace }[];
  readonly hint?: string;
  readonly fixes: readonly { readonly title: string; readonly place: JsonPlace; readonly replacement: string }[];
}

export function toJson(diagnostics: readonly Diagnostic[]): JsonDiagnostic[] {
  return diagnostics.map((d) => ({
    code: d.code,
    severity: d.severity,
    message: d.message,
    ...(d.span ? { place: placeOf(d.span) } : {}),
    related: d.related.map((r) => ({ message: r.message, ...(r.span ? { place: placeOf(r.span) } : {}) })),
    ...(d.hint !== undefined ? { hint: d.hint } : {}),
    fixes: d.fixes.map((f) => ({ title: f.title, place: placeOf(f.span), replacement: f.replacement })),
  }));
}

function placeOf(span: Span): JsonPlace {
  const { line, column } = lineColumn(span.file, span.start);
  const { line: endLine, column: endColumn } = lineColumn(span.file, span.end);
  return { file: span.file.name, line, column, endLine, endColumn, start: span.start, end: span.end };
}
