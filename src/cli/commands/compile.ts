/** @file `tfm compile`: checks, lowers, optimises, emits, writes; reads what it wrote again and, where that is quick, runs it. */
import { join } from "node:path";
import picocolors from "picocolors";
import type { ClientRules } from "../../clients/rules.ts";
import { elaborate, prepare, syntaxOf, type Elaborated, type Prepared, type PrepareOptions } from "../../compile.ts";
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
import { printGraph } from "../../ir/print.ts";
import { clientProblems, clientsOf, configFiles, layoutOf, renamedFor, unfedInputs } from "../clients.ts";
import { Exit, type ExitCode } from "../exit.ts";
import type { Io } from "../io.ts";
import { parametersOf, totalElements } from "../measure.ts";
import type { CacheForm } from "../../backends/onnx/targets.ts";
import { backendOf, type Backend, type Part, type TargetOptions } from "../parts.ts";
import { portRows } from "../ports.ts";
import { progressBar } from "../progress.ts";
import type { LOGITS, STAGES } from "../program.ts";
import { wholeRun } from "../record.ts";
import { fail, say, sayJson, usage, type JsonOption } from "../report.ts";
import { explanation, rewritesJson, writtenOutJson } from "../rewrites.ts";
import { sourceHash } from "../source-hash.ts";
import { isFolder, resolveSource, type Source, type SourceOptions } from "../source.ts";
import { printSyntax, printTypes } from "../stages.ts";
import { bytes, duration, grouped, table } from "../text.ts";
import { version } from "../version.ts";
import { weightsOf, type Weights } from "../weights.ts";

export interface CompileOptions extends SourceOptions, JsonOption, TargetOptions {
  readonly out?: string;
  readonly weights?: string;
  readonly seed: number;
  /** The form in which the model hands on what it keeps; false: it hands nothing on. */
  readonly cache?: CacheForm | false;
  readonly optimize: boolean;
  /** Open sizes that are fixed, by name. */
  readonly size: ReadonlyMap<string, number>;
  /** Of a model that generates: what it gives at all places, or at the last only. */
  readonly logits?: (typeof LOGITS)[number];
  readonly explain?: boolean;
  readonly copy?: boolean;
  readonly emit?: (typeof STAGES)[number];
  /** Clients that the folder is for, with commas. */
  readonly for?: string;
}

/** Up to this many bytes of weights (as float32) a model is run before it is handed over; larger ones would keep the user waiting. */
const QUICK_TO_RUN = 64e6;

export async function compile(io: Io, path: string | undefined, options: CompileOptions): Promise<ExitCode> {
  const start = performance.now();
  if (options.emit === undefined && options.out === undefined && !options.explain)
    return usage(io, "say where to put the compiled model: -o FOLDER");
  const resolved = resolveSource(path, options);
  if ("usage" in resolved) return usage(io, resolved.usage);
  if ("diagnostics" in resolved) return fail(io, options, resolved.diagnostics);
  const { source } = resolved;
  if (options.emit === "ast") return emitSyntax(io, source, options);
  const asked = clientsOf(options.for);
  if ("usage" in asked) return usage(io, asked.usage);
  const { clients } = asked;
  if (clients.length > 0 && options.target === "tfjs") return usage(io, "--for goes with -t onnx or onnx-17");
  const form = typeof options.cache === "string" ? options.cache : "whole";
  const unable = clients.find((c) => !c.record && form !== "whole" && !c.cache_forms?.includes(form));
  if (unable)
    return usage(io, `${unable.title} does not keep a cache as --cache ${form} wants it: leave one of them out`);
  const { value: elaborated, diagnostics: found } = elaborate(source.request);
  const diagnostics = [...found];
  if (!elaborated) return fail(io, options, diagnostics);
  const byDefault = unfedInputs(elaborated, clients, options.cache !== false);
  const fed = byDefault.size === 0 ? elaborated : elaborate({ ...source.request, byDefault }).value!;
  const model = renamedFor(fed, clients, options.cache !== false);
  const { value: layout, diagnostics: unlaid } = layoutOf(clients, options.dtype);
  if (!layout) return fail(io, options, [...diagnostics, ...unlaid]);
  const chosen = backendOf(options, clients.length > 0 ? layout : undefined);
  if ("usage" in chosen) return usage(io, chosen.usage);
  const { backend } = chosen;
  if (options.logits === "last" && model.graph.grows === undefined)
    return usage(
      io,
      `--logits last goes with a model that generates: ${model.model} does not say along which axis it grows`,
    );
  const prepared = prepare(model, {
    ...growth(options),
    optimize: options.optimize,
    keeps: backend.keeps,
    target: backend.target,
    scales: backend.scales,
  });
  diagnostics.push(...prepared.diagnostics, ...(prepared.value ?? []).flatMap((p) => backend.refusals(p.graph)));
  if (!prepared.value || hasErrors(diagnostics)) return fail(io, options, diagnostics);
  const early = earlyStage(options.emit, model, prepared.value);
  if (early !== undefined) return emitted(io, early, diagnostics);
  if (options.out === undefined && options.emit === undefined)
    return explained(io, prepared.value, backend, options, diagnostics);
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
      clients,
      parts: prepared.value.map((p) => backend.emit(p, weights, producer())),
    };
    if (options.emit === "layout" || options.emit === "onnx" || options.emit === "tfjs") {
      const stage = options.emit;
      const printed = job.parts.map((part) => part.print(stage));
      if (printed.some((text) => text === undefined)) return usage(io, `${options.target} has no stage ${stage}`);
      return emitted(io, printed.join("\n"), diagnostics);
    }
    const { value: configs, diagnostics: unfit } = configFiles({
      ...job,
      folder: checkpointOf(job),
      shared: form === "shared",
      provider: options.provider ?? "cpu",
      dtype: options.dtype,
    });
    diagnostics.push(...unfit);
    if (!configs) return fail(io, options, diagnostics);
    const { value: written, diagnostics: last } = await write(job, configs);
    diagnostics.push(...last);
    if (!written) return fail(io, options, diagnostics);
    const made: Made = { ...written, milliseconds: performance.now() - start };
    if (options.json)
      sayJson(io, diagnostics, {
        ...asJson(job, made),
        ...(options.explain ? explainedJson(prepared.value, backend) : {}),
      });
    else {
      say(io, diagnostics);
      io.out(asText(job, made));
      if (options.explain) io.out(explanation(prepared.value, backend.writtenOut));
    }
    return Exit.ok;
  } finally {
    weights.checkpoint?.close();
  }
}

/** What is asked for of a model that generates. */
function growth({
  cache,
  logits,
  size,
  target,
}: CompileOptions): Pick<PrepareOptions, "cache" | "logits" | "onceBefore" | "sizes"> {
  return {
    ...(cache === undefined ? {} : { cache: cache !== false }),
    logits,
    // Clients of others have the first step compute what there is once; rows and TensorFlow.js's folders are read by ours.
    onceBefore: cache === "rows" || target === "tfjs",
    sizes: size,
  };
}

interface Job {
  readonly io: Io;
  readonly source: Source;
  readonly options: CompileOptions;
  readonly model: Elaborated;
  readonly weights: Weights;
  readonly clients: readonly ClientRules[];
  /** One for each file of the model. */
  readonly parts: readonly Part[];
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

function explainedJson(graphs: readonly Prepared[], backend: Backend): object {
  return { rewrites: rewritesJson(graphs), writtenOut: graphs.flatMap((g) => writtenOutJson(g, backend.writtenOut)) };
}

/** What the rewrites and kernels did, and nothing else. */
function explained(
  io: Io,
  graphs: readonly Prepared[],
  backend: Backend,
  options: CompileOptions,
  diagnostics: readonly Diagnostic[],
): ExitCode {
  if (!options.json) return emitted(io, explanation(graphs, backend.writtenOut), diagnostics);
  sayJson(io, diagnostics, explainedJson(graphs, backend));
  return Exit.ok;
}

const producer = (): { name: string; version: string } => ({ name: "tfm", version: version() });

async function write(
  job: Job,
  configs: readonly PlannedFile[],
): Promise<Result<Written & { readonly checked: string }>> {
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
    ...(model.tasks.size > 0 ? { tasks: Object.fromEntries(model.tasks) } : {}),
    ...(job.clients.length > 0 ? { clients: job.clients.map((c) => c.name) } : {}),
  };
  const bar = await progressBar(io, "writing");
  let checked = "";
  try {
    const plan = { files: filesOf(job, configs), record, ...(from === undefined ? {} : { checkpoint: from }) };
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
  const graphs = parts.map(({ file, ports, prepared: { given } }) => ({
    file,
    ...ports,
    ...(given.size > 0 ? { given: Object.fromEntries(given) } : {}),
  }));
  const plain = graphs.length === 1 && !parts[0]!.file.includes("/");
  return { ...parts[0]!.ports, ...(plain ? {} : { graphs }) };
}

/** The folder with the checkpoint's configs and tokenizer. */
function checkpointOf({ source, options }: Job): string | undefined {
  return source.folder ?? (options.weights !== undefined && isFolder(options.weights) ? options.weights : undefined);
}

function filesOf(job: Job, configs: readonly PlannedFile[]): readonly PlannedFile[] {
  const { parts, options, weights } = job;
  const folder = checkpointOf(job);
  const paths = new Map(weights.checkpoint?.files.map((f) => [f.name, f.path]));
  const linked = new Map(parts.flatMap((p) => p.linkedFiles.map(({ name, file }) => [name, file])));
  const own = new Set(configs.map((c) => c.name));
  return [
    ...parts.flatMap((p) => p.files),
    ...[...linked].map(([name, file]): PlannedFile => ({
      kind: options.copy ? "copy" : "link",
      name,
      from: paths.get(file)!,
    })),
    ...(folder === undefined ? [] : companions(folder).filter((c) => !own.has(c.name))),
    ...configs,
  ];
}

interface Checked {
  readonly checked: string;
  readonly diagnostics: readonly Diagnostic[];
}

/** Reads the written model again; a small one is run as well. */
async function checkWritten(job: Job, folder: string): Promise<Checked> {
  const problems = job.parts.flatMap((part) => part.reread(folder));
  if (problems.length > 0) throw new Error(`the written model is not sound: ${problems.slice(0, 3).join("; ")}`);
  const refused = clientProblems(folder, job.clients);
  if (refused.length > 0) return { checked: "", diagnostics: refused };
  if (job.options.target === "tfjs") return { checked: "re-read; not run: tfm run does that", diagnostics: [] };
  if (totalElements(parametersOf(job.model.graph)) * 4 > QUICK_TO_RUN)
    return { checked: "re-read, not run: its weights are too large for that to be quick", diagnostics: [] };
  return runOnce(job, folder);
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
      growth(options),
      parameterReader(model.graph, weights),
      (name) =>
        wholeRun(
          sessions.get(name)!.run,
          parts.find((p) => p.prepared.name === name)!,
        ),
      // Bytes are tfjs's, and that is not run here.
      options.dtype === "float16" ? "float16" : "float32",
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
    ...parts.flatMap(({ file, signature }) => [
      ...(parts.length > 1
        ? [
            ["", "", ""],
            ["file", file],
          ]
        : []),
      ...portRows("inputs", signature.inputs),
      ...portRows("outputs", signature.outputs),
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
    ...parts[0]!.signature,
    ...(parts.length > 1
      ? { graphs: parts.map(({ file, signature, nodeCounts }) => ({ file, ...signature, nodes: nodeCounts })) }
      : {}),
    files: made.files,
    bytesWritten: made.written,
    nodes: parts[0]!.nodeCounts,
    checked: made.checked,
    milliseconds: Math.round(made.milliseconds),
  };
}
