/** @file Draws what a law leaves open: its settings, and sizes that fit both sides, elaborated there and made one net. */
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import { diagnose, hasErrors } from "../diagnostics/diagnostic.ts";
import { elaborateSides, pathOf, type Equation, type Sides } from "../elaborate/sides.ts";
import type { Module, Program } from "../elaborate/program.ts";
import type { Initializer } from "../ir/graph.ts";
import type { Type } from "../ir/type.ts";
import type { AttrsOf } from "../ops/attributes.ts";
import type { Tensor } from "../ops/op.ts";
import type { Random } from "./field.ts";
import { Flat } from "./flat.ts";

/** A law or rewrite, with what gives its names a meaning. */
export interface LawSource {
  readonly decl: Equation;
  readonly module: Module;
  readonly program: Program;
}

/** A law at sizes and settings that fit. */
export interface Case {
  /** Sizes that were drawn, and settings as drawn, by name. */
  readonly sizes: ReadonlyMap<string, string>;
  readonly flat: Flat;
  /** Left and right nodes to be compared. */
  readonly pairs: readonly (readonly [number, number])[];
  /** One side has values in other arrangements than the other: it was read from a file. */
  readonly rearranged?: boolean;
  /** Leaves whose numbers are given. */
  readonly fixed?: ReadonlyMap<number, Tensor<number>>;
}

export type Drawn = { readonly case: Case } | { readonly diagnostics: readonly Diagnostic[] };

/** Mistakes that other sizes may not have. */
const OF_SIZES: ReadonlySet<string> = new Set([
  "setting/inexact",
  "setting/not-whole",
  "axis/split-size",
  "axis/two-sizes",
  "axis/out-of-range",
  "axis/missing",
  "type/index",
  "law/sides",
  "axis/size",
]);
const OF_TYPES: ReadonlySet<string> = new Set(["axis/missing", "type/index", "law/sides"]);
const MOST_TRIES = 240;

/** Whether some choice of sizes may mend it. */
export function isOfSizes(d: Diagnostic): boolean {
  return OF_SIZES.has(d.code);
}

/** Which sizes are tried, in order, for the i-th name that is asked for. */
export type Preference = (i: number, name: string) => readonly number[];

const PRIMES = [2, 3, 5, 7];
const OTHERS = [6, 2, 4, 12, 3, 8, 24, 5, 16, 7, 1];

/** Distinct primes where they fit. `turn` makes another choice. */
export function distinctSizes(turn: number): Preference {
  return (i, name) => [...new Set([name === "batch" ? 2 : PRIMES[(i + turn) % PRIMES.length]!, ...OTHERS])];
}

/** The smallest that fit. */
export const smallSizes: Preference = () => [1, 2, 3, 4, 6, 8, 12, 16];

/** How many more choices are tried for sizes that tell more, once some fit. */
const MORE_TRIES = 24;

/**
 * Tries sizes until both sides have types; a mistake that is not one of sizes is final. With `telling`, goes on for a while to find
 * sizes of more than one, and weights that are not square: at others false laws hold.
 */
export function drawCase(
  source: LawSource,
  preference: Preference,
  random: Random,
  skip: ReadonlySet<string> = new Set(),
  telling = false,
): Drawn {
  let best: { case: Case; score: number } | undefined;
  let more = MORE_TRIES;
  const names: string[] = [];
  const suspects: string[] = [];
  const tried = new Set<string>();
  const picks = new Map<string, number>();
  let last: readonly Diagnostic[] = [];
  const waiting: (readonly number[])[] = [[]];
  for (let tries = 0; tries < MOST_TRIES && !(best && more-- <= 0); tries++) {
    const choice = waiting.shift();
    if (!choice) break;
    const sizes = new Map<string, string>();
    picks.clear();
    const { sides, diagnostics } = elaborateSides(source.program, source.decl, source.module, {
      size(name) {
        if (!names.includes(name)) names.push(name);
        const all = preference(names.indexOf(name), name);
        const at = suspects.indexOf(name);
        const size = all[Math.min(at < 0 ? 0 : (choice[at] ?? 0), all.length - 1)]!;
        sizes.set(name, String(size));
        return size;
      },
      pick(_name, count) {
        return Math.floor(random() * count);
      },
    });
    if (sides) {
      for (const s of sides.settings) sizes.set(s.name, s.text);
      const made = flatten(sides);
      if ("diagnostics" in made) return made;
      const found = { ...made, sizes };
      if (!skip.has(keyOf(found))) {
        const score = telling ? dullness(found) : 0;
        if (score === 0) return { case: found };
        if (!best || score < best.score) best = { case: found, score };
      }
    } else {
      last = diagnostics;
      if (!diagnostics.some(isOfSizes)) return { diagnostics };
      for (const name of names) if (!suspects.includes(name) && mentions(diagnostics, name)) suspects.push(name);
    }
    if (suspects.length === 0) suspects.push(...names);
    // Breadth first by how far all choices are from the preferred ones.
    const next = suspects.map((_, i) => suspects.map((_s, j) => (choice[j] ?? 0) + (i === j ? 1 : 0)));
    for (const n of next) {
      const key = n.join(",");
      const beyond = n.some((at, i) => at >= preference(names.indexOf(suspects[i]!), suspects[i]!).length);
      if (beyond || tried.has(key)) continue;
      tried.add(key);
      waiting.push(n);
    }
    if (waiting.length > 0) continue;
    // No size of those that the mistakes name fits the others: these are tried as well, all from the start.
    const rest = names.filter((name) => !suspects.includes(name));
    suspects.push(...rest);
    if (rest.length > 0) tried.clear();
    waiting.push(rest.length > 0 ? [] : choice);
  }
  if (best) return { case: best.case };
  const [first] = last;
  // Types that do not fit at any size are a mistake of their own.
  if (first && OF_TYPES.has(first.code)) return { diagnostics: last };
  return {
    diagnostics: [
      diagnose("law/no-sizes", { tried: MOST_TRIES }, source.decl.title.span, {
        related: first?.span ? [{ span: first.span, message: first.message }] : [],
        hint: "state sizes that fit after `for`",
      }),
    ],
  };
}

/** Axes of size one, and pairs of axes of one size on one weight. */
function dullness(c: Case): number {
  const ones = new Set<string>();
  let squares = 0;
  for (const node of c.flat.nodes) {
    for (const axis of node.axes) if (axis.size === 1) ones.add(axis.name);
    if (node.leaf?.kind === "weight") squares += node.axes.length - new Set(node.axes.map((a) => a.size)).size;
  }
  return 2 * ones.size + squares;
}

export function keyOf(c: Case): string {
  return [...c.sizes].map(([n, s]) => `${n}=${s}`).join(",");
}

function mentions(diagnostics: readonly Diagnostic[], name: string): boolean {
  const texts = diagnostics.flatMap((d) => [d.message, d.hint ?? "", ...d.related.map((r) => r.message)]);
  return texts.some((t) => new RegExp(`(?<![\\w])${name}(?![\\w])`).test(t));
}

/** The node of numbers that a `where` gives. */
function constant(flat: Flat, tie: ReturnType<Sides["fixed"]>): number | undefined {
  return tie?.kind === "graph" ? flat.graph(tie.graph, new Map(), () => 0)[0] : undefined;
}

/**
 * Where the left side is a slice of a value, or its places in another order, the right side may compute the same of everything that goes
 * into it: marks those, along the axis and the axes that are the same under another name.
 */
function markParts(flat: Flat, left: readonly number[]): void {
  for (const root of left) {
    const { op, attrs, inputs } = flat.node(root);
    const { axis } = attrs as { readonly axis?: string };
    const index = op === "lookup" ? flat.node(inputs[1]!) : undefined;
    const ordered = index && !index.drawn && index.axes.length === 1 && index.axes[0]!.name === axis;
    if (axis === undefined || (op !== "slice" && !ordered)) continue;
    const { start, size } = attrs as AttrsOf<"slice">;
    const along = (x: number, name: string): number => {
      if (!index) return flat.infer("slice", [x], { axis: name, start, size })[0]!;
      const own = name === axis ? index.id : flat.infer("rename", [index.id], { from: axis, to: name })[0]!;
      return flat.infer("lookup", [x, own], { axis: name })[0]!;
    };
    const whole = flat.node(inputs[0]!).axes.find((a) => a.name === axis)!.size;
    const names = namesOf(flat, axis);
    for (const n of flat.cone([inputs[0]!]).map((id) => flat.node(id))) {
      if (n.dtype !== "float" || n.op === "leaf") continue;
      let part = n.id;
      for (const a of n.axes) if (names.has(a.name) && a.size === whole) part = along(part, a.name);
      flat.view(part, n.id);
    }
  }
}

/** What an axis is called, here or there. */
function namesOf(flat: Flat, axis: string): ReadonlySet<string> {
  const names = new Set([axis]);
  for (const n of flat.nodes) {
    if (n.op !== "rename") continue;
    const { from, to } = n.attrs as AttrsOf<"rename">;
    if (names.has(from)) names.add(to);
  }
  return names;
}

/** Both sides as one net; weights of the right side stand for what ties them to the left. */
function flatten(sides: Sides): Omit<Case, "sizes"> | { readonly diagnostics: readonly Diagnostic[] } {
  const flat = new Flat();
  const inputs = new Map(
    sides.graph.inputs.map((i) => [
      i.value.id,
      constant(flat, sides.fixed("operand", i.name, i.value.type)) ??
        flat.leaf({ name: i.name, kind: "operand" }, i.value.type, i.value.span),
    ]),
  );
  const leaves = new Map<string, number>();
  const types = new Map<string, Type>();
  const weight = (path: string, type: Type, initial: Initializer): number => {
    const name = pathOf(path);
    const known = leaves.get(name);
    if (known !== undefined) return known;
    const made =
      constant(flat, sides.fixed("left", name, type)) ?? flat.leaf({ name, kind: "weight", initial }, type, undefined);
    leaves.set(name, made);
    types.set(name, type);
    return made;
  };
  const left = flat.graph(sides.graph, inputs, weight, sides.left);
  markParts(flat, left);
  const tied = new Map<string, number>();
  const right = flat.graph(
    sides.graph,
    inputs,
    (path, type) => {
      const name = pathOf(path);
      const known = tied.get(name);
      if (known !== undefined) return known;
      const tie = sides.tie(name, type, types);
      let made = leaves.get(name) ?? 0;
      if (tie.kind === "graph")
        made = flat.graph(
          tie.graph,
          new Map(tie.graph.inputs.map((i) => [i.value.id, leaves.get(i.name)!])),
          weight,
        )[0]!;
      else if (tie.kind === "failed") made = flat.leaf({ name, kind: "weight" }, type, undefined);
      tied.set(name, made);
      return made;
    },
    sides.right,
  );
  const diagnostics = sides.diagnostics();
  return hasErrors(diagnostics) ? { diagnostics } : { flat, pairs: left.map((l, i) => [l, right[i]!] as const) };
}
