/** @file What lies beside a compiled model for working with text: the tokenizer, and how to generate. */
import { join } from "node:path";
import { diagnose, type Result } from "../diagnostics/diagnostic.ts";
import { defaultsIn, type GenerationDefaults } from "../generate/defaults.ts";
import { tokenizerOf, type Tokenizer } from "../generate/tokenizer.ts";
import { decodeUtf8 } from "../weights/json.ts";
import { readJsonObject } from "./config.ts";
import { readSmall, statOf } from "./system.ts";

const LONGEST_TEMPLATE = 1_000_000;

/** The tokenizer of a compiled folder. */
export function openTokenizer(folder: string): Result<Tokenizer> {
  const path = join(folder, "tokenizer.json");
  const cannot = (reason: string, hint: string): Result<Tokenizer> => ({
    diagnostics: [diagnose("generate/tokenizer", { folder, reason }, undefined, { hint })],
  });
  if (!statOf(path)?.isFile())
    return cannot(
      "there is no tokenizer.json",
      "put the checkpoint's tokenizer.json and tokenizer_config.json beside the model, or give numbers of tokens",
    );
  const { value: file, diagnostics } = readJsonObject(path);
  if (!file) return { diagnostics };
  const settings = optionalJson(folder, "tokenizer_config.json");
  if (!settings.value) return { diagnostics: settings.diagnostics };
  const template = readSmall(join(folder, "chat_template.jinja"), LONGEST_TEMPLATE);
  const made = tokenizerOf(file, settings.value, "bytes" in template ? decodeUtf8(template.bytes) : undefined);
  return "reason" in made ? cannot(made.reason, "download tokenizer.json again") : { value: made, diagnostics: [] };
}

type JsonObject = Readonly<Record<string, unknown>>;

function optionalJson(folder: string, name: string): Result<JsonObject> {
  return statOf(join(folder, name))?.isFile() ? readJsonObject(join(folder, name)) : { value: {}, diagnostics: [] };
}

/** From `generation_config.json`, and where that says nothing from `config.json`. */
export function generationDefaults(folder: string): Result<GenerationDefaults> {
  const stated: JsonObject[] = [];
  for (const name of ["generation_config.json", "config.json"]) {
    const { value, diagnostics } = optionalJson(folder, name);
    if (!value) return { diagnostics };
    stated.push(value);
  }
  return { value: defaultsIn(stated), diagnostics: [] };
}
