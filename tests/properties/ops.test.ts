/** @file Types tell the truth about values, and operators keep the laws that are known of them. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { evaluateGraph } from "../../src/backends/reference/evaluate.ts";
import { Size } from "../../src/ir/size.ts";
import { verified } from "../../src/ir/verify.ts";
import { float64 } from "../../src/ops/float64.ts";
import type { Tensor } from "../../src/ops/op.ts";
import { arbitraryGraph, INPUTS, param, SIZES } from "../support/arbitrary-graphs.ts";
import { axis, run, tensor } from "../support/tensors.ts";

const sizes = new Map(Object.entries(SIZES));

describe("inferred types", () => {
  it("are those of the values", () => {
    fc.assert(
      fc.property(arbitraryGraph, (graph) => {
        const all = {
          ...graph,
          outputs: graph.nodes.flatMap((n, i) => n.outputs.map((value, k) => ({ name: `${i}.${k}`, value }))),
        };
        const { outputs } = evaluateGraph(verified(all), { inputs: INPUTS, param }, { arithmetic: float64 });
        for (const { name, value } of all.outputs) {
          const t = outputs.get(name)!;
          expect(t.dtype).toBe(value.type.dtype);
          expect(t.axes).toEqual(value.type.axes.map((a) => ({ name: a.name, size: a.size.evaluate(sizes) })));
          expect(t.data.length).toBe(t.axes.reduce((n, a) => n * a.size, 1));
        }
      }),
      { numRuns: 300 },
    );
  });
});

/** A tensor over some of the axes a, b, c, d in some order, of sizes that follow from the names. */
const EXTENT = { a: 2, b: 3, c: 4, d: 2 } as const;
type Name = keyof typeof EXTENT;
const arbitraryTensor = (must: readonly Name[] = []): fc.Arbitrary<Tensor<number>> =>
  fc.shuffledSubarray(Object.keys(EXTENT) as Name[]).chain((some) => {
    const names = [...new Set([...some, ...must])];
    const axes = Object.fromEntries(names.map((n) => [n, EXTENT[n]]));
    const count = names.reduce((n, x) => n * EXTENT[x], 1);
    return fc.array(fc.integer({ min: -20, max: 20 }), { minLength: count, maxLength: count }).map((data) =>
      tensor(
        "float",
        axes,
        data.map((x) => x / 4),
      ),
    );
  });

/** Element by element, by the names of axes, whatever their order. */
function at(t: Tensor<number>, where: Readonly<Record<string, number>>): number {
  return t.data[t.axes.reduce((i, a) => i * a.size + where[a.name]!, 0)] as number;
}

function everywhere(t: Tensor<number>): Record<string, number>[] {
  return t.axes.reduce<Record<string, number>[]>(
    (all, a) => all.flatMap((w) => Array.from({ length: a.size }, (_, i) => ({ ...w, [a.name]: i }))),
    [{}],
  );
}

function expectClose(x: Tensor<number>, y: Tensor<number>): void {
  expect(x.axes.map((a) => `${a.name}=${a.size}`).sort()).toEqual(y.axes.map((a) => `${a.name}=${a.size}`).sort());
  for (const w of everywhere(x)) expect(Math.abs(at(x, w) - at(y, w))).toBeLessThan(1e-12);
}

describe("laws", () => {
  it("dot is the sum of products", () => {
    fc.assert(
      fc.property(arbitraryTensor(["a", "b"]), arbitraryTensor(["b", "a"]), fc.subarray(["a", "b"]), (x, y, over) => {
        expectClose(run("dot", [x, y], { over })[0]!, run("sum", run("mul", [x, y], {}), { over })[0]!);
      }),
    );
  });

  it("elementwise operators align by name", () => {
    fc.assert(
      fc.property(arbitraryTensor(), arbitraryTensor(), (x, y) => {
        const z = run("sub", [x, y], {})[0]!;
        for (const w of everywhere(z)) expect(at(z, w)).toBe(at(x, w) - at(y, w));
      }),
    );
  });

  it("softmax sums to one, and does not see a shift", () => {
    fc.assert(
      fc.property(arbitraryTensor(["c"]), fc.integer({ min: -900, max: 900 }), (x, shift) => {
        const p = run("softmax", [x], { over: "c" })[0]!;
        for (const s of run("sum", [p], { over: ["c"] })[0]!.data as Float64Array)
          expect(Math.abs(s - 1)).toBeLessThan(1e-12);
        expectClose(run("softmax", run("add", [x, tensor("float", {}, [shift])], {}), { over: "c" })[0]!, p);
      }),
    );
  });

  it("merging what was split gives it back", () => {
    fc.assert(
      fc.property(arbitraryTensor(["c"]), (x) => {
        const parts = run("split", [x], { axis: "c", into: [axis("p", 2), axis("q", 2)] });
        expect(run("merge", parts, { axes: ["p", "q"], into: "c" })).toEqual([x]);
      }),
    );
  });

  it("two slices, one after the other, are the whole; so is looking up every place", () => {
    fc.assert(
      fc.property(arbitraryTensor(["c"]), fc.integer({ min: 0, max: 4 }), (x, cut) => {
        const part = (start: number, size: number): Tensor<number> =>
          run("slice", [x], { axis: "c", start: Size.of(start), size: Size.of(size) })[0]!;
        expect(run("concat", [part(0, cut), part(cut, 4 - cut)], { axes: ["c", "c"], into: "c" })).toEqual([x]);
        expectClose(run("lookup", [x, tensor("int", { c: 4 }, [0, 1, 2, 3])], { axis: "c" })[0]!, x);
        expectClose(run("lookup", [x, tensor("int", { c: 4 }, [-4, -3, -2, -1])], { axis: "c" })[0]!, x);
      }),
    );
  });

  it("the k largest are the first of all in order", () => {
    fc.assert(
      fc.property(arbitraryTensor(["c"]), fc.integer({ min: 1, max: 4 }), (x, k) => {
        const [values, indices] = run("top_k", [x], { axis: "c", into: axis("k", k) }) as [
          Tensor<number>,
          Tensor<number>,
        ];
        for (const w of everywhere(values)) {
          const row = [0, 1, 2, 3].map((c) => at(x, { ...w, c })).sort((p, q) => q - p);
          expect(at(values, w)).toBe(row[w["k"]!]);
          expect(at(x, { ...w, c: at(indices, w) })).toBe(at(values, w));
        }
      }),
    );
  });

  it("a running sum less its previous is the value", () => {
    fc.assert(
      fc.property(arbitraryTensor(["b"]), (x) => {
        const sums = run("cumulative_sum", [x], { over: "b" });
        expectClose(run("sub", [...sums, ...run("previous", sums, { axis: "b", path: "p" })], {})[0]!, x);
      }),
    );
  });
});
