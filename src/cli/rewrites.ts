/** @file What `tfm compile --explain` says of rewrites and of kernels, as text and as data. */
import type { Prepared } from "../compile.ts";
import type { Reason } from "../backends/onnx/attention.ts";
import type { ScaleReport } from "../passes/scales.ts";
import { excerpt, placeOf, reportText } from "../rewrite/report.ts";
import type { Span } from "../source/source.ts";

/** What the target has a kernel for, and is written out all the same. */
type WrittenOut = (graph: Prepared) => readonly Reason[];

/** One graph after the other, as they run. */
export function explanation(graphs: readonly Prepared[], writtenOut: WrittenOut): string {
  return graphs
    .map((graph) => {
      const { name, rewrites } = graph;
      const head = graphs.length > 1 ? `${name}\n` : "";
      const text = rewrites ? reportText(rewrites) : "nothing was rewritten: --no-optimize\n";
      const reasons = writtenOut(graph).map(
        (r) => `attention${r.where && ` in ${r.where}`} is written out: ${r.why}\n`,
      );
      return [head, ...reasons, ...(graph.scales ? scaleLines(graph.scales) : []), text].join("");
    })
    .join("\n");
}

/** Which factors are in weights now, and which are not. */
function scaleLines({ folded, kept }: ScaleReport): readonly string[] {
  const where = (span: Span | undefined): string => (span ? `\n  at ${placeOf(span)}: ${excerpt(span)}` : "");
  return [
    ...folded.map((f) => `the factor ${f.factor} is part of ${f.weights.join(", ")}${where(f.span)}\n`),
    ...kept.map((k) => `the factor ${k.factor} stays: ${k.why}${where(k.span)}\n`),
  ];
}

export function writtenOutJson(graph: Prepared, writtenOut: WrittenOut): readonly object[] {
  return writtenOut(graph).map(({ where, why }) => ({ graph: graph.name, op: "attend", where, why }));
}

function scalesJson({ folded, kept }: ScaleReport): object {
  const placed = <T extends { readonly span: Span | undefined }>({ span, ...rest }: T): object => {
    return { ...rest, ...(span ? { at: placeOf(span) } : {}) };
  };
  return { folded: folded.map(placed), kept: kept.map(placed) };
}

export function rewritesJson(graphs: readonly Prepared[]): readonly object[] {
  return graphs.map(({ name, rewrites, scales }) => ({
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
    ...(scales ? { scales: scalesJson(scales) } : {}),
  }));
}
