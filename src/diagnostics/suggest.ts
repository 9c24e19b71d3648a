/** @file Suggestions: the name that was meant, sizes that would fit. */

/**
 * The candidate that `name` most likely stands for, or undefined where none is near. Differences in case and in `_` and `-`
 * cost nothing; a typing mistake (a letter too many, too few, wrong, or two exchanged) costs one, and a third of the name's
 * length may be wrong; last, a candidate that begins with the name, or the other way round, from three letters on.
 */
export function nearest(name: string, candidates: Iterable<string>): string | undefined {
  const plain = plainly(name);
  const limit = Math.min(3, Math.max(1, Math.floor(plain.length / 3)));
  let best: string | undefined;
  let bestCost = Infinity;
  for (const candidate of candidates) {
    if (candidate === name) continue;
    const cost = costOf(plain, plainly(candidate), limit);
    if (cost < bestCost) {
      best = candidate;
      bestCost = cost;
    }
  }
  return best;
}

const plainly = (name: string): string => name.toLowerCase().replace(/[-_]/g, "");

function costOf(a: string, b: string, limit: number): number {
  if (a === b) return 0;
  if (a.length === 0 || b.length === 0) return Infinity;
  // In names of one or two letters every other name is one mistake away.
  if (a.length >= 3 || b.length >= 3) {
    const edits = distance(a, b);
    if (edits <= limit && edits < Math.max(a.length, b.length) - 1) return edits;
  }
  const shorter = Math.min(a.length, b.length);
  const isPrefix = shorter >= 3 && (a.startsWith(b) || b.startsWith(a));
  return isPrefix ? limit + 1 + Math.abs(a.length - b.length) / 100 : Infinity;
}

/** Damerau and Levenshtein's distance: insertions, deletions, substitutions, and exchanges of neighbours. */
export function distance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let cost = Math.min(row[j - 1]! + 1, last[j]! + 1, last[j - 1]! + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, before[j - 2]! + 1);
      row.push(cost);
    }
    before = last;
    last = row;
  }
  return last[b.length]!;
}

/** All divisors of a whole number of one or more, ascending. Empty for anything else. */
export function divisors(n: number): number[] {
  if (!Number.isSafeInteger(n) || n < 1) return [];
  const low: number[] = [];
  const high: number[] = [];
  for (let d = 1; d * d <= n; d++) {
    if (n % d !== 0) continue;
    low.push(d);
    if (d !== n / d) high.unshift(n / d);
  }
  return [...low, ...high];
}

/** The divisors of `n` nearest to `k`, at most two on each side, ascending; `k` itself is not among them. */
export function nearDivisors(n: number, k: number): number[] {
  const all = divisors(n);
  return [...all.filter((d) => d < k).slice(-2), ...all.filter((d) => d > k).slice(0, 2)];
}
