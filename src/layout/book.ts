/**
 * @file The layout phase: which tensors hold a value, and in what layout. A backend says for every operator in what
 * layout it reads each operand (`read`) and in what layout it wrote its result (`made`); the book places the
 * conversions, each once, and records them.
 */
import type { Axis, Type } from "../ir/type.ts";
import { Size } from "../ir/size.ts";
import { planConversion, type Step } from "./convert.ts";
import {
  dimensions,
  isOne,
  sameList,
  separate,
  showLayout,
  significant,
  splitGroups,
  type Layout,
  type SizeOf,
} from "./layout.ts";
import { isPhysical, Storage, unusedName, type Converter, type Provider, type View } from "./view.ts";

/** What happened, in order: for `printLayout`. */
export type Entry<T> =
  | { readonly kind: "made"; readonly tensor: T; readonly layout: Layout; readonly type: Type }
  | {
      readonly kind: "converted";
      readonly tensor: T;
      readonly from: T;
      readonly step: Step["kind"] | "expand";
      readonly layout: Layout;
    };

/** What a conversion costs: a reshape moves nothing. */
const COST = { reshape: 1, transpose: 10 } as const;

export class Book<T> {
  readonly entries: Entry<T>[] = [];
  private created = 0;
  private readonly watches: { readonly watermark: number; escapes: number }[] = [];

  constructor(private readonly target: Converter<T>) {}

  /**
   * From now on counts what is done to values that are there already: a conversion of such a value is made once and
   * then found, so that doing the same again would go differently. Gives the number from which storages are new.
   */
  watch(): number {
    this.watches.push({ watermark: this.created, escapes: 0 });
    return this.created;
  }

  /** Ends the last `watch`: how often something was done to a value that was there before. */
  unwatch(): number {
    return this.watches.pop()!.escapes;
  }

  /** Says that something was done to a value that stays (without one: to what all share). */
  touch(storage?: Storage<T>): void {
    for (const w of this.watches) if (!storage || storage.serial < w.watermark) w.escapes++;
  }

  /** A storage with these tensors, like another one with others. */
  likewise(storage: Storage<T>, tensorFor: (tensor: T) => T): Storage<T> {
    const made = new Storage<T>(this.created++, storage.sizes);
    for (const p of storage.placements) made.place(tensorFor(p.tensor), p.layout);
    return made;
  }

  /** A value that an operator wrote. An axis of its type that the layout lacks is one along which it is the same. */
  made(tensor: T, layout: Layout, type: Type): View<T> {
    const placed = new Set(layout.flat());
    const storage = new Storage<T>(
      this.created++,
      new Map(type.axes.filter((a) => placed.has(a.name)).map((a) => [a.name, a.size])),
    );
    storage.place(tensor, layout);
    this.entries.push({ kind: "made", tensor: tensor, layout, type });
    return viewOf(storage, type);
  }

  /** A value whose tensors have any grouping of one memory order: nothing is made before it is read. */
  provided(type: Type, provider: Provider<T>): View<T> {
    return viewOf(
      new Storage<T>(this.created++, new Map(type.axes.map((a) => [a.name, a.size])), undefined, provider),
      type,
    );
  }

  /** The tensor that holds the value in this layout. Axes of size one may be missing, or stand anywhere. */
  read(view: View<T>, layout: Layout): T {
    const sizeOf: SizeOf = (part) => view.spread.get(part) ?? view.storage.sizeOf(part);
    const inStorage = layout.map((g) => g.flatMap((axis) => partsOf(view, axis)));
    const needsSpread = significant(inStorage, sizeOf).some((g) => g.some((part) => view.spread.has(part)));
    return needsSpread
      ? this.readSpread(view, inStorage, sizeOf)
      : this.readStorage(view.storage, withoutSpread(view, inStorage));
  }

  /** Splits an axis into several. */
  split(view: View<T>, axis: string, into: readonly Axis[], type: Type): View<T> {
    const shares = shareParts(view, partsOf(view, axis), into);
    if (shares) {
      const axes = new Map([...view.axes].filter(([name]) => name !== axis));
      into.forEach((a, i) => axes.set(a.name, shares[i]!));
      return { type, storage: view.storage, axes, spread: view.spread };
    }
    const whole = this.whole(view, axis);
    const [part] = partsOf(whole, axis) as [string];
    const key = `${part} -> ${into.map((a) => `${a.name}=${a.size.toString()}`).join(" ")}`;
    const known = whole.storage.splits.get(key);
    const names = known?.origin!.into ?? into.map((a) => unusedName(whole, a.name));
    const sizes = new Map([...whole.storage.sizes].filter(([name]) => name !== part));
    into.forEach((a, i) => sizes.set(names[i]!, a.size));
    const axes = new Map([...whole.axes].filter(([name]) => name !== axis));
    into.forEach((a, i) => axes.set(a.name, [names[i]!]));
    const storage = known ?? new Storage<T>(this.created++, sizes, { parent: whole.storage, axis: part, into: names });
    if (!known) {
      this.touch(whole.storage);
      whole.storage.splits.set(key, storage);
    }
    return { type, storage, axes, spread: whole.spread };
  }

  /** The layouts in which there are tensors now, by the value's own axes; where none fits them, none. */
  layouts(view: View<T>): readonly Layout[] {
    return layoutsOfStorage(view.storage)
      .map((l) => translate(view, l))
      .filter((l) => l !== undefined);
  }

  /**
   * How the value lies now, by its own axes (those along which it is the same left out): what to follow when there is
   * no reason not to.
   */
  layoutOf(view: View<T>): Layout {
    return this.layouts(view)[0] ?? separate(this.memoryOrder(view));
  }

  /** The physical axes of a value, slowest first. */
  memoryOrder(view: View<T>): readonly string[] {
    const order = layoutsOfStorage(view.storage)[0]!.flat();
    const at = (axis: string): number => order.indexOf(partsOf(view, axis).find((p) => !view.spread.has(p))!);
    return view.type.axes
      .map((a) => a.name)
      .filter((a) => isPhysical(view, a))
      .sort((a, b) => at(a) - at(b));
  }

  private readStorage(storage: Storage<T>, wanted: Layout): T {
    const known = storage.find(wanted, storage.sizeOf);
    if (known !== undefined) return known;
    const outer = storage.origin && contracted(storage, wanted);
    if (storage.origin && outer) return this.readStorage(storage.origin.parent, outer);
    return storage.provider ? this.readProvided(storage, storage.provider, wanted) : this.convert(storage, wanted);
  }

  private readProvided(storage: Storage<T>, provider: Provider<T>, wanted: Layout): T {
    const { sizeOf } = storage;
    if (provider.anyOrder) {
      const tensor = provider.make(wanted);
      this.touch(storage);
      storage.remember(tensor, wanted, sizeOf);
      return tensor;
    }
    // As if it were one dimension: the reshape that then comes first costs nothing.
    const stored: Layout = [provider.order];
    const steps = planConversion(stored, wanted, sizeOf);
    const [first] = steps;
    const start = steps.length === 0 ? wanted : first?.kind === "reshape" ? first.to : stored;
    const tensor = provider.make(start);
    this.touch(storage);
    storage.remember(tensor, start, sizeOf);
    return this.apply(storage, tensor, start, first?.kind === "reshape" ? steps.slice(1) : steps);
  }

  private convert(storage: Storage<T>, wanted: Layout): T {
    let best: { tensor: T; layout: Layout; steps: readonly Step[]; cost: number } | undefined;
    for (const source of this.sources(storage)) {
      const steps = planConversion(source.layout, wanted, storage.sizeOf);
      const cost = steps.reduce((sum, s) => sum + COST[s.kind], 0);
      if (!best || cost < best.cost) best = { ...source, steps, cost };
    }
    if (!best) throw new Error(`nothing holds ${showLayout(wanted)}`);
    return this.apply(storage, best.tensor, best.layout, best.steps);
  }

  /** The tensors that hold a storage, those of the axis it was split from among them. */
  private sources(storage: Storage<T>): { tensor: T; layout: Layout }[] {
    const { origin } = storage;
    if (!origin) return storage.placements;
    if (origin.parent.provider && origin.parent.placements.length === 0) {
      const layout = separate(origin.parent.provider.order);
      return [{ tensor: this.readStorage(origin.parent, layout), layout: refined(layout, origin.axis, origin.into) }];
    }
    const outer = this.sources(origin.parent).map((p) => ({
      tensor: p.tensor,
      layout: refined(p.layout, origin.axis, origin.into),
    }));
    return [...outer, ...storage.placements];
  }

  private apply(storage: Storage<T>, from: T, layout: Layout, steps: readonly Step[]): T {
    let tensor = from;
    let lies = layout;
    for (const step of steps) {
      const source = tensor;
      tensor =
        step.kind === "reshape"
          ? this.target.reshape(tensor, dimensions(lies, storage.sizeOf), dimensions(step.to, storage.sizeOf))
          : this.target.transpose(tensor, step.permutation);
      lies = step.to;
      this.touch(storage);
      storage.place(tensor, lies);
      this.entries.push({ kind: "converted", tensor, from: source, step: step.kind, layout: lies });
    }
    return tensor;
  }

  private readSpread(view: View<T>, wanted: Layout, sizeOf: SizeOf): T {
    const known = view.storage.find(wanted, sizeOf);
    if (known !== undefined) return known;
    const apart = splitGroups(wanted, (part) => (view.spread.has(part) ? "spread" : ""));
    const thin = withoutSpread(view, apart);
    const source = this.readStorage(view.storage, thin);
    let tensor = this.target.expand(source, dimensions(thin, sizeOf), dimensions(apart, sizeOf));
    this.entries.push({ kind: "converted", tensor, from: source, step: "expand", layout: apart });
    if (planConversion(apart, wanted, sizeOf).length > 0)
      tensor = this.target.reshape(tensor, dimensions(apart, sizeOf), dimensions(wanted, sizeOf));
    this.touch(view.storage);
    view.storage.remember(tensor, wanted, sizeOf);
    return tensor;
  }

  /** The value with this axis as one axis of its storage. */
  private whole(view: View<T>, axis: string): View<T> {
    const parts = partsOf(view, axis);
    if (parts.length === 1 && !view.spread.has(parts[0]!)) return view;
    const lies = this.layoutOf(view);
    const layout = lies.flat().includes(axis) ? lies : [...lies, [axis]];
    return this.made(this.read(view, layout), layout, view.type);
  }
}

function viewOf<T>(storage: Storage<T>, type: Type): View<T> {
  const spread = new Map<string, Size>();
  for (const a of type.axes) if (!storage.sizes.has(a.name)) spread.set(a.name, a.size);
  return { type, storage, axes: new Map(type.axes.map((a) => [a.name, [a.name]])), spread };
}

function partsOf<T>(view: View<T>, axis: string): readonly string[] {
  const parts = view.axes.get(axis);
  if (!parts) throw new Error(`no axis ${axis} in a value of ${[...view.axes.keys()].join(", ")}`);
  return parts;
}

function withoutSpread<T>(view: View<T>, layout: Layout): Layout {
  return view.spread.size === 0 ? layout : layout.map((g) => g.filter((part) => !view.spread.has(part)));
}

function layoutsOfStorage<T>(storage: Storage<T>): readonly Layout[] {
  const { origin, provider } = storage;
  const own = storage.placements.map((p) => p.layout);
  if (origin) return [...layoutsOfStorage(origin.parent).map((l) => refined(l, origin.axis, origin.into)), ...own];
  return provider ? [separate(provider.order), ...own] : own;
}

/** The layout with one axis replaced by those it was split into. */
function refined(layout: Layout, axis: string, into: readonly string[]): Layout {
  return layout.map((g) => (g.includes(axis) ? g.flatMap((a) => (a === axis ? into : [a])) : g));
}

/** The layout in terms of the axis that was split, if its parts stand together in order. */
function contracted<T>(storage: Storage<T>, layout: Layout): Layout | undefined {
  const { axis, into } = storage.origin!;
  const parts = into.filter((a) => !isOne(storage.sizeOf(a)));
  const lies = significant(layout, storage.sizeOf);
  if (parts.length === 0) return lies;
  const group = lies.find((g) => g.includes(parts[0]!));
  const at = group?.indexOf(parts[0]!) ?? -1;
  if (!group || !sameList(group.slice(at, at + parts.length), parts)) return undefined;
  return lies.map((g) => (g === group ? [...g.slice(0, at), axis, ...g.slice(at + parts.length)] : g));
}

/**
 * A layout of storage in the value's own axes, joining dimensions that one of them spans; undefined where one lies
 * scattered.
 */
function translate<T>(view: View<T>, layout: Layout): Layout | undefined {
  const axisOf = new Map<string, string>();
  for (const [axis, parts] of view.axes) for (const p of parts) axisOf.set(p, axis);
  const partsLeft = (axis: string): string[] =>
    view.axes
      .get(axis)!
      .filter((p) => (view.spread.has(p) ? !isOne(view.spread.get(p)!) : !isOne(view.storage.sizeOf(p))));
  const groups: string[][] = [];
  let rest: string[] = [];
  for (const from of significant(layout, view.storage.sizeOf)) {
    if (rest.length === 0) groups.push([]);
    for (const part of from) {
      if (rest.length === 0) {
        const axis = axisOf.get(part)!;
        rest = partsLeft(axis);
        groups.at(-1)!.push(axis);
      }
      if (rest.shift() !== part) return undefined;
    }
  }
  return rest.length === 0 ? groups : undefined;
}

/** Shares the parts of an axis out to those it is split into, if their sizes fit. */
function shareParts<T>(view: View<T>, parts: readonly string[], into: readonly Axis[]): string[][] | undefined {
  if (parts.length < 2) return undefined;
  const left = [...parts];
  const shares = into.map((axis) => {
    const share: string[] = [];
    let size = Size.ONE;
    while (left.length > 0 && !size.equals(axis.size)) {
      const part = left.shift()!;
      share.push(part);
      size = size.times(view.spread.get(part) ?? view.storage.sizeOf(part));
    }
    return size.equals(axis.size) ? share : undefined;
  });
  if (shares.some((s) => !s)) return undefined;
  const last = shares.at(-1)!;
  last.push(...left); // of size one, or the product would not have fitted
  return left.every((p) => isOne(view.spread.get(p) ?? view.storage.sizeOf(p))) ? (shares as string[][]) : undefined;
}
