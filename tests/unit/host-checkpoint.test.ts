/** Opening checkpoints: folders, single files, shards; links followed; what is missing or lies is said by name. */
import {
  appendFileSync,
  linkSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openCheckpoint } from "../../src/host/checkpoint.ts";
import { readConfig } from "../../src/host/config.ts";
import { toFloat32 } from "../../src/weights/dtypes.ts";
import { ReadFailure } from "../../src/weights/read-failure.ts";
import { withFolder, type FileDescription, type Files } from "../support/broken-checkpoints.ts";
import { CHECKPOINTS, readFixture } from "../support/checkpoint-cases.ts";

const one = (name = "w", extra: object = {}): FileDescription => ({
  header: { [name]: { dtype: "F32", shape: [4], data_offsets: [0, 16] } },
  data: 16,
  ...extra,
});
const index = (map: object): FileDescription => ({ json: { metadata: { total_size: 1 }, weight_map: map } });

/** What is said of a folder (or of a path in it). */
function said(files: Files, path = ""): string[] {
  return withFolder(files, (folder) => {
    const { value, diagnostics } = openCheckpoint(join(folder, path), "my-model");
    value?.close();
    expect(value === undefined).toBe(diagnostics.length > 0);
    for (const d of diagnostics) expect(d.hint).toBeTruthy();
    return diagnostics.map((d) => `${d.code}: ${[d.message, ...d.related.map((r) => r.message)].join("; ")}`);
  });
}

test.each(["bert-base-model", "llama2", "llama-sharded", "llama-tied-bf16", "kjv"])(
  "%s opens, and its numbers are read",
  (name) => {
    const { value } = openCheckpoint(join(CHECKPOINTS, name));
    const total = [...value!.tensors.values()].reduce((n, t) => n + t.bytes, 0);
    for (const t of value!.tensors.values()) expect(value!.read(t)).toHaveLength(t.bytes);
    expect(value!.files.reduce((n, f) => n + f.bytes, 0)).toBeGreaterThan(total);
    value!.close();
  },
);

test("shards are one checkpoint; a part of a tensor is read from where it lies", () => {
  const { value } = openCheckpoint(join(CHECKPOINTS, "llama-sharded", "model.safetensors.index.json"));
  expect(value!.files.map((f) => f.name)).toEqual([1, 2, 3].map((i) => `model-0000${i}-of-00003.safetensors`));
  const t = value!.tensors.get("model.norm.weight")!;
  const whole = toFloat32("F32", value!.read(t));
  expect([...toFloat32("F32", value!.read(t, 8, 12))]).toEqual([...whole.subarray(2, 5)]);
  expect(readFileSync(join(CHECKPOINTS, "llama-sharded", t.file)).subarray(t.offset, t.offset + t.bytes)).toEqual(
    Buffer.from(value!.read(t)),
  );
  value!.close();
});

test("the cases of a fixture are read", () => {
  const fixture = readFixture("llama3");
  const single = fixture.cases.get("single")!;
  expect(single.inputs.get("input_ids")).toMatchObject({ dtype: "int64", dims: [1, 7] });
  expect(single.outputs.get("logits")!.data).toHaveLength(7 * 96);
  expect(fixture.cases.get("decode")!.options.prefill).toBe(9);
});

test("links are followed to the file that is to be linked", () => {
  withFolder({ "blobs/abc": one(), "snapshots/1/config.json": { json: {} } }, (folder) => {
    symlinkSync("../../blobs/abc", join(folder, "snapshots/1/model.safetensors"));
    const { value } = openCheckpoint(join(folder, "snapshots/1"));
    expect(value!.files).toEqual([
      { name: "model.safetensors", path: join(realpathSync(folder), "blobs/abc"), bytes: expect.any(Number) as number },
    ]);
    value!.close();
  });
});

test("one .safetensors file of another name is found; several are not guessed between", () => {
  expect(said({ "weights.safetensors": one() })).toEqual([]);
  expect(said({ "a.safetensors": one(), "b.safetensors": one() })).toEqual([
    "weight/which-file: my-model holds 2 .safetensors files, and neither a model.safetensors nor an index",
  ]);
});

test("where there are no weights", () => {
  expect(said({}, "nowhere")).toEqual(["weight/no-such-path: there are no weights at my-model: nothing is there"]);
  expect(said({ "config.json": { json: {} } })).toEqual(["weight/no-file: my-model holds no .safetensors file"]);
  expect(said({ "pytorch_model.bin": { text: "x" } })).toEqual([
    "weight/pickle: my-model has its weights in pytorch_model.bin, which is not safetensors",
  ]);
});

test("what cannot be read", () => {
  expect(said({ "model.safetensors": { folder: true } })).toEqual([
    "weight/unreadable: model.safetensors cannot be read: it is a folder",
  ]);
  expect(said({ "model.safetensors": { link: "gone" } })).toEqual([
    "weight/unreadable: model.safetensors cannot be read: it does not exist",
  ]);
  expect(said({ "model.safetensors": { link: "model.safetensors" } })).toEqual([
    "weight/unreadable: model.safetensors cannot be read: its links lead in a circle",
  ]);
  expect(said({ file: { text: "" } }, "file/inside")).toEqual([
    "weight/no-such-path: there are no weights at my-model: nothing is there",
  ]);
});

test("a pipe in place of a file is not waited for", () => {
  withFolder({}, (folder) => {
    execFileSync("mkfifo", [join(folder, "model.safetensors")]);
    expect(openCheckpoint(folder).diagnostics.map((d) => d.message)).toEqual([
      "model.safetensors cannot be read: it is no ordinary file",
    ]);
  });
});

test("an index must be one", () => {
  const reason = (file: FileDescription): string =>
    said({ "model.safetensors.index.json": file })[0]!.replace(
      "weight/index: model.safetensors.index.json is no index of weights: ",
      "",
    );
  expect(reason({ text: '{"weight_map": ' })).toBe("it ends in the middle (line 1, column 16)");
  expect(reason({ text: '{"weight_map": {"a": "x.safetensors", "a": "y.safetensors"}}' })).toBe(
    "a stands twice (line 1, column 39)",
  );
  expect(reason({ json: {} })).toBe("it has no weight_map");
  expect(reason({ json: [] })).toBe("it has no weight_map");
  expect(reason({ json: { weight_map: [] } })).toBe("its weight_map is a list");
  expect(reason({ json: { weight_map: {} } })).toBe("its weight_map is empty");
  expect(reason(index({ w: 3 }))).toBe("the file of w is a number");
  expect(reason({ hex: "7b ff 7d" })).toBe("its bytes are no UTF-8 text");
});

test("an index cannot lead out of its folder", () => {
  for (const file of [
    "../x.safetensors",
    "/etc/passwd",
    "sub/x.safetensors",
    "..\\x.safetensors",
    "model.onnx",
    "x\n.safetensors",
    ".safetensors/..",
    "",
  ])
    expect(said({ "model.safetensors.index.json": index({ w: file }) })[0]).toMatch(/^weight\/index-path: /);
});

test("an index and its files must agree", () => {
  expect(
    said({ "model.safetensors.index.json": index({ w: "a.safetensors", v: "b.safetensors" }), "a.safetensors": one() }),
  ).toEqual([
    "weight/index-missing-file: model.safetensors.index.json puts 1 tensor in b.safetensors, which is not there",
  ]);
  expect(
    said({ "model.safetensors.index.json": index({ w: "a.safetensors", v: "a.safetensors" }), "a.safetensors": one() }),
  ).toEqual([
    "weight/index-missing-tensor: model.safetensors.index.json puts v in a.safetensors, whose header does not have it",
  ]);
  const many = Object.fromEntries(
    Array.from({ length: 1000 }, (_, i) => [`w${i}`, i % 2 ? "a.safetensors" : `${i}.safetensors`]),
  );
  expect(said({ "model.safetensors.index.json": index(many), "a.safetensors": one() }).at(-1)).toContain(
    "492 more files of the index are missing",
  );
  const lost = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`w${i}`, "a.safetensors"]));
  expect(said({ "model.safetensors.index.json": index(lost), "a.safetensors": one() }).at(-1)).toContain(
    "12 more tensors of the index are not in their files",
  );
});

test("where two files have one tensor, the index says which is meant; tensors that it does not name are read too", () => {
  const files = {
    "model.safetensors.index.json": index({ w: "b.safetensors", u: "a.safetensors" }),
    "b.safetensors": one(),
  };
  const both = {
    header: {
      w: { dtype: "F32", shape: [2], data_offsets: [0, 8] },
      u: { dtype: "F32", shape: [2], data_offsets: [8, 16] },
      extra: { dtype: "F32", shape: [1], data_offsets: [16, 20] },
    },
    data: 20,
  };
  withFolder({ ...files, "a.safetensors": both }, (folder) => {
    const { value } = openCheckpoint(folder);
    expect([...value!.tensors.values()].map((t) => [t.name, t.file])).toEqual([
      ["extra", "a.safetensors"],
      ["u", "a.safetensors"],
      ["w", "b.safetensors"],
    ]);
    value!.close();
  });
});

test("problems of several files are all said", () => {
  expect(
    said({
      "model.safetensors.index.json": index({ w: "a.safetensors", v: "b.safetensors" }),
      "a.safetensors": one("w", { cut: 5 }),
      "b.safetensors": one("v", { length: "1000000000000" }),
    }),
  ).toEqual([
    "weight/cut-short: a.safetensors is cut short: it has 5 bytes, and its header ends at byte 8",
    "weight/header-length: b.safetensors says that its header is 1000000000000 bytes long, and no more than 100000000 are allowed",
  ]);
});

test("a file that changes while it is read is noticed", () => {
  const failure = (change: (path: string) => void): string =>
    withFolder({ "model.safetensors": one() }, (folder) => {
      const { value } = openCheckpoint(folder);
      const path = join(folder, "model.safetensors");
      linkSync(path, join(folder, "link")); // a link is no change
      expect(value!.read(value!.tensors.get("w")!)).toHaveLength(16);
      change(path);
      try {
        value!.read(value!.tensors.get("w")!);
      } catch (e) {
        return (e as ReadFailure).diagnostic.message;
      } finally {
        value!.close();
      }
      return "nothing";
    });
  const message = "model.safetensors was changed while w was read from it";
  expect(failure((path) => writeFileSync(path, "short"))).toBe(message);
  expect(failure((path) => appendFileSync(path, "more"))).toBe(message);
  expect(failure((path) => utimesSync(path, 1, 1))).toBe(message);
});

test("config.json: an object, or said with its place why not", () => {
  const config = (file: FileDescription): string =>
    withFolder({ "config.json": file }, (folder) => {
      const { value, diagnostics } = readConfig(folder, "my-model/config.json");
      return diagnostics[0]?.message ?? JSON.stringify(value);
    });
  expect(config({ text: '\uFEFF{"a": [1, null]}' })).toBe('{"a":[1,null]}');
  expect(config({ text: '{\n  "a": 1,\n}' })).toBe(
    "my-model/config.json is no JSON object: a key in quotes should stand where `}` does (line 3, column 1)",
  );
  expect(config({ text: "[]" })).toBe("my-model/config.json is no JSON object: it holds a list");
  expect(config({ text: '{"a": 1e400}' })).toBe(
    "my-model/config.json is no JSON object: the number 1e400 is too large (line 1, column 7)",
  );
  expect(config({ text: `{"a": ${"[".repeat(5000)}` })).toContain("it nests deeper than 64 levels");
  expect(config({ hex: "7b ff" })).toContain("its bytes are no UTF-8 text");
  expect(config({ folder: true })).toBe("my-model/config.json cannot be read: it is a folder");
  withFolder({ "inner/config.json": { json: {} } }, (folder) => {
    mkdirSync(join(folder, "other"));
    expect(readConfig(folder).diagnostics[0]).toMatchObject({
      code: "cli/no-config",
      hint: `there is one in ${join(folder, "inner")}`,
    });
  });
});
