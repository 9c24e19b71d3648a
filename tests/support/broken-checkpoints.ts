/**
 * @file Checkpoint folders made from a description, most of them broken on purpose. Used by unit tests and by the fixtures of
 * `tests/errors/weight` and `tests/errors/artifact`.
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

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
