/**
 * @file The linear passes between lexer and parser, in order: words, brackets, slots, depth. What they settle is what two
 * tokens of lookahead cannot: whether `<` opens slots, whether `x12` repeats, whether `in` is an operator. Afterwards all
 * brackets balance.
 */
import { balance, imageOf } from "./brackets.ts";
import type { Finding } from "./findings.ts";
import { beginsStatement, endOf, endsOperand, insertedToken, retype } from "./kinds.ts";
import { settleSlots } from "./slots.ts";
import * as T from "./tokens.ts";
import type { IToken, TokenType } from "./tokens.ts";
import { settleWords } from "./words.ts";

/** Open brackets and `if`s; beyond it a parser that calls itself would run out of stack. */
export const deepest = 48;

export interface Classified {
  readonly tokens: IToken[];
  readonly findings: Finding[];
  /** True where the text has a declaration; without one it is a single expression. */
  readonly hasDeclarations: boolean;
  /** Where the tokens were cut off for depth. */
  readonly cutAt?: number;
}

const declarations = new Set<TokenType>(T.declarationWords);

/** Changes the types of `tokens` in place, and returns those to parse. */
export function classify(text: string, tokens: readonly IToken[]): Classified {
  const findings: Finding[] = [];
  const words = settleWords(tokens, findings);
  const balanced = balance(text, words, findings);
  const settled = settleSlots(balanced, findings);
  const cutAt = limitDepth(settled, findings);
  return {
    tokens: settled,
    findings,
    hasDeclarations: settled.some((t) => declarations.has(t.tokenType)),
    ...(cutAt !== undefined ? { cutAt } : {}),
  };
}

const closer = new Map<TokenType, TokenType>([
  [T.LParen, T.RParen],
  [T.LBracket, T.RBracket],
  [T.LBrace, T.RBrace],
  [T.SlotOpen, T.SlotClose],
]);
const closers = new Set(closer.values());
/** A new expression begins behind these: the `if`s before it are over. */
const endsIfs = new Set<TokenType>([T.Comma, T.Semicolon, T.FatArrow, T.EntryName]);

/** Cuts the tokens off where they nest deeper than `deepest`, and closes what is open there. */
function limitDepth(tokens: IToken[], findings: Finding[]): number | undefined {
  const open: { readonly close: TokenType; ifs: number }[] = [];
  const bottom = { close: T.RBrace, ifs: 0 };
  let depth = 0;
  for (let i = 0; i < tokens.length; i++) {
    const t = tokens[i]!;
    const level = open[open.length - 1] ?? bottom;
    const close = closer.get(t.tokenType);
    if (close) {
      open.push({ close, ifs: 0 });
      depth++;
    } else if (closers.has(t.tokenType)) {
      depth -= 1 + level.ifs;
      open.pop();
    } else if (t.tokenType === T.If) {
      level.ifs++;
      depth++;
    } else if (endsIfs.has(t.tokenType) || beginsStatement(tokens[i - 1], t) || declarations.has(t.tokenType)) {
      depth -= level.ifs;
      level.ifs = 0;
    }
    if (depth <= deepest) continue;
    findings.push({ kind: "too-deep", limit: deepest, start: t.startOffset, end: endOf(t) });
    if (close) open.pop();
    // A value must stand here, unless one has just ended.
    const ended = endsOperand(tokens[i - 1]);
    retype(t, T.NumberWord, "0");
    const ends = open
      .reverse()
      .map((o) => insertedToken(o.close, o.close === T.SlotClose ? ">" : imageOf(o.close), endOf(t)));
    tokens.splice(ended ? i : i + 1, tokens.length, ...ends);
    return t.startOffset;
  }
  return undefined;
}
