/** @file What `tfm compile --explain` says of rewrites, as text and as data. */
import type { Prepared } from "../compile.ts";
import { placeOf, reportText } from "../rewrite/report.ts";

/** One graph after the other, as they run. */
export function explanation(graphs: readonly Prepared[]): string {
  return graphs
    .map(({ name, rewrites }) => {
      const head = graphs.length > 1 ? `${name}\n` : "";
      return rewrites ? `${head}${reportText(rewrites)}` : `${head}nothing was rewritten: --no-optimize\n`;
    })
    .join("\n");
}

export function rewritesJson(graphs: readonly Prepared[]): readonly object[] {
  return graphs.map(({ name, rewrites }) => ({
    graph: name,
    fired: (rewrites?.fired ?? []).map(({ span, ruleSpan, ...rest }) => ({
      ...rest,
      ...(span ? { at: placeOf(span) } : {}),
      declared: placeOf(ruleSpan),
    })),
    refused: (rewrites?.refused ?? []).map(({ span, ...rest }) => ({
      ...rest,
      ...(span ? { at: placeOf(span) } : {}),
    })),
    rules: rewrites?.rules ?? 0,
    values: rewrites?.values ?? 0,
    rounds: rewrites?.rounds ?? 0,
  }));
}
