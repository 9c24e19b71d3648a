/** @file A law's verdict as text of at most ten lines, and as data. */
import { lineColumn, textOf, type Span } from "../source/source.ts";
import type { Tensor } from "../ops/op.ts";
import { toJson } from "../diagnostics/render.ts";
import type { Counterexample, Parting } from "./counterexample.ts";
import type { FlatNode } from "./flat.ts";
import { arranged } from "./floats.ts";
import type { LawReport } from "./law.ts";

/** `holds`, the verdict with its evidence, and of what differs the counterexample. */
export function linesOf(report: LawReport): readonly string[] {
  const { verdict, holds } = report;
  const head = `${holds ? "ok" : "FAILED"}  ${report.source.decl.title.value}`;
  const equal = verdict.kind === "proved" || verdict.kind === "sampled";
  const at = holds
    ? ""
    : `  (${placeOf(report.source.decl.title.span)})${equal ? ": the law says that the sides differ" : ""}`;
  switch (verdict.kind) {
    case "proved": {
      const error =
        verdict.bits === Infinity
          ? "both sides are the same operators"
          : `error at most 2^-${Math.floor(verdict.bits)}, ${verdict.steps} step${verdict.steps === 1 ? "" : "s"}`;
      return [`${head}${at}`, `    proved: ${error}; ${report.points} points; ${sizes(report)}`];
    }
    case "sampled":
      return [
        `${head}${at}`,
        `    sampled: ${report.points} points, largest relative difference ${report.largest.toExponential(1)}; ${sizes(report)}`,
        `    no proof: ${verdict.why}${whereOf(verdict.span)}`,
      ];
    case "unknown":
      return [
        `${head}${at}`,
        `    unknown: ${verdict.why}${whereOf(verdict.span)}; ${report.points} points agree to ${report.largest.toExponential(1)}`,
      ];
    case "different":
      return [
        `${head}${at}`,
        ...(verdict.counterexample
          ? counterexampleLines(verdict.counterexample)
          : [`    different: ${verdict.why}; ${sizes(report)}`]),
      ];
    case "invalid":
      return [`${head}${at}`, "    not tested: it has mistakes"];
  }
}

function sizes(report: LawReport): string {
  return report.cases.map((c) => [...c].map(([n, s]) => `${n}=${s}`).join(" ") || "no sizes").join(" | ");
}

export function whereOf(span: Span | undefined): string {
  return span ? `, in \`${clipped(textOf(span), 60)}\` (${placeOf(span)})` : "";
}

export function placeOf(span: Span): string {
  return `${span.file.name}:${lineColumn(span.file, span.start).line}`;
}

export function clipped(text: string, most: number): string {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > most ? `${line.slice(0, most - 3)}...` : line;
}

/** Leaves that are shown one by one; the zeros, and any more, are summed up. */
const MOST_LEAVES = 3;

function counterexampleLines(c: Counterexample): readonly string[] {
  const [l, r] = c.case.pairs[c.point.pair]!;
  const left = c.point.values.get(l)!;
  const right = c.point.values.get(r)!;
  return [
    `    different: ${[...c.case.sizes].map(([n, s]) => `${n}=${s}`).join(" ")}`,
    ...leafLines(c).map((line) => `      ${line}`),
    ...outputLines(left, { ...right, axes: left.axes, data: arranged(right, left.axes) }),
    ...(c.parting ? [`      first value that the left never has: ${partingValue(c, c.parting, c.leftParting)}`] : []),
    ...(c.leftParting ? [`      and the right never: ${partingValue(c, c.leftParting, c.parting)}`] : []),
  ];
}

/** Where a value is from, and its numbers: of a large one beside one like it on the other side the first that differs. */
function partingValue(c: Counterexample, own: Parting, other: Parting | undefined): string {
  const text = partingText(own.node);
  const { axes, data } = own.value;
  const like =
    other?.value.axes.length === axes.length &&
    axes.every((a) => other.value.axes.some((b) => b.name === a.name && b.size === a.size));
  if (!other || !like || data.length <= MOST_NUMBERS) return tensorText(text, own.value);
  // In the order of one of the two, so that both lines are about one place.
  const order = c.parting!.value.axes;
  const [x, y] = [arranged(own.value, order), arranged(other.value, order)];
  const at = Array.from(x).findIndex(
    (n, i) => Math.abs(n - y[i]!) > 1e-6 * Math.abs(n) || (n !== y[i] && !Number.isFinite(n - y[i]!)),
  );
  if (at < 0) return tensorText(text, own.value);
  const value = own.value.dtype === "bool" ? x[at] === 1 : show(x[at]!);
  return `${text} is ${value} at ${placeIn({ ...own.value, axes: order }, at)}`;
}

/** The numbers that the sides are given: those that are not zero, and what the others are called. */
export function leafLines(c: Counterexample): readonly string[] {
  const { flat } = c.case;
  const leaves = [...c.point.leaves].map(([id, t]) => ({ node: flat.node(id), t }));
  const telling = leaves.filter(({ t }) => Array.from(t.data as ArrayLike<number>).some((x) => x !== 0));
  const zeros = leaves.filter((l) => !telling.includes(l)).map((l) => l.node.leaf!.name);
  const shown = telling
    .sort((a, b) => Number(b.node.leaf!.kind === "operand") - Number(a.node.leaf!.kind === "operand"))
    .slice(0, telling.length > MOST_LEAVES ? MOST_LEAVES - 1 : MOST_LEAVES);
  return [
    ...shown.map(({ node, t }) => tensorText(node.leaf!.name, t)),
    ...(telling.length > shown.length ? [`and ${telling.length - shown.length} more that are not zero`] : []),
    ...(zeros.length > 0 ? [`zero: ${clipped(zeros.join(", "), 100)}`] : []),
  ];
}

export function partingText(node: FlatNode): string {
  if (node.span) return `\`${clipped(textOf(node.span), 50)}\` (${placeOf(node.span)})`;
  return node.note === undefined ? node.op : `${node.op} in the node ${node.note}`;
}

const MOST_NUMBERS = 12;

/** Both sides, whole where they are small, else the first element that differs. */
export function outputLines(left: Tensor<number>, right: Tensor<number>): readonly string[] {
  if (left.data.length <= MOST_NUMBERS)
    return [`      ${tensorText("left", left)}`, `      ${tensorText("right", right)}`];
  let at = 0;
  let largest = -1;
  for (let i = 0; i < left.data.length; i++) {
    const d = Math.abs((left.data[i] as number) - (right.data[i] as number));
    if (d <= largest) continue;
    [at, largest] = [i, d];
  }
  const place = placeIn(left, at);
  return [
    `      left  at ${place} = ${show(left.data[at] as number)}`,
    `      right at ${place} = ${show(right.data[at] as number)}`,
  ];
}

/** `seq=1 hidden=0` of an element. */
function placeIn(t: Tensor<number>, index: number): string {
  let rest = index;
  const parts: string[] = [];
  for (const axis of t.axes.toReversed()) {
    if (axis.size > 1) parts.unshift(`${axis.name}=${rest % axis.size}`);
    rest = Math.floor(rest / axis.size);
  }
  return parts.join(" ");
}

/** All elements of what is small; of what is large and mostly zero the others. */
function tensorText(name: string, t: Tensor<number>): string {
  const numbers = Array.from(t.data as ArrayLike<number>);
  const axes = t.axes.length === 0 ? "" : `[${t.axes.map((a) => a.name).join(" ")}]`;
  const others = numbers.flatMap((x, i) => (x === 0 ? [] : [i]));
  if (numbers.length > MOST_NUMBERS && others.length <= 3)
    return `${name}${axes} = 0, but ${others.map((i) => `${show(numbers[i]!)} at ${placeIn(t, i)}`).join(", ")}`;
  return `${name}${axes} = ${numbers.slice(0, MOST_NUMBERS).map(show).join(" ")}${numbers.length > MOST_NUMBERS ? ` ... (${numbers.length})` : ""}`;
}

function show(x: number): string {
  return String(Number(x.toPrecision(6))).replace("Infinity", "inf");
}

/** The same for tools. */
export function reportJson(report: LawReport): object {
  const { verdict } = report;
  const span = "span" in verdict ? verdict.span : undefined;
  return {
    law: report.source.decl.title.value,
    kind: report.source.decl.kind === "Law" ? "law" : "rewrite",
    place: placeOf(report.source.decl.title.span),
    holds: report.holds,
    verdict: verdict.kind,
    ...(verdict.kind === "proved"
      ? { bits: verdict.bits === Infinity ? null : Math.floor(verdict.bits), steps: verdict.steps }
      : {}),
    ...("why" in verdict && verdict.why !== "" ? { why: verdict.why } : {}),
    ...(span ? { at: placeOf(span) } : {}),
    ...(verdict.kind === "different" && verdict.counterexample
      ? { counterexample: counterexampleJson(verdict.counterexample) }
      : {}),
    ...(verdict.kind === "invalid" ? { diagnostics: toJson(verdict.diagnostics) } : {}),
    points: report.points,
    largestDifference: report.largest,
    cases: report.cases.map((c) => Object.fromEntries(c)),
  };
}

/** Of tensors of more than `most` numbers the axes alone. */
export function counterexampleJson(c: Counterexample, most = Infinity): object {
  const { flat, pairs } = c.case;
  const asJson = (t: Tensor<number>): object => ({
    axes: t.axes,
    ...(t.data.length <= most ? { data: Array.from(t.data as ArrayLike<number>) } : {}),
  });
  const [l, r] = pairs[c.point.pair]!;
  return {
    sizes: Object.fromEntries(c.case.sizes),
    values: Object.fromEntries([...c.point.leaves].map(([id, t]) => [flat.node(id).leaf!.name, asJson(t)])),
    left: asJson(c.point.values.get(l)!),
    right: asJson(c.point.values.get(r)!),
    ...(c.parting ? { parting: partingJson(c.parting) } : {}),
    ...(c.leftParting ? { leftParting: partingJson(c.leftParting) } : {}),
  };

  function partingJson({ node, value }: Parting): object {
    return {
      operator: node.op,
      ...(node.span ? { at: placeOf(node.span), text: textOf(node.span) } : {}),
      value: asJson(value),
    };
  }
}
