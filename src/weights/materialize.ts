/**
 * @file The numbers of one parameter, in the order of axes and the dtype that an artifact wants, piece by piece: a
 * large tensor is never in memory as a whole unless it is computed.
 */
import type { Graph } from "../ir/graph.ts";
import type { Axis } from "../ir/type.ts";
import type { Tensor } from "../ops/op.ts";
import { fromFloat32, isFloat, rawElements, toFloat32, WIDTH, type FloatDtype } from "./dtypes.ts";
import { permute, simplify, type Elements } from "./permute.ts";
import { fillNormal } from "./random.ts";
import type { Checkpoint, StoredTensor, WeightSource } from "./source.ts";

/** What is wanted of a parameter. Every axis has a known size. */
export interface Wanted {
  /** Its concrete path: drawn weights depend on it. */
  readonly path: string;
  /** The order in which its elements are to lie. */
  readonly order: readonly Axis[];
  /** The order in which the program declares them, where it is another: drawn weights depend on it. */
  readonly declared?: readonly Axis[];
  /** Only this stretch of it, as long as `order` says: of an axis that `declared` has whole. */
  readonly part?: Part | undefined;
  /** Its numbers times this, rounded once more. */
  readonly factor?: number | undefined;
  readonly dtype: FloatDtype;
}

/** A stretch of a parameter along one of its axes, which has `of` places in all. */
export interface Part {
  readonly axis: string;
  readonly start: number;
  readonly of: number;
}

/**
 * Runs the graph of a computed weight on its tensors (in float32, with the axes of the graph's inputs) and gives its
 * one output.
 */
export type EvaluateComputed = (graph: Graph, inputs: readonly Tensor<number>[]) => Tensor<number>;

export interface MaterializeOptions {
  /** Absent where every weight is drawn. */
  readonly checkpoint?: Checkpoint | undefined;
  readonly evaluate: EvaluateComputed;
  /** Bytes that are read at once, roughly; the peak of memory is a few times that. Default 64 MiB. */
  readonly budget?: number;
}

/** Pieces of the parameter's bytes, one after the other. Throws `ReadFailure` where the checkpoint cannot be read. */
export function materialize(source: WeightSource, wanted: Wanted, options: MaterializeOptions): Iterable<Uint8Array> {
  const whole = times(elementsOf(source, wanted, options), wanted);
  return pieces(wanted.part ? partOf(whole, wanted.part, wanted) : whole, wanted, options.budget ?? 64 << 20);
}

/** The whole parameter at once, for small ones and tests. */
export function materializeWhole(source: WeightSource, wanted: Wanted, options: MaterializeOptions): Uint8Array {
  const parts = [...materialize(source, wanted, options)];
  if (parts.length === 1) return parts[0]!;
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/**
 * Bytes that a read should give at least: below, the call costs more than the bytes, and more memory is the lesser
 * evil.
 */
const SHORTEST_RUN = 4096;

/** Elements that can be read from any place on, in row-major order of their axes. */
interface Source {
  readonly axes: readonly { readonly name: string; readonly size: number }[];
  /** Bytes an element while it is moved. */
  readonly width: number;
  read(start: number, count: number): Elements;
  /** Elements of `read`, in the dtype that is wanted. */
  encode(elements: Elements): Uint8Array;
}

function elementsOf(source: WeightSource, wanted: Wanted, options: MaterializeOptions): Source {
  switch (source.kind) {
    case "stored":
      return storedElements(source.tensor, source.order, wanted, opened(options));
    case "computed":
      return computedElements(source, wanted.dtype, options);
    case "initial": {
      const { initial, seed } = source;
      return {
        axes: sizes(wanted.declared ?? wanted.order),
        width: 4,
        read: (start, count) => {
          const out = new Float32Array(count);
          if (initial.kind === "normal") fillNormal(out, start, wanted.path, seed, initial.deviation);
          else out.fill(initial.value);
          return out;
        },
        encode: (elements) => fromFloat32(wanted.dtype, elements as Float32Array),
      };
    }
  }
}

function storedElements(
  tensor: StoredTensor,
  order: readonly Axis[],
  { dtype, factor }: Wanted,
  checkpoint: Checkpoint,
): Source {
  const width = WIDTH[tensor.dtype];
  // Numbers that keep their dtype are moved bit by bit.
  const same = tensor.dtype === dtype && factor === undefined;
  return {
    axes: sizes(order),
    width: same ? width : 4,
    read: (start, count) => {
      const bytes = checkpoint.read(tensor, start * width, count * width);
      return same ? rawElements(dtype, bytes) : toFloat32(tensor.dtype, bytes);
    },
    encode: (elements) => (same ? bytesOf(elements) : fromFloat32(dtype, elements as Float32Array)),
  };
}

function computedElements(
  source: WeightSource & { readonly kind: "computed" },
  dtype: FloatDtype,
  options: MaterializeOptions,
): Source {
  const checkpoint = opened(options);
  const inputs = source.tensors.map((tensor, i): Tensor<number> => {
    if (!isFloat(tensor.dtype)) throw new Error(`${tensor.name} is ${tensor.dtype}: a map reads float tensors`);
    return {
      dtype: "float",
      axes: sizes(source.graph.inputs[i]!.value.type.axes),
      data: toFloat32(tensor.dtype, checkpoint.read(tensor)),
    };
  });
  const { axes, data } = options.evaluate(source.graph, inputs);
  const values = data instanceof Float32Array ? data : Float32Array.from(data as ArrayLike<number>);
  return {
    axes,
    width: 4,
    read: (start, count) => values.subarray(start, start + count),
    encode: (elements) => fromFloat32(dtype, elements as Float32Array),
  };
}

/** The elements times a factor: products in float64, in the pieces in which they are read. */
function times(source: Source, { factor, dtype }: Wanted): Source {
  if (factor === undefined) return source;
  const scaled = (elements: Elements): Float32Array => Float32Array.from(elements as Float32Array, (x) => x * factor);
  return { ...source, encode: (elements) => fromFloat32(dtype, scaled(elements)) };
}

/** The stretch as if it were all that there is: what lies together in the source is read together. */
function partOf(source: Source, { axis, start, of }: Part, wanted: Wanted): Source {
  const at = source.axes.findIndex((a) => a.name === axis);
  const size = sizes(wanted.order).find((a) => a.name === axis)?.size;
  if (at < 0 || size === undefined || source.axes[at]!.size !== of || start + size > of)
    throw new Error(`${wanted.path} has no stretch of ${axis} from ${start} on`);
  const inner = source.axes.slice(at + 1).reduce((n, a) => n * a.size, 1);
  const run = size * inner;
  return {
    ...source,
    axes: source.axes.map((a, i) => (i === at ? { name: axis, size } : a)),
    read: (first, count) => {
      let out: Elements | undefined;
      for (let done = 0; done < count;) {
        const [outer, within] = [Math.floor((first + done) / run), (first + done) % run];
        const many = Math.min(count - done, run - within);
        const elements = source.read((outer * of + start) * inner + within, many);
        if (many === count) return elements;
        out ??= new (elements.constructor as new (n: number) => Elements)(count);
        out.set(elements as never, done);
        done += many;
      }
      return out ?? source.read(0, 0);
    },
  };
}

function* pieces(source: Source, wanted: Wanted, budget: number): Generator<Uint8Array> {
  const order = sizes(wanted.order);
  const count = order.reduce((n, a) => n * a.size, 1);
  if (count === 0) return;
  const from = axesIn(source, order, wanted.path);
  const most = Math.max(1, Math.floor(budget / source.width));
  const simple = simplify({ shape: source.axes.map((a) => a.size), from });
  if (simple.from.every((axis, i) => axis === i)) {
    for (let start = 0; start < count; start += most)
      yield source.encode(source.read(start, Math.min(most, count - start)));
    return;
  }
  // A piece of the result: a range of its first axis, which lies in the source as many short runs.
  const first = simple.from[0]!;
  const length = simple.shape[first]!;
  const inner = simple.shape.slice(first + 1).reduce((n, d) => n * d, 1);
  const outer = simple.shape.slice(0, first).reduce((n, d) => n * d, 1);
  const step = Math.max(Math.ceil(SHORTEST_RUN / (inner * source.width)), Math.floor(most / (outer * inner)));
  for (let start = 0; start < length; start += step) {
    const part = Math.min(step, length - start);
    const slab = readSlab(source, { outer, length, inner, start, part });
    yield source.encode(
      permute(slab, { shape: simple.shape.map((d, i) => (i === first ? part : d)), from: simple.from }),
    );
  }
}

interface Slab {
  readonly outer: number;
  readonly length: number;
  readonly inner: number;
  readonly start: number;
  readonly part: number;
}

/** Elements `[outer, start..start + part, inner]` of `[outer, length, inner]`. */
function readSlab(source: Source, { outer, length, inner, start, part }: Slab): Elements {
  if (part === length) return source.read(0, outer * length * inner);
  const run = part * inner;
  let out: Elements | undefined;
  for (let o = 0; o < outer; o++) {
    const elements = source.read((o * length + start) * inner, run);
    out ??= new (elements.constructor as new (n: number) => Elements)(outer * run);
    out.set(elements as never, o * run);
  }
  return out!;
}

/** For each axis of `order` its place in the source. */
function axesIn(
  source: Source,
  order: readonly { readonly name: string; readonly size: number }[],
  path: string,
): number[] {
  const from = order.map((a) => source.axes.findIndex((s) => s.name === a.name && s.size === a.size));
  if (from.length !== source.axes.length || from.includes(-1)) {
    const show = (axes: Source["axes"]): string => axes.map((a) => `${a.name}=${a.size}`).join(", ");
    throw new Error(`${path} has the axes ${show(source.axes)}, not ${show(order)}`);
  }
  return from;
}

function sizes(axes: readonly Axis[]): { readonly name: string; readonly size: number }[] {
  return axes.map((a) => {
    const size = a.size.known;
    if (size === undefined) throw new Error(`the size of ${a.name} is not known`);
    return { name: a.name, size };
  });
}

function bytesOf(elements: Elements): Uint8Array {
  return new Uint8Array(elements.buffer, elements.byteOffset, elements.byteLength);
}

function opened({ checkpoint }: MaterializeOptions): Checkpoint {
  if (!checkpoint) throw new Error("a weight is stored, and there is no checkpoint");
  return checkpoint;
}
