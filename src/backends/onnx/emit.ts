/** @file The ONNX backend: a verified graph to the bytes of a model, and what the host has to put beside it. */
import type { Graph, State, VerifiedGraph } from "../../ir/graph.ts";
import { concretePath } from "../../ir/paths.ts";
import type { Entry } from "../../layout/book.ts";
import { printLayout } from "../../layout/print.ts";
import type { PlannedTensor, Port, Producer, Signature, Weights } from "../backend.ts";
import { Emitter } from "./emitter.ts";
import { kernels } from "./kernels.ts";
import { serialize } from "./serialize.ts";
import { table } from "./table.ts";
import type { DataNames } from "./weights.ts";
import { targets, type TargetName } from "./targets.ts";
import { Elem, type OnnxPort, type Tensor } from "./writer.ts";

export interface OnnxOptions {
  readonly target: TargetName;
  readonly weights: Weights;
  /** The name of the artifact's own data file, beside the model; a function names the checkpoint's files as well, which else keep theirs. */
  readonly dataFile: string | DataNames;
  readonly producer: Producer;
}

export interface OnnxArtifact {
  readonly model: Uint8Array;
  /** What the host writes into the data file; none: no such file. */
  readonly planned: readonly PlannedTensor[];
  /** The checkpoint's files that the model refers to by name, to lie beside it. */
  readonly linkedFiles: readonly string[];
  readonly signature: Signature;
  /** How many nodes there are of each ONNX operator. */
  readonly nodeCounts: Readonly<Record<string, number>>;
  /** Which tensors hold each value and what was converted: `printOnnxLayout` prints it. */
  readonly layout: readonly Entry<Tensor>[];
}

export function emitOnnx(graph: VerifiedGraph, options: OnnxOptions): OnnxArtifact {
  const target = targets[options.target];
  const e = new Emitter(target, { table, kernels }, options.weights, namesOf(options.dataFile));
  e.sizeNames = graph.sizeNames;
  e.setRanks(graph);
  const { writer } = e;
  const scope = e.scopeOf(graph, []);
  const outputs = graph.outputs.map((o) => ({ name: o.outside ?? o.name, value: o.value }));
  const states = concreteStates(graph);
  writer.reserve([...outputs.map((o) => o.name), ...states.map((s) => s.presentName)]);
  for (const input of graph.inputs) e.declare(input.outside ?? input.name, input.value.type);
  for (const s of states) e.declare(s.pastName, s.past.type);
  for (const input of graph.inputs) scope.bind(input.value, e.boundary(input.outside ?? input.name, input.value.type));
  e.run(scope);
  for (const o of outputs) e.output(o.name, scope.get(o.value), o.value.type);
  e.writePresents(states);
  return {
    model: serialize(writer, graph.name, target, options.producer),
    planned: e.weights.planned,
    linkedFiles: [...e.weights.linkedFiles],
    signature: { inputs: writer.inputs.map(portOf), outputs: writer.outputs.map(portOf) },
    nodeCounts: countNodes(writer.nodes.map((n) => n.op)),
    layout: e.book.entries,
  };
}

function namesOf(dataFile: OnnxOptions["dataFile"]): DataNames {
  return typeof dataFile === "string" ? (checkpointFile) => checkpointFile ?? dataFile : dataFile;
}

/** All states with concrete paths and names, in the order in which iterations run. */
export function concreteStates(graph: Graph, indices: readonly number[] = []): readonly State[] {
  const own = graph.states.map((s) => ({
    ...s,
    path: concretePath(s.path, indices),
    pastName: concretePath(s.pastName, indices),
    presentName: concretePath(s.presentName, indices),
  }));
  const inner = graph.nodes.flatMap((node) =>
    node.op === "repeat"
      ? node.attrs.schedule.flatMap((kind, i) => concreteStates(node.bodies[kind]!, [...indices, i]))
      : [],
  );
  return [...own, ...inner];
}

function portOf({ tensor, dims }: OnnxPort): Port {
  return { name: tensor.name, dtype: tensor.elem === Elem.float ? "float32" : "int64", dims };
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
