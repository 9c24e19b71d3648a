/**
 * @file What a file spells out in smaller operators, for runtimes whose own are not right, under its name again. Sines are recognised by
 * what they compute, and read as the sines that they stand for: a polynomial is not one over the reals. A softmax is one but for rows that
 * a mask has closed throughout, where the largest score that is taken off would be minus infinity.
 */
import type { WrittenGraph, WrittenNode } from "../../backends/written.ts";

/** Angles at which what may be a sine is compared with it, and how near it must come. */
const ANGLES = Array.from({ length: 200 }, (_, i) => (i - 100) * 0.7310585);
const NEAR = 2e-6;

export function withSoftmax(graph: WrittenGraph): WrittenGraph {
  const byName = new Map(graph.nodes.map((n) => [n.name, n]));
  const last = new Set(graph.tensors.flatMap((t) => (isLast(t) ? [t.name] : [])));
  const of = (name: string | undefined, op: string): WrittenNode | undefined => {
    const node = byName.get(name ?? "");
    return node?.op === op ? node : undefined;
  };
  const nodes = graph.nodes.map((node): WrittenNode => {
    if (node.op !== "RealDiv") return node;
    const [power, sum] = [of(node.inputs[0], "Exp"), of(node.inputs[1], "Sum")];
    const less = of(power?.inputs[0], "Sub");
    const largest = of(less?.inputs[1], "Max");
    const x = less?.inputs[0];
    const fits =
      x !== undefined &&
      sum?.inputs[0] === power?.name &&
      largest?.inputs[0] === x &&
      [sum, largest].every((n) => last.has(n?.inputs[1] ?? "") && n?.attributes["keep_dims"] === 1);
    return fits ? { ...node, op: "Softmax", inputs: [x] } : node;
  });
  return { ...graph, nodes };
}

function isLast({ dims, dtype, numbers }: WrittenGraph["tensors"][number]): boolean {
  return dtype === "int" && dims.every((d) => d === 1) && numbers()[0] === -1;
}

/** One over a whole turn: an angle times that, rounded, is how many turns are taken off. */
const TURN = 1 / (2 * Math.PI);

type Numbers = Float64Array;

/** The graph with `Sin` and `Cos` in place of what computes them, and how many there are. */
export function withSines(graph: WrittenGraph): { readonly graph: WrittenGraph; readonly count: number } {
  const numbers = new Map(
    graph.tensors.flatMap((t) => (t.dims.length === 0 && t.dtype === "float" ? [[t.name, t] as const] : [])),
  );
  const numberOf = (name: string): number | undefined => numbers.get(name)?.numbers()[0];
  const byName = new Map(graph.nodes.map((n) => [n.name, n]));
  // What each node computes of an angle, and of which.
  const curves = new Map<string, { readonly angle: string; readonly values: Numbers }>();
  let count = 0;
  const nodes = graph.nodes.map((node): WrittenNode => {
    const angle = node.op === "Round" ? angleOf(byName.get(node.inputs[0] ?? ""), numberOf) : undefined;
    if (angle !== undefined) {
      curves.set(node.name, { angle, values: Float64Array.from(ANGLES, (x) => Math.round(x * TURN)) });
      return node;
    }
    const combine = COMBINE[node.op];
    const curve = node.inputs.flatMap((n) => curves.get(n) ?? [])[0];
    if (!combine || !curve || node.inputs.length !== 2) return node;
    const operand = (name: string): Numbers | undefined => {
      const own = curves.get(name);
      if (own) return own.angle === curve.angle ? own.values : undefined;
      if (name === curve.angle) return Float64Array.from(ANGLES);
      const n = numberOf(name);
      return n === undefined ? undefined : new Float64Array(ANGLES.length).fill(n);
    };
    const [a, b] = node.inputs.map(operand);
    if (!a || !b) return node;
    const values = a.map((x, i) => combine(x, b[i]!));
    curves.set(node.name, { angle: curve.angle, values });
    const op = (["Sin", "Cos"] as const).find((name) => {
      const exact = name === "Sin" ? Math.sin : Math.cos;
      return values.every((y, i) => Math.abs(y - exact(ANGLES[i]!)) <= NEAR);
    });
    if (op === undefined) return node;
    count++;
    return { ...node, op, inputs: [curve.angle] };
  });
  return { graph: count === 0 ? graph : { ...graph, nodes }, count };
}

const COMBINE: Readonly<Record<string, (x: number, y: number) => number>> = {
  Add: (x, y) => x + y,
  AddV2: (x, y) => x + y,
  Sub: (x, y) => x - y,
  Mul: (x, y) => x * y,
};

/** The other operand of a product with one over a turn. */
function angleOf(product: WrittenNode | undefined, numberOf: (name: string) => number | undefined): string | undefined {
  if (product?.op !== "Mul") return undefined;
  const at = product.inputs.findIndex((n) => Math.fround(TURN) === numberOf(n));
  return at < 0 ? undefined : product.inputs[1 - at];
}
