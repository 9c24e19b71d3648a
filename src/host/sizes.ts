/**
 * @file The sizes of one run: what the given inputs say of `batch_size` and `past_sequence_length + sequence_length`.
 */
import type { ArtifactAxis } from "./record.ts";

interface Term {
  readonly coefficient: number;
  readonly symbols: readonly string[];
}

/** The terms of a sum of products, `past + 2*seq - 1`; a name that is none is one symbol. */
export function termsOf(expression: string): readonly Term[] {
  const terms: Term[] = [];
  for (const [i, part] of expression.split(/\s+([+-])\s+/).entries()) {
    if (i % 2 === 1) continue;
    const sign = i > 0 && expression.split(/\s+([+-])\s+/)[i - 1] === "-" ? -1 : 1;
    const factors = part.split(/\s*\*\s*/);
    if (factors.some((f) => !/^([A-Za-z_][\w.]*|\d+)$/.test(f))) return [{ coefficient: 1, symbols: [expression] }];
    const numbers = factors.filter((f) => /^\d/.test(f)).map(Number);
    terms.push({ coefficient: numbers.reduce((n, f) => n * f, sign), symbols: factors.filter((f) => !/^\d/.test(f)) });
  }
  return terms;
}

/** The symbol, where an axis is one. */
export function symbolOf(axis: ArtifactAxis): string | undefined {
  if (axis.size !== undefined) return undefined;
  const terms = termsOf(axis.name);
  return terms.length === 1 && terms[0]!.coefficient === 1 && terms[0]!.symbols.length === 1
    ? terms[0]!.symbols[0]
    : undefined;
}

export function symbolsOf(axis: ArtifactAxis): readonly string[] {
  return axis.size === undefined ? termsOf(axis.name).flatMap((t) => t.symbols) : [];
}

/** Sizes by symbol, each with the input that it was first seen in. */
export class Sizes {
  private readonly known = new Map<string, { readonly size: number; readonly from: string }>();

  get(symbol: string): number | undefined {
    return this.known.get(symbol)?.size;
  }

  /** Takes a size as given where nothing has said another. */
  assume(symbol: string, size: number, from = ""): void {
    if (!this.known.has(symbol)) this.known.set(symbol, { size, from });
  }

  /** The size of an axis, or undefined where not all its symbols are known. */
  of(axis: ArtifactAxis): number | undefined {
    if (axis.size !== undefined) return axis.size;
    let sum = 0;
    for (const { coefficient, symbols } of termsOf(axis.name)) {
      let term = coefficient;
      for (const s of symbols) {
        const size = this.get(s);
        if (size === undefined) return undefined;
        term *= size;
      }
      sum += term;
    }
    return sum;
  }

  /** Learns from an axis that has `size` places in the input `from`; says what contradicts it. */
  learn(axis: ArtifactAxis, size: number, from: string): string | undefined {
    const expected = this.of(axis);
    if (expected !== undefined) {
      if (expected === size) return undefined;
      const others = [
        ...new Set(
          symbolsOf(axis)
            .map((s) => this.known.get(s)?.from ?? "")
            .filter((f) => f !== "" && f !== from),
        ),
      ];
      const by = others.length > 0 ? `by ${others.join(" and ")}` : "otherwise";
      return `${axis.name} is ${size} in it, and ${expected} ${by}`;
    }
    const terms = termsOf(axis.name);
    const open = terms.filter((t) => t.symbols.some((s) => !this.known.has(s)));
    const [term] = open;
    if (open.length !== 1 || term!.coefficient !== 1 || term!.symbols.length !== 1) return undefined;
    const rest = terms
      .filter((t) => t !== term)
      .reduce((n, t) => n + t.symbols.reduce((p, s) => p * this.get(s)!, t.coefficient), 0);
    if (size < rest) return `${axis.name} is ${size} in it, and should be ${rest} or more`;
    this.known.set(term!.symbols[0]!, { size: size - rest, from });
    return undefined;
  }
}
