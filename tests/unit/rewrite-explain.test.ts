/** `tfm compile --explain`: what fired where, what nearly did, as text and as data. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { tfm } from "../support/cli.ts";

const example = new URL("../../examples/by-hand.tfm", import.meta.url).pathname;
let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tfm-explain-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("without -o it says what the rewrites do, and writes nothing", async () => {
  const said = await tfm("compile", example, "--explain");
  expect(said).toMatchObject({ status: 0, err: "" });
  expect(said.out).toMatch(
    /layer norm: 10 operators became 1, 2 times in layers\n {2}at \S*by-hand\.tfm:\d+:\d+: x \* gain/,
  );
  expect(said.out).toMatch(/attention: \d+ operators became 1, 2 times in layers/);
  expect(said.out).toMatch(/9 rewrites, 0 refusals; \d+ rules on \d+ values in 3 rounds\n$/);
});

test("as data", async () => {
  const said = await tfm("compile", example, "--explain", "--json");
  const { rewrites } = JSON.parse(said.out) as {
    rewrites: { graph: string; fired: { rule: string; at: string; declared: string; cost: number[] }[] }[];
  };
  expect(rewrites).toHaveLength(1);
  expect(rewrites[0]!.fired.map((f) => f.rule).sort()).toEqual(
    ["attention", "gelu", "layer norm", "rms norm", "rms norm", "rms norm", "sigmoid", "silu", "softmax"].sort(),
  );
  for (const f of rewrites[0]!.fired) {
    expect(f.at).toMatch(/by-hand\.tfm:\d+:\d+$/);
    expect(f.declared).toMatch(/rewrites\.tfm:\d+:\d+$/);
    expect(f.cost[0]).toBeGreaterThan(f.cost[1]!);
  }
});

test("what nearly fired, and why it did not", async () => {
  const path = join(folder, "near.tfm");
  writeFileSync(
    path,
    `model near(d = 4) {
  input x: float[batch, d]
  param w: [d] = ones
  let v = mean(x ^ 2, over = d) + 1e-6
  output y = x * rsqrt(v) * w + v
}
`,
  );
  const said = await tfm("compile", path, "--explain");
  expect(said.out).toContain("rms norm, refused: its add is read by another add");
  expect(said.out).toContain("0 rewrites, 1 refusal");
  const none = await tfm("compile", path, "--explain", "--no-optimize");
  expect(none.out).toContain("nothing was rewritten: --no-optimize");
});

test("what is written is the graph of the same model out of the library's operators", { timeout: 60_000 }, async () => {
  let made = 0;
  const nodes = async (source: string, ...more: string[]): Promise<Readonly<Record<string, number>>> => {
    const said = await tfm("compile", source, "-o", join(folder, `out${made++}`), "--json", ...more);
    expect(said, said.err).toMatchObject({ status: 0 });
    return (JSON.parse(said.out) as { nodes: Readonly<Record<string, number>> }).nodes;
  };
  let text = readFileSync(example, "utf8");
  for (const [from, to] of [
    ["x / sqrt(mean(x * x, over = d) + 1e-5) * gain", "rms_norm(x, gain, 1e-5)"],
    ["gain_and_offset(c * (variance + 1e-6) ^ -0.5, gain, offset)", "layer_norm(x, gain, offset, 1e-6)"],
    ["gate / (1 + exp(-gate))", "silu(gate)"],
    ["0.5 * h * (1 + erf(h / 1.4142135623730951))", "gelu(h)"],
    [
      "dot(share, said, over = keys)",
      "attend(asked, offered, said, keys, position(keys) <= position(seq), 0, width ^ -0.5)",
    ],
  ] as const) {
    expect(text.split(from)).toHaveLength(2);
    text = text.replace(from, to);
  }
  const twin = join(folder, "twin.tfm");
  writeFileSync(twin, text);
  const byHand = await nodes(example);
  expect(byHand).toEqual(await nodes(twin));
  expect(byHand).toMatchObject({ LayerNormalization: 2, Gelu: 2, Softmax: 2 });
  const asWritten = await nodes(example, "--no-optimize");
  for (const fused of ["LayerNormalization", "Gelu"]) expect(asWritten).not.toHaveProperty(fused);
  const count = (all: Readonly<Record<string, number>>): number => Object.values(all).reduce((a, b) => a + b, 0);
  expect(count(byHand)).toBeLessThan(0.75 * count(asWritten));
});

test("what nodes cost on the target decides: a product is dear where passes count, cheap where launches do", async () => {
  const text = `rewrite "a sum of products" (x: [..., d], y: [..., d]) { sum(x * y, over = d) => dot(x, y, over = d) }
model m(hidden = 8) {
  input x: float[batch, seq, hidden]
  input y: float[batch, seq, hidden]
  output z = sum(x * y, over = hidden)
}`;
  const explained = async (...options: string[]): Promise<string> =>
    (await tfm("compile", "-e", text, "--explain", ...options)).out;
  expect(await explained()).toMatch(/a sum of products, refused: it would not be cheaper\n.*\n0 rewrites, 1 refusal/);
  for (const options of [
    ["--provider", "webgpu"],
    ["--provider", "cuda"],
    ["-t", "tfjs", "--provider", "webgpu"],
  ])
    expect(await explained(...options), options.join(" ")).toMatch(
      /a sum of products: 2 operators became 1\n.*\n1 rewrite,/,
    );
});
