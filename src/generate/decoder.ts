/**
 * @file Decoding, as samplers and clients see it: tokens go in, scores of the next token come out. Whatever computes them is behind
 * this: a session of ONNX Runtime, a TensorFlow.js graph, a program evaluated by the reference.
 *
 * A decoder is a batch of rows that grow together. How rows of different lengths are padded, what a cache is and where it lies are
 * its own business; a row's scores are those that the row would have alone.
 */
import type { Diagnostic } from "../diagnostics/diagnostic.ts";

/**
 * Values for inputs that a decoder cannot fill by itself, by the input's name, one entry a row: a number where the input has one for
 * each row, a list where it has one for each of the row's tokens of this step.
 */
export type GivenInputs = Readonly<Record<string, readonly (number | readonly number[])[]>>;

export interface Decoder {
  /** The length of a row of scores: tokens are whole numbers from 0 to below this. */
  readonly vocab: number;
  /** How many tokens a row can have in all, those of padding with them; undefined: nothing in the model bounds it. */
  readonly limit: number | undefined;
  /** Does the model read a source first (an encoder-decoder)? Then `start` comes before the first step, and only then. */
  readonly readsSource: boolean;
  /** How many rows there are; 0 before the first `start` or `step`. */
  readonly rows: number;
  /** How many places have been decoded: the tokens of the longest row, and whatever padding stands between its tokens. */
  readonly length: number;
  /**
   * Reads the sources, a row each, of any lengths from one token up. What was decoded before is forgotten, as by `reset`.
   * @throws DecodeFailure
   */
  start(source: readonly (readonly number[])[], given?: GivenInputs): Promise<void>;
  /**
   * Appends tokens to each row and gives the scores (logits) of the token after each row's last. The first step has the prompts: any
   * number of rows of any lengths from one token up. Later steps have the same rows; a step may append any number of tokens, to
   * different rows different numbers, but at least one to each.
   *
   * The scores are the caller's to change, and hold until the next step.
   * @throws DecodeFailure; what was decoded before the failing step still holds
   */
  step(tokens: readonly (readonly number[])[], given?: GivenInputs): Promise<readonly Float32Array[]>;
  /**
   * Goes on with these rows only, in this order: drops those that have ended, repeats those that a search goes on from twice.
   * `[0, 0, 2]` has three rows, of which two have been the first.
   */
  select(rows: readonly number[]): void;
  /** Forgets all rows. Buffers stay, for the next ones. */
  reset(): void;
  /** Frees what the decoder holds. Nothing else may be called after it; a second call does nothing. */
  close(): Promise<void>;
}

/** A step that could not be taken. What is to be said is in `diagnostic`. */
export class DecodeFailure extends Error {
  override readonly name = "DecodeFailure";
  constructor(readonly diagnostic: Diagnostic) {
    super(diagnostic.message);
  }
}
