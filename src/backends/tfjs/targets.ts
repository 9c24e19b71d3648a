/**
 * @file What the backends of TensorFlow.js can do, as records. Without a provider an artifact is right on all of them.
 *
 * Products are two-dimensional or have equal leading dimensions, weights lie as products read them (a transposed operand is
 * 15 to 25 times slower on wasm), no value has more than six dimensions, and no attribute names an axis that is not the last:
 * all that is the same on every backend, and is in the lowering's capabilities. Here is what differs.
 */
import { LAUNCHES, PASSES } from "../../rewrite/cost.ts";
import type { Keeps } from "../backend.ts";
import { keepsFor } from "../lowering/kernels.ts";
import type { Target } from "../lowering/target.ts";

export type ProviderName = "any" | "wasm" | "webgpu" | "node" | "cpu";

export interface TfjsTarget extends Target {
  readonly name: "tfjs";
  readonly provider: ProviderName;
  /**
   * There is a `Softmax` that is right for any number of rows. That of webgpu writes beyond its last row where there are more than
   * 65,535 of them.
   */
  readonly softmax: boolean;
  /** `Sin` and `Cos` are as exact as float32 is, for any angle. */
  readonly sines: boolean;
  /**
   * Whole numbers and truth values are handled like floats. On webgpu `Transpose` of them does not compile in more than two dimensions,
   * and `Cast` to floats only renames the type and leaves the bits, of which `Transpose` is not aware either.
   */
  readonly integers: boolean;
  /** Bytes that a buffer may hold, weights being float32 there: larger ones are cut into pieces. */
  readonly largestTable: number;
}

/** What every device of WebGPU binds at once (`maxStorageBufferBindingSize`, W3C, WebGPU, 3.6.2). */
const BINDING = 128 * 2 ** 20;

const COMMON = {
  name: "tfjs",
  reduceAxesAsInput: true,
  gelu: false,
  layerNormalization: false,
  copiesDimensions: false,
  slices: "sizes",
  countsFromEnd: false,
  gatherAligned: false,
  // So many nodes one after the other take long to load, and a loop can only be run by `executeAsync`, and not be trained.
  unrolls: 1024,
  lastDimensionOnly: true,
  castsWeights: false,
  costs: PASSES,
  ordersWeights: true,
  splitsBatches: false,
  placesFirst: false,
  packsProducts: false,
  // Every weight is written for the artifact anyway.
  foldsScales: true,
} as const;

export const tfjsTargets: { readonly [K in ProviderName]: TfjsTarget } = {
  any: {
    ...COMMON,
    provider: "any",
    notesFusions: true,
    softmax: false,
    sines: false,
    integers: false,
    largestTable: BINDING,
  },
  // Its matrix library takes single products only (measured: a batch of them runs at a tenth of the speed).
  wasm: {
    ...COMMON,
    provider: "wasm",
    splitsBatches: true,
    notesFusions: false,
    softmax: true,
    sines: true,
    integers: true,
    largestTable: Infinity,
  },
  webgpu: {
    ...COMMON,
    provider: "webgpu",
    costs: LAUNCHES,
    notesFusions: true,
    softmax: false,
    sines: false,
    integers: false,
    largestTable: BINDING,
  },
  node: {
    ...COMMON,
    provider: "node",
    notesFusions: false,
    softmax: true,
    sines: true,
    integers: true,
    largestTable: Infinity,
  },
  cpu: {
    ...COMMON,
    provider: "cpu",
    notesFusions: false,
    softmax: true,
    sines: true,
    integers: true,
    largestTable: Infinity,
  },
};

/** Which composite operators the backend wants whole. */
export const tfjsKeeps: Keeps = keepsFor(tfjsTargets.any);
