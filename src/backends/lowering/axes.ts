/**
 * @file Operators about axes. Renaming, transposing, splitting, merging and spreading make views of the same tensors and emit
 * nothing.
 */
import type { Node, NodeOf, Value } from "../../ir/graph.ts";
import { Size } from "../../ir/size.ts";
import type { Axis, Type } from "../../ir/type.ts";
import { inMemoryOrder, isolated, mergedOrder } from "../../layout/choose.ts";
import { isOne, product, type Layout } from "../../layout/layout.ts";
import { isPhysical, merged, renamed, reviewed, sizeIn, spreadOver } from "../../layout/view.ts";
import type { Emit, Emitter, Placed, Scope } from "./emitter.ts";
import { Elem, type Tensor } from "./writer.ts";

const typeOf = (node: { readonly outputs: readonly Value[] }): Type => node.outputs[0]!.type;

export const emitRename: Emit<"rename"> = (_, node, scope) => [
  renamed(scope.get(node.inputs[0]!), node.attrs.from, node.attrs.to, typeOf(node)),
];

export const emitTranspose: Emit<"transpose"> = (_, node, scope) => {
  const x = scope.get(node.inputs[0]!);
  return [reviewed(x, typeOf(node), x.axes)];
};

export const emitSplit: Emit<"split"> = (e, node, scope) => [
  e.book.split(scope.get(node.inputs[0]!), node.attrs.axis, node.attrs.into, typeOf(node)),
];

export const emitMerge: Emit<"merge"> = (_, node, scope) => [
  merged(scope.get(node.inputs[0]!), node.attrs.axes, node.attrs.into, typeOf(node)),
];

export const emitSpread: Emit<"spread"> = (_, node, scope) => [
  spreadOver(scope.get(node.inputs[0]!), node.attrs.axis.name, node.attrs.axis.size, typeOf(node)),
];

/** Without a cache nothing is kept: all places so far are those there are. */
export const emitKeep: Emit<"keep"> = (_, node, scope) => {
  const x = scope.get(node.inputs[0]!);
  const { from, to } = node.attrs;
  return [x.axes.has(from) ? renamed(x, from, to, typeOf(node)) : x];
};

export const emitOnce: Emit<"once"> = (_, node, scope) => [scope.get(node.inputs[0]!)];

/**
 * A layout where the axis comes first in its dimension, so that stretches of it are stretches of that dimension;
 * `inner` is the size of what stands behind it there. Where that is not known, the axis is a dimension of its own.
 */
function leading(e: Emitter, x: Placed, axis: string): { layout: Layout; at: number; inner: number } {
  const sizeOf = sizeIn(x);
  const cut = e.book
    .layoutOf(x)
    .flatMap((g) => (g.indexOf(axis) > 0 ? [g.slice(0, g.indexOf(axis)), g.slice(g.indexOf(axis))] : [g]));
  const at = cut.findIndex((g) => g[0] === axis);
  const inner = at < 0 ? undefined : product(cut[at]!.slice(1), sizeOf).known;
  if (inner !== undefined) return { layout: cut, at, inner };
  const layout = isolated(e.book, x, [axis]);
  return { layout, at: layout.findIndex((g) => g[0] === axis), inner: 1 };
}

/** The value where the axis is gone because it is the same along it. */
function without(x: Placed, axis: string, type: Type): Placed {
  return reviewed(x, type, new Map([...x.axes].filter(([name]) => name !== axis)));
}

export const emitPick: Emit<"pick"> = (e, node, scope) => {
  const x = scope.get(node.inputs[0]!);
  const { axis, index } = node.attrs;
  if (!isPhysical(x, axis) || isOne(sizeIn(x)(axis))) return [without(x, axis, typeOf(node))];
  const parts = siblings(node, scope);
  if (parts) return pickAll(e, x, axis, node, parts, scope);
  const layout = isolated(e.book, x, [axis]);
  const at = layout.findIndex((g) => g[0] === axis);
  const tensor = e.writer.add("Gather", [e.book.read(x, layout), indexTensor(e, index, sizeIn(x)(axis))], { axis: at });
  return [
    e.book.made(
      tensor,
      layout.filter((_, i) => i !== at),
      typeOf(node),
    ),
  ];
};

/** One index, from the front where the target wants it so. */
function indexTensor(e: Emitter, index: number, size: Size): Tensor {
  return index < 0 && !e.target.countsFromEnd ? e.sizes.scalar(size.plus(Size.of(index))) : e.writer.ints([index], []);
}

/** All picks of one axis of a value, where they take every index of it: one `Split` serves them. */
function siblings(node: NodeOf<"pick">, scope: Scope): readonly NodeOf<"pick">[] | undefined {
  const count = node.inputs[0]!.type.axes.find((a) => a.name === node.attrs.axis)!.size.known;
  if (count === undefined || count < 2 || count > 16) return undefined;
  const picks = scope.uses
    .of(node.inputs[0]!)
    .filter((n) => n.op === "pick" && n.attrs.axis === node.attrs.axis) as NodeOf<"pick">[];
  const taken = new Set(picks.map((p) => (p.attrs.index + count) % count));
  return picks.length === count && taken.size === count ? picks : undefined;
}

function pickAll(
  e: Emitter,
  x: Placed,
  axis: string,
  node: NodeOf<"pick">,
  picks: readonly NodeOf<"pick">[],
  scope: Scope,
): readonly Placed[] {
  const count = picks.length;
  const { layout, at, inner } = leading(e, x, axis);
  const split = e.writer.ints(Array.from({ length: count }, () => inner));
  const elems = Array.from({ length: count }, () => e.book.read(x, layout).elem);
  const tensors = e.writer.addMany("Split", [e.book.read(x, layout), split], { axis: at }, elems);
  const written = layout.map((g, i) => (i === at ? g.slice(1) : g));
  for (const pick of picks) {
    const tensor = tensors[(pick.attrs.index + count) % count]!;
    scope.bind(pick.outputs[0]!, e.book.made(tensor, written, typeOf(pick)));
    scope.done.add(pick);
  }
  return [scope.get(node.outputs[0]!)];
}

export const emitSlice: Emit<"slice"> = (e, node, scope) => {
  const x = scope.get(node.inputs[0]!);
  const { axis, start, size } = node.attrs;
  if (!isPhysical(x, axis)) return [e.book.made(e.book.read(x, e.book.layoutOf(x)), e.book.layoutOf(x), typeOf(node))];
  const stretches = e.target.slices === "ends" ? stretchesBeside(node, scope) : undefined;
  if (stretches) return sliceAll(e, x, node, stretches, scope);
  const whole = sizeIn(x)(axis);
  const { layout, at, inner } = leading(e, x, axis);
  const times = Size.of(inner);
  const toEnd = start.plus(size).equals(whole);
  const written = isOne(size) ? layout.map((g, i) => (i === at ? g.filter((a) => a !== axis) : g)) : layout;
  if (e.target.slices === "sizes") {
    const begin = e.sizes.shape(layout.map((_, i) => (i === at ? start.times(times) : 0)));
    const length = e.sizes.shape(layout.map((_, i) => (i === at && !toEnd ? size.times(times) : -1)));
    return [e.book.made(e.writer.add("SliceSize", [e.book.read(x, layout), begin, length]), written, typeOf(node))];
  }
  // Counted from the end where that saves computing a size.
  const from = start.known === undefined && toEnd && (size.known ?? 0) > 0 ? Size.of(-size.known!) : start;
  const end = toEnd ? Size.of(2 ** 31 - 1) : start.plus(size).times(times);
  const inputs = [
    e.book.read(x, layout),
    e.sizes.list(from.times(times)),
    e.sizes.list(end),
    e.writer.ints([at]),
    e.writer.ints([1]),
  ];
  return [e.book.made(e.writer.add("Slice", inputs), written, typeOf(node))];
};

/** All slices of one axis of a value, in order, where they lie end to end and are all of it: one `Split` serves them. */
function stretchesBeside(node: NodeOf<"slice">, scope: Scope): readonly NodeOf<"slice">[] | undefined {
  const [x] = node.inputs as [Value];
  const slices = (scope.uses.of(x) as readonly Node[]).filter(
    (n): n is NodeOf<"slice"> => n.op === "slice" && n.attrs.axis === node.attrs.axis,
  );
  if (slices.length < 2 || slices.length > 16) return undefined;
  const inOrder = slices.toSorted((a, b) => (a.attrs.start.known ?? 0) - (b.attrs.start.known ?? 0));
  let end = 0;
  for (const { attrs } of inOrder) {
    if (attrs.start.known !== end || !(attrs.size.known! > 0)) return undefined;
    end += attrs.size.known!;
  }
  return x.type.axes.find((a) => a.name === node.attrs.axis)!.size.known === end ? inOrder : undefined;
}

function sliceAll(
  e: Emitter,
  x: Placed,
  node: NodeOf<"slice">,
  slices: readonly NodeOf<"slice">[],
  scope: Scope,
): readonly Placed[] {
  const { axis } = node.attrs;
  const { layout, at, inner } = leading(e, x, axis);
  const whole = e.book.read(x, layout);
  const sizes = e.writer.ints(slices.map((s) => s.attrs.size.known! * inner));
  const elems = slices.map(() => whole.elem);
  const tensors = e.writer.addMany("Split", [whole, sizes], { axis: at }, elems);
  for (const [i, slice] of slices.entries()) {
    const written = isOne(slice.attrs.size)
      ? layout.map((g, j) => (j === at ? g.filter((a) => a !== axis) : g))
      : layout;
    scope.bind(slice.outputs[0]!, e.book.made(tensors[i]!, written, typeOf(slice)));
    scope.done.add(slice);
  }
  return [scope.get(node.outputs[0]!)];
}

export const emitLookup: Emit<"lookup"> = (e, node, scope) => {
  const { axis } = node.attrs;
  const table = scope.get(node.inputs[0]!);
  const indices = fromFront(e, node, scope, sizeIn(table)(axis));
  const shared = indices.type.axes.filter(
    (a) => a.name !== axis && isPhysical(table, a.name) && isPhysical(indices, a.name) && !isOne(a.size),
  );
  const names = shared.map((a) => a.name);
  return [
    names.length === 0
      ? gather(e, table, indices, axis, typeOf(node))
      : gatherAligned(e, table, indices, axis, names, typeOf(node)),
  ];
};

/** The indices, those below zero counted from the front where the target wants them so. */
function fromFront(e: Emitter, node: NodeOf<"lookup">, scope: Scope, size: Size): Placed {
  const value = node.inputs[1]!;
  const indices = scope.get(value);
  if (e.target.countsFromEnd || isNatural(value, scope)) return indices;
  return e.once(indices, `from the front of ${size.toString()}`, () => {
    const { type } = value;
    const below = e.elementwise("Less", [indices, e.constant(0, "int")], { dtype: "bool", axes: type.axes });
    const length = e.book.made(e.sizes.scalar(size), [], { dtype: "int", axes: [] });
    return e.elementwise("Where", [below, e.elementwise("Add", [indices, length], type), indices], type);
  });
}

/** Is a value certainly zero or more in every place? */
function isNatural(value: Value, scope: Scope): boolean {
  const node = scope.graph.nodes.find((n) => n.outputs.some((o) => o.id === value.id));
  if (!node) return false;
  const all = (): boolean => node.inputs.every((v) => isNatural(v, scope));
  if (node.op === "constant") return node.attrs.value >= 0;
  if (node.op === "position") return (node.attrs.start.known ?? 0) >= 0;
  if (node.op === "top_k") return node.outputs[1]!.id === value.id;
  if (node.op === "size") return true;
  if (node.op === "max") return node.inputs.some((v) => isNatural(v, scope));
  return (
    ["add", "mul", "min", "rename", "transpose", "split", "merge", "spread", "pick", "slice"].includes(node.op) && all()
  );
}

/**
 * Every index picks from the whole table. A table in a half precision is read as it is stored, and only what was picked
 * is cast.
 */
function gather(e: Emitter, table: Placed, indices: Placed, axis: string, type: Type): Placed {
  const lies = isPhysical(table, axis) ? isolated(e.book, table, [axis]) : e.book.layoutOf(table);
  if (!isPhysical(table, axis)) return e.book.made(e.book.read(table, lies), lies, type);
  const at = lies.findIndex((g) => g[0] === axis);
  const weight = e.weights.weightOf(table);
  const inPlace = weight && !weight.columns && weight.elem !== Elem.float && table.axes.size === weight.order.length;
  const data = inPlace ? weight.raw(inStorage(table, lies)) : e.book.read(table, lies);
  const where = e.book.layoutOf(indices);
  const label = weight ? `${weight.path.replace(/\.[^.]*$/, "")}/Gather` : "Gather";
  const picked = e.writer.add("Gather", [data, e.book.read(indices, where)], { axis: at }, data.elem, label);
  const tensor = inPlace ? e.writer.add("Cast", [picked], { to: Elem.float }, Elem.float) : picked;
  return e.book.made(tensor, [...lies.slice(0, at), ...where, ...lies.slice(at + 1)], type);
}

/** The layout in the axes of the storage. */
function inStorage(view: Placed, layout: Layout): Layout {
  return layout.map((g) => g.flatMap((a) => view.axes.get(a)!));
}

/** Each index picks from the part of the table that has its own place in the shared axes. */
function gatherAligned(
  e: Emitter,
  table: Placed,
  indices: Placed,
  axis: string,
  names: readonly string[],
  type: Type,
): Placed {
  const shared = inMemoryOrder(e.book, table, names);
  const others = (v: Placed): string[] =>
    v.type.axes.map((a) => a.name).filter((a) => isPhysical(v, a) && !names.includes(a) && !isOne(sizeIn(v)(a)));
  const inner = inMemoryOrder(
    e.book,
    table,
    others(table).filter((a) => a !== axis),
  );
  const places = inMemoryOrder(e.book, indices, others(indices));
  if (!e.target.gatherAligned) return gatherFlat(e, table, indices, axis, { shared, places, inner }, type);
  const data = e.book.read(table, [shared, [axis], inner]);
  const at = e.book.read(indices, [shared, places, []]);
  return e.book.made(e.writer.add("GatherND", [data, at], { batch_dims: 1 }, data.elem), [shared, places, inner], type);
}

/** The same where there is only a plain gather: the shared axes and the axis are one dimension, and indices count along it. */
function gatherFlat(
  e: Emitter,
  table: Placed,
  indices: Placed,
  axis: string,
  { shared, places, inner }: { shared: readonly string[]; places: readonly string[]; inner: readonly string[] },
  type: Type,
): Placed {
  const { writer, sizes } = e;
  const rows = product(shared, sizeIn(table));
  const length = sizeIn(table)(axis);
  const data = e.book.read(table, [[...shared, axis], inner]);
  const at = e.book.read(indices, [shared, places]);
  const row = writer.add("Range", [writer.ints([0], []), sizes.scalar(rows), writer.ints([1], [])], {}, Elem.int64);
  const starts = writer.add("Mul", [row, sizes.scalar(length)]);
  const down = writer.add("Reshape", [starts, writer.ints([-1, 1])]);
  const picked = writer.add("Gather", [data, writer.add("Add", [at, down])], { axis: 0 }, data.elem);
  return e.book.made(picked, [shared, places, inner], type);
}

export const emitConcat: Emit<"concat"> = (e, node, scope) => {
  const { axes, into } = node.attrs;
  const type = typeOf(node);
  const parts = node.inputs.map((v, i) => {
    const x = e.as(scope.get(v), type.dtype);
    return axes[i] === into
      ? x
      : renamed(x, axes[i]!, into, {
          dtype: x.type.dtype,
          axes: x.type.axes.map((a) => (a.name === axes[i] ? { ...a, name: into } : a)),
        });
  });
  const all = type.axes
    .filter((a) => a.name === into || (!isOne(a.size) && parts.some((p) => isPhysical(p, a.name))))
    .map((a) => a.name);
  const whole = parts.find((p) => all.every((a) => isPhysical(p, a)));
  const layout = whole ? isolated(e.book, whole, [into]) : mergedOrder(e.book, parts, all, e.rank).map((a) => [a]);
  const tensors = parts.map((p) => readBroadcast(e, p, layout, type));
  return [
    e.book.made(
      joined(
        e,
        tensors,
        layout.findIndex((g) => g.includes(into)),
      ),
      layout,
      type,
    ),
  ];
};

export const emitStack: Emit<"stack"> = (e, node, scope) => {
  const { axis } = node.attrs;
  const type = typeOf(node);
  const parts = node.inputs.map((v) => e.as(scope.get(v), type.dtype));
  const inner = type.axes
    .filter((a) => a.name !== axis && !isOne(a.size) && parts.some((p) => isPhysical(p, a.name)))
    .map((a) => a.name);
  const whole = parts.find((p) => inner.every((a) => isPhysical(p, a)));
  const lies = whole
    ? e.book.layoutOf(whole).filter((g) => g.length > 0)
    : mergedOrder(e.book, parts, inner, e.rank).map((a) => [a]);
  const { layout, at, fresh } = placeForStack(node, scope, lies);
  const read = fresh
    ? [...layout.slice(0, at), [], ...layout.slice(at + 1)]
    : layout.map((g) => g.filter((a) => a !== axis));
  return [
    e.book.made(
      joined(
        e,
        parts.map((p) => readBroadcast(e, p, read, type)),
        at,
      ),
      layout,
      type,
    ),
  ];
};

/**
 * Where a stack's new axis goes: where the merge that reads it wants it, else before all others. `fresh`: it is a
 * dimension of its own.
 */
function placeForStack(
  node: NodeOf<"stack">,
  scope: Scope,
  lies: Layout,
): { layout: Layout; at: number; fresh: boolean } {
  const { axis } = node.attrs;
  const user = scope.uses.only(node.outputs[0]!);
  const order = user?.op === "merge" ? user.attrs.axes : [];
  const i = order.indexOf(axis);
  const [before, after] = [order[i - 1], order[i + 1]];
  const behind = i >= 0 && after !== undefined ? lies.findIndex((g) => g.includes(after)) : -1;
  if (behind >= 0) {
    // Before `after`: its dimension begins with the stacked axis, so that stacking is joining.
    const group = lies[behind]!;
    const cut = group.indexOf(after!);
    const groups = [...(cut > 0 ? [group.slice(0, cut)] : []), [axis, ...group.slice(cut)]];
    const layout = [...lies.slice(0, behind), ...groups, ...lies.slice(behind + 1)];
    return { layout, at: behind + (cut > 0 ? 1 : 0), fresh: false };
  }
  const front = i >= 0 && before !== undefined ? lies.findIndex((g) => g.includes(before)) : -1;
  if (front >= 0) {
    const group = lies[front]!;
    const cut = group.indexOf(before!) + 1;
    const groups = [group.slice(0, cut), [axis], ...(cut < group.length ? [group.slice(cut)] : [])];
    return { layout: [...lies.slice(0, front), ...groups, ...lies.slice(front + 1)], at: front + 1, fresh: true };
  }
  return { layout: [[axis], ...lies], at: 0, fresh: true };
}

/** Reads a part in this layout, repeated along axes that only other parts have. */
function readBroadcast(e: Emitter, part: Placed, layout: Layout, type: Type) {
  let view = part;
  for (const name of layout.flat()) {
    if (view.axes.has(name)) continue;
    const axis: Axis = type.axes.find((a) => a.name === name)!;
    view = spreadOver(view, name, axis.size, { dtype: view.type.dtype, axes: [...view.type.axes, axis] });
  }
  return e.book.read(view, layout);
}

function joined(e: Emitter, tensors: ReturnType<typeof readBroadcast>[], axis: number) {
  return e.writer.add("Concat", tensors, { axis });
}
