/** @file Which weights and numbers a factor has to be in, so that a value has it: back through what is linear. */
import type { Graph, Node, NodeOf, Param, Value } from "../ir/graph.ts";

/** How a value comes to have a factor. */
export interface Plan {
  /** The operands that have the factor, of each node between. Numbers among them are others then. */
  readonly edges: ReadonlyMap<Node, readonly number[]>;
  readonly weights: readonly Param[];
}

interface Growing extends Plan {
  /** Values that have it, numbers apart. */
  readonly values: ReadonlySet<number>;
}

/** A plan, or why there is none although a weight could have had it. */
export interface Answer {
  readonly plan: Plan | undefined;
  readonly why: string | undefined;
}

/** Enough for all of a layer. */
const MOST_STEPS = 2000;
const MOST_PLANS = 8;

interface Reader {
  readonly node: Node | undefined;
  readonly at: number;
}

/** One graph, or one body. */
export class Absorption {
  private readonly made = new Map<number, Node>();
  private readonly params = new Map<number, Param>();
  private readonly readers = new Map<number, Reader[]>();
  private readonly inner = new Map<Graph, readonly (readonly number[])[]>();
  private steps = 0;
  /** Why weights were passed by. */
  private readonly reasons: string[] = [];

  constructor(graph: Graph) {
    for (const p of graph.params) this.params.set(p.value.id, p);
    const read = (v: Value, by: Reader): void => {
      const known = this.readers.get(v.id);
      if (known) known.push(by);
      else this.readers.set(v.id, [by]);
    };
    for (const node of graph.nodes) {
      for (const v of node.outputs) this.made.set(v.id, node);
      for (const [at, v] of node.inputs.entries()) read(v, { node, at });
    }
    for (const { value } of graph.outputs) read(value, { node: undefined, at: 0 });
    for (const { present } of graph.states) read(present, { node: undefined, at: 0 });
  }

  /** The number that a value is. */
  readonly numberOf = (value: Value): number | undefined => {
    const node = this.made.get(value.id);
    return node?.op === "constant" && value.type.dtype !== "bool"
      ? (node as NodeOf<"constant">).attrs.value
      : undefined;
  };

  readonly isWeight = (value: Value): boolean => this.params.has(value.id);

  /** The plan with the fewest numbers in its weights by which `value` has a factor for `root`, its reader. */
  of(value: Value, root: Node): Answer {
    this.steps = 0;
    this.reasons.length = 0;
    let [best, least, plans] = [undefined as Growing | undefined, Infinity, 0];
    for (const plan of this.absorb(value, { edges: new Map(), weights: [], values: new Set() })) {
      if (plan.weights.length === 0 || !this.isAlone(plan, root)) continue;
      const numbers = plan.weights.reduce((n, p) => n + elements(p), 0);
      if (numbers < least) [best, least] = [plan, numbers];
      if (++plans === MOST_PLANS) break;
    }
    return { plan: best, why: best ? undefined : this.reasons[0] };
  }

  private *absorb(value: Value, plan: Growing): Generator<Growing> {
    if (++this.steps > MOST_STEPS) return;
    if (plan.values.has(value.id) || this.numberOf(value) !== undefined) return yield plan;
    if (value.type.dtype !== "float") return;
    const values = new Set(plan.values).add(value.id);
    const param = this.params.get(value.id);
    if (param) return yield { ...plan, values, weights: [...plan.weights, param] };
    const node = this.made.get(value.id);
    if (!node || node.outputs.length !== 1) return;
    const scaled = this.scaledWeight(node);
    if (scaled) {
      const edges = new Map(plan.edges).set(node, [scaled.at]);
      return yield { edges, values, weights: [...plan.weights, scaled.weight] };
    }
    for (const operands of this.choices(node)) {
      const edges = new Map(plan.edges).set(node, operands);
      yield* this.all(
        operands.map((i) => node.inputs[i]!),
        { ...plan, edges, values },
      );
    }
  }

  private *all([first, ...rest]: readonly Value[], plan: Growing): Generator<Growing> {
    if (!first) return yield plan;
    for (const grown of this.absorb(first, plan)) yield* this.all(rest, grown);
  }

  /** Is what has the factor read by those only that want it? */
  private isAlone(plan: Growing, root: Node): boolean {
    for (const id of plan.values)
      for (const { node, at } of this.readers.get(id) ?? []) {
        if (node === root || (node && plan.edges.get(node)?.includes(at))) continue;
        const weight = this.params.get(id);
        this.reasons.push(
          weight
            ? `${weight.path} is read elsewhere too, without it`
            : `what is between it and ${plan.weights.map((p) => p.path).join(", ")} is read elsewhere too, without it`,
        );
        return false;
      }
    return true;
  }

  /** Operands that together have a factor so that the result has it; each way by itself. */
  private choices(node: Node): readonly (readonly number[])[] {
    switch (node.op) {
      case "add":
      case "sub":
      case "concat":
      case "stack":
        return [node.inputs.map((_, i) => i)];
      case "mul":
      case "dot":
        return node.inputs[0]!.id === node.inputs[1]!.id ? [] : [[0], [1]];
      case "where":
        return [[1, 2]];
      case "div":
      case "lookup":
        return node.inputs[0]!.id === node.inputs[1]!.id ? [] : [[0]];
      case "neg":
      case "sum":
      case "mean":
      case "cumulative_sum":
      case "rename":
      case "transpose":
      case "split":
      case "merge":
      case "pick":
      case "slice":
      case "spread":
        return [[0]];
      case "call":
        return this.ofBody(node.bodies[0]!);
      default:
        return [];
    }
  }

  /** Of a weight times a number it is the number that changes: the weight's own factor. */
  private scaledWeight(node: Node): { readonly weight: Param; readonly at: number } | undefined {
    if (node.op !== "mul") return undefined;
    const at = node.inputs.findIndex((v) => this.numberOf(v) !== undefined);
    const weight = at < 0 ? undefined : this.params.get(node.inputs[1 - at]!.id);
    return weight && { weight, at };
  }

  /** What a composite operator is linear in, by what its body does with its operands. */
  private ofBody(body: Graph): readonly (readonly number[])[] {
    const known = this.inner.get(body);
    if (known) return known;
    const found = new Absorption(asParams(body)).inputsOf(body);
    this.inner.set(body, found);
    return found;
  }

  private inputsOf(body: Graph): readonly (readonly number[])[] {
    const [output] = body.outputs;
    if (!output || body.outputs.length !== 1) return [];
    const ways: (readonly number[])[] = [];
    for (const plan of this.absorb(output.value, { edges: new Map(), weights: [], values: new Set() })) {
      const ids = plan.weights.map((p) => p.value.id);
      const changesNumbers = [...plan.edges].some(([node, operands]) =>
        operands.some((i) => ![undefined, 0].includes(this.numberOf(node.inputs[i]!))),
      );
      const outgoing = (id: number): boolean => id === output.value.id;
      const isAlone = [...plan.values].every((id) =>
        (this.readers.get(id) ?? []).every(({ node, at }) =>
          node ? plan.edges.get(node)?.includes(at) : outgoing(id),
        ),
      );
      if (isAlone && !changesNumbers && ids.length > 0)
        ways.push(body.inputs.flatMap(({ value }, i) => (ids.includes(value.id) ? [i] : [])));
      if (ways.length === MOST_PLANS) break;
    }
    return ways;
  }
}

/** A body whose operands are what can have a factor. */
function asParams(body: Graph): Graph {
  const params = body.inputs.map(({ name, value }): Param => {
    return { path: name, value, initial: { kind: "constant", value: 0 } };
  });
  return { ...body, params };
}

function elements({ value }: Param): number {
  return value.type.axes.reduce((n, a) => n * (a.size.known ?? Infinity), 1);
}
