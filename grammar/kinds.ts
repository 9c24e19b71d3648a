/** @file Small questions about tokens that the passes between lexer and parser share, and tokens made by them. */
import * as T from "./tokens.ts";
import type { IToken, TokenType } from "./tokens.ts";

const nameTypes = new Set<TokenType>([
  T.Name,
  T.As,
  T.WhereWord,
  T.From,
  T.Over,
  T.Prefix,
  T.Class,
  T.Rename,
  T.Cache,
  T.Client,
  T.Task,
  T.In,
  T.X,
  T.XNumber,
]);
const ending = new Set<TokenType>([
  ...nameTypes,
  T.EntryName,
  T.NumberWord,
  T.Text,
  T.UnclosedText,
  T.OddText,
  T.True,
  T.False,
  T.None,
  T.RParen,
  T.RBracket,
  T.RBrace,
  T.RepeatN,
  T.SlotClose,
]);
const beginning = new Set<TokenType>([
  ...nameTypes,
  T.NumberWord,
  T.Text,
  T.UnclosedText,
  T.OddText,
  T.True,
  T.False,
  T.None,
  T.LParen,
  T.LBracket,
  T.LBrace,
  T.Not,
  T.If,
  T.Match,
  T.New,
]);
const reserved = new Set<TokenType>(T.reservedWords);
const statement = new Set<TokenType>(T.statementWords);

/** A name, or a word that is one here. */
export const isName = (t: IToken | undefined): boolean => t !== undefined && nameTypes.has(t.tokenType);
export const isReserved = (t: IToken | undefined): boolean => t !== undefined && reserved.has(t.tokenType);
export const isText = (t: IToken | undefined): boolean =>
  t !== undefined && (t.tokenType === T.Text || t.tokenType === T.UnclosedText || t.tokenType === T.OddText);
/** A token with which an operand can end. */
export const endsOperand = (t: IToken | undefined): boolean => t !== undefined && ending.has(t.tokenType);
/** A token with which an operand can begin (a minus sign aside: after an operand it subtracts). */
export const beginsOperand = (t: IToken | undefined): boolean => t !== undefined && beginning.has(t.tokenType);
export const is = (t: IToken | undefined, type: TokenType): boolean => t?.tokenType === type;
/** `model`, `law`, ... where they begin a declaration; `op` and `block` are types too. */
export function beginsDeclaration(before: IToken | undefined, t: IToken, after: IToken | undefined): boolean {
  switch (t.tokenType) {
    case T.Use:
    case T.Model:
    case T.Objective:
    case T.Checkpoint:
    case T.Law:
    case T.Rewrite:
      return true;
    case T.Block:
    case T.Op:
      return !is(before, T.Colon) && isName(after);
    default:
      return false;
  }
}
/** `let`, `output`, ... where they begin a statement; `dim` is a type too. */
export function beginsStatement(before: IToken | undefined, t: IToken): boolean {
  return statement.has(t.tokenType) && !is(before, T.Colon);
}

export const endOf = (t: IToken): number => (t.endOffset ?? t.startOffset) + 1;
/** True where nothing stands between two tokens. */
export const touches = (a: IToken | undefined, b: IToken | undefined): boolean =>
  a !== undefined && b !== undefined && endOf(a) === b.startOffset;

/** Gives a token another type; its text and place stay. */
export function retype(t: IToken, type: TokenType, image?: string): void {
  t.tokenType = type;
  t.tokenTypeIdx = type.tokenTypeIdx!;
  if (image !== undefined) t.image = image;
}

/** A token that the text has not, of no width, at `offset`. */
export function insertedToken(type: TokenType, image: string, offset: number): IToken {
  return {
    tokenType: type,
    tokenTypeIdx: type.tokenTypeIdx!,
    image,
    startOffset: offset,
    endOffset: offset - 1,
    payload: "inserted",
  };
}
export const isInserted = (t: IToken): boolean => t.payload === "inserted";

/** One token in the place of two that touch or follow each other. */
export function joined(first: IToken, last: IToken, type: TokenType, image: string): IToken {
  return {
    tokenType: type,
    tokenTypeIdx: type.tokenTypeIdx!,
    image,
    startOffset: first.startOffset,
    endOffset: last.endOffset ?? last.startOffset,
  };
}
