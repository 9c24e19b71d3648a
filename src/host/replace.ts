/** @file Writes one file of text, whole or not at all. */
import { chmodSync, closeSync, openSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { diagnose, type Diagnostic } from "../diagnostics/diagnostic.ts";
import { codeOf, statOf, systemReason } from "./system.ts";

/** Puts a text in the place of a file's, or makes the file. What a link leads to is replaced, and keeps its permissions. */
export function replaceFile(file: string, text: string): readonly Diagnostic[] {
  let temporary: string | undefined;
  try {
    const exists = statOf(file) !== undefined;
    const target = exists ? realpathSync(file) : file;
    const beside = `${target}.${process.pid}.tmp`;
    const fd = openSync(beside, "wx");
    // From here on it is ours to remove, also where the disk is full before all is written.
    temporary = beside;
    try {
      writeFileSync(fd, text);
    } finally {
      closeSync(fd);
    }
    if (exists) chmodSync(beside, statSync(target).mode);
    renameSync(beside, target);
    return [];
  } catch (e) {
    const reason = codeOf(e) === "ENOENT" ? "its folder does not exist" : systemReason(e);
    if (temporary !== undefined) rmSync(temporary, { force: true });
    return [diagnose("cli/unwritable", { path: file, reason })];
  }
}
