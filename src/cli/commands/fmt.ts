/** @file `tfm fmt`: writes programs in the one style, or says which are not in it. */
import { readFileSync } from "node:fs";
import { hasErrors, type Diagnostic } from "../../diagnostics/diagnostic.ts";
import { format } from "../../format/format.ts";
import { replaceFile } from "../../host/replace.ts";
import { Exit, type ExitCode } from "../exit.ts";
import type { Io } from "../io.ts";
import { say, sayJson, type JsonOption } from "../report.ts";
import { readProgram } from "../source.ts";

export interface FmtOptions extends JsonOption {
  readonly check?: boolean;
}

/** What became of one file. */
interface Done {
  readonly file: string;
  /** Its text is not, or was not, in the style. */
  readonly changed: boolean;
}

export async function fmt(io: Io, files: readonly string[], options: FmtOptions): Promise<ExitCode> {
  const diagnostics: Diagnostic[] = [];
  const done: Done[] = [];
  for (const file of files) {
    const one = await formatFile(file, options.check ?? false, diagnostics);
    if (one) done.push(one);
  }
  const changed = done.filter((d) => d.changed).map((d) => d.file);
  const ok = !hasErrors(diagnostics) && !(options.check && changed.length > 0);
  if (options.json) {
    sayJson(io, diagnostics, { ok, files: done });
  } else {
    say(io, diagnostics);
    if (options.check) for (const file of changed) io.out(`${file}\n`);
    io.err(summary(done.length, changed.length, options.check ?? false));
  }
  return ok ? Exit.ok : Exit.wrong;
}

function summary(files: number, changed: number, check: boolean): string {
  if (files === 0) return "";
  const of = `${changed} of ${files} ${files === 1 ? "file" : "files"}`;
  if (!check) return `formatted ${of}\n`;
  return changed === 0 ? "" : `${of} ${changed === 1 ? "is" : "are"} not formatted: tfm fmt does it\n`;
}

async function formatFile(file: string, check: boolean, problems: Diagnostic[]): Promise<Done | undefined> {
  if (readProgram(file, problems) === undefined) return undefined;
  // As it lies there: the mark that some editors put first is kept, as prettier keeps it.
  const text = readFileSync(file, "utf8");
  const { value, diagnostics } = await format({ name: file, text });
  problems.push(...diagnostics);
  if (value === undefined) return undefined;
  const changed = value !== text;
  const unwritten = changed && !check ? replaceFile(file, value) : [];
  problems.push(...unwritten);
  if (unwritten.length > 0) return undefined;
  return { file, changed };
}
