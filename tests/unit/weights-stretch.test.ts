/** Parts of packed tensors: where they lie in the file, against what the graph that takes them out computes. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { evaluateComputed } from "../../src/host/computed.ts";
import { GraphBuilder } from "../../src/ir/builder.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { Size } from "../../src/ir/size.ts";
import type { Axis } from "../../src/ir/type.ts";
import { infer } from "../../src/ops/registry.ts";
import type { AttrsOf, PrimitiveName } from "../../src/ops/attributes.ts";
import type { StoredTensor } from "../../src/weights/source.ts";
import { partOf } from "../../src/weights/stretch.ts";

const axis = (name: string, size: number): Axis => ({ name, size: Size.of(size) });

/** `[rows, (parts, columns)]` with one of the parts taken, or `[(parts, rows), columns]`, or a slice of either. */
function packed(shape: readonly Axis[], steps: readonly (readonly [PrimitiveName, object])[]): Graph {
  const builder = new GraphBuilder("weight");
  let value = builder.input("stored", { dtype: "float", axes: shape });
  for (const [op, attrs] of steps) {
    const inferred = infer(op, [value.type], attrs as AttrsOf<typeof op>);
    if ("problem" in inferred) throw new Error(inferred.problem.kind);
    value = builder.node(op, [value], attrs as AttrsOf<typeof op>, inferred.types)[0]!;
  }
  builder.output("weight", value, "weight");
  return builder.build();
}

function tensorOf(shape: readonly Axis[]): StoredTensor {
  const dims = shape.map((a) => a.size.known!);
  const bytes = 4 * dims.reduce((n, d) => n * d, 1);
  return { name: "packed", dtype: "F32", shape: dims, file: "model.safetensors", offset: 1000, bytes };
}

/** The elements of the stored tensor, numbered, that the part has, in the order in which they lie. */
function numbersOf(graph: Graph, tensor: StoredTensor): readonly number[] | undefined {
  const part = partOf(graph, tensor);
  if (!part) return undefined;
  if ("stretch" in part) {
    const { offset, bytes, within } = part.stretch.tensor;
    expect(within).toBe(tensor);
    return Array.from({ length: bytes / 4 }, (_, i) => (offset - tensor.offset) / 4 + i);
  }
  const { rows, pitch, start, count } = part.columns;
  return Array.from({ length: rows * count }, (_, i) => Math.floor(i / count) * pitch + start + (i % count));
}

function wanted(graph: Graph, tensor: StoredTensor): readonly number[] {
  const axes = graph.inputs[0]!.value.type.axes.map((a) => ({ name: a.name, size: a.size.known! }));
  const length = tensor.bytes / 4;
  const data = Array.from({ length }, (_, i) => i);
  return [...(evaluateComputed(graph, [{ dtype: "float", axes, data }]).data as ArrayLike<number> as number[])];
}

const split = (of: string, ...into: Axis[]) => ["split", { axis: of, into }] as const;
const pick = (of: string, index: number) => ["pick", { axis: of, index }] as const;
const slice = (of: string, start: number, size: number) =>
  ["slice", { axis: of, start: Size.of(start), size: Size.of(size) }] as const;

const sizes = fc.integer({ min: 1, max: 4 });

test("a part of packed rows is a stretch, one of packed columns is columns, one within both is neither", () => {
  fc.assert(
    fc.property(sizes, sizes, sizes, sizes, fc.nat(), (rows, parts, columns, width, seed) => {
      const index = seed % parts;
      const rowsPacked = [axis("all", parts * rows), axis("columns", columns * width)];
      const columnsPacked = [axis("rows", rows), axis("all", parts * columns * width)];
      const cases: readonly (readonly [readonly Axis[], readonly (readonly [PrimitiveName, object])[]])[] = [
        [rowsPacked, [split("all", axis("parts", parts), axis("rows", rows)), pick("parts", index)]],
        [rowsPacked, [slice("all", index * rows, rows), ["rename", { from: "all", to: "rows" }]]],
        [
          columnsPacked,
          [
            split("all", axis("parts", parts), axis("columns", columns), axis("width", width)),
            pick("parts", index - parts),
          ],
        ],
        [columnsPacked, [slice("all", index * columns * width, columns * width)]],
      ];
      for (const [shape, steps] of cases) {
        const [graph, tensor] = [packed(shape, steps), tensorOf(shape)];
        expect(numbersOf(graph, tensor)).toEqual(wanted(graph, tensor));
      }
    }),
  );
});

test("what lies scattered, or is computed, is no part", () => {
  const shape = [axis("rows", 4), axis("all", 6)];
  const both = packed(shape, [slice("rows", 0, 2), slice("all", 1, 2)]);
  expect(partOf(both, tensorOf(shape))).toBeUndefined();
  // Every head's own part: three strides.
  const heads = packed(shape, [
    split("all", axis("heads", 3), axis("parts", 2)),
    pick("parts", 1),
    split("rows", axis("a", 2), axis("b", 2)),
    pick("b", 0),
  ]);
  expect(partOf(heads, tensorOf(shape))).toBeUndefined();
  expect(partOf(packed(shape, [["neg", {}]]), tensorOf(shape))).toBeUndefined();
});
