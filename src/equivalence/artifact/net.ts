/**
 * @file Tensors of an artifact as values of a net of primitive operators. An artifact knows dimensions by their places, the net axes by
 * their names: a tensor here is a value of the net and the name of each of its dimensions. A dimension of size one has no axis, so
 * broadcasting is what operators of the net do by themselves, and a transposition is another order of names.
 */
import { float64 } from "../../ops/float64.ts";
import type { AttrsOf, PrimitiveName } from "../../ops/attributes.ts";
import { Size } from "../../ir/size.ts";
import type { Dtype } from "../../ir/type.ts";
import { compute, type Values } from "../evaluate.ts";
import type { Meant } from "./constants.ts";
import type { Flat } from "../flat.ts";

export interface Value {
  readonly id: number;
  /** The axis that each dimension is; none: it is of size one. */
  readonly dims: readonly (string | undefined)[];
}

/** The artifact asks for something that is not known here; `message` says what. */
export class Unread extends Error {
  override readonly name = "Unread";
}

/** Constants of more numbers are not part of a net. */
const MOST_LISTED = 4096;

export class Net {
  private fresh = 0;
  private readonly known: Values<number> = new Map();
  /** Whether a value may have infinities: what is made of a mask. */
  private readonly infinite = new Map<number, boolean>();
  private hole: Value | undefined;
  /** Whether something is infinite in the file itself, not only so large that it is taken for it. */
  private isInfinite = false;

  constructor(
    readonly flat: Flat,
    readonly meant: Meant,
  ) {}

  // ── Shapes ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  dtype(x: Value): Dtype {
    return this.flat.node(x.id).dtype;
  }

  shape(x: Value): number[] {
    const { axes } = this.flat.node(x.id);
    return x.dims.map((d) => (d === undefined ? 1 : axes.find((a) => a.name === d)!.size));
  }

  name(): string {
    return `#${this.fresh++}`;
  }

  /** The axis number `axis` of so many, counted from the end where it is negative. */
  at(axis: number, rank: number): number {
    const at = axis < 0 ? axis + rank : axis;
    if (!(at >= 0 && at < rank)) throw new Unread(`the axis ${axis} of a tensor of ${rank} dimensions`);
    return at;
  }

  apply<K extends PrimitiveName>(op: K, inputs: readonly number[], attrs: AttrsOf<K>): number {
    return this.flat.infer(op, inputs, attrs)[0]!;
  }

  /** The same with these names. */
  named(x: Value, names: readonly (string | undefined)[]): Value {
    const own = x.dims.flatMap((d) => d ?? []);
    const wanted = names.flatMap((n) => n ?? []);
    let { id } = x;
    const steps = own.map((from, i) => [from, wanted[i]!] as const).filter(([from, to]) => from !== to);
    const clash = steps.some(([, to]) => own.includes(to));
    // Through names that nothing has: one may be the new name of one axis and the old one of another.
    const between = steps.map(([from, to]) => [from, clash ? this.name() : to] as const);
    for (const [from, to] of between) id = this.apply("rename", [id], { from, to });
    if (clash)
      for (const [i, [, from]] of between.entries()) id = this.apply("rename", [id], { from, to: steps[i]![1] });
    return { id, dims: names };
  }

  /** With an axis for a dimension of size one. */
  withAxis(x: Value, at: number): Value {
    if (x.dims[at] !== undefined) return x;
    return this.spread(x, at, 1);
  }

  private spread(x: Value, at: number, size: number): Value {
    const name = this.name();
    const id = this.apply("spread", [x.id], { axis: { name, size: Size.of(size) } });
    return { id, dims: x.dims.map((d, i) => (i === at ? name : d)) };
  }

  /** Axes of size one go. */
  trimmed(id: number, dims: readonly string[]): Value {
    const { axes } = this.flat.node(id);
    let made = id;
    const kept = dims.map((axis) => {
      if (axes.find((a) => a.name === axis)!.size !== 1) return axis;
      made = this.apply("pick", [made], { axis, index: 0 });
      return undefined;
    });
    return { id: made, dims: kept };
  }

  /** All axes of a value of the net, in an order of their names, as dimensions. */
  entering(id: number, order: readonly string[] = this.flat.node(id).axes.map((a) => a.name)): Value {
    return this.trimmed(id, order);
  }

  /** The value with an axis of this name for each dimension. */
  leaving(x: Value, names: readonly string[]): number {
    let { id } = this.named(
      x,
      x.dims.map((d, i) => (d === undefined ? undefined : names[i])),
    );
    for (const [i, d] of x.dims.entries())
      if (d === undefined) id = this.apply("spread", [id], { axis: { name: names[i]!, size: Size.ONE } });
    return id;
  }

  transpose(x: Value, permutation: readonly number[]): Value {
    return { id: x.id, dims: permutation.map((p) => x.dims[p]) };
  }

  reshape(x: Value, shape: readonly number[]): Value {
    const total = shape.reduce((n, s) => n * s, 1);
    const own = this.shape(x);
    if (total !== own.reduce((n, s) => n * s, 1)) throw new Unread(`[${own}] does not become [${shape}]`);
    if (total === 0) return this.expand({ ...this.number(0, this.dtype(x)), dims: shape.map(() => undefined) }, shape);
    const axes = x.dims.flatMap((d) => d ?? []);
    const sizes = own.filter((s) => s !== 1);
    let { id } = x;
    const dims: (string | undefined)[] = shape.map(() => undefined);
    const left = shape.flatMap((s, i) => (s === 1 ? [] : [i]));
    for (let a = 0, b = 0; a < axes.length;) {
      // The shortest stretches of both that have the same number of elements.
      const [from, to] = [a, b];
      let [p, q] = [sizes[a++]!, shape[left[b++]!]!];
      while (p !== q)
        if (p < q) p *= sizes[a++]!;
        else q *= shape[left[b++]!]!;
      let whole = axes[from]!;
      if (a - from > 1) id = this.apply("merge", [id], { axes: axes.slice(from, a), into: (whole = this.name()) });
      if (b - to === 1) dims[left[to]!] = whole;
      else {
        const into = left.slice(to, b).map((i) => ({ name: this.name(), size: Size.of(shape[i]!) }));
        id = this.apply("split", [id], { axis: whole, into });
        left.slice(to, b).forEach((i, n) => (dims[i] = into[n]!.name));
      }
    }
    return { id, dims };
  }

  /** Repeated along dimensions of size one until it has this shape. */
  expand(x: Value, shape: readonly number[]): Value {
    const rank = Math.max(shape.length, x.dims.length);
    let made: Value = { id: x.id, dims: [...new Array<undefined>(rank - x.dims.length).fill(undefined), ...x.dims] };
    const wanted = [...new Array<number>(rank - shape.length).fill(1), ...shape];
    for (const [i, size] of wanted.entries())
      if (made.dims[i] === undefined && size !== 1) made = this.spread(made, i, size);
    return made;
  }

  // ── Numbers ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Minus infinity as a file or an operator has it. */
  get minusInfinity(): Value {
    if (!this.isInfinite) this.hole = undefined;
    this.isInfinite = true;
    return this.number(-Infinity);
  }

  number(value: number, dtype: Dtype = "float"): Value {
    const id = this.apply("constant", [], { value, dtype });
    if (!Number.isFinite(value)) this.infinite.set(id, true);
    return { id, dims: [] };
  }

  /** A constant of the artifact. */
  listed(numbers: ArrayLike<number>, shape: readonly number[], dtype: Dtype, isHalf = false): Value {
    const all = Array.from(numbers, (x) => (dtype === "float" ? this.meant(x, isHalf) : x));
    if (Array.from(numbers).includes(-Infinity)) void this.minusInfinity;
    const [first] = all;
    if (first === undefined) return this.expand({ ...this.number(0, dtype), dims: shape.map(() => undefined) }, shape);
    if (all.every((x) => x === first))
      return this.expand({ ...this.number(first, dtype), dims: shape.map(() => undefined) }, shape);
    if (all.length > MOST_LISTED) throw new Unread(`a constant of ${all.length} numbers`);
    const name = this.name();
    const isCount = dtype === "int" && all.every((x, i) => x === first + i);
    const id = isCount
      ? this.apply("position", [], { axis: { name, size: Size.of(all.length) }, start: Size.of(first) })
      : this.apply(
          "stack",
          all.map((x) => this.number(x, dtype).id),
          { axis: name },
        );
    return this.reshape({ id, dims: [name] }, shape);
  }

  /** The numbers of what depends on nothing that is drawn; for lengths, shapes, axes. */
  numbers(x: Value): number[] {
    const node = this.flat.node(x.id);
    if (node.drawn) throw new Unread("a length or a shape that depends on what the model is given");
    compute(this.flat, this.flat.cone([x.id]), this.known, float64);
    const { data, axes } = this.known.get(x.id)!;
    const order = x.dims.flatMap((d) => d ?? []);
    if (order.every((name, i) => axes[i]!.name === name)) return Array.from(data as ArrayLike<number>);
    const strides = new Map<string, number>();
    axes.reduceRight((stride, a) => (strides.set(a.name, stride), stride * a.size), 1);
    const walk = (at: number, i: number): number[] =>
      i === order.length
        ? [data[at] as number]
        : Array.from({ length: axes.find((a) => a.name === order[i])!.size }, (_, j) =>
            walk(at + j * strides.get(order[i]!)!, i + 1),
          ).flat();
    return walk(0, 0);
  }

  // ── Operators ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Operands on the same axes where their dimensions stand at the same places, counted from the last. */
  aligned(operands: readonly Value[]): { readonly operands: readonly Value[]; readonly dims: Value["dims"] } {
    const rank = Math.max(...operands.map((x) => x.dims.length));
    const used = new Set<string>();
    const taken = new Set(operands.flatMap((x) => x.dims.flatMap((d) => d ?? [])));
    const dims = Array.from({ length: rank }, (_, p) => {
      const own = operands.flatMap((x) => x.dims[x.dims.length - rank + p] ?? []);
      if (own.length === 0) return undefined;
      // A name that stands elsewhere in another operand would be two axes of one name.
      const elsewhere = (n: string): boolean =>
        operands.some((x) => {
          const at = x.dims.indexOf(n);
          return at >= 0 && at !== x.dims.length - rank + p;
        });
      let name = own.find((n) => !used.has(n) && !elsewhere(n));
      if (name === undefined)
        do name = this.name();
        while (taken.has(name));
      used.add(name);
      return name;
    });
    const made = operands.map((x) =>
      this.named(
        x,
        x.dims.map((d, i) => (d === undefined ? undefined : dims[rank - x.dims.length + i])),
      ),
    );
    return { operands: made, dims };
  }

  elementwise<K extends PrimitiveName>(op: K, ...operands: readonly Value[]): Value {
    const { operands: made, dims } = this.aligned(operands);
    return {
      id: this.apply(
        op,
        made.map((x) => x.id),
        {} as AttrsOf<K>,
      ),
      dims,
    };
  }

  cast(x: Value, to: Dtype): Value {
    return this.dtype(x) === to ? x : { id: this.apply("cast", [x.id], { to }), dims: x.dims };
  }

  reduce(op: "sum" | "mean" | "reduce_max" | "reduce_min", x: Value, axes: readonly number[], keep: boolean): Value {
    const gone = new Set(axes.map((a) => this.at(a, x.dims.length)));
    const over = x.dims.flatMap((d, i) => (d !== undefined && gone.has(i) ? [d] : []));
    const id = over.length === 0 ? x.id : this.apply(op, [x.id], { over });
    const dims = x.dims.flatMap((d, i) => (gone.has(i) ? (keep ? [undefined] : []) : [d]));
    return { id, dims };
  }

  /** The last two dimensions multiplied as matrices, those before them aligned. */
  matmul(a: Value, b: Value): Value {
    if (a.dims.length === 1) {
      const made = this.matmul({ ...a, dims: [undefined, ...a.dims] }, b);
      return { ...made, dims: made.dims.filter((_, i) => i !== made.dims.length - 2) };
    }
    if (b.dims.length === 1) {
      const made = this.matmul(a, { ...b, dims: [...b.dims, undefined] });
      return { ...made, dims: made.dims.slice(0, -1) };
    }
    const [row, inner] = [a.dims.at(-2), a.dims.at(-1)];
    const column = b.dims.at(-1);
    // Rows and columns as dimensions of their own: [..., row, 1, inner] and [..., 1, column, inner].
    const left: Value = { id: a.id, dims: [...a.dims.slice(0, -2), row, undefined, inner] };
    const right: Value = { id: b.id, dims: [...b.dims.slice(0, -2), undefined, column, b.dims.at(-2)] };
    if (inner === undefined) {
      const made = this.elementwise("mul", left, right);
      return { ...made, dims: made.dims.slice(0, -1) };
    }
    const { operands, dims } = this.aligned([left, right]);
    const ids = operands.map((x) => x.id);
    return { id: this.apply("dot", ids, { over: [dims.at(-1)!] }), dims: dims.slice(0, -1) };
  }

  /** `step` is not 0. */
  slice(x: Value, axis: number, start: number, end: number, step: number): Value {
    const at = this.at(axis, x.dims.length);
    const size = this.shape(x)[at]!;
    const clamp = (n: number, least: number, most: number): number =>
      Math.min(most, Math.max(least, n < 0 ? n + size : n));
    const [from, to] =
      step > 0 ? [clamp(start, 0, size), clamp(end, 0, size)] : [clamp(start, 0, size - 1), clamp(end, -1, size - 1)];
    const count = Math.max(0, Math.ceil((to - from) / step));
    if (count === size && step === 1) return x;
    const whole = this.withAxis(x, at);
    const name = whole.dims[at]!;
    if (step !== 1) return this.lookedUp(whole, at, range(from, count, step));
    const id = this.apply("slice", [whole.id], { axis: name, start: Size.of(from), size: Size.of(count) });
    return this.afterCut({ id, dims: whole.dims }, at);
  }

  /** One axis may have become of size one. */
  private afterCut(x: Value, at: number): Value {
    const axis = x.dims[at]!;
    if (this.shape(x)[at] !== 1) return x;
    return {
      id: this.apply("pick", [x.id], { axis, index: 0 }),
      dims: x.dims.map((d, i) => (i === at ? undefined : d)),
    };
  }

  private lookedUp(x: Value, at: number, places: readonly number[]): Value {
    return this.gather(x, this.listed(places, [places.length], "int"), at);
  }

  concat(parts: readonly Value[], axis: number): Value {
    const at = this.at(axis, parts[0]!.dims.length);
    const some = parts.filter((x) => this.shape(x)[at] !== 0);
    if (some.length === 0) return parts[0]!;
    if (some.length === 1) return some[0]!;
    const shape = this.shape(some[0]!);
    const dims = shape.map((s, i) => (i === at || s !== 1 ? this.name() : undefined));
    const operands = some.map((x) => this.named(this.withAxis(x, at), dims));
    const into = dims[at]!;
    const ids = operands.map((x) => x.id);
    return { id: this.apply("concat", ids, { axes: ids.map(() => into), into }), dims };
  }

  /** Indices pick along an axis; their dimensions stand where it stood. */
  gather(table: Value, indices: Value, axis: number): Value {
    const at = this.at(axis, table.dims.length);
    const whole = this.withAxis(table, at);
    const own = this.named(
      indices,
      indices.dims.map((d) => (d === undefined ? undefined : whole.dims.includes(d) ? this.name() : d)),
    );
    const id = this.apply("lookup", [whole.id, own.id], { axis: whole.dims[at]! });
    return { id, dims: [...whole.dims.slice(0, at), ...own.dims, ...whole.dims.slice(at + 1)] };
  }

  /** Zeros, or `value`, before and behind; what is negative is cut off. */
  pad(x: Value, before: readonly number[], behind: readonly number[], value: Value): Value {
    let made = x;
    for (const [i, n] of before.entries()) {
      const size = this.shape(made)[i]!;
      const [from, to] = [Math.max(0, -n), size + Math.min(0, behind[i]!)];
      made = this.slice(made, i, from, to, 1);
      const block = (length: number): readonly Value[] => {
        if (length <= 0) return [];
        const shape = this.shape(made).map((s, j) => (j === i ? length : s));
        return [this.expand({ id: value.id, dims: shape.map(() => undefined) }, shape)];
      };
      const parts = [...block(n), made, ...block(behind[i]!)];
      if (parts.length > 1) made = this.concat(parts, i);
    }
    return made;
  }

  cumulative(x: Value, axis: number): Value {
    const at = this.at(axis, x.dims.length);
    if (x.dims[at] === undefined) return x;
    return { id: this.apply("cumulative_sum", [x.id], { over: x.dims[at]! }), dims: x.dims };
  }

  topK(x: Value, axis: number, count: number): readonly [Value, Value] {
    const at = this.at(axis, x.dims.length);
    const whole = this.withAxis(x, at);
    const into = this.name();
    const ids = this.flat.infer("top_k", [whole.id], {
      axis: whole.dims[at]!,
      into: { name: into, size: Size.of(count) },
    });
    const dims = whole.dims.map((d, i) => (i === at ? into : d));
    return ids.map((id) => this.afterCut({ id, dims }, at)) as [Value, Value];
  }

  /**
   * exp(x) over its sum along a dimension. Of a row that is minus infinity throughout that is not defined: what stands there is drawn, so
   * that nothing that reads it can be proved equal to anything.
   */
  softmax(x: Value, axis: number): Value {
    const at = this.at(axis, x.dims.length);
    const whole = this.withAxis(x, at);
    const over = whole.dims[at]!;
    let made: Value = { id: this.apply("softmax", [whole.id], { over }), dims: whole.dims };
    if (this.mayBeInfinite(x.id)) {
      const seen = this.elementwise("greater", whole, this.number(-Infinity));
      const some: Value = {
        id: this.apply("any", [seen.id], { over: [over] }),
        dims: whole.dims.map((d, i) => (i === at ? undefined : d)),
      };
      made = this.elementwise("where", some, made, this.undefinedValue());
    }
    return x.dims[at] === undefined ? this.afterCut(made, at) : made;
  }

  /**
   * A number of which nothing is known. Where masks are finite numbers such rows are what the others of their row are, the same in all
   * files; where they are infinite it is another one for each.
   */
  private undefinedValue(): Value {
    const name = this.isInfinite ? "undefined" : "masked throughout";
    const shared = this.isInfinite
      ? undefined
      : this.flat.nodes.find((n) => n.leaf?.name === name && n.leaf.kind === "operand");
    this.hole ??= {
      id: shared?.id ?? this.flat.drawn({ name, kind: "operand" }, "float", []),
      dims: [],
    };
    return this.hole;
  }

  private mayBeInfinite(id: number): boolean {
    const visit = (n: number): boolean => {
      const known = this.infinite.get(n);
      if (known !== undefined) return known;
      const node = this.flat.node(n);
      // Products and what is finite by itself end what a mask began.
      const ends = ["dot", "softmax", "sigmoid", "tanh", "exp", "less", "greater", "any"].includes(node.op);
      const is = !ends && node.inputs.some(visit);
      this.infinite.set(n, is);
      return is;
    };
    return visit(id);
  }
}

function range(from: number, count: number, step: number): number[] {
  return Array.from({ length: count }, (_, i) => from + i * step);
}
