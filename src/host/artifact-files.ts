/**
 * @file Writes the files of an artifact into its temporary folder: bytes, links to the checkpoint's files, copies,
 * planned tensors.
 */
import {
  closeSync,
  constants,
  copyFileSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { setImmediate as yieldToSignals } from "node:timers/promises";
import type { ArtifactFile } from "./record.ts";
import { codeOf, readRange } from "./system.ts";

/** A part of a data file: `pieces` together have `length` bytes, and begin at `offset`. */
export interface PlannedRange {
  readonly offset: number;
  readonly length: number;
  readonly pieces: () => Iterable<Uint8Array>;
}

export type PlannedFile =
  | { readonly kind: "bytes"; readonly name: string; readonly bytes: Uint8Array | string }
  /** Hard-linked; copied where the file system does not allow it. `from` is no symbolic link. */
  | { readonly kind: "link"; readonly name: string; readonly from: string }
  | { readonly kind: "copy"; readonly name: string; readonly from: string }
  | { readonly kind: "data"; readonly name: string; readonly ranges: readonly PlannedRange[] }
  /** One sequence of bytes, cut into files of `size` bytes; `name` stands for them all. Ranges follow each other without gaps. */
  | {
      readonly kind: "shards";
      readonly name: string;
      readonly names: readonly string[];
      readonly size: number;
      readonly ranges: readonly PlannedRange[];
    };

/**
 * Errors of `link` that a copy gets around: another file system, one without links, a file of another user, too many
 * links.
 */
const NO_LINK = new Set(["EXDEV", "EPERM", "EACCES", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"]);
const COPIED_AT_ONCE = 8 << 20;
/** How long signals wait at most, in milliseconds. */
const PATIENCE = 50;

export class FileWriter {
  /** The bytes that take new room, as far as is known before links are tried. */
  readonly total: number;
  done = 0;
  /** The file that is being written. */
  current = "";
  private fd: number | undefined;
  private lastYield = Date.now();

  constructor(
    private readonly folder: string,
    private readonly files: readonly PlannedFile[],
    private readonly progress?: (done: number, total: number, file: string) => void,
  ) {
    const device = statSync(folder).dev;
    this.total = files.reduce((n, f) => n + (f.kind === "link" && statSync(f.from).dev === device ? 0 : sizeOf(f)), 0);
  }

  async writeAll(): Promise<ArtifactFile[]> {
    const written: ArtifactFile[] = [];
    for (const file of this.files)
      if (file.kind === "shards") written.push(...(await this.writeShards(file)));
      else written.push(await this.write(file));
    return written;
  }

  async write(file: Exclude<PlannedFile, { kind: "shards" }>): Promise<ArtifactFile> {
    const { name } = file;
    this.current = name;
    mkdirSync(dirname(join(this.folder, name)), { recursive: true });
    if (file.kind === "link" && this.link(file.from, name)) return { name, bytes: sizeOf(file), linked: true };
    if (file.kind === "bytes")
      await this.fill(name, [{ offset: 0, length: sizeOf(file), pieces: () => [encoded(file.bytes)] }]);
    else if (file.kind === "data") await this.fill(name, file.ranges);
    else await this.copy(file.from, name);
    return { name, bytes: sizeOf(file) };
  }

  private async writeShards({ names, size, ranges }: PlannedFile & { kind: "shards" }): Promise<ArtifactFile[]> {
    const written = names.map((name) => ({ name, bytes: 0 }));
    let at = 0;
    const open = (): void => {
      this.close();
      this.current = names[Math.floor(at / size)]!;
      this.fd = openSync(join(this.folder, this.current), "wx");
    };
    mkdirSync(dirname(join(this.folder, names[0]!)), { recursive: true });
    open();
    for (const { offset, length, pieces } of ranges) {
      if (offset !== at) throw new Error(`a range begins at ${offset}, and the one before it ends at ${at}`);
      for (const piece of pieces()) {
        for (let sent = 0; sent < piece.length;) {
          if (at > 0 && at % size === 0) open();
          const left = Math.min(piece.length - sent, size - (at % size));
          const bytes = writeSync(this.fd!, piece, sent, left);
          written[Math.floor(at / size)]!.bytes += bytes;
          at += bytes;
          sent += bytes;
        }
        await this.advance(piece.length);
      }
      if (at !== offset + length) throw new Error(`${length} bytes were to come at ${offset}, and ${at - offset} came`);
    }
    this.close();
    return written;
  }

  close(): void {
    if (this.fd !== undefined) closeSync(this.fd);
    this.fd = undefined;
  }

  private link(from: string, name: string): boolean {
    try {
      linkSync(from, join(this.folder, name));
      return true;
    } catch (e) {
      if (NO_LINK.has(codeOf(e) ?? "")) return false;
      throw e;
    }
  }

  private async copy(from: string, name: string): Promise<void> {
    const to = join(this.folder, name);
    try {
      // Some file systems share the bytes of copies until one is changed.
      copyFileSync(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE);
      return this.advance(statSync(from).size);
    } catch (e) {
      if (codeOf(e) === undefined) throw e;
    }
    const source = openSync(from, "r");
    try {
      const { size } = statSync(from);
      await this.fill(name, [{ offset: 0, length: size, pieces: () => chunksOf(source, size) }], "w");
    } finally {
      closeSync(source);
    }
  }

  private async fill(name: string, ranges: readonly PlannedRange[], flags = "wx"): Promise<void> {
    this.fd = openSync(join(this.folder, name), flags);
    for (const { offset, length, pieces } of ranges) {
      let at = 0;
      for (const piece of pieces()) {
        for (let sent = 0; sent < piece.length;)
          sent += writeSync(this.fd, piece, sent, Math.min(piece.length - sent, COPIED_AT_ONCE), offset + at + sent);
        at += piece.length;
        await this.advance(piece.length);
      }
      if (at !== length) throw new Error(`${name} was to get ${length} bytes at ${offset}, and got ${at}`);
    }
    // Tensors without elements at the end write nothing.
    ftruncateSync(this.fd, endOf(ranges));
    this.close();
  }

  private async advance(bytes: number): Promise<void> {
    this.done += bytes;
    this.progress?.(this.done, Math.max(this.total, this.done), this.current);
    if (Date.now() - this.lastYield < PATIENCE) return;
    await yieldToSignals();
    this.lastYield = Date.now();
  }
}

function* chunksOf(fd: number, size: number): Generator<Uint8Array> {
  for (let at = 0; at < size; at += COPIED_AT_ONCE) yield readRange(fd, at, Math.min(COPIED_AT_ONCE, size - at));
}

function sizeOf(file: PlannedFile): number {
  if (file.kind === "bytes") return encoded(file.bytes).length;
  return file.kind === "data" || file.kind === "shards" ? endOf(file.ranges) : statSync(file.from).size;
}

function endOf(ranges: readonly PlannedRange[]): number {
  return ranges.reduce((end, r) => Math.max(end, r.offset + r.length), 0);
}

function encoded(bytes: Uint8Array | string): Uint8Array {
  return typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
}
