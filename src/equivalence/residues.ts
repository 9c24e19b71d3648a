/**
 * @file The arithmetic in which laws are proved: reals as residues modulo two primes, with exponentials between them (as in Mirage,
 * OSDI 2025). `reference/equivalence.md` has the mathematics and the bounds.
 *
 * - exp(x) is w^x in the outer field for x in the inner one, so that exp(a + b) = exp(a) exp(b) exactly; it has no inner residue.
 * - cos and sin are powers in the norm-one group, of angles modulo its order.
 * - sqrt(x) is x^((p+1)/4), for squares only: `Unlucky` asks for another draw.
 * - erf, log, max, ... are keyed hashes of the residues (*free*: what is equal for every such function is equal), or branches
 *   taken at a float64 point beside the residues (*regions*).
 */
import { float64 } from "../ops/float64.ts";
import type { Arithmetic } from "../ops/op.ts";
import { inverse, mulmod, powmod, powTurn, type Level, type Random, type Tower } from "./field.ts";

/** A real at every level at which it is known (NaN where it is not), and at a float64 point. */
export interface Residue {
  /** Beside the residues; of a fixed number its value. */
  readonly f: number;
  /** True of what does not depend on anything drawn. */
  readonly fixed: boolean;
  readonly p: number;
  readonly q: number;
  /** As angles, of the outer and of the inner field. */
  readonly tp: number;
  readonly tq: number;
}

/** Another draw is needed: of the element at `index` of the node being computed, or of all; or of the primes. */
export class Unlucky extends Error {
  constructor(
    readonly index: number | undefined,
    readonly primes = false,
  ) {
    super("unlucky");
  }
}

/** The arithmetic cannot go on; `message` says why. */
export class Beyond extends Error {
  override readonly name = "Beyond";
}

export interface Options {
  readonly tower: Tower;
  readonly random: Random;
  /** Comparisons and the like by the float64 point instead of by hashes. */
  readonly regions: boolean;
  /** Whether exp (inner residues) and sin, cos (angles) occur. */
  readonly inner: boolean;
  readonly angles: boolean;
}

const EVEN = new Set(["abs"]);
const ODD = new Set(["erf", "sign"]);
const HASHED = new Set(["abs", "erf", "log", "log2", "floor", "ceil", "round", "sign"]);
const BY_REGION = new Set(["abs", "floor", "ceil", "round", "sign"]);

export class Residues implements Arithmetic<Residue> {
  readonly name = "prime fields";
  /** A constant was a rounded real: then unequal residues say nothing. */
  rounded = false;
  /** Something was hashed: the same. */
  hashed = false;
  /** A branch was taken at a point: equal residues say it for that region only. */
  branched = false;
  /** Roots of constants that were taken for roots: each halves the primes that will do. */
  constantRoots = 0;
  /** Index of the element being computed, for `Unlucky`. */
  at: number | undefined;
  private readonly P: number;
  private readonly Q: number;
  private readonly TP: number;
  private readonly TQ: number;
  private readonly constants = new Map<number, Residue>();
  private readonly salt: number;

  constructor(private readonly o: Options) {
    this.P = o.tower.outer.p;
    this.Q = o.tower.inner.p;
    this.TP = o.tower.outer.t;
    this.TQ = o.tower.inner.t;
    this.salt = Math.floor(o.random() * 2 ** 32);
  }

  /** A real drawn at random. The outer residue is a whole number below 2^48. */
  draw(f: number): Residue {
    const { random, inner, angles } = this.o;
    const below = (n: number): number => Math.floor(random() * n);
    return {
      f,
      fixed: false,
      p: below(2 ** 24) * 2 ** 24 + below(2 ** 24),
      q: inner ? below(this.Q) : NaN,
      tp: angles ? below(this.TP) : NaN,
      tq: angles && inner ? below(this.TQ) : NaN,
    };
  }

  of(n: number): Residue {
    let known = this.constants.get(n);
    if (!known) this.constants.set(n, (known = this.constant(n)));
    return known;
  }

  toNumber(x: Residue): number {
    if (!x.fixed) this.branch("a whole number is made of a real");
    return x.f;
  }

  add(a: Residue, b: Residue): Residue {
    const f = a.f + b.f;
    if (isInfinite(a) || isInfinite(b)) return this.infinite(a, b, f, false);
    return {
      f,
      fixed: a.fixed && b.fixed,
      p: (a.p + b.p) % this.P,
      q: (a.q + b.q) % this.Q,
      tp: (a.tp + b.tp) % this.TP,
      tq: (a.tq + b.tq) % this.TQ,
    };
  }

  sub(a: Residue, b: Residue): Residue {
    return this.add(a, this.neg(b));
  }

  neg(a: Residue): Residue {
    if (isInfinite(a)) return infinity(-a.f);
    const n = (x: number, m: number): number => (x === 0 ? 0 : m - x);
    return {
      f: -a.f,
      fixed: a.fixed,
      p: n(a.p, this.P),
      q: n(a.q, this.Q),
      tp: n(a.tp, this.TP),
      tq: n(a.tq, this.TQ),
    };
  }

  mul(a: Residue, b: Residue): Residue {
    const f = a.f * b.f;
    if (isInfinite(a) || isInfinite(b)) return this.infinite(a, b, f, true);
    const m = (x: number, y: number, n: number): number => (x === x && y === y && n > 0 ? mulmod(x, y, n) : NaN);
    return {
      f,
      fixed: a.fixed && b.fixed,
      p: mulmod(a.p, b.p, this.P),
      q: m(a.q, b.q, this.Q),
      tp: m(a.tp, b.tp, this.TP),
      tq: m(a.tq, b.tq, this.TQ),
    };
  }

  div(a: Residue, b: Residue): Residue {
    if (isInfinite(b)) {
      if (isInfinite(a)) throw new Beyond("infinity over infinity");
      return this.of(0);
    }
    if (isInfinite(a)) return this.infinite(a, b, a.f / b.f, true);
    return this.mul(a, this.reciprocal(b));
  }

  private reciprocal(b: Residue): Residue {
    if (b.p === 0) {
      if (b.fixed) throw new Beyond("a division by zero");
      throw new Unlucky(undefined);
    }
    // At an inner level a zero leaves the value unknown there.
    const i = (x: number, n: number): number => (x === x && x !== 0 && n > 0 ? inverse(x, n) : NaN);
    return {
      f: 1 / b.f,
      fixed: b.fixed,
      p: inverse(b.p, this.P),
      q: i(b.q, this.Q),
      tp: i(b.tp, this.TP),
      tq: i(b.tq, this.TQ),
    };
  }

  unary(name: string, a: Residue): Residue {
    switch (name) {
      case "exp":
        return this.exp(a);
      case "sigmoid":
        if (isInfinite(a)) return this.of(a.f > 0 ? 1 : 0);
        return this.reciprocal(this.add(this.of(1), this.exp(this.neg(a))));
      case "tanh": {
        if (isInfinite(a)) return this.of(Math.sign(a.f));
        const twice = this.exp(this.add(a, a));
        return this.div(this.sub(twice, this.of(1)), this.add(twice, this.of(1)));
      }
      case "sqrt":
        return this.root(a);
      case "rsqrt":
        return this.reciprocal(this.root(a));
      case "sin":
      case "cos":
        return this.turned(name, a);
      default:
        return this.special(name, a);
    }
  }

  private exp(a: Residue): Residue {
    if (isInfinite(a) && a.f < 0) return this.of(0);
    if (isInfinite(a)) throw new Beyond("exp of infinity");
    const f = Math.exp(a.f);
    if (a.fixed && a.q === 0) return this.of(1);
    if (a.q !== a.q) throw new Beyond("an exponential of an exponential");
    return { f, fixed: a.fixed, p: powmod(this.o.tower.w, a.q, this.P), q: NaN, tp: NaN, tq: NaN };
  }

  private root(a: Residue): Residue {
    if (a.fixed) {
      if (a.f < 0) throw new Beyond("the root of a negative number");
      return this.of(Math.sqrt(a.f));
    }
    const r = (x: number, n: number): number => {
      if (x !== x) return NaN;
      const s = powmod(x, (n + 1) / 4, n);
      if (mulmod(s, s, n) !== x) throw new Unlucky(this.at);
      return s;
    };
    return { f: Math.sqrt(a.f), fixed: false, p: r(a.p, this.P), q: r(a.q, this.Q), tp: NaN, tq: NaN };
  }

  private turned(name: "sin" | "cos", a: Residue): Residue {
    if (a.fixed && a.f === 0) return this.of(name === "cos" ? 1 : 0);
    if (a.tp !== a.tp) throw new Beyond("an angle that is made of an exponential, a root or an angle");
    const at = (angle: number, { turn, p }: Level): number =>
      angle === angle ? powTurn(turn, angle, p)[name === "cos" ? 0 : 1] : NaN;
    return {
      f: Math[name](a.f),
      fixed: a.fixed,
      p: at(a.tp, this.o.tower.outer),
      q: at(a.tq, this.o.tower.inner),
      tp: NaN,
      tq: NaN,
    };
  }

  private special(name: string, a: Residue): Residue {
    const f = float64.unary(name, a.f);
    if (a.fixed || isInfinite(a)) return isFinite(f) ? this.of(f) : infinity(f);
    if (!HASHED.has(name)) throw new Beyond(`${name} has no meaning in a field`);
    if (this.o.regions && BY_REGION.has(name)) {
      this.branched = true;
      if (name === "abs") return a.f < 0 ? this.neg(a) : a;
      return this.of(f);
    }
    this.hashed = true;
    const flipped = EVEN.has(name) || ODD.has(name) ? a.p > this.P / 2 : false;
    const made = this.hash(name, flipped ? this.P - a.p : a.p, 0, f);
    return flipped && ODD.has(name) ? { ...this.neg(made), f } : made;
  }

  pow(a: Residue, b: Residue): Residue {
    const f = a.f ** b.f;
    if (a.fixed && b.fixed) return this.exactPower(a, b.f, f);
    if (b.fixed && Number.isInteger(2 * b.f) && Math.abs(b.f) <= 64) return this.power(a, b.f);
    if (a.fixed && a.f > 0) return this.exp(this.mul(b, this.of(Math.log(a.f))));
    this.hashed = true;
    return this.hash("pow", a.p, b.p, f);
  }

  private exactPower(a: Residue, b: number, f: number): Residue {
    if (Number.isInteger(b) && Math.abs(b) <= 64) return this.power(a, b);
    return isFinite(f) ? this.of(f) : infinity(f);
  }

  /** By squaring; of a half a root too. */
  private power(a: Residue, exponent: number): Residue {
    if (exponent < 0) return this.reciprocal(this.power(a, -exponent));
    let result = this.of(1);
    let square = a;
    for (let e = Math.floor(exponent); e > 0; e = Math.floor(e / 2)) {
      if (e % 2 === 1) result = this.mul(result, square);
      if (e > 1) square = this.mul(square, square);
    }
    return Number.isInteger(exponent) ? result : this.mul(result, this.root(a));
  }

  max(a: Residue, b: Residue): Residue {
    return this.extreme("max", a, b, a.f >= b.f);
  }

  min(a: Residue, b: Residue): Residue {
    return this.extreme("min", a, b, a.f <= b.f);
  }

  private extreme(name: string, a: Residue, b: Residue, first: boolean): Residue {
    if ((a.fixed && b.fixed) || isInfinite(a) || isInfinite(b)) return first ? a : b;
    if (a.p === b.p) return a;
    if (this.o.regions) {
      this.branched = true;
      return first ? a : b;
    }
    this.hashed = true;
    return this.hash(name, Math.min(a.p, b.p), Math.max(a.p, b.p), first ? a.f : b.f);
  }

  compare(a: Residue, b: Residue): number {
    const exact = (a.fixed && b.fixed) || isInfinite(a) || isInfinite(b);
    if (!exact) this.branch("reals are compared");
    if (Number.isNaN(a.f) || Number.isNaN(b.f)) throw new Beyond("a comparison is not defined at the point");
    return float64.compare(a.f, b.f);
  }

  private branch(why: string): void {
    if (!this.o.regions) throw new Beyond(why);
    this.branched = true;
  }

  private infinite(a: Residue, b: Residue, f: number, scaled: boolean): Residue {
    if (Number.isNaN(f)) throw new Beyond("infinity less infinity, or times zero");
    // The sign of a factor must be known.
    if (scaled && ((!isInfinite(a) && !a.fixed) || (!isInfinite(b) && !b.fixed)))
      throw new Beyond("infinity is scaled by a real of unknown sign");
    return infinity(f);
  }

  /** A real that depends on nothing but the residues and the name. */
  private hash(name: string, x: number, y: number, f: number): Residue {
    const words = [
      x % 2 ** 32,
      Math.floor(x / 2 ** 32),
      y % 2 ** 32,
      Math.floor(y / 2 ** 32),
      ...Array.from(name, (c) => c.charCodeAt(0)),
    ];
    let h1 = this.salt ^ 0xdeadbeef;
    let h2 = this.salt ^ 0x41c6ce57;
    const mix = (w: number): void => {
      h1 = Math.imul(h1 ^ w, 2654435761);
      h2 = Math.imul(h2 ^ w, 1597334677);
      h1 ^= h2 >>> 15;
      h2 ^= h1 >>> 13;
    };
    words.forEach((w) => mix(w | 0));
    const next = (n: number): number => {
      mix(0x9e3779b9 | 0);
      mix(h2 >>> 16);
      return n > 0 ? ((h1 >>> 0) * 2 ** 18 + ((h2 >>> 0) & 0x3ffff)) % n : NaN;
    };
    return {
      f,
      fixed: false,
      p: next(this.P),
      q: this.o.inner ? next(this.Q) : NaN,
      tp: next(this.TP),
      tq: next(this.TQ),
    };
  }

  // ── Constants ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Literals are the decimals that they are written as. What a computation rounded is taken for the quotient, or the root of a
   * quotient, of small numbers that rounds to it, if there is one (1/3, 1/sqrt(2)); else it is the decimal, and `rounded` is set.
   */
  private constant(n: number): Residue {
    if (!isFinite(n)) return infinity(n);
    if (n < 0) return { ...this.neg(this.of(-n)), f: n };
    const text = n.toExponential();
    const [digits, exponent] = [text.replace(/e.*$/, "").replace(".", ""), Number(/e(.*)$/.exec(text)![1])];
    const decimal = (m: number): number => decimalModulo(digits, exponent - (digits.length - 1), m);
    const angles = { tp: decimal(this.TP), tq: decimal(this.TQ) };
    if (digits.length > 12) {
      const quotient = quotientOf(n, 3e-16);
      if (quotient)
        return { f: n, fixed: true, p: this.quotient(quotient, this.P), q: this.quotient(quotient, this.Q), ...angles };
      const square = quotientOf(n * n, 1e-15);
      if (square) this.constantRoots++;
      if (square)
        return { f: n, fixed: true, p: this.rootOf(square, this.P), q: this.rootOf(square, this.Q), ...angles };
      this.rounded = true;
    }
    return { f: n, fixed: true, p: decimal(this.P), q: decimal(this.Q), ...angles };
  }

  private quotient([a, b]: readonly [number, number], m: number): number {
    return mulmod(a % m, inverse(b % m, m), m);
  }

  private rootOf(square: readonly [number, number], m: number): number {
    const x = this.quotient(square, m);
    const s = powmod(x, (m + 1) / 4, m);
    if (mulmod(s, s, m) !== x) throw new Unlucky(undefined, true);
    return s;
  }
}

/** Only infinities have no outer residue. */
export function isInfinite(a: Residue): boolean {
  return a.p !== a.p;
}

function infinity(f: number): Residue {
  return { f, fixed: true, p: NaN, q: NaN, tp: NaN, tq: NaN };
}

function decimalModulo(digits: string, exponent: number, m: number): number {
  if (m === 0) return NaN;
  let r = 0;
  for (const d of digits) r = (mulmod(r, 10 % m, m) + Number(d)) % m;
  const scale = powmod(10 % m, Math.abs(exponent), m);
  if (exponent >= 0) return mulmod(r, scale, m);
  return scale === 0 ? NaN : mulmod(r, inverse(scale, m), m);
}

/** The quotient of small whole numbers within a relative distance of n, by continued fractions. */
function quotientOf(n: number, tolerance: number): readonly [number, number] | undefined {
  let [a0, b0, a1, b1] = [0, 1, 1, 0];
  let x = n;
  for (let i = 0; i < 20; i++) {
    const whole = Math.floor(x);
    [a0, b0, a1, b1] = [a1, b1, whole * a1 + a0, whole * b1 + b0];
    if (b1 > 5000 || a1 > 1e7) return undefined;
    if (Math.abs(a1 / b1 - n) <= tolerance * n) return [a1, b1];
    if (x === whole) return undefined;
    x = 1 / (x - whole);
  }
  return undefined;
}
