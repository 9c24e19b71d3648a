/**
 * @file Composite operators for which ONNX has an operator, or runtimes a fusion that wants them spelt in one certain
 * way.
 */
import { inMemoryOrder } from "../../layout/choose.ts";
import { isOne } from "../../layout/layout.ts";
import type { Keeps } from "../backend.ts";
import { attendKernel } from "./attend.ts";
import { hasParts, operandOf, settingOf, type Call, type Kernel } from "./call.ts";
import type { Emitter, Placed } from "./emitter.ts";
import { reduceTensor } from "./numbers.ts";
import { targets, type TargetName } from "./targets.ts";
import type { Tensor } from "./writer.ts";

/** Is the operand a vector along d, or a number? */
function alongD(call: Call, name: string): boolean {
  const value = operandOf(call, call.inputs, name);
  const d = call.attrs.dims["d"]!;
  if (!value) return typeof settingOf(call, name) === "number";
  return value.type.dtype === "float" && value.type.axes.length === 1 && value.type.axes[0]!.name === d.name;
}

function knownD(call: Call): boolean {
  return call.attrs.dims["d"]?.size.known !== undefined && operandOf(call, call.inputs, "x")?.type.dtype === "float";
}

/** A value as a matrix: everything else down, d across. */
function asMatrix(e: Emitter, x: Placed, d: string): { tensor: Tensor; layout: readonly (readonly string[])[] } {
  const rows = inMemoryOrder(
    e.book,
    x,
    x.type.axes.filter((a) => a.name !== d && !isOne(a.size)).map((a) => a.name),
  );
  const layout = [rows, [d]];
  return { tensor: e.book.read(x, layout), layout };
}

/** A vector along d: the operand, or a number repeated. */
function vector(e: Emitter, call: Call, operands: readonly Placed[], name: string): Tensor {
  const d = call.attrs.dims["d"]!;
  const operand = operandOf(call, operands, name);
  return operand ? e.book.read(operand, [[d.name]]) : e.writer.filled(settingOf(call, name) as number, d.size.known!);
}

const layerNorm: Kernel = {
  serves: (call) =>
    hasParts(call, ["x", "weight", "shift", "eps"]) &&
    knownD(call) &&
    alongD(call, "weight") &&
    alongD(call, "shift") &&
    typeof settingOf(call, "eps") === "number",
  emit(e, call, operands) {
    const x = operandOf(call, operands, "x")!;
    const { tensor, layout } = asMatrix(e, x, call.attrs.dims["d"]!.name);
    const inputs = [tensor, vector(e, call, operands, "weight")];
    if (settingOf(call, "shift") !== 0) inputs.push(vector(e, call, operands, "shift"));
    const normed = e.writer.add("LayerNormalization", inputs, {
      axis: -1,
      epsilon: { float: settingOf(call, "eps") as number },
    });
    return [e.book.made(normed, layout, call.outputs[0]!.type)];
  },
};

/** Spelt with `Pow` and `Div`: of all its spellings that one is fused into a kernel by ONNX Runtime (measured). */
const rmsNorm: Kernel = {
  serves: (call) =>
    hasParts(call, ["x", "weight", "eps"]) &&
    knownD(call) &&
    alongD(call, "weight") &&
    typeof settingOf(call, "eps") === "number",
  emit(e, call, operands) {
    const { writer } = e;
    const x = operandOf(call, operands, "x")!;
    const { tensor, layout } = asMatrix(e, x, call.attrs.dims["d"]!.name);
    const square = writer.add("Pow", [tensor, writer.float(2)]);
    const mean = reduceTensor(e, "ReduceMean", square, [-1], 1);
    const root = writer.add("Sqrt", [writer.add("Add", [mean, writer.float(settingOf(call, "eps") as number)])]);
    const normed = writer.add("Div", [tensor, root]);
    const scaled =
      settingOf(call, "weight") === 1 ? normed : writer.add("Mul", [normed, vector(e, call, operands, "weight")]);
    return [e.book.made(scaled, layout, call.outputs[0]!.type)];
  },
};

/** An activation of one operand, written on the tensor as it lies. */
function activation(write: (e: Emitter, x: Tensor) => Tensor): Kernel {
  return {
    serves: (call) => hasParts(call, ["x"]) && call.inputs[0]?.type.dtype === "float",
    emit(e, call, [x]) {
      const layout = e.book.layoutOf(x!);
      return [e.book.made(write(e, e.book.read(x!, layout)), layout, call.outputs[0]!.type)];
    },
  };
}

const gelu = activation(({ target, writer }, x) => {
  if (target.gelu) return writer.add("Gelu", [x], { approximate: "none" });
  const erf = writer.add("Erf", [writer.add("Div", [x, writer.float(Math.SQRT2)])]);
  return writer.add("Mul", [writer.add("Mul", [x, writer.add("Add", [erf, writer.float(1)])]), writer.float(0.5)]);
});

const geluTanh = activation(({ target, writer }, x) => {
  if (target.gelu) return writer.add("Gelu", [x], { approximate: "tanh" });
  const cube = writer.add("Mul", [x, writer.add("Mul", [x, x])]);
  const inner = writer.add("Add", [x, writer.add("Mul", [cube, writer.float(0.044715)])]);
  const tanh = writer.add("Tanh", [writer.add("Mul", [inner, writer.float(Math.sqrt(2 / Math.PI))])]);
  return writer.add("Mul", [writer.add("Mul", [x, writer.add("Add", [tanh, writer.float(1)])]), writer.float(0.5)]);
});

/** x times a sigmoid: fused by ONNX Runtime. */
const silu = activation(({ writer }, x) => writer.add("Mul", [x, writer.add("Sigmoid", [x])]));
const quickGelu = activation(({ writer }, x) =>
  writer.add("Mul", [x, writer.add("Sigmoid", [writer.add("Mul", [x, writer.float(1.702)])])]),
);
const relu = activation(({ writer }, x) => writer.add("Relu", [x]));

export const kernels: Readonly<Record<string, Kernel>> = {
  layer_norm: layerNorm,
  rms_norm: rmsNorm,
  gelu,
  gelu_tanh: geluTanh,
  quick_gelu: quickGelu,
  silu,
  relu,
  attend: attendKernel,
};

/** Which composite operators this target wants whole. */
export function keeps(target: TargetName): Keeps {
  return (call) => Object.hasOwn(kernels, call.attrs.name) && kernels[call.attrs.name]!.serves(call, targets[target]);
}
