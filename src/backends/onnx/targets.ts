/**
 * @file The ONNX dialects that can be asked for, as records of what they have. For any runtime they are standard operators only. So they
 * are for ONNX Runtime's CPU provider, but for rotary positions: its other own ones are either what it fuses these into by itself, or
 * slower than what is written here (measured, see `lowering/attend.ts` and `lowering/kernels.ts`). For its WebGPU and CUDA providers
 * there are also those of its own that are one launch for several: a sum with a norm, attention with what is kept.
 *
 * What is not written, since ONNX Runtime 1.30 would have nothing of it: `BiasGelu` and `FastGelu` (the bias is part of the product
 * before them, `Gemm`), `QuickGelu` (it makes them of a sigmoid and a product itself, for WebGPU too), `BiasSplitGelu` (it wants the
 * gate behind what is gated, and CUDA's three widths only). No provider has a gated feed-forward of other weights than those of four bits.
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
  /** What turns rotary positions in one node: the standard's `RotaryEmbedding` (opset 23), or the one of ONNX Runtime's own. */
  readonly rotaryEmbedding: "standard" | "own" | "never";
  /**
   * Angles are repeated for each text where they are the same for all, once for all layers, rather than the heads of all texts brought
   * before their places, in each.
   */
  readonly repeatsAngles: boolean;
  /** Sines and cosines run on the CPU: so do the products before them. */
  readonly anglesOnHost: boolean;
  /** In a graph of float16 as few casts as can be: what is no island is in halves throughout. */
  readonly halvesThroughout: boolean;
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
  unrolls: 0,
  lastDimensionOnly: false,
  castsWeights: true,
  costs: PASSES,
  ordersWeights: false,
  splitsBatches: false,
  placesFirst: false,
  packsProducts: false,
  foldsScales: false,
  notesFusions: false,
  rmsNormalization: false,
  rotaryEmbedding: "never",
  repeatsAngles: false,
  halvesThroughout: false,
  anglesOnHost: false,
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
const OPSET_23 = {
  ...OPSET_21,
  opset: 23,
  irVersion: 11,
  rmsNormalization: true,
  rotaryEmbedding: "standard",
} as const;

/**
 * `onnx` is what ONNX Runtime's provider has fast kernels for. On the CPU attention in parts is faster in decoding than `Attention`
 * (measured); rotary positions are one node of its own for eight: a step after 2,000 places of a model with 16 layers takes 0.97 of
 * the time, a prompt of 128 of it 0.96, a step of four layers of 2,048 the same (1.30, one thread, in each of five processes four
 * sessions of either). On wasm a step of 8 layers of 256 after 256 places takes 0.77, a prompt of 64 0.94.
 *
 * The WebGPU provider has no `Attention`; its `MultiHeadAttention` takes any mask as a bias, and a past; its `GroupQueryAttention`
 * always hides what comes after a query. Both go over the keys in tiles, the scores in float32. It has nothing of bfloat16, and of
 * float16 only where the device has: weights are float32 in a graph of float32.
 *
 * The CUDA provider's `Attention` chooses among flash, memory-efficient and plain kernels by itself (since ONNX Runtime 1.25, pull
 * request 27542), grouped queries among them, while its `GroupQueryAttention` takes no float32. Its norms of sums added up squares in
 * float16 until mid-2026 (issue 29034). Neither of the two providers has been timed.
 */
const ONNX: { readonly [K in OnnxProvider]: OnnxTarget } = {
  cpu: { ...OPSET_21, name: "onnx", placesFirst: true, rotaryEmbedding: "own", repeatsAngles: true },
  webgpu: {
    ...OPSET_23,
    name: "onnx",
    castsWeights: false,
    packsProducts: true,
    costs: LAUNCHES,
    repeatsAngles: true,
    halvesThroughout: true,
    anglesOnHost: true,
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
    repeatsAngles: true,
    halvesThroughout: true,
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
