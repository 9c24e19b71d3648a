/**
 * Checkpoints through map, emitter, writer and runtime: the files are linked as they lie, and the numbers are the
 * reference's.
 */
import { concreteStates } from "../../src/ir/states.ts";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { emitOnnx } from "../../src/backends/onnx/emit.ts";
import { keeps } from "../../src/backends/onnx/targets.ts";
import { elaborate, prepare } from "../../src/compile.ts";
import { companions, writeArtifact } from "../../src/host/artifact.ts";
import { openCheckpoint } from "../../src/host/checkpoint.ts";
import { evaluateComputed } from "../../src/host/computed.ts";
import { readConfig } from "../../src/host/config.ts";
import { planDataFile } from "../../src/host/data-file.ts";
import { artifactPorts } from "../support/artifact-ports.ts";
import { openArtifact } from "../../src/host/run.ts";
import { library } from "../../src/host/stdlib.ts";
import { readFixture } from "../support/checkpoint-cases.ts";

async function compile(folder: string, out: string): Promise<void> {
  const config = readConfig(folder).value!;
  const model = elaborate({
    library,
    uses: [],
    readModule: () => undefined,
    settings: [],
    config: { name: "config.json", value: config },
  }).value!;
  const graph = prepare(model, { optimize: true, keeps: keeps("onnx") }).value![0]!.graph;
  const checkpoint = openCheckpoint(folder).value!;
  const map = model.mapWeights(checkpoint).value!;
  const weights = (path: string) => map.get(path)!;
  const made = emitOnnx(graph, {
    target: "onnx",
    weights,
    dataFile: "model.onnx_data",
    producer: { name: "tfm", version: "test" },
  });
  const links = checkpoint.files
    .filter((f) => made.linkedFiles.includes(f.name))
    .map((f) => ({ kind: "link" as const, name: f.name, from: f.path }));
  const data =
    made.planned.length > 0
      ? [planDataFile("model.onnx_data", made.planned, weights, { checkpoint, evaluate: evaluateComputed })]
      : [];
  const { diagnostics } = await writeArtifact(out, {
    files: [{ kind: "bytes", name: "model.onnx", bytes: made.model }, ...links, ...data, ...companions(folder)],
    record: {
      producer: { name: "tfm", version: "test" },
      source: "fixture",
      sourceHash: "",
      settings: {},
      target: "onnx",
      ...artifactPorts(made.signature, { states: concreteStates(graph), defaults: model.inputDefaults }),
    },
    checkpoint: folder,
  });
  checkpoint.close();
  expect(diagnostics).toEqual([]);
}

/** Names of which each fixture's weights are linked, whatever their dtype and however many files they are in. */
test.each(["llama3", "llama2", "llama-tied-bf16", "llama-sharded", "bert-base-model", "gpt2"])("%s", async (name) => {
  const fixture = readFixture(name);
  const folder = mkdtempSync(join(tmpdir(), "tfm-compiled-"));
  try {
    const out = join(folder, "out");
    await compile(fixture.folder, out);
    const artifact = openArtifact(out).value!;
    const linked = artifact.record.files.filter((f) => f.linked);
    expect(linked.length).toBeGreaterThan(0);
    for (const f of linked) expect(statSync(join(out, f.name)).ino).toBe(statSync(join(fixture.folder, f.name)).ino);
    expect(artifact.record.files.map((f) => f.name)).toContain("tokenizer.json");
    for (const which of ["single", "batch2"]) {
      const given = fixture.cases.get(which)!;
      const own = new Set(artifact.inputs.map((i) => i.name));
      const { value, diagnostics } = await artifact.run(new Map([...given.inputs].filter(([n]) => own.has(n))));
      expect(diagnostics).toEqual([]);
      const mask = given.inputs.get("attention_mask")?.data;
      for (const [output, expected] of given.outputs) {
        const found = value!.get(output);
        if (!found) continue; // hidden states
        const width = expected.data.length / (mask?.length ?? expected.data.length);
        const off = Float32Array.from(expected.data as Float32Array, (x, i) =>
          mask && mask[Math.floor(i / width)] === 0n ? 0 : Math.abs(x - (found.data as Float32Array)[i]!),
        );
        expect(Math.max(...off), `${which} ${output}`).toBeLessThan(1e-4);
      }
    }
    await artifact.close();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
