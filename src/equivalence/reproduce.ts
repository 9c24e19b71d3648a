/** @file A counterexample as a program: the law at its sizes, with its numbers filled in. `tfm test` finds it different again. */
import type { Span } from "../source/source.ts";
import type { Tensor } from "../ops/op.ts";
import type { LawReport } from "./law.ts";

/**
 * The text of a program whose one law fails as the report's counterexample does: the declarations of the law's file, and the law with
 * sizes, operands and weights fixed. Undefined where the report has no counterexample.
 */
export function reproduction(report: LawReport): string | undefined {
  const { verdict, source } = report;
  if (verdict.kind !== "different" || !verdict.counterexample) return undefined;
  const { case: c, point } = verdict.counterexample;
  const { decl, module } = source;
  const { text } = decl.title.span.file;
  const part = (span: Span): string => text.slice(span.start, span.end);
  const sizes = [...c.sizes].map(([name, value]) => `${name} in [${value}]`);
  const [first] = decl.operands.items;
  const operands = first ? ` (${text.slice(first.span.start, decl.operands.items.at(-1)!.span.end)})` : "";
  const body = decl.kind === "Law" ? part(decl.body.span) : `${part(decl.left.span)} == ${part(decl.right.span)}`;
  const values = [...point.leaves].map(([id, t]) => {
    const leaf = c.flat.node(id).leaf!;
    const path = leaf.kind === "operand" ? leaf.name : `left.${leaf.name}`.replace(/\.(\d+)(?=\.|$)/g, "[$1]");
    return `${path} = ${valueText(t)}`;
  });
  const wheres = [...decl.wheres.map((w) => text.slice(w.path.span.start, w.value.span.end)), ...values];
  const others = module.syntax.decls.filter((d) => d.kind !== "Law" && d.kind !== "Rewrite").map((d) => part(d.span));
  const law = [
    `law ${JSON.stringify(`${decl.title.value}: a counterexample`)}${operands}`,
    ...(sizes.length > 0 ? [`  for ${sizes.join(", ")}`] : []),
    "{",
    `  ${body}`,
    ...(wheres.length > 0 ? [`    where ${wheres.join(",\n          ")}`] : []),
    "}",
  ].join("\n");
  return `${[...others, law].join("\n\n")}\n`;
}

/** A number where all elements are one, else `stack[batch](stack[d](0, 1), ...)`. */
function valueText(t: Tensor<number>): string {
  const data = Array.from(t.data as ArrayLike<number>);
  const number = (x: number): string =>
    t.dtype === "bool" ? (x === 1 ? "true" : "false") : t.dtype === "int" ? String(x) : decimal(x);
  if (data.length > 0 && data.every((x) => Object.is(x, data[0]))) return number(data[0]!);
  const nested = (axis: number, start: number): string => {
    if (axis === t.axes.length) return number(data[start]!);
    const inner = t.axes.slice(axis + 1).reduce((n, a) => n * a.size, 1);
    const parts = Array.from({ length: t.axes[axis]!.size }, (_, i) => nested(axis + 1, start + i * inner));
    return `stack[${t.axes[axis]!.name}](${parts.join(", ")})`;
  };
  return nested(0, 0);
}

/** Exactly the number. */
function decimal(x: number): string {
  return Object.is(x, -0) ? "0" : String(x).replace("e+", "e");
}
