/** The order of axes: an output has the one that it states, and a block sees its inputs in that of their signatures. */
import { expect, it } from "vitest";
import { showType } from "../../src/ir/type.ts";
import { affine, evaluated, expectEach } from "../support/by-hand.ts";
import { elaborateText } from "../support/programs.ts";

const SIZES = { batch: 2, seq: 3 };

const MODEL = (output: string): string => `
  block last() given hidden {
    input x: [..., seq, hidden]
    output x -> p: linear(5)
  }
  block first() given hidden {
    input x: [hidden, ...]
    output x -> p: linear(5)
  }
  model m(hidden = 4, heads = 2) {
    input x: float[batch, hidden, seq]
    ${output}
  }`;

function typeOf(output: string): string {
  const { value, diagnostics } = elaborateText(MODEL(output));
  expect(diagnostics.map((d) => d.message)).toEqual([]);
  return showType(value!.graph.outputs[0]!.value.type);
}

it.each([
  ["output y = x * 2", "float[batch, hidden=4, seq]"],
  ["output y: [batch, hidden, seq] = x * 2", "float[batch, hidden=4, seq]"],
  ["output y: [batch, seq, hidden] = x * 2", "float[batch, seq, hidden=4]"],
  ["output y: [seq, hidden, batch] = x * 2", "float[seq, hidden=4, batch]"],
  ["output y: [batch, seq, hidden] = x -> mha", "float[batch, seq, hidden=4]"],
])("%s", (output, type) => expect(typeOf(output)).toBe(type));

it("an output's numbers lie as it states", () => {
  const plain = evaluated(MODEL("output y = x * 2"), SIZES);
  const stated = evaluated(MODEL("output y: [seq, hidden, batch] = x * 2"), SIZES).output();
  expect(stated.axes.map((a) => a.name)).toEqual(["seq", "hidden", "batch"]);
  const x = plain.input("x");
  expectEach(stated, ["batch", "hidden", "seq"], (b, h, s) => 2 * x[(b * 4 + h) * 3 + s]!);
});

it("the last axis of a block's input is the last of its signature", () => {
  const run = evaluated(MODEL("output y = x -> own: last"), SIZES);
  const x = run.input("x");
  expect(run.weight("own.p.weight").length).toBe(20);
  const out = (b: number, s: number): readonly number[] =>
    affine(
      run.weight("own.p.weight"),
      [0, 1, 2, 3].map((h) => x[(b * 4 + h) * 3 + s]!),
      run.weight("own.p.bias"),
    );
  const [made] = run.output().axes.filter((a) => a.name !== "batch" && a.name !== "seq");
  expectEach(run.output(), ["batch", "seq", made!.name], (b, s, o) => out(b, s)[o]!);
});

it("what stands before `...` comes first", () => {
  const text = MODEL("output y = x[seq = 0] -> own: first").replace(
    "float[batch, hidden, seq]",
    "float[batch = 2, hidden, seq]",
  );
  const run = evaluated(text, SIZES);
  expect(run.weight("own.p.weight").length).toBe(10);
});
