/**
 * @file Writes a compiled folder whole or not at all: into a temporary folder beside it, which takes its name when
 * everything is written and checked. What was there before is replaced only if tfm wrote it.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, realpathSync, renameSync, rmdirSync, rmSync, statfsSync } from "node:fs";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { diagnose, hasErrors, type Diagnostic, type Result } from "../diagnostics/diagnostic.ts";
import { ReadFailure } from "../weights/read-failure.ts";
import { FileWriter, type PlannedFile } from "./artifact-files.ts";
import { cleanUpOnExit } from "./cleanup.ts";
import { ownFiles, RECORD, RECORD_VERSION, type ArtifactFile, type ArtifactRecord } from "./record.ts";
import { codeOf, reasonOf, statOf, systemReason } from "./system.ts";

export type { PlannedFile } from "./artifact-files.ts";
export type {
  ArtifactAxis,
  ArtifactFile,
  ArtifactPort,
  ArtifactRecord,
  ArtifactState,
  PortDefault,
  PortDtype,
} from "./record.ts";

export interface ArtifactPlan {
  readonly files: readonly PlannedFile[];
  readonly record: Omit<ArtifactRecord, "version" | "files" | "checked" | "note">;
  /** Where the weights come from: the output cannot be there. */
  readonly checkpoint?: string;
}

export interface WriteOptions {
  /** Told of the bytes written so far, often. */
  readonly progress?: (done: number, total: number, file: string) => void;
  /** Looks at the written folder before it takes its name; an error among the diagnostics means that it does not. */
  readonly check?: (
    folder: string,
  ) => Promise<{ readonly checked: string; readonly diagnostics: readonly Diagnostic[] }>;
}

export interface Written {
  readonly folder: string;
  readonly files: readonly ArtifactFile[];
  /** Bytes that take new room on the disk. */
  readonly written: number;
}

const NOTE =
  "The files marked linked are hard links to the checkpoint's own files: they take no room of their own, and " +
  "whoever changes one in place (rather than replacing it) changes both.";

/**
 * Why a folder cannot be the output; empty where it can. Asked before the work begins, and again by `writeArtifact`.
 */
export function outputProblems(out: string, checkpoint?: string): readonly Diagnostic[] {
  try {
    const overlap = overlapProblems(out, checkpoint);
    return overlap.length > 0 ? overlap : [...parentProblems(out), ...existingProblems(out)];
  } catch (e) {
    return [
      diagnose("artifact/cannot-write", { out, file: "", reason: systemReason(e) }, undefined, {
        hint: "choose another folder after -o",
      }),
    ];
  }
}

/** Writes an artifact. A mistake of the user's world is a diagnostic; whatever happens, nothing half-written stays. */
export async function writeArtifact(
  out: string,
  plan: ArtifactPlan,
  options: WriteOptions = {},
): Promise<Result<Written>> {
  const problems = outputProblems(out, plan.checkpoint);
  if (problems.length > 0) return { diagnostics: problems };
  const attempt = new Attempt(out);
  const release = cleanUpOnExit(() => attempt.remove(), `interrupted: ${out} was not written`);
  try {
    return await attempt.run(plan, options);
  } catch (e) {
    return { diagnostics: [attempt.explain(e)] };
  } finally {
    attempt.remove();
    release();
  }
}

/** The files of a checkpoint folder that clients need beside the model: its configs and its tokenizer. */
export function companions(folder: string): readonly PlannedFile[] {
  const found = readdirSync(folder)
    .sort()
    .filter((name) => COMPANIONS.some((c) => c.test(name)) && statOf(join(folder, name))?.isFile());
  return found.map((name) => ({ kind: "copy", name, from: realpathSync(join(folder, name)) }));
}

const COMPANIONS: readonly RegExp[] = [
  /^((generation_|preprocessor_|processor_)?config|chat_template)\.json$/,
  /^(special_tokens_map|added_tokens|vocab|tokenizer[\w.-]*)\.json$/,
  /^(vocab|merges)\.txt$/,
  /^chat_template\.jinja$/,
  /^((tokenizer|spiece|sentencepiece[\w.-]*)\.model|(source|target)\.spm)$/,
];

/** `sha256:` and the digest of texts or bytes, one after the other. */
export function hashOf(parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part).update("\0");
  return `sha256:${hash.digest("hex")}`;
}

/** One writing of a folder; it knows what there is to remove. */
class Attempt {
  /** Links followed: a link to a folder stays a link. */
  private readonly target: string;
  private temporary: string | undefined;
  private madeParents: string[] = [];
  private writer: FileWriter | undefined;
  private finished = false;

  constructor(private readonly out: string) {
    const path = resolve(out);
    this.target = statOf(path) ? realpathSync(path) : path;
  }

  async run(plan: ArtifactPlan, options: WriteOptions): Promise<Result<Written>> {
    const folder = this.makeTemporary();
    const writer = new FileWriter(folder, plan.files, options.progress);
    this.writer = writer;
    const free = freeBytes(folder);
    if (writer.total > free) return { diagnostics: [this.full(writer.total, free)] };
    const files = await writer.writeAll();
    const { checked, diagnostics } = (await options.check?.(folder)) ?? { checked: "not run", diagnostics: [] };
    if (hasErrors(diagnostics)) return { diagnostics };
    const note = files.some((f) => f.linked) ? { note: NOTE } : {};
    const record: ArtifactRecord = { version: RECORD_VERSION, ...plan.record, files, checked, ...note };
    await writer.write({ kind: "bytes", name: RECORD, bytes: `${JSON.stringify(record, undefined, 2)}\n` });
    const late = this.putInPlace(folder);
    return late.length > 0
      ? { diagnostics: late }
      : { value: { folder: this.out, files, written: writer.done }, diagnostics };
  }

  /** Removes what is there of an unfinished folder, and the folders around it that were made for it. */
  remove(): void {
    this.writer?.close();
    if (this.temporary !== undefined) rmSync(this.temporary, { recursive: true, force: true });
    this.temporary = undefined;
    if (this.finished) return;
    for (const parent of this.madeParents.splice(0))
      try {
        rmdirSync(parent);
      } catch {
        return; // Someone else has put something there meanwhile: it stays.
      }
  }

  explain(e: unknown): Diagnostic {
    if (e instanceof ReadFailure) return e.diagnostic;
    const code = codeOf(e);
    if (code === undefined) throw e;
    if (code === "ENOSPC" || code === "EDQUOT")
      return this.full(this.writer?.total ?? 0, freeBytes(dirname(this.target)));
    const file = this.writer?.current ?? "";
    return diagnose("artifact/cannot-write", { out: this.out, file, reason: reasonOf(e) }, undefined, {
      hint: "check the permissions of the folder, or choose another after -o",
    });
  }

  private full(needed: number, free: number): Diagnostic {
    return diagnose("artifact/disk-full", { out: this.out, needed, free }, undefined, {
      hint: "free some room, or choose a folder on another disk",
    });
  }

  private makeTemporary(): string {
    const parent = dirname(this.target);
    const firstMade = mkdirSync(parent, { recursive: true });
    if (firstMade !== undefined)
      for (let p = parent; p.length >= firstMade.length; p = dirname(p)) this.madeParents.push(p);
    for (let n = 0; ; n++) {
      const path = join(parent, `.${basename(this.target)}.tmp-${process.pid}${n === 0 ? "" : `-${n}`}`);
      try {
        mkdirSync(path);
        return (this.temporary = path);
      } catch (e) {
        if (codeOf(e) !== "EEXIST") throw e;
      }
    }
  }

  /** Nothing waits in here, so that no signal comes between the two renames. */
  private putInPlace(folder: string): readonly Diagnostic[] {
    // What was there may have changed since it was looked at.
    const problems = existingProblems(this.out);
    if (problems.length > 0) return problems;
    if (!statOf(this.target)) renameSync(folder, this.target);
    else {
      const aside = `${folder}-before`;
      renameSync(this.target, aside);
      try {
        renameSync(folder, this.target);
      } catch (e) {
        renameSync(aside, this.target);
        throw e;
      }
      rmSync(aside, { recursive: true, force: true });
    }
    this.temporary = undefined;
    this.finished = true;
    return [];
  }
}

/** The nearest folder above that exists must be one. */
function parentProblems(out: string): Diagnostic[] {
  for (let path = dirname(out); ; path = dirname(path)) {
    const stat = statOf(path);
    if (!stat && dirname(path) !== path) continue;
    if (stat?.isDirectory()) return [];
    return [
      diagnose("artifact/cannot-write", { out, file: "", reason: `${path} is a file` }, undefined, {
        hint: "choose another folder after -o",
      }),
    ];
  }
}

function existingProblems(out: string): Diagnostic[] {
  const stat = statOf(out);
  if (!stat) return [];
  if (!stat.isDirectory())
    return [diagnose("artifact/is-file", { out }, undefined, { hint: "give the name of a folder after -o" })];
  const inside = readdirSync(out);
  if (inside.length === 0) return [];
  const written = ownFiles(out);
  const elsewhere = { hint: "choose another folder after -o, or empty this one" };
  if (!written)
    return [
      diagnose(
        "artifact/occupied",
        { out, example: inside.includes(RECORD) ? "a tfm.json that tfm did not write" : inside.sort()[0]! },
        undefined,
        elsewhere,
      ),
    ];
  const own = new Set([RECORD, ...written]);
  const files = filesIn(out)
    .filter((f) => !own.has(f))
    .sort();
  return files.length === 0 ? [] : [diagnose("artifact/foreign-files", { out, files }, undefined, elsewhere)];
}

/** Every file of a folder and of those in it, with `/` between them; of a folder with nothing in it the folder. */
function filesIn(folder: string): readonly string[] {
  const found = readdirSync(folder, { recursive: true, withFileTypes: true });
  const holding = new Set(found.map((f) => f.parentPath));
  return found
    .filter((f) => !f.isDirectory() || !holding.has(join(f.parentPath, f.name)))
    .map((f) => relative(folder, join(f.parentPath, f.name)).split(sep).join("/"));
}

function overlapProblems(out: string, checkpoint: string | undefined): Diagnostic[] {
  if (checkpoint === undefined) return [];
  const from = realpathSync(checkpoint);
  const to = realOf(resolve(out));
  const how = to === from ? "is" : isInside(to, from) ? "lies in" : isInside(from, to) ? "contains" : undefined;
  if (how === undefined) return [];
  return [
    diagnose("artifact/checkpoint-folder", { out, checkpoint, how }, undefined, {
      hint: "choose a folder beside the checkpoint after -o",
    }),
  ];
}

/** The path without links, also of what does not exist yet. */
function realOf(path: string): string {
  if (statOf(path)) return realpathSync(path);
  const parent = dirname(path);
  return parent === path ? path : join(realOf(parent), basename(path));
}

function isInside(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way !== "" && way !== ".." && !way.startsWith(`..${sep}`);
}

function freeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}
