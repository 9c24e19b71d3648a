/**
 * @file What a target can do. The lowering asks for capabilities, never for names. Each backend has its records of them.
 */

import type { Costs } from "../../rewrite/cost.ts";

export interface Target {
  readonly name: string;
  /** `ReduceMean`, `ReduceMax` and `ReduceMin` take their axes as an operand, not as an attribute. */
  readonly reduceAxesAsInput: boolean;
  /** There is a `Gelu`. */
  readonly gelu: boolean;
  /** There is a `LayerNormalization`; where there is none, norms are spelt with the fewest operators. */
  readonly layerNormalization: boolean;
  /** A `Reshape` may say 0 for a dimension that stays where it is. */
  readonly copiesDimensions: boolean;
  /** Stretches are said by where they begin and end (`Slice`, from the end too), or by where they begin and how long they are (`SliceSize`). */
  readonly slices: "ends" | "sizes";
  /** Indices below zero count from the end. */
  readonly countsFromEnd: boolean;
  /** There is a `GatherND` with dimensions that both operands have. */
  readonly gatherAligned: boolean;
  /** A scan of at most so many places is written out place by place; others are a `Scan`. */
  readonly unrolls: number;
  /** `Softmax` and `TopK` go along the last dimension only. */
  readonly lastDimensionOnly: boolean;
  /** A product is many times faster than one of a batch of them: those of the heads are taken one by one. */
  readonly splitsBatches: boolean;
  /** Weights that are stored in half a precision are read where they lie and cast in the graph, whichever the half; else only in a graph of that half. */
  readonly castsWeights: boolean;
  /** Weights are written for the artifact in whatever order a product reads them, so that none is transposed at run time. */
  readonly ordersWeights: boolean;
  /** An operand of a batch of products whose rows stand before the batch is read as it lies. */
  readonly placesFirst: boolean;
  /** Products of one value with several weights are one product with all of them, which is taken apart behind it. */
  readonly packsProducts: boolean;
  /**
   * A weight times a number is written as one weight. Not where weights are read in the checkpoint's own files, which would be copied
   * for it, nor together with `packsProducts`: what is packed are weights as they are.
   */
  readonly foldsScales: boolean;
  /** What nodes cost there, as rewrites compare it. */
  readonly costs: Costs;
  /** Whoever runs the artifact may have kernels of its own for whole composites: the artifact says where they fit. */
  readonly notesFusions: boolean;
}
