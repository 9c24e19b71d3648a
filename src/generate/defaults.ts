/** @file How a checkpoint's publisher generates with it, from the checkpoint's own files. */

export interface GenerationDefaults {
  /** Tokens that end a row. */
  readonly end: readonly number[];
  /** Of an encoder-decoder: what answers begin with. */
  readonly begin: readonly number[];
}

/** From the contents of `generation_config.json`, and where that says nothing from those of `config.json`. */
export function defaultsIn(stated: readonly (Readonly<Record<string, unknown>> | undefined)[]): GenerationDefaults {
  const tokens = (key: string): readonly number[] => {
    const found = stated.map((s) => s?.[key]).find((v) => v !== undefined && v !== null);
    return (Array.isArray(found) ? found : [found]).filter((t): t is number => Number.isInteger(t));
  };
  return {
    end: tokens("eos_token_id"),
    begin: [...tokens("decoder_start_token_id"), ...tokens("pad_token_id")].slice(0, 1),
  };
}
