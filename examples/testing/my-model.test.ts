/** Tests of a user's project: vitest and fast-check, `npm install --save-dev tfm-lang vitest fast-check`, `npx vitest run`. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { expectEquivalent, expectLaw, inputs, model, optimized, programs, run, weights } from "tfm-lang/testing";

const mine = `
op swish(x) = x / (1 + exp(-x))
model tiny(vocab = 11, hidden = 8, heads = 2, layers = 2) grows seq {
  input tokens: int[batch, seq]
  output logits = tokens -> embed(vocab)
    -> layers: decoder x{layers} < gqa(1, rope()), rmsnorm, gated(swish, 5) >
    -> head: linear(vocab)
}
`;

test("my activation is SiLU, so my model is one of the library's blocks alone", () => {
  const plain = mine.replace("gated(swish, 5)", "swiglu(5)");
  const { verdict } = expectEquivalent(mine, plain, { proof: "required" });
  expect(verdict.kind).toBe("proved");
});

test("leaving the norm's gain out is another model, and the report says where", () => {
  const other = mine.replace("rmsnorm, gated", "rmsnorm(eps = 0.1), gated");
  expect(() => expectEquivalent(mine, other)).toThrow(/first value that the first model never has, in layers\.0/);
});

test("my law holds", () => {
  expectLaw(`
    law "swish and its mirror differ by x" (x: [batch, d]) { swish(x) - swish(-x) == x }
    op swish(x) = x / (1 + exp(-x))
  `);
});

test("a later token changes no earlier logit", () => {
  const tiny = model(mine);
  const at = new Map([
    ["batch", 1],
    ["seq", 4],
  ]);
  fc.assert(
    fc.property(weights(tiny), inputs(tiny, at), fc.integer({ min: 0, max: 10 }), (w, given, token) => {
      const before = run(tiny, { inputs: given, weights: w }).get("logits")!;
      const tokens = given.get("tokens")!;
      const changed = Float64Array.from(tokens.data as Float64Array);
      changed[3] = token;
      const after = run(tiny, { inputs: new Map([["tokens", { ...tokens, data: changed }]]), weights: w }).get(
        "logits",
      )!;
      const past = (t: typeof before): number[] => Array.from(t.data as Float64Array).slice(0, 3 * 11);
      expect(past(after)).toEqual(past(before));
    }),
    { numRuns: 20 },
  );
});

test("whatever the model, the optimiser changes nothing that it computes", () => {
  fc.assert(
    fc.property(programs({ maxLayers: 1 }), (text) => {
      expectEquivalent(model(text), optimized(text), { proof: "none" });
    }),
    { numRuns: 10 },
  );
});
