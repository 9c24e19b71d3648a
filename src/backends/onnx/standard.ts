/**
 * @file Composite operators that became operators of ONNX in opset 23: `RMSNormalization`, `RotaryEmbedding` (which ONNX Runtime had
 * before); for `Attention` see `attention.ts`. Where an application does not fit one, it is written as it is for older opsets.
 */
import { inMemoryOrder } from "../../layout/choose.ts";
import { product, sameList, type Layout } from "../../layout/layout.ts";
import { sizeIn } from "../../layout/view.ts";
import { hasParts, operandOf, settingOf, type Kernel } from "../lowering/call.ts";
import type { Placed } from "../lowering/emitter.ts";
import { asMatrix, kernels as usual, vector } from "../lowering/kernels.ts";
import type { Tensor } from "../lowering/writer.ts";
import { real, spreadTo } from "./attention-roles.ts";
import type { OnnxTarget } from "./targets.ts";

const FLOAT = "float";

/** The kernels that this target has. */
export function kernelsOf(target: OnnxTarget): Readonly<Record<string, Kernel>> {
  return {
    ...usual,
    ...(target.rmsNormalization ? { rms_norm: rmsNormalization } : {}),
    ...(target.rotaryEmbedding === "never"
      ? {}
      : { turned: rotaryEmbedding(target), turned_partly: rotaryEmbedding(target) }),
  };
}

const rmsNormalization: Kernel = {
  serves: (call, target) => usual["rms_norm"]!.serves(call, target),
  emit(e, call, operands) {
    const x = operandOf(call, operands, "x")!;
    const { tensor, layout } = asMatrix(e, x, call.attrs.dims["d"]!.name);
    const inputs = [tensor, vector(e, call, operands, "weight")];
    const epsilon = { float: settingOf(call, "eps") as number };
    return [
      e.book.made(e.writer.add("RMSNormalization", inputs, { axis: -1, epsilon }), layout, call.outputs[0]!.type),
    ];
  },
};

/**
 * All that stands before the heads is a batch, then the places: those axes that the angles have. Of heads that are wider than their
 * angles the first coordinates turn.
 */
const rotaryEmbedding = ({ repeatsAngles, rotaryEmbedding: kind }: OnnxTarget): Kernel => ({
  serves(call) {
    const x = operandOf(call, call.inputs, "x");
    const { d, half } = call.attrs.dims;
    return (
      hasParts(call, ["x", "cosine", "sine", "neighbours"]) &&
      d?.size.known !== undefined &&
      half?.size.known !== undefined &&
      typeof settingOf(call, "neighbours") === "boolean" &&
      ["x", "cosine", "sine"].every((n) => operandOf(call, call.inputs, n)?.type.dtype === FLOAT) &&
      ["cosine", "sine"].every((n) =>
        operandOf(call, call.inputs, n)!.type.axes.every(
          (a) => a.name === half.name || x!.type.axes.some((b) => b.name === a.name),
        ),
      )
    );
  },
  emit(e, call, operands) {
    const [x, cosine, sine] = ["x", "cosine", "sine"].map((n) => operandOf(call, operands, n)!) as [
      Placed,
      Placed,
      Placed,
    ];
    const d = call.attrs.dims["d"]!.name;
    const half = call.attrs.dims["half"]!.name;
    const order = inMemoryOrder(
      e.book,
      x,
      real(x).filter((a) => a !== d),
    );
    const turning = order.filter((a) => [cosine, sine].some((t) => t.axes.has(a)));
    const upToTurning = order.slice(0, order.lastIndexOf(turning.at(-1) ?? "") + 1);
    const isOpen = (a: string): boolean => sizeIn(x)(a).known === undefined;
    const repeats = repeatsAngles && upToTurning.every((a) => turning.includes(a) || isOpen(a));
    const places = repeats ? upToTurning : turning;
    const heads = order.filter((a) => !places.includes(a));
    // ONNX Runtime's own looks places up in tables without a batch, from the place that it is given on.
    const own = kind === "own";
    const table = (t: Placed): Tensor =>
      e.book.read(spreadTo(t, x, places), own ? [places, [half]] : [[], places, [half]]);
    // Three dimensions where the heads follow the places as they lie, four where they come before them.
    const behind = sameList(order, [...places, ...heads]) && heads.every((a) => sizeIn(x)(a).known !== undefined);
    const layout: Layout = behind ? [[], places, [...heads, d]] : [[], heads, places, [d]];
    const count = product(heads, sizeIn(x)).known;
    const width = 2 * sizeIn(cosine)(half).known!;
    const isPart = width < sizeIn(x)(d).known!;
    // ONNX Runtime's own asks for the number of heads wherever a part of them turns, and that may be open.
    const counts = behind || (own && isPart);
    if (counts && count === undefined) return e.body(call.bodies[0]!, operands, []);
    const attributes = {
      interleaved: settingOf(call, "neighbours") === true ? 1 : 0,
      ...(counts ? { num_heads: count! } : {}),
      ...(isPart ? { rotary_embedding_dim: width } : {}),
    };
    const tables = [table(cosine), table(sine)];
    const rows = e.book.read(x, layout);
    const made = own
      ? e.writer.add(
          "com.microsoft.RotaryEmbedding",
          [rows, e.writer.ints([0]), ...tables],
          attributes,
          rows.elem,
          "RotaryEmbedding",
        )
      : e.writer.add("RotaryEmbedding", [rows, ...tables], attributes);
    return [e.book.made(made, layout, call.outputs[0]!.type)];
  },
});
