/** @file What the rules did to a graph, as data and as text. */
import type { Span } from "../source/source.ts";

/** A rule that replaced something. */
export interface Fired {
  readonly rule: string;
  /** Where the rule stands. */
  readonly ruleSpan: Span;
  /** Where in the program what it replaced was written. */
  readonly span: Span | undefined;
  /** Labels of the repeats around it, and how many iterations it stands for. */
  readonly inside: readonly string[];
  readonly times: number;
  /** Operators before and after, constants and renamings not counted. */
  readonly nodes: readonly [number, number];
  readonly cost: readonly [number, number];
  /** Rules that would have replaced a part of the same, or the same, for less gain. */
  readonly over: readonly string[];
}

/** A rule that did not, though it matched, or nearly did. */
export interface Refused {
  readonly rule: string;
  readonly span: Span | undefined;
  readonly inside: readonly string[];
  /** `nearly`: the left side was found but for something. */
  readonly kind: "refused" | "nearly";
  readonly why: string;
}

export interface RewriteReport {
  readonly fired: readonly Fired[];
  readonly refused: readonly Refused[];
  /** How many rules there were (a declaration with optional operands is several), and on how many values each was tried. */
  readonly rules: number;
  readonly values: number;
  /** How often all rules were tried until none changed anything. */
  readonly rounds: number;
}

export function reportText(report: RewriteReport): string {
  const { fired, refused } = report;
  const lines = fired.flatMap((f) => [
    `${f.rule}: ${plural(f.nodes[0], "operator")} became ${f.nodes[1]}${f.times > 1 ? `, ${f.times} times` : ""}${placed(f)}`,
    ...(f.over.length === 0 ? [] : [`  rather than ${f.over.join(", ")}, for less`]),
  ]);
  const not = refused.map((r) => `${r.rule}, ${r.kind === "nearly" ? "nearly" : "refused"}: ${r.why}${placed(r)}`);
  return [
    ...lines,
    ...not,
    `${plural(fired.length, "rewrite")}, ${plural(refused.length, "refusal")}; ${plural(report.rules, "rule")} on ${plural(report.values, "value")} in ${plural(report.rounds, "round")}`,
    "",
  ].join("\n");
}

function placed({ span, inside }: Pick<Fired, "span" | "inside">): string {
  const place = span ? `\n  at ${placeOf(span)}: ${excerpt(span)}` : "";
  return `${inside.length === 0 ? "" : ` in ${inside.join(".")}`}${place}`;
}

/** `my_model.tfm:7:40` */
export function placeOf({ file, start }: Span): string {
  const before = file.text.slice(0, start);
  const line = before.split("\n").length;
  return `${file.name}:${line}:${start - before.lastIndexOf("\n")}`;
}

const WIDTH = 80;

export function excerpt({ file, start, end }: Span): string {
  const text = file.text.slice(start, end).replace(/\s+/g, " ");
  return text.length > WIDTH ? `${text.slice(0, WIDTH - 3)}...` : text;
}

function plural(n: number, word: string): string {
  return `${n} ${word}${n === 1 ? "" : "s"}`;
}
