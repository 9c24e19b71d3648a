/**
 * @file Values in memory. A `Storage` is one computed thing and every tensor that holds it, each in a layout of its
 * own; a `View` is what a value of the graph sees of a storage. Renaming, splitting, merging and spreading axes make
 * views and no tensors.
 */
import type { Size } from "../ir/size.ts";
import type { Type } from "../ir/type.ts";
import { showLayout, significant, type Layout, type SizeOf } from "./layout.ts";

/** What a backend does to its tensors when layouts meet. Dimensions are sizes, one for each group of the layout. */
export interface Converter<T> {
  reshape(tensor: T, from: readonly Size[], to: readonly Size[]): T;
  transpose(tensor: T, permutation: readonly number[]): T;
  /** Repeats along dimensions of size one. */
  expand(tensor: T, from: readonly Size[], to: readonly Size[]): T;
}

/** A tensor that lies in any grouping of one memory order: a weight in a file, whose dimensions are only said. */
export interface Provider<T> {
  readonly order: readonly string[];
  /** It gives any order as easily as its own: a weight that is written for its readers. */
  readonly anyOrder?: boolean;
  make(layout: Layout): T;
}

/** An axis of another storage taken apart. */
export interface Origin<T> {
  readonly parent: Storage<T>;
  readonly axis: string;
  readonly into: readonly string[];
}

export interface Placement<T> {
  readonly tensor: T;
  readonly layout: Layout;
}

export class Storage<T> {
  /** As they were made; the first is what the value's operator wrote. */
  readonly placements: Placement<T>[] = [];
  /** This storage with an axis taken apart, by how: so that a split made twice shares its tensors. */
  readonly splits = new Map<string, Storage<T>>();
  private readonly known = new Map<string, T>();
  readonly sizeOf: SizeOf;

  constructor(
    /** Storages are numbered in the order in which they are made. */
    readonly serial: number,
    readonly sizes: ReadonlyMap<string, Size>,
    readonly origin?: Origin<T>,
    readonly provider?: Provider<T>,
  ) {
    this.sizeOf = (axis) => {
      const size = sizes.get(axis);
      if (!size) throw new Error(`no axis ${axis} in a storage of ${[...sizes.keys()].join(", ")}`);
      return size;
    };
  }

  find(layout: Layout, sizeOf: SizeOf): T | undefined {
    return this.known.get(showLayout(significant(layout, sizeOf)));
  }

  /** Remembers a tensor so that the same conversion is not made again. */
  remember(tensor: T, layout: Layout, sizeOf: SizeOf): void {
    const key = showLayout(significant(layout, sizeOf));
    if (!this.known.has(key)) this.known.set(key, tensor);
  }

  place(tensor: T, layout: Layout): void {
    this.placements.push({ tensor, layout });
    this.remember(tensor, layout, this.sizeOf);
  }
}

export interface View<T> {
  readonly type: Type;
  readonly storage: Storage<T>;
  /** The axes of the storage, slowest first, that each axis of the value is made of. */
  readonly axes: ReadonlyMap<string, readonly string[]>;
  /** Axes along which the value is the same, by the names that `axes` gives them: no tensor has them. */
  readonly spread: ReadonlyMap<string, Size>;
}

/** Is there a tensor with this axis? False where the value is merely the same along it, or lacks it. */
export function isPhysical<T>(view: View<T>, axis: string): boolean {
  return view.axes.get(axis)?.some((a) => !view.spread.has(a)) ?? false;
}

export function sizeIn<T>(view: View<T>): SizeOf {
  return (axis) => {
    const found = view.type.axes.find((a) => a.name === axis);
    if (!found) throw new Error(`no axis ${axis} in a value of ${view.type.axes.map((a) => a.name).join(", ")}`);
    return found.size;
  };
}

/** A new view of the same storage with other axes. */
export function reviewed<T>(
  view: View<T>,
  type: Type,
  axes: ReadonlyMap<string, readonly string[]>,
  spread: ReadonlyMap<string, Size> = view.spread,
): View<T> {
  return { type, storage: view.storage, axes, spread };
}

/** Renames an axis. */
export function renamed<T>(view: View<T>, from: string, to: string, type: Type): View<T> {
  const axes = new Map([...view.axes].map(([name, parts]) => [name === from ? to : name, parts] as const));
  return reviewed(view, type, axes);
}

/** Makes one axis of several. */
export function merged<T>(view: View<T>, names: readonly string[], into: string, type: Type): View<T> {
  const axes = new Map([...view.axes].filter(([name]) => !names.includes(name)));
  axes.set(
    into,
    names.flatMap((n) => view.axes.get(n)!),
  );
  return reviewed(view, type, axes);
}

/** Adds an axis along which the value is the same. */
export function spreadOver<T>(view: View<T>, name: string, size: Size, type: Type): View<T> {
  const own = unusedName(view, `${name}=${size.toString()}`);
  return reviewed(view, type, new Map([...view.axes, [name, [own]]]), new Map([...view.spread, [own, size]]));
}

/** A name for an axis of storage that the view does not have yet. */
export function unusedName<T>(view: View<T>, wish: string): string {
  let name = wish;
  while (view.storage.sizes.has(name) || view.spread.has(name)) name += "'";
  return name;
}
