/**
 * @file The ONNX dialects that can be asked for, as records of what each can do. Emitters ask for capabilities, never
 * for names. Both write standard operators only: ONNX Runtime's own ones are either what it fuses these into by itself,
 * or slower than what is written here (measured, see `attend.ts` and `kernels.ts`).
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
}

export const targets: { readonly [K in TargetName]: Target } = {
  onnx: { name: "onnx", opset: 21, irVersion: 10, reduceAxesAsInput: true, gelu: true },
  "onnx-17": { name: "onnx-17", opset: 17, irVersion: 8, reduceAxesAsInput: false, gelu: false },
};
