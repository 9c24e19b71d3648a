/**
 * @file Weights beyond what one buffer of the device may hold, as several: a product is taken with each and the results are put together
 * again, a place that is looked up is taken from the one that has it. What comes out are the same numbers.
 *
 * WebGPU promises 128 MiB for what one binding reads. Beyond its limit a device does not fail: it complains where nobody waits, and what
 * is read then is stale.
 */
import { Size } from "../../ir/size.ts";
import type { Axis } from "../../ir/type.ts";
import type { PlannedTensor } from "../backend.ts";
import {
  Elem,
  type Attributes,
  type Initializer,
  type OnnxNode,
  type Tensor,
  type Writer,
} from "../lowering/writer.ts";

/** A weight, as the host writes it and as the graph reads it. */
export interface StoredWeight {
  readonly planned: PlannedTensor;
  readonly tensor: Tensor;
  readonly dims: readonly number[];
  /** Is it read by products and lookups only? */
  readonly isMatrix: boolean;
}

/** What is translated. `nodes` begin with the prelude. */
export type Program = Pick<Writer, "inputs" | "outputs" | "prelude" | "nodes" | "initializers">;

/** Kernels see float32, however it is stored. */
const WIDTH = 4;

/** The weights of a program in the order of `planned`, those larger than `limit` (in bytes) in pieces. */
export function withPieces(
  writer: Writer,
  planned: readonly PlannedTensor[],
  limit: number,
): { readonly program: Program; readonly weights: readonly StoredWeight[] } {
  const { nodes } = writer;
  const views = viewsOf(writer.initializers);
  const readers = readersOf(nodes);
  const cuts = new Map<Tensor, Cut>();
  const weights = planned.flatMap((plan): readonly StoredWeight[] => {
    const own = views.get(plan.offset)!;
    const { tensor, dims } = own[0]!;
    const reads = readers.get(tensor) ?? [];
    const isMatrix = own.length === 1 && reads.length > 0 && reads.every(isOperand);
    const weight = { planned: plan, tensor, dims, isMatrix };
    if (WIDTH * countOf(dims) <= limit) return [weight];
    const cut = cutOf(writer, weight, reads, limit);
    if (!cut) return [weight];
    cuts.set(tensor, cut);
    return cut.pieces;
  });
  const pieces = new InPieces(writer, cuts);
  const rewritten = [...again(writer, views), ...nodes].flatMap((node) => pieces.node(node));
  const external = weights.map(({ tensor, dims }): Initializer => {
    return { tensor, dims, data: { kind: "external", file: "", offset: 0, length: 0 } };
  });
  const { inputs, outputs, prelude } = writer;
  const initializers = [...external, ...writer.initializers.filter((i) => i.data.kind === "inline")];
  return { program: { inputs, outputs, prelude, nodes: rewritten, initializers }, weights };
}

const countOf = (dims: readonly number[]): number => dims.reduce((n, d) => n * d, 1);

/** The initializers that are one planned tensor, by its offset: several where it is read in other dimensions too. */
function viewsOf(initializers: readonly Initializer[]): ReadonlyMap<number, readonly Initializer[]> {
  const views = new Map<number, Initializer[]>();
  for (const i of initializers)
    if (i.data.kind === "external") views.set(i.data.offset, [...(views.get(i.data.offset) ?? []), i]);
  return views;
}

/** The manifest has one tensor for all views: the others are that one with other dimensions. */
function again(writer: Writer, views: ReadonlyMap<number, readonly Initializer[]>): readonly OnnxNode[] {
  return [...views.values()].flatMap(([first, ...others]) =>
    others.map(({ tensor, dims }): OnnxNode => ({
      name: writer.unique(`${tensor.name}/Reshape`),
      op: "Reshape",
      inputs: [first!.tensor, writer.ints(dims)],
      outputs: [tensor],
      attributes: {},
    })),
  );
}

interface Read {
  readonly node: OnnxNode;
  /** Which operand it is. */
  readonly at: number;
}

function readersOf(nodes: readonly OnnxNode[]): ReadonlyMap<Tensor, readonly Read[]> {
  const readers = new Map<Tensor, Read[]>();
  const visit = (node: OnnxNode): void => {
    node.inputs.forEach((t, at) => t && readers.set(t, [...(readers.get(t) ?? []), { node, at }]));
    for (const a of Object.values(node.attributes))
      if (typeof a === "object" && "graph" in a) a.graph.nodes.forEach(visit);
  };
  nodes.forEach(visit);
  return readers;
}

const isProduct = ({ node, at }: Read): boolean => ["Gemm", "MatMul"].includes(node.op) && at < 2;
const isLookup = ({ node, at }: Read): boolean => node.op === "Gather" && at === 0;
const isOperand = (read: Read): boolean => isProduct(read) || isLookup(read);

interface Cut {
  /** Along this dimension, of so many. */
  readonly dimension: number;
  readonly rank: number;
  readonly pieces: readonly StoredWeight[];
  /** Where each begins along the dimension. */
  readonly starts: readonly number[];
}

/** Along what a product does not sum over, else along what a lookup goes through: the rows of a table. */
function dimensionOf(reads: readonly Read[], rank: number): number {
  const product = reads.find(isProduct);
  if (product) {
    const { node, at } = product;
    const flipped = node.attributes[at === 0 ? "transA" : "transB"] === 1;
    return (at === 0) === flipped ? rank - 1 : rank - 2;
  }
  const lookup = reads.find(isLookup);
  return lookup ? (lookup.node.attributes["axis"] as number) : 0;
}

/** Pieces of one length but for the last; undefined where there is nothing to cut along. */
function cutOf(writer: Writer, weight: StoredWeight, reads: readonly Read[], limit: number): Cut | undefined {
  const { planned, tensor, dims } = weight;
  const dimension = dimensionOf(reads, dims.length);
  const found = axisOf(planned.order, dims, dimension);
  if (!found) return undefined;
  const size = found.axis.size.known!;
  const unit = WIDTH * (countOf(dims) / size);
  const count = Math.min(size, Math.ceil(size / Math.max(1, Math.floor(limit / unit))));
  if (count < 2) return undefined;
  const length = Math.ceil(size / count);
  const begins = Array.from({ length: Math.ceil(size / length) }, (_, i) => i * length);
  const pieces = begins.map((start, i): StoredWeight => {
    const own = Math.min(length, size - start);
    const order = planned.order.map((a) => (a === found.axis ? { ...a, size: Size.of(own) } : a));
    return {
      ...weight,
      planned: {
        ...planned,
        order,
        declared: planned.declared ?? planned.order,
        part: { axis: found.axis.name, start, of: size },
        length: (planned.length / size) * own,
      },
      tensor: { name: writer.unique(`${tensor.name}/part${i}`), elem: tensor.elem },
      dims: dims.map((d, k) => (k === dimension ? (d / size) * own : d)),
    };
  });
  return { dimension, rank: dims.length, pieces, starts: begins.map((b) => b * found.inner) };
}

/** The outermost axis of a dimension that has more than one place, and how many of the dimension's each of its places is. */
function axisOf(
  order: readonly Axis[],
  dims: readonly number[],
  dimension: number,
): { readonly axis: Axis; readonly inner: number } | undefined {
  let at = 0;
  for (const [i, dim] of dims.entries()) {
    let rest = dim;
    const own: Axis[] = [];
    while (rest > 1) {
      const axis = order[at++]!;
      own.push(axis);
      rest /= axis.size.known!;
    }
    if (i !== dimension) continue;
    const axis = own.find((a) => a.size.known! > 1);
    return axis && { axis, inner: dim / axis.size.known! };
  }
  return undefined;
}

/** Puts nodes that read pieces in the places of those that read the whole. */
class InPieces {
  /** Of the graph whose nodes these are: a loop's body does not see those of another. */
  private wholes = new Map<Tensor, Tensor>();
  private made: OnnxNode[] = [];

  constructor(
    private readonly writer: Writer,
    private readonly cuts: ReadonlyMap<Tensor, Cut>,
  ) {}

  node(node: OnnxNode): readonly OnnxNode[] {
    if (node.op === "Scan") return [this.withBody(node)];
    const at = node.inputs.findIndex((t) => t && this.cuts.has(t));
    if (at < 0) return [node];
    this.made = [];
    const cut = this.cuts.get(node.inputs[at]!)!;
    const read = { node, at };
    const isCutBySum = isProduct(read) && dimensionOf([read], cut.rank) !== cut.dimension;
    const joined = isLookup(read)
      ? this.lookup(node, cut)
      : isProduct(read) && !isCutBySum
        ? this.product(read, cut)
        : undefined;
    if (joined) this.made.push({ ...node, ...joined, outputs: node.outputs });
    else this.made.push({ ...node, inputs: node.inputs.map((t) => t && this.whole(t)) });
    return this.made;
  }

  private withBody(scan: OnnxNode): OnnxNode {
    const { body } = scan.attributes;
    if (typeof body !== "object" || !("graph" in body)) return scan;
    const { wholes } = this;
    this.wholes = new Map();
    const nodes = body.graph.nodes.flatMap((n) => this.node(n));
    this.wholes = wholes;
    return { ...scan, attributes: { ...scan.attributes, body: { graph: { ...body.graph, nodes } } } };
  }

  /** Each piece gives some of the result's columns, or of its rows. */
  private product({ node, at }: Read, cut: Cut): Pick<OnnxNode, "op" | "inputs" | "attributes"> {
    const [a, b, bias] = node.inputs.map((t, i) => (i === at || !t ? t : this.whole(t)));
    const parts = cut.pieces.map(({ tensor }) =>
      this.add(node, node.op, at === 0 ? [tensor, b!] : [a!, tensor], node.attributes),
    );
    const join = { op: "Concat", inputs: parts, attributes: { axis: at === 0 ? -2 : -1 } };
    if (!bias) return join;
    return { op: "Add", inputs: [this.add(node, "Concat", parts, join.attributes), bias], attributes: {} };
  }

  private lookup(node: OnnxNode, cut: Cut): Pick<OnnxNode, "op" | "inputs" | "attributes"> {
    const axis = node.attributes["axis"] as number;
    const ids = this.whole(node.inputs[1]!);
    const from = (piece: StoredWeight, at: Tensor): Tensor => this.add(node, "Gather", [piece.tensor, at], { axis });
    if (cut.dimension !== axis) {
      // From the end where the ids' own dimensions, however many, come before it.
      const along = cut.dimension < axis ? cut.dimension : cut.dimension - cut.rank;
      return { op: "Concat", inputs: cut.pieces.map((p) => from(p, ids)), attributes: { axis: along } };
    }
    const number = (n: number): Tensor => this.writer.ints([n], []);
    const last = (piece: StoredWeight): Tensor => number(piece.dims[axis]! - 1);
    let found = from(cut.pieces[0]!, this.add(node, "Min", [ids, last(cut.pieces[0]!)]));
    cut.pieces.slice(1).forEach((piece, i) => {
      const start = number(cut.starts[i + 1]!);
      const own = this.add(node, "Max", [this.add(node, "Sub", [ids, start]), number(0)]);
      const picked = from(piece, this.add(node, "Min", [own, last(piece)]));
      const beyond = this.add(node, "GreaterOrEqual", [ids, start], {}, Elem.bool);
      const flags = this.add(node, "Unsqueeze", [beyond], { count: cut.rank - 1 - axis });
      found = this.add(node, "Where", [flags, picked, found], {}, picked.elem);
    });
    return { op: "Identity", inputs: [found], attributes: {} };
  }

  /** All of it in one, which only a device with a greater limit takes: nothing that this compiler emits comes here with a large weight. */
  private whole(tensor: Tensor): Tensor {
    const cut = this.cuts.get(tensor);
    if (!cut) return tensor;
    const known = this.wholes.get(tensor);
    if (known) return known;
    const name = this.writer.unique(`${tensor.name}/whole`);
    const output = { name, elem: tensor.elem };
    const inputs = cut.pieces.map((p) => p.tensor);
    this.made.push({ name, op: "Concat", inputs, outputs: [output], attributes: { axis: cut.dimension } });
    this.wholes.set(tensor, output);
    return output;
  }

  private add(
    { name: of }: OnnxNode,
    op: string,
    inputs: readonly Tensor[],
    attributes: Attributes = {},
    elem: Elem = inputs[0]!.elem,
  ): Tensor {
    const name = this.writer.unique(`${of}/${op}`);
    const output = { name: `${name}:0`, elem };
    this.made.push({ name, op, inputs, outputs: [output], attributes });
    return output;
  }
}
