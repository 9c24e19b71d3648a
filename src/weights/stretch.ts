/**
 * @file Weights that are a part of a stored tensor: one of the matrices that a checkpoint packs behind each other, or beside each other.
 * They need not be computed. The bytes of the first kind are in the file one after the other, only from another place on; those of the
 * second are columns of a matrix, which a graph can cut out.
 */
import type { Graph, Node, Value } from "../ir/graph.ts";
import type { Axis } from "../ir/type.ts";
import { WIDTH } from "./dtypes.ts";
import type { Columns, StoredTensor, WeightSource } from "./source.ts";

/** An axis whose places are so many elements of the stored tensor apart. */
interface Strided {
  readonly name: string;
  readonly size: number;
  readonly stride: number;
}

/** Elements of a stored tensor. */
interface Window {
  readonly start: number;
  readonly axes: readonly Strided[];
}

type Stored = WeightSource & { readonly kind: "stored" };

/** What a graph over one stored tensor gives, where that is a part of it: a stretch as a stored tensor of its own, or columns. */
export function partOf(
  graph: Graph,
  tensor: StoredTensor,
): { readonly stretch: Stored } | { readonly columns: Columns } | undefined {
  const [input] = graph.inputs;
  if (graph.inputs.length !== 1 || graph.outputs.length !== 1) return undefined;
  const windows = new Map<number, Window>([[input!.value.id, whole(input!.value.type.axes)]]);
  for (const node of graph.nodes) {
    const from = windows.get(node.inputs[0]?.id ?? -1);
    const made = from && node.inputs.length === 1 ? seen(node, from) : undefined;
    if (!made) return undefined;
    windows.set(node.outputs[0]!.id, made);
  }
  const { value } = graph.outputs[0]!;
  const window = windows.get(value.id);
  return window && placed(window, value, tensor);
}

function whole(axes: readonly Axis[]): Window {
  let stride = 1;
  const strided = [...axes].reverse().map(({ name, size }): Strided => {
    const axis = { name, size: size.known!, stride };
    stride *= axis.size;
    return axis;
  });
  return { start: 0, axes: strided.reverse() };
}

/** What a node that only moves makes of a window, where that is one. */
function seen(node: Node, { start, axes }: Window): Window | undefined {
  const replaced = (axis: string, by: (a: Strided) => readonly Strided[], from = start): Window => ({
    start: from,
    axes: axes.flatMap((a) => (a.name === axis ? by(a) : [a])),
  });
  switch (node.op) {
    case "rename":
      return replaced(node.attrs.from, (a) => [{ ...a, name: node.attrs.to }]);
    case "transpose":
      return { start, axes: node.attrs.order.map((name) => axes.find((a) => a.name === name)!) };
    case "split":
      return replaced(node.attrs.axis, ({ stride }) =>
        node.attrs.into.map(({ name, size }, i, all) => ({
          name,
          size: size.known!,
          stride: all.slice(i + 1).reduce((n, b) => n * b.size.known!, stride),
        })),
      );
    case "pick": {
      const { axis, index } = node.attrs;
      const { size, stride } = axes.find((a) => a.name === axis)!;
      return replaced(axis, () => [], start + stride * (index < 0 ? index + size : index));
    }
    case "slice": {
      const { axis, start: first, size } = node.attrs;
      const { stride } = axes.find((a) => a.name === axis)!;
      return replaced(axis, (a) => [{ ...a, size: size.known! }], start + stride * first.known!);
    }
    case "spread":
      return node.attrs.axis.size.known === 1
        ? { start, axes: [...axes, { name: node.attrs.axis.name, size: 1, stride: 0 }] }
        : undefined;
    default:
      return undefined;
  }
}

function placed(
  { start, axes }: Window,
  { type }: Value,
  tensor: StoredTensor,
): { readonly stretch: Stored } | { readonly columns: Columns } | undefined {
  const strides = [...axes].sort((a, b) => (b.size === 1 ? 0 : b.stride) - (a.size === 1 ? 0 : a.stride));
  const order = strides.map(({ name }) => type.axes.find((a) => a.name === name)!);
  let count = 1;
  let pitch: number | undefined;
  let rows = 1;
  for (const { size, stride } of strides.reverse()) {
    if (size === 1) continue;
    if (pitch === undefined && stride === count) count *= size;
    else {
      pitch ??= stride;
      if (stride !== pitch * rows) return undefined;
      rows *= size;
    }
  }
  if (pitch === undefined) return { stretch: { kind: "stored", tensor: stretch(tensor, start, count, order), order } };
  const all = tensor.shape.reduce((n, d) => n * d, 1);
  return rows * pitch === all && start + count <= pitch
    ? { columns: { tensor, rows, pitch, start, count, order } }
    : undefined;
}

function stretch(tensor: StoredTensor, start: number, count: number, order: readonly Axis[]): StoredTensor {
  const width = WIDTH[tensor.dtype];
  const shape = order.map((a) => a.size.known!);
  return { ...tensor, shape, offset: tensor.offset + start * width, bytes: count * width, within: tensor };
}
