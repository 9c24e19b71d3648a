/** @file Text to concrete syntax tree: lexer, `classify`, parser. The only door into `grammar/`; never throws. */
import type { CstNode, IRecognitionException, IToken } from "chevrotain";
import { classify } from "./classify.ts";
import type { BareCstNode, FileCstNode } from "./cst.ts";
import type { Finding } from "./findings.ts";
import { endOf, isInserted } from "./kinds.ts";
import { TfmParser } from "./parser.ts";
import { lex } from "./tokens.ts";

export type { CstNode, IToken };
export type { Finding, Place, Unexpected } from "./findings.ts";
export { deepest } from "./classify.ts";

/** What stands beside the tokens, for the formatter and for documentation. */
export interface Aside {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

export interface Parsed {
  /** The declarations of a file; absent where the text is one expression. */
  readonly file?: FileCstNode;
  readonly bare?: BareCstNode;
  /** What the parser read, in order: those of the text, and those put in to make brackets balance. */
  readonly tokens: readonly IToken[];
  /** `///` lines. */
  readonly docs: readonly Aside[];
  /** `//` comments. */
  readonly comments: readonly Aside[];
  readonly findings: readonly Finding[];
}

let parser: TfmParser | undefined;

/** Reads a whole text. There is always a tree, if one with holes; `findings` say what is wrong with the text. */
export function parseText(text: string): Parsed {
  const lexed = lex(text);
  const findings: Finding[] = [
    ...lexed.unknown.map((place) => ({ kind: "unknown-character" as const, ...place })),
    ...lexed.blockComments.map((t) => ({ kind: "block-comment" as const, start: t.startOffset, end: endOf(t) })),
  ];
  const classified = classify(text, lexed.tokens);
  findings.push(...classified.findings);
  const { tokens, cutAt } = classified;
  parser ??= new TfmParser();
  parser.input = tokens;
  const isBare = !classified.hasDeclarations && tokens.length > 0;
  const node = isBare ? parser.bare() : parser.file();
  const places = parser.errors.length > 0 ? new Map(tokens.map((t, i) => [t, i])) : new Map<IToken, number>();
  for (const error of parser.errors) {
    const at = places.get(error.token) ?? tokens.length;
    findings.push(unexpected(error, isBare ? "bare" : "file", tokens, at, text.length));
  }
  return {
    ...(isBare ? { bare: node as BareCstNode } : { file: node as FileCstNode }),
    tokens,
    docs: lexed.docs.map(aside),
    comments: lexed.comments.map(aside),
    findings: cutAt === undefined ? findings : findings.filter((f) => isBefore(f, cutAt)),
  };
}

/** Behind the place where the tokens were cut off for depth, nothing has been read. */
function isBefore(f: Finding, cutAt: number): boolean {
  if (f.kind === "too-deep") return true;
  return f.start < cutAt && (f.kind !== "unclosed-bracket" || f.noticed.start < cutAt);
}

const aside = (t: IToken): Aside => ({ start: t.startOffset, end: endOf(t), text: t.image });

function unexpected(
  error: IRecognitionException,
  root: string,
  tokens: readonly IToken[],
  at: number,
  length: number,
): Finding {
  const rules = error.context.ruleStack.length > 0 ? error.context.ruleStack : [root];
  // Tokens that the text does not have are not spoken of.
  let before = at - 1;
  while (before >= 0 && isInserted(tokens[before]!)) before--;
  let behind = at;
  while (behind < tokens.length && isInserted(tokens[behind]!)) behind++;
  const after = tokens[before];
  const found = tokens[behind];
  return {
    kind: "unexpected",
    rule: rules[rules.length - 1]!,
    rules,
    expected: error.message,
    found: found ? found.tokenType.name : "EOF",
    start: found ? found.startOffset : length,
    end: found ? endOf(found) : length,
    ...(after ? { after: { start: after.startOffset, end: endOf(after) }, afterType: after.tokenType.name } : {}),
  };
}
