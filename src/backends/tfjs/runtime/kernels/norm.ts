/** @file Norms along the last axis with the residual sum before them, and softmax: a workgroup a row. */
import type { TensorInfo } from "../tf.ts";
import { byRows, reduction, THREADS, type GpuBackend, type Program } from "./program.ts";

export interface NormOperands {
  readonly x: TensorInfo;
  /** Of the shape of x, added to it first. */
  readonly residual: TensorInfo | null;
  /** [width] */
  readonly weight: TensorInfo | null;
  /** [width]; of layer normalisation only. */
  readonly shift: TensorInfo | null;
}

/**
 * Layer normalisation, or with `root` that by the root mean square, of `x + residual` along the last axis.
 * The mean goes off before squares are summed: their difference would lose what float32 has.
 */
export function normKernel(
  gpu: GpuBackend,
  { x, residual, weight, shift }: NormOperands,
  { eps, root }: { readonly eps: number; readonly root: boolean },
): TensorInfo {
  const given = Object.entries({ x, residual, weight, shift }).filter((p): p is [string, TensorInfo] => p[1] !== null);
  const has = (name: string): boolean => given.some(([n]) => n === name);
  const sum = has("residual") ? "x[row * width + i] + residual[row * width + i]" : "x[row * width + i]";
  const scaled = `(s - mean) * scale${has("weight") ? " * weight[i]" : ""}${has("shift") ? " + shift[i]" : ""}`;
  const width = x.shape.at(-1)!;
  const rows = x.shape.reduce((a, b) => a * b, 1) / Math.max(width, 1);
  const program: Program = {
    ...byRows(rows, x.shape),
    variableNames: given.map(([name]) => name),
    uniforms: "rows : i32, width : i32, eps : f32,",
    shaderKey: `tfm_norm_${root ? "root" : "mean"}_${given.map(([name]) => name).join("_")}`,
    getUserCode: () => `
      ${reduction("total", "a + b")}
      fn main(index : i32) {
        // Workgroups beyond the last row do it once more.
        let row = min(index / ${THREADS}, uniforms.rows - 1);
        let width = uniforms.width;
        let first = i32(localIndex);
        var mean = 0.0;
        ${
          root
            ? ""
            : `var part = 0.0;
        for (var i = first; i < width; i += ${THREADS}) { part += ${sum}; }
        mean = total(part) / f32(width);`
        }
        var square = 0.0;
        for (var i = first; i < width; i += ${THREADS}) {
          let s = ${sum};
          square += (s - mean) * (s - mean);
        }
        let scale = inverseSqrt(total(square) / f32(width) + uniforms.eps);
        for (var i = first; i < width; i += ${THREADS}) {
          let s = ${sum};
          result[row * width + i] = ${scaled};
        }
      }`,
  };
  return gpu.runWebGPUProgram(
    program,
    given.map(([, t]) => t),
    "float32",
    [
      { type: "int32", data: [rows] },
      { type: "int32", data: [width] },
      { type: "float32", data: [eps] },
    ],
  );
}

/** Softmax along the last axis, right for any number of rows (the backend's own corrupts its last element beyond 65,535). */
export function softmaxKernel(gpu: GpuBackend, [x]: readonly [TensorInfo]): TensorInfo {
  const width = x.shape.at(-1)!;
  const rows = x.shape.reduce((a, b) => a * b, 1) / Math.max(width, 1);
  const program: Program = {
    ...byRows(rows, x.shape),
    variableNames: ["x"],
    uniforms: "rows : i32, width : i32,",
    shaderKey: "tfm_softmax",
    getUserCode: () => `
      ${reduction("largest", "max(a, b)")}
      ${reduction("total", "a + b")}
      fn main(index : i32) {
        let row = min(index / ${THREADS}, uniforms.rows - 1);
        let width = uniforms.width;
        let first = i32(localIndex);
        var most = -3.4e38;
        for (var i = first; i < width; i += ${THREADS}) { most = max(most, x[row * width + i]); }
        let top = largest(most);
        var part = 0.0;
        for (var i = first; i < width; i += ${THREADS}) { part += exp(x[row * width + i] - top); }
        let mass = total(part);
        for (var i = first; i < width; i += ${THREADS}) {
          result[row * width + i] = exp(x[row * width + i] - top) / mass;
        }
      }`,
  };
  return gpu.runWebGPUProgram(program, [x], "float32", [
    { type: "int32", data: [rows] },
    { type: "int32", data: [width] },
  ]);
}
