/** @file Every primitive operator, run by ONNX Runtime and by the reference evaluator. */
import { describe, expect, it } from "vitest";
import { Size } from "../../src/ir/size.ts";
import type { PrimitiveName } from "../../src/ops/attributes.ts";
import { primitives } from "../../src/ops/registry.ts";
import { agree, axis, graphOf, Small, sizeOf, type, withFixed } from "./onnx-harness.ts";

const SIZES = { batch: 2, seq: 3, keys: 5 };
const tested = new Set<PrimitiveName>();

function check(
  op: PrimitiveName,
  what: string,
  write: (g: Small) => void,
  more: Partial<Parameters<typeof agree>[0]> = {},
): void {
  tested.add(op);
  it(`${op}: ${what}`, async () => {
    await agree({ graph: graphOf(write), sizes: SIZES, ...more });
  });
  it(`${op}: ${what}, sizes fixed`, async () => {
    const sizes = more.sizes ?? SIZES;
    await agree({ sizes, ...more, graph: withFixed(sizes, () => graphOf(write)) });
  });
}

describe("made from nothing", () => {
  check("constant", "spread by an addition", (g) =>
    g.out("y", g.op("add", [g.in("x", "float", "batch"), g.number(1.5)], {})),
  );
  check("constant", "of each dtype as an output", (g) => {
    g.out("a", g.number(-2.5));
    g.out("b", g.number(7, "int"));
    g.out("c", g.number(1, "bool"));
  });
  check(
    "position",
    "from an unknown start",
    (g) => {
      g.in("x", "int", "seq");
      g.in("k", "int", "keys=past + seq");
      g.out("y", g.op("position", [], { axis: axis("seq"), start: sizeOf("past") }));
      g.out("z", g.op("position", [], { axis: axis("keys=past + seq"), start: Size.ZERO }));
      g.out("w", g.op("position", [], { axis: axis("half=4"), start: Size.of(1) }));
    },
    { sizes: { seq: 3, past: 2 } },
  );
  check("size", "of a sum", (g) => {
    g.in("x", "int", "seq", "keys");
    g.out("y", g.op("size", [], { of: sizeOf("seq + keys").times(Size.of(2)) }));
    g.out("z", g.op("mul", [g.op("size", [], { of: sizeOf("seq") }), g.in("f", "float", "seq")], {}));
  });
});

describe("elementwise", () => {
  const positive = new Set(["log", "log2", "sqrt", "rsqrt"]);
  for (const op of [
    "neg",
    "abs",
    "exp",
    "log",
    "log2",
    "sqrt",
    "rsqrt",
    "sin",
    "cos",
    "tanh",
    "sigmoid",
    "erf",
    "floor",
    "ceil",
    "round",
    "sign",
  ] as const) {
    check(op, "of floats", (g) => {
      const x = g.in("x", "float", "batch", "seq", "d=4");
      g.out("y", g.op(op, [positive.has(op) ? g.op("add", [g.op("abs", [x], {}), g.number(0.1)], {}) : x], {}));
    });
    check(op, "of ints", (g) =>
      g.out("y", g.op(op, [g.op("add", [g.in("x", "int", "seq"), g.number(1, "int")], {})], {})),
    );
  }
  check("round", "halves to even", (g) => g.out("y", g.op("round", [g.in("x", "float", "d=4")], {})), {
    feeds: { x: [0.5, 1.5, 2.5, -0.5] },
  });
  check("not", "", (g) => g.out("y", g.op("not", [g.in("x", "bool", "seq")], {})));
  for (const to of ["float", "int", "bool"] as const)
    for (const from of ["float", "int", "bool"] as const)
      check("cast", `${from} to ${to}`, (g) => g.out("y", g.op("cast", [g.in("x", from, "batch", "seq")], { to })));

  for (const op of ["add", "sub", "mul", "div", "floor_div", "mod", "pow", "min", "max"] as const) {
    const nonzero = (g: Small, name: string, dtype: "float" | "int", ...axes: string[]) =>
      g.op("add", [g.op("abs", [g.in(name, dtype, ...axes)], {}), g.number(1, "int")], {});
    check(op, "aligned by name", (g) => {
      const a = op === "pow" ? nonzero(g, "a", "float", "seq", "d=4") : g.in("a", "float", "seq", "d=4");
      g.out("y", g.op(op, [a, nonzero(g, "b", "float", "batch", "d=4", "seq")], {}));
    });
    check(op, "of ints", (g) => g.out("y", g.op(op, [g.in("a", "int", "seq"), nonzero(g, "b", "int", "batch")], {})));
    check(op, "of negative ints", (g) =>
      g.out("y", g.op(op, [g.op("neg", [nonzero(g, "a", "int", "seq")], {}), g.number(2, "int")], {})),
    );
    check(op, "of an int with a float", (g) =>
      g.out("y", g.op(op, [g.in("a", "int", "seq"), nonzero(g, "b", "float", "seq")], {})),
    );
  }
  for (const op of ["equal", "not_equal", "less", "less_equal", "greater", "greater_equal"] as const) {
    check(op, "of ints", (g) => g.out("y", g.op(op, [g.in("a", "int", "seq"), g.in("b", "int", "keys")], {})));
    check(op, "of an int with a float", (g) =>
      g.out("y", g.op(op, [g.in("a", "int", "seq"), g.in("b", "float", "batch", "seq")], {})),
    );
  }
  check("equal", "of bools", (g) =>
    g.out("y", g.op("equal", [g.in("a", "bool", "seq"), g.in("b", "bool", "keys")], {})),
  );
  check("and", "outer", (g) =>
    g.out("y", g.op("and", [g.in("a", "bool", "seq"), g.in("b", "bool", "batch", "keys")], {})),
  );
  check("or", "outer", (g) =>
    g.out("y", g.op("or", [g.in("a", "bool", "seq"), g.in("b", "bool", "batch", "keys")], {})),
  );
  check("where", "floats, with a scalar", (g) =>
    g.out(
      "y",
      g.op(
        "where",
        [g.in("c", "bool", "batch", "keys"), g.in("a", "float", "batch", "seq", "keys"), g.number(-Infinity)],
        {},
      ),
    ),
  );
  check("where", "an int with a float", (g) =>
    g.out("y", g.op("where", [g.in("c", "bool", "seq"), g.in("a", "int", "seq"), g.number(0.5)], {})),
  );
  check("where", "bools", (g) =>
    g.out("y", g.op("where", [g.in("c", "bool", "seq"), g.in("a", "bool", "keys"), g.in("b", "bool", "seq")], {})),
  );
});

describe("over axes", () => {
  for (const op of ["sum", "mean", "reduce_max", "reduce_min"] as const) {
    check(op, "one axis in the middle", (g) =>
      g.out("y", g.op(op, [g.in("x", "float", "batch", "seq", "d=4")], { over: ["seq"] })),
    );
    check(op, "two axes", (g) =>
      g.out("y", g.op(op, [g.in("x", "float", "batch", "seq", "d=4")], { over: ["d", "batch"] })),
    );
    check(op, "of ints, all axes", (g) =>
      g.out("y", g.op(op, [g.in("x", "int", "batch", "seq")], { over: ["batch", "seq"] })),
    );
    check(op, "an axis along which it is the same", (g) =>
      g.out("y", g.op(op, [g.op("spread", [g.in("x", "float", "seq")], { axis: axis("n=3") })], { over: ["n"] })),
    );
    check(op, "an axis of size one", (g) =>
      g.out("y", g.op(op, [g.in("x", "float", "seq", "one=1")], { over: ["one"] })),
    );
  }
  for (const op of ["any", "all"] as const)
    check(op, "", (g) => g.out("y", g.op(op, [g.in("x", "bool", "batch", "keys", "seq")], { over: ["keys"] })));
  check("cumulative_sum", "", (g) => {
    g.out("y", g.op("cumulative_sum", [g.in("x", "float", "batch", "seq", "d=4")], { over: "seq" }));
    g.out("z", g.op("cumulative_sum", [g.in("i", "int", "batch", "seq")], { over: "seq" }));
  });
  check("softmax", "of finite numbers", (g) =>
    g.out(
      "y",
      g.op(
        "softmax",
        [g.op("dot", [g.in("x", "float", "seq", "d=4"), g.weight("w", "out=5", "d=4")], { over: ["d"] })],
        { over: "out" },
      ),
    ),
  );
  check(
    "softmax",
    "a row of -inf is zero",
    (g) => {
      const masked = g.op(
        "where",
        [g.in("m", "bool", "seq", "keys"), g.in("x", "float", "seq", "keys"), g.number(-Infinity)],
        {},
      );
      g.out("y", g.op("softmax", [masked], { over: "keys" }));
    },
    { feeds: { m: [1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0] } },
  );
  check("softmax", "of ints, in the middle", (g) =>
    g.out("y", g.op("softmax", [g.in("x", "int", "batch", "seq", "d=4")], { over: "seq" })),
  );
  check("top_k", "", (g) => {
    const [v, i] = g.ops("top_k", [g.in("x", "float", "batch", "d=6", "seq")], { axis: "d", into: axis("chosen=2") });
    g.out("v", v!);
    g.out("i", i!);
  });
  check("top_k", "of ints with ties", (g) =>
    g
      .ops("top_k", [g.in("x", "int", "batch", "d=6")], { axis: "d", into: axis("chosen=4") })
      .forEach((v, i) => g.out(`v${i}`, v)),
  );
});

describe("dot", () => {
  check("dot", "with a weight [out, in] and a bias", (g) => {
    const y = g.op("dot", [g.in("x", "float", "batch", "seq", "in=4"), g.weight("w", "out=6", "in=4")], {
      over: ["in"],
    });
    g.out("y", g.op("add", [y, g.weight("b", "out=6")], {}));
  });
  check("dot", "with a weight of several axes and a bias", (g) => {
    const y = g.op("dot", [g.in("x", "float", "batch", "seq", "in=4"), g.weight("w", "heads=2", "d=3", "in=4")], {
      over: ["in"],
    });
    g.out("y", g.op("add", [g.weight("b", "heads=2", "d=3"), y], {}));
  });
  check("dot", "with a bias whose axes are in another order", (g) => {
    const y = g.op("dot", [g.in("x", "float", "seq", "in=4"), g.weight("w", "heads=2", "d=3", "in=4")], {
      over: ["in"],
    });
    g.out("y", g.op("add", [y, g.weight("b", "d=3", "heads=2")], {}));
  });
  check("dot", "used twice beside its sum", (g) => {
    const y = g.op("dot", [g.in("x", "float", "seq", "in=4"), g.weight("w", "out=3", "in=4")], { over: ["in"] });
    g.out("z", g.op("add", [y, g.weight("b", "out=3")], {}));
    g.out("y", y);
  });
  check("dot", "weight first, over in front", (g) =>
    g.out("y", g.op("dot", [g.weight("w", "in=4", "out=6"), g.in("x", "float", "in=4", "seq")], { over: ["in"] })),
  );
  check("dot", "of a vector", (g) =>
    g.out("y", g.op("dot", [g.in("x", "float", "in=4"), g.weight("w", "out=6", "in=4")], { over: ["in"] })),
  );
  check("dot", "to a number", (g) =>
    g.out("y", g.op("dot", [g.in("x", "float", "seq"), g.in("z", "float", "seq")], { over: ["seq"] })),
  );
  check("dot", "over two axes of different order", (g) =>
    g.out(
      "y",
      g.op("dot", [g.in("x", "float", "batch", "a=3", "b=2"), g.weight("w", "b=2", "out=5", "a=3")], {
        over: ["a", "b"],
      }),
    ),
  );
  check("dot", "scores of grouped queries", (g) => {
    const q = g.in("q", "float", "batch", "seq", "kv=2", "groups=3", "d=4");
    g.out("y", g.op("dot", [q, g.in("k", "float", "batch", "kv=2", "keys", "d=4")], { over: ["d"] }));
  });
  check("dot", "batched, nothing left of one operand", (g) =>
    g.out(
      "y",
      g.op("dot", [g.in("q", "float", "batch", "seq", "d=4"), g.in("s", "float", "batch", "seq", "d=4", "v=3")], {
        over: ["d"],
      }),
    ),
  );
  check("dot", "elementwise", (g) =>
    g.out(
      "y",
      g.op("dot", [g.in("q", "float", "batch", "seq", "d=4"), g.in("s", "float", "seq", "batch", "d=4")], {
        over: ["d"],
      }),
    ),
  );
  check("dot", "of experts", (g) =>
    g.out(
      "y",
      g.op(
        "dot",
        [g.in("x", "float", "batch", "seq", "experts=3", "inner=4"), g.weight("w", "experts=3", "out=5", "inner=4")],
        { over: ["inner"] },
      ),
    ),
  );
  check("dot", "of ints", (g) =>
    g.out("y", g.op("dot", [g.in("x", "int", "batch", "seq"), g.in("z", "int", "seq", "keys")], { over: ["seq"] })),
  );
  check("dot", "of an int with a float", (g) =>
    g.out("y", g.op("dot", [g.in("x", "int", "batch", "seq"), g.in("z", "float", "seq", "keys")], { over: ["seq"] })),
  );
  check("dot", "over an axis along which one is the same", (g) => {
    const x = g.op("spread", [g.in("x", "float", "seq")], { axis: axis("d=4") });
    g.out("y", g.op("dot", [x, g.weight("w", "out=3", "d=4")], { over: ["d"] }));
  });
  check("dot", "with axes of size one", (g) =>
    g.out(
      "y",
      g.op(
        "dot",
        [g.in("q", "float", "batch", "seq", "kv=1", "d=4"), g.in("k", "float", "batch", "kv=1", "keys", "d=4")],
        { over: ["d"] },
      ),
    ),
  );
});

describe("about axes", () => {
  check("rename", "", (g) =>
    g.out("y", g.op("rename", [g.in("x", "float", "batch", "seq")], { from: "seq", to: "places" })),
  );
  check("transpose", "", (g) =>
    g.out("y", g.op("transpose", [g.in("x", "float", "batch", "seq", "d=6")], { order: ["d", "batch", "seq"] })),
  );
  check("split", "and transposed", (g) => {
    const s = g.op("split", [g.in("x", "float", "batch", "seq", "d=6")], {
      axis: "d",
      into: [axis("pair=2"), axis("half=3")],
    });
    g.out("y", s);
    g.out("z", g.op("merge", [s], { axes: ["half", "pair"], into: "d" }));
  });
  check("split", "of a merge, at and across its seams", (g) => {
    const m = g.op("merge", [g.in("x", "float", "seq", "a=4", "b=3")], { axes: ["a", "b"], into: "ab" });
    g.out("y", g.op("split", [m], { axis: "ab", into: [axis("c=4"), axis("d=3")] }));
    g.out("z", g.op("split", [m], { axis: "ab", into: [axis("c=2"), axis("d=6")] }));
    g.out("w", g.op("split", [g.op("neg", [m], {})], { axis: "ab", into: [axis("c=6"), axis("d=2")] }));
  });
  check("merge", "of axes that lie apart", (g) =>
    g.out("y", g.op("merge", [g.in("x", "float", "batch", "seq", "d=4")], { axes: ["d", "batch"], into: "m" })),
  );
  check("pick", "one, from the end, all", (g) => {
    const x = g.in("x", "float", "batch", "seq", "d=4");
    g.out("a", g.op("pick", [x], { axis: "seq", index: 0 }));
    g.out("b", g.op("pick", [x], { axis: "seq", index: -1 }));
    const s = g.op("split", [x], { axis: "d", into: [axis("pair=2"), axis("half=2")] });
    g.out("c", g.op("pick", [s], { axis: "pair", index: 1 }));
    g.out("d", g.op("pick", [s], { axis: "pair", index: 0 }));
    const t = g.op("split", [x], { axis: "d", into: [axis("half=2"), axis("pair=2")] });
    g.out("e", g.op("pick", [t], { axis: "pair", index: 0 }));
    g.out("f", g.op("pick", [t], { axis: "pair", index: -1 }));
  });
  check("pick", "of bools, of a weight, of size one", (g) => {
    const m = g.in("m", "bool", "batch", "two=2");
    g.out("a", g.op("pick", [m], { axis: "two", index: 0 }));
    g.out("b", g.op("pick", [m], { axis: "two", index: 1 }));
    g.out("c", g.op("pick", [g.weight("w", "three=3", "d=4")], { axis: "three", index: 1 }));
    g.out("d", g.op("pick", [g.in("o", "float", "seq", "one=1")], { axis: "one", index: 0 }));
  });
  check(
    "slice",
    "known, from the end, symbolic, spread",
    (g) => {
      const x = g.in("x", "float", "batch", "keys=past + seq", "d=6");
      g.in("s", "int", "seq");
      g.out("a", g.op("slice", [x], { axis: "d", start: Size.of(2), size: Size.of(3) }));
      g.out("b", g.op("slice", [x], { axis: "keys", start: sizeOf("past"), size: sizeOf("seq") }));
      g.out("c", g.op("slice", [x], { axis: "keys", start: sizeOf("past + seq").minus(Size.ONE), size: Size.ONE }));
      g.out("d", g.op("slice", [x], { axis: "keys", start: Size.ZERO, size: sizeOf("past") }));
      g.out(
        "e",
        g.op("slice", [g.op("spread", [g.in("z", "float", "seq")], { axis: axis("n=5") })], {
          axis: "n",
          start: Size.ONE,
          size: Size.of(3),
        }),
      );
      const s = g.op("split", [x], { axis: "d", into: [axis("p=3"), axis("h=2")] });
      g.out("f", g.op("slice", [s], { axis: "p", start: Size.ONE, size: Size.of(2) }));
    },
    { sizes: { batch: 2, past: 4, seq: 3 } },
  );
  check("spread", "as an output, and merged", (g) => {
    const s = g.op("spread", [g.in("x", "float", "batch", "kv=2", "d=3")], { axis: axis("groups=2") });
    g.out("y", s);
    g.out("z", g.op("merge", [s], { axes: ["kv", "groups"], into: "heads" }));
    g.out(
      "w",
      g.op("add", [g.op("merge", [s], { axes: ["kv", "groups"], into: "heads" }), g.in("h", "float", "heads=4")], {}),
    );
  });
  check(
    "lookup",
    "a table of weights",
    (g) =>
      g.out(
        "y",
        g.op("lookup", [g.weight("w", "vocab=7", "hidden=4"), g.in("i", "int", "batch", "seq")], { axis: "vocab" }),
      ),
    { limit: 7 },
  );
  check("lookup", "along an inner axis, an index from the end", (g) =>
    g.out(
      "y",
      g.op("lookup", [g.in("t", "float", "batch", "seq", "d=4"), g.op("neg", [g.in("i", "int", "n=2")], {})], {
        axis: "d",
      }),
    ),
  );
  check("lookup", "an axis that both have", (g) =>
    g.out(
      "y",
      g.op("lookup", [g.in("x", "float", "batch", "seq", "d=4"), g.in("end", "int", "batch")], { axis: "seq" }),
    ),
  );
  check(
    "lookup",
    "two axes that both have",
    (g) =>
      g.out(
        "y",
        g.op(
          "lookup",
          [g.in("x", "float", "seq", "experts=4", "batch", "d=2"), g.in("which", "int", "batch", "seq", "chosen=2")],
          { axis: "experts" },
        ),
      ),
    { limit: 4 },
  );
  check("lookup", "indices that have the axis looked up", (g) =>
    g.out(
      "y",
      g.op("lookup", [g.in("x", "float", "batch", "seq"), g.in("which", "int", "batch", "seq")], { axis: "seq" }),
    ),
  );
  check(
    "concat",
    "a past and a present",
    (g) => {
      const past = g.in("p", "float", "batch", "heads=2", "past", "d=3");
      g.out(
        "y",
        g.op("concat", [past, g.in("x", "float", "batch", "seq", "heads=2", "d=3")], {
          axes: ["past", "seq"],
          into: "keys",
        }),
      );
    },
    { sizes: { batch: 2, past: 0, seq: 3 } },
  );
  check("concat", "an int with a float, of one axis", (g) =>
    g.out(
      "y",
      g.op("concat", [g.in("a", "int", "d=2", "seq"), g.in("b", "float", "seq", "e=3")], {
        axes: ["d", "e"],
        into: "d",
      }),
    ),
  );
  check("concat", "with something that is the same along the axis", (g) => {
    const s = g.op("spread", [g.in("a", "float", "seq")], { axis: axis("n=2") });
    g.out("y", g.op("concat", [s, g.in("b", "float", "seq", "d=3")], { axes: ["n", "d"], into: "d" }));
  });
  for (const order of [
    ["pair", "half"],
    ["half", "pair"],
  ])
    check("stack", `then merged as ${order.join(", ")}`, (g) => {
      const a = g.in("a", "float", "batch", "seq", "half=3");
      const s = g.op("stack", [a, g.op("neg", [a], {})], { axis: "pair" });
      g.out("y", g.op("merge", [s], { axes: order, into: "d" }));
    });
  check("stack", "broadcast, of mixed dtypes", (g) =>
    g.out("y", g.op("stack", [g.in("a", "float", "seq"), g.in("b", "int", "batch"), g.number(2)], { axis: "three" })),
  );
});

describe("over time", () => {
  check("keep", "without a cache", (g) => {
    const attrs = { from: "seq", to: "keys", path: "k", last: null };
    g.out("y", g.op("keep", [g.in("x", "float", "batch", "seq")], attrs));
    g.out("z", g.op("keep", [g.in("m", "bool", "batch")], attrs));
  });
  check("once", "", (g) => g.out("y", g.op("once", [g.in("x", "float", "seq")], { path: "o" })));
  check("previous", "of floats and ints", (g) => {
    g.out("y", g.op("previous", [g.in("x", "float", "batch", "seq", "d=2")], { axis: "seq", path: "p" }));
    g.out("z", g.op("previous", [g.in("i", "int", "seq")], { axis: "seq", path: "q" }));
  });
  const decayed = (): Small => {
    const body = new Small("decayed");
    const s = body.input("s", type("float", "batch", "d=2", "v=3"));
    const a = body.input("a", type("float", "batch", "d=2"));
    const u = body.input("u", type("float", "v=3", "batch"));
    const c = body.input("c", type("float", "v=3"));
    const kept = body.op("mul", [s, a], {});
    body.output("next", body.op("add", [body.op("add", [kept, u], {}), c], {}));
    return body;
  };
  check("scan", "with operands with and without the axis", (g) => {
    const operands = [
      g.number(0, "int"),
      g.in("a", "float", "batch", "seq", "d=2"),
      g.in("u", "float", "seq", "v=3", "batch"),
      g.in("c", "float", "v=3"),
    ];
    g.out("y", g.op("scan", operands, { axis: "seq", path: "s" }, [decayed().build()]));
  });
});

describe("a scan that shares values with what is around it", () => {
  check("scan", "places of an axis, in another layout", (g) => {
    const places = (b: Small) => b.op("position", [], { axis: axis("d=2"), start: Size.ZERO });
    const body = new Small("counted");
    const s = body.input("s", type("float", "d=2", "v=3"));
    const u = body.input("u", type("float", "v=3"));
    body.output("next", body.op("add", [s, body.op("mul", [u, places(body)], {})], {}));
    g.out(
      "y",
      g.op("scan", [g.number(1), g.in("u", "float", "seq", "v=3")], { axis: "seq", path: "s" }, [body.build()]),
    );
    g.out("z", g.op("mul", [g.in("w", "float", "d=2", "v=3"), places(g)], {}));
  });
});

describe("with bodies", () => {
  check("repeat", "two kinds of layers, what is captured, a parameter for each", (g) => {
    const body = (kind: string, double: boolean): ReturnType<Small["build"]> => {
      const b = new Small(kind);
      const x = b.input("x", type("float", "batch", "seq", "d=4"));
      const shared = b.input("shared", type("float", "seq"));
      const y = b.op(
        "dot",
        [b.op("rename", [x], { from: "d", to: "d'" }), b.weight(`layers.{0}.${kind}.weight`, "d=4", "d'=4")],
        { over: ["d'"] },
      );
      const z = b.op("add", [b.op("add", [y, b.weight(`layers.{0}.${kind}.bias`, "d=4")], {}), shared], {});
      b.output("x", b.op("add", [x, double ? b.op("tanh", [z], {}) : z], {}));
      return b.build();
    };
    const operands = [g.in("x", "float", "batch", "seq", "d=4"), g.in("s", "float", "seq")];
    g.out(
      "y",
      g.op("repeat", operands, { label: "layers", count: 3, carried: 1, schedule: [0, 1, 0] }, [
        body("plain", false),
        body("bent", true),
      ]),
    );
  });
  check("repeat", "in a repeat, with parameters of both", (g) => {
    const x = type("float", "batch", "seq", "d=4");
    const outer = new Small("outer");
    const o = outer.input("x", x);
    const inner = new Small("inner");
    const i = inner.input("x", x);
    const y = inner.op(
      "dot",
      [inner.op("rename", [i], { from: "d", to: "d'" }), inner.weight("layers.{0}.steps.{1}.weight", "d=4", "d'=4")],
      { over: ["d'"] },
    );
    inner.output("x", inner.op("tanh", [y], {}));
    const stepped = outer.op("repeat", [o], { label: "steps", count: 4, carried: 1, schedule: [0, 0, 0, 0] }, [
      inner.build(),
    ]);
    outer.output("x", outer.op("add", [stepped, outer.weight("layers.{0}.shift", "d=4")], {}));
    g.out(
      "y",
      g.op(
        "repeat",
        [g.in("x", "float", "batch", "seq", "d=4")],
        { label: "layers", count: 4, carried: 1, schedule: [0, 0, 0, 0] },
        [outer.build()],
      ),
    );
  });
  check("repeat", "that hands on two values and swaps them", (g) => {
    const x = type("float", "batch", "seq", "d=4");
    const body = new Small("swap");
    const [a, b] = [body.input("a", x), body.input("b", x)];
    body.output("a", b);
    body.output("b", body.op("add", [body.op("mul", [a, body.weight("layers.{0}.w", "d=4")], {}), b], {}));
    const operands = [g.in("a", "float", "batch", "seq", "d=4"), g.in("b", "float", "batch", "seq", "d=4")];
    g.ops("repeat", operands, { label: "layers", count: 5, carried: 2, schedule: [0, 0, 0, 0, 0] }, [
      body.build(),
    ]).forEach((v, i) => g.out(`y${i}`, v));
  });
  check("call", "a composite without a kernel", (g) => {
    const x = g.in("x", "float", "batch", "seq");
    g.out(
      "y",
      g.call("odd", { x }, {}, {}, (b, { x: inner }) => b.op("mul", [inner!, inner!], {})),
    );
  });
});

it("tests every primitive", () => {
  expect(Object.keys(primitives).filter((p) => !tested.has(p as PrimitiveName))).toEqual([]);
});
