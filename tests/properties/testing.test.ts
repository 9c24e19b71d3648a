/**
 * `tfm-lang/testing`: its arbitraries draw well-typed programs alone, what fails shrinks to a small one, and random programs are the same
 * optimised or not. CI draws a thousand, `RUNS=1000` as many here.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  expectEquivalent,
  expectLaw,
  expressions,
  inputs,
  model,
  optimized,
  programs,
  run,
  sizes,
  weights,
} from "../../src/testing/index.ts";

const RUNS = Number(process.env["RUNS"] ?? (process.env["CI"] ? 1000 : 60));

test("random programs are the same optimised or not", { timeout: 30_000 + 500 * RUNS }, () => {
  let compared = 0;
  fc.assert(
    fc.property(programs(), (text) => {
      const { verdict, points } = expectEquivalent(model(text), optimized(text), { proof: "none" });
      // Both are one net, or they were computed: not at all four points where squares of squares overflow.
      expect(points > 0 || verdict.kind === "proved").toBe(true);
      if (points > 0) compared++;
    }),
    { numRuns: RUNS },
  );
  expect(compared).toBeGreaterThan(RUNS / 10);
});

test("programs have variety: layers, kinds, blocks of their own, gains, windows", () => {
  const drawn = fc.sample(programs(), { numRuns: 200, seed: 1 });
  for (const word of [
    "encoder",
    "decoder",
    "layers = 2",
    "own()",
    "layernorm",
    "gated",
    "window",
    "rope",
    "softcap",
    "softmax",
  ])
    expect(
      drawn.some((t) => t.includes(word)),
      word,
    ).toBe(true);
  expect(new Set(drawn).size).toBeGreaterThan(190);
});

test("what is drawn for a model runs", () => {
  const drawn = programs({ maxLayers: 1 }).chain((text) => {
    const made = model(text);
    return sizes(made, 3).chain((at) =>
      fc.record({ text: fc.constant(text), w: weights(made), given: inputs(made, at), at: fc.constant(at) }),
    );
  });
  fc.assert(
    fc.property(drawn, ({ text, w, given, at }) => {
      const logits = run(text, { inputs: given, weights: w }).get("logits")!;
      const size = (name: string): number => logits.axes.find((a) => a.name === name)!.size;
      expect([size("batch"), size("seq")]).toEqual([at.get("batch"), at.get("seq")]);
      // Rows where all places are hidden do not exist in these programs: everything is finite.
      expect(Array.from(logits.data as Float64Array).every(Number.isFinite)).toBe(true);
    }),
    { numRuns: 15 },
  );
});

test("what fails shrinks to a small program", () => {
  const found = fc.check(
    fc.property(programs(), (text) => !text.includes("gated")),
    { seed: 3, numRuns: 100 },
  );
  expect(found.failed).toBe(true);
  const [smallest] = found.counterexample!;
  expect(smallest).toContain("layers = 1");
  expect(smallest).toContain("gqa(1)");
  expect(smallest).toContain("heads = 1");
  expect(smallest).not.toContain("own()");
});

test("an expression shrinks to its simplest", () => {
  const found = fc.check(
    fc.property(expressions(), (e) => !e.includes("softmax")),
    { seed: 1, numRuns: 500 },
  );
  expect(found.counterexample![0]).toContain("softmax(x, over = d)");
  expect(found.counterexample![0].length).toBeLessThan(30);
});

test("mistakes are errors with their places", () => {
  expect(() => model("model m() {\n  input x: [batch, d]\n  output y = x -> nonsense\n}")).toThrow(
    /nonsense[\s\S]*program\.tfm:3/,
  );
  const law = `law "no" (x: [batch, d]) { silu(x) == tanh(x) }`;
  expect(() => expectLaw(law)).toThrow(/a law does not hold\nFAILED {2}no[\s\S]*left/);
  expect(() => expectLaw("op f(x) = x")).toThrow("there is no law");
});
