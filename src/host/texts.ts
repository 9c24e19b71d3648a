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

const GENERATION = "generation_config.json";

/** From `generation_config.json`, and where that says nothing from `config.json`. */
export function generationDefaults(folder: string): Result<GenerationDefaults> {
  const own = optionalJson(folder, GENERATION);
  const config = optionalJson(folder, "config.json");
  if (!own.value || !config.value) return { diagnostics: [...own.diagnostics, ...config.diagnostics] };
  const stated = statOf(join(folder, GENERATION))?.isFile() === true;
  const made = defaultsIn(stated ? own.value : undefined, config.value);
  if (!("reason" in made)) return { value: made, diagnostics: [] };
  const path = join(folder, stated ? GENERATION : "config.json");
  return { diagnostics: [diagnose("generate/defaults", { path, reason: made.reason })] };
}
