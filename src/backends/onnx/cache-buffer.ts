/**
 * @file Pasts that come in buffers of the client's, of which the first so many places count: what the forms of handing on have in
 * common. Inside, sizes are what they mean: `past_seq` is the number of places that count, and the buffer's size is a symbol of its
 * own. Where the mask is as long as past and step together the number is read off it; else an input says it. What is handed on
 * whole (the other sequence's keys, `once`) is in its buffer without a rest.
 */
import type { Graph, Node, NodeOf, State } from "../../ir/graph.ts";
import { Size } from "../../ir/size.ts";
import { axisNamed, type Type } from "../../ir/type.ts";
import { pastSymbol } from "../../passes/cache.ts";
import { separate } from "../../layout/layout.ts";
import { renamed, reviewed, type Storage } from "../../layout/view.ts";
import type { Emit, Emitter, Lowering, Placed, StateForm } from "../lowering/emitter.ts";
import { Elem, type Tensor } from "../lowering/writer.ts";

/** The input that says how many places of the buffers count, where no other input does: int64[1], for all rows of the batch. */
const COUNT = "past_length";
const CAPACITY = "past_capacity";

/** A kept value in two parts, both with the axes of the whole. */
export interface Joined {
  /** Along the axis as long as the buffer. */
  readonly past: Placed;
  readonly fresh: Placed;
  /** Whether some places at the end of the buffer may not count. */
  readonly spare: boolean;
}

type Join = NodeOf<"concat">;

/** The concatenation that makes the present, where the past is read by nothing else. */
export function joinOf(graph: Graph, state: State): Join | undefined {
  const readers = graph.nodes.filter((n) => n.inputs.some((v) => v.id === state.past.id));
  const [join] = readers;
  return readers.length === 1 &&
    join!.op === "concat" &&
    join!.outputs[0]!.id === state.present.id &&
    join!.inputs.length === 2 &&
    join!.inputs[0]!.id === state.past.id &&
    join!.inputs[1]!.id !== state.past.id
    ? join
    : undefined;
}

/** A state whose present is the concatenation of its past and something else. */
export interface Handed {
  readonly state: State;
  readonly join: Join;
}

export abstract class BufferForm implements StateForm {
  /** The graph that is emitted. */
  readonly graph: Graph;
  /** The input that says how many places count, where there is one; known when the inputs are declared. */
  countInput: string | undefined;
  /** `count` of the `capacity` places in a buffer count. */
  readonly count: Size;
  readonly capacity: Size;
  protected readonly joins = new Map<Node, Handed>();
  /** By the value that the past is in the graph. */
  protected readonly pasts = new Map<number, Handed>();
  private readonly joined = new WeakMap<Storage<Tensor>, Joined & { readonly axis: string }>();

  /** `graph.grows` must be set. */
  constructor(graph: Graph) {
    this.count = Size.symbol(pastSymbol(graph.grows!));
    this.capacity = Size.symbol(`capacity_${graph.grows!}`);
    const made = this.rewired(graph);
    this.graph = { ...made, sizeNames: new Map([...graph.sizeNames, [this.capacity.symbol!, CAPACITY]]) };
  }

  private rewired(graph: Graph): Graph {
    const states = graph.states.map((state): State => {
      const join = joinOf(graph, state);
      const handed = join && { state, join };
      if (!handed || !this.takes(handed)) return state;
      this.joins.set(join, handed);
      this.pasts.set(state.past.id, handed);
      return this.handsOn(handed);
    });
    const nodes = graph.nodes.map((n): Node =>
      n.bodies.length === 0 ? n : ({ ...n, bodies: n.bodies.map((b) => this.rewired(b)) } as Node),
    );
    return { ...graph, states, nodes };
  }

  /** Is the state handed on in this form? */
  protected abstract takes(handed: Handed): boolean;
  /** The state as the emitted graph has it. */
  protected abstract handsOn(handed: Handed): State;
  /** What operators become in this form, but for the joins. */
  protected abstract others(usual: Lowering): Lowering;
  abstract write(e: Emitter): { has(pastName: string): boolean };

  /** What operators become in this form. */
  lowering(usual: Lowering): Lowering {
    const made = this.others(usual);
    const { concat } = made.table;
    const join: Emit<"concat"> = (e, node, scope) => {
      const handed = this.joins.get(node);
      if (!handed) return concat(e, node, scope);
      return [this.join(e, handed, scope.get(node.inputs[0]!), scope.get(node.inputs[1]!))];
    };
    return { ...made, table: { ...made.table, concat: join } };
  }

  /** The past of a state as an input: buffers are longer than what counts in them. */
  pastType(state: State): Type {
    const { type } = state.past;
    if (!this.pasts.has(state.past.id)) return type;
    const sizes = new Map([[this.count.symbol!, this.capacity]]);
    return { ...type, axes: type.axes.map((a) => ({ ...a, size: a.size.substitute(sizes) })) };
  }

  /** Declares the input for the count where no other one tells it. */
  declared(e: Emitter): void {
    const tells = this.graph.inputs.some((i) => i.value.type.axes.some((a) => a.size.symbols.has(this.count.symbol!)));
    if (tells || ![...this.joins.values()].some(({ state }) => this.isSpare(state))) return;
    const tensor = e.writer.input(COUNT, Elem.int64, [1]);
    e.sizes.define(this.count, tensor);
    this.countInput = tensor.name;
  }

  protected isSpare({ past }: State): boolean {
    return past.type.axes.some((a) => a.size.equals(this.count));
  }

  /** The present in two parts. Whoever reads it as one makes it one. */
  private join(e: Emitter, { state, join }: Handed, past: Placed, x: Placed): Placed {
    const { type } = join.outputs[0]!;
    const [, from] = join.attrs.axes as [string, string];
    const axis = join.attrs.into;
    const order = separate(type.axes.map((a) => a.name));
    const at = type.axes.findIndex((a) => a.name === axis);
    const freshType = resized(type, axis, axisNamed(x.type, from)!.size);
    const rows = e.as(from === axis ? x : renamed(x, from, axis, freshType), type.dtype);
    const fresh: Placed = { ...rows, type: freshType };
    const spare = this.isSpare(state);
    const tensor = e.book.read(past, order);
    const buffer = spare ? e.book.made(tensor, order, resized(type, axis, this.capacity)) : past;
    const whole = (): Placed => {
      const counted = spare
        ? e.writer.add("Slice", [tensor, e.writer.ints([0]), e.sizes.list(this.count), e.writer.ints([at])])
        : tensor;
      const all = e.writer.add("Concat", [counted, e.book.read(fresh, order)], { axis: at });
      return e.book.made(all, order, type);
    };
    const view = e.book.provided(type, {
      order: order.flat(),
      anyOrder: true,
      make: (layout) => e.book.read(whole(), layout),
    });
    this.joined.set(view.storage, { past: buffer, fresh, spare, axis });
    return view;
  }

  /** The two parts of a value along an axis of its own, as views with the value's axes. */
  partsOf(view: Placed, axis: string): Joined | undefined {
    const parts = this.joined.get(view.storage);
    const own = view.axes.get(axis);
    if (!parts || own?.length !== 1 || own[0] !== parts.axis || view.spread.size > 0) return undefined;
    // The parts are storages of other names: axis by axis through the name that the joined value has it under.
    const seen = (part: Placed): Placed | undefined => {
      const axes = new Map<string, readonly string[]>();
      for (const [name, [first, ...more]] of view.axes) {
        const inner = first === undefined || more.length > 0 ? undefined : part.axes.get(first);
        if (!inner) return undefined;
        axes.set(name, inner);
      }
      return reviewed(part, resized(view.type, axis, axisNamed(part.type, parts.axis)!.size), axes, part.spread);
    };
    const [past, fresh] = [seen(parts.past), seen(parts.fresh)];
    return past && fresh && { past, fresh, spare: parts.spare };
  }
}

export function resized(type: Type, name: string, size: Size): Type {
  return { ...type, axes: type.axes.map((a) => (a.name === name ? { ...a, size } : a)) };
}
