/** @file What was found of compiled folders, as text and as data. */
import { modelJson, modelLines } from "../model-report.ts";
import type { ArtifactReport } from "./compare.ts";

const NO_PAIRING = { byPath: 0, byShape: [], onlyLeft: [], onlyRight: [] };

export function artifactLines(report: ArtifactReport): readonly string[] {
  const { weights, taken, verdict } = report;
  const listed = (paths: readonly string[]): string =>
    `${paths.slice(0, 4).join(", ")}${paths.length > 4 ? ` and ${paths.length - 4} more` : ""}`;
  return [
    ...modelLines({ ...report, pairing: NO_PAIRING }),
    ...(verdict.kind === "unknown" ? [] : [`  reading ${taken.join("; ")}`]),
    ...(weights.found > 0 ? [`weights: ${weights.found} found by name and numbers`] : []),
    ...(weights.differing.length > 0 ? [`  with other numbers: ${listed(weights.differing)}`] : []),
    ...(weights.alone.length > 0 ? [`  only in the folder: ${listed(weights.alone)}`] : []),
  ];
}

/** The same for tools. */
export function artifactJson(report: ArtifactReport): object {
  const { weights, taken } = report;
  return { ...modelJson({ ...report, pairing: NO_PAIRING }), weights, taken };
}
