/**
 * @file What lexer, `classify` and parser have to say, as plain data: offsets and words, no messages. `src/syntax` turns each
 * finding into a diagnostic.
 */

/** A half-open range of UTF-16 offsets. */
export interface Place {
  readonly start: number;
  readonly end: number;
}

export type Finding = Place & FindingKind;

type FindingKind =
  | { readonly kind: "unknown-character" }
  | { readonly kind: "unclosed-text" }
  | { readonly kind: "odd-quotes" }
  | { readonly kind: "block-comment" }
  /** A sign that other languages have; `instead` is how it is written here. */
  | { readonly kind: "foreign-sign"; readonly instead: string }
  /** `instead`: the number that was meant, where it can be told. */
  | { readonly kind: "bad-number"; readonly instead?: string }
  | { readonly kind: "reserved-word" }
  /** `x-1`, `x3.5`, `x 12`, `x(n)`; `instead`: the repeat that was meant, where it can be told. */
  | { readonly kind: "bad-repeat"; readonly instead?: string }
  | { readonly kind: "stray-comma" }
  /** An opening bracket (at the place itself) whose closing one is missing, noticed at `noticed`; `insert`: where it was put in. */
  | { readonly kind: "unclosed-bracket"; readonly close: string; readonly noticed: Place; readonly insert: number }
  /** A closing bracket that nothing opened. */
  | { readonly kind: "stray-bracket" }
  /** A closing bracket of the wrong shape; `opened` is the bracket that it closes. */
  | { readonly kind: "wrong-bracket"; readonly instead: string; readonly opened: Place }
  | { readonly kind: "too-deep"; readonly limit: number }
  | Unexpected;

/** The parser's own: at the place stands a token that no rule takes there. */
export interface Unexpected {
  readonly kind: "unexpected";
  /** The rule of the grammar that was being read. */
  readonly rule: string;
  /** The rules around it, outermost first, `rule` last. */
  readonly rules: readonly string[];
  /** The token's type that would have gone on (`RParen`), or a phrase of the grammar for several ("a value"). */
  readonly expected: string;
  /** The token's type, `EOF` at the end. */
  readonly found: string;
  /** The place of the token before, and its type. */
  readonly after?: Place;
  readonly afterType?: string;
}
