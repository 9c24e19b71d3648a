import { describe, expect, it } from "vitest";
import { Size } from "../../src/ir/size.ts";
import { showType } from "../../src/ir/type.ts";
import type { AttrsOf, PrimitiveName } from "../../src/ops/attributes.ts";
import type { Inferred } from "../../src/ops/op.ts";
import { infer, primitives } from "../../src/ops/registry.ts";
import { axis, run, show, tensor, type } from "../support/tensors.ts";

function inferred(result: Inferred): string {
  if ("types" in result) return result.types.map(showType).join(" ");
  const p = result.problem;
  switch (p.kind) {
    case "axis-missing":
      return `axis-missing ${p.operand} ${p.axis}`;
    case "axis-sizes":
      return `axis-sizes ${p.axis} ${p.first.size} ${p.second.size} (${p.operands.join(", ")})`;
    case "axis-twice":
      return `axis-twice ${p.axis}`;
    case "dtype":
      return `dtype ${p.operand} ${p.found} is not ${p.expected.join(" or ")}`;
    case "split-size":
      return `split-size ${p.axis.size} = ${p.parts.map((a) => a.size).join(" * ")}`;
    case "out-of-range":
      return `out-of-range ${p.axis.name} ${p.start}..${p.end}`;
  }
}

function rule<K extends PrimitiveName>(op: K, inputs: Parameters<typeof infer>[1], attrs: AttrsOf<K>): string {
  return inferred(infer(op, inputs, attrs));
}

const x = type("float", { batch: "batch", seq: "seq", hidden: 8 });

describe("type rules", () => {
  it("every record has documentation, named as its key", () => {
    for (const [name, record] of Object.entries(primitives)) {
      expect(record.name).toBe(name);
      expect(record.doc).toMatch(/[.)\]]$/);
    }
  });

  it("aligns operands by name and broadcasts", () => {
    expect(rule("add", [x, type("float", { hidden: 8 })], {})).toBe("float[batch, seq, hidden=8]");
    // The order is that of the operand which has all axes, whichever it is; else of the first, then what is new.
    expect(rule("mul", [type("float", { hidden: 8 }), x], {})).toBe("float[batch, seq, hidden=8]");
    expect(rule("where", [type("bool", { seq: "seq" }), type("float", { hidden: 8 }), x], {})).toBe(
      "float[batch, seq, hidden=8]",
    );
    expect(rule("mul", [type("float", { heads: 2, seq: "seq" }), x], {})).toBe("float[heads=2, seq, batch, hidden=8]");
    expect(rule("sub", [x, type("float", { hidden: 9 })], {})).toBe("axis-sizes hidden 8 9 (0, 1)");
    expect(rule("where", [type("bool", { seq: "seq" }), type("int"), x], {})).toBe("float[batch, seq, hidden=8]");
    expect(rule("where", [type("bool", { seq: 3 }), type("int"), x], {})).toBe("axis-sizes seq seq 3 (2, 0)");
  });

  it("promotes numbers, never bools", () => {
    const int = type("int");
    expect(rule("add", [int, x], {})).toBe("float[batch, seq, hidden=8]");
    expect(rule("add", [int, int], {})).toBe("int");
    expect(rule("div", [int, int], {})).toBe("float");
    expect(rule("pow", [int, int], {})).toBe("float");
    expect(rule("floor_div", [int, int], {})).toBe("int");
    expect(rule("abs", [int], {})).toBe("int");
    expect(rule("exp", [int], {})).toBe("float");
    expect(rule("add", [int, type("bool")], {})).toBe("dtype 1 bool is not int or float");
    expect(rule("equal", [type("bool"), type("bool")], {})).toBe("bool");
    expect(rule("equal", [type("bool"), int], {})).toBe("dtype 1 int is not bool");
    expect(rule("less", [type("bool"), type("bool")], {})).toBe("dtype 0 bool is not int or float");
    expect(rule("and", [type("bool"), int], {})).toBe("dtype 1 int is not bool");
    expect(rule("where", [int, int, int], {})).toBe("dtype 0 int is not bool");
    expect(rule("where", [type("bool"), type("bool"), int], {})).toBe("dtype 2 int is not bool");
  });

  it("reduces over axes and keeps the order of the others", () => {
    expect(rule("sum", [x], { over: ["seq"] })).toBe("float[batch, hidden=8]");
    expect(rule("mean", [type("int", { a: 2, b: 3 })], { over: ["a", "b"] })).toBe("float");
    expect(rule("any", [type("bool", { a: 2 })], { over: ["a"] })).toBe("bool");
    expect(rule("reduce_max", [x], { over: ["heads"] })).toBe("axis-missing 0 heads");
    expect(rule("sum", [x], { over: ["seq", "seq"] })).toBe("axis-twice seq");
    expect(rule("any", [x], { over: ["seq"] })).toBe("dtype 0 float is not bool");
  });

  it("dot: the first's axes, then the second's; shared ones are aligned", () => {
    const weight = type("float", { out: 5, hidden: 8 });
    expect(rule("dot", [x, weight], { over: ["hidden"] })).toBe("float[batch, seq, out=5]");
    expect(rule("dot", [x, type("float", { batch: "batch", keys: "seq", hidden: 8 })], { over: ["hidden"] })).toBe(
      "float[batch, seq, keys=seq]",
    );
    expect(rule("dot", [x, type("float", { out: 5 })], { over: ["hidden"] })).toBe("axis-missing 1 hidden");
    expect(rule("dot", [x, type("float", { out: 5, hidden: 9 })], { over: ["hidden"] })).toBe(
      "axis-sizes hidden 8 9 (0, 1)",
    );
  });

  it("axes: rename, transpose, split, merge, pick, slice, spread", () => {
    expect(rule("rename", [x], { from: "seq", to: "keys" })).toBe("float[batch, keys=seq, hidden=8]");
    expect(rule("rename", [x], { from: "seq", to: "batch" })).toBe("axis-twice batch");
    expect(rule("rename", [x], { from: "d", to: "e" })).toBe("axis-missing 0 d");
    expect(rule("transpose", [x], { order: ["hidden", "batch", "seq"] })).toBe("float[hidden=8, batch, seq]");
    expect(rule("transpose", [x], { order: ["hidden", "batch"] })).toBe("axis-missing 0 seq");
    expect(rule("transpose", [x], { order: ["hidden", "batch", "keys"] })).toBe("axis-missing 0 keys");
    expect(rule("transpose", [x], { order: ["hidden", "batch", "seq", "seq"] })).toBe("axis-twice seq");
    expect(rule("split", [x], { axis: "hidden", into: [axis("pair", 2), axis("half", 4)] })).toBe(
      "float[batch, seq, pair=2, half=4]",
    );
    expect(rule("split", [x], { axis: "hidden", into: [axis("pair", 2), axis("half", 3)] })).toBe(
      "split-size 8 = 2 * 3",
    );
    expect(rule("split", [x], { axis: "hidden", into: [axis("seq", 2), axis("half", 4)] })).toBe("axis-twice seq");
    expect(rule("merge", [x], { axes: ["hidden", "batch"], into: "mixed" })).toBe("float[seq, mixed=8*batch]");
    expect(rule("merge", [x], { axes: ["batch", "seq"], into: "hidden" })).toBe("axis-twice hidden");
    expect(rule("pick", [x], { axis: "hidden", index: -8 })).toBe("float[batch, seq]");
    expect(rule("pick", [x], { axis: "hidden", index: 8 })).toBe("out-of-range hidden 8..9");
    expect(rule("pick", [x], { axis: "seq", index: 0 })).toBe("float[batch, hidden=8]");
    expect(rule("slice", [x], { axis: "seq", start: Size.of(1), size: Size.symbol("seq").minus(Size.ONE) })).toBe(
      "float[batch, seq=seq - 1, hidden=8]",
    );
    expect(rule("slice", [x], { axis: "hidden", start: Size.of(6), size: Size.of(3) })).toBe(
      "out-of-range hidden 6..9",
    );
    expect(rule("spread", [x], { axis: axis("experts", 4) })).toBe("float[experts=4, batch, seq, hidden=8]");
    expect(rule("spread", [x], { axis: axis("seq", 4) })).toBe("axis-twice seq");
  });

  it("lookup, concat, stack, top_k", () => {
    const ids = type("int", { batch: "batch", seq: "seq" });
    expect(rule("lookup", [type("float", { vocab: 10, hidden: 8 }), ids], { axis: "vocab" })).toBe(
      "float[batch, seq, hidden=8]",
    );
    expect(rule("lookup", [x, type("int", { batch: "batch" })], { axis: "seq" })).toBe("float[batch, hidden=8]");
    expect(rule("lookup", [x, type("int", { batch: "batch", seq: 2 })], { axis: "seq" })).toBe(
      "float[batch, seq=2, hidden=8]",
    );
    expect(rule("lookup", [x, x], { axis: "seq" })).toBe("dtype 1 float is not int");
    expect(rule("lookup", [x, type("int", { batch: 3 })], { axis: "seq" })).toBe("axis-sizes batch batch 3 (0, 1)");
    const a = type("float", { b: 2, left: 3 });
    expect(rule("concat", [a, type("int", { right: "n", b: 2 })], { axes: ["left", "right"], into: "d" })).toBe(
      "float[b=2, d=n + 3]",
    );
    expect(rule("concat", [a, type("float", { right: 4 })], { axes: ["left", "right"], into: "d" })).toBe(
      "axis-missing 1 b",
    );
    expect(rule("concat", [a, a], { axes: ["left", "left"], into: "b" })).toBe("axis-twice b");
    expect(rule("stack", [a, type("float", { left: 3 })], { axis: "pair" })).toBe("float[b=2, left=3, pair=2]");
    expect(rule("top_k", [x], { axis: "hidden", into: axis("chosen", 2) })).toBe(
      "float[batch, seq, chosen=2] int[batch, seq, chosen=2]",
    );
    expect(rule("top_k", [x], { axis: "hidden", into: axis("chosen", 9) })).toBe("out-of-range hidden 0..9");
  });

  it("keep is a renaming where the axis is, and nothing where it is not", () => {
    const attrs = { from: "seq", to: "keys", path: "k", last: null };
    expect(rule("keep", [x], attrs)).toBe("float[batch, keys=seq, hidden=8]");
    expect(rule("keep", [type("bool")], attrs)).toBe("bool");
    expect(rule("keep", [type("float", { seq: "seq", keys: 3 })], attrs)).toBe("axis-twice keys");
  });

  it("keeps the origin of sizes", () => {
    const origin = { file: { name: "a.tfm", text: "hidden" }, start: 0, end: 6 };
    const traced = { dtype: "float" as const, axes: [{ name: "d", size: Size.of(2), origin }] };
    const renamed = infer("rename", [traced], { from: "d", to: "e" });
    expect("types" in renamed && renamed.types[0]!.axes[0]!.origin).toBe(origin);
  });
});

describe("meanings", () => {
  const row = tensor("float", { d: 3 }, [1, 2, 3]);
  const table = tensor("float", { r: 2, d: 3 }, [1, 2, 3, 4, 5, 6]);

  it("sources", () => {
    expect(run("constant", [], { value: 2.5, dtype: "float" }).map(show)).toEqual(["float: 2.5"]);
    expect(
      run("position", [], { axis: axis("seq"), start: Size.symbol("past") }, { seq: 3, past: 4 }).map(show),
    ).toEqual(["int[seq=3]: 4 5 6"]);
    expect(run("size", [], { of: Size.symbol("seq") }, { seq: 3 }).map(show)).toEqual(["int: 3"]);
  });

  it("elementwise operators broadcast by name", () => {
    expect(run("add", [table, row], {}).map(show)).toEqual(["float[r=2, d=3]: 2 4 6 5 7 9"]);
    expect(run("sub", [row, table], {}).map(show)).toEqual(["float[r=2, d=3]: 0 0 0 -3 -3 -3"]);
    expect(run("less_equal", [row, tensor("int", {}, [2])], {}).map(show)).toEqual(["bool[d=3]: 1 1 0"]);
    expect(run("where", [tensor("bool", { r: 2 }, [1, 0]), tensor("int", {}, [9]), row], {}).map(show)).toEqual([
      "float[d=3, r=2]: 9 1 9 2 9 3",
    ]);
  });

  it("integers round down, their remainder has the divisor's sign", () => {
    const a = tensor("int", { n: 4 }, [7, -7, 7, -7]);
    const b = tensor("int", { n: 4 }, [2, 2, -2, -2]);
    expect(run("floor_div", [a, b], {}).map(show)).toEqual(["int[n=4]: 3 -4 -4 3"]);
    expect(run("mod", [a, b], {}).map(show)).toEqual(["int[n=4]: 1 1 -1 -1"]);
    expect(run("div", [a, b], {}).map(show)).toEqual(["float[n=4]: 3.5 -3.5 -3.5 3.5"]);
  });

  it("unary operators", () => {
    const y = tensor("float", { n: 4 }, [-1.5, 2.5, 0.5, -2]);
    expect(run("round", [y], {}).map(show)).toEqual(["float[n=4]: -2 2 0 -2"]);
    expect(run("floor", [y], {}).map(show)).toEqual(["float[n=4]: -2 2 0 -2"]);
    expect(run("cast", [y], { to: "int" }).map(show)).toEqual(["int[n=4]: -1 2 0 -2"]);
    expect(run("sign", [tensor("int", { n: 2 }, [-3, 4])], {}).map(show)).toEqual(["int[n=2]: -1 1"]);
    expect(run("not", [tensor("bool", { n: 2 }, [0, 1])], {}).map(show)).toEqual(["bool[n=2]: 1 0"]);
  });

  it("reductions", () => {
    expect(run("sum", [table], { over: ["r"] }).map(show)).toEqual(["float[d=3]: 5 7 9"]);
    expect(run("mean", [table], { over: ["d", "r"] }).map(show)).toEqual(["float: 3.5"]);
    expect(run("reduce_min", [table], { over: ["d"] }).map(show)).toEqual(["float[r=2]: 1 4"]);
    expect(run("any", [tensor("bool", { a: 2, b: 2 }, [0, 1, 0, 0])], { over: ["b"] }).map(show)).toEqual([
      "bool[a=2]: 1 0",
    ]);
    expect(run("all", [tensor("bool", { a: 2, b: 2 }, [0, 1, 1, 1])], { over: ["b"] }).map(show)).toEqual([
      "bool[a=2]: 0 1",
    ]);
    expect(run("sum", [tensor("float", { a: 2, b: 0 }, [])], { over: ["b"] }).map(show)).toEqual(["float[a=2]: 0 0"]);
    expect(run("cumulative_sum", [table], { over: "r" }).map(show)).toEqual(["float[r=2, d=3]: 1 2 3 5 7 9"]);
  });

  it("softmax of a row that is masked everywhere is zero", () => {
    const scores = tensor("float", { q: 2, k: 2 }, [0, 0, -Infinity, -Infinity]);
    expect(run("softmax", [scores], { over: "k" }).map(show)).toEqual(["float[q=2, k=2]: 0.5 0.5 0 0"]);
    expect(run("softmax", [tensor("float", { k: 2 }, [1000, -Infinity])], { over: "k" }).map(show)).toEqual([
      "float[k=2]: 1 0",
    ]);
  });

  it("dot with shared axes, and over several", () => {
    const a = tensor("float", { b: 2, q: 1, d: 2 }, [1, 2, 3, 4]);
    const k = tensor("float", { d: 2, k: 2, b: 2 }, [1, 2, 3, 4, 5, 6, 7, 8]);
    // b=0: k rows over (d): k0 = (1, 5), k1 = (3, 7); b=1: k0 = (2, 6), k1 = (4, 8).
    expect(run("dot", [a, k], { over: ["d"] }).map(show)).toEqual(["float[b=2, q=1, k=2]: 11 17 30 44"]);
    expect(run("dot", [a, a], { over: ["d", "b", "q"] }).map(show)).toEqual(["float: 30"]);
  });

  it("axes", () => {
    expect(
      run("split", [tensor("int", { d: 4 }, [0, 1, 2, 3])], { axis: "d", into: [axis("p", 2), axis("h", 2)] }).map(
        show,
      ),
    ).toEqual(["int[p=2, h=2]: 0 1 2 3"]);
    expect(run("merge", [table], { axes: ["d", "r"], into: "m" }).map(show)).toEqual(["float[m=6]: 1 4 2 5 3 6"]);
    expect(run("pick", [table], { axis: "d", index: -1 }).map(show)).toEqual(["float[r=2]: 3 6"]);
    expect(run("slice", [table], { axis: "d", start: Size.of(1), size: Size.of(2) }).map(show)).toEqual([
      "float[r=2, d=2]: 2 3 5 6",
    ]);
    expect(run("slice", [table], { axis: "r", start: Size.of(1), size: Size.of(1) }).map(show)).toEqual([
      "float[r=1, d=3]: 4 5 6",
    ]);
    expect(run("spread", [row], { axis: axis("e", 2) }).map(show)).toEqual(["float[e=2, d=3]: 1 2 3 1 2 3"]);
  });

  it("lookup, also aligned and along an axis of the indices' own", () => {
    expect(run("lookup", [table, tensor("int", { n: 3 }, [1, 0, -1])], { axis: "r" }).map(show)).toEqual([
      "float[n=3, d=3]: 4 5 6 1 2 3 4 5 6",
    ]);
    expect(run("lookup", [table, tensor("int", { r: 2 }, [2, 0])], { axis: "d" }).map(show)).toEqual([
      "float[r=2]: 3 4",
    ]);
    expect(run("lookup", [table, tensor("int", { r: 2, d: 1 }, [2, 0])], { axis: "d" }).map(show)).toEqual([
      "float[r=2, d=1]: 3 4",
    ]);
    expect(() => run("lookup", [table, tensor("int", {}, [3])], { axis: "d" })).toThrow(
      "the index 3 is outside of the axis d, which has 3 places",
    );
  });

  it("concat, stack, top_k", () => {
    const b = tensor("float", { e: 1, r: 2 }, [7, 8]);
    expect(run("concat", [table, b], { axes: ["d", "e"], into: "f" }).map(show)).toEqual([
      "float[r=2, f=4]: 1 2 3 7 4 5 6 8",
    ]);
    expect(
      run("concat", [tensor("float", { r: 2, d: 0 }, []), table], { axes: ["d", "d"], into: "d" }).map(show),
    ).toEqual(["float[r=2, d=3]: 1 2 3 4 5 6"]);
    expect(run("stack", [row, tensor("float", {}, [0])], { axis: "s" }).map(show)).toEqual([
      "float[d=3, s=2]: 1 0 2 0 3 0",
    ]);
    expect(
      run("top_k", [tensor("float", { n: 4 }, [1, 3, 3, 2])], { axis: "n", into: axis("k", 3) }).map(show),
    ).toEqual(["float[k=3]: 3 3 2", "int[k=3]: 1 2 3"]);
  });

  it("temporal operators of a whole sequence", () => {
    expect(run("keep", [table], { from: "r", to: "keys", path: "k", last: null }).map(show)).toEqual([
      "float[keys=2, d=3]: 1 2 3 4 5 6",
    ]);
    expect(run("once", [row], { path: "k" }).map(show)).toEqual(["float[d=3]: 1 2 3"]);
    expect(run("previous", [table], { axis: "d", path: "p" }).map(show)).toEqual(["float[r=2, d=3]: 0 1 2 0 4 5"]);
  });
});
