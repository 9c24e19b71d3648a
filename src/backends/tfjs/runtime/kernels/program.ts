/**
 * @file What a program of the webgpu backend is, as its `runWebGPUProgram` wants it (TensorFlow.js 4.22; the type is not exported).
 *
 * Its shader is kept under `shaderKey`, the ranks and dtypes of its operands: every other constant in the text must be in the key, and
 * sizes are read from uniforms (`xShape`, `outShape`, ...). Operands are the arrays by their names in `variableNames`, `result` is the
 * output. A dispatch of more than 65,535 workgroups is folded into two or three dimensions with some to spare, so that a program must
 * hold for workgroups beyond its last.
 */
import type { TensorInfo } from "../tf.ts";

export interface Program {
  readonly variableNames: readonly string[];
  readonly outputShape: readonly number[];
  readonly dispatchLayout: { readonly x: readonly number[] };
  readonly dispatch: readonly [number, number, number];
  readonly workgroupSize: readonly [number, number, number];
  readonly shaderKey: string;
  /** There is `uniforms.size`: how many elements the output has. */
  readonly size?: true;
  /** Fields of `uniforms` beyond the shapes, `eps : f32,`. */
  readonly uniforms?: string;
  getUserCode(): string;
}

export interface Uniform {
  readonly type: "float32" | "int32";
  readonly data: readonly number[];
}

/** The webgpu backend, as far as kernels use it. */
export interface GpuBackend {
  runWebGPUProgram(
    program: Program,
    inputs: readonly TensorInfo[],
    dtype: "float32",
    uniforms?: readonly Uniform[],
  ): TensorInfo;
}

/** Threads of a workgroup. */
export const THREADS = 64;

/** One workgroup for each row: `index` in `main(index : i32)` counts threads, so a row is `index / THREADS`. */
export function byRows(
  rows: number,
  outputShape: readonly number[],
): Pick<Program, "outputShape" | "dispatchLayout" | "dispatch" | "workgroupSize"> {
  return {
    outputShape,
    dispatchLayout: { x: outputShape.map((_, i) => i) },
    dispatch: [rows, 1, 1],
    workgroupSize: [THREADS, 1, 1],
  };
}

/** One thread for each element of the output. */
export function byElements(
  outputShape: readonly number[],
): Pick<Program, "outputShape" | "dispatchLayout" | "dispatch" | "workgroupSize" | "size"> {
  const count = outputShape.reduce((a, b) => a * b, 1);
  return {
    outputShape,
    dispatchLayout: { x: outputShape.map((_, i) => i) },
    dispatch: [Math.ceil(count / THREADS), 1, 1],
    workgroupSize: [THREADS, 1, 1],
    size: true,
  };
}

/** `fn name(value : f32) -> f32`: what all threads of a workgroup hold, put together by `combine` of `a` and `b`; all must call it. */
export function reduction(name: string, combine: string): string {
  return `
    var<workgroup> ${name}Held : array<f32, ${THREADS}>;
    fn ${name}(value : f32) -> f32 {
      ${name}Held[localIndex] = value;
      workgroupBarrier();
      for (var half = ${THREADS / 2}u; half > 0u; half = half / 2u) {
        if (localIndex < half) {
          let a = ${name}Held[localIndex];
          let b = ${name}Held[localIndex + half];
          ${name}Held[localIndex] = ${combine};
        }
        workgroupBarrier();
      }
      let found = ${name}Held[0];
      workgroupBarrier();
      return found;
    }`;
}
