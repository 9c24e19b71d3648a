/**
 * @file The forms in which a family wants the texts of its tasks: `task "entailment" = "{_start_}{text}{_delimiter_}{pair}{_classify_}"`.
 * Between braces stand the texts (`text`, `pair`), `|` where the second segment begins, and tokens of the vocabulary by their text; a
 * token with the name of an input after a colon gives that input its place. All else stands for itself.
 */
import type { Encoded, Tokenizer } from "./tokenizer.ts";

/** One row of tokens. */
export interface FormedRow extends Encoded {
  /** Places of marked tokens, by the input that wants them. */
  readonly places: Readonly<Record<string, number>>;
}

export interface Texts {
  readonly text: string;
  /** Second texts; a row of a form is made with each of them. */
  readonly pairs: readonly string[];
}

type Part =
  | { readonly kind: "plain"; readonly text: string }
  | { readonly kind: "text" | "pair" | "segment" }
  | { readonly kind: "token"; readonly token: string; readonly input: string | undefined };

/** The rows of a task; `reason` where the texts do not fit the form, or the vocabulary lacks one of its tokens. */
export function formRows(
  forms: readonly string[],
  { text, pairs }: Texts,
  tokenizer: Tokenizer,
): readonly FormedRow[] | { readonly reason: string } {
  const rows: FormedRow[] = [];
  for (const form of forms) {
    const parts = partsOf(form);
    const paired = parts.some((p) => p.kind === "pair");
    if (paired && pairs.length === 0) return { reason: "it has a second text, which --pair gives" };
    if (!paired && pairs.length > 0 && forms.length === 1) return { reason: "it has no second text" };
    for (const pair of paired ? pairs : [""]) {
      const row = rowOf(parts, text, pair, tokenizer);
      if ("reason" in row) return row;
      rows.push(row);
    }
  }
  return rows;
}

function rowOf(
  parts: readonly Part[],
  text: string,
  pair: string,
  tokenizer: Tokenizer,
): FormedRow | { readonly reason: string } {
  const filled = (p: Part): string => (p.kind === "plain" ? p.text : p.kind === "text" ? text : pair);
  // A form of words only is a text like any other: the tokenizer adds what it always adds.
  if (parts.every((p) => p.kind !== "token" && p.kind !== "segment"))
    return { ...tokenizer.encode(parts.map(filled).join("")), places: {} };
  const ids: number[] = [];
  const segments: number[] = [];
  const places: Record<string, number> = {};
  let segment = 0;
  for (const part of parts) {
    if (part.kind === "segment") segment = 1;
    else if (part.kind === "token") {
      const id = tokenizer.idOf(part.token);
      if (id === undefined) return { reason: `the vocabulary has no token ${part.token}` };
      if (part.input !== undefined) places[part.input] = ids.length;
      ids.push(id);
      segments.push(segment);
    } else
      for (const id of tokenizer.encode(filled(part), { plain: true }).ids) {
        ids.push(id);
        segments.push(segment);
      }
  }
  return { ids, segments, places };
}

function partsOf(form: string): readonly Part[] {
  return form
    .split(/(\{[^{}]+\})/)
    .filter((t) => t !== "")
    .map((t): Part => {
      const inside = /^\{(.*)\}$/.exec(t)?.[1];
      if (inside === undefined) return { kind: "plain", text: t };
      if (inside === "text" || inside === "pair") return { kind: inside };
      if (inside === "|") return { kind: "segment" };
      const [, token, input] = /^(.+?)(?::(\w+))?$/.exec(inside)!;
      return { kind: "token", token: token!, input };
    });
}
