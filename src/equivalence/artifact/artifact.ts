/** @file A compiled folder as it is compared: its files' graphs in the order in which they run, with what the folder's record says of them. */
import type { WrittenGraph, WrittenTensor } from "../../backends/written.ts";

export interface ArtifactAxis {
  /** Of a size that varies the size's name: `batch_size`, `past_sequence_length + sequence_length`. */
  readonly name: string;
  /** Where it is fixed. */
  readonly size?: number;
}

export interface ArtifactPort {
  readonly name: string;
  readonly axes: readonly ArtifactAxis[];
  /** Of whole numbers that are looked up in a table: the table's size. */
  readonly below?: number;
}

export interface ArtifactState {
  readonly past: string;
  readonly present: string;
  readonly axes: readonly ArtifactAxis[];
  /** The present holds the new places only, of several states: this one's are `present[index]`, and continue the past along `axis`. */
  readonly rows?: { readonly index: number; readonly axis: number };
  /** Past and present are buffers of one length. */
  readonly shared?: true;
}

export interface ArtifactPart {
  readonly file: string;
  readonly graph: WrittenGraph;
  readonly inputs: readonly ArtifactPort[];
  readonly outputs: readonly ArtifactPort[];
  readonly states: readonly ArtifactState[];
  /** The input that says how many places of the buffers count. */
  readonly count?: string;
  /** Inputs that are outputs or inputs of the part before. */
  readonly given: ReadonlyMap<string, string>;
}

export interface Artifact {
  readonly name: string;
  /** One, or what is computed once and the steps. */
  readonly parts: readonly ArtifactPart[];
}

/** A weight that both sides may have: its axes as the program, or the first artifact, has them. */
export interface Weight {
  readonly path: string;
  readonly axes: readonly { readonly name: string; readonly size: number }[];
  /** Row-major. */
  readonly numbers: () => ArrayLike<number>;
  /** Of a weight that was stored: see `WrittenTensor`. */
  readonly rounding?: WrittenTensor["rounding"];
  readonly id: number;
}

/** With the parameter's own numbers, of a tensor that says that it has them times a factor. */
export function withoutFactor(tensor: WrittenTensor): WrittenTensor {
  const factor = tensor.parameter?.factor;
  if (factor === undefined) return tensor;
  return { ...tensor, numbers: () => Float64Array.from(tensor.numbers(), (x) => x / factor) };
}

/** In what order a tensor has a weight's axes, and whether its numbers are the weight's. */
export interface Placement {
  readonly weight: Weight;
  readonly order: readonly string[];
  readonly same: boolean;
}

/** Which weight a tensor of an artifact holds, times its factor: by its name, then by its numbers. None where the name puts several together. */
export function placementOf(written: WrittenTensor, weights: readonly Weight[]): Placement | undefined {
  const tensor = withoutFactor(written);
  const { parameter } = tensor;
  const count = tensor.dims.reduce((n, d) => n * d, parameter?.piece?.of ?? 1);
  const fits = weights.filter((w) => w.axes.reduce((n, a) => n * a.size, 1) === count);
  // A tensor that is read in two arrangements has a number after its name.
  const path = parameter?.path ?? tensor.name;
  const joined = joinedIn(path);
  if (weights.filter((w) => joined.has(w.path)).length > 1) return undefined;
  const named = fits.find((w) => w.path === path) ?? fits.find((w) => w.path === path.replace(/_\d+$/, ""));
  if (parameter && named && parameter.order.every((n) => named.axes.some((a) => a.name === n))) {
    const { order, piece } = parameter;
    return { weight: named, order, same: piece !== undefined || holds(tensor, named, order) };
  }
  for (const weight of named ? [named, ...fits.filter((w) => w !== named)] : fits) {
    const order = ordersOf(weight, tensor.dims).find((o) => holds(tensor, weight, o));
    if (order) return { weight, order, same: true };
  }
  const order = named && ordersOf(named, tensor.dims)[0];
  return named && order ? { weight: named, order, same: false } : undefined;
}

/**
 * A tensor that holds several weights, one after the other along a dimension: found by their numbers. Where several have the same numbers
 * (biases of zeros), those come first that the tensor's name puts together, each once.
 */
export function jointOf(
  tensor: WrittenTensor,
  weights: readonly Weight[],
):
  { readonly axis: number; readonly parts: readonly (Placement & { readonly dims: readonly number[] })[] } | undefined {
  const named = joinedIn(tensor.name);
  const inOrder = [
    ...[...named].flatMap((path) => weights.filter((w) => w.path === path)),
    ...weights.filter((w) => !named.has(w.path)),
  ];
  for (const [axis, length] of tensor.dims.entries()) {
    const others = tensor.dims.reduce((n, d, i) => (i === axis ? n : n * d), 1);
    const parts: (Placement & { readonly dims: readonly number[] })[] = [];
    let offset = 0;
    while (offset < length) {
      const taken = new Set(parts.map((p) => p.weight));
      const rest = [...inOrder.filter((w) => !taken.has(w)), ...taken];
      const next = partAt(tensor, axis, offset, others, rest);
      if (!next) break;
      parts.push(next);
      offset += next.dims[axis]!;
    }
    if (offset === length && parts.length > 1) return { axis, parts };
  }
  return undefined;
}

/** `layers.0.q+k.bias` puts together `layers.0.q.bias` and `layers.0.k.bias`. */
function joinedIn(name: string): ReadonlySet<string> {
  const all = name
    .split(".")
    .reduce<readonly string[]>(
      (paths, segment) => paths.flatMap((p) => segment.split("+").map((s) => (p === "" ? s : `${p}.${s}`))),
      [""],
    );
  return new Set(all);
}

function partAt(
  tensor: WrittenTensor,
  axis: number,
  offset: number,
  others: number,
  weights: readonly Weight[],
): (Placement & { readonly dims: readonly number[] }) | undefined {
  for (const weight of weights) {
    const size = weight.axes.reduce((n, a) => n * a.size, 1) / others;
    if (!Number.isInteger(size) || size === 0 || offset + size > tensor.dims[axis]!) continue;
    const dims = tensor.dims.map((d, i) => (i === axis ? size : d));
    const part = stretch(tensor, axis, offset, size);
    const order = ordersOf(weight, dims).find((o) => holds({ ...tensor, dims, numbers: () => part }, weight, o));
    if (order) return { weight, order, same: true, dims };
  }
  return undefined;
}

/** The numbers of some places of a dimension. */
function stretch({ dims, numbers }: WrittenTensor, axis: number, offset: number, size: number): Float64Array {
  const inner = dims.slice(axis + 1).reduce((n, d) => n * d, 1);
  const outer = dims.slice(0, axis).reduce((n, d) => n * d, 1);
  const all = numbers();
  const out = new Float64Array(outer * size * inner);
  for (let o = 0, at = 0; o < outer; o++)
    for (let i = 0, from = (o * dims[axis]! + offset) * inner; i < size * inner; i++) out[at++] = all[from + i]!;
  return out;
}

/** Orders of a weight's axes, its own first, in which dimensions of these sizes are runs of them. */
function ordersOf(weight: Weight, dims: readonly number[]): readonly (readonly string[])[] {
  const names = weight.axes.map((a) => a.name);
  const all = permutations(names);
  const sizeOf = new Map(weight.axes.map((a) => [a.name, a.size]));
  const ends = new Set<number>();
  dims.reduce((n, d) => (ends.add(n * d), n * d), 1);
  return all.filter((order) => {
    const own = new Set<number>();
    order.reduce((n, name) => (own.add(n * sizeOf.get(name)!), n * sizeOf.get(name)!), 1);
    return [...ends].every((e) => own.has(e));
  });
}

function permutations<T>(all: readonly T[]): (readonly T[])[] {
  if (all.length <= 1) return [all];
  return all.flatMap((x, i) => permutations(all.filter((_, j) => j !== i)).map((rest) => [x, ...rest]));
}

function holds(tensor: WrittenTensor, weight: Weight, order: readonly string[]): boolean {
  const own = weight.numbers();
  const stored = tensor.numbers();
  const [each, all] = [0, 1].map((i) => Math.max(tensor.rounding[i]!, weight.rounding?.[i] ?? 0)) as [number, number];
  let largest = 0;
  for (let i = 0; i < own.length; i++) largest = Math.max(largest, Math.abs(own[i]!));
  const strides = new Map<string, number>();
  weight.axes.reduceRight((stride, a) => (strides.set(a.name, stride), stride * a.size), 1);
  const sizes = order.map((n) => weight.axes.find((a) => a.name === n)!.size);
  const steps = order.map((n) => strides.get(n)!);
  const counter = order.map(() => 0);
  let at = 0;
  for (let i = 0; i < stored.length; i++) {
    if (!(Math.abs(stored[i]! - own[at]!) <= each * Math.abs(own[at]!) + all * largest)) return false;
    for (let d = order.length - 1; d >= 0; d--) {
      counter[d]!++;
      at += steps[d]!;
      if (counter[d]! < sizes[d]!) break;
      at -= steps[d]! * sizes[d]!;
      counter[d] = 0;
    }
  }
  return true;
}

/** The number that a size is: `past_sequence_length + sequence_length`, `2*width - 1`; undefined where a name has none. */
export function sizeFrom(text: string, sizes: ReadonlyMap<string, number>): number | undefined {
  let total = 0;
  for (const term of text.replaceAll(" - ", " + -").split(" + ")) {
    let product = 1;
    for (const factor of term.replace(/^-/, "-1*").split("*")) {
      const n = sizes.get(factor) ?? (/^-?\d+$/.test(factor) ? Number(factor) : undefined);
      if (n === undefined) return undefined;
      product *= n;
    }
    total += product;
  }
  return total;
}
