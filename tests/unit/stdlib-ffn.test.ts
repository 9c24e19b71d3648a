/** Activations, feed-forward networks and mixtures of experts, against plain loops. */
import { describe, expect, it } from "vitest";
import {
  affine,
  evaluated,
  expectEach,
  sigmoid,
  silu,
  softmaxOf,
  vectors,
  type Evaluation,
} from "../support/by-hand.ts";

const SIZES = { batch: 2, seq: 3 };
const HIDDEN = 6;

/** The error function by its Taylor series, which converges everywhere. */
function erf(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 1; n < 200; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

const gelu = (x: number): number => (x * (1 + erf(x / Math.SQRT2))) / 2;
const ACTIVATIONS: Readonly<Record<string, (x: number) => number>> = {
  step: (x) => (x >= 0 ? 1 : 0),
  sigmoid,
  tanh: (x) => (Math.exp(x) - Math.exp(-x)) / (Math.exp(x) + Math.exp(-x)),
  relu: (x) => (x > 0 ? x : 0),
  silu,
  gelu,
  gelu_tanh: (x) => (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x))),
  quick_gelu: (x) => x / (1 + Math.exp(-1.702 * x)),
  identity: (x) => x,
};

describe("activations", () => {
  const x = [-3, -1.5, -0.25, 0, 0.5, 2.75];
  it.each(Object.entries(ACTIVATIONS))("%s", (name, by) => {
    const run = evaluated(`model m { input x: float[n] output y = x -> ${name} }`, { n: x.length }, { x });
    expectEach(run.output(), ["n"], (i) => by(x[i]!));
  });
});

function check(block: string, by: (run: Evaluation, x: number[]) => number[]): void {
  const run = evaluated(
    `model m(hidden = ${HIDDEN}) { input x: float[batch, seq, hidden] output y = x -> f: ${block} }`,
    SIZES,
  );
  const rows = vectors(run.input("x"), SIZES.batch, SIZES.seq);
  const all = rows.map((row) => row.map((x) => by(run, x)));
  expectEach(run.output(), ["batch", "seq", "hidden"], (b, s, h) => all[b]![s]![h]!);
}

const gatedBy = (
  activation: (x: number) => number,
  gate: readonly number[],
  up: readonly number[],
  down: readonly number[],
  x: number[],
): number[] => {
  const open = affine(gate, x).map(activation);
  return affine(
    down,
    affine(up, x).map((v, i) => v * open[i]!),
  );
};

describe("feed-forward", () => {
  it("mlp", () =>
    check("mlp(gelu, 10)", (run, x) => {
      const w = (name: string): readonly number[] => run.weight(`f.${name}`);
      return affine(w("down.weight"), affine(w("up.weight"), x, w("up.bias")).map(gelu), w("down.bias"));
    }));
  it.each([
    ["swiglu", silu],
    ["geglu", gelu],
    ["reglu", ACTIVATIONS["relu"]!],
  ] as const)("%s", (name, activation) =>
    check(`${name}(10)`, (run, x) => {
      const w = (part: string): readonly number[] => run.weight(`f.${part}.weight`);
      return gatedBy(activation, w("gate"), w("up"), w("down"), x);
    }),
  );
});

/** The part of a weight that belongs to one expert: the axis in front. */
function ofExpert(run: Evaluation, path: string, e: number, experts: number): readonly number[] {
  const all = run.weight(path);
  const size = all.length / experts;
  return all.slice(e * size, (e + 1) * size);
}

/** Indices of the n largest, largest first; of equals the first. */
const largest = (scores: readonly number[], n: number): number[] =>
  scores
    .map((_, i) => i)
    .sort((a, b) => scores[b]! - scores[a]! || a - b)
    .slice(0, n);

describe("mixture of experts", () => {
  it("the best two, weighed by a softmax over their scores", () =>
    check("moe(5, top = 2) < swiglu(4) >", (run, x) => {
      const scores = affine(run.weight("f.router.weight"), x);
      const chosen = largest(scores, 2);
      const share = softmaxOf(chosen.map((e) => scores[e]!));
      const said = chosen.map((e) =>
        gatedBy(
          silu,
          ...(["gate", "up", "down"].map((p) => ofExpert(run, `f.expert.${p}.weight`, e, 5)) as [
            number[],
            number[],
            number[],
          ]),
          x,
        ),
      );
      return x.map((_, h) => said.reduce((sum, s, i) => sum + share[i]! * s[h]!, 0));
    }));

  it("experts with biases, one chosen", () =>
    check("moe(3, top = 1) < mlp(relu, 4) >", (run, x) => {
      const scores = affine(run.weight("f.router.weight"), x);
      const [e] = largest(scores, 1);
      const w = (name: string): readonly number[] => ofExpert(run, `f.expert.${name}`, e!, 3);
      return affine(
        w("down.weight"),
        affine(w("up.weight"), x, w("up.bias")).map((v) => Math.max(v, 0)),
        w("down.bias"),
      );
    }));

  it("groups first, chosen by score + correction; a shared expert", () =>
    check(
      "moe_grouped(8, top = 3, groups = 4, top_groups = 2, gain = 2.5) < expert = swiglu(4), shared = swiglu(5) >",
      (run, x) => {
        const score = affine(run.weight("f.router.weight"), x).map(sigmoid);
        const ranked = score.map((s, e) => s + run.weight("f.correction")[e]!);
        // Two members a group: the two best of a group are its members.
        const groups = [0, 1, 2, 3].map((g) => ranked[2 * g]! + ranked[2 * g + 1]!);
        const open = largest(groups, 2);
        const chosen = largest(
          ranked.map((r, e) => (open.includes(Math.floor(e / 2)) ? r : Number.NEGATIVE_INFINITY)),
          3,
        );
        const sum = chosen.reduce((all, e) => all + score[e]!, 0) + 1e-20;
        const parts = (path: (p: string) => readonly number[]): number[] =>
          gatedBy(silu, path("gate"), path("up"), path("down"), x);
        const shared = parts((p) => run.weight(`f.shared.${p}.weight`));
        const said = chosen.map((e) => parts((p) => ofExpert(run, `f.expert.${p}.weight`, e, 8)));
        return x.map(
          (_, h) => shared[h]! + said.reduce((all, s, i) => all + (s[h]! * 2.5 * score[chosen[i]!]!) / sum, 0),
        );
      },
    ));

  it("each expert may be any block: norms, stages, a repeat", () => {
    const run = evaluated(
      `model m(hidden = ${HIDDEN}) { dim experts = 3 input x: float[batch, seq, hidden] output y = x -> each[experts] < rmsnorm(1e-5) -> up: linear(hidden) -> more: mlp(relu, 4) x2 > }`,
      SIZES,
    );
    const rows = vectors(run.input("x"), SIZES.batch, SIZES.seq);
    const w = (name: string, e: number): readonly number[] => ofExpert(run, `body.${name}`, e, 3);
    const all = rows.map((row) =>
      row.map((x) =>
        [0, 1, 2].map((e) => {
          const scale = Math.sqrt(x.reduce((a, v) => a + v * v, 0) / x.length + 1e-5);
          let y = affine(
            w("up.weight", e),
            x.map((v, i) => (v / scale) * w("rmsnorm.weight", e)[i]!),
            w("up.bias", e),
          );
          for (const i of [0, 1]) {
            const inner = affine(w(`more.${i}.up.weight`, e), y, w(`more.${i}.up.bias`, e)).map((v) => Math.max(v, 0));
            y = affine(w(`more.${i}.down.weight`, e), inner, w(`more.${i}.down.bias`, e));
          }
          return y;
        }),
      ),
    );
    expectEach(run.output(), ["batch", "seq", "experts", "hidden"], (b, s, e, h) => all[b]![s]![e]![h]!);
    expect(run.params.get("body.rmsnorm.weight")!.axes.map((a) => a.name)).toEqual(["experts", "hidden"]);
  });
});
