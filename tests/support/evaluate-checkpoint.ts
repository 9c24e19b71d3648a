/** @file A checkpoint's forward case through the reference evaluator, with the library's text changed on the way. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { evaluateGraph } from "../../src/backends/reference/evaluate.ts";
import { elaborate, prepare, type Json } from "../../src/compile.ts";
import { openCheckpoint } from "../../src/host/checkpoint.ts";
import { evaluateComputed } from "../../src/host/computed.ts";
import { library } from "../../src/host/stdlib.ts";
import { concreteParams } from "../../src/ir/params.ts";
import { float64 } from "../../src/ops/float64.ts";
import type { Tensor } from "../../src/ops/op.ts";
import { materializeWhole } from "../../src/weights/materialize.ts";
import { readStored } from "./stored.ts";

/** Text to put in place of another, which must stand there exactly once in the module. */
export interface Change {
  readonly module: string;
  readonly from: string;
  readonly to: string;
}

/** The largest difference of the case's outputs to the stored ones, relative to the largest value; or what the compiler says. */
export function differenceOf(folder: string, caseName: string, change?: Change): number | string {
  const changed = (name: string) => {
    const file = library.read(name);
    if (!file || name !== change?.module) return file;
    if (file.text.split(change.from).length !== 2) throw new Error(`${name} does not hold once: ${change.from}`);
    return { ...file, text: file.text.replace(change.from, () => change.to) };
  };
  const config = JSON.parse(readFileSync(join(folder, "config.json"), "utf8")) as Json;
  const made = elaborate({
    library: { modules: library.modules, read: changed },
    uses: [],
    readModule: () => undefined,
    settings: [],
    config: { name: "config.json", value: config },
  });
  const said = made.diagnostics.map((d) => `${d.severity} ${d.code}`);
  if (!made.value) return said.join(", ");
  const checkpoint = openCheckpoint(folder).value!;
  const mapped = made.value.mapWeights(checkpoint);
  if (!mapped.value || mapped.diagnostics.length > 0) return mapped.diagnostics.map((d) => d.code).join(", ");
  const graph = prepare(made.value, { cache: false, optimize: false, keeps: () => false }).value![0]!.graph;
  const params = new Map([...concreteParams(graph)].map((p) => [p.path, p.param.value.type]));
  const param = (path: string): Tensor<number> => {
    const type = params.get(path)!;
    const bytes = materializeWhole(
      mapped.value!.get(path)!,
      { path, order: type.axes, declared: type.axes, dtype: "F32" },
      { checkpoint, evaluate: evaluateComputed },
    );
    const floats = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
    return {
      dtype: "float",
      axes: type.axes.map((a) => ({ name: a.name, size: a.size.known! })),
      data: Float64Array.from(floats),
    };
  };
  const stored = readStored(join(folder, "reference.safetensors"));
  const reference = JSON.parse(readFileSync(join(folder, "reference.json"), "utf8")) as {
    cases: Record<string, { inputs: object; outputs: object }>;
  };
  const { inputs: given, outputs: wanted } = reference.cases[caseName]!;
  const ids = stored.get(
    `${caseName}.input.${Object.keys(given).includes("input_ids") ? "input_ids" : Object.keys(given)[0]!}`,
  )!;
  const inputs = new Map<string, Tensor<number>>();
  for (const input of graph.inputs) {
    const { axes, dtype } = input.value.type;
    const found = stored.get(`${caseName}.input.${input.outside!}`);
    const shape = found?.shape ?? ids.shape;
    const absent = made.value.inputDefaults.get(input.outside!);
    const data =
      found?.data ??
      Float64Array.from({ length: ids.data.length }, (_, i) =>
        absent === "positions" ? i % ids.shape.at(-1)! : (absent ?? 0),
      );
    inputs.set(input.name, {
      dtype,
      axes: axes.map((a, i) => ({ name: a.name, size: shape[i]! })),
      data: dtype === "bool" ? Uint8Array.from(data) : data,
    });
  }
  const { outputs } = evaluateGraph(graph, { inputs, param }, { arithmetic: float64 });
  let worst = 0;
  for (const output of graph.outputs) {
    const expected = stored.get(`${caseName}.output.${output.outside!}`);
    if (!expected || !(output.outside! in wanted)) continue;
    const found = outputs.get(output.name)!.data as ArrayLike<number>;
    const scale = Math.max(1, ...expected.data.map(Math.abs));
    for (let i = 0; i < found.length; i++) worst = Math.max(worst, Math.abs(found[i]! - expected.data[i]!) / scale);
  }
  checkpoint.close();
  return worst;
}
