/**
 * @file `scan[seq](op, start = 0)(xs...)`: a state that goes from place to place along an axis. The operator's first operand is the
 * state, the others are the xs of one place; the result has every state, along the axis.
 */
import type * as ast from "../syntax/ast.ts";
import { GraphBuilder } from "../ir/builder.ts";
import type { Value } from "../ir/graph.ts";
import { axisNamed, sameType, showType, type Type } from "../ir/type.ts";
import { infer } from "../ops/registry.ts";
import { apply } from "./apply.ts";
import type { Elaborator } from "./elaborator.ts";
import { evaluate } from "./expressions.ts";
import type { Frame } from "./frame.ts";
import type { Operand, PrimitiveCall } from "./primitives.ts";
import { statePath } from "./primitives.ts";
import { axisName } from "./signatures.ts";
import { describe, INVALID, tensor, type OpV, type V } from "./values.ts";

/** What one place does, as a graph: inputs are the state, the xs of the place, and what the operator closes over. */
interface Body {
  readonly builder: GraphBuilder;
  readonly state: Type;
}

/** The node for `scan[items](settings)(operands)`. */
export function applyScan(e: Elaborator, items: readonly ast.Arg[], call: PrimitiveCall, itemFrame: Frame): V {
  const [item] = items;
  if (items.length !== 1 || item!.value.kind !== "Name" || call.operands.length === 0) return usage(e, call);
  const given = settingsOf(e, call);
  if (!given) return INVALID;
  const axis = axisName(itemFrame, item!.value.name);
  const along = call.operands.flatMap((o) => (o.v.kind === "tensor" ? (axisNamed(o.v.value.type, axis) ?? []) : []));
  if (along.length === 0)
    return e.fail("axis/missing", { axis, type: showOperands(call.operands) }, item!.span, {
      hint: "one of the operands must have the axis",
    });
  const other = along.find((a) => !a.size.equals(along[0]!.size));
  if (other)
    return e.fail(
      "axis/two-sizes",
      { axis, first: along[0]!.size.toString(), second: other.size.toString() },
      call.span,
    );
  const body = settle(e, given, axis, call);
  if (!body) return INVALID;
  const start = e.cast(given.start, body.state.dtype, call.span);
  const xs = call.operands.flatMap((o) => (o.v.kind === "tensor" ? [o.v.value] : []));
  return scanNode(e, [start, ...xs], body.builder, axis, call);
}

interface Given {
  readonly op: OpV;
  readonly start: Value;
}

function usage(e: Elaborator, call: PrimitiveCall): V {
  return e.fail("type/usage", { name: "scan", usage: "scan[seq](op, start = 0)(x)" }, call.span);
}

/** The operator and the state to begin with: 0 where none is given. */
function settingsOf(e: Elaborator, call: PrimitiveCall): Given | undefined {
  const written = call.settings;
  let op: V | undefined;
  let start: Value | undefined;
  for (const arg of written?.args ?? []) {
    const v = evaluate(e, arg.value, written!.frame);
    if (v.kind === "invalid") return undefined;
    if (!arg.name && !op) op = v;
    else if (arg.name?.name === "start" && !start) {
      start = e.asTensor(v, arg.span);
      if (start) continue;
      e.fail("type/operand", { op: "scan", found: describe(v) }, arg.span);
      return undefined;
    } else {
      usage(e, call);
      return undefined;
    }
    if (op.kind === "op") continue;
    e.fail("type/operand", { op: "scan", found: describe(op) }, arg.span, {
      hint: "it takes an operator, `op decayed(state, x) = ...`; compute what has weights before",
    });
    return undefined;
  }
  if (op?.kind === "op") return { op, start: start ?? e.constant(0, "int", call.span) };
  usage(e, call);
  return undefined;
}

/** The body for the type of state that it gives back; the state to begin with is broadcast to that. */
function settle(e: Elaborator, { op, start }: Given, axis: string, call: PrimitiveCall): Body | undefined {
  let state = start.type;
  for (let round = 0; round < 4; round++) {
    const builder = new GraphBuilder(op.name, e.builder);
    const made = runPlace(e, op, state, axis, builder, call);
    if (!made) return undefined;
    if (sameType(made.type, state)) {
      builder.output("state", made);
      return { builder, state };
    }
    state = made.type;
  }
  e.fail("type/repeat-changes", { takes: showType(start.type), gives: showType(state) }, call.span, {
    hint: "the operator must give a state of the type that it takes",
  });
  return undefined;
}

function runPlace(
  e: Elaborator,
  op: OpV,
  state: Type,
  axis: string,
  builder: GraphBuilder,
  call: PrimitiveCall,
): Value | undefined {
  const { span } = call;
  const first: Operand[] = [{ v: tensor(builder.input("state", state, undefined, span)), span }];
  for (const [i, { v, span: at }] of call.operands.entries()) {
    if (v.kind !== "tensor") first.push({ v, span: at });
    else {
      const type = { ...v.value.type, axes: v.value.type.axes.filter((a) => a.name !== axis) };
      first.push({ v: tensor(builder.input(`x${i}`, type, undefined, at)), span: at });
    }
  }
  const made = e.building(builder, () =>
    e.outsideLet(() => apply(e, op, { first, args: [], frame: call.frame }, span, undefined)),
  );
  if (made.kind === "invalid") return undefined;
  const value = e.building(builder, () => e.asTensor(made, span));
  if (value) return builder.use(value);
  e.fail("type/operand", { op: "scan", found: describe(made) }, span, {
    hint: "the operator gives one tensor, the next state",
  });
  return undefined;
}

function scanNode(
  e: Elaborator,
  operands: readonly Value[],
  builder: GraphBuilder,
  axis: string,
  call: PrimitiveCall,
): V {
  const closed = builder.captures.find((v) => axisNamed(v.type, axis));
  if (closed)
    return e.fail("axis/twice", { axis }, call.span, {
      hint: `the operator closes over a tensor along ${axis}; pass that as an operand, so that each place gets its own`,
    });
  const body = builder.build();
  const inputs = [...operands, ...builder.captures];
  const attrs = { axis, path: statePath(e, call.frame) };
  const inferred = infer(
    "scan",
    inputs.map((v) => v.type),
    attrs,
    [body],
  );
  if ("problem" in inferred)
    return e.fail("axis/twice", { axis }, call.span, { hint: `the state has the axis ${axis} itself` });
  return tensor(e.builder.node("scan", inputs, attrs, inferred.types, call.span, [body])[0]!);
}

function showOperands(operands: readonly Operand[]): string {
  return operands.map((o) => (o.v.kind === "tensor" ? showType(o.v.value.type) : describe(o.v))).join(", ");
}
