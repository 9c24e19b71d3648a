/**
 * @file The ONNX dialects that can be asked for, as records of what they have. All write standard operators only: ONNX Runtime's own
 * ones are either what it fuses these into by itself, or slower than what is written here (measured, see `lowering/attend.ts` and
 * `lowering/kernels.ts`).
 */
import { LAUNCHES, PASSES } from "../../rewrite/cost.ts";
import type { Keeps } from "../backend.ts";
import { keepsFor } from "../lowering/kernels.ts";
import type { Target } from "../lowering/target.ts";
import { kernelsOf } from "./standard.ts";

/**
 * In what form a model hands on what it keeps. `whole`: a past in, a present out that is the next step's past. `rows`: the past in
 * buffers of the client's, the new places of it out (`cache-rows.ts`). `shared`: past and present may be one buffer of a fixed length
 * (`cache-shared.ts`); that takes an operator of ONNX Runtime's own.
 */
export const CACHE_FORMS = ["whole", "rows", "shared"] as const;
export type CacheForm = (typeof CACHE_FORMS)[number];

export type TargetName = "onnx" | "onnx-23" | "onnx-17";

/** What ONNX Runtime runs the model on. */
export const ONNX_PROVIDERS = ["cpu", "webgpu", "cuda"] as const;
export type OnnxProvider = (typeof ONNX_PROVIDERS)[number];

export interface OnnxTarget extends Target {
  readonly name: TargetName;
  readonly opset: number;
  readonly irVersion: number;
  /** There is an `RMSNormalization`, and it is no slower than what runtimes fuse. */
  readonly rmsNormalization: boolean;
  /** The same of `RotaryEmbedding`. */
  readonly rotaryEmbedding: boolean;
  /** The same of `Attention`. */
  readonly attention: boolean;
  /** There is a `MultiHeadAttention`, and it is faster than attention in parts. */
  readonly multiHeadAttention: boolean;
  /** The same of `GroupQueryAttention`, in float32 too. */
  readonly groupQueryAttention: boolean;
  /** The operators of attention take what is kept and what is new apart, and give them joined. */
  readonly attentionTakesPasts: boolean;
  /**
   * There are `SkipLayerNormalization` and `SkipSimplifiedLayerNormalization`, and they are faster than a sum and a norm; `float32`: those
   * of float16 add up squares in float16.
   */
  readonly skipNorms: "always" | "float32" | "never";
}

const STANDARD = {
  layerNormalization: true,
  copiesDimensions: true,
  slices: "ends",
  countsFromEnd: true,
  gatherAligned: true,
  loops: true,
  lastDimensionOnly: false,
  castsWeights: true,
  costs: PASSES,
  ordersWeights: false,
  splitsBatches: false,
  placesFirst: false,
  packsProducts: false,
  notesFusions: false,
  rmsNormalization: false,
  rotaryEmbedding: false,
  attention: false,
  multiHeadAttention: false,
  groupQueryAttention: false,
  attentionTakesPasts: false,
  skipNorms: "never",
} as const;

// Since opset 18 reductions take their axes as an operand, since 20 there is a `Gelu`, since 23 what transformers are made of.
const OPSET_17 = {
  ...STANDARD,
  opset: 17,
  irVersion: 8,
  reduceAxesAsInput: false,
  gelu: false,
  placesFirst: true,
} as const;
const OPSET_21 = { ...STANDARD, opset: 21, irVersion: 10, reduceAxesAsInput: true, gelu: true } as const;
const OPSET_23 = { ...OPSET_21, opset: 23, irVersion: 11, rmsNormalization: true, rotaryEmbedding: true } as const;

/**
 * `onnx` is what ONNX Runtime's provider has fast kernels for. On the CPU attention in parts is faster in decoding than `Attention`
 * (measured). The WebGPU provider has no `Attention`; its norms and rotary positions are one kernel each. It has nothing of bfloat16,
 * and of float16 only where the device has: weights are float32 in a graph of float32. The CUDA provider has all three (neither of the
 * two has been timed).
 */
const ONNX: { readonly [K in OnnxProvider]: OnnxTarget } = {
  cpu: { ...OPSET_21, name: "onnx", placesFirst: true },
  webgpu: {
    ...OPSET_23,
    name: "onnx",
    castsWeights: false,
    packsProducts: true,
    costs: LAUNCHES,
    multiHeadAttention: true,
    groupQueryAttention: true,
    attentionTakesPasts: true,
    skipNorms: "always",
  },
  cuda: {
    ...OPSET_23,
    name: "onnx",
    attention: true,
    attentionTakesPasts: true,
    packsProducts: true,
    costs: LAUNCHES,
    skipNorms: "float32",
  },
};

/** The capabilities of a target; the provider says something of `onnx` only, the others are for any runtime. */
export function targetOf(name: TargetName, provider: OnnxProvider = "cpu"): OnnxTarget {
  if (name === "onnx-23") return { ...OPSET_23, name, attention: true };
  return name === "onnx-17" ? { ...OPSET_17, name } : ONNX[provider];
}

/** Which composite operators this target wants whole. */
export function keeps(name: TargetName, provider?: OnnxProvider): Keeps {
  const target = targetOf(name, provider);
  return keepsFor(target, kernelsOf(target));
}
