/**
 * @file Models in two graphs: what is computed once, and a step. Both, by the reference evaluator, compute what the whole does, and
 * later steps compute nothing of the memory again.
 */
import { concreteParams } from "../../src/ir/params.ts";
import { concreteStates, isGiven, isMade } from "../../src/ir/states.ts";
import { describe, expect, it } from "vitest";
import { prepare, type Elaborated, type Prepared } from "../../src/compile.ts";
import type { Graph, Input, Output } from "../../src/ir/graph.ts";
import { printGraph } from "../../src/ir/print.ts";
import { splitSteps } from "../../src/passes/steps.ts";
import { elaborateText } from "../support/programs.ts";
import { difference, drawInputs, drawWeights, reference, stepInputs, type Tensors } from "../support/run-program.ts";

const SIZES = { batch: 2, source: 5, seq: 6 };

const TINY = { vocab: 11, hidden: 8, heads: 2, layers: 2, inner: 12 };

/** A model of `memory`, which is read by the body of `block`. */
function program(block: string, use: string, memory = 'once["memory"](kept)'): string {
  return `
    ${block}
    model m(hidden = 4, heads = 2, vocab = 7) grows seq {
      input text as "input_ids": int[batch, source]
      input memory_mask as "attention_mask" | "encoder_attention_mask": bool[batch, source] = true
      input tokens as "decoder_input_ids" | "input_ids": int[batch, seq]
      let words = new embed(vocab)
      output kept = words(text) -> layernorm
      let memory = ${memory}
      output logits = words(tokens) -> ${use} -> linear(vocab)
    }`;
}

function modelOf(text: string | undefined, options: Parameters<typeof elaborateText>[1] = {}): Elaborated {
  const { value, diagnostics } = elaborateText(text, options);
  expect(diagnostics.map((d) => d.message)).toEqual([]);
  return value!;
}

function graphsOf(model: Elaborated, optimize: boolean, onceBefore = false): readonly Prepared[] {
  const { value, diagnostics } = prepare(model, { optimize, onceBefore, keeps: () => false });
  expect(diagnostics.map((d) => d.message)).toEqual([]);
  return value!;
}

/** The largest difference between the logits of the whole and those of steps of 3, 1, 1 and 1 places. */
function error(model: Elaborated, optimize: boolean, onceBefore = false): number {
  const [whole] = prepare(model, { cache: false, optimize: false, keeps: () => false }).value!;
  const params = drawWeights(whole!.graph);
  const inputs = drawInputs(whole!.graph, SIZES, 7);
  const wanted = reference(whole!.graph, { params, inputs }).outputs;
  const [first, step] = graphsOf(model, optimize, onceBefore);
  const { outputs, states: made } = reference(first!.graph, { params, inputs });
  // Inputs by their names in the graph.
  const nameOf = (ports: readonly (Input | Output)[], outside: string): string | undefined =>
    ports.find((p) => p.outside === outside)?.name;
  const handed = [...step!.given].flatMap(([to, from]) => {
    const value = outputs.get(nameOf(first!.graph.outputs, from) ?? "");
    return value ? [[nameOf(step!.graph.inputs, to)!, value] as const] : [];
  });
  const given = new Map([...inputs, ...handed]);
  let states: Tensors | undefined = made.size > 0 ? made : undefined;
  const rows: number[][] = [[], []];
  for (const [from, to] of [
    [0, 3],
    [3, 4],
    [4, 5],
    [5, 6],
  ] as const) {
    const found = reference(step!.graph, { params, inputs: stepInputs(step!.graph, given, "seq", from, to) }, states);
    const { data } = found.outputs.get("logits")!;
    for (const row of [0, 1])
      rows[row]!.push(
        ...Array.from(data as ArrayLike<number>).slice((row * data.length) / 2, ((row + 1) * data.length) / 2),
      );
    // What was computed of the memory is handed on as it is.
    for (const path of ofMemory(step!.graph)) if (states) expect(found.states.get(path)).toEqual(states.get(path));
    states = found.states;
  }
  return difference(rows.flat(), wanted.get("logits")!.data as ArrayLike<number>);
}

/** Paths of the states that are along the source. */
function ofMemory(graph: Graph): readonly string[] {
  return concreteStates(graph)
    .filter((s) => s.past.type.axes.some((a) => a.size.symbols.has("past_source")))
    .map((s) => s.path);
}

const ATTENDS = `
  block look(memory: [..., source, width]) {
    input x: [..., seq, hidden]
    let k = memory -> linear(8) -> once
    let v = memory -> linear(8) -> once
    output dot(softmax(dot(x -> q: linear(8), k, over = out), over = source), v, over = source) -> back: linear(hidden)
  }`;

describe("a model in two graphs computes what the whole does", () => {
  const t5 = modelOf(undefined, { model: "t5", settings: { ...TINY, head_dim: 4, buckets: 8, furthest: 6 } });
  const transformer = modelOf(undefined, { model: "transformer", settings: TINY });
  const cases: readonly (readonly [string, Elaborated])[] = [
    ["relative positions, pre-norm", t5],
    ["sinusoids, post-norm", transformer],
    ["a block of one's own", modelOf(program(ATTENDS, "look(memory)"))],
    [
      "one layer in several places, and over and over",
      modelOf(
        program("", "one -> one x2 -> one", 'once["memory"](kept)').replace(
          "output logits",
          "let one = new decoder < mha, cross(memory), layernorm, mlp(gelu, 6) >\n      output logits",
        ),
      ),
    ],
    [
      "places of the memory, turned before they are handed on",
      modelOf(
        program(
          `
      block look(memory: [..., source, width]) {
        input x: [..., seq, hidden]
        let k = rope()(memory, position(source)) -> once
        let v = memory + position(source) -> once
        output x + dot(softmax(dot(x, k, over = hidden), over = source), v, over = source)
      }`,
          "look(memory)",
        ),
      ),
    ],
    [
      "read both inside and outside of once",
      modelOf(
        program(
          `
      block look(memory: [..., source, width]) {
        input x: [..., seq, hidden]
        let both = memory * 2
        let k = both -> once
        output x + dot(softmax(dot(x, k + both, over = hidden), over = source), both, over = source)
      }`,
          "look(memory)",
        ),
      ),
    ],
    [
      "mixed along the source before it is handed on",
      modelOf(
        program(
          `
      block look(memory: [..., source, width]) {
        input x: [..., seq, hidden]
        let k = memory - max(memory, over = source) -> once
        output x + dot(softmax(dot(x, k, over = hidden), over = source), memory, over = source)
      }`,
          "look(memory)",
        ),
      ),
    ],
    [
      "once of what has no place in the source",
      modelOf(
        program(
          `
      block look(memory: [..., source, width]) {
        input x: [..., seq, hidden]
        output x + once(mean(memory, over = source))
      }`,
          "look(memory)",
        ),
      ),
    ],
  ];

  it.each(cases)("%s", (_, model) => {
    expect(error(model, false)).toBeLessThan(1e-12);
    expect(error(model, true)).toBeLessThan(1e-12);
  });

  it.each(cases)("%s, computed before the steps", (_, model) => {
    expect(error(model, false, true)).toBeLessThan(1e-12);
    expect(error(model, true, true)).toBeLessThan(1e-12);
  });

  it("before the steps: the first graph makes what they are given, and they have nothing of it", () => {
    const [first, step] = graphsOf(t5, true, true);
    const names = ["k", "v"].flatMap((kind) => [0, 1].map((i) => `decoder.${i}.cross.body.${kind}`));
    expect(
      concreteStates(first!.graph)
        .filter(isMade)
        .map((s) => s.presentName)
        .sort(),
    ).toEqual(names.map((n) => `present.${n}`).sort());
    expect(Object.fromEntries(step!.given)).toEqual({
      encoder_attention_mask: "attention_mask",
      ...Object.fromEntries(names.map((n) => [`past.${n}`, `present.${n}`])),
    });
    expect(step!.graph.inputs.map((i) => i.outside)).toEqual(["encoder_attention_mask", "input_ids"]);
    const ofSource = (graph: Graph): number =>
      [...concreteParams(graph)].filter((p) => /cross.*\.[kv]\./.test(p.path)).length;
    expect([ofSource(first!.graph), ofSource(step!.graph)]).toEqual([4, 0]);
    expect(concreteStates(step!.graph).filter(isGiven).length).toBe(4);
  });

  it("what is made of an input that only the steps have is computed in the first of them", () => {
    const model = modelOf(
      program(ATTENDS, "look(memory * factor)").replace("let words", "input factor: float[batch]\n      let words"),
    );
    const [first, step] = graphsOf(model, true, true);
    expect(concreteStates(first!.graph)).toEqual([]);
    expect(ofMemory(step!.graph).length).toBe(2);
    expect(error(model, true, true)).toBeLessThan(1e-12);
  });

  it("with a state for each once that can have one", () => {
    const counts = cases.map(([, model]) => ofMemory(graphsOf(model, true)[1]!.graph).length);
    expect(counts).toEqual([4, 4, 2, 8, 2, 1, 1, 0]);
  });

  it("uncached it is one graph, with the first names", () => {
    const made = prepare(t5, { cache: false, optimize: true, keeps: () => false }).value!;
    expect(made.map((p) => p.name)).toEqual(["model"]);
    expect(made[0]!.graph.inputs.map((i) => i.outside)).toEqual(["input_ids", "attention_mask", "decoder_input_ids"]);
    expect(made[0]!.graph.outputs.map((o) => o.outside)).toEqual(["last_hidden_state", "logits"]);
  });

  it("each graph has its inputs, by its names, with their defaults", () => {
    const [first, step] = graphsOf(t5, true);
    expect([first!.name, step!.name]).toEqual(["encoder_model", "decoder_model_merged"]);
    expect(first!.graph.inputs.map((i) => i.outside)).toEqual(["input_ids", "attention_mask"]);
    expect([...first!.inputDefaults]).toEqual([["attention_mask", 1]]);
    expect(first!.graph.outputs.map((o) => o.outside)).toEqual(["last_hidden_state"]);
    expect(step!.graph.inputs.map((i) => i.outside).sort()).toEqual([
      "encoder_attention_mask",
      "encoder_hidden_states",
      "input_ids",
    ]);
    expect([...step!.inputDefaults]).toEqual([["encoder_attention_mask", 1]]);
    expect(step!.graph.outputs.map((o) => o.outside)).toEqual(["logits"]);
    expect([first!.given.size, [...step!.given]]).toEqual([
      0,
      [
        ["encoder_hidden_states", "last_hidden_state"],
        ["encoder_attention_mask", "attention_mask"],
      ],
    ]);
  });

  it("the step has no weight of the encoder, the first graph none of the decoder", () => {
    const [first, step] = graphsOf(t5, true);
    expect(printGraph(step!.graph)).not.toMatch(/encoder\.\{0\}|near\.weight/);
    expect(printGraph(first!.graph)).not.toMatch(/decoder\.\{0\}|ahead\.weight/);
  });

  it("what is not an output is one of the first graph, by the name of the seam; what is an input the client has", () => {
    const hidden = modelOf(program(ATTENDS, "look(memory)").replace("output kept", "let kept"));
    expect(graphsOf(hidden, true)[0]!.graph.outputs.map((o) => o.outside)).toEqual(["memory"]);
    const given = modelOf(`
      ${ATTENDS}
      model m(hidden = 4) grows seq {
        input source_states: float[batch, source, hidden]
        input x: float[batch, seq, hidden]
        let memory = once["memory"](source_states)
        output y = x -> look(memory)
      }`);
    const [only, ...others] = graphsOf(given, true);
    expect([only!.name, others.length]).toEqual(["model", 0]);
    expect(only!.graph.inputs.map((i) => i.outside).sort()).toEqual(["memory", "x"]);
  });
});

describe("mistakes", () => {
  const problems = (text: string): readonly string[] => {
    const model = modelOf(text);
    return prepare(model, { optimize: false, keeps: () => false }).diagnostics.map((d) => d.message);
  };

  it.each([
    [
      "once by name of what grows",
      program(ATTENDS, "look(memory)", 'once["memory"](words(tokens))'),
      'once["memory"] is of what grows along seq; before the first step nothing of it is there',
    ],
    [
      "bare once of what grows",
      program(ATTENDS, "look(memory) -> once"),
      "once is of what grows along seq: it changes from step to step; use keep[seq -> ...]",
    ],
    [
      "the memory not kept apart",
      program(ATTENDS, "near: look(memory) -> far: look(kept)"),
      'in the graph of a step two inputs are called input_ids: text and tokens; `as "first" | "second"` gives one another name there, once["name"](x) keeps what is computed before out of it',
    ],
  ])("%s", (_, text, message) => {
    expect(problems(text)).toEqual([message]);
  });

  it("once in a scan", () => {
    const text = `
      op run(state, x) = once(state * 2) + x
      model m(hidden = 4) grows seq {
        input s: float[source, hidden]
        input x: float[batch, seq, hidden]
        output y = x * mean(s, over = source) + mean(scan[source](run)(s), over = source)
      }`;
    expect(problems(text)).toEqual(["a `scan` keeps its own state; `once` cannot stand inside it"]);
  });

  it("a seam in a repeat", () => {
    const model = modelOf(`
      block inner(memory: [..., source, width]) {
        input x: [..., seq, hidden]
        output x + mean(once["memory"](memory), over = source)
      }
      model m(hidden = 4) grows seq {
        input s: float[batch, source, hidden]
        input x: float[batch, seq, hidden]
        output y = x -> inner(s) x2
      }`);
    expect(splitSteps(model.graph)!.problems.map((p) => p.message)).toEqual([
      'once["memory"] stands inside a repeat or scan; what a graph of its own computes is named outside of them',
    ]);
  });

  it("two seams of one name, and no output of a step", () => {
    const two = modelOf(program(ATTENDS, 'look(memory + once["memory"](kept))'));
    expect(splitSteps(two.graph)!.problems.map((p) => p.message)).toEqual([
      "two values enter the steps under the name memory",
    ]);
    const none = modelOf(`
      model m(hidden = 4) grows seq {
        input s: float[batch, source, hidden]
        input x: float[batch, seq, hidden]
        output y = once["memory"](s)
      }`);
    expect(splitSteps(none.graph)!.problems.map((p) => p.message)).toEqual([
      "no output depends on what grows along seq: there is nothing to do in a step",
    ]);
  });

  it("a model without a seam is not split", () => {
    expect(
      splitSteps(
        modelOf(undefined, {
          model: "llama_lm",
          settings: { layers: 1, vocab: 8, hidden: 8, heads: 2, intermediate: 8 },
        }).graph,
      ),
    ).toBeUndefined();
  });
});
