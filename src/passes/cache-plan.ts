/** @file Finds what a graph keeps along its growing axis, and which of that are inputs as they come. */
import type { Graph, Node, NodeOf, Value } from "../ir/graph.ts";
import { Size } from "../ir/size.ts";
import { axisNamed, type Dtype } from "../ir/type.ts";
import type { Span } from "../source/source.ts";

export interface CacheProblem {
  readonly message: string;
  readonly span?: Span | undefined;
}

/** What lies between an input and where it is kept. */
export type Step = { readonly kind: "cast"; readonly to: Dtype } | { readonly kind: "nonzero"; readonly zero: Dtype };

export interface KeptInput {
  /** The input's value in the graph that was planned. */
  readonly input: Value;
  readonly steps: readonly Step[];
}

export interface CachePlan {
  /** By the id of the result of each `keep` whose axis grows. */
  readonly keeps: ReadonlyMap<number, KeptInput | "state">;
  /** The ids of the results of each `previous` and `scan` along the growing axis. */
  readonly lasts: ReadonlySet<number>;
  /** Names that growing axes are kept under. */
  readonly keptNames: ReadonlySet<string>;
  /** The growing axis of each input that is kept, by the input's id. */
  readonly inputs: ReadonlyMap<number, string>;
  readonly problems: readonly CacheProblem[];
}

export function planCache(graph: Graph, grows: string): CachePlan {
  const planner = new Planner(Size.symbol(grows), grows);
  for (const input of graph.inputs) planner.origins.set(input.value.id, { input: input.value, steps: [] });
  planner.graph(graph, false);
  return planner;
}

class Planner implements CachePlan {
  readonly keeps = new Map<number, KeptInput | "state">();
  readonly lasts = new Set<number>();
  readonly keptNames = new Set<string>();
  readonly inputs = new Map<number, string>();
  readonly problems: CacheProblem[] = [];
  /** Values that are an input of the graph, up to its steps. */
  readonly origins = new Map<number, KeptInput>();
  private readonly constants = new Map<number, number>();

  constructor(
    private readonly now: Size,
    private readonly grows: string,
  ) {}

  graph(graph: Graph, inScan: boolean): void {
    for (const node of graph.nodes) {
      this.follow(node);
      if (node.op === "keep") this.keep(node, inScan);
      else if (node.op === "previous" || node.op === "scan") this.last(node, inScan);
      for (const body of node.bodies) {
        // What a body captures is what it is outside; what it is handed changes from one iteration to the next.
        const handed = node.op === "repeat" ? node.attrs.carried : node.op === "scan" ? node.inputs.length : 0;
        for (const [i, input] of body.inputs.entries())
          if (i >= handed && node.inputs[i]) this.alias(node.inputs[i], input.value);
        this.graph(body, inScan || node.op === "scan");
      }
    }
  }

  private alias(outer: Value, inner: Value): void {
    const origin = this.origins.get(outer.id);
    if (origin) this.origins.set(inner.id, origin);
    const constant = this.constants.get(outer.id);
    if (constant !== undefined) this.constants.set(inner.id, constant);
  }

  private follow(node: Node): void {
    const [out] = node.outputs as [Value];
    if (node.op === "constant") this.constants.set(out.id, node.attrs.value);
    const [a, b] = node.inputs;
    const origin = a && this.origins.get(a.id);
    if (!origin) return;
    if (node.op === "cast")
      this.origins.set(out.id, { ...origin, steps: [...origin.steps, { kind: "cast", to: node.attrs.to }] });
    if (node.op === "not_equal" && this.constants.get(b!.id) === 0)
      this.origins.set(out.id, { ...origin, steps: [...origin.steps, { kind: "nonzero", zero: b!.type.dtype }] });
  }

  /** What goes from place to place: the last place's is handed on. */
  private last(node: NodeOf<"previous"> | NodeOf<"scan">, inScan: boolean): void {
    const { axis: name } = node.attrs;
    const axis = node.inputs.flatMap((v) => axisNamed(v.type, name) ?? []).find((a) => a.size.symbols.has(this.grows));
    if (!axis || this.keptNames.has(name)) return;
    const say = (message: string): number => this.problems.push({ message, span: node.span });
    if (!axis.size.equals(this.now))
      say(`${node.op}[${name}] goes along ${axis.size.toString()} places a step, not ${this.grows}`);
    if (inScan) say(`a \`scan\` keeps its own state; ${node.op}[${name}] cannot stand inside it`);
    this.lasts.add(node.outputs[0]!.id);
  }

  private keep(node: NodeOf<"keep">, inScan: boolean): void {
    const { from, to, last } = node.attrs;
    const [x] = node.inputs as [Value];
    const axis = axisNamed(x.type, from);
    if (!axis?.size.symbols.has(this.grows)) return;
    const say = (message: string): number => this.problems.push({ message, span: node.span });
    if (!axis.size.equals(this.now))
      say(`what is kept along ${from} has ${axis.size.toString()} places a step, not ${this.grows}`);
    if (last !== null) say(`keep[${from} -> ${to}, last = ${last}] keeps a window; only whole pasts are kept`);
    if (inScan) say("a `scan` keeps its own state; `keep` cannot stand inside it");
    const origin = this.origins.get(x.id);
    this.keptNames.add(to);
    this.keeps.set(node.outputs[0]!.id, origin ?? "state");
    if (origin) this.inputs.set(origin.input.id, from);
  }
}
