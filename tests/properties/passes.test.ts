/** @file Every pass leaves the meaning of a graph as it was, on random graphs. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { evaluateGraph } from "../../src/backends/reference/evaluate.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { printGraph } from "../../src/ir/print.ts";
import { rebuild } from "../../src/ir/transform.ts";
import { sameType } from "../../src/ir/type.ts";
import { verified } from "../../src/ir/verify.ts";
import { float64 } from "../../src/ops/float64.ts";
import type { Tensor } from "../../src/ops/op.ts";
import { withoutCache } from "../../src/passes/cache.ts";
import { shareCommon } from "../../src/passes/cse.ts";
import { removeDead } from "../../src/passes/dce.ts";
import { foldConstants } from "../../src/passes/fold.ts";
import { hoistInvariants } from "../../src/passes/hoist.ts";
import { inlineCalls } from "../../src/passes/inline.ts";
import { arbitraryGraph, INPUTS, param } from "../support/arbitrary-graphs.ts";

const TOLERANCE = 1e-12;
const RUNS = 300;

function evaluate(graph: Graph): Map<string, Tensor<number>> {
  return evaluateGraph(verified(graph), { inputs: INPUTS, param }, { arithmetic: float64 }).outputs;
}

function expectSame(before: Graph, after: Graph): void {
  const expected = evaluate(before);
  const found = evaluate(after);
  expect([...found.keys()]).toEqual([...expected.keys()]);
  for (const [i, output] of before.outputs.entries())
    expect(sameType(output.value.type, after.outputs[i]!.value.type)).toBe(true);
  for (const [name, t] of expected) {
    const far = Array.from(t.data, (x, i) => [x, found.get(name)!.data[i]!] as const).filter(([x, y]) => !close(x, y));
    expect(far, `${name} of\n${printGraph(before)}\nand\n${printGraph(after)}`).toEqual([]);
  }
}

function close(a: number, b: number): boolean {
  return Object.is(a, b) || a === b || Math.abs(a - b) <= TOLERANCE * Math.max(1, Math.abs(a));
}

const everything = (g: Graph): Graph =>
  removeDead(shareCommon(hoistInvariants(shareCommon(foldConstants(inlineCalls(withoutCache(g), () => false))))));

const PASSES: readonly (readonly [string, (g: Graph) => Graph])[] = [
  ["rebuilding", (g) => rebuild(g, {})],
  ["inlineCalls", (g) => inlineCalls(g, () => false)],
  ["foldConstants", foldConstants],
  ["shareCommon", shareCommon],
  ["removeDead", removeDead],
  ["hoistInvariants", hoistInvariants],
  ["withoutCache", withoutCache],
  ["all of them", everything],
];

describe("passes keep the meaning", () => {
  it.each(PASSES)("%s", (_, pass) => {
    fc.assert(
      fc.property(arbitraryGraph, (graph) => expectSame(graph, pass(graph))),
      { numRuns: RUNS },
    );
  });

  it("and do nothing more the second time", () => {
    fc.assert(
      fc.property(arbitraryGraph, (graph) => {
        const once = removeDead(graph);
        expect(printGraph(removeDead(once))).toBe(printGraph(once));
      }),
      { numRuns: RUNS },
    );
  });
});

describe("the random graphs", () => {
  it("hold every kind of node that passes treat in a way of their own", () => {
    const seen = new Map<string, number>();
    const count = (g: Graph): void => {
      for (const n of g.nodes) {
        seen.set(n.op, (seen.get(n.op) ?? 0) + 1);
        n.bodies.forEach(count);
      }
    };
    fc.sample(arbitraryGraph, 300).forEach(count);
    for (const op of [
      "call",
      "repeat",
      "keep",
      "once",
      "rename",
      "where",
      "and",
      "dot",
      "softmax",
      "constant",
      "position",
    ])
      expect(seen.get(op), op).toBeGreaterThan(20);
  });
});
