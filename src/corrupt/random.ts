/** @file Draws for data preparation: the same seed gives the same ones, everywhere. */

export interface Random {
  /** From 0 up to, but not, 1. */
  next(): number;
  /** A whole number from 0 to below `n`. */
  below(n: number): number;
  /** In an order of chance, in place. */
  shuffle<T>(items: T[]): T[];
}

/** The generator Mulberry32 (Tommy Ettinger, 2017): 32 bits of state, good enough to draw places and words. */
export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
  const below = (n: number): number => Math.floor(next() * n);
  return {
    next,
    below,
    shuffle: (items) => {
      for (let i = items.length - 1; i > 0; i--) {
        const j = below(i + 1);
        [items[i], items[j]] = [items[j]!, items[i]!];
      }
      return items;
    },
  };
}
