/**
 * Factors in the weights: what a model computes does not change, whatever the factor goes through; each that could have gone and did not
 * has a reason; and a file that has them is what the program means.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { multipliedBy } from "../../src/backends/lowering/kernels.ts";
import { tfjsKeeps, tfjsTargets } from "../../src/backends/tfjs/targets.ts";
import { prepare, type PrepareOptions } from "../../src/compile.ts";
import { concreteParams } from "../../src/ir/params.ts";
import type { ScaleReport } from "../../src/passes/scales.ts";
import { tfm } from "../support/cli.ts";
import { elaborateText } from "../support/programs.ts";
import { difference, drawInputs, drawWeights, reference } from "../support/run-program.ts";

const SIZES = { batch: 2, seq: 3 };
const SCALES = { multiplied: multipliedBy(tfjsTargets.any) };

interface Folded extends Pick<ScaleReport, "kept"> {
  /** By their factors, the weights that have them. */
  readonly folded: readonly (readonly [number, string])[];
  readonly difference: number;
}

/** A model before and after, by the reference evaluator. */
function folded(text: string, scales: PrepareOptions["scales"] = SCALES): Folded {
  const { value: model, diagnostics } = elaborateText(text);
  expect(diagnostics.map((d) => d.message)).toEqual([]);
  const graphs = [undefined, scales].map((given) => {
    const made = prepare(model!, { optimize: true, cache: false, keeps: tfjsKeeps, scales: given });
    expect(made.diagnostics.map((d) => d.message)).toEqual([]);
    return made.value![0]!;
  });
  const [before, after] = graphs.map((g) => g.graph) as [(typeof graphs)[0]["graph"], (typeof graphs)[0]["graph"]];
  const drawn = { params: drawWeights(before), inputs: drawInputs(before, SIZES, 7) };
  expect([...concreteParams(after)].map((p) => p.path).sort()).toEqual([...drawn.params.keys()].sort());
  const [wanted, found] = [before, after].map((g) => reference(g, drawn).outputs);
  const differences = [...wanted!].map(([name, { data }]) =>
    difference(found!.get(name)!.data as ArrayLike<number>, data as ArrayLike<number>),
  );
  const { folded: gone, kept } = graphs[1]!.scales!;
  const named = gone.map((f) => [f.factor, [...f.weights].sort().join(", ")] as const);
  return { folded: named, kept, difference: Math.max(...differences) };
}

const model = (body: string): string => `
  model m(hidden = 8, heads = 2, vocab = 11) {
    input x: float[batch, seq, hidden]
    input tokens: int[batch, seq]
    input w: float[hidden]
    ${body}
  }`;

describe("a factor goes into the weights", () => {
  const cases: readonly (readonly [string, string, Folded["folded"]])[] = [
    ["behind a product", "output y = (x -> p: linear(5, bias = false)) * 0.3", [[0.3, "p.weight"]]],
    ["before a product", "output y = (x * 3) -> p: linear(5, bias = false)", []],
    ["and with it into the bias", "output y = (x -> p: linear(5)) * 0.3", [[0.3, "p.bias, p.weight"]]],
    ["of a division", "output y = (x -> p: linear(5)) / sqrt(hidden)", [[1 / Math.sqrt(8), "p.bias, p.weight"]]],
    ["of a table that is looked up in", "output y = (tokens -> words: embed(vocab)) * 2.5", [[2.5, "words.weight"]]],
    [
      "through a gate: one of its sides",
      "output y = 0.5 * (silu(x -> a: linear(8)) * (x -> b: linear(8, bias = false)))",
      [[0.5, "b.weight"]],
    ],
    [
      "through what adds to it",
      "output y = 0.5 * ((x -> a: linear(4)) + (x -> b: linear(4)))",
      [[0.5, "a.bias, a.weight, b.bias, b.weight"]],
    ],
    [
      "past what comes between two: both",
      "output y = ((x -> a: linear(4)) * 0.5 -> b: linear(4, bias = false)) * 3",
      [
        [0.5, "a.bias, a.weight"],
        [3, "b.weight"],
      ],
    ],
    [
      "twice",
      "output y = ((x -> a: linear(4)) * 0.5) * 3",
      [
        [0.5, "a.bias, a.weight"],
        [3, "a.bias, a.weight"],
      ],
    ],
    ["of a norm, into its gain", "output y = (x -> n: rmsnorm) * 4", [[4, "n.weight"]]],
    ["of a layer norm, into gain and shift", "output y = (x -> n: layernorm) * 4", [[4, "n.bias, n.weight"]]],
    ["of attention's scores, into the queries'", "output y = x -> a: mha", [[0.5, "a.q.weight"]]],
    ["of attention's scores, through rotary positions", "output y = x -> a: gqa(1, rope())", [[0.5, "a.q.weight"]]],
  ];
  it.each(cases)("%s", (_, body, wanted) => {
    const found = folded(model(body));
    expect(found.difference).toBeLessThan(1e-12);
    expect(found.folded.map(([by, to]) => [expect.closeTo(by, 12), to])).toEqual(wanted);
  });

  it("in every layer of a stack", () => {
    const found = folded(model("output y = x -> layers: decoder x3 < mha(rope()), rmsnorm, swiglu(16) >"));
    expect(found.difference).toBeLessThan(1e-12);
    expect(found.folded).toEqual([[0.5, "layers.{0}.attention.body.q.weight"]]);
  });
});

describe("it stays, and there is a reason", () => {
  const cases: readonly (readonly [string, string, string])[] = [
    [
      "where others read the weight",
      "let e = new embed(vocab)\n    output y = (tokens -> e) * 0.3\n    output z = exp(tokens -> e)",
      "read elsewhere",
    ],
    [
      "where others read what is between",
      "let a = x -> p: linear(5)\n    output y = a * 0.3\n    output z = exp(a)",
      "read elsewhere",
    ],
    [
      "where one weight serves twice",
      "let p = new linear(8, bias = false)\n    output y = (x -> p) * 0.3 + (x * x -> p)",
      "read elsewhere",
    ],
    ["beyond what float32 has", "output y = (x -> p: linear(5)) * 1e-12", "float32 hardly has"],
  ];
  it.each(cases)("%s", (_, body, why) => {
    const found = folded(model(body));
    expect(found.difference).toBeLessThan(1e-12);
    expect(found.folded).toEqual([]);
    expect(found.kept.map((k) => k.why).join("; ")).toContain(why);
  });

  it("in what a model is trained by", () => {
    const found = folded(
      model("output loss = sum(sum(sum((x -> p: linear(5)) * 0.3, over = out), over = seq), over = batch)"),
    );
    expect([found.folded, found.kept.map((k) => k.why)]).toEqual([[], [expect.stringContaining("trained")]]);
  });

  it("in halves, but for powers of two", () => {
    const halves = { ...SCALES, halves: true };
    expect(folded(model("output y = (x -> p: linear(5)) * 0.25"), halves).folded).toEqual([[0.25, "p.bias, p.weight"]]);
    const kept = folded(model("output y = (x -> p: linear(5)) * 0.3"), halves);
    expect([kept.folded, kept.kept.map((k) => k.why)]).toEqual([[], [expect.stringContaining("float16")]]);
  });

  it("where nothing linear leads to a weight", () => {
    const found = folded(model("output y = exp(x -> p: linear(5)) * 0.3"));
    expect([found.folded, found.kept]).toEqual([[], []]);
  });
});

const PROGRAM = `block twice() { input x: [...]\n output 2 * x }\n${model(
  "output y = (x -> layers: encoder x2 < mha, rmsnorm, mlp(gelu, 16) >) -> p: linear(5) -> twice -> q: linear(3)",
)}`;

it("is said, and only where weights are written for the target", async () => {
  const explained = async (...options: readonly string[]): Promise<string> => {
    const made = await tfm("compile", "-e", PROGRAM, "--explain", ...options);
    expect(made).toMatchObject({ status: 0, err: "" });
    return made.out;
  };
  const said = await explained("-t", "tfjs");
  expect(said).toMatch(/the factor 0\.5 is part of layers\.\{0\}\.attention\.body\.q\.weight/);
  expect(said).toMatch(/the factor 2 is part of p\.weight, p\.bias/);
  for (const target of ["onnx", "onnx-17", "onnx-23"])
    expect(await explained("-t", target)).not.toContain("the factor");
  expect(await explained("-t", "tfjs", "--no-optimize")).not.toContain("the factor");
});

it("a number that the program multiplies its weight by is the program's", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tfm-scales-"));
  try {
    const written = async (body: string, ...options: readonly string[]): Promise<string> => {
      const text = `block half() { input x: [..., hidden]\n param w: [hidden] = ones\n output x * (w * 0.5) }\n${model(body)}`;
      const made = await tfm("compile", "-e", text, "-t", "tfjs", "-o", folder, ...options);
      expect(made).toMatchObject({ status: 0 });
      return readFileSync(join(folder, "model.json"), "utf8");
    };
    expect(await written("output y = x -> half")).not.toContain('"factor"');
    expect(await written("output y = x -> half", "--no-optimize")).not.toContain('"factor"');
    expect(await written("output y = (x -> half) * 3")).toMatch(/"factor":1\.5\b/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

it("a factor in a file that is no number, or zero, is refused", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tfm-scales-"));
  try {
    expect(await tfm("compile", "-e", PROGRAM, "-t", "tfjs", "-o", folder)).toMatchObject({ status: 0 });
    const file = join(folder, "model.json");
    const written = readFileSync(file, "utf8");
    expect(written).toContain('"factor":0.5');
    for (const factor of ["0", '"half"', "null", "1e400"]) {
      writeFileSync(file, written.replace('"factor":0.5', `"factor":${factor}`));
      const compared = await tfm("equiv", folder, "-e", PROGRAM);
      expect(compared.status).toBe(1);
      expect(compared.out + compared.err).toMatch(/scaled by .*, which is no factor/);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
