/** @file An ONNX model as text: stable, one line a node, for people and golden tests. */
import proto, { type onnx } from "onnx-proto";
import { deserialize } from "./serialize.ts";

const ELEM = new Map(
  Object.entries(proto.onnx.TensorProto.DataType).map(([name, number]) => [number as number, name.toLowerCase()]),
);
const { AttributeType } = proto.onnx.AttributeProto;
/** Constants of more elements are not written out. */
const SHOWN = 16;

/** The text of an encoded model. */
export function printOnnx(model: Uint8Array): string {
  const decoded = deserialize(model);
  const opsets = (decoded.opsetImport ?? []).map(
    (o) => `${o.domain === "" ? "ai.onnx" : o.domain} ${Number(o.version)}`,
  );
  const facts = [`IR ${Number(decoded.irVersion)}`, ...opsets, `${decoded.producerName} ${decoded.producerVersion}`];
  const head = `model ${decoded.graph?.name ?? ""} (${facts.join("; ")})`;
  return `${[head, ...printGraph(decoded.graph ?? {}, "")].join("\n")}\n`;
}

function printGraph(graph: onnx.IGraphProto, indent: string): string[] {
  return [
    ...(graph.input ?? []).map((i) => `${indent}input ${printPort(i)}`),
    ...(graph.initializer ?? []).map((t) => `${indent}${isLinked(t) ? "linked" : "constant"} ${printTensor(t)}`),
    ...(graph.node ?? []).flatMap((n) => printNode(n, indent)),
    ...(graph.output ?? []).map((o) => `${indent}output ${printPort(o)}`),
  ];
}

function isLinked(t: onnx.ITensorProto): boolean {
  return t.dataLocation === proto.onnx.TensorProto.DataLocation.EXTERNAL;
}

function printPort(port: onnx.IValueInfoProto): string {
  const tensor = port.type?.tensorType;
  const dims = (tensor?.shape?.dim ?? []).map((d) => (d.dimParam ? d.dimParam : String(Number(d.dimValue ?? 0))));
  return `${port.name}: ${ELEM.get(tensor?.elemType ?? 0)}[${dims.join(", ")}]`;
}

function printTensor(t: onnx.ITensorProto): string {
  const type = `${t.name}: ${ELEM.get(t.dataType ?? 0)}[${(t.dims ?? []).map(Number).join(", ")}]`;
  if (!isLinked(t)) return `${type} = ${printData(t)}`;
  const where = new Map((t.externalData ?? []).map((e) => [e.key, e.value]));
  return `${type} in ${where.get("location")} at ${where.get("offset")}, ${where.get("length")} bytes`;
}

function printData(t: onnx.ITensorProto): string {
  const bytes = t.rawData ?? new Uint8Array();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const read: Readonly<Record<string, { size: number; at: (i: number) => number | bigint }>> = {
    float: { size: 4, at: (i) => view.getFloat32(i, true) },
    int64: { size: 8, at: (i) => view.getBigInt64(i, true) },
    bool: { size: 1, at: (i) => view.getUint8(i) },
  };
  const reader = read[ELEM.get(t.dataType ?? 0) ?? ""];
  if (!reader) return `${bytes.length} bytes`;
  const count = bytes.length / reader.size;
  const shown = Array.from({ length: Math.min(count, SHOWN) }, (_, i) => String(reader.at(i * reader.size)));
  return `[${shown.join(", ")}${count > SHOWN ? `, ... ${count} in all` : ""}]`;
}

function printNode(node: onnx.INodeProto, indent: string): string[] {
  const attributes = (node.attribute ?? [])
    .filter((a) => a.type !== AttributeType.GRAPH)
    .map((a) => `${a.name}=${printAttribute(a)}`);
  const op = `${node.domain ? `${node.domain}.` : ""}${node.opType}`;
  const inputs = (node.input ?? []).map((i) => i || "none").join(", ");
  const line = `${indent}${(node.output ?? []).join(", ")} = ${op}(${inputs})`;
  const bodies = (node.attribute ?? []).filter((a) => a.type === AttributeType.GRAPH);
  return [
    attributes.length > 0 ? `${line} {${attributes.join(", ")}}` : line,
    ...bodies.flatMap((a) => [`${indent}  ${a.name}:`, ...printGraph(a.g ?? {}, `${indent}    `)]),
  ];
}

function printAttribute(a: onnx.IAttributeProto): string {
  switch (a.type) {
    case AttributeType.INT:
      return String(Number(a.i));
    case AttributeType.FLOAT:
      return String(a.f);
    case AttributeType.STRING:
      return new TextDecoder().decode(a.s ?? new Uint8Array());
    default:
      return `[${(a.ints ?? []).map(Number).join(", ")}]`;
  }
}
