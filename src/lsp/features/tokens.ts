/** @file Semantic tokens: what each name is, beside words, numbers, texts and comments. */
import { SemanticTokensBuilder } from "vscode-languageserver";
import * as T from "../../../grammar/tokens.ts";
import { endOf } from "../../../grammar/kinds.ts";
import type { Chunk } from "../chunks.ts";
import { occurrencesIn, roots, type SymbolKind } from "../symbols.ts";
import type { View } from "../view.ts";

export const TOKEN_TYPES = [
  "keyword",
  "comment",
  "string",
  "number",
  "operator",
  "class",
  "struct",
  "function",
  "parameter",
  "variable",
  "property",
  "type",
] as const;
type TokenType = (typeof TOKEN_TYPES)[number];
export const TOKEN_MODIFIERS = ["declaration", "defaultLibrary", "documentation"] as const;

const OF_SYMBOL: Readonly<Record<SymbolKind, TokenType>> = {
  model: "class",
  block: "struct",
  op: "function",
  primitive: "function",
  setting: "parameter",
  given: "parameter",
  operand: "parameter",
  slot: "property",
  input: "variable",
  weight: "property",
  dimension: "type",
  let: "variable",
  output: "variable",
  axis: "type",
};

interface Token {
  readonly start: number;
  readonly end: number;
  readonly type: TokenType;
  /** Bits of `TOKEN_MODIFIERS`. */
  readonly modifiers: number;
}

export function semanticTokens(view: View): number[] {
  const builder = new SemanticTokensBuilder();
  for (const { chunk, start } of view.analysis.placed)
    for (const token of tokensOf(view, chunk)) {
      const { line, character } = view.document.positionAt(start + token.start);
      builder.push(line, character, token.end - token.start, TOKEN_TYPES.indexOf(token.type), token.modifiers);
    }
  return builder.build().data;
}

/** The tokens of a chunk, from its beginning, in order. */
function tokensOf(view: View, chunk: Chunk): readonly Token[] {
  const { analysis } = view;
  const named = new Map<number, Token>();
  for (const root of roots(chunk.syntax))
    for (const { span, meaning } of occurrencesIn(analysis, analysis.main, root)) {
      if (!meaning || span.file !== chunk.file) continue;
      const declares = meaning.ident?.span.file === span.file && meaning.ident.span.start === span.start ? 1 : 0;
      const library = meaning.kind === "primitive" || meaning.module?.file.library ? 2 : 0;
      const { start, end } = span;
      named.set(start, { start, end, type: OF_SYMBOL[meaning.kind], modifiers: declares | library });
    }
  return [...plainTokens(chunk), ...named.values()]
    .sort((a, b) => a.start - b.start || b.modifiers - a.modifiers)
    .filter((t, i, all) => i === 0 || t.start >= all[i - 1]!.end);
}

const PLAIN = new WeakMap<Chunk, readonly Token[]>();
const KEYWORDS: ReadonlySet<T.TokenType> = new Set(T.reservedWords);

/** What the text alone shows. */
function plainTokens(chunk: Chunk): readonly Token[] {
  let known = PLAIN.get(chunk);
  if (known) return known;
  const lexed = T.lex(chunk.file.text);
  const made: Token[] = [];
  const add = (t: T.IToken, type: TokenType, modifiers = 0): void => {
    // A token of several lines (a block comment) has no place in the protocol's encoding.
    if (!t.image.includes("\n")) made.push({ start: t.startOffset, end: endOf(t), type, modifiers });
  };
  for (const t of lexed.tokens) {
    if (KEYWORDS.has(t.tokenType)) add(t, "keyword");
    else if (t.tokenType === T.NumberWord) add(t, "number");
    else if (t.tokenType === T.Text || t.tokenType === T.UnclosedText || t.tokenType === T.OddText) add(t, "string");
    else if (t.tokenType === T.Arrow || t.tokenType === T.FatArrow) add(t, "operator");
  }
  for (const t of lexed.comments) add(t, "comment");
  for (const t of lexed.docs) add(t, "comment", 4);
  known = made;
  PLAIN.set(chunk, known);
  return known;
}
