/** @file Right sides of a checkpoint map: texts name stored tensors, brackets name their axes. */
import type * as ast from "../syntax/ast.ts";
import type { Value } from "../ir/graph.ts";
import { Size } from "../ir/size.ts";
import { showAxis, type Axis } from "../ir/type.ts";
import type { Span } from "../source/source.ts";
import type { StoredTensor } from "../weights/source.ts";
import type { Elaborator } from "./elaborator.ts";
import { evaluate } from "./expressions.ts";
import type { Frame } from "./frame.ts";
import { axesOfName } from "./signatures.ts";
import { asNumber, INVALID, NONE, tensor, type V } from "./values.ts";

/** What a line of a map means for one weight: how holes in its texts are filled, and what was read for it. */
export interface MapReading {
  /** The stored tensor that the map sees under this name. */
  find(name: string): StoredTensor | undefined;
  /** Put before every text, where the line stands inside `from "..."`. */
  readonly before: string;
  /** `{i}` */
  readonly indices: ReadonlyMap<string, number>;
  /** Which of `{q, k, v}`. */
  readonly step: number;
  /** What `*` stands for. */
  readonly star: string;
  /** The weight's axes. */
  readonly axes: readonly Axis[];
  /** Names asked for and not found. */
  readonly tried: string[];
  /** Inputs of the graph so far, each with its tensor. */
  readonly read: Map<Value, StoredTensor>;
}

/** Fills the holes of a text: `{i}` an index, `{q, k, v}` the one in step, `*` the rest of the path. */
export function fillHoles(
  text: string,
  reading: MapReading,
): { name: string } | { along: string; names: (n: number) => string } {
  const filled = (reading.before + text).replace(/\{([^{}]*)\}/g, (hole, inside: string) => {
    const parts = inside.split(",").map((p) => p.trim());
    if (parts.length > 1) return parts[reading.step] ?? hole;
    const index = reading.indices.get(parts[0]!);
    return index === undefined ? hole : String(index);
  });
  const name = filled.replaceAll("*", reading.star);
  const open = /\{([^{}]*)\}/.exec(name);
  if (open && reading.axes.some((a) => a.name === open[1]))
    return { along: open[1]!, names: (n) => name.replace(open[0], String(n)) };
  return { name };
}

/** A text in a map: the stored tensor of that name, none where there is none. */
export function storedText(e: Elaborator, x: ast.Text, frame: Frame): V {
  const reading = e.mapReading!;
  const filled = fillHoles(x.value, reading);
  void frame;
  if ("along" in filled) return stackedAlong(e, filled.along, filled.names, x.span);
  const found = reading.find(filled.name);
  if (found) return { kind: "stored", tensor: found };
  reading.tried.push(filled.name);
  return NONE;
}

/** `"experts.{experts}.w1.weight"`: one stored tensor for each place along an axis of the weight. */
function stackedAlong(e: Elaborator, along: string, names: (n: number) => string, span: Span): V {
  const reading = e.mapReading!;
  const axis = reading.axes.find((a) => a.name === along)!;
  const rest = reading.axes.filter((a) => a.name !== along);
  const parts: Value[] = [];
  for (let n = 0; n < (axis.size.known ?? 0); n++) {
    const found = reading.find(names(n));
    if (!found) {
      reading.tried.push(names(n));
      return NONE;
    }
    const part = whole(e, found, rest, span);
    if (part.kind !== "tensor") return part;
    parts.push(part.value);
  }
  return e.emit1("stack", parts, { axis: along }, span);
}

/** A stored tensor as a value with the weight's own axes; anything else as it is. */
export function storedTensor(e: Elaborator, v: V, span: Span): V {
  return v.kind === "stored" && e.mapReading ? whole(e, v.tensor, e.mapReading.axes, span) : v;
}

function whole(e: Elaborator, stored: StoredTensor, axes: readonly Axis[], span: Span): V {
  if (!fitsShape(stored.shape, axes))
    return e.fail(
      "map/shape",
      { tensor: stored.name, file: stored.file, found: stored.shape, wanted: axes.map(showAxis) },
      span,
    );
  return input(e, stored, axes, span);
}

function input(e: Elaborator, stored: StoredTensor, axes: readonly Axis[], span: Span): V {
  const value = e.builder.input(stored.name, { dtype: "float", axes }, stored.name, span);
  e.mapReading!.read.set(value, stored);
  return tensor(value);
}

/** True where the stored shape is that of the axes, neighbours merged and axes of size one left out as need be. */
export function fitsShape(shape: readonly number[], axes: readonly Axis[]): boolean {
  const sizes = axes.map((a) => a.size.known ?? -1).filter((n) => n !== 1);
  const dims = shape.filter((n) => n !== 1);
  let at = 0;
  for (const dim of dims) {
    let product = 1;
    while (product < dim && at < sizes.length) product *= sizes[at++]!;
    if (product !== dim) return false;
  }
  return at === sizes.length;
}

/** `"name"[hidden', (part = 3, heads)]` names the axes as stored; a further bracket works on them. */
export function storedPattern(e: Elaborator, stored: Extract<V, { kind: "stored" }>, x: ast.Index, frame: Frame): V {
  const reading = e.mapReading!;
  const axes: Axis[] = [];
  const groups: number[] = [];
  for (const item of x.items) {
    const parts = item.value.kind === "Paren" && !item.name ? item.value.items : [item];
    let product = 1;
    for (const part of parts) {
      const axis = storedAxis(e, part, reading, frame);
      if (!axis) return INVALID;
      axes.push(axis);
      product *= axis.size.known ?? Number.NaN;
    }
    groups.push(product);
  }
  const { shape } = stored.tensor;
  if (shape.length !== groups.length || shape.some((n, i) => n !== groups[i]))
    return e.fail(
      "map/shape",
      { tensor: stored.tensor.name, file: stored.tensor.file, found: shape, wanted: axes.map(showAxis) },
      x.span,
    );
  return input(e, stored.tensor, axes, x.span);
}

function storedAxis(e: Elaborator, part: ast.Arg, reading: MapReading, frame: Frame): Axis | undefined {
  if (part.name) {
    const n = asNumber(evaluate(e, part.value, frame));
    if (n === undefined || !Number.isInteger(n)) {
      e.fail("axis/size", { found: "this" }, part.value.span);
      return undefined;
    }
    return { name: part.name.name, size: Size.of(n), origin: part.span };
  }
  if (part.value.kind !== "Name") {
    e.fail("axis/bracket", {}, part.span, { hint: "a pattern names axes: `[hidden', (heads, head_dim)]`" });
    return undefined;
  }
  const { name } = part.value;
  const own = reading.axes.find((a) => a.name === name);
  if (own) return own;
  const known = axesOfName(frame, name);
  if (known?.length === 1) return known[0];
  e.fail("name/unknown", { name }, part.span, {
    hint: `the weight has the axes ${reading.axes.map((a) => a.name).join(", ")}`,
  });
  return undefined;
}

/** `[part = {0, 1, 2}]` reads in step with the left side. */
export function stepped(x: ast.Expr, step: number): ast.Expr {
  switch (x.kind) {
    case "Set":
      return x.items[step] ?? x;
    case "Index":
      return {
        ...x,
        object: stepped(x.object, step),
        items: x.items.map((i) => ({ ...i, value: stepped(i.value, step) })),
      };
    case "Binary":
      return { ...x, left: stepped(x.left, step), right: stepped(x.right, step) };
    case "Paren":
      return { ...x, items: x.items.map((i) => ({ ...i, value: stepped(i.value, step) })) };
    case "Pipe":
      return { ...x, input: stepped(x.input, step), stage: stepped(x.stage, step) };
    default:
      return x;
  }
}
