/** @file Hover: what a name is, its documentation, the type of the value here, and what a block weighs at this call. */
import { MarkupKind, type Hover } from "vscode-languageserver-types";
import type { Application } from "../../elaborate/outline.ts";
import type { Graph } from "../../ir/graph.ts";
import { elements, concreteParams } from "../../ir/params.ts";
import type { Span } from "../../source/source.ts";
import type * as ast from "../../syntax/ast.ts";
import type { Node } from "../../syntax/walk.ts";
import type { Analysis } from "../analysis.ts";
import { occurrenceAt } from "../symbols.ts";
import { nodesAt, rangeIn, rangeOf, type View } from "../view.ts";
import { code, codeOf, docOf, roleOf } from "./describe.ts";

export function hover(view: View, offset: number): Hover | undefined {
  const { analysis } = view;
  const found = occurrenceAt(analysis, offset);
  const { nodes } = nodesAt(analysis, offset);
  const parts: string[] = [];
  if (found?.meaning) parts.push(`${code(codeOf(found.meaning))}\n*${roleOf(found.meaning)}*`);
  const typed = typedPlace(analysis, nodes, found?.span);
  if (typed) parts.push(code(typed.texts.slice(0, 4).join("\n") + (typed.texts.length > 4 ? "\n..." : "")));
  const weighed = found && weighedAt(analysis, found.span);
  if (weighed) parts.push(weighed);
  const doc = found?.meaning && docOf(found.meaning);
  if (doc) parts.push(doc);
  if (parts.length === 0) return undefined;
  const place = found?.span ?? typed?.span;
  const range = place && rangeIn(view, place);
  return {
    contents: { kind: MarkupKind.Markdown, value: parts.join("\n\n") },
    range: range ?? rangeOf(view, { start: offset, end: offset }),
  };
}

/** The smallest place around the offset whose value is known: of a name in a stage, the stage. */
function typedPlace(
  analysis: Analysis,
  nodes: readonly Node[],
  name: Span | undefined,
): { readonly span: Span; readonly texts: readonly string[] } | undefined {
  if (name) {
    const sizes = analysis.sizesAt(name);
    if (sizes.length > 0) return { span: name, texts: sizes };
  }
  let inner: Node | undefined;
  for (const node of nodes.slice(-6).reverse()) {
    const types = analysis.typesAt(node.span);
    if (types.length > 0) return { span: node.span, texts: types };
    if (node.kind === "Let" || node.kind === "Input" || node.kind === "Output" || node.kind === "Param") {
      const value = (node as unknown as { readonly value?: Node }).value;
      const own = value ? analysis.typesAt(value.span) : [];
      return own.length > 0 ? { span: node.span, texts: own } : undefined;
    }
    // Inside of arguments and slots the value around is not what is asked for.
    if ((node.kind === "Fill" || node.kind === "Call") && (node as ast.Fill | ast.Call).callee !== inner) break;
    inner = node;
  }
  const stage = nodes.findLast((n) => n.kind === "Pipe");
  const types = stage && nodes.slice(-4).includes(stage) ? analysis.typesAt(stage.span) : [];
  return types.length > 0 ? { span: stage!.span, texts: types } : undefined;
}

/** The parameters of the block that is applied at a name: of the smallest application that begins there. */
function weighedAt(analysis: Analysis, name: Span): string | undefined {
  const lines: string[] = [];
  for (const unit of analysis.units) {
    const made = analysis.elaborationOf(unit);
    if (!made?.value) continue;
    const here = made.applications.filter(
      (a) => a.span.file === name.file && a.span.start <= name.start && name.end <= a.span.end && isNamed(a, name),
    );
    const least = Math.min(...here.map((a) => a.span.end - a.span.start));
    const paths = new Set(here.filter((a) => a.span.end - a.span.start === least).map((a) => a.path));
    for (const path of paths) {
      const { all, one, times } = weigh(made.value.graph, path);
      if (all === 0) continue;
      const each = times > 1 ? ` (${one.toLocaleString("en-US")} each, ${times} times)` : "";
      lines.push(`${all.toLocaleString("en-US")} parameters at \`${path.replace(/\{\d+\}/g, "*")}\`${each}`);
    }
    if (lines.length >= 6) return [...lines.slice(0, 6), "..."].join("  \n");
  }
  return lines.length > 0 ? lines.join("  \n") : undefined;
}

/** Is this the application of the block named at this place? Of a block in a slot, its place is where it is written. */
function isNamed(a: Application, name: Span): boolean {
  return a.kind === "block" && a.title === name.file.text.slice(name.start, name.end);
}

/** Elements of the parameters under a path with `{0}` for the indices of repeats; `one` of one iteration, where all are alike. */
export function weigh(graph: Graph, path: string): { all: number; one: number; times: number } {
  const counts = new Map<string, { readonly size: number; times: number }>();
  for (const { param } of concreteParams(graph)) {
    if (param.path !== path && !param.path.startsWith(`${path}.`)) continue;
    const known = counts.get(param.path);
    if (known) known.times++;
    else counts.set(param.path, { size: elements(param), times: 1 });
  }
  const all = [...counts.values()];
  const times = all[0]?.times ?? 1;
  const total = all.reduce((n, c) => n + c.size * c.times, 0);
  return all.every((c) => c.times === times)
    ? { all: total, one: total / times, times }
    : { all: total, one: total, times: 1 };
}
