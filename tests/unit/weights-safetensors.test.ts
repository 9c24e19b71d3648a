/** Headers of safetensors files: what is right is read, what is wrong is said by file and tensor. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { Diagnostic } from "../../src/diagnostics/diagnostic.ts";
import { buildHeader, headerLength, parseHeader } from "../../src/weights/safetensors.ts";
import { CHECKPOINTS } from "../support/checkpoint-cases.ts";

const FILE = "model.safetensors";
const encode = (x: unknown): Uint8Array => new TextEncoder().encode(typeof x === "string" ? x : JSON.stringify(x));
const w = (fields: object = {}): object => ({ dtype: "F32", shape: [2, 2], data_offsets: [0, 16], ...fields });

/** What is said of a header before 16 (or so many) bytes of data. */
function said(header: unknown, data = 16): string[] {
  const bytes = encode(header);
  const { diagnostics, value } = parseHeader(bytes, FILE, 8 + bytes.length + data);
  expect(value === undefined).toBe(diagnostics.length > 0);
  return diagnostics.map(show);
}

function show(d: Diagnostic): string {
  expect(d.hint).toBeTruthy();
  return [`${d.code}: ${d.message}`, ...d.related.map((r) => r.message)].join("; ");
}

const start = (bytes: Uint8Array | string, size = 1e6): string[] =>
  headerLength(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes, FILE, size).diagnostics.map(show);

function prefix(length: bigint): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(length);
  return bytes;
}

test("a real file is read", () => {
  const bytes = readFileSync(`${CHECKPOINTS}llama-tied-bf16/model.safetensors`);
  const length = headerLength(bytes.subarray(0, 8), FILE, bytes.length).value!;
  const { value, diagnostics } = parseHeader(bytes.subarray(8, 8 + length), FILE, bytes.length);
  expect(diagnostics).toEqual([]);
  expect(value!.metadata).toEqual({ format: "pt" });
  const last = value!.tensors.at(-1)!;
  expect(last.offset + last.bytes).toBe(bytes.length);
  expect(value!.tensors.find((t) => t.name === "model.norm.weight")).toMatchObject({
    dtype: "BF16",
    shape: [48],
    bytes: 96,
    file: FILE,
  });
});

test("a written header is read again", () => {
  const tensors = [
    { name: "a", dtype: "F32", shape: [2, 3] },
    { name: 'é "quoted"', dtype: "BF16", shape: [] },
    { name: "__proto__", dtype: "I64", shape: [0, 4] },
  ] as const;
  const { header, offsets, bytes } = buildHeader(tensors, { made: "here" });
  expect(header.length % 8).toBe(0);
  expect(bytes).toBe(header.length + 26);
  const length = headerLength(header.subarray(0, 8), FILE, bytes).value!;
  expect(length).toBe(header.length - 8);
  const { value } = parseHeader(header.subarray(8), FILE, bytes);
  expect(value!.metadata).toEqual({ made: "here" });
  for (const [i, t] of tensors.entries())
    expect(value!.tensors.find((f) => f.name === t.name)).toMatchObject({ ...t, offset: offsets[i] });
});

test("the length of the header is held against the file", () => {
  expect(start(prefix(100n), 108)).toEqual([]);
  expect(start(prefix(100n), 107)).toEqual([
    "weight/cut-short: model.safetensors is cut short: it has 107 bytes, and its header ends at byte 108",
  ]);
  expect(start(Uint8Array.of(1, 2), 2)).toEqual([
    "weight/cut-short: model.safetensors is cut short: it has 2 bytes, and its header ends at byte 8",
  ]);
  expect(start(new Uint8Array(), 0)).toEqual([
    "weight/cut-short: model.safetensors is cut short: it has 0 bytes, and its header ends at byte 8",
  ]);
  expect(start(prefix(2n ** 60n))).toEqual([
    "weight/header-length: model.safetensors says that its header is 1152921504606846976 bytes long, and no more than 100000000 are allowed",
  ]);
  expect(start(prefix(2n ** 64n - 1n))[0]).toContain("18446744073709551615 bytes");
});

test("other files that are called .safetensors are named for what they are", () => {
  expect(start("version https://git-lfs")).toEqual([
    "weight/not-safetensors: model.safetensors is no safetensors file but a git LFS pointer: a note of where the file is",
  ]);
  expect(start("<!DOCTYPE html>")[0]).toContain("a web page");
  expect(start("PK\x03\x04aaaa")[0]).toContain("a pickled Python file");
  expect(start("\x80\x02}q\x00aaa")[0]).toContain("a pickled Python file");
  expect(start("GGUF\x03\0\0\0")[0]).toContain("a GGUF file");
});

test("no length of a header is taken for the beginning of another format", () => {
  const start = new Uint8Array(8);
  for (let length = 8; length <= 8_000_000; length += 8) {
    new DataView(start.buffer).setBigUint64(0, BigInt(length), true);
    if (headerLength(start, "model.safetensors", 100_000_000).value !== length)
      expect.fail(`a header of ${length} bytes`);
  }
});

test("a header that is no JSON object", () => {
  expect(said('{"w": {"dtype"')).toEqual([
    "weight/header-json: the header of model.safetensors is no JSON: it ends in the middle (character 15)",
  ]);
  expect(said("")[0]).toContain("no JSON: it is empty");
  expect(said("[]")).toEqual([
    "weight/header-form: the header of model.safetensors is a list; it should be an object that has an entry for each tensor",
  ]);
  expect(said("[".repeat(1000))[0]).toContain("it nests deeper than 8 levels");
  const { diagnostics } = parseHeader(Uint8Array.of(0x7b, 0xff, 0x7d), FILE, 11);
  expect(diagnostics.map(show)).toEqual([
    "weight/header-json: the header of model.safetensors is no JSON: its bytes are no UTF-8 text (character 1)",
  ]);
});

test("a name that stands twice", () => {
  expect(said('{"w": {}, "w": {}}')).toEqual(["weight/duplicate: model.safetensors has w twice"]);
  expect(said('{"w": {"dtype": "F32", "dtype": "F16"}}')).toEqual([
    "weight/duplicate: the entry of w in model.safetensors has dtype twice",
  ]);
});

test("an entry that lacks something or has something else in its place", () => {
  const entry = (e: unknown): string =>
    said({ w: e })[0]!.replace("weight/entry: the entry of w in model.safetensors cannot be read: ", "");
  expect(entry(null)).toBe("it is null");
  expect(entry({ shape: [], data_offsets: [0, 4] })).toBe("it has no dtype");
  expect(entry(w({ dtype: 3 }))).toBe("its dtype is a number");
  expect(entry(w({ shape: "2x2" }))).toBe("its shape is a text");
  expect(entry({ dtype: "F32", data_offsets: [0, 4] })).toBe("it has no shape");
  expect(entry(w({ shape: [2, -2] }))).toBe("its shape holds -2, which is no whole number of zero or more");
  expect(entry(w({ shape: [2, 1.5] }))).toContain("1.5");
  expect(entry(w({ shape: [2 ** 60] }))).toContain("no whole number");
  expect(entry(w({ shape: new Array(65).fill(1) }))).toBe("its shape has 65 axes");
  expect(entry(w({ data_offsets: [0] }))).toBe("its data_offsets are not two whole numbers of zero or more");
  expect(entry(w({ data_offsets: undefined }))).toBe("it has no data_offsets");
});

test("names that would spoil a terminal or a message", () => {
  expect(said({ "a\u001b[31m": w() })).toEqual([
    "weight/entry: the entry of a\\u{1b}[31m in model.safetensors cannot be read: its name holds control characters",
  ]);
  expect(said({ ["x".repeat(2000)]: w() })[0]).toMatch(/entry of x{57}\.\.\. in .*too long/);
});

test("a dtype that is not read", () => {
  expect(said({ w: w({ dtype: "F8_E4M3" }) })).toEqual([
    "weight/dtype: w in model.safetensors has the dtype F8_E4M3, which is not read",
  ]);
  expect(said({ w: w({ dtype: "toString" }) })[0]).toContain("weight/dtype");
});

test("shape, dtype and offsets must agree", () => {
  expect(said({ w: w({ shape: [3, 2] }) })).toEqual([
    "weight/bytes: w in model.safetensors is F32 [3, 2], which takes 24 bytes; its entry gives it 16",
  ]);
  // A product that a double cannot hold.
  expect(said({ w: w({ shape: [2 ** 52, 2 ** 52] }) })[0]).toContain("takes 81129638414606681695789005144064 bytes");
});

test("offsets must lie in the file", () => {
  expect(said({ w: w() }, 12)).toEqual([
    "weight/range: w lies at bytes 0 to 16 of the data in model.safetensors, which are 12",
  ]);
  expect(said({ w: w({ data_offsets: [16, 0] }) })).toEqual([
    "weight/range: w in model.safetensors begins at byte 16 and ends before, at 0",
  ]);
});

test("no two tensors share bytes; holes and empty tensors are fine", () => {
  expect(said({ a: w(), b: w({ data_offsets: [8, 24] }) }, 24)).toEqual([
    "weight/overlap: a and b overlap in model.safetensors, from byte 8 of the data on",
  ]);
  expect(said({ a: w(), b: w() })[0]).toContain("a and b overlap");
  expect(
    said(
      {
        a: w({ data_offsets: [0, 40], shape: [10] }),
        b: w({ data_offsets: [4, 8], shape: [1] }),
        c: w({ data_offsets: [20, 24], shape: [1] }),
      },
      40,
    ),
  ).toHaveLength(2);
  expect(said({ a: w({ data_offsets: [8, 24] }), b: w({ shape: [0], data_offsets: [12, 12] }) }, 100)).toEqual([]);
});

test("every wrong tensor is said, up to a number of them", () => {
  expect(said({ a: w({ shape: [1] }), b: w(), c: w({ dtype: "X" }) })).toHaveLength(2);
  const many = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`w${i}`, null]));
  const all = said(many);
  expect(all).toHaveLength(8);
  expect(all.at(-1)).toContain("22 more tensors of this file are wrong");
});
