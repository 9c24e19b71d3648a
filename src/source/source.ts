/** @file Source texts and places in them. Every later phase carries these spans; nothing else knows about offsets. */

export interface SourceFile {
  /** What a message calls the file: a path as the user gave it, `<command line>`, or `std/attention.tfm`. */
  readonly name: string;
  readonly text: string;
  /** True for the files of the standard library: an error inside one is shown at the user's call. */
  readonly library?: boolean;
}

/** A half-open range `[start, end)` of UTF-16 offsets into `file.text`. */
export interface Span {
  readonly file: SourceFile;
  readonly start: number;
  readonly end: number;
}

export function spanOf(file: SourceFile, start: number, end: number): Span {
  return { file, start, end };
}

/** The smallest span that holds both; they must lie in one file. */
export function cover(a: Span, b: Span): Span {
  return { file: a.file, start: Math.min(a.start, b.start), end: Math.max(a.end, b.end) };
}

/** One-based line and column of an offset. */
export function lineColumn(file: SourceFile, offset: number): { line: number; column: number } {
  const before = file.text.slice(0, offset);
  const line = (before.match(/\n/g)?.length ?? 0) + 1;
  return { line, column: offset - (before.lastIndexOf("\n") + 1) + 1 };
}

export function textOf(span: Span): string {
  return span.file.text.slice(span.start, span.end);
}
