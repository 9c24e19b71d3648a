/**
 * @file The rows of a batch and their padding. All rows have the same number of places; where a step has fewer tokens for a row than
 * for another, padding stands before them, so that every row's last token is at the last place.
 */

/** One step of all rows, row-major. */
export interface Step {
  readonly rows: number;
  /** Places of this step. */
  readonly places: number;
  readonly tokens: Int32Array;
  /** How many tokens of its row came before each place's; at padding 0. */
  readonly positions: Int32Array;
  /** For each row all places so far with those of this step: 1 where there is a token. */
  readonly mask: Uint8Array;
}

export class Batch {
  /** All places so far of each row: 1 where there is a token. */
  private real: Uint8Array[] = [];
  private counts: number[] = [];
  private taken = 0;

  get rows(): number {
    return this.real.length;
  }

  get length(): number {
    return this.taken;
  }

  /** The longest row's tokens. */
  get longest(): number {
    return Math.max(0, ...this.counts);
  }

  /** How long the longest row would be with these tokens. */
  longestWith(tokens: readonly (readonly number[])[]): number {
    return Math.max(...tokens.map((t, row) => (this.counts[row] ?? 0) + t.length));
  }

  /** The step in which these tokens are appended. It is not taken before `take`. */
  step(tokens: readonly (readonly number[])[]): Step {
    const rows = tokens.length;
    const places = Math.max(...tokens.map((t) => t.length));
    const step: Step = {
      rows,
      places,
      tokens: new Int32Array(rows * places),
      positions: new Int32Array(rows * places),
      mask: new Uint8Array(rows * (this.taken + places)),
    };
    for (const [row, own] of tokens.entries()) {
      const padding = places - own.length;
      const before = this.counts[row] ?? 0;
      // Padding repeats the row's first token: any that the table has will do.
      step.tokens.fill(own[0]!, row * places, row * places + padding);
      step.tokens.set(own, row * places + padding);
      for (let i = 0; i < own.length; i++) step.positions[row * places + padding + i] = before + i;
      const start = row * (this.taken + places);
      if (this.taken > 0) step.mask.set(this.real[row]!.subarray(0, this.taken), start);
      step.mask.fill(1, start + this.taken + padding, start + this.taken + places);
    }
    return step;
  }

  take(tokens: readonly (readonly number[])[]): void {
    const places = Math.max(...tokens.map((t) => t.length));
    const end = this.taken + places;
    if (this.rows === 0) {
      this.real = tokens.map(() => new Uint8Array(0));
      this.counts = tokens.map(() => 0);
    }
    for (const [row, own] of tokens.entries()) {
      let real = this.real[row]!;
      if (real.length < end) {
        real = new Uint8Array(2 * end);
        real.set(this.real[row]!);
        this.real[row] = real;
      }
      real.fill(1, end - own.length, end);
      this.counts[row]! += own.length;
    }
    this.taken = end;
  }

  select(rows: readonly number[]): void {
    this.real = rows.map((row) => this.real[row]!.slice());
    this.counts = rows.map((row) => this.counts[row]!);
  }

  clear(): void {
    this.real = [];
    this.counts = [];
    this.taken = 0;
  }
}

/** A step in parts of so many places, one after the other. */
export function columns({ rows, places, tokens, positions, mask }: Step, each = 1): readonly Step[] {
  const width = mask.length / rows;
  return Array.from({ length: Math.ceil(places / each) }, (_, part): Step => {
    const [start, end] = [part * each, Math.min(places, (part + 1) * each)];
    const own = end - start;
    const some = (all: Int32Array): Int32Array =>
      Int32Array.from({ length: rows * own }, (__, i) => all[Math.floor(i / own) * places + start + (i % own)]!);
    const seen = width - places + end;
    const before = new Uint8Array(rows * seen);
    for (let row = 0; row < rows; row++) before.set(mask.subarray(row * width, row * width + seen), row * seen);
    return { rows, places: own, tokens: some(tokens), positions: some(positions), mask: before };
  });
}
