/**
 * @file Runs a whole graph by the meanings of its operators: the yardstick that backends, passes and laws are held against.
 * Values are plain tensors over an abstract scalar, computed one node after the other.
 */
import type { Graph, Node, NodeOf, State, Value, VerifiedGraph } from "../../ir/graph.ts";
import { concretePath } from "../../ir/paths.ts";
import { concreteStates, isGiven, isHanded, isMade } from "../../ir/states.ts";
import type { Type } from "../../ir/type.ts";
import type { AttrsOf, PrimitiveName } from "../../ops/attributes.ts";
import type { Arithmetic, Evaluation, Tensor } from "../../ops/op.ts";
import { primitives } from "../../ops/registry.ts";
import { sliced } from "../../ops/axes.ts";
import { arrange, convert, count, EvaluationError, zeros, type ConcreteAxes } from "../../ops/tensor.ts";
import { solveSizes, type Fed } from "./sizes.ts";

export interface Feed<S = number> {
  /** By the names that the graph has for them; axes in any order. */
  readonly inputs: ReadonlyMap<string, Tensor<S>>;
  /** A parameter by its concrete path, `layers.3.norm.weight`. */
  param(path: string): Tensor<S>;
  /** What was kept, by concrete path. In the first step nothing was, but what came before the steps (`isGiven`). */
  readonly states?: ReadonlyMap<string, Tensor<S>>;
}

export interface Evaluated<S = number> {
  readonly outputs: Map<string, Tensor<S>>;
  /** What is kept, by concrete path: the next step's `states`. */
  readonly states: Map<string, Tensor<S>>;
}

/** Runs a graph. Throws `EvaluationError` where what was fed does not fit it. */
export function evaluateGraph<S>(
  graph: VerifiedGraph,
  feed: Feed<S>,
  options: { readonly arithmetic: Arithmetic<S> },
): Evaluated<S> {
  return new Evaluator(graph, feed, options.arithmetic).run();
}

function evaluateNode<S, K extends PrimitiveName>(
  run: Evaluation<S>,
  op: K,
  inputs: readonly Tensor<S>[],
  attrs: AttrsOf<K>,
): readonly Tensor<S>[] {
  const { evaluate } = primitives[op];
  if (!evaluate) throw new Error(`${op} has no meaning of its own`);
  return evaluate(run, inputs, attrs);
}

class Evaluator<S> {
  private readonly sizes: Map<string, number>;
  private readonly evaluation: Evaluation<S>;
  private readonly present = new Map<string, Tensor<S>>();
  /** Whether there was a step before. */
  private readonly begun: boolean;

  constructor(
    private readonly graph: VerifiedGraph,
    private readonly feed: Feed<S>,
    arithmetic: Arithmetic<S>,
  ) {
    this.begun = concreteStates(graph).some((s) => isHanded(s) && feed.states?.has(s.path));
    this.sizes = this.solve();
    this.evaluation = { arithmetic, size: (s) => s.evaluate(this.sizes) };
  }

  run(): Evaluated<S> {
    const inputs = this.graph.inputs.map((i) => this.declared(this.inputNamed(i.name), i.value.type));
    const results = this.body(this.graph, inputs, []);
    return { outputs: new Map(this.graph.outputs.map((o, i) => [o.name, results[i]!])), states: this.present };
  }

  /** Runs a graph or a body on its inputs; `iterations` are the indices of the repeats around it. */
  private body(graph: Graph, inputs: readonly Tensor<S>[], iterations: readonly number[]): Tensor<S>[] {
    const values = new Map<number, Tensor<S>>();
    const get = (v: Value): Tensor<S> => values.get(v.id)!;
    for (const [i, input] of graph.inputs.entries()) values.set(input.value.id, inputs[i]!);
    for (const param of graph.params) {
      const path = concretePath(param.path, iterations);
      values.set(param.value.id, this.fitting(this.feed.param(path), param.value.type, `the parameter ${path}`));
    }
    for (const state of graph.states) values.set(state.past.id, this.past(state, iterations));
    for (const node of graph.nodes) {
      const results = this.node(node, node.inputs.map(get), iterations);
      for (const [i, output] of node.outputs.entries()) values.set(output.id, results[i]!);
    }
    for (const state of graph.states) this.present.set(concretePath(state.path, iterations), get(state.present));
    return graph.outputs.map((o) => get(o.value));
  }

  private node(node: Node, inputs: readonly Tensor<S>[], iterations: readonly number[]): readonly Tensor<S>[] {
    switch (node.op) {
      case "repeat":
        return this.repeat(node, inputs, iterations);
      case "call":
        return this.body(node.bodies[0]!, inputs, iterations);
      case "scan":
        return [this.scan(node, inputs, iterations)];
      default: {
        const { op, attrs } = node as unknown as NodeOf<PrimitiveName>;
        return evaluateNode(this.evaluation, op, inputs, attrs);
      }
    }
  }

  private repeat(
    { attrs, bodies }: NodeOf<"repeat">,
    inputs: readonly Tensor<S>[],
    iterations: readonly number[],
  ): readonly Tensor<S>[] {
    const captured = inputs.slice(attrs.carried);
    let carried = inputs.slice(0, attrs.carried);
    for (const [i, kind] of attrs.schedule.entries())
      carried = this.body(bodies[kind]!, [...carried, ...captured], [...iterations, i]);
    return carried;
  }

  private scan(
    { attrs, bodies }: NodeOf<"scan">,
    [start, ...xs]: readonly Tensor<S>[],
    iterations: readonly number[],
  ): Tensor<S> {
    const [body] = bodies as [Graph];
    const { axis } = attrs;
    const along = xs.flatMap((x) => x.axes).find((a) => a.name === axis)!;
    const state = this.concrete(body.inputs[0]!.value.type);
    const dtype = body.inputs[0]!.value.type.dtype;
    let now: Tensor<S> = {
      dtype,
      axes: state,
      data: arrange(this.evaluation, convert(this.evaluation, start!, dtype), state),
    };
    const axes = [along, ...state];
    const out = zeros(this.evaluation, dtype, count(axes));
    const place = (x: Tensor<S>, j: number): Tensor<S> => {
      if (!x.axes.some((a) => a.name === axis)) return x;
      const part = sliced(this.evaluation, x, axis, j, 1);
      return { ...part, axes: part.axes.filter((a) => a.name !== axis) };
    };
    for (let j = 0; j < along.size; j++) {
      now = this.body(body, [now, ...xs.map((x) => place(x, j))], iterations)[0]!;
      for (let i = 0; i < now.data.length; i++) out[j * now.data.length + i] = (now.data as ArrayLike<S>)[i]!;
    }
    return { dtype, axes, data: out };
  }

  private past(state: State, iterations: readonly number[]): Tensor<S> {
    const path = concretePath(state.path, iterations);
    const { type } = state.past;
    const { states } = this.feed;
    if (!isMade(state) && (isGiven(state) || this.begun)) {
      const fed = states?.get(path);
      if (!fed) throw new EvaluationError(`no state ${path} was fed`);
      return this.declared(this.fitting(fed, type, `the state ${path}`), type);
    }
    const axes = this.concrete(type);
    return { dtype: type.dtype, axes, data: zeros(this.evaluation, type.dtype, count(axes)) };
  }

  private inputNamed(name: string): Tensor<S> {
    const tensor = this.feed.inputs.get(name);
    if (!tensor) throw new EvaluationError(`no input ${name} was fed`);
    return tensor;
  }

  /** The symbols' numbers, from inputs and states. What nothing gives is the length of a past that is not there: 0. */
  private solve(): Map<string, number> {
    const fed: Fed[] = this.graph.inputs.map((i) => ({
      what: `the input ${i.name}`,
      type: i.value.type,
      axes: this.inputNamed(i.name).axes,
    }));
    const pasts = concreteStates(this.graph);
    for (const { path, past } of pasts) {
      const tensor = this.feed.states?.get(path);
      if (tensor) fed.push({ what: `the state ${path}`, type: past.type, axes: tensor.axes });
    }
    const sizes = solveSizes(fed);
    for (const { past } of pasts)
      for (const axis of past.type.axes)
        for (const symbol of axis.size.symbols) if (!sizes.has(symbol)) sizes.set(symbol, 0);
    return sizes;
  }

  private concrete(type: Type): ConcreteAxes {
    return type.axes.map((a) => ({ name: a.name, size: this.evaluation.size(a.size) }));
  }

  /** The tensor in the declared order of axes and dtype. */
  private declared(tensor: Tensor<S>, type: Type): Tensor<S> {
    const axes = this.concrete(type);
    return {
      dtype: type.dtype,
      axes,
      data: convert(this.evaluation, { ...tensor, axes, data: arrange(this.evaluation, tensor, axes) }, type.dtype)
        .data,
    };
  }

  private fitting(tensor: Tensor<S>, type: Type, what: string): Tensor<S> {
    const axes = this.concrete(type);
    const fits =
      tensor.axes.length === axes.length &&
      axes.every((a) => tensor.axes.some((b) => b.name === a.name && b.size === a.size));
    const show = (all: ConcreteAxes): string => `[${all.map((a) => `${a.name}=${a.size}`).join(", ")}]`;
    if (!fits) throw new EvaluationError(`${what} has the axes ${show(axes)}; ${show(tensor.axes)} was fed`);
    return this.declared(tensor, type);
  }
}
