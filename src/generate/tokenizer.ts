/** @file Text to tokens and back, by the checkpoint's own `tokenizer.json`. */
import { Tokenizer as Library } from "@huggingface/tokenizers";
import { vocabularyIn, type Vocabulary } from "../clients/vocabulary.ts";

/** A text, or two, as a model reads them. */
export interface Encoded {
  readonly ids: readonly number[];
  /** Which of two texts each token belongs to: 0 or 1. */
  readonly segments: readonly number[];
}

export interface Tokenizer {
  /** With the tokens that the tokenizer adds by itself (`[CLS]`, `</s>`), unless `plain`. */
  encode(text: string, options?: { readonly pair?: string | undefined; readonly plain?: boolean }): Encoded;
  /** The number of one token by its text; undefined where the vocabulary has none. */
  idOf(token: string): number | undefined;
  /** Without tokens that stand for no text, unless `special`. */
  decode(ids: readonly number[], options?: { readonly special?: boolean }): string;
  /** Which tokens it has. */
  readonly vocabulary?: Vocabulary | undefined;
  /** The template by which a conversation becomes text, and the texts of the tokens that it may name. */
  readonly chat?: { readonly template: string; readonly tokens: Readonly<Record<string, string>> } | undefined;
}

/** A file of JSON. */
type JsonObject = Readonly<Record<string, unknown>>;

/**
 * A tokenizer from the files' contents; `reason` where they are none. `template` is the content of `chat_template.jinja`, which comes
 * before the one in the config.
 */
export function tokenizerOf(
  file: JsonObject,
  config: JsonObject = {},
  template?: string,
): Tokenizer | { readonly reason: string } {
  let library: Library;
  try {
    library = new Library(file, config);
  } catch (e) {
    return { reason: e instanceof Error ? e.message.split("\n")[0]! : String(e) };
  }
  const chat = template ?? templateOf(config["chat_template"]);
  return {
    encode(text, { pair, plain = false } = {}) {
      const { ids, token_type_ids } = library.encode(text, {
        text_pair: pair ?? null,
        add_special_tokens: !plain,
        return_token_type_ids: true,
      });
      // Tokenizers whose form names no segments give none.
      return { ids, segments: (token_type_ids as number[] | undefined) ?? ids.map(() => 0) };
    },
    idOf: (token) => library.token_to_id(token),
    decode: (ids, { special = false } = {}) =>
      ids.length === 0 ? "" : library.decode([...ids], { skip_special_tokens: !special }),
    vocabulary: vocabularyIn(file),
    ...(chat === undefined ? {} : { chat: { template: chat, tokens: tokensIn(config) } }),
  };
}

/** One template, or several with names, of which `default` is meant. */
function templateOf(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  if (!Array.isArray(value)) return undefined;
  const found = (value as readonly { readonly name?: unknown; readonly template?: unknown }[]).find(
    (t) => t?.name === "default",
  );
  return typeof found?.template === "string" ? found.template : undefined;
}

/** `bos_token` and the like: a text, or an object that has it. */
function tokensIn(config: JsonObject): Record<string, string> {
  return Object.fromEntries(
    Object.entries(config).flatMap(([key, value]): [string, string][] => {
      if (!key.endsWith("_token")) return [];
      const text = typeof value === "object" && value !== null ? (value as { content?: unknown }).content : value;
      return typeof text === "string" ? [[key, text]] : [];
    }),
  );
}
