/**
 * @file What a graph computes, as terms in a normal form: two spellings of one value are one term. Rules are matched on terms,
 * and replace nodes of the graph.
 *
 * The normal form is that of real arithmetic:
 * - sums and products (and whatever else is commutative and associative) have any number of operands, in no order;
 * - a difference is a sum with -1 times the second, a quotient a product with a reciprocal, `x ^ 2` is x times x;
 * - a mean is a sum over the size, a `dot` the sum of a product; numbers and values without axes stand outside of sums;
 * - one of the stretches that an axis was split into is a slice of it, stretches that are stacked are a concatenation;
 * - what is greater than another is what the other is less than; of whole numbers, what is not less is at least as great;
 * - a choice has its number last, of two numbers the lesser; what is minus infinity where a mask is closed, as a summand or as a choice
 *   of a choice, is one choice by one mask;
 * - numbers are computed; composite operators are taken apart; the order of axes does not count.
 *
 * A sum or product that more than one node reads is not merged into the one around it: to that one it is a single operand.
 */
import type { Graph, Node, NodeOf, Value } from "../ir/graph.ts";
import { Size } from "../ir/size.ts";
import { axisNamed, type Dtype, type Type } from "../ir/type.ts";
import type { AttrsOf, PrimitiveName } from "../ops/attributes.ts";
import { float64 } from "../ops/float64.ts";
import { hasTrait } from "../ops/registry.ts";
import { attributesKey } from "../passes/keys.ts";

export interface Term {
  readonly id: number;
  /** A primitive operator, or `leaf` (not looked into), `var` (an operand of a rule), `recip` (1/x). */
  readonly op: PrimitiveName | "leaf" | "var" | "recip";
  readonly attrs: object;
  readonly inputs: readonly Term[];
  readonly dtype: Dtype;
  readonly axes: ReadonlyMap<string, Size>;
  /** Of a constant. */
  readonly number?: number;
  /** Of a `var`. */
  readonly name?: string;
}

/** How a value is read in its graph: decides what is merged. */
export interface Reading {
  /** How many nodes read it. */
  readers(value: Value): number;
}

/** A product of itself, again and again, would have as many operands as its value has factors. */
const MOST_OPERANDS = 32;
const NO_AXES: ReadonlyMap<string, Size> = new Map();

/** Operators of which it does not count in what order and groups they have their operands. */
export type Free = "add" | "mul" | "min" | "max" | "and" | "or";

/** Whether the order and grouping of operands does not count. */
export function isFree(op: Term["op"]): op is Free {
  return op !== "leaf" && op !== "var" && op !== "recip" && hasTrait(op, "commutative") && hasTrait(op, "associative");
}

/** Makes terms, each once. */
export class Terms {
  private readonly table = new Map<string, Term>();
  private count = 0;
  /** Terms of nodes that nobody else reads: these may be merged into a sum, product or choice around them. */
  private readonly mergeable = new Set<number>();

  leaf(type: Type): Term {
    const axes = axesOf(type);
    return this.add({ op: "leaf", attrs: {}, inputs: [], dtype: type.dtype, axes }, `leaf ${this.count}`);
  }

  variable(name: string, type: Type): Term {
    const axes = axesOf(type);
    return this.add({ op: "var", attrs: {}, inputs: [], dtype: type.dtype, axes, name }, `var ${name}`);
  }

  number(value: number, dtype: Dtype = "float"): Term {
    const kind = dtype === "bool" ? "bool" : "number";
    const key = `${kind} ${Object.is(value, -0) ? 0 : value}`;
    return this.add({ op: "constant", attrs: {}, inputs: [], dtype, axes: NO_AXES, number: value }, key);
  }

  /** The terms of all nodes of a graph; `known` has those of its inputs, and takes the others. Bodies of repeats and scans are not entered. */
  graph(graph: Graph, known: Map<number, Term>, reading: Reading): void {
    for (const { value } of [...graph.params, ...graph.inputs])
      if (!known.has(value.id)) known.set(value.id, this.leaf(value.type));
    for (const { past } of graph.states) if (!known.has(past.id)) known.set(past.id, this.leaf(past.type));
    for (const node of graph.nodes) this.node(node, known, reading);
  }

  node(node: Node, known: Map<number, Term>, reading: Reading): void {
    if (node.op === "call") {
      const [body] = node.bodies as [Graph];
      const inner = new Map<number, Term>();
      for (const [i, input] of body.inputs.entries())
        inner.set(input.value.id, this.closed(known.get(node.inputs[i]!.id)!));
      this.graph(body, inner, readingOf(body));
      for (const [i, output] of body.outputs.entries()) {
        const out = node.outputs[i]!;
        const made = this.closed(inner.get(output.value.id)!);
        known.set(out.id, made);
        this.note(made, out, reading);
      }
      return;
    }
    const [out] = node.outputs as [Value];
    if (node.outputs.length !== 1 || node.bodies.length > 0) {
      for (const v of node.outputs) known.set(v.id, this.leaf(v.type));
      return;
    }
    const inputs = node.inputs.map((v) => known.get(v.id)!);
    const made = this.operator(node, inputs, out.type);
    known.set(out.id, made);
    this.note(made, out, reading);
  }

  private note(made: Term, value: Value, reading: Reading): void {
    if ((isFree(made.op) || isMasked(made)) && reading.readers(value) === 1) this.mergeable.add(made.id);
  }

  /** A term as one operand, whatever is around it. */
  private closed(term: Term): Term {
    this.mergeable.delete(term.id);
    return term;
  }

  private operator(node: Node, inputs: readonly Term[], type: Type): Term {
    const [a, b] = inputs as [Term, Term];
    const { op } = node;
    if (op === "constant") return this.number(node.attrs.value, node.attrs.dtype);
    if (op === "size") return this.size(node.attrs.of);
    if ((op === "cast" && node.attrs.to === a.dtype) || op === "transpose") return a;
    if (op === "greater") return this.plain("less", {}, [b, a], type);
    if (op === "greater_equal") return this.plain("less_equal", {}, [b, a], type);
    if (op === "not") return this.opposite(a);
    if (type.dtype !== "float" || inputs.some((t) => t.dtype === "bool" && op !== "where"))
      return isFree(op) ? this.free(op, inputs, type.dtype) : this.plain(op, node.attrs, inputs, type);
    switch (op) {
      case "add":
        return this.summed(inputs);
      case "mul":
        return this.scaled(inputs);
      case "min":
      case "max":
        return this.free(op, inputs, "float");
      case "sub":
        return this.summed([a, this.product([this.number(-1), b])]);
      case "neg":
        return this.product([this.number(-1), a]);
      case "div":
        return this.scaled([a, this.reciprocal(b)]);
      case "pow":
        return this.power(a, b, node, type);
      case "sqrt":
      case "rsqrt":
        return a.number === undefined ? this.plain(op, {}, inputs, type) : this.number(float64.unary(op, a.number));
      case "sum":
        return this.sum([a], node.attrs.over);
      case "mean":
        return this.product([
          this.sum([a], node.attrs.over),
          ...node.attrs.over.map((axis) => this.reciprocal(this.size(axisNamed(node.inputs[0]!.type, axis)!.size))),
        ]);
      case "dot":
        return this.sum([a, b], node.attrs.over);
      case "pick":
        return this.pick(node, a, type);
      case "merge":
        return this.merge(node, a, type);
      case "where":
        return this.choice(...(inputs as [Term, Term, Term]));
      default:
        return this.plain(op, node.attrs, inputs, type);
    }
  }

  /** What is true where this is not. A number that is not one is neither less than another nor as great. */
  opposite(a: Term): Term {
    if (a.number !== undefined) return this.number(a.number === 0 ? 1 : 0, "bool");
    if (a.op === "not") return a.inputs[0]!;
    const [x, y] = a.inputs as [Term, Term];
    if ((a.op === "less" || a.op === "less_equal") && x.dtype === "int" && y.dtype === "int")
      return this.make(a.op === "less" ? "less_equal" : "less", {}, [y, x], "bool", a.axes);
    return this.make("not", {}, [a], "bool", a.axes);
  }

  private choice(condition: Term, then: Term, otherwise: Term): Term {
    const isLater = otherwise.number === undefined || otherwise.number > then.number!;
    if (then.number !== undefined && isLater) return this.choice(this.opposite(condition), otherwise, then);
    if (otherwise.number === -Infinity && this.isOwnMasked(then)) {
      const [mask, x] = then.inputs as [Term, Term];
      return this.choice(this.free("and", [mask, condition], "bool"), x, otherwise);
    }
    const inputs = [condition, then, otherwise];
    return this.make("where", {}, inputs, "float", union(inputs));
  }

  /** A choice of minus infinity that may be merged into what is around it: of a number, or of what nobody else reads. */
  private isOwnMasked(term: Term): boolean {
    return isMasked(term) && (term.inputs[1]!.number !== undefined || this.mergeable.has(term.id));
  }

  /** A sum in which a summand is minus infinity where a mask is closed is so too, whatever the others are. */
  private summed(operands: readonly Term[]): Term {
    const masked = operands.filter((t) => this.isOwnMasked(t));
    if (masked.length === 0) return this.free("add", operands, "float");
    const mask = this.free(
      "and",
      masked.map((t) => t.inputs[0]!),
      "bool",
    );
    const chosen = operands.map((t) => (masked.includes(t) ? t.inputs[1]! : t));
    return this.choice(mask, this.free("add", chosen, "float"), this.number(-Infinity));
  }

  /** A number times a choice of minus infinity is that choice of the number times what it chooses. */
  private scaled(factors: readonly Term[]): Term {
    const made = this.product(factors);
    const [x, by, ...more] = made.op === "mul" ? made.inputs : [];
    const [n, chosen] = x?.number === undefined ? [by, x] : [x, by];
    if (!chosen || more.length > 0 || !((n?.number ?? 0) > 0) || !this.isOwnMasked(chosen)) return made;
    const [mask, then, otherwise] = chosen.inputs as [Term, Term, Term];
    return this.choice(mask, this.product([then, n!]), otherwise);
  }

  /** The i-th of the stretches that an axis was split into is a slice of it. */
  private pick(node: NodeOf<"pick">, a: Term, type: Type): Term {
    const split = a.op === "split" ? (a.attrs as AttrsOf<"split">) : undefined;
    const [outer, inner, ...more] = split?.into ?? [];
    const count = outer?.size.known;
    if (!split || !inner || more.length > 0 || outer!.name !== node.attrs.axis || count === undefined)
      return this.plain("pick", node.attrs, [a], type);
    const [whole] = a.inputs as [Term];
    const { index } = node.attrs;
    const attrs = {
      axis: split.axis,
      start: inner.size.times(Size.of(index < 0 ? index + count : index)),
      size: inner.size,
    };
    const axes = new Map([...whole.axes].map(([name, size]) => [name, name === split.axis ? inner.size : size]));
    const part = this.make("slice", attrs, [whole], a.dtype, axes);
    return split.axis === inner.name ? part : this.plain("rename", { from: split.axis, to: inner.name }, [part], type);
  }

  /** Values that are stacked, one stretch after the other, are put behind each other. */
  private merge(node: NodeOf<"merge">, a: Term, type: Type): Term {
    const { axes, into } = node.attrs;
    const stacked = a.op === "stack" && (a.attrs as AttrsOf<"stack">).axis === axes[0] && axes.length === 2;
    if (!stacked || !a.inputs.every((t) => t.axes.has(axes[1]!))) return this.plain("merge", node.attrs, [a], type);
    return this.plain("concat", { axes: a.inputs.map(() => axes[1]!), into }, a.inputs, type);
  }

  private size(of: Size): Term {
    return of.known === undefined
      ? this.plain("size", { of }, [], { dtype: "int", axes: [] })
      : this.number(of.known, "int");
  }

  private power(a: Term, b: Term, node: Node, type: Type): Term {
    const n = b.number;
    if (n === 1) return a;
    if (n === 2 || n === 3 || n === 4) return this.product(Array.from({ length: n }, () => a));
    if (n === 0.5) return this.plain("sqrt", {}, [a], type);
    if (n === -0.5) return this.plain("rsqrt", {}, [a], type);
    if (n === -1) return this.reciprocal(a);
    return this.plain("pow", node.attrs, [a, b], type);
  }

  product(factors: readonly Term[]): Term {
    return this.free("mul", factors, "float");
  }

  reciprocal(x: Term): Term {
    if (x.number !== undefined) return this.number(1 / x.number);
    if (x.op === "recip") return x.inputs[0]!;
    if (x.op === "sqrt") return this.make("rsqrt", {}, x.inputs, "float", x.axes);
    if (x.op === "rsqrt") return this.make("sqrt", {}, x.inputs, "float", x.axes);
    if (x.op === "mul") return this.product(x.inputs.map((i) => this.reciprocal(i)));
    return this.make("recip", {}, [x], "float", x.axes);
  }

  /** The sum of a product; what has no axes stands outside. */
  private sum(factors: readonly Term[], over: readonly string[]): Term {
    const all = this.product(factors);
    const parts = all.op === "mul" ? all.inputs : [all];
    const outside = parts.filter((f) => f.axes.size === 0);
    const inside = parts.filter((f) => f.axes.size > 0);
    if (inside.length === 0 || over.length === 0) return all;
    const body = outside.length === 0 ? all : this.product(inside);
    const axes = new Map([...body.axes].filter(([name]) => !over.includes(name)));
    // An axis that the inner part lacks was there for the numbers outside only: it would count them.
    if (over.some((name) => !body.axes.has(name)))
      return this.make("sum", { over: [...over].sort() }, [all], "float", axes);
    const summed = this.make("sum", { over: [...over].sort() }, [body], "float", axes);
    return outside.length === 0 ? summed : this.product([...outside, summed]);
  }

  /** A commutative and associative operator: operands merged, numbers computed. */
  free(op: Free, operands: readonly Term[], dtype: Dtype): Term {
    const merged = operands.flatMap((t) => (t.op === op && this.mergeable.has(t.id) ? t.inputs : [t]));
    const flat = merged.length > MOST_OPERANDS ? operands : merged;
    if (dtype !== "float") return this.sorted(op, flat, dtype);
    const numbers = flat.filter((t) => t.number !== undefined);
    const others = flat.filter((t) => t.number === undefined);
    const unit = UNITS[op];
    const n = numbers.reduce((all, t) => combine(op, all, t.number!), unit);
    if (others.length === 0) return this.number(n);
    const rest = n === unit ? others : [...others, this.number(n)];
    return rest.length === 1 ? rest[0]! : this.sorted(op, rest, dtype);
  }

  private sorted(op: PrimitiveName, operands: readonly Term[], dtype: Dtype): Term {
    const inputs = operands.toSorted((x, y) => x.id - y.id);
    return this.make(op, {}, inputs, dtype, union(inputs));
  }

  /** The term of this operator on these operands, in any order, where there is one. */
  known(op: PrimitiveName, operands: readonly Term[]): Term | undefined {
    return this.table.get(
      keyOf(
        op,
        {},
        operands.toSorted((x, y) => x.id - y.id),
      ),
    );
  }

  private plain(op: PrimitiveName, attrs: object, inputs: readonly Term[], type: Type): Term {
    return this.make(op, attrs, inputs, type.dtype, axesOf(type));
  }

  private make(
    op: PrimitiveName | "recip",
    attrs: object,
    inputs: readonly Term[],
    dtype: Dtype,
    axes: ReadonlyMap<string, Size>,
  ): Term {
    return this.add({ op, attrs, inputs, dtype, axes }, keyOf(op, attrs, inputs));
  }

  private add(term: Omit<Term, "id">, key: string): Term {
    const known = this.table.get(key);
    if (known) return known;
    const made: Term = { ...term, id: this.count++ };
    this.table.set(key, made);
    return made;
  }
}

/** A choice of minus infinity where a mask is closed. */
function isMasked(term: Term): boolean {
  return term.op === "where" && term.inputs[2]!.number === -Infinity;
}

function keyOf(op: string, attrs: object, inputs: readonly Term[]): string {
  return `${op}(${inputs.map((t) => t.id).join(",")})${attributesKey(attrs)}`;
}

/** What an operand may be left out for. */
export const UNITS: Readonly<Record<Free, number>> = { add: 0, mul: 1, min: Infinity, max: -Infinity, and: 1, or: 0 };

export function combine(op: Free, a: number, b: number): number {
  switch (op) {
    case "add":
      return a + b;
    case "mul":
      return a * b;
    case "min":
    case "and":
      return Math.min(a, b);
    default:
      return Math.max(a, b);
  }
}

function axesOf(type: Type): ReadonlyMap<string, Size> {
  return new Map(type.axes.map((a) => [a.name, a.size]));
}

function union(terms: readonly Term[]): ReadonlyMap<string, Size> {
  return new Map(terms.flatMap((t) => [...t.axes]));
}

/** How often the values of one graph are read in it, each reading node once. */
export function readingOf(graph: Graph): Reading {
  const readers = new Map<number, number>();
  const read = (v: Value): void => void readers.set(v.id, (readers.get(v.id) ?? 0) + 1);
  for (const node of graph.nodes) for (const v of new Set(node.inputs)) read(v);
  for (const { value } of graph.outputs) read(value);
  for (const { present } of graph.states) read(present);
  return { readers: (value) => readers.get(value.id) ?? 0 };
}
