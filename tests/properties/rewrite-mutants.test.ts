/**
 * The left side of every rule, changed in one place at random: another number, another operator, other operands, another axis. Whatever
 * a rule still makes of it computes the same. This is what finds a matcher that takes one thing for another. `RUNS` sets how many.
 */
import { expect, test } from "vitest";
import { evaluateGraph } from "../../src/backends/reference/evaluate.ts";
import { randomOf } from "../../src/equivalence/law.ts";
import type { Graph, Node, Value } from "../../src/ir/graph.ts";
import { printGraph } from "../../src/ir/print.ts";
import { rebuild, RebuildError, type Scope } from "../../src/ir/transform.ts";
import { sameType } from "../../src/ir/type.ts";
import { verified } from "../../src/ir/verify.ts";
import type { PrimitiveName } from "../../src/ops/attributes.ts";
import { float64 } from "../../src/ops/float64.ts";
import type { Tensor } from "../../src/ops/op.ts";
import { hasTrait, primitives } from "../../src/ops/registry.ts";
import { rewrite } from "../../src/rewrite/engine.ts";
import { rulesOfLibrary } from "../../src/rewrite/index.ts";
import { sampleOf } from "../../src/rewrite/rules.ts";
import { elaborateText } from "../support/programs.ts";
import { differenceOfTensors } from "../support/rewritten.ts";

const RUNS = Number(process.env["RUNS"] ?? 1500);
const NUMBERS = [0, 1, 2, -1, 0.5, 3, Infinity, -Infinity, -1e9, 1e-3];

const elementwise = (arity: number): readonly PrimitiveName[] =>
  (Object.keys(primitives) as PrimitiveName[]).filter(
    (op) => hasTrait(op, "elementwise") && primitives[op].operands.length === arity && op !== "cast",
  );
const BY_ARITY = [[], elementwise(1), elementwise(2), elementwise(3)];

class Mutator {
  constructor(private readonly random: () => number) {}

  /** The graph with one node changed; undefined where what was tried does not fit its types. */
  mutate(graph: Graph): Graph | undefined {
    const chosen = graph.nodes[Math.floor(this.random() * graph.nodes.length)]!;
    const before: Value[] = graph.inputs.map((i) => i.value);
    for (const node of graph.nodes) {
      if (node === chosen) break;
      before.push(...node.outputs);
    }
    try {
      return rebuild(graph, {
        node: (node, scope) => (node === chosen ? this.changed(node, before, scope) : undefined),
      });
    } catch (error) {
      if (error instanceof RebuildError || error instanceof TypeError) return undefined;
      throw error;
    }
  }

  private pick<T>(all: readonly T[]): T {
    return all[Math.floor(this.random() * all.length)]!;
  }

  private changed(node: Node, before: readonly Value[], scope: Scope): readonly Value[] {
    const inputs = scope.inputs(node);
    if (node.op === "constant") {
      const { value, dtype } = node.attrs;
      const other = this.pick([...NUMBERS, value * 1.001, value * (1 + 1e-7), -value, 1 / value]);
      return scope.emit("constant", [], { value: dtype === "bool" ? 1 - value : other, dtype }, node.span);
    }
    const kind = this.random();
    if (kind < 0.4 && hasTrait(node.op, "elementwise"))
      return scope.emit(this.pick(BY_ARITY[inputs.length]!), inputs, {} as never, node.span);
    if (kind < 0.6 && inputs.length > 1)
      return scope.emit(node.op, [...inputs].reverse(), node.attrs as never, node.span);
    if (kind < 0.7 && "over" in node.attrs) {
      const axis = this.pick(inputs[0]!.type.axes.map((a) => a.name));
      return scope.emit(node.op, inputs, { over: node.op === "softmax" ? axis : [axis] } as never, node.span);
    }
    const at = Math.floor(this.random() * inputs.length);
    const others = before.filter((v) => sameType(v.type, node.inputs[at]!.type));
    const other = others.length > 0 ? scope.get(this.pick(others)) : inputs[at]!;
    return scope.emit(
      node.op,
      inputs.map((v, i) => (i === at ? other : v)),
      node.attrs as never,
      node.span,
    );
  }
}

function drawn({ type }: Value, random: () => number): Tensor<number> {
  const axes = type.axes.map((a) => ({ name: a.name, size: a.size.known! }));
  const count = axes.reduce((n, a) => n * a.size, 1);
  const data = Float64Array.from({ length: count }, () =>
    type.dtype === "bool" ? Number(random() < 0.6) : 3 * random() - 1.5,
  );
  return { dtype: type.dtype, axes, data };
}

test("what rules make of their left sides with one mistake computes the same", { timeout: 60_000 + 50 * RUNS }, () => {
  const { program } = elaborateText("model m(d = 2) {\n  input x: float[batch, d]\n  output y = x\n}").value!;
  const rules = rulesOfLibrary(program);
  const random = randomOf(Number(process.env["SEED"] ?? 1), "mutants");
  const mutator = new Mutator(random);
  let compared = 0;
  let fired = 0;
  for (let i = 0; i < RUNS; i++) {
    const sample = sampleOf(rules[i % rules.length]!)!;
    const mutant = mutator.mutate(random() < 0.3 ? (mutator.mutate(sample) ?? sample) : sample);
    if (!mutant) continue;
    const made = rewrite(mutant, rules, { keeps: () => true });
    const inputs = new Map(mutant.inputs.map((input) => [input.name, drawn(input.value, random)]));
    const run = (graph: Graph): Tensor<number> =>
      [
        ...evaluateGraph(
          verified(graph),
          { inputs, param: () => undefined as never },
          { arithmetic: float64 },
        ).outputs.values(),
      ][0]!;
    const wanted = run(mutant);
    // Where the program as written has no number, the operator may have one.
    if (!Array.from(wanted.data as ArrayLike<number>).every(Number.isFinite)) continue;
    compared++;
    if (made.report.fired.length > 0) fired++;
    const rule = made.report.fired.map((f) => f.rule).join(", ");
    expect(differenceOfTensors(wanted, run(made.graph)), `${rule} on\n${printGraph(mutant)}`).toBeLessThan(1e-9);
  }
  expect(compared).toBeGreaterThan(RUNS / 4);
  expect(fired).toBeGreaterThan(RUNS / 20);
});
