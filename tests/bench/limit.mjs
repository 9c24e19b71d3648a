/**
 * @file What no graph of a model can beat: its products with weights, alone. In a step of a decoder that is the time to read the weights
 * once, in an encoder that of the runtime's matrix products. The graph is made of ours: each product whose other operand is made of
 * weights only, on an input of the shape that it has in that case.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import onnxProto from "onnx-proto";
import * as ort from "onnxruntime-node";

const { onnx } = onnxProto;
/** Beside the model, since it refers to the same data files. */
export const LIMIT_FILE = "limit.onnx";
const PRODUCTS = new Set(["MatMul", "Gemm"]);
const FLOAT = onnx.TensorProto.DataType.FLOAT;

/**
 * Writes that graph beside the model, and gives its path.
 * @param feeds what the case gives the model
 */
export async function writeLimit(path, feeds) {
  const model = onnx.ModelProto.decode(readFileSync(path));
  const { graph } = model;
  const shapes = await productShapes(path, feeds);
  const constant = new Set(graph.initializer.map((t) => t.name));
  const maker = new Map();
  for (const node of graph.node)
    if (node.input.length > 0 && node.input.every((n) => n === "" || constant.has(n)))
      for (const name of node.output) {
        constant.add(name);
        maker.set(name, node);
      }
  const nodes = [];
  const inputs = new Map();
  const maxima = [];
  const wanted = new Set();
  const want = (name) => {
    if (wanted.has(name)) return;
    wanted.add(name);
    const node = maker.get(name);
    if (!node) return;
    for (const n of node.input) want(n);
    if (!nodes.includes(node)) nodes.push(node);
  };
  for (const node of graph.node) {
    const dims = shapes.get(node.name);
    if (!PRODUCTS.has(node.opType) || !dims || dims.includes(0)) continue;
    if (constant.has(node.input[0]) || !constant.has(node.input[1])) continue;
    want(node.input[1]);
    if (node.input[2]) want(node.input[2]);
    const input = `x_${dims.join("_")}`;
    inputs.set(input, dims);
    const product = `${node.name}/alone`;
    nodes.push({ ...node, name: product, input: [input, ...node.input.slice(1)], output: [product] });
    // The largest number, so that the product is wanted and little is put out.
    nodes.push({
      name: `${product}/max`,
      opType: "ReduceMax",
      input: [product],
      output: [`${product}/max`],
      attribute: [{ name: "keepdims", type: onnx.AttributeProto.AttributeType.INT, i: 0 }],
    });
    maxima.push(`${product}/max`);
  }
  nodes.push({ name: "limit", opType: "Max", input: maxima, output: ["limit"] });
  const typed = (name, dims) => ({
    name,
    type: { tensorType: { elemType: FLOAT, shape: { dim: dims.map((dimValue) => ({ dimValue })) } } },
  });
  const limit = onnx.ModelProto.create({
    ...model,
    functions: [],
    graph: {
      name: "limit",
      node: nodes,
      initializer: graph.initializer.filter((t) => wanted.has(t.name)),
      input: [...inputs].map(([name, dims]) => typed(name, dims)),
      output: [typed("limit", [])],
    },
  });
  const out = join(dirname(path), LIMIT_FILE);
  writeFileSync(out, onnx.ModelProto.encode(limit).finish());
  return out;
}

/** The shapes of each product's first operand by the node's name, as the runtime's profile of one run has them. */
async function productShapes(path, feeds) {
  const folder = mkdtempSync(join(tmpdir(), "tfm-profile-"));
  try {
    const session = await ort.InferenceSession.create(path, {
      intraOpNumThreads: 1,
      graphOptimizationLevel: "disabled",
      enableProfiling: true,
      profileFilePrefix: join(folder, "profile"),
    });
    await session.run(feeds);
    session.endProfiling();
    await session.release();
    const shapes = new Map();
    for (const file of readdirSync(folder))
      for (const { name, args } of JSON.parse(readFileSync(join(folder, file), "utf8")))
        if (PRODUCTS.has(args?.op_name) && args.input_type_shape?.length > 0)
          shapes.set(name.replace(/_kernel_time$/, ""), Object.values(args.input_type_shape[0])[0]);
    return shapes;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
