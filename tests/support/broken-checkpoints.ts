/**
 * @file Checkpoint folders made from a description, most of them broken on purpose. Used by unit tests and by the
 * fixtures of `tests/errors/weight` and `tests/errors/artifact`.
 */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Diagnostic } from "../../src/diagnostics/diagnostic.ts";
import { hashOf, writeArtifact } from "../../src/host/artifact.ts";
import { openCheckpoint } from "../../src/host/checkpoint.ts";
import { openArtifact } from "../../src/host/run.ts";
import { ReadFailure } from "../../src/weights/read-failure.ts";

/** One file: exactly one of these says what is in it; `cut` and `mode` go with any. */
export interface FileDescription {
  readonly text?: string;
  /** Written as JSON. */
  readonly json?: unknown;
  /** Bytes in hexadecimal; spaces do not count. */
  readonly hex?: string;
  /** A safetensors file with this header (an object, or its very text) and `data` bytes after it, zeros. */
  readonly header?: unknown;
  readonly data?: number;
  /** What the first eight bytes say, where it is not the header's length; a whole number in digits. */
  readonly length?: string;
  /** A symbolic link to this path. */
  readonly link?: string;
  readonly folder?: true;
  /** Only so many bytes of it are written. */
  readonly cut?: number;
  /** In octal, `"000"`. */
  readonly mode?: string;
}

export type Files = Readonly<Record<string, FileDescription>>;

/** Makes a folder in the system's temporary one. */
export function makeFolder(files: Files): string {
  const folder = mkdtempSync(join(tmpdir(), "tfm-test-"));
  for (const [name, description] of Object.entries(files)) writeFile(join(folder, name), description);
  return folder;
}

/** Runs something with a folder that is removed afterwards. */
export function withFolder<T>(files: Files, use: (folder: string) => T): T {
  const folder = makeFolder(files);
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  try {
    const result = use(folder);
    if (result instanceof Promise) return result.finally(remove) as T;
    remove();
    return result;
  } catch (e) {
    remove();
    throw e;
  }
}

export function writeFile(path: string, description: FileDescription): void {
  mkdirSync(dirname(path), { recursive: true });
  if (description.link !== undefined) return symlinkSync(description.link, path);
  if (description.folder) mkdirSync(path);
  else {
    const bytes = bytesOf(description);
    writeFileSync(path, description.cut === undefined ? bytes : bytes.subarray(0, description.cut));
  }
  if (description.mode !== undefined) chmodSync(path, Number.parseInt(description.mode, 8));
}

function bytesOf(d: FileDescription): Uint8Array {
  if (d.text !== undefined) return Buffer.from(d.text);
  if (d.json !== undefined) return Buffer.from(JSON.stringify(d.json));
  if (d.hex !== undefined) return Buffer.from(d.hex.replaceAll(" ", ""), "hex");
  return safetensorsFile(d.header ?? {}, new Uint8Array(d.data ?? 0), d.length);
}

/** The bytes of a safetensors file whose header is not checked. */
export function safetensorsFile(header: unknown, data: Uint8Array, length?: string): Uint8Array {
  const json = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(length === undefined ? BigInt(json.length) : BigInt(length));
  return Buffer.concat([prefix, json, data]);
}

/** A fixture of a diagnostic: a folder, and what is done with it. */
export interface BrokenFixture {
  readonly files: Files;
  /**
   * `open`: a checkpoint is opened and all of it read. `write`: something is compiled to `path`. `run`: the artifact
   * at `path` is run without inputs.
   */
  readonly do: "open" | "write" | "run";
  /** Inside the folder; by default the folder itself. Messages show it as it is here, or as `my-model`. */
  readonly path?: string;
  /** `open`: files that change before the tensors are read. */
  readonly change?: Files;
  /** `write`: bytes of drawn weights that are planned. */
  readonly bytes?: number;
  /** `write`: the checkpoint's folder. */
  readonly checkpoint?: string;
}

/** Runs the fixture of a JSON file. The folder's own place does not show, nor how much room the disk has. */
export async function runBrokenFixture(path: string): Promise<readonly Diagnostic[]> {
  const fixture = JSON.parse(readFileSync(path, "utf8")) as BrokenFixture;
  return withFolder(fixture.files, async (folder) => {
    const found = await perform(fixture, folder);
    const clean = (text: string): string =>
      text.replaceAll(`${folder}/`, "").replace(/\d+ are free/, "1000000 are free");
    return found.map((d) => ({
      ...d,
      message: clean(d.message),
      ...(d.hint === undefined ? {} : { hint: clean(d.hint) }),
    }));
  });
}

async function perform(fixture: BrokenFixture, folder: string): Promise<readonly Diagnostic[]> {
  const path = join(folder, fixture.path ?? "");
  const name = fixture.path ?? "my-model";
  if (fixture.do === "open") return openAndRead(fixture, folder, path, name);
  if (fixture.do === "run") {
    const opened = openArtifact(path, { name });
    return opened.value ? (await opened.value.run(new Map())).diagnostics : opened.diagnostics;
  }
  const length = fixture.bytes ?? 1;
  const written = await writeArtifact(path, {
    record: {
      producer: { name: "tfm", version: "0.1.0" },
      source: "my-model",
      sourceHash: hashOf([]),
      settings: {},
      target: "onnx",
      inputs: [],
      outputs: [],
      states: [],
    },
    files: [
      {
        kind: "data",
        name: "model.onnx_data",
        ranges: [{ offset: 0, length, pieces: () => [new Uint8Array(length)] }],
      },
    ],
    ...(fixture.checkpoint === undefined ? {} : { checkpoint: join(folder, fixture.checkpoint) }),
  });
  return written.diagnostics;
}

function openAndRead(fixture: BrokenFixture, folder: string, path: string, name: string): readonly Diagnostic[] {
  const { value, diagnostics } = openCheckpoint(path, name);
  if (!value) return diagnostics;
  for (const [file, description] of Object.entries(fixture.change ?? {})) writeFile(join(folder, file), description);
  try {
    for (const tensor of value.tensors.values()) value.read(tensor);
    return diagnostics;
  } catch (e) {
    if (e instanceof ReadFailure) return [e.diagnostic];
    throw e;
  } finally {
    value.close();
  }
}
