/**
 * @file A factor that is known while compiling goes into the weights: `c (x W + b)` is `x (c W) + c b`, and nothing is multiplied when the
 * model runs. The factor goes back through whatever is linear (sums, splits of heads, rotary positions, a gate) until it meets weights
 * or numbers; nobody else may read what is on the way, or all who do must want the same factor.
 *
 * Before: `%2 = dot(%0, %weight)`, `%3 = constant(0.5)`, `%4 = mul(%2, %3)`. After: `%3 = constant(0.5)`, `%4 = mul(%weight, %3)`,
 * `%5 = dot(%0, %4)`: a weight times a number, which a backend that has the capability writes as one (`backends/lowering/weights.ts`).
 */
import type { Graph, Node, NodeOf, Param, Value } from "../ir/graph.ts";
import { newValue } from "../ir/builder.ts";
import { rebuild, type Scope } from "../ir/transform.ts";
import type { PrimitiveName } from "../ops/attributes.ts";
import type { Span } from "../source/source.ts";
import { removeDead } from "./dce.ts";
import type { CallNode } from "./inline.ts";
import { Absorption, type Plan } from "./scales-plan.ts";

/** What a kernel multiplies one of its operands by before it does anything else with it. */
export interface Multiplied {
  /** The operand's name. */
  readonly operand: string;
  readonly by: number;
  /** The settings with which it does not. */
  readonly settings: CallNode["attrs"]["settings"];
}

export interface ScaleOptions {
  /** Of a call that a backend has a kernel for. */
  readonly multiplied?: ((call: CallNode) => Multiplied | undefined) | undefined;
  /** Weights are written as float16. */
  readonly halves?: boolean;
}

/** A factor that is gone. */
export interface FoldedScale {
  readonly factor: number;
  /** The weights that have it now, by their paths. */
  readonly weights: readonly string[];
  readonly span: Span | undefined;
}

/** A factor that came to a weight and stays. */
export interface KeptScale {
  readonly factor: number;
  readonly why: string;
  readonly span: Span | undefined;
}

export interface ScaleReport {
  readonly folded: readonly FoldedScale[];
  readonly kept: readonly KeptScale[];
}

/** A factor, and what it multiplies. */
interface Factor {
  readonly node: Node;
  readonly value: Value;
  readonly by: number;
  /** Of a kernel that multiplies itself. */
  readonly kernel?: Multiplied;
}

/** Each takes a factor further back, or into a weight. */
const MOST_ROUNDS = 16;
/** Beyond these a float32 of a usual weight comes near to the ends of what there is. */
const MOST = 2 ** 30;
/** The same of a half: what gets lost of one below 2^-14 is less than 2^-24. */
const MOST_OF_HALVES = 2 ** 4;

export function foldScales(graph: Graph, options: ScaleOptions = {}): { graph: Graph; report: ScaleReport } {
  const folded: FoldedScale[] = [];
  const refusal = (by: number): string | undefined => refusalOf(by, isTrained(graph), options);
  let now = graph;
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const { taken, kept } = survey(now, options, refusal);
    if (taken.size === 0) return { graph: removeDead(now), report: { folded, kept } };
    for (const [node, { factor, plan }] of taken)
      folded.push({ factor: factor.by, weights: plan.weights.map((p) => p.path), span: node.span });
    now = applied(now, taken);
  }
  return { graph: removeDead(now), report: { folded, kept: survey(now, options, refusal).kept } };
}

interface Taken {
  readonly factor: Factor;
  readonly plan: Plan;
}

/** Factors of a graph and its bodies that can go, none of which changes what another does. */
function survey(
  graph: Graph,
  options: ScaleOptions,
  refusal: (by: number) => string | undefined,
): { readonly taken: ReadonlyMap<Node, Taken>; readonly kept: readonly KeptScale[] } {
  const taken = new Map<Node, Taken>();
  const kept: KeptScale[] = [];
  const visit = (g: Graph): void => {
    const absorption = new Absorption(g);
    const touched = new Set<object>();
    for (const node of g.nodes) {
      if (node.op === "repeat") node.bodies.forEach(visit);
      const factor = factorOf(node, absorption, options);
      if (!factor) continue;
      const { plan, why = plan && refusal(factor.by) } = absorption.of(factor.value, node);
      if (why !== undefined) kept.push({ factor: factor.by, why, span: node.span });
      if (!plan || why !== undefined || touched.has(node)) continue;
      const own = [node, ...plan.edges.keys(), ...plan.weights];
      if (own.some((o) => touched.has(o))) continue;
      for (const o of own) touched.add(o);
      taken.set(node, { factor, plan });
    }
  };
  visit(graph);
  return { taken, kept };
}

/** Why no weight takes a factor. */
function refusalOf(by: number, isTrained: boolean, { halves }: ScaleOptions): string | undefined {
  const size = Math.max(Math.abs(by), 1 / Math.abs(by));
  if (isTrained)
    return "an output is one number, as what a model is trained by, and weights that are trained are the program's";
  if (!halves) return size <= MOST ? undefined : "it would make numbers of the weights that float32 hardly has";
  return size <= MOST_OF_HALVES && Number.isInteger(Math.log2(size))
    ? undefined
    : "the weights are written as float16, and would be rounded anew: only powers of two up to 16 are not lost there";
}

/** Is it what gradients are taken of? */
function isTrained({ outputs }: Graph): boolean {
  return outputs.some(({ value: { type } }) => type.dtype === "float" && type.axes.every((a) => a.size.known === 1));
}

function factorOf(node: Node, { numberOf, isWeight }: Absorption, options: ScaleOptions): Factor | undefined {
  if (node.op === "call") {
    const kernel = options.multiplied?.(node);
    if (!kernel || kernel.by === 1) return undefined;
    const at = node.attrs.operands.indexOf(kernel.operand);
    return at < 0 ? undefined : { node, value: node.inputs[at]!, by: kernel.by, kernel };
  }
  if ((node.op !== "mul" && node.op !== "div") || node.outputs[0]!.type.dtype !== "float") return undefined;
  const [a, b] = node.inputs as [Value, Value];
  const [left, right] = [numberOf(a), numberOf(b)];
  const made = (value: Value, by: number): Factor | undefined =>
    // A weight times a number is where factors end.
    value.type.dtype === "float" && !isWeight(value) && by !== 1 ? { node, value, by } : undefined;
  if (right !== undefined && left === undefined) return made(a, node.op === "mul" ? right : 1 / right);
  return node.op === "mul" && left !== undefined && right === undefined ? made(b, left) : undefined;
}

// ── The graph without them ────────────────────────────────────────────────────────────────────────────────────────────

function applied(graph: Graph, taken: ReadonlyMap<Node, Taken>): Graph {
  /** For each node on the way which operands it takes multiplied, and by what. */
  const edges = new Map<Node, { readonly operands: readonly number[]; readonly by: number }>();
  const weights = new Map<number, Param>();
  for (const { factor, plan } of taken.values()) {
    for (const [node, operands] of plan.edges) edges.set(node, { operands, by: factor.by });
    for (const p of plan.weights) weights.set(p.value.id, p);
  }
  const numbers = new Map<number, number>();
  const visit = (g: Graph): void => {
    for (const n of g.nodes) {
      if (n.op === "constant") numbers.set(n.outputs[0]!.id, n.attrs.value);
      if (n.op === "repeat") n.bodies.forEach(visit);
    }
  };
  visit(graph);
  /** Weights that have their factor, by id; each once. */
  const made = new Map<number, Value>();
  const multiplied = (operand: Value, by: number, scope: Scope, span: Span | undefined): Value => {
    const value = numbers.get(operand.id);
    if (value !== undefined) return scope.emit1("constant", [], { value: value * by, dtype: "float" }, span);
    if (!weights.has(operand.id)) return scope.get(operand);
    const known = made.get(operand.id);
    if (known) return known;
    const factor = scope.emit1("constant", [], { value: by, dtype: "float" }, span);
    const product = scope.emit1("mul", [scope.get(operand), factor], {}, span);
    made.set(operand.id, product);
    return product;
  };
  return rebuild(graph, {
    node(node, scope) {
      const own = taken.get(node);
      const edge = edges.get(node);
      const read = own?.factor.value;
      // What is multiplied may be the weight itself, or a number.
      const inputs = node.inputs.map((v, i) => {
        if (own && v.id === read!.id) return multiplied(v, own.factor.by, scope, node.span);
        return edge?.operands.includes(i) ? multiplied(v, edge.by, scope, node.span) : scope.get(v);
      });
      if (own?.factor.kernel) return kernelWithout(own.factor, inputs, scope);
      if (own) return [inputs[node.inputs.findIndex((v) => v.id === read!.id)]!];
      if (!edge) return undefined;
      return node.op === "call"
        ? scope.copyCall(node, inputs)
        : scope.emit(node.op as PrimitiveName, inputs, node.attrs, node.span);
    },
  });
}

/** A kernel that multiplies no more. Its body, which says what it means, takes the factor out of the operand that has it. */
function kernelWithout({ node, by, kernel }: Factor, inputs: readonly Value[], scope: Scope): readonly Value[] {
  const call = node as CallNode;
  const [body] = call.bodies as [Graph];
  const at = call.attrs.operands.indexOf(kernel!.operand);
  const { value } = body.inputs[at]!;
  const number = newValue({ dtype: "float", axes: [] });
  const before = newValue(value.type);
  const now = (v: Value): Value => (v.id === value.id ? before : v);
  const constant: NodeOf<"constant"> = {
    op: "constant",
    inputs: [],
    attrs: { value: by, dtype: "float" },
    outputs: [number],
    bodies: [],
  };
  const taken: NodeOf<"div"> = { op: "div", inputs: [value, number], attrs: {}, outputs: [before], bodies: [] };
  const changed: Graph = {
    ...body,
    nodes: [constant, taken, ...body.nodes.map((n) => ({ ...n, inputs: n.inputs.map(now) }) as Node)],
    outputs: body.outputs.map((o) => ({ ...o, value: now(o.value) })),
  };
  const attrs = { ...call.attrs, settings: kernel!.settings };
  return scope.copyCall({ ...call, attrs, bodies: [changed] }, inputs);
}
