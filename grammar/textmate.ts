/** @file The text of `tfm.tmLanguage.json`, with which editors colour a text as it is: generated from the tokens. A test compares the two. */
import * as T from "./tokens.ts";
import type { TokenType } from "./tokens.ts";

const source = (t: TokenType): string =>
  typeof t.PATTERN === "string" ? escaped(t.PATTERN) : (t.PATTERN as RegExp).source;
const escaped = (sign: string): string => sign.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
/** Whole words: a name may end in primes. */
const words = (types: readonly TokenType[]): string => `\\b(?:${types.map(source).join("|")})\\b(?!')`;
/** Longer signs first. */
const signs = (types: readonly TokenType[]): string =>
  types
    .map(source)
    .sort((a, b) => b.length - a.length)
    .join("|");

const NAME = source(T.Name);
const control = [T.If, T.Then, T.Else, T.Match, T.For, T.When, T.Given, T.Extends, T.Grows, T.Require, T.Ignore, T.New];
const logic = [T.And, T.Or, T.Not, T.Div];
const constants = [T.True, T.False, T.None];
const isSign = (t: TokenType): boolean => typeof t.PATTERN === "string";

export function textMate(): string {
  const operators = T.vocabulary.filter((t) => isSign(t) && (t.CATEGORIES ?? []).includes(T.Infix) && t !== T.Arrow);
  const grammar = {
    $comment:
      "Generated from grammar/tokens.ts: UPDATE=1 npx vitest run --config tests/vitest.config.ts tests/lsp/grammar-files.test.ts",
    name: "tfm",
    scopeName: "source.tfm",
    fileTypes: ["tfm"],
    patterns: [{ include: "#all" }],
    repository: {
      all: {
        patterns: [
          { name: "comment.line.documentation.tfm", match: "///(?!/).*$" },
          { name: "comment.line.double-slash.tfm", match: "//.*$" },
          {
            name: "string.quoted.double.tfm",
            begin: '"',
            end: '"|$',
            patterns: [
              { name: "constant.character.escape.tfm", match: "\\\\." },
              { name: "variable.other.placeholder.tfm", match: '\\{[^}"]*\\}' },
            ],
          },
          { match: `\\.\\s*(${NAME})`, captures: { 1: { name: "variable.other.property.tfm" } } },
          {
            match: `${words(T.declarationWords)
              .replace("(?:", "(")
              .replace(/\(\?!'\)$/, "")}\\s+(?:(${source(T.For)})\\s+)?(${NAME})`,
            captures: {
              1: { name: "storage.type.tfm" },
              2: { name: "keyword.control.tfm" },
              3: { name: "entity.name.type.tfm" },
            },
          },
          { name: "storage.type.tfm", match: words(T.declarationWords) },
          { name: "keyword.other.tfm", match: words(T.statementWords) },
          { name: "keyword.control.tfm", match: words(control) },
          { name: "keyword.operator.word.tfm", match: words(logic) },
          { name: "constant.language.tfm", match: words(constants) },
          { name: "keyword.other.tfm", match: `\\b${source(T.As)}\\b(?=\\s*")` },
          {
            name: "keyword.other.tfm",
            match: `^\\s*(?:${[T.Prefix, T.Class, T.Rename, T.Cache].map(source).join("|")})\\b(?=\\s*[?"A-Za-z])`,
          },
          {
            match: `(?<=[\\w)>}]\\s)${source(T.XNumber)}\\b(?!\\s*(?:=(?!=)|[.\\[:]))`,
            name: "keyword.operator.repeat.tfm",
          },
          { match: `(?<=[\\w)>}]\\s)${source(T.X)}(?=\\{)`, name: "keyword.operator.repeat.tfm" },
          { match: `(${NAME})\\s*(?=:)`, captures: { 1: { name: "entity.name.label.tfm" } } },
          { match: `(${NAME})\\s*(?==(?![=>]))`, captures: { 1: { name: "variable.parameter.tfm" } } },
          { match: `(${NAME})(?=\\()`, captures: { 1: { name: "entity.name.function.tfm" } } },
          { name: "variable.other.tfm", match: NAME },
          { name: "constant.numeric.tfm", match: source(T.NumberWord) },
          { name: "keyword.operator.arrow.tfm", match: signs([T.Arrow, T.FatArrow]) },
          { name: "keyword.operator.tfm", match: signs([...operators, T.Equal, T.Question, T.Ellipsis, T.DotDot]) },
          { name: "punctuation.separator.tfm", match: signs([T.Comma, T.Colon, T.Semicolon, T.Dot]) },
        ],
      },
    },
  };
  return `${JSON.stringify(grammar, undefined, 2)}\n`;
}
