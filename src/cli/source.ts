/** @file What a command was given to read: a program, a checkpoint folder or a library model, as the compiler wants it. */
import { readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Json, SourceRequest } from "../compile.ts";
import { diagnose, type Diagnostic } from "../diagnostics/diagnostic.ts";
import { nearest } from "../diagnostics/suggest.ts";
import { openCheckpoint } from "../host/checkpoint.ts";
import { readConfig } from "../host/config.ts";
import { library } from "../host/stdlib.ts";
import { readSmall, statOf, systemReason } from "../host/system.ts";
import type { SourceFile } from "../source/source.ts";
import { decodeUtf8 } from "../weights/json.ts";

/** The options that say what to read, as the command line has them. */
export interface SourceOptions {
  readonly expression?: string;
  readonly model?: string;
  readonly objective?: string;
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

export type Resolved =
  { readonly source: Source } | { readonly diagnostics: readonly Diagnostic[] } | { readonly usage: string };

/** How a program on the command line is called in messages. */
const COMMAND_LINE = "<command line>";

/** Finds out what SOURCE is and reads it. */
export function resolveSource(path: string | undefined, options: SourceOptions): Resolved {
  if (path !== undefined && options.expression !== undefined)
    return { usage: `give ${path} or a program after -e, not both` };
  if (path === undefined && options.expression === undefined && options.model === undefined)
    return {
      usage:
        "there is nothing to read: give a .tfm file, a checkpoint folder, a program after -e, or a model of the library after -m",
    };
  const problems: Diagnostic[] = [];
  const settings = settingsOf(options.set, problems);
  const uses = options.use.flatMap((file) => readProgram(file, problems) ?? []);
  const base = { library, uses, readModule, settings };
  const whole = (name: string, extra: Partial<SourceRequest>, folder?: string): Resolved =>
    problems.length > 0
      ? { diagnostics: problems }
      : {
          source: {
            name,
            request: {
              ...base,
              ...extra,
              ...(options.model === undefined ? {} : { model: options.model }),
              ...(options.objective === undefined ? {} : { objective: options.objective }),
            },
            ...(folder === undefined ? {} : { folder }),
          },
        };

  if (options.expression !== undefined)
    return whole(COMMAND_LINE, { main: { name: COMMAND_LINE, text: options.expression } });
  if (path === undefined) return whole(options.model!, {});
  if (isFolder(path)) {
    if (options.model !== undefined)
      return { usage: `-m ${options.model} cannot go with a checkpoint folder: its config.json names the model` };
    const config = configOf(path, problems);
    return whole(path, config ? { config: { ...config, open: () => openCheckpoint(path).value } } : {}, path);
  }
  const main = readProgram(path, problems);
  return whole(path, main ? { main } : {});
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
export function readProgram(path: string, problems: Diagnostic[]): SourceFile | undefined {
  if (!exists(path)) {
    problems.push(diagnose("cli/no-such-source", { path }, undefined, { hint: hintFor(path) }));
    return undefined;
  }
  const what = isFolder(path) ? "a folder" : WEIGHTS.find(([ending]) => path.endsWith(ending))?.[1];
  if (what !== undefined) {
    problems.push(
      diagnose("cli/not-a-source", { path, what }, undefined, {
        hint: what === "a folder" ? undefined : `if ${dirname(path)} is the checkpoint's folder, give that`,
      }),
    );
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
export function readModule(path: string, from: SourceFile): SourceFile | undefined {
  const name = from.name === COMMAND_LINE ? path.replace(/^\.\//, "") : join(dirname(from.name), path);
  const text = read(name, []);
  return text === undefined ? undefined : { name, text };
}

/** No program is longer: what is, is another file with the wrong name. */
const LONGEST_PROGRAM = 4_000_000;

function read(path: string, problems: Diagnostic[]): string | undefined {
  const found = readSmall(path, LONGEST_PROGRAM);
  if ("reason" in found) {
    problems.push(diagnose("cli/unreadable", { path, reason: found.reason }));
    return undefined;
  }
  const text = decodeUtf8(found.bytes);
  if (text === undefined) problems.push(diagnose("cli/unreadable", { path, reason: "its bytes are no UTF-8 text" }));
  return text?.replace(/^\uFEFF/, "");
}

/** The config.json of a checkpoint folder, by the name that messages have for it. */
export function configOf(
  folder: string,
  problems: Diagnostic[],
): { readonly name: string; readonly value: Json } | undefined {
  const { value, diagnostics } = readConfig(folder);
  problems.push(...diagnostics);
  return value === undefined ? undefined : { name: join(folder, "config.json"), value };
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

function exists(path: string): boolean {
  try {
    return statOf(path) !== undefined;
  } catch (e) {
    // What cannot be looked at is there all the same: reading it says why it cannot be read.
    return systemReason(e) !== "";
  }
}

export function isFolder(path: string): boolean {
  try {
    return statOf(path)?.isDirectory() ?? false;
  } catch (e) {
    return systemReason(e) === "";
  }
}
