/** @file Says diagnostics to the user: as text on stderr, or as data on stdout. */
import { hasErrors, type Diagnostic } from "../diagnostics/diagnostic.ts";
import { render, toJson } from "../diagnostics/render.ts";
import { Exit, type ExitCode } from "./exit.ts";
import type { Io } from "./io.ts";

export interface JsonOption {
  readonly json?: boolean | undefined;
}

/** `3 errors, 1 warning`; "" where there is nothing. */
export function summary(diagnostics: readonly Diagnostic[]): string {
  const errors = diagnostics.filter((d) => d.severity === "error").length;
  const warnings = diagnostics.length - errors;
  const counted = (n: number, what: string): string => (n === 0 ? "" : `${n} ${what}${n === 1 ? "" : "s"}`);
  return [counted(errors, "error"), counted(warnings, "warning")].filter((t) => t !== "").join(", ");
}

/** Text on stderr; how many there were is said where there are several. */
export function say(io: Io, diagnostics: readonly Diagnostic[]): void {
  if (diagnostics.length === 0) return;
  io.err(`${render(diagnostics, { color: io.color.err, width: io.width })}`);
  if (diagnostics.length > 1) io.err(`\n${summary(diagnostics)}\n`);
}

/** Ends a command that has no result: every diagnostic is said, and as JSON it is the whole answer. */
export function fail(io: Io, options: JsonOption, diagnostics: readonly Diagnostic[]): ExitCode {
  if (options.json) sayJson(io, diagnostics, {});
  else say(io, diagnostics);
  return Exit.wrong;
}

/** `{ "ok": ..., "diagnostics": [...], ...result }` */
export function sayJson(io: Io, diagnostics: readonly Diagnostic[], result: object): void {
  io.out(
    `${JSON.stringify({ ok: !hasErrors(diagnostics), diagnostics: toJson(diagnostics), ...result }, undefined, 2)}\n`,
  );
}

/** The command line itself is wrong. */
export function usage(io: Io, message: string): ExitCode {
  io.err(`error: ${message}\n(add --help for what there is)\n`);
  return Exit.usage;
}
