/**
 * @file Attention in one launch: a workgroup for each query of each head. Keys are taken as many at a time as it has threads, and the
 * softmax is rescaled as larger scores come (Milakov and Gimelshein, 2018; Dao et al., 2022), so that no score leaves the workgroup.
 */
import { CLOSED, type AttentionAttrs, type HeadOrder } from "../../fusions.ts";
import type { TensorInfo } from "../tf.ts";
import { byRows, reduction, THREADS, type GpuBackend, type Program } from "./program.ts";

/** Sequences and places of an operand of this order. */
function lengths({ shape }: TensorInfo, order: HeadOrder): { readonly batch: number; readonly places: number } {
  return { batch: shape[0]!, places: shape[order === "bshd" ? 1 : 2]! };
}

/** Where head h of place s of sequence b begins. */
function place(order: HeadOrder, heads: number, width: number, s: string, h: string, places: string): string {
  return order === "bshd"
    ? `((b * ${places} + ${s}) * ${heads} + ${h}) * ${width}`
    : `((b * ${heads} + ${h}) * ${places} + ${s}) * ${width}`;
}

export function attentionKernel(
  gpu: GpuBackend,
  [q, k, v, bias]: readonly [TensorInfo, TensorInfo, TensorInfo, TensorInfo | null],
  attrs: AttentionAttrs,
): TensorInfo {
  const { heads, kvHeads, headDim, valueDim, scale, softcap, qOrder, kOrder, vOrder, outOrder } = attrs;
  const { batch, places } = lengths(q, qOrder);
  const keys = lengths(k, kOrder).places;
  const outputShape = outOrder === "bshd" ? [batch, places, heads, valueDim] : [batch, heads, places, valueDim];
  const held = Math.ceil(valueDim / THREADS);
  const inputs = [q, k, v, ...(bias ? [bias] : [])];
  const program: Program = {
    ...byRows(batch * places * heads, outputShape),
    variableNames: ["q", "k", "v", ...(bias ? ["bias"] : [])],
    uniforms: "rows : i32, places : i32, keys : i32, scale : f32, softcap : f32,",
    shaderKey: `tfm_attention_${[qOrder, kOrder, vOrder, outOrder, heads, kvHeads, headDim, valueDim, bias !== null, softcap !== null].join("_")}`,
    getUserCode: () => `
      var<workgroup> query : array<f32, ${headDim}>;
      var<workgroup> weights : array<f32, ${THREADS}>;
      ${reduction("largest", "max(a, b)")}
      ${reduction("total", "a + b")}
      fn main(index : i32) {
        let row = min(index / ${THREADS}, uniforms.rows - 1);
        let first = i32(localIndex);
        let places = uniforms.places;
        let keys = uniforms.keys;
        let h = row % ${heads};
        let s = (row / ${heads}) % places;
        let b = row / (${heads} * places);
        let kv = h / ${heads / kvHeads};
        let asked = ${place(qOrder, heads, headDim, "s", "h", "places")};
        for (var i = first; i < ${headDim}; i += ${THREADS}) { query[i] = q[asked + i] * uniforms.scale; }
        ${
          bias
            ? `let tilt = ((select(b, 0, uniforms.biasShape.x == 1) * uniforms.biasShape.y
          + select(h, 0, uniforms.biasShape.y == 1)) * uniforms.biasShape.z
          + select(s, 0, uniforms.biasShape.z == 1)) * uniforms.biasShape.w;`
            : ""
        }
        workgroupBarrier();
        var top = -3.4e38;
        var mass = 0.0;
        var sums : array<f32, ${held}>;
        for (var start = 0; start < uniforms.keys; start += ${THREADS}) {
          let j = start + first;
          var score = -3.4e38;
          var seen = false;
          if (j < keys) {
            let offered = ${place(kOrder, kvHeads, headDim, "j", "kv", "keys")};
            var product = 0.0;
            for (var i = 0; i < ${headDim}; i += 1) { product += query[i] * k[offered + i]; }
            ${
              softcap === null
                ? ""
                : `let e = exp(-2.0 * abs(product / uniforms.softcap));
            product = uniforms.softcap * sign(product) * (1.0 - e) / (1.0 + e);`
            }
            ${
              bias
                ? `let t = bias[tilt + select(j, 0, uniforms.biasShape.w == 1)];
            seen = t > ${(CLOSED / 2).toExponential()};
            if (seen) { score = product + t; }`
                : `seen = true;
            score = product;`
            }
          }
          let newTop = max(top, largest(score));
          var weight = 0.0;
          if (seen) { weight = exp(score - newTop); }
          weights[first] = weight;
          let rescale = exp(top - newTop);
          mass = mass * rescale + total(weight);
          top = newTop;
          let count = min(${THREADS}, keys - start);
          for (var n = 0; n < ${held}; n += 1) {
            let d = first + n * ${THREADS};
            if (d < ${valueDim}) {
              var sum = sums[n] * rescale;
              for (var i = 0; i < count; i += 1) {
                let j = start + i;
                sum += weights[i] * v[${place(vOrder, kvHeads, valueDim, "j", "kv", "keys")} + d];
              }
              sums[n] = sum;
            }
          }
          workgroupBarrier();
        }
        let put = ${place(outOrder, heads, valueDim, "s", "h", "places")};
        for (var n = 0; n < ${held}; n += 1) {
          let d = first + n * ${THREADS};
          if (d < ${valueDim}) { result[put + d] = select(0.0, sums[n] / mass, mass > 0.0); }
        }
      }`,
  };
  return gpu.runWebGPUProgram(program, inputs, "float32", [
    { type: "int32", data: [batch * places * heads] },
    { type: "int32", data: [places] },
    { type: "int32", data: [keys] },
    { type: "float32", data: [scale] },
    { type: "float32", data: [softcap ?? 0] },
  ]);
}
