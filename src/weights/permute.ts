/** @file Moves the elements of an array into another order of axes. */

/** Any typed array that elements are copied between. */
export type Elements =
  Float64Array | Float32Array | Uint16Array | BigInt64Array | Int32Array | Int16Array | Int8Array | Uint8Array;

/** Axes of one extent each, and the permutation that gives the new order: axis i of the result is axis `from[i]`. */
export interface Permutation {
  readonly shape: readonly number[];
  readonly from: readonly number[];
}

/** The same with axes of size one left out, and with axes merged that stay neighbours. */
export function simplify({ shape, from }: Permutation): Permutation {
  const kept = from.filter((axis) => shape[axis] !== 1);
  // The axes of the result in runs of neighbours: each run is one axis.
  const runs: number[][] = [];
  for (const axis of kept) {
    const last = runs.at(-1);
    const next = last && shape.findIndex((size, i) => i > last.at(-1)! && size !== 1);
    if (last && next === axis) last.push(axis);
    else runs.push([axis]);
  }
  const inOrder = runs.map((run, i) => ({ run, i })).sort((a, b) => a.run[0]! - b.run[0]!);
  const place = new Map(inOrder.map(({ i }, at) => [i, at]));
  return {
    shape: inOrder.map(({ run }) => run.reduce((n, axis) => n * shape[axis]!, 1)),
    from: runs.map((_, i) => place.get(i)!),
  };
}

/** Side of the squares that are moved at once, so that reads and writes both stay in the cache. */
const TILE = 64;

/** Elements in row-major order of `shape`, put into row-major order of the permuted axes. */
export function permute<T extends Elements>(data: T, permutation: Permutation): T {
  const { shape, from } = simplify(permutation);
  if (from.every((axis, i) => axis === i)) return data;
  const rank = shape.length;
  const sourceStrides = stridesOf(shape);
  const size = from.map((axis) => shape[axis]!);
  const targetStrides = stridesOf(size);
  const out = new (data.constructor as new (n: number) => T)(data.length);
  const last = rank - 1;
  // The axis of the result whose elements are neighbours in the source; it is not the last: `simplify` would have
  // merged the rest.
  const near = from.indexOf(last);
  const outer = size.map((_, i) => i).filter((i) => i !== last && i !== near);
  const index = outer.map(() => 0);
  for (;;) {
    let source = 0;
    let target = 0;
    for (const [k, axis] of outer.entries()) {
      source += index[k]! * sourceStrides[from[axis]!]!;
      target += index[k]! * targetStrides[axis]!;
    }
    if (near === last) out.set(data.subarray(source, source + size[last]!) as never, target);
    else
      moveTiles(data, out, source, target, size[near]!, size[last]!, sourceStrides[from[last]!]!, targetStrides[near]!);
    let k = outer.length - 1;
    while (k >= 0 && ++index[k]! === size[outer[k]!]) index[k--] = 0;
    if (k < 0) return out;
  }
}

/** `out[target + i * rowOut + j] = data[source + i + j * rowIn]` for all i < n, j < m. */
function moveTiles(
  data: Elements,
  out: Elements,
  source: number,
  target: number,
  n: number,
  m: number,
  rowIn: number,
  rowOut: number,
): void {
  for (let i0 = 0; i0 < n; i0 += TILE) {
    const i1 = Math.min(n, i0 + TILE);
    for (let j0 = 0; j0 < m; j0 += TILE) {
      const j1 = Math.min(m, j0 + TILE);
      for (let i = i0; i < i1; i++)
        for (
          let j = j0, from = source + i + j0 * rowIn, to = target + i * rowOut + j0;
          j < j1;
          j++, from += rowIn, to++
        )
          out[to] = data[from]!;
    }
  }
}

export function stridesOf(shape: readonly number[]): number[] {
  const strides = shape.map(() => 1);
  for (let i = shape.length - 2; i >= 0; i--) strides[i] = strides[i + 1]! * shape[i + 1]!;
  return strides;
}
