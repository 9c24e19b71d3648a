/** @file What a model takes and gives, as the user wrote it: names at the boundary, dtypes, axes. */
import type { Elaborated, InputDefault } from "../compile.ts";
import { showType } from "../ir/type.ts";

export interface SignatureLine {
  readonly name: string;
  readonly type: string;
  /** What it is when a client says nothing. */
  readonly default?: string;
}

export function inputsOf(model: Elaborated): readonly SignatureLine[] {
  return model.graph.inputs.map((i) => {
    const name = i.outside ?? i.name;
    const given = model.inputDefaults.get(name);
    return {
      name,
      type: showType(i.value.type),
      ...(given === undefined ? {} : { default: showDefault(given, i.value.type.dtype === "bool") }),
    };
  });
}

export function outputsOf(model: Elaborated): readonly SignatureLine[] {
  return model.graph.outputs.map((o) => ({ name: o.outside ?? o.name, type: showType(o.value.type) }));
}

function showDefault(given: InputDefault, isTruth: boolean): string {
  if (given === "positions") return "0, 1, 2, ...";
  return isTruth ? String(given !== 0) : String(given);
}

/** Rows of a table: `inputs`, the name, the type, the default. */
export function signatureRows(model: Elaborated): string[][] {
  const rows = (label: string, lines: readonly SignatureLine[]): string[][] =>
    lines.map((l, i) => [i === 0 ? label : "", l.name, `${l.type}${l.default === undefined ? "" : ` = ${l.default}`}`]);
  return [...rows("inputs", inputsOf(model)), ...rows("outputs", outputsOf(model))];
}
