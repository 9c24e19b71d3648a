/**
 * Random models, out of blocks of the library and of blocks that spell the same by hand, rightly or not quite: before and after all
 * rewrites they compute the same in float64. `RUNS=10000` draws more of them, `SEED=n` the same again; a failure prints the program.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { elaborateText } from "../support/programs.ts";
import { afterRewrites, differenceByRewrites } from "../support/rewritten.ts";

const RUNS = Number(process.env["RUNS"] ?? 1000);
const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
console.log(`random models: SEED=${seed} RUNS=${RUNS}`);

const oneOf = (...texts: readonly string[]): fc.Arbitrary<string> => fc.constantFrom(...texts);

/** A number as written in the rules, or another. */
const eps = oneOf("1e-5", "1e-6", "0.01", "0");
const half = oneOf("0.5", "0.5", "0.25");

const norms = fc
  .record({ eps, square: oneOf("x ^ 2", "x * x", "x ^ 4", "abs(x)"), weighted: fc.boolean() })
  .chain((o) =>
    oneOf(
      `x * rsqrt(mean(${o.square}, over = d) + ${o.eps})`,
      `x / sqrt(mean(${o.square}, over = d) + ${o.eps})`,
      `x / sqrt(sum(${o.square}, over = d) / size(d) + ${o.eps})`,
      `x / (mean(${o.square}, over = d) + ${o.eps}) ^ 0.5`,
      `x / (sqrt(mean(${o.square}, over = d)) + ${o.eps} + 1e-3)`,
      `(x - mean(x, over = d)) / sqrt(mean((x - mean(x, over = d)) ^ 2, over = d) + ${o.eps} + 1e-6)`,
      `(x - mean(x, over = d)) * rsqrt(abs(mean(x ^ 2, over = d) - mean(x, over = d) ^ 2) + 1e-3)`,
      `(x - mean(x, over = d)) * rsqrt(mean(x ^ 2, over = d) + ${o.eps})`,
      `centre(x) * rsqrt(mean(centre(x) ^ 2, over = d) + 1e-5)`,
      `rms_norm(x, 1, 1e-6)`,
      `layer_norm(x, w, 0, 1e-5)`,
    ).map((core) => (o.weighted ? core : `${core} * 2`)),
  );
const ends = oneOf("", " * w", " * w + s", " + s", " * (1 + w)", " * w * 3", " * w + s + x");
const byHandNorm = fc.tuple(norms, ends).map(([core, end]) => `output (${core})${end}`);

const byHandActivation = half.chain((h) =>
  oneOf(
    `${h} * x * (1 + erf(x / sqrt(2)))`,
    `x * (1 + erf(x * 0.7071067811865476)) * ${h}`,
    `x * (${h} + ${h} * erf(x / 1.4142135623730951))`,
    `${h} * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x ^ 3)))`,
    `${h} * x * (1 + tanh(0.7978845608 * x * (1 + 0.044715 * x * x)))`,
    `x * sigmoid(x)`,
    `x / (1 + exp(-x))`,
    `x * sigmoid(1.702 * x) + ${h}`,
    `max(x, 0) ^ 2`,
    `max(max(x, 0), x * ${h} + 1)`,
    `min(max(x, 0), 1)`,
    `max(0, max(min(x, ${h}) + 1, x ^ 2))`,
    `max(x, ${h})`,
    `where(x > 0, x, 0) * ${h}`,
    `1 / (1 + exp(-x)) - x`,
    `(exp(x) - exp(-x)) / (exp(x) + exp(-x))`,
    `2 * sigmoid(2 * x) - 1`,
  ),
);

const attentions = fc
  .record({
    scale: oneOf(" / sqrt(part)", " * 0.5", "", " / 3"),
    mask: oneOf("none", "where", "added", "finite", "hidden", "before", "twice"),
    tilt: oneOf("", " + tilt", " - tilt"),
    cap: oneOf("", "8"),
    softmax: oneOf("op", "shifted", "plain", "late"),
    shares: fc.boolean(),
  })
  .map((o) => {
    const raw = `dot(q, k, over = part)${o.scale}`;
    const capped = o.cap === "" ? raw : `${o.cap} * tanh((${raw}) / ${o.cap})`;
    const tilted = `(${capped})${o.tilt}`;
    const masks: Record<string, string> = {
      none: tilted,
      where: `where(open, ${tilted}, -inf)`,
      added: `${tilted} + where(open, 0, -inf)`,
      finite: `where(open, ${tilted}, -1e4)`,
      hidden: `where(position(keys) > position(seq), -inf, ${tilted})`,
      before: `where(open, ${capped}, -inf)${o.tilt}`,
      twice: `where(position(seq) - position(keys) > 1, -inf, ${tilted}) + where(not open, -inf, 0)`,
    };
    const softmaxes: Record<string, readonly string[]> = {
      op: ["let p = softmax(z, over = keys)", "dot(p, v, over = keys)"],
      shifted: ["let e = exp(z - max(z, over = keys))\n  let p = e / sum(e, over = keys)", "dot(p, v, over = keys)"],
      plain: ["let e = exp(z)\n  let p = e / sum(e, over = keys)", "dot(p, v, over = keys)"],
      late: ["let p = exp(z - max(z, over = keys))", "dot(p, v, over = keys) / sum(p, over = keys)"],
    };
    const [lets, result] = softmaxes[o.softmax] as [string, string];
    // What is read by something else as well must not be taken away.
    const more = o.shares ? " + sum(p, over = keys)" : "";
    return `let z = ${masks[o.mask]!}\n  ${lets}\n  output (${result}${more})[(parts, part) -> whole] -> out: linear(hidden)`;
  });

/** Queries turned by their places: as the rules have it, and not quite. */
const rotary = fc
  .record({
    form: oneOf("none", "halves", "stacked", "beside", "neighbours"),
    sign: oneOf("-", "-", "+"),
    swap: fc.boolean(),
    gain: oneOf("", " * 2"),
  })
  .map(({ form, sign, swap, gain }) => {
    if (form === "none") return "let q = plain";
    const [c, s] = swap ? ["sines", "cosines"] : ["cosines", "sines"];
    const [a, b] =
      form === "neighbours"
        ? ["plain[part -> (half, pair = 2)][pair = 0]", "plain[part -> (half, pair = 2)][pair = 1]"]
        : form === "stacked"
          ? ["plain[part -> (pair = 2, half)][pair = 0]", "plain[part -> (pair = 2, half)][pair = 1]"]
          : ["plain[part = ..half][part -> half]", "plain[part = half..][part -> half]"];
    const pair = `a * ${c} ${sign} b * ${s}, b * ${c}${gain} + a * ${s}`;
    const turned: Record<string, string> = {
      halves: `concat[half + half -> part](${pair})`,
      stacked: `stack[pair](${pair})[(pair, half) -> part]`,
      neighbours: `stack[pair](${pair})[(half, pair) -> part]`,
      beside: `plain * concat[half + half -> part](${c}, ${c}) + concat[half + half -> part](${sign}b, a) * concat[half + half -> part](${s}, ${s}${gain})`,
    };
    const q = turned[form]!.replace("(+b", "(b");
    return `dim half = part / 2
  let angle = position(seq) * 0.7 ^ position(half)
  let cosines = cos(angle)
  let sines = sin(angle)
  let a = ${a}
  let b = ${b}
  let q = ${q}`;
  });

const libraryAttention = oneOf(
  "mha",
  "gqa(2)",
  "mqa",
  "gqa(2, rope())",
  "mha(window = 2)",
  "mha(softcap = 5)",
  "mha(score_bias = alibi(heads))",
  "mha(qk_norm = rmsnorm)",
);
const libraryNorm = oneOf("layernorm", "rmsnorm", "rmsnorm(offset = 1)", "layernorm(bias = false)");
const libraryFfn = oneOf(
  "mlp(gelu, 8)",
  "mlp(relu, 8)",
  "swiglu(8)",
  "geglu(8)",
  "mlp(my_activation, 8)",
  "gated(my_activation, 8)",
);

const programs = fc
  .record({
    norm: byHandNorm,
    activation: byHandActivation,
    attention: attentions,
    rotary,
    useNorm: fc.oneof(libraryNorm, fc.constant("my_norm")),
    useAttention: fc.oneof(libraryAttention, fc.constant("my_attention")),
    ffn: libraryFfn,
    order: oneOf("pre", "post", "branch", "sandwich"),
    kind: oneOf("decoder", "encoder"),
    layers: fc.constantFrom(1, 2, 3),
    last: oneOf("-> my_norm", "-> layernorm", ""),
  })
  .map(
    (p) => `op my_activation(x) = ${p.activation}
block my_norm(): norm {
  input x: [..., d]
  param w: [d] = ones
  param s: [d] = zeros
  ${p.norm}
}
block my_attention(): attention given hidden, heads {
  input x: [..., seq, hidden]
  dim parts = heads
  dim part = hidden / heads
  let plain = x -> q: linear(parts, part)
  ${p.rotary}
  let k = (x -> linear(parts, part, bias = false))[seq -> keys]
  let v = (x -> linear(parts, part))[seq -> keys]
  let open = position(keys) <= position(seq)
  let tilt = (position(keys) - position(seq)) * 0.25
  ${p.attention}
}
model m(vocab = 7, hidden = 16, heads = 4, layers = ${p.layers}) {
  input tokens: int[batch, seq]
  output y = tokens -> embed(vocab) -> layers: ${p.kind}(${p.order}) x{layers} < ${p.useAttention}, ${p.useNorm}, ${p.ffn} > ${p.last} -> head: linear(vocab)
}
`,
  );

test("random models compute the same before and after all rewrites", { timeout: 20_000 + 1000 * RUNS }, () => {
  let fired = 0;
  fc.assert(
    fc.property(programs, (text) => {
      const { value, diagnostics } = elaborateText(text);
      expect(diagnostics.filter((d) => d.severity === "error").map((d) => d.message)).toEqual([]);
      expect(differenceByRewrites(value!, { batch: 2, seq: 3 }, 7)).toBeLessThan(1e-9);
      fired += afterRewrites(value!).rewrites!.fired.length;
    }),
    { numRuns: RUNS, seed },
  );
  // Half of them at least have something to rewrite, or this tests nothing.
  expect(fired).toBeGreaterThan(RUNS / 2);
});
