/**
 * @file Parameters as initializers. A stored tensor whose numbers serve is referred to where it lies, in its own file,
 * order and dtype; all others are planned for the artifact's data file.
 */
import type { Axis, Type } from "../../ir/type.ts";
import { dimensions, isOne, sameList, type Layout } from "../../layout/layout.ts";
import type { Book } from "../../layout/book.ts";
import type { View } from "../../layout/view.ts";
import type { Columns, StoredDtype, StoredTensor, WeightSource } from "../../weights/source.ts";
import type { PlannedTensor, Weights } from "../backend.ts";
import { Elem, type Data, type Tensor, type Writer } from "./writer.ts";

/** Stored dtypes that a graph can read as they are; those that are not float32 are cast in it. */
const READABLE: { readonly [K in StoredDtype]?: Elem } = { F32: Elem.float, F16: Elem.float16, BF16: Elem.bfloat16 };

/** What is written for them. */
const WRITTEN: { readonly [E in Elem]?: PlannedTensor["dtype"] } = {
  [Elem.float]: "F32",
  [Elem.float16]: "F16",
  [Elem.bfloat16]: "BF16",
};

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
  /** The parameter is written times this. */
  readonly factor: number | undefined;
  /** The initializer with these dimensions (of columns, with the dimensions of the whole), in the dtype of the file. */
  raw(layout: Layout): Tensor;
  /** The initializers that have been asked for. */
  readonly made: readonly { readonly layout: Layout; readonly tensor: Tensor }[];
}

/** A weight as one of several that lie one behind the other: `columns` and then `over` are its axes, slowest first. */
export interface JointPart {
  readonly path: string;
  readonly type: Type;
  readonly columns: readonly string[];
  readonly over: readonly string[];
}

/** Several weights as one matrix. */
export interface Joint {
  /** Which of the parts comes first, second, ... */
  readonly order: readonly number[];
  /** [columns of all, over]; else it is [over, columns of all]. */
  readonly columnsFirst: boolean;
  readonly path: string;
  readonly elem: Elem;
  /** What of the initializer it is, where that has more columns. */
  readonly cut?: readonly [start: number, end: number];
  readonly raw: Tensor;
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

  /** The parameter as a value, written times `factor` where there is one. Nothing is made before it is read. */
  param(path: string, type: Type, factor?: number): View<Tensor> {
    const weight = this.weight(path, type, factor);
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

  /** Weights as one. They are linked where they lie one behind the other already (in whatever order, if any will do); else written so. */
  joint(parts: readonly JointPart[], anyOrder: boolean): Joint {
    const path = jointPath(parts.map((p) => p.path));
    const beside = anyOrder ? this.besideEachOther(parts) : undefined;
    if (beside) {
      const { first, inOrder, count } = beside;
      const { tensor, rows, pitch, start } = first;
      const elem = READABLE[tensor.dtype]!;
      const raw = this.writer.linkedTo(tensor.name, elem, [rows, pitch], this.link(tensor));
      const cut = count === pitch ? {} : { cut: [start, start + count] as const };
      return { order: inOrder.map((p) => parts.indexOf(p)), columnsFirst: false, path, elem, raw, ...cut };
    }
    const sizeOf = (part: JointPart) => (axis: string) => part.type.axes.find((a) => a.name === axis)!.size;
    const size = (part: JointPart, axes: readonly string[]) => axes.reduce((n, a) => n * sizeOf(part)(a).known!, 1);
    const total = parts.reduce((n, p) => n + size(p, p.columns), 0);
    const dims = parts[0]!.over.length === 0 ? [total] : [total, size(parts[0]!, parts[0]!.over)];
    const behind = this.behindEachOther(parts, anyOrder);
    const elem = behind?.elem ?? this.commonElem(parts);
    const data = behind?.data ?? this.planTogether(path, parts, elem);
    const raw = this.writer.linkedTo(path, elem, dims, data);
    return { order: (behind?.inOrder ?? parts).map((p) => parts.indexOf(p)), columnsFirst: true, path, elem, raw };
  }

  /** The precision in which all of them can be read as they are stored, or else the graph's own. */
  private commonElem(parts: readonly JointPart[]): Elem {
    const [first, ...others] = parts.map((p) => this.readable(this.sources(p.path)));
    return first !== undefined && others.every((o) => o === first) ? first : this.own;
  }

  /** As one stretch of a file, where they are one. */
  private behindEachOther(
    parts: readonly JointPart[],
    anyOrder: boolean,
  ): { readonly inOrder: readonly JointPart[]; readonly elem: Elem; readonly data: External } | undefined {
    const found: { readonly part: JointPart; readonly tensor: StoredTensor; readonly elem: Elem }[] = [];
    for (const part of parts) {
      const source = this.sources(part.path);
      const elem = this.readable(source);
      if (source.kind !== "stored" || elem === undefined) return undefined;
      const lies = source.order.filter((a) => !isOne(a.size)).map((a) => a.name);
      if (!sameList(lies, [...part.columns, ...part.over])) return undefined;
      found.push({ part, tensor: source.tensor, elem });
    }
    if (anyOrder) found.sort((a, b) => a.tensor.offset - b.tensor.offset);
    const [{ tensor: first, elem }] = found as [(typeof found)[number]];
    let end = first.offset;
    for (const { tensor, elem: own } of found) {
      if (tensor.file !== first.file || tensor.offset !== end || own !== elem) return undefined;
      end += tensor.bytes;
    }
    return {
      inOrder: found.map((f) => f.part),
      elem,
      data: this.link({ ...first, bytes: end - first.offset }),
    };
  }

  /** As neighbouring columns of one stored matrix, where they are such. */
  private besideEachOther(
    parts: readonly JointPart[],
  ): { readonly inOrder: readonly JointPart[]; readonly first: Columns; readonly count: number } | undefined {
    const found: { readonly part: JointPart; readonly columns: Columns }[] = [];
    for (const part of parts) {
      const source = this.sources(part.path);
      const columns = source.kind === "computed" ? source.columns : undefined;
      if (!columns || this.readable(source) === undefined) return undefined;
      const lies = columns.order.filter((a) => !isOne(a.size)).map((a) => a.name);
      if (!sameList(lies, [...part.over, ...part.columns])) return undefined;
      found.push({ part, columns });
    }
    found.sort((a, b) => a.columns.start - b.columns.start);
    const [{ columns: first }] = found as [(typeof found)[number]];
    let end = first.start;
    for (const { columns: c } of found) {
      if (c.tensor.name !== first.tensor.name || c.pitch !== first.pitch || c.start !== end) return undefined;
      end += c.count;
    }
    return { inOrder: found.map((f) => f.part), first, count: end - first.start };
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
  weight(path: string, type: Type, factor?: number): Weight {
    const source = this.sources(path);
    const { own } = this;
    const columns = source.kind === "computed" ? source.columns : undefined;
    const readable = factor === undefined ? this.readable(source) : undefined;
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
      factor,
      ...(linked && columns ? { columns } : {}),
      raw: (layout) => {
        const packed = linked ? columns : undefined;
        const dims = packed ? [packed.rows, packed.pitch] : dimensions(layout, sizeOf).map((s) => s.known!);
        const data = linked ? this.link(linked.tensor) : this.plan(path, this.orderOf(type, layout), type.axes, factor);
        const tensor = this.writer.linkedTo(packed ? packed.tensor.name : path, elem, dims, data);
        made.push({ layout, tensor });
        return tensor;
      },
    };
  }

  /** The precision of what is written for the artifact. */
  private get own(): Elem {
    return this.options.half ? Elem.float16 : Elem.float;
  }

  /** The precision in which a weight is stored, where the graph can read it so. */
  private readable(source: WeightSource): Elem | undefined {
    const stored = this.options.ordered ? undefined : readableDtype(source);
    return stored === this.own || (this.options.casts && stored !== Elem.float) ? stored : undefined;
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

  private plan(path: string, order: readonly Axis[], declared: readonly Axis[], factor: number | undefined): External {
    const key = `${path} ${order.map((a) => a.name).join(" ")} ${factor ?? ""}`;
    const known = this.plannedAt.get(key);
    if (known) return known;
    const data = this.together([{ path, order, declared, factor }], this.own);
    this.plannedAt.set(key, data);
    return data;
  }

  private planTogether(path: string, parts: readonly JointPart[], elem: Elem): External {
    const key = `${path} as one`;
    const known = this.plannedAt.get(key);
    if (known) return known;
    const wanted = parts.map(({ path, type, columns, over }) => {
      const names = [...columns, ...over];
      const left = type.axes.filter((a) => !names.includes(a.name)); // of size one
      return { path, order: [...names.map((n) => type.axes.find((a) => a.name === n)!), ...left], declared: type.axes };
    });
    const data = this.together(wanted, elem);
    this.plannedAt.set(key, data);
    return data;
  }

  /** Plans tensors one behind the other, without gaps. */
  private together(
    tensors: readonly (Pick<PlannedTensor, "path" | "order"> & {
      readonly declared: readonly Axis[];
      readonly factor?: number | undefined;
    })[],
    elem: Elem,
  ): External {
    const { alignment, dataFile } = this.options;
    const offset = Math.ceil(this.end / alignment) * alignment;
    this.end = offset;
    for (const { path, order, declared, factor } of tensors) {
      const length = order.reduce((n, a) => n * a.size.known!, elem === Elem.float ? 4 : 2);
      const moved = order.some((a, i) => a.name !== declared[i]!.name);
      const dtype = WRITTEN[elem]!;
      const times = factor === undefined ? {} : { factor };
      this.planned.push({ path, order, ...(moved ? { declared } : {}), ...times, dtype, offset: this.end, length });
      this.end += length;
    }
    return { kind: "external", file: dataFile(), offset, length: this.end - offset };
  }
}

/** Of `layers.0.q.weight`, `layers.0.q`: what nodes that read it are called after. */
export function folderOf(path: string): string {
  return path.replace(/\.[^.]*$/, "");
}

/** `layers.0.q.weight` and `layers.0.k.weight` are `layers.0.q+k.weight`. */
function jointPath(paths: readonly string[]): string {
  const split = paths.map((p) => p.split("."));
  const [first] = split as [string[]];
  if (split.some((s) => s.length !== first.length)) return paths.join("+");
  return first.map((_, i) => [...new Set(split.map((s) => s[i]!))].join("+")).join(".");
}

function readableDtype(source: WeightSource): Elem | undefined {
  if (source.kind === "initial") return undefined;
  const tensor = source.kind === "stored" ? source.tensor : source.columns?.tensor;
  return tensor && READABLE[tensor.dtype];
}
