/**
 * @file Every example compiles and runs: for each target ONNX Runtime gives what the reference evaluator gives, and of a model
 * that grows the steps with a cache give what the whole text gives.
 */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Elaborated } from "../../src/compile.ts";
import { checkAll } from "../../src/compile.ts";
import { request } from "../support/programs.ts";
import {
  along,
  difference,
  drawInputs,
  drawWeights,
  emptyStates,
  inOnnx,
  prepared,
  preparedStep,
  reference,
  stepInputs,
} from "../support/run-program.ts";
import { TARGETS } from "./onnx-harness.ts";

const FOLDER = new URL("../../examples/", import.meta.url);
const TOLERANCE = 1e-4;
const LENGTH = 6;
const SIZES = { batch: 2, seq: LENGTH, source: 4 };
/** Ids of tokens are below this; the examples have as many words or more. */
const WORDS = 8;
/** Settings of the bare stacks: a model states its own. */
const BARE = { hidden: 16, heads: 8 };

const names = readdirSync(FOLDER).filter((f) => f.endsWith(".tfm"));

function read(name: string): string {
  return readFileSync(new URL(name, FOLDER), "utf8");
}

function models(name: string): readonly Elaborated[] {
  const text = read(name);
  const bare = !/^model /m.test(text);
  const { value, diagnostics } = checkAll(request(text, bare ? { settings: BARE } : {}));
  expect(diagnostics.map((d) => d.message)).toEqual([]);
  expect(value!.length).toBeGreaterThan(0);
  return value!;
}

describe.each(names)("%s", (name) => {
  it("begins with what it is about", () => {
    expect(read(name)).toMatch(/^\/\/ [A-Z]/);
  });

  it.each(TARGETS)("%s", async (target) => {
    for (const model of models(name)) {
      const graph = prepared(model, target, false);
      const drawn = { params: drawWeights(graph), inputs: drawInputs(graph, SIZES, WORDS) };
      const expected = reference(graph, drawn);
      const found = await inOnnx(graph, target, drawn);
      for (const { name: output } of graph.outputs)
        expect(
          difference(found.get(output)!, expected.outputs.get(output)!.data as ArrayLike<number>),
          `${model.model} ${output}`,
        ).toBeLessThan(TOLERANCE);
    }
  });

  it("its steps are the whole", async () => {
    for (const model of models(name)) {
      const { grows } = model.graph;
      if (grows === undefined) continue;
      const whole = prepared(model, "onnx", false);
      const drawn = { params: drawWeights(whole), inputs: drawInputs(whole, SIZES, WORDS) };
      const expected = reference(whole, drawn).outputs;
      const { graph, inputs } = preparedStep(model, "onnx", drawn);
      expect(
        graph.states.length + graph.nodes.flatMap((n) => n.bodies.flatMap((b) => b.states)).length,
        "it keeps something",
      ).toBeGreaterThan(0);
      let states = emptyStates(graph, SIZES);
      let inOrt = states;
      for (const [from, to] of [
        [0, 3],
        [3, 4],
        [4, 6],
      ] as const) {
        const step = { params: drawn.params, inputs: stepInputs(graph, inputs, grows, from, to) };
        const made = reference(graph, step, states);
        const found = await inOnnx(graph, "onnx", step, inOrt);
        for (const { name: output } of graph.outputs) {
          const part = along(expected.get(output)!, grows, from, to).data as ArrayLike<number>;
          expect(
            difference(made.outputs.get(output)!.data as ArrayLike<number>, part),
            `${model.model} ${output} ${from}..${to}`,
          ).toBeLessThan(1e-9);
          expect(
            difference(found.get(output)!, part),
            `${model.model} ${output} ${from}..${to} in ONNX Runtime`,
          ).toBeLessThan(TOLERANCE);
        }
        states = made.states;
        inOrt = new Map([...states].map(([path, t]) => [path, { ...t, data: found.get(path)! }]));
      }
    }
  });
});
