/**
 * @file Symbolic sizes: polynomials with integer coefficients over named symbols (`batch`, `seq`, `past + seq`, `4*hidden`).
 * Kept in a canonical form, so that equality is exact. A size that is not dynamic is a plain number.
 */

/** A product of symbols, sorted and joined by `*`; "" is the constant term. */
type Monomial = string;

export class Size {
  private constructor(private readonly terms: ReadonlyMap<Monomial, number>) {}

  static of(n: number): Size {
    return new Size(n === 0 ? new Map() : new Map([["", n]]));
  }

  static symbol(name: string): Size {
    return new Size(new Map([[name, 1]]));
  }

  static readonly ONE = Size.of(1);
  static readonly ZERO = Size.of(0);

  plus(other: Size): Size {
    const terms = new Map(this.terms);
    for (const [m, c] of other.terms) {
      const sum = (terms.get(m) ?? 0) + c;
      if (sum === 0) terms.delete(m);
      else terms.set(m, sum);
    }
    return new Size(terms);
  }

  minus(other: Size): Size {
    return this.plus(other.times(Size.of(-1)));
  }

  times(other: Size): Size {
    const terms = new Map<Monomial, number>();
    for (const [a, c] of this.terms)
      for (const [b, d] of other.terms) {
        const m = [...(a ? a.split("*") : []), ...(b ? b.split("*") : [])].sort().join("*");
        const sum = (terms.get(m) ?? 0) + c * d;
        if (sum === 0) terms.delete(m);
        else terms.set(m, sum);
      }
    return new Size(terms);
  }

  /** The exact quotient by a number or a single product of symbols, or undefined where it is not one. */
  dividedBy(other: Size): Size | undefined {
    if (other.terms.size !== 1) return this.equals(other) && this.terms.size > 0 ? Size.ONE : undefined;
    const [[divisor, coefficient]] = [...other.terms] as [[Monomial, number]];
    const terms = new Map<Monomial, number>();
    for (const [m, c] of this.terms) {
      if (c % coefficient !== 0) return undefined;
      const rest = m ? m.split("*") : [];
      for (const s of divisor ? divisor.split("*") : []) {
        const at = rest.indexOf(s);
        if (at < 0) return undefined;
        rest.splice(at, 1);
      }
      terms.set(rest.join("*"), c / coefficient);
    }
    return new Size(terms);
  }

  equals(other: Size): boolean {
    if (this.terms.size !== other.terms.size) return false;
    for (const [m, c] of this.terms) if (other.terms.get(m) !== c) return false;
    return true;
  }

  /** The number, if it is one. */
  get known(): number | undefined {
    if (this.terms.size === 0) return 0;
    if (this.terms.size === 1) return this.terms.get("");
    return undefined;
  }

  /** The symbol, if it is a single one. */
  get symbol(): string | undefined {
    if (this.terms.size !== 1) return undefined;
    const [[m, c]] = [...this.terms] as [[Monomial, number]];
    return c === 1 && m !== "" && !m.includes("*") ? m : undefined;
  }

  get symbols(): ReadonlySet<string> {
    const all = new Set<string>();
    for (const m of this.terms.keys()) for (const s of m ? m.split("*") : []) all.add(s);
    return all;
  }

  /** Its terms: each a coefficient and the symbols of its product (with repetition). */
  get summands(): readonly { readonly coefficient: number; readonly symbols: readonly string[] }[] {
    return [...this.terms].map(([m, coefficient]) => ({ coefficient, symbols: m ? m.split("*") : [] }));
  }

  substitute(values: ReadonlyMap<string, Size>): Size {
    let all = Size.ZERO;
    for (const { coefficient, symbols } of this.summands) {
      let term = Size.of(coefficient);
      for (const s of symbols) term = term.times(values.get(s) ?? Size.symbol(s));
      all = all.plus(term);
    }
    return all;
  }

  /** Its value where every symbol has one; throws on a symbol without (a bug of the caller). */
  evaluate(values: ReadonlyMap<string, number>): number {
    let all = 0;
    for (const { coefficient, symbols } of this.summands) {
      let term = coefficient;
      for (const s of symbols) {
        const v = values.get(s);
        if (v === undefined) throw new Error(`no value for the size ${s}`);
        term *= v;
      }
      all += term;
    }
    return all;
  }

  /** Stable text: symbols in order, the number last (`past + seq`, `2*seq + 1`). */
  toString(): string {
    if (this.terms.size === 0) return "0";
    const parts = [...this.terms].sort(([a], [b]) => (a === "" ? 1 : b === "" ? -1 : a < b ? -1 : 1));
    return parts
      .map(([m, c], i) => {
        const magnitude = m === "" ? `${Math.abs(c)}` : Math.abs(c) === 1 ? m : `${Math.abs(c)}*${m}`;
        return i === 0 ? (c < 0 ? `-${magnitude}` : magnitude) : c < 0 ? ` - ${magnitude}` : ` + ${magnitude}`;
      })
      .join("");
  }
}
