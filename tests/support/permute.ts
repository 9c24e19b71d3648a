/** @file A tensor's numbers in another order of its axes. */
import type { Tensor } from "../../src/ops/op.ts";

export function permute(x: Tensor<number>, order: readonly string[]): Float32Array {
  const names = x.axes.map((a) => a.name);
  const strides = new Map<string, number>();
  let stride = 1;
  for (const a of [...x.axes].reverse()) {
    strides.set(a.name, stride);
    stride *= a.size;
  }
  const axes = order.map((name) => ({ size: x.axes[names.indexOf(name)]!.size, stride: strides.get(name)! }));
  const out = new Float32Array(stride);
  const at = axes.map(() => 0);
  const data = x.data as ArrayLike<number>;
  for (let i = 0, from = 0; i < out.length; i++) {
    out[i] = data[from]!;
    for (let k = axes.length - 1; k >= 0; k--) {
      at[k]!++;
      from += axes[k]!.stride;
      if (at[k]! < axes[k]!.size) break;
      from -= axes[k]!.stride * axes[k]!.size;
      at[k] = 0;
    }
  }
  return out;
}
