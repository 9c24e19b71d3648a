import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../../src/ir/builder.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { printGraph } from "../../src/ir/print.ts";
import { Size } from "../../src/ir/size.ts";
import { rebuild, RebuildError } from "../../src/ir/transform.ts";
import { verify } from "../../src/ir/verify.ts";
import { call, emit, repeat } from "../support/build.ts";
import { axis, type } from "../support/tensors.ts";

const X = type("float", { seq: "seq", d: 4 });

function nested(): Graph {
  const g = new GraphBuilder("g");
  const x = g.input("x", X, "outside");
  const m = g.input("m", type("bool", { seq: "seq" }));
  g.output(
    "y",
    repeat(g, "outer", 2, x, (a, h) =>
      repeat(a, "inner", 3, h, (b, i) =>
        emit(b, "where", [b.use(m), call(b, "twice", [i], (c, o) => emit(c, "add", [o, o], {})), b.use(x)], {}),
      ),
    ),
  );
  g.grows = "seq";
  g.sizeNames.set("seq", "sequence_length");
  return g.build();
}

describe("rebuild", () => {
  it("copies a graph", () => {
    expect(printGraph(rebuild(nested(), {}))).toBe(printGraph(nested()));
    expect(verify(rebuild(nested(), {})).problems).toEqual([]);
  });

  it("lets a changed type flow through bodies", () => {
    const longer = rebuild(nested(), {
      input: ({ value }) => ({
        ...value.type,
        axes: value.type.axes.map((a) => (a.name === "seq" ? axis("seq", "past+seq") : a)),
      }),
    });
    expect(verify(longer).problems).toEqual([]);
    expect(longer.outputs[0]!.value.type.axes[0]!.size.toString()).toBe("past + seq");
  });

  it("says which node a changed type does not fit", () => {
    const change = (): Graph =>
      rebuild(nested(), { input: ({ name, value }) => (name === "m" ? type("bool", { seq: 7 }) : value.type) });
    expect(change).toThrow(RebuildError);
    expect(change).toThrow("where of bool[seq=7], float[seq, d=4], float[seq, d=4] does not fit: axis-sizes");
  });

  it("a replaced node's readers read the other value; what nobody reads is not captured", () => {
    const plain = rebuild(nested(), {
      node: (node, scope) => (node.op === "where" ? [scope.inputs(node)[1]!] : undefined),
    });
    expect(verify(plain).problems).toEqual([]);
    expect(printGraph(plain)).not.toContain("captured");
  });

  it("values of outer graphs are captured where they are read, by all bodies alike", () => {
    const g = new GraphBuilder("g");
    const x = g.input("x", X);
    const bodies = ["exp", "neg"].map((op) => {
      const b = new GraphBuilder(op, g);
      b.output("x", emit(b, op as "exp", [b.input("x", X)], {}));
      return b.build();
    });
    g.output("y", emit(g, "repeat", [x], { label: "layers", count: 2, carried: 1, schedule: [0, 1] }, bodies));
    const changed = rebuild(g.build(), {
      node(node, scope) {
        if (node.op !== "neg") return undefined;
        const outer = scope.parent!.emit1("position", [], { axis: axis("seq"), start: Size.ZERO });
        return scope.emit("add", [scope.copy(node)[0]!, outer], {});
      },
    });
    expect(verify(changed).problems).toEqual([]);
    expect(changed.nodes.find((n) => n.op === "repeat")!.bodies.map((b) => b.inputs.length)).toEqual([2, 2]);
  });
});

describe("printGraph", () => {
  it("is stable text", () => {
    expect(printGraph(nested())).toBe(printGraph(nested()));
    expect(printGraph(nested())).toMatchSnapshot();
  });
});
