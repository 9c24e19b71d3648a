/** The library's objectives give the losses that the reference implementation computed, before any step of training. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { afterAll, describe, expect, test } from "vitest";
import { evaluateGraph } from "../../src/backends/reference/evaluate.ts";
import { elaborate } from "../../src/compile.ts";
import { library } from "../../src/host/stdlib.ts";
import { float64 } from "../../src/ops/float64.ts";
import { CHECKPOINTS, readFixture } from "../support/checkpoint-cases.ts";
import { tfm } from "../support/cli.ts";
import { objectiveOf, trainingInput, trainingInputs, TRAINED } from "../support/objectives.ts";

const folder = mkdtempSync(join(tmpdir(), "tfm-objectives-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each(TRAINED)("$objective of $checkpoint", ({ checkpoint, objective }) => {
  const { graph, param, inputDefaults, close } = objectiveOf(join(CHECKPOINTS, checkpoint), objective);
  const { cases } = readFixture(checkpoint);

  test.each(["gradient", "train"])("the loss of %s", (name) => {
    const stored = cases.get(name)!;
    const inputs = trainingInputs(graph, inputDefaults, stored);
    const { outputs } = evaluateGraph(graph, { inputs, param }, { arithmetic: float64 });
    const wanted = (stored.outputs.get("loss") ?? stored.outputs.get("losses"))!.data[0] as number;
    expect([...outputs.keys()]).toEqual(["loss"]);
    expect(outputs.get("loss")!.data[0]).toBeCloseTo(wanted, 4);
    expect(Math.abs((outputs.get("loss")!.data[0] as number) / wanted - 1)).toBeLessThan(1e-5);
  });

  test.each(["onnx", "onnx-17"])("%s", async (target) => {
    const out = join(folder, checkpoint, target);
    const from = join(CHECKPOINTS, checkpoint);
    const made = await tfm("compile", from, "--objective", objective, "-o", out, "-t", target);
    expect(made).toMatchObject({ status: 0, err: "" });
    const session = await InferenceSession.create(join(out, "model.onnx"), { logSeverityLevel: 3 });
    const stored = cases.get("train")!;
    const given = session.inputNames.map((name): [string, Tensor] => {
      const { dims, data } = trainingInput(name, stored, inputDefaults);
      return [name, new Tensor("int64", BigInt64Array.from(data, BigInt), dims)];
    });
    const { loss } = await session.run(Object.fromEntries(given));
    expect(loss!.dims).toEqual([]);
    const wanted = stored.outputs.get("losses")!.data[0] as number;
    expect(Math.abs((loss!.data as Float32Array)[0]! / wanted - 1)).toBeLessThan(1e-5);
  });

  test("it does not generate, and all of its inputs and parameters are the model's or its own", () => {
    expect(graph.grows).toBeUndefined();
    expect(graph.states).toEqual([]);
    close();
  });
});

describe("which objective", () => {
  const family = `
model base(hidden = 4) {
  input x: float[batch, hidden]
  output y = x -> linear(1)
}
model narrow extends base { output z = y * 2 }
model small = narrow(hidden = 2)
objective size for base { output loss = mean(mean(x, over = batch), over = hidden) }
objective error(power = 2) for narrow { output loss = sum(sum(z ^ power, over = batch), over = out) }
`;
  const one = (model: string, objective: string, settings: { name: string; text: string }[] = []) =>
    elaborate({
      library,
      main: { name: "f.tfm", text: family },
      uses: [],
      readModule: () => undefined,
      settings,
      model,
      objective,
    });

  test("a model has those of what it extends and presets, and its settings are the model's too", () => {
    for (const model of ["base", "narrow", "small"]) {
      const { value, diagnostics } = one(model, "size");
      expect(diagnostics).toEqual([]);
      expect(value!.graph.outputs.map((o) => o.name)).toEqual(["loss"]);
      expect(value!.graph.inputs.map((i) => i.outside)).toEqual(["x"]);
    }
    expect(one("base", "error").diagnostics.map((d) => d.code)).toEqual(["model/objective-unknown"]);
    const { value, diagnostics } = one("small", "error", [{ name: "power", text: "3" }]);
    expect(diagnostics).toEqual([]);
    expect(value!.settings.find((s) => s.name === "hidden")?.text).toBe("2");
    expect(value!.settings.find((s) => s.name === "power")?.text).toBe("3");
  });

  test("a library model's, and what is not one", async () => {
    const small = ["-s", "hidden=8", "-s", "heads=2", "-s", "layers=1", "-s", "vocab=20", "-s", "positions=8"];
    const out = join(folder, "preset");
    expect(await tfm("compile", "-m", "gpt_2_small", ...small, "--objective", "next_token", "-o", out)).toMatchObject({
      status: 0,
    });
    const ran = await tfm("run", out, "-i", "input_ids=[[1,2,3]]", "-i", "labels=[[1,2,3]]");
    expect(ran.out).toMatch(/^loss {2}float32\[\]/);
    const wrong = await tfm("check", "-m", "gpt_2_small", "--objective", "next_tokens");
    expect(wrong.status).toBe(1);
    expect(wrong.err + wrong.out).toMatch(/no objective next_tokens for gpt_2_small[^]*it has next_token/);
  });
});
