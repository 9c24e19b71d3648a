/** @file Reads JSON that users have: a checkpoint's config.json, and the like. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Json } from "../compile.ts";
import { diagnose, type Result } from "../diagnostics/diagnostic.ts";
import { decodeUtf8, parseJson } from "../weights/json.ts";
import { kindOf } from "../weights/safetensors.ts";
import { readSmall, statOf } from "./system.ts";

/** A config is a page of text; vocabularies that some publishers put into it make it longer. */
const LIMIT = 32_000_000;

/** The config.json of a checkpoint folder: an object. */
export function readConfig(folder: string, name = join(folder, "config.json")): Result<Json> {
  const path = join(folder, "config.json");
  if (!statOf(path)) {
    const inside = foldersWithConfig(folder);
    return {
      diagnostics: [
        diagnose("cli/no-config", { folder }, undefined, {
          hint: inside.length > 0 ? `there is one in ${inside.join(", ")}` : undefined,
        }),
      ],
    };
  }
  return readJsonObject(path, name);
}

/** A file that holds one JSON object. `cli/unreadable` or `cli/bad-config` says why it does not. */
export function readJsonObject(path: string, name = path): Result<{ readonly [key: string]: Json }> {
  const read = readSmall(path, LIMIT);
  if ("reason" in read)
    return {
      diagnostics: [
        diagnose("cli/unreadable", { path: name, reason: read.reason }, undefined, { hint: "check the file" }),
      ],
    };
  const bad = (reason: string) => ({
    diagnostics: [
      diagnose("cli/bad-config", { path: name, reason }, undefined, { hint: "correct it, or download the file again" }),
    ],
  });
  const text = decodeUtf8(read.bytes);
  if (text === undefined) return bad("its bytes are no UTF-8 text");
  const parsed = parseJson(text);
  if ("problem" in parsed)
    return bad(`${parsed.problem.reason} (line ${parsed.problem.line}, column ${parsed.problem.column})`);
  const { value } = parsed;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return bad(`it holds ${kindOf(value)}`);
  return { value: value as { readonly [key: string]: Json }, diagnostics: [] };
}

function foldersWithConfig(folder: string): string[] {
  if (!statOf(folder)?.isDirectory()) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((f) => f.isDirectory() && statOf(join(folder, f.name, "config.json")))
    .map((f) => join(folder, f.name))
    .slice(0, 4);
}
