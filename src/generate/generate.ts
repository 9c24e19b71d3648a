/** @file Generating with a decoder: prompts in, tokens out as they come, each row until it ends by itself. */
import type { Decoder, GivenInputs } from "./decoder.ts";
import { Sampler, type SamplingOptions } from "./sampling.ts";

export interface GenerateOptions extends SamplingOptions {
  /** At most so many new tokens a row; by default as many as the model has places for, and 256 where nothing bounds it. */
  readonly maxTokens?: number | undefined;
  /** At most so many tokens a row, those of the prompt (of an encoder-decoder: of `begin`) with them. */
  readonly maxLength?: number | undefined;
  /** Tokens that end a row. They are not given out. */
  readonly end?: readonly number[] | undefined;
  /** Of an encoder-decoder: the tokens that each answer begins with. */
  readonly begin?: readonly number[] | undefined;
  /** Inputs that the model wants beside tokens, for each step: the tokens of every row so far, and how many are new. */
  readonly given?: ((rows: readonly (readonly number[])[], step: number) => GivenInputs) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Why a row ended. */
export type Ended = "end" | "length" | "stopped";

export type Generated =
  | { readonly kind: "token"; readonly row: number; readonly token: number }
  | { readonly kind: "ended"; readonly row: number; readonly why: Ended };

/** Tokens of a row where the model itself bounds nothing. */
const UNBOUNDED = 256;

/**
 * New tokens for each prompt (of an encoder-decoder: each source), as they are chosen. Throws `DecodeFailure`.
 *
 * @param stop rows that the consumer wants no more of: it may add one when it is given that row's token.
 */
export async function* generate(
  decoder: Decoder,
  prompts: readonly (readonly number[])[],
  options: GenerateOptions = {},
  stop: ReadonlySet<number> = new Set(),
): AsyncGenerator<Generated, void> {
  const { end = [], begin = [], signal, maxLength = Infinity } = options;
  const places = Math.min(maxLength, decoder.limit ?? Infinity);
  const most = options.maxTokens ?? (places === Infinity ? UNBOUNDED : Infinity);
  const samplers = prompts.map((_, row) => new Sampler({ ...options, seed: (options.seed ?? 0) + row }));
  decoder.reset();
  if (decoder.readsSource) await decoder.start(prompts);
  const rows = prompts.map((prompt, row) => ({ row, tokens: decoder.readsSource ? [...begin] : [...prompt], made: 0 }));
  let live = [...rows];
  let fresh = live.map((r) => r.tokens as readonly number[]);
  for (let step = 0; live.length > 0; step++) {
    if (signal?.aborted) {
      for (const { row } of live) yield { kind: "ended", row, why: "stopped" };
      return;
    }
    const scores = await decoder.step(
      fresh,
      options.given?.(
        live.map((r) => r.tokens),
        step,
      ),
    );
    const chosen = live.map((r, i) => samplers[r.row]!.choose(scores[i]!, r.tokens));
    const kept: number[] = [];
    for (const [i, r] of live.entries()) {
      const token = chosen[i]!;
      if (end.includes(token)) {
        yield { kind: "ended", row: r.row, why: "end" };
        continue;
      }
      r.tokens.push(token);
      r.made += 1;
      yield { kind: "token", row: r.row, token };
      if (stop.has(r.row)) yield { kind: "ended", row: r.row, why: "stopped" };
      else if (r.made >= most || r.tokens.length >= places) yield { kind: "ended", row: r.row, why: "length" };
      else kept.push(i);
    }
    decoder.select(kept);
    live = kept.map((i) => live[i]!);
    fresh = live.map((r) => [r.tokens.at(-1)!]);
  }
}

/** Watches a row's text for texts that end it; holds back what may be the beginning of one. */
export class StopWatch {
  private held = "";

  constructor(private readonly stops: readonly string[]) {}

  /** The text that may be shown, and whether a stop was found: it is not shown, nor is anything after it. */
  push(text: string): { readonly text: string; readonly stopped: boolean } {
    const all = this.held + text;
    const found = this.stops.map((s) => all.indexOf(s)).filter((i) => i >= 0);
    if (found.length > 0) {
      this.held = "";
      return { text: all.slice(0, Math.min(...found)), stopped: true };
    }
    let keep = 0;
    for (const stop of this.stops)
      for (let n = Math.min(stop.length - 1, all.length); n > keep; n--) if (all.endsWith(stop.slice(0, n))) keep = n;
    this.held = all.slice(all.length - keep);
    return { text: all.slice(0, all.length - keep), stopped: false };
  }

  /** What was held back, when nothing follows. */
  end(): string {
    const { held } = this;
    this.held = "";
    return held;
  }
}
