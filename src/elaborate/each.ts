/**
 * @file `x -> each[experts] < expert >`: a block applied once for each place of an axis, with weights of its own at each.
 *
 * Every weight of what fills it has the axis in front; the values made of them have it too, since operators align by name. What
 * the block declares it takes and gives stays as it is: signatures look past the axis. Its path is that of what fills it.
 */
import type * as ast from "../syntax/ast.ts";
import type { Value } from "../ir/graph.ts";
import type { Axis } from "../ir/type.ts";
import type { Span } from "../source/source.ts";
import { apply } from "./apply.ts";
import type { Elaborator } from "./elaborator.ts";
import { evaluate } from "./expressions.ts";
import type { Frame } from "./frame.ts";
import type { Operand } from "./primitives.ts";
import { fillerValue } from "./slots.ts";
import { describe, INVALID, isFunction, tensor, type EachV, type V } from "./values.ts";

const EACH_USAGE = "each[experts] < block >";

/** The block that `each[axis]` is; its slot is filled afterwards. */
export function eachOf(e: Elaborator, items: readonly ast.Arg[], frame: Frame, span: Span): V {
  const [item] = items;
  if (items.length !== 1 || item!.name) return e.fail("type/usage", { name: "each", usage: EACH_USAGE }, span);
  const v = evaluate(e, item!.value, frame);
  if (v.kind === "invalid") return INVALID;
  if (v.kind !== "dim")
    return e.fail("type/operand", { op: "each", found: describe(v) }, item!.span, {
      hint: `it takes a dimension: \`${EACH_USAGE}\``,
    });
  return { kind: "each", axis: v.axis, fillers: [], span };
}

/** Applies what fills it to the inputs, with the axis in front of its weights; the result has the axis. */
export function applyEach(
  e: Elaborator,
  of: EachV,
  inputs: readonly Operand[],
  label: string | undefined,
  around: Frame,
  span: Span,
): V {
  const fillers = of.fillers.flatMap((f) => f.args.map((arg) => ({ arg, frame: f.frame })));
  const [filler] = fillers;
  if (fillers.length !== 1 || filler!.arg.name)
    return e.fail("type/usage", { name: "each", usage: EACH_USAGE }, of.span);
  const block = fillerValue(e, filler!.arg.value, filler!.frame);
  if (block.kind === "invalid") return INVALID;
  const { axis } = of;
  if (inputs.some((i) => i.v.kind === "tensor" && i.v.value.type.axes.some((a) => a.name === axis.name)))
    return e.fail("axis/twice", { axis: axis.name }, span, {
      hint: `rename the axis of what goes in: \`[${axis.name} -> other]\``,
    });
  const home = { ...e.home, each: [...(e.home.each ?? []), axis], mapped: [...(e.home.mapped ?? []), axis.name] };
  const work = (): V =>
    isFunction(block) ? apply(e, block, { first: inputs, args: [], frame: around }, span, label) : inputs[0]!.v;
  const made = e.housing(home, work);
  return made.kind === "tensor" ? tensor(spreadOver(e, made.value, [axis], span)) : made;
}

/** The value with these axes; those that it lacks go in front. */
export function spreadOver(e: Elaborator, value: Value, axes: readonly Axis[], span: Span): Value {
  let spread = value;
  for (const axis of axes.toReversed()) {
    if (spread.type.axes.some((a) => a.name === axis.name)) continue;
    const type = { ...spread.type, axes: [axis, ...spread.type.axes] };
    spread = e.builder.node("spread", [spread], { axis }, [type], span)[0]!;
  }
  return spread;
}
