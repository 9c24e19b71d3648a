/** @file Text to syntax tree. There is always a tree; where the text is broken it has holes, and diagnostics say why. */
import { type Aside, parseText } from "../../grammar/index.ts";
import { type Diagnostic, Reporter } from "../diagnostics/diagnostic.ts";
import { type SourceFile, spanOf } from "../source/source.ts";
import type * as ast from "./ast.ts";
import { Context, docsByPlace } from "./context.ts";
import { declarations } from "./declarations.ts";
import { expression } from "./expressions.ts";
import { reportFindings } from "./report.ts";

export interface Parse {
  readonly value: ast.File;
  readonly diagnostics: readonly Diagnostic[];
  /** Comments and documentation, in the order of the text. */
  readonly comments: readonly Aside[];
}

export function parse(file: SourceFile): Pick<Parse, "value" | "diagnostics"> {
  const { value, diagnostics } = parseWithComments(file);
  return { value, diagnostics };
}

export function parseWithComments(file: SourceFile): Parse {
  const parsed = parseText(file.text);
  const reporter = new Reporter();
  const context = new Context(file, reporter, docsByPlace(parsed.docs, parsed.tokens));
  reportFindings(context, parsed.findings, parsed.tokens);
  const bare = parsed.bare?.children.expression?.[0];
  const value: ast.File = {
    kind: "File",
    span: spanOf(file, 0, file.text.length),
    decls: parsed.file ? declarations(context, parsed.file) : [],
    ...(parsed.bare ? { bare: expression(context, bare, 0) } : {}),
  };
  const diagnostics = [...reporter.diagnostics].sort((a, b) => (a.span?.start ?? 0) - (b.span?.start ?? 0));
  const comments = [...parsed.comments, ...parsed.docs].sort((a, b) => a.start - b.start);
  return { value, diagnostics, comments };
}
