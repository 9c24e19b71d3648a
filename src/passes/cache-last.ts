/**
 * @file What goes from place to place, `previous` and `scan`, from step to step: the last place's is handed on. The state has one
 * size, however long the past is, and is zero before the first step.
 *
 * Before: `%1: float[batch, seq, d] = previous(%0) {axis=seq}`.
 * After: `%1: float[batch, seq=1, d] = past`, `%2 = concat(%1, %0)`, `%3 = slice(%2) {axis=seq, start=0, size=seq}`,
 * `present = slice(%0) {axis=seq, start=seq - 1, size=1}`. A `scan` begins with the past, and its last state is the present.
 *
 * A scan whose start is not zero cannot tell a first step by a state of zeros. There the state has one more axis, `begun`, with no
 * place before the first step and one after it: behind the start, the last place along it is what the step begins with.
 */
import { newValue } from "../ir/builder.ts";
import type { NodeOf, Value } from "../ir/graph.ts";
import { Size } from "../ir/size.ts";
import type { Scope } from "../ir/transform.ts";
import { axisNamed, type Type } from "../ir/type.ts";

/** What comes in from the step before, and what goes out to the next. */
export interface StateEnds {
  readonly past: Value;
  readonly present: Value;
}

/** The size of an axis that says whether there was a step before: 0 before the first, 1 after it. */
export const BEGUN = "begun";

type Add = (ends: StateEnds) => void;

/** The results of the node for the places of one step; `add` is told of its state. */
export function handOnLast(node: NodeOf<"previous"> | NodeOf<"scan">, scope: Scope, add: Add): readonly Value[] {
  if (node.op === "previous") return previous(node, scope, add);
  const [start] = scope.inputs(node) as [Value, ...Value[]];
  return isZero(start, scope) ? scanFromZero(node, scope, add) : scanFromStart(node, start, scope, add);
}

function previous(node: NodeOf<"previous">, scope: Scope, add: Add): readonly Value[] {
  const { axis } = node.attrs;
  const { span } = node;
  const [x] = scope.inputs(node) as [Value];
  const { size } = axisNamed(x.type, axis)!;
  const past = scope.state(resized(x.type, axis, Size.ONE), span);
  const all = scope.emit1("concat", [past, x], { axes: [axis, axis], into: axis }, span);
  const present = scope.emit1("slice", [x], { axis, start: size.minus(Size.ONE), size: Size.ONE }, span);
  add({ past, present });
  return scope.emit("slice", [all], { axis, start: Size.ZERO, size }, span);
}

function scanFromZero(node: NodeOf<"scan">, scope: Scope, add: Add): readonly Value[] {
  const past = scope.state(stateOf(node), node.span);
  const [states] = scanFrom(past, node, scope) as [Value];
  add({ past, present: lastState(states, node, scope) });
  return [states];
}

function scanFromStart(node: NodeOf<"scan">, start: Value, scope: Scope, add: Add): readonly Value[] {
  const { span } = node;
  const state = stateOf(node);
  const one = { axis: { name: BEGUN, size: Size.ONE } };
  let whole = start;
  for (const axis of state.axes)
    if (!axisNamed(whole.type, axis.name)) whole = scope.emit1("spread", [whole], { axis }, span);
  const first = scope.emit1("spread", [whole], one, span);
  const past = scope.state({ ...state, axes: [{ name: BEGUN, size: Size.symbol(BEGUN) }, ...state.axes] }, span);
  const all = scope.emit1("concat", [first, past], { axes: [BEGUN, BEGUN], into: BEGUN }, span);
  const [states] = scanFrom(scope.emit1("pick", [all], { axis: BEGUN, index: -1 }, span), node, scope) as [Value];
  add({ past, present: scope.emit1("spread", [lastState(states, node, scope)], one, span) });
  return [states];
}

/** The same scan from another start. */
function scanFrom(start: Value, node: NodeOf<"scan">, scope: Scope): readonly Value[] {
  const stand = newValue(start.type, start.span);
  scope.set(stand, start);
  return scope.copy<"scan">({ ...node, inputs: [stand, ...node.inputs.slice(1)] });
}

function lastState(states: Value, node: NodeOf<"scan">, scope: Scope): Value {
  return scope.emit1("pick", [states], { axis: node.attrs.axis, index: -1 }, node.span);
}

function stateOf(node: NodeOf<"scan">): Type {
  return node.bodies[0]!.inputs[0]!.value.type;
}

/** Whether a value is the number 0, as it stands or as another dtype. */
function isZero(value: Value, scope: Scope): boolean {
  const made = scope.definition(value);
  if (made?.op === "cast") return isZero(made.inputs[0]!, scope);
  return made?.op === "constant" && (made.attrs as { readonly value: number }).value === 0;
}

function resized(type: Type, name: string, size: Size): Type {
  return { ...type, axes: type.axes.map((a) => (a.name === name ? { ...a, size } : a)) };
}
