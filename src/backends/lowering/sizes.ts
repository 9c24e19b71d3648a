/**
 * @file Sizes at run time: computed from the shapes of inputs, each once, and only where a constant, a copy or "the
 * rest" will not do.
 */
import { Size } from "../../ir/size.ts";
import { Elem, type Tensor, type Writer } from "./writer.ts";

/** A dimension of an input: where a symbol's number comes from. */
export interface SizeSource {
  readonly tensor: Tensor;
  readonly dimension: number;
  readonly size: Size;
}

export class Sizes {
  private readonly sources: SizeSource[] = [];
  private readonly lists = new Map<string, Tensor>();
  private readonly shapes = new Map<string, Tensor>();

  constructor(private readonly writer: Writer) {}

  addSource(source: SizeSource): void {
    if (source.size.known === undefined) this.sources.push(source);
  }

  /** Says where a size comes from that is no dimension of an input: a list of one int64. */
  define(size: Size, list: Tensor): void {
    this.lists.set(size.toString(), list);
  }

  /** A size as a list of one int64. */
  list(size: Size): Tensor {
    if (size.known !== undefined) return this.writer.ints([size.known]);
    const key = size.toString();
    const known = this.lists.get(key);
    if (known) return known;
    const made = this.compute(size);
    this.lists.set(key, made);
    return made;
  }

  /** A size as an int64 without dimensions. */
  scalar(size: Size): Tensor {
    if (size.known !== undefined) return this.writer.ints([size.known], []);
    const key = `${size.toString()} as a number`;
    const known = this.lists.get(key);
    if (known) return known;
    const made = this.writer.before("Squeeze", [this.list(size), this.writer.ints([0])]);
    this.lists.set(key, made);
    return made;
  }

  /** A shape; each entry a size, or a number that the operator gives a meaning (-1, 0). */
  shape(entries: readonly (Size | number)[]): Tensor {
    const numbers = entries.map((e) => (typeof e === "number" ? e : e.known));
    if (numbers.every((n) => n !== undefined)) return this.writer.ints(numbers);
    const key = entries.join(", ");
    const known = this.shapes.get(key);
    if (known) return known;
    const parts = runsOfConstants(entries).map((run) => (run instanceof Size ? this.list(run) : this.writer.ints(run)));
    const made = parts.length === 1 ? parts[0]! : this.writer.before("Concat", parts, { axis: 0 });
    this.shapes.set(key, made);
    return made;
  }

  private compute(size: Size): Tensor {
    const source = this.sources.find((s) => s.size.equals(size));
    if (source)
      return this.writer.before(
        "Shape",
        [source.tensor],
        { start: source.dimension, end: source.dimension + 1 },
        Elem.int64,
      );
    const { symbol } = size;
    if (symbol !== undefined) return this.solve(symbol);
    return size.summands
      .map(({ coefficient, symbols }) => {
        const factors = symbols.map((s) => this.list(Size.symbol(s)));
        if (coefficient !== 1 || factors.length === 0) factors.push(this.writer.ints([coefficient]));
        return factors.reduce((a, b) => this.writer.before("Mul", [a, b]));
      })
      .reduce((a, b) => this.writer.before("Add", [a, b]));
  }

  /** A symbol that is no dimension itself but a summand of one whose other symbols are known. */
  private solve(symbol: string): Tensor {
    const plain = (s: string): boolean => this.sources.some((x) => x.size.symbol === s);
    for (const source of this.sources) {
      const rest = source.size.minus(Size.symbol(symbol));
      if (rest.symbols.has(symbol) || ![...rest.symbols].every(plain)) continue;
      return this.writer.before("Sub", [this.list(source.size), this.list(rest)]);
    }
    throw new Error(`the size ${symbol} is a dimension of no input`);
  }
}

/** Neighbouring numbers in one list, other sizes by themselves. */
function runsOfConstants(entries: readonly (Size | number)[]): readonly (Size | readonly number[])[] {
  const runs: (Size | number[])[] = [];
  for (const entry of entries) {
    const n = typeof entry === "number" ? entry : entry.known;
    const last = runs.at(-1);
    if (n === undefined) runs.push(entry as Size);
    else if (Array.isArray(last)) last.push(n);
    else runs.push([n]);
  }
  return runs;
}
