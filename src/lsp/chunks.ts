/**
 * @file A text cut into its declarations. Each is parsed as a text of its own and kept as long as it stays the same, so that a
 * key stroke costs the parsing of one declaration. A chunk's `SourceFile` is its own, with spans from its own beginning: what
 * moves up or down in the document keeps its tree, and all that is known of it.
 */
import type { Aside } from "../../grammar/index.ts";
import { declarationWords } from "../../grammar/tokens.ts";
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import type { SourceFile } from "../source/source.ts";
import type * as ast from "../syntax/ast.ts";
import { parseWithComments } from "../syntax/parse.ts";

export interface Chunk {
  readonly file: SourceFile;
  readonly syntax: ast.File;
  readonly comments: readonly Aside[];
  /** Of the text alone. */
  readonly diagnostics: readonly Diagnostic[];
}

/** A chunk where it stands in one version of a document. */
export interface Placed {
  readonly chunk: Chunk;
  readonly start: number;
}

const WORDS = declarationWords.map((t) => (t.PATTERN as RegExp).source).join("|");
/** A declaration's first line, as nearly everyone writes it; one that is indented stays with the declaration before it. */
const BEGINS = new RegExp(`^(?:${WORDS})[ \\t]+["A-Za-z_]`, "gm");

/**
 * Where to cut: before each declaration that begins a line, and before the comments that stand directly above it. The first
 * piece has the first declaration too, whatever stands before that.
 */
export function cuts(text: string): readonly number[] {
  // A block comment (which the language has not) may hold anything.
  if (text.includes("/*")) return [0];
  const starts = [...text.matchAll(BEGINS)].map((m) => m.index);
  const at = [0];
  for (const start of starts.slice(1))
    if (!goesOn(text, start)) at.push(beforeComments(text, start, at[at.length - 1]!));
  return at;
}

/** True where what stands before cannot be the end of a declaration: `rotary:` asks for a type, and `op` is one. */
function goesOn(text: string, start: number): boolean {
  let end = start;
  while (end > 0) {
    const lineStart = text.lastIndexOf("\n", end - 2) + 1;
    const line = text
      .slice(lineStart, end)
      .replace(/\/\/.*$/m, "")
      .trimEnd();
    if (line.trim() !== "") return /[:.]$/.test(line);
    end = lineStart;
  }
  return false;
}

function beforeComments(text: string, start: number, least: number): number {
  let at = start;
  while (at > least) {
    const lineStart = text.lastIndexOf("\n", at - 2) + 1;
    if (lineStart < least || !/^[ \t]*\/\//.test(text.slice(lineStart, at))) break;
    at = lineStart;
  }
  return at;
}

let serial = 0;

/** Parses a document piece by piece; pieces of the version before are taken over. */
export class Chunks {
  private before = new Map<string, Chunk[]>();

  constructor(private readonly name: string) {}

  of(text: string): readonly Placed[] {
    const at = cuts(text);
    const next = new Map<string, Chunk[]>();
    const placed = at.map((start, i): Placed => {
      const piece = text.slice(start, at[i + 1] ?? text.length);
      const chunk = this.before.get(piece)?.shift() ?? this.parse(piece);
      next.set(piece, [...(next.get(piece) ?? []), chunk]);
      return { chunk, start };
    });
    this.before = next;
    return placed;
  }

  private parse(text: string): Chunk {
    // A name of its own: what is the same mistake at the same place is said once, and places count from a chunk's beginning.
    const file: SourceFile = { name: `${this.name}#${serial++}`, text };
    const { value, diagnostics, comments } = parseWithComments(file);
    return { file, syntax: value, comments, diagnostics };
  }
}
