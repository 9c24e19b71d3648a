/**
 * @file The first pass between lexer and parser: settles, from left to right, what each word is by its neighbours (`x12`,
 * `x{`, `in`, reserved words after a `.`), and mends what cannot be read otherwise (signs of other languages, numbers,
 * commas too many), with a finding for each.
 */
import type { Finding } from "./findings.ts";
import { beginsOperand, endOf, endsOperand, is, isName, isReserved, joined, retype, touches } from "./kinds.ts";
import * as T from "./tokens.ts";
import type { IToken, TokenType } from "./tokens.ts";

/** A repeat's count is not followed by one of these: there `x12` is a name. */
const notAfterRepeat = new Set<TokenType>([T.Equal, T.FatArrow, T.Dot, T.LBracket, T.Colon]);
/** Words that are followed by the name of what they declare. */
const naming = new Set<TokenType>([T.Let, T.Dim, T.Input, T.Param, T.Model, T.Objective, T.Block, T.Op]);
const afterNewName = new Set<TokenType>([T.Equal, T.Colon, T.LParen, T.LBrace, T.Less, T.As]);

/** Is `x12` (or, with `{` behind it, `x`) at `next` a repeat, if an operand has ended before it? */
export function canRepeat(word: IToken, next: IToken | undefined): boolean {
  if (word.tokenType === T.XNumber) return next === undefined || !notAfterRepeat.has(next.tokenType);
  return word.tokenType === T.X && is(next, T.LBrace);
}

export function settleWords(tokens: readonly IToken[], findings: Finding[]): IToken[] {
  const out: IToken[] = [];
  /** Reserved words that were given to something: said once, a name from there on. */
  const taken = new Set<string>();
  for (let i = 0; i < tokens.length; i++) {
    const t = tokens[i]!;
    const before = out[out.length - 1];
    const next = tokens[i + 1];
    const find = (kind: Finding): void => {
      findings.push(kind);
    };
    const at = { start: t.startOffset, end: endOf(t) };

    if (t.tokenType === T.Foreign) {
      const type = T.foreign.get(t.image)!;
      const instead = typeof type.PATTERN === "string" ? type.PATTERN : (type.PATTERN as RegExp).source;
      find({ kind: "foreign-sign", instead, ...at });
      retype(t, type, instead);
    } else if (t.tokenType === T.UnclosedText) {
      find({ kind: "unclosed-text", ...at });
    } else if (t.tokenType === T.OddText) {
      find({ kind: "odd-quotes", ...at });
    } else if (t.tokenType === T.Comma && (before === undefined || isOpenOrComma(before))) {
      find({ kind: "stray-comma", ...at });
      continue;
    } else if (t.tokenType === T.NumberWord) {
      i += mendNumber(t, tokens, i, find);
    } else if (t.tokenType === T.Dot && !touches(before, t) && is(next, T.NumberWord) && touches(t, next)) {
      const number = joined(t, next!, T.NumberWord, `0.${next!.image}`);
      find({ kind: "bad-number", instead: number.image, start: number.startOffset, end: endOf(number) });
      out.push(number);
      i++;
      continue;
    } else if (isReserved(t)) {
      if (is(before, T.Dot)) retype(t, T.Name);
      else if (usedAsName(before, out[out.length - 2], t, next)) {
        if (!taken.has(t.image)) find({ kind: "reserved-word", ...at });
        taken.add(t.image);
        retype(t, T.Name);
      }
    } else if (t.tokenType === T.In) {
      if (endsOperand(before) && beginsOperand(next)) retype(t, T.InOperator);
    } else if ((t.tokenType === T.XNumber || t.tokenType === T.X) && endsOperand(before) && !afterOver(out)) {
      const used = settleRepeat(t, tokens, i, out, find);
      if (used > 0) {
        i += used - 1;
        continue;
      }
    }
    out.push(t);
  }
  return out;
}

const isOpenOrComma = (t: IToken): boolean =>
  t.tokenType === T.Comma || t.tokenType === T.LParen || t.tokenType === T.LBracket || t.tokenType === T.LBrace;

/** `extends base over x {`: there `x` is an axis. */
const afterOver = (out: readonly IToken[]): boolean =>
  is(out[out.length - 1], T.Over) && is(out[out.length - 3], T.Extends);

/** A reserved word that stands where only a name can: after `let`, before the `=` or `:` of an argument, as a value. */
function usedAsName(
  before: IToken | undefined,
  before2: IToken | undefined,
  t: IToken,
  next: IToken | undefined,
): boolean {
  if (before === undefined || next === undefined) return false;
  if (naming.has(before.tokenType) && !is(before2, T.Colon)) return afterNewName.has(next.tokenType);
  const isNaming = is(t, T.Input) || is(t, T.Param) || is(t, T.Dim);
  if (isNaming && !is(before, T.Colon) && !isName(next) && !isReserved(next)) return true;
  const inList = before.tokenType === T.LParen || before.tokenType === T.Comma;
  return inList && !is(t, T.If) && !is(t, T.Match) && (is(next, T.Equal) || is(next, T.Colon));
}

/** `12ab` and `1.` are reported; the number of tokens behind it that go with it is returned. */
function mendNumber(t: IToken, tokens: readonly IToken[], i: number, find: (f: Finding) => void): number {
  const next = tokens[i + 1];
  if (!touches(t, next)) return 0;
  if (isName(next) || isReserved(next)) {
    find({ kind: "bad-number", start: t.startOffset, end: endOf(next!) });
    return 1;
  }
  if (is(next, T.Dot) && !isName(tokens[i + 2])) {
    const tail = touches(next, tokens[i + 2]) && is(tokens[i + 2], T.NumberWord) ? 2 : 1;
    find({
      kind: "bad-number",
      start: t.startOffset,
      end: endOf(tokens[i + tail]!),
      ...(tail === 1 ? { instead: `${t.image}.0` } : {}),
    });
    return tail;
  }
  return 0;
}

/** Makes a repeat of `x12` or `x{`, and of what was meant as one; returns how many tokens were used up (0: `t` stays). */
function settleRepeat(
  t: IToken,
  tokens: readonly IToken[],
  i: number,
  out: IToken[],
  find: (f: Finding) => void,
): number {
  const next = tokens[i + 1];
  const after = tokens[i + 2];
  const take = (last: IToken, count: number, instead?: string): number => {
    const whole = joined(t, last, T.RepeatN, instead ?? "x1");
    find({
      kind: "bad-repeat",
      start: whole.startOffset,
      end: endOf(whole),
      ...(instead !== undefined ? { instead } : {}),
    });
    out.push(whole);
    return count;
  };
  if (t.tokenType === T.XNumber) {
    if (is(next, T.Dot) && touches(t, next) && is(after, T.NumberWord) && touches(next, after)) return take(after!, 3);
    if (canRepeat(t, next)) retype(t, T.RepeatN);
    return 0;
  }
  if (is(next, T.LBrace)) retype(t, T.RepeatX);
  else if (is(next, T.NumberWord)) return take(next!, 2, `x${next!.image}`);
  else if (is(next, T.Minus) && touches(t, next) && is(after, T.NumberWord) && touches(next, after))
    return take(after!, 3);
  return 0;
}
