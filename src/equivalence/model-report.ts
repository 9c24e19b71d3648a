/** @file What was found of two models, as text and as data. */
import { clipped, counterexampleJson, leafLines, outputLines, partingText, placeOf, whereOf } from "./report.ts";
import type { ModelReport, Pairing } from "./models.ts";

/** What was compared, how it came out, and on what evidence. */
export function modelLines(report: ModelReport): readonly string[] {
  const { verdict, points, largest } = report;
  const sizes = [...report.sizes].map(([n, s]) => `${n}=${s}`).join(" ");
  const at = sizes === "" ? "" : `; ${sizes}`;
  switch (verdict.kind) {
    case "proved":
      return [
        verdict.bits === Infinity
          ? `equal, proved: both are the same operators${at}`
          : `equal, proved: error at most 2^-${Math.floor(verdict.bits)}, ${verdict.steps} step${verdict.steps === 1 ? "" : "s"}; ${points} points${at}`,
      ];
    case "sampled":
      return [
        `equal at ${points} points, largest relative difference ${largest.toExponential(1)}${at}`,
        `  no proof: ${verdict.why}${whereOf(verdict.span)}`,
      ];
    case "unknown":
      return [`unknown: ${verdict.why}${whereOf(verdict.span)}`];
    case "different":
      return differentLines(report);
    case "invalid":
      return ["not compared: there are mistakes"];
  }
}

function differentLines(report: ModelReport): readonly string[] {
  const { verdict, layer } = report;
  if (verdict.kind !== "different") return [];
  const c = verdict.counterexample;
  if (!c) return [`different: ${verdict.why}`];
  const { parting, point } = c;
  const [l, r] = c.case.pairs[point.pair]!;
  const sizes = [...c.case.sizes].map(([n, s]) => `${n}=${s}`).join(" ");
  const at = sizes === "" ? "" : `; ${sizes}`;
  return [
    `different: by ${point.difference.toExponential(1)} of the largest value${at}`,
    ...(parting
      ? [
          `  first value that the first model never has${layer === undefined || layer === "" ? "" : `, in ${layer}`}: ${partingText(parting.node)}`,
        ]
      : []),
    ...(c.leftParting ? [`  and the second never: ${partingText(c.leftParting.node)}`] : []),
    ...leafLines(c).map((line) => `  ${line}`),
    ...outputLines(point.values.get(l)!, point.values.get(r)!).map((line) => line.slice(4)),
  ];
}

/** Nothing where all weights have the same paths. */
export function pairingLines({ byPath, byShape, onlyLeft, onlyRight }: Pairing): readonly string[] {
  if (byShape.length + onlyLeft.length + onlyRight.length === 0) return [];
  const listed = (paths: readonly string[]): string =>
    `${paths.slice(0, 4).join(", ")}${paths.length > 4 ? ` and ${paths.length - 4} more` : ""}`;
  return [
    `weights: ${byPath} by path${byShape.length > 0 ? `, ${byShape.length} by shape` : ""}`,
    ...byShape.slice(0, 8).map((w) => `  ${w.left} for ${w.right}`),
    ...(byShape.length > 8 ? [`  and ${byShape.length - 8} more`] : []),
    ...(onlyLeft.length > 0 ? [`  only the first has ${listed(onlyLeft)}`] : []),
    ...(onlyRight.length > 0 ? [`  only the second has ${listed(onlyRight)}`] : []),
  ];
}

/** The same for tools. */
export function modelJson(report: ModelReport): object {
  const { verdict, pairing, layer } = report;
  const c = verdict.kind === "different" ? verdict.counterexample : undefined;
  const span = "span" in verdict ? verdict.span : undefined;
  return {
    verdict: verdict.kind,
    ...(verdict.kind === "proved"
      ? { bits: verdict.bits === Infinity ? null : Math.floor(verdict.bits), steps: verdict.steps }
      : {}),
    ...("why" in verdict && verdict.why !== "" ? { why: clipped(verdict.why, 400) } : {}),
    ...(span ? { at: placeOf(span) } : {}),
    ...(layer === undefined ? {} : { layer }),
    ...(c ? { counterexample: counterexampleJson(c, 1000) } : {}),
    points: report.points,
    largestDifference: report.largest,
    sizes: Object.fromEntries(report.sizes),
    weights: pairing,
  };
}
