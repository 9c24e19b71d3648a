/**
 * @file The safetensors format: a header of JSON, then the bytes of the tensors. Nothing a header says is believed
 * before it is checked against the size of the file. (https://github.com/huggingface/safetensors#format)
 */
import { diagnose, type Diagnostic, type Result } from "../diagnostics/diagnostic.ts";
import { WIDTH } from "./dtypes.ts";
import { decodeUtf8, parseJson, type JsonValue } from "./json.ts";
import type { StoredDtype, StoredTensor } from "./source.ts";

/** The bytes before the header: its length, as an unsigned 64-bit number. */
export const PREFIX_BYTES = 8;
/** The same limit as the format's own library has. */
export const HEADER_LIMIT = 100_000_000;
/** How many wrong tensors of one file are named. */
const SHOWN = 8;
const LONGEST_NAME = 256;
const MOST_AXES = 64;

export interface Header {
  /** In the order in which they lie in the file. */
  readonly tensors: readonly StoredTensor[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** The length of the header in bytes, from the first bytes of a file (all of it, if it has fewer than eight). */
export function headerLength(start: Uint8Array, file: string, fileSize: number): Result<number> {
  const other = otherFormat(start);
  if (other)
    return failed(diagnose("weight/not-safetensors", { file, what: other.what }, undefined, { hint: other.hint }));
  if (start.length < PREFIX_BYTES || fileSize < PREFIX_BYTES) return failed(cutShort(file, fileSize, PREFIX_BYTES));
  const length = new DataView(start.buffer, start.byteOffset).getBigUint64(0, true);
  if (length > BigInt(HEADER_LIMIT))
    return failed(
      diagnose("weight/header-length", { file, length: String(length), limit: HEADER_LIMIT }, undefined, {
        hint: "download the file again, or save the checkpoint again: its first 8 bytes are wrong",
      }),
    );
  const needed = PREFIX_BYTES + Number(length);
  return needed > fileSize ? failed(cutShort(file, fileSize, needed)) : { value: Number(length), diagnostics: [] };
}

/**
 * Reads a header.
 * @param header its bytes, without the eight before it
 * @param file the name that messages give the file, and each tensor
 * @param fileSize of the whole file, in bytes
 */
export function parseHeader(header: Uint8Array, file: string, fileSize: number): Result<Header> {
  const text = decodeUtf8(header);
  if (text === undefined) return failed(headerJson(file, "its bytes are no UTF-8 text", 1));
  const parsed = parseJson(text, { uniqueKeys: true, maxDepth: 8 });
  if ("problem" in parsed) {
    const { duplicate, reason, column, line } = parsed.problem;
    if (duplicate) {
      const extras = {
        hint: "save the checkpoint again: a name that stands twice is read differently by different programs",
      };
      return failed(
        diagnose(
          "weight/duplicate",
          { file, tensor: legible(duplicate[0]!), key: legible(duplicate.at(-1)!) },
          undefined,
          extras,
        ),
      );
    }
    return failed(headerJson(file, line > 1 ? `${reason}, on its line ${line}` : reason, column));
  }
  if (!isObject(parsed.value))
    return failed(
      diagnose("weight/header-form", { file, found: kindOf(parsed.value) }, undefined, {
        hint: "save the checkpoint again with the safetensors library",
      }),
    );
  return new HeaderReader(file, PREFIX_BYTES + header.length, fileSize).read(parsed.value);
}

/** Lays tensors one after the other and writes the header that says so, with the eight bytes before it. */
export function buildHeader(
  tensors: readonly { readonly name: string; readonly dtype: StoredDtype; readonly shape: readonly number[] }[],
  metadata: Readonly<Record<string, string>> = {},
): { readonly header: Uint8Array; readonly offsets: readonly number[]; readonly bytes: number } {
  const entries: [string, unknown][] = Object.keys(metadata).length > 0 ? [["__metadata__", metadata]] : [];
  const begins: number[] = [];
  let end = 0;
  for (const { name, dtype, shape } of tensors) {
    const begin = end;
    end += shape.reduce((n, d) => n * d, WIDTH[dtype]);
    begins.push(begin);
    entries.push([name, { dtype, shape, data_offsets: [begin, end] }]);
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)));
  // The data begin at a multiple of eight: spaces may follow the JSON.
  const length = Math.ceil(json.length / 8) * 8;
  const header = new Uint8Array(PREFIX_BYTES + length).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  header.set(json, PREFIX_BYTES);
  return { header, offsets: begins.map((b) => b + header.length), bytes: header.length + end };
}

class HeaderReader {
  private readonly problems: Diagnostic[] = [];
  private readonly dataBytes: number;

  constructor(
    private readonly file: string,
    private readonly dataStart: number,
    fileSize: number,
  ) {
    this.dataBytes = Math.max(0, fileSize - dataStart);
  }

  read(entries: Readonly<Record<string, JsonValue>>): Result<Header> {
    const tensors: StoredTensor[] = [];
    let metadata: Record<string, string> = {};
    for (const [name, entry] of Object.entries(entries)) {
      if (name === "__metadata__") metadata = textsOf(entry);
      else {
        const tensor = this.tensor(name, entry);
        if (tensor) tensors.push(tensor);
      }
    }
    tensors.sort((a, b) => a.offset - b.offset || a.bytes - b.bytes);
    this.checkOverlaps(tensors);
    if (this.problems.length > 0) return { diagnostics: shorten(this.problems) };
    return { value: { tensors, metadata }, diagnostics: [] };
  }

  private tensor(name: string, entry: JsonValue): StoredTensor | undefined {
    const { file } = this;
    // Names stand in messages on terminals, and in the compiled model.
    if (name.length > LONGEST_NAME || /\p{C}/u.test(name))
      return this.entry(
        legible(name),
        name.length > LONGEST_NAME ? "its name is too long" : "its name holds control characters",
      );
    if (!isObject(entry)) return this.entry(name, `it is ${kindOf(entry)}`);
    const { dtype, shape, data_offsets: offsets } = entry;
    if (typeof dtype !== "string")
      return this.entry(name, dtype === undefined ? "it has no dtype" : `its dtype is ${kindOf(dtype)}`);
    if (!Array.isArray(shape))
      return this.entry(name, shape === undefined ? "it has no shape" : `its shape is ${kindOf(shape)}`);
    if (shape.length > MOST_AXES) return this.entry(name, `its shape has ${shape.length} axes`);
    const wrong = shape.find((d) => !isCount(d));
    if (wrong !== undefined)
      return this.entry(
        name,
        `its shape holds ${legible(JSON.stringify(wrong))}, which is no whole number of zero or more`,
      );
    if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount))
      return this.entry(
        name,
        offsets === undefined ? "it has no data_offsets" : "its data_offsets are not two whole numbers of zero or more",
      );
    const known = Object.keys(WIDTH);
    if (!isDtype(dtype))
      return this.say(
        diagnose("weight/dtype", { file, tensor: name, dtype: legible(dtype), known }, undefined, {
          hint: `dtypes that are read: ${known.join(", ")}. Use the checkpoint from before quantisation`,
        }),
      );

    const [begin, end] = offsets as [number, number];
    const sizes = shape as number[];
    if (begin > end || end > this.dataBytes)
      return this.say(
        diagnose("weight/range", { file, tensor: name, begin, end, bytes: this.dataBytes }, undefined, {
          hint:
            begin > end
              ? "save the checkpoint again: this entry is wrong"
              : `the file should have ${this.dataStart + end} bytes or more: download it again`,
        }),
      );
    const needed = sizes.reduce((n, d) => n * BigInt(d), BigInt(WIDTH[dtype]));
    if (needed !== BigInt(end - begin))
      return this.say(
        diagnose(
          "weight/bytes",
          { file, tensor: name, dtype, shape: sizes, needed: String(needed), has: end - begin },
          undefined,
          { hint: "save the checkpoint again: this entry is wrong" },
        ),
      );
    return { name, dtype, shape: sizes, file, offset: this.dataStart + begin, bytes: end - begin };
  }

  private checkOverlaps(sorted: readonly StoredTensor[]): void {
    let last: StoredTensor | undefined;
    for (const tensor of sorted) {
      if (tensor.bytes === 0) continue;
      if (last && tensor.offset < last.offset + last.bytes)
        this.say(
          diagnose(
            "weight/overlap",
            { file: this.file, first: last.name, second: tensor.name, byte: tensor.offset - this.dataStart },
            undefined,
            { hint: "save the checkpoint again: one of the two entries is wrong" },
          ),
        );
      if (!last || tensor.offset + tensor.bytes > last.offset + last.bytes) last = tensor;
    }
  }

  private entry(tensor: string, reason: string): undefined {
    return this.say(
      diagnose("weight/entry", { file: this.file, tensor, reason }, undefined, {
        hint: "save the checkpoint again with the safetensors library",
      }),
    );
  }

  private say(problem: Diagnostic): undefined {
    this.problems.push(problem);
    return undefined;
  }
}

function shorten(problems: readonly Diagnostic[]): readonly Diagnostic[] {
  if (problems.length <= SHOWN) return problems;
  const last = problems[SHOWN - 1]!;
  const more = { message: `${problems.length - SHOWN} more tensors of this file are wrong` };
  return [...problems.slice(0, SHOWN - 1), { ...last, related: [...last.related, more] }];
}

/** What a file is that some people have in place of a safetensors file, by how it begins. */
function otherFormat(start: Uint8Array): { readonly what: string; readonly hint: string } | undefined {
  // A header's length of less than 4 GB ends in four zeros, whatever it begins with: 0x0580 looks like a pickle's first bytes.
  if (start.subarray(4, PREFIX_BYTES).every((byte) => byte === 0)) return undefined;
  const text = String.fromCharCode(...start.subarray(0, PREFIX_BYTES));
  if (text.startsWith("version "))
    return {
      what: "a git LFS pointer: a note of where the file is",
      hint: "run `git lfs pull` in the clone, or download the file",
    };
  if (/^\s*(<!doc|<html|<\?xml|<!--)/i.test(text))
    return { what: "a web page", hint: "the download failed and left its error page: download the file again" };
  if (text.startsWith("PK\x03\x04") || /^\x80[\x02-\x05]/.test(text))
    return {
      what: "a pickled Python file",
      hint: "convert it: `safetensors.torch.save_file(torch.load(FILE, weights_only=True), NEW_FILE)`",
    };
  if (text.startsWith("GGUF")) return { what: "a GGUF file", hint: "use the publisher's safetensors files" };
  return undefined;
}

function cutShort(file: string, bytes: number, needed: number): Diagnostic {
  return diagnose("weight/cut-short", { file, bytes, needed }, undefined, {
    hint: bytes === 0 ? "the file is empty: download it again" : "download the file again",
  });
}

function headerJson(file: string, reason: string, column: number): Diagnostic {
  return diagnose("weight/header-json", { file, reason, column }, undefined, {
    hint: "download the file again, or save the checkpoint again",
  });
}

function failed(problem: Diagnostic): { readonly diagnostics: readonly Diagnostic[] } {
  return { diagnostics: [problem] };
}

/** A text from a file as one short line. */
export function legible(text: string): string {
  const short = text.length > 60 ? `${text.slice(0, 57)}...` : text;
  return short.replace(/\p{C}/gu, (c) => `\\u{${c.codePointAt(0)!.toString(16)}}`);
}

function isDtype(text: string): text is StoredDtype {
  return Object.hasOwn(WIDTH, text);
}

function isCount(x: JsonValue): x is number {
  return typeof x === "number" && Number.isSafeInteger(x) && x >= 0;
}

function isObject(x: JsonValue | undefined): x is Readonly<Record<string, JsonValue>> {
  return typeof x === "object" && x !== null && !Array.isArray(x);
}

function textsOf(entry: JsonValue): Record<string, string> {
  return isObject(entry)
    ? Object.fromEntries(Object.entries(entry).filter((e): e is [string, string] => typeof e[1] === "string"))
    : {};
}

/** `a list`, `null`, `a number`: what JSON holds, for messages. */
export function kindOf(x: JsonValue): string {
  if (x === null) return "null";
  return Array.isArray(x)
    ? "a list"
    : typeof x === "object"
      ? "an object"
      : typeof x === "string"
        ? "a text"
        : typeof x === "number"
          ? "a number"
          : "true or false";
}
