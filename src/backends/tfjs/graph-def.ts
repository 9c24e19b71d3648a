/** @file The graph of a TensorFlow.js `GraphModel`, as `model.json` has it. Names are TensorFlow's. */
import type { TfmMetadata } from "./fusions.ts";

export type AttrValue =
  | { readonly type: DataType }
  | { readonly b: boolean }
  | { readonly i: string }
  | { readonly f: number }
  | { readonly s: string }
  | { readonly shape: { readonly dim: readonly { readonly size: string }[] } }
  | { readonly func: { readonly name: string } }
  | { readonly list: { readonly s: readonly string[] } | { readonly i: readonly string[] } };

/** A variant is a list of tensors. */
export type DataType = "DT_FLOAT" | "DT_INT32" | "DT_BOOL" | "DT_VARIANT";

export interface NodeDef {
  readonly name: string;
  readonly op: string;
  readonly input?: readonly string[];
  readonly attr?: Readonly<Record<string, AttrValue>>;
}

/** A function of a loop: its arguments are nodes of its own, by their names; `ret` says which node each result is. */
export interface FunctionDef {
  readonly signature: {
    readonly name: string;
    readonly inputArg: readonly { readonly name: string; readonly type: DataType }[];
    readonly outputArg: readonly { readonly name: string; readonly type: DataType }[];
  };
  readonly nodeDef: readonly NodeDef[];
  readonly ret: Readonly<Record<string, string>>;
}

export interface TensorInfo {
  readonly name: string;
  readonly dtype: DataType;
  readonly tensorShape: { readonly dim: readonly { readonly size: string }[] };
}

/** A tensor in the manifest: its numbers follow those of the one before it. */
export interface WeightEntry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: "float32" | "int32" | "bool";
  /** Of `uint8`: q stands for `q * scale + min`. */
  readonly quantization?:
    { readonly dtype: "float16" } | { readonly dtype: "uint8"; readonly scale: number; readonly min: number };
}

export interface ModelJson {
  readonly format: "graph-model";
  readonly generatedBy: string;
  readonly convertedBy: null;
  readonly signature: {
    readonly inputs: Readonly<Record<string, TensorInfo>>;
    readonly outputs: Readonly<Record<string, TensorInfo>>;
  };
  readonly modelTopology: {
    readonly node: readonly NodeDef[];
    readonly library: { readonly function?: readonly FunctionDef[] };
    /** The loader reads it, and wants nothing of it. */
    readonly versions: { readonly producer: number };
  };
  readonly weightsManifest: readonly { readonly paths: readonly string[]; readonly weights: readonly WeightEntry[] }[];
  readonly userDefinedMetadata?: { readonly tfm: TfmMetadata };
}

/** The weights are one sequence of bytes that the host cuts into files of this many; the last one is shorter. */
export const SHARD_BYTES = 4 << 20;

export const shapeOf = (
  dims: readonly (number | string)[],
): { readonly dim: readonly { readonly size: string }[] } => ({
  dim: dims.map((d) => ({ size: typeof d === "number" ? String(d) : "-1" })),
});
