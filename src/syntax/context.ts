/** @file What the builders of the tree share: the file, the reporter, documentation by place, and names and texts of tokens. */
import type { CstNode, IToken, Place } from "../../grammar/index.ts";
import { Reporter } from "../diagnostics/diagnostic.ts";
import { spanOf, type SourceFile, type Span } from "../source/source.ts";
import type { Ident, NumberLit, Text } from "./ast.ts";

/** A node of the concrete tree after recovery: any child may be missing. */
export type Holed<N extends CstNode> = { readonly [K in keyof N["children"]]?: N["children"][K] };

export function parts<N extends CstNode>(node: N): Holed<N> {
  return node.children as Holed<N>;
}

export class Context {
  readonly file: SourceFile;
  readonly reporter: Reporter;
  private readonly docs: ReadonlyMap<number, string>;

  constructor(file: SourceFile, reporter: Reporter, docs: ReadonlyMap<number, string>) {
    this.file = file;
    this.reporter = reporter;
    this.docs = docs;
  }

  span(start: number, end: number): Span {
    return spanOf(this.file, start, Math.max(start, end));
  }

  at(place: Place): Span {
    return this.span(place.start, place.end);
  }

  /** The text between two offsets. */
  text(span: Span): string {
    return this.file.text.slice(span.start, span.end);
  }

  ofToken(t: IToken): Span {
    return this.span(t.startOffset, endOffset(t));
  }

  /** Where a node stands; `fallback` is for one without any token. */
  ofNode(node: CstNode | undefined, fallback: number): Span {
    const location = node?.location;
    if (location === undefined || Number.isNaN(location.startOffset)) return this.span(fallback, fallback);
    return this.span(location.startOffset, (location.endOffset ?? location.startOffset - 1) + 1);
  }

  /** The `///` lines that stand before the token at `offset`. */
  docAt(offset: number): string {
    return this.docs.get(offset) ?? "";
  }

  /** A token's name; one of no letters, at `fallback`, where recovery found none. */
  ident(t: IToken | undefined, fallback: number): Ident {
    return isReal(t) ? { name: t.image, span: this.ofToken(t) } : { name: "", span: this.span(fallback, fallback) };
  }

  idents(ts: readonly IToken[] | undefined): Ident[] {
    return (ts ?? []).filter(isReal).map((t) => ({ name: t.image, span: this.ofToken(t) }));
  }

  /** A text with its escapes read: `\"`, `\\`, `\n`, `\t`. Any other escape is an error. */
  textLiteral(t: IToken | undefined, fallback: number): Text {
    if (!isReal(t)) return { kind: "Text", value: "", span: this.span(fallback, fallback) };
    const closed = t.tokenType.name !== "UnclosedText";
    const inner = t.image.slice(1, closed ? -1 : undefined);
    const value = inner.replace(/\\([^])?/g, (whole: string, c: string | undefined, at: number) => {
      const known = c === undefined ? undefined : escapes.get(c);
      if (known !== undefined) return known;
      const start = t.startOffset + 1 + at;
      const span = this.span(start, start + whole.length);
      if (closed) {
        this.reporter.report("syntax/bad-escape", { escape: whole }, span, {
          hint: 'the escapes are `\\"`, `\\\\`, `\\n` and `\\t`; a backslash itself is `\\\\`',
          fixes: [{ title: "write a backslash", span, replacement: `\\${whole}` }],
        });
      }
      return whole;
    });
    return { kind: "Text", value, span: this.ofToken(t) };
  }

  number(t: IToken): NumberLit {
    const value = Number(t.image.replaceAll("_", ""));
    const integer = /^[0-9_]+$/.test(t.image);
    const span = this.ofToken(t);
    if (!Number.isFinite(value) || (integer && !Number.isSafeInteger(value))) {
      const reason = integer ? "is too large to be kept exactly" : "is too large";
      this.reporter.report("syntax/bad-number", { text: t.image, reason }, span, {
        hint: integer ? "the largest whole number is 9_007_199_254_740_991" : "for infinity, write `inf`",
      });
    }
    return { kind: "Number", value: Number.isFinite(value) ? value : 0, integer, span };
  }
}

const escapes = new Map([
  ['"', '"'],
  ["\\", "\\"],
  ["n", "\n"],
  ["t", "\t"],
]);

/** Tokens that recovery put in have no place. */
export function isReal(t: IToken | undefined): t is IToken {
  return t !== undefined && !Number.isNaN(t.startOffset);
}

export function endOffset(t: IToken): number {
  return (t.endOffset ?? t.startOffset - 1) + 1;
}

/** The first real token of a list. */
export function first(ts: readonly IToken[] | undefined): IToken | undefined {
  return ts?.find(isReal);
}

/** `///` lines by the offset of the token that follows them; a line between that has neither ends a run. */
export function docsByPlace(
  docs: readonly { readonly start: number; readonly end: number; readonly text: string }[],
  tokens: readonly IToken[],
): ReadonlyMap<number, string> {
  const found = new Map<number, string>();
  let t = 0;
  let i = 0;
  while (i < docs.length) {
    while (t < tokens.length && tokens[t]!.startOffset <= docs[i]!.start) t++;
    const next = tokens[t];
    if (next === undefined) break;
    const lines: string[] = [];
    for (; i < docs.length && docs[i]!.start < next.startOffset; i++)
      lines.push(docs[i]!.text.replace(/^\/\/\/ ?/, "").trimEnd());
    found.set(next.startOffset, lines.join("\n"));
  }
  return found;
}
