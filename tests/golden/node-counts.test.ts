/**
 * How many nodes each example becomes for each target: all, transposes and reshapes, in `node-counts.md`; and what one layer of the
 * families adds. `UPDATE=1 npx vitest run tests/golden` writes the table anew, to be read before it is committed.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { emitOnnx } from "../../src/backends/onnx/emit.ts";
import { keeps, ONNX_PROVIDERS, type OnnxProvider, type TargetName } from "../../src/backends/onnx/targets.ts";
import { checkAll, prepare, type Elaborated } from "../../src/compile.ts";
import { elaborateText, request } from "../support/programs.ts";

const FILE = new URL("node-counts.md", import.meta.url);
const EXAMPLES = new URL("../../examples/", import.meta.url);
const update = process.env["UPDATE"] === "1" && process.env["CI"] === undefined;

const OPEN: ReadonlyMap<string, number> = new Map();
/** A step of one text: nothing needs to be brought into another order. */
const ONE_PLACE = new Map([
  ["batch_size", 1],
  ["sequence_length", 1],
]);

type Counted = Readonly<Record<string, number>>;
const TARGETS: readonly (readonly [TargetName, OnnxProvider])[] = [
  ...ONNX_PROVIDERS.map((p) => ["onnx", p] as const),
  ["onnx-23", "cpu"],
  ["onnx-17", "cpu"],
];
/** What is counted apart: the operators that only move. */
const MOVES = ["Transpose", "Reshape"] as const;

/** Of all files of a model together. */
function count(model: Elaborated, target: TargetName, provider: OnnxProvider, sizes = OPEN): Counted {
  const { value, diagnostics } = prepare(model, { optimize: true, keeps: keeps(target, provider), sizes });
  expect(diagnostics.map((d) => d.message)).toEqual([]);
  const sums: Record<string, number> = {};
  for (const { graph } of value!) {
    const { nodeCounts } = emitOnnx(graph, {
      target,
      provider,
      dataFile: "model.onnx_data",
      producer: { name: "tfm", version: "test" },
      weights: () => ({ kind: "initial", initial: { kind: "constant", value: 0 }, seed: 0 }),
    });
    for (const [op, n] of Object.entries(nodeCounts)) sums[op] = (sums[op] ?? 0) + n;
  }
  return sums;
}

const cell = (counts: Counted): string =>
  [Object.values(counts).reduce((a, b) => a + b, 0), ...MOVES.map((op) => counts[op] ?? 0)].join(" / ");

/** What one more layer adds. */
function layer(name: string, target: TargetName, provider: OnnxProvider, sizes = OPEN): Counted {
  const [two, three] = [2, 3].map((layers) => {
    const { value } = elaborateText(undefined, { model: name, settings: { layers } });
    return count(value!, target, provider, sizes);
  }) as [Counted, Counted];
  return Object.fromEntries(Object.entries(three).map(([op, n]) => [op, n - (two[op] ?? 0)]));
}

const FAMILIES = ["bert_base", "gpt_2_small", "llama_3_8b", "t5_small"];

test("node-counts.md", { timeout: 120_000 }, () => {
  const head = TARGETS.map(([target, provider]) => (target === "onnx" ? `onnx, ${provider}` : target));
  const rows = FAMILIES.map((name) => [`a layer of ${name}`, ...TARGETS.map((t) => cell(layer(name, ...t)))]);
  for (const name of FAMILIES.slice(1))
    rows.push([`a layer of ${name}, one place of one text`, ...TARGETS.map((t) => cell(layer(name, ...t, ONE_PLACE)))]);
  for (const file of readdirSync(EXAMPLES).filter((f) => f.endsWith(".tfm"))) {
    const text = readFileSync(new URL(file, EXAMPLES), "utf8");
    const bare = !/^model /m.test(text);
    const { value } = checkAll(request(text, bare ? { settings: { hidden: 16, heads: 8 } } : {}));
    for (const model of value!)
      rows.push([`${file.replace(".tfm", "")}: ${model.model}`, ...TARGETS.map((t) => cell(count(model, ...t)))]);
  }
  const table = [["all / Transpose / Reshape", ...head], head.concat("").map(() => "---"), ...rows];
  const text = `# Nodes by target\n\n${table.map((r) => `| ${r.join(" | ")} |`).join("\n")}\n`;
  if (update) writeFileSync(FILE, text);
  expect(text).toBe(readFileSync(FILE, "utf8"));
});

test("attention in one operator moves nothing in an encoder", () => {
  expect(layer("bert_base", "onnx-23", "cpu")["Transpose"] ?? 0).toBe(0);
});
