/**
 * @file Two models as one net: inputs by name, weights by path and then by shape, sizes that are open made small; and a model that
 * keeps its past against one that does not.
 */
import type { Graph, Input, Output } from "../ir/graph.ts";
import { concretePath } from "../ir/paths.ts";
import { Size } from "../ir/size.ts";
import { showType, type Type } from "../ir/type.ts";
import { pastSymbol } from "../passes/cache.ts";
import { BEGUN } from "../passes/cache-last.ts";
import { bound, Flat, type Params } from "./flat.ts";
import { markSteps } from "./steps.ts";
import { Incomparable, judge, type Judged, type ModelOptions, type Sides } from "./whole.ts";

/** How the weights of the second model were found in the first. */
export interface Pairing {
  readonly byPath: number;
  /** The paths differ, the sizes are the same, in order; the first of several that fit was taken. */
  readonly byShape: readonly { readonly left: string; readonly right: string }[];
  /** Weights of the first model that the second does not read. */
  readonly onlyLeft: readonly string[];
  /** Weights of the second model for which the first has none: they are drawn by themselves. */
  readonly onlyRight: readonly string[];
}

export interface ModelReport extends Judged {
  readonly sizes: ReadonlyMap<string, number>;
  readonly pairing: Pairing;
}

/** Numbers for the open sizes: batch two, of a text four places, else three. */
export function openSizes(graphs: readonly Graph[]): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const g of graphs) {
    const symbols = g.inputs.flatMap((i) => i.value.type.axes.flatMap((a) => [...a.size.symbols]));
    for (const [i, s] of symbols.entries()) if (!sizes.has(s)) sizes.set(s, i === 0 ? 2 : 3);
    if (g.grows !== undefined) sizes.set(g.grows, 4);
  }
  return sizes;
}

/** Compares two models without a past. */
export function compareModels(a: Graph, b: Graph, options: ModelOptions): ModelReport {
  const pairs = (built: Both): (readonly [number, number])[] => {
    const left = built.left(a);
    return built.pairs(a.outputs, left, b.outputs, built.right(b));
  };
  return new Both(openSizes([a, b])).report(options, pairs, () => 1);
}

/** A model as graphs that run one after the other: what is computed once, if there is any, and a step. */
export interface Stepwise {
  readonly first?: Graph;
  readonly step: Graph;
  /** Inputs of the step that are outputs of the first, by their names outside. */
  readonly given: ReadonlyMap<string, string>;
}

/**
 * Compares a model with itself in two steps: the first `places - 1` of a text, then the last, with what the first step kept. What is
 * computed once before the steps is computed before them.
 */
export function compareCached(whole: Graph, { first, step, given }: Stepwise, options: ModelOptions): ModelReport {
  const { grows } = whole;
  if (grows === undefined) throw new Error("a model that does not grow keeps nothing");
  const pairs = (built: Both): (readonly [number, number])[] => {
    const places = built.sizes.get(grows)!;
    const left = built.left(whole);
    const ends = [places - 1, places];
    markSteps(built.flat, grows, keptAxes(whole), ends);
    const once = first ? built.once(first) : new Map<string, number>();
    const handed = new Map(
      [...given].flatMap(([inner, outer]) => (once.has(outer) ? [[inner, once.get(outer)!]] : [])),
    );
    let states = new Map<string, number>();
    const found: (readonly [number, number])[] = [];
    let start = 0;
    for (const end of ends) {
      const made = built.step(step, grows, start, end, states, handed);
      states = made.states;
      for (const [i, output] of step.outputs.entries()) {
        const from = whole.outputs.findIndex((o) => nameOf(o) === nameOf(output));
        const own = built.flat.part(left[from]!, grows, start, end);
        found.push([own, made.outputs[i]!]);
      }
      start = end;
    }
    return found;
  };
  return new Both(openSizes([whole])).report(options, pairs, (name) => (name === grows ? 2 : 1));
}

/** Axes that what is kept stands along. */
export function keptAxes(graph: Graph): ReadonlySet<string> {
  const names = new Set<string>();
  const visit = (g: Graph): void => {
    for (const node of g.nodes) {
      if (node.op === "keep") names.add(node.attrs.to);
      node.bodies.forEach(visit);
    }
  };
  visit(graph);
  return names;
}

export const nameOf = (port: Input | Output): string => port.outside ?? port.name;

class Both {
  readonly flat = new Flat();
  private readonly inputs = new Map<string, number>();
  /** The same by their names in the program. */
  private readonly inner = new Map<string, number>();
  private readonly weights = new Map<string, { readonly id: number; readonly type: Type }>();
  private readonly partners = new Map<string, number>();
  private byPath = 0;
  private readonly byShape: { left: string; right: string }[] = [];
  private readonly onlyRight: string[] = [];
  private readonly taken = new Set<string>();

  constructor(readonly sizes: ReadonlyMap<string, number>) {}

  left(graph: Graph): readonly number[] {
    const inputs = new Map(
      graph.inputs.map((input) => {
        const type = bound(input.value.type, this.sizes);
        const id = this.flat.leaf({ name: nameOf(input), kind: "operand" }, type, input.value.span);
        this.inputs.set(nameOf(input), id);
        this.inner.set(input.name, id);
        return [input.value.id, id];
      }),
    );
    return this.run(graph, inputs, (path, declared, initial) => {
      const known = this.weights.get(path);
      if (known) return known.id;
      const type = bound(declared, this.sizes);
      const id = this.flat.leaf({ name: path, kind: "weight", initial }, type, undefined);
      this.weights.set(path, { id, type });
      return id;
    });
  }

  right(graph: Graph): readonly number[] {
    // By path first: what a path names must not go to another of the same shape.
    for (const { path, type } of pathsOf(graph, this.sizes)) {
      const own = this.weights.get(path);
      if (!own || this.taken.has(path) || !sameType(own.type, type)) continue;
      this.taken.add(path);
      this.partners.set(path, own.id);
      this.byPath++;
    }
    const unmatched = [...this.inputs.keys()].filter((n) => !graph.inputs.some((i) => nameOf(i) === n));
    const inputs = new Map(
      graph.inputs.map((input) => {
        const type = bound(input.value.type, this.sizes);
        const name = this.inputs.has(nameOf(input))
          ? nameOf(input)
          : unmatched.splice(
              unmatched.findIndex((n) => fits(this.typeAt(this.inputs.get(n)!), type)),
              1,
            )[0];
        const found = name === undefined ? undefined : this.inputs.get(name);
        if (found === undefined || !fits(this.typeAt(found), type))
          throw new Incomparable(
            `the second model takes ${nameOf(input)}: ${showType(type)}; the first takes ${[...this.inputs].map(([n, id]) => `${n}: ${showType(this.typeAt(id))}`).join(", ")}`,
          );
        return [input.value.id, this.named(found, type)];
      }),
    );
    return this.run(graph, inputs, this.partner);
  }

  private readonly partner: Params = (path, declared, initial) => {
    const known = this.partners.get(path);
    if (known !== undefined) return known;
    const type = bound(declared, this.sizes);
    const found = [...this.weights].find(([p, w]) => !this.taken.has(p) && fits(w.type, type));
    let id: number;
    if (found) {
      this.taken.add(found[0]);
      this.byShape.push({ left: found[0], right: path });
      id = this.named(found[1].id, type);
    } else {
      this.onlyRight.push(path);
      id = this.flat.leaf({ name: path, kind: "weight", initial }, type, undefined);
    }
    this.partners.set(path, id);
    return id;
  };

  private run(graph: Graph, inputs: ReadonlyMap<number, number>, params: Params): readonly number[] {
    return this.flat.graph(graph, inputs, params, undefined, [], { sizes: this.sizes });
  }

  private typeAt(id: number): Type {
    const { dtype, axes } = this.flat.node(id);
    return { dtype, axes: axes.map((a) => ({ name: a.name, size: Size.of(a.size) })) };
  }

  /** The value with other names for its axes, in order. */
  private named(id: number, type: Type): number {
    const own = this.flat.node(id).axes.map((a) => a.name);
    const wanted = type.axes.map((a) => a.name);
    if (wanted.every((n) => own.includes(n))) return id;
    let made = id;
    // Through names that nothing has: one may be the new name of one axis and the old one of another.
    for (const [i, from] of own.entries())
      [made] = this.flat.infer("rename", [made], { from, to: `${from}\0${i}` }) as [number];
    for (const [i, from] of own.entries())
      [made] = this.flat.infer("rename", [made], { from: `${from}\0${i}`, to: wanted[i]! }) as [number];
    return made;
  }

  /** What a graph gives that runs before the steps, by names outside. */
  once(graph: Graph): Map<string, number> {
    const inputs = new Map(
      graph.inputs.map((input) => [
        input.value.id,
        this.named(this.inner.get(input.name)!, bound(input.value.type, this.sizes)),
      ]),
    );
    const made = this.run(graph, inputs, (path) => this.weights.get(path)!.id);
    return new Map(graph.outputs.map((o, i) => [nameOf(o), made[i]!]));
  }

  step(
    graph: Graph,
    grows: string,
    start: number,
    end: number,
    past: ReadonlyMap<string, number>,
    handed: ReadonlyMap<string, number>,
  ): { readonly outputs: readonly number[]; readonly states: Map<string, number> } {
    const sizes = new Map(this.sizes);
    sizes.set(grows, end - start).set(pastSymbol(grows), start);
    for (const [symbol, size] of this.sizes)
      if (symbol !== grows) sizes.set(pastSymbol(symbol), start === 0 ? 0 : size);
    sizes.set(BEGUN, start === 0 ? 0 : 1);
    const states = new Map<string, number>();
    const inputs = new Map(
      graph.inputs.map((input) => {
        const type = bound(input.value.type, sizes);
        let id = handed.get(nameOf(input)) ?? this.inner.get(input.name) ?? this.inputs.get(nameOf(input));
        if (id === undefined) throw new Incomparable(`a step takes ${nameOf(input)}, which the whole does not`);
        for (const [i, axis] of this.flat.node(id).axes.entries()) {
          const size = type.axes[i]!.size.known!;
          // What a step sees of an input is its own places, or all until then.
          if (axis.name === grows && size !== axis.size)
            id = size === end ? this.flat.part(id, grows, 0, end) : this.flat.part(id, grows, start, end);
        }
        return [input.value.id, this.named(id, type)];
      }),
    );
    const outputs = this.flat.graph(graph, inputs, (path) => this.weights.get(path)!.id, undefined, [], {
      sizes,
      past: (path, type) => past.get(path) ?? this.zeros(type),
      present: (path, node) => void states.set(path, node),
    });
    return { outputs, states };
  }

  /** What is handed to the first step: no places, or where it is of one size, zeros. */
  private zeros({ dtype, axes }: Type): number {
    let [made] = this.flat.infer("constant", [], { value: 0, dtype }) as [number];
    for (const axis of axes) [made] = this.flat.infer("spread", [made], { axis }) as [number];
    return made;
  }

  pairs(
    left: readonly Output[],
    a: readonly number[],
    right: readonly Output[],
    b: readonly number[],
  ): (readonly [number, number])[] {
    return right.map((output, i) => {
      const byName = left.findIndex((o) => nameOf(o) === nameOf(output));
      const at = byName >= 0 ? byName : left.length === right.length ? i : -1;
      const own = a[at];
      const other = b[i]!;
      if (own === undefined)
        throw new Incomparable(
          `the second model gives ${nameOf(output)}, and the first ${left.map(nameOf).join(", ")}`,
        );
      const wanted = this.typeAt(own);
      if (!fits(this.typeAt(other), wanted) && !sameType(this.typeAt(other), wanted))
        throw new Incomparable(
          `the output ${nameOf(output)} is ${showType(this.typeAt(other))}, and of the first model ${showType(wanted)}`,
        );
      return [own, this.named(other, wanted)] as const;
    });
  }

  /** `build` makes the pairs; `least` is the smallest size that an open one may have. */
  report(
    options: ModelOptions,
    build: (built: Both) => readonly (readonly [number, number])[],
    least: (name: string) => number,
  ): ModelReport {
    const at = (sizes: ReadonlyMap<string, number>): Sides => {
      const other = new Both(sizes);
      return { flat: other.flat, pairs: build(other) };
    };
    const judged = judge(this.sizes, options, () => ({ flat: this.flat, pairs: build(this) }), { at, least });
    const { byPath, byShape, onlyRight } = this;
    const onlyLeft = [...this.weights.keys()].filter((p) => !this.taken.has(p));
    return {
      ...judged,
      sizes: this.sizes,
      pairing: { byPath, byShape, onlyLeft: this.partners.size > 0 ? onlyLeft : [], onlyRight },
    };
  }
}

function sameType(a: Type, b: Type): boolean {
  return (
    a.dtype === b.dtype &&
    a.axes.length === b.axes.length &&
    a.axes.every((x) => b.axes.some((y) => y.name === x.name && y.size.equals(x.size)))
  );
}

/** The same sizes in order, whatever the axes are called. */
function fits(a: Type, b: Type): boolean {
  return (
    a.dtype === b.dtype && a.axes.length === b.axes.length && a.axes.every((x, i) => x.size.equals(b.axes[i]!.size))
  );
}

export function* pathsOf(
  graph: Graph,
  sizes: ReadonlyMap<string, number>,
  at: readonly number[] = [],
): Generator<{ readonly path: string; readonly type: Type }> {
  for (const p of graph.params) yield { path: concretePath(p.path, at), type: bound(p.value.type, sizes) };
  for (const node of graph.nodes)
    if (node.op === "repeat")
      for (const [i, kind] of node.attrs.schedule.entries()) yield* pathsOf(node.bodies[kind]!, sizes, [...at, i]);
}
