/** @file Applications of composite operators, as kernels see them. */
import type { NodeOf } from "../../ir/graph.ts";
import type { Setting } from "../../ops/attributes.ts";
import type { Multiplied } from "../../passes/scales.ts";
import type { Emitter, Placed } from "./emitter.ts";
import type { Target } from "./target.ts";

export type Call = NodeOf<"call">;

export interface Kernel {
  /** Can it do this application? Decided from the node alone, before anything is emitted. */
  serves(call: Call, target: Target): boolean;
  emit(e: Emitter, call: Call, operands: readonly Placed[]): readonly Placed[];
  /** What it multiplies an operand by before anything else. */
  multiplied?(call: Call): Multiplied | undefined;
}

/** The operand of this name, if it is a value. */
export function operandOf<T>(call: Call, operands: readonly T[], name: string): T | undefined {
  const i = call.attrs.operands.indexOf(name);
  return i < 0 ? undefined : operands[i];
}

export function settingOf(call: Call, name: string): Setting | undefined {
  return call.attrs.settings[name];
}

/** Has the application these operands and settings, and no others? A user's operator may share the name. */
export function hasParts(call: Call, names: readonly string[], optional: readonly string[] = []): boolean {
  const given = [...call.attrs.operands, ...Object.keys(call.attrs.settings)];
  return names.every((n) => given.includes(n)) && given.every((n) => names.includes(n) || optional.includes(n));
}
