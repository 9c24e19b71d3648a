/**
 * @file Arithmetic modulo primes below 2^50 in doubles, and the primes themselves. Products are exact by Dekker's two-product
 * ("A floating-point technique for extending the available precision", 1971); no BigInt, which is four times slower.
 */

const SPLIT = 2 ** 27 + 1;

/** a * b modulo p, all whole, below p < 2^50. */
export function mulmod(a: number, b: number, p: number): number {
  const h = a * b;
  if (h < 9007199254740992) return h % p;
  const l = low(a, b, h);
  const q = Math.floor(h / p);
  const h2 = q * p;
  let r = h - h2 + (l - low(q, p, h2));
  while (r < 0) r += p;
  while (r >= p) r -= p;
  return r;
}

/** What a * b has beyond its rounding h. */
function low(a: number, b: number, h: number): number {
  const s = SPLIT * a;
  const ah = s - (s - a);
  const al = a - ah;
  const t = SPLIT * b;
  const bh = t - (t - b);
  const bl = b - bh;
  return ah * bh - h + ah * bl + al * bh + al * bl;
}

export function powmod(base: number, exponent: number, p: number): number {
  let result = 1;
  let square = base % p;
  for (let e = exponent; e > 0; e = Math.floor(e / 2)) {
    if (e % 2 === 1) result = mulmod(result, square, p);
    square = mulmod(square, square, p);
  }
  return result;
}

/** 1 / a modulo a prime; a is not 0. Euclid's algorithm. */
export function inverse(a: number, p: number): number {
  let [r0, r1, s0, s1] = [p, a, 0, 1];
  while (r1 > 1) {
    const q = Math.floor(r0 / r1);
    [r0, r1] = [r1, r0 - q * r1];
    [s0, s1] = [s1, s0 - q * s1];
  }
  return s1 < 0 ? s1 + p : s1;
}

const WITNESSES = [2, 3, 5, 7, 11, 13, 17, 19, 23];

/** Miller and Rabin; with these witnesses exact below 3.8e18 (Sorenson and Webster, 2015). */
export function isPrime(n: number): boolean {
  if (n < 2) return false;
  for (const w of WITNESSES) if (n % w === 0) return n === w;
  let d = n - 1;
  let twos = 0;
  while (d % 2 === 0) {
    d /= 2;
    twos++;
  }
  return WITNESSES.every((w) => {
    let x = powmod(w, d, n);
    if (x === 1 || x === n - 1) return true;
    for (let i = 1; i < twos; i++) {
      x = mulmod(x, x, n);
      if (x === n - 1) return true;
    }
    return false;
  });
}

/** A prime modulus with what exponentials and angles need. */
export interface Level {
  readonly p: number;
  /** The order of angles, a prime that divides p + 1; 0 where there are none. */
  readonly t: number;
  /** cos and sin of the angle 1: of order t in the norm-one group of F_p[i]. */
  readonly turn: readonly [number, number];
}

export interface Tower {
  readonly outer: Level;
  /** Of arguments of exp. */
  readonly inner: Level;
  /** exp(1) in the outer field: of order `inner.p`. */
  readonly w: number;
}

/** Numbers in [0, 1). */
export type Random = () => number;

/**
 * Draws the primes: p = c q + 1 with q about 2^23 and p between 2^49 and 2^50, both 7 modulo 8 (so that -1 is no square, and roots
 * are powers), c drawn afresh until p is prime.
 */
export function drawTower(random: Random, angles: boolean): Tower {
  for (;;) {
    const q = 8 * Math.floor(random() * 2 ** 19 + 2 ** 19) + 7;
    if (!isPrime(q)) continue;
    const t = angles ? largePrimeOf((q + 1) / 8, 2 ** 18) : 0;
    if (angles && t === 0) continue;
    const inner = level(q, t, random);
    for (let i = 0; i < 4000; i++) {
      const least = 2 ** 49 / q;
      const c = 8 * Math.floor((least + random() * least) / 8) + 2;
      const p = c * q + 1;
      if (p <= 2 ** 49 || p >= 2 ** 50 || !isPrime(p)) continue;
      const u = angles ? largePrimeOf((p + 1) / 8, 2 ** 34) : 0;
      if (angles && u === 0) continue;
      const w = rootOfOrder(p, (p - 1) / q, random);
      return { outer: level(p, u, random), inner, w };
    }
  }
}

function rootOfOrder(p: number, cofactor: number, random: Random): number {
  for (;;) {
    const w = powmod(2 + Math.floor(random() * 2 ** 48), cofactor, p);
    if (w !== 1 && w !== 0) return w;
  }
}

/** The prime that is left of n when small factors are taken out, if it is at least `least`; else 0. */
function largePrimeOf(n: number, least: number): number {
  let rest = n;
  for (let f = 2; f < 512 && f * f <= rest; f++) while (rest % f === 0) rest /= f;
  return rest >= least && isPrime(rest) ? rest : 0;
}

function level(p: number, t: number, random: Random): Level {
  if (t === 0) return { p, t, turn: [1, 0] };
  for (;;) {
    const a = 1 + Math.floor(random() * Math.min(p - 1, 2 ** 48));
    const b = 1 + Math.floor(random() * Math.min(p - 1, 2 ** 48));
    const norm = (mulmod(a, a, p) + mulmod(b, b, p)) % p;
    if (norm === 0) continue;
    // (a + bi) / (a - bi) has norm one.
    const inv = inverse(norm, p);
    const re = mulmod((mulmod(a, a, p) - mulmod(b, b, p) + p) % p, inv, p);
    const im = mulmod((2 * mulmod(a, b, p)) % p, inv, p);
    const turn = powTurn([re, im], (p + 1) / t, p);
    if (turn[0] !== 1 || turn[1] !== 0) return { p, t, turn };
  }
}

/** A power in F_p[i]: (cos, sin) of a multiple of an angle. */
export function powTurn(base: readonly [number, number], exponent: number, p: number): [number, number] {
  let result: [number, number] = [1, 0];
  let square: [number, number] = [base[0], base[1]];
  for (let e = exponent; e > 0; e = Math.floor(e / 2)) {
    if (e % 2 === 1) result = times(result, square, p);
    square = times(square, square, p);
  }
  return result;
}

function times([a, b]: readonly [number, number], [c, d]: readonly [number, number], p: number): [number, number] {
  return [(mulmod(a, c, p) - mulmod(b, d, p) + p) % p, (mulmod(a, d, p) + mulmod(b, c, p)) % p];
}
