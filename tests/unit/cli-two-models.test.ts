/** An encoder-decoder on the command line: two model files over one file of weights, each with its signature, each to be run. */
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ArtifactRecord } from "../../src/host/record.ts";
import { CHECKPOINTS } from "../support/checkpoint-cases.ts";
import { tfm } from "../support/cli.ts";

const CHECKPOINT = join(CHECKPOINTS, "t5");

let folder = "";
const at = (name: string): string => join(folder, name);
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "tfm-two-models-"));
  const said = await tfm("compile", CHECKPOINT, "-o", at("out"));
  expect(said, said.err).toMatchObject({ status: 0, err: "" });
  expect(said.out).toMatch(/run for 2 steps in ONNX Runtime/);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const record = (name = "out"): ArtifactRecord =>
  JSON.parse(readFileSync(at(`${name}/tfm.json`), "utf8")) as ArtifactRecord;

describe("compile", () => {
  it("writes both models over the checkpoint's own file", () => {
    expect(
      readdirSync(at("out"))
        .filter((f) => /onnx|safetensors/.test(f))
        .sort(),
    ).toEqual(["decoder_model_merged.onnx", "encoder_model.onnx", "model.safetensors"]);
    expect(statSync(at("out/model.safetensors")).ino).toBe(statSync(join(CHECKPOINT, "model.safetensors")).ino);
  });

  it("states each one's signature in tfm.json, in the order in which they run", () => {
    const { graphs, inputs, outputs, states } = record();
    expect(graphs!.map((g) => g.file)).toEqual(["encoder_model.onnx", "decoder_model_merged.onnx"]);
    expect({ inputs, outputs, states }).toEqual({
      inputs: graphs![0]!.inputs,
      outputs: graphs![0]!.outputs,
      states: [],
    });
    const [encoder, decoder] = graphs!;
    expect(encoder!.inputs.map((i) => [i.name, i.default, i.below])).toEqual([
      ["input_ids", undefined, 104],
      ["attention_mask", "ones", undefined],
    ]);
    expect(decoder!.inputs.map((i) => [i.name, i.default]).sort()).toEqual([
      ["encoder_attention_mask", "ones"],
      ["encoder_hidden_states", undefined],
      ["input_ids", undefined],
    ]);
    expect(decoder!.states.map((s) => `${s.past} > ${s.present}`)).toContain(
      "past_key_values.1.encoder.value > present.1.encoder.value",
    );
    expect(decoder!.states).toHaveLength(8);
    expect([encoder!.given, decoder!.given]).toEqual([
      undefined,
      { encoder_hidden_states: "last_hidden_state", encoder_attention_mask: "attention_mask" },
    ]);
  });

  it("is one model without a cache", async () => {
    const said = await tfm("compile", CHECKPOINT, "-o", at("whole"), "--no-cache", "--json");
    expect(said.status).toBe(0);
    expect((JSON.parse(said.out) as { inputs: { name: string }[] }).inputs.map((i) => i.name)).toEqual([
      "input_ids",
      "attention_mask",
      "decoder_input_ids",
    ]);
    expect(record("whole").graphs).toBeUndefined();
    expect(existsSync(at("whole/model.onnx"))).toBe(true);
  });

  it("prints both graphs of a stage", async () => {
    const said = await tfm("compile", CHECKPOINT, "--emit", "optimized");
    expect(said.out.match(/^graph /gm)).toHaveLength(2);
  });
});

describe("run", () => {
  it("runs the one that runs first; its output is the other's input", async () => {
    const first = await tfm("run", at("out"), "--input", "input_ids=[[5, 6, 7, 1]]", "--out", at("memory.safetensors"));
    expect(first.out).toMatch(/^last_hidden_state {2}float32\[1, 4, 48\]/);
    const memory = `encoder_hidden_states=@${at("memory.safetensors")}:last_hidden_state`;
    const then = await tfm(
      "run",
      at("out"),
      "--file",
      "decoder_model_merged.onnx",
      "--input",
      "input_ids=[[0]]",
      "--input",
      memory,
    );
    expect(then, then.err).toMatchObject({ status: 0 });
    expect(then.out).toMatch(/^logits {2}float32\[1, 1, 104\]/);
    expect(then.out).toMatch(/present\.\{0\.\.1\}\.encoder\.key +float32\[1, 4, 4, 12\]/);
  });

  it("says which models there are", async () => {
    const said = await tfm("run", at("out"), "--file", "decoder.onnx", "--input", "input_ids=[[0]]");
    expect(said.status).toBe(1);
    expect(said.err).toContain("error[cli/no-model-file]");
    expect(said.err).toContain("has no model decoder.onnx; it has encoder_model.onnx and decoder_model_merged.onnx");
  });
});

it("info counts what is kept for a token of the text that grows", async () => {
  const said = await tfm("info", CHECKPOINT);
  // Keys and values of two layers of four heads of twelve.
  expect(said.out).toMatch(/float32 +435 kB +768 B/);
});
