/** @file `tfm.json`: what an artifact says of itself. `tfm compile` writes it, `tfm run` and other tools read it. */
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { diagnose, type Diagnostic, type Result } from "../diagnostics/diagnostic.ts";
import { decodeUtf8, parseJson, type JsonValue } from "../weights/json.ts";
import { kindOf, legible } from "../weights/safetensors.ts";
import { readSmall, statOf } from "./system.ts";

export const RECORD = "tfm.json";
/** Of the form of `tfm.json`; counts up when a reader of the old one would go wrong. */
export const RECORD_VERSION = 1;

export const PORT_DTYPES = ["float32", "float16", "int64", "int32", "bool"] as const;
export type PortDtype = (typeof PORT_DTYPES)[number];

/**
 * What an absent input is: a number everywhere (`ones` and `zeros` are 1 and 0), or the places 0, 1, 2, ..., counted
 * on from the past.
 */
export type PortDefault = "ones" | "zeros" | "positions" | number;

export interface ArtifactAxis {
  /**
   * Its name at the boundary: of a size that varies the size's own, `batch_size`, `past_sequence_length +
   * sequence_length`.
   */
  readonly name: string;
  /** Where it is fixed. */
  readonly size?: number;
}

export interface ArtifactPort {
  readonly name: string;
  readonly dtype: PortDtype;
  readonly axes: readonly ArtifactAxis[];
  /** Absent: the input must be given. */
  readonly default?: PortDefault;
  /** Of whole numbers that are looked up in a table: the table's size. */
  readonly below?: number;
}

/** What is handed from one step to the next: an input, and the output that is the next step's input. */
export interface ArtifactState {
  readonly past: string;
  readonly present: string;
  /** Of the past. The sizes that vary and that no other input has are 0 in the first step. */
  readonly axes: readonly ArtifactAxis[];
  readonly dtype?: PortDtype;
  /**
   * The past is a buffer of the client's, and the present holds its new places only, which continue it along axis number `axis`.
   * It holds those of several states: this one's are `present[index]`. `spare`: places at the buffer's end may not count.
   */
  readonly rows?: { readonly index: number; readonly axis: number; readonly spare?: true };
  /** Past and present may be one buffer, as long as the sequence may become; else both are as long as they are. */
  readonly shared?: true;
}

export interface ArtifactFile {
  readonly name: string;
  readonly bytes: number;
  /** A hard link to the checkpoint's own file: to change one in place is to change both. */
  readonly linked?: true;
}

/** What one of the model files takes and gives. */
export interface ArtifactSignature {
  /** Without those of `states`. */
  readonly inputs: readonly ArtifactPort[];
  readonly outputs: readonly ArtifactPort[];
  readonly states: readonly ArtifactState[];
  /** Of states in rows: the input that says how many places of the buffers count. Absent: another input is as long as they and the step. */
  readonly count?: string;
  /** No place sees one behind it: a long step may be taken in parts, one after the other. */
  readonly causal?: true;
  /** A step that has a past takes several places of one row, or one place of several: its attention does so. */
  readonly narrow?: true;
  /** Sizes that a run may not exceed, written like axes: the model looks these places up in a table of so many rows. */
  readonly limits?: readonly { readonly size: string; readonly most: number }[];
}

/** One of several model files. */
export interface ArtifactGraph extends ArtifactSignature {
  readonly file: string;
  /** Inputs that are outputs or inputs of the file before: `{ "encoder_hidden_states": "last_hidden_state" }`. */
  readonly given?: Readonly<Record<string, string>>;
}

export interface ArtifactRecord extends ArtifactSignature {
  readonly version: typeof RECORD_VERSION;
  readonly producer: { readonly name: string; readonly version: string };
  /** As the user named it. */
  readonly source: string;
  /** `sha256:...` of what was compiled. */
  readonly sourceHash: string;
  /** As the language writes them. */
  readonly settings: Readonly<Record<string, string>>;
  readonly target: string;
  /** Where the model is several files, in the order in which they run; the signature of the record is then the first one's. */
  readonly graphs?: readonly ArtifactGraph[];
  /** How texts become rows of tokens, by the task's name: the family's `task` entries. */
  readonly tasks?: Readonly<Record<string, readonly string[]>>;
  /** Which clients the folder is laid out for. */
  readonly clients?: readonly string[];
  /** All but `tfm.json` itself. */
  readonly files: readonly ArtifactFile[];
  /** How the artifact was checked before it was handed over. */
  readonly checked: string;
  /** For people: what to know of hard-linked files, where there are some. */
  readonly note?: string;
}

/** Reads and checks the record of an artifact. */
export function readRecord(folder: string, name = folder): Result<ArtifactRecord> {
  const path = join(folder, RECORD);
  const missing = (reason: string, hint: string): Result<ArtifactRecord> => ({
    diagnostics: [diagnose("cli/no-artifact", { folder: name, reason }, undefined, { hint })],
  });
  const stat = statOf(folder);
  if (!stat) return missing("it does not exist", "give the folder that followed -o");
  if (!stat.isDirectory()) return missing("it is a file", "give the folder that the file is in");
  if (!statOf(path))
    return missing(
      "it has no tfm.json",
      statOf(join(folder, "config.json"))
        ? "this is a checkpoint: compile it first, `tfm compile FOLDER -o OUT`"
        : "give the folder that followed -o",
    );
  const read = readSmall(path, 64_000_000);
  if ("reason" in read) return bad(name, read.reason);
  const text = decodeUtf8(read.bytes);
  const parsed =
    text === undefined ? { problem: { reason: "its bytes are no UTF-8 text", line: 1, column: 1 } } : parseJson(text);
  if ("problem" in parsed)
    return bad(name, `${parsed.problem.reason} (line ${parsed.problem.line}, column ${parsed.problem.column})`);
  return validateRecord(parsed.value, name);
}

/** The files that a folder's record names, of whatever version of this compiler; undefined where the record is not one of its own. */
export function ownFiles(folder: string): readonly string[] | undefined {
  const read = statOf(join(folder, RECORD)) ? readSmall(join(folder, RECORD), 64_000_000) : undefined;
  const text = read && "bytes" in read ? decodeUtf8(read.bytes) : undefined;
  const parsed = text === undefined ? undefined : parseJson(text);
  const value = parsed && "value" in parsed ? parsed.value : undefined;
  if (
    !isObject(value) ||
    value.producer === undefined ||
    typeof value.version !== "number" ||
    !Array.isArray(value.files)
  )
    return undefined;
  return value.files.flatMap((f) => (isObject(f) && typeof f.name === "string" ? [f.name] : []));
}

/** Checks that a value is a record of the version that is read here. */
export function validateRecord(value: JsonValue, folder: string): Result<ArtifactRecord> {
  const version = isObject(value) ? value.version : undefined;
  if (typeof version === "number" && version !== RECORD_VERSION) {
    const hint = version > RECORD_VERSION ? "update tfm, or compile again with this one" : "compile it again";
    return {
      diagnostics: [
        diagnose("artifact/version", { folder, found: version, known: RECORD_VERSION }, undefined, { hint }),
      ],
    };
  }
  const reason = RECORD_SHAPE(value, "");
  return reason === undefined ? { value: value as unknown as ArtifactRecord, diagnostics: [] } : bad(folder, reason);
}

function bad(folder: string, reason: string): { readonly diagnostics: readonly Diagnostic[] } {
  return {
    diagnostics: [diagnose("artifact/record", { folder, reason }, undefined, { hint: "compile the model again" })],
  };
}

/** Says what is wrong with a value at a path, or nothing. */
type Check = (value: JsonValue | undefined, path: string) => string | undefined;

const text: Check = (v, path) => (typeof v === "string" ? undefined : wrong(v, path, "a text"));
const count: Check = (v, path) =>
  typeof v === "number" && Number.isSafeInteger(v) && v >= 0
    ? undefined
    : wrong(v, path, "a whole number of zero or more");
const truth: Check = (v, path) => (v === true ? undefined : wrong(v, path, "true"));
const optional =
  (check: Check): Check =>
  (v, path) =>
    v === undefined ? undefined : check(v, path);
const oneOf =
  (choices: readonly JsonValue[]): Check =>
  (v, path) =>
    choices.includes(v ?? null) ? undefined : wrong(v, path, choices.map((c) => JSON.stringify(c)).join(" or "));
const either =
  (a: Check, b: Check): Check =>
  (v, path) =>
    a(v, path) === undefined ? undefined : b(v, path);
const list =
  (check: Check): Check =>
  (v, path) =>
    Array.isArray(v) ? first(v.map((x: JsonValue, i) => check(x, `${path}[${i}]`))) : wrong(v, path, "a list");
const each =
  (check: Check): Check =>
  (v, path) =>
    isObject(v)
      ? first(Object.entries(v).map(([k, x]) => check(x, `${path}.${legible(k)}`)))
      : wrong(v, path, "an object");
const object =
  (fields: Readonly<Record<string, Check>>): Check =>
  (v, path) =>
    isObject(v)
      ? first(Object.entries(fields).map(([k, check]) => check(v[k], path === "" ? k : `${path}.${k}`)))
      : wrong(v, path, "an object");
/** A name inside the folder, or in one in it: a record cannot make other files part of the model. */
const fileName: Check = (v, path) =>
  text(v, path) ??
  ((v as string).split("/").every((part) => /^(?!\.\.?$)[^/\\\p{C}]+$/u.test(part))
    ? undefined
    : `${path} is ${JSON.stringify(legible(v as string))}, which is no name of a file in the folder`);

const axes = list(object({ name: text, size: optional(count) }));
const dtype = oneOf(PORT_DTYPES);
const anyNumber: Check = (v, path) =>
  typeof v === "number" ? undefined : wrong(v, path, '"ones", "zeros", "positions" or a number');
const ports = list(
  object({
    name: text,
    dtype,
    axes,
    default: optional(either(oneOf(["ones", "zeros", "positions"]), anyNumber)),
    below: optional(count),
  }),
);

const signature = {
  inputs: ports,
  outputs: ports,
  states: list(
    object({
      past: text,
      present: text,
      axes,
      dtype: optional(dtype),
      rows: optional(object({ index: count, axis: count, spare: optional(truth) })),
      shared: optional(truth),
    }),
  ),
  count: optional(text),
  causal: optional(truth),
  narrow: optional(truth),
  limits: optional(list(object({ size: text, most: count }))),
};

const RECORD_SHAPE = object({
  version: oneOf([RECORD_VERSION]),
  producer: object({ name: text, version: text }),
  source: text,
  sourceHash: text,
  settings: each(text),
  target: text,
  ...signature,
  graphs: optional(list(object({ file: fileName, ...signature, given: optional(each(text)) }))),
  tasks: optional(each(list(text))),
  clients: optional(list(text)),
  files: list(object({ name: fileName, bytes: count, linked: optional(truth) })),
  checked: text,
  note: optional(text),
});

function wrong(v: JsonValue | undefined, path: string, wanted: string): string {
  const what = path === "" ? "it" : path;
  return v === undefined ? `${what} is missing` : `${what} is ${shown(v)}, not ${wanted}`;
}

function shown(v: JsonValue): string {
  if (typeof v === "string") return JSON.stringify(legible(v));
  return typeof v === "number" ? String(v) : kindOf(v);
}

function first(problems: readonly (string | undefined)[]): string | undefined {
  return problems.find((p) => p !== undefined);
}

function isObject(v: JsonValue | undefined): v is Readonly<Record<string, JsonValue>> {
  return typeof v === "object" && v !== null && !Array.isArray(v);
}

/** Files of a folder that are not there, or not as they were written; `model` is the one that is to be opened. */
export function fileProblems(folder: string, name: string, record: ArtifactRecord, model: string): Diagnostic[] {
  if (!record.files.some((f) => f.name === model)) {
    if (record.target.startsWith("onnx") || record.target === "tfjs")
      return [diagnose("artifact/missing-file", { folder: name, file: model }, undefined, { hint: "compile again" })];
    return [
      diagnose("artifact/no-runtime", { folder: name, target: record.target }, undefined, {
        hint: "compile with -t onnx",
      }),
    ];
  }
  return changedFiles(folder, name, record);
}

/** Of these files those that are not there, or not as long as they were written. */
export function changedFiles(
  folder: string,
  name: string,
  record: ArtifactRecord,
  files: ArtifactRecord["files"] = record.files,
): Diagnostic[] {
  return files.flatMap(({ name: file, bytes, linked }) => {
    const found = statOf(join(folder, file));
    if (!found)
      return [
        diagnose("artifact/missing-file", { folder: name, file }, undefined, {
          hint: renamed(folder, record, file, bytes) ?? "copy the whole folder, or compile again",
        }),
      ];
    // Configs and tokenizers may be edited; what the model refers to by place may not.
    if (found.size === bytes || !/\.(onnx|onnx_data|safetensors|bin)$/.test(file)) return [];
    return [
      diagnose(
        "artifact/file-size",
        { folder: name, file, found: found.size, wanted: bytes, linked: linked === true },
        undefined,
        { hint: "compile again" },
      ),
    ];
  });
}

/** A file beside it that the record does not name and that is as long, if there is one. */
function renamed(folder: string, record: ArtifactRecord, file: string, bytes: number): string | undefined {
  const within = dirname(file);
  if (!statOf(join(folder, within))?.isDirectory()) return undefined;
  const other = readdirSync(join(folder, within))
    .map((n) => (within === "." ? n : `${within}/${n}`))
    .find((n) => !record.files.some((f) => f.name === n) && statOf(join(folder, n))?.size === bytes);
  return other === undefined ? undefined : `${other} is as long: call it ${file} again if it was renamed`;
}
