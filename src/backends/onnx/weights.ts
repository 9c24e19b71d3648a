/**
 * @file Parameters as initializers. A stored tensor whose numbers serve is referred to where it lies, in its own file,
 * order and dtype; all others are planned for the artifact's data file.
 */
import type { Type } from "../../ir/type.ts";
import { dimensions, type Layout } from "../../layout/layout.ts";
import type { Book } from "../../layout/book.ts";
import type { View } from "../../layout/view.ts";
import type { StoredDtype, WeightSource } from "../../weights/source.ts";
import type { PlannedTensor, Weights } from "../backend.ts";
import { Elem, type Data, type Tensor, type Writer } from "./writer.ts";

/** Stored dtypes that a graph can read as they are; those that are not float32 are cast in it. */
const READABLE: { readonly [K in StoredDtype]?: Elem } = { F32: Elem.float, F16: Elem.float16, BF16: Elem.bfloat16 };

/** Where planned tensors begin: a multiple of this many bytes. */
const ALIGNMENT = 64;

type External = Data & { kind: "external" };

/** A parameter in its file. */
export interface Weight {
  readonly path: string;
  /** Its axes as they lie in the file. */
  readonly order: readonly string[];
  readonly elem: Elem;
  /** The initializer with these dimensions, in the dtype of the file. */
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
    private readonly dataFile: DataNames,
  ) {}

  /** The parameter as a value. Nothing is made before it is read. */
  param(path: string, type: Type): View<Tensor> {
    const weight = this.weight(path, type);
    const view = this.book.provided(type, {
      order: weight.order,
      make: (layout) => {
        const raw = weight.raw(layout);
        return weight.elem === Elem.float
          ? raw
          : this.writer.add("Cast", [raw], { to: Elem.float }, Elem.float, `${path}/Cast`);
      },
    });
    this.weights.set(view.storage, weight);
    return view;
  }

  /** The weight that a value is, if it is one. */
  weightOf(view: View<Tensor>): Weight | undefined {
    return this.weights.get(view.storage);
  }

  /** Says whether two parameters are read in the same way. */
  kindOf(path: string, type: Type): string {
    const { elem, order } = this.weight(path, type);
    return `${elem} ${order.join(" ")}`;
  }

  /** The parameter as initializers only. */
  weight(path: string, type: Type): Weight {
    const source = this.sources(path);
    const readable = readableDtype(source);
    const order = (readable && source.kind === "stored" ? source.order : type.axes).map((a) => a.name);
    const sizeOf = (axis: string) => type.axes.find((a) => a.name === axis)!.size;
    const elem = readable ?? Elem.float;
    const made: { layout: Layout; tensor: Tensor }[] = [];
    return {
      path,
      order,
      elem,
      made,
      raw: (layout) => {
        const dims = dimensions(layout, sizeOf).map((s) => s.known!);
        const data = readable && source.kind === "stored" ? this.link(source) : this.plan(path, type);
        const tensor = this.writer.linkedTo(path, elem, dims, data);
        made.push({ layout, tensor });
        return tensor;
      },
    };
  }

  private link(source: WeightSource & { kind: "stored" }): External {
    const { file, offset, bytes } = source.tensor;
    this.linkedFiles.add(file);
    return { kind: "external", file: this.dataFile(file), offset, length: bytes };
  }

  private plan(path: string, type: Type): External {
    const known = this.plannedAt.get(path);
    if (known) return known;
    const length = type.axes.reduce((n, a) => n * a.size.known!, 4);
    const offset = Math.ceil(this.end / ALIGNMENT) * ALIGNMENT;
    this.end = offset + length;
    this.planned.push({ path, order: type.axes, dtype: "F32", offset, length });
    const data: External = { kind: "external", file: this.dataFile(), offset, length };
    this.plannedAt.set(path, data);
    return data;
  }
}

function readableDtype(source: WeightSource): Elem | undefined {
  return source.kind === "stored" ? READABLE[source.tensor.dtype] : undefined;
}
