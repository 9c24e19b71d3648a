/** A compiled folder is opened, checked and run in ONNX Runtime; what is wrong with it is said. */
import { concreteStates } from "../../src/ir/states.ts";
import { cpSync, mkdtempSync, readFileSync, rmSync, truncateSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { emitOnnx } from "../../src/backends/onnx/emit.ts";
import { hashOf, writeArtifact } from "../../src/host/artifact.ts";
import { planDataFile } from "../../src/host/data-file.ts";
import { artifactPorts } from "../support/artifact-ports.ts";
import type { ArtifactRecord } from "../../src/host/record.ts";
import { openArtifact, type OpenArtifact } from "../../src/host/run.ts";
import { readValue, type InputValue } from "../../src/host/tensors.ts";
import { numbersOf, type TensorValue } from "../../src/host/values.ts";
import { verified } from "../../src/ir/verify.ts";
import type { WeightSource } from "../../src/weights/source.ts";
import { cachedModel } from "../conformance/onnx-models.ts";

let folder: string;
let out: string;
let artifact: OpenArtifact;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "tfm-run-"));
  out = join(folder, "out");
  const graph = verified(cachedModel().build());
  const weights = (): WeightSource => ({ kind: "initial", initial: { kind: "normal", deviation: 0.4 }, seed: 5 });
  const made = emitOnnx(graph, {
    target: "onnx",
    weights,
    dataFile: "model.onnx_data",
    producer: { name: "tfm", version: "test" },
  });
  const ports = artifactPorts(made.signature, {
    states: concreteStates(graph),
    defaults: new Map([["attention_mask", 1]]),
    below: new Map([["tokens", 11]]),
  });
  const written = await writeArtifact(out, {
    files: [
      { kind: "bytes", name: "model.onnx", bytes: made.model },
      planDataFile("model.onnx_data", made.planned, weights, {
        evaluate: () => {
          throw new Error("unused");
        },
      }),
    ],
    record: {
      producer: { name: "tfm", version: "test" },
      source: "cached",
      sourceHash: hashOf(["cached"]),
      settings: {},
      target: "onnx",
      ...ports,
    },
  });
  expect(written.diagnostics).toEqual([]);
  artifact = openArtifact(out).value!;
});
afterAll(async () => {
  await artifact?.close();
  rmSync(folder, { recursive: true, force: true });
});

const tokens = (text: string): [string, InputValue] => ["tokens", readValue(text, artifact.inputs[0]!).value!];

test("the record says what it takes, gives and hands on", () => {
  const { record } = artifact;
  expect(artifact.inputs.map((i) => i.name)).toEqual(["tokens", "attention_mask"]);
  expect(record.inputs[1]).toEqual({
    name: "attention_mask",
    dtype: "int64",
    axes: [{ name: "batch_size" }, { name: "past_sequence_length + sequence_length" }],
    default: "ones",
  });
  expect(record.states[0]).toMatchObject({
    past: "past_key_values.0.key",
    present: "present.0.key",
    axes: [{ name: "batch_size" }, { size: 2 }, { name: "past_sequence_length" }, { size: 4 }],
  });
});

test("one pass, and two steps with what the first hands on, give the same", async () => {
  const whole = await artifact.run(new Map([tokens("[[1, 2, 3, 4, 5]]")]));
  const names = [...whole.value!.keys()];
  expect(names.slice(1).sort()).toEqual(artifact.record.states.map((s) => s.present).sort());
  const first = await artifact.run(new Map([tokens("[[1, 2, 3]]")]));
  const handed = artifact.record.states.map((s): [string, InputValue] => [s.past, first.value!.get(s.present)!]);
  const second = await artifact.run(new Map([tokens("[[4, 5]]"), ...handed]));
  const last = (t: TensorValue): number[] => Array.from(numbersOf(t)).slice(-t.dims.at(-1)!);
  const [a, b] = [last(whole.value!.get(names[0]!)!), last(second.value!.get(names[0]!)!)];
  for (const [i, x] of a.entries()) expect(Math.abs(x - b[i]!)).toBeLessThan(1e-4);
  expect(a.some((x) => Math.abs(x) > 0.01)).toBe(true);
});

/** What is said of a copy that was changed. */
async function said(change: (copy: string) => void): Promise<string> {
  const copy = join(folder, "copy");
  cpSync(out, copy, { recursive: true });
  change(copy);
  const opened = openArtifact(copy, { name: "out" });
  const { diagnostics } = opened.value ? await opened.value.run(new Map([tokens("[[1]]")])) : opened;
  await opened.value?.close();
  rmSync(copy, { recursive: true });
  for (const d of diagnostics) expect(d.hint).toBeTruthy();
  return diagnostics.map((d) => `${d.code}: ${d.message}`).join("; ");
}
const edit =
  (change: (record: { -readonly [K in keyof ArtifactRecord]: ArtifactRecord[K] }) => void) =>
  (copy: string): void => {
    const path = join(copy, "tfm.json");
    const record = JSON.parse(readFileSync(path, "utf8")) as ArtifactRecord;
    change(record);
    writeFileSync(path, JSON.stringify(record));
  };

test("folders that are not whole, or not what their record says", async () => {
  expect(await said(() => undefined)).toBe("");
  expect(await said((copy) => unlinkSync(join(copy, "tfm.json")))).toBe(
    "cli/no-artifact: out holds no compiled model: it has no tfm.json",
  );
  expect(await said((copy) => writeFileSync(join(copy, "tfm.json"), "{"))).toBe(
    "artifact/record: tfm.json in out cannot be used: it ends in the middle (line 1, column 2)",
  );
  expect(await said((copy) => unlinkSync(join(copy, "model.onnx_data")))).toBe(
    "artifact/missing-file: out lacks model.onnx_data, which its tfm.json names",
  );
  expect(await said((copy) => truncateSync(join(copy, "model.onnx_data"), 100))).toMatch(
    /^artifact\/file-size: model.onnx_data in out has 100 bytes; when it was written it had \d+$/,
  );
  expect(await said(edit((r) => (r.files = r.files.filter((f) => f.name !== "model.onnx"))))).toBe(
    "artifact/missing-file: out lacks model.onnx, which its tfm.json names",
  );
  expect(await said(edit((r) => ((r.target = "other"), (r.files = []))))).toBe(
    "artifact/no-runtime: out was compiled for other, which `tfm run` does not run",
  );
  expect(await said(edit((r) => (r.states = r.states.slice(1))))).toContain(
    "artifact/damaged: model.onnx in out is damaged: it has the input past_key_values.",
  );
  expect(await said(edit((r) => (r.outputs = [...r.outputs, { name: "more", dtype: "float32", axes: [] }])))).toBe(
    "artifact/damaged: model.onnx in out is damaged: it lacks the output more, which tfm.json states",
  );
  const garbage = await said((copy) =>
    writeFileSync(join(copy, "model.onnx"), new Uint8Array(readFileSync(join(copy, "model.onnx")).length).fill(7)),
  );
  expect(garbage).toMatch(/^artifact\/damaged: model.onnx in out is damaged: /);
  expect(garbage).not.toContain(folder);
});

test("a number that no table has is named; what the runtime refuses is said on one line", async () => {
  const outside = await artifact.run(new Map([tokens("[[1, 99]]")]));
  expect(outside.diagnostics.map((d) => d.message)).toEqual([
    "the value of the input tokens cannot be used: 99 at [0, 1] is outside of 0 to 10",
  ]);
  const copy = join(folder, "unchecked");
  cpSync(out, copy, { recursive: true });
  edit((r) => (r.inputs = r.inputs.map(({ below: _, ...p }) => p)))(copy);
  const open = openArtifact(copy, { name: "out" }).value!;
  const refused = await open.run(new Map([tokens("[[1, 99]]")]));
  await open.close();
  expect(refused.diagnostics[0]!.code).toBe("cli/run-failed");
  expect(refused.diagnostics[0]!.message).toMatch(/^the runtime could not run the model in out: [^\n]*99[^\n]*$/);
});

test("nowhere, and a file, are no compiled models", () => {
  expect(openArtifact(join(folder, "nowhere"), { name: "out" }).diagnostics[0]!.message).toBe(
    "out holds no compiled model: it does not exist",
  );
  expect(openArtifact(join(out, "model.onnx"), { name: "out" }).diagnostics[0]!.message).toBe(
    "out holds no compiled model: it is a file",
  );
});
