/** @file What the operating system says, in words; and reading of small files with a limit. */
import { closeSync, fstatSync, openSync, readSync, statSync, type Stats } from "node:fs";

const WORDS: Readonly<Record<string, string>> = {
  EACCES: "permission is denied",
  EPERM: "permission is denied",
  EISDIR: "it is a folder",
  ENOTDIR: "a part of its path is no folder",
  ENOENT: "it does not exist",
  EEXIST: "something else has its name",
  ELOOP: "its links lead in a circle",
  EMFILE: "too many files are open",
  ENFILE: "too many files are open",
  ENAMETOOLONG: "its name is too long",
  ENOSPC: "no space is left on the device",
  EDQUOT: "the quota of the disk is used up",
  EROFS: "the file system is read-only",
  EFBIG: "the file would be larger than is allowed here",
  EIO: "the device failed",
  EBUSY: "another program uses it",
};

/** The code of a system error, `ENOENT`; undefined of any other error. */
export function codeOf(e: unknown): string | undefined {
  return e instanceof Error && typeof (e as NodeJS.ErrnoException).syscall === "string"
    ? (e as NodeJS.ErrnoException).code
    : undefined;
}

/** The system's words for an error, without its numbers. */
export function reasonOf(e: unknown): string {
  const code = codeOf(e);
  return (code !== undefined && WORDS[code]) || (e instanceof Error ? e.message : String(e));
}

/** Rethrows what is not the system's: a bug is no diagnostic. */
export function systemReason(e: unknown): string {
  if (codeOf(e) === undefined) throw e;
  return reasonOf(e);
}

/** Links followed; undefined where nothing is there. Throws the system's other errors. */
export function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (e) {
    if (codeOf(e) === "ENOTDIR") return undefined;
    throw e;
  }
}

/** A file of text or JSON, whole; `reason` where it is larger than `limit` bytes, no file, or cannot be read. */
export function readSmall(path: string, limit: number): { readonly bytes: Uint8Array } | { readonly reason: string } {
  let fd: number | undefined;
  try {
    const stat = statSync(path);
    if (stat.isDirectory()) return { reason: "it is a folder" };
    // Opening a pipe would wait for someone to write to it.
    if (!stat.isFile()) return { reason: "it is no ordinary file" };
    fd = openSync(path, "r");
    const { size } = fstatSync(fd);
    if (size > limit) return { reason: `it has ${size} bytes, and no more than ${limit} are read` };
    return { bytes: readRange(fd, 0, size) };
  } catch (e) {
    return { reason: systemReason(e) };
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** The most that the system reads at once: calls of 2 GiB and more are refused. */
const MOST_AT_ONCE = 1 << 30;

/** Bytes of an open file, by `pread`; fewer than asked for where it ends before. */
export function readRange(fd: number, offset: number, length: number): Uint8Array {
  const out = new Uint8Array(length);
  let at = 0;
  while (at < length) {
    const got = readSync(fd, out, at, Math.min(length - at, MOST_AT_ONCE), offset + at);
    if (got === 0) return out.subarray(0, at);
    at += got;
  }
  return out;
}
