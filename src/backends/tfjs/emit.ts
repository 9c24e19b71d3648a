/** @file The TensorFlow.js backend: a verified graph to a `GraphModel`, and what the host has to put beside it. */
import type { VerifiedGraph } from "../../ir/graph.ts";
import { Emitter } from "../lowering/emitter.ts";
import { kernels } from "../lowering/kernels.ts";
import { table } from "../lowering/table.ts";
import { Elem, type OnnxPort } from "../lowering/writer.ts";
import type { PackedTensor, PlannedTensor, Port, Producer, Signature, Weights } from "../backend.ts";
import { affineOf, type Range } from "../../weights/affine.ts";
import type { TfmMetadata, TfmParameter } from "./fusions.ts";
import { shapeOf, SHARD_BYTES, type ModelJson, type TensorInfo, type WeightEntry } from "./graph-def.ts";
import { tfjsTargets, type ProviderName, type TfjsTarget } from "./targets.ts";
import { refined } from "./fuse.ts";
import { withPieces, type StoredWeight } from "./tables.ts";
import { translate } from "./translate.ts";

/**
 * How weights are stored: the numbers that kernels see are float32 in any case. As `uint8` are matrices and tables of `BYTES_FROM`
 * elements or more, each with a scale of its own (`weights/affine.ts` says how far off they are); all others stay float32.
 */
export type StoredAs = "float32" | "float16" | "uint8";

/** Fewer elements are not worth what they lose. */
export const BYTES_FROM = 1024;

export interface TfjsOptions {
  readonly provider: ProviderName;
  /** What it can do, where that is not what the provider's record says. */
  readonly target?: TfjsTarget;
  readonly weights: Weights;
  readonly storedAs: StoredAs;
  /** Paths of weights that are written times the number that the graph multiplies them by. */
  readonly scaled?: ReadonlySet<string> | undefined;
  /** Of `uint8`: the least and greatest number of a weight, or undefined where it has others than finite ones. The host reads it. */
  readonly rangeOf?: (tensor: PlannedTensor) => Range | undefined;
  /** The shards are called `NAME-shard1ofN.bin`. */
  readonly name: string;
  readonly producer: Producer;
}

export interface TfjsArtifact {
  /** The text of `model.json`. */
  readonly model: string;
  /** Weights of the model, one after the other from the beginning of the sequence. */
  readonly planned: readonly PackedTensor[];
  /** The bytes that follow them: constants of the graph. */
  readonly constants: Uint8Array;
  /** Names of the shards. */
  readonly shards: readonly string[];
  readonly signature: Signature;
  readonly nodeCounts: Readonly<Record<string, number>>;
}

export function emitTfjs(graph: VerifiedGraph, options: TfjsOptions): TfjsArtifact {
  const target = options.target ?? tfjsTargets[options.provider];
  const e = new Emitter(target, { table, kernels }, options.weights, {
    dataFile: () => "",
    alignment: 1,
    scaled: options.scaled,
  });
  const { writer } = e;
  e.model(graph);
  const notes = refined(writer.nodes, e.book.entries);
  const { program, weights } = withPieces(writer, e.weights.planned, target.largestTable);
  const { nodes, functions, constants, fusions } = translate(program, target, notes);
  const stored = weights.map((w) => storedForm(w, options));
  const planned = inTurn(stored);
  const end = planned.reduce((n, p) => n + p.length, 0);
  const entries = weights.map(({ tensor, dims }, i): WeightEntry => {
    return { name: tensor.name, shape: dims, dtype: "float32", ...quantizationOf(stored[i]!) };
  });
  const parameters = parametersOf(weights);
  const asynchronous = functions.length > 0;
  const tfm: TfmMetadata = { version: 1, provider: options.provider, asynchronous, fusions, parameters };
  const bytes = joined(constants.map((c) => c.bytes));
  const count = Math.max(1, Math.ceil((end + bytes.length) / SHARD_BYTES));
  const shards = Array.from({ length: count }, (_, i) => `${options.name}-shard${i + 1}of${count}.bin`);
  const model: ModelJson = {
    format: "graph-model",
    generatedBy: `${options.producer.name} ${options.producer.version}`,
    convertedBy: null,
    signature: { inputs: infoOf(writer.inputs), outputs: infoOf(writer.outputs) },
    modelTopology: {
      node: nodes,
      library: asynchronous ? { function: functions } : {},
      versions: { producer: 1882 },
    },
    weightsManifest: [{ paths: shards, weights: [...entries, ...constants.map((c) => c.entry)] }],
    userDefinedMetadata: { tfm },
  };
  return {
    model: JSON.stringify(model),
    planned,
    constants: bytes,
    shards,
    signature: { inputs: writer.inputs.map(portOf), outputs: writer.outputs.map(portOf) },
    nodeCounts: countNodes([...nodes, ...functions.flatMap((f) => f.nodeDef)].map((n) => n.op)),
  };
}

/** As it is stored; its offset is not that yet. */
function storedForm({ planned, isMatrix }: StoredWeight, { storedAs, rangeOf }: TfjsOptions): PackedTensor {
  if (storedAs === "float16") return { ...planned, dtype: "F16", length: planned.length / 2 };
  const count = planned.length / 4;
  if (storedAs === "float32" || !isMatrix || count < BYTES_FROM) return planned;
  const range = rangeOf!(planned);
  return range ? { ...planned, dtype: "U8", affine: affineOf(range), length: count } : planned;
}

function quantizationOf(tensor: PackedTensor): Pick<WeightEntry, "quantization"> {
  if (tensor.dtype === "U8") return { quantization: { dtype: "uint8", ...tensor.affine } };
  return tensor.dtype === "F16" ? { quantization: { dtype: "float16" } } : {};
}

/** One after the other, without gaps. */
function inTurn(stored: readonly PackedTensor[]): readonly PackedTensor[] {
  let offset = 0;
  return stored.map((p) => {
    const placed = { ...p, offset };
    offset += p.length;
    return placed;
  });
}

/** Pieces of one weight stand one after the other. */
function parametersOf(weights: readonly StoredWeight[]): readonly TfmParameter[] {
  const parameters: TfmParameter[] = [];
  let before: PlannedTensor | undefined;
  for (const { planned, tensor } of weights) {
    const { path, order, part, factor } = planned;
    const last = parameters.at(-1);
    if (last && part && part.start > 0 && before?.path === path)
      parameters[parameters.length - 1] = { ...last, constants: [...last.constants, tensor.name] };
    else
      parameters.push({
        path,
        constants: [tensor.name],
        order: order.map((a) => ({ name: a.name, size: a.name === part?.axis ? part.of : a.size.known! })),
        ...(part ? { along: part.axis } : {}),
        ...(factor === undefined ? {} : { factor }),
      });
    before = planned;
  }
  return parameters;
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
