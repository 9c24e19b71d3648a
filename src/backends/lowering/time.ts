/** @file Repeats, which are unrolled, and operators that read other places of an axis. */
import type { Graph, NodeOf } from "../../ir/graph.ts";
import type { Size } from "../../ir/size.ts";
import type { Axis, Type } from "../../ir/type.ts";
import { isolated } from "../../layout/choose.ts";
import { separate, type Layout } from "../../layout/layout.ts";
import { isPhysical, reviewed, spreadOver } from "../../layout/view.ts";
import { elemOf, type Emit, type Emitter, type Placed, type Scope } from "./emitter.ts";
import { Stamps } from "./stamp.ts";
import type { OnnxPort, Subgraph, Tensor } from "./writer.ts";

export const emitRepeat: Emit<"repeat"> = (e, node, scope) => {
  const { label, carried, schedule } = node.attrs;
  const operands = node.inputs.map((v) => scope.get(v));
  const captured = operands.slice(carried);
  const outer = e.writer.scope;
  const stamps = new Stamps(e, scope.indices.length);
  let handed: readonly Placed[] = operands.slice(0, carried);
  schedule.forEach((kind, i) => {
    e.writer.scope = `${outer}${label}.${i}/`;
    const indices = [...scope.indices, i];
    const body = node.bodies[kind]!;
    handed =
      stamps.reuse(body, handed, indices) ??
      stamps.record(body, handed, () => e.body(body, [...handed, ...captured], indices));
  });
  e.writer.scope = outer;
  return handed;
};

/** One place ago: a zero goes in front, the last place goes. */
export const emitPrevious: Emit<"previous"> = (e, node, scope) => {
  const x = scope.get(node.inputs[0]!);
  const layout = isolated(e.book, x, [node.attrs.axis]);
  const at = layout.findIndex((g) => g[0] === node.attrs.axis);
  const shift = (n: number): number[] => layout.map((_, i) => (i === at ? n : 0));
  const crops = e.target.slices === "ends";
  const padding = e.writer.ints([...shift(1), ...shift(crops ? -1 : 0)]);
  const padded = e.writer.add("Pad", [e.book.read(x, layout), padding]);
  const size = x.type.axes.find((a) => a.name === node.attrs.axis)!.size;
  const tensor = crops
    ? padded
    : e.writer.add("SliceSize", [
        padded,
        e.writer.ints(shift(0)),
        e.sizes.shape(layout.map((_, i) => (i === at ? size : -1))),
      ]);
  return [e.book.made(tensor, layout, node.outputs[0]!.type)];
};

/**
 * ONNX's `Scan`: the state goes from step to step, operands with the axis are taken a place at a time, the others seen
 * from outside.
 */
export const emitScan: Emit<"scan"> = (e, node, scope) => {
  if ((sizeOf(node).known ?? Infinity) <= e.target.unrolls) return unrolled(e, node, scope);
  const { axis } = node.attrs;
  const body = node.bodies[0]!;
  const [start, ...xs] = node.inputs.map((v) => scope.get(v)) as [Placed, ...Placed[]];
  const stateType = body.inputs[0]!.value.type;
  const layout = separate(stateType.axes.map((a) => a.name));
  const initial = e.book.read(broadcastTo(e.as(start, stateType.dtype), stateType), layout);
  const steps = xs.map((x) => readStep(e, x, axis));
  const graph = scanBody(e, body, { stateType, axis, steps, xs, scope });
  const outer = steps.filter((s) => s.scanned).map((s) => s.tensor);
  const elem = elemOf(stateType);
  const [, states] = e.writer.addMany("Scan", [initial, ...outer], { body: { graph }, num_scan_inputs: outer.length }, [
    elem,
    elem,
  ]);
  return [e.book.made(states!, [[axis], ...layout], node.outputs[0]!.type)];
};

/** Place by place: how many there are is known. */
function unrolled(e: Emitter, node: NodeOf<"scan">, scope: Scope): readonly Placed[] {
  const { axis } = node.attrs;
  const body = node.bodies[0]!;
  const count = sizeOf(node).known!;
  const [start, ...xs] = node.inputs.map((v) => scope.get(v)) as [Placed, ...Placed[]];
  const stateType = body.inputs[0]!.value.type;
  const parts = xs.map((x, i) => apart(e, x, axis, count, body.inputs[i + 1]!.value.type));
  const layout = separate(stateType.axes.map((a) => a.name));
  let state = broadcastTo(e.as(start, stateType.dtype), stateType);
  const states: Tensor[] = [];
  for (let i = 0; i < count; i++) {
    const [next] = e.body(body, [state, ...parts.map((p) => p[i]!)], scope.indices) as [Placed];
    state = broadcastTo(e.as(next, stateType.dtype), stateType);
    states.push(e.book.read(state, [[], ...layout]));
  }
  const all = count === 1 ? states[0]! : e.writer.add("Concat", states, { axis: 0 });
  return [e.book.made(all, [[axis], ...layout], node.outputs[0]!.type)];
}

/** How many places a scan goes through. */
function sizeOf(node: NodeOf<"scan">): Size {
  return node.outputs[0]!.type.axes.find((a) => a.name === node.attrs.axis)!.size;
}

/** A value place by place, with that axis gone: itself everywhere where it is the same along the axis. */
export function apart(
  e: Emitter,
  x: Placed,
  axis: string,
  count: number,
  type: Type,
  layoutFor: (isolated: Layout) => Layout = (layout) => layout,
): readonly Placed[] {
  const every = <T>(of: T): readonly T[] => Array.from({ length: count }, () => of);
  if (!x.axes.has(axis)) return every(x);
  if (!isPhysical(x, axis) && count > 1)
    return every(reviewed(x, type, new Map([...x.axes].filter(([name]) => name !== axis))));
  const layout = layoutFor(isolated(e.book, x, [axis]));
  const at = layout.findIndex((g) => g[0] === axis);
  const tensor = e.book.read(x, layout);
  const tensors =
    count === 1
      ? [tensor]
      : e.writer.addMany("Split", [tensor, e.writer.ints(every(1))], { axis: at }, every(tensor.elem));
  const without = layout.map((g) => g.filter((a) => a !== axis));
  return tensors.map((t) => e.book.made(t, without, type));
}

interface Step {
  readonly tensor: Tensor;
  readonly axes: readonly string[];
  readonly scanned: boolean;
}

/** An operand with the axis first, if it has the axis; else as its type has it. */
function readStep(e: Emitter, x: Placed, axis: string): Step {
  const axes = x.type.axes.map((a) => a.name).filter((a) => a !== axis);
  const scanned = x.axes.has(axis);
  return { tensor: e.book.read(x, separate(scanned ? [axis, ...axes] : axes)), axes, scanned };
}

interface ScanParts {
  readonly stateType: Type;
  readonly axis: string;
  readonly steps: readonly Step[];
  readonly xs: readonly Placed[];
  readonly scope: Scope;
}

function scanBody(e: Emitter, body: Graph, { stateType, steps, scope }: ScanParts): Subgraph {
  const inputs: OnnxPort[] = [];
  const outputs: OnnxPort[] = [];
  const enter = (type: Type): Placed => {
    const tensor = { name: e.writer.unique(`${e.writer.scope}Scan/step`), elem: elemOf(type) };
    inputs.push({ tensor, dims: e.dims(type) });
    return e.book.made(tensor, separate(type.axes.map((a) => a.name)), type);
  };
  const nodes = e.writer.apart(() => {
    const state = enter(stateType);
    const operands = steps.map((step, i) => {
      const { type } = body.inputs[i + 1]!.value;
      return step.scanned ? enter(type) : e.book.made(step.tensor, separate(step.axes), type);
    });
    const [next] = e.body(body, [state, ...operands], scope.indices) as [Placed];
    const read = e.book.read(
      broadcastTo(e.as(next, stateType.dtype), stateType),
      separate(stateType.axes.map((a) => a.name)),
    );
    for (let i = 0; i < 2; i++) outputs.push({ tensor: e.writer.add("Identity", [read]), dims: e.dims(stateType) });
  });
  return { name: `${e.writer.scope}scan`, nodes, inputs, outputs };
}

/** The value seen with all axes of the type. */
function broadcastTo(x: Placed, type: Type): Placed {
  let view = x;
  for (const axis of type.axes as readonly Axis[])
    if (!view.axes.has(axis.name))
      view = spreadOver(view, axis.name, axis.size, { dtype: type.dtype, axes: [...view.type.axes, axis] });
  return view;
}
