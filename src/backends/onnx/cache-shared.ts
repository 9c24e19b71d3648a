/**
 * @file The form "shared" of what a model hands on: past and present are as long as a buffer, and may be the same one, into which
 * `GroupQueryAttention` of ONNX Runtime writes the new places where the client gives it as both. (Given two, it copies.)
 *
 * Masks and biases of all kinds go into its `attention_bias`. By itself it hides what comes after a query; where a mask may not,
 * it is told not to.
 *
 * Before: past `k: float[batch, heads, past_seq, d]`, present `k: float[batch, heads, past_seq + seq, d]`.
 * After: both `float[batch, heads, past_capacity, d]`, d up to the next multiple of eight.
 */
import type { Graph, State, Value } from "../../ir/graph.ts";
import { concretePath } from "../../ir/paths.ts";
import { Size } from "../../ir/size.ts";
import { axisNamed, type Axis, type Type } from "../../ir/type.ts";
import { separate } from "../../layout/layout.ts";
import { spreadOver } from "../../layout/view.ts";
import { tiltOf, withoutBlindRows } from "../lowering/attend.ts";
import { operandOf, settingOf, type Call, type Kernel } from "../lowering/call.ts";
import type { Emitter, Lowering, Placed } from "../lowering/emitter.ts";
import { Elem, type Attributes, type Tensor } from "../lowering/writer.ts";
import { BufferForm, joinOf, type Handed } from "./cache-buffer.ts";
import { lengthsOf } from "./lengths.ts";

const FLOAT = "float";

/** An application of attention that the operator can compute, by its axes. */
interface Application {
  readonly batch: string;
  /** Key/value heads. */
  readonly heads: string;
  /** Query heads of one of them; none: as many as they. */
  readonly groups: readonly Axis[];
  readonly queries: Axis;
  readonly keys: string;
  readonly d: string;
  /** Of the values. */
  readonly column: string;
}

/** The applications of attention in a graph and what is in its repeats, each with the states that it reads. */
function* attentions(
  graph: Graph,
): Generator<{ readonly call: Call; readonly k?: State; readonly v?: State; readonly graph: Graph }> {
  const presents = new Map(graph.states.map((s) => [s.present.id, s]));
  for (const node of graph.nodes) {
    if (node.op === "call" && node.attrs.name === "attend") {
      const [k, v] = ["k", "v"].map((n) => presents.get(operandOf(node, node.inputs, n)?.id ?? -1));
      yield { call: node, graph, ...(k ? { k } : {}), ...(v ? { v } : {}) };
    }
    for (const body of node.bodies) yield* attentions(body);
  }
}

/** How the operator would be applied in a model that grows along this axis, or undefined where it cannot. */
function applicationOf(call: Call, k: State, v: State, grows: string | undefined): Application | undefined {
  const q = operandOf(call, call.inputs, "q")!.type;
  const [past, values] = [k.past.type, v.past.type];
  const { keys, d } = call.attrs.dims;
  if (!keys || !d || past.axes.length !== 4 || values.axes.length !== 4) return undefined;
  const [batch, heads, places, inner] = past.axes as [Axis, Axis, Axis, Axis];
  const same = (i: number): boolean =>
    past.axes[i]!.name === values.axes[i]!.name && past.axes[i]!.size.equals(values.axes[i]!.size);
  if (!same(0) || !same(1) || !same(2) || places.name !== keys.name || inner.name !== d.name) return undefined;
  if (
    heads.size.known === undefined ||
    !inner.size.equals(values.axes[3]!.size) ||
    past.dtype !== FLOAT ||
    values.dtype !== FLOAT
  )
    return undefined;
  const own = q.axes.filter((a) => ![batch.name, heads.name, d.name].includes(a.name));
  const queries = own.filter((a) => a.name === grows || a.size.known === undefined);
  const has = [batch, heads, inner].every((a) => axisNamed(q, a.name)?.size.equals(a.size));
  if (!has || queries.length !== 1 || call.outputs[0]!.type.axes.length !== q.axes.length) return undefined;
  return {
    batch: batch.name,
    heads: heads.name,
    groups: own.filter((a) => a !== queries[0]),
    queries: queries[0]!,
    keys: keys.name,
    d: d.name,
    column: values.axes[3]!.name,
  };
}

/** Why a graph that hands something on cannot do it in this form. */
export function sharedProblem(graph: Graph, keeps: (call: Call) => boolean): string | undefined {
  const growing = new Map<number, State>();
  const count = (g: Graph): void => {
    for (const s of g.states) if (isGrowing(graph, s)) growing.set(s.past.id, s);
    for (const n of g.nodes) n.bodies.forEach(count);
  };
  count(graph);
  for (const { call, k, v, graph: around } of attentions(graph)) {
    if (!k || !v || k === v || !growing.has(k.past.id) || !growing.has(v.past.id)) continue;
    const alone = [k, v].every((s) => joinOf(around, s) && readers(around, s.present) === 1);
    if (!alone || !keeps(call) || !applicationOf(call, k, v, graph.grows)) continue;
    growing.delete(k.past.id);
    growing.delete(v.past.id);
  }
  const [left] = growing.values();
  return (
    left &&
    `${left.path.replaceAll(/\{\d+\}/g, "*")} is not keys or values of attention alone, batch by heads by places by head_dim`
  );
}

function isGrowing(graph: Graph, { past }: State): boolean {
  return past.type.axes.some((a) => [...a.size.symbols].some((s) => s === `past_${graph.grows}`));
}

function readers(graph: Graph, value: Value): number {
  const nodes = graph.nodes.flatMap((n) => n.inputs.filter((v) => v.id === value.id)).length;
  return nodes + graph.outputs.filter((o) => o.value.id === value.id).length;
}

/** The axis along which a buffer is filled; of the `wide` numbers along its last axis the first `width` count. */
export interface SharedPort {
  readonly axis: number;
  readonly width: number;
  readonly wide: number;
}

/** Of a graph for which there is no `sharedProblem`. */
export class SharedForm extends BufferForm {
  /** What the operator gave as the present of a joined value, by the buffer that it came from. */
  private readonly presents = new Map<Tensor, Tensor>();
  /** How each buffer is filled, by the name of the past; known when all is written. */
  readonly ports = new Map<string, SharedPort>();

  static of(graph: Graph): SharedForm | undefined {
    if (graph.grows === undefined) return undefined;
    const form = new SharedForm(graph);
    return form.joins.size > 0 ? form : undefined;
  }

  override pastType(state: State): Type {
    const type = super.pastType(state);
    if (!this.pasts.has(state.past.id)) return type;
    const last = type.axes.at(-1)!;
    return { ...type, axes: [...type.axes.slice(0, -1), { ...last, size: Size.of(widened(last.size.known!)) }] };
  }

  protected override takes({ state }: Handed): boolean {
    return this.isSpare(state);
  }

  protected override handsOn({ state }: Handed): State {
    return state;
  }

  protected override others({ table, kernels }: Lowering): Lowering {
    const { attend } = kernels;
    return {
      table,
      kernels: attend ? { ...kernels, attend: this.kernel(attend) } : kernels,
    };
  }

  private kernel(usual: Kernel): Kernel {
    return {
      serves: usual.serves,
      emit: (e, call, operands) => {
        const keys = call.attrs.dims["keys"]!.name;
        const parts = ["k", "v"].map((n) => this.partsOf(operandOf(call, operands, n)!, keys));
        const states = ["k", "v"].map((n) => this.stateOf(operandOf(call, call.inputs, n)!));
        const [k, v] = parts;
        const made = states[0] && states[1] && applicationOf(call, states[0], states[1], this.graph.grows);
        if (!k || !v || !made) return usual.emit(e, call, operands);
        return [this.attention(e, call, operands, made, [k.past, k.fresh, v.past, v.fresh])];
      },
    };
  }

  private stateOf(value: Value): State | undefined {
    for (const { state, join } of this.joins.values()) if (join.outputs[0]!.id === value.id) return state;
    return undefined;
  }

  private attention(
    e: Emitter,
    call: Call,
    operands: readonly Placed[],
    a: Application,
    [pastK, freshK, pastV, freshV]: readonly [Placed, Placed, Placed, Placed],
  ): Placed {
    const { book, writer } = e;
    const heads = [a.heads, ...a.groups.map((g) => g.name)];
    const kvHeads = axisNamed(pastK.type, a.heads)!.size.known!;
    const scale = settingOf(call, "scale") as number;
    const softcap = settingOf(call, "softcap");
    const mask = operandOf(call, operands, "mask");
    const bias = operandOf(call, operands, "bias");
    const tilt = tiltOf(e, mask, bias && e.as(bias, FLOAT));
    const queryHeads = a.groups.reduce((n, g) => n * g.size.known!, kvHeads);
    const attributes: Attributes = {
      num_heads: queryHeads,
      kv_num_heads: kvHeads,
      scale: { float: scale },
      ...(typeof softcap === "number" ? { softcap: { float: softcap } } : {}),
      ...(e.masks.of(mask, a.queries.name, a.keys)?.start.equals(this.count) ? {} : { causal: 0 }),
    };
    const buffers = [
      book.read(pastK, separate([a.batch, a.heads, a.keys, a.d])),
      book.read(pastV, separate([a.batch, a.heads, a.keys, a.column])),
    ] as const;
    const total = this.count.plus(a.queries.size);
    const { last, count: all } = lengthsOf(e, total, axisNamed(pastK.type, a.batch)!.size);
    const width = axisNamed(pastK.type, a.d)!.size.known!;
    const wide = widened(width);
    const flat = (x: Placed, place: string, of: readonly string[], count: number, last: string): Tensor => {
      if (wide === width) return book.read(x, [[a.batch], [place], [...of, last]]);
      const pads = writer.ints([0, 0, 0, 0, 0, 0, 0, wide - width]);
      const padded = writer.add("Pad", [book.read(x, [[a.batch], [place], of, [last]]), pads]);
      return writer.add("Reshape", [padded, writer.ints([0, 0, count * wide])]);
    };
    const inputs = [
      flat(operandOf(call, operands, "q")!, a.queries.name, heads, queryHeads, a.d),
      flat(freshK, a.keys, [a.heads], kvHeads, a.d),
      flat(freshV, a.keys, [a.heads], kvHeads, a.column),
      ...buffers,
      last,
      all,
      ...(tilt ? [undefined, undefined, undefined, this.biasTensor(e, tilt, a, total)] : []),
    ];
    const [result, presentK, presentV] = writer.addMany("com.microsoft.GroupQueryAttention", inputs, attributes, [
      Elem.float,
      Elem.float,
      Elem.float,
    ]);
    this.presents.set(buffers[0], presentK!);
    this.presents.set(buffers[1], presentV!);
    const { type } = call.outputs[0]!;
    const made =
      wide === width
        ? book.made(result!, [[a.batch], [a.queries.name], [...heads, a.column]], type)
        : book.made(
            narrowed(e, result!, queryHeads, wide, width),
            [[a.batch], [a.queries.name], heads, [a.column]],
            type,
          );
    return mask ? withoutBlindRows(e, made, mask, a.keys) : made;
  }

  /** [batch or 1, heads or 1, queries, keys]. */
  private biasTensor(e: Emitter, tilt: Placed, a: Application, total: Size): Tensor {
    let view = tilt;
    const add = (axis: Axis): void => {
      if (view.axes.has(axis.name)) return;
      const type: Type = { dtype: FLOAT, axes: [...view.type.axes, axis] };
      view = spreadOver(view, axis.name, axis.size, type);
    };
    add(a.queries);
    add({ name: a.keys, size: total });
    const heads = [a.heads, ...a.groups.map((g) => g.name)];
    const perHead = heads.some((h) => tilt.axes.has(h));
    if (perHead) {
      const known = new Map<string, Axis>(a.groups.map((g) => [g.name, g]));
      for (const h of heads) add(known.get(h) ?? { name: h, size: this.headsOf(a) });
    }
    const batch = tilt.axes.has(a.batch) ? [a.batch] : [];
    return e.book.read(view, [batch, perHead ? heads : [], [a.queries.name], [a.keys]]);
  }

  private headsOf(a: Application): Size {
    for (const { state } of this.joins.values()) {
      const axis = axisNamed(state.past.type, a.heads);
      if (axis) return axis.size;
    }
    throw new Error(`no state has the axis ${a.heads}`);
  }

  override write(e: Emitter): { has(pastName: string): boolean } {
    for (const { state, indices } of e.met.states) {
      const handed = this.pasts.get(state.past.id);
      if (!handed) continue;
      const name = concretePath(state.pastName, indices);
      const present = this.presents.get(e.portOf(name));
      if (!present) throw new Error(`${name} was read by no attention`);
      e.writer.output(concretePath(state.presentName, indices), present, e.dims(this.pastType(state)));
      const { into } = handed.join.attrs;
      const { axes } = state.past.type;
      this.ports.set(name, {
        axis: axes.findIndex((a) => a.name === into),
        width: axes.at(-1)!.size.known!,
        wide: widened(axes.at(-1)!.size.known!),
      });
    }
    return this.ports;
  }
}

/** Heads of any other width are padded with zeros, in the buffers too: the operator takes multiples of eight only. */
function widened(width: number): number {
  return Math.ceil(width / 8) * 8;
}

function narrowed(e: Emitter, tensor: Tensor, heads: number, wide: number, width: number): Tensor {
  const { writer } = e;
  const apart = writer.add("Reshape", [tensor, writer.ints([0, 0, heads, wide])]);
  return writer.add("Slice", [apart, writer.ints([0]), writer.ints([width]), writer.ints([3])]);
}
