/**
 * @file Parameters as initializers. A stored tensor whose numbers serve is referred to where it lies, in its own file,
 * order and dtype; all others are planned for the artifact's data file.
 */
import type { Axis, Type } from "../../ir/type.ts";
import { dimensions, type Layout } from "../../layout/layout.ts";
import type { Book } from "../../layout/book.ts";
import type { View } from "../../layout/view.ts";
import type { Columns, StoredDtype, StoredTensor, WeightSource } from "../../weights/source.ts";
import type { PlannedTensor, Weights } from "../backend.ts";
import { Elem, type Data, type Tensor, type Writer } from "./writer.ts";

/** Stored dtypes that a graph can read as they are; those that are not float32 are cast in it. */
const READABLE: { readonly [K in StoredDtype]?: Elem } = { F32: Elem.float, F16: Elem.float16, BF16: Elem.bfloat16 };

/** How weights come into an artifact. */
export interface WeightOptions {
  /** What the model calls its data files. */
  readonly dataFile: DataNames;
  /** Every weight is written for the artifact, in the order in which it is read; none is referred to where it lies. */
  readonly ordered: boolean;
  /** Planned tensors begin at a multiple of this many bytes. */
  readonly alignment: number;
  /** Weights are written as float16; those that lie there in a half precision stay as they are, if the graph can read them. */
  readonly half?: boolean;
  /** Stored halves of any kind are read as they lie. */
  readonly casts: boolean;
}

type External = Data & { kind: "external" };

/** A parameter in its file. */
export interface Weight {
  readonly path: string;
  /** Its axes as they lie in the file. */
  readonly order: readonly string[];
  readonly elem: Elem;
  /** It is only these columns of what is in the file. */
  readonly columns?: Columns;
  /** The initializer with these dimensions (of columns, with the dimensions of the whole), in the dtype of the file. */
  raw(layout: Layout): Tensor;
  /** The initializers that have been asked for. */
  readonly made: readonly { readonly layout: Layout; readonly tensor: Tensor }[];
}

/** What the model calls a data file: one of the checkpoint's by its name, or, without one, the artifact's own. Asked when it is first referred to. */
export type DataNames = (checkpointFile?: string) => string;

export class WeightBook {
  readonly planned: PlannedTensor[] = [];
  readonly linkedFiles = new Set<string>();
  private readonly plannedAt = new Map<string, External>();
  private readonly weights = new Map<object, Weight>();
  private end = 0;

  constructor(
    private readonly writer: Writer,
    private readonly book: Book<Tensor>,
    private readonly sources: Weights,
    private readonly options: WeightOptions,
  ) {}

  /** The parameter as a value. Nothing is made before it is read. */
  param(path: string, type: Type): View<Tensor> {
    const weight = this.weight(path, type);
    const view = this.book.provided(type, {
      order: weight.order,
      anyOrder: this.options.ordered,
      make: (layout) => {
        const own = weight.columns ? this.cut(weight, weight.columns, layout) : weight.raw(layout);
        return weight.elem === Elem.float
          ? own
          : this.writer.add("Cast", [own], { to: Elem.float }, Elem.float, `${path}/Cast`);
      },
    });
    this.weights.set(view.storage, weight);
    return view;
  }

  /** Columns of a stored matrix. Runtimes fold this when they open the model, as they do casts. */
  private cut(weight: Weight, { order, start, count, rows }: Columns, layout: Layout): Tensor {
    const { writer } = this;
    const all = weight.raw([]);
    const [from, to, axis] = [[start], [start + count], [1]].map((n) => writer.ints(n));
    const part = writer.add("Slice", [all, from!, to!, axis!], {}, weight.elem, `${weight.path}/Slice`);
    const dims = dimensions(layout, (axis) => order.find((a) => a.name === axis)!.size).map((s) => s.known!);
    if (dims.length === 2 && dims[0] === rows && dims[1] === count) return part;
    return writer.add("Reshape", [part, writer.ints(dims)], {}, weight.elem, `${weight.path}/Reshape`);
  }

  /** The weight that a value is, if it is one. */
  weightOf(view: View<Tensor>): Weight | undefined {
    return this.weights.get(view.storage);
  }

  /** Says whether two parameters are read in the same way. */
  kindOf(path: string, type: Type): string {
    const { elem, order, columns: c } = this.weight(path, type);
    return `${elem} ${order.join(" ")}${c ? ` ${c.start} to ${c.start + c.count} of ${c.rows} by ${c.pitch}` : ""}`;
  }

  /** The parameter as initializers only. */
  weight(path: string, type: Type): Weight {
    const source = this.sources(path);
    const { ordered, half = false, casts } = this.options;
    const columns = source.kind === "computed" ? source.columns : undefined;
    const stored = ordered ? undefined : readableDtype(source);
    const own = half ? Elem.float16 : Elem.float;
    const readable = stored === own || (casts && stored !== Elem.float) ? stored : undefined;
    const linked = readable === undefined ? undefined : source.kind === "stored" ? source : columns;
    const order = (linked?.order ?? type.axes).map((a) => a.name);
    const sizeOf = (axis: string) => type.axes.find((a) => a.name === axis)!.size;
    const elem = readable ?? own;
    const made: { layout: Layout; tensor: Tensor }[] = [];
    return {
      path,
      order,
      elem,
      made,
      ...(linked && columns ? { columns } : {}),
      raw: (layout) => {
        const packed = linked ? columns : undefined;
        const dims = packed ? [packed.rows, packed.pitch] : dimensions(layout, sizeOf).map((s) => s.known!);
        const data = linked ? this.link(linked.tensor) : this.plan(path, this.orderOf(type, layout), type.axes);
        const tensor = this.writer.linkedTo(packed ? packed.tensor.name : path, elem, dims, data);
        made.push({ layout, tensor });
        return tensor;
      },
    };
  }

  private link({ file, offset, bytes }: StoredTensor): External {
    this.linkedFiles.add(file);
    return { kind: "external", file: this.options.dataFile(file), offset, length: bytes };
  }

  /** The order in which a weight is written for this layout. */
  private orderOf(type: Type, layout: Layout): readonly Axis[] {
    if (!this.options.ordered) return type.axes;
    const names = layout.flat();
    const left = type.axes.filter((a) => !names.includes(a.name)); // of size one
    return [...names.map((n) => type.axes.find((a) => a.name === n)!), ...left];
  }

  private plan(path: string, order: readonly Axis[], declared: readonly Axis[]): External {
    const key = `${path} ${order.map((a) => a.name).join(" ")}`;
    const known = this.plannedAt.get(key);
    if (known) return known;
    const { alignment, dataFile, half = false } = this.options;
    const length = order.reduce((n, a) => n * a.size.known!, half ? 2 : 4);
    const offset = Math.ceil(this.end / alignment) * alignment;
    this.end = offset + length;
    const moved = order.some((a, i) => a.name !== declared[i]!.name);
    this.planned.push({ path, order, ...(moved ? { declared } : {}), dtype: half ? "F16" : "F32", offset, length });
    const data: External = { kind: "external", file: dataFile(), offset, length };
    this.plannedAt.set(key, data);
    return data;
  }
}

function readableDtype(source: WeightSource): Elem | undefined {
  if (source.kind === "initial") return undefined;
  const tensor = source.kind === "stored" ? source.tensor : source.columns?.tensor;
  return tensor && READABLE[tensor.dtype];
}
