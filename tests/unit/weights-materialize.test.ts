/** The numbers of one parameter: stored, computed and drawn, in any order and dtype, whatever the budget. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { GraphBuilder } from "../../src/ir/builder.ts";
import type { Axis } from "../../src/ir/type.ts";
import { fromFloat32, toFloat32 } from "../../src/weights/dtypes.ts";
import { materialize, materializeWhole, type Wanted } from "../../src/weights/materialize.ts";
import { permute } from "../../src/weights/permute.ts";
import { fillNormal, keyOf, philox } from "../../src/weights/random.ts";
import type { Checkpoint, StoredTensor, WeightSource } from "../../src/weights/source.ts";
import { axis } from "../support/tensors.ts";

const evaluate = (): never => {
  throw new Error("nothing is computed here");
};

/** A checkpoint of one tensor in memory. */
function inMemory(
  bytes: Uint8Array,
  dtype: StoredTensor["dtype"],
  shape: readonly number[],
): { checkpoint: Checkpoint; tensor: StoredTensor } {
  const tensor: StoredTensor = { name: "w", dtype, shape, file: "model.safetensors", offset: 0, bytes: bytes.length };
  const read = (_: StoredTensor, start = 0, length = bytes.length - start): Uint8Array =>
    bytes.slice(start, start + length);
  return {
    tensor,
    checkpoint: { name: "memory", tensors: new Map([["w", tensor]]), files: [], read, close: () => undefined },
  };
}

/** The slow, plain way. */
function reordered(data: readonly number[], shape: readonly number[], from: readonly number[]): number[] {
  const at = (index: readonly number[]): number => shape.reduce((n, size, i) => n * size + index[i]!, 0);
  const out: number[] = [];
  const visit = (place: number[]): void => {
    if (place.length === from.length) {
      const index: number[] = [];
      for (const [i, axisFrom] of from.entries()) index[axisFrom] = place[i]!;
      out.push(data[at(index)]!);
    } else for (let i = 0; i < shape[from[place.length]!]!; i++) visit([...place, i]);
  };
  visit([]);
  return out;
}

const shapes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 5 });
const permutations = shapes.chain((shape) =>
  fc.record({
    shape: fc.constant(shape),
    from: fc.shuffledSubarray(
      shape.map((_, i) => i),
      { minLength: shape.length },
    ),
  }),
);

test("permute moves every element where it belongs", () => {
  fc.assert(
    fc.property(permutations, ({ shape, from }) => {
      const data = Float32Array.from({ length: shape.reduce((n, d) => n * d, 1) }, (_, i) => i);
      expect([...permute(data, { shape, from })]).toEqual(reordered([...data], shape, from));
    }),
    { seed: 21, numRuns: 500 },
  );
});

test("permute of large tiles", () => {
  const data = Uint16Array.from({ length: 130 * 70 }, (_, i) => i);
  const out = permute(data, { shape: [130, 70], from: [1, 0] });
  expect([...out]).toEqual(reordered([...data], [130, 70], [1, 0]));
});

test("a stored tensor in any order, whatever is read at once", () => {
  fc.assert(
    fc.property(permutations, fc.integer({ min: 1, max: 400 }), ({ shape, from }, budget) => {
      const data = Float32Array.from({ length: shape.reduce((n, d) => n * d, 1) }, (_, i) => i + 0.5);
      const { checkpoint, tensor } = inMemory(new Uint8Array(data.buffer), "F32", shape);
      const axes = shape.map((n, i) => axis(`a${i}`, n));
      const wanted: Wanted = { path: "w", order: from.map((i) => axes[i]!), dtype: "F32" };
      const bytes = materializeWhole({ kind: "stored", tensor, order: axes }, wanted, { checkpoint, evaluate, budget });
      expect([...toFloat32("F32", bytes)]).toEqual(reordered([...data], shape, from));
    }),
    { seed: 22, numRuns: 500 },
  );
});

test("a transposed tensor larger than the budget is read in slabs", () => {
  const [rows, columns] = [96, 4000];
  const data = Float32Array.from({ length: rows * columns }, (_, i) => i);
  const { checkpoint, tensor } = inMemory(new Uint8Array(data.buffer), "F32", [rows, columns]);
  const [r, c] = [axis("r", rows), axis("c", columns)];
  const parts = [
    ...materialize(
      { kind: "stored", tensor, order: [r, c] },
      { path: "w", order: [c, r], dtype: "F32" },
      { checkpoint, evaluate, budget: 1 << 19 },
    ),
  ];
  expect(parts.length).toBeGreaterThan(2);
  expect(Math.max(...parts.map((p) => p.length))).toBeLessThanOrEqual(1 << 19);
  const found = Float32Array.from(parts.flatMap((p) => [...toFloat32("F32", p)]));
  expect([found[1], found[96], found[96 * 3999 + 95]]).toEqual([4000, 1, 96 * 4000 - 1]);
});

test("dtypes are converted on the way, and the same dtype keeps its bits", () => {
  const order = [axis("n", 3)];
  const values = Float32Array.of(1, -0.5, 3.140625);
  const half = inMemory(fromFloat32("F16", values), "F16", [3]);
  const stored: WeightSource = { kind: "stored", tensor: half.tensor, order };
  expect([
    ...toFloat32(
      "F32",
      materializeWhole(stored, { path: "w", order, dtype: "F32" }, { checkpoint: half.checkpoint, evaluate }),
    ),
  ]).toEqual([...values]);
  expect([
    ...toFloat32(
      "BF16",
      materializeWhole(stored, { path: "w", order, dtype: "BF16" }, { checkpoint: half.checkpoint, evaluate }),
    ),
  ]).toEqual([1, -0.5, 3.140625]);
  const signalling = inMemory(Uint8Array.of(1, 0x7c, 0, 0x3c, 0, 0), "F16", [3]);
  expect([
    ...materializeWhole(
      { kind: "stored", tensor: signalling.tensor, order },
      { path: "w", order, dtype: "F16" },
      { checkpoint: signalling.checkpoint, evaluate },
    ),
  ]).toEqual([1, 0x7c, 0, 0x3c, 0, 0]);
});

test("a computed weight is what its graph gives, brought into order", () => {
  const [m, n] = [axis("m", 2), axis("n", 3)];
  const b = new GraphBuilder("map");
  b.output("w", b.input("w", { dtype: "float", axes: [m, n] }));
  const { checkpoint, tensor } = inMemory(fromFloat32("BF16", Float32Array.of(1, 2, 3, 4, 5, 6)), "BF16", [6]);
  const source: WeightSource = { kind: "computed", tensors: [tensor], graph: b.build() };
  const doubled = materializeWhole(
    source,
    { path: "w", order: [n, m], dtype: "F32" },
    {
      checkpoint,
      evaluate: (_, [x]) => ({
        dtype: "float",
        axes: x!.axes,
        data: Float64Array.from(x!.data as ArrayLike<number>, (v) => 2 * v),
      }),
    },
  );
  expect([...toFloat32("F32", doubled)]).toEqual([2, 8, 4, 10, 6, 12]);
});

test("Philox4x32-10 gives the numbers of its authors", () => {
  const run = (...words: [number, number, number, number, number, number]): string[] => {
    const out = new Uint32Array(4);
    philox(...words, out, 0);
    return [...out].map((w) => w.toString(16));
  };
  // kat_vectors of Random123
  expect(run(0, 0, 0, 0, 0, 0)).toEqual(["6627e8d5", "e169c58d", "bc57ac4c", "9b00dbd8"]);
  expect(run(-1, -1, -1, -1, -1, -1)).toEqual(["408f276d", "41c83b0e", "a20bc7c6", "6d5451fd"]);
  expect(run(0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0)).toEqual([
    "d16cfe09",
    "94fdcceb",
    "5001e420",
    "24126ea1",
  ]);
});

function drawn(
  path: string,
  seed: number,
  order: readonly Axis[],
  budget?: number,
  declared?: readonly Axis[],
): number[] {
  const source: WeightSource = { kind: "initial", initial: { kind: "normal", deviation: 0.02 }, seed };
  const wanted: Wanted = { path, order, dtype: "F32", ...(declared ? { declared } : {}) };
  return [
    ...toFloat32("F32", materializeWhole(source, wanted, { evaluate, ...(budget === undefined ? {} : { budget }) })),
  ];
}

test("drawn weights depend on the path and the seed, and on nothing else", () => {
  const n = [axis("n", 1001)];
  const once = drawn("layers.0.w", 7, n);
  expect(drawn("layers.0.w", 7, n)).toEqual(once);
  expect(drawn("layers.0.w", 7, n, 40)).toEqual(once);
  const others = [drawn("layers.1.w", 7, n), drawn("layers.0.w", 8, n), drawn("layers.0.w", 7 + 2 ** 40, n)];
  for (const other of others) expect(other.filter((x, i) => x === once[i]).length).toBeLessThan(5);
  expect(keyOf("a")).not.toEqual(keyOf("b"));
});

test("drawn weights are the same numbers in another order of axes", () => {
  const [m, n] = [axis("m", 5), axis("n", 3)];
  const declared = drawn("w", 0, [m, n]);
  expect(drawn("w", 0, [n, m], 16, [m, n])).toEqual(reordered(declared, [5, 3], [1, 0]));
});

test("drawn weights are normal: mean, deviation, kurtosis and the share of each side", () => {
  const x = new Float32Array(400_000);
  fillNormal(x, 3, "w", 1, 2);
  const moment = (k: number): number => x.reduce((s, v) => s + (v / 2) ** k, 0) / x.length;
  expect(Math.abs(moment(1))).toBeLessThan(0.006);
  expect(Math.abs(moment(2) - 1)).toBeLessThan(0.01);
  expect(Math.abs(moment(3))).toBeLessThan(0.02);
  expect(Math.abs(moment(4) - 3)).toBeLessThan(0.08);
  // Neighbours are independent.
  let product = 0;
  for (let i = 1; i < x.length; i++) product += (x[i]! * x[i - 1]!) / 4;
  expect(Math.abs(product / x.length)).toBeLessThan(0.006);
});

test("a constant fills every element, in any dtype", () => {
  const source: WeightSource = { kind: "initial", initial: { kind: "constant", value: 1 }, seed: 0 };
  const order = [axis("n", 4)];
  expect([...materializeWhole(source, { path: "w", order, dtype: "BF16" }, { evaluate })]).toEqual([
    0x80, 0x3f, 0x80, 0x3f, 0x80, 0x3f, 0x80, 0x3f,
  ]);
});

test("axes that are not those of the weight are a bug of the compiler", () => {
  const { checkpoint, tensor } = inMemory(new Uint8Array(16), "F32", [4]);
  expect(() =>
    materializeWhole(
      { kind: "stored", tensor, order: [axis("n", 4)] },
      { path: "w", order: [axis("m", 4)], dtype: "F32" },
      { checkpoint, evaluate },
    ),
  ).toThrow("w has the axes n=4, not m=4");
});

test("a stretch of an axis is what the whole has there", () => {
  const cases = permutations.chain((p) =>
    fc.record({
      p: fc.constant(p),
      along: fc.nat({ max: p.shape.length - 1 }),
      cut: fc.tuple(fc.nat(4), fc.nat(4)),
      budget: fc.integer({ min: 1, max: 200 }),
    }),
  );
  fc.assert(
    fc.property(cases, ({ p: { shape, from }, along, cut, budget }) => {
      const count = shape.reduce((a, b) => a * b, 1);
      const data = Float32Array.from({ length: count }, (_, i) => i);
      const { checkpoint, tensor } = inMemory(new Uint8Array(data.buffer), "F32", shape);
      const stored = shape.map((size, i) => axis(`a${i}`, size));
      const source: WeightSource = { kind: "stored", tensor, order: stored };
      const of = shape[along]!;
      const start = Math.min(cut[0], of - 1);
      const size = 1 + Math.min(cut[1], of - start - 1);
      const order = from.map((i) => axis(`a${i}`, i === along ? size : shape[i]!));
      const wanted: Wanted = { path: "w", order, dtype: "F32", part: { axis: `a${along}`, start, of } };
      const found = toFloat32("F32", materializeWhole(source, wanted, { checkpoint, evaluate, budget }));
      const inner = shape.slice(along + 1).reduce((a, b) => a * b, 1);
      const kept = Array.from(data).filter((_, i) => {
        const place = Math.floor(i / inner) % of;
        return place >= start && place < start + size;
      });
      const cutShape = shape.map((s, i) => (i === along ? size : s));
      expect(Array.from(found)).toEqual(reordered(kept, cutShape, from));
    }),
  );
});
