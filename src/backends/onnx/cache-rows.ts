/**
 * @file The form "rows" of what a model hands on: the past comes in a buffer of the client's, and only the new places go out, those
 * of all states together. Nothing of the past is copied: attention reads the buffer as it lies (`cache-attend.ts`), every other
 * reader gets the places that count, joined with the new ones.
 *
 * Before: past `k: float[batch, heads, past_seq, d]`, present `k: float[batch, heads, past_seq + seq, d]`, for each layer.
 * After: past `k: float[batch, heads, past_capacity, d]`, one output `present: float[states, batch, heads, seq, d]`.
 */
import type { Graph, State } from "../../ir/graph.ts";
import { concretePath } from "../../ir/paths.ts";
import { Size } from "../../ir/size.ts";
import { axisNamed, showType } from "../../ir/type.ts";
import { separate } from "../../layout/layout.ts";
import { renamed } from "../../layout/view.ts";
import type { Emitter, Lowering, MetState, Placed } from "../lowering/emitter.ts";
import { Elem } from "../lowering/writer.ts";
import { attendRows } from "./cache-attend.ts";
import { BufferForm, resized, type Handed } from "./cache-buffer.ts";

const OUTPUT = "present";

/** Where a state's new places are found: `output[index]`, whose axes are the past's. They continue it along its axis number `axis`. */
export interface RowsPort {
  readonly output: string;
  readonly index: number;
  readonly axis: number;
  /** Whether some places at the end of the buffer may not count. */
  readonly spare: boolean;
}

export class RowsForm extends BufferForm {
  /** Where each state's new places are found, by the name of its past; known when all is written. */
  readonly ports = new Map<string, RowsPort>();

  /** Of a graph that hands something on so that it can be in this form. */
  static of(graph: Graph): RowsForm | undefined {
    if (graph.grows === undefined) return undefined;
    const form = new RowsForm(graph);
    return form.joins.size > 0 ? form : undefined;
  }

  protected override takes(): boolean {
    return true;
  }

  /** Its present is the new places only. */
  protected override handsOn({ state, join }: Handed): State {
    return { ...state, present: join.inputs[1]! };
  }

  protected override others(usual: Lowering): Lowering {
    const { attend } = usual.kernels;
    return attend ? { ...usual, kernels: { ...usual.kernels, attend: attendRows(this, attend) } } : usual;
  }

  /** Writes the outputs: one for all states of a type. */
  override write(e: Emitter): ReadonlyMap<string, RowsPort> {
    const groups = new Map<string, Written[]>();
    for (const met of e.met.states) {
      const handed = this.pasts.get(met.state.past.id);
      if (!handed) continue;
      const written = this.written(e, handed, met);
      const key = showType(written.fresh.type);
      groups.set(key, [...(groups.get(key) ?? []), written]);
    }
    for (const [n, group] of [...groups.values()].entries()) {
      const output = n === 0 ? OUTPUT : `${OUTPUT}.${n}`;
      writeGroup(
        e,
        output,
        group.map((s) => s.fresh),
      );
      for (const [index, { pastName, axis, spare }] of group.entries())
        this.ports.set(pastName, { output, index, axis, spare });
    }
    return this.ports;
  }

  private written(e: Emitter, { state: whole, join }: Handed, { state, indices, placed }: MetState): Written {
    const { type } = join.outputs[0]!;
    const [, from] = join.attrs.axes as [string, string];
    const { into } = join.attrs;
    const freshType = resized(type, into, axisNamed(placed.type, from)!.size);
    const fresh = from === into ? placed : renamed(placed, from, into, freshType);
    return {
      pastName: concretePath(state.pastName, indices),
      axis: type.axes.findIndex((a) => a.name === into),
      spare: this.isSpare(whole),
      fresh: { ...e.as(fresh, type.dtype), type: freshType },
    };
  }
}

interface Written {
  readonly pastName: string;
  readonly axis: number;
  readonly spare: boolean;
  readonly fresh: Placed;
}

function writeGroup(e: Emitter, output: string, all: readonly Placed[]): void {
  const { dtype, axes } = all[0]!.type;
  const order = separate(axes.map((a) => a.name));
  const states = { name: "states", size: Size.of(all.length) };
  // Behind each other along the first axis is the same in memory as along one more.
  const joined = e.writer.add(
    "Concat",
    all.map((v) => e.book.read(v, order)),
    { axis: 0 },
  );
  const whole = e.writer.add("Reshape", [joined, e.sizes.shape([states.size, ...axes.map((a) => a.size)])], {
    allowzero: 1, // a step may have no new places: of what is handed on whole there are none after the first
  });
  const outer = dtype === "bool" ? e.writer.add("Cast", [whole], { to: Elem.int64 }, Elem.int64) : whole;
  e.writer.output(output, outer, e.dims({ dtype, axes: [states, ...axes] }));
}
