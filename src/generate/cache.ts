/**
 * @file What is handed from step to step, kept between steps: whole tensors, or buffers that grow. A state in rows lies in a buffer
 * of ours, longer than what counts in it, to which each step's new places are added: a step then costs what it computes, where
 * ONNX Runtime would copy the whole past out of itself.
 */
import { copy, countOf, gathered, memoryOf, type Numbers, type Tensor } from "./session.ts";
import type { PortDtype, Signature, State } from "./signature.ts";

type Fed = Tensor & { readonly dtype: PortDtype };

/** Buffers are as long as a multiple of these many places: while they are short, and later. */
const BUCKETS = { short: 64, long: 256, border: 1024 } as const;

/** Before the name of a length: how much of it was handed in. */
const PAST = "past_";

/** What one state is between steps. */
interface Kept {
  readonly state: State;
  readonly dtype: PortDtype;
  tensor: Tensor;
  /** How many places along the axis count; of a whole state all do. */
  places: number;
}

export class Cache {
  private kept: Kept[] = [];

  constructor(
    private readonly signature: Pick<Signature, "states" | "count">,
    private readonly batch: string,
  ) {}

  /**
   * The outputs that a step has to give, where these are the lengths of what it is fed. A state that has all places of a sequence that does
   * not grow (`once`) stays as it is: a step need not hand it out again.
   */
  outputs(lengths: ReadonlyMap<string, number>): readonly string[] {
    const isWhole = ({ state, tensor, places }: Kept): boolean =>
      state.axes.some(({ name, size }, i) => {
        const length = size === undefined && name.startsWith(PAST) ? lengths.get(name.slice(PAST.length)) : undefined;
        return length !== undefined && length > 0 && (state.rows ? places : tensor.dims[i]) === length;
      });
    return [...new Set(this.kept.filter((k) => !isWhole(k)).map((k) => k.state.present))];
  }

  /** Empty, for so many rows. */
  begin(rows: number): void {
    this.kept = this.signature.states.map((state) => {
      const dtype = state.dtype ?? "float32";
      const dims = state.axes.map((a) => a.size ?? (a.name === this.batch ? rows : 0));
      return { state, dtype, tensor: { dims, data: memoryOf(dtype, countOf(dims)) }, places: 0 };
    });
  }

  /** The inputs of a step after so many places. */
  *feed(places: number): Generator<[string, Fed]> {
    for (const { state, dtype, tensor } of this.kept) yield [state.past, { ...tensor, dtype }];
    if (this.signature.count !== undefined)
      yield [this.signature.count, { dtype: "int64", dims: [1], data: BigInt64Array.of(BigInt(places)) }];
  }

  /** Takes what a step gave. */
  take(results: ReadonlyMap<string, Tensor>): void {
    for (const kept of this.kept) {
      const { state } = kept;
      const found = results.get(state.present);
      if (!found) continue;
      if (!state.rows) kept.tensor = found;
      else append(kept, found, state.rows);
    }
  }

  /** What there is now, to go back to where a step fails. New places in buffers do not count then. */
  snapshot(): readonly Kept[] {
    return this.kept.map((k) => ({ ...k }));
  }

  restore(snapshot: readonly Kept[]): void {
    this.kept = [...snapshot];
  }

  select(rows: readonly number[]): void {
    for (const kept of this.kept) {
      const axis = kept.state.axes.findIndex((a) => a.size === undefined && a.name === this.batch);
      if (axis >= 0) kept.tensor = gathered(kept.tensor, axis, rows);
    }
  }

  clear(): void {
    this.kept = [];
  }
}

/** Adds the new places of a state behind those that count. */
function append(kept: Kept, all: Tensor, { index, axis, spare }: NonNullable<State["rows"]>): void {
  const dims = all.dims.slice(1);
  const fresh = dims[axis]!;
  if (fresh === 0) return;
  const places = kept.places + fresh;
  if (places > kept.tensor.dims[axis]!) grow(kept, axis, spare ? rounded(places) : places);
  const inner = countOf(dims.slice(axis + 1));
  const outer = countOf(dims.slice(0, axis));
  const capacity = kept.tensor.dims[axis]!;
  const start = index * countOf(dims);
  for (let i = 0; i < outer; i++)
    copy(all.data, start + i * fresh * inner, kept.tensor.data, (i * capacity + kept.places) * inner, fresh * inner);
  kept.places = places;
}

function grow(kept: Kept, axis: number, capacity: number): void {
  const { dims, data } = kept.tensor;
  const inner = countOf(dims.slice(axis + 1));
  const outer = countOf(dims.slice(0, axis));
  const larger: Numbers = memoryOf(kept.dtype, outer * capacity * inner);
  for (let i = 0; i < outer; i++)
    copy(data, i * dims[axis]! * inner, larger, i * capacity * inner, kept.places * inner);
  kept.tensor = { dims: dims.map((d, i) => (i === axis ? capacity : d)), data: larger };
}

function rounded(places: number): number {
  const bucket = places < BUCKETS.border ? BUCKETS.short : BUCKETS.long;
  return Math.ceil(places / bucket) * bucket;
}
