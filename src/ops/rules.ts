/** @file What the type rules share: aligning axes by name, promoting dtypes, and saying what does not fit. */
import type { Size } from "../ir/size.ts";
import type { Axis, Dtype, Type } from "../ir/type.ts";
import type { Inferred, Problem } from "./op.ts";

export type Failure = { readonly problem: Problem };
export type Aligned = { readonly axes: readonly Axis[] } | Failure;

const NUMBERS: readonly Dtype[] = ["int", "float"];

export function result(dtype: Dtype, axes: readonly Axis[]): Inferred {
  return { types: [{ dtype, axes }] };
}

export function fail(problem: Problem): Failure {
  return { problem };
}

/**
 * The axes of all operands, each name once, in the order in which they are met. Two axes of one name must have one size.
 * `without` names axes that are left out (summed over, looked up along), whose sizes are not compared.
 */
export function align(operands: readonly (readonly Axis[])[], without: readonly string[] = []): Aligned {
  const met = new Map<string, { readonly axis: Axis; readonly operand: number }>();
  for (const [operand, axes] of operands.entries()) {
    for (const axis of axes) {
      if (without.includes(axis.name)) continue;
      const known = met.get(axis.name);
      if (!known) met.set(axis.name, { axis, operand });
      else if (!known.axis.size.equals(axis.size)) return axisSizes(known.axis, axis, [known.operand, operand]);
    }
  }
  return { axes: [...met.values()].map((m) => m.axis) };
}

export function axisSizes(first: Axis, second: Axis, operands: readonly [number, number]): Failure {
  return fail({ kind: "axis-sizes", axis: first.name, first, second, operands });
}

/** The first of the named axes that an operand lacks, as a problem. */
export function requireAxes(type: Type, names: readonly string[], operand = 0): Failure | undefined {
  const missing = names.find((name) => !type.axes.some((a) => a.name === name));
  return missing === undefined ? undefined : fail({ kind: "axis-missing", operand, axis: missing });
}

/** A problem where a name stands twice. */
export function requireDistinct(names: readonly string[]): Failure | undefined {
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  return twice === undefined ? undefined : fail({ kind: "axis-twice", axis: twice });
}

export function requireDtype(
  inputs: readonly Type[],
  expected: readonly Dtype[],
  operand: number,
): Failure | undefined {
  const found = inputs[operand]!.dtype;
  return expected.includes(found) ? undefined : fail({ kind: "dtype", operand, expected, found });
}

/** A bool is no number. */
export function requireNumbers(inputs: readonly Type[]): Failure | undefined {
  return firstFailure(inputs.map((_, i) => requireDtype(inputs, NUMBERS, i)));
}

export function requireBools(inputs: readonly Type[]): Failure | undefined {
  return firstFailure(inputs.map((_, i) => requireDtype(inputs, ["bool"], i)));
}

/** All numbers, or all bools: what may stand side by side in one tensor. */
export function requireAlike(inputs: readonly Type[], from = 0): Failure | undefined {
  const expected: readonly Dtype[] = inputs[from]?.dtype === "bool" ? ["bool"] : NUMBERS;
  return firstFailure(inputs.map((_, i) => (i < from ? undefined : requireDtype(inputs, expected, i))));
}

/** int with float is float. */
export function promote(dtypes: readonly Dtype[]): Dtype {
  return dtypes.includes("float") ? "float" : dtypes[0]!;
}

export function firstFailure(failures: readonly (Failure | undefined)[]): Failure | undefined {
  return failures.find((f) => f !== undefined);
}

/** The axes with one replaced, in its place, by others. */
export function replaceAxis(axes: readonly Axis[], name: string, by: readonly Axis[]): readonly Axis[] {
  return axes.flatMap((a) => (a.name === name ? by : [a]));
}

/** Whether `start` to `end` is known to leave an axis. Symbolic sizes of which this is not known are trusted. */
export function outOfRange(axis: Axis, start: Size, end: Size): Failure | undefined {
  const before = start.known;
  const after = axis.size.minus(end).known;
  const length = end.minus(start).known;
  const outside =
    (before !== undefined && before < 0) || (after !== undefined && after < 0) || (length !== undefined && length < 0);
  return outside ? fail({ kind: "out-of-range", axis, start, end }) : undefined;
}
