/** @file What a test says of models and laws: it holds, or an error with the evidence is thrown. */
import { evaluateGraph } from "../backends/reference/evaluate.ts";
import { elaborate, lawsOf, prepare, type Elaborated, type SourceRequest } from "../compile.ts";
import { hasErrors, type Diagnostic } from "../diagnostics/diagnostic.ts";
import { render } from "../diagnostics/render.ts";
import { Tester, type LawReport } from "../equivalence/law.ts";
import { modelLines, pairingLines } from "../equivalence/model-report.ts";
import { compareModels, type ModelReport } from "../equivalence/models.ts";
import { linesOf } from "../equivalence/report.ts";
import { library } from "../host/stdlib.ts";
import type { Graph } from "../ir/graph.ts";
import { verify } from "../ir/verify.ts";
import { float64 } from "../ops/float64.ts";
import type { Tensor } from "../ops/op.ts";

/** A program's text, what `model` made of it, or a graph. */
export type ModelLike = string | Elaborated | Graph;

export interface ModelOptions {
  /** Which model, where the text has several. */
  readonly name?: string;
  readonly settings?: Readonly<Record<string, string | number | boolean>>;
}

/** Elaborates a program; its mistakes are the error's message, with their places. */
export function model(text: string, options: ModelOptions = {}): Elaborated {
  const { value, diagnostics } = elaborate(requestOf(text, options));
  if (!value) throw failure(WHAT.model, rendered(diagnostics), model);
  return value;
}

/** A model's graph after all rewrites and passes, composites taken apart. */
export function optimized(of: ModelLike): Graph {
  const from = typeof of === "string" ? model(of) : of;
  if (!("graph" in from)) throw new TypeError("optimized() takes a program or what model() gives");
  const { value, diagnostics } = prepare(from, { cache: false, optimize: true, keeps: () => true });
  if (!value?.[0]) throw failure(WHAT.model, rendered(diagnostics), optimized);
  return value[0].graph;
}

export interface EquivalentOptions {
  /** Seed of what is drawn; default 0. */
  readonly seed?: number;
  /** Milliseconds; default 5000. What is not proved by then is sampled. */
  readonly budget?: number;
  /** `"required"`: equal at points is not enough. `"none"`: points alone, which is quicker. Default `"tried"`. */
  readonly proof?: "required" | "tried" | "none";
}

/**
 * Throws where two models are not equal, with the first value that the first never has. Weights correspond by path, then by shape.
 * Gives the evidence: the verdict, the points, how the weights were paired.
 */
export function expectEquivalent(a: ModelLike, b: ModelLike, options: EquivalentOptions = {}): ModelReport {
  const { seed = 0, budget = 5000, proof = "tried" } = options;
  const report = compareModels(graphOf(a), graphOf(b), {
    seed,
    budget,
    now: () => performance.now(),
    proof: proof !== "none",
  });
  const { kind } = report.verdict;
  if (kind === "proved" || (kind === "sampled" && proof !== "required")) return report;
  const lines = [...pairingLines(report.pairing), ...modelLines(report), `seed ${seed}`];
  throw failure(WHAT.equivalent, lines.join("\n"), expectEquivalent);
}

export interface LawOptions {
  readonly seed?: number;
  /** Milliseconds for each law; default 5000. */
  readonly budget?: number;
}

/** Throws where a law of the text does not hold, with its counterexample. */
export function expectLaw(text: string, options: LawOptions = {}): readonly LawReport[] {
  const { value = [], diagnostics } = lawsOf(requestOf(text, {}));
  if (hasErrors(diagnostics)) throw failure(WHAT.law, rendered(diagnostics), expectLaw);
  if (value.length === 0) throw new TypeError("there is no law in the text");
  const tester = new Tester({ seed: options.seed ?? 0, budget: options.budget ?? 5000, now: () => performance.now() });
  const reports = value.map((law) => tester.test(law));
  const wrong = reports.filter((r) => !r.holds);
  if (wrong.length > 0)
    throw failure(
      WHAT.law,
      wrong
        .flatMap((r) => [...linesOf(r), ...(r.verdict.kind === "invalid" ? [rendered(r.verdict.diagnostics)] : [])])
        .join("\n"),
      expectLaw,
    );
  return reports;
}

export interface Feed {
  readonly inputs: ReadonlyMap<string, Tensor<number>>;
  readonly weights: ReadonlyMap<string, Tensor<number>>;
}

/** The outputs of a model in float64, by name. A missing weight or input, or an index outside of its table, is an error. */
export function run(of: ModelLike, feed: Feed): ReadonlyMap<string, Tensor<number>> {
  const { value, problems } = verify(graphOf(of));
  if (!value) throw new TypeError(`the graph is not well formed: ${problems.join("; ")}`);
  const param = (path: string): Tensor<number> => {
    const found = feed.weights.get(path);
    if (!found) throw new TypeError(`no weight is given for ${path}`);
    return found;
  };
  return evaluateGraph(value, { inputs: feed.inputs, param }, { arithmetic: float64 }).outputs;
}

const WHAT = {
  model: "the program is wrong",
  equivalent: "the models are not equivalent",
  law: "a law does not hold",
} as const;

/** An error whose stack begins at the caller of `above`: test runners show that line. */
function failure(what: string, text: string, above: (...args: never[]) => unknown): Error {
  const error = new Error(`${what}\n${text}`);
  (Error as { captureStackTrace?: (e: Error, f: unknown) => void }).captureStackTrace?.(error, above);
  return error;
}

function graphOf(of: ModelLike): Graph {
  if (typeof of === "string") return model(of).graph;
  return "graph" in of ? of.graph : of;
}

function requestOf(text: string, { name, settings = {} }: ModelOptions): SourceRequest {
  return {
    library,
    main: { name: "program.tfm", text },
    uses: [],
    readModule: () => undefined,
    settings: Object.entries(settings).map(([n, v]) => ({ name: n, text: String(v) })),
    ...(name === undefined ? {} : { model: name }),
  };
}

function rendered(diagnostics: readonly Diagnostic[]): string {
  return render(diagnostics, { color: false, width: 100 });
}
