/**
 * @file Sine and cosine of any angle: one launch, where plain arithmetic (`../../sines.ts`, which says why WGSL's own are no use) takes
 * twenty and more.
 *
 * Whole turns are taken off in whole numbers, which no driver rounds or puts in another order (Payne and Hanek, 1983): the angle is 24 bits
 * times a power of two, and the bits after the point of its product with 1/(2 pi) are the part of a turn.
 */
import { COS, SIN } from "../../sines.ts";
import type { TensorInfo } from "../tf.ts";
import { byElements, type GpuBackend, type Program } from "./program.ts";

/** 1/(2 pi) in 96 bits after the point. */
const TURNS = ["0x28be60dbu", "0x9391054au", "0x7f09d5f4u"] as const;

/** Terms from the highest power of the square on. */
const horner = (terms: readonly number[]): string =>
  terms.slice(1).reduce((sum, term) => `(${sum} * square + ${literal(term)})`, literal(terms[0]!));

/** As float32 has it; a whole number needs a point. */
function literal(value: number): string {
  const text = String(Math.fround(value));
  return /[.e]/.test(text) ? `f32(${text})` : `${text}.0`;
}

const REDUCED = `
  fn product(a : u32, b : u32) -> vec2<u32> {
    let low = (a & 0xffffu) * (b & 0xffffu);
    let one = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
    let two = (a & 0xffffu) * (b >> 16u) + (one & 0xffffu);
    return vec2<u32>((a >> 16u) * (b >> 16u) + (one >> 16u) + (two >> 16u), (two << 16u) | (low & 0xffffu));
  }
  /** The angle less whole turns, from -pi to pi. */
  fn reduced(angle : f32) -> f32 {
    if (abs(angle) < 3.0) { return angle; }
    let bits = bitcast<u32>(angle);
    let exponent = i32((bits >> 23u) & 0xffu) - 150;
    let digits = (bits & 0x7fffffu) | 0x800000u;
    let low = product(digits, ${TURNS[2]});
    let middle = product(digits, ${TURNS[1]});
    let high = product(digits, ${TURNS[0]});
    var words = array<u32, 4>(low.y, low.x + middle.y, middle.x + high.y, high.x);
    let carried = select(0u, 1u, words[1] < low.x);
    let first = words[2] < middle.x;
    words[2] = words[2] + carried;
    words[3] = words[3] + select(0u, 1u, first) + select(0u, 1u, words[2] < carried);
    // The 32 bits after the point are from here on; below the lowest there is nothing.
    let lowest = 64 - exponent;
    let word = lowest / 32;
    let shift = u32(lowest % 32);
    var part = 0u;
    if (lowest >= 0 && word < 4) {
      part = words[word] >> shift;
      if (shift > 0u && word < 3) { part = part | (words[word + 1] << (32u - shift)); }
    }
    let turn = f32(bitcast<i32>(part)) * 1.4629180792671596e-9;
    return select(turn, -turn, angle < 0.0);
  }`;

/** Of each element; x has any shape. Angles of 2^60 and more, of which float32 does not have whole turns, give some number. */
export function sineKernel(
  gpu: GpuBackend,
  [x]: readonly [TensorInfo],
  { of }: { readonly of: "sin" | "cos" },
): TensorInfo {
  const value = of === "sin" ? `angle * ${horner(SIN)}` : horner(COS);
  const program: Program = {
    ...byElements(x.shape),
    variableNames: ["x"],
    shaderKey: `tfm_${of}`,
    getUserCode: () => `${REDUCED}
      fn main(index : i32) {
        if (index >= uniforms.size) { return; }
        let angle = reduced(x[index]);
        let square = angle * angle;
        result[index] = ${value};
      }`,
  };
  return gpu.runWebGPUProgram(program, [x], "float32");
}
