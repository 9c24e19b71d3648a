/**
 * @file How the fixture of a diagnostic is run, phase by phase: `tests/errors/<phase>/<slug>.tfm` to its diagnostics. A phase
 * that is not here has no fixtures yet.
 */
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import type { Diagnostic } from "../../src/diagnostics/diagnostic.ts";
import type { SourceFile } from "../../src/source/source.ts";
import { parse } from "../../src/syntax/parse.ts";

export type RunFixture = (path: string) => Promise<readonly Diagnostic[]>;

/** The fixture as a source; messages call it by its base name, wherever the tests run. */
export function fixtureSource(path: string): SourceFile {
  return { name: basename(path), text: readFileSync(path, "utf8") };
}

export const runFixture: Readonly<Record<string, RunFixture>> = {
  syntax: async (path) => parse(fixtureSource(path)).diagnostics,
};
