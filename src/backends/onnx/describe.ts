/** @file What an ONNX file, whoever wrote it, takes, gives and refers to. */
import proto, { type onnx } from "onnx-proto";
import { deserialize } from "./serialize.ts";

export interface OnnxPortDescription {
  readonly name: string;
  readonly dtype: string;
  readonly dims: readonly (number | string | undefined)[];
}

export interface OnnxDescription {
  readonly inputs: readonly OnnxPortDescription[];
  readonly outputs: readonly OnnxPortDescription[];
  /** Other files with initializers, and where the last byte that is referred to ends. */
  readonly data: readonly { readonly file: string; readonly end: number }[];
}

const { DataType, DataLocation } = proto.onnx.TensorProto;

/** `reason` where the bytes are no model. */
export function describeOnnx(bytes: Uint8Array): { readonly value: OnnxDescription } | { readonly reason: string } {
  let graph: onnx.IGraphProto | null | undefined;
  try {
    graph = deserialize(bytes).graph;
  } catch {
    return { reason: "its bytes are no protobuf of ONNX" };
  }
  if (!graph || (graph.output ?? []).length === 0) return { reason: "there is no graph in it" };
  const made = new Set((graph.initializer ?? []).map((t) => t.name));
  const ends = new Map<string, number>();
  visitTensors(graph, (t) => {
    if (t.dataLocation !== DataLocation.EXTERNAL) return;
    const entries = new Map((t.externalData ?? []).map((e) => [e.key, e.value]));
    const file = (entries.get("location") ?? "").replace(/^\.\//, "");
    const end = Number(entries.get("offset") ?? 0) + Number(entries.get("length") ?? 0);
    ends.set(file, Math.max(ends.get(file) ?? 0, Number.isFinite(end) ? end : 0));
  });
  return {
    value: {
      // Older files list initializers among the inputs.
      inputs: (graph.input ?? []).filter((p) => !made.has(p.name)).map(portOf),
      outputs: (graph.output ?? []).map(portOf),
      data: [...ends].map(([file, end]) => ({ file, end })),
    },
  };
}

function portOf({ name, type }: onnx.IValueInfoProto): OnnxPortDescription {
  const tensor = type?.tensorType;
  return {
    name: name ?? "",
    dtype: (DataType[tensor?.elemType ?? 0] ?? "unknown").toLowerCase(),
    dims: (tensor?.shape?.dim ?? []).map((d) =>
      d.dimParam ? d.dimParam : d.dimValue === undefined || d.dimValue === null ? undefined : Number(d.dimValue),
    ),
  };
}

function visitTensors(graph: onnx.IGraphProto, visit: (t: onnx.ITensorProto) => void): void {
  for (const t of graph.initializer ?? []) visit(t);
  for (const node of graph.node ?? [])
    for (const a of node.attribute ?? []) {
      if (a.t) visit(a.t);
      if (a.g) visitTensors(a.g, visit);
    }
}
