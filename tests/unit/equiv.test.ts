/** `tfm equiv`: two models, one model optimised or in steps, two checkpoints. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { tfm } from "../support/cli.ts";

const folder = mkdtempSync(join(tmpdir(), "tfm-equiv-"));
afterAll(() => rmSync(folder, { recursive: true }));

const model = (
  stack: string,
  name = "m",
): string => `model ${name}(vocab = 7, hidden = 6, heads = 2, layers = 2) grows seq {
  input tokens: int[batch, seq]
  output logits = tokens -> embed(vocab) -> layers: decoder x{layers} < ${stack} > -> norm: rmsnorm -> head: linear(vocab)
}
`;

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const plain = model("gqa(1), rmsnorm, swiglu(5)");

interface Answer {
  readonly equal: boolean;
  readonly verdict: string;
  readonly bits?: number;
  readonly layer?: string;
  readonly why?: string;
  readonly weights: { readonly byPath: number; readonly byShape: readonly { left: string; right: string }[] };
  readonly tensors?: { readonly compared: number; readonly differing: readonly { path: string; largest: number }[] };
}

async function answer(...argv: readonly string[]): Promise<Answer & { status: number }> {
  const said = await tfm("equiv", "--json", ...argv);
  expect(said.err).toBe("");
  return { ...(JSON.parse(said.out) as Answer), status: said.status };
}

test("another spelling of an activation is proved equal", async () => {
  const other = `op mine(x) = x / (1 + exp(-x))\n${model("gqa(1), rmsnorm, gated(mine, 5)")}`;
  const said = await answer(file("a.tfm", plain), "-e", other);
  expect(said).toMatchObject({ status: 0, equal: true, verdict: "proved" });
  expect(said.bits).toBeGreaterThanOrEqual(40);
});

test("exponentials that overflow on one side only are no difference: a softmax without a shift", async () => {
  const attention = `block mine() : attention given hidden {
  input x: [..., seq, hidden]
  let q = x -> q: linear(hidden)
  let k = x -> k: linear(hidden) -> keep[seq -> keys]
  let e = exp(where(position(keys) <= position(seq), dot(q, 50 * k, over = hidden), -inf))
  output dot(e, keep[seq -> keys](x), over = keys) / sum(e, over = keys)
}
`;
  const path = file("unshifted.tfm", attention + model("mine, rmsnorm, swiglu(5)"));
  expect(await answer(path, "--with", "optimized")).toMatchObject({ status: 0, verdict: "proved" });
  const other = attention.replace("50 * k", "49 * k") + model("mine, rmsnorm, swiglu(5)");
  expect(await answer(path, "-e", other)).toMatchObject({ status: 1, verdict: "different" });
});

test("what differs is shown where it first does: in its layer, with both values", async () => {
  const said = await tfm("equiv", file("a.tfm", plain), "-e", model("gqa(1), rmsnorm(eps = 1e-4), swiglu(5)"));
  expect(said.status).toBe(1);
  expect(said.out).toMatch(
    /different: by .*\n {2}first value that the first model never has, in layers\.0: `.*eps` \(/,
  );
  expect(said.out).toMatch(/\n {2}and the second never: `.*eps` \(/);
  expect(said.out).toMatch(/left.* = .*\n {2}right.* = /);
  // Small sizes, few numbers.
  expect(said.out).toContain("; batch=1 seq=1\n");
  expect(said.out).toMatch(/\n {2}zero: tokens, /);
  expect(said.out.split("\n").length).toBeLessThanOrEqual(11);
});

test("weights of other paths correspond by their shapes, and this is said", async () => {
  const other = plain.replace("head: linear", "unembed: linear");
  const said = await answer(file("a.tfm", plain), "-e", other);
  expect(said).toMatchObject({
    equal: true,
    verdict: "proved",
    weights: {
      byShape: [
        { left: "head.weight", right: "unembed.weight" },
        { left: "head.bias", right: "unembed.bias" },
      ],
    },
  });
  expect((await tfm("equiv", file("a.tfm", plain), "-e", other)).out).toContain("head.bias for unembed.bias");
});

test("models that take something else cannot be compared", async () => {
  const pairs = plain
    .replace("[batch, seq]", "[batch, seq, pair = 2]")
    .replace("tokens -> embed", "tokens[pair = 0] -> embed");
  const said = await answer(file("a.tfm", plain), "-e", pairs);
  expect(said).toMatchObject({ status: 1, equal: false, verdict: "unknown" });
  expect(said.why).toContain("the second model takes tokens");
});

test("a model in steps with a cache is the model at once: proved", async () => {
  const said = await answer(file("a.tfm", plain), "--with", "cached");
  expect(said).toMatchObject({ status: 0, verdict: "proved" });
  expect(said.bits).toBeGreaterThanOrEqual(40);
});

const root = new URL("../..", import.meta.url).pathname;

test("what goes from place to place is zero before the first step", async () => {
  const said = await answer(join(root, "examples/token-shift.tfm"), "--with", "cached");
  expect(said).toMatchObject({ status: 0, verdict: "proved" });
  const scan = `op decayed(a: float)(h, u) = a * h + u
model m(hidden = 3) grows seq {
  input x: float[batch, seq, hidden]
  output y = scan[seq](decayed(0.5), start = 0)(x -> a: linear(hidden)) -> b: linear(2)
}`;
  expect(await answer(file("scan.tfm", scan), "--with", "cached")).toMatchObject({ status: 0, verdict: "proved" });
  expect(await answer(file("scan.tfm", scan.replace("start = 0", "start = 1")), "--with", "cached")).toMatchObject({
    status: 0,
    verdict: "proved",
  });
});

test.each(["t5", "seq2seq"])(
  "%s in steps, with what its encoder gives handed over, is the model at once",
  async (name) => {
    const said = await answer(join(root, "tests/checkpoints", name), "--with", "cached");
    expect(said).toMatchObject({ status: 0, verdict: "proved" });
  },
);

test("what sees later places is not the same in steps", async () => {
  const said = await tfm("equiv", join(root, "tests/checkpoints/glm"), "--with", "cached");
  expect(said.status).toBe(1);
  expect(said.out).toMatch(/^different: /);
});

test.each(["llama2", "bert-base-model"])("%s of two layers, optimised or not, is one model", async (name) => {
  const start = performance.now();
  const said = await answer(join(root, "tests/checkpoints", name), "--with", "optimized");
  expect(said).toMatchObject({ status: 0, verdict: "proved" });
  expect(performance.now() - start).toBeLessThan(30_000);
});

test("a model of primitive operators after all rewrites is proved to be what it was", async () => {
  expect(await answer(join(root, "examples/by-hand.tfm"), "--with", "optimized")).toMatchObject({ verdict: "proved" });
});

test("of two checkpoints the tensors that differ are listed, and by how much", async () => {
  const home = join(root, "tests/checkpoints/gpt2");
  const copy = join(folder, "gpt2");
  cpSync(home, copy, { recursive: true });
  const weights = join(copy, "model.safetensors");
  const bytes = readFileSync(weights);
  const header = Number(bytes.readBigUInt64LE(0));
  const table = JSON.parse(bytes.subarray(8, 8 + header).toString()) as Record<
    string,
    { dtype: string; data_offsets: [number, number] }
  >;
  const [name, entry] = Object.entries(table).find(([n, t]) => n.includes("ln_f.weight") && t.dtype === "F32")!;
  const at = 8 + header + entry.data_offsets[0];
  bytes.writeFloatLE(bytes.readFloatLE(at) + 0.25, at);
  writeFileSync(weights, bytes);
  const said = await answer(home, copy);
  expect(name).toContain("ln_f.weight");
  expect(said).toMatchObject({ status: 1, equal: false, verdict: "proved" });
  expect(said.tensors?.differing).toHaveLength(1);
  expect(said.tensors?.differing[0]?.largest).toBeCloseTo(0.25, 5);
  expect(await answer(home, home)).toMatchObject({ equal: true, tensors: { differing: [] } });
});

test("the command line says what it needs", async () => {
  expect(await tfm("equiv")).toMatchObject({ status: 2 });
  expect((await tfm("equiv", "-e", "linear(3", "--with", "compiled")).err).toContain("this `(` is never closed");
  expect((await tfm("equiv", file("a.tfm", plain))).err).toContain("1 model is given, and 2 are compared");
  const both = await tfm("equiv", file("two.tfm", plain + model("mha, rmsnorm, swiglu(5)", "n")), "-m", "m", "-m", "n");
  expect(both.status).toBe(1);
  expect(both.out).toContain("weights: ");
});
