/** @file The grammar itself: sound by chevrotain's own checks, its types fresh, its EBNF naming the same rules. */
import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { cstTypes } from "../../grammar/generate.ts";
import { TfmParser } from "../../grammar/parser.ts";
import { makeLexer, reservedWords, statementWords } from "../../grammar/tokens.ts";

const grammar = new URL("../../grammar/", import.meta.url).pathname;

test("the lexer has no unreachable, overlapping or unoptimised token", () => {
  expect(makeLexer(true).lexerDefinitionErrors).toEqual([]);
});

test("two tokens of lookahead decide every alternative: self-analysis throws on an ambiguity", () => {
  expect(() => new TfmParser(true)).not.toThrow();
});

test("the types of the concrete tree are those of the rules", () => {
  const path = `${grammar}cst.ts`;
  if (process.env["UPDATE"] === "1" && !process.env["CI"]) writeFileSync(path, cstTypes());
  expect(readFileSync(path, "utf8")).toBe(cstTypes());
});

test("the README has an EBNF line for what each rule of the parser reads", () => {
  const ebnf = /```ebnf\n([^]*?)```/.exec(readFileSync(`${grammar}README.md`, "utf8"))![1]!;
  const defined = [...ebnf.matchAll(/^(\w+) +=/gm)].map((m) => m[1]!).sort();
  // Rules of the parser that are one alternative of another, and stand there in the EBNF.
  const inlined = [
    "use",
    "model",
    "objective",
    "block",
    "op",
    "checkpoint",
    "law",
    "rewrite",
    "tensor",
    "dim",
    "let",
    "output",
    "outputHead",
    "requireEntry",
    "ignoreEntry",
    "prefixEntry",
    "renameEntry",
    "cacheEntry",
    "clientEntry",
    "taskEntry",
    "classEntry",
    "pathEntry",
    "where",
    "if",
    "match",
    "list",
  ];
  // Parts of a line of the EBNF that the parser has inside a rule.
  const extra = ["infix", "literal"];
  const rules = Object.keys(new TfmParser().getGAstProductions()).filter((r) => !inlined.includes(r));
  expect(defined).toEqual([...rules, ...extra].sort());
  const words = new Set([...ebnf.matchAll(/"([a-z]+)"/g)].map((m) => m[1]!));
  for (const word of [...reservedWords, ...statementWords]) expect(words).toContain((word.PATTERN as RegExp).source);
});
