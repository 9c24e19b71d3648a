/** @file Reads a written model again and checks that it hangs together: what a runtime would otherwise find, or not. */
import proto, { type onnx } from "onnx-proto";
import type { Port, Signature } from "../backend.ts";
import { deserialize } from "./serialize.ts";

const { EXTERNAL } = proto.onnx.TensorProto.DataLocation;
const { FLOAT, FLOAT16, INT64 } = proto.onnx.TensorProto.DataType;
/** What types of ports are called. */
const NAMES: ReadonlyMap<number, string> = new Map([
  [FLOAT, "float32"],
  [FLOAT16, "float16"],
  [INT64, "int64"],
]);
/** Bytes an element. */
const WIDTH: ReadonlyMap<number, number> = new Map([
  [FLOAT, 4],
  [INT64, 8],
  [proto.onnx.TensorProto.DataType.BOOL, 1],
  [FLOAT16, 2],
  [proto.onnx.TensorProto.DataType.BFLOAT16, 2],
]);

export interface Expected {
  readonly signature: Signature;
  /** The size in bytes of a file beside the model; undefined where there is none. */
  readonly fileSize: (name: string) => number | undefined;
}

/** What is wrong with an encoded model, as sentences for the compiler's authors; nothing where it is sound. */
export function rereadOnnx(model: Uint8Array, { signature, fileSize }: Expected): readonly string[] {
  let decoded: onnx.ModelProto;
  try {
    decoded = deserialize(model);
  } catch (error) {
    return [`the model cannot be decoded: ${error instanceof Error ? error.message : String(error)}`];
  }
  const graph = decoded.graph ?? {};
  return [
    ...samePorts("input", graph.input ?? [], signature.inputs),
    ...samePorts("output", graph.output ?? [], signature.outputs),
    ...(graph.initializer ?? []).flatMap((t) => tensorProblems(t, fileSize)),
    ...definitionProblems(graph, new Set()),
  ];
}

function samePorts(kind: string, found: readonly onnx.IValueInfoProto[], expected: readonly Port[]): string[] {
  const shown = found.map(showFound);
  const wanted = expected.map((p) => `${p.name}: ${p.dtype}[${p.dims.join(", ")}]`);
  const missing = wanted.filter((w) => !shown.includes(w)).map((w) => `the ${kind} ${w} is missing`);
  const extra = shown.filter((s) => !wanted.includes(s)).map((s) => `there is an ${kind} ${s} that was not intended`);
  return [...missing, ...extra];
}

function showFound(port: onnx.IValueInfoProto): string {
  const tensor = port.type?.tensorType;
  const dtype = NAMES.get(tensor?.elemType ?? 0) ?? `type ${tensor?.elemType}`;
  const dims = (tensor?.shape?.dim ?? []).map((d) => (d.dimParam ? d.dimParam : String(Number(d.dimValue ?? 0))));
  return `${port.name}: ${dtype}[${dims.join(", ")}]`;
}

function tensorProblems(t: onnx.ITensorProto, fileSize: Expected["fileSize"]): string[] {
  const width = WIDTH.get(t.dataType ?? 0);
  if (width === undefined) return [`the initializer ${t.name} has the type ${t.dataType}`];
  const needed = (t.dims ?? []).reduce<number>((n, d) => n * Number(d), width);
  if (t.dataLocation !== EXTERNAL) {
    const has = t.rawData?.length ?? 0;
    return has === needed ? [] : [`the initializer ${t.name} needs ${needed} bytes and has ${has}`];
  }
  const entries = new Map((t.externalData ?? []).map((e) => [e.key, e.value]));
  const [file, offset, length] = [
    entries.get("location") ?? "",
    Number(entries.get("offset")),
    Number(entries.get("length")),
  ];
  if (length !== needed) return [`the initializer ${t.name} needs ${needed} bytes and is given ${length} of ${file}`];
  const size = fileSize(file);
  if (size === undefined) return [`the initializer ${t.name} lies in ${file}, which is not there`];
  return offset >= 0 && offset + length <= size
    ? []
    : [`the initializer ${t.name} ends at ${offset + length} of ${file}, which has ${size} bytes`];
}

/** Names that are read before they are made, or made twice; subgraphs see what is around them. */
function definitionProblems(graph: onnx.IGraphProto, outer: ReadonlySet<string>): string[] {
  const problems: string[] = [];
  const known = new Set(outer);
  const define = (name: string | null | undefined): void => {
    if (!name) return;
    if (known.has(name)) problems.push(`${name} is made twice`);
    known.add(name);
  };
  for (const input of graph.input ?? []) define(input.name);
  for (const t of graph.initializer ?? []) define(t.name);
  for (const node of graph.node ?? []) {
    for (const name of node.input ?? [])
      if (name && !known.has(name)) problems.push(`${node.name} reads ${name}, which is not made before`);
    for (const a of node.attribute ?? []) if (a.g) problems.push(...definitionProblems(a.g, known));
    for (const name of node.output ?? []) define(name);
  }
  for (const output of graph.output ?? [])
    if (!known.has(output.name ?? "")) problems.push(`the output ${output.name} is not made`);
  return problems;
}
