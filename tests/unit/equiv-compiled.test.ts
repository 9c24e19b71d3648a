/** `tfm equiv` with compiled folders: what their files compute, read node by node, is proved; and mistakes in them are found. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import proto, { type onnx } from "onnx-proto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { meantBy } from "../../src/equivalence/artifact/constants.ts";
import { jointOf, placementOf, type Weight } from "../../src/equivalence/artifact/artifact.ts";
import { tfm } from "../support/cli.ts";

const root = new URL("../..", import.meta.url).pathname;
const checkpoint = (name: string): string => join(root, "tests/checkpoints", name);
const folder = mkdtempSync(join(tmpdir(), "tfm-equiv-"));
afterAll(() => rmSync(folder, { recursive: true }));

interface Answer {
  readonly equal: boolean;
  readonly verdict: string;
  readonly bits?: number;
  readonly why?: string;
  readonly checked?: string;
  readonly layer?: string;
  readonly taken: readonly string[];
  readonly weights: {
    readonly found: number;
    readonly differing: readonly string[];
    readonly alone: readonly string[];
  };
}

async function answer(...argv: readonly string[]): Promise<Answer & { status: number }> {
  const said = await tfm("equiv", "--json", ...argv);
  expect(said.err).toBe("");
  return { ...(JSON.parse(said.out) as Answer), status: said.status };
}

describe.each(["llama2", "bert-base-model"])("%s of two layers", (name) => {
  test.each(["onnx", "onnx-17", "onnx-23", "tfjs"])("is proved to be what its %s files compute", async (target) => {
    const start = performance.now();
    const said = await answer(checkpoint(name), "--with", "compiled", "-t", target);
    expect(said).toMatchObject({ status: 0, equal: true, verdict: "proved", target });
    expect(said.bits).toBeGreaterThanOrEqual(40);
    expect(said.weights).toMatchObject({ differing: [], alone: [] });
    expect(performance.now() - start).toBeLessThan(30_000);
    if (target !== "tfjs") expect(said.checked).toMatch(/re-read; run .* within \de-\d+ of what the program means/);
  });

  test("one target's files compute what the other's do", async () => {
    for (const [a, b] of [
      ["onnx", "tfjs"],
      ["onnx-17", "onnx-23"],
    ] as const) {
      const said = await answer(checkpoint(name), "--with", "compiled", "-t", a, "-t", b);
      expect(said).toMatchObject({ status: 0, verdict: "proved", target: `${a},${b}` });
    }
  });
});

/** Packed weights, two files, a prefix that is seen from before it. */
test.each(["gpt2", "t5", "glm"])("%s is proved to be what its files compute", async (name) => {
  const said = await answer(checkpoint(name), "--with", "compiled");
  expect(said).toMatchObject({ status: 0, equal: true, verdict: "proved" });
  expect(said.weights).toMatchObject({ differing: [], alone: [] });
});

const FIXED = ["sequence_length=1", "batch_size=1", "batch_size=3"].map((size) => `--size ${size}`);

test.each(["--cache shared", "--no-cache", "--logits last", "--dtype float16", "-t tfjs --dtype float16", ...FIXED])(
  "a folder compiled with %s is its program",
  async (options) => {
    const out = join(folder, options.replaceAll(/\W/g, ""));
    const made = await tfm("compile", checkpoint("llama2"), "-o", out, ...options.split(" "));
    expect(made.status, made.err).toBe(0);
    expect(await answer(checkpoint("llama2"), out)).toMatchObject({ status: 0, equal: true, verdict: "proved" });
  },
);

test("a scale over a cap is one constant of the file, and stands for that real", async () => {
  const program = join(folder, "capped.tfm");
  writeFileSync(
    program,
    `model m(vocab = 7, hidden = 12, heads = 3) grows seq {
  input tokens: int[batch, seq]
  output logits = tokens -> words: embed(vocab) -> decoder < mha(softcap = 7), layernorm, mlp(relu, 5) > -> head: linear(vocab)
}
`,
  );
  expect(await answer(program, "--with", "compiled")).toMatchObject({ status: 0, equal: true, verdict: "proved" });
});

test.each(["onnx", "onnx-17", "onnx-23", "tfjs"])("a vector before every row's places, in %s", async (target) => {
  const program = join(folder, "first.tfm");
  writeFileSync(
    program,
    `model m(hidden = 4, heads = 1) {
  input x: float[batch, seq, hidden]
  param first: [one = 1, hidden] = normal(1)
  output y = concat[one + seq -> all](first, x) -> encoder < mha, rmsnorm, mlp(gelu, 5) >
}`,
  );
  const found = await answer(program, "--with", "compiled", "-t", target);
  expect(found).toMatchObject({ status: 0, equal: true, verdict: "proved" });
});

test("a third, rounded to a half, stands for the program's third", () => {
  const meant = meantBy([1 / 3, 7]);
  expect(meant(0.333251953125, true)).toBe(1 / 3);
  expect(meant(Math.fround(1 / 21))).toBe(1 / 3 / 7);
  expect(meant(-30_000, true)).toBe(-Infinity);
});

test("weights of the same numbers are told apart by the names that a packed tensor's joins", () => {
  const vector = (path: string, size: number): Weight => ({
    path,
    axes: [{ name: "out", size }],
    id: 0,
    numbers: () => new Float32Array(size),
  });
  const weights = [
    vector("norm.bias", 4),
    vector("other.bias", 8),
    ...["k", "q", "v"].map((x) => vector(`a.${x}.bias`, 4)),
  ];
  const packed = (name: string, size: number) => ({
    name,
    dims: [size],
    dtype: "float" as const,
    isWeight: true,
    rounding: [0, 0] as const,
    numbers: () => new Float64Array(size),
  });
  expect(placementOf(packed("a.q+k.bias", 8), weights)).toBeUndefined();
  expect(jointOf(packed("a.q+k.bias", 8), weights)!.parts.map((p) => p.weight.path)).toEqual(["a.q.bias", "a.k.bias"]);
  expect(placementOf(packed("a.v.bias", 4), weights)!.weight.path).toBe("a.v.bias");
});

const model = `model m(vocab = 7, hidden = 8, heads = 2, layers = 2) grows seq {
  input tokens: int[batch, seq]
  output logits = tokens -> embed(vocab) -> layers: decoder x{layers} < gqa(1, rope()), rmsnorm(eps = 1e-5), swiglu(5) > -> head: linear(vocab)
}
`;

test("folders of fixed sizes are their program, step after step, and each other", async () => {
  const program = join(folder, "one.tfm");
  const text = `model one(hidden = 4, heads = 2) grows seq {
    input x: float[batch, seq, hidden]
    output y = x -> decoder x1 < mha, rmsnorm, mlp(relu, 8) >
  }`;
  writeFileSync(program, text);
  const compiled = async (name: string, ...sizes: readonly string[]): Promise<string> => {
    const out = join(folder, `one-${name}`);
    const made = await tfm("compile", program, "-o", out, ...sizes.flatMap((s) => ["--size", s]));
    expect(made.status, made.err).toBe(0);
    return out;
  };
  const [open, both, three] = [
    await compiled("open"),
    await compiled("both", "seq=1", "batch=1"),
    await compiled("three", "seq=3"),
  ];
  for (const out of [open, both, three])
    expect(await answer(program, out)).toMatchObject({ status: 0, equal: true, verdict: "proved" });
  expect(await answer(open, three)).toMatchObject({ status: 0, verdict: "proved" });
  writeFileSync(
    program,
    text.replace("relu", "relu6_of").replace("model one", "op relu6_of(x: [...]) = min(max(x, 0), 6)\nmodel one"),
  );
  expect(await answer(program, both)).toMatchObject({ status: 1, equal: false, verdict: "different" });
});

describe("a folder against its program", () => {
  const out = join(folder, "m");
  const program = join(folder, "m.tfm");
  beforeAll(async () => {
    writeFileSync(program, model);
    expect(await tfm("compile", program, "-o", out)).toMatchObject({ status: 0 });
  });

  /** A copy with its graph changed. */
  function changed(name: string, change: (graph: onnx.IGraphProto) => void): string {
    const copy = join(folder, name);
    cpSync(out, copy, { recursive: true });
    const file = join(copy, "model.onnx");
    const decoded = proto.onnx.ModelProto.decode(new Uint8Array(readFileSync(file)));
    change(decoded.graph!);
    writeFileSync(file, proto.onnx.ModelProto.encode(decoded).finish());
    return copy;
  }

  const floatOf = (t: onnx.ITensorProto): number => new DataView(t.rawData!.slice().buffer).getFloat32(0, true);
  const bytesOf = (x: number): Uint8Array => new Uint8Array(Float32Array.of(x).buffer);

  test("is proved, in whatever order they are given", async () => {
    for (const sides of [
      [program, out],
      [out, program],
      [out, out],
    ])
      expect(await answer(...sides)).toMatchObject({
        status: 0,
        verdict: "proved",
        weights: { differing: [], alone: [] },
      });
  });

  test("another epsilon is found, in its layer", async () => {
    const other = changed("eps", (g) => {
      const eps = g.initializer!.find(
        (t) => t.dataType === 1 && (t.rawData?.length ?? 0) === 4 && Math.abs(floatOf(t) - 1e-5) < 1e-9,
      )!;
      eps.rawData = bytesOf(1.0001e-5);
    });
    const said = await answer(program, other);
    expect(said).toMatchObject({ status: 1, equal: false, verdict: "different", layer: "layers.0" });
    expect((await tfm("equiv", program, other)).out).toMatch(/in layers\.0: add in the node layers\.0\/Add/);
  });

  test("an operand in the wrong place is found", async () => {
    const other = changed("swapped", (g) => {
      const turned = g.node!.find((n) => n.opType === "RotaryEmbedding" && n.name!.startsWith("layers.1/"))!;
      const [x, places, cosine, sine] = turned.input!;
      turned.input = [x!, places!, sine!, cosine!];
    });
    expect(await answer(program, other)).toMatchObject({ status: 1, verdict: "different", layer: "layers.1" });
  });

  test("other numbers of a weight are found", async () => {
    const copy = join(folder, "weights");
    cpSync(out, copy, { recursive: true });
    const data = join(copy, "model.onnx_data");
    const bytes = readFileSync(data);
    bytes.writeFloatLE(bytes.readFloatLE(0) * 1.00001, 0);
    writeFileSync(data, bytes);
    const said = await answer(program, copy);
    expect(said).toMatchObject({ status: 1, equal: false, verdict: "proved" });
    expect(said.weights.differing).toHaveLength(1);
  });

  test("an operator that is not known is unknown, by its name", async () => {
    const other = changed("unknown", (g) => (g.node!.find((n) => n.opType === "Sigmoid")!.opType = "HardSwish"));
    const said = await answer(program, other);
    expect(said).toMatchObject({ status: 1, equal: false, verdict: "unknown" });
    expect(said.why).toContain("HardSwish");
  });

  test("a file that is cut off is said to be", async () => {
    const copy = join(folder, "cut");
    cpSync(out, copy, { recursive: true });
    writeFileSync(join(copy, "model.onnx"), readFileSync(join(copy, "model.onnx")).subarray(0, 300));
    const said = await tfm("equiv", program, copy);
    expect(said.status).toBe(1);
    expect(said.err).toMatch(/artifact\/damaged.*model\.onnx in \S+ is damaged: /);
    cpSync(out, copy, { recursive: true, force: true });
    writeFileSync(join(copy, "model.onnx_data"), new Uint8Array(8));
    expect((await tfm("equiv", program, copy)).err).toMatch(/artifact\/file-size.*model\.onnx_data in \S+ has 8 bytes/);
  });
});
