/** @file Formats a text: prettier with the plugin for `.tfm`, and the errors of a text that has some as diagnostics. */
import { format as prettier } from "prettier/standalone";
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import type { SourceFile } from "../source/source.ts";
import * as plugin from "./plugin.ts";

export interface Formatted {
  /** The text in the one style; absent where it has syntax errors. */
  readonly value?: string;
  readonly diagnostics: readonly Diagnostic[];
}

/** The file's text as `prettier --plugin tfm-lang/prettier` writes it. */
export async function format(file: SourceFile): Promise<Formatted> {
  try {
    const value = await prettier(file.text, { parser: "tfm", filepath: file.name, plugins: [plugin as never] });
    return { value, diagnostics: [] };
  } catch (error) {
    if (error instanceof plugin.BrokenText) return { diagnostics: error.diagnostics };
    throw error;
  }
}
