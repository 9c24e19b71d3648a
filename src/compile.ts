/** @file The pipeline on one screen: text to typed graph, and the graph that a backend sees. The only file that knows the order of phases. */
import { hasErrors, Reporter, type Diagnostic, type Result } from "./diagnostics/diagnostic.ts";
import { elaborateBare } from "./elaborate/bare.ts";
import { clientTypes, reportUnread, select, stateNames, taskForms, type Selected } from "./elaborate/checkpoint.ts";
import { Elaborator, GivenUp, type TypeNote } from "./elaborate/elaborator.ts";
import { checkEquation } from "./elaborate/laws.ts";
import {
  elaborateModel,
  objectivesOf,
  settingFromText,
  type InputDefault,
  type ModelResult,
  type Outside,
} from "./elaborate/models.ts";
import { explainProblem } from "./elaborate/problem.ts";
import type { Outline } from "./elaborate/outline.ts";
import { Program, type Found, type Library, type Module } from "./elaborate/program.ts";
import { mapByPath, mapWeights } from "./elaborate/weight-map.ts";
import { drawCase, isOfSizes, smallSizes } from "./equivalence/cases.ts";
import { randomOf, Tester } from "./equivalence/law.ts";
import type { Graph, VerifiedGraph } from "./ir/graph.ts";
import { verify } from "./ir/verify.ts";
import { concreteParams } from "./ir/params.ts";
import { checkNames } from "./names/names.ts";
import { optimize } from "./passes/optimize.ts";
import { withCache, withoutCache } from "./passes/cache.ts";
import { fixSizes, misfitOf, openSizes } from "./passes/fix-sizes.ts";
import { lastPlaceOnly } from "./passes/last.ts";
import { withOnce } from "./passes/once.ts";
import { computeOnceBefore } from "./passes/once-before.ts";
import { foldScales, type ScaleOptions, type ScaleReport } from "./passes/scales.ts";
import { splitSteps } from "./passes/steps.ts";
import { removeDead } from "./passes/dce.ts";
import type { Costs } from "./rewrite/cost.ts";
import { cycleOf, isUsed, ownSourcesOf, rewrite, type RewriteReport } from "./rewrite/index.ts";
import type { SourceFile, Span } from "./source/source.ts";
import type * as ast from "./syntax/ast.ts";
import { parse } from "./syntax/parse.ts";
import type { Checkpoint, WeightMap } from "./weights/source.ts";

export type { Library, TypeNote, InputDefault, RewriteReport };
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** What to read: a program, or a checkpoint's config, or both. */
export interface SourceRequest {
  readonly library: Library;
  /** The program's own text, where there is one. */
  readonly main?: SourceFile;
  /** Modules to read beside the standard library (`--use`). */
  readonly uses: readonly SourceFile[];
  /** The file that `use "./x.tfm"` in `from` means, or undefined where there is none. */
  readonly readModule: (path: string, from: SourceFile) => SourceFile | undefined;
  /** Which model, where there are several (`-m`); without a program or config, one of the library. */
  readonly model?: string;
  /** What the model is trained by (`--objective`): the graph is that objective, with the model in it. */
  readonly objective?: string;
  /** `-s name=text` */
  readonly settings: readonly { readonly name: string; readonly text: string }[];
  /** Inputs with a default, by their names outside, that the artifact has not: each is what it is by default. */
  readonly byDefault?: ReadonlySet<string>;
  /** The config.json of a checkpoint folder: its `checkpoint` declaration gives the model and the settings. */
  readonly config?: Config;
}

export interface Config {
  readonly name: string;
  readonly value: Json;
  /** Opens the weights beside it: what is stored can speak against what it says. */
  readonly open?: () => Checkpoint | undefined;
}

export interface Elaborated {
  readonly model: string;
  readonly doc: string;
  /** What declares the rules by which it is rewritten. */
  readonly program: Program;
  /** Every setting of the model with its value, as the language writes it. */
  readonly settings: readonly { readonly name: string; readonly text: string }[];
  readonly graph: Graph;
  readonly types: readonly TypeNote[];
  /** What was applied inside what: the model in blocks. */
  readonly outline: Outline;
  /** What an absent input of the artifact is to a client, by its name there. */
  readonly inputDefaults: ReadonlyMap<string, InputDefault>;
  /** Matches a checkpoint's tensors to the parameters: by the map that chose the model, else by the weights' own paths. */
  readonly mapWeights: (checkpoint: Checkpoint) => Result<WeightMap>;
  /** The nearest type that a client knows, by the client's name, where the family states it. */
  readonly clientTypes: ReadonlyMap<string, string>;
  /** How the family's tasks make rows of tokens from texts, by the task's name. */
  readonly tasks: ReadonlyMap<string, readonly string[]>;
  /** Names at the boundary of what `keep` at this path hands on (both with `{0}`), where the family states them. */
  readonly stateNames: (path: string) => { readonly past: string; readonly present: string } | undefined;
}

/** One of the graphs that a model is compiled into; each is a file of its own. */
export interface Prepared {
  /** Of its file. A model that computes something once, before the steps, is the two last. */
  readonly name: "model" | "encoder_model" | "decoder_model_merged";
  readonly graph: VerifiedGraph;
  /** What an absent input of this graph is to a client, by its name at the boundary. */
  readonly inputDefaults: ReadonlyMap<string, InputDefault>;
  /** Inputs that are outputs or inputs of the graph before this one, by their names at the boundary. */
  readonly given: ReadonlyMap<string, string>;
  /** What the library's rewrites did to it, and what they nearly did; absent where it is not optimised. */
  readonly rewrites?: RewriteReport;
  /** Which factors went into its weights; absent where none were looked for. */
  readonly scales?: ScaleReport;
}

export interface PrepareOptions {
  /** Default: where the model grows and keeps anything. */
  readonly cache?: boolean;
  readonly optimize: boolean;
  /** Of what a model that grows hands out at every place: that of all places (default), or of the last only. A model that does not grow has no last. */
  readonly logits?: "all" | "last" | undefined;
  /** Where there is a graph before the steps, what `once` hands on is computed there, instead of in the first step. */
  readonly onceBefore?: boolean | undefined;
  /** Open sizes that are fixed, by their names at the boundary or in the program (`--size`). */
  readonly sizes?: ReadonlyMap<string, number>;
  /** Composite operators that the backend has a kernel for; the others are taken apart. */
  readonly keeps: (node: Extract<Graph["nodes"][number], { op: "call" }>) => boolean;
  /** What the target can do, by name, for rewrites that ask (`when target.gelu`); and what nodes cost there. */
  readonly target?: { readonly costs?: Costs };
  /** How factors go into the weights, for a target that writes them so. */
  readonly scales?: ScaleOptions | undefined;
}

/** Only the syntax tree, for `--emit ast`. */
export function syntaxOf(file: SourceFile): Result<ast.File> {
  return parse(file);
}

interface Loaded {
  readonly program: Program;
  readonly reporter: Reporter;
  readonly main: Module | undefined;
  readonly modules: readonly Module[];
}

function load(request: SourceRequest): Loaded {
  const reporter = new Reporter();
  const program = new Program(request.library, request.readModule, reporter);
  const uses = request.uses.map((file) => program.load(file));
  const main = request.main ? program.load(request.main) : undefined;
  const families =
    request.main && !request.config ? [] : program.families().flatMap((name) => program.loadLibrary(name) ?? []);
  for (const module of [...uses, ...(main ? [main] : [])]) checkNames(program, module, reporter);
  return { program, reporter, main, modules: [...(main ? [main] : []), ...uses, ...families] };
}

/** Parses, resolves, types and lowers the model that the request names (or the only one there is). */
export function elaborate(request: SourceRequest): Result<Elaborated> {
  const loaded = load(request);
  const { reporter } = loaded;
  const before = reporter.diagnostics.some((d) => d.severity === "error" && d.code.startsWith("syntax/"));
  const value = request.config
    ? fromConfig(loaded, request, request.config)
    : before && !loaded.main
      ? undefined
      : fromProgram(loaded, request);
  return { ...(value && !reporter.hasErrors ? { value } : {}), diagnostics: reporter.diagnostics };
}

/** The same for every model of the program's own file, with all diagnostics of the file. */
export function checkAll(request: SourceRequest): Result<readonly Elaborated[]> {
  const loaded = load(request);
  const { main, reporter } = loaded;
  const { config, model, objective } = request;
  if (config || !main || model !== undefined || objective !== undefined || main.syntax.bare) {
    const one = elaborate(request);
    return { ...(one.value ? { value: [one.value] } : {}), diagnostics: one.diagnostics };
  }
  for (const decl of main.syntax.decls)
    if (decl.kind === "Law" || decl.kind === "Rewrite")
      reporter.addAll(checkLaw({ decl, module: main, program: loaded.program }));
  const all: Elaborated[] = [];
  for (const decl of main.own.values()) {
    if (decl.kind !== "Model") continue;
    const made = elaborated(loaded, { decl, module: main }, request);
    if (made) all.push(made);
  }
  return { ...(reporter.hasErrors ? {} : { value: all }), diagnostics: reporter.diagnostics };
}

/** The models that a program's own file declares, in the order of the text; none where it is a bare stack. */
export function modelsOf(request: SourceRequest): readonly string[] {
  const { main } = load(request);
  return [...(main?.own.values() ?? [])].flatMap((d) => (d.kind === "Model" && !d.objective ? [d.name.name] : []));
}

/** What an editor wants to know of one model: of a broken one too. */
export interface Insight extends Result<Elaborated> {
  readonly types: readonly TypeNote[];
  /** What dimensions and numbers are, where they are read. */
  readonly sizes: readonly TypeNote[];
  /** It took too long. */
  readonly givenUp?: boolean;
}

/**
 * Elaborates one model, or the bare stack, of a program that is open in an editor; `files` are those whose types are noted.
 * It gives up where `tooLong` says so.
 */
export function inspect(program: Program, target: Target, files: Iterable<string>, tooLong: () => boolean): Insight {
  const reporter = new Reporter();
  const e = new Elaborator(program, reporter, "decl" in target ? target.decl.name.name : "program");
  for (const name of files) e.noteFiles.add(name);
  const loaded = { program, reporter, main: target.module, modules: [target.module] };
  const request = { library: program.library, uses: [], readModule: () => undefined, settings: [] };
  e.tooLong = tooLong;
  const notes = { types: e.notes, sizes: e.sizes };
  try {
    const value = elaborated(loaded, target, request, undefined, e);
    return { ...(value ? { value } : {}), diagnostics: reporter.diagnostics, ...notes };
  } catch (error) {
    if (!(error instanceof GivenUp)) throw error;
    return { diagnostics: [], ...notes, givenUp: true };
  }
}

/** A law or a rewrite of the program's own file, with what gives its names a meaning: for `equivalence/` to run. */
export interface LawSource {
  readonly decl: ast.Law | ast.Rewrite;
  readonly module: Module;
  readonly program: Program;
}

/** What is wrong with a law at any sizes: what is wrong at some is not, where others fit. */
export function checkLaw(law: LawSource): readonly Diagnostic[] {
  const reporter = new Reporter();
  checkEquation(new Elaborator(law.program, reporter, law.decl.title.value), law.decl, law.module);
  if (!reporter.diagnostics.some(isOfSizes)) return reporter.diagnostics;
  const drawn = drawCase(law, smallSizes, randomOf(0, law.decl.title.value));
  if ("case" in drawn) return [];
  return drawn.diagnostics.some((d) => d.code === "law/no-sizes") ? drawn.diagnostics : reporter.diagnostics;
}

/** Every law and rewrite of the program's own file. */
export function lawsOf(request: SourceRequest): Result<readonly LawSource[]> {
  const { main, program, reporter } = load(request);
  const laws = (main?.syntax.decls ?? []).flatMap((decl) =>
    main && (decl.kind === "Law" || decl.kind === "Rewrite") ? [{ decl, module: main, program }] : [],
  );
  return { value: laws, diagnostics: reporter.diagnostics };
}

function fromProgram(loaded: Loaded, request: SourceRequest): Elaborated | undefined {
  const { main, reporter, program, modules } = loaded;
  if (main?.syntax.bare && request.model === undefined)
    return elaborated(loaded, { bare: main.syntax.bare, module: main }, request);
  const pool = main ? [main] : modules;
  const models = pool.flatMap((module) =>
    [...module.own.values()].flatMap((decl) => (decl.kind === "Model" && !decl.objective ? [{ decl, module }] : [])),
  );
  if (request.model !== undefined) {
    const found = models.find((m) => m.decl.name.name === request.model) ?? (main && program.find(main, request.model));
    if (found?.decl.kind === "Model") return elaborated(loaded, found, request);
    reporter.report("model/unknown", { name: request.model }, undefined, {
      hint: `there are ${models.map((m) => m.decl.name.name).join(", ") || "none here"}`,
    });
    return undefined;
  }
  if (models.length === 1) return elaborated(loaded, models[0]!, request);
  if (reporter.hasErrors) {
    // The models are elaborated all the same, so that one run reports all there is to report.
    for (const m of models) elaborated(loaded, m, request);
    return undefined;
  }
  if (models.length === 0)
    reporter.report("model/none", { file: main?.file.name ?? "" }, undefined, {
      hint: "declare one: `model my_model(hidden = 64) { ... }`, or write a bare stack of blocks",
    });
  else
    reporter.report("model/which", { models: models.map((m) => m.decl.name.name) }, undefined, {
      hint: `choose one with -m: \`-m ${models[0]!.decl.name.name}\``,
    });
  return undefined;
}

function fromConfig(loaded: Loaded, request: SourceRequest, config: Config): Elaborated | undefined {
  const e = new Elaborator(loaded.program, loaded.reporter, "config");
  const map = select(e, loaded.modules, config.value, config.name, config.open);
  if (!map || loaded.reporter.hasErrors) return undefined;
  const made = elaborated(loaded, map.model, request, { map, e });
  if (made) reportUnread(e, map, config.value, config.name);
  return made;
}

export type Target = Found | { readonly bare: ast.Expr; readonly module: Module };

function elaborated(
  loaded: Loaded,
  target: Target,
  request: SourceRequest,
  from?: { map: Selected; e: Elaborator },
  using?: Elaborator,
): Elaborated | undefined {
  const { program, reporter } = loaded;
  const name = "decl" in target ? target.decl.name.name : "program";
  const e = using ?? new Elaborator(program, reporter, name);
  if (from) e.configRead = from.e.configRead;
  if (request.byDefault) e.byDefault = request.byDefault;
  if (request.main) e.noteFiles.add(request.main.name);
  const outside = new Map<string, Outside>(from?.map.settings);
  for (const s of request.settings) outside.set(s.name, settingFromText(e, s.name, s.text, target.module));
  const made = graphOf(e, loaded, target, request, outside);
  if (!made || reporter.hasErrors) return undefined;
  const graph = removeDead(e.builder.build());
  // A bare stack of blocks may be looked at without: it has no input that could say a size.
  if ("decl" in target) checkWeights(reporter, graph, e.paths);
  if (reporter.hasErrors) return undefined;
  const { map } = from ?? {};
  return {
    model: name,
    program,
    doc: "decl" in target ? target.decl.doc : "",
    settings: made.settings,
    graph,
    types: e.notes,
    outline: { builder: e.builder, children: e.outline.children },
    inputDefaults: made.inputDefaults,
    mapWeights: (checkpoint) =>
      map ? mapWeights(program, map, made.frame, graph, checkpoint) : mapByPath(name, graph, checkpoint),
    clientTypes: map ? clientTypes(map) : new Map<string, string>(),
    tasks: map ? taskForms(map) : new Map<string, readonly string[]>(),
    stateNames: (path) => (map ? stateNames(map, path) : undefined),
  };
}

/** Every weight has a size, which no input leaves open. */
function checkWeights(reporter: Reporter, graph: Graph, madeAt?: ReadonlyMap<string, Span>): void {
  const told = new Set<string>();
  for (const { path, param } of concreteParams(graph)) {
    const open = param.value.type.axes.find((a) => a.size.known === undefined);
    if (!open || told.has(param.path)) continue;
    told.add(param.path);
    // The weight's axis is a twin of the input's.
    const axis = open.name.replace(/'+$/, "");
    reporter.report("model/open-weight", { path, axis }, madeAt?.get(param.path), {
      hint: `give it a size where it comes from, an input's type: \`float[..., ${axis} = 64]\``,
    });
  }
}

/** Elaborates the target, or the objective that the request names for it, into `e.builder`. */
function graphOf(
  e: Elaborator,
  loaded: Loaded,
  target: Target,
  { objective }: SourceRequest,
  outside: ReadonlyMap<string, Outside>,
): ModelResult | undefined {
  if (objective === undefined)
    return "decl" in target
      ? elaborateModel(e, target, outside)
      : elaborateBare(e, target.bare, target.module, outside);
  const known = "decl" in target ? objectivesOf(e, target, loaded.modules) : new Map<string, Found>();
  const found = known.get(objective);
  if (found) return elaborateModel(e, found, outside, "decl" in target ? target : undefined);
  const names = [...known.keys()];
  loaded.reporter.report(
    "model/objective-unknown",
    { name: objective, model: "decl" in target ? target.decl.name.name : "a bare stack", known: names },
    undefined,
    {
      hint:
        names.length > 0 ? `it has ${names.join(", ")}` : "declare one: `objective next_token for my_model { ... }`",
    },
  );
  return undefined;
}

/** The graphs that the backend sees: cached or not, rewritten, verified; in the order in which they run. */
export function prepare(model: Elaborated, options: PrepareOptions): Result<readonly Prepared[]> {
  const reporter = new Reporter();
  const wanted = options.cache ?? model.graph.grows !== undefined;
  if (wanted && model.graph.grows === undefined)
    reporter.report("model/cache-without-growth", {}, undefined, { hint: "write `model m(...) grows seq { ... }`" });
  checkWeights(reporter, model.graph);
  const graphs =
    wanted && model.graph.grows !== undefined
      ? cached(model, reporter, options.onceBefore)
      : [{ name: "model" as const, graph: model.graph, given: NOTHING }];
  if (options.optimize) checkRewrites(model.program, reporter);
  const lastOnly = options.logits === "last";
  const fixed = fixedSizes(graphs, options.sizes ?? new Map(), reporter);
  if (hasErrors(reporter.diagnostics)) return { diagnostics: reporter.diagnostics };
  const value = graphs.flatMap(({ name, graph: whole, given }): Prepared[] => {
    const graph = fixSizes(lastOnly && name !== "encoder_model" ? lastPlaceOnly(whole) : whole, fixed);
    if (fixed.size > 0 && !fits(graph, options.sizes!, reporter)) return [];
    let rewrites: RewriteReport | undefined;
    const made = optimize(withoutCache(graph), {
      keeps: options.keeps,
      enabled: options.optimize,
      rewrite(g) {
        const done = rewrite(g, model.program, {
          keeps: options.keeps,
          target: options.target,
          costs: options.target?.costs,
        });
        rewrites = done.report;
        return done.graph;
      },
    });
    const scaled = options.optimize && options.scales ? foldScales(made, options.scales) : undefined;
    const inputDefaults = defaultsIn(graph, model);
    const reports = { ...(rewrites ? { rewrites } : {}), ...(scaled ? { scales: scaled.report } : {}) };
    return [{ name, graph: wellFormed(scaled?.graph ?? made), inputDefaults, given, ...reports }];
  });
  return { ...(reporter.hasErrors ? {} : { value }), diagnostics: reporter.diagnostics };
}

/** The symbols that are fixed, of all graphs. */
function fixedSizes(
  graphs: readonly Named[],
  sizes: ReadonlyMap<string, number>,
  reporter: Reporter,
): ReadonlyMap<string, number> {
  const fixed = new Map<string, number>();
  const open = new Map(graphs.flatMap(({ graph }) => [...openSizes(graph)]));
  for (const [name, n] of sizes) {
    const found = [...open].find(([symbol, outside]) => outside === name || symbol === name);
    if (found) fixed.set(found[0], n);
    else reporter.report("model/size-unknown", { name, open: [...new Set(open.values())] });
  }
  return fixed;
}

/** Whether a graph with fixed sizes is still one: a sequence can be longer than a table. */
function fits(graph: Graph, sizes: ReadonlyMap<string, number>, reporter: Reporter): boolean {
  const misfit = misfitOf(graph);
  if (!misfit) return true;
  const { node, problem } = misfit;
  const types = node.inputs.map((v) => v.type);
  if (node.span) explainProblem((...said) => reporter.report(...said), problem, types, node.span);
  const said = [...sizes].map(([name, n]) => `${name} ${n}`).join(" and ");
  reporter.report("model/size-misfit", { said, op: node.op });
  return false;
}

/** A program's own rewrites are used only where they hold, and end. */
function checkRewrites(program: Program, reporter: Reporter): void {
  const sources = ownSourcesOf(program).filter(isUsed);
  const tester = new Tester({ seed: 0, budget: 0, now: () => 0 });
  for (const source of sources) {
    const { holds, verdict } = tester.test(source);
    if (holds || verdict.kind === "invalid") continue;
    const { title } = source.decl;
    const where = verdict.kind === "different" ? "" : verdict.kind === "unknown" ? verdict.why : "";
    reporter.report("rewrite/different", { rule: title.value, where }, title.span, {
      hint: "`tfm test` on this file shows why",
    });
  }
  const cycle = cycleOf(program);
  if (!cycle) return;
  const [first, ...others] = [...new Set(cycle.rules.map((r) => r.source.decl))];
  reporter.report("rewrite/cycle", { rules: cycle.rules.map((r) => r.title), grows: cycle.grows }, first!.title.span, {
    related: others.map((d) => ({ span: d.title.span, message: "and this" })),
  });
}

type Named = Pick<Prepared, "name" | "given"> & { readonly graph: Graph };
const NOTHING: ReadonlyMap<string, string> = new Map();

/** The graphs of a model that generates, with what is handed on from step to step. */
function cached(model: Elaborated, reporter: Reporter, onceBefore = false): readonly Named[] {
  const split = splitSteps(model.graph);
  const { step, given, problems } = split ?? { step: model.graph, given: NOTHING, problems: [] };
  const once = step && withOnce(step, model.stateNames);
  const kept = once?.graph && withCache(once.graph, model.stateNames);
  for (const p of [...problems, ...(once?.problems ?? []), ...(kept?.problems ?? [])])
    reporter.report("model/cache", { what: p.message }, p.span);
  if (!kept?.graph) return [];
  if (!split?.first) return [{ name: "model", graph: kept.graph, given }];
  const usual = { first: split.first, step: kept.graph, given };
  const parts = onceBefore ? computeOnceBefore(usual) : usual;
  return [
    { name: "encoder_model", graph: parts.first, given: NOTHING },
    { name: "decoder_model_merged", graph: parts.step, given: parts.given },
  ];
}

function wellFormed(graph: Graph): VerifiedGraph {
  const { value, problems } = verify(graph);
  if (!value) throw new Error(`the graph is not well formed: ${problems.slice(0, 3).join("; ")}`);
  return value;
}

/** An input may have another name in this graph than in the model. */
function defaultsIn(graph: Graph, model: Elaborated): ReadonlyMap<string, InputDefault> {
  const defaults = new Map<string, InputDefault>();
  for (const { name, outside } of graph.inputs) {
    const own = model.graph.inputs.find((i) => i.name === name);
    const given = own && model.inputDefaults.get(own.outside ?? own.name);
    if (given !== undefined) defaults.set(outside ?? name, given);
  }
  return defaults;
}
