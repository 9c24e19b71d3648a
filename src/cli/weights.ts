/** @file Where a model's weights come from: a checkpoint through its map or by path, or the initialisers. */
import type { Elaborated } from "../compile.ts";
import { hasErrors, type Result } from "../diagnostics/diagnostic.ts";
import { openCheckpoint } from "../host/checkpoint.ts";
import { concreteParams } from "../ir/params.ts";
import type { Checkpoint, WeightMap, WeightSource } from "../weights/source.ts";

export interface Weights {
  readonly sources: WeightMap;
  /** Open; who asked for the weights closes it. */
  readonly checkpoint?: Checkpoint;
}

/** The weights at `path`, or drawn ones where there is none. */
export function weightsOf(model: Elaborated, path: string | undefined, seed: number): Result<Weights> {
  if (path === undefined) return { value: { sources: drawn(model, seed) }, diagnostics: [] };
  const { value: checkpoint, diagnostics } = openCheckpoint(path);
  if (!checkpoint) return { diagnostics };
  const mapped = model.mapWeights(checkpoint);
  const all = [...diagnostics, ...mapped.diagnostics];
  if (!mapped.value || hasErrors(all)) {
    checkpoint.close();
    return { diagnostics: all };
  }
  return { value: { sources: mapped.value, checkpoint }, diagnostics: all };
}

function drawn(model: Elaborated, seed: number): WeightMap {
  return new Map(
    [...concreteParams(model.graph)].map(({ path, param }): [string, WeightSource] => [
      path,
      { kind: "initial", initial: param.initial, seed },
    ]),
  );
}
