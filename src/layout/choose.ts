/** @file Which layout an operator's result gets where several would do: the operands decide. */
import type { Type } from "../ir/type.ts";
import type { Book } from "./book.ts";
import { isOne, sameLayout, showLayout, significant, splitGroups, type Layout, type SizeOf } from "./layout.ts";
import { isPhysical, type View } from "./view.ts";

/**
 * How an elementwise operator reads its operands and what it writes. An operand's missing axes are dimensions of size
 * one.
 */
export interface Alignment {
  readonly layout: Layout;
  readonly operands: readonly Layout[];
}

/**
 * Follows the largest operand: of the layouts in which an operand with all axes lies, the one that needs the fewest
 * conversions, then the one with the fewest dimensions. Dimensions are split where an operand has only some of their
 * axes.
 */
export function align<T>(
  book: Book<T>,
  views: readonly View<T>[],
  type: Type,
  rank: (axis: string) => number,
): Alignment {
  const sizeOf: SizeOf = (axis) => type.axes.find((a) => a.name === axis)!.size;
  const present = type.axes.map((a) => a.name).filter((a) => views.some((v) => isPhysical(v, a)));
  const needed = present.filter((a) => !isOne(sizeOf(a)));
  const has = views.map((v) => new Set(present.filter((a) => isPhysical(v, a))));
  const full = views.filter((_, i) => needed.every((a) => has[i]!.has(a)));
  const candidates = full.flatMap((v) => book.layouts(v));
  if (candidates.length === 0) candidates.push(mergedOrder(book, views, present, rank).map((a) => [a]));

  const mark = (axis: string): string =>
    isOne(sizeOf(axis)) ? "" : has.map((h) => (h.has(axis) ? "1" : "0")).join("");
  let best: { alignment: Alignment; cost: number } | undefined;
  const tried = new Set<string>();
  for (const candidate of candidates) {
    const whole = splitWhereNeeded(significant(candidate, sizeOf), mark);
    const key = showLayout(whole);
    if (tried.has(key)) continue;
    tried.add(key);
    const layout = trimmed(whole);
    const ones = whole.length - layout.length;
    const lies = views.map((v) => book.layouts(v).map((l) => significantIn(v, l)));
    const operands = views.map((_, i) => operandLayout(layout, has[i]!));
    const conversions = operands.filter((o, i) => !lies[i]!.some((l) => sameLayout(trimmed(l), o))).length;
    // Dimensions of one that an operand begins with stay: a reshape that takes them off would do nothing else.
    const led = operands.map((o, i) => (o.length === layout.length ? ledBy(o, ones, lies[i]!) : o));
    const lead = Math.max(0, ...led.map((o) => o.length - layout.length));
    const cost = conversions * 100 + layout.length;
    if (!best || cost < best.cost) best = { alignment: { layout: [...empty(lead), ...layout], operands: led }, cost };
  }
  return best!.alignment;
}

/** The layout behind as many dimensions of one, of these, as there is a tensor with. */
function ledBy(layout: Layout, ones: number, lies: readonly Layout[]): Layout {
  for (let n = ones; n > 0; n--) {
    const led = [...empty(n), ...layout];
    if (lies.some((l) => sameLayout(l, led))) return led;
  }
  return layout;
}

function empty(count: number): Layout {
  return Array.from({ length: count }, () => []);
}

/**
 * Splits dimensions where the mark changes. The first piece of one that is split joins the dimension before it if that
 * has its mark: there is a reshape anyway, and fewer dimensions are better.
 */
function splitWhereNeeded(layout: Layout, mark: (axis: string) => string): Layout {
  const out: (readonly string[])[] = [];
  for (const group of layout) {
    const [first, ...others] = splitGroups([group], mark) as [readonly string[], ...Layout];
    const before = out.at(-1);
    const joins =
      others.length > 0 && before !== undefined && before.length > 0 && mark(before.at(-1)!) === mark(first[0]!);
    if (joins) out[out.length - 1] = [...before, ...first];
    else out.push(first);
    out.push(...others);
  }
  return out;
}

/** How an operand with only these axes is read so that it broadcasts to the layout. */
function operandLayout(layout: Layout, has: ReadonlySet<string>): Layout {
  return trimmed(layout.map((g) => g.filter((a) => has.has(a))));
}

/** Leading dimensions of size one say nothing when tensors are broadcast. */
function trimmed(layout: Layout): Layout {
  const first = layout.findIndex((g) => g.length > 0);
  return first < 0 ? [] : layout.slice(first);
}

function significantIn<T>(view: View<T>, layout: Layout): Layout {
  return significant(layout, (axis) => view.type.axes.find((a) => a.name === axis)!.size);
}

/**
 * An order of axes that keeps each operand's own order where it can; among those free to come next, the lowest rank
 * first.
 */
export function mergedOrder<T>(
  book: Book<T>,
  views: readonly View<T>[],
  axes: readonly string[],
  rank: (axis: string) => number,
): string[] {
  const orders = views.map((v) => book.memoryOrder(v).filter((a) => axes.includes(a)));
  const left = [...axes];
  const order: string[] = [];
  while (left.length > 0) {
    const free = left.filter((a) => orders.every((o) => !o.includes(a) || o.find((x) => left.includes(x)) === a));
    const next = [...(free.length > 0 ? free : left)].sort((a, b) => rank(a) - rank(b))[0]!;
    left.splice(left.indexOf(next), 1);
    order.push(next);
  }
  return order;
}

/** The named axes as they lie in memory, those that no tensor has last. */
export function inMemoryOrder<T>(book: Book<T>, view: View<T>, axes: readonly string[]): string[] {
  const order = book.memoryOrder(view).filter((a) => axes.includes(a));
  return [...order, ...axes.filter((a) => !order.includes(a))];
}

/** As the value lies, but each named axis is a dimension of its own; one that no tensor has comes last. */
export function isolated<T>(book: Book<T>, view: View<T>, axes: readonly string[]): Layout {
  const lies = splitGroups(book.layoutOf(view), (a) => (axes.includes(a) ? a : ""));
  const placed = lies.flat();
  return [...lies.filter((g) => g.length > 0), ...axes.filter((a) => !placed.includes(a)).map((a) => [a])];
}
