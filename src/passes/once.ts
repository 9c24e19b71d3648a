/**
 * @file `once(x)` with a cache: x is computed in the first step, and what it was is handed on to the others.
 *
 * There is no branch in the graph. Let x have an axis of open size n that does not grow: `past_n` of its places were handed in, so
 * the other n - past_n are to be computed: all of them where the past is empty, none in later steps. What feeds nothing but `once`
 * is therefore computed of the places from `past_n` on; what it reads of the rest of the graph is sliced on the way in.
 *
 * Before: `%1: float[source, d] = dot(%memory, %w)`, `%2 = once(%1)`.
 * After: `%m = slice(%memory) {axis=source, start=past_source, size=source - past_source}`, `%1 = dot(%m, %w)`,
 * `%2: float[source, d] = concat(past, %1)`, `present = %2`.
 *
 * A `once` of what has no such axis, or several, is computed in every step; the result is the same.
 */
import { newValue } from "../ir/builder.ts";
import type { Graph, Node, NodeOf, Value } from "../ir/graph.ts";
import { Size } from "../ir/size.ts";
import { rebuild, RebuildError, type Scope } from "../ir/transform.ts";
import type { Axis } from "../ir/type.ts";
import type { AttrsOf } from "../ops/attributes.ts";
import { hasTrait } from "../ops/registry.ts";
import { cacheOrder, pastSymbol, type Cached, type StateNames } from "./cache.ts";
import { removeDead } from "./dce.ts";
import { growingValues } from "./growing.ts";
import { inlineCalls } from "./inline.ts";
import { planOnce, type OncePlan } from "./once-plan.ts";
import { statePaths } from "./state-paths.ts";

/** The graph with a state for each `once` that has one; `graph.grows` must be set. */
export function withOnce(graph: Graph, names: StateNames = () => undefined): Cached {
  const grows = graph.grows!;
  const flat = removeDead(inlineCalls(graph, (node) => !node.bodies.some(hasOnce)));
  const growing = growingValues(flat, grows);
  const changing = onceNodes(flat).filter((n) => growing.has(n.inputs[0]!.id));
  const problems = [
    ...changing.map((n) => ({
      message: `once is of what grows along ${grows}: it changes from step to step; use keep[${grows} -> ...]`,
      span: n.span,
    })),
    ...onceInScan(flat).map((n) => ({
      message: "a `scan` keeps its own state; `once` cannot stand inside it",
      span: n.span,
    })),
  ];
  if (problems.length > 0) return { problems };
  const shared = new Set(
    flat.inputs
      .filter((i) => growing.has(i.value.id))
      .flatMap((i) => i.value.type.axes.flatMap((a) => [...a.size.symbols])),
  );
  const plan = planOnce(flat, (symbol) => !shared.has(symbol));
  if (plan.onces.size === 0) return { graph: flat, problems };
  try {
    return { graph: new Oncer(plan, names, takenPaths(flat)).run(flat), problems };
  } catch (error) {
    if (!(error instanceof RebuildError)) throw error;
    return {
      problems: [
        {
          message: `what once(...) hands on cannot be computed of some places alone: ${error.message}`,
          span: error.span,
        },
      ],
    };
  }
}

function hasOnce(body: Graph): boolean {
  return onceNodes(body).length > 0;
}

function onceNodes(graph: Graph): NodeOf<"once">[] {
  return graph.nodes.flatMap((n) => (n.op === "once" ? [n] : n.bodies.flatMap(onceNodes)));
}

function onceInScan(graph: Graph): NodeOf<"once">[] {
  return graph.nodes.flatMap((n) => n.bodies.flatMap((body) => (n.op === "scan" ? onceNodes(body) : onceInScan(body))));
}

/** Paths that other operators over time have. */
function takenPaths(graph: Graph): ReadonlySet<string> {
  const paths = new Set<string>();
  const visit = (g: Graph): void => {
    for (const node of g.nodes) {
      if (node.op !== "once" && hasTrait(node.op, "temporal"))
        paths.add((node.attrs as { readonly path: string }).path);
      node.bodies.forEach(visit);
    }
  };
  visit(graph);
  return paths;
}

class Oncer {
  constructor(
    private readonly plan: OncePlan,
    private readonly names: StateNames,
    private readonly taken: ReadonlySet<string>,
  ) {}

  private paths: ReadonlyMap<number, string> = new Map();

  run(graph: Graph): Graph {
    const isState = (node: Node): boolean => node.op === "once" && this.plan.onces.has(node.outputs[0]!.id);
    this.paths = statePaths(graph, isState, this.taken);
    const made = rebuild(graph, { node: (node, scope) => this.node(node, scope) });
    const sizeNames = new Map(made.sizeNames);
    for (const symbol of new Set(this.plan.onces.values()))
      sizeNames.set(pastSymbol(symbol), `past_${graph.sizeNames.get(symbol) ?? symbol}`);
    return removeDead({ ...made, sizeNames });
  }

  private node(node: Node, scope: Scope): readonly Value[] | undefined {
    const [out] = node.outputs as [Value];
    const handed = node.op === "once" ? this.plan.onces.get(out.id) : undefined;
    if (handed !== undefined) return [this.state(node as NodeOf<"once">, handed, scope)];
    const symbol = this.plan.partial.get(out.id);
    if (symbol === undefined) return undefined;
    const inputs = node.inputs.map((v) => this.part(v, symbol, scope));
    return scope.copy({ ...node, inputs } as Node, this.attrs(node, symbol));
  }

  /** The places that are computed now: of a value that has all of them, a slice. */
  private part(old: Value, symbol: string, scope: Scope): Value {
    if (this.plan.isPartial(old)) return old;
    const axes = old.type.axes.filter((a) => a.size.symbol === symbol);
    if (axes.length === 0) return old;
    const start = Size.symbol(pastSymbol(symbol));
    const now = axes.reduce(
      (v, a) => scope.emit1("slice", [v], { axis: a.name, start, size: a.size.minus(start) }, old.span),
      scope.get(old),
    );
    const stand = newValue(now.type, old.span);
    scope.set(stand, now);
    return stand;
  }

  /** Sizes in the attributes of what is computed of some places only. */
  private attrs(node: Node, symbol: string): Node["attrs"] {
    const past = Size.symbol(pastSymbol(symbol));
    const shorter = (axis: Axis): Axis => ({
      ...axis,
      size: axis.size.substitute(new Map([[symbol, Size.symbol(symbol).minus(past)]])),
    });
    switch (node.op) {
      case "position": {
        const { axis, start } = node.attrs;
        return { axis: shorter(axis), start: axis.size.symbol === symbol ? start.plus(past) : start };
      }
      case "spread":
        return { axis: shorter(node.attrs.axis) };
      case "split":
        return { ...node.attrs, into: node.attrs.into.map(shorter) };
      case "top_k":
        return { ...node.attrs, into: shorter(node.attrs.into) };
      case "call": {
        const dims = Object.fromEntries(Object.entries(node.attrs.dims).map(([name, axis]) => [name, shorter(axis)]));
        return { ...node.attrs, dims } as AttrsOf<"call">;
      }
      default:
        return node.attrs;
    }
  }

  private state(node: NodeOf<"once">, symbol: string, scope: Scope): Value {
    const x = scope.get(this.part(node.inputs[0]!, symbol, scope));
    const size = Size.symbol(pastSymbol(symbol));
    const axis = node.inputs[0]!.type.axes.find((a) => a.size.symbol === symbol)!;
    const others = x.type.axes.filter((a) => a.name !== axis.name);
    const past = scope.state({ dtype: x.type.dtype, axes: cacheOrder(others, { ...axis, size }) }, node.span);
    const present = scope.emit1("concat", [past, x], { axes: [axis.name, axis.name], into: axis.name }, node.span);
    const path = this.paths.get(node.outputs[0]!.id)!;
    const names = this.names(path) ?? { past: `past.${path}`, present: `present.${path}` };
    scope.builder.states.push({ path, pastName: names.past, presentName: names.present, past, present });
    return present;
  }
}
