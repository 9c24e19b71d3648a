/**
 * @file What every part of the formatter is given: the text, the comments that prettier has attached to nodes, and the few
 * questions about the text's own lines that decide what is kept (blank lines, lines that the author joined or broke).
 */
import type { Doc } from "prettier";
import { builders } from "prettier/doc";
import type { Span } from "../source/source.ts";

const { breakParent, hardline, lineSuffix } = builders;

/** A `//` comment or a `///` line. Prettier sets the flags when it attaches the comment to a node. */
export interface Comment {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  leading?: boolean;
  trailing?: boolean;
  printed?: boolean;
}

/** A node of the syntax tree, or a container that `children.ts` made, with the comments attached to it. */
export interface Commented {
  readonly span: Pick<Span, "start" | "end">;
  comments?: Comment[];
}

/** The first place from `offset` on that is neither space nor comment. */
export function nextCode(text: string, offset: number): number {
  let i = offset;
  for (;;) {
    while (/\s/.test(text[i] ?? "")) i++;
    if (!text.startsWith("//", i)) return i;
    i = endOfLine(text, i);
  }
}

function endOfLine(text: string, offset: number): number {
  const at = text.indexOf("\n", offset);
  return at < 0 ? text.length : at;
}

export class Page {
  readonly text: string;
  /** True where a line that begins with `name =` would be read as a line of a checkpoint map. */
  inMapLine = false;

  constructor(text: string) {
    this.text = text;
  }

  /** The text of a node as it was written. */
  written(node: { readonly span: Pick<Span, "start" | "end"> }): string {
    return this.text.slice(node.span.start, node.span.end);
  }

  next(offset: number): number {
    return nextCode(this.text, offset);
  }

  // ── Lines of the author ──────────────────────────────────────────────────────────────────────────────────────────────

  hasNewline(start: number, end: number): boolean {
    const at = this.text.indexOf("\n", start);
    return at >= 0 && at < end;
  }

  /** Is the line behind `offset` (and behind a comma, semicolon or comment there) blank? */
  isBlankAfter(offset: number): boolean {
    let i = offset;
    while (/[ \t;,]/.test(this.text[i] ?? "")) i++;
    if (this.text.startsWith("//", i)) i = endOfLine(this.text, i);
    if (this.text[i] !== "\n") return false;
    return /^[ \t]*\n/.test(this.text.slice(i + 1, endOfLine(this.text, i + 1) + 1));
  }

  /** The line before that of `offset` is blank. */
  private isBlankBefore(offset: number): boolean {
    const start = this.startOfLine(offset);
    return start > 0 && this.text.slice(this.startOfLine(start - 1), start).trim() === "";
  }

  private startsLine(offset: number): boolean {
    return this.text.slice(this.startOfLine(offset), offset).trim() === "";
  }

  private startOfLine(offset: number): number {
    return offset === 0 ? 0 : this.text.lastIndexOf("\n", offset - 1) + 1;
  }

  /** A new line, and a blank one if the author left some. */
  newline(after: Pick<Span, "end">): Doc {
    return this.isBlankAfter(after.end) ? [hardline, hardline] : hardline;
  }

  /** Pieces on lines of their own. */
  lines(pieces: readonly { readonly span: Pick<Span, "end">; readonly doc: Doc }[]): Doc {
    return pieces.map(({ span, doc }, i) => (i === pieces.length - 1 ? doc : [doc, this.newline(span)]));
  }

  // ── Comments ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  hasComments(node: Commented): boolean {
    return (node.comments?.length ?? 0) > 0;
  }

  hasLeading(node: Commented): boolean {
    return node.comments?.some((c) => c.leading) ?? false;
  }

  hasTrailing(node: Commented): boolean {
    return node.comments?.some((c) => c.trailing) ?? false;
  }

  /** The comments before a node, each on its line. */
  leading(node: Commented): Doc {
    return (node.comments ?? []).filter((c) => c.leading).map((c) => [this.comment(c), this.newline(c)]);
  }

  /** The comments behind a node: the first ends the line that the node ends on, unless it has a line of its own; the others follow. */
  trailing(node: Commented): Doc {
    return (node.comments ?? [])
      .filter((c) => c.trailing)
      .map((c, i): Doc => {
        if (i === 0 && !this.startsLine(c.start)) return [lineSuffix([" ", this.comment(c)]), breakParent];
        return [lineSuffix([hardline, this.isBlankBefore(c.start) ? hardline : "", this.comment(c)]), breakParent];
      });
  }

  /** Comments between braces, or in a file, with nothing before or behind them. */
  dangling(node: Commented): readonly { readonly span: Comment; readonly doc: Doc }[] {
    return (node.comments ?? [])
      .filter((c) => !c.leading && !c.trailing)
      .map((c) => ({ span: c, doc: this.comment(c) }));
  }

  /** A node with its comments around it. */
  around(node: Commented, doc: Doc): Doc {
    if (node.comments === undefined) return doc;
    return [this.leading(node), this.isKept(node) ? this.verbatim(node) : doc, this.trailing(node)];
  }

  /** As `around`, with `before` between the comments and the node: `-> ` belongs to the stage behind it. */
  after(before: Doc, node: Commented, doc: Doc): Doc {
    if (node.comments === undefined)
      return typeof before === "string" && typeof doc === "string" ? before + doc : [before, doc];
    return [this.leading(node), before, doc, this.trailing(node)];
  }

  /** A new line where a comment ends the line of `node`, although the code would go on behind it. */
  joint(node: Commented): Doc {
    return this.hasTrailing(node) ? hardline : "";
  }

  private comment(c: Comment): Doc {
    c.printed = true;
    return c.text.trimEnd();
  }

  private isKept(node: Commented): boolean {
    return node.comments!.some((c) => c.leading && /^\/\/\s*prettier-ignore\s*$/.test(c.text));
  }

  private verbatim(node: Commented): Doc {
    return this.written(node)
      .split("\n")
      .flatMap((line, i) => (i === 0 ? line : [builders.literalline, line]));
  }
}
