/** `--size`: a model with sizes fixed computes what it computes at these sizes, in every form of its cache. */
import { expect, test } from "vitest";
import { prepare } from "../../src/compile.ts";
import { openSizes } from "../../src/passes/fix-sizes.ts";
import { elaborateText } from "../support/programs.ts";
import { difference, drawInputs, drawWeights, emptyStates, inOnnx, reference } from "../support/run-program.ts";

const SIZES = { batch: 1, seq: 1, past_seq: 3 };
const FIXED = new Map([
  ["batch_size", 1],
  ["seq", 1],
]);
const KEEPS = () => true;

const { value: model } = elaborateText(`
model m(hidden = 8, heads = 2, vocab = 11) grows seq {
  input x: float[batch as "batch_size", seq as "sequence_length", hidden]
  output y = x -> layers: decoder x2 < gqa(1, rope()), rmsnorm, swiglu(16) > -> linear(vocab)
}`);

function graphOf(sizes: ReadonlyMap<string, number>) {
  const { value, diagnostics } = prepare(model!, { optimize: true, keeps: KEEPS, cache: true, sizes });
  expect(diagnostics.map((d) => d.message)).toEqual([]);
  return value![0]!.graph;
}

test("sizes go by the name that clients see, or by the program's", () => {
  expect([...openSizes(graphOf(new Map()))].sort()).toEqual([
    ["batch", "batch_size"],
    ["past_seq", "past_sequence_length"],
    ["seq", "sequence_length"],
  ]);
  expect([...openSizes(graphOf(FIXED)).keys()]).toEqual(["past_seq"]);
});

test("a step of one place with its sizes fixed", async () => {
  const [open, fixed] = [graphOf(new Map()), graphOf(FIXED)];
  const drawn = { params: drawWeights(open), inputs: drawInputs(open, SIZES, 7) };
  const states = emptyStates(open, SIZES);
  const wanted = reference(open, drawn, states);
  const found = reference(fixed, drawn, states);
  const numbers = wanted.outputs.get("y")!.data as ArrayLike<number>;
  expect(difference(found.outputs.get("y")!.data as ArrayLike<number>, numbers)).toBeLessThan(1e-12);
  for (const [path, state] of wanted.states)
    expect(difference(found.states.get(path)!.data as ArrayLike<number>, state.data as ArrayLike<number>)).toBeLessThan(
      1e-12,
    );
  for (const target of ["onnx", "onnx-23", "onnx-17"] as const) {
    const run = await inOnnx(fixed, target, drawn, states);
    expect(difference(run.get("y")!, numbers)).toBeLessThan(1e-4);
  }
});
