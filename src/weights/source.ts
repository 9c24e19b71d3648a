/** @file Where a weight's numbers come from. No I/O here: `host/` opens files and hands in a `Checkpoint`. */
import type { Graph, Initializer } from "../ir/graph.ts";
import type { Axis } from "../ir/type.ts";

/** As a safetensors header spells them. */
export type StoredDtype = "F64" | "F32" | "F16" | "BF16" | "I64" | "I32" | "I16" | "I8" | "U8" | "BOOL";

export interface StoredTensor {
  readonly name: string;
  readonly dtype: StoredDtype;
  readonly shape: readonly number[];
  /** The file's name inside the checkpoint folder. */
  readonly file: string;
  /** Absolute, in bytes. */
  readonly offset: number;
  readonly bytes: number;
  /** The tensor that this is a stretch of, where it is not one by itself. */
  readonly within?: StoredTensor;
}

export interface Checkpoint {
  /** As messages call it. */
  readonly name: string;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly files: readonly { readonly name: string; readonly path: string; readonly bytes: number }[];
  /** The tensor's bytes, or a part of them (`start` and `length` in bytes), read now and not kept. Throws `ReadFailure` where the file changed or cannot be read. */
  read(tensor: StoredTensor, start?: number, length?: number): Uint8Array;
  close(): void;
}

/** Neighbouring columns of a stored tensor that is read as a matrix, [rows, pitch]: `count` of them, the first of which is `start`. */
export interface Columns {
  readonly tensor: StoredTensor;
  readonly rows: number;
  readonly pitch: number;
  readonly start: number;
  readonly count: number;
  /** The parameter's axes as they lie there. */
  readonly order: readonly Axis[];
}

/** What one parameter is filled with. */
export type WeightSource =
  /** The stored tensor's own elements; `order` names its axes as stored (sizes are those of the parameter; merged where the file merges them is the same memory). */
  | { readonly kind: "stored"; readonly tensor: StoredTensor; readonly order: readonly Axis[] }
  /**
   * A graph over stored tensors (its inputs, in order, each with axes in stored order), evaluated in float32; its one output is the
   * parameter. `columns` where that is no more than columns of one of them.
   */
  | {
      readonly kind: "computed";
      readonly tensors: readonly StoredTensor[];
      readonly graph: Graph;
      readonly columns?: Columns;
    }
  /** Drawn from the initialiser. */
  | { readonly kind: "initial"; readonly initial: Initializer; readonly seed: number };

/** The source of each parameter, by concrete path (`layers.3.attention.norm.weight`). */
export type WeightMap = ReadonlyMap<string, WeightSource>;
