/** @file What is said when tfm itself fails: whatever is thrown out of a command is an error in the compiler. */
import type { Io } from "./io.ts";
import { version } from "./version.ts";

/** A short message and how to report it. The stack is shown only with `TFM_DEBUG=1`: it helps nobody else. */
export function reportBug(io: Io, error: unknown, argv: readonly string[]): void {
  const message = error instanceof Error ? error.message : String(error);
  io.err(`This is a bug in tfm, not in what you gave it: ${message.split("\n")[0]}\n`);
  io.err(`Please report it, with the files it read and this line:\n`);
  io.err(
    `  tfm ${version()} on ${process.platform}-${process.arch}, node ${process.version}: tfm ${argv.map(quoted).join(" ")}\n`,
  );
  if (process.env["TFM_DEBUG"] === "1" && error instanceof Error) io.err(`${error.stack ?? ""}\n`);
  else io.err(`TFM_DEBUG=1 shows where it happened.\n`);
}

function quoted(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
}
