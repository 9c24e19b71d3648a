/** Rotary positions of every kind and scaling, and learned ones, against plain loops. Scalings: transformers, modeling_rope_utils.py. */
import { describe, expect, it } from "vitest";
import { elaborateText } from "../support/programs.ts";
import { evaluated, expectEach } from "../support/by-hand.ts";

const WIDTH = 8;
const THETA = 100;
const SIZES = { batch: 2, seq: 6 };

/** The frequencies of a head and the factor of its result, for a width. */
type Scaling = (width: number) => { readonly frequencies: readonly number[]; readonly gain?: number };

const plain: Scaling = (width) => ({
  frequencies: Array.from({ length: width / 2 }, (_, i) => THETA ** ((-2 * i) / width)),
});

/** Turns a vector: pairs half a width apart, or neighbours. */
function turned(x: readonly number[], place: number, scaling: Scaling, width: number, neighbours: boolean): number[] {
  const { frequencies, gain = 1 } = scaling(width);
  const out = [...x];
  for (let i = 0; i < width / 2; i++) {
    const [a, b] = neighbours ? [2 * i, 2 * i + 1] : [i, i + width / 2];
    const [c, s] = [Math.cos(place * frequencies[i]!) * gain, Math.sin(place * frequencies[i]!) * gain];
    out[a] = x[a]! * c - x[b]! * s;
    out[b] = x[b]! * c + x[a]! * s;
  }
  return out;
}

function check(settings: string, scaling: Scaling, { width = WIDTH, neighbours = false, most = 40 } = {}): void {
  const places = Array.from({ length: 12 }, (_, i) => (i * 7) % most);
  const run = evaluated(
    `model m(theta = ${THETA}) { input x: float[batch, seq, 8] input places: int[batch, seq] output y = rope(theta${settings})(x, places) }`,
    SIZES,
    { places },
  );
  const x = run.input("x");
  expectEach(run.output(), ["batch", "seq", "size2"], (b, s, d) => {
    const at = b * SIZES.seq + s;
    return turned(x.slice(at * WIDTH, (at + 1) * WIDTH), places[at]!, scaling, width, neighbours)[d]!;
  });
}

describe("rope", () => {
  it("pairs half a width apart", () => check("", plain));
  it("neighbouring pairs", () => check(", neighbours = true", plain, { neighbours: true }));
  it("a part of the width", () => check(", width = 4", plain, { width: 4 }));
  it("a part of the width, neighbouring pairs", () =>
    check(", width = 6, neighbours = true", plain, { width: 6, neighbours: true }));
});

describe("scalings", () => {
  const scaled =
    (change: (f: number, i: number, half: number) => number, gain = 1): Scaling =>
    (width) => {
      const { frequencies } = plain(width);
      return { frequencies: frequencies.map((f, i) => change(f, i, width / 2)), gain };
    };

  it("linear", () =>
    check(
      ", linear_scaling(4)",
      scaled((f) => f / 4),
    ));

  it("llama3", () => {
    const [factor, low, high, original] = [8, 1, 4, 64];
    check(
      `, llama3(${factor}, ${low}, ${high}, ${original})`,
      scaled((f) => {
        const wave = (2 * Math.PI) / f;
        if (wave < original / high) return f;
        if (wave > original / low) return f / factor;
        const smooth = (original / wave - low) / (high - low);
        return ((1 - smooth) * f) / factor + smooth * f;
      }),
    );
  });

  const yarn =
    (factor: number, original: number, fast: number, slow: number, whole: boolean, gain: number): Scaling =>
    (width) => {
      const dimension = (turns: number): number =>
        (width * Math.log(original / (turns * 2 * Math.PI))) / (2 * Math.log(THETA));
      let [low, high] = [dimension(fast), dimension(slow)];
      if (whole) [low, high] = [Math.floor(low), Math.ceil(high)];
      [low, high] = [Math.max(low, 0), Math.min(high, width - 1)];
      if (low === high) high += 0.001;
      const frequencies = plain(width).frequencies.map((f, i) => {
        const ramp = Math.min(Math.max((i - low) / (high - low), 0), 1);
        return (f / factor) * ramp + f * (1 - ramp);
      });
      return { frequencies, gain };
    };

  it("yarn", () => check(", yarn(4, 64)", yarn(4, 64, 32, 1, true, 0.1 * Math.log(4) + 1)));
  it("yarn with bounds of its own, not rounded, and a gain", () =>
    check(", yarn(8, 256, 20, 2, 1.25, whole = false)", yarn(8, 256, 20, 2, false, 1.25)));
  it("yarn that does not stretch", () => check(", yarn(1, 64)", yarn(1, 64, 32, 1, true, 1)));

  const dynamic =
    (factor: number, original: number, length: number): Scaling =>
    (width) => {
      const reached = Math.max(length, original);
      const base = THETA * ((factor * reached) / original - (factor - 1)) ** (width / (width - 2));
      return { frequencies: Array.from({ length: width / 2 }, (_, i) => base ** ((-2 * i) / width)) };
    };

  it("dynamic NTK, beyond the original length", () => check(", dynamic_ntk(2, 16, 40)", dynamic(2, 16, 40)));
  it("dynamic NTK, within it", () => check(", dynamic_ntk(2, 64, 40)", plain));
  it("dynamic NTK, of the length at hand", () => check(", dynamic_ntk(3, 4, size(seq))", dynamic(3, 4, 6)));

  const [SHORT, LONG] = [
    [1, 1.1, 1.3, 2],
    [1, 2, 4.5, 9],
  ];
  it("longrope, of a short text", () =>
    check(
      `, longrope([${SHORT}], [${LONG}], 4, 64, 40)`,
      scaled((f, i) => f / SHORT[i]!, Math.sqrt(1 + Math.log(4) / Math.log(64))),
    ));
  it("longrope, of a long text", () =>
    check(
      `, longrope([${SHORT}], [${LONG}], 4, 16, 40, gain = 1.5)`,
      scaled((f, i) => f / LONG[i]!, 1.5),
    ));
  it("longrope, of the length at hand", () =>
    check(
      `, longrope([${SHORT}], [${LONG}], 1, 4, size(seq))`,
      scaled((f, i) => f / LONG[i]!),
    ));

  /** What a config wishes, through the map of a family that uses `rope_scaling_of`. */
  const wished = (wish: object): { frequencies: readonly string[] } => {
    const config = {
      name: "config.json",
      value: {
        model_type: "llama",
        architectures: ["LlamaModel"],
        vocab_size: 8,
        hidden_size: 8,
        intermediate_size: 8,
        num_hidden_layers: 1,
        num_attention_heads: 1,
        num_key_value_heads: 1,
        rms_norm_eps: 1e-6,
        hidden_act: "silu",
        rope_scaling: wish as never,
        rope_theta: THETA,
        max_position_embeddings: 32,
      },
    };
    const { value, diagnostics } = elaborateText(undefined, { config });
    expect(diagnostics.filter((d) => d.severity === "error").map((d) => d.message)).toEqual([]);
    return { frequencies: value!.settings.filter((s) => s.name === "scaling").map((s) => s.text) };
  };

  it("a config's yarn", () => {
    const wish = {
      rope_type: "yarn",
      factor: 4,
      original_max_position_embeddings: 64,
      beta_fast: 16,
      beta_slow: 2,
      truncate: false,
      attention_factor: 1.5,
    };
    expect(wished(wish).frequencies).toEqual(["yarn(4, 64, 16, 2, 1.5, false)"]);
    const weighed = { type: "yarn", factor: 40, original_max_position_embeddings: 64, mscale: 0.7, mscale_all_dim: 1 };
    const gain = (0.1 * 0.7 * Math.log(40) + 1) / (0.1 * Math.log(40) + 1);
    expect(wished(weighed).frequencies).toEqual([`yarn(40, 64, none, none, ${gain}, none)`]);
    // Where it does not say of what length, that of the config.
    expect(wished({ type: "yarn", factor: 2 }).frequencies).toEqual(["yarn(2, 32, none, none, none, none)"]);
  });
});

it("learned positions are a table, read at the places", () => {
  const position_ids = [0, 1, 2, 3, 4, 5, 5, 4, 3, 2, 1, 0];
  const run = evaluated(
    "model m(hidden = 4) { input x: float[batch, seq, hidden] input position_ids: int[batch, seq] output y = x -> place: learned(6) }",
    SIZES,
    { position_ids },
  );
  const [x, table] = [run.input("x"), run.weight("place.weight")];
  expectEach(
    run.output(),
    ["batch", "seq", "hidden"],
    (b, s, h) => x[(b * 6 + s) * 4 + h]! + table[position_ids[b * 6 + s]! * 4 + h]!,
  );
});
