/** @file The words of a compiled folder's tokenizer, so that scores over a vocabulary can be shown as text. */
import { join } from "node:path";
import { readJsonObject } from "../host/config.ts";
import { statOf } from "../host/system.ts";

/** The word of each number, where the folder has a tokenizer.json of `size` entries. */
export function vocabularyOf(folder: string, size: number): readonly string[] | undefined {
  const path = join(folder, "tokenizer.json");
  if (!statOf(path)?.isFile()) return undefined;
  const { value } = readJsonObject(path);
  const file = value as { readonly model?: { readonly vocab?: unknown }; readonly added_tokens?: unknown } | undefined;
  const words = new Array<string | undefined>(size);
  const vocab = file?.model?.vocab;
  // A list of [word, score] pairs, or an object from words to numbers.
  if (Array.isArray(vocab))
    for (const [i, pair] of vocab.entries()) put(words, i, Array.isArray(pair) ? pair[0] : undefined);
  else if (typeof vocab === "object" && vocab !== null)
    for (const [word, i] of Object.entries(vocab)) put(words, i, word);
  if (Array.isArray(file?.added_tokens))
    for (const token of file.added_tokens as { readonly id?: unknown; readonly content?: unknown }[])
      put(words, token.id, token.content);
  const known = words.filter((w) => w !== undefined).length;
  // Another size is another model's tokenizer; published vocabularies are often padded by a few entries.
  return known > size * 0.9 ? words.map((w, i) => w ?? `<${i}>`) : undefined;
}

function put(words: (string | undefined)[], i: unknown, word: unknown): void {
  if (typeof i === "number" && i >= 0 && i < words.length && typeof word === "string") words[i] = word;
}

/** Words one after the other as text: the marks of spaces that tokenizers use become spaces. */
export function textOf(words: readonly string[]): string {
  const marked = words.some((w) => /[ĠĊ▁]/.test(w));
  const joined = marked
    ? words.join("").replaceAll(/[Ġ▁]/g, " ").replaceAll("Ċ", "\n")
    : words.join(" ").replaceAll(" ##", "");
  return joined.trim();
}
