/**
 * @file Plans the artifact's own data file: each planned tensor's numbers, drawn, converted or computed when they are
 * written.
 */
import type { PlannedTensor, Weights } from "../backends/backend.ts";
import { materialize, type EvaluateComputed } from "../weights/materialize.ts";
import type { Checkpoint } from "../weights/source.ts";
import type { PlannedFile, PlannedRange } from "./artifact-files.ts";

interface Numbers {
  readonly checkpoint?: Checkpoint | undefined;
  readonly evaluate: EvaluateComputed;
}

export function planDataFile(
  name: string,
  planned: readonly PlannedTensor[],
  weights: Weights,
  options: Numbers,
): PlannedFile {
  return { kind: "data", name, ranges: rangesOf(planned, weights, options) };
}

/** Planned tensors and then `last`, cut into files of `size` bytes. */
export function planShards(
  names: readonly string[],
  size: number,
  planned: readonly PlannedTensor[],
  last: Uint8Array,
  weights: Weights,
  options: Numbers,
): PlannedFile {
  const ranges = rangesOf(planned, weights, options);
  const offset = ranges.reduce((end, r) => Math.max(end, r.offset + r.length), 0);
  return {
    kind: "shards",
    name: names[0]!,
    names,
    size,
    ranges: [...ranges, { offset, length: last.length, pieces: () => [last] }],
  };
}

function rangesOf(planned: readonly PlannedTensor[], weights: Weights, options: Numbers): readonly PlannedRange[] {
  return planned.map(({ path, order, declared, dtype, offset, length }) => ({
    offset,
    length,
    pieces: () => materialize(weights(path), { path, order, ...(declared ? { declared } : {}), dtype }, options),
  }));
}
