/**
 * @file The TensorFlow.js that a program brings along: there must be one copy of it, so it is handed in and never imported here. The
 * namespaces of `@tensorflow/tfjs`, `@tensorflow/tfjs-node` and, with `{ ...core, ...converter }`, the single packages all fit.
 */
import type * as converter from "@tensorflow/tfjs-converter";
import type * as core from "@tensorflow/tfjs-core";

export type Tf = Pick<
  typeof core,
  | "backend"
  | "engine"
  | "env"
  | "findBackend"
  | "getBackend"
  | "getGradient"
  | "getKernel"
  | "memory"
  | "ready"
  | "registerGradient"
  | "registerKernel"
  | "setBackend"
  | "tensor"
  | "tidy"
  | "unregisterKernel"
  | "util"
  | "variable"
  | "variableGrads"
> &
  typeof import("@tensorflow/tfjs-core/dist/ops/ops.js") &
  Pick<typeof converter, "loadGraphModel" | "registerOp" | "deregisterOp">;

export type { GraphModel } from "@tensorflow/tfjs-converter";
export type { NamedTensorMap, Scalar, Tensor, TensorInfo, Variable } from "@tensorflow/tfjs-core";
