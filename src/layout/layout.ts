/**
 * @file Layouts: how the named axes of a value lie in a target's tensor.
 *
 * A layout is a list of groups of axis names. Each group is one dimension of the tensor, row-major inside: `[[batch,
 * seq], [hidden]]` is two-dimensional, its rows are all places of all sequences. An empty group is a dimension of size
 * one. An axis of size one may stand anywhere or be left out: it never moves an element.
 */
import { Size } from "../ir/size.ts";

export type Group = readonly string[];
export type Layout = readonly Group[];

/** The size of a named axis. */
export type SizeOf = (axis: string) => Size;

/** `[(batch seq), hidden]`; an empty group is written `1`. */
export function showLayout(layout: Layout): string {
  return `[${layout.map((g) => (g.length === 0 ? "1" : g.length === 1 ? g[0] : `(${g.join(" ")})`)).join(", ")}]`;
}

/** Each axis a dimension of its own. */
export function separate(axes: readonly string[]): Layout {
  return axes.map((a) => [a]);
}

export function isOne(size: Size): boolean {
  return size.known === 1;
}

export function product(axes: readonly string[], sizeOf: SizeOf): Size {
  let all = Size.ONE;
  for (const a of axes) all = all.times(sizeOf(a));
  return all;
}

/** The dimensions of a tensor that lies so. */
export function dimensions(layout: Layout, sizeOf: SizeOf): readonly Size[] {
  return layout.map((g) => product(g, sizeOf));
}

/** The layout without axes of size one (their groups stay, so that dimensions are counted right). */
export function significant(layout: Layout, sizeOf: SizeOf): Layout {
  return layout.map((g) => g.filter((a) => !isOne(sizeOf(a))));
}

export function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((x, i) => x === b[i]);
}

export function sameLayout(a: Layout, b: Layout): boolean {
  return a.length === b.length && a.every((g, i) => sameList(g, b[i]!));
}

/** Cuts every group where two neighbours differ in their mark. */
export function splitGroups(layout: Layout, mark: (axis: string) => string): Layout {
  return layout.flatMap((group) => {
    if (group.length < 2) return [group];
    const parts: string[][] = [];
    let last: string | undefined;
    for (const axis of group) {
      const m = mark(axis);
      if (m === last) parts.at(-1)!.push(axis);
      else parts.push([axis]);
      last = m;
    }
    return parts;
  });
}
