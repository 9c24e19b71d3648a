/**
 * @file What the parser puts into its errors: not a sentence but one word, the name of the token type that would have gone
 * on, or the phrase that the grammar gives for several. `src/syntax/expected.ts` makes the sentence.
 */
import type { IParserErrorMessageProvider, TokenType } from "chevrotain";

export const errorMessageProvider: IParserErrorMessageProvider = {
  buildMismatchTokenMessage: ({ expected }) => expected.name,
  buildNotAllInputParsedMessage: () => "EOF",
  buildNoViableAltMessage: ({ customUserDescription }) => customUserDescription ?? "",
  buildEarlyExitMessage: ({ customUserDescription, expectedIterationPaths }) =>
    customUserDescription ?? onlyOne(expectedIterationPaths) ?? "",
};

/** What a list must begin with, where that is one type of token. */
function onlyOne(paths: TokenType[][]): string | undefined {
  const names = new Set(paths.map(([first]) => first?.name));
  return names.size === 1 ? [...names][0] : undefined;
}
