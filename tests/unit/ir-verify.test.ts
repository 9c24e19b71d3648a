import { describe, expect, it } from "vitest";
import { GraphBuilder, newValue } from "../../src/ir/builder.ts";
import type { Graph, Node } from "../../src/ir/graph.ts";
import { verified, verify } from "../../src/ir/verify.ts";
import { call, emit, number, repeat } from "../support/build.ts";
import { type } from "../support/tensors.ts";

const X = type("float", { batch: "batch", d: 4 });

function good(): Graph {
  const g = new GraphBuilder("g");
  const x = g.input("x", X);
  const w = g.param("w", type("float", { d: 4 }), { kind: "constant", value: 1 });
  const y = repeat(g, "layers", 2, x, (b, h) => {
    const v = b.param("layers.{0}.v", type("float", { d: 4 }), { kind: "constant", value: 1 });
    return call(b, "f", [emit(b, "mul", [h, v], {}), b.use(w)], (c, o, p) => emit(c, "add", [o, p], {}));
  });
  g.output("y", y);
  return g.build();
}

/** The graph with its last node changed. */
function broken(change: (node: Node) => object): readonly string[] {
  const graph = good();
  const last = graph.nodes.at(-1)!;
  return verify({ ...graph, nodes: [...graph.nodes.slice(0, -1), { ...last, ...change(last) } as Node] }).problems;
}

describe("verify", () => {
  it("takes a graph that is well formed", () => {
    expect(verify(good()).problems).toEqual([]);
    expect(verified(good()).name).toBe("g");
  });

  it("operands are made before, in the same graph", () => {
    const g = good();
    const foreign = newValue(X);
    expect(verify({ ...g, outputs: [{ name: "y", value: foreign }] }).problems[0]).toMatch(
      /^g: output y reads value \d+ \(float\[batch, d=4\]\), which is not made before/,
    );
    const two = new GraphBuilder("two");
    const x = two.input("x", X);
    const a = emit(two, "exp", [x], {});
    two.output("y", emit(two, "neg", [a], {}));
    const built = two.build();
    expect(verify({ ...built, nodes: built.nodes.toReversed() }).problems[0]).toMatch(/operand 0 of node 0 \(neg\)/);
  });

  it("ids are unique", () => {
    const g = new GraphBuilder("g");
    const x = g.input("x", X);
    g.output("y", x);
    expect(verify({ ...g.build(), inputs: [...g.inputs, { name: "again", value: x }] }).problems[0]).toMatch(
      /input again has the id \d+ of another value/,
    );
  });

  it("types are those of the rule", () => {
    const g = new GraphBuilder("g");
    const x = g.input("x", X);
    g.output("y", g.node("exp", [x], {}, [type("int")])[0]!);
    expect(verify(g.build()).problems).toEqual([
      "g: node 0 (exp): has the types (int), its rule gives (float[batch, d=4])",
    ]);
    const h = new GraphBuilder("h");
    h.output("y", h.node("sum", [h.input("x", X)], { over: ["e"] }, [X])[0]!);
    expect(verify(h.build()).problems[0]).toContain(
      'its operands do not fit: {"kind":"axis-missing","operand":0,"axis":"e"}',
    );
    const k = new GraphBuilder("k");
    k.output("y", k.node("add", [k.input("x", X)], {}, [X])[0]!);
    expect(verify(k.build()).problems[0]).toContain("1 operands for (a, b)");
  });

  it("bodies fit their node", () => {
    expect(broken((n) => ({ attrs: { ...n.attrs, schedule: [0] } }))[0]).toContain("a schedule of 1 for 2 iterations");
    expect(broken((n) => ({ attrs: { ...n.attrs, schedule: [0, 1] } }))[0]).toContain("the schedule names body 1 of 1");
    expect(broken((n) => ({ inputs: n.inputs.slice(0, 1) }))[0]).toContain("body 0: inputs have the types");
    expect(broken(() => ({ bodies: [] }))[0]).toContain("has 0 bodies");
    expect(
      broken((n) => ({
        bodies: [{ ...n.bodies[0]!, outputs: [{ name: "x", value: n.bodies[0]!.inputs[1]!.value }] }],
      }))[0],
    ).toContain("body 0: outputs have the types");
  });

  it("paths are unique and hold the index of every repeat", () => {
    const g = new GraphBuilder("g");
    g.param("w", X, { kind: "constant", value: 1 });
    g.param("w", X, { kind: "constant", value: 1 });
    g.output(
      "y",
      repeat(g, "layers", 1, g.input("x", X), (b, h) =>
        emit(b, "add", [h, b.param("v", X, { kind: "constant", value: 1 })], {}),
      ),
    );
    g.output("z", number(g, 1));
    expect(verify(g.build()).problems).toEqual([
      "g: parameter w stands twice",
      "g: node 0 (repeat) > body 0: parameter v lacks {0}, the index of a repeat it is in",
    ]);
  });

  it("bodies of one repeat may share a path", () => {
    const g = new GraphBuilder("g");
    const x = g.input("x", X);
    const bodies = ["exp", "neg"].map((op) => {
      const b = new GraphBuilder(op, g);
      const h = b.input("x", X);
      b.output(
        "x",
        emit(b, "add", [emit(b, op as "exp", [h], {}), b.param("layers.{0}.w", X, { kind: "constant", value: 1 })], {}),
      );
      return b.build();
    });
    g.output("y", emit(g, "repeat", [x], { label: "layers", count: 2, carried: 1, schedule: [0, 1] }, bodies));
    expect(verify(g.build()).problems).toEqual([]);
  });
});
