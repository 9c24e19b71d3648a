/**
 * @file The words and signs of `.tfm`, as chevrotain token types, and the lexer.
 *
 * Three groups stand beside the token stream: ordinary comments, `///` documentation, and block comments (which the
 * language has not: they are read only to be reported). Token types that the lexer never makes (`pattern: Lexer.NA`)
 * are given out by `classify`, which settles what one token alone cannot show.
 */
import { createToken, Lexer, type IToken, type TokenType } from "chevrotain";

export type { IToken, TokenType };

// ── Categories ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Everything that stands between two operands, but `..`, which may lack one. */
export const Infix = createToken({ name: "Infix", pattern: Lexer.NA });
export const Name = createToken({ name: "Name", pattern: /[A-Za-z_][A-Za-z0-9_]*'*/ });
export const Text = createToken({ name: "Text", pattern: /"(?:[^"\\\n\r]|\\[^\n\r])*"/ });

// ── Reserved words ────────────────────────────────────────────────────────────────────────────────────────────────────

function word(text: string, categories: TokenType[] = []): TokenType {
  const name = text[0]!.toUpperCase() + text.slice(1);
  return createToken({ name, pattern: new RegExp(text), longer_alt: Name, categories });
}

export const Use = word("use");
export const Model = word("model");
export const Objective = word("objective");
export const Block = word("block");
export const Op = word("op");
export const Checkpoint = word("checkpoint");
export const Law = word("law");
export const Rewrite = word("rewrite");
export const Input = word("input");
export const Output = word("output");
export const Let = word("let");
export const Dim = word("dim");
export const Param = word("param");
export const If = word("if");
export const Then = word("then");
export const Else = word("else");
export const Match = word("match");
export const And = word("and", [Infix]);
export const Or = word("or", [Infix]);
export const Not = word("not");
export const True = word("true");
export const False = word("false");
export const None = word("none");
export const New = word("new");
export const For = word("for");
export const Given = word("given");
export const Extends = word("extends");
export const Grows = word("grows");
export const When = word("when");
export const Require = word("require");
export const Ignore = word("ignore");
export const Div = word("div", [Infix]);

export const declarationWords: readonly TokenType[] = [Use, Model, Objective, Block, Op, Checkpoint, Law, Rewrite];
export const statementWords: readonly TokenType[] = [Input, Param, Dim, Let, Output];
/** Words that are never names, except straight after a `.`. */
export const reservedWords: readonly TokenType[] = [
  ...declarationWords,
  ...statementWords,
  If,
  Then,
  Else,
  Match,
  And,
  Or,
  Not,
  True,
  False,
  None,
  New,
  For,
  Given,
  Extends,
  Grows,
  When,
  Require,
  Ignore,
  Div,
];

// ── Words that mean something in one place and are names elsewhere ────────────────────────────────────────────────────

const soft = (text: string): TokenType => word(text, [Name]);

export const As = soft("as");
export const WhereWord = soft("where");
export const From = soft("from");
export const Over = soft("over");
export const Prefix = soft("prefix");
export const Class = soft("class");
export const Rename = soft("rename");
export const Cache = soft("cache");
export const Client = soft("client");
export const Task = soft("task");
/** `in` as it is written; `classify` makes it `InOperator` between two operands. */
export const In = soft("in");
/** `x` as it is written; `classify` makes it `RepeatX` where it repeats. */
export const X = soft("x");
/** `x32` as it is written; `classify` makes it `RepeatN` where it repeats. */
export const XNumber = createToken({ name: "XNumber", pattern: /x[0-9][0-9_]*/, longer_alt: Name, categories: [Name] });

// ── What `classify` gives out ─────────────────────────────────────────────────────────────────────────────────────────

const made = (name: string, categories: TokenType[] = []): TokenType =>
  createToken({ name, pattern: Lexer.NA, categories });

export const InOperator = made("InOperator", [Infix]);
export const RepeatN = made("RepeatN");
export const RepeatX = made("RepeatX");
export const SlotOpen = made("SlotOpen");
export const SlotClose = made("SlotClose");
/** A name that begins a line of a checkpoint map. */
export const EntryName = made("EntryName");

// ── Literals ──────────────────────────────────────────────────────────────────────────────────────────────────────────

export const NumberWord = createToken({
  name: "NumberWord",
  pattern: /[0-9][0-9_]*(?:\.[0-9][0-9_]*)?(?:[eE][+-]?[0-9]+)?/,
});
/** A text whose closing quote is missing: it ends with its line, so that only the line is lost. */
export const UnclosedText = createToken({
  name: "UnclosedText",
  pattern: /"(?:[^"\\\n\r]|\\[^\n\r])*\\?/,
  categories: [Text],
});
/** A text in quotes of other languages; reported, and read as a text. */
export const OddText = createToken({
  name: "OddText",
  pattern: /'[^'\n\r]*'|[\u201c\u201d\u201e][^\u201c\u201d\u201e"\n\r]*[\u201c\u201d"]/,
  categories: [Text],
  start_chars_hint: ["'", "\u201c", "\u201d", "\u201e"],
});

// ── Signs ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

const sign = (name: string, text: string, categories: TokenType[] = []): TokenType =>
  createToken({ name, pattern: text, categories });

export const Ellipsis = sign("Ellipsis", "...");
export const DotDot = sign("DotDot", "..");
export const Dot = sign("Dot", ".");
export const Arrow = sign("Arrow", "->", [Infix]);
export const FatArrow = sign("FatArrow", "=>");
export const EqualEqual = sign("EqualEqual", "==", [Infix]);
export const Equal = sign("Equal", "=");
export const NotEqual = sign("NotEqual", "!=", [Infix]);
export const LessEqual = sign("LessEqual", "<=", [Infix]);
export const Less = sign("Less", "<", [Infix]);
export const GreaterEqual = sign("GreaterEqual", ">=", [Infix]);
export const Greater = sign("Greater", ">", [Infix]);
export const OrElse = sign("OrElse", "??", [Infix]);
export const Question = sign("Question", "?");
export const PlusPlus = sign("PlusPlus", "++", [Infix]);
export const Plus = sign("Plus", "+", [Infix]);
export const Minus = sign("Minus", "-", [Infix]);
export const Star = sign("Star", "*", [Infix]);
export const Slash = sign("Slash", "/", [Infix]);
export const Percent = sign("Percent", "%", [Infix]);
export const Caret = sign("Caret", "^", [Infix]);
export const Bar = sign("Bar", "|", [Infix]);
export const Comma = sign("Comma", ",");
export const Colon = sign("Colon", ":");
export const Semicolon = sign("Semicolon", ";");
export const LParen = sign("LParen", "(");
export const RParen = sign("RParen", ")");
export const LBracket = sign("LBracket", "[");
export const RBracket = sign("RBracket", "]");
export const LBrace = sign("LBrace", "{");
export const RBrace = sign("RBrace", "}");

/** Signs of other languages and of papers, each with the word or sign it is here. `classify` puts that in its place. */
export const foreign: ReadonlyMap<string, TokenType> = new Map([
  ["&&", And],
  ["||", Or],
  ["**", Caret],
  ["===", EqualEqual],
  ["!==", NotEqual],
  [":=", Equal],
  ["!", Not],
  ["\u2192", Arrow],
  ["\u21d2", FatArrow],
  ["\u2264", LessEqual],
  ["\u2265", GreaterEqual],
  ["\u2260", NotEqual],
  ["\u00d7", Star],
  ["\u00b7", Star],
  ["\u2212", Minus],
  ["\u2013", Minus],
  ["\u2227", And],
  ["\u2228", Or],
  ["\u00ac", Not],
  ["\u2026", Ellipsis],
]);
export const Foreign = createToken({
  name: "Foreign",
  pattern:
    /&&|\|\||\*\*|===|!==|:=|!(?!=)|[\u2192\u21d2\u2264\u2265\u2260\u00d7\u00b7\u2212\u2013\u2227\u2228\u00ac\u2026]/,
});

// ── Off the token stream ──────────────────────────────────────────────────────────────────────────────────────────────

const Space = createToken({
  name: "Space",
  pattern: /[ \t\r\n\f\u00a0\ufeff]+/,
  group: Lexer.SKIPPED,
  line_breaks: true,
});
const Doc = createToken({ name: "Doc", pattern: /\/\/\/(?!\/)[^\n\r]*/, group: "docs" });
const Comment = createToken({ name: "Comment", pattern: /\/\/[^\n\r]*/, group: "comments" });
const BlockComment = createToken({
  name: "BlockComment",
  pattern: /\/\*[\s\S]*?\*\/|\/\*[^\n\r]*/,
  group: "blockComments",
  line_breaks: true,
});

/** In the lexer's order: the first that fits wins, so longer signs and reserved words come first. */
const lexed: readonly TokenType[] = [
  Space,
  Doc,
  Comment,
  BlockComment,
  ...reservedWords,
  As,
  WhereWord,
  From,
  Over,
  Prefix,
  Class,
  Rename,
  Cache,
  Client,
  Task,
  In,
  XNumber,
  X,
  Name,
  NumberWord,
  Text,
  UnclosedText,
  OddText,
  Ellipsis,
  DotDot,
  Dot,
  Arrow,
  FatArrow,
  Foreign,
  NotEqual,
  EqualEqual,
  Equal,
  LessEqual,
  Less,
  GreaterEqual,
  Greater,
  OrElse,
  Question,
  PlusPlus,
  Plus,
  Minus,
  Star,
  Slash,
  Percent,
  Caret,
  Bar,
  Comma,
  Colon,
  Semicolon,
  LParen,
  RParen,
  LBracket,
  RBracket,
  LBrace,
  RBrace,
];

/** Every token type, for the parser. */
export const vocabulary: readonly TokenType[] = [
  Infix,
  ...lexed,
  InOperator,
  RepeatN,
  RepeatX,
  SlotOpen,
  SlotClose,
  EntryName,
];

export interface Lexed {
  readonly tokens: IToken[];
  readonly docs: readonly IToken[];
  readonly comments: readonly IToken[];
  readonly blockComments: readonly IToken[];
  /** Stretches that are no token at all. */
  readonly unknown: readonly { readonly start: number; readonly end: number }[];
}

/** Validations cost a quarter of the start-up, so only a test asks for them. */
export function makeLexer(validate = false): Lexer {
  return new Lexer([...lexed], {
    positionTracking: "onlyOffset",
    ensureOptimizations: true,
    skipValidations: !validate,
  });
}

let lexer: Lexer | undefined;

/** Cuts a text into tokens. Never throws; what it cannot read is in `unknown`. */
export function lex(text: string): Lexed {
  lexer ??= makeLexer();
  const { tokens, groups, errors } = lexer.tokenize(text);
  return {
    tokens: withEnds(tokens),
    docs: withEnds(groups["docs"] ?? []),
    comments: withEnds(groups["comments"] ?? []),
    blockComments: withEnds(groups["blockComments"] ?? []),
    unknown: errors.map((e) => ({ start: e.offset, end: e.offset + e.length })),
  };
}

/** Tracking offsets alone, the lexer leaves the ends out. */
function withEnds(tokens: IToken[]): IToken[] {
  for (const t of tokens) t.endOffset = t.startOffset + t.image.length - 1;
  return tokens;
}
