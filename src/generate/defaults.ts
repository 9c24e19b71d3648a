/** @file How a checkpoint's publisher generates with it, from the checkpoint's own files. */
import type { GenerateOptions } from "./generate.ts";
import { samplingProblem, type SamplingOptions } from "./sampling.ts";

export interface GenerationDefaults extends Omit<SamplingOptions, "seed"> {
  /** Tokens that end a row. */
  readonly end: readonly number[];
  /** Of an encoder-decoder: what answers begin with. */
  readonly begin: readonly number[];
  /** At most so many new tokens a row. */
  readonly maxTokens?: number | undefined;
  /** At most so many tokens a row, those of the prompt with them. */
  readonly maxLength?: number | undefined;
  /** What the publisher asks for and generating here does not do, as `key = value`. */
  readonly unread: readonly string[];
}

type Stated = Readonly<Record<string, unknown>>;

/** Where a file asks for drawn tokens and says no more, transformers draws from so many (`generation/configuration_utils.py`). */
const USUAL_TOP_K = 50;

/**
 * Keys of `generation_config.json` that change which tokens come and that nothing here reads, with the values that change nothing; null
 * never does. Keys of a search with beams stand for themselves in `num_beams`.
 */
const NEUTRAL: Readonly<Record<string, readonly unknown[]>> = {
  num_beams: [1],
  num_beam_groups: [1],
  penalty_alpha: [],
  no_repeat_ngram_size: [0],
  encoder_no_repeat_ngram_size: [0],
  encoder_repetition_penalty: [1],
  bad_words_ids: [],
  sequence_bias: [],
  forced_bos_token_id: [],
  forced_decoder_ids: [],
  suppress_tokens: [],
  begin_suppress_tokens: [],
  exponential_decay_length_penalty: [],
  guidance_scale: [1],
  min_length: [0],
  min_new_tokens: [0],
};
/** The same, where tokens are drawn. */
const NEUTRAL_DRAWN: typeof NEUTRAL = {
  min_p: [0],
  typical_p: [1],
  epsilon_cutoff: [0],
  eta_cutoff: [0],
  top_h: [],
};

/**
 * From the contents of `generation_config.json`, and where there is none from those of `config.json`, which older checkpoints keep the
 * same keys in; tokens that the first does not name are looked up in the second. `reason` where a value means nothing.
 */
export function defaultsIn(
  own: Stated | undefined,
  config: Stated | undefined,
): GenerationDefaults | { readonly reason: string } {
  const tokens = (key: string): readonly number[] => {
    const found = [own, config].map((s) => s?.[key]).find((v) => v !== undefined && v !== null);
    return (Array.isArray(found) ? found : [found]).filter((t): t is number => Number.isInteger(t));
  };
  const stated = own ?? config ?? {};
  const drawn = stated["do_sample"] === true;
  const wrong = problemOf(stated, drawn);
  if (wrong !== undefined) return { reason: wrong };
  const number = (key: string): number | undefined => (stated[key] ?? undefined) as number | undefined;
  const topK = number("top_k") ?? USUAL_TOP_K;
  return {
    end: tokens("eos_token_id"),
    begin: [...tokens("decoder_start_token_id"), ...tokens("pad_token_id")].slice(0, 1),
    // Without `do_sample` the publisher's temperature is not in use.
    ...(drawn ? { temperature: number("temperature") ?? 1, topP: number("top_p"), topK: topK || undefined } : {}),
    repetitionPenalty: number("repetition_penalty"),
    maxTokens: number("max_new_tokens"),
    // In a config.json it may be the 20 that older versions wrote into every one.
    maxLength: own && number("max_new_tokens") === undefined ? number("max_length") : undefined,
    unread: unreadIn(stated, drawn),
  };
}

/** What was asked for, and for the rest what the publisher says. */
export function withDefaults<T extends GenerateOptions>(
  options: T,
  { unread: _, maxLength, ...defaults }: GenerationDefaults,
): T & GenerateOptions {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
  return { ...defaults, ...(given.maxTokens === undefined ? { maxLength } : {}), ...given };
}

/** What is wrong with a value that is read. */
function problemOf(stated: Stated, drawn: boolean): string | undefined {
  const keys = [
    "repetition_penalty",
    "max_new_tokens",
    "max_length",
    ...(drawn ? ["temperature", "top_k", "top_p"] : []),
  ];
  for (const key of keys) {
    const value = stated[key] ?? undefined;
    if (value === undefined) continue;
    if (typeof value !== "number") return `its ${key} is ${JSON.stringify(value)}, which is no number`;
    if (/^max_/.test(key) && !(Number.isInteger(value) && value >= 1))
      return `its ${key} is ${value}, not a whole number from 1 up`;
    const option = key.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
    // 0 of the best are all of them.
    const problem = key === "top_k" && value === 0 ? undefined : samplingProblem({ [option]: value });
    if (problem) return `its ${key} cannot be used: ${problem.reason}`;
  }
  return undefined;
}

function unreadIn(stated: Stated, drawn: boolean): readonly string[] {
  return Object.entries({ ...NEUTRAL, ...(drawn ? NEUTRAL_DRAWN : {}) }).flatMap(([key, neutral]) => {
    const value = stated[key] ?? undefined;
    const text = JSON.stringify(value);
    return value === undefined || neutral.includes(value) || text === "[]"
      ? []
      : [`${key} = ${text.length > 40 ? `${text.slice(0, 37)}...` : text}`];
  });
}
