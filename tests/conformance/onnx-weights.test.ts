/**
 * @file Weights in files: referred to in place in whatever order and dtype serves, planned where none does; and the re-
 * reading of what was written.
 */
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { emitOnnx, type OnnxArtifact } from "../../src/backends/onnx/emit.ts";
import { rereadOnnx } from "../../src/backends/onnx/reread.ts";
import type { OnnxProvider } from "../../src/backends/onnx/targets.ts";
import type { VerifiedGraph } from "../../src/ir/graph.ts";
import type { StoredDtype, WeightSource } from "../../src/weights/source.ts";
import { axis, graphOf, numbersOf, Random, SESSION, TARGETS } from "./onnx-harness.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tfm-onnx-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const random = new Random(3);
const numbers = (n: number): number[] => Array.from({ length: n }, () => Math.round(random.normal() * 8) / 8); // exact in every dtype

/** The bytes of numbers that are exact in bfloat16 and float16. */
function encode(values: readonly number[], dtype: StoredDtype): Uint8Array {
  if (dtype === "F32") return new Uint8Array(Float32Array.from(values).buffer);
  const bits = new Uint32Array(Float32Array.from(values).buffer);
  const half = (b: number): number => {
    if ((b & 0x7fffffff) === 0) return b >>> 16;
    return ((b >>> 16) & 0x8000) | ((((b >>> 23) & 0xff) - 112) << 10) | ((b >>> 13) & 0x3ff);
  };
  return new Uint8Array(Uint16Array.from(bits, (b) => (dtype === "BF16" ? b >>> 16 : half(b))).buffer);
}

interface Stored {
  readonly values: readonly number[];
  readonly dtype: StoredDtype;
  /** As stored: `in'=4 out=3`. */
  readonly order: string;
}

/** Writes tensors into one file, at an odd offset as a safetensors header may leave it, and gives their sources. */
function store(tensors: Readonly<Record<string, Stored>>): (path: string) => WeightSource {
  const chunks: Uint8Array[] = [new Uint8Array(13)];
  let offset = 13;
  const sources = new Map<string, WeightSource>();
  for (const [path, { values, dtype, order }] of Object.entries(tensors)) {
    const bytes = encode(values, dtype);
    const axes = order.split(" ").map(axis);
    const tensor = {
      name: path,
      dtype,
      shape: axes.map((a) => a.size.known!),
      file: "model.safetensors",
      offset,
      bytes: bytes.length,
    };
    sources.set(path, { kind: "stored", tensor, order: axes });
    chunks.push(bytes);
    offset += bytes.length;
  }
  writeFileSync(join(folder, "model.safetensors"), Buffer.concat(chunks));
  return (path) => sources.get(path) ?? { kind: "initial", initial: { kind: "constant", value: 0 }, seed: 0 };
}

function emit(
  graph: VerifiedGraph,
  weights: (path: string) => WeightSource,
  target = TARGETS[0]!,
  provider: OnnxProvider = "cpu",
): OnnxArtifact {
  const producer = { name: "tfm", version: "test" };
  return emitOnnx(graph, { target, provider, weights, dataFile: "model.onnx_data", producer });
}

/** Puts what was planned beside the model. */
function writePlanned({ planned }: OnnxArtifact, tensors: Readonly<Record<string, Stored>>): void {
  const data = Buffer.alloc(Math.max(0, ...planned.map((p) => p.offset + p.length)));
  for (const { path, order, dtype, offset } of planned) {
    const { values, order: own } = tensors[path]!;
    const names = own.split(" ");
    const turned = order.length === 2 && axis(names[0]!).name !== order[0]!.name;
    const [rows, columns] = order.map((a) => a.size.known!) as [number, number];
    const moved = turned ? values.map((_, i) => values[(i % columns) * rows + Math.floor(i / columns)]!) : values;
    data.set(encode(moved, dtype), offset);
  }
  writeFileSync(join(folder, "model.onnx_data"), data);
}

async function run(artifact: OnnxArtifact, feeds: Record<string, ort.Tensor>): Promise<Record<string, number[]>> {
  const path = join(folder, "model.onnx");
  writeFileSync(path, artifact.model);
  expect(rereadOnnx(artifact.model, { signature: artifact.signature, fileSize })).toEqual([]);
  const session = await ort.InferenceSession.create(path, SESSION);
  const results = await session.run(feeds);
  await session.release();
  return Object.fromEntries(Object.entries(results).map(([name, t]) => [name, numbersOf(t)]));
}

function fileSize(name: string): number | undefined {
  return statSync(join(folder, name), { throwIfNoEntry: false })?.size;
}

const linear = graphOf((g) => {
  const y = g.op("dot", [g.in("x", "float", "seq", "in=4"), g.weight("w", "out=3", "in=4")], { over: ["in"] });
  g.out("y", g.op("add", [y, g.weight("b", "out=3")], {}));
});

/** w[o][i] in order [out, in]. */
function expectedLinear(x: readonly number[], w: readonly number[], b: readonly number[]): number[] {
  const rows = x.length / 4;
  return Array.from({ length: rows * 3 }, (_, at) => {
    const [r, o] = [Math.floor(at / 3), at % 3];
    return b[o]! + [0, 1, 2, 3].reduce((sum, i) => sum + x[r * 4 + i]! * w[o * 4 + i]!, 0);
  });
}

describe("weights where they lie", () => {
  const w = numbers(12);
  const b = numbers(3);
  const x = numbers(8);
  const turned = [0, 1, 2, 3].flatMap((i) => [0, 1, 2].map((o) => w[o * 4 + i]!));
  for (const target of TARGETS)
    for (const dtype of ["F32", "F16", "BF16"] as const)
      for (const [order, values] of [
        ["out=3 in=4", w],
        ["in=4 out=3", turned],
      ] as const)
        it(`${target}: a ${dtype} weight stored as [${order}]`, async () => {
          const artifact = emit(
            linear,
            store({ w: { values, dtype, order }, b: { values: b, dtype, order: "out=3" } }),
            target,
          );
          const { y } = await run(artifact, { x: new ort.Tensor("float32", Float32Array.from(x), [2, 4]) });
          expectedLinear(x, w, b).forEach((e, i) => expect(y![i]).toBeCloseTo(e, 5));
          expect(artifact.nodeCounts).toEqual(dtype === "F32" ? { Gemm: 1 } : { Cast: 2, Gemm: 1 });
          expect(artifact.planned).toEqual([]);
          expect(artifact.linkedFiles).toEqual(["model.safetensors"]);
        });

  it("a table in half precision is cast after the lookup, and is one initializer with the head it is tied to", async () => {
    const table = numbers(5 * 4);
    const graph = graphOf((g) => {
      const words = g.weight("words", "vocab=5", "hidden=4");
      const h = g.op("lookup", [words, g.in("i", "int", "seq")], { axis: "vocab" });
      g.out("h", h);
      g.out("y", g.op("dot", [h, words], { over: ["hidden"] }));
    });
    const artifact = emit(graph, store({ words: { values: table, dtype: "BF16", order: "vocab=5 hidden=4" } }));
    expect(artifact.nodeCounts).toEqual({ Cast: 2, Gather: 1, Gemm: 1 });
    const { h, y } = await run(artifact, { i: new ort.Tensor("int64", BigInt64Array.from([3n, 0n]), [2]) });
    expect(h).toEqual([...table.slice(12, 16), ...table.slice(0, 4)]);
    for (let v = 0; v < 5; v++)
      expect(y![v]).toBeCloseTo(
        [0, 1, 2, 3].reduce((s, i) => s + table[12 + i]! * table[v * 4 + i]!, 0),
        4,
      );
  });

  it("a weight of several axes is read merged, as it is stored", async () => {
    const graph = graphOf((g) =>
      g.out(
        "y",
        g.op("dot", [g.in("x", "float", "seq", "in=4"), g.weight("w", "heads=2", "d=3", "in=4")], { over: ["in"] }),
      ),
    );
    const artifact = emit(graph, store({ w: { values: numbers(24), dtype: "F32", order: "heads=2 d=3 in=4" } }));
    expect(artifact.nodeCounts).toEqual({ Gemm: 1, Reshape: 1 });
    await run(artifact, { x: new ort.Tensor("float32", Float32Array.from(x), [2, 4]) });
  });

  it("what cannot be read in place is planned", async () => {
    const artifact = emit(linear, store({ w: { values: w, dtype: "F64" as "F32", order: "out=3 in=4" } }));
    expect(artifact.planned).toEqual([
      { path: "w", order: [axis("out=3"), axis("in=4")], dtype: "F32", offset: 0, length: 48 },
      { path: "b", order: [axis("out=3")], dtype: "F32", offset: 64, length: 12 },
    ]);
    expect(artifact.linkedFiles).toEqual([]);
    const data = new Uint8Array(76);
    new Float32Array(data.buffer, 0, 12).set(w);
    new Float32Array(data.buffer, 64, 3).set(b);
    writeFileSync(join(folder, "model.onnx_data"), data);
    const { y } = await run(artifact, { x: new ort.Tensor("float32", Float32Array.from(x), [2, 4]) });
    expectedLinear(x, w, b).forEach((e, i) => expect(y![i]).toBeCloseTo(e, 5));
  });

  it("a parameter that nothing reads is not planned", () => {
    const graph = graphOf((g) => {
      g.weight("unread", "d=3");
      g.out("y", g.op("neg", [g.in("x", "float", "seq")], {}));
    });
    expect(emit(graph, store({})).planned).toEqual([]);
  });
});

describe("products of one value", () => {
  /** Three products, as an attention's, with biases or without. */
  const three = (biased: readonly string[]): VerifiedGraph =>
    graphOf((g) => {
      const x = g.in("x", "float", "seq", "in=4");
      for (const [name, size] of [
        ["q", "q=3"],
        ["k", "k=2"],
        ["v", "v=2"],
      ] as const) {
        const y = g.op("dot", [x, g.weight(`a.${name}.weight`, size, "in=4")], { over: ["in"] });
        const shifted = biased.includes(name) ? g.op("add", [y, g.weight(`a.${name}.bias`, size)], {}) : y;
        g.out(`y_${name}`, shifted);
      }
    });
  const x = numbers(8);
  const sizes = { q: 3, k: 2, v: 2 };
  const tensorsOf = (dtype: StoredDtype, names = ["k", "q", "v"]): Record<string, Stored> =>
    Object.fromEntries(
      names.flatMap((n) => {
        const size = sizes[n as keyof typeof sizes];
        return [[`a.${n}.weight`, { values: numbers(size * 4), dtype, order: `${n}=${size} in=4` }] as const];
      }),
    );
  const biases = (dtype: StoredDtype): Record<string, Stored> =>
    Object.fromEntries(
      Object.entries(sizes).map(([n, size]) => [
        `a.${n}.bias`,
        { values: numbers(size), dtype, order: `${n}=${size}` },
      ]),
    );

  async function expectRight(artifact: OnnxArtifact, tensors: Readonly<Record<string, Stored>>): Promise<void> {
    const found = await run(artifact, { x: new ort.Tensor("float32", Float32Array.from(x), [2, 4]) });
    for (const [n, size] of Object.entries(sizes)) {
      const { values, order } = tensors[`a.${n}.weight`]!;
      const bias = tensors[`a.${n}.bias`]?.values;
      for (let at = 0; at < 2 * size; at++) {
        const [r, o] = [Math.floor(at / size), at % size];
        const w = (i: number): number => (order.startsWith("in") ? values[i * size + o]! : values[o * 4 + i]!);
        const sum = [0, 1, 2, 3].reduce((all, i) => all + x[r * 4 + i]! * w(i), bias?.[o] ?? 0);
        expect(found[`y_${n}`]![at], `${n} ${at}`).toBeCloseTo(sum, 5);
      }
    }
  }

  it("are one with weights that lie one behind the other, wherever they do", async () => {
    const tensors = tensorsOf("F32", ["v", "q", "k"]);
    const artifact = emit(three([]), store(tensors), "onnx", "cuda");
    expect(artifact.nodeCounts).toEqual({ Gemm: 1, Split: 1 });
    expect(artifact.planned).toEqual([]);
    await expectRight(artifact, tensors);
  });

  it.each(["F32", "F16", "BF16"] as const)(
    "are one with weights that are written so, in %s as they are",
    async (dtype) => {
      // Biases between them: they lie apart.
      const [q, k, v] = ["q", "k", "v"].map((n) => tensorsOf(dtype, [n]));
      const tensors = { ...q, ...biases(dtype), ...k, "a.between": { values: numbers(4), dtype, order: "in=4" }, ...v };
      const artifact = emit(three(["q", "k", "v"]), store(tensors), "onnx", "cuda");
      expect(artifact.nodeCounts).toEqual({ ...(dtype === "F32" ? {} : { Cast: 2 }), Gemm: 1, Split: 1 });
      const width = dtype === "F32" ? 4 : 2;
      expect(artifact.planned.map(({ path, offset, length, dtype: as }) => [path, offset, length, as])).toEqual([
        ["a.q.weight", 0, 12 * width, dtype],
        ["a.k.weight", 12 * width, 8 * width, dtype],
        ["a.v.weight", 20 * width, 8 * width, dtype],
      ]);
      writePlanned(artifact, tensors);
      await expectRight(artifact, tensors);
    },
  );

  it("are one with weights that are stored the other way round", async () => {
    const tensors = Object.fromEntries(
      Object.entries(sizes).map(([n, size]) => [
        `a.${n}.weight`,
        { values: numbers(4 * size), dtype: "F32" as const, order: `in=4 ${n}=${size}` },
      ]),
    );
    const artifact = emit(three([]), store(tensors), "onnx", "cuda");
    expect(artifact.nodeCounts).toEqual({ Gemm: 1, Split: 1 });
    writePlanned(artifact, tensors);
    await expectRight(artifact, tensors);
  });

  it.each([7, 9])("are one with neighbouring columns of a matrix with %i of them", async (pitch) => {
    const stored = { name: "packed", dtype: "F32" as const, shape: [4, pitch], file: "model.safetensors" };
    const all = numbers(4 * pitch);
    writeFileSync(join(folder, "model.safetensors"), encode(all, "F32"));
    const tensor = { ...stored, offset: 0, bytes: 16 * pitch };
    const starts = { v: 0, q: 2, k: 5 };
    const tensors: Record<string, Stored> = {};
    const sources = new Map(
      Object.entries(starts).map(([n, start]): [string, WeightSource] => {
        const count = sizes[n as keyof typeof sizes];
        const order = [axis("in=4"), axis(`${n}=${count}`)];
        const values = Array.from({ length: 4 * count }, (_, i) => {
          return all[Math.floor(i / count) * pitch + start + (i % count)]!;
        });
        tensors[`a.${n}.weight`] = { values, dtype: "F32", order: `in=4 ${n}=${count}` };
        const columns = { tensor, rows: 4, pitch, start, count, order };
        return [`a.${n}.weight`, { kind: "computed", tensors: [tensor], graph: three([]), columns }];
      }),
    );
    const artifact = emit(three([]), (path) => sources.get(path)!, "onnx", "cuda");
    expect(artifact.nodeCounts).toEqual({ Gemm: 1, ...(pitch === 7 ? {} : { Slice: 1 }), Split: 1 });
    expect(artifact.planned).toEqual([]);
    await expectRight(artifact, tensors);
  });

  it("stay apart where only some have a bias, where a weight is read elsewhere, and on the CPU", async () => {
    const tensors = { ...tensorsOf("F32"), ...biases("F32") };
    const biased = emit(three(["q"]), store(tensors), "onnx", "cuda");
    expect(biased.nodeCounts).toEqual({ Gemm: 2, Split: 1 });
    writePlanned(biased, tensors);
    await expectRight(biased, { ...tensorsOnly(tensors), "a.q.bias": tensors["a.q.bias"]! });
    expect(emit(three([]), store(tensors)).nodeCounts).toEqual({ Gemm: 3 });
    const tied = graphOf((g) => {
      const value = g.in("x", "float", "seq", "in=4");
      const [a, b] = ["a=3", "b=3"].map((size, i) => g.weight(`w${i}`, size, "in=4"));
      for (const [i, w] of [a!, b!].entries()) g.out(`y${i}`, g.op("dot", [value, w], { over: ["in"] }));
      g.out("z", g.op("neg", [a!], {}));
    });
    expect(emit(tied, store({}), "onnx", "cuda").nodeCounts).toEqual({ Gemm: 2, Neg: 1 });
  });

  it("are at most seven at a time: WebGPU binds no more buffers", () => {
    const graph = graphOf((g) => {
      const value = g.in("x", "float", "seq", "in=4");
      for (let i = 0; i < 9; i++)
        g.out(`y${i}`, g.op("dot", [value, g.weight(`w${i}`, `o${i}=3`, "in=4")], { over: ["in"] }));
    });
    expect(emit(graph, store({}), "onnx", "webgpu").nodeCounts).toEqual({ Gemm: 2, Split: 2 });
  });

  const tensorsOnly = (tensors: Readonly<Record<string, Stored>>): Record<string, Stored> =>
    Object.fromEntries(Object.entries(tensors).filter(([path]) => path.endsWith(".weight")));
});

describe("re-reading", () => {
  const artifact = (): OnnxArtifact =>
    emit(
      linear,
      store({
        w: { values: numbers(12), dtype: "F32", order: "out=3 in=4" },
        b: { values: numbers(3), dtype: "F32", order: "out=3" },
      }),
    );
  it("finds a file that is missing or short", () => {
    const a = artifact();
    expect(rereadOnnx(a.model, { signature: a.signature, fileSize: () => undefined })).toEqual([
      "the initializer w lies in model.safetensors, which is not there",
      "the initializer b lies in model.safetensors, which is not there",
    ]);
    expect(rereadOnnx(a.model, { signature: a.signature, fileSize: () => 61 })).toEqual([
      "the initializer b ends at 73 of model.safetensors, which has 61 bytes",
    ]);
  });
  it("finds ports that are not as intended", () => {
    const a = artifact();
    const signature = {
      inputs: [{ name: "x", dtype: "int64" as const, dims: ["seq", 4] }],
      outputs: a.signature.outputs,
    };
    expect(rereadOnnx(a.model, { signature, fileSize })).toEqual([
      "the input x: int64[seq, 4] is missing",
      "there is an input x: float32[seq, 4] that was not intended",
    ]);
  });
  it("finds bytes that are no model", () => {
    expect(rereadOnnx(artifact().model.slice(0, 40), { signature: { inputs: [], outputs: [] }, fileSize })[0]).toMatch(
      /^the model cannot be decoded/,
    );
  });
  it("finds a tensor that is read before it is made", () => {
    const a = artifact();
    const text = Buffer.from(a.model).toString("latin1").replace("\x01x", "\x01z");
    expect(rereadOnnx(Buffer.from(text, "latin1"), { signature: a.signature, fileSize })).toContain(
      "w/Gemm reads z, which is not made before",
    );
  });
});
