/**
 * @file How sure equal residues make one: degrees of what a step compares, and the number of exponentials in it, element by element.
 *
 * Each value is a fraction. Its numerator is a sum of terms r(x) exp(e(x)); exponentials, roots and hashes count as variables.
 * Denominators are kept as the nodes that were divided by, so that a sum over one common denominator does not multiply it.
 */
import { Beyond } from "./residues.ts";
import type { Flat, FlatNode } from "./flat.ts";
import { hasTrait } from "../ops/registry.ts";

/** Axes along which something varies, by their names here, and how many different ones there are along each. */
type Along = ReadonlyMap<string, number>;

/** A node that stands below, or under a root: how often, and along what it varies. */
interface Part {
  readonly count: number;
  readonly axes: Along;
  readonly degree: number;
  readonly terms: number;
  readonly factors: number;
}

interface Info {
  /** Degree of the numerator. */
  readonly degree: number;
  /** Terms of different exponents, at most. */
  readonly terms: number;
  /** Exponentials in one term, at most. */
  readonly factors: number;
  readonly below: ReadonlyMap<string, Part>;
  readonly roots: ReadonlyMap<string, Part>;
  /** Degree of the exponents, denominators cleared. */
  readonly exponent: number;
  /** Along what its exponentials vary. */
  readonly along: Along;
}

const FIXED: Info = {
  degree: 0,
  terms: 1,
  factors: 0,
  below: new Map(),
  roots: new Map(),
  exponent: 0,
  along: new Map(),
};
const VARIABLE: Info = { ...FIXED, degree: 1 };

/** Of the difference of two values. */
export interface Bound {
  readonly degree: number;
  readonly terms: number;
  readonly exponent: number;
  readonly roots: number;
  readonly exponentials: boolean;
  readonly angles: boolean;
}

/** Throws `Beyond` where no bound is known. */
export function boundOf(
  flat: Flat,
  cone: readonly number[],
  isLeaf: (id: number) => boolean,
  find: (id: number) => number,
  pairs: readonly (readonly [number, number])[],
): Bound {
  const infos = new Map<number, Info>();
  let angles = false;
  for (const id of cone) {
    const node = flat.node(id);
    const inputs = isLeaf(id) ? [] : node.inputs.map((i) => infos.get(find(i))!);
    if (!isLeaf(id) && (node.op === "sin" || node.op === "cos")) angles = true;
    infos.set(id, isLeaf(id) ? (node.dtype === "float" ? VARIABLE : FIXED) : infoOf(flat, node, inputs, find));
  }
  const all = pairs.map(([a, b]) => total(add(infos.get(find(a))!, infos.get(find(b))!)));
  return {
    degree: Math.max(...all.map((b) => b.degree)),
    terms: Math.max(...all.map((b) => b.terms)),
    exponent: Math.max(...all.map((b) => b.exponent)),
    roots: Math.max(...all.map((b) => b.roots)),
    exponentials: all.some((b) => b.exponentials),
    angles,
  };
}

function total(info: Info): Bound {
  const parts = [...info.roots.values()];
  const roots = parts.reduce((n, p) => n + p.count, 0);
  const inside = Math.max(0, ...parts.map((p) => p.degree));
  if (info.factors > 0 && roots > 2) throw new Beyond("an exponential and more than two roots in one step");
  const conjugates = 2 ** roots;
  return {
    degree: Math.max(1, info.degree * (1 + inside)) * conjugates,
    terms: info.terms ** conjugates,
    exponent: 2 * Math.max(1, info.factors) * info.exponent,
    roots,
    exponentials: info.factors > 0,
    angles: false,
  };
}

function infoOf(flat: Flat, node: FlatNode, inputs: readonly Info[], find: (id: number) => number): Info {
  const [a, b] = inputs;
  if (!node.drawn || node.dtype !== "float") return FIXED;
  const size = (over: readonly string[]): number =>
    flat
      .node(find(node.inputs[0]!))
      .axes.filter((x) => over.includes(x.name))
      .reduce((n, x) => n * x.size, 1);
  const { over = [] } = node.attrs as { over?: readonly string[] | string };
  const names = typeof over === "string" ? [over] : over;
  switch (node.op) {
    case "add":
    case "sub":
      return add(a!, b!);
    case "mul":
      return mul(a!, b!);
    case "neg":
      return a!;
    case "div":
      return mul(a!, reciprocal(flat, find(node.inputs[1]!), b!));
    case "sum":
    case "mean":
      return sum(a!, names, size(names), node.id);
    case "cumulative_sum":
      return everywhere(sum(a!, names, size(names), node.id), node);
    case "dot":
      return sum(mul(a!, b!), names, size(names), node.id);
    case "exp":
      return exponential(a!, node);
    case "sigmoid":
      return below(exponential(a!, node), node, { degree: 1, terms: 2, factors: 1 }, alongAll(node), 0);
    case "tanh":
      return below(exponential(a!, node), node, { degree: 1, terms: 2, factors: 1 }, alongAll(node), 1);
    case "softmax": {
      const count = size(names);
      const e = exponential(a!, node);
      const roots = spreadParts(e.roots, names, node.id);
      return below(
        { ...e, roots },
        node,
        { degree: 1, terms: count, factors: 1 },
        new Map(node.axes.filter((x) => !names.includes(x.name)).map((x) => [x.name, x.size])),
        1,
      );
    }
    case "sqrt":
      return root(a!, node, 1);
    case "rsqrt":
      return root(a!, node, -1);
    case "pow":
      return power(flat, node, a!, b!, find);
    case "sin":
    case "cos":
      if (a!.degree === 0 && a!.factors === 0) return FIXED;
      throw new Beyond("an angle that depends on reals");
    default:
      return other(flat, node, inputs, find);
  }
}

function other(flat: Flat, node: FlatNode, inputs: readonly Info[], find: (id: number) => number): Info {
  const structural =
    hasTrait(node.op as never, "structural") || node.op === "cast" || node.op === "where" || node.op === "spread";
  if (!structural) return VARIABLE;
  const floats = inputs.filter((_, i) => flat.node(find(node.inputs[i]!)).dtype === "float");
  if (floats.length === 0) return FIXED;
  const joined = floats.reduce((x, y) => ({ ...add(x, y), terms: Math.max(x.terms, y.terms) }));
  if (node.op === "spread" || node.op === "where") return joined;
  const { from, to } = node.attrs as { from?: string; to?: string };
  const rename = (parts: ReadonlyMap<string, Part>): Map<string, Part> =>
    new Map(
      [...parts].map(([key, part]) => {
        if (node.op === "rename")
          return [key.replaceAll(`[${from}]`, `[${to}]`), { ...part, axes: moved(node, part.axes) }];
        return [`${key}@${node.id}`, { ...part, axes: moved(node, part.axes) }];
      }),
    );
  return { ...joined, below: rename(joined.below), roots: rename(joined.roots), along: moved(node, joined.along) };
}

/** The same along the axes of a structural node's result. */
function moved(node: FlatNode, along: Along): Along {
  const { from, to, axes, into } = node.attrs as {
    from?: string;
    to?: string;
    axes?: readonly string[];
    into?: string;
  };
  if (node.op === "rename") return new Map([...along].map(([x, n]) => [x === from ? to! : x, n]));
  if (node.op !== "merge") return alongAll(node);
  const merged = axes!.reduce((n, x) => n * (along.get(x) ?? 1), 1);
  const others = [...along].filter(([x]) => !axes!.includes(x));
  return new Map(merged > 1 ? [...others, [into!, merged]] : others);
}

function alongAll(node: FlatNode): Along {
  return new Map(node.axes.map((x) => [x.name, x.size]));
}

function joinAlong(a: Along, b: Along): Along {
  return new Map([...a, ...[...b].filter(([x, n]) => n >= (a.get(x) ?? 0))]);
}

/** What is summed up to each place varies along all axes. */
function everywhere(a: Info, node: FlatNode): Info {
  const all = (parts: ReadonlyMap<string, Part>): Map<string, Part> =>
    new Map([...parts].map(([key, part]) => [`${key}@${node.id}`, { ...part, axes: alongAll(node) }]));
  return { ...a, below: all(a.below), roots: all(a.roots), along: a.factors > 0 ? alongAll(node) : a.along };
}

/** How many different ones there are along some axes. */
function differing(along: Along, names: readonly string[]): number {
  return names.reduce((n, x) => n * (along.get(x) ?? 1), 1);
}

function without(along: Along, names: readonly string[]): Along {
  return new Map([...along].filter(([x]) => !names.includes(x)));
}

/** Keys tell along which axes an element is met, so that the same node elsewhere is another denominator. */
function keyOf(node: FlatNode, axes: Along): string {
  return `${node.id}:${[...axes.keys()].map((x) => `[${x}]`).join("")}`;
}

function add(a: Info, b: Info): Info {
  const both = merge(a.below, b.below, Math.max);
  const [x, y] = [over(a, both), over(b, both)];
  const factors = Math.max(x.factors, y.factors);
  return {
    degree: Math.max(x.degree, y.degree),
    terms: factors === 0 ? 1 : x.terms + y.terms,
    factors,
    below: both,
    roots: merge(a.roots, b.roots, Math.max),
    exponent: Math.max(a.exponent, b.exponent),
    along: joinAlong(a.along, b.along),
  };
}

/** The numerator over more denominators. */
function over(a: Info, all: ReadonlyMap<string, Part>): { degree: number; terms: number; factors: number } {
  let { degree, terms, factors } = a;
  for (const [key, part] of all) {
    const more = part.count - (a.below.get(key)?.count ?? 0);
    degree += more * part.degree;
    terms *= part.terms ** more;
    factors += more * part.factors;
  }
  return { degree, terms, factors };
}

function merge(
  a: ReadonlyMap<string, Part>,
  b: ReadonlyMap<string, Part>,
  count: (x: number, y: number) => number,
): Map<string, Part> {
  const made = new Map(a);
  for (const [key, part] of b) {
    const known = made.get(key);
    made.set(key, known ? { ...known, count: count(known.count, part.count) } : part);
  }
  return made;
}

function mul(a: Info, b: Info): Info {
  return {
    degree: a.degree + b.degree,
    terms: a.terms * b.terms,
    factors: a.factors + b.factors,
    below: merge(a.below, b.below, (x, y) => x + y),
    roots: merge(a.roots, b.roots, Math.max),
    exponent: Math.max(a.exponent, b.exponent),
    along: joinAlong(a.along, b.along),
  };
}

function reciprocal(flat: Flat, id: number, b: Info): Info {
  const upper = over(FIXED, b.below);
  const divisor = flat.node(id);
  return below(
    { ...FIXED, ...upper, roots: b.roots, exponent: b.exponent, along: b.along },
    divisor,
    b,
    alongAll(divisor),
    upper.degree,
  );
}

/** The value over a new denominator. */
function below(
  a: Info,
  node: FlatNode,
  divisor: { degree: number; terms: number; factors: number },
  axes: Along,
  degree: number,
): Info {
  const part: Part = { count: 1, axes, degree: divisor.degree, terms: divisor.terms, factors: divisor.factors };
  return { ...a, degree: Math.max(degree, a.degree), below: new Map([[keyOf(node, axes), part]]) };
}

function sum(a: Info, names: readonly string[], size: number, id: number): Info {
  const parts = spreadParts(a.below, names, id);
  let { degree, terms, factors } = a;
  for (const part of a.below.values()) {
    const more = part.count * (differing(part.axes, names) - 1);
    degree += more * part.degree;
    terms *= part.terms ** more;
    factors += more * part.factors;
  }
  return {
    ...a,
    degree,
    factors,
    terms: factors === 0 ? 1 : terms * Math.min(size, differing(a.along, names)),
    along: without(a.along, names),
    below: parts,
    roots: spreadParts(a.roots, names, id),
  };
}

/** What varies along a summed axis occurs once for each that differs. */
function spreadParts(parts: ReadonlyMap<string, Part>, names: readonly string[], id: number): Map<string, Part> {
  return new Map(
    [...parts].map(([key, part]) =>
      [...part.axes.keys()].some((x) => names.includes(x))
        ? [
            `${key}+${id}`,
            { ...part, count: part.count * differing(part.axes, names), axes: without(part.axes, names) },
          ]
        : [key, part],
    ),
  );
}

function exponential(a: Info, node: FlatNode): Info {
  if (a.factors > 0 || [...a.below.values()].some((p) => p.factors > 0))
    throw new Beyond("an exponential of an exponential");
  const exponent = a.degree + [...a.below.values()].reduce((n, p) => n + p.count * p.degree, 0);
  return {
    degree: 1,
    terms: 1,
    factors: exponent === 0 ? 0 : 1,
    below: new Map(),
    roots: a.roots,
    exponent,
    along: exponent === 0 ? new Map() : alongAll(node),
  };
}

function root(a: Info, node: FlatNode, sign: 1 | -1): Info {
  if (a.factors > 0 || [...a.below.values()].some((p) => p.factors > 0)) throw new Beyond("the root of an exponential");
  if (a.degree === 0 && a.below.size === 0) return FIXED;
  const axes = alongAll(node);
  const degree = a.degree + [...a.below.values()].reduce((n, p) => n + p.count * p.degree, 0);
  // A root of a root: the inner ones count too.
  const roots = merge(
    a.roots,
    new Map([[keyOf(node, axes), { count: 1, axes, degree, terms: 1, factors: 0 }]]),
    Math.max,
  );
  const made: Info = { ...VARIABLE, roots };
  return sign === 1 ? made : { ...below(made, node, VARIABLE, axes, 0), degree: 0 };
}

function power(flat: Flat, node: FlatNode, a: Info, b: Info, find: (id: number) => number): Info {
  const exponent = constantOf(flat, find(node.inputs[1]!), find);
  if (exponent === undefined) return a.degree === 0 && a.factors === 0 ? exponential(b, node) : VARIABLE;
  if (!Number.isInteger(2 * exponent) || Math.abs(exponent) > 64) return VARIABLE;
  const base = exponent < 0 ? reciprocal(flat, find(node.inputs[0]!), a) : a;
  const whole = Math.floor(Math.abs(exponent));
  let made = FIXED;
  for (let i = 0; i < whole; i++) made = mul(made, base);
  return Number.isInteger(exponent) ? made : mul(made, root(a, node, exponent < 0 ? -1 : 1));
}

/** The number that a node is, if it is a constant (perhaps cast). */
function constantOf(flat: Flat, id: number, find: (id: number) => number): number | undefined {
  const node = flat.node(id);
  if (node.op === "cast" || node.op === "spread") return constantOf(flat, find(node.inputs[0]!), find);
  if (node.op === "constant") return (node.attrs as { value: number }).value;
  return undefined;
}
