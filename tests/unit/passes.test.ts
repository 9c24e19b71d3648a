import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../../src/ir/builder.ts";
import type { Graph, Value } from "../../src/ir/graph.ts";
import { printGraph } from "../../src/ir/print.ts";
import { Size } from "../../src/ir/size.ts";
import { verify } from "../../src/ir/verify.ts";
import { shareCommon } from "../../src/passes/cse.ts";
import { removeDead } from "../../src/passes/dce.ts";
import { foldConstants } from "../../src/passes/fold.ts";
import { hoistInvariants } from "../../src/passes/hoist.ts";
import { inlineCalls } from "../../src/passes/inline.ts";
import { repeatLast } from "../../src/passes/repeated.ts";
import { call, emit, number, repeat } from "../support/build.ts";
import { axis, type } from "../support/tensors.ts";

const X = type("float", { seq: "seq", d: 4 });

/** A graph of one input x whose output `write` makes. */
function graph(write: (g: GraphBuilder, x: Value) => Value, input = X): Graph {
  const g = new GraphBuilder("g");
  g.output("y", write(g, g.input("x", input)));
  return g.build();
}

/** The operators of a graph, which must be well formed; bodies in braces. */
function ops(g: Graph): string {
  expect(verify(g).problems).toEqual([]);
  return list(g);
}

function list(g: Graph): string {
  return g.nodes
    .map((n) =>
      n.bodies.length > 0
        ? `${n.op} { ${n.bodies.map(list).join(" | ")} }`
        : n.op === "constant"
          ? `${n.attrs.value}`
          : n.op,
    )
    .join(" ");
}

const folded = (write: (g: GraphBuilder, x: Value) => Value, input = X): string =>
  ops(removeDead(foldConstants(graph(write, input))));

describe("repeatLast", () => {
  const A = type("float", { d: 2, half: 4 });
  const later = (write: (g: GraphBuilder, x: Value) => Value): string => ops(removeDead(repeatLast(graph(write, A))));
  const twice = (g: GraphBuilder, x: Value, y = x): Value =>
    emit(g, "concat", [x, y], { axes: ["half", "half"], into: "whole" });
  it("computes of a value that is repeated before it is repeated", () => {
    expect(later((g, x) => emit(g, "cos", [twice(g, x)], {}))).toBe("cos concat");
    expect(later((g, x) => emit(g, "mul", [emit(g, "sin", [twice(g, x)], {}), number(g, 2)], {}))).toBe(
      "sin 2 mul concat",
    );
    expect(later((g, x) => emit(g, "sub", [number(g, 2), twice(g, x)], {}))).toBe("2 sub concat");
  });
  it("through what moves it", () => {
    const pairs = (g: GraphBuilder, x: Value): Value =>
      emit(g, "merge", [emit(g, "stack", [x, x], { axis: "pair" })], { axes: ["half", "pair"], into: "whole" });
    expect(later((g, x) => emit(g, "cos", [pairs(g, x)], {}))).toBe("cos stack merge");
  });
  it("leaves two values as they are", () => {
    expect(later((g, x) => emit(g, "cos", [twice(g, x, emit(g, "sin", [x], {}))], {}))).toBe("sin concat cos");
    expect(later((g, x) => emit(g, "mul", [twice(g, x), twice(g, x)], {}))).toBe("concat concat mul");
  });
});

describe("foldConstants", () => {
  const SEEN = type("int", { a: 4 });
  it("computes both numbers of a choice", () => {
    const mask = (g: GraphBuilder, x: Value, a = 1, b = 0): Value =>
      emit(g, "where", [emit(g, "less", [x, number(g, 2)], {}), number(g, a), number(g, b)], {});
    expect(
      folded((g, x) => emit(g, "mul", [emit(g, "sub", [number(g, 1), mask(g, x)], {}), number(g, -1e4)], {})),
    ).toBe("2 less 0 -10000 where");
    expect(folded((g, x) => emit(g, "add", [mask(g, x), x], {}))).toBe("2 less 1 0 where add");
    expect(folded((g, x) => emit(g, "less", [mask(g, x), number(g, 1)], {}))).toBe("2 less 1 0 where 1 less");
  });
  it("has one comparison of whole numbers for its opposite, and leaves those of others", () => {
    const not = (g: GraphBuilder, x: Value): Value =>
      emit(g, "not", [emit(g, "less", [x, number(g, 2, x.type.dtype)], {})], {});
    expect(folded(not, SEEN)).toBe("2 greater_equal");
    expect(folded(not)).toBe("2 less not");
  });

  it("computes what is constant", () => {
    expect(
      folded((g, x) => emit(g, "mul", [x, emit(g, "div", [number(g, 1, "int"), number(g, 2, "int")], {})], {})),
    ).toBe("0.5 mul");
    expect(
      folded((g, x) =>
        emit(g, "add", [x, emit(g, "cast", [emit(g, "size", [], { of: Size.of(4) })], { to: "float" })], {}),
      ),
    ).toBe("4 add");
    expect(folded((g, x) => emit(g, "add", [x, emit(g, "size", [], { of: Size.symbol("seq") })], {}))).toBe("size add");
  });

  it.each<[string, (g: GraphBuilder, x: Value) => Value]>([
    ["x + 0", (g, x) => emit(g, "add", [x, number(g, 0)], {})],
    ["0 + x", (g, x) => emit(g, "add", [number(g, 0, "int"), x], {})],
    ["x - 0", (g, x) => emit(g, "sub", [x, number(g, 0)], {})],
    ["x * 1", (g, x) => emit(g, "mul", [x, number(g, 1)], {})],
    ["1 * x", (g, x) => emit(g, "mul", [number(g, 1), x], {})],
    ["x / 1", (g, x) => emit(g, "div", [x, number(g, 1)], {})],
    ["x ^ 1", (g, x) => emit(g, "pow", [x, number(g, 1)], {})],
    ["x as float", (g, x) => emit(g, "cast", [x], { to: "float" })],
    ["where(true, x, 0)", (g, x) => emit(g, "where", [number(g, 1, "bool"), x, number(g, 0)], {})],
    ["--x", (g, x) => emit(g, "neg", [emit(g, "neg", [x], {})], {})],
    [
      "x[d -> e][e -> d]",
      (g, x) => emit(g, "rename", [emit(g, "rename", [x], { from: "d", to: "e" })], { from: "e", to: "d" }),
    ],
    ["x[d = ..4]", (g, x) => emit(g, "slice", [x], { axis: "d", start: Size.ZERO, size: Size.of(4) })],
    ["sum over nothing", (g, x) => emit(g, "sum", [x], { over: [] })],
  ])("%s is x", (_, write) => expect(folded(write)).toBe(""));

  it("and, or, not", () => {
    const M = type("bool", { seq: "seq" });
    expect(folded((g, m) => emit(g, "and", [m, number(g, 1, "bool")], {}), M)).toBe("");
    expect(folded((g, m) => emit(g, "or", [number(g, 0, "bool"), m], {}), M)).toBe("");
    expect(folded((g, m) => emit(g, "not", [emit(g, "not", [m], {})], {}), M)).toBe("");
    // The constant alone has no axes: the type would change.
    expect(folded((g, m) => emit(g, "and", [m, number(g, 0, "bool")], {}), M)).toBe("0 and");
  });

  it("leaves what would change the type", () => {
    expect(folded((g, x) => emit(g, "add", [x, number(g, 0)], {}), type("int"))).toBe("0 add");
    expect(folded((g, x) => emit(g, "where", [number(g, 1, "bool"), number(g, 2), x], {}))).toBe("1 2 where");
  });

  it("one renaming for two", () => {
    expect(
      folded((g, x) => emit(g, "rename", [emit(g, "rename", [x], { from: "d", to: "e" })], { from: "e", to: "f" })),
    ).toBe("rename");
  });
});

describe("shareCommon", () => {
  it("computes once what stands twice, also with operands the other way round", () => {
    const twice = graph((g, x) => {
      const [a, b] = [emit(g, "exp", [x], {}), emit(g, "exp", [x], {})];
      return emit(g, "sub", [emit(g, "add", [a, x], {}), emit(g, "add", [x, b], {})], {});
    });
    expect(ops(shareCommon(twice))).toBe("exp add sub");
  });

  it("keeps apart what differs in attributes or in the order of axes", () => {
    expect(
      ops(
        shareCommon(
          graph((g, x) =>
            emit(g, "add", [emit(g, "softmax", [x], { over: "d" }), emit(g, "softmax", [x], { over: "seq" })], {}),
          ),
        ),
      ),
    ).toBe("softmax softmax add");
    const sides = graph((g, x) => {
      const row = emit(g, "sum", [x], { over: ["d"] });
      return emit(
        g,
        "merge",
        [emit(g, "stack", [emit(g, "add", [x, row], {}), emit(g, "add", [row, x], {})], { axis: "p" })],
        { axes: ["p", "d"], into: "m" },
      );
    });
    expect(ops(shareCommon(sides))).toBe("sum add add stack merge");
  });

  it("shares composites of one body", () => {
    const relu = (g: GraphBuilder, x: Value): Value =>
      call(g, "relu", [x], (b, o) => emit(b, "max", [o, number(b, 0)], {}));
    const leaky = (g: GraphBuilder, x: Value): Value =>
      call(g, "relu", [x], (b, o) => emit(b, "max", [o, number(b, 1)], {}));
    expect(ops(shareCommon(graph((g, x) => emit(g, "add", [relu(g, x), relu(g, x)], {}))))).toBe("call { 0 max } add");
    expect(ops(shareCommon(graph((g, x) => emit(g, "add", [relu(g, x), leaky(g, x)], {}))))).toBe(
      "call { 0 max } call { 1 max } add",
    );
  });
});

describe("removeDead", () => {
  it("removes nodes, parameters and captures that nobody reads, also in bodies", () => {
    const g = new GraphBuilder("g");
    const x = g.input("x", X);
    g.input("unused", X);
    const w = g.param("w", X, { kind: "constant", value: 1 });
    emit(g, "exp", [x], {});
    g.output(
      "y",
      repeat(g, "layers", 2, x, (b, h) => {
        const v = b.param("layers.{0}.v", X, { kind: "constant", value: 1 });
        emit(b, "add", [emit(b, "mul", [b.use(w), v], {}), h], {});
        return emit(b, "neg", [h], {});
      }),
    );
    const after = removeDead(g.build());
    expect(ops(after)).toBe("repeat { neg }");
    expect(after.params).toEqual([]);
    expect(after.inputs.map((i) => i.name)).toEqual(["x", "unused"]);
    expect(after.nodes[0]!.inputs).toHaveLength(1);
    expect(after.nodes[0]!.bodies[0]!.params).toEqual([]);
  });
});

describe("hoistInvariants", () => {
  it("moves out what is the same in every iteration, out of all repeats around it", () => {
    const g = new GraphBuilder("g");
    const x = g.input("x", X);
    g.output(
      "y",
      repeat(g, "outer", 2, x, (a, h) =>
        repeat(a, "inner", 2, emit(a, "exp", [h], {}), (b, i) => {
          const table = emit(
            b,
            "cos",
            [emit(b, "add", [emit(b, "position", [], { axis: axis("seq"), start: Size.ZERO }), number(b, 0.5)], {})],
            {},
          );
          const own = b.param("o.{0}.i.{1}.w", type("float"), { kind: "constant", value: 1 });
          return emit(b, "mul", [emit(b, "mul", [i, table], {}), emit(b, "neg", [own], {})], {});
        }),
      ),
    );
    const after = hoistInvariants(g.build());
    expect(ops(removeDead(after))).toBe("position 0.5 add cos repeat { exp repeat { mul neg mul } }");
  });

  it("of several bodies each one's, captured by all", () => {
    const g = new GraphBuilder("g");
    const x = g.input("x", X);
    const bodies = ["sin", "cos"].map((op) => {
      const b = new GraphBuilder(op, g);
      const h = b.input("x", X);
      const places = emit(b, "position", [], { axis: axis("seq"), start: Size.ZERO });
      b.output("x", emit(b, "add", [h, emit(b, op as "sin", [places], {})], {}));
      return b.build();
    });
    g.output("y", emit(g, "repeat", [x], { label: "layers", count: 2, carried: 1, schedule: [0, 1] }, bodies));
    expect(ops(shareCommon(hoistInvariants(g.build())))).toBe("position sin cos repeat { add | add }");
  });

  it("leaves composites whole, and moves them whole", () => {
    const g = graph((b, x) =>
      repeat(b, "layers", 2, x, (a, h) =>
        emit(
          a,
          "add",
          [
            h,
            call(a, "f", [a.use(x)], (c, o) =>
              emit(c, "mul", [o, emit(c, "position", [], { axis: axis("d", 4), start: Size.ZERO })], {}),
            ),
          ],
          {},
        ),
      ),
    );
    expect(ops(hoistInvariants(g))).toBe("call { position mul } repeat { add }");
  });
});

describe("inlineCalls", () => {
  const g = (): Graph =>
    graph((b, x) =>
      call(b, "outer", [x, x], (c, o, p) =>
        emit(c, "add", [o, call(c, "inner", [p], (d, q) => emit(d, "exp", [q], {}))], {}),
      ),
    );

  it("takes calls apart, but those that are kept", () => {
    expect(ops(inlineCalls(g(), () => false))).toBe("exp add");
    expect(ops(inlineCalls(g(), (n) => n.attrs.name === "outer"))).toBe("call { exp add }");
    expect(ops(inlineCalls(g(), (n) => n.attrs.name === "inner"))).toBe("call { exp } add");
    expect(printGraph(inlineCalls(g(), () => true))).toBe(printGraph(g()));
  });
});
