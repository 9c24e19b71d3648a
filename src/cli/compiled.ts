/** @file `tfm equiv` where a side is a compiled folder: its files are read, and compared as models are. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { elaborate, prepare, type Elaborated, type Prepared } from "../compile.ts";
import { hasErrors, type Diagnostic } from "../diagnostics/diagnostic.ts";
import { artifactJson, artifactLines } from "../equivalence/artifact/report.ts";
import { compareArtifacts, compareWithArtifact, type ArtifactReport } from "../equivalence/artifact/compare.ts";
import { compareCached, type Stepwise } from "../equivalence/models.ts";
import type { Artifact } from "../equivalence/artifact/artifact.ts";
import { cleanUpOnExit } from "../host/cleanup.ts";
import { RECORD } from "../host/record.ts";
import { statOf } from "../host/system.ts";
import { readArtifact } from "../host/written.ts";
import { Exit, type ExitCode } from "./exit.ts";
import type { Io } from "./io.ts";
import { parameterReader } from "./parameters.ts";
import { runCli } from "./program.ts";
import { fail, say, sayJson, usage, type JsonOption } from "./report.ts";
import { resolveSource, type Source } from "./source.ts";
import { weightsOf } from "./weights.ts";

/** One side, as the command line names it. */
export interface Asked {
  readonly path?: string;
  readonly expression?: string;
  readonly model?: string;
}

export interface CompiledOptions extends JsonOption {
  readonly set: readonly string[];
  readonly use: readonly string[];
  readonly target: readonly string[];
  readonly seed: number;
  /** Seconds. */
  readonly budget: number;
}

/** A folder that `tfm compile` has written. */
export function isCompiled({ path }: Asked): boolean {
  return path !== undefined && statOf(join(path, RECORD)) !== undefined;
}

type Side = { readonly artifact: Artifact } | { readonly model: Elaborated; readonly source: Source };

/** Two sides, of which one at least is a compiled folder. */
export function compareFolders(io: Io, asked: readonly Asked[], options: CompiledOptions): ExitCode {
  const diagnostics: Diagnostic[] = [];
  const sides: Side[] = [];
  for (const one of asked) {
    const read = isCompiled(one) ? artifactOf(one.path!, diagnostics) : programOf(one, options, diagnostics);
    if (read && "usage" in read) return usage(io, read.usage);
    if (read) sides.push(read);
  }
  if (sides.length < asked.length || hasErrors(diagnostics)) return fail(io, options, diagnostics);
  return told(io, options, diagnostics, compare(sides, options, diagnostics), {});
}

function artifactOf(path: string, diagnostics: Diagnostic[], name = path): { readonly artifact: Artifact } | undefined {
  const read = readArtifact(path, name);
  diagnostics.push(...read.diagnostics);
  return read.value && { artifact: read.value };
}

function programOf(
  { path, expression, model }: Asked,
  { set, use }: CompiledOptions,
  diagnostics: Diagnostic[],
): Side | { readonly usage: string } | undefined {
  const more = { ...(expression === undefined ? {} : { expression }), ...(model === undefined ? {} : { model }) };
  const resolved = resolveSource(path, { ...more, set, use });
  if ("usage" in resolved) return resolved;
  if ("diagnostics" in resolved) {
    diagnostics.push(...resolved.diagnostics);
    return undefined;
  }
  const made = elaborate(resolved.source.request);
  diagnostics.push(...made.diagnostics);
  return made.value && { model: made.value, source: resolved.source };
}

function compare(
  sides: readonly Side[],
  options: CompiledOptions,
  diagnostics: Diagnostic[],
): ArtifactReport | undefined {
  const start = performance.now();
  const run = { seed: options.seed, budget: options.budget * 1000, now: () => performance.now() - start };
  const folders = sides.flatMap((s) => ("artifact" in s ? [s.artifact] : []));
  if (folders.length === 2) return compareArtifacts(folders[0]!, folders[1]!, run);
  const program = sides.find((s) => "model" in s) as Extract<Side, { model: Elaborated }>;
  const weights = weightsOf(program.model, program.source.folder, options.seed);
  diagnostics.push(...weights.diagnostics);
  if (!weights.value) return undefined;
  try {
    const { graph } = program.model;
    const weight = parameterReader(graph, weights.value);
    const stepsDiffer = (): boolean => {
      const parts = prepare(program.model, { cache: true, optimize: false, keeps: () => false }).value;
      if (!parts) return false;
      return compareCached(graph, stepwise(parts), { ...run, proof: false }).verdict.kind === "different";
    };
    return compareWithArtifact({ graph, weight, stepsDiffer }, folders[0]!, run);
  } finally {
    weights.value.checkpoint?.close();
  }
}

function told(
  io: Io,
  options: CompiledOptions,
  diagnostics: readonly Diagnostic[],
  report: ArtifactReport | undefined,
  { target, checked }: { readonly target?: string; readonly checked?: string },
): ExitCode {
  if (!report) return fail(io, options, diagnostics);
  const { kind } = report.verdict;
  const same = (kind === "proved" || kind === "sampled") && report.weights.differing.length === 0;
  if (options.json)
    sayJson(io, diagnostics, {
      equal: same,
      seed: options.seed,
      ...artifactJson(report),
      ...(target === undefined ? {} : { target }),
      ...(checked === undefined ? {} : { checked }),
    });
  else {
    say(io, diagnostics);
    const lines = [...artifactLines(report), ...(checked === undefined ? [] : [`the ${target} file was ${checked}`])];
    io.out(`${lines.join("\n")}\nseed ${options.seed}\n`);
  }
  return same ? Exit.ok : Exit.wrong;
}

/**
 * What the target's files compute, against what the program means; of two targets, what the one's compute against the other's. The model
 * is compiled to a folder that is thrown away, which also runs it in float32 where a runtime is there.
 */
export async function compareCompiled(io: Io, asked: Asked, options: CompiledOptions): Promise<ExitCode> {
  const folder = mkdtempSync(join(tmpdir(), "tfm-equiv-"));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  const done = cleanUpOnExit(remove, "stopped: nothing was left behind");
  try {
    const diagnostics: Diagnostic[] = [];
    const sides: Side[] = [];
    let checked: string | undefined;
    for (const [i, target] of options.target.entries()) {
      const at = join(folder, `${i}`);
      const made = await compiled(io, asked, options, target, at);
      if ("status" in made) return made.status;
      ({ checked } = made);
      const read = artifactOf(at, diagnostics, `the ${target} folder`);
      if (read) sides.push(read);
    }
    if (sides.length === 1) {
      const program = programOf(asked, options, diagnostics);
      if (program && "usage" in program) return usage(io, program.usage);
      if (program) sides.unshift(program);
    }
    if (sides.length < 2 || hasErrors(diagnostics)) return fail(io, options, diagnostics);
    // From here on nothing waits, so that a signal that is caught would be heard at the end only: it ends the program as ever.
    done();
    const one = options.target.length === 1;
    const said = { target: options.target.join(","), ...(one && checked !== undefined ? { checked } : {}) };
    return told(io, options, diagnostics, compare(sides, options, diagnostics), said);
  } finally {
    done();
    remove();
  }
}

async function compiled(
  io: Io,
  asked: Asked,
  options: CompiledOptions,
  target: string,
  folder: string,
): Promise<{ readonly status: ExitCode } | { readonly checked?: string }> {
  const source = [
    ...(asked.path === undefined ? [] : [asked.path]),
    ...(asked.expression === undefined ? [] : ["-e", asked.expression]),
    ...(asked.model === undefined ? [] : ["-m", asked.model]),
    ...options.set.flatMap((s) => ["-s", s]),
    ...options.use.flatMap((u) => ["--use", u]),
  ];
  let out = "";
  const inner: Io = { ...io, interactive: false, out: (text) => void (out += text) };
  const argv = ["compile", ...source, "-o", folder, "-t", target, "--seed", String(options.seed)];
  const status = await runCli([...argv, "--json"], inner);
  if (status === Exit.usage || status === Exit.bug) return { status };
  const made = JSON.parse(out) as { readonly ok: boolean; readonly checked?: string };
  if (made.ok) return made.checked === undefined ? {} : { checked: made.checked };
  // What is wrong with the program, or where its file differs, is said by compiling it.
  if (options.json) io.out(out);
  else await runCli(argv, io);
  return { status: Exit.wrong };
}

/** The graphs of a model with a cache. */
export function stepwise(parts: readonly Prepared[]): Stepwise {
  const { graph: step, given } = parts.at(-1)!;
  return { ...(parts.length > 1 ? { first: parts[0]!.graph } : {}), step, given };
}
