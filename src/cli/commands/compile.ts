/** @file `tfm compile`: checks, lowers, optimises, emits, writes; reads what it wrote again and, where that is quick, runs it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import picocolors from "picocolors";
import { emitOnnx, printOnnxLayout, type OnnxArtifact } from "../../backends/onnx/emit.ts";
import { keeps } from "../../backends/onnx/kernels.ts";
import { printOnnx } from "../../backends/onnx/print.ts";
import { rereadOnnx } from "../../backends/onnx/reread.ts";
import type { TargetName } from "../../backends/onnx/targets.ts";
import { elaborate, prepare, syntaxOf, type Elaborated, type Prepared } from "../../compile.ts";
import { hasErrors, type Diagnostic, type Result } from "../../diagnostics/diagnostic.ts";
import {
  companions,
  outputProblems,
  writeArtifact,
  type ArtifactFile,
  type PlannedFile,
  type Written,
} from "../../host/artifact.ts";
import type { ArtifactRecord, ArtifactSignature } from "../../host/record.ts";
import { evaluateComputed } from "../../host/computed.ts";
import { planDataFile } from "../../host/data-file.ts";
import { statOf } from "../../host/system.ts";
import { printGraph } from "../../ir/print.ts";
import { Exit, type ExitCode } from "../exit.ts";
import type { Io } from "../io.ts";
import { parametersOf, totalElements } from "../measure.ts";
import { portRows } from "../ports.ts";
import { progressBar } from "../progress.ts";
import type { STAGES } from "../program.ts";
import { portsOf, sourceHash } from "../record.ts";
import { fail, say, sayJson, usage, type JsonOption } from "../report.ts";
import { isFolder, resolveSource, type Source, type SourceOptions } from "../source.ts";
import { printSyntax, printTypes } from "../stages.ts";
import { bytes, duration, grouped, table } from "../text.ts";
import { version } from "../version.ts";
import { weightsOf, type Weights } from "../weights.ts";

export interface CompileOptions extends SourceOptions, JsonOption {
  readonly out?: string;
  readonly weights?: string;
  readonly target: TargetName;
  readonly seed: number;
  readonly cache?: boolean;
  readonly optimize: boolean;
  readonly copy?: boolean;
  readonly emit?: (typeof STAGES)[number];
}

/** Up to this many bytes of weights (as float32) a model is run before it is handed over; larger ones would keep the user waiting. */
const QUICK_TO_RUN = 64e6;

export async function compile(io: Io, path: string | undefined, options: CompileOptions): Promise<ExitCode> {
  const start = performance.now();
  if (options.emit === undefined && options.out === undefined)
    return usage(io, "say where to put the compiled model: -o FOLDER");
  const resolved = resolveSource(path, options);
  if ("usage" in resolved) return usage(io, resolved.usage);
  if ("diagnostics" in resolved) return fail(io, options, resolved.diagnostics);
  const { source } = resolved;
  if (options.emit === "ast") return emitSyntax(io, source, options);
  const { value: model, diagnostics: found } = elaborate(source.request);
  const diagnostics = [...found];
  if (!model) return fail(io, options, diagnostics);
  const prepared = prepare(model, {
    ...(options.cache === undefined ? {} : { cache: options.cache }),
    optimize: options.optimize,
    keeps: keeps(options.target),
  });
  diagnostics.push(...prepared.diagnostics);
  if (!prepared.value) return fail(io, options, diagnostics);
  const early = earlyStage(options.emit, model, prepared.value);
  if (early !== undefined) return emitted(io, early, diagnostics);
  const { value: weights, diagnostics: said } = weightsOf(model, options.weights ?? source.folder, options.seed);
  diagnostics.push(...said);
  if (!weights) return fail(io, options, diagnostics);
  try {
    const job: Job = {
      io,
      source,
      options,
      model,
      weights,
      parts: prepared.value.map((p) => partOf(p, weights, options)),
    };
    if (options.emit === "layout")
      return emitted(
        io,
        texts(job.parts, ({ artifact }) => printOnnxLayout(artifact)),
        diagnostics,
      );
    if (options.emit === "onnx")
      return emitted(
        io,
        texts(job.parts, ({ artifact }) => printOnnx(artifact.model)),
        diagnostics,
      );
    const { value: written, diagnostics: last } = await write(job);
    diagnostics.push(...last);
    if (!written) return fail(io, options, diagnostics);
    const made: Made = { ...written, milliseconds: performance.now() - start };
    if (options.json) sayJson(io, diagnostics, asJson(job, made));
    else {
      say(io, diagnostics);
      io.out(asText(job, made));
    }
    return Exit.ok;
  } finally {
    weights.checkpoint?.close();
  }
}

interface Job {
  readonly io: Io;
  readonly source: Source;
  readonly options: CompileOptions;
  readonly model: Elaborated;
  readonly weights: Weights;
  /** One for each file of the model. */
  readonly parts: readonly Part[];
}

/** One graph of the model, and its file. */
interface Part {
  readonly prepared: Prepared;
  readonly artifact: OnnxArtifact;
  readonly file: string;
  readonly dataFile: string;
}

interface Made extends Written {
  /** How it was checked. */
  readonly checked: string;
  readonly milliseconds: number;
}

function emitSyntax(io: Io, source: Source, options: CompileOptions): ExitCode {
  const { main } = source.request;
  if (!main) return usage(io, `${source.name} is no program: it has no syntax tree`);
  const { value, diagnostics } = syntaxOf(main);
  if (hasErrors(diagnostics) || !value) return fail(io, options, diagnostics);
  return emitted(io, printSyntax(value), diagnostics);
}

function earlyStage(stage: CompileOptions["emit"], model: Elaborated, graphs: readonly Prepared[]): string | undefined {
  if (stage === "types") return printTypes(model);
  if (stage === "graph") return printGraph(model.graph);
  return stage === "optimized" ? texts(graphs, (p) => printGraph(p.graph)) : undefined;
}

/** A stage of several graphs: one after the other, as they run. */
function texts<T>(parts: readonly T[], print: (part: T) => string): string {
  return parts.map(print).join("\n");
}

function emitted(io: Io, text: string, diagnostics: readonly Diagnostic[]): ExitCode {
  say(io, diagnostics);
  io.out(text);
  return Exit.ok;
}

const producer = (): { name: string; version: string } => ({ name: "tfm", version: version() });

function sourceOf(weights: Weights): (path: string) => NonNullable<ReturnType<Weights["sources"]["get"]>> {
  return (path) => {
    const source = weights.sources.get(path);
    if (!source) throw new Error(`nothing fills the weight ${path}`);
    return source;
  };
}

function partOf(prepared: Prepared, weights: Weights, { target }: CompileOptions): Part {
  const file = `${prepared.name}.onnx`;
  const dataFile = `${file}_data`;
  return {
    prepared,
    file,
    dataFile,
    artifact: emitOnnx(prepared.graph, { target, weights: sourceOf(weights), dataFile, producer: producer() }),
  };
}

async function write(job: Job): Promise<Result<Written & { readonly checked: string }>> {
  const { io, source, options, model, parts } = job;
  const out = options.out!;
  const from = options.weights ?? source.folder;
  const problems = outputProblems(out, from);
  if (problems.length > 0) return { diagnostics: problems };
  const settings = Object.fromEntries(model.settings.map((s) => [s.name, s.text]));
  const record = {
    producer: producer(),
    source: source.name,
    sourceHash: sourceHash(source.request),
    settings,
    target: options.target,
    ...signatureOf(parts),
  };
  const bar = await progressBar(io, "writing");
  let checked = "";
  try {
    const plan = { files: filesOf(job), record, ...(from === undefined ? {} : { checkpoint: from }) };
    const { value, diagnostics } = await writeArtifact(out, plan, {
      progress: bar.update,
      check: async (folder) => {
        bar.stop();
        const result = await checkWritten(job, folder);
        checked = result.checked;
        return result;
      },
    });
    return { ...(value ? { value: { ...value, checked } } : {}), diagnostics };
  } finally {
    bar.stop();
  }
}

/** Of the first file; where there are several, also of each by its name. */
function signatureOf(parts: readonly Part[]): ArtifactSignature & Pick<ArtifactRecord, "graphs"> {
  const signatures = parts.map(({ prepared, artifact }) => portsOf(prepared, artifact.signature));
  const graphs = parts.map(({ file, prepared: { given } }, i) => ({
    file,
    ...signatures[i]!,
    ...(given.size > 0 ? { given: Object.fromEntries(given) } : {}),
  }));
  return { ...signatures[0]!, ...(graphs.length > 1 ? { graphs } : {}) };
}

function filesOf({ parts, source, options, weights }: Job): readonly PlannedFile[] {
  const folder =
    source.folder ?? (options.weights !== undefined && isFolder(options.weights) ? options.weights : undefined);
  const paths = new Map(weights.checkpoint?.files.map((f) => [f.name, f.path]));
  return [
    ...parts.map(({ file, artifact }): PlannedFile => ({ kind: "bytes", name: file, bytes: artifact.model })),
    ...parts
      .filter((p) => p.artifact.planned.length > 0)
      .map(({ dataFile, artifact }) =>
        planDataFile(dataFile, artifact.planned, sourceOf(weights), {
          checkpoint: weights.checkpoint,
          evaluate: evaluateComputed,
        }),
      ),
    ...[...new Set(parts.flatMap((p) => p.artifact.linkedFiles))].map((name): PlannedFile => ({
      kind: options.copy ? "copy" : "link",
      name,
      from: paths.get(name)!,
    })),
    ...(folder === undefined ? [] : companions(folder)),
  ];
}

interface Checked {
  readonly checked: string;
  readonly diagnostics: readonly Diagnostic[];
}

/** Reads the written model again; a small one is run as well. */
async function checkWritten(job: Job, folder: string): Promise<Checked> {
  for (const part of job.parts) reread(folder, part);
  if (totalElements(parametersOf(job.model.graph)) * 4 > QUICK_TO_RUN)
    return { checked: "re-read, not run: its weights are too large for that to be quick", diagnostics: [] };
  return runOnce(job, folder);
}

function reread(folder: string, { file, artifact }: Part): void {
  const problems = rereadOnnx(readFileSync(join(folder, file)), {
    signature: artifact.signature,
    fileSize: (name) => statOf(join(folder, name))?.size,
  });
  if (problems.length > 0) throw new Error(`the written model is not sound: ${problems.slice(0, 3).join("; ")}`);
}

async function runOnce({ model, options, parts, weights }: Job, folder: string): Promise<Checked> {
  const [{ selfCheck }, { parameterReader }, { openModel }] = await Promise.all([
    import("../self-check.ts"),
    import("../parameters.ts"),
    import("../runtime.ts"),
  ]);
  const sessions = new Map<Prepared["name"], Awaited<ReturnType<typeof openModel>>>();
  try {
    for (const { prepared, file } of parts) sessions.set(prepared.name, await openModel(join(folder, file)));
    const result = await selfCheck(
      model,
      options.cache,
      parameterReader(model.graph, weights),
      (name) => sessions.get(name)!.run,
    );
    if (result.kind === "differs") return { checked: "", diagnostics: [result.diagnostic] };
    if (result.kind === "not-run") return { checked: `re-read; not run, because ${result.reason}`, diagnostics: [] };
    const steps = result.steps === 1 ? "once" : `for ${result.steps} steps`;
    return {
      checked: `re-read; run ${steps} in ONNX Runtime: within ${result.error.toExponential(0)} of what the program means`,
      diagnostics: [],
    };
  } finally {
    for (const session of sessions.values()) await session.close();
  }
}

// ── What was made ─────────────────────────────────────────────────────────────────────────────────────────────────────

function asText({ io, model, parts, options, weights }: Job, made: Made): string {
  const c = picocolors.createColors(io.color.out);
  const from = weights.checkpoint ? `from ${weights.checkpoint.name}` : `drawn, seed ${options.seed}`;
  const rows = [
    ["target", options.target],
    ["parameters", `${grouped(totalElements(parametersOf(model.graph)))}, ${from}`],
    ...parts.flatMap(({ file, artifact }) => [
      ...(parts.length > 1
        ? [
            ["", "", ""],
            ["file", file],
          ]
        : []),
      ...portRows("inputs", artifact.signature.inputs),
      ...portRows("outputs", artifact.signature.outputs),
    ]),
  ];
  const files = made.files.map((f) => [f.name, bytes(f.bytes), note(f)]);
  return [
    `${c.bold(model.model)}${model.doc === "" ? "" : c.dim(`  ${model.doc.split("\n")[0]}`)}\n`,
    table(rows, "  "),
    `${c.bold(made.folder)}\n`,
    table(files, "  "),
    `${made.checked}\n`,
    `done in ${duration(made.milliseconds)}\n`,
  ].join("");
}

function note(file: ArtifactFile): string {
  return file.linked ? "hard link to the checkpoint's file" : "";
}

function asJson({ model, parts, options, weights }: Job, made: Made): object {
  return {
    model: model.model,
    target: options.target,
    folder: made.folder,
    parameters: totalElements(parametersOf(model.graph)),
    weights: weights.checkpoint?.name ?? null,
    ...parts[0]!.artifact.signature,
    ...(parts.length > 1
      ? { graphs: parts.map(({ file, artifact }) => ({ file, ...artifact.signature, nodes: artifact.nodeCounts })) }
      : {}),
    files: made.files,
    bytesWritten: made.written,
    nodes: parts[0]!.artifact.nodeCounts,
    checked: made.checked,
    milliseconds: Math.round(made.milliseconds),
  };
}
