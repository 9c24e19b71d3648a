/** @file Which token comes next: the best, or one drawn from what temperature, top-k and top-p leave. */
import { randomOf, type Random } from "../corrupt/random.ts";

export interface SamplingOptions {
  /** Scores are divided by this; 0, the default, takes the best token always. */
  readonly temperature?: number | undefined;
  /** Only so many of the best. */
  readonly topK?: number | undefined;
  /** Only the best that together have this much of the probability (Holtzman et al., 2019); at least one. */
  readonly topP?: number | undefined;
  /** Scores of tokens that were there already: positive ones are divided by this, negative ones multiplied (Keskar et al., 2019). */
  readonly repetitionPenalty?: number | undefined;
  /** The same seed draws the same tokens; by default 0. */
  readonly seed?: number | undefined;
}

/** What is wrong with the options, by the option's name. */
export function samplingProblem({
  temperature = 0,
  topK = 1,
  topP = 1,
  repetitionPenalty = 1,
  seed = 0,
}: SamplingOptions): { readonly option: keyof SamplingOptions; readonly reason: string } | undefined {
  if (!(temperature >= 0 && Number.isFinite(temperature)))
    return { option: "temperature", reason: `it is ${temperature}, not 0 or more` };
  if (!(Number.isInteger(topK) && topK >= 1))
    return { option: "topK", reason: `it is ${topK}, not a whole number from 1 up` };
  if (!(topP > 0 && topP <= 1)) return { option: "topP", reason: `it is ${topP}, not above 0 and at most 1` };
  if (!(repetitionPenalty > 0 && Number.isFinite(repetitionPenalty)))
    return { option: "repetitionPenalty", reason: `it is ${repetitionPenalty}, not above 0` };
  if (!Number.isSafeInteger(seed)) return { option: "seed", reason: `it is ${seed}, not a whole number` };
  return undefined;
}

/** Chooses for one row; each row has a sampler of its own, so that what it draws does not depend on how long others are. */
export class Sampler {
  private readonly random: Random;

  constructor(private readonly options: SamplingOptions = {}) {
    this.random = randomOf(options.seed ?? 0);
  }

  /** The next token. `scores` are changed; `before` are the row's tokens so far. */
  choose(scores: Float32Array, before: readonly number[]): number {
    const { temperature = 0, topK, topP = 1, repetitionPenalty = 1 } = this.options;
    if (repetitionPenalty !== 1)
      for (const token of new Set(before)) {
        const score = scores[token]!;
        scores[token] = score > 0 ? score / repetitionPenalty : score * repetitionPenalty;
      }
    if (temperature === 0) return best(scores);
    const kept = candidates(scores, topK ?? scores.length, topP < 1);
    const most = scores[kept[0]!]!;
    const weights = kept.map((token) => Math.exp((scores[token]! - most) / temperature));
    return kept[draw(weights, topP, this.random.next())]!;
  }
}

/** The first of the highest. */
function best(scores: Float32Array): number {
  let found = 0;
  for (let i = 1; i < scores.length; i++) if (scores[i]! > scores[found]!) found = i;
  return found;
}

/** The `count` best tokens; the best of all stands first, and all are in order where that is wanted or some were left out. */
function candidates(scores: Float32Array, count: number, ordered: boolean): readonly number[] {
  const all = Array.from(scores, (_, i) => i);
  if (count < scores.length || ordered) return all.sort((a, b) => scores[b]! - scores[a]! || a - b).slice(0, count);
  const first = best(scores);
  [all[0], all[first]] = [all[first]!, all[0]!];
  return all;
}

/** Which of the weights, of which as many count as together make up `topP` of the whole. */
function draw(weights: readonly number[], topP: number, at: number): number {
  const total = weights.reduce((a, b) => a + b, 0);
  let count = weights.length;
  if (topP < 1) {
    let sum = 0;
    count = weights.findIndex((w) => (sum += w) >= topP * total) + 1 || weights.length;
  }
  const kept = weights.slice(0, count);
  let left = at * kept.reduce((a, b) => a + b, 0);
  return Math.max(
    0,
    kept.findIndex((w) => (left -= w) < 0),
  );
}
