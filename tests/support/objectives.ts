/** @file Checkpoints with an objective on top: the graph, its parameters, and inputs of the reference's training cases. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { elaborate, prepare, type Elaborated, type InputDefault, type Json } from "../../src/compile.ts";
import { shiftRight } from "../../src/corrupt/corrupt.ts";
import { openCheckpoint } from "../../src/host/checkpoint.ts";
import { evaluateComputed } from "../../src/host/computed.ts";
import { library } from "../../src/host/stdlib.ts";
import type { VerifiedGraph } from "../../src/ir/graph.ts";
import { concreteParams } from "../../src/ir/params.ts";
import type { Tensor } from "../../src/ops/op.ts";
import { materializeWhole } from "../../src/weights/materialize.ts";
import type { Checkpoint } from "../../src/weights/source.ts";
import type { CaseTensor, CheckpointCase } from "./checkpoint-cases.ts";

/** The checkpoints that the reference implementation trained, with the objective that it trained them by. */
export const TRAINED = [
  { checkpoint: "bert-pretraining", objective: "masked_words_next_sentence" },
  { checkpoint: "gpt2", objective: "next_token" },
  { checkpoint: "llama3", objective: "next_token" },
  { checkpoint: "t5", objective: "target_text" },
  { checkpoint: "glm", objective: "blank_infilling" },
] as const;

export interface ObjectiveGraph {
  readonly graph: VerifiedGraph;
  readonly inputDefaults: ReadonlyMap<string, InputDefault>;
  param(path: string): Tensor<number>;
  close(): void;
}

export function objectiveOf(folder: string, objective: string): ObjectiveGraph {
  const made = elaborated(folder, objective);
  const checkpoint = openCheckpoint(folder).value!;
  const mapped = made.mapWeights(checkpoint);
  if (!mapped.value || mapped.diagnostics.length > 0) throw new Error(mapped.diagnostics.map((d) => d.message).join());
  const sources = mapped.value;
  const { graph, inputDefaults } = prepare(made, { optimize: true, keeps: () => false }).value![0]!;
  const types = new Map([...concreteParams(graph)].map((p) => [p.path, p.param.value.type]));
  const param = (path: string): Tensor<number> => {
    const { axes } = types.get(path)!;
    const bytes = materializeWhole(
      sources.get(path)!,
      { path, order: axes, declared: axes, dtype: "F32" },
      { checkpoint, evaluate: evaluateComputed },
    );
    const floats = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
    return {
      dtype: "float",
      axes: axes.map((a) => ({ name: a.name, size: a.size.known! })),
      data: Float64Array.from(floats),
    };
  };
  return { graph, inputDefaults, param, close: () => checkpoint.close() };
}

function elaborated(folder: string, objective: string): Elaborated {
  const config = JSON.parse(readFileSync(join(folder, "config.json"), "utf8")) as Json;
  const { value, diagnostics } = elaborate({
    library,
    uses: [],
    readModule: () => undefined,
    settings: [],
    objective,
    config: { name: "config.json", value: config },
  });
  if (!value || diagnostics.length > 0) throw new Error(diagnostics.map((d) => `${d.code} ${d.message}`).join("; "));
  return value;
}

/**
 * What stands in the checkpoint's tensors, or in others of their names (their gradients, say), as the parameters have it: by a parameter's
 * path and the order of its axes. Undefined where it is made of tensors that are not among these.
 */
export function inParameters(
  folder: string,
  objective: string,
  tensors: ReadonlyMap<string, Float32Array>,
): (path: string, order: readonly { readonly name: string; readonly size: number }[]) => Float32Array | undefined {
  const made = elaborated(folder, objective);
  const opened = openCheckpoint(folder).value!;
  const sources = made.mapWeights(opened).value!;
  opened.close();
  const checkpoint: Checkpoint = {
    ...opened,
    tensors: opened.tensors,
    read: (tensor, start = 0, length = tensor.bytes - start) => {
      const { buffer } = tensors.get(tensor.name)!.slice();
      const at = start + tensor.offset - (tensor.within ?? tensor).offset;
      return new Uint8Array(buffer).subarray(at, at + length);
    },
    close: () => undefined,
  };
  const types = new Map([...concreteParams(made.graph)].map((p) => [p.path, p.param.value.type]));
  return (path, order) => {
    const source = sources.get(path)!;
    const from = source.kind === "stored" ? [source.tensor] : source.kind === "computed" ? source.tensors : [];
    if (from.length === 0 || from.some((t) => !tensors.has(t.name))) return undefined;
    const declared = types.get(path)!.axes;
    const named = order.map(({ name }) => declared.find((a) => a.name === name)!);
    const bytes = materializeWhole(
      source,
      { path, order: named, declared, dtype: "F32" },
      { checkpoint, evaluate: evaluateComputed },
    );
    return new Float32Array(bytes.slice().buffer);
  };
}

export interface FedNumbers {
  readonly dims: readonly number[];
  readonly data: readonly number[];
}

/**
 * What a training case feeds to an input at the boundary: the decoder's tokens are made of the labels, and what the case has not is
 * what the input's default says.
 */
export function trainingInput(
  name: string,
  stored: CheckpointCase,
  defaults: ReadonlyMap<string, InputDefault>,
  start = 0,
): FedNumbers {
  const numbers = ({ dims, data }: CaseTensor): FedNumbers => ({ dims, data: Array.from(data, Number) });
  const found = stored.inputs.get(name);
  if (found) return numbers(found);
  if (name === "decoder_input_ids") {
    const { dims, data } = numbers(stored.inputs.get("labels")!);
    const length = dims[1]!;
    const rows = Array.from({ length: dims[0]! }, (_, r) => data.slice(r * length, (r + 1) * length));
    return { dims, data: rows.flatMap((row) => shiftRight(row, { start, pad: 0 })) };
  }
  const { dims, data } = numbers(stored.inputs.get("input_ids")!);
  const absent = defaults.get(name)!;
  return { dims, data: data.map((_, i) => (absent === "positions" ? i % dims.at(-1)! : absent)) };
}

/** All of them for the reference evaluator. */
export function trainingInputs(
  graph: VerifiedGraph,
  defaults: ReadonlyMap<string, InputDefault>,
  stored: CheckpointCase,
): Map<string, Tensor<number>> {
  return new Map(
    graph.inputs.map(({ name, outside, value: { type } }): [string, Tensor<number>] => {
      const { dims, data } = trainingInput(outside!, stored, defaults);
      const axes = type.axes.map((a, i) => ({ name: a.name, size: dims[i]! }));
      return [name, { dtype: type.dtype, axes, data }];
    }),
  );
}
