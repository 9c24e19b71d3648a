/** What encoder-decoders bring, against plain loops: cross-attention, relative biases in buckets, sinusoids of both layouts. */
import { describe, expect, it } from "vitest";
import { affine, evaluated, expectEach, softmaxOf, vectors } from "../support/by-hand.ts";

const [BATCH, SEQ, SOURCE, HIDDEN, WIDTH, HEADS] = [2, 4, 3, 8, 5, 2];

describe("cross-attention", () => {
  it.each([
    ["scaled by the root of a head", "", 1 / Math.sqrt(HIDDEN / HEADS)],
    ["not scaled", ", scale = 1", 1],
  ])("%s, where the second row's memory has two places", (_, settings, scale) => {
    const mask = [1, 1, 1, 1, 1, 0];
    const run = evaluated(
      `model m(hidden = ${HIDDEN}, heads = ${HEADS}) {
        input x: float[batch, seq, hidden]
        input memory: float[batch, source, width = ${WIDTH}]
        input memory_mask as "mask": bool[batch, source] = true
        output y = x -> a: cross(memory, bias = true${settings})
      }`,
      { batch: BATCH, seq: SEQ, source: SOURCE },
      { memory_mask: mask },
    );
    const [x, memory] = [vectors(run.input("x"), BATCH, SEQ), vectors(run.input("memory"), BATCH, SOURCE)];
    const through = (name: string, v: number[]): number[] =>
      affine(run.weight(`a.${name}.weight`), v, run.weight(`a.${name}.bias`));
    const width = HIDDEN / HEADS;
    expectEach(run.output(), ["batch", "seq", "hidden"], (b, s, h) => {
      const q = through("q", x[b]![s]!);
      const [k, v] = [memory[b]!.map((m) => through("k", m)), memory[b]!.map((m) => through("v", m))];
      const mixed: number[] = [];
      for (let head = 0; head < HEADS; head++) {
        const dims = Array.from({ length: width }, (_, d) => head * width + d);
        const scores = k.map((key, t) =>
          mask[b * SOURCE + t] === 0
            ? Number.NEGATIVE_INFINITY
            : scale * dims.reduce((sum, d) => sum + q[d]! * key[d]!, 0),
        );
        const share = softmaxOf(scores);
        for (const d of dims) mixed.push(share.reduce((sum, w, t) => sum + w * v[t]![d]!, 0));
      }
      return through("out", mixed)[h]!;
    });
  });
});

/** The bucket of a distance, as the reference implementation of T5 writes it. */
function bucketOf(distance: number, buckets: number, furthest: number, bothWays: boolean): number {
  const n = bothWays ? buckets / 2 : buckets;
  const side = bothWays && distance > 0 ? n : 0;
  const far = bothWays ? Math.abs(distance) : Math.max(-distance, 0);
  const exact = Math.floor(n / 2);
  if (far < exact) return side + far;
  return side + Math.min(exact + Math.floor((Math.log(far / exact) / Math.log(furthest / exact)) * (n - exact)), n - 1);
}

describe("relative bias", () => {
  it.each([
    [8, 20, true],
    [8, 20, false],
    [12, 30, true],
  ] as const)("%d buckets up to a distance of %d, both ways: %s", (buckets, furthest, bothWays) => {
    const places = 40;
    const run = evaluated(
      `model m(heads = 3) {
        input x: int[seq]
        input y: int[keys]
        let near = new relative_bias(${buckets}, ${furthest}, both_ways = ${bothWays})
        output y = near(x, y)
      }`,
      { seq: places, keys: places },
      { x: Array.from({ length: places }, (_, i) => i), y: Array.from({ length: places }, (_, i) => i) },
    );
    const table = run.weight("near.weight");
    expectEach(
      run.output(),
      ["seq", "keys", "heads"],
      (q, k, head) => table[bucketOf(k - q, buckets, furthest, bothWays) * 3 + head]!,
    );
    // Every bucket is met.
    const met = new Set(
      Array.from({ length: 2 * places - 1 }, (_, i) => bucketOf(i - places + 1, buckets, furthest, bothWays)),
    );
    expect(met.size).toBe(bothWays ? buckets - 1 : buckets); // a distance of 0 has no other side
  });
});

describe("sinusoids", () => {
  const waves = (place: number, i: number): number => place / 10_000 ** ((2 * i) / HIDDEN);

  it("a sine and its cosine are neighbours, as in the paper", () => {
    const run = evaluated(
      `model m(hidden = ${HIDDEN}) { input p: int[seq] output y = sinusoidal(hidden)(p) }`,
      { seq: 3 },
      { p: [0, 5, 90] },
    );
    expectEach(run.output(), ["seq", "hidden"], (s, d) =>
      (d % 2 === 0 ? Math.sin : Math.cos)(waves([0, 5, 90][s]!, Math.floor(d / 2))),
    );
  });

  it("all sines, then all cosines", () => {
    const run = evaluated(
      `model m(hidden = ${HIDDEN}) { input p: int[seq] output y = sinusoidal(hidden, neighbours = false)(p) }`,
      { seq: 3 },
      { p: [0, 5, 90] },
    );
    expectEach(run.output(), ["seq", "hidden"], (s, d) =>
      (d < HIDDEN / 2 ? Math.sin : Math.cos)(waves([0, 5, 90][s]!, d % (HIDDEN / 2))),
    );
  });
});
