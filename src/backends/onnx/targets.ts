/**
 * @file The ONNX dialects that can be asked for, as records of what each can do. Emitters ask for capabilities, never for names.
 * Facts about speed are measured ones: see "What ORT fuses by itself" and "Kernel coverage" in the reference.
 */

export type TargetName = "onnx" | "onnx-17";

export interface Target {
  readonly name: TargetName;
  readonly opset: number;
  readonly irVersion: number;
  /** `ReduceMean`, `ReduceMax` and `ReduceMin` take their axes as an operand (since opset 18), not as an attribute. */
  readonly reduceAxesAsInput: boolean;
  /** There is a `Gelu` (since opset 20). */
  readonly gelu: boolean;
  /** `com.microsoft.MultiHeadAttention` may be used. */
  readonly multiHeadAttention: boolean;
}

export const targets: { readonly [K in TargetName]: Target } = {
  onnx: { name: "onnx", opset: 21, irVersion: 10, reduceAxesAsInput: true, gelu: true, multiHeadAttention: true },
  "onnx-17": { name: "onnx-17", opset: 17, irVersion: 8, reduceAxesAsInput: false, gelu: false, multiHeadAttention: false },
};
