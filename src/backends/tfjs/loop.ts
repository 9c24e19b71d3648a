/**
 * @file A scan as TensorFlow.js runs loops: a `StatelessWhile` of two functions, with lists for what each place gives. Such a graph is run
 * by `executeAsync`.
 *
 * The place and the number of places are read on the host: they are counted there, by whole numbers that no kernel reads, so that on webgpu
 * nothing waits for the device. Operands that are the same at all places go in as they are and come out as they are.
 *
 * After each round the executor (of TensorFlow.js 4.22) frees what the function made and does not give, be it in a list or not: what is put
 * into a list is given as a state, too.
 */
import type { OnnxNode, OnnxPort, Subgraph, Tensor } from "../lowering/writer.ts";
import type { DataType } from "./graph-def.ts";
import { resultOf, typeOf, type Argument, type GraphWriter } from "./graph-writer.ts";

const INT = { T: { type: "DT_INT32" } } as const;

/** What goes round: the place, the number of places, states, lists of what each place gives, operands by place, and all others. */
interface Rounds {
  readonly name: string;
  readonly states: readonly OnnxPort[];
  readonly places: readonly OnnxPort[];
  readonly around: readonly Tensor[];
  readonly body: Subgraph;
}

/** Writes a `Scan` of the lowering. `emit` writes a node of its body. */
export function loop(graph: GraphWriter, scan: OnnxNode, emit: (node: OnnxNode) => void): void {
  const { body, scanned } = partsOf(scan);
  const count = scan.inputs.length - scanned;
  const initial = scan.inputs.slice(0, count) as readonly Tensor[];
  const operands = scan.inputs.slice(count) as readonly Tensor[];
  const name = graph.unique(`${scan.name}/loop`);
  const rounds: Rounds = {
    name,
    states: body.inputs.slice(0, count),
    places: body.inputs.slice(count),
    around: capturedBy(body).filter((t) => !graph.isConstant(t)),
    body,
  };
  const given = body.outputs.slice(count);
  const first = graph.extra(`${name}/sizes`, "Slice", [graph.shapeOf(operands[0]!), graph.list([0]), graph.list([1])]);
  const most = graph.extra(`${name}/count`, "Reshape", [first, graph.list([], [0])]);
  const lists = given.map((port) =>
    graph.extra(`${name}/list`, "TensorListReserve", [elementShape(graph, port), most], elementType(port)),
  );
  const args = [
    graph.list([0], []),
    most,
    ...initial.map((t) => graph.value(t)),
    ...lists,
    ...operands.map((t) => graph.value(t)),
    ...rounds.around.map((t) => graph.ref(t)),
  ];
  define(graph, rounds, given, emit);
  const of = (part: string) => ({ func: { name: `${name}/${part}` } });
  graph.node(name, "StatelessWhile", args, { cond: of("goes_on"), body: of("place") });
  scan.outputs.forEach((tensor, i) => {
    if (i < count) return graph.is(tensor, resultOf(name, 2 + i));
    const port = given[i - count]!;
    const parts = [resultOf(name, 2 + i), elementShape(graph, port)];
    graph.node(graph.unique(`${name}/stacked`), "TensorListStack", parts, {
      ...elementType(port),
      num_elements: { i: "-1" },
    });
    graph.is(tensor, graph.nodes.at(-1)!.name);
  });
}

function define(graph: GraphWriter, rounds: Rounds, given: readonly OnnxPort[], emit: (node: OnnxNode) => void): void {
  const { name, states, places, around, body } = rounds;
  const argument = (wish: string, type: DataType, tensor?: Tensor): Argument => ({
    name: graph.unique(`${name}/${wish}`),
    type,
    ...(tensor ? { tensor } : {}),
  });
  const all = (kind: string) => {
    const place = argument(`${kind}/at`, "DT_INT32");
    const count = argument(`${kind}/count`, "DT_INT32");
    const own = states.map(({ tensor }) => argument(`${kind}/state`, typeOf(tensor), tensor));
    const lists = given.map(() => argument(`${kind}/list`, "DT_VARIANT"));
    const operands = places.map(({ tensor }) => argument(`${kind}/operand`, typeOf(tensor)));
    const others = around.map((tensor) => argument(`${kind}/other`, typeOf(tensor), tensor));
    return { place, count, lists, operands, others, list: [place, count, ...own, ...lists, ...operands, ...others] };
  };
  const before = all("goes_on");
  graph.define(`${name}/goes_on`, before.list, () => {
    const less = graph.extra(`${name}/goes_on/less`, "Less", [before.place.name, before.count.name], INT);
    return [{ name: "goes_on", type: "DT_BOOL", ref: less }];
  });
  const within = all("place");
  graph.define(`${name}/place`, within.list, () => {
    const { place, count, lists, operands, others } = within;
    places.forEach((port, i) => takePlace(graph, operands[i]!.name, place.name, port));
    const sources = new Map(body.nodes.filter((n) => n.op === "Identity").map((n) => [n.outputs[0]!, n.inputs[0]!]));
    const results = body.outputs.map(({ tensor }) => sources.get(tensor) ?? tensor);
    const isCopy = new Set(body.outputs.map((p) => p.tensor));
    for (const node of body.nodes) if (node.op !== "Identity" || !isCopy.has(node.outputs[0]!)) emit(node);
    const made = results.map((tensor) => graph.value(tensor));
    if (made.slice(states.length).some((m) => !made.slice(0, states.length).includes(m)))
      throw new Error("what a place gives is no state");
    const filled = lists.map((list, i) => {
      const item = [list.name, place.name, made[states.length + i]!];
      return graph.extra(`${name}/place/filled`, "TensorListSetItem", item, elementType(given[i]!));
    });
    const next = graph.extra(`${name}/place/next`, "AddV2", [place.name, graph.list([1], [])], INT);
    const refs = [
      next,
      count.name,
      ...made.slice(0, states.length),
      ...filled,
      ...[...operands, ...others].map((a) => a.name),
    ];
    return within.list.map(({ type }, i) => ({ name: `result_${i}`, type, ref: refs[i]! }));
  });
}

/** The place's part of an operand, whose first dimension are the places. */
function takePlace(graph: GraphWriter, from: string, place: string, { tensor, dims }: OnnxPort): void {
  const T = { T: { type: typeOf(tensor) } } as const;
  const first = graph.extra(`${place}/first`, "Reshape", [place, graph.list([1])]);
  const rest = dims.map(() => 0);
  const begin =
    rest.length === 0
      ? first
      : graph.extra(`${place}/begin`, "ConcatV2", [first, graph.list(rest), graph.list([0], [])], {
          ...INT,
          N: { i: "2" },
        });
  const size = graph.list([1, ...dims.map(() => -1)]);
  const one = graph.extra(`${from}/one`, "Slice", [from, begin, size], T);
  graph.is(tensor, graph.extra(`${from}/here`, "Squeeze", [one], { ...T, squeeze_dims: { list: { i: ["0"] } } }));
}

/** Sizes that are not known are not said: the executor finds them in what is put into the list. */
function elementShape(graph: GraphWriter, { dims }: OnnxPort): string {
  return graph.list(dims.map((d) => (typeof d === "number" ? d : -1)));
}

const elementType = ({ tensor }: OnnxPort) => ({ element_dtype: { type: typeOf(tensor) } }) as const;

function partsOf({ attributes }: OnnxNode): { readonly body: Subgraph; readonly scanned: number } {
  const { body, num_scan_inputs } = attributes;
  if (typeof body !== "object" || !("graph" in body)) throw new Error("a scan has no body");
  return { body: body.graph, scanned: num_scan_inputs as number };
}

/** The nodes of a graph, and those of the loops in it. */
export function everyNode(nodes: readonly OnnxNode[]): readonly OnnxNode[] {
  return nodes.flatMap((n) => [n, ...(n.op === "Scan" ? everyNode(partsOf(n).body.nodes) : [])]);
}

/** What a body reads of the graphs around it. */
function capturedBy(body: Subgraph): readonly Tensor[] {
  const own = new Set(body.inputs.map((p) => p.tensor));
  const captured = new Set<Tensor>();
  const read = (t: Tensor | undefined): void => {
    if (t && !own.has(t)) captured.add(t);
  };
  for (const node of body.nodes) {
    node.inputs.forEach(read);
    if (node.op === "Scan") capturedBy(partsOf(node).body).forEach(read);
    for (const t of node.outputs) own.add(t);
  }
  for (const { tensor } of body.outputs) read(tensor);
  return [...captured];
}
