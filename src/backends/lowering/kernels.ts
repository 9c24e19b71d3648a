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
import { noteFusion } from "./fusion.ts";
import type { ScaleOptions } from "../../passes/scales.ts";
import { reduceTensor } from "./numbers.ts";
import type { Target } from "./target.ts";
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
export function asMatrix(e: Emitter, x: Placed, d: string): { tensor: Tensor; layout: readonly (readonly string[])[] } {
  const rows = inMemoryOrder(
    e.book,
    x,
    x.type.axes.filter((a) => a.name !== d && !isOne(a.size)).map((a) => a.name),
  );
  const layout = [rows, [d]];
  return { tensor: e.book.read(x, layout), layout };
}

/** A vector along d: the operand, or a number repeated. */
export function vector(e: Emitter, call: Call, operands: readonly Placed[], name: string): Tensor {
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
    if (!e.target.layerNormalization) {
      const eps = settingOf(call, "eps") as number;
      const centred = e.writer.add("Sub", [tensor, reduceTensor(e, "ReduceMean", tensor, [-1], 1)]);
      const weight = settingOf(call, "weight") === 1 ? undefined : vector(e, call, operands, "weight");
      const shift = settingOf(call, "shift") === 0 ? undefined : vector(e, call, operands, "shift");
      let normed = overRoot(e, centred, eps);
      if (weight) normed = e.writer.add("Mul", [normed, weight]);
      if (shift) normed = e.writer.add("Add", [normed, shift]);
      noteFusion(e, "LayerNorm", [tensor, undefined, weight, shift], normed, { eps: { float: eps } });
      return [e.book.made(normed, layout, call.outputs[0]!.type)];
    }
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
    const eps = settingOf(call, "eps") as number;
    const normed = e.target.layerNormalization ? divided(e, tensor, eps) : overRoot(e, tensor, eps);
    const weight = settingOf(call, "weight") === 1 ? undefined : vector(e, call, operands, "weight");
    const scaled = weight ? writer.add("Mul", [normed, weight]) : normed;
    noteFusion(e, "RmsNorm", [tensor, undefined, weight], scaled, { eps: { float: eps } });
    return [e.book.made(scaled, layout, call.outputs[0]!.type)];
  },
};

function divided(e: Emitter, tensor: Tensor, eps: number): Tensor {
  const { writer } = e;
  const square = writer.add("Pow", [tensor, writer.float(2)]);
  const mean = reduceTensor(e, "ReduceMean", square, [-1], 1);
  const root = writer.add("Sqrt", [writer.add("Add", [mean, writer.float(eps)])]);
  return writer.add("Div", [tensor, root]);
}

/** The same with the fewest operators, where none are fused. */
function overRoot(e: Emitter, tensor: Tensor, eps: number): Tensor {
  const { writer } = e;
  const mean = reduceTensor(e, "ReduceMean", writer.add("Mul", [tensor, tensor]), [-1], 1);
  return writer.add("Mul", [tensor, writer.add("Rsqrt", [writer.add("Add", [mean, writer.float(eps)])])]);
}

/** An activation of one operand, written on the tensor as it lies. */
function activation(name: string, write: (e: Emitter, x: Tensor) => Tensor): Kernel {
  return {
    serves: (call) => hasParts(call, ["x"]) && call.inputs[0]?.type.dtype === "float",
    emit(e, call, [x]) {
      const layout = e.book.layoutOf(x!);
      const tensor = e.book.read(x!, layout);
      const made = write(e, tensor);
      noteFusion(e, "Activation", [tensor], made, { activation: name });
      return [e.book.made(made, layout, call.outputs[0]!.type)];
    },
  };
}

const gelu = activation("gelu", ({ target, writer }, x) => {
  if (target.gelu) return writer.add("Gelu", [x], { approximate: "none" });
  const erf = writer.add("Erf", [writer.add("Div", [x, writer.float(Math.SQRT2)])]);
  return writer.add("Mul", [writer.add("Mul", [x, writer.add("Add", [erf, writer.float(1)])]), writer.float(0.5)]);
});

const geluTanh = activation("gelu_tanh", ({ target, writer }, x) => {
  if (target.gelu) return writer.add("Gelu", [x], { approximate: "tanh" });
  const cube = writer.add("Mul", [x, writer.add("Mul", [x, x])]);
  const inner = writer.add("Add", [x, writer.add("Mul", [cube, writer.float(0.044715)])]);
  const tanh = writer.add("Tanh", [writer.add("Mul", [inner, writer.float(Math.sqrt(2 / Math.PI))])]);
  return writer.add("Mul", [writer.add("Mul", [x, writer.add("Add", [tanh, writer.float(1)])]), writer.float(0.5)]);
});

/** x times a sigmoid: fused by ONNX Runtime. */
const silu = activation("silu", ({ writer }, x) => writer.add("Mul", [x, writer.add("Sigmoid", [x])]));
const quickGelu = activation("quick_gelu", ({ writer }, x) =>
  writer.add("Mul", [x, writer.add("Sigmoid", [writer.add("Mul", [x, writer.float(1.702)])])]),
);
const relu = activation("relu", ({ writer }, x) => writer.add("Relu", [x]));

/**
 * Where rotations are noted: the body, on a vector whose places, heads and coordinates are dimensions each. As it lies it may have some
 * of them in one, and halves that are taken apart afterwards are no rotation that is known.
 */
const turned: Kernel = {
  serves: (call, target) =>
    target.notesFusions &&
    hasParts(call, ["x", "cosine", "sine", "neighbours"]) &&
    operandOf(call, call.inputs, "x") !== undefined,
  emit(e, call, operands) {
    const [x, cosine, sine] = ["x", "cosine", "sine"].map((n) => operandOf(call, operands, n));
    const d = call.attrs.dims["d"]!.name;
    const others = x!.type.axes.filter((a) => a.name !== d && !isOne(a.size)).map((a) => a.name);
    const turns = (a: string): boolean => [cosine, sine].some((t) => t?.axes.has(a));
    const layout: string[][] = [];
    for (const axis of inMemoryOrder(e.book, x!, others)) {
      const last = layout.at(-1);
      if (last && turns(last[0]!) === turns(axis)) last.push(axis);
      else layout.push([axis]);
    }
    layout.push([d]);
    const apart = e.book.made(e.book.read(x!, layout), layout, x!.type);
    return e.body(
      call.bodies[0]!,
      operands.map((o) => (o === x ? apart : o)),
      [],
    );
  },
};

export const kernels: Readonly<Record<string, Kernel>> = {
  layer_norm: layerNorm,
  rms_norm: rmsNorm,
  gelu,
  gelu_tanh: geluTanh,
  quick_gelu: quickGelu,
  silu,
  relu,
  attend: attendKernel,
  turned,
};

/** What the kernel of a composite operator multiplies, for a target whose weights can take that. */
export function multipliedBy(target: Target): ScaleOptions["multiplied"] {
  return (call) => {
    const kernel = Object.hasOwn(kernels, call.attrs.name) ? kernels[call.attrs.name] : undefined;
    return kernel?.serves(call, target) ? kernel.multiplied?.(call) : undefined;
  };
}

/** Which composite operators a target wants whole: by default those that every target has a kernel for. */
export function keepsFor(target: Target, own: Readonly<Record<string, Kernel>> = kernels): Keeps {
  return (call) => Object.hasOwn(own, call.attrs.name) && own[call.attrs.name]!.serves(call, target);
}
