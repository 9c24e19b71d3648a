/** @file The ONNX backend: a verified graph to the bytes of a model, and what the host has to put beside it. */
import type { VerifiedGraph } from "../../ir/graph.ts";
import type { Entry } from "../../layout/book.ts";
import { printLayout } from "../../layout/print.ts";
import type { PlannedTensor, Port, Producer, Signature, Weights } from "../backend.ts";
import { Emitter } from "../lowering/emitter.ts";
import { anglesOnHost } from "./angles.ts";
import { AttentionKernels, type Reason } from "./attention.ts";
import { inHalf } from "./half.ts";
import { serialize } from "./serialize.ts";
import { table } from "../lowering/table.ts";
import type { DataNames } from "../lowering/weights.ts";
import { RowsForm, type RowsPort } from "./cache-rows.ts";
import { SharedForm, type SharedPort } from "./cache-shared.ts";
import { fuseSkipNorms } from "./skip-norms.ts";
import { kernelsOf } from "./standard.ts";
import { targetOf, type CacheForm, type OnnxProvider, type TargetName } from "./targets.ts";
import { Elem, type OnnxPort, type Tensor } from "../lowering/writer.ts";

/** Where the tensors of the data file begin: a multiple of this many bytes. */
const ALIGNMENT = 64;

export interface OnnxOptions {
  readonly target: TargetName;
  /** Default: the CPU. */
  readonly provider?: OnnxProvider | undefined;
  readonly weights: Weights;
  /** The name of the artifact's own data file, beside the model; a function names the checkpoint's files as well, which else keep theirs. */
  readonly dataFile: string | DataNames;
  readonly producer: Producer;
  /** The precision of weights, products and what is handed on from step to step; other ports are float32 in any case. Default: float32. */
  readonly dtype?: "float32" | "float16" | undefined;
  /** In what form the model hands on what it keeps; default: whole. A model that hands nothing on has none. */
  readonly cache?: CacheForm | undefined;
}

/** What a client has to know of a form other than the whole one. */
export interface OnnxCache {
  readonly form: Exclude<CacheForm, "whole">;
  /** The input that says how many places of the buffers count, where no other input's shape does. */
  readonly count?: string | undefined;
  /** Where new places are found, by the name of the past; what is not here is handed on whole. */
  readonly rows: ReadonlyMap<string, RowsPort>;
  /** Whose past and present may be one buffer, by the name of the past. */
  readonly shared: ReadonlyMap<string, SharedPort>;
}

export interface OnnxArtifact {
  readonly model: Uint8Array;
  /** What the host writes into the data file; none: no such file. */
  readonly planned: readonly PlannedTensor[];
  /** The checkpoint's files that the model refers to by name, to lie beside it. */
  readonly linkedFiles: readonly string[];
  readonly signature: Signature;
  /** Absent: whole. */
  readonly cache?: OnnxCache;
  /** How many nodes there are of each ONNX operator. */
  readonly nodeCounts: Readonly<Record<string, number>>;
  /** Why attention is written out where the target has an operator for it, of the first of layers that are alike. */
  readonly reasons: readonly Reason[];
  /** A step that has a past takes several places of one text, or one place of several. */
  readonly isNarrow: boolean;
  /** Which tensors hold each value and what was converted: `printOnnxLayout` prints it. */
  readonly layout: readonly Entry<Tensor>[];
}

export function emitOnnx(graph: VerifiedGraph, options: OnnxOptions): OnnxArtifact {
  const target = targetOf(options.target, options.provider);
  const form = formOf(graph, options.cache);
  const attention = new AttentionKernels(target, form?.graph ?? graph, form === undefined);
  const usual = attention.lowering({ table, kernels: kernelsOf(target) });
  const e = new Emitter(target, form?.lowering(usual) ?? usual, options.weights, {
    dataFile: namesOf(options.dataFile),
    alignment: ALIGNMENT,
    half: options.dtype === "float16",
  });
  const { writer } = e;
  e.model(form?.graph ?? graph, form);
  if (target.anglesOnHost) anglesOnHost(writer);
  fuseSkipNorms(writer, target, options.dtype === "float16");
  const own = new Set([...graph.inputs, ...graph.outputs].map((port) => port.outside ?? port.name));
  const encodable =
    options.dtype === "float16" ? inHalf(writer, (port) => !own.has(port), target.halvesThroughout) : writer;
  return {
    model: serialize(encodable, graph.name, target, options.producer),
    planned: e.weights.planned,
    linkedFiles: [...e.weights.linkedFiles],
    signature: { inputs: encodable.inputs.map(portOf), outputs: encodable.outputs.map(portOf) },
    ...(form ? { cache: cacheOf(form) } : {}),
    nodeCounts: countNodes(encodable.nodes.map((n) => n.op)),
    reasons: attention.reasons,
    isNarrow: attention.isNarrow,
    layout: e.book.entries,
  };
}

function formOf(graph: VerifiedGraph, cache: CacheForm = "whole"): RowsForm | SharedForm | undefined {
  if (cache === "whole") return undefined;
  return cache === "rows" ? RowsForm.of(graph) : SharedForm.of(graph);
}

function cacheOf(form: RowsForm | SharedForm): OnnxCache {
  const { countInput: count } = form;
  return form instanceof RowsForm
    ? { form: "rows", count, rows: form.ports, shared: new Map() }
    : { form: "shared", count, rows: new Map(), shared: form.ports };
}

function namesOf(dataFile: OnnxOptions["dataFile"]): DataNames {
  return typeof dataFile === "string" ? (checkpointFile) => checkpointFile ?? dataFile : dataFile;
}

function portOf({ tensor, dims }: OnnxPort): Port {
  const dtype = tensor.elem === Elem.float ? "float32" : tensor.elem === Elem.float16 ? "float16" : "int64";
  return { name: tensor.name, dtype, dims };
}

function countNodes(ops: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const op of [...ops].sort()) counts[op] = (counts[op] ?? 0) + 1;
  return counts;
}

/** The layout of an artifact as text. */
export function printOnnxLayout(artifact: OnnxArtifact): string {
  return printLayout(artifact.layout, (tensor) => tensor.name);
}
