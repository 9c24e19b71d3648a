/** @file What can go wrong when a compiled folder is run in TensorFlow.js. Each says what is wrong and how to mend it. */

export type RuntimeErrorCode =
  /** None of the backends asked for can be used here. */
  | "backend-unavailable"
  /** TensorFlow.js was switched to another backend since the model was loaded. */
  | "backend-changed"
  /** The device is gone, or refused a command; what was computed since is not to be trusted. */
  | "device-lost"
  | "file-missing"
  /** A file of weights is shorter or longer than the model says. */
  | "shard-size"
  /** What lies there is no compiled model, or not one of this version. */
  | "not-a-model"
  | "input-missing"
  | "input-unknown"
  | "input-shape"
  /** A number that is looked up in a table is not a row of it. */
  | "id-out-of-range"
  /** More places than the model has vectors for. */
  | "too-long"
  /** A run left tensors behind. */
  | "tensor-leak"
  /** Gradients were asked for where TensorFlow.js has not registered them. */
  | "no-gradients"
  /** It has loops, which only `executeAsync` runs, and which have no gradients. */
  | "has-loops"
  | "disposed";

export class TfjsRuntimeError extends Error {
  override readonly name = "TfjsRuntimeError";

  constructor(
    readonly code: RuntimeErrorCode,
    /** What is wrong. */
    readonly reason: string,
    /** What to do about it. */
    readonly hint: string,
  ) {
    super(`${reason} (${hint})`);
  }
}
