/** Attention, its masks, biases and norms, against plain loops over heads and places. */
import { describe, expect, it } from "vitest";
import { affine, evaluated, expectEach, rms, softmaxOf, vectors, type Evaluation } from "../support/by-hand.ts";

const BATCH = 2;
const SEQ = 5;
const HIDDEN = 12;
const HEADS = 6;
const SIZES = { batch: BATCH, seq: SEQ };

interface Way {
  readonly kvHeads: number;
  readonly headDim?: number;
  readonly bias?: boolean;
  /** Whether the place `query` sees the place `key`, in the row `batch`. */
  sees?(query: number, key: number, batch: number): boolean;
  tilt?(head: number, query: number, key: number): number;
  /** What is done to a query (of a head) or key before they meet. */
  turn?(x: number[], place: number): number[];
  normQuery?(all: number[][]): number[][];
  normKey?(all: number[][]): number[][];
  readonly softcap?: number;
}

/** Attention as the papers write it, one head at a time. */
function byHand(run: Evaluation, way: Way): (b: number, s: number, h: number) => number {
  const { kvHeads, headDim = HIDDEN / HEADS } = way;
  const at = (name: string): readonly number[] => run.weight(name);
  const biasOf = (name: string): readonly number[] | undefined => (way.bias ? at(`${name}.bias`) : undefined);
  const split = (x: number[]): number[][] =>
    Array.from({ length: x.length / headDim }, (_, i) => x.slice(i * headDim, (i + 1) * headDim));
  const turn = way.turn ?? ((x: number[]) => x);
  const rows = vectors(run.input("x"), BATCH, SEQ).map((row, b) => {
    const heads = (name: string) => row.map((x) => split(affine(at(`a.${name}.weight`), x, biasOf(`a.${name}`))));
    const q = heads("q").map((all, s) => (way.normQuery ?? ((y) => y))(all).map((x) => turn(x, s)));
    const k = heads("k").map((all, s) => (way.normKey ?? ((y) => y))(all).map((x) => turn(x, s)));
    const v = heads("v");
    return row.map((_, s) => {
      const mixed: number[] = [];
      for (let head = 0; head < HEADS; head++) {
        const kv = Math.floor(head / (HEADS / kvHeads));
        const scores = row.map((__, t) => {
          if (way.sees && !way.sees(s, t, b)) return Number.NEGATIVE_INFINITY;
          let score = 0;
          for (let d = 0; d < headDim; d++) score += q[s]![head]![d]! * k[t]![kv]![d]!;
          score /= Math.sqrt(headDim);
          if (way.softcap) score = way.softcap * Math.tanh(score / way.softcap);
          return score + (way.tilt?.(head, s, t) ?? 0);
        });
        const share = softmaxOf(scores);
        for (let d = 0; d < headDim; d++) mixed.push(share.reduce((sum, w, t) => sum + w * v[t]![kv]![d]!, 0));
      }
      return affine(at("a.out.weight"), mixed, biasOf("a.out"));
    });
  });
  return (b, s, h) => rows[b]![s]![h]!;
}

function check(block: string, way: Way, settings = "", inputs = "", given: Record<string, number[]> = {}): void {
  const run = evaluated(
    `model m(hidden = ${HIDDEN}, heads = ${HEADS}${settings}) {\n  input x: float[batch, seq, hidden]\n${inputs}  output y = x -> a: ${block}\n}`,
    SIZES,
    given,
  );
  expectEach(run.output(), ["batch", "seq", "hidden"], byHand(run, way));
}

const causal = (query: number, key: number): boolean => key <= query;

describe("how many key/value heads", () => {
  it("mha", () => check("mha", { kvHeads: HEADS }));
  it("mha with biases", () => check("mha(bias = true)", { kvHeads: HEADS, bias: true }));
  it("gqa", () => check("gqa(2)", { kvHeads: 2 }));
  it("mqa", () => check("mqa", { kvHeads: 1 }));
  it("heads wider than their part", () => check("gqa(3, head_dim = 4)", { kvHeads: 3, headDim: 4 }));
});

describe("masks", () => {
  it("causal", () => check("gqa(2, causal = true)", { kvHeads: 2, sees: causal }));
  it("causal_mask", () => check("gqa(2, sees = causal_mask)", { kvHeads: 2, sees: causal }));
  it("a window, both ways", () => check("gqa(2, window = 2)", { kvHeads: 2, sees: (q, k) => Math.abs(q - k) < 2 }));
  it("sliding", () => check("gqa(2, sees = sliding(3))", { kvHeads: 2, sees: (q, k) => Math.abs(q - k) < 3 }));
  it("a window of what came before", () =>
    check("gqa(2, causal = true, window = 2)", { kvHeads: 2, sees: (q, k) => k <= q && q - k < 2 }));
  it("prefix", () => {
    const n = [2, 4];
    check(
      "gqa(2, sees = prefix(n))",
      { kvHeads: 2, sees: (q, k, b) => k <= q || k < n[b]! },
      "",
      "  input n: int[batch]\n",
      { n },
    );
  });
  it("padded", () => {
    const real = [0, 1, 1, 1, 1, 1, 1, 0, 1, 0];
    check(
      "gqa(2, sees = padded(real))",
      { kvHeads: 2, sees: (_, k, b) => real[b * SEQ + k] === 1 },
      "",
      "  input real: bool[batch, seq]\n",
      { real },
    );
  });
  it("padding, by the model's attention_mask; a row that sees nothing is zero before the last map", () => {
    const attention_mask = [0, 1, 1, 1, 1, 0, 0, 0, 0, 0];
    check(
      "mha(causal = true, bias = true)",
      { kvHeads: HEADS, bias: true, sees: (q, k, b) => k <= q && attention_mask[b * SEQ + k] === 1 },
      "",
      "  input attention_mask: bool[batch, seq]\n",
      { attention_mask },
    );
  });
  it("joined by and, or", () => {
    const run = evaluated(
      `op mine(query, key) = causal_mask(query, key) and (sliding(2)(query, key) or key == 0)
model m(hidden = ${HIDDEN}, heads = ${HEADS}) { input x: float[batch, seq, hidden] output y = x -> a: mqa(sees = mine) }`,
      SIZES,
    );
    expectEach(
      run.output(),
      ["batch", "seq", "hidden"],
      byHand(run, { kvHeads: 1, sees: (q, k) => k <= q && (q - k < 2 || k === 0) }),
    );
  });
});

describe("what is added to scores, and what bounds them", () => {
  /** The paper's slopes: 2^(-8/n), 2^(-16/n), ... for a power of two; between two of them those of the smaller, then every other one of the double. */
  const slopes = (n: number): number[] => {
    const of = (m: number): number[] => Array.from({ length: m }, (_, i) => (2 ** (-8 / m)) ** (i + 1));
    const near = 2 ** Math.floor(Math.log2(n));
    return near === n
      ? of(n)
      : [
          ...of(near),
          ...of(2 * near)
            .filter((_, i) => i % 2 === 0)
            .slice(0, n - near),
        ];
  };

  it("ALiBi, of heads that are no power of two", () =>
    check("mha(causal = true, score_bias = alibi(heads))", {
      kvHeads: HEADS,
      sees: causal,
      tilt: (h, q, k) => -slopes(HEADS)[h]! * (q - k),
    }));
  it("ALiBi's slopes of eight heads", () => {
    const run = evaluated("model m(heads = 8) { input x: float[seq] output y = alibi(heads)(position(seq), 0) }", {
      seq: 4,
    });
    expectEach(run.output(), ["heads", "seq"], (h, s) => -s * 2 ** -(h + 1));
  });
  it("softcap", () => check("gqa(2, softcap = 0.5)", { kvHeads: 2, softcap: 0.5 }));
});

describe("norms of queries and keys", () => {
  const inputs = "model m(hidden = 12, heads = 6) { input x: float[batch, seq, hidden] output y = x -> a: ";

  it("each head by itself", () => {
    const run = evaluated(`${inputs}gqa(2, qk_norm = rmsnorm(1e-5)) }`, SIZES);
    const norm = (name: string) => (all: number[][]) => all.map((x) => rms(x, run.weight(`a.${name}.weight`), 1e-5));
    expect(run.weight("a.q_norm.weight")).toHaveLength(HIDDEN / HEADS);
    expectEach(
      run.output(),
      ["batch", "seq", "hidden"],
      byHand(run, { kvHeads: 2, normQuery: norm("q_norm"), normKey: norm("k_norm") }),
    );
  });

  it("all heads as one vector", () => {
    const run = evaluated(`${inputs}gqa(2, qk_norm = rmsnorm(1e-5), qk_norm_whole = true) }`, SIZES);
    const norm = (name: string) => (all: number[][]) => {
      const flat = rms(all.flat(), run.weight(`a.${name}.weight`), 1e-5);
      return all.map((x, i) => flat.slice(i * x.length, (i + 1) * x.length));
    };
    expect(run.weight("a.q_norm.weight")).toHaveLength(HIDDEN);
    expect(run.weight("a.k_norm.weight")).toHaveLength((HIDDEN / HEADS) * 2);
    expectEach(
      run.output(),
      ["batch", "seq", "hidden"],
      byHand(run, { kvHeads: 2, normQuery: norm("q_norm"), normKey: norm("k_norm") }),
    );
  });
});

it("attention turns queries and keys by their places", () => {
  const turn = (x: number[], place: number): number[] => {
    const half = x.length / 2;
    return x.map((v, i) => {
      const angle = place * 100 ** (-(i % half) / half);
      const other = i < half ? -x[i + half]! : x[i - half]!;
      return v * Math.cos(angle) + other * Math.sin(angle);
    });
  };
  check("gqa(3, rope(100), head_dim = 4)", { kvHeads: 3, headDim: 4, turn });
});

describe("latent attention", () => {
  const [PLAIN, TURNING, VALUE, RANK, WIDE] = [3, 4, 5, 6, 7];

  it.each([true, false])("with a narrow query: %s", (narrow) => {
    const run = evaluated(
      `model m(hidden = 12, heads = 3) { input x: float[batch, seq, hidden] output y = x -> a: mla(${narrow ? WIDE : "none"}, ${RANK}, ${PLAIN}, ${TURNING}, ${VALUE}, causal = true) }`,
      SIZES,
    );
    const w = (name: string): readonly number[] => run.weight(`a.${name}.weight`);
    const turn = (x: number[], place: number): number[] => {
      const out: number[] = [];
      for (let i = 0; i < x.length; i += 2) {
        const angle = place * 10_000 ** (-i / x.length);
        out.push(
          x[i]! * Math.cos(angle) - x[i + 1]! * Math.sin(angle),
          x[i + 1]! * Math.cos(angle) + x[i]! * Math.sin(angle),
        );
      }
      return out;
    };
    const rows = vectors(run.input("x"), BATCH, SEQ).map((row) => {
      const places = row.map((x, s) => {
        const query = affine(w("q"), narrow ? rms(affine(w("q_down"), x), w("q_norm"), 1e-6) : x);
        const low = affine(w("kv_down"), x);
        const up = affine(w("kv_up"), rms(low.slice(0, RANK), w("kv_norm"), 1e-6));
        return { query, shared: turn(low.slice(RANK), s), up };
      });
      return row.map((_, s) => {
        const mixed: number[] = [];
        for (let h = 0; h < 3; h++) {
          const q = places[s]!.query.slice(h * (PLAIN + TURNING), (h + 1) * (PLAIN + TURNING));
          const asked = [...q.slice(0, PLAIN), ...turn(q.slice(PLAIN), s)];
          const own = (t: number): number[] => places[t]!.up.slice(h * (PLAIN + VALUE), (h + 1) * (PLAIN + VALUE));
          const scores = row.map((__, t) => {
            if (t > s) return Number.NEGATIVE_INFINITY;
            const key = [...own(t).slice(0, PLAIN), ...places[t]!.shared];
            return key.reduce((sum, v, i) => sum + v * asked[i]!, 0) / Math.sqrt(PLAIN + TURNING);
          });
          const share = softmaxOf(scores);
          for (let d = 0; d < VALUE; d++) mixed.push(share.reduce((sum, p, t) => sum + p * own(t)[PLAIN + d]!, 0));
        }
        return affine(w("out"), mixed);
      });
    });
    expectEach(run.output(), ["batch", "seq", "hidden"], (b, s, h) => rows[b]![s]![h]!);
  });
});
