/**
 * @file The rank of attention matrices: what every softmax over keys of a model gives at one text, head by head. A causal one is lower
 * triangular with a positive diagonal, hence of full rank; one that sees both ways need not be (Dong, Cordonnier and Loukas, 2021, on
 * what attention alone does to rank).
 */
import type { Graph } from "../ir/graph.ts";
import { float64 } from "../ops/float64.ts";
import type { Tensor } from "../ops/op.ts";
import type { AttrsOf } from "../ops/attributes.ts";
import { compute, type Values } from "./evaluate.ts";
import { bound, Flat } from "./flat.ts";

export interface HeadRank {
  /** The repeated layer it is in: `layers.3`; "" outside of all. */
  readonly layer: string;
  /** Which matrix of the layer: all axes but the two of the matrix, counted. */
  readonly head: number;
  /** Rows and columns. */
  readonly size: number;
  /** Exactly, where the matrix is triangular with a positive diagonal; else `told`. */
  readonly rank: number;
  /** Singular values above `size` times float64's epsilon times the largest: what a float64 computation tells from zero. */
  readonly told: number;
  /** Descending. */
  readonly singular: readonly number[];
  /** Singular values above a hundredth of the largest: how many directions there are in earnest. */
  readonly effective: number;
  /** The smallest element on the diagonal where nothing stands above it; absent where the matrix is not lower triangular. */
  readonly smallestDiagonal?: number;
}

export interface RankFeed {
  /** By the inputs' names in the graph. */
  readonly inputs: ReadonlyMap<string, Tensor<number>>;
  readonly param: (path: string) => Tensor<number>;
  readonly sizes: ReadonlyMap<string, number>;
}

/** Every square matrix of a softmax over keys, in the order in which the model computes them. */
export function attentionRanks(graph: Graph, { inputs, param, sizes }: RankFeed): readonly HeadRank[] {
  const flat = new Flat();
  const values: Values<number> = new Map();
  const ids = new Map(
    graph.inputs.map((input) => {
      const id = flat.leaf({ name: input.name, kind: "operand" }, bound(input.value.type, sizes), undefined);
      values.set(id, inputs.get(input.name)!);
      return [input.value.id, id];
    }),
  );
  const weights = new Map<string, number>();
  const outputs = flat.graph(
    graph,
    ids,
    (path, type) => {
      const known = weights.get(path);
      if (known !== undefined) return known;
      const id = flat.leaf({ name: path, kind: "weight" }, bound(type, sizes), undefined);
      values.set(id, param(path));
      weights.set(path, id);
      return id;
    },
    undefined,
    [],
    { sizes },
  );
  const cone = flat.cone(outputs);
  compute(flat, cone, values, float64);
  const ranks: HeadRank[] = [];
  const counted = new Map<string, number>();
  for (const id of cone) {
    const node = flat.node(id);
    if (node.op !== "softmax") continue;
    const { over } = node.attrs as AttrsOf<"softmax">;
    for (const m of matrices(values.get(id)!, over)) {
      const head = counted.get(node.layer) ?? 0;
      counted.set(node.layer, head + 1);
      ranks.push({ layer: node.layer, head, ...rankOf(m) });
    }
  }
  return ranks;
}

/** A matrix for each element of the axes that are neither the keys nor the queries: the last other axis of the same size. */
function* matrices(t: Tensor<number>, over: string): Generator<readonly Float64Array[]> {
  const keys = t.axes.findIndex((a) => a.name === over);
  const n = t.axes[keys]!.size;
  const queries = t.axes.findLastIndex((a, i) => i !== keys && a.size === n);
  if (queries < 0) return;
  const strides = t.axes.map((_, i) => t.axes.slice(i + 1).reduce((m, a) => m * a.size, 1));
  const others = t.axes.map((_, i) => i).filter((i) => i !== keys && i !== queries);
  const all = others.reduce((m, i) => m * t.axes[i]!.size, 1);
  for (let k = 0; k < all; k++) {
    let rest = k;
    let start = 0;
    for (const i of others.toReversed()) {
      start += (rest % t.axes[i]!.size) * strides[i]!;
      rest = Math.floor(rest / t.axes[i]!.size);
    }
    yield Array.from({ length: n }, (_, q) =>
      Float64Array.from({ length: n }, (_x, j) => t.data[start + q * strides[queries]! + j * strides[keys]!] as number),
    );
  }
}

function rankOf(m: readonly Float64Array[]): Omit<HeadRank, "layer" | "head"> {
  const n = m.length;
  const singular = singularValues(m);
  const [largest = 0] = singular;
  const triangular = m.every((row, i) => row.every((x, j) => j <= i || x === 0));
  const told = singular.filter((s) => s > n * Number.EPSILON * largest).length;
  const smallestDiagonal = Math.min(...m.map((row, i) => row[i]!));
  return {
    size: n,
    singular,
    rank: triangular && smallestDiagonal > 0 ? n : told,
    told,
    effective: singular.filter((s) => s > largest / 100).length,
    ...(triangular ? { smallestDiagonal } : {}),
  };
}

const MOST_SWEEPS = 60;

/** Singular values, descending, by one-sided Jacobi rotations of the rows (Hestenes, 1958): small ones are found to full precision. */
export function singularValues(m: readonly Float64Array[]): readonly number[] {
  const rows = m.map((row) => Float64Array.from(row));
  for (let sweep = 0, turned = true; turned && sweep < MOST_SWEEPS; sweep++) {
    turned = false;
    for (let i = 0; i < rows.length; i++)
      for (let j = i + 1; j < rows.length; j++) turned = orthogonalize(rows[i]!, rows[j]!) || turned;
  }
  return rows.map((row) => Math.sqrt(dot(row, row))).sort((a, b) => b - a);
}

/** Turns two rows within their plane until they are orthogonal; false where they are already. */
function orthogonalize(a: Float64Array, b: Float64Array): boolean {
  const [aa, bb, ab] = [dot(a, a), dot(b, b), dot(a, b)];
  if (Math.abs(ab) <= Number.EPSILON * Math.sqrt(aa * bb) || ab === 0) return false;
  const z = (bb - aa) / (2 * ab);
  const t = (z >= 0 ? 1 : -1) / (Math.abs(z) + Math.hypot(1, z));
  const c = 1 / Math.hypot(1, t);
  const s = c * t;
  for (let k = 0; k < a.length; k++) {
    const [x, y] = [a[k]!, b[k]!];
    a[k] = c * x - s * y;
    b[k] = s * x + c * y;
  }
  return true;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
