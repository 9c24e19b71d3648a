/** @file What an operator of a format is here: how its node becomes values of a net. */
import type { WrittenAttribute, WrittenGraph, WrittenNode } from "../../backends/written.ts";
import { Unread, type Net, type Value } from "./net.ts";

/** One node, with its operands. */
export class Application {
  constructor(
    readonly net: Net,
    readonly node: WrittenNode,
    readonly operands: readonly (Value | undefined)[],
    /** The version of the standard operators. */
    readonly opset: number,
    /** Runs a graph of an attribute: its inputs, by place, and what it reads from around it. */
    readonly body: (graph: WrittenGraph, inputs: readonly Value[]) => readonly Value[],
  ) {}

  /** The operand at a place, which the operator must have. */
  input(i: number): Value {
    const x = this.operands[i];
    if (!x) throw new Unread(`operand ${i} is left out`);
    return x;
  }

  maybe(i: number): Value | undefined {
    return this.operands[i];
  }

  get inputs(): readonly Value[] {
    return this.operands.map((_, i) => this.input(i));
  }

  private attribute(name: string): WrittenAttribute | undefined {
    return this.node.attributes[name];
  }

  int(name: string, otherwise?: number): number {
    const a = this.attribute(name) ?? otherwise;
    if (typeof a !== "number") throw new Unread(`the attribute ${name} is no whole number`);
    return a;
  }

  ints(name: string): readonly number[] | undefined {
    const a = this.attribute(name);
    return Array.isArray(a) ? (a as readonly number[]) : undefined;
  }

  float(name: string, otherwise?: number): number {
    const a = this.attribute(name);
    if (typeof a === "object" && "float" in a) return this.net.meant(Math.fround(a.float));
    if (a !== undefined || otherwise === undefined) throw new Unread(`the attribute ${name} is no number`);
    return otherwise;
  }

  has(name: string): boolean {
    return this.attribute(name) !== undefined;
  }

  text(name: string, otherwise: string): string {
    const a = this.attribute(name) ?? otherwise;
    if (typeof a !== "string") throw new Unread(`the attribute ${name} is no text`);
    return a;
  }

  graph(name: string): WrittenGraph {
    const a = this.attribute(name);
    if (typeof a === "object" && "graph" in a) return a.graph;
    throw new Unread(`the attribute ${name} is no graph`);
  }

  /** The numbers of an operand that says a shape, a length, axes. */
  numbers(i: number): readonly number[] {
    return this.net.numbers(this.input(i));
  }

  number(i: number): number {
    const [first, ...others] = this.numbers(i);
    if (first === undefined || others.length > 0) throw new Unread(`operand ${i} is no single number`);
    return first;
  }
}

/** The results in order; a single one as it is. */
export type Meaning = (a: Application) => Value | readonly Value[];

/** An operator that is one of the net's, elementwise. */
export const plain =
  (op: Parameters<Net["elementwise"]>[0]): Meaning =>
  (a) =>
    a.net.elementwise(op, ...a.inputs);

/** The same of any number of operands, two at a time. */
export const folded =
  (op: "min" | "max" | "add"): Meaning =>
  ({ net, inputs }) =>
    inputs.slice(1).reduce((x, y) => net.elementwise(op, x, y), inputs[0]!);

/** Of whole numbers the quotient rounded towards zero. */
export function divided(net: Net, a: Value, b: Value): Value {
  if (net.dtype(a) === "float" || net.dtype(b) === "float") return net.elementwise("div", a, b);
  const zero = net.number(0, "int");
  const down = net.elementwise("floor_div", a, b);
  const rest = net.elementwise("not_equal", net.elementwise("mod", a, b), zero);
  const mixed = net.elementwise(
    "not_equal",
    net.cast(net.elementwise("less", a, zero), "int"),
    net.cast(net.elementwise("less", b, zero), "int"),
  );
  const up = net.elementwise("add", down, net.number(1, "int"));
  return net.elementwise("where", net.elementwise("and", rest, mixed), up, down);
}

export function relu(net: Net, x: Value): Value {
  return net.elementwise("max", x, net.number(0, net.dtype(x)));
}

/** A shape in which -1 is the rest, and 0, where `copies`, the dimension that stands there. */
export function reshaped(net: Net, x: Value, wanted: readonly number[], copies: boolean): Value {
  const own = net.shape(x);
  const shape = wanted.map((s, i) => (s === 0 && copies ? own[i]! : s));
  const rest = shape.indexOf(-1);
  if (rest >= 0) {
    const others = shape.reduce((n, s, i) => (i === rest ? n : n * s), 1);
    if (others === 0) throw new Unread("a shape of which the rest is not known");
    shape[rest] = own.reduce((n, s) => n * s, 1) / others;
  }
  return net.reshape(x, shape);
}

export function added(net: Net, x: Value, y: Value | undefined): Value {
  return y ? net.elementwise("add", x, y) : x;
}

/** (x - mean) / sqrt(variance + eps), or x / sqrt(mean square + eps), over the dimensions from `axis` on. */
export function normed(net: Net, x: Value, axis: number, eps: number, centred: boolean): Value {
  const from = net.at(axis, x.dims.length);
  const axes = x.dims.flatMap((_, i) => (i >= from ? [i] : []));
  const y = centred ? net.elementwise("sub", x, net.reduce("mean", x, axes, true)) : x;
  const square = net.reduce("mean", net.elementwise("mul", y, y), axes, true);
  return net.elementwise("div", y, net.elementwise("sqrt", net.elementwise("add", square, net.number(eps))));
}
