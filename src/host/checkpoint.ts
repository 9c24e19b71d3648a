/**
 * @file Opens a checkpoint: a folder, a `.safetensors` file, or an index of several. Headers are read and checked at
 * once, numbers when they are asked for, by `pread`; no file is read whole. Symbolic links (the caches of download
 * tools) are followed.
 */
import { closeSync, fstatSync, openSync, readdirSync, realpathSync, type Stats } from "node:fs";
import { basename, dirname, join } from "node:path";
import { diagnose, hasErrors, type Diagnostic, type Result } from "../diagnostics/diagnostic.ts";
import { ReadFailure } from "../weights/read-failure.ts";
import { HEADER_LIMIT, headerLength, kindOf, legible, parseHeader, PREFIX_BYTES } from "../weights/safetensors.ts";
import { decodeUtf8, parseJson } from "../weights/json.ts";
import type { Checkpoint, StoredTensor } from "../weights/source.ts";
import { readRange, readSmall, reasonOf, statOf, systemReason } from "./system.ts";

const SINGLE = "model.safetensors";
const INDEX = "model.safetensors.index.json";
/** How many problems of one kind are named. */
const SHOWN = 8;

/**
 * Opens the weights at a path; `close` it when done.
 * @param name what messages call the checkpoint; by default its path
 */
export function openCheckpoint(path: string, name = path): Result<Checkpoint> {
  try {
    const found = locate(path, name);
    if ("problem" in found) return { diagnostics: [found.problem] };
    return openFiles(name, found);
  } catch (e) {
    return { diagnostics: [unreadable(name, systemReason(e))] };
  }
}

/** The files that make up a checkpoint, and what its index says of them. */
interface Located {
  readonly folder: string;
  readonly files: readonly string[];
  readonly index?: Index;
}

interface Index {
  readonly name: string;
  /** The file of each tensor. */
  readonly files: ReadonlyMap<string, string>;
}

type Problem = { readonly problem: Diagnostic };

function locate(path: string, name: string): Located | Problem {
  const stat = statOf(path);
  if (!stat)
    return {
      problem: diagnose("weight/no-such-path", { path: name }, undefined, { hint: "correct the path after -w" }),
    };
  if (stat.isDirectory()) return locateIn(path, name);
  if (path.endsWith(".json")) return readIndex(dirname(path), basename(path));
  return { folder: dirname(path), files: [basename(path)] };
}

function locateIn(folder: string, name: string): Located | Problem {
  const inside = readdirSync(folder).sort();
  if (inside.includes(SINGLE)) return { folder, files: [SINGLE] };
  if (inside.includes(INDEX)) return readIndex(folder, INDEX);
  const index = inside.find((f) => f.endsWith(".safetensors.index.json"));
  if (index !== undefined) return readIndex(folder, index);
  const files = inside.filter((f) => f.endsWith(".safetensors"));
  if (files.length === 1) return { folder, files };
  if (files.length > 1)
    return {
      problem: diagnose("weight/which-file", { folder: name, files }, undefined, {
        hint: `download the index, or name one file: -w ${join(name, files[0]!)}`,
      }),
    };
  const pickle = inside.find((f) => /\.(bin|pt|pth|ckpt)$/.test(f));
  if (pickle !== undefined) {
    const command = `AutoModel.from_pretrained('${name}').save_pretrained('${name}-safetensors')`;
    const hint = `download the safetensors files, or convert: python -c "from transformers import AutoModel; ${command}"`;
    return { problem: diagnose("weight/pickle", { folder: name, file: pickle }, undefined, { hint }) };
  }
  const hint = inside.includes("config.json")
    ? "download the weights too: model.safetensors, or all files of an index"
    : "give the folder into which the checkpoint was downloaded";
  return { problem: diagnose("weight/no-file", { folder: name }, undefined, { hint }) };
}

function readIndex(folder: string, name: string): Located | Problem {
  const wrong = (reason: string): Problem => ({
    problem: diagnose("weight/index", { file: name, reason }, undefined, { hint: "download the index again" }),
  });
  const read = readSmall(join(folder, name), HEADER_LIMIT);
  if ("reason" in read) return { problem: unreadable(name, read.reason) };
  const text = decodeUtf8(read.bytes);
  if (text === undefined) return wrong("its bytes are no UTF-8 text");
  const parsed = parseJson(text, { uniqueKeys: true, maxDepth: 16 });
  if ("problem" in parsed) {
    const { reason, line, column, duplicate } = parsed.problem;
    return wrong(
      `${duplicate ? `${legible(duplicate.at(-1)!)} stands twice` : reason} (line ${line}, column ${column})`,
    );
  }
  const map =
    typeof parsed.value === "object" && parsed.value !== null && "weight_map" in parsed.value
      ? parsed.value.weight_map
      : undefined;
  if (map === undefined) return wrong("it has no weight_map");
  if (typeof map !== "object" || map === null || Array.isArray(map)) return wrong(`its weight_map is ${kindOf(map)}`);
  const files = new Map<string, string>();
  for (const [tensor, file] of Object.entries(map)) {
    if (typeof file !== "string") return wrong(`the file of ${legible(tensor)} is ${kindOf(file)}`);
    if (!/^[^/\\\p{C}]+\.safetensors$/u.test(file))
      return {
        problem: diagnose(
          "weight/index-path",
          { index: name, tensor: legible(tensor), file: legible(file) },
          undefined,
          { hint: "name a .safetensors file of the same folder" },
        ),
      };
    files.set(tensor, file);
  }
  if (files.size === 0) return wrong("its weight_map is empty");
  return { folder, files: [...new Set(files.values())].sort(), index: { name, files } };
}

function openFiles(name: string, { folder, files, index }: Located): Result<Checkpoint> {
  const missing = index ? files.filter((f) => !statOf(join(folder, f))) : [];
  if (index && missing.length > 0) return { diagnostics: missingFiles(index, missing) };
  const open: OpenFile[] = [];
  const diagnostics: Diagnostic[] = [];
  for (const file of files) {
    const opened = openFile(folder, file);
    diagnostics.push(...opened.diagnostics);
    if (opened.value) open.push(opened.value);
    // What is wrong with the first few files says enough.
    if (diagnostics.length >= SHOWN) break;
  }
  const tensors = gather(open, index, diagnostics);
  if (hasErrors(diagnostics)) {
    for (const f of open) closeSync(f.fd);
    return { diagnostics };
  }
  return { value: new FileCheckpoint(name, tensors, open), diagnostics };
}

function missingFiles(index: Index, missing: readonly string[]): Diagnostic[] {
  const count = new Map<string, number>();
  for (const file of index.files.values()) count.set(file, (count.get(file) ?? 0) + 1);
  const shown = missing.slice(0, SHOWN);
  return shown.map((file, i) =>
    diagnose("weight/index-missing-file", { index: index.name, file, tensors: count.get(file)! }, undefined, {
      hint: `download ${file} too`,
      related:
        i === SHOWN - 1 && missing.length > SHOWN
          ? [{ message: `${missing.length - SHOWN} more files of the index are missing` }]
          : [],
    }),
  );
}

/** All tensors by name, sorted; where two files have one name, the index says which is meant. */
function gather(
  open: readonly OpenFile[],
  index: Index | undefined,
  diagnostics: Diagnostic[],
): ReadonlyMap<string, StoredTensor> {
  const tensors = new Map<string, StoredTensor>();
  for (const { tensors: own } of open)
    for (const t of own) if (!tensors.has(t.name) || index?.files.get(t.name) === t.file) tensors.set(t.name, t);
  const opened = new Set(open.map((f) => f.name));
  const lost = [...(index?.files ?? [])].filter(
    ([tensor, file]) => opened.has(file) && tensors.get(tensor)?.file !== file,
  );
  for (const [tensor, file] of lost.slice(0, SHOWN)) {
    const related =
      tensor === lost[SHOWN - 1]?.[0] && lost.length > SHOWN
        ? [{ message: `${lost.length - SHOWN} more tensors of the index are not in their files` }]
        : [];
    diagnostics.push(
      diagnose("weight/index-missing-tensor", { index: index!.name, tensor: legible(tensor), file }, undefined, {
        related,
        hint: "download the index and the files again, all from one revision",
      }),
    );
  }
  return new Map([...tensors].sort(([a], [b]) => (a < b ? -1 : 1)));
}

interface OpenFile {
  readonly name: string;
  /** Without links: what is hard-linked into an artifact. */
  readonly path: string;
  readonly fd: number;
  readonly stat: Stats;
  readonly tensors: readonly StoredTensor[];
}

function openFile(folder: string, name: string): Result<OpenFile> {
  let fd: number | undefined;
  try {
    const path = realpathSync(join(folder, name));
    const kind = statOf(path);
    // Opening a pipe would wait for someone to write to it.
    if (!kind?.isFile())
      return { diagnostics: [unreadable(name, kind?.isDirectory() ? "it is a folder" : "it is no ordinary file")] };
    fd = openSync(path, "r");
    const stat = fstatSync(fd);
    const length = headerLength(readRange(fd, 0, Math.min(PREFIX_BYTES, stat.size)), name, stat.size);
    const header =
      length.value === undefined
        ? { diagnostics: length.diagnostics }
        : parseHeader(readRange(fd, PREFIX_BYTES, length.value), name, stat.size);
    if (!header.value) return { diagnostics: header.diagnostics };
    const value = { name, path, fd, stat, tensors: header.value.tensors };
    fd = undefined;
    return { value, diagnostics: header.diagnostics };
  } catch (e) {
    return { diagnostics: [unreadable(name, systemReason(e))] };
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function unreadable(file: string, reason: string): Diagnostic {
  return diagnose("weight/unreadable", { file, reason }, undefined, { hint: "check the path and its permissions" });
}

class FileCheckpoint implements Checkpoint {
  readonly files: Checkpoint["files"];
  private readonly byName: ReadonlyMap<string, OpenFile>;
  private closed = false;

  constructor(
    readonly name: string,
    readonly tensors: ReadonlyMap<string, StoredTensor>,
    private readonly open: readonly OpenFile[],
  ) {
    this.files = open.map((f) => ({ name: f.name, path: f.path, bytes: f.stat.size }));
    this.byName = new Map(open.map((f) => [f.name, f]));
  }

  read(tensor: StoredTensor, start = 0, length = tensor.bytes - start): Uint8Array {
    const file = this.byName.get(tensor.file);
    if (this.closed || !file) throw new Error(`${tensor.file} is not open`);
    if (start < 0 || length < 0 || start + length > tensor.bytes)
      throw new Error(`${tensor.name} has ${tensor.bytes} bytes, not ${start + length}`);
    let bytes: Uint8Array;
    try {
      const now = fstatSync(file.fd);
      if (now.size !== file.stat.size || now.mtimeMs !== file.stat.mtimeMs) throw changed(tensor);
      bytes = readRange(file.fd, tensor.offset + start, length);
    } catch (e) {
      if (e instanceof ReadFailure) throw e;
      throw new ReadFailure(unreadable(tensor.file, reasonOf(e)));
    }
    if (bytes.length < length) throw changed(tensor);
    return bytes;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    for (const f of this.open) closeSync(f.fd);
  }
}

function changed(tensor: StoredTensor): ReadFailure {
  return new ReadFailure(
    diagnose("weight/changed", { file: tensor.file, tensor: tensor.name }, undefined, {
      hint: "compile again when nothing writes to the checkpoint",
    }),
  );
}
