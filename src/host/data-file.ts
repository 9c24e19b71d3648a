/**
 * @file Plans the artifact's own data file: each planned tensor's numbers, drawn, converted or computed when they are
 * written.
 */
import type { PackedTensor, PlannedTensor, Weights } from "../backends/backend.ts";
import { quantized, rangeOf, type Range } from "../weights/affine.ts";
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
  planned: readonly PackedTensor[],
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

function rangesOf(planned: readonly PackedTensor[], weights: Weights, options: Numbers): readonly PlannedRange[] {
  return planned.map((tensor) => ({
    offset: tensor.offset,
    length: tensor.length,
    pieces: () => piecesOf(tensor, weights, options),
  }));
}

function piecesOf(tensor: PackedTensor, weights: Weights, options: Numbers): Iterable<Uint8Array> {
  if (tensor.dtype !== "U8") return numbersOf(tensor, tensor.dtype, weights, options);
  return quantized(numbersOf(tensor, "F32", weights, options), tensor.affine);
}

function numbersOf(
  { path, order, declared, part, factor }: Omit<PlannedTensor, "dtype">,
  dtype: PlannedTensor["dtype"],
  weights: Weights,
  options: Numbers,
): Iterable<Uint8Array> {
  return materialize(weights(path), { path, order, ...(declared ? { declared } : {}), part, factor, dtype }, options);
}

/** The least and the greatest of a planned tensor's numbers, read a piece at a time. Undefined where one is no number or infinite. */
export function rangeOfPlanned(tensor: PlannedTensor, weights: Weights, options: Numbers): Range | undefined {
  return rangeOf(numbersOf(tensor, "F32", weights, options));
}
