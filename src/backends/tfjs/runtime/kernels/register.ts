/** @file Makes the fused kernels known: to the webgpu backend as kernels, to graph models as operators that run them. */
import type { Activation, AttentionAttrs, FusionOp } from "../../fusions.ts";
import type { Tensor, TensorInfo, Tf } from "../tf.ts";
import { activationKernel, gatedKernel } from "./activation.ts";
import { attentionKernel } from "./attention.ts";
import { normKernel, softmaxKernel } from "./norm.ts";
import type { GpuBackend } from "./program.ts";
import { rotaryKernel } from "./rotary.ts";
import { sineKernel } from "./sine.ts";

type Attrs = Readonly<Record<string, unknown>>;
type Operands = Readonly<Record<string, TensorInfo | undefined>>;
type Kernel = (gpu: GpuBackend, operands: Operands, attrs: Attrs) => TensorInfo;

interface Fused {
  /** In the order of the fusion's `inputs`. */
  readonly operands: readonly string[];
  readonly kernel: Kernel;
}

const norm =
  (root: boolean): Kernel =>
  (gpu, o, attrs) =>
    normKernel(
      gpu,
      { x: o["x"]!, residual: o["residual"] ?? null, weight: o["weight"] ?? null, shift: o["shift"] ?? null },
      { eps: attrs["eps"] as number, root },
    );

/** The same numbers with axes of one before them. */
function ofRank4(x: TensorInfo | undefined): TensorInfo | null {
  return x === undefined ? null : { ...x, shape: [...Array.from({ length: 4 - x.shape.length }, () => 1), ...x.shape] };
}

const sameShape = (a: Tensor, b: Tensor): boolean =>
  a.shape.length === b.shape.length && a.shape.every((d, i) => d === b.shape[i]);

export const FUSED: { readonly [K in FusionOp]: Fused } = {
  "tfm.Attention": {
    operands: ["q", "k", "v", "bias"],
    kernel: (gpu, o, attrs) =>
      attentionKernel(gpu, [o["q"]!, o["k"]!, o["v"]!, ofRank4(o["bias"])], {
        ...(attrs as unknown as AttentionAttrs),
        softcap: (attrs["softcap"] as number | undefined) ?? null,
      }),
  },
  "tfm.LayerNorm": { operands: ["x", "residual", "weight", "shift"], kernel: norm(false) },
  "tfm.RmsNorm": { operands: ["x", "residual", "weight"], kernel: norm(true) },
  "tfm.Activation": {
    operands: ["x"],
    kernel: (gpu, o, attrs) => activationKernel(gpu, [o["x"]!], attrs as { activation: Activation }),
  },
  "tfm.Gated": {
    operands: ["gate", "up"],
    kernel: (gpu, o, attrs) => gatedKernel(gpu, [o["gate"]!, o["up"]!], attrs as { activation: Activation }),
  },
  "tfm.Softmax": { operands: ["x"], kernel: (gpu, o) => softmaxKernel(gpu, [o["x"]!]) },
  "tfm.Rotary": {
    operands: ["x", "cos", "sin"],
    kernel: (gpu, o) => rotaryKernel(gpu, [ofRank4(o["x"])!, ofRank4(o["cos"])!, ofRank4(o["sin"])!], o["x"]!.shape),
  },
  "tfm.Sine": {
    operands: ["x"],
    kernel: (gpu, o, attrs) => sineKernel(gpu, [o["x"]!], attrs as { of: "sin" | "cos" }),
  },
};

/** The attribute that says which operands a node has, `1` or `0` each, in order. */
export const GIVEN = "given";

/** Registers kernels and operators; once is enough, and again does no harm. */
export function registerFused(tf: Tf): void {
  for (const [name, { operands, kernel }] of Object.entries(FUSED)) {
    if (tf.getKernel(name, "webgpu")) continue;
    tf.registerKernel({
      kernelName: name,
      backendName: "webgpu",
      kernelFunc: ({ inputs, backend, attrs }) =>
        kernel(backend as unknown as GpuBackend, inputs as Operands, attrs as unknown as Attrs),
    });
    tf.registerOp(name, ({ inputs, attrs }) => {
      const given = String(attrs[GIVEN]);
      let next = 0;
      const named = operands.flatMap((o, i) => (given[i] === "1" ? [[o, inputs[next++]!] as const] : []));
      const operand: Record<string, Tensor> = Object.fromEntries(named);
      const { x, residual, ...others } = operand;
      if (!x || !residual || sameShape(x, residual))
        return tf.engine().runKernel(name, operand, attrs as never) as Tensor;
      // Sums that are broadcast are rare: they get a launch of their own.
      return tf.tidy(
        () => tf.engine().runKernel(name, { ...others, x: tf.add(x, residual) }, attrs as never) as Tensor,
      );
    });
  }
}
