/**
 * @file Signatures: `[..., seq, hidden]` against the axes that a tensor has.
 *
 * Names that the block has already match wherever they stand; the others bind what is left, last axis first; `...` is the rest. A block sees
 * its inputs in the order of their signatures.
 */
import type * as ast from "../syntax/ast.ts";
import type { Value } from "../ir/graph.ts";
import type { Axis, Dtype, Type } from "../ir/type.ts";
import { showType } from "../ir/type.ts";
import { Size } from "../ir/size.ts";
import type { Span } from "../source/source.ts";
import type { Elaborator } from "./elaborator.ts";
import type { Frame } from "./frame.ts";
import { evaluate } from "./expressions.ts";
import { asNumber, tensor, type V } from "./values.ts";

/** `hidden'` is the twin of `hidden`: same size, another name. */
export function twinOf(axis: Axis, name: string): Axis {
  const primes = /'*$/.exec(name)![0];
  return { name: axis.name + primes, size: axis.size, origin: axis.origin };
}

/** The axes that a name means in this frame: of a `dims` several, of an unknown name undefined. */
export function axesOfName(frame: Frame, name: string): readonly Axis[] | undefined {
  const own = frame.lookup(name);
  if (own?.kind === "dim") return [own.axis];
  if (own?.kind === "list" && own.items.every((i) => i.kind === "dim"))
    return own.items.map((i) => (i as { axis: Axis }).axis);
  if (own?.kind === "number" && Number.isInteger(own.value))
    return [{ name, size: Size.of(own.value), origin: own.origin }];
  if (name.endsWith("'")) {
    const base = axesOfName(frame, name.replace(/'+$/, ""));
    return base?.map((a) => twinOf(a, name));
  }
  return undefined;
}

/** The name that an axis has on tensors here: a dimension of the block stands for one of the caller's. */
export function axisName(frame: Frame, name: string): string {
  const axes = axesOfName(frame, name);
  if (axes?.length === 1) return axes[0]!.name;
  return name;
}

/** Binds the dimensions of a pattern to the axes of a tensor; false where they do not fit (reported at `place`). */
export function bindAxes(
  e: Elaborator,
  pattern: readonly ast.AxisPattern[],
  type: Type,
  frame: Frame,
  place: Span,
  what: string,
): boolean {
  const { mapped = [] } = e.home;
  const left = type.axes.filter((a) => !mapped.includes(a.name));
  let rest = false;
  const open: { name: string; index: number }[] = [];
  for (const [index, item] of pattern.entries()) {
    if (item.kind === "Rest") rest = true;
    else if (item.kind === "Axis") {
      const known = axesOfName(frame, item.name.name);
      if (!known) open.push({ name: item.name.name, index });
      else for (const axis of known) if (!take(e, left, axis, type, place, item.span, what)) return false;
    } else {
      const size = asNumber(evaluate(e, item.size, frame));
      if (size === undefined) return false;
      if (item.kind === "Sized") {
        if (
          !take(e, left, { name: item.name.name, size: Size.of(size), origin: item.span }, type, place, item.span, what)
        )
          return false;
      } else {
        const at = left.findIndex((a) => a.size.known === size);
        if (at < 0) {
          e.fail("axis/missing", { axis: `of size ${size}`, type: showType(type) }, place, {
            related: [{ span: item.span, message: `${what} has it here` }],
          });
          return false;
        }
        left.splice(at, 1);
      }
    }
  }
  for (const { name, index } of open.reverse()) {
    const axis = left.pop();
    if (!axis) {
      e.fail("axis/missing", { axis: name, type: showType(type) }, place, {
        related: [{ span: pattern[index]!.span, message: `${what} takes ${showPattern(pattern)}` }],
      });
      return false;
    }
    frame.set(name, { kind: "dim", axis });
    if (axis.name !== name) frame.meet(axis.name);
  }
  for (const axis of left) frame.meet(axis.name);
  if (left.length > 0 && !rest) {
    e.fail("axis/too-many", { axes: left.map((a) => a.name), type: showType(type) }, place, {
      related: [{ span: pattern[0]?.span ?? place, message: `${what} takes ${showPattern(pattern)}` }],
      hint: "write `...` where any further axes may stand",
    });
    return false;
  }
  return true;
}

function take(e: Elaborator, left: Axis[], axis: Axis, type: Type, place: Span, at: Span, what: string): boolean {
  const found = left.findIndex((a) => a.name === axis.name);
  if (found < 0) {
    const same = left.find((a) => a.size.equals(axis.size) && a.size.known !== 1);
    e.fail("axis/missing", { axis: axis.name, type: showType(type) }, place, {
      related: [
        { span: at, message: `${what} needs it here` },
        ...(axis.origin
          ? [{ span: axis.origin, message: `${axis.name} = ${axis.size.toString()} comes from here` }]
          : []),
      ],
      hint: same
        ? `its axis ${same.name} has that size; rename it if it is meant: \`[${same.name} -> ${axis.name}]\``
        : undefined,
    });
    return false;
  }
  const [other] = left.splice(found, 1);
  if (!other!.size.equals(axis.size)) {
    e.fail("axis/two-sizes", { axis: axis.name, first: axis.size.toString(), second: other!.size.toString() }, place, {
      related: [
        ...(axis.origin ? [{ span: axis.origin, message: `${axis.name} is ${axis.size.toString()} from here` }] : []),
        ...(other!.origin ? [{ span: other!.origin, message: `and ${other!.size.toString()} from here` }] : []),
      ],
    });
    return false;
  }
  return true;
}

export function showPattern(pattern: readonly ast.AxisPattern[]): string {
  return `[${pattern
    .map((p) =>
      p.kind === "Rest" ? "..." : p.kind === "Axis" ? p.name.name : p.kind === "Sized" ? `${p.name.name} = …` : "…",
    )
    .join(", ")}]`;
}

/** The axes that a parameter's type states: every name must be known. */
export function axesOfPattern(
  e: Elaborator,
  pattern: readonly ast.AxisPattern[],
  frame: Frame,
): readonly Axis[] | undefined {
  const axes: Axis[] = [];
  for (const item of pattern) {
    if (item.kind === "Rest") {
      e.fail("axis/rest-in-param", {}, item.span);
      return undefined;
    }
    if (item.kind === "Axis") {
      const known = axesOfName(frame, item.name.name);
      if (!known) {
        if (frame.lookup(item.name.name.replace(/'+$/, ""))?.kind === "invalid") return undefined;
        e.fail("name/unknown", { name: item.name.name }, item.span, {
          hint: "an axis of a parameter is a dimension that the block knows: a setting, a given, a `dim`, or an axis of an input",
        });
        return undefined;
      }
      axes.push(...known);
      continue;
    }
    const v = evaluate(e, item.size, frame);
    const size = asNumber(v);
    if (size === undefined) return undefined;
    axes.push({ name: item.kind === "Sized" ? item.name.name : `size${size}`, size: Size.of(size), origin: item.span });
  }
  const twice = axes.find((a, i) => axes.findIndex((b) => b.name === a.name) !== i);
  if (twice) {
    e.fail("axis/twice", { axis: twice.name }, pattern[0]!.span, {
      hint: "a tensor has each axis once; write a twin (`in'`) for a second axis of the same size",
    });
    return undefined;
  }
  return axes;
}

const DTYPES: readonly string[] = ["int", "float", "bool"];

/** Checks a value against a type with axes or a dtype, and gives it as the block sees it: ints become floats by themselves. */
export function fitTensor(e: Elaborator, v: V, type: ast.TypeExpr, frame: Frame, place: Span, what: string): V {
  if (v.kind !== "tensor") return v;
  const wanted = type.base && DTYPES.includes(type.base.name) ? (type.base.name as Dtype) : undefined;
  let value = v.value;
  if (wanted && wanted !== value.type.dtype) {
    if (wanted === "float" && value.type.dtype === "int") value = e.cast(value, "float", place);
    else
      return e.fail("type/dtype", { expected: wanted, found: value.type.dtype }, place, {
        related: [{ span: type.span, message: `${what} is declared here` }],
      });
  }
  if (type.axes && !bindAxes(e, type.axes, value.type, frame, place, what)) return { kind: "invalid" };
  return tensor(value);
}

/** A block's input in the order of its signature: where `...` stands is the rest, and the last axis is the one that is there. */
export function inStatedOrder(
  e: Elaborator,
  value: Value,
  pattern: readonly ast.AxisPattern[],
  frame: Frame,
  place: Span,
): Value {
  const names: (readonly string[])[] = [];
  for (const item of pattern) {
    // A size alone does not say which axis has it.
    if (item.kind === "Size") return value;
    if (item.kind === "Rest") names.push([]);
    else if (item.kind === "Sized") names.push([item.name.name]);
    else names.push(axesOfName(frame, item.name.name)!.map((a) => a.name));
  }
  const rest = value.type.axes.map((a) => a.name).filter((name) => !names.flat().includes(name));
  const at = pattern.findIndex((item) => item.kind === "Rest");
  return transposed(e, value, names.toSpliced(Math.max(0, at), 0, rest).flat(), place);
}

/** The value with its axes in this order. */
export function transposed(e: Elaborator, value: Value, order: readonly string[], place: Span): Value {
  if (order.every((name, i) => value.type.axes[i]!.name === name)) return value;
  const made = e.emit1("transpose", [value], { order }, place);
  return made.kind === "tensor" ? made.value : value;
}
