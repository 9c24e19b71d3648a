/**
 * @file Rebuilds a graph node by node: what every pass is made of. The rules of types run again on the way, so that a changed
 * type flows on; a hook may replace a node.
 *
 * A value of an outer graph may be used anywhere inside: the body that uses it captures it then, and only then. So captures that
 * nobody reads are gone after any rebuilding.
 */
import type { AttrsOf, PrimitiveName } from "../ops/attributes.ts";
import type { Problem } from "../ops/op.ts";
import { infer } from "../ops/registry.ts";
import type { Span } from "../source/source.ts";
import { GraphBuilder, newValue } from "./builder.ts";
import type { Graph, Input, Node, NodeOf, Param, Value } from "./graph.ts";
import { sameType, showType, type Type } from "./type.ts";

export interface Hooks {
  /** What stands for the node's results in the new graph, none if nothing will read them; `undefined` copies the node. */
  node?(node: Node, scope: Scope): readonly Value[] | undefined;
  /** Whether a parameter stays. */
  param?(param: Param): boolean;
  /** Another type for an input of the graph itself, and what its readers see in place of it. */
  input?(input: Input): Type;
  read?(input: Input, value: Value, scope: Scope): Value;
  /** Called when all nodes of a graph or body are there. */
  finish?(scope: Scope): void;
}

/** A changed type that does not fit an operator any more. */
export class RebuildError extends Error {
  override readonly name = "RebuildError";
  constructor(
    message: string,
    readonly span: Span | undefined,
    readonly problem: Problem | undefined,
  ) {
    super(message);
  }
}

export function rebuild(graph: Graph, hooks: Hooks): Graph {
  const scope = new Scope(new GraphBuilder(graph.name), hooks, undefined, "graph");
  for (const [size, outside] of graph.sizeNames) scope.builder.sizeNames.set(size, outside);
  scope.builder.grows = graph.grows;
  const values = graph.inputs.map((input) =>
    scope.input(
      input.name,
      hooks.input?.(input) ?? input.value.type,
      input.outside,
      input.value.span,
      input.outsideStep,
    ),
  );
  for (const [i, input] of graph.inputs.entries())
    scope.set(input.value, hooks.read?.(input, values[i]!, scope) ?? values[i]!);
  scope.content(graph);
  for (const output of graph.outputs) scope.builder.output(output.name, scope.get(output.value), output.outside);
  hooks.finish?.(scope);
  return scope.builder.build();
}

/** How a value was made, in the new graph. */
export type Definition = Pick<Node, "op" | "inputs" | "attrs">;

/** One graph or body while it is rebuilt. */
export class Scope {
  private readonly values = new Map<number, Value>();
  private readonly definitions: Map<number, Definition>;
  private readonly owners: Map<number, Scope>;
  /** The number of graphs around. */
  readonly depth: number;

  constructor(
    readonly builder: GraphBuilder,
    private readonly hooks: Hooks,
    readonly parent: Scope | undefined,
    readonly kind: "graph" | "repeat" | "call" | "scan",
  ) {
    this.depth = parent ? parent.depth + 1 : 0;
    this.definitions = parent ? parent.definitions : new Map();
    this.owners = parent ? parent.owners : new Map();
  }

  /** What stands for an old value: of this graph or of one around it. */
  get(old: Value): Value {
    const known = this.values.get(old.id);
    if (!known) throw new Error(`value ${old.id} (${showType(old.type)}) is read before it is made`);
    return known;
  }

  set(old: Value, now: Value): void {
    this.values.set(old.id, now);
  }

  inputs(node: Node): readonly Value[] {
    return node.inputs.map((v) => this.get(v));
  }

  /** How a new value was made; undefined for inputs, parameters and states. */
  definition(value: Value): Definition | undefined {
    return this.definitions.get(value.id);
  }

  /** Whether a new value is made in this graph or in one around it, so that nodes here can read it. */
  sees(value: Value): boolean {
    const owner = this.owners.get(value.id);
    for (let scope: Scope | undefined = this; scope; scope = scope.parent) if (scope === owner) return true;
    return false;
  }

  private own(value: Value): Value {
    this.owners.set(value.id, this);
    return value;
  }

  input(name: string, type: Type, outside: string | undefined, span: Span | undefined, outsideStep?: string): Value {
    return this.own(this.builder.input(name, type, outside, span, outsideStep));
  }

  /** Appends a node with inferred types. */
  emit<K extends PrimitiveName>(
    op: K,
    inputs: readonly Value[],
    attrs: AttrsOf<K>,
    span?: Span,
    bodies: readonly Graph[] = [],
  ): readonly Value[] {
    const inferred = infer(
      op,
      inputs.map((v) => v.type),
      attrs,
      bodies,
    );
    if ("problem" in inferred) {
      const types = inputs.map((v) => showType(v.type)).join(", ");
      throw new RebuildError(`${op} of ${types} does not fit: ${inferred.problem.kind}`, span, inferred.problem);
    }
    const outputs = this.builder.node(op, inputs, attrs, inferred.types, span, bodies);
    for (const output of outputs)
      this.definitions.set(this.own(output).id, { op, inputs, attrs } as unknown as Definition);
    return outputs;
  }

  emit1<K extends PrimitiveName>(op: K, inputs: readonly Value[], attrs: AttrsOf<K>, span?: Span): Value {
    return this.emit(op, inputs, attrs, span)[0]!;
  }

  /** The past of a state that the caller adds to the builder. */
  state(type: Type, span: Span | undefined): Value {
    return this.own(this.builder.adopt(newValue(type, span)));
  }

  /** The parameters, states and nodes of a graph whose inputs are set. */
  content(graph: Graph): void {
    for (const param of graph.params) {
      if (this.hooks.param?.(param) === false) continue;
      this.set(
        param.value,
        this.own(this.builder.param(param.path, param.value.type, param.initial, param.value.span)),
      );
    }
    const pasts = graph.states.map((s) => this.state(s.past.type, s.past.span));
    for (const [i, state] of graph.states.entries()) this.set(state.past, pasts[i]!);
    for (const node of graph.nodes) this.visit(node);
    for (const [i, state] of graph.states.entries())
      this.builder.states.push({ ...state, past: pasts[i]!, present: this.builder.use(this.get(state.present)) });
  }

  private visit(node: Node): void {
    const made = this.hooks.node?.(node, this) ?? this.copy(node);
    for (const [i, value] of made.entries()) this.set(node.outputs[i]!, value);
  }

  /** The nodes of a body in this graph itself; gives what stands for its outputs. */
  inline(body: Graph, inputs: readonly Value[]): readonly Value[] {
    for (const [i, input] of body.inputs.entries()) this.set(input.value, inputs[i]!);
    this.content(body);
    return body.outputs.map((o) => this.get(o.value));
  }

  /** The same node on what stands for its operands, its bodies rebuilt; `attrs` may be changed. */
  copy<K extends PrimitiveName>(
    node: NodeOf<K> | Node,
    attrs: AttrsOf<K> = node.attrs as AttrsOf<K>,
  ): readonly Value[] {
    const changed = { ...node, attrs } as unknown as Node;
    switch (changed.op) {
      case "repeat":
        return this.copyRepeat(changed);
      case "call":
        return this.copyCall(changed, this.inputs(changed));
      case "scan":
        return this.copyScan(changed, this.inputs(changed));
      default:
        return this.emit(node.op as K, this.inputs(changed), attrs, node.span);
    }
  }

  private copyRepeat(node: NodeOf<"repeat">): readonly Value[] {
    const { carried } = node.attrs;
    const first = node.inputs.slice(0, carried).map((v) => this.get(v));
    // What no body reads any more may be gone: an inner value is looked for when it is read.
    const captured = node.inputs.slice(carried).map((v) => this.values.get(v.id));
    const bodies = node.bodies.map((body) => {
      const inner = new Scope(new GraphBuilder(body.name, this.builder), this.hooks, this, "repeat");
      for (const [i, v] of first.entries())
        inner.set(body.inputs[i]!.value, inner.input(body.inputs[i]!.name, v.type, undefined, v.span));
      for (const [i, v] of captured.entries()) if (v) inner.set(body.inputs[carried + i]!.value, v);
      inner.close(body);
      return inner.builder;
    });
    for (const body of bodies) this.checkCarried(node, body, first);
    const { captures, graphs } = this.shareCaptures(bodies, carried);
    return this.emit("repeat", [...first, ...captures], node.attrs, node.span, graphs);
  }

  /** Rebuilds all of a body whose inputs are set. */
  private close(body: Graph): void {
    this.content(body);
    for (const output of body.outputs) this.builder.output(output.name, this.get(output.value));
    this.hooks.finish?.(this);
  }

  private checkCarried(node: NodeOf<"repeat">, body: GraphBuilder, carried: readonly Value[]): void {
    for (const [i, { value }] of body.outputs.entries()) {
      const expected = carried[i]!.type;
      if (!sameType(value.type, expected))
        throw new RebuildError(
          `an iteration takes ${showType(expected)} and gives ${showType(value.type)}`,
          node.span,
          undefined,
        );
    }
  }

  /** Gives all bodies of a repeat the same captured inputs, those that any of them reads. */
  private shareCaptures(bodies: readonly GraphBuilder[], carried: number): { captures: Value[]; graphs: Graph[] } {
    // One outer value may have been captured under two ids: its own, and the one it has as this graph's own capture.
    const captures = new Map<number, Value>();
    const own = bodies.map((body) => body.captures.map((v) => this.builder.use(v)));
    for (const v of own.flat()) captures.set(v.id, v);
    const all = [...captures.values()];
    const graphs = bodies.map((body, b) => {
      const built = body.build();
      const inputs = all.map((v, i) => {
        const at = own[b]!.findIndex((o) => o.id === v.id);
        return { name: `captured${i}`, value: at < 0 ? newValue(v.type, v.span) : built.inputs[carried + at]!.value };
      });
      return replaceTwins(
        { ...built, inputs: [...built.inputs.slice(0, carried), ...inputs] },
        twins(own[b]!, built.inputs.slice(carried)),
      );
    });
    return { captures: all, graphs };
  }

  /** The same application on these operands, whose types may have changed. */
  copyCall(node: NodeOf<"call">, inputs: readonly Value[]): readonly Value[] {
    const { graph, captures } = this.operandBody(
      node.bodies[0]!,
      inputs.map((v) => v.type),
      "call",
    );
    const operands = [...node.attrs.operands, ...captures.map((_, i) => `captured${i}`)];
    return this.emit("call", [...inputs, ...captures], { ...node.attrs, operands }, node.span, [graph]);
  }

  private copyScan(node: NodeOf<"scan">, inputs: readonly Value[]): readonly Value[] {
    const { axis } = node.attrs;
    const [body] = node.bodies as [Graph];
    const along = inputs.slice(1).map(({ type }) => ({ ...type, axes: type.axes.filter((a) => a.name !== axis) }));
    const { graph, captures } = this.operandBody(body, [body.inputs[0]!.value.type, ...along], "scan");
    return this.emit("scan", [...inputs, ...captures], node.attrs, node.span, [graph]);
  }

  /** A body all of whose inputs are operands; what it reads beyond these becomes further operands. */
  private operandBody(
    body: Graph,
    types: readonly Type[],
    kind: "call" | "scan",
  ): { graph: Graph; captures: readonly Value[] } {
    const inner = new Scope(new GraphBuilder(body.name, this.builder), this.hooks, this, kind);
    for (const [i, input] of body.inputs.entries())
      inner.set(input.value, inner.input(input.name, types[i]!, undefined, input.value.span));
    inner.close(body);
    return { graph: inner.builder.build(), captures: inner.builder.captures.map((v) => this.builder.use(v)) };
  }
}

/** Inputs that are the same capture as an earlier one, by id. */
function twins(outer: readonly Value[], inner: readonly Input[]): ReadonlyMap<number, Value> {
  const same = new Map<number, Value>();
  for (const [i, v] of outer.entries()) {
    const first = outer.findIndex((o) => o.id === v.id);
    if (first < i) same.set(inner[i]!.value.id, inner[first]!.value);
  }
  return same;
}

/** Reads other values in place of some inputs. */
function replaceTwins(graph: Graph, same: ReadonlyMap<number, Value>): Graph {
  if (same.size === 0) return graph;
  const now = (v: Value): Value => same.get(v.id) ?? v;
  return {
    ...graph,
    nodes: graph.nodes.map((n) => ({ ...n, inputs: n.inputs.map(now) }) as Node),
    outputs: graph.outputs.map((o) => ({ ...o, value: now(o.value) })),
    states: graph.states.map((s) => ({ ...s, present: now(s.present) })),
  };
}
