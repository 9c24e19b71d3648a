/** @file Which tokens a `tokenizer.json` has, and whether a model has scores for them. */
import type { JsonValue } from "../weights/json.ts";

export interface Vocabulary {
  readonly tokens: number;
  /** The highest number of a token. */
  readonly last: number;
}

/** Of the contents of a `tokenizer.json`; undefined where there is no vocabulary in it. */
export function vocabularyIn(file: unknown): Vocabulary | undefined {
  const { model, added_tokens: added } = objectOf(file);
  const { vocab } = objectOf(model);
  // A list is in the order of the numbers; an object has the number of each token.
  const own = Array.isArray(vocab) ? vocab.map((_, i) => i) : Object.values(objectOf(vocab));
  const more = Array.isArray(added) ? added.map((token) => objectOf(token)["id"]) : [];
  let last = -1;
  for (const id of own) if (Number.isInteger(id)) last = Math.max(last, id as number);
  if (last < 0) return undefined;
  // Added tokens may be in the vocabulary already.
  const beyond = new Set(more.filter((id): id is number => Number.isInteger(id) && (id as number) > last));
  return { tokens: own.length + beyond.size, last: Math.max(last, ...beyond) };
}

/**
 * What does not fit where a model has scores for `rows` tokens. A model may have some more than its tokenizer, for they are often
 * padded; with twice as many it is another tokenizer's model.
 */
export function vocabularyProblem({ tokens, last }: Vocabulary, rows: number): string | undefined {
  if (last >= rows) return `it has tokens up to ${last}, and the model those up to ${rows - 1}`;
  return tokens * 2 < rows ? `it has ${tokens} tokens, and the model ${rows}` : undefined;
}

function objectOf(value: unknown): Readonly<Record<string, JsonValue>> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, JsonValue>>)
    : {};
}
