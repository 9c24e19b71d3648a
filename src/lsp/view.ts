/** @file A document as a feature sees it: what is known of it, and how its places are written in the protocol. */
import type { TextDocument } from "vscode-languageserver-textdocument";
import type { Location, Position, Range } from "vscode-languageserver-types";
import type { SourceFile, Span } from "../source/source.ts";
import type * as ast from "../syntax/ast.ts";
import { forEachChild, type Node } from "../syntax/walk.ts";
import type { Analysis } from "./analysis.ts";

export interface View {
  readonly analysis: Analysis;
  readonly document: TextDocument;
  /** The address of a file that is not the document: of another of the user's, or of the library. */
  readonly uriOf: (file: SourceFile) => string;
}

export function rangeOf(view: View, place: { readonly start: number; readonly end: number }): Range {
  return { start: view.document.positionAt(place.start), end: view.document.positionAt(place.end) };
}

/** The range of a span in the document; undefined where it lies elsewhere. */
export function rangeIn(view: View, span: Span): Range | undefined {
  const place = view.analysis.inDocument(span);
  return place && rangeOf(view, place);
}

/** Where a span lies, in the document or in another file. */
export function locationOf(view: View, span: Span): Location {
  const own = rangeIn(view, span);
  if (own) return { uri: view.document.uri, range: own };
  return {
    uri: view.uriOf(span.file),
    range: { start: positionIn(span.file.text, span.start), end: positionIn(span.file.text, span.end) },
  };
}

export function positionIn(text: string, offset: number): Position {
  let line = 0;
  let start = 0;
  for (let i = text.indexOf("\n"); i >= 0 && i < offset; i = text.indexOf("\n", i + 1)) {
    line++;
    start = i + 1;
  }
  return { line, character: offset - start };
}

/** The nodes of the tree that hold an offset of the document, outermost first, with the start of their chunk. */
export function nodesAt(
  analysis: Analysis,
  offset: number,
): { readonly nodes: readonly Node[]; readonly start: number } {
  const { chunk, start } = analysis.chunkAt(offset);
  const at = offset - start;
  const nodes: Node[] = [];
  const holds = (n: Node): boolean => n.span.start <= at && at <= n.span.end;
  let next: Node | undefined = chunk.syntax as Node;
  while (next) {
    const here: Node = next;
    nodes.push(here);
    next = undefined;
    forEachChild(here, (child) => {
      if (holds(child)) next = child;
    });
  }
  return { nodes, start };
}

/** The declaration at an offset of the document. */
export function declAt(analysis: Analysis, offset: number): ast.Decl | undefined {
  const { chunk, start } = analysis.chunkAt(offset);
  const at = offset - start;
  const { decls } = chunk.syntax;
  return decls.find((d) => d.span.start <= at && at <= d.span.end) ?? decls.findLast((d) => d.span.start <= at);
}
