/** `--logits last`: what the last place gives, the head computed for that place alone; states are kept as ever. */
import { describe, expect, it } from "vitest";
import { prepare, type Elaborated } from "../../src/compile.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { elaborateText } from "../support/programs.ts";
import { along, difference, drawInputs, drawWeights, emptyStates, inOnnx, reference } from "../support/run-program.ts";

const SIZES = { batch: 2, seq: 5 };
const KEEPS = () => true;

function model(body: string, more = ""): Elaborated {
  const { value, diagnostics } = elaborateText(`${more}
model m(hidden = 8, heads = 2, vocab = 11) grows seq {
  input x: float[batch, seq, hidden]
  ${body}
}`);
  expect(diagnostics.map((d) => d.message)).toEqual([]);
  return value!;
}

function both(m: Elaborated, cache: boolean) {
  const [all, last] = (["all", "last"] as const).map(
    (logits) => prepare(m, { optimize: true, keeps: KEEPS, logits, cache }).value![0]!.graph,
  );
  return { all: all!, last: last! };
}

/** The axes of what the sum of products at the end of the graph gives. */
const headOf = (graph: Graph) => {
  const head = graph.nodes.filter((n) => n.op === "dot").at(-1)!;
  return head.outputs[0]!.type.axes.map((a) => `${a.name}=${a.size.toString()}`).join(" ");
};

async function agrees(m: Elaborated, cache = false): Promise<Graph> {
  const { all, last } = both(m, cache);
  const drawn = { params: drawWeights(all), inputs: drawInputs(all, SIZES, 5) };
  const whole = reference(all, drawn, emptyStates(all, SIZES));
  const cut = reference(last, drawn, emptyStates(last, SIZES));
  for (const { name } of all.outputs) {
    const wanted = along(whole.outputs.get(name)!, "seq", SIZES.seq - 1, SIZES.seq).data as ArrayLike<number>;
    const found = cut.outputs.get(name)!;
    expect(found.axes.find((a) => a.name === "seq")!.size).toBe(1);
    expect(difference(found.data as ArrayLike<number>, wanted)).toBeLessThan(1e-12);
    const run = await inOnnx(last, "onnx", drawn, emptyStates(last, SIZES));
    expect(difference(run.get(name)!, wanted)).toBeLessThan(1e-4);
  }
  for (const [path, state] of whole.states) expect(cut.states.get(path)!.data).toEqual(state.data);
  return last;
}

describe("the last place only", () => {
  it("the head and the norm before it see one place", async () => {
    const last = await agrees(
      model("output y = x -> layers: decoder x2 < mha, rmsnorm, mlp(gelu) > -> rmsnorm -> linear(vocab)"),
      true,
    );
    expect(headOf(last)).toBe("batch=batch seq=1 vocab=11");
    const norm = last.nodes.findLast((n) => n.op === "call")!;
    expect(norm.outputs[0]!.type.axes.map((a) => a.size.toString())).toEqual(["batch", "1", "8"]);
  });
  it("what is handed out as well stops the cut only where it must", async () => {
    const last = await agrees(model("let h = x -> linear(hidden)\n  output h = h\n  output y = h -> linear(vocab)"));
    expect(headOf(last)).toBe("batch=batch seq=1 vocab=11");
  });
  it("a sum over the places stays one over all", async () => {
    await agrees(model("output y = cumulative_sum(x, over = seq) -> linear(vocab)"));
  });
  it("an operator of places is computed for all of them", async () => {
    await agrees(model("output y = centred(x)", "op centred(x: [..., seq, d]) = x - mean(x, over = seq)"));
  });
  it("places by number keep their numbers", async () => {
    await agrees(model("output y = x * position(seq)"));
  });
});
