/** @file What is asked of a model file, whoever wrote it, and of the states that it hands from step to step. */
import type { StateRules } from "./rules.ts";

/** An input or output: a dimension is a number, a name, or `undefined` where nothing is said of it. */
export interface PortFacts {
  readonly name: string;
  readonly dtype: string;
  readonly dims: readonly (number | string | undefined)[];
}

/** Bytes of another file that the model refers to. */
export interface DataFacts {
  readonly file: string;
  /** Where the last byte that is referred to ends. */
  readonly end: number;
}

export interface ModelFacts {
  readonly inputs: readonly PortFacts[];
  readonly outputs: readonly PortFacts[];
  readonly data: readonly DataFacts[];
}

/** The states of one layer. */
export interface LayerStates {
  readonly layer: number;
  readonly past: readonly (PortFacts | undefined)[];
  readonly present: readonly (PortFacts | undefined)[];
}

/** Sorts a model's ports into layers by the patterns of their names; what fits no pattern is left. */
export function layersOf(
  model: ModelFacts,
  { past, present }: Pick<StateRules, "past" | "present">,
): { readonly layers: readonly LayerStates[]; readonly inputs: readonly PortFacts[] } {
  const layers = new Map<number, { past: (PortFacts | undefined)[]; present: (PortFacts | undefined)[] }>();
  const place = (ports: readonly PortFacts[], patterns: readonly string[], side: "past" | "present"): PortFacts[] =>
    ports.filter((port) => {
      const which = patterns.findIndex((p) => numberIn(port.name, p) !== undefined);
      if (which < 0) return true;
      const layer = numberIn(port.name, patterns[which]!)!;
      const entry = layers.get(layer) ?? { past: [], present: [] };
      entry[side][which] = port;
      layers.set(layer, entry);
      return false;
    });
  const inputs = place(model.inputs, past, "past");
  place(model.outputs, present, "present");
  const sorted = [...layers].sort(([a], [b]) => a - b).map(([layer, entry]) => ({ layer, ...entry }));
  return { layers: sorted, inputs };
}

/** The number that stands for `%d`, or undefined where the name does not fit. */
function numberIn(name: string, pattern: string): number | undefined {
  const at = pattern.indexOf("%d");
  if (at < 0) return undefined;
  const [before, after] = [pattern.slice(0, at), pattern.slice(at + 2)];
  if (!name.startsWith(before) || !name.endsWith(after) || name.length <= before.length + after.length)
    return undefined;
  const inside = name.slice(before.length, name.length - after.length);
  return /^\d+$/.test(inside) ? Number(inside) : undefined;
}

/** The size of the last axis of the scores. */
export function vocabularyOf(model: ModelFacts): number | undefined {
  const last = model.outputs.find((o) => o.name === "logits")?.dims.at(-1);
  return typeof last === "number" ? last : undefined;
}
