/**
 * @file Plans the artifact's own data file: each planned tensor's numbers, drawn, converted or computed when they are
 * written.
 */
import type { PlannedTensor, Weights } from "../backends/backend.ts";
import { materialize, type EvaluateComputed } from "../weights/materialize.ts";
import type { Checkpoint } from "../weights/source.ts";
import type { PlannedFile } from "./artifact-files.ts";

export function planDataFile(
  name: string,
  planned: readonly PlannedTensor[],
  weights: Weights,
  options: { readonly checkpoint?: Checkpoint | undefined; readonly evaluate: EvaluateComputed },
): PlannedFile {
  const ranges = planned.map(({ path, order, dtype, offset, length }) => ({
    offset,
    length,
    pieces: () => materialize(weights(path), { path, order, dtype }, options),
  }));
  return { kind: "data", name, ranges };
}
