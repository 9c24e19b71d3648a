/**
 * @file What backends have in common: what they are given, and what they hand to the host to be written.
 *
 * A backend takes a `VerifiedGraph` and gives a description of files; it reads no weights and writes nothing. None
 * imports another.
 */
import type { NodeOf } from "../ir/graph.ts";
import type { Axis } from "../ir/type.ts";
import type { Affine } from "../weights/affine.ts";
import type { Part } from "../weights/materialize.ts";
import type { WeightSource } from "../weights/source.ts";

export interface Producer {
  readonly name: string;
  readonly version: string;
}

/** The source of each parameter, by concrete path; every parameter of the graph has one. */
export type Weights = (path: string) => WeightSource;

/** A weight that the host computes and writes into the artifact's own data file, row-major in `order`. */
export interface PlannedTensor {
  readonly path: string;
  readonly order: readonly Axis[];
  /** The order in which the program declares its axes, where that is another. */
  readonly declared?: readonly Axis[];
  /** A stretch of the parameter only, as long as `order` says. */
  readonly part?: Part;
  /** The parameter is written times this. */
  readonly factor?: number;
  readonly dtype: "F32" | "F16" | "BF16";
  /** In bytes, as `length`. */
  readonly offset: number;
  readonly length: number;
}

/** A weight that may be written as bytes, which stand for numbers. */
export type PackedTensor =
  PlannedTensor | (Omit<PlannedTensor, "dtype"> & { readonly dtype: "U8"; readonly affine: Affine });

/** An input or output of the artifact. A dimension is a number or the name of a size that is known at run time. */
export interface Port {
  readonly name: string;
  readonly dtype: "float32" | "float16" | "int64" | "int32";
  readonly dims: readonly (number | string)[];
}

export interface Signature {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
}

/** Which composite operators a backend keeps whole: of all others it wants the body. */
export type Keeps = (call: NodeOf<"call">) => boolean;
