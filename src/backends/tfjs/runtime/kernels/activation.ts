/** @file Activations, alone and gated: one launch each, where plain operators take five and more. */
import type { Activation } from "../../fusions.ts";
import type { TensorInfo } from "../tf.ts";
import { byElements, type GpuBackend, type Program } from "./program.ts";

/** The error function by Abramowitz and Stegun, 7.1.26: off by 1.5e-7 at most. */
const ERF = `
  fn erfOf(x : f32) -> f32 {
    let z = abs(x);
    let t = 1.0 / (1.0 + 0.3275911 * z);
    let p = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
    return sign(x) * (1.0 - p * exp(-z * z));
  }`;
/** WGSL's own overflows for large numbers on some drivers. */
const TANH = `
  fn tanhOf(x : f32) -> f32 {
    let e = exp(-2.0 * abs(x));
    return sign(x) * (1.0 - e) / (1.0 + e);
  }`;

const BODIES: { readonly [A in Activation]: { readonly needs?: string; readonly value: string } } = {
  gelu: { needs: ERF, value: "0.5 * x * (1.0 + erfOf(x * 0.7071067811865476))" },
  gelu_tanh: { needs: TANH, value: "0.5 * x * (1.0 + tanhOf(0.7978845608028654 * (x + 0.044715 * x * x * x)))" },
  quick_gelu: { value: "x / (1.0 + exp(-1.702 * x))" },
  silu: { value: "x / (1.0 + exp(-x))" },
  relu: { value: "max(x, 0.0)" },
};

function activate(activation: Activation): string {
  const { needs = "", value } = BODIES[activation];
  return `${needs}
    fn activate(x : f32) -> f32 { return ${value}; }`;
}

/** `activation(x)`; x has any shape. */
export function activationKernel(
  gpu: GpuBackend,
  [x]: readonly [TensorInfo],
  { activation }: { readonly activation: Activation },
): TensorInfo {
  const program: Program = {
    ...byElements(x.shape),
    variableNames: ["x"],
    shaderKey: `tfm_activation_${activation}`,
    getUserCode: () => `${activate(activation)}
      fn main(index : i32) {
        if (index < uniforms.size) { result[index] = activate(x[index]); }
      }`,
  };
  return gpu.runWebGPUProgram(program, [x], "float32");
}

/** `activation(gate) * up`; both of one shape. */
export function gatedKernel(
  gpu: GpuBackend,
  [gate, up]: readonly [TensorInfo, TensorInfo],
  { activation }: { readonly activation: Activation },
): TensorInfo {
  const program: Program = {
    ...byElements(gate.shape),
    variableNames: ["gate", "up"],
    shaderKey: `tfm_gated_${activation}`,
    getUserCode: () => `${activate(activation)}
      fn main(index : i32) {
        if (index < uniforms.size) { result[index] = activate(gate[index]) * up[index]; }
      }`,
  };
  return gpu.runWebGPUProgram(program, [gate, up], "float32");
}
