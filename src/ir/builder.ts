/** @file Builds graphs: makes values, appends nodes, and captures what a body reads from the graphs around it. */
import type { Span } from "../source/source.ts";
import type { AttrsOf, PrimitiveName } from "../ops/attributes.ts";
import type { Graph, Initializer, Input, Node, NodeOf, Output, Param, State, Value } from "./graph.ts";
import type { Type } from "./type.ts";

let nextId = 1;

export function newValue(type: Type, span?: Span): Value {
  return span ? { id: nextId++, type, span } : { id: nextId++, type };
}

export class GraphBuilder {
  readonly inputs: Input[] = [];
  readonly params: Param[] = [];
  readonly states: State[] = [];
  readonly nodes: Node[] = [];
  readonly outputs: Output[] = [];
  readonly sizeNames = new Map<string, string>();
  grows: string | undefined;
  private readonly owned = new Set<number>();
  private readonly captured = new Map<number, Value>();
  /** Values of the graphs around that this body reads, in the order of their inputs. */
  readonly captures: Value[] = [];

  /** With `parent`, a body: what it does not own it captures. */
  constructor(
    readonly name: string,
    readonly parent?: GraphBuilder,
  ) {}

  input(name: string, type: Type, outside?: string, span?: Span, outsideStep?: string): Value {
    const value = this.own(newValue(type, span));
    const names = {
      ...(outside === undefined ? {} : { outside }),
      ...(outsideStep === undefined ? {} : { outsideStep }),
    };
    this.inputs.push({ name, ...names, value });
    return value;
  }

  param(path: string, type: Type, initial: Initializer, span?: Span): Value {
    const value = this.own(newValue(type, span));
    this.params.push({ path, value, initial });
    return value;
  }

  /** Appends a node whose result types the caller has inferred. */
  node<K extends PrimitiveName>(
    op: K,
    inputs: readonly Value[],
    attrs: AttrsOf<K>,
    types: readonly Type[],
    span?: Span,
    bodies: readonly Graph[] = [],
  ): readonly Value[] {
    const outputs = types.map((t) => this.own(newValue(t, span)));
    const node: NodeOf<K> = {
      op,
      inputs: inputs.map((v) => this.use(v)),
      attrs,
      outputs,
      bodies,
      ...(span ? { span } : {}),
    };
    this.nodes.push(node as unknown as Node);
    return outputs;
  }

  output(name: string, value: Value, outside?: string): void {
    const used = this.use(value);
    this.outputs.push(outside === undefined ? { name, value: used } : { name, outside, value: used });
  }

  /** The value as this graph sees it: itself if made here, else an input that captures it. */
  use(value: Value): Value {
    if (this.owned.has(value.id)) return value;
    const known = this.captured.get(value.id);
    if (known) return known;
    if (!this.parent) throw new Error(`value ${value.id} belongs to another graph`);
    this.parent.use(value);
    const inner = this.input(`captured${this.captures.length}`, value.type, undefined, value.span);
    this.captured.set(value.id, inner);
    this.captures.push(value);
    return inner;
  }

  /** True of what was made in this graph (not captured). */
  owns(value: Value): boolean {
    return this.owned.has(value.id) && !this.captures.some((c) => this.captured.get(c.id)?.id === value.id);
  }

  private own(value: Value): Value {
    this.owned.add(value.id);
    return value;
  }

  /** Takes a value made elsewhere (by a pass) as this graph's own. */
  adopt(value: Value): Value {
    return this.own(value);
  }

  build(): Graph {
    return {
      name: this.name,
      inputs: this.inputs,
      params: this.params,
      states: this.states,
      nodes: this.nodes,
      outputs: this.outputs,
      grows: this.grows,
      sizeNames: this.sizeNames,
    };
  }
}
