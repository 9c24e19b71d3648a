/** @file Rotary positions: one launch, where plain operators take nine. */
import type { TensorInfo } from "../tf.ts";
import { byElements, type GpuBackend, type Program } from "./program.ts";

/**
 * `[a cos - b sin, b cos + a sin]` along the last dimension, x being `[a, b]`. All are of rank 4; cosine and sine may have dimensions of
 * one before the last, which is half of x's. `shape` is that of the result: x's own, of whatever rank.
 */
export function rotaryKernel(
  gpu: GpuBackend,
  [x, cos, sin]: readonly [TensorInfo, TensorInfo, TensorInfo],
  shape: readonly number[],
): TensorInfo {
  const at = (name: string): string => `
    fn ${name}At(c : vec4<i32>) -> f32 {
      let at = min(c, uniforms.${name}Shape - vec4<i32>(1));
      return ${name}[dot(at, vec4<i32>(uniforms.${name}ShapeStrides, 1))];
    }`;
  const program: Program = {
    ...byElements(x.shape),
    variableNames: ["x", "cosine", "sine"],
    shaderKey: "tfm_rotary",
    getUserCode: () => `${at("cosine")}${at("sine")}
      fn main(index : i32) {
        if (index >= uniforms.size) { return; }
        let coords = getCoordsFromIndex(index);
        let half = uniforms.xShape.w / 2;
        let isFirst = coords.w < half;
        let place = select(coords.w - half, coords.w, isFirst);
        let there = vec4<i32>(coords.xyz, place);
        let other = x[select(index - half, index + half, isFirst)];
        let turn = sineAt(there);
        result[index] = x[index] * cosineAt(there) + select(turn, -turn, isFirst) * other;
      }`,
  };
  return { ...gpu.runWebGPUProgram(program, [x, cos, sin], "float32"), shape: [...shape] };
}
