/** @file Conversions between layouts as nodes. */
import type { Size } from "../../ir/size.ts";
import type { Converter } from "../../layout/view.ts";
import type { Sizes } from "./sizes.ts";
import type { Target } from "./target.ts";
import type { Tensor, Writer } from "./writer.ts";

/** `mayBeZero` are symbols of dimensions that can be empty: nothing can be inferred about a tensor without elements. */
export function converterOf(
  writer: Writer,
  sizes: Sizes,
  target: () => Target,
  mayBeZero: ReadonlySet<string>,
): Converter<Tensor> {
  return {
    reshape(tensor, from, to) {
      const { copiesDimensions } = target();
      if (copiesDimensions && to.some((s) => s.known === 0))
        return writer.add("Reshape", [tensor, sizes.shape(to)], { allowzero: 1 });
      const mayBeEmpty =
        !copiesDimensions && to.some((s) => s.known === 0 || [...s.symbols].some((symbol) => mayBeZero.has(symbol)));
      if (mayBeEmpty) return writer.add("Reshape", [tensor, sizes.shape(to)]);
      return writer.add("Reshape", [tensor, sizes.shape(reshapeTarget(copiesDimensions ? from : [], to))]);
    },
    transpose: (tensor, permutation) => writer.add("Transpose", [tensor], { perm: permutation }),
    expand: (tensor, from, to) =>
      writer.add("Expand", [tensor, sizes.shape(to.map((s, i) => (s.equals(from[i]!) ? 1 : s)))]),
  };
}

/**
 * A shape that says as little as it can: numbers, 0 for a dimension that stays where it is, -1 for one that is the
 * rest.
 */
function reshapeTarget(from: readonly Size[], to: readonly Size[]): readonly (Size | number)[] {
  const entries: (Size | number)[] = to.map((s, i) => s.known ?? (from[i]?.equals(s) ? 0 : s));
  const open = entries.flatMap((e, i) => (typeof e === "number" ? [] : [i]));
  // The one that would cost most to compute; the last of equals, since inner dimensions are the merged ones.
  const cost = (i: number): number => (entries[i] as Size).summands.reduce((n, t) => n + t.symbols.length + 1, 0);
  const rest = open.reduce<number | undefined>(
    (best, i) => (best === undefined || cost(i) >= cost(best) ? i : best),
    undefined,
  );
  if (rest !== undefined) entries[rest] = -1;
  return entries;
}
