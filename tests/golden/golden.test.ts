/**
 * Every `.tfm` here fans out to every stage: its types, graph, optimised graph, and what each target gets. A missing or extra
 * expected file fails; `UPDATE=1 npx vitest run tests/golden` writes them anew, to be read before they are committed.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { emitOnnx } from "../../src/backends/onnx/emit.ts";
import { keeps } from "../../src/backends/onnx/targets.ts";
import { printOnnx } from "../../src/backends/onnx/print.ts";
import { prepare, type Elaborated } from "../../src/compile.ts";
import { printGraph } from "../../src/ir/print.ts";
import { lineColumn } from "../../src/source/source.ts";
import { elaborateText } from "../support/programs.ts";

const folder = new URL(".", import.meta.url).pathname;
const update = process.env["UPDATE"] === "1" && process.env["CI"] === undefined;
const programs = readdirSync(folder).filter((f) => f.endsWith(".tfm"));
const expected = new Set<string>();

function typesOf(model: Elaborated): string {
  return model.types
    .map((t) => {
      const { line, column } = lineColumn(t.span.file, t.span.start);
      const text = t.span.file.text.slice(t.span.start, t.span.end).replace(/\s+/g, " ");
      return `${line}:${column} ${text.length > 60 ? `${text.slice(0, 57)}...` : text} : ${t.text}`;
    })
    .join("\n");
}

function onnx(model: Elaborated, target: "onnx" | "onnx-17"): string {
  const graph = prepare(model, { optimize: true, keeps: keeps(target) }).value![0]!.graph;
  const made = emitOnnx(graph, {
    target,
    dataFile: "model.onnx_data",
    producer: { name: "tfm", version: "test" },
    weights: () => ({ kind: "initial", initial: { kind: "constant", value: 0 }, seed: 0 }),
  });
  return printOnnx(made.model);
}

const STAGES: Readonly<Record<string, (model: Elaborated) => string>> = {
  types: typesOf,
  graph: (m) => printGraph(m.graph),
  optimized: (m) => printGraph(prepare(m, { optimize: true, keeps: keeps("onnx") }).value![0]!.graph),
  onnx: (m) => onnx(m, "onnx"),
  "onnx-17": (m) => onnx(m, "onnx-17"),
};

for (const program of programs) {
  const name = program.replace(".tfm", "");
  for (const [stage, print] of Object.entries(STAGES)) {
    const file = join(name, `${stage}.txt`);
    expected.add(file);
    test(`${name}: ${stage}`, () => {
      const { value, diagnostics } = elaborateText(readFileSync(join(folder, program), "utf8"), bareSettings(name));
      expect(diagnostics.map((d) => d.message)).toEqual([]);
      const text = `${print(value!).trimEnd()}\n`;
      const path = join(folder, file);
      if (update) {
        mkdirSync(join(folder, name), { recursive: true });
        writeFileSync(path, text);
      }
      expect(existsSync(path), `${file} is missing: run with UPDATE=1`).toBe(true);
      expect(text).toBe(readFileSync(path, "utf8"));
    });
  }
}

/** A bare stack needs its settings from the command line. */
function bareSettings(name: string): { settings?: Record<string, number> } {
  return name === "decoder" ? { settings: { hidden: 16, heads: 4 } } : {};
}

afterAll(() => {
  const found = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((f) => f.endsWith(".txt"));
  const extra = found.filter((f) => !expected.has(f));
  if (update) for (const f of extra) rmSync(join(folder, f));
  else expect(extra, "expected files that no program has").toEqual([]);
});
