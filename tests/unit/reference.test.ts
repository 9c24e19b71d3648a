import { describe, expect, it } from "vitest";
import { evaluateGraph, type Feed } from "../../src/backends/reference/evaluate.ts";
import { GraphBuilder } from "../../src/ir/builder.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { Size } from "../../src/ir/size.ts";
import { verified } from "../../src/ir/verify.ts";
import { float64 } from "../../src/ops/float64.ts";
import type { Arithmetic, Tensor } from "../../src/ops/op.ts";
import { call, emit, repeat } from "../support/build.ts";
import { axis, show, tensor, type } from "../support/tensors.ts";

function run(
  graph: Graph,
  inputs: Readonly<Record<string, Tensor<number>>>,
  param: Feed["param"] = () => tensor("float", {}, [0]),
): string[] {
  return [
    ...evaluateGraph(verified(graph), { inputs: new Map(Object.entries(inputs)), param }, { arithmetic: float64 })
      .outputs,
  ].map(([name, t]) => `${name} = ${show(t)}`);
}

const X = type("float", { seq: "seq" });

describe("evaluateGraph", () => {
  it("gives each iteration of nested repeats its own parameters", () => {
    const g = new GraphBuilder("g");
    const x = g.input("x", X);
    const paths: string[] = [];
    const y = repeat(g, "outer", 2, x, (a, h) =>
      repeat(
        a,
        "inner",
        3,
        emit(a, "mul", [h, a.param("o.{0}.w", type("float"), { kind: "constant", value: 1 })], {}),
        (b, i) => emit(b, "add", [i, b.param("o.{0}.i.{1}.w", type("float"), { kind: "constant", value: 1 })], {}),
      ),
    );
    g.output("y", y);
    const param = (path: string): Tensor<number> => {
      paths.push(path);
      return tensor("float", {}, [path.includes(".i.") ? 1 : 10]);
    };
    expect(run(g.build(), { x: tensor("float", { seq: 2 }, [1, 2]) }, param)).toEqual(["y = float[seq=2]: 133 233"]);
    expect(paths).toEqual([
      "o.0.w",
      "o.0.i.0.w",
      "o.0.i.1.w",
      "o.0.i.2.w",
      "o.1.w",
      "o.1.i.0.w",
      "o.1.i.1.w",
      "o.1.i.2.w",
    ]);
  });

  it("follows the schedule", () => {
    const g = new GraphBuilder("g");
    const x = g.input("x", X);
    const bodies = [2, 10].map((n) => {
      const b = new GraphBuilder(`times ${n}`, g);
      b.output("x", emit(b, "mul", [b.input("x", X), emit(b, "constant", [], { value: n, dtype: "float" })], {}));
      return b.build();
    });
    g.output("y", emit(g, "repeat", [x], { label: "layers", count: 3, carried: 1, schedule: [0, 1, 1] }, bodies));
    expect(run(g.build(), { x: tensor("float", { seq: 1 }, [1]) })).toEqual(["y = float[seq=1]: 200"]);
  });

  it("runs calls, scans and sizes of this run", () => {
    const g = new GraphBuilder("g");
    const x = g.input("x", X);
    const decay = g.input("decay", type("float", { d: 2 }));
    const body = new GraphBuilder("decayed");
    const [state, now, factor] = [
      body.input("state", type("float", { d: 2 })),
      body.input("x", type("float")),
      body.input("decay", decay.type),
    ];
    body.output("state", emit(body, "add", [emit(body, "mul", [state, factor], {}), now], {}));
    const start = emit(g, "constant", [], { value: 0, dtype: "int" });
    g.output("states", emit(g, "scan", [start, x, decay], { axis: "seq", path: "s" }, [body.build()]));
    g.output(
      "twice",
      call(g, "twice", [x], (b, o) => emit(b, "add", [o, o], {})),
    );
    g.output("length", emit(g, "size", [], { of: Size.symbol("seq").times(Size.of(2)) }));
    expect(
      run(g.build(), { x: tensor("float", { seq: 3 }, [1, 2, 3]), decay: tensor("float", { d: 2 }, [0.5, 0]) }),
    ).toEqual(["states = float[seq=3, d=2]: 1 1 2.5 2 4.25 3", "twice = float[seq=3]: 2 4 6", "length = int: 6"]);
  });

  it("solves sizes from what is fed, and takes axes in any order", () => {
    const g = new GraphBuilder("g");
    const x = g.input("x", type("float", { a: "n", b: "m+n" }));
    g.output("p", emit(g, "position", [], { axis: axis("m"), start: Size.ZERO }));
    g.output("y", x);
    expect(run(g.build(), { x: tensor("float", { b: 3, a: 1 }, [1, 2, 3]) })).toEqual([
      "p = int[m=2]: 0 1",
      "y = float[a=1, b=3]: 1 2 3",
    ]);
  });

  it("says what does not fit", () => {
    const g = new GraphBuilder("g");
    const x = g.input("x", type("float", { a: "n", b: 2 }));
    const z = g.input("z", type("float", { a: "n" }));
    const w = g.param("w", type("float", { b: 2 }), { kind: "constant", value: 1 });
    g.output("y", emit(g, "add", [emit(g, "add", [x, z], {}), w], {}));
    const graph = g.build();
    const fit = { x: tensor("float", { a: 1, b: 2 }, [1, 2]), z: tensor("float", { a: 1 }, [1]) };
    expect(() => run(graph, { x: fit.x })).toThrow("no input z was fed");
    expect(() => run(graph, { ...fit, z: tensor("float", { c: 1 }, [1]) })).toThrow(
      "the input z is float[a=n]; the axes fed are [c]",
    );
    expect(() => run(graph, { ...fit, z: tensor("float", { a: 2 }, [1, 1]) })).toThrow(
      "the axis a of the input z has 2 places; it is n, which here is 1",
    );
    expect(() => run(graph, fit, () => tensor("float", { b: 3 }, [1, 1, 1]))).toThrow(
      "the parameter w has the axes [b=2]; [b=3] was fed",
    );
  });

  it("runs over another arithmetic", () => {
    const big: Arithmetic<bigint> = {
      name: "integers modulo 101",
      of: (n) => BigInt(n),
      add: (a, b) => (a + b) % 101n,
      sub: (a, b) => (a - b + 101n) % 101n,
      mul: (a, b) => (a * b) % 101n,
      div: () => 0n,
      neg: (a) => (101n - a) % 101n,
      unary: () => 0n,
      pow: () => 0n,
      min: (a) => a,
      max: (a) => a,
      compare: (a, b) => Number(a - b),
    };
    const g = new GraphBuilder("g");
    const x = g.input("x", type("float", { a: 2, b: 2 }));
    g.output("y", emit(g, "dot", [x, emit(g, "rename", [x], { from: "a", to: "c" })], { over: ["b"] }));
    const fed: Tensor<bigint> = {
      dtype: "float",
      axes: [
        { name: "a", size: 2 },
        { name: "b", size: 2 },
      ],
      data: [10n, 20n, 30n, 40n],
    };
    const { outputs } = evaluateGraph(
      verified(g.build()),
      { inputs: new Map([["x", fed]]), param: () => fed },
      { arithmetic: big },
    );
    // 500, 1100, 1100, 2500 modulo 101.
    expect(outputs.get("y")!.data).toEqual([96n, 90n, 90n, 76n]);
  });

  it("is fast enough: a million parameters and eight tokens in well under a second", () => {
    const g = new GraphBuilder("g");
    const x = g.input("x", type("float", { seq: "seq", d: 256 }));
    const y = repeat(g, "layers", 4, x, (b, h) => {
      const up = b.param("l.{0}.up", type("float", { inner: 512, d: 256 }), { kind: "normal", deviation: 0.02 });
      const down = b.param("l.{0}.down", type("float", { out: 256, inner: 512 }), { kind: "normal", deviation: 0.02 });
      const inner = emit(b, "tanh", [emit(b, "dot", [h, up], { over: ["d"] })], {});
      return emit(
        b,
        "add",
        [h, emit(b, "rename", [emit(b, "dot", [inner, down], { over: ["inner"] })], { from: "out", to: "d" })],
        {},
      );
    });
    g.output("y", y);
    const weights = new Float64Array(256 * 512).map((_, i) => Math.sin(i) / 50);
    const param = (path: string): Tensor<number> =>
      path.endsWith("up")
        ? {
            dtype: "float",
            axes: [
              { name: "inner", size: 512 },
              { name: "d", size: 256 },
            ],
            data: weights,
          }
        : {
            dtype: "float",
            axes: [
              { name: "out", size: 256 },
              { name: "inner", size: 512 },
            ],
            data: weights,
          };
    const graph = verified(g.build());
    const inputs = new Map([
      [
        "x",
        {
          dtype: "float" as const,
          axes: [
            { name: "seq", size: 8 },
            { name: "d", size: 256 },
          ],
          data: new Float64Array(2048).fill(0.1),
        },
      ],
    ]);
    const start = performance.now();
    evaluateGraph(graph, { inputs, param }, { arithmetic: float64 });
    // Measured at some 20 ms; the bound is for a busy machine.
    expect(performance.now() - start).toBeLessThan(1000);
  });
});
