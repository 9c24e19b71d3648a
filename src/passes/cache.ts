/**
 * @file Turns a graph that grows into one that decodes: `keep` hands on from step to step what earlier places left behind.
 *
 * Along the growing axis, of size `seq`, the graph computes the new places only; `past_seq` is the number of those before. What
 * is kept becomes a state (past, then present, on the kept axis), unless it is an input: that is passed whole, and its other
 * readers see the last places of it. Of what goes from place to place (`cache-last.ts`) the last place is the state.
 * `position(seq)` counts from `past_seq`, the kept axis from 0.
 *
 * Before: `%1: float[batch, keys=seq, d=8] = keep(%0) {from=seq, to=keys}`.
 * After: `%1: float[batch, keys=past_seq, d=8] = past k`, `%2: float[batch, keys=past_seq + seq, d=8] = concat(%1, %0)`, `present k = %2`.
 */
import type { Graph, Node, NodeOf, Value } from "../ir/graph.ts";
import { rebuild, RebuildError, type Scope } from "../ir/transform.ts";
import { Size } from "../ir/size.ts";
import { axisNamed, type Axis, type Type } from "../ir/type.ts";
import type { AttrsOf } from "../ops/attributes.ts";
import { hasTrait } from "../ops/registry.ts";
import { removeDead } from "./dce.ts";
import { inlineCalls } from "./inline.ts";
import { handOnLast, type StateEnds } from "./cache-last.ts";
import { planCache, type CachePlan, type CacheProblem, type KeptInput } from "./cache-plan.ts";
import { findMixing } from "./cache-mixing.ts";
import { statePaths } from "./state-paths.ts";

export type { CacheProblem } from "./cache-plan.ts";

export interface Cached {
  /** Where there are no problems. */
  readonly graph?: Graph;
  readonly problems: readonly CacheProblem[];
}

/** Names at the boundary for what is kept at a path; both hold `{0}` as the path does. */
export type StateNames = (path: string) => { readonly past: string; readonly present: string } | undefined;

/** The symbol for the number of places before this step's. */
export function pastSymbol(grows: string): string {
  return `past_${grows}`;
}

export function withCache(graph: Graph, names: StateNames = () => undefined): Cached {
  if (graph.grows === undefined) return { problems: [{ message: `${graph.name} does not grow along any axis` }] };
  // What is kept belongs to the graph, not to the body of a composite.
  const flat = removeDead(inlineCalls(graph, (node) => !node.bodies.some(isTemporal)));
  const plan = planCache(flat, graph.grows);
  const problems = [...plan.problems, ...findMixing(flat, graph.grows, plan.keptNames)];
  if (problems.length > 0) return { problems };
  try {
    return { graph: new Cacher(plan, graph.grows, names).run(flat), problems };
  } catch (error) {
    if (!(error instanceof RebuildError)) throw error;
    const message = `with a cache the kept axes are longer than ${graph.grows}: ${error.message}`;
    return { problems: [{ message, span: error.span }] };
  }
}

/** Without a cache `keep` is a renaming (where the value has the axis) and `once` nothing. */
export function withoutCache(graph: Graph): Graph {
  return rebuild(graph, {
    node(node, scope) {
      if (node.op === "once") return scope.inputs(node);
      if (node.op !== "keep") return undefined;
      const [x] = scope.inputs(node) as [Value];
      const { from, to } = node.attrs;
      return axisNamed(x.type, from) ? scope.emit("rename", [x], { from, to }, node.span) : [x];
    },
  });
}

function isTemporal(body: Graph): boolean {
  return body.nodes.some((n) => hasTrait(n.op, "temporal") || n.bodies.some(isTemporal));
}

class Cacher {
  private readonly now: Size;
  private readonly past: Size;
  private readonly all: Size;
  /** The kept inputs with all their places. */
  private readonly whole = new Map<number, Value>();
  private paths: ReadonlyMap<number, string> = new Map();

  constructor(
    private readonly plan: CachePlan,
    private readonly grows: string,
    private readonly names: StateNames,
  ) {
    this.now = Size.symbol(grows);
    this.past = Size.symbol(pastSymbol(grows));
    this.all = this.past.plus(this.now);
  }

  run(graph: Graph): Graph {
    const { keeps, lasts } = this.plan;
    this.paths = statePaths(
      graph,
      ({ outputs: [out] }) => !!out && (keeps.get(out.id) === "state" || lasts.has(out.id)),
    );
    const cached = rebuild(graph, {
      node: (node, scope) => this.node(node, scope),
      input: ({ value }) => {
        const kept = this.plan.inputs.get(value.id);
        return kept === undefined ? value.type : this.resized(value.type, kept, this.all);
      },
      read: (input, value, scope) => this.read(input.value, value, scope),
    });
    const outside = graph.sizeNames.get(this.grows);
    const sizeNames = new Map(cached.sizeNames);
    if (outside !== undefined) sizeNames.set(pastSymbol(this.grows), `past_${outside}`);
    return removeDead({ ...cached, sizeNames });
  }

  /** A kept input's readers see this step's places. */
  private read(old: Value, value: Value, scope: Scope): Value {
    const axis = this.plan.inputs.get(old.id);
    if (axis === undefined) return value;
    this.whole.set(old.id, value);
    return scope.emit1("slice", [value], { axis, start: this.past, size: this.now }, old.span);
  }

  private node(node: Node, scope: Scope): readonly Value[] | undefined {
    switch (node.op) {
      case "keep": {
        const kept = this.plan.keeps.get(node.outputs[0]!.id);
        if (!kept) return undefined;
        return [kept === "state" ? this.state(node, scope) : this.wholeInput(node, kept, scope)];
      }
      case "previous":
      case "scan": {
        if (!this.plan.lasts.has(node.outputs[0]!.id)) return undefined;
        return handOnLast(node, scope, (ends) => this.addState(node, ends, scope));
      }
      case "position": {
        const { axis, start } = node.attrs;
        if (!axis.size.equals(this.now)) return undefined;
        const attrs = this.plan.keptNames.has(axis.name)
          ? { axis: this.lengthened(axis), start }
          : { axis, start: start.plus(this.past) };
        return scope.copy(node, attrs);
      }
      case "spread":
        return scope.copy(node, { axis: this.lengthened(node.attrs.axis) });
      case "split":
        return scope.copy(node, { ...node.attrs, into: node.attrs.into.map((a) => this.lengthened(a)) });
      case "top_k":
        return scope.copy(node, { ...node.attrs, into: this.lengthened(node.attrs.into) });
      case "call": {
        const dims = Object.fromEntries(
          Object.entries(node.attrs.dims).map(([name, axis]) => [name, this.lengthened(axis)]),
        );
        return scope.copy<"call">(node, { ...node.attrs, dims } as AttrsOf<"call">);
      }
      default:
        return undefined;
    }
  }

  /** A kept axis has all places so far. */
  private lengthened(axis: Axis): Axis {
    if (!this.plan.keptNames.has(axis.name)) return axis;
    return { ...axis, size: axis.size.substitute(new Map([[this.grows, this.all]])) };
  }

  private resized(type: Type, name: string, size: Size): Type {
    return { ...type, axes: type.axes.map((a) => (a.name === name ? { ...a, size } : a)) };
  }

  /** A kept input: the same steps from the input on, for all places. */
  private wholeInput(node: NodeOf<"keep">, kept: KeptInput, scope: Scope): Value {
    let value = this.whole.get(kept.input.id)!;
    for (const step of kept.steps) {
      if (step.kind === "cast") value = scope.emit1("cast", [value], { to: step.to }, node.span);
      else
        value = scope.emit1(
          "not_equal",
          [value, scope.emit1("constant", [], { value: 0, dtype: step.zero }, node.span)],
          {},
          node.span,
        );
    }
    const { from, to } = node.attrs;
    return scope.emit1("rename", [value], { from, to }, node.span);
  }

  private state(node: NodeOf<"keep">, scope: Scope): Value {
    const [x] = scope.inputs(node) as [Value];
    const { from, to } = node.attrs;
    const kept: Axis = { ...axisNamed(x.type, from)!, name: to, size: this.past };
    const past = scope.state(
      {
        dtype: x.type.dtype,
        axes: cacheOrder(
          x.type.axes.filter((a) => a.name !== from),
          kept,
        ),
      },
      node.span,
    );
    const present = scope.emit1("concat", [past, x], { axes: [to, from], into: to }, node.span);
    this.addState(node, { past, present }, scope);
    return present;
  }

  private addState(node: Node, { past, present }: StateEnds, scope: Scope): void {
    const path = this.paths.get(node.outputs[0]!.id)!;
    const names = this.names(path) ?? { past: `past.${path}`, present: `present.${path}` };
    scope.builder.states.push({ path, pastName: names.past, presentName: names.present, past, present });
  }
}

/** The kept axis stands second to last, as in [batch, heads, places, head_dim]. */
export function cacheOrder(others: readonly Axis[], kept: Axis): readonly Axis[] {
  return others.length === 0 ? [kept] : [...others.slice(0, -1), kept, others.at(-1)!];
}
