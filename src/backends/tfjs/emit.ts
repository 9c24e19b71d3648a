/** @file The TensorFlow.js backend: a verified graph to a `GraphModel`, and what the host has to put beside it. */
import type { VerifiedGraph } from "../../ir/graph.ts";
import { Emitter } from "../lowering/emitter.ts";
import { kernels } from "../lowering/kernels.ts";
import { table } from "../lowering/table.ts";
import { Elem, type OnnxPort } from "../lowering/writer.ts";
import type { PlannedTensor, Port, Producer, Signature, Weights } from "../backend.ts";
import type { TfmMetadata, TfmParameter } from "./fusions.ts";
import { shapeOf, type ModelJson, type TensorInfo, type WeightEntry } from "./graph-def.ts";
import { tfjsTargets, type ProviderName } from "./targets.ts";
import { refined } from "./fuse.ts";
import { translate } from "./translate.ts";

/** How weights are stored: the numbers that kernels see are float32 in any case. */
export type StoredAs = "float32" | "float16";

export interface TfjsOptions {
  readonly provider: ProviderName;
  readonly weights: Weights;
  readonly storedAs: StoredAs;
  /** The shards are called `NAME-shard1ofN.bin`. */
  readonly name: string;
  readonly producer: Producer;
}

/** The weights are one sequence of bytes that the host cuts into files of this many; the last one is shorter. */
export const SHARD_BYTES = 4 << 20;

export interface TfjsArtifact {
  /** The text of `model.json`. */
  readonly model: string;
  /** Weights of the model, one after the other from the beginning of the sequence. */
  readonly planned: readonly PlannedTensor[];
  /** The bytes that follow them: constants of the graph. */
  readonly constants: Uint8Array;
  /** Names of the shards. */
  readonly shards: readonly string[];
  readonly signature: Signature;
  readonly nodeCounts: Readonly<Record<string, number>>;
}

export function emitTfjs(graph: VerifiedGraph, options: TfjsOptions): TfjsArtifact {
  const target = tfjsTargets[options.provider];
  const e = new Emitter(target, { table, kernels }, options.weights, { dataFile: () => "", alignment: 1 });
  const { writer } = e;
  e.model(graph);
  const { nodes, constants, fusions } = translate(writer, target, refined(writer.nodes, e.book.entries));
  const half = options.storedAs === "float16";
  const planned = half ? e.weights.planned.map(halved) : e.weights.planned;
  const end = planned.reduce((n, p) => n + p.length, 0);
  const names = new Map(
    writer.initializers.flatMap(({ tensor, dims, data }) =>
      data.kind === "external" ? [[data.offset, { name: tensor.name, shape: dims }] as const] : [],
    ),
  );
  const entries = e.weights.planned.map(({ offset }): WeightEntry => ({
    ...names.get(offset)!,
    dtype: "float32",
    ...(half ? { quantization: { dtype: "float16" } } : {}),
  }));
  const parameters = e.weights.planned.map(({ path, order, offset }): TfmParameter => ({
    path,
    constants: [names.get(offset)!.name],
    order: order.map((a) => ({ name: a.name, size: a.size.known! })),
  }));
  const tfm: TfmMetadata = { version: 1, provider: options.provider, asynchronous: false, fusions, parameters };
  const bytes = joined(constants.map((c) => c.bytes));
  const count = Math.max(1, Math.ceil((end + bytes.length) / SHARD_BYTES));
  const shards = Array.from({ length: count }, (_, i) => `${options.name}-shard${i + 1}of${count}.bin`);
  const model: ModelJson = {
    format: "graph-model",
    generatedBy: `${options.producer.name} ${options.producer.version}`,
    convertedBy: null,
    signature: { inputs: infoOf(writer.inputs), outputs: infoOf(writer.outputs) },
    modelTopology: { node: nodes, library: {}, versions: { producer: 1882 } },
    weightsManifest: [{ paths: shards, weights: [...entries, ...constants.map((c) => c.entry)] }],
    userDefinedMetadata: { tfm },
  };
  return {
    model: JSON.stringify(model),
    planned,
    constants: bytes,
    shards,
    signature: { inputs: writer.inputs.map(portOf), outputs: writer.outputs.map(portOf) },
    nodeCounts: countNodes(nodes.map((n) => n.op)),
  };
}

function halved(p: PlannedTensor): PlannedTensor {
  return { ...p, dtype: "F16", offset: p.offset / 2, length: p.length / 2 };
}

function infoOf(ports: readonly OnnxPort[]): Record<string, TensorInfo> {
  return Object.fromEntries(
    ports.map(({ tensor, dims }) => [
      tensor.name,
      {
        name: `${tensor.name}:0`,
        dtype: tensor.elem === Elem.float ? "DT_FLOAT" : "DT_INT32",
        tensorShape: shapeOf(dims),
      } as const,
    ]),
  );
}

function portOf({ tensor, dims }: OnnxPort): Port {
  return { name: tensor.name, dtype: tensor.elem === Elem.float ? "float32" : "int32", dims };
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function countNodes(ops: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const op of [...ops].sort()) counts[op] = (counts[op] ?? 0) + 1;
  return counts;
}
