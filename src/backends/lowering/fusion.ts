/**
 * @file Notes of what runs of nodes come to, for runtimes that have one kernel for it. A note is a node that makes nothing: copies of an
 * iteration copy it too, and a backend that has no use for it never asks for one.
 */
import type { Axis, Type } from "../../ir/type.ts";
import { inMemoryOrder } from "../../layout/choose.ts";
import { isOne, product as sizeOfAll, type Layout } from "../../layout/layout.ts";
import { isPhysical, sizeIn } from "../../layout/view.ts";
import type { Emitter, Placed } from "./emitter.ts";
import type { Attributes, Tensor } from "./writer.ts";

/** The operator of a note: the last operand equals `op` of the others, of which some may be absent. */
export const FUSION = "Fusion";

export function noteFusion(
  e: Emitter,
  op: string,
  inputs: readonly (Tensor | undefined)[],
  output: Tensor,
  attributes: Attributes = {},
): void {
  if (e.target.notesFusions) e.writer.addMany(FUSION, [...inputs, output], { ...attributes, op }, []);
}

interface Operands {
  readonly q: Placed;
  readonly k: Placed;
  readonly v: Placed;
  /** What is added to scores. */
  readonly bias: Placed | undefined;
}

interface Names {
  readonly d: string;
  readonly keys: string;
  readonly scale: number;
  readonly softcap: number | undefined;
}

/** Which axes of an attention are which. */
interface Roles {
  readonly batch: readonly string[];
  /** Heads of keys and values. */
  readonly heads: readonly string[];
  /** Query heads to each of them: the innermost part of the query's heads. */
  readonly groups: readonly string[];
  readonly places: string;
  /** Along a value. */
  readonly width: string;
}

/**
 * Notes an attention, and gives its result as a tensor of four dimensions. Where operands lie otherwise than batch, places, heads or
 * batch, heads, places, nothing is noted.
 */
export function noteAttention(e: Emitter, operands: Operands, result: Placed, names: Names): Placed {
  const roles = e.target.notesFusions ? rolesOf(e, operands, names) : undefined;
  if (!roles) return result;
  const { batch, heads, groups, places, width } = roles;
  const all = [...heads, ...groups];
  const q = fourOf(e, operands.q, { batch, heads: all, places, last: names.d });
  const k = fourOf(e, operands.k, { batch, heads, places: names.keys, last: names.d });
  const v = fourOf(e, operands.v, { batch, heads, places: names.keys, last: width });
  const bias = operands.bias && tiltOf(operands.bias, [batch, all, [places], [names.keys]]);
  if (!q || !k || !v || (operands.bias && !bias)) return result;
  const axes = result.type.axes.map((a) => a.name);
  if (![...batch, ...all, places, width].every((a) => isPhysical(result, a))) return result;
  const bshd = all.length === 0 || axes.indexOf(places) < axes.indexOf(all[0]!);
  const layout: Layout = bshd ? [batch, [places], all, [width]] : [batch, all, [places], [width]];
  const output = e.book.read(result, layout);
  const size = (view: Placed, axesOf: readonly string[]): number => sizeOfAll(axesOf, sizeIn(view)).known!;
  const inputs = [q.tensor, k.tensor, v.tensor, bias && e.book.read(operands.bias, bias)];
  noteFusion(e, "Attention", inputs, output, {
    qOrder: q.order,
    kOrder: k.order,
    vOrder: v.order,
    outOrder: bshd ? "bshd" : "bhsd",
    heads: size(operands.q, all),
    kvHeads: size(operands.k, heads),
    headDim: size(operands.q, [names.d]),
    valueDim: size(operands.v, [width]),
    scale: { float: names.scale },
    ...(names.softcap === undefined ? {} : { softcap: { float: names.softcap } }),
  });
  return e.book.made(output, layout, result.type);
}

/** Axes of size one are nowhere in memory. */
const longer = (x: Placed): readonly Axis[] => x.type.axes.filter((a) => !isOne(a.size));

function rolesOf(e: Emitter, { q, k, v }: Operands, { d, keys }: Names): Roles | undefined {
  const names = (x: Placed): string[] => longer(x).map((a) => a.name);
  const shared = names(k).filter((a) => a !== d && a !== keys);
  const widths = names(v).filter((a) => a !== keys && !shared.includes(a));
  const own = longer(q).filter((a) => a.name !== d && !shared.includes(a.name));
  const [width] = widths;
  if (width === undefined || widths.length > 1 || !shared.every((a) => names(q).includes(a))) return undefined;
  if (!shared.every((a) => names(v).includes(a))) return undefined;
  if (![q, k, v].every((x) => names(x).every((a) => isPhysical(x, a)))) return undefined;
  const places = placesOf(own);
  const groups = own.filter((a) => a !== places);
  if (!places || groups.length > 1) return undefined;
  const known = (axes: readonly string[]): boolean => sizeOfAll(axes, sizeIn(q)).known !== undefined;
  const order = inMemoryOrder(e.book, q, names(q)).filter((a) => a !== d && !groups.some((g) => g.name === a));
  const after = order.slice(order.indexOf(places.name) + 1);
  const heads = after.length > 0 ? after : shared.filter((a) => known([a]));
  if (!known([...heads, ...groups.map((g) => g.name), d])) return undefined;
  return {
    batch: order.filter((a) => a !== places.name && !heads.includes(a)),
    heads: order.filter((a) => heads.includes(a)),
    groups: groups.map((g) => g.name),
    places: places.name,
    width,
  };
}

/** Of the query's own axes the one whose length is open; the other one has the groups. */
function placesOf(own: readonly Axis[]): Axis | undefined {
  const open = own.filter((a) => a.size.known === undefined);
  return own.length === 1 ? own[0] : open.length === 1 ? open[0] : undefined;
}

interface Four {
  readonly batch: readonly string[];
  readonly heads: readonly string[];
  readonly places: string;
  readonly last: string;
}

/** The value in four dimensions, in whichever order it lies already; undefined where it would have to be moved. */
function fourOf(
  e: Emitter,
  x: Placed,
  { batch, heads, places, last }: Four,
): { readonly tensor: Tensor; readonly order: "bshd" | "bhsd" } | undefined {
  const lies = inMemoryOrder(
    e.book,
    x,
    longer(x).map((a) => a.name),
  ).join();
  for (const [order, layout] of [
    ["bshd", [batch, [places], heads, [last]]],
    ["bhsd", [batch, heads, [places], [last]]],
  ] as const)
    if (lies === layout.flat().join()) return { tensor: e.book.read(x, layout), order };
  return undefined;
}

/** In four dimensions, of which any but the last may be one; undefined where the value has a part of one. */
function tiltOf(x: Placed, wanted: Layout): Layout | undefined {
  const has = (a: string): boolean => x.type.axes.some((b) => b.name === a) && isPhysical(x, a);
  const layout = wanted.map((g) => (g.some(has) ? g : []));
  const whole = layout.every((g) => g.every(has)) && layout.at(-1)!.length > 0;
  return whole && x.type.axes.every((a) => !isPhysical(x, a.name) || layout.flat().includes(a.name))
    ? layout
    : undefined;
}

/** Do two values that were made have the same dimensions? */
export function sameDimensions(
  a: { readonly layout: Layout; readonly type: Type } | undefined,
  b: { readonly layout: Layout; readonly type: Type } | undefined,
): boolean {
  if (!a || !b || a.layout.length !== b.layout.length) return false;
  const sizes = ({ layout, type }: NonNullable<typeof a>) =>
    layout.map((g) => sizeOfAll(g, (axis) => type.axes.find((x) => x.name === axis)!.size));
  const others = sizes(b);
  return sizes(a).every((s, i) => s.equals(others[i]!));
}
