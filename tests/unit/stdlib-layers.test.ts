/** Norms and how sublayers are put together, against plain loops. */
import { describe, expect, it } from "vitest";
import { affine, evaluated, expectEach, layer, rms, vectors, type Evaluation } from "../support/by-hand.ts";

const SIZES = { batch: 2, seq: 3 };
const HIDDEN = 6;

function check(block: string, by: (run: Evaluation, x: number[]) => number[], more = ""): void {
  const run = evaluated(
    `${more}model m(hidden = ${HIDDEN}, heads = 2) { input x: float[batch, seq, hidden] output y = x -> f: ${block} }`,
    SIZES,
  );
  const rows = vectors(run.input("x"), SIZES.batch, SIZES.seq).map((row) => row.map((x) => by(run, x)));
  expectEach(run.output(), ["batch", "seq", "hidden"], (b, s, h) => rows[b]![s]![h]!);
}

const ones = Array.from({ length: HIDDEN }, () => 1);
const zeros = ones.map(() => 0);

describe("norms", () => {
  it("layernorm", () =>
    check("layernorm(1e-3)", (run, x) => layer(x, run.weight("f.weight"), run.weight("f.bias"), 1e-3)));
  it("layernorm without parameters", () =>
    check("layernorm(1e-3, scaled = false, bias = false)", (_, x) => layer(x, ones, zeros, 1e-3)));
  it("layernorm without a bias", () =>
    check("layernorm(1e-3, bias = false)", (run, x) => layer(x, run.weight("f.weight"), zeros, 1e-3)));
  it("rmsnorm", () => check("rmsnorm(1e-3)", (run, x) => rms(x, run.weight("f.weight"), 1e-3)));
  it("rmsnorm by 1 + weight", () =>
    check("rmsnorm(1e-3, offset = 1)", (run, x) =>
      rms(
        x,
        run.weight("f.weight").map((w) => 1 + w),
        1e-3,
      ),
    ));
  it("batchnorm", () =>
    check("batchnorm(1e-3)", (run, x) => {
      const w = (name: string, i: number): number => run.weight(`f.${name}`)[i]!;
      return x.map(
        (v, i) => ((v - w("running_mean", i)) / Math.sqrt(w("running_var", i) + 1e-3)) * w("weight", i) + w("bias", i),
      );
    }));
});

describe("where the norm stands", () => {
  const body = (run: Evaluation, x: number[]): number[] =>
    affine(run.weight("f.body.weight"), x, run.weight("f.body.bias"));
  const norm = (run: Evaluation, x: number[], name = "norm"): number[] => rms(x, run.weight(`f.${name}.weight`), 1e-6);
  const plus = (a: number[], b: number[]): number[] => a.map((v, i) => v + b[i]!);
  const ways: Readonly<Record<string, (run: Evaluation, x: number[]) => number[]>> = {
    pre: (run, x) => plus(x, body(run, norm(run, x))),
    post: (run, x) => norm(run, plus(x, body(run, x))),
    branch: (run, x) => plus(x, norm(run, body(run, x))),
    sandwich: (run, x) => plus(x, norm(run, body(run, norm(run, x)), "after")),
  };
  it.each(Object.entries(ways))("%s", (order, by) =>
    check(`sublayer(${order}) < body = linear(hidden), norm = rmsnorm >`, by),
  );

  const maps =
    "block first(): attention given hidden { input x: [..., hidden] output x -> map: linear(hidden) }\nblock second(): ffn given hidden { input x: [..., hidden] output x -> map: linear(hidden) }\n";
  const map = (run: Evaluation, name: string, x: number[]): number[] =>
    affine(run.weight(`f.${name}.map.weight`), x, run.weight(`f.${name}.map.bias`));

  it("side by side, a norm each", () =>
    check(
      "parallel < first, rmsnorm, second >",
      (run, x) =>
        plus(plus(x, map(run, "attention", norm(run, x, "attention_norm"))), map(run, "ffn", norm(run, x, "ffn_norm"))),
      maps,
    ));
  it("side by side on one norm", () =>
    check(
      "parallel(norms = 1) < first, rmsnorm, second >",
      (run, x) => {
        const n = norm(run, x, "attention_norm");
        expect([...run.params.keys()]).not.toContain("f.ffn_norm.weight");
        return plus(plus(x, map(run, "attention", n)), map(run, "ffn", n));
      },
      maps,
    ));
  it("a layer: attention, then feed-forward", () =>
    check(
      "encoder < first, rmsnorm, second >",
      (run, x) => {
        const sub = (part: string, y: number[]): number[] =>
          plus(
            y,
            affine(
              run.weight(`f.${part}.body.map.weight`),
              norm(run, y, `${part}.norm`),
              run.weight(`f.${part}.body.map.bias`),
            ),
          );
        return sub("ffn", sub("attention", x));
      },
      maps,
    ));
});
