/**
 * @file From one layout to another: a reshape where memory stays as it is, a transpose only where elements truly move.
 */
import { isOne, sameLayout, sameList, significant, type Layout, type SizeOf } from "./layout.ts";

/** One conversion; `to` is how the tensor lies after it. */
export type Step =
  | { readonly kind: "reshape"; readonly to: Layout }
  | { readonly kind: "transpose"; readonly permutation: readonly number[]; readonly to: Layout };

/** The steps from one layout of some axes to another of the same axes; none where both are the same tensor. */
export function planConversion(from: Layout, to: Layout, sizeOf: SizeOf): readonly Step[] {
  const source = significant(from, sizeOf);
  const target = significant(to, sizeOf);
  const order = source.flat();
  const wanted = target.flat();
  if (sameList(order, wanted)) return sameLayout(source, target) ? [] : [{ kind: "reshape", to }];
  const direct = permutationOf(source, target);
  if (direct) return [{ kind: "transpose", permutation: direct, to }];
  return aroundTranspose(source, target, to, order, wanted);
}

/** The axes in memory, axes of size one left out. */
export function memoryOrder(layout: Layout, sizeOf: SizeOf): readonly string[] {
  return layout.flat().filter((a) => !isOne(sizeOf(a)));
}

/** A transpose with the reshapes that it needs around it. */
function aroundTranspose(
  source: Layout,
  target: Layout,
  to: Layout,
  order: readonly string[],
  wanted: readonly string[],
): Step[] {
  const pieces = piecesToMove(source, target, order, wanted);
  const moved = [...pieces].sort((a, b) => wanted.indexOf(a[0]!) - wanted.indexOf(b[0]!));
  const steps: Step[] = [];
  if (!sameLayout(pieces, source)) steps.push({ kind: "reshape", to: pieces });
  const done = sameLayout(moved, target);
  steps.push({ kind: "transpose", permutation: moved.map((m) => pieces.indexOf(m)), to: done ? to : moved });
  if (!done) steps.push({ kind: "reshape", to });
  return steps;
}

/**
 * What moves as a whole, in the source's order: the source's own dimensions where none is torn apart (no reshape
 * before), else the target's where each moves as a whole (no reshape after), else the longest runs that both have.
 */
function piecesToMove(source: Layout, target: Layout, order: readonly string[], wanted: readonly string[]): Layout {
  const runs = commonRuns(order, wanted);
  const inOneRun = (group: readonly string[]): boolean => runs.some((r) => group.every((a) => r.includes(a)));
  if (source.every((g) => g.length > 0 && inOneRun(g))) return source;
  if (target.every((g) => g.length > 0 && inOneRun(g)))
    return [...target].sort((a, b) => order.indexOf(a[0]!) - order.indexOf(b[0]!));
  return runs;
}

/** The longest runs of axes that follow each other in both orders, as they stand in the first. */
function commonRuns(order: readonly string[], wanted: readonly string[]): Layout {
  const runs: string[][] = [];
  order.forEach((axis, i) => {
    const before = order[i - 1];
    if (before !== undefined && wanted.indexOf(axis) === wanted.indexOf(before) + 1) runs.at(-1)!.push(axis);
    else runs.push([axis]);
  });
  return runs;
}

/** Which dimension of the source each of the target is, if every one is a whole one. */
function permutationOf(source: Layout, target: Layout): readonly number[] | undefined {
  if (source.length !== target.length) return undefined;
  const free = new Set(source.keys());
  const permutation: number[] = [];
  for (const group of target) {
    const found = [...free].find((i) => sameList(source[i]!, group));
    if (found === undefined) return undefined;
    free.delete(found);
    permutation.push(found);
  }
  return permutation;
}
