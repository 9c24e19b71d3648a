/** @file Checks of lists that the grammar leaves open: commas that are missing, `...` that does not stand last. */
import type { CstNode, IToken } from "../../grammar/index.ts";
import type { Span } from "../source/source.ts";
import { type Context, endOffset, isReal } from "./context.ts";

/** Reports each place where two items have no comma between them. */
export function checkCommas(context: Context, items: readonly CstNode[], commas: readonly IToken[] | undefined): void {
  const places = (commas ?? []).filter(isReal).map((c) => c.startOffset);
  let c = 0;
  for (let i = 1; i < items.length; i++) {
    const before = items[i - 1]!.location;
    const after = items[i]!.location;
    if (!before || !after || Number.isNaN(before.startOffset) || Number.isNaN(after.startOffset)) continue;
    while (c < places.length && places[c]! < before.startOffset) c++;
    if (c < places.length && places[c]! < after.startOffset) continue;
    const gap = context.span(
      (before.endOffset ?? before.startOffset - 1) + 1,
      (before.endOffset ?? before.startOffset - 1) + 1,
    );
    const next = /^\S{1,24}/.exec(context.file.text.slice(after.startOffset))?.[0].replace(/[,)\]>}(].*$/, "") ?? "";
    context.reporter.report("syntax/missing-comma", { before: next }, gap, {
      hint: "items of a list are separated by commas",
      fixes: [{ title: "insert a comma", span: gap, replacement: "," }],
    });
  }
}

/** The span of `...` where it ends a list; elsewhere it is an error. `after` is the last other item. */
export function restOf(context: Context, rests: readonly IToken[], lastItem: number): Span | undefined {
  const last = rests[rests.length - 1];
  for (const rest of rests) {
    if (rest === last && rest.startOffset >= lastItem) continue;
    context.reporter.report("syntax/misplaced-rest", { where: "before other items" }, context.ofToken(rest), {
      hint: "`...` hands on what is left open, so it stands once, at the end of the list",
    });
  }
  return last && isReal(last) ? context.span(last.startOffset, endOffset(last)) : undefined;
}
