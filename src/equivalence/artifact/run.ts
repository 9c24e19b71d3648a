/** @file Runs a graph of an artifact in a net: its nodes, one after the other, on given inputs. */
import { isHalf, type WrittenGraph } from "../../backends/written.ts";
import { Unread, type Net, type Value } from "./net.ts";
import { onnx } from "./onnx.ts";
import { Application, type Meaning } from "./operator.ts";
import { tfjs } from "./tfjs.ts";

const DIALECTS: { readonly [K in WrittenGraph["dialect"]]: Readonly<Record<string, Meaning>> } = { onnx, tfjs };

/** The operators of a graph, its loops' included, that have no meaning here. */
export function unreadOperators(graph: WrittenGraph): readonly string[] {
  const table = DIALECTS[graph.dialect];
  const inner = graph.nodes.flatMap((n) =>
    Object.values(n.attributes).flatMap((a) => (typeof a === "object" && "graph" in a ? unreadOperators(a.graph) : [])),
  );
  return [...new Set([...graph.nodes.flatMap((n) => (Object.hasOwn(table, n.op) ? [] : [n.op])), ...inner])];
}

/** Every tensor of the graph by its name, from its inputs and tensors on. Throws `Unread`, with the node's name. */
export function runGraph(net: Net, graph: WrittenGraph, given: ReadonlyMap<string, Value>): ReadonlyMap<string, Value> {
  const values = new Map(given);
  const table = DIALECTS[graph.dialect];
  for (const node of graph.nodes) {
    const meaning = Object.hasOwn(table, node.op) ? table[node.op] : undefined;
    if (!meaning) throw new Unread(`the operator ${node.op} (${node.name}) is not known here`);
    const operands = node.inputs.map((name) => {
      if (name === "") return undefined;
      const x = values.get(name);
      if (!x) throw new Unread(`${node.name} reads ${name}, which nothing makes`);
      return x;
    });
    net.flat.mark(node.name);
    try {
      const made = meaning(
        new Application(net, node, operands, graph.opset, (body, inputs) => runBody(net, body, inputs, values)),
      );
      const results = "dims" in made ? [made] : made;
      // A node of TensorFlow's has one name; its other results are `name:1`, ...
      if (graph.dialect === "tfjs")
        for (const [i, result] of results.entries()) values.set(i === 0 ? node.name : `${node.name}:${i}`, result);
      else for (const [i, name] of node.outputs.entries()) if (name !== "" && results[i]) values.set(name, results[i]);
    } catch (e) {
      if (e instanceof Unread) throw new Unread(`${node.op} (${node.name}): ${e.message}`);
      throw e;
    } finally {
      net.flat.mark("");
    }
  }
  return values;
}

function runBody(
  net: Net,
  body: WrittenGraph,
  inputs: readonly Value[],
  around: ReadonlyMap<string, Value>,
): readonly Value[] {
  const given = new Map(around);
  for (const [i, port] of body.inputs.entries()) given.set(port.name, inputs[i]!);
  for (const t of body.tensors) given.set(t.name, net.listed(t.numbers(), t.dims, t.dtype, isHalf(t)));
  const values = runGraph(net, body, given);
  return body.outputs.map((o) => values.get(o.name)!);
}
