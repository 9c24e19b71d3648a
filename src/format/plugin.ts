/**
 * @file The prettier plugin for `.tfm`: `prettier --plugin tfm-lang/prettier`. The style has no options: width and indentation
 * that a configuration sets for other languages do not count here, so that `tfm fmt` and prettier give the same bytes.
 */
import type { Parser, ParserOptions, Printer, SupportLanguage } from "prettier";
import type { Aside } from "../../grammar/index.ts";
import { hasErrors, type Diagnostic } from "../diagnostics/diagnostic.ts";
import { lineColumn } from "../source/source.ts";
import type { File } from "../syntax/ast.ts";
import { parseWithComments } from "../syntax/parse.ts";
import { commentHooks } from "./comments.ts";
import { fileDoc } from "./declarations.ts";
import { type Comment, type Commented, nextCode, Page } from "./page.ts";
import { lineWidth } from "./width.ts";

/** What a text has that cannot be formatted; `loc` is where prettier's own command shows the first error. */
export class BrokenText extends SyntaxError {
  readonly diagnostics: readonly Diagnostic[];
  readonly loc: { readonly start: { readonly line: number; readonly column: number } } | undefined;

  constructor(diagnostics: readonly Diagnostic[]) {
    const first = diagnostics.find((d) => d.severity === "error");
    super(first ? `${first.message} [${first.code}]` : "the text has errors");
    this.diagnostics = diagnostics;
    this.loc = first?.span ? { start: lineColumn(first.span.file, first.span.start) } : undefined;
  }
}

function parseText(text: string, options: ParserOptions): File & { comments: Comment[] } {
  Object.assign(options, { printWidth: lineWidth, tabWidth: 2, useTabs: false });
  const { value, diagnostics, comments } = parseWithComments({ name: options.filepath ?? "<text>", text });
  if (hasErrors(diagnostics)) throw new BrokenText(diagnostics);
  return { ...value, comments: commentsOf(value, comments) };
}

/** The comments of a file. A `///` line that documents nothing is an ordinary one: it could come to stand before something else. */
function commentsOf(file: File, comments: readonly Aside[]): Comment[] {
  const { text } = file.span.file;
  const documented = new Set<number>();
  for (const d of file.decls) {
    documented.add(d.span.start);
    if ("meaning" in d && d.meaning.kind === "Body")
      for (const s of d.meaning.statements) if ("doc" in s) documented.add(s.span.start);
  }
  const isDoc = (c: Aside): boolean => documented.has(nextCode(text, c.end));
  return comments.map((c) => (/^\/\/\/(?!\/)/.test(c.text) && !isDoc(c) ? { ...c, text: c.text.slice(1) } : { ...c }));
}

const start = (node: Commented | Comment): number => ("span" in node ? node.span.start : node.start);
const end = (node: Commented | Comment): number => ("span" in node ? node.span.end : node.end);

export const languages: readonly SupportLanguage[] = [
  {
    name: "tfm",
    parsers: ["tfm"],
    extensions: [".tfm"],
    vscodeLanguageIds: ["tfm"],
    linguistLanguageId: undefined as never,
  },
];

export const parsers: Readonly<Record<string, Parser>> = {
  tfm: { astFormat: "tfm", parse: parseText, locStart: start, locEnd: end },
};

export const printers: Readonly<Record<string, Printer>> = {
  tfm: {
    ...commentHooks,
    print: (path, options) => fileDoc(new Page(options.originalText), path.node as File),
  },
};
