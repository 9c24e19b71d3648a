/** @file `tfm equiv`: are two models equal? And of two checkpoints: which tensors differ? */
import { keeps } from "../../backends/onnx/targets.ts";
import { tfjsKeeps } from "../../backends/tfjs/targets.ts";
import { elaborate, prepare, type Elaborated } from "../../compile.ts";
import { hasErrors, type Diagnostic } from "../../diagnostics/diagnostic.ts";
import { compareCached, compareModels, type ModelReport } from "../../equivalence/models.ts";
import { modelJson, modelLines, pairingLines } from "../../equivalence/model-report.ts";
import { concreteParams } from "../../ir/params.ts";
import { Exit, type ExitCode } from "../exit.ts";
import type { Io } from "../io.ts";
import { parameterReader } from "../parameters.ts";
import { compareCompiled, compareFolders, isCompiled, stepwise, type Asked } from "../compiled.ts";
import type { TARGETS, VARIANTS } from "../program.ts";
import { fail, say, sayJson, usage, type JsonOption } from "../report.ts";
import { resolveSource, type Source } from "../source.ts";
import { weightsOf } from "../weights.ts";

interface EquivOptions extends JsonOption {
  readonly expression: readonly string[];
  readonly model: readonly string[];
  readonly set: readonly string[];
  readonly use: readonly string[];
  readonly with?: (typeof VARIANTS)[number];
  readonly target: readonly (typeof TARGETS)[number][];
  readonly seed: number;
  /** Seconds. */
  readonly budget: number;
}

interface Read {
  readonly source: Source;
  readonly model: Elaborated;
}

export async function equiv(io: Io, paths: readonly string[], given: EquivOptions): Promise<ExitCode> {
  const options = given.target.length === 0 ? { ...given, target: ["onnx"] as const } : given;
  const wanted = options.with === undefined ? 2 : 1;
  const asked = askedFor(paths, options, wanted);
  if (typeof asked === "string") return usage(io, asked);
  if (options.target.length > (options.with === "compiled" ? 2 : 1))
    return usage(io, "-t goes once, or twice with --with compiled");
  if (options.with === "compiled") return compareCompiled(io, asked[0]!, options);
  if (options.with === undefined && asked.some(isCompiled)) return compareFolders(io, asked, options);
  const diagnostics: Diagnostic[] = [];
  const read: Read[] = [];
  for (const { path, expression, model } of asked) {
    const resolved = resolveSource(path, {
      ...(expression === undefined ? {} : { expression }),
      ...(model === undefined ? {} : { model }),
      set: options.set,
      use: options.use,
    });
    if ("usage" in resolved) return usage(io, resolved.usage);
    if ("diagnostics" in resolved) {
      diagnostics.push(...resolved.diagnostics);
      continue;
    }
    const made = elaborate(resolved.source.request);
    diagnostics.push(...made.diagnostics);
    if (made.value) read.push({ source: resolved.source, model: made.value });
  }
  if (read.length < wanted || hasErrors(diagnostics)) return fail(io, options, diagnostics);
  const start = performance.now();
  const run = { seed: options.seed, budget: options.budget * 1000, now: () => performance.now() - start };
  const [a, b] = read as [Read, Read | undefined];
  const report = b
    ? compareModels(a.model.graph, b.model.graph, run)
    : compareVariant(a.model, options, run, diagnostics);
  if (!report) return fail(io, options, diagnostics);
  const tensors =
    b && a.source.folder !== undefined && b.source.folder !== undefined ? compareTensors(a, b, report) : undefined;
  if (tensors && "diagnostics" in tensors) return fail(io, options, [...diagnostics, ...tensors.diagnostics]);
  const same = isEqual(report) && (tensors?.differing.length ?? 0) === 0;
  if (options.json)
    sayJson(io, diagnostics, {
      equal: same,
      seed: options.seed,
      ...modelJson(report),
      ...(tensors ? { tensors: { compared: tensors.compared, differing: tensors.differing } } : {}),
    });
  else {
    say(io, diagnostics);
    const lines = [...pairingLines(report.pairing), ...modelLines(report), ...(tensors ? tensorLines(tensors) : [])];
    io.out(`${lines.join("\n")}\nseed ${options.seed}\n`);
  }
  return same ? Exit.ok : Exit.wrong;
}

/** The models that the command line names, or what is wrong with it. */
function askedFor(paths: readonly string[], options: EquivOptions, wanted: number): readonly Asked[] | string {
  const given: Asked[] = [
    ...paths.map((path) => ({ path })),
    ...options.expression.map((expression) => ({ expression })),
  ];
  const { model } = options;
  const how = "a file, a checkpoint folder, a compiled folder, a program after -e, or a model of the library after -m";
  if (model.length > wanted)
    return `-m names ${model.length} models, and ${wanted} ${wanted === 1 ? "is" : "are"} compared`;
  // Two models of one file.
  if (given.length === 1 && wanted === 2 && model.length === 2) return model.map((m) => ({ ...given[0], model: m }));
  if (given.length === 0)
    return model.length === wanted
      ? model.map((m) => ({ model: m }))
      : `give ${wanted === 1 ? "one model" : "two models"}, each ${how}`;
  // A file, and a model of the library.
  if (given.length === 1 && wanted === 2 && model.length === 1) return [given[0]!, { model: model[0]! }];
  if (given.length !== wanted)
    return `${given.length} model${given.length === 1 ? " is" : "s are"} given, and ${wanted} ${wanted === 1 ? "is" : "are"} compared: give ${how}`;
  if (model.length === 0) return given;
  return given.map((g, i) => ({ ...g, model: model[i] ?? model[0]! }));
}

function isEqual(report: ModelReport): boolean {
  return report.verdict.kind === "proved" || report.verdict.kind === "sampled";
}

function compareVariant(
  model: Elaborated,
  options: EquivOptions,
  run: Parameters<typeof compareModels>[2],
  diagnostics: Diagnostic[],
): ModelReport | undefined {
  const [target = "onnx"] = options.target;
  const cache = options.with === "cached";
  const made = prepare(model, {
    cache,
    optimize: !cache,
    keeps: cache ? () => false : target === "tfjs" ? tfjsKeeps : keeps(target),
  });
  diagnostics.push(...made.diagnostics);
  if (!made.value || hasErrors(diagnostics)) return undefined;
  return cache
    ? compareCached(model.graph, stepwise(made.value), run)
    : compareModels(model.graph, made.value.at(-1)!.graph, run);
}

// ── Tensors ───────────────────────────────────────────────────────────────────────────────────────────────────────────

interface Differing {
  readonly path: string;
  /** The largest difference of an element, and relative to the largest element. */
  readonly largest: number;
  readonly relative: number;
  /** Elements that differ, of how many. */
  readonly count: number;
  readonly elements: number;
}

interface Tensors {
  readonly compared: number;
  readonly differing: readonly Differing[];
}

/** The weights of two checkpoints that correspond, number by number. */
function compareTensors(
  a: Read,
  b: Read,
  report: ModelReport,
): Tensors | { readonly diagnostics: readonly Diagnostic[] } {
  const left = weightsOf(a.model, a.source.folder, 0);
  if (!left.value) return { diagnostics: left.diagnostics };
  try {
    const right = weightsOf(b.model, b.source.folder, 0);
    if (!right.value) return { diagnostics: right.diagnostics };
    try {
      const partner = new Map(report.pairing.byShape.map((p) => [p.right, p.left]));
      const own = new Set([...concreteParams(a.model.graph)].map((p) => p.path));
      // One tensor is in memory at a time: each reader forgets.
      const differing: Differing[] = [];
      let compared = 0;
      for (const { path } of concreteParams(b.model.graph)) {
        const from = partner.get(path) ?? path;
        if (!own.has(from) || report.pairing.onlyRight.includes(path)) continue;
        compared++;
        const x = parameterReader(a.model.graph, left.value)(from);
        const y = parameterReader(b.model.graph, right.value)(path);
        const d = difference(path, x.data as ArrayLike<number>, y.data as ArrayLike<number>);
        if (d) differing.push(d);
      }
      return { compared, differing };
    } finally {
      right.value.checkpoint?.close();
    }
  } finally {
    left.value.checkpoint?.close();
  }
}

function difference(path: string, x: ArrayLike<number>, y: ArrayLike<number>): Differing | undefined {
  let [largest, scale, count] = [0, 0, 0];
  for (let i = 0; i < y.length; i++) {
    const [p, q] = [x[i]!, y[i]!];
    if (Number.isFinite(p)) scale = Math.max(scale, Math.abs(p));
    if (Object.is(p, q) || p === q) continue;
    count++;
    largest = Math.max(largest, Number.isFinite(p - q) ? Math.abs(p - q) : Infinity);
  }
  return count === 0
    ? undefined
    : { path, largest, relative: scale === 0 ? Infinity : largest / scale, count, elements: y.length };
}

const MOST_LISTED = 12;

function tensorLines({ compared, differing }: Tensors): readonly string[] {
  if (differing.length === 0) return [`tensors: all ${compared} are the same`];
  return [
    `tensors: ${differing.length} of ${compared} differ; the largest differences, and relative to the first's largest element`,
    ...[...differing]
      .sort((p, q) => q.relative - p.relative)
      .slice(0, MOST_LISTED)
      .map(
        (d) =>
          `  ${d.path}  ${d.largest.toExponential(2)}, ${d.relative.toExponential(1)}; ${d.count} of ${d.elements} elements`,
      ),
    ...(differing.length > MOST_LISTED ? [`  and ${differing.length - MOST_LISTED} more`] : []),
  ];
}
