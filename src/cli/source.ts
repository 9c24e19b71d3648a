/** @file What a command was given to read: a program, a checkpoint folder or a library model, as the compiler wants it. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Json, SourceRequest } from "../compile.ts";
import { diagnose, type Diagnostic } from "../diagnostics/diagnostic.ts";
import { nearest } from "../diagnostics/suggest.ts";
import { library } from "../host/stdlib.ts";
import type { SourceFile } from "../source/source.ts";

/** The options that say what to read, as the command line has them. */
export interface SourceOptions {
  readonly expression?: string;
  readonly model?: string;
  readonly set: readonly string[];
  readonly use: readonly string[];
}

export interface Source {
  /** As messages and `tfm.json` call it. */
  readonly name: string;
  readonly request: SourceRequest;
  /** The checkpoint folder that is the source. */
  readonly folder?: string;
}

export type Resolved = { readonly source: Source } | { readonly diagnostics: readonly Diagnostic[] } | { readonly usage: string };

/** How a program on the command line is called in messages. */
const COMMAND_LINE = "<command line>";

/** Finds out what SOURCE is and reads it. */
export function resolveSource(path: string | undefined, options: SourceOptions): Resolved {
  if (path !== undefined && options.expression !== undefined) return { usage: `give ${path} or a program after -e, not both` };
  if (path === undefined && options.expression === undefined && options.model === undefined)
    return { usage: "there is nothing to read: give a .tfm file, a checkpoint folder, a program after -e, or a model of the library after -m" };
  const problems: Diagnostic[] = [];
  const settings = settingsOf(options.set, problems);
  const uses = options.use.flatMap((file) => readProgram(file, problems) ?? []);
  const base = { library, uses, readModule, settings };
  const whole = (name: string, extra: Partial<SourceRequest>, folder?: string): Resolved =>
    problems.length > 0
      ? { diagnostics: problems }
      : { source: { name, request: { ...base, ...extra, ...(options.model === undefined ? {} : { model: options.model }) }, ...(folder === undefined ? {} : { folder }) } };

  if (options.expression !== undefined) return whole(COMMAND_LINE, { main: { name: COMMAND_LINE, text: options.expression } });
  if (path === undefined) return whole(options.model!, {});
  if (isFolder(path)) {
    if (options.model !== undefined) return { usage: `-m ${options.model} cannot go with a checkpoint folder: its config.json names the model` };
    const config = readConfig(path, problems);
    return whole(path, config ? { config } : {}, path);
  }
  const main = readProgram(path, problems);
  return whole(path, main ? { main } : {});
}

/** The config.json of a checkpoint folder. */
export function readConfig(folder: string, problems: Diagnostic[]): { readonly name: string; readonly value: Json } | undefined {
  const name = join(folder, "config.json");
  if (!exists(name)) {
    const inside = foldersWithConfig(folder);
    problems.push(diagnose("cli/no-config", { folder }, undefined, { hint: inside.length > 0 ? `there is one in ${inside.join(", ")}` : undefined }));
    return undefined;
  }
  const text = read(name, problems);
  if (text === undefined) return undefined;
  try {
    const value = JSON.parse(text) as Json;
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return { name, value };
    problems.push(diagnose("cli/bad-config", { path: name, reason: "it holds another kind of value" }));
  } catch (e) {
    problems.push(diagnose("cli/bad-config", { path: name, reason: text.trim() === "" ? "it is empty" : (e as Error).message }));
  }
  return undefined;
}

function settingsOf(texts: readonly string[], problems: Diagnostic[]): SourceRequest["settings"] {
  const settings: { name: string; text: string }[] = [];
  for (const text of texts) {
    const at = text.indexOf("=");
    const name = text.slice(0, Math.max(at, 0)).trim();
    if (!/^[A-Za-z_]\w*$/.test(name)) problems.push(diagnose("cli/setting-form", { text }));
    else if (settings.some((s) => s.name === name)) problems.push(diagnose("cli/setting-twice", { name }));
    else settings.push({ name, text: text.slice(at + 1).trim() });
  }
  return settings;
}

/** A program's text, or undefined after saying why there is none. */
function readProgram(path: string, problems: Diagnostic[]): SourceFile | undefined {
  if (!exists(path)) {
    problems.push(diagnose("cli/no-such-source", { path }, undefined, { hint: hintFor(path) }));
    return undefined;
  }
  const what = isFolder(path) ? "a folder" : WEIGHTS.find(([ending]) => path.endsWith(ending))?.[1];
  if (what !== undefined) {
    problems.push(diagnose("cli/not-a-source", { path, what }, undefined, { hint: what === "a folder" ? undefined : `if ${dirname(path)} is the checkpoint's folder, give that` }));
    return undefined;
  }
  const text = read(path, problems);
  return text === undefined ? undefined : { name: path, text };
}

const WEIGHTS: readonly (readonly [string, string])[] = [
  [".safetensors", "a file of weights"],
  [".index.json", "an index of weights"],
  [".bin", "a file of weights"],
  [".onnx", "a compiled model"],
  ["config.json", "a checkpoint's config"],
];

/** The file that `use "./x.tfm"` in `from` means. */
function readModule(path: string, from: SourceFile): SourceFile | undefined {
  const name = from.name === COMMAND_LINE ? path.replace(/^\.\//, "") : join(dirname(from.name), path);
  try {
    return { name, text: readFileSync(name, "utf8") };
  } catch {
    return undefined;
  }
}

function read(path: string, problems: Diagnostic[]): string | undefined {
  try {
    return readFileSync(path, "utf8").replace(/^\uFEFF/, "");
  } catch (e) {
    problems.push(diagnose("cli/unreadable", { path, reason: reasonOf(e) }));
    return undefined;
  }
}

/** The system's words for an error, without its numbers. */
export function reasonOf(e: unknown): string {
  const { code, message } = e as NodeJS.ErrnoException;
  const known: Record<string, string> = {
    EACCES: "permission is denied", EPERM: "permission is denied", EISDIR: "it is a folder", EMFILE: "too many files are open", ENOENT: "it does not exist", ENOTDIR: "a part of its path is no folder",
  };
  return (code !== undefined && known[code]) || message;
}

function hintFor(path: string): string | undefined {
  const name = basename(path);
  const folder = dirname(path);
  const close = exists(folder) && isFolder(folder) ? nearest(name, readdirSync(folder)) : undefined;
  if (close !== undefined) return `did you mean ${join(folder, close)}?`;
  if (exists(`${path}.tfm`)) return `did you mean ${path}.tfm?`;
  if (/[<>\n]|->/.test(path)) return "a program on the command line stands after -e";
  return /^\w+$/.test(path) ? `a model of the library is named with -m: \`-m ${path}\`` : undefined;
}

function foldersWithConfig(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((f) => f.isDirectory() && exists(join(folder, f.name, "config.json")))
    .map((f) => join(folder, f.name))
    .slice(0, 4);
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

export function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
