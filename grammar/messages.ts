/**
 * @file What the parser puts into its errors: not a sentence but one word, the name of the token type that would have gone
 * on, or the phrase that the grammar gives for several. `src/syntax/expected.ts` makes the sentence.
 */
import type { IParserErrorMessageProvider } from "chevrotain";

export const errorMessageProvider: IParserErrorMessageProvider = {
  buildMismatchTokenMessage: ({ expected }) => expected.name,
  buildNotAllInputParsedMessage: () => "EOF",
  buildNoViableAltMessage: ({ customUserDescription }) => customUserDescription ?? "",
  buildEarlyExitMessage: ({ customUserDescription }) => customUserDescription ?? "",
};
