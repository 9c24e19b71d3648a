/**
 * @file Corruptions: what training text goes through before a model sees it. Data preparation on the host, with a seed: the same seed
 * gives the same rows. Tokens and labels are plain lists of ids; a label of -100 does not count (`stdlib/losses.tfm`).
 */
import type { Random } from "./random.ts";

/** The label of a place that does not count. */
export const IGNORED = -100;

export interface Masking {
  /** The id that stands for a hidden token. */
  readonly mask: number;
  /** Random tokens are drawn below it. */
  readonly vocab: number;
  /** Ids that are never hidden: those at the ends and between sentences, and padding. */
  readonly special: ReadonlySet<number>;
  /** How many of the tokens are to be guessed; default 0.15. */
  readonly rate?: number;
}

export interface Masked {
  readonly tokens: readonly number[];
  /** The token where it is to be guessed, else -100. */
  readonly labels: readonly number[];
}

/**
 * Masked words (Devlin et al., 2019, 3.1): of the tokens that are not special, `rate` are to be guessed, one at least; 80 % of those
 * become the mask, 10 % a random word, 10 % stay.
 */
export function maskTokens(tokens: readonly number[], random: Random, options: Masking): Masked {
  const { mask, vocab, special, rate = 0.15 } = options;
  const places = random.shuffle(tokens.flatMap((t, i) => (special.has(t) ? [] : [i])));
  const count = places.length === 0 ? 0 : Math.max(1, Math.round(places.length * rate));
  const out = [...tokens];
  const labels = tokens.map(() => IGNORED);
  for (const place of places.slice(0, count)) {
    labels[place] = tokens[place]!;
    const draw = random.next();
    if (draw < 0.8) out[place] = mask;
    else if (draw < 0.9) out[place] = wordBelow(vocab, special, random);
  }
  return { tokens: out, labels };
}

function wordBelow(vocab: number, special: ReadonlySet<number>, random: Random): number {
  for (let tries = 0; tries < 1000; tries++) {
    const word = random.below(vocab);
    if (!special.has(word)) return word;
  }
  throw new Error(`of ${vocab} words, hardly one is not special`);
}

/** Part of a text: `length` tokens from `start` on. */
export interface Span {
  readonly start: number;
  readonly length: number;
}

export interface SpanChoice {
  /** How many of the tokens go; default 0.15. */
  readonly rate?: number;
  /** Of a span, on average; default 3. */
  readonly meanLength?: number;
}

/**
 * Spans that are to be cut out of a text of `length` tokens, in its order: none touches another, and one token at least stays before each
 * (Raffel et al., 2020, 3.1.4). Of every text of two tokens or more one token at least goes, and one stays.
 */
export function chooseSpans(length: number, random: Random, { rate = 0.15, meanLength = 3 }: SpanChoice = {}): Span[] {
  if (length < 2) return [];
  const hidden = Math.min(Math.max(Math.round(length * rate), 1), length - 1);
  const count = Math.min(Math.max(Math.round(hidden / meanLength), 1), hidden, length - hidden);
  const cut = parts(hidden, count, random);
  const kept = parts(length - hidden, count, random);
  let at = 0;
  return cut.map((size, i) => {
    const start = at + kept[i]!;
    at = start + size;
    return { start, length: size };
  });
}

/** `total` as a sum of this many whole numbers of 1 or more, every such sum equally likely. */
function parts(total: number, count: number, random: Random): number[] {
  const borders = random
    .shuffle(Array.from({ length: total - 1 }, (_, i) => i + 1))
    .slice(0, count - 1)
    .sort((a, b) => a - b);
  return [...borders, total].map((border, i) => border - (borders[i - 1] ?? 0));
}

export interface SpanCorruption extends SpanChoice {
  /** The id that stands for the first span, the second, ...; a text has no more spans than there are. */
  readonly sentinels: readonly number[];
  /** Ends source and target; absent: nothing does. */
  readonly end?: number;
}

export interface Corrupted {
  /** The text with a sentinel for each span. */
  readonly source: readonly number[];
  /** Each sentinel with the tokens that it stands for, and a last sentinel where there is one left. */
  readonly target: readonly number[];
}

/** Span corruption (Raffel et al., 2020): the source has a sentinel for each span, the target what each stands for. */
export function corruptSpans(tokens: readonly number[], random: Random, options: SpanCorruption): Corrupted {
  const { sentinels, end } = options;
  const spans = chooseSpans(tokens.length, random, options).slice(0, sentinels.length);
  const source: number[] = [];
  const target: number[] = [];
  let at = 0;
  for (const [i, { start, length }] of spans.entries()) {
    source.push(...tokens.slice(at, start), sentinels[i]!);
    at = start + length;
    target.push(sentinels[i]!, ...tokens.slice(start, at));
  }
  source.push(...tokens.slice(at));
  if (spans.length > 0 && spans.length < sentinels.length) target.push(sentinels[spans.length]!);
  if (end !== undefined) {
    source.push(end);
    target.push(end);
  }
  return { source, target };
}

export interface BlankInfilling extends SpanChoice {
  /** Stands for a span in part A. */
  readonly mask: number;
  /** Begins a span of part B. */
  readonly start: number;
  /** What is to be said where a span ends. */
  readonly end: number;
}

/** A row for blank infilling; all lists are equally long. */
export interface Blanks {
  /** Part A, the text with a mask for each span; then part B, the spans in an order of chance. */
  readonly tokens: readonly number[];
  /** In part B that of the span's mask. */
  readonly positions: readonly number[];
  /** 0 in part A, counted up from 1 in each span. */
  readonly blockPositions: readonly number[];
  /** In part B the next token of its span, at last `end`; -100 in part A. */
  readonly labels: readonly number[];
  /** How long part A is, which all tokens see. */
  readonly prefix: number;
}

/** Autoregressive blank infilling (Du et al., 2021, 2.1): the spans are taken out, shuffled, and said one after the other. */
export function fillBlanks(tokens: readonly number[], random: Random, options: BlankInfilling): Blanks {
  const { mask, start, end } = options;
  const out: number[] = [];
  const blanks: { readonly place: number; readonly tokens: readonly number[] }[] = [];
  let at = 0;
  for (const span of chooseSpans(tokens.length, random, options)) {
    out.push(...tokens.slice(at, span.start));
    at = span.start + span.length;
    blanks.push({ place: out.length, tokens: tokens.slice(span.start, at) });
    out.push(mask);
  }
  out.push(...tokens.slice(at));
  const prefix = out.length;
  const positions = out.map((_, i) => i);
  const blockPositions = out.map(() => 0);
  const labels = out.map(() => IGNORED);
  for (const { place, tokens: hidden } of random.shuffle(blanks)) {
    out.push(start, ...hidden);
    labels.push(...hidden, end);
    for (let i = 0; i <= hidden.length; i++) {
      positions.push(place);
      blockPositions.push(i + 1);
    }
  }
  return { tokens: out, positions, blockPositions, labels, prefix };
}

/**
 * Moves a target on by one place, with `start` first: what a decoder reads while it is to say `labels`. Places that do not count are
 * `pad`.
 */
export function shiftRight(
  labels: readonly number[],
  tokens: { readonly start: number; readonly pad: number },
): number[] {
  return labels.map((_, i) => (i === 0 ? tokens.start : labels[i - 1] === IGNORED ? tokens.pad : labels[i - 1]!));
}
