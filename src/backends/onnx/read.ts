/** @file Reads an encoded ONNX model into its list of nodes. Formats: onnx.proto3 of ONNX 1.18. */
import proto, { type onnx } from "onnx-proto";
import type { Dtype } from "../../ir/type.ts";
import { rawElements, toFloat32 } from "../../weights/dtypes.ts";
import type { StoredDtype } from "../../weights/source.ts";
import {
  ROUNDING,
  Unreadable,
  type ReadBytes,
  type WrittenAttribute,
  type WrittenGraph,
  type WrittenNode,
  type WrittenPort,
  type WrittenTensor,
} from "../written.ts";
import { deserialize } from "./serialize.ts";

const { DataType, DataLocation } = proto.onnx.TensorProto;
const { AttributeType } = proto.onnx.AttributeProto;

/** An inline tensor of floats of more numbers than this, not all the same, is a weight. */
const MOST_CONSTANT = 16;

const STORED: ReadonlyMap<number, readonly [dtype: Dtype, stored: StoredDtype, width: number]> = new Map([
  [DataType.FLOAT, ["float", "F32", 4] as const],
  [DataType.DOUBLE, ["float", "F64", 8] as const],
  [DataType.FLOAT16, ["float", "F16", 2] as const],
  [DataType.BFLOAT16, ["float", "BF16", 2] as const],
  [DataType.INT64, ["int", "I64", 8] as const],
  [DataType.INT32, ["int", "I32", 4] as const],
  [DataType.BOOL, ["bool", "BOOL", 1] as const],
]);

/** The dtype that an element type is, by ONNX's number; undefined where it is none of these. */
export function dtypeOfElement(elem: number): Dtype | undefined {
  return STORED.get(elem)?.[0];
}

/** Throws `Unreadable`. `data` gives the bytes of files beside the model. */
export function readOnnx(model: Uint8Array, data: ReadBytes): WrittenGraph {
  let decoded: onnx.ModelProto;
  try {
    decoded = deserialize(model);
  } catch (error) {
    throw new Unreadable(`the model cannot be decoded: ${error instanceof Error ? error.message : String(error)}`);
  }
  const opset = decoded.opsetImport.find((o) => !o.domain || o.domain === "ai.onnx")?.version;
  if (!decoded.graph || opset === undefined || opset === null) throw new Unreadable("the file holds no ONNX model");
  return graphOf(decoded.graph, Number(opset), data);
}

function graphOf(graph: onnx.IGraphProto, opset: number, data: ReadBytes): WrittenGraph {
  const tensors = (graph.initializer ?? []).map((t) => tensorOf(t, data));
  const given = new Set(tensors.map((t) => t.name));
  const nodes: WrittenNode[] = [];
  for (const node of graph.node ?? []) {
    const value = node.opType === "Constant" ? node.attribute?.find((a) => a.name === "value")?.t : undefined;
    // A tensor under another guise.
    if (value) tensors.push({ ...tensorOf(value, data), name: node.output?.[0] ?? "", isWeight: false });
    else nodes.push(nodeOf(node, opset, data));
  }
  return {
    dialect: "onnx",
    opset,
    inputs: (graph.input ?? []).filter((p) => !given.has(p.name ?? "")).map(portOf),
    outputs: (graph.output ?? []).map(portOf),
    tensors,
    nodes,
  };
}

function portOf(port: onnx.IValueInfoProto): WrittenPort {
  return { name: port.name ?? "", dtype: dtypeOfElement(port.type?.tensorType?.elemType ?? 0) ?? "float" };
}

function nodeOf(node: onnx.INodeProto, opset: number, data: ReadBytes): WrittenNode {
  const domain = node.domain && node.domain !== "ai.onnx" ? `${node.domain}.` : "";
  return {
    name: node.name ?? "",
    op: `${domain}${node.opType}`,
    inputs: node.input ?? [],
    outputs: node.output ?? [],
    attributes: Object.fromEntries((node.attribute ?? []).map((a) => [a.name ?? "", attributeOf(a, opset, data)])),
  };
}

function attributeOf(a: onnx.IAttributeProto, opset: number, data: ReadBytes): WrittenAttribute {
  switch (a.type) {
    case AttributeType.FLOAT:
      return { float: a.f ?? 0 };
    case AttributeType.FLOATS:
      return { floats: a.floats ?? [] };
    case AttributeType.INT:
      return Number(a.i ?? 0);
    case AttributeType.INTS:
      return (a.ints ?? []).map(Number);
    case AttributeType.STRING:
      return new TextDecoder().decode(a.s ?? new Uint8Array());
    case AttributeType.GRAPH:
      return { graph: graphOf(a.g ?? {}, opset, data) };
    default:
      throw new Unreadable(`the attribute ${a.name} is of a kind that is not read (${a.type})`);
  }
}

function tensorOf(t: onnx.ITensorProto, data: ReadBytes): WrittenTensor {
  const name = t.name ?? "";
  const [dtype, stored] = storedAs(t);
  const dims = (t.dims ?? []).map(Number);
  if (dims.some((d) => !Number.isSafeInteger(d) || d < 0)) throw new Unreadable(`the tensor ${name} has no shape`);
  const count = dims.reduce((n, d) => n * d, 1);
  let known: ArrayLike<number> | undefined;
  const numbers = (): ArrayLike<number> => (known ??= numbersOf(t, name, count, data));
  const differ = (): boolean => Array.from(numbers()).some((x) => x !== numbers()[0]);
  const isWeight = dtype === "float" && (isExternal(t) || (count > MOST_CONSTANT && differ()));
  const rounding = ROUNDING[stored === "F16" || stored === "BF16" || stored === "F64" ? stored : "F32"];
  return { name, dims, dtype, isWeight, numbers, rounding };
}

function storedAs(t: onnx.ITensorProto): readonly [Dtype, StoredDtype, number] {
  const stored = STORED.get(t.dataType ?? 0);
  if (!stored) throw new Unreadable(`the tensor ${t.name} is of a type that is not read (${t.dataType})`);
  return stored;
}

function isExternal(t: onnx.ITensorProto): boolean {
  return t.dataLocation === DataLocation.EXTERNAL;
}

function numbersOf(t: onnx.ITensorProto, name: string, count: number, data: ReadBytes): ArrayLike<number> {
  const [dtype, stored, width] = storedAs(t);
  const listed = [t.floatData ?? [], t.int64Data ?? [], t.int32Data ?? []].find((f) => f.length > 0);
  if (!isExternal(t) && listed && (t.rawData?.length ?? 0) === 0 && width !== 2) {
    if (listed.length !== count) throw new Unreadable(`the tensor ${name} has ${listed.length} of ${count} numbers`);
    return Float64Array.from(listed as ArrayLike<number>, Number);
  }
  const bytes = isExternal(t) ? external(t, name, data) : (t.rawData ?? new Uint8Array());
  if (bytes.length !== count * width)
    throw new Unreadable(`the tensor ${name} has ${bytes.length} bytes, and ${count * width} belong to it`);
  if (dtype === "float" && stored !== "F64") return toFloat32(stored, bytes);
  return Float64Array.from(rawElements(stored, bytes) as ArrayLike<number | bigint>, Number);
}

function external(t: onnx.ITensorProto, name: string, data: ReadBytes): Uint8Array {
  const entries = new Map((t.externalData ?? []).map((e) => [e.key, e.value]));
  const [file, offset, length] = [
    entries.get("location") ?? "",
    Number(entries.get("offset") ?? 0),
    Number(entries.get("length") ?? 0),
  ];
  if (![offset, length].every((n) => Number.isSafeInteger(n) && n >= 0))
    throw new Unreadable(`the tensor ${name} is given no stretch of ${file}`);
  return data(file, offset, length);
}
