/**
 * Mangled checkpoints: bits flipped, files cut, headers edited in their structure. Whatever they hold, opening one
 * and reading all its tensors ends with numbers or with diagnostics that name the file: no exception, no hang, no
 * memory that a header asks for. `MANGLED=10000` is what CI runs and the default; `SEED=n` repeats a run.
 */
import { copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { render } from "../../src/diagnostics/render.ts";
import { openCheckpoint } from "../../src/host/checkpoint.ts";
import { readConfig } from "../../src/host/config.ts";
import { toFloat32 } from "../../src/weights/dtypes.ts";
import { buildHeader } from "../../src/weights/safetensors.ts";
import { safetensorsFile } from "../support/broken-checkpoints.ts";

const runs = Number(process.env["MANGLED"] ?? 10_000);
const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);

/** mulberry32: small, and the same everywhere. */
function generator(start: number): () => number {
  let a = start | 0;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
const draw = generator(seed);
const below = (n: number): number => Math.floor(draw() * n);
const pick = <T>(list: readonly T[]): T => list[below(list.length)]!;

interface Entry {
  dtype: unknown;
  shape: unknown;
  data_offsets: unknown;
}

const TENSORS = [
  { name: "words.weight", dtype: "F32", shape: [6, 4] },
  { name: "layers.0.q.weight", dtype: "BF16", shape: [4, 4] },
  { name: "layers.0.norm.weight", dtype: "F16", shape: [4] },
  { name: "steps", dtype: "I64", shape: [] },
] as const;
const base = ((): { header: Record<string, Entry>; data: Uint8Array } => {
  const { header, bytes } = buildHeader(TENSORS, { format: "pt" });
  return {
    header: JSON.parse(new TextDecoder().decode(header.subarray(8))) as Record<string, Entry>,
    data: Uint8Array.from({ length: bytes - header.length }, (_, i) => i * 37),
  };
})();
const INDEX = JSON.stringify({
  metadata: { total_size: 1 },
  weight_map: Object.fromEntries(TENSORS.map(({ name }, i) => [name, `model-${1 + (i % 2)}.safetensors`])),
});

const NUMBERS = [0, -1, 1.5, 4, 1e308, 2 ** 31, 2 ** 32, 2 ** 53, 2 ** 63, NaN] as const;
const VALUES: readonly unknown[] = [
  ...NUMBERS,
  null,
  true,
  "",
  "F32",
  "4",
  [],
  [4],
  [[4]],
  {},
  { dtype: "F32" },
  "\u0000",
  "é".repeat(300),
];
const WORDS = ["F32", "BF16", "F64", "F8_E5M2", "f32", "", "constructor", "__proto__"] as const;

/** One of the values, as a copy: edits change what they have put in. */
const anyValue = (): unknown => structuredClone(pick(VALUES));

/** One edit of the structure of a header. */
const EDITS: readonly ((header: Record<string, Entry>, name: string) => void)[] = [
  (h, n) => delete h[n],
  (h, n) => ((h as Record<string, unknown>)[n] = anyValue()),
  (h, n) => (h[n]!.dtype = pick([...WORDS, anyValue()])),
  (h, n) => (h[n]!.shape = anyValue()),
  (h, n) => (h[n]!.shape = [pick(NUMBERS), pick(NUMBERS)]),
  (h, n) => (h[n]!.data_offsets = [pick(NUMBERS), pick(NUMBERS)]),
  (h, n) => (h[n]!.data_offsets = [below(200), below(200)]),
  (h, n) => (h[n]!.data_offsets = anyValue()),
  (h, n) => delete (h[n] as Partial<Entry>)[pick(["dtype", "shape", "data_offsets"] as const)],
  (h, n) =>
    (h[pick(["", "x", "__proto__", "__metadata__", "constructor", `a${"b".repeat(2000)}`, "\u001b[2J", "../x"])] =
      structuredClone(h[n]!)),
  (h) => ((h as Record<string, unknown>)["__metadata__"] = anyValue()),
];

function mangledHeader(): Uint8Array {
  const header = structuredClone(base.header);
  for (let edits = 1 + below(3); edits > 0; edits--) {
    const names = Object.keys(header).filter(
      (n) => n !== "__metadata__" && typeof header[n] === "object" && header[n] !== null && !Array.isArray(header[n]),
    );
    if (names.length > 0) pick(EDITS)(header, pick(names));
  }
  const text = JSON.stringify(header, (_, v: unknown) => (Number.isNaN(v) ? "NaN" : v));
  const spliced = draw() < 0.2 ? splice(text) : text;
  return safetensorsFile(
    spliced,
    base.data,
    draw() < 0.1
      ? pick([
          "0",
          "1",
          "8",
          "1152921504606846976",
          "18446744073709551615",
          "100000000",
          "2147483648",
          String(spliced.length - 1),
          String(spliced.length + 8),
        ])
      : undefined,
  );
}

/** A piece of the text taken out, written twice, or replaced by another. */
function splice(text: string): string {
  const [a, b] = [below(text.length), below(text.length)].sort((x, y) => x - y) as [number, number];
  const part = text.slice(a, b);
  return (
    text.slice(0, a) +
    pick(["", part + part, part.slice(0, 5), "{", "]", '"', ",", "\\", "1e999", "[".repeat(5000), "\u00e9", "null"]) +
    text.slice(b)
  );
}

function flipped(bytes: Uint8Array): Uint8Array {
  const out = Uint8Array.from(bytes);
  for (let flips = 1 + below(8); flips > 0 && out.length > 0; flips--) {
    // Most of them where they hurt: in the length and the header.
    const at = draw() < 0.8 ? below(Math.min(out.length, 400)) : below(out.length);
    out[at] = draw() < 0.5 ? out[at]! ^ (1 << below(8)) : below(256);
  }
  return out;
}

const whole = safetensorsFile(base.header, base.data);
const MANGLES: readonly (() => Uint8Array)[] = [
  () => flipped(whole),
  () => whole.subarray(0, below(whole.length)),
  () => Buffer.concat([whole, new Uint8Array(below(100))]),
  mangledHeader,
  mangledHeader,
  () => flipped(mangledHeader()),
];

// In memory where the system has such a folder: ten thousand small files take a disk longer than all the rest.
const folder = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "tfm-mangled-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Opens and reads everything; true where it could. */
function readAll(path: string, name: string): boolean {
  const { value, diagnostics } = openCheckpoint(path, name);
  const text = render(diagnostics);
  // What is shown names the file, has no stack, no control characters, and an end.
  expect(text).not.toMatch(/\n {4}at |[\u0000-\u0009\u000b-\u001f\u007f]|undefined|\[object/);
  expect(text.length).toBeLessThan(6000);
  for (const d of diagnostics) {
    expect(d.message).toContain("model");
    expect(d.hint).toBeTruthy();
  }
  if (!value) {
    expect(diagnostics.length).toBeGreaterThan(0);
    return false;
  }
  for (const t of value.tensors.values())
    expect(toFloat32(t.dtype, value.read(t))).toHaveLength(t.shape.reduce((n, d) => n * d, 1));
  value.close();
  return true;
}

test(`${runs} mangled checkpoints, seed ${seed}`, { timeout: 120_000 }, () => {
  console.log(`mangled checkpoints: SEED=${seed} MANGLED=${runs}`);
  const path = join(folder, "model.safetensors");
  let read = 0;
  for (let i = 0; i < runs; i++) {
    const bytes = pick(MANGLES)();
    writeFileSync(path, bytes);
    try {
      if (readAll(path, "model.safetensors")) read++;
    } catch (e) {
      copyFileSync(path, join(tmpdir(), "tfm-mangled-failure.safetensors"));
      throw new Error(`checkpoint ${i} of SEED=${seed}: ${(e as Error).message}`, { cause: e });
    }
  }
  // Neither is everything refused, nor everything let through.
  expect(read).toBeGreaterThan(runs * 0.02);
  expect(read).toBeLessThan(runs * 0.7);
});

test(`${Math.ceil(runs / 10)} mangled indices and configs`, { timeout: 120_000 }, () => {
  for (const [i, names] of [
    ["words.weight", "layers.0.norm.weight"],
    ["layers.0.q.weight", "steps"],
  ].entries()) {
    const own = TENSORS.filter((t) => names.includes(t.name));
    const { header, bytes } = buildHeader(own);
    writeFileSync(
      join(folder, `model-${i + 1}.safetensors`),
      Buffer.concat([header, new Uint8Array(bytes - header.length)]),
    );
  }
  rmSync(join(folder, "model.safetensors"), { force: true });
  const index = Buffer.from(INDEX);
  let read = 0;
  for (let i = 0; i < Math.ceil(runs / 10); i++) {
    const bytes = draw() < 0.5 ? Buffer.from(splice(INDEX)) : flipped(index);
    writeFileSync(join(folder, "model.safetensors.index.json"), bytes);
    writeFileSync(join(folder, "config.json"), bytes);
    if (readAll(folder, "model")) read++;
    const config = readConfig(folder, "config.json");
    expect(config.value === undefined).toBe(config.diagnostics.length > 0);
  }
  expect(read).toBeLessThan(runs * 0.09);
});

test("the base itself is sound", () => {
  const path = join(folder, "model.safetensors");
  writeFileSync(path, whole);
  expect(readAll(path, "model.safetensors")).toBe(true);
});
