/**
 * @file Where the cursor stands, seen in the tokens before it: which bracket is open there, of what, at which argument. The
 * tree is no help where a text is half typed.
 */
import { lex, type IToken } from "../../grammar/tokens.ts";
import * as T from "../../grammar/tokens.ts";
import { beginsStatement, endOf, endsOperand } from "../../grammar/kinds.ts";
import type * as ast from "../syntax/ast.ts";
import type { Analysis } from "./analysis.ts";
import { calleeOf, topMeaning, type Meaning } from "./symbols.ts";
import { declAt } from "./view.ts";

export interface Opened {
  readonly bracket: "(" | "[" | "{" | "<";
  /** The name before the bracket, and what it means. */
  readonly name?: string;
  readonly callee?: Meaning;
  /** Commas since the bracket. */
  readonly argument: number;
  /** `name =` of the argument that the cursor is in. */
  readonly named?: string;
  /** Names of arguments given already. */
  readonly given: readonly string[];
  /** What arguments without a name begin with. */
  readonly unnamed: readonly string[];
}

export interface Cursor {
  /** The part of a word before the cursor. */
  readonly prefix: string;
  /** In a comment or a text nothing is completed. */
  readonly quiet: boolean;
  /** Tokens before the prefix, of this declaration and what stands before it in its chunk. */
  readonly tokens: readonly IToken[];
  /** Outermost first. */
  readonly open: readonly Opened[];
  readonly decl: ast.Decl | undefined;
}

export function cursorAt(analysis: Analysis, offset: number): Cursor {
  const { chunk, start } = analysis.chunkAt(offset);
  const text = chunk.file.text.slice(0, offset - start);
  const lexed = lex(text);
  const tokens = [...lexed.tokens];
  const last = tokens[tokens.length - 1];
  const isWord = last !== undefined && endOf(last) === text.length && /^[A-Za-z_]/.test(last.image);
  if (isWord) tokens.pop();
  const inComment = [...lexed.comments, ...lexed.docs, ...lexed.blockComments].some((c) => endOf(c) === text.length);
  const inText = last !== undefined && endOf(last) === text.length && last.tokenType === T.UnclosedText;
  const decl = declAt(analysis, offset);
  return {
    prefix: isWord ? last.image : "",
    quiet: inComment || inText,
    tokens,
    open: opened(analysis, decl, tokens),
    decl,
  };
}

interface Raw {
  readonly bracket: Opened["bracket"];
  readonly at: number;
  commas: number;
  named: string | undefined;
  given: string[];
  unnamed: string[];
}

const OPENS = new Map<T.TokenType, Opened["bracket"]>([
  [T.LParen, "("],
  [T.LBracket, "["],
  [T.LBrace, "{"],
]);
const CLOSES = new Map<T.TokenType, Opened["bracket"]>([
  [T.RParen, "("],
  [T.RBracket, "["],
  [T.RBrace, "{"],
]);

function opened(analysis: Analysis, decl: ast.Decl | undefined, tokens: readonly IToken[]): readonly Opened[] {
  const stack: Raw[] = [];
  const push = (bracket: Opened["bracket"], at: number): void => {
    stack.push({ bracket, at, commas: 0, named: undefined, given: [], unnamed: [] });
  };
  for (const [i, t] of tokens.entries()) {
    const before = tokens[i - 1];
    const top = stack[stack.length - 1];
    const opens = OPENS.get(t.tokenType);
    const closes = CLOSES.get(t.tokenType);
    if (beginsStatement(before, t)) {
      const body = stack.findIndex((o) => o.bracket === "{");
      if (body >= 0) stack.length = body + 1;
    } else if (opens) push(opens, i);
    else if (closes) {
      const match = stack.findLastIndex((o) => o.bracket === closes);
      if (match >= 0) stack.length = match;
    } else if (t.tokenType === T.Less && endsOperand(before)) push("<", i);
    else if (t.tokenType === T.Greater && top?.bracket === "<") stack.pop();
    else if (t.tokenType === T.Comma && top) {
      top.commas++;
      top.named = undefined;
    } else if (t.tokenType === T.Equal && top && before && tokens[i - 2] && isStart(tokens[i - 2]!)) {
      top.named = before.image;
      top.given.push(before.image);
      top.unnamed.pop();
    } else if (top && before && isStart(before) && /^[A-Za-z_]/.test(t.image)) top.unnamed.push(t.image);
  }
  return stack.flatMap((raw): Opened[] => {
    const name = nameBefore(tokens, raw.at - 1);
    const callee = name === undefined ? undefined : resolve(analysis, decl, name);
    // `a < b` compares, unless what stands before takes blocks.
    if (raw.bracket === "<" && !takesBlocks(callee) && name !== "each") return [];
    return [
      {
        bracket: raw.bracket,
        argument: raw.commas,
        given: raw.given,
        unnamed: raw.unnamed,
        ...(name === undefined ? {} : { name }),
        ...(callee ? { callee } : {}),
        ...(raw.named === undefined ? {} : { named: raw.named }),
      },
    ];
  });
}

const isStart = (t: IToken): boolean =>
  t.tokenType === T.Comma || t.tokenType === T.LParen || t.tokenType === T.Less || t.tokenType === T.LBracket;

function takesBlocks(meaning: Meaning | undefined): boolean {
  const { decl } = meaning ?? {};
  return decl?.kind === "Block" && (decl.slots.items.length > 0 || decl.slots.rest !== undefined);
}

/** The name that what ends at a token begins with: of `decoder(post) x{2 * n}` it is `decoder`. */
function nameBefore(tokens: readonly IToken[], end: number): string | undefined {
  let i = end;
  while (i >= 0) {
    const t = tokens[i]!;
    if (t.tokenType === T.XNumber && i > 0 && endsOperand(tokens[i - 1])) i--;
    else if (CLOSES.has(t.tokenType)) {
      let depth = 0;
      do {
        const u = tokens[i]!;
        if (CLOSES.has(u.tokenType)) depth++;
        else if (OPENS.has(u.tokenType)) depth--;
        i--;
      } while (i >= 0 && depth > 0);
      if (t.tokenType === T.RBrace && tokens[i]?.tokenType === T.X) i--;
    } else return /^[A-Za-z_]/.test(t.image) ? t.image : undefined;
  }
  return undefined;
}

function resolve(analysis: Analysis, decl: ast.Decl | undefined, name: string): Meaning | undefined {
  const x = { kind: "Name", name, span: analysis.main.syntax.span } as const;
  return calleeOf(analysis, analysis.main, x, decl) ?? topMeaning(analysis, analysis.main, name);
}
