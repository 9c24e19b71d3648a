/** @file Encodes a written graph as an ONNX model, through onnx-proto's generated classes. */
import proto, { type onnx } from "onnx-proto";
import type { Producer } from "../backend.ts";
import type { Encodable } from "./half.ts";
import type { OnnxTarget } from "./targets.ts";
import type { Attribute, Attributes, Initializer, OnnxNode, OnnxPort, Subgraph } from "../lowering/writer.ts";

const { AttributeType } = proto.onnx.AttributeProto;
const EXTERNAL = proto.onnx.TensorProto.DataLocation.EXTERNAL;

export function serialize(writer: Encodable, name: string, target: OnnxTarget, producer: Producer): Uint8Array {
  const { nodes } = writer;
  const domains = [...new Set(nodes.flatMap(({ op }) => operatorOf(op).domain ?? []))].map((domain) => ({
    domain,
    version: 1,
  }));
  const model: onnx.IModelProto = {
    irVersion: target.irVersion,
    producerName: producer.name,
    producerVersion: producer.version,
    opsetImport: [{ domain: "", version: target.opset }, ...domains],
    graph: {
      ...graphOf({ name, nodes, inputs: writer.inputs, outputs: writer.outputs }),
      initializer: writer.initializers.map(tensorOf),
    },
  };
  return proto.onnx.ModelProto.encode(model).finish();
}

/** Reads an encoded model. Plain bytes, since the package's reader of node's own buffers calls a deprecated function. */
export function deserialize(model: Uint8Array): onnx.ModelProto {
  return proto.onnx.ModelProto.decode(new Uint8Array(model.buffer, model.byteOffset, model.byteLength));
}

function graphOf(graph: Subgraph): onnx.IGraphProto {
  return {
    name: graph.name,
    node: graph.nodes.map(nodeOf),
    input: graph.inputs.map(portOf),
    output: graph.outputs.map(portOf),
  };
}

function nodeOf(node: OnnxNode): onnx.INodeProto {
  return {
    name: node.name,
    ...operatorOf(node.op),
    input: node.inputs.map((t) => t?.name ?? ""),
    output: node.outputs.map((t) => t.name),
    attribute: attributesOf(node.attributes),
  };
}

/** Operators of other domains have them before their names, `com.microsoft.GroupQueryAttention`. */
function operatorOf(op: string): { readonly opType: string; readonly domain?: string } {
  const dot = op.lastIndexOf(".");
  return dot < 0 ? { opType: op } : { opType: op.slice(dot + 1), domain: op.slice(0, dot) };
}

/** Copies of a node share their attributes, which are made once. */
const encoded = new WeakMap<Attributes, onnx.IAttributeProto[]>();

function attributesOf(attributes: Attributes): onnx.IAttributeProto[] {
  let made = encoded.get(attributes);
  if (!made)
    encoded.set(attributes, (made = Object.entries(attributes).map(([name, value]) => attributeOf(name, value))));
  return made;
}

function attributeOf(name: string, value: Attribute): onnx.IAttributeProto {
  if (typeof value === "number") return { name, type: AttributeType.INT, i: value };
  if (typeof value === "string") return { name, type: AttributeType.STRING, s: new TextEncoder().encode(value) };
  if ("float" in value) return { name, type: AttributeType.FLOAT, f: value.float };
  if ("graph" in value) return { name, type: AttributeType.GRAPH, g: graphOf(value.graph) };
  return { name, type: AttributeType.INTS, ints: [...value] };
}

function portOf({ tensor, dims }: OnnxPort): onnx.IValueInfoProto {
  const dim = dims.map((d) => (typeof d === "number" ? { dimValue: d } : { dimParam: d }));
  return { name: tensor.name, type: { tensorType: { elemType: tensor.elem, shape: { dim } } } };
}

function tensorOf({ tensor, dims, data }: Initializer): onnx.ITensorProto {
  const head = { name: tensor.name, dataType: tensor.elem, dims: [...dims] };
  if (data.kind === "inline") return { ...head, rawData: data.bytes };
  const entries = { location: data.file, offset: String(data.offset), length: String(data.length) };
  return {
    ...head,
    dataLocation: EXTERNAL,
    externalData: Object.entries(entries).map(([key, value]) => ({ key, value })),
  };
}
