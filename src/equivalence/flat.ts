/**
 * @file Two graphs as one flat net of primitive operators at concrete sizes: composites taken apart, repeats and scans unrolled,
 * equal subterms one node. So what both sides compute in the same way is the same node already.
 */
import type { Graph, Node, NodeOf, Value } from "../ir/graph.ts";
import { concretePath } from "../ir/paths.ts";
import { Size } from "../ir/size.ts";
import type { Dtype, Type } from "../ir/type.ts";
import type { AttrsOf, PrimitiveName } from "../ops/attributes.ts";
import { inferNode, hasTrait } from "../ops/registry.ts";
import { sameAxes, type ConcreteAxes } from "../ops/tensor.ts";
import { attributesKey } from "../passes/keys.ts";
import type { Initializer } from "../ir/graph.ts";
import type { Span } from "../source/source.ts";

/** What is drawn: an operand of the law, or a weight. */
export interface Leaf {
  readonly name: string;
  readonly kind: "operand" | "weight";
  readonly initial?: Initializer;
}

export interface FlatNode {
  readonly id: number;
  readonly op: PrimitiveName | "leaf";
  readonly inputs: readonly number[];
  readonly attrs: object;
  /** Which of the operator's results it is. */
  readonly out: number;
  readonly dtype: Dtype;
  readonly axes: ConcreteAxes;
  readonly span: Span | undefined;
  readonly leaf?: Leaf;
  /** The iteration of a repeat that it was first made in: `layers.3`. */
  readonly layer: string;
  /** Of a file that was read: the node that it is a part of. */
  readonly note?: string;
  /** Whether it depends on anything drawn. */
  readonly drawn: boolean;
}

/** Where the parameters of a graph come from: the node for a concrete path. */
export type Params = (path: string, type: Type, initial: Initializer) => number;

/** What a graph of symbolic sizes, or one that keeps, is expanded with. */
export interface Run {
  /** The symbols' numbers. */
  readonly sizes: ReadonlyMap<string, number>;
  /** What was kept, by concrete path. */
  readonly past?: (path: string, type: Type) => number;
  readonly present?: (path: string, node: number) => void;
}

const FIXED: Run = { sizes: new Map() };

/** A net may not be larger: a law is about small sizes. */
const MOST_NODES = 60_000;

export class TooLarge extends Error {
  override readonly name = "TooLarge";
}

export class Flat {
  readonly nodes: FlatNode[] = [];
  /** Parts of left values that stand for right ones, and the value that each is of: see `view`. */
  readonly views = new Map<number, number>();
  private readonly table = new Map<string, number>();
  private layer = "";
  private note: string | undefined;

  /** What is made from here on is part of this node of a file; "" of none. */
  mark(note: string): void {
    this.note = note === "" ? undefined : note;
    // Names of nodes begin with the repeat that they are in, `layers.3/attention/MatMul`.
    this.layer = /^([^/]*\.\d+)\//.exec(note)?.[1] ?? "";
  }

  leaf(leaf: Leaf, type: Type, span: Span | undefined): number {
    return this.put({
      layer: this.layer,
      op: "leaf",
      inputs: [],
      attrs: {},
      out: 0,
      dtype: type.dtype,
      axes: concrete(type),
      span,
      leaf,
      drawn: true,
    });
  }

  /** A leaf that no program declares. */
  drawn(leaf: Leaf, dtype: Dtype, axes: ConcreteAxes): number {
    return this.leaf(leaf, { dtype, axes: axes.map((a) => ({ name: a.name, size: Size.of(a.size) })) }, undefined);
  }

  node(id: number): FlatNode {
    return this.nodes[id]!;
  }

  /** The node for an operator on these operands: made now, or there already. */
  apply(
    op: PrimitiveName,
    inputs: readonly number[],
    attrs: object,
    types: readonly Type[],
    span: Span | undefined,
  ): readonly number[] {
    const key = this.key(op, inputs, attrs);
    return types.map((type, out) => {
      const known = this.table.get(`${key}|${out}`);
      if (known !== undefined) return known;
      const drawn = inputs.some((i) => this.nodes[i]!.drawn);
      const id = this.put({
        op,
        inputs,
        attrs,
        out,
        dtype: type.dtype,
        axes: concrete(type),
        span,
        drawn,
        layer: this.layer,
      });
      this.table.set(`${key}|${out}`, id);
      return id;
    });
  }

  /** An operator whose result's type is inferred. */
  infer<K extends PrimitiveName>(op: K, inputs: readonly number[], attrs: AttrsOf<K>, span?: Span): readonly number[] {
    const node = { op, attrs, inputs: [], outputs: [], bodies: [] } as unknown as Node;
    const inferred = inferNode(
      node,
      inputs.map((i) => typeOf(this.nodes[i]!)),
    );
    if ("problem" in inferred) throw new Error(`${op} does not fit: ${JSON.stringify(inferred.problem)}`);
    return this.apply(op, inputs, attrs, inferred.types, span);
  }

  /** Places of an axis, where the value has it. */
  part(id: number, axis: string, start: number, end: number): number {
    const own = this.node(id).axes.find((a) => a.name === axis);
    if (!own || (start === 0 && end === own.size)) return id;
    return this.infer("slice", [id], { axis, start: Size.of(start), size: Size.of(end - start) })[0]!;
  }

  /**
   * Marks a structural part (or another arrangement) of a value of the left side. It may be found equal to a value of the right side;
   * then the whole value, not the part, is what later steps take as given. Made before the right side is.
   */
  view(part: number, whole: number): void {
    if (part !== whole) this.views.set(part, whole);
  }

  /** Operands of one type may trade places where the operator does not care. */
  key(op: string, inputs: readonly number[], attrs: object): string {
    const ids = [...inputs];
    const [a, b] = inputs.map((i) => this.nodes[i]!);
    if (
      ids.length === 2 &&
      hasTrait(op as PrimitiveName, "commutative") &&
      sameAxes(a!.axes, b!.axes) &&
      a!.dtype === b!.dtype
    )
      ids.sort((x, y) => x - y);
    return `${op}|${ids.join(",")}|${attributesKey(attrs)}`;
  }

  /** The node that an operator on these operands is already, if it is. */
  known(op: string, inputs: readonly number[], attrs: object, out: number): number | undefined {
    return this.table.get(`${this.key(op, inputs, attrs)}|${out}`);
  }

  private put(node: Omit<FlatNode, "id">): number {
    if (this.nodes.length >= MOST_NODES) throw new TooLarge(`the two sides have more than ${MOST_NODES} operators`);
    this.nodes.push({ ...node, id: this.nodes.length, ...(this.note === undefined ? {} : { note: this.note }) });
    return this.nodes.length - 1;
  }

  /** The outputs of a graph on these inputs (by value id); parameters are asked for by their concrete paths. */
  graph(
    graph: Graph,
    inputs: ReadonlyMap<number, number>,
    params: Params,
    outputs: readonly Value[] = graph.outputs.map((o) => o.value),
    iterations: readonly number[] = [],
    run: Run = FIXED,
  ): readonly number[] {
    const values = new Map(inputs);
    const wanted = needed(graph, [...outputs, ...graph.states.map((s) => s.present)]);
    for (const p of graph.params)
      if (wanted.has(p.value.id))
        values.set(p.value.id, params(concretePath(p.path, iterations), p.value.type, p.initial));
    for (const s of graph.states)
      values.set(s.past.id, run.past!(concretePath(s.path, iterations), bound(s.past.type, run.sizes)));
    for (const node of graph.nodes) {
      if (!node.outputs.some((o) => wanted.has(o.id))) continue;
      const made = this.expand(
        node,
        node.inputs.map((v) => values.get(v.id)!),
        params,
        iterations,
        run,
      );
      for (const [i, output] of node.outputs.entries()) values.set(output.id, made[i]!);
    }
    for (const s of graph.states) run.present!(concretePath(s.path, iterations), values.get(s.present.id)!);
    return outputs.map((v) => values.get(v.id)!);
  }

  private expand(
    node: Node,
    inputs: readonly number[],
    params: Params,
    iterations: readonly number[],
    run: Run,
  ): readonly number[] {
    const body = (graph: Graph, operands: readonly number[], at = iterations): readonly number[] =>
      this.graph(
        graph,
        new Map(graph.inputs.map((input, i) => [input.value.id, operands[i]!])),
        params,
        undefined,
        at,
        run,
      );
    const types = node.outputs.map((o) => bound(o.type, run.sizes));
    switch (node.op) {
      case "call":
        return body(node.bodies[0]!, inputs);
      case "once":
        return [inputs[0]!];
      case "keep": {
        const { from, to } = node.attrs;
        if (!this.node(inputs[0]!).axes.some((a) => a.name === from)) return [inputs[0]!];
        return this.apply("rename", inputs, { from, to }, types, node.span);
      }
      case "previous":
        return this.apply("previous", inputs, { axis: node.attrs.axis, path: "" }, types, node.span);
      case "repeat": {
        const captured = inputs.slice(node.attrs.carried);
        let carried: readonly number[] = inputs.slice(0, node.attrs.carried);
        const { layer } = this;
        for (const [i, kind] of node.attrs.schedule.entries()) {
          this.layer = `${layer === "" ? "" : `${layer}.`}${node.attrs.label}.${i}`;
          carried = body(node.bodies[kind]!, [...carried, ...captured], [...iterations, i]);
        }
        this.layer = layer;
        return carried;
      }
      case "scan":
        return [this.scan(node, inputs, body, run)];
      default:
        return this.apply(node.op, inputs, bound(node.attrs, run.sizes), types, node.span);
    }
  }

  /** One body for each place; the states side by side. */
  private scan(
    { attrs, bodies, outputs, span }: NodeOf<"scan">,
    [start, ...xs]: readonly number[],
    body: (graph: Graph, operands: readonly number[]) => readonly number[],
    run: Run,
  ): number {
    const { axis } = attrs;
    const [graph] = bodies as [Graph];
    const type = bound(outputs[0]!.type, run.sizes);
    const length = type.axes.find((a) => a.name === axis)!.size.known!;
    let state = this.fitted(start!, bound(graph.inputs[0]!.value.type, run.sizes), span);
    const states: number[] = [];
    for (let j = 0; j < length; j++) {
      const places = xs.map((x) =>
        this.node(x).axes.some((a) => a.name === axis) ? this.unary("pick", x, { axis, index: j }, span) : x,
      );
      state = body(graph, [state, ...places])[0]!;
      states.push(state);
    }
    return this.apply("stack", states, { axis }, [type], span)[0]!;
  }

  /** The value in a dtype, along all axes of a type. */
  private fitted(x: number, type: Type, span: Span | undefined): number {
    let made = this.node(x).dtype === type.dtype ? x : this.unary("cast", x, { to: type.dtype }, span);
    for (const axis of type.axes)
      if (!this.node(made).axes.some((a) => a.name === axis.name)) made = this.unary("spread", made, { axis }, span);
    return made;
  }

  private unary<K extends PrimitiveName>(op: K, x: number, attrs: AttrsOf<K>, span: Span | undefined): number {
    return this.infer(op, [x], attrs, span)[0]!;
  }

  /** Every node that some of these depend on, themselves included, ascending. `stop` cuts the search. */
  cone(
    roots: readonly number[],
    find: (id: number) => number = (id) => id,
    stop: (id: number) => boolean = () => false,
  ): number[] {
    const seen = new Set<number>();
    const waiting = roots.map(find);
    while (waiting.length > 0) {
      const id = waiting.pop()!;
      if (seen.has(id)) continue;
      seen.add(id);
      if (!stop(id)) for (const input of this.nodes[id]!.inputs) waiting.push(find(input));
    }
    return [...seen].sort((a, b) => a - b);
  }
}

function needed(graph: Graph, outputs: readonly Value[]): ReadonlySet<number> {
  const wanted = new Set(outputs.map((v) => v.id));
  for (const node of graph.nodes.toReversed())
    if (node.outputs.some((o) => wanted.has(o.id))) for (const v of node.inputs) wanted.add(v.id);
  return wanted;
}

/** With numbers for the symbols of all sizes inside. */
export function bound<T>(x: T, sizes: ReadonlyMap<string, number>): T {
  if (sizes.size === 0 || x === null || typeof x !== "object") return x;
  if (x instanceof Size) return x.known === undefined ? (Size.of(x.evaluate(sizes)) as T) : x;
  if (Array.isArray(x)) return x.map((item) => bound(item, sizes)) as T;
  return Object.fromEntries(
    Object.entries(x).map(([k, v]) => [k, k === "origin" ? v : bound(v as unknown, sizes)]),
  ) as T;
}

function concrete(type: Type): ConcreteAxes {
  return type.axes.map((a) => {
    const size = a.size.known;
    if (size === undefined) throw new Error(`the axis ${a.name} of a law has no size`);
    return { name: a.name, size };
  });
}

export function typeOf(node: FlatNode): Type {
  return { dtype: node.dtype, axes: node.axes.map((a) => ({ name: a.name, size: Size.of(a.size) })) };
}
