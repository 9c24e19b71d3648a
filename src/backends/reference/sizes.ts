/** @file What number each symbolic size has in one run, solved from the sizes of what was fed. */
import type { Size } from "../../ir/size.ts";
import { showType, type Type } from "../../ir/type.ts";
import { EvaluationError, type ConcreteAxes } from "../../ops/tensor.ts";

export interface Fed {
  /** As messages call it: `input tokens`. */
  readonly what: string;
  readonly type: Type;
  readonly axes: ConcreteAxes;
}

/**
 * Solves the declared sizes for their symbols: each equation with one unknown symbol, of the first degree, gives it. Throws
 * `EvaluationError` where what was fed does not agree.
 */
export function solveSizes(fed: readonly Fed[]): Map<string, number> {
  const equations = fed.flatMap(({ what, type, axes }) => {
    const names = axes.map((a) => a.name);
    const fits = type.axes.length === names.length && type.axes.every((a) => names.includes(a.name));
    if (!fits) throw new EvaluationError(`${what} is ${showType(type)}; the axes fed are [${names.join(", ")}]`);
    return type.axes.map((a) => ({
      what,
      name: a.name,
      size: a.size,
      value: axes.find((x) => x.name === a.name)!.size,
    }));
  });
  const known = new Map<string, number>();
  for (let before = -1; before < known.size;) {
    before = known.size;
    for (const { size, value } of equations) solve(size, value, known);
  }
  for (const { what, name, size, value } of equations) {
    const unknown = [...size.symbols].some((s) => !known.has(s));
    if (!unknown && size.evaluate(known) !== value)
      throw new EvaluationError(
        `the axis ${name} of ${what} has ${value} places; it is ${size.toString()}, which here is ${size.evaluate(known)}`,
      );
  }
  return known;
}

/** Adds the one unknown symbol of `size = value`, if the equation gives it. */
function solve(size: Size, value: number, known: Map<string, number>): void {
  const unknown = [...size.symbols].filter((s) => !known.has(s));
  if (unknown.length !== 1) return;
  const [symbol] = unknown as [string];
  const at = (x: number): number => size.evaluate(new Map([...known, [symbol, x]]));
  const slope = at(1) - at(0);
  const linear = at(2) - at(1) === slope;
  const solution = (value - at(0)) / slope;
  if (linear && slope !== 0 && Number.isInteger(solution)) known.set(symbol, solution);
}
