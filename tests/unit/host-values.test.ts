/**
 * The values that `tfm run` is given and prints: JSON, .npy, .safetensors, drawn ones; and what is filled where
 * nothing is given.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { fillInputs } from "../../src/host/fill.ts";
import { readNpy } from "../../src/host/npy.ts";
import type { ArtifactPort, ArtifactRecord } from "../../src/host/record.ts";
import { Sizes, symbolOf, termsOf } from "../../src/host/sizes.ts";
import { readValue, writeTensors, type InputValue } from "../../src/host/tensors.ts";
import { numbersOf, summarize, type TensorValue } from "../../src/host/values.ts";
import { withFolder } from "../support/broken-checkpoints.ts";
import { readTensors } from "../support/checkpoint-cases.ts";

const ids: ArtifactPort = { name: "ids", dtype: "int64", axes: [{ name: "batch" }, { name: "seq" }] };
const floats: ArtifactPort = { name: "x", dtype: "float32", axes: [{ name: "seq" }, { name: "d", size: 2 }] };

function show(value: InputValue | undefined): string {
  if (!value) return "nothing";
  return "random" in value
    ? `random ${value.random}`
    : `${value.dtype}[${value.dims.join(",")}]: ${Array.from(numbersOf(value)).join(" ")}`;
}

/** The value, or what is said. */
function read(text: string, port = ids): string {
  const { value, diagnostics } = readValue(text, port);
  for (const d of diagnostics) expect([d.code, d.hint === undefined]).toEqual(["cli/input-value", false]);
  return value
    ? show(value)
    : diagnostics[0]!.message.replace(`the value of the input ${port.name} cannot be used: `, "! ");
}

test("JSON is nested lists of numbers", () => {
  expect(read("[[1, 2, 3], [4, 5, -6]]")).toBe("int64[2,3]: 1 2 3 4 5 -6");
  expect(read(" [[1.5, -2e-3]] ", floats)).toBe(`float32[1,2]: 1.5 ${Math.fround(-2e-3)}`);
  expect(read("[[true, false]]")).toBe("int64[1,2]: 1 0");
  expect(read("[[], []]")).toBe("int64[2,0]: ");
  expect(read("7", { ...ids, axes: [] })).toBe("int64[]: 7");
  expect(read("[0.5]", { name: "h", dtype: "float16", axes: [{ name: "n" }] })).toBe("float16[1]: 0.5");
});

test("JSON that is none, ragged, of other things or another shape is refused", () => {
  expect(read("[[1, 2], [3]]")).toBe("! its lists have different lengths: [1] has 1 where the first has 2");
  expect(read("[[1, 2], 3]")).toBe("! [1] is a number where others are lists");
  expect(read("[1, [2]]", { ...ids, axes: [{ name: "n" }] })).toBe("! [1] is a list where others are numbers");
  expect(read('[["a"]]')).toBe("! [0, 0] is a text, not a number");
  expect(read("[[1,")).toBe("! it is no JSON: it ends in the middle (character 5)");
  expect(read("[[1.5]]")).toBe("! 1.5 at [0, 0] is no int64");
  expect(read("[[9007199254740993]]")).toBe("! 9007199254740992 at [0, 0] is no int64");
  expect(read("[[2]]", { ...ids, dtype: "bool" })).toBe("! 2 at [0, 0] is no true or false (1 or 0)");
  expect(read("[[3000000000]]", { ...ids, dtype: "int32" })).toBe("! 3000000000 at [0, 0] is no int32");
  expect(read("[1, 2]")).toBe("! its shape is [2], with 1 axes instead of 2");
  expect(read("[[1, 2, 3]]", floats)).toBe("! its axis 1 (d) has 3 places instead of 2");
});

test("random: takes a seed", () => {
  expect(read("random:12")).toBe("random 12");
  expect(read("random:")).toBe("! random: takes a seed, a whole number, not nothing");
  expect(read("random:-1")).toContain("not -1");
});

/** A .npy file as NumPy writes it. */
function npy(descr: string, shape: string, data: ArrayBufferView, version = 1, fortran = "False"): Buffer {
  const head = `{'descr': '${descr}', 'fortran_order': ${fortran}, 'shape': (${shape}), }`;
  const start = version === 1 ? 10 : 12;
  const text = head.padEnd(Math.ceil((start + head.length + 1) / 64) * 64 - start - 1) + "\n";
  const prefix = Buffer.alloc(start);
  prefix.write("\x93NUMPY", "latin1");
  prefix[6] = version;
  if (version === 1) prefix.writeUInt16LE(text.length, 8);
  else prefix.writeUInt32LE(text.length, 8);
  return Buffer.concat([
    prefix,
    Buffer.from(text, "latin1"),
    Buffer.from(data.buffer, data.byteOffset, data.byteLength),
  ]);
}

test(".npy files of every version, type and order", () => {
  const parsed = (b: Buffer): unknown => {
    const array = readNpy(b);
    return "reason" in array ? array.reason : [array.dims, Array.from(array.data as ArrayLike<number>, Number)];
  };
  expect(parsed(npy("<f4", "2, 2", Float32Array.of(1, 2, 3, 4)))).toEqual([
    [2, 2],
    [1, 2, 3, 4],
  ]);
  expect(parsed(npy("<f8", "2,", Float64Array.of(0.5, -1), 2))).toEqual([[2], [0.5, -1]]);
  expect(parsed(npy("<f2", "1,", Uint16Array.of(0x3c00), 3))).toEqual([[1], [1]]);
  expect(parsed(npy("<i8", "", BigInt64Array.of(-5n)))).toEqual([[], [-5]]);
  expect(parsed(npy("<i4", "2, 3", Int32Array.of(1, 4, 2, 5, 3, 6), 1, "True"))).toEqual([
    [2, 3],
    [1, 2, 3, 4, 5, 6],
  ]);
  expect(parsed(npy("|b1", "2,", Uint8Array.of(0, 1)))).toEqual([[2], [0, 1]]);
  expect(parsed(npy("|u1", "0, 4", new Uint8Array()))).toEqual([[0, 4], []]);
  expect(parsed(npy(">f4", "1,", Float32Array.of(1)))).toContain("holds numbers of the type '>f4'");
  expect(parsed(npy("|O", "1,", new Uint8Array(8)))).toContain("type '|O'");
  expect(parsed(npy("<f4", "3,", Float32Array.of(1)))).toBe(
    "holds 4 bytes of numbers; the shape (3) of '<f4' takes 12",
  );
  expect(parsed(npy("<f4", "1,", Float32Array.of(1), 4))).toBe("is a .npy file of version 4; 1 to 3 are read");
  expect(parsed(Buffer.from("not an array at all"))).toBe("is no .npy file: it does not begin as one");
  expect(parsed(npy("<f4", "1,", Float32Array.of(1)).subarray(0, 40))).toBe("is cut short");
  expect(parsed(npy("<f4', 'x': '", "1,", Float32Array.of(1)).subarray(0, 300))).toEqual([[1], [1]]);
  expect(parsed(npy("<f4", "x", Float32Array.of(1)))).toBe("has a header that is not that of one plain array");
});

test("values from files", () => {
  withFolder({ "a.json": { json: [[1, 2]] }, "a.txt": { text: "" } }, (folder) => {
    const at = (path: string, port = ids): string => read(`@${join(folder, path)}`, port).replaceAll(folder, "HERE");
    writeFileSync(join(folder, "a.npy"), npy("<i4", "1, 2", Int32Array.of(3, 4)));
    writeTensors(
      join(folder, "a.safetensors"),
      new Map<string, TensorValue>([
        ["ids", { dtype: "int64", dims: [1, 2], data: BigInt64Array.of(5n, 6n) }],
        ["half", { dtype: "float16", dims: [1, 2], data: Uint16Array.of(0x3c00, 0x4000) }],
      ]),
    );
    expect(at("a.json")).toBe("int64[1,2]: 1 2");
    expect(at("a.npy")).toBe("int64[1,2]: 3 4");
    expect(at("a.safetensors")).toBe("int64[1,2]: 5 6");
    expect(at("a.safetensors:half", floats)).toBe("float32[1,2]: 1 2");
    expect(at("a.safetensors:idz")).toBe("! HERE/a.safetensors has no tensor idz");
    expect(at("a.safetensors", { ...ids, name: "other" })).toBe("! which tensor of HERE/a.safetensors is not said");
    expect(at("none.safetensors:x")).toBe("! there are no weights at HERE/none.safetensors: nothing is there");
    expect(at("none.json")).toBe("! HERE/none.json cannot be read: it does not exist");
    expect(at("a.txt")).toBe("! HERE/a.txt is no .json, .npy or .safetensors file");
  });
});

test("outputs are written whole, and read again", () => {
  withFolder({}, (folder) => {
    const path = join(folder, "out.safetensors");
    const { value, diagnostics } = writeTensors(
      path,
      new Map<string, TensorValue>([
        ["b", { dtype: "bool", dims: [3], data: Uint8Array.of(1, 0, 1) }],
        ["logits", { dtype: "float32", dims: [1, 2], data: Float32Array.of(0.5, -1) }],
      ]),
    );
    expect([diagnostics, value!.bytes, readdirSync(folder)]).toEqual([
      [],
      readFileSync(path).length,
      ["out.safetensors"],
    ]);
    expect(writeTensors(join(folder, "no/out.safetensors"), new Map()).diagnostics[0]!.message).toContain(
      "out.safetensors cannot be written: it does not exist; nothing was left behind",
    );
    writeTensors(path, new Map([["x", { dtype: "int64", dims: [], data: BigInt64Array.of(9n) }]]));
    expect(readTensors(path).get("x")).toMatchObject({ dims: [], data: BigInt64Array.of(9n) });
  });
});

test("summaries: all of a small tensor, some of a large one; NaN is seen", () => {
  expect(summarize({ dtype: "float32", dims: [2, 2], data: Float32Array.of(1, NaN, -3, Infinity) })).toEqual({
    dtype: "float32",
    shape: [2, 2],
    min: -3,
    max: 1,
    mean: -1,
    notFinite: 2,
    values: [
      [1, "NaN"],
      [-3, "Infinity"],
    ],
  });
  expect(summarize({ dtype: "int64", dims: [100], data: new BigInt64Array(100).fill(2n) }, 3)).toEqual({
    dtype: "int64",
    shape: [100],
    min: 2,
    max: 2,
    mean: 2,
    values: [2, 2, 2],
    more: 97,
  });
  expect(summarize({ dtype: "float32", dims: [0, 3], data: new Float32Array() })).toEqual({
    dtype: "float32",
    shape: [0, 3],
    min: null,
    max: null,
    mean: null,
    values: [],
  });
});

test("sizes are sums of products of names", () => {
  expect(termsOf("past + 2*seq - 1")).toEqual([
    { coefficient: 1, symbols: ["past"] },
    { coefficient: 2, symbols: ["seq"] },
    { coefficient: -1, symbols: [] },
  ]);
  expect(symbolOf({ name: "batch_size" })).toBe("batch_size");
  expect(symbolOf({ name: "past + seq" })).toBeUndefined();
  expect(symbolOf({ name: "any name at all" })).toBe("any name at all");
  const sizes = new Sizes();
  expect(sizes.learn({ name: "seq" }, 3, "ids")).toBeUndefined();
  expect(sizes.of({ name: "past + seq" })).toBeUndefined();
  expect(sizes.learn({ name: "past + seq" }, 5, "mask")).toBeUndefined();
  expect(sizes.get("past")).toBe(2);
  expect(sizes.learn({ name: "past + seq" }, 6, "mask")).toBe("past + seq is 6 in it, and 5 by ids");
  expect(sizes.learn({ name: "more + seq" }, 1, "mask")).toBe("more + seq is 1 in it, and should be 3 or more");
});

const record: ArtifactRecord = {
  version: 1,
  producer: { name: "tfm", version: "0" },
  source: "",
  sourceHash: "",
  settings: {},
  target: "onnx",
  outputs: [],
  files: [],
  checked: "",
  inputs: [
    { name: "ids", dtype: "int64", axes: [{ name: "batch" }, { name: "seq" }], below: 10 },
    { name: "mask", dtype: "int64", axes: [{ name: "batch" }, { name: "past + seq" }], default: "ones" },
    { name: "places", dtype: "int64", axes: [{ name: "batch" }, { name: "seq" }], default: "positions" },
    { name: "kinds", dtype: "int64", axes: [{ name: "batch" }, { name: "seq" }], default: "zeros" },
  ],
  states: [
    {
      past: "past.0.k",
      present: "present.0.k",
      axes: [{ name: "batch" }, { name: "2", size: 2 }, { name: "past" }, { name: "3", size: 3 }],
    },
  ],
};

function fill(
  given: Readonly<Record<string, string | TensorValue>>,
  change: Partial<ArtifactRecord> = {},
): Record<string, string> | string[] {
  const r = { ...record, ...change };
  const port = (name: string): ArtifactPort =>
    r.inputs.find((p) => p.name === name) ?? { name, dtype: "float32", axes: [] };
  const values = new Map(
    Object.entries(given).map(([name, v]): [string, InputValue] => [
      name,
      typeof v === "string" ? readValue(v, port(name)).value! : v,
    ]),
  );
  const { value, diagnostics } = fillInputs(r, values, "out");
  for (const d of diagnostics) expect(d.hint).toBeTruthy();
  return value
    ? Object.fromEntries([...value].map(([name, v]) => [name, show(v)]))
    : diagnostics.map((d) => `${d.code}: ${d.message}`);
}

test("absent inputs are filled as a client would: masks, positions, an empty past", () => {
  expect(fill({ ids: "[[1, 2, 3]]" })).toEqual({
    ids: "int64[1,3]: 1 2 3",
    mask: "int64[1,3]: 1 1 1",
    places: "int64[1,3]: 0 1 2",
    kinds: "int64[1,3]: 0 0 0",
    "past.0.k": "float32[1,2,0,3]: ",
  });
});

test("with a past, positions go on from it and the mask covers both", () => {
  const past: TensorValue = { dtype: "float32", dims: [1, 2, 4, 3], data: new Float32Array(24) };
  expect(fill({ ids: "[[1, 2]]", "past.0.k": past })).toMatchObject({
    mask: "int64[1,6]: 1 1 1 1 1 1",
    places: "int64[1,2]: 4 5",
  });
});

test("what does not fit together is said", () => {
  const past: TensorValue = { dtype: "float32", dims: [2, 2, 4, 3], data: new Float32Array(48) };
  expect(fill({ ids: "[[1, 2]]", "past.0.k": past })).toEqual([
    "cli/input-value: the value of the input past.0.k cannot be used: batch is 2 in it, and 1 by ids",
  ]);
  expect(fill({ ids: "[[1, 2]]", mask: "[[1]]" })).toEqual([
    "cli/input-value: the value of the input mask cannot be used: past + seq is 1 in it, and 2 by the first step, whose past is empty and ids",
  ]);
  expect(fill({ ids: "[[1, 10]]" })).toEqual([
    "cli/input-value: the value of the input ids cannot be used: 10 at [0, 1] is outside of 0 to 9",
  ]);
  expect(fill({ ids: "[[-1]]" })).toHaveLength(1);
  expect(fill({ idz: "[[1]]" })).toEqual([
    "cli/unknown-input: the model in out has no input idz",
    "cli/missing-input: the model needs the input ids (int64[batch, seq])",
  ]);
});

test("drawn inputs: the same for the same seed, of the sizes that others have, in the table's range", () => {
  const drawn = fill({ ids: "random:3" }) as Record<string, string>;
  expect(drawn["ids"]).toMatch(/^int64\[1,8\]: (\d ){7}\d$/);
  expect(fill({ ids: "random:3" })).toEqual(drawn);
  expect(fill({ ids: "random:4" })).not.toEqual(drawn);
  expect((fill({ ids: "random:3", kinds: "[[0, 1], [1, 1]]" }) as Record<string, string>)["ids"]).toMatch(
    /^int64\[2,2\]/,
  );
  expect(new Set(drawn["ids"]!.match(/\d(?= |$)/g) ?? []).size).toBeGreaterThan(3);
});
