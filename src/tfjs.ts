/**
 * @file What a program that runs compiled folders in TensorFlow.js imports, `tfm-lang/tfjs`: in the browser too. It brings its own
 * TensorFlow.js along, of which there must be one copy.
 */
export { BACKENDS, type Backend } from "./backends/tfjs/runtime/backend.ts";
export { TfjsRuntimeError, type RuntimeErrorCode } from "./backends/tfjs/runtime/errors.ts";
export { load, TfjsModel, type LoadOptions } from "./backends/tfjs/runtime/load.ts";
export type { RuntimePort, RuntimeSignature, Values } from "./backends/tfjs/runtime/ports.ts";
export type { LoadProgress } from "./backends/tfjs/runtime/weights.ts";
export { folderAt, type ModelSource } from "./backends/tfjs/runtime/source.ts";
export type { Tf } from "./backends/tfjs/runtime/tf.ts";
export {
  adamW,
  trainable,
  type AdamWOptions,
  type Optimizer,
  type Trainable,
  type TrainedWeight,
} from "./backends/tfjs/runtime/train.ts";
export {
  chooseSpans,
  corruptSpans,
  fillBlanks,
  IGNORED,
  maskTokens,
  shiftRight,
  type Blanks,
  type Corrupted,
  type Masked,
} from "./corrupt/corrupt.ts";
export { randomOf, type Random } from "./corrupt/random.ts";
export { DecodeFailure, type Decoder, type GivenInputs } from "./generate/decoder.ts";
export { tfjsDecoder } from "./generate/tfjs.ts";
