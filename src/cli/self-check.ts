/**
 * @file Runs a compiled model once, at a tiny size, and compares it with what the program means: with a cache a first step of a
 * few places and one more place after it, in two rows of which one is padded.
 */
import { concreteStates, isGiven, isHanded, presentType } from "../ir/states.ts";
import { float64 } from "../ops/float64.ts";
import { evaluateGraph } from "../backends/reference/evaluate.ts";
import { prepare, type Elaborated, type Prepared, type PrepareOptions } from "../compile.ts";
import { diagnose, type Diagnostic } from "../diagnostics/diagnostic.ts";
import type { Graph, State, VerifiedGraph } from "../ir/graph.ts";
import type { Type } from "../ir/type.ts";
import type { Tensor } from "../ops/op.ts";
import { EvaluationError, places } from "../ops/tensor.ts";
import { isMask, sampleInputs, sampleSizes, sampleStates, type Sizes } from "./sample.ts";

/** Values as a runtime takes and gives them; what it has in another precision is converted on the way. */
export interface Boundary {
  readonly dtype: "float32" | "int64";
  readonly dims: readonly number[];
  readonly data: ArrayLike<number>;
}

/** Runs the compiled model on inputs by their names at the boundary. */
export type Run = (inputs: ReadonlyMap<string, Boundary>) => Promise<ReadonlyMap<string, Boundary>>;

/**
 * Differences relative to the largest value, where that exceeds one. Float32 against float64: 1e-5 is usual, a mistake is above 1e-2;
 * halves have a unit roundoff of 5e-4, which a few layers make some 5e-3.
 */
const TOLERANCE = { float32: 1e-3, float16: 5e-2 } as const;

export type SelfCheck =
  | { readonly kind: "agrees"; readonly error: number; readonly steps: number }
  | { readonly kind: "differs"; readonly diagnostic: Diagnostic }
  | { readonly kind: "not-run"; readonly reason: string };

interface Step {
  readonly name: string;
  readonly now: number;
  readonly past: number;
}

/** `runs` gives the way to run each of the model's graphs, by its name. */
export async function selfCheck(
  model: Elaborated,
  options: Pick<PrepareOptions, "cache" | "logits" | "onceBefore" | "sizes">,
  param: (path: string) => Tensor<number>,
  runs: (name: Prepared["name"]) => Run,
  dtype: keyof typeof TOLERANCE = "float32",
): Promise<SelfCheck> {
  const { value: graphs } = prepare(model, {
    ...options,
    optimize: false,
    keeps: () => true,
  });
  if (!graphs) throw new Error("the graph that was compiled cannot be prepared again");
  let error = 0;
  let steps = 1;
  for (const prepared of graphs) {
    const result = await checkGraph(prepared, param, runs(prepared.name), TOLERANCE[dtype]);
    if (result.kind !== "agrees") return result;
    error = Math.max(error, result.error);
    steps = Math.max(steps, result.steps);
  }
  return { kind: "agrees", error, steps };
}

async function checkGraph(
  prepared: Prepared,
  param: (path: string) => Tensor<number>,
  run: Run,
  tolerance: number,
): Promise<SelfCheck> {
  const { graph } = prepared;
  const states = concreteStates(graph);
  const [handed, given] = [states.filter(isHanded), states.filter(isGiven)];
  const { past, places } = fixedPlaces(graph, handed);
  if (past !== undefined) return { kind: "not-run", reason: "its past is of a fixed length" };
  const steps: Step[] =
    handed.length > 0
      ? [
          { name: "first step", now: places ?? 4, past: 0 },
          { name: "second step", now: places ?? 1, past: places ?? 4 },
        ]
      : [{ name: "whole sequence", now: places ?? 4, past: 0 }];
  let kept:
    | { readonly reference: ReadonlyMap<string, Tensor<number>>; readonly boundary: ReadonlyMap<string, Boundary> }
    | undefined;
  let worst = 0;
  for (const step of steps) {
    const sizes = sampleSizes(graph, step.now, step.past);
    const inputs = sampleInputs(prepared, sizes);
    const before = sampleStates(given, sizes);
    const wanted = reference(graph, inputs, param, new Map([...before, ...(kept?.reference ?? [])]));
    if (typeof wanted === "string") return { kind: "not-run", reason: wanted };
    const feed = new Map([
      ...boundaryInputs(graph, inputs),
      ...given.map((s): [string, Boundary] => [s.pastName, atBoundary(before.get(s.path)!)]),
      ...pastsOf(handed, sizes, kept?.boundary),
    ]);
    const found = await run(feed);
    const mask = maskOf(prepared, inputs);
    const outputs = [
      ...graph.outputs.map((o) => ({
        name: o.outside ?? o.name,
        type: o.value.type,
        wanted: wanted.outputs.get(o.name)!,
      })),
      ...states
        .filter((s) => !isGiven(s))
        .map((s) => ({ name: s.presentName, type: presentType(s), wanted: wanted.states.get(s.path)! })),
    ];
    for (const output of outputs) {
      const difference = compare(output, found.get(output.name), mask);
      worst = Math.max(worst, difference.error);
      if (!(difference.error <= tolerance))
        return {
          kind: "differs",
          diagnostic: diagnose("cli/self-check", { output: output.name, step: step.name, ...difference }),
        };
    }
    kept = { reference: wanted.states, boundary: new Map(handed.map((s) => [s.path, found.get(s.presentName)!])) };
  }
  return { kind: "agrees", error: worst, steps: steps.length };
}

/** How many places a step and its past have, where that is fixed. */
function fixedPlaces(graph: Graph, states: readonly State[]): { readonly places?: number; readonly past?: number } {
  const along = graph.inputs.flatMap((i) => i.value.type.axes).find((a) => a.name === graph.grows);
  const grows = states.flatMap((s) => s.present.type.axes.map((a, i) => [s.past.type.axes[i]?.size, a.size] as const));
  const past = grows.find(([before, now]) => before && !before.equals(now))?.[0]?.known;
  const places = along?.size.known;
  return { ...(places === undefined ? {} : { places }), ...(past === undefined ? {} : { past }) };
}

/** What the program means by these inputs, or why they cannot be fed to it: a table shorter than the sequence. */
function reference(
  graph: VerifiedGraph,
  inputs: ReadonlyMap<string, Tensor<number>>,
  param: (path: string) => Tensor<number>,
  states: ReadonlyMap<string, Tensor<number>>,
) {
  try {
    return evaluateGraph(graph, { inputs, param, states }, { arithmetic: float64 });
  } catch (e) {
    if (e instanceof EvaluationError) return e.message;
    throw e;
  }
}

function boundaryInputs(graph: Graph, inputs: ReadonlyMap<string, Tensor<number>>): [string, Boundary][] {
  return graph.inputs.map((i) => [i.outside ?? i.name, atBoundary(inputs.get(i.name)!)]);
}

function atBoundary({ axes, data, dtype }: Tensor<number>): Boundary {
  return {
    dtype: dtype === "float" ? "float32" : "int64",
    dims: axes.map((a) => a.size),
    data: data as ArrayLike<number>,
  };
}

function pastsOf(
  states: readonly State[],
  sizes: Sizes,
  kept: ReadonlyMap<string, Boundary> | undefined,
): [string, Boundary][] {
  return states.map((s) => {
    const { dtype, axes } = s.past.type;
    const dims = axes.map((a) => a.size.evaluate(sizes));
    const empty: Boundary = {
      dtype: dtype === "float" ? "float32" : "int64",
      dims,
      data: new Float64Array(dims.reduce((n, d) => n * d, 1)),
    };
    return [s.pastName, kept?.get(s.path) ?? empty];
  });
}

function maskOf(
  { graph, inputDefaults }: Prepared,
  inputs: ReadonlyMap<string, Tensor<number>>,
): { readonly type: Type; readonly tensor: Tensor<number> } | undefined {
  const input = graph.inputs.find((i) => isMask(i, inputDefaults));
  return input && { type: input.value.type, tensor: inputs.get(input.name)! };
}

interface Compared {
  readonly type: Type;
  readonly wanted: Tensor<number>;
}

/** The largest difference, relative where values exceed one; padded places are whatever the runtime left there. */
function compare(
  { type, wanted }: Compared,
  found: Boundary | undefined,
  mask: ReturnType<typeof maskOf>,
): { found: number; wanted: number; error: number } {
  const axes = type.axes.map((a) => wanted.axes.find((w) => w.name === a.name)!);
  const length = axes.reduce((n, a) => n * a.size, 1);
  if (!found || found.data.length !== length || !found.dims.every((d, i) => d === axes[i]?.size))
    return { found: Number.NaN, wanted: 0, error: Infinity };
  const padded = mask && paddedPlaces(axes, type, mask);
  const at = places(wanted.axes, axes);
  const value = (i: number): number => wanted.data[at[i]!] as number;
  let scale = 1;
  for (let i = 0; i < length; i++)
    if (!padded?.[i] && Number.isFinite(value(i))) scale = Math.max(scale, Math.abs(value(i)));
  let worst = { found: 0, wanted: 0, error: 0 };
  for (let i = 0; i < length; i++) {
    // What the program itself makes of these inputs may be infinite, or no number.
    if (padded?.[i] || Object.is(found.data[i], value(i))) continue;
    const error = Math.abs(found.data[i]! - value(i)) / scale;
    if (!(error <= worst.error))
      worst = { found: found.data[i]!, wanted: value(i), error: Number.isNaN(error) ? Infinity : error };
  }
  return worst;
}

/** Which elements lie at padded places: those of outputs that have the mask's rows and one axis along its places. */
function paddedPlaces(
  axes: readonly { readonly size: number }[],
  type: Type,
  mask: NonNullable<ReturnType<typeof maskOf>>,
): Uint8Array | undefined {
  const rows = mask.type.axes.slice(0, -1);
  const along = mask.type.axes.at(-1)!;
  const rowAt = rows.map((r) => type.axes.findIndex((a) => a.name === r.name));
  // This step's places by their own name; those of the past and this step under the name that they are kept by.
  const now = type.axes.findIndex((a) => a.name === along.name);
  const all = type.axes.findIndex((a) => a.name !== along.name && a.size.equals(along.size));
  const placeAt = now >= 0 ? now : all;
  if (rowAt.some((i) => i < 0) || placeAt < 0) return undefined;
  const maskSizes = mask.tensor.axes.map((a) => a.size);
  // This step's places, or the last of them, stand at the end of all.
  const offset = now >= 0 ? maskSizes.at(-1)! - axes[now]!.size : 0;
  const out = new Uint8Array(axes.reduce((n, a) => n * a.size, 1));
  for (let i = 0; i < out.length; i++) {
    let rest = i;
    const index = axes.map(() => 0);
    for (let k = axes.length - 1; k >= 0; k--) {
      index[k] = rest % axes[k]!.size;
      rest = Math.floor(rest / axes[k]!.size);
    }
    const at = [...rowAt.map((k) => index[k]!), index[placeAt]! + offset].reduce((n, x, k) => n * maskSizes[k]! + x, 0);
    out[i] = mask.tensor.data[at] === 0 ? 1 : 0;
  }
  return out;
}
