/** A compiled folder is written whole or not at all, and never over what tfm did not write. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Result } from "../../src/diagnostics/diagnostic.ts";
import {
  companions,
  hashOf,
  outputProblems,
  writeArtifact,
  type ArtifactPlan,
  type PlannedFile,
  type Written,
  type WriteOptions,
} from "../../src/host/artifact.ts";
import { planDataFile } from "../../src/host/data-file.ts";
import { readRecord, validateRecord } from "../../src/host/record.ts";
import { toFloat32 } from "../../src/weights/dtypes.ts";
import { openCheckpoint } from "../../src/host/checkpoint.ts";
import { withFolder, type Files } from "../support/broken-checkpoints.ts";
import { axis } from "../support/tensors.ts";

const record: ArtifactPlan["record"] = {
  producer: { name: "tfm", version: "0.1.0" },
  source: "my-model",
  sourceHash: hashOf(["x"]),
  settings: { layers: "2" },
  target: "onnx",
  inputs: [],
  outputs: [],
  states: [],
};
const bytes = (name: string, content = name): PlannedFile => ({ kind: "bytes", name, bytes: content });
const plan = (files: readonly PlannedFile[], extra: Partial<ArtifactPlan> = {}): ArtifactPlan => ({
  record,
  files,
  ...extra,
});
const system = (code: string): Error => Object.assign(new Error(code), { code, syscall: "write" });

function messages(result: Result<Written>): string[] {
  expect(result.value === undefined).toBe(result.diagnostics.length > 0);
  for (const d of result.diagnostics) expect(d.hint).toBeTruthy();
  return result.diagnostics.map((d) => `${d.code}: ${d.message}`);
}

/**
 * Writes into `out` of a folder, and gives what is said (the folder is called HERE) and all names that are left
 * there.
 */
function attempt(
  files: Files,
  make: (folder: string) => ArtifactPlan,
  options: WriteOptions & { out?: string } = {},
): Promise<{ said: string[]; left: string[] }> {
  return withFolder(files, async (folder) => {
    const result = await writeArtifact(join(folder, options.out ?? "out"), make(folder), options);
    const left = readdirSync(folder, { recursive: true, encoding: "utf8" }).sort();
    return { said: messages(result).map((m) => m.replaceAll(folder, "HERE")), left };
  });
}

test("everything that is planned is written, and tfm.json says so", async () => {
  await withFolder({ "model.safetensors": { text: "weights" }, "config.json": { json: { a: 1 } } }, async (folder) => {
    const out = join(folder, "new/deep/out");
    const seen: number[] = [];
    const files: PlannedFile[] = [
      bytes("model.onnx", "graph"),
      { kind: "link", name: "model.safetensors", from: join(folder, "model.safetensors") },
      { kind: "copy", name: "config.json", from: join(folder, "config.json") },
      {
        kind: "data",
        name: "model.onnx_data",
        ranges: [
          { offset: 4, length: 3, pieces: () => [Uint8Array.of(1, 2), Uint8Array.of(3)] },
          { offset: 8, length: 0, pieces: () => [] },
        ],
      },
    ];
    const result = await writeArtifact(out, plan(files), {
      progress: (done) => seen.push(done),
      check: async () => ({ checked: "run once", diagnostics: [] }),
    });
    expect(messages(result)).toEqual([]);
    expect(readdirSync(out).sort()).toEqual([
      "config.json",
      "model.onnx",
      "model.onnx_data",
      "model.safetensors",
      "tfm.json",
    ]);
    expect([...readFileSync(join(out, "model.onnx_data"))]).toEqual([0, 0, 0, 0, 1, 2, 3, 0]);
    expect(statSync(join(out, "model.safetensors")).ino).toBe(statSync(join(folder, "model.safetensors")).ino);
    expect(statSync(join(out, "config.json")).ino).not.toBe(statSync(join(folder, "config.json")).ino);
    const written = readRecord(out).value!;
    expect(written.files).toEqual([
      { name: "model.onnx", bytes: 5 },
      { name: "model.safetensors", bytes: 7, linked: true },
      { name: "config.json", bytes: 7 },
      { name: "model.onnx_data", bytes: 8 },
    ]);
    expect(written).toMatchObject({
      version: 1,
      checked: "run once",
      settings: { layers: "2" },
      note: expect.stringContaining("hard links") as string,
    });
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(readdirSync(join(folder, "new/deep"))).toEqual(["out"]);
  });
});

test("an earlier output is replaced as a whole; an empty folder is filled; a link to a folder stays one", async () => {
  await withFolder({ empty: { folder: true } }, async (folder) => {
    const out = join(folder, "out");
    await writeArtifact(out, plan([bytes("a"), bytes("b")]));
    expect(messages(await writeArtifact(out, plan([bytes("c")])))).toEqual([]);
    expect(readdirSync(out).sort()).toEqual(["c", "tfm.json"]);
    symlinkSync("empty", join(folder, "link"));
    expect(messages(await writeArtifact(join(folder, "link"), plan([bytes("c")])))).toEqual([]);
    expect(readdirSync(join(folder, "empty")).sort()).toEqual(["c", "tfm.json"]);
    expect(readdirSync(folder).sort()).toEqual(["empty", "link", "out"]);
  });
});

test("a folder that tfm did not write is not touched", async () => {
  const files = (extra: Files): Promise<{ said: string[]; left: string[] }> => attempt(extra, () => plan([bytes("a")]));
  expect(await files({ "out/thesis.tex": { text: "" } })).toEqual({
    said: [
      "artifact/occupied: HERE/out already holds thesis.tex, and no tfm.json of ours says that tfm wrote it; nothing in it was touched",
    ],
    left: ["out", "out/thesis.tex"],
  });
  expect((await files({ "out/tfm.json": { json: {} } })).said[0]).toContain("holds a tfm.json that tfm did not write");
  const own = { ...record, version: 1, checked: "", files: [{ name: "a", bytes: 1 }] };
  expect(
    await files({
      "out/tfm.json": { json: own },
      "out/a": { text: "a" },
      "out/notes.txt": { text: "" },
      "out/more": { folder: true },
    }),
  ).toEqual({
    said: ["artifact/foreign-files: HERE/out holds more and 1 more beside what tfm wrote; nothing in it was touched"],
    left: ["out", "out/a", "out/more", "out/notes.txt", "out/tfm.json"],
  });
});

test("a file in the place of the folder, or of a folder above it", async () => {
  expect(await attempt({ out: { text: "" } }, () => plan([bytes("a")]))).toEqual({
    said: ["artifact/is-file: HERE/out is a file; a compiled model is a folder"],
    left: ["out"],
  });
  expect((await attempt({ file: { text: "" } }, () => plan([bytes("a")]), { out: "file/out" })).said).toEqual([
    "artifact/cannot-write: HERE/file/out cannot be written: HERE/file is a file; nothing was left behind",
  ]);
  expect((await attempt({}, () => plan([bytes("a")]), { out: "x".repeat(300) })).said[0]).toContain(
    "its name is too long",
  );
});

test("the output is neither the checkpoint's folder, nor in it, nor around it", () => {
  withFolder({ "my-model/config.json": { json: {} } }, (folder) => {
    const said = (out: string): string[] =>
      outputProblems(join(folder, out), join(folder, "my-model")).map((d) => d.message.replaceAll(folder, "HERE"));
    expect(said("my-model/../my-model")[0]).toBe(
      "the output folder HERE/my-model is the checkpoint's folder HERE/my-model",
    );
    expect(said("my-model/onnx")).toEqual([
      "the output folder HERE/my-model/onnx lies in the checkpoint's folder HERE/my-model",
    ]);
    expect(said("")[0]).toContain("contains the checkpoint's folder");
    expect(said("my-model-onnx")).toEqual([]);
    symlinkSync("my-model", join(folder, "link"));
    expect(said("link/out")[0]).toContain("lies in");
  });
});

test("a failure in the middle leaves nothing, and what was there before stays", async () => {
  const failing = (e: Error): PlannedFile => ({
    kind: "data",
    name: "model.onnx_data",
    ranges: [
      {
        offset: 0,
        length: 20,
        *pieces() {
          yield new Uint8Array(10);
          throw e;
        },
      },
    ],
  });
  expect(await attempt({}, () => plan([bytes("a"), failing(system("EIO"))]), { out: "x/y/out" })).toEqual({
    said: [
      "artifact/cannot-write: model.onnx_data in HERE/x/y/out cannot be written: the device failed; nothing was left behind",
    ],
    left: [],
  });
  const full = await attempt({}, () => plan([failing(system("ENOSPC"))]));
  expect(full.said[0]).toMatch(
    /^artifact\/disk-full: there is no room for HERE\/out: 20 bytes are to be written, and \d+ are free; nothing was left behind$/,
  );
  expect(full.left).toEqual([]);
  // A bug is thrown on, and leaves nothing either.
  await withFolder({}, async (folder) => {
    await expect(writeArtifact(join(folder, "out"), plan([failing(new Error("a bug"))]))).rejects.toThrow("a bug");
    await expect(
      writeArtifact(
        join(folder, "out"),
        plan([{ kind: "data", name: "d", ranges: [{ offset: 0, length: 9, pieces: () => [new Uint8Array(1)] }] }]),
      ),
    ).rejects.toThrow("d was to get 9 bytes at 0, and got 1");
    expect(readdirSync(folder)).toEqual([]);
  });
  await withFolder({}, async (folder) => {
    const out = join(folder, "out");
    await writeArtifact(out, plan([bytes("before")]));
    const { diagnostics } = await writeArtifact(out, plan([bytes("after"), failing(system("EIO"))]));
    expect(diagnostics).toHaveLength(1);
    expect([readdirSync(folder), readdirSync(out).sort()]).toEqual([["out"], ["before", "tfm.json"]]);
  });
});

test("a check that fails, and a folder that fills meanwhile, leave nothing", async () => {
  const wrong = outputProblems(process.execPath);
  const checked = await attempt({}, () => plan([bytes("a")]), {
    check: async (folder) => (expect(readdirSync(folder)).toEqual(["a"]), { checked: "", diagnostics: wrong }),
  });
  expect(checked.left).toEqual([]);
  await withFolder({}, async (folder) => {
    const out = join(folder, "out");
    const result = await writeArtifact(out, plan([bytes("a")]), {
      check: async () => (mkdirSync(out), writeFileSync(join(out, "mine"), ""), { checked: "", diagnostics: [] }),
    });
    expect(messages(result)[0]).toContain("artifact/occupied");
    expect([readdirSync(folder), readdirSync(out)]).toEqual([["out"], ["mine"]]);
  });
});

test("a checkpoint that changes meanwhile is said, and leaves nothing", async () => {
  await withFolder(
    { "in/model.safetensors": { header: { w: { dtype: "F32", shape: [4], data_offsets: [0, 16] } }, data: 16 } },
    async (folder) => {
      const checkpoint = openCheckpoint(join(folder, "in")).value!;
      const order = [axis("n", 4)];
      const data = planDataFile(
        "d",
        [{ path: "w", order, dtype: "F32", offset: 0, length: 16 }],
        () => ({ kind: "stored", tensor: checkpoint.tensors.get("w")!, order }),
        {
          checkpoint,
          evaluate: () => {
            throw new Error("unused");
          },
        },
      );
      expect(messages(await writeArtifact(join(folder, "out"), plan([data])))).toEqual([]);
      writeFileSync(join(folder, "in/model.safetensors"), "changed");
      expect(messages(await writeArtifact(join(folder, "out2"), plan([data])))).toEqual([
        "weight/changed: model.safetensors was changed while w was read from it",
      ]);
      checkpoint.close();
      expect(readdirSync(folder).sort()).toEqual(["in", "out"]);
    },
  );
});

test("drawn weights are written where they are planned", async () => {
  await withFolder({}, async (folder) => {
    const order = [axis("n", 3)];
    const planned = [0, 64].map((offset, i) => ({ path: `w${i}`, order, dtype: "F32" as const, offset, length: 12 }));
    const data = planDataFile(
      "d",
      planned,
      (path) => ({ kind: "initial", initial: { kind: "constant", value: path === "w0" ? 1 : 2 }, seed: 0 }),
      {
        evaluate: () => {
          throw new Error("unused");
        },
      },
    );
    await writeArtifact(join(folder, "out"), plan([data]));
    const written = readFileSync(join(folder, "out/d"));
    expect([...toFloat32("F32", written.subarray(64))]).toEqual([2, 2, 2]);
    expect(written).toHaveLength(76);
  });
});

test("the checkpoint's configs and tokenizer go along, nothing else", () => {
  const names = [
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    "merges.txt",
    "tokenizer.model",
    "chat_template.jinja",
  ];
  const others = [
    "README.md",
    "model.safetensors",
    "model.safetensors.index.json",
    "training_args.bin",
    "tfm.json",
    "reference.json",
  ];
  withFolder(Object.fromEntries([...names, ...others].map((n) => [n, { text: n }])), (folder) => {
    expect(companions(folder).map((f) => f.name)).toEqual(names.toSorted());
  });
});

test("tfm.json is checked before it is believed", () => {
  const good = {
    ...record,
    version: 1,
    checked: "",
    files: [{ name: "a", bytes: 1, linked: true }],
    inputs: [{ name: "x", dtype: "int64", axes: [{ name: "seq" }, { name: "d", size: 4 }], default: "positions" }],
  };
  const said = (change: object): string | undefined =>
    validateRecord(JSON.parse(JSON.stringify({ ...good, ...change })), "out").diagnostics[0]?.message;
  expect(said({})).toBeUndefined();
  expect(said({ version: 99 })).toBe(
    "out was written by a newer tfm: its tfm.json has version 99, and this one reads 1",
  );
  expect(said({ version: 0 })).toContain("an older tfm");
  expect(said({ version: undefined })).toBe("tfm.json in out cannot be used: version is missing");
  expect(said({ inputs: [{ name: "x", dtype: "float128", axes: [] }] })).toContain(
    'inputs[0].dtype is "float128", not "float32" or',
  );
  expect(said({ inputs: [{ name: "x", dtype: "int64", axes: [{ name: "a", size: -1 }] }] })).toContain(
    "inputs[0].axes[0].size is -1, not a whole number of zero or more",
  );
  expect(said({ inputs: [{ name: "x", dtype: "int64", axes: [], default: "twos" }] })).toContain(
    'inputs[0].default is "twos"',
  );
  expect(said({ files: [{ name: "../a", bytes: 1 }] })).toContain(
    'files[0].name is "../a", which is no name of a file in the folder',
  );
  expect(said({ files: [{ name: "..", bytes: 1 }] })).toContain("no name of a file");
  expect(said({ settings: { a: 1 } })).toBe("tfm.json in out cannot be used: settings.a is 1, not a text");
  expect(said({ states: "none" })).toBe('tfm.json in out cannot be used: states is "none", not a list');
  expect(validateRecord([], "out").diagnostics[0]!.message).toBe(
    "tfm.json in out cannot be used: it is a list, not an object",
  );
});

// What needs a program or a disk of its own.

let bundle = "";
beforeAll(async () => {
  bundle = mkdtempSync(join(tmpdir(), "tfm-bundle-"));
  await build({
    entryPoints: ["src/host/artifact.ts"],
    absWorkingDir: new URL("../..", import.meta.url).pathname,
    outfile: join(bundle, "artifact.mjs"),
    bundle: true,
    platform: "node",
    format: "esm",
    logLevel: "error",
  });
});
afterAll(() => rmSync(bundle, { recursive: true, force: true }));

/** A program that writes an artifact of as many bytes as are asked for. */
const writer = (out: string, size: number): string => `
  import { writeArtifact } from ${JSON.stringify(join(bundle, "artifact.mjs"))};
  const piece = new Uint8Array(100_000);
  function* pieces() { for (let i = 0; i < ${size}; i += piece.length) yield piece; }
  const { value, diagnostics } = await writeArtifact(${JSON.stringify(out)}, {
    record: ${JSON.stringify(record)},
    files: [{ kind: "data", name: "d", ranges: [{ offset: 0, length: ${size}, pieces }] }],
  }, { progress: (done) => { if (done >= 500_000) process.stdout.write("going\\n"); } });
  console.log(value ? "written" : diagnostics.map((d) => d.message).join(";"));
`;

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)("%s while writing removes what there is, and ends with %i", async (signal, status) => {
  const folder = mkdtempSync(join(tmpdir(), "tfm-test-"));
  const child = spawn(process.execPath, ["--input-type=module", "-e", writer(join(folder, "new/out"), 3_000_000_000)]);
  let err = "";
  child.stderr.on("data", (text: Buffer) => (err += text.toString()));
  await new Promise<void>((going) => child.stdout.once("data", () => going()));
  expect(readdirSync(join(folder, "new"))).toHaveLength(1);
  child.kill(signal);
  const code = await new Promise((ended) => child.once("exit", (c) => ended(c)));
  expect([code, readdirSync(folder), err.trim()]).toEqual([
    status,
    [],
    `interrupted: ${join(folder, "new/out")} was not written`,
  ]);
  rmSync(folder, { recursive: true });
});

/** A file system in memory of so many bytes, where this machine lets us make one. */
function smallDisk(size: string): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), "tfm-disk-"));
  if (spawnSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "none", folder]).status === 0) return folder;
  rmSync(folder, { recursive: true });
  return undefined;
}

test("a full disk is said beforehand, and in the middle, and left as it was; links across disks are copies", async (context) => {
  const disk = smallDisk("1m");
  if (disk === undefined)
    return context.skip("mounting a tmpfs needs root: only the simulated failures above were tested");
  try {
    const result = await writeArtifact(
      join(disk, "out"),
      plan([
        {
          kind: "data",
          name: "d",
          ranges: [{ offset: 0, length: 2_000_000, pieces: () => [new Uint8Array(2_000_000)] }],
        },
      ]),
    );
    expect(messages(result)[0]).toMatch(
      /^artifact\/disk-full: .* 2000000 bytes are to be written, and 1\d{6} are free; nothing was left behind$/,
    );
    // Another program takes the room while this one writes.
    const taken = await writeArtifact(
      join(disk, "out"),
      plan([
        {
          kind: "data",
          name: "d",
          ranges: [
            {
              offset: 0,
              length: 900_000,
              *pieces() {
                writeFileSync(join(disk, "other"), new Uint8Array(500_000));
                yield new Uint8Array(900_000);
              },
            },
          ],
        },
      ]),
    );
    expect(messages(taken)[0]).toContain("artifact/disk-full");
    expect(readdirSync(disk)).toEqual(["other"]);
    await withFolder({ "w.safetensors": { text: "weights" } }, async (folder) => {
      const written = await writeArtifact(
        join(disk, "out"),
        plan([{ kind: "link", name: "w.safetensors", from: join(folder, "w.safetensors") }]),
      );
      expect(written.value!.files).toEqual([{ name: "w.safetensors", bytes: 7 }]);
      expect(readRecord(join(disk, "out")).value).not.toHaveProperty("note");
    });
  } finally {
    execFileSync("umount", [disk]);
    rmSync(disk, { recursive: true });
  }
});

test("a folder that may not be written to", async (context) => {
  if (process.getuid?.() !== 0) {
    await withFolder({ locked: { folder: true, mode: "555" } }, async (folder) => {
      expect(messages(await writeArtifact(join(folder, "locked/out"), plan([bytes("a")])))[0]).toContain(
        "permission is denied",
      );
    });
    return;
  }
  // Root may write anywhere but where the system itself has no files.
  if (!existsSync("/proc/self")) return context.skip("there is no folder that root may not write to");
  expect(messages(await writeArtifact("/proc/tfm-out", plan([bytes("a")])))[0]).toMatch(
    /^artifact\/cannot-write: \/proc\/tfm-out cannot be written: /,
  );
});
