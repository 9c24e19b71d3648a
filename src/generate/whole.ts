/**
 * @file A model that hands on new places only, or buffers, seen as one that hands on the whole: for whoever compares it with what the program
 * means. The buffers that it is given have places that do not count, with numbers in them that would show.
 */

/** Values as a runtime takes and gives them, row-major. */
export interface Numbers {
  readonly dtype: "float32" | "int64";
  readonly dims: readonly number[];
  readonly data: ArrayLike<number>;
}

/** How a state is handed on; one without `rows` is handed on whole. `past` has its sizes by name. */
export interface HandedState {
  readonly past: string;
  /** The output. */
  readonly present: string;
  /** What the caller calls the whole present. */
  readonly whole: string;
  readonly rows?: { readonly index: number; readonly axis: number; readonly spare: boolean } | undefined;
  /** Past and present may be longer along this axis, and are `wide` instead of `width` along the last. */
  readonly shared?: { readonly axis: number; readonly width: number; readonly wide: number } | undefined;
}

type Named = ReadonlyMap<string, Numbers>;

/** Places that do not count, and what stands there: no mask lets a score of it through unseen. */
const SPARE = 3;
const GARBAGE = 7;

/** Takes whole pasts and gives whole presents. */
export function asWhole(
  run: (inputs: Named) => Promise<Named>,
  states: readonly HandedState[],
  count: string | undefined,
): (inputs: Named) => Promise<Named> {
  return async (inputs) => {
    const feed = new Map(inputs);
    let places = 0;
    for (const { past, rows, shared } of states) {
      const value = inputs.get(past);
      if (shared && value) {
        places = value.dims[shared.axis]!;
        feed.set(past, resized(value, shared.wide));
      }
      if (!rows?.spare || !value) continue;
      places = value.dims[rows.axis]!;
      feed.set(past, lengthened(value, rows.axis));
    }
    if (count !== undefined) feed.set(count, { dtype: "int64", dims: [1], data: [places] });
    const outputs = await run(feed);
    const found = new Map(outputs);
    for (const { past, present, whole, rows, shared } of states) {
      const value = outputs.get(present);
      if (shared && value) found.set(whole, resized(value, shared.width));
      if (!rows || !value) continue;
      const dims = value.dims.slice(1);
      const size = dims.reduce((n, d) => n * d, 1);
      const fresh = { dtype: value.dtype, dims, data: slice(value.data, rows.index * size, size) };
      found.set(whole, joined(inputs.get(past)!, fresh, rows.axis));
    }
    return found;
  };
}

/** Zeros behind, or numbers taken off, along the last axis. */
function resized(value: Numbers, width: number): Numbers {
  const own = value.dims.at(-1)!;
  if (own === width) return value;
  const rows = value.data.length / Math.max(own, 1);
  const data = new Float64Array(rows * width);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < Math.min(own, width); j++) data[i * width + j] = value.data[i * own + j]!;
  return { ...value, dims: [...value.dims.slice(0, -1), width], data };
}

function lengthened(value: Numbers, axis: number): Numbers {
  const dims = value.dims.map((d, i) => (i === axis ? SPARE : d));
  return joined(
    value,
    { dtype: value.dtype, dims, data: new Float64Array(dims.reduce((n, d) => n * d, 1)).fill(GARBAGE) },
    axis,
  );
}

function joined(first: Numbers, second: Numbers, axis: number): Numbers {
  const dims = first.dims.map((d, i) => (i === axis ? d + second.dims[i]! : d));
  const outer = dims.slice(0, axis).reduce((n, d) => n * d, 1);
  const lengths = [first, second].map((v) => v.dims.slice(axis).reduce((n, d) => n * d, 1));
  const data = new Float64Array(dims.reduce((n, d) => n * d, 1));
  let at = 0;
  for (let i = 0; i < outer; i++)
    for (const [j, { data: from }] of [first, second].entries())
      for (let k = 0; k < lengths[j]!; k++) data[at++] = from[i * lengths[j]! + k]!;
  return { dtype: first.dtype, dims, data };
}

function slice(data: ArrayLike<number>, start: number, length: number): Float64Array {
  return Float64Array.from({ length }, (_, i) => data[start + i]!);
}
