/**
 * @file A written artifact, read again: its own list of nodes and tensors, whatever it was written from. Each backend reads its own format
 * into this; what the operators mean is said where they are evaluated (`equivalence/artifact/`).
 */
import type { Dtype } from "../ir/type.ts";

/** Whole numbers, whole numbers in a list, texts; floats say so, since they were rounded to float32; a graph of a loop's body. */
export type WrittenAttribute =
  | number
  | readonly number[]
  | string
  | { readonly float: number }
  | { readonly floats: readonly number[] }
  | { readonly graph: WrittenGraph };

export interface WrittenNode {
  readonly name: string;
  /** As the format calls it; of another domain than the format's own with it before the name, `com.microsoft.GroupQueryAttention`. */
  readonly op: string;
  /** Names of tensors; "" where an operand is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, WrittenAttribute>>;
}

/** A tensor whose numbers are given. */
export interface WrittenTensor {
  readonly name: string;
  readonly dims: readonly number[];
  readonly dtype: Dtype;
  /** A weight lies outside of the graph, or is large; a constant is part of what the graph says. */
  readonly isWeight: boolean;
  /** Row-major. Read when asked for. */
  readonly numbers: () => ArrayLike<number>;
  /** How far they may be from what they were made of by rounding: relative to each, and to the largest. */
  readonly rounding: readonly [own: number, largest: number];
  /** What the artifact itself says of a weight: of which parameter, and in what order of its axes. */
  readonly parameter?: {
    readonly path: string;
    readonly order: readonly string[];
    /** It is cut along an axis, and this is one of the pieces. */
    readonly piece?: { readonly along: string; readonly index: number; readonly of: number };
    /** It is the parameter times this. */
    readonly factor?: number;
  };
}

/** Of the ways in which floats are stored. Float32 is what weights are computed in. */
export const ROUNDING = {
  F64: [2 ** -23, 0],
  F32: [2 ** -23, 0],
  F16: [2 ** -10, 2 ** -20],
  BF16: [2 ** -7, 0],
  U8: [2 ** -23, 2 ** -7],
} as const;

/** Whether its numbers are stored as halves. */
export function isHalf(tensor: WrittenTensor): boolean {
  return tensor.rounding === ROUNDING.F16;
}

export interface WrittenPort {
  readonly name: string;
  readonly dtype: Dtype;
}

export interface WrittenGraph {
  /** Whose operators these are. */
  readonly dialect: "onnx" | "tfjs";
  /** Of ONNX, the version of the standard operators. */
  readonly opset: number;
  readonly inputs: readonly WrittenPort[];
  readonly outputs: readonly WrittenPort[];
  readonly tensors: readonly WrittenTensor[];
  /** Each after those that make what it reads. */
  readonly nodes: readonly WrittenNode[];
}

/** The bytes of a file beside the model, from `offset` on (in bytes). */
export type ReadBytes = (file: string, offset: number, length: number) => Uint8Array;

/** What stands in a file is not what its format allows. */
export class Unreadable extends Error {
  override readonly name = "Unreadable";
}
