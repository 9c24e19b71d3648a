/**
 * @file Random small graphs, well typed by construction, for laws about passes. The size of an axis follows from its name, so any
 * two values fit each other. A graph is drawn from a list of numbers, which fast-check shrinks.
 */
import fc from "fast-check";
import { GraphBuilder } from "../../src/ir/builder.ts";
import type { Graph, Value } from "../../src/ir/graph.ts";
import { Size } from "../../src/ir/size.ts";
import type { Axis, Type } from "../../src/ir/type.ts";
import type { AttrsOf, PrimitiveName } from "../../src/ops/attributes.ts";
import type { Tensor } from "../../src/ops/op.ts";
import { infer } from "../../src/ops/registry.ts";
import { axis, tensor, type } from "./tensors.ts";

/** Names of axes by size; `seq` and `keys` are as long as the symbol says. */
const NAMES: readonly { readonly size: number | string; readonly names: readonly string[] }[] = [
  { size: 2, names: ["pair", "half"] },
  { size: 3, names: ["e", "ee"] },
  { size: 4, names: ["d", "dd"] },
  { size: "seq", names: ["seq", "keys"] },
  { size: "batch", names: ["batch"] },
];
export const SIZES: Readonly<Record<string, number>> = { batch: 2, seq: 3 };

function named(name: string): Axis {
  return axis(name, NAMES.find((n) => n.names.includes(name))!.size);
}

/** Decisions, from drawn numbers; zeros when they run out. */
class Choices {
  private at = 0;
  constructor(private readonly numbers: readonly number[]) {}

  below(n: number): number {
    return (this.numbers[this.at++] ?? 0) % n;
  }
  of<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }
  get left(): boolean {
    return this.at < this.numbers.length;
  }
}

export const arbitraryGraph: fc.Arbitrary<Graph> = fc
  .array(fc.nat(9999), { minLength: 10, maxLength: 160, size: "max" })
  .map(drawGraph);

function drawGraph(numbers: readonly number[]): Graph {
  const choices = new Choices(numbers);
  const g = new GraphBuilder("random");
  const pool = [
    g.input("x", type("float", { batch: "batch", seq: "seq", d: 4 })),
    g.input("n", type("int", { batch: "batch", seq: "seq" })),
    g.input("m", type("bool", { seq: "seq" })),
    g.param("w", type("float", { e: 3, d: 4 }), { kind: "normal", deviation: 1 }),
  ];
  const drawer = new Drawer(g, pool, choices, "", 0);
  while (choices.left) drawer.step();
  for (const [i, v] of pool.slice(-3).entries()) g.output(`y${i}`, v);
  return g.build();
}

/** Grows one graph or body. */
class Drawer {
  constructor(
    readonly builder: GraphBuilder,
    readonly pool: Value[],
    readonly choices: Choices,
    /** `layers.{0}.`, before the paths of parameters. */
    readonly prefix: string,
    readonly depth: number,
    readonly inCall = false,
  ) {}

  emit<K extends PrimitiveName>(
    op: K,
    inputs: readonly Value[],
    attrs: AttrsOf<K>,
    bodies: readonly Graph[] = [],
  ): Value {
    const inferred = infer(
      op,
      inputs.map((v) => v.type),
      attrs,
      bodies,
    );
    if ("problem" in inferred) throw new Error(`${op}: ${JSON.stringify(inferred.problem)}`);
    const made = this.builder.node(op, inputs, attrs, inferred.types, undefined, bodies);
    this.pool.push(...made);
    return made[0]!;
  }

  /** One of the values that satisfy a condition; recent ones and old ones. */
  value(fits: (t: Type) => boolean): Value | undefined {
    const all = this.pool.filter((v) => fits(v.type) && v.type.axes.length <= 5);
    return all.length === 0 ? undefined : this.choices.of(all);
  }

  float(): Value {
    const v = this.value((t) => t.dtype !== "bool") ?? this.constant("float");
    return v.type.dtype === "float" ? v : this.emit("cast", [v], { to: "float" });
  }

  number(): Value {
    return this.value((t) => t.dtype !== "bool") ?? this.constant("int");
  }

  bool(): Value {
    return this.value((t) => t.dtype === "bool") ?? this.constant("bool");
  }

  constant(dtype: "float" | "int" | "bool"): Value {
    const values = { float: [0, 1, 0.5, -2, -Infinity], int: [0, 1, 2], bool: [0, 1] }[dtype];
    return this.emit("constant", [], { value: this.choices.of(values), dtype });
  }

  step(): void {
    const [name, make] = this.choices.of(STEPS);
    if (this.depth >= 2 && (name === "repeat" || name === "call")) return;
    if (this.inCall && (name === "repeat" || name === "keep")) return;
    make(this);
  }
}

const STEPS: readonly (readonly [string, (d: Drawer) => void])[] = [
  [
    "unary",
    (d) =>
      d.emit(d.choices.of(["neg", "abs", "tanh", "sigmoid", "sin", "erf", "floor", "sign"] as const), [d.number()], {}),
  ],
  ["twice", (d) => void twice(d)],
  [
    "binary",
    (d) => d.emit(d.choices.of(["add", "sub", "mul", "min", "max", "div"] as const), [d.number(), d.number()], {}),
  ],
  ["neutral", (d) => neutral(d)],
  [
    "compare",
    (d) =>
      d.emit(
        d.choices.of(["less", "less_equal", "equal", "not_equal", "greater"] as const),
        [d.number(), d.number()],
        {},
      ),
  ],
  ["logic", (d) => d.emit(d.choices.of(["and", "or"] as const), [d.bool(), d.bool()], {})],
  ["not", (d) => d.emit("not", [d.bool()], {})],
  ["where", (d) => d.emit("where", [d.bool(), d.number(), d.number()], {})],
  ["constant", (d) => d.constant(d.choices.of(["float", "int", "bool"] as const))],
  ["cast", (d) => d.emit("cast", [d.number()], { to: d.choices.of(["float", "int"] as const) })],
  [
    "position",
    (d) =>
      d.emit("position", [], {
        axis: named(d.choices.of(["seq", "keys", "d", "pair"])),
        start: Size.of(d.choices.below(2)),
      }),
  ],
  ["size", (d) => d.emit("size", [], { of: d.choices.of([Size.symbol("seq"), Size.of(4)]) })],
  [
    "reduce",
    (d) => over(d, (x, a) => d.emit(d.choices.of(["sum", "mean", "reduce_max"] as const), [x], { over: [a] })),
  ],
  ["softmax", (d) => over(d, (x, a) => d.emit("softmax", [x], { over: a }))],
  ["cumulative", (d) => over(d, (x, a) => d.emit("cumulative_sum", [x], { over: a }))],
  ["dot", (d) => dot(d)],
  ["rename", (d) => rename(d)],
  [
    "transpose",
    (d) => {
      const x = d.number();
      d.emit("transpose", [x], { order: x.type.axes.map((a) => a.name).toReversed() });
    },
  ],
  ["split", (d) => split(d)],
  ["merge", (d) => merge(d)],
  ["pick", (d) => over(d, (x, a) => d.emit("pick", [x], { axis: a, index: d.choices.below(2) - 1 }))],
  ["lookup", (d) => lookup(d)],
  ["stack", (d) => stack(d)],
  ["concat", (d) => concat(d)],
  [
    "keep",
    (d) =>
      d.emit(
        "keep",
        [d.number()].map((x) => without(d, x, "keys")),
        { from: "seq", to: "keys", path: `kept${d.pool.length}`, last: null },
      ),
  ],
  ["once", (d) => d.emit("once", [d.number()], { path: `once${d.pool.length}` })],
  ["call", (d) => call(d)],
  ["repeat", (d) => repeat(d)],
];

function has(t: Type, name: string): boolean {
  return t.axes.some((a) => a.name === name);
}

function over(d: Drawer, make: (x: Value, axis: string) => void): void {
  const x = d.value((t) => t.dtype !== "bool" && t.axes.length > 0);
  if (x) make(x, d.choices.of(x.type.axes).name);
}

/** The value without some axis. */
function without(d: Drawer, x: Value, ...names: string[]): Value {
  const present = names.filter((n) => has(x.type, n));
  return present.length === 0 ? x : d.emit("sum", [x], { over: present });
}

/** What common subexpressions are: the same again, and with its operands the other way round. */
function twice(d: Drawer): Value {
  const [a, b] = [d.number(), d.number()];
  return d.emit(
    "sub",
    [
      d.emit("add", [a, b], {}),
      d.emit(
        "add",
        d.choices.of([
          [a, b],
          [b, a],
        ]),
        {},
      ),
    ],
    {},
  );
}

/** A number with 0 or 1, on either side: sometimes the operator does nothing then, and sometimes it does. */
function neutral(d: Drawer): void {
  const x = d.number();
  const op = d.choices.of(["add", "sub", "mul", "div", "pow"] as const);
  const n = d.emit("constant", [], { value: d.choices.below(2), dtype: d.choices.of(["int", "float"] as const) });
  d.emit(
    op,
    d.choices.of([
      [x, n],
      [n, x],
    ]),
    {},
  );
}

function dot(d: Drawer): void {
  const a = d.float();
  if (a.type.axes.length === 0) return;
  const shared = d.choices.of(a.type.axes).name;
  const b = d.value((t) => t.dtype === "float" && has(t, shared));
  if (b) d.emit("dot", [a, b], { over: [shared] });
}

function rename(d: Drawer): void {
  over(d, (x, from) => {
    const to = NAMES.find((n) => n.names.includes(from))!.names.find((n) => n !== from);
    if (to && !has(x.type, to)) d.emit("rename", [x], { from, to });
  });
}

function split(d: Drawer): void {
  const x = d.value((t) => has(t, "d"));
  if (x && !has(x.type, "pair") && !has(x.type, "half"))
    d.emit("split", [x], { axis: "d", into: [named("pair"), named("half")] });
}

function merge(d: Drawer): void {
  const x = d.value((t) => has(t, "pair") && has(t, "half"));
  if (x && !has(x.type, "dd"))
    d.emit("merge", [x], {
      axes: d.choices.of([
        ["pair", "half"],
        ["half", "pair"],
      ]),
      into: "dd",
    });
}

function lookup(d: Drawer): void {
  const table = d.value((t) => has(t, "d"));
  if (table)
    d.emit("lookup", [table, d.emit("position", [], { axis: named("pair"), start: Size.of(d.choices.below(3)) })], {
      axis: "d",
    });
}

function stack(d: Drawer): void {
  d.emit("stack", [without(d, d.number(), "pair"), without(d, d.number(), "pair")], { axis: "pair" });
}

function concat(d: Drawer): void {
  const x = d.value((t) => has(t, "pair") && !has(t, "half") && !has(t, "d"));
  if (x)
    d.emit("concat", [x, d.emit("rename", [x], { from: "pair", to: "half" })], { axes: ["pair", "half"], into: "d" });
}

function call(d: Drawer): void {
  const operands = [d.number(), d.number()];
  const body = new GraphBuilder("composite");
  const pool = operands.map((v, i) => body.input(`o${i}`, v.type));
  const inner = new Drawer(body, pool, d.choices, d.prefix, d.depth + 1, true);
  for (let n = 1 + d.choices.below(4); n > 0; n--) inner.step();
  body.output("y", pool.at(-1)!);
  d.emit("call", operands, { name: "composite", operands: ["o0", "o1"], settings: {}, dims: {} }, [body.build()]);
}

function repeat(d: Drawer): void {
  const carried = d.float();
  const count = 1 + d.choices.below(3);
  const kinds = 1 + d.choices.below(2);
  const builders = Array.from({ length: kinds }, (_, k) => drawBody(d, carried, k));
  // All bodies take the same captures: those of each, in turn.
  const captures = new Map(builders.flatMap((b) => b.captures).map((v) => [v.id, v]));
  const bodies = builders.map((b) => {
    for (const v of captures.values()) b.use(v);
    const built = b.build();
    const byOuter = new Map(b.captures.map((v, i) => [v.id, built.inputs[i + 1]!]));
    return { ...built, inputs: [built.inputs[0]!, ...[...captures.keys()].map((id) => byOuter.get(id)!)] };
  });
  const schedule = Array.from({ length: count }, () => d.choices.below(kinds));
  d.emit("repeat", [carried, ...captures.values()], { label: "layers", count, carried: 1, schedule }, bodies);
}

/** x plus something made of x, of what is around and of a parameter. */
function drawBody(d: Drawer, carried: Value, kind: number): GraphBuilder {
  const b = new GraphBuilder(`layer${kind}`, d.builder);
  const x = b.input("x", carried.type);
  const prefix = `${d.prefix}r${d.pool.length}.{${d.depth}}.`;
  const w = b.param(`${prefix}w${kind}`, type("float", { e: 3, d: 4 }), { kind: "normal", deviation: 1 });
  const around = Array.from({ length: 3 }, () => d.choices.of(d.pool));
  const inner = new Drawer(b, [...around, w, x], d.choices, prefix, d.depth + 1);
  for (let n = 1 + d.choices.below(8); n > 0; n--) inner.step();
  const made = inner.float();
  const extra = made.type.axes.map((a) => a.name).filter((n) => !has(carried.type, n));
  b.output("x", inner.emit("add", [x, without(inner, made, ...extra)], {}));
  return b;
}

function pseudo(seed: string, i: number): number {
  const start = [...seed].reduce((s, c) => (s * 31 + c.charCodeAt(0)) % 10007, 7);
  return Math.sin(start + i * 1.7);
}

export const INPUTS: ReadonlyMap<string, Tensor<number>> = new Map([
  [
    "x",
    tensor(
      "float",
      { batch: 2, seq: 3, d: 4 },
      Array.from({ length: 24 }, (_, i) => pseudo("x", i)),
    ),
  ],
  ["n", tensor("int", { batch: 2, seq: 3 }, [0, 1, 2, 3, -1, 0])],
  ["m", tensor("bool", { seq: 3 }, [1, 0, 1])],
]);

/** Every parameter is e by d; its numbers follow from its path. */
export function param(path: string): Tensor<number> {
  return tensor(
    "float",
    { e: 3, d: 4 },
    Array.from({ length: 12 }, (_, i) => pseudo(path, i)),
  );
}
