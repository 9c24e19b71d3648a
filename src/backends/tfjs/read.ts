/** @file Reads a written `model.json` into its list of nodes; the bytes of the shards are asked for. */
import type { Dtype } from "../../ir/type.ts";
import { rawElements, toFloat32 } from "../../weights/dtypes.ts";
import {
  ROUNDING,
  Unreadable,
  type ReadBytes,
  type WrittenAttribute,
  type WrittenGraph,
  type WrittenTensor,
} from "../written.ts";
import type { TfmParameter } from "./fusions.ts";
import type { AttrValue, FunctionDef, ModelJson, NodeDef, WeightEntry } from "./graph-def.ts";

const WIDTH = { float32: 4, int32: 4, bool: 1, float16: 2, uint8: 1 } as const;

/** Throws `Unreadable`. `data` gives bytes of the weights, all shards one after the other (`file` is ""). */
export function readTfjs(text: string, data: ReadBytes): WrittenGraph {
  let model: Partial<ModelJson>;
  try {
    model = JSON.parse(text) as Partial<ModelJson>;
  } catch {
    throw new Unreadable("the model is no JSON");
  }
  const { modelTopology, signature, weightsManifest } = model;
  if (!modelTopology?.node || !signature || !weightsManifest) throw new Unreadable("the file holds no GraphModel");
  const parameters = new Map((model.userDefinedMetadata?.tfm?.parameters ?? []).flatMap(piecesOf));
  let offset = 0;
  const tensors = weightsManifest.flatMap((group) =>
    group.weights.map((entry): WrittenTensor => {
      const start = offset;
      const width = WIDTH[entry.quantization?.dtype ?? entry.dtype];
      const count = entry.shape.reduce((n, d) => n * d, 1);
      offset += width * count;
      let known: ArrayLike<number> | undefined;
      const parameter = parameters.get(entry.name);
      return {
        name: entry.name,
        dims: entry.shape,
        dtype: dtypeOf(entry),
        isWeight: parameter !== undefined,
        rounding: ROUNDING[entry.quantization ? (entry.quantization.dtype === "uint8" ? "U8" : "F16") : "F32"],
        numbers: () => (known ??= numbersOf(entry, data("", start, width * count))),
        ...(parameter ? { parameter } : {}),
      };
    }),
  );
  const functions = new Map((modelTopology.library?.function ?? []).map((f) => [f.signature.name, f]));
  return {
    dialect: "tfjs",
    opset: 0,
    inputs: Object.entries(signature.inputs).map(([name, info]) => ({ name, dtype: portDtype(info.dtype) })),
    outputs: Object.entries(signature.outputs).map(([name, info]) => ({ name, dtype: portDtype(info.dtype) })),
    tensors,
    nodes: nodesOf(modelTopology.node, functions),
  };
}

/** What each constant of a parameter is of it. */
function piecesOf({
  path,
  constants,
  order,
  along,
  factor,
}: TfmParameter): (readonly [string, WrittenTensor["parameter"]])[] {
  if (factor !== undefined && (typeof factor !== "number" || !Number.isFinite(factor) || factor === 0))
    throw new Unreadable(`${path} is scaled by ${JSON.stringify(factor)}, which is no factor`);
  const names = order.map((a) => a.name);
  return constants.map((name, index) => [
    name,
    {
      path,
      order: names,
      ...(along === undefined ? {} : { piece: { along, index, of: constants.length } }),
      ...(factor === undefined ? {} : { factor }),
    },
  ]);
}

function dtypeOf({ dtype }: WeightEntry): Dtype {
  return dtype === "float32" ? "float" : dtype === "int32" ? "int" : "bool";
}

function portDtype(dtype: string): Dtype {
  return dtype === "DT_FLOAT" ? "float" : dtype === "DT_BOOL" ? "bool" : "int";
}

type Functions = ReadonlyMap<string, FunctionDef>;

function nodesOf(nodes: readonly NodeDef[], functions: Functions): WrittenGraph["nodes"] {
  return nodes.filter((n) => n.op !== "Const" && n.op !== "Placeholder").map((n) => nodeOf(n, functions));
}

/** The constants that it reads are the model's. */
function graphOf(name: string, functions: Functions): WrittenGraph {
  const found = functions.get(name);
  if (!found) throw new Unreadable(`there is no function ${name}`);
  const { signature, nodeDef, ret } = found;
  const port = (of: string, type: string) => ({ name: of.replace(/:0$/, ""), dtype: portDtype(type) });
  return {
    dialect: "tfjs",
    opset: 0,
    inputs: signature.inputArg.map((a) => port(a.name, a.type)),
    outputs: signature.outputArg.map((a) => port(ret[a.name] ?? a.name, a.type)),
    tensors: [],
    nodes: nodesOf(nodeDef, functions),
  };
}

function nodeOf({ name, op, input = [], attr = {} }: NodeDef, functions: Functions): WrittenGraph["nodes"][number] {
  // How many results there are is said by whoever reads them: `name`, `name:1`, ...
  return {
    name,
    op,
    inputs: input.map((i) => i.replace(/:0$/, "")),
    outputs: [name],
    attributes: Object.fromEntries(Object.entries(attr).map(([key, value]) => [key, attributeOf(value, functions)])),
  };
}

function attributeOf(value: AttrValue, functions: Functions): WrittenAttribute {
  if ("func" in value) return { graph: graphOf(value.func.name, functions) };
  if ("type" in value) return value.type;
  if ("b" in value) return value.b ? 1 : 0;
  if ("i" in value) return Number(value.i);
  if ("f" in value) return { float: value.f };
  if ("s" in value) return atob(value.s);
  if ("list" in value) return "s" in value.list ? value.list.s.map(atob).join(",") : value.list.i.map(Number);
  return value.shape.dim.map((d) => Number(d.size));
}

function numbersOf(entry: WeightEntry, bytes: Uint8Array): ArrayLike<number> {
  const { quantization } = entry;
  if (quantization?.dtype === "uint8")
    return Float64Array.from(bytes, (q) => Math.fround(q * quantization.scale + quantization.min));
  if (quantization) return toFloat32("F16", bytes);
  if (entry.dtype === "float32") return toFloat32("F32", bytes);
  return Float64Array.from(rawElements(entry.dtype === "int32" ? "I32" : "BOOL", bytes) as ArrayLike<number>);
}
