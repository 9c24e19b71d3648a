/** The fused kernels of webgpu against plain arithmetic, on the software driver. */
import { beforeAll, describe, expect, test } from "vitest";
import type { Activation, AttentionAttrs, HeadOrder } from "../../src/backends/tfjs/fusions.ts";
import { registerFused } from "../../src/backends/tfjs/runtime/kernels/register.ts";
import { noGpu, tensorflow, type WholeTf } from "../support/tfjs.ts";

let tf: WholeTf;
beforeAll(async () => {
  if (noGpu) return;
  tf = await tensorflow();
  expect(await tf.setBackend("webgpu")).toBe(true);
  registerFused(tf);
}, 120_000);

let seed = 1;
/** From -2 to 2, the same each time. */
const draw = (count: number): Float32Array =>
  Float32Array.from({ length: count }, () => ((seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647) * 4 - 2);

async function run(
  name: string,
  inputs: Record<string, readonly [readonly number[], Float32Array] | null>,
  attrs: object,
): Promise<{ shape: readonly number[]; data: Float32Array }> {
  const tensors = Object.fromEntries(
    Object.entries(inputs).flatMap(([k, v]) => (v ? [[k, tf.tensor(v[1], v[0] as number[])] as const] : [])),
  );
  const before = tf.memory().numTensors;
  const out = tf.engine().runKernel(name, tensors, attrs as never) as ReturnType<typeof tf.tensor>;
  expect(tf.memory().numTensors - before).toBe(1);
  const data = (await out.data()) as Float32Array;
  const { shape } = out;
  for (const t of [out, ...Object.values(tensors)]) t.dispose();
  return { shape, data };
}

function near(found: ArrayLike<number>, wanted: ArrayLike<number>, tolerance = 2e-5): void {
  expect(found.length).toBe(wanted.length);
  let worst = 0;
  for (let i = 0; i < found.length; i++) {
    const d = Math.abs(found[i]! - wanted[i]!);
    worst = Number.isNaN(d) ? Infinity : Math.max(worst, d);
  }
  expect(worst).toBeLessThan(tolerance);
}

/** erf by its series, and by its continued fraction where that is long. */
function erf(x: number): number {
  if (Math.abs(x) > 5) return Math.sign(x);
  let sum = x;
  for (let n = 1, term = x; n < 200; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

const ACTIVATIONS: { readonly [A in Activation]: (x: number) => number } = {
  gelu: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
  gelu_tanh: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  quick_gelu: (x) => x / (1 + Math.exp(-1.702 * x)),
  silu: (x) => x / (1 + Math.exp(-x)),
  relu: (x) => Math.max(x, 0),
};

describe.skipIf(noGpu)("kernels of webgpu", () => {
  test.each(Object.keys(ACTIVATIONS) as Activation[])("%s, alone and gated", async (activation) => {
    const x = draw(3 * 5 * 7).map((v, i) => (i < 4 ? v * 50 : v * 2));
    const up = draw(x.length);
    const wanted = Array.from(x, ACTIVATIONS[activation]);
    const alone = await run("tfm.Activation", { x: [[3, 5, 7], x] }, { activation });
    expect(alone.shape).toEqual([3, 5, 7]);
    near(alone.data, wanted);
    const gated = await run("tfm.Gated", { gate: [[15, 7], x], up: [[15, 7], up] }, { activation });
    near(
      gated.data,
      wanted.map((w, i) => w * up[i]!),
      1e-4,
    );
  });

  describe.each([1, 5, 64, 150])("norms of width %i", (width) => {
    const rows = 6;
    const x = draw(rows * width).map((v) => v + 30);
    const residual = draw(rows * width);
    const weight = draw(width);
    const shift = draw(width);
    test.each([
      [true, true, true],
      [false, true, true],
      [true, false, false],
      [false, true, false],
    ])("residual %s, weight %s, shift %s", async (r, w, s) => {
      const sum = Array.from(x, (v, i) => v + (r ? residual[i]! : 0));
      const row = (i: number): number[] =>
        sum.slice(Math.floor(i / width) * width, (Math.floor(i / width) + 1) * width);
      const mean = (v: readonly number[]): number => v.reduce((a, b) => a + b, 0) / v.length;
      const eps = 1e-3;
      const inputs = {
        x: [[rows, width], x] as const,
        residual: r ? ([[rows, width], residual] as const) : null,
        weight: w ? ([[width], weight] as const) : null,
      };
      const scaled = (v: number, i: number): number => v * (w ? weight[i % width]! : 1) + (s ? shift[i % width]! : 0);
      const layer = await run("tfm.LayerNorm", { ...inputs, shift: s ? [[width], shift] : null }, { eps });
      const centred = sum.map((v, i) => {
        const m = mean(row(i));
        return (v - m) / Math.sqrt(mean(row(i).map((u) => (u - m) ** 2)) + eps);
      });
      near(layer.data, centred.map(scaled), 2e-4);
      if (s) return;
      const root = await run("tfm.RmsNorm", inputs, { eps });
      near(root.data, sum.map((v, i) => v / Math.sqrt(mean(row(i).map((u) => u ** 2)) + eps)).map(scaled));
    });
  });

  test("softmax of more than 65,535 rows, its last element too", async () => {
    const rows = 65_600;
    const x = draw(rows * 3);
    const { data } = await run("tfm.Softmax", { x: [[rows, 3], x] }, {});
    const wanted = Array.from(x, (v, i) => {
      const at = i - (i % 3);
      return Math.exp(v) / (Math.exp(x[at]!) + Math.exp(x[at + 1]!) + Math.exp(x[at + 2]!));
    });
    near(data, wanted, 1e-6);
  });

  test.each([1, 63, 64, 200])("softmax of width %i", async (width) => {
    const x = draw(2 * 2 * width).map((v) => v * 20);
    const { data, shape } = await run("tfm.Softmax", { x: [[2, 2, width], x] }, {});
    expect(shape).toEqual([2, 2, width]);
    for (let row = 0; row < 4; row++) {
      const own = Array.from(x.slice(row * width, (row + 1) * width));
      const top = Math.max(...own);
      const mass = own.reduce((a, v) => a + Math.exp(v - top), 0);
      near(
        data.slice(row * width, (row + 1) * width),
        own.map((v) => Math.exp(v - top) / mass),
      );
    }
  });

  test.each(["sin", "cos"] as const)("%s of small and of large angles", async (of) => {
    const angles = Float32Array.from([
      ...Array.from({ length: 400 }, (_, i) => (i - 200) / 20),
      ...Array.from({ length: 400 }, (_, i) => (i + 0.37) * 131.07),
      ...Array.from({ length: 60 }, (_, i) => (i % 2 ? -1 : 1) * 1.7 ** i),
      ...[0, 3, -3, Math.PI, -Math.PI, 2 * Math.PI, 1e-30, 2 ** 24, 2 ** 24 + 2],
    ]);
    const { data } = await run("tfm.Sine", { x: [[angles.length], angles] }, { of });
    near(
      data,
      Array.from(angles, (a) => Math[of](a)),
      1e-6,
    );
  });

  test.each([
    [[6], [3]],
    [
      [5, 4],
      [5, 2],
    ],
    [
      [5, 3, 10],
      [5, 1, 5],
    ],
    [
      [2, 5, 3, 8],
      [2, 5, 1, 4],
    ],
    [
      [2, 3, 5, 8],
      [5, 4],
    ],
  ])("rotary positions of %j by %j", async (shape, angles) => {
    const size = (s: readonly number[]): number => s.reduce((a, b) => a * b, 1);
    const [x, cos, sin] = [draw(size(shape)), draw(size(angles)), draw(size(angles))];
    const { data, shape: found } = await run(
      "tfm.Rotary",
      { x: [shape, x], cos: [angles, cos], sin: [angles, sin] },
      {},
    );
    expect(found).toEqual(shape);
    const half = shape.at(-1)! / 2;
    /** The element of an angle that an element of x turns by. */
    const turn = (index: number): number => {
      let rest = index;
      const coords = [...shape].reverse().map((n) => [rest % n, (rest = Math.floor(rest / n))][0]!);
      coords[0]! %= half;
      let [at, step] = [0, 1];
      for (const [i, n] of [...angles].reverse().entries()) {
        at += (n === 1 ? 0 : coords[i]!) * step;
        step *= n;
      }
      return at;
    };
    near(
      data,
      Array.from(x, (v, i) => {
        const isFirst = i % (2 * half) < half;
        const other = x[isFirst ? i + half : i - half]!;
        return v * cos[turn(i)]! + (isFirst ? -1 : 1) * other * sin[turn(i)]!;
      }),
    );
  });

  interface Case {
    readonly batch: number;
    readonly places: number;
    readonly keys: number;
    readonly heads: number;
    readonly kvHeads: number;
    readonly headDim: number;
    readonly valueDim: number;
    readonly orders: readonly [HeadOrder, HeadOrder, HeadOrder, HeadOrder];
    readonly softcap: number | null;
    readonly bias: readonly [number, number, number] | null;
  }
  const cases: readonly Case[] = [
    {
      batch: 2,
      places: 5,
      keys: 5,
      heads: 4,
      kvHeads: 4,
      headDim: 8,
      valueDim: 8,
      orders: ["bshd", "bshd", "bshd", "bshd"],
      softcap: null,
      bias: [2, 1, 5],
    },
    {
      batch: 2,
      places: 3,
      keys: 70,
      heads: 4,
      kvHeads: 2,
      headDim: 12,
      valueDim: 12,
      orders: ["bhsd", "bhsd", "bhsd", "bshd"],
      softcap: null,
      bias: [1, 4, 3],
    },
    {
      batch: 1,
      places: 1,
      keys: 130,
      heads: 6,
      kvHeads: 1,
      headDim: 7,
      valueDim: 70,
      orders: ["bshd", "bhsd", "bshd", "bhsd"],
      softcap: 1.5,
      bias: [1, 1, 1],
    },
    {
      batch: 2,
      places: 4,
      keys: 4,
      heads: 2,
      kvHeads: 2,
      headDim: 4,
      valueDim: 6,
      orders: ["bhsd", "bshd", "bhsd", "bhsd"],
      softcap: null,
      bias: null,
    },
  ];
  test.each(cases)("attention $#", async (c) => {
    const { batch, places, keys, heads, kvHeads, headDim, valueDim, orders, softcap } = c;
    const index = (order: HeadOrder, h: number, s: number, H: number, S: number, D: number, b: number): number =>
      order === "bshd" ? ((b * S + s) * H + h) * D : ((b * H + h) * S + s) * D;
    const dims = (order: HeadOrder, H: number, S: number, D: number): number[] =>
      order === "bshd" ? [batch, S, H, D] : [batch, H, S, D];
    const q = draw(batch * places * heads * headDim);
    const k = draw(batch * keys * kvHeads * headDim);
    const v = draw(batch * keys * kvHeads * valueDim);
    const scale = headDim ** -0.5;
    const tilt = c.bias && draw(c.bias[0] * c.bias[1] * c.bias[2] * keys);
    // Two keys are masked, and the first query of the first sequence sees nothing where the bias is its own.
    tilt?.forEach((_, i) => {
      if (i % keys === 1 || i % 7 === 3 || (i < keys && c.bias![2] > 1)) tilt[i] = -1e9;
    });
    const attrs: AttentionAttrs = {
      qOrder: orders[0],
      kOrder: orders[1],
      vOrder: orders[2],
      outOrder: orders[3],
      heads,
      kvHeads,
      headDim,
      valueDim,
      scale,
      softcap,
    };
    const { data, shape } = await run(
      "tfm.Attention",
      {
        q: [dims(orders[0], heads, places, headDim), q],
        k: [dims(orders[1], kvHeads, keys, headDim), k],
        v: [dims(orders[2], kvHeads, keys, valueDim), v],
        bias: tilt && c.bias ? [[...c.bias, keys], tilt] : null,
      },
      attrs,
    );
    expect(shape).toEqual(dims(orders[3], heads, places, valueDim));
    const wanted = new Float32Array(batch * places * heads * valueDim);
    let unseen = 0;
    for (let b = 0; b < batch; b++)
      for (let h = 0; h < heads; h++)
        for (let s = 0; s < places; s++) {
          const kv = Math.floor(h / (heads / kvHeads));
          const scores = Array.from({ length: keys }, (_, j) => {
            let dot = 0;
            for (let d = 0; d < headDim; d++)
              dot +=
                q[index(orders[0], h, s, heads, places, headDim, b) + d]! *
                k[index(orders[1], kv, j, kvHeads, keys, headDim, b) + d]!;
            const scored = softcap === null ? dot * scale : softcap * Math.tanh((dot * scale) / softcap);
            if (!tilt || !c.bias) return scored;
            const [B, H, S] = c.bias;
            const t = tilt[(((B === 1 ? 0 : b) * H + (H === 1 ? 0 : h)) * S + (S === 1 ? 0 : s)) * keys + j]!;
            return t < -5e8 ? -Infinity : scored + t;
          });
          const top = Math.max(...scores);
          const weights = scores.map((x) => (top === -Infinity ? 0 : Math.exp(x - top)));
          const mass = weights.reduce((a, x) => a + x, 0);
          if (mass === 0) unseen++;
          for (let d = 0; d < valueDim; d++) {
            let sum = 0;
            for (let j = 0; j < keys; j++)
              sum += weights[j]! * v[index(orders[2], kv, j, kvHeads, keys, valueDim, b) + d]!;
            wanted[index(orders[3], h, s, heads, places, valueDim, b) + d] = mass === 0 ? 0 : sum / mass;
          }
        }
    if (c.bias && c.bias[2] > 1) expect(unseen).toBeGreaterThan(0);
    near(data, wanted);
  });
});

if (noGpu) test.skip(`not tested: ${noGpu}`, () => undefined);
