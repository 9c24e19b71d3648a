/** @file The text of `cst.ts`: the types of the parser's tree, generated from its rules. A test compares the two. */
import { generateCstDts } from "@chevrotain/cst-dts-gen";
import { TfmParser } from "./parser.ts";

export function cstTypes(): string {
  const types = generateCstDts(new TfmParser().getGAstProductions(), { includeVisitorInterface: false }).replace(
    "CstNode, ICstVisitor, IToken",
    "CstNode, IToken",
  );
  const header =
    "/** @file The types of the concrete syntax tree. Generated from `parser.ts`: `UPDATE=1 npx vitest run " +
    "--config tests/vitest.config.ts tests/unit/syntax-grammar.test.ts`. */\n";
  return header + types.trimEnd() + "\n";
}
