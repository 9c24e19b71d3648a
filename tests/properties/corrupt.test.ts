/** Corruptions: nothing of the text is lost, the rates hold, and a seed gives the same rows again. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { chooseSpans, corruptSpans, fillBlanks, IGNORED, maskTokens, shiftRight } from "../../src/corrupt/corrupt.ts";
import { randomOf } from "../../src/corrupt/random.ts";

const SPECIAL = new Set([0, 1, 2, 3]);
const MASK = 3;
const words = fc.array(fc.integer({ min: 4, max: 99 }), { minLength: 1, maxLength: 80 });
const row = words.map((w) => [1, ...w, 2]);
const seeds = fc.integer({ min: 0, max: 0xffffffff });

test("a seed gives the same draws, another gives others", () => {
  const draws = (seed: number): number[] =>
    Array.from(
      { length: 50 },
      (
        (r) => () =>
          r.next()
      )(randomOf(seed)),
    );
  fc.assert(
    fc.property(seeds, (seed) => {
      expect(draws(seed)).toEqual(draws(seed));
    }),
  );
  expect(draws(1)).not.toEqual(draws(2));
  const many = Array.from(
    { length: 20_000 },
    (
      (r) => () =>
        r.below(10)
    )(randomOf(7)),
  );
  for (let d = 0; d < 10; d++) expect(many.filter((m) => m === d).length).toBeGreaterThan(1850);
});

test("masked words: only what is to be guessed changes, special tokens never", () => {
  fc.assert(
    fc.property(row, seeds, fc.double({ min: 0.01, max: 0.9, noNaN: true }), (tokens, seed, rate) => {
      const options = { mask: MASK, vocab: 100, special: SPECIAL, rate };
      const { tokens: out, labels } = maskTokens(tokens, randomOf(seed), options);
      expect(maskTokens(tokens, randomOf(seed), options)).toEqual({ tokens: out, labels });
      expect(out.length).toBe(tokens.length);
      for (const [i, t] of tokens.entries()) {
        if (labels[i] === IGNORED) expect(out[i]).toBe(t);
        else expect([labels[i], SPECIAL.has(t)]).toEqual([t, false]);
        expect(out[i] === MASK || !SPECIAL.has(out[i]!) || SPECIAL.has(t)).toBe(true);
      }
      const guessed = labels.filter((l) => l !== IGNORED).length;
      expect(guessed).toBe(Math.max(1, Math.round((tokens.length - 2) * rate)));
    }),
  );
});

test("masked words: 15 %, of which 80 % masks, 10 % random words, 10 % kept", () => {
  const random = randomOf(11);
  const counts = { all: 0, guessed: 0, masks: 0, kept: 0 };
  for (let i = 0; i < 1500; i++) {
    const tokens = Array.from({ length: 40 }, () => 4 + random.below(30_000));
    const { tokens: out, labels } = maskTokens(tokens, random, { mask: MASK, vocab: 30_004, special: SPECIAL });
    for (const [at, label] of labels.entries()) {
      counts.all++;
      if (label === IGNORED) continue;
      counts.guessed++;
      if (out[at] === MASK) counts.masks++;
      if (out[at] === label) counts.kept++;
    }
  }
  expect(counts.guessed / counts.all).toBeCloseTo(0.15, 6);
  expect(counts.masks / counts.guessed).toBeCloseTo(0.8, 1);
  expect(counts.kept / counts.guessed).toBeCloseTo(0.1, 1);
});

test("spans: in order, apart, within the text, as many tokens as were asked for", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 400 }),
      seeds,
      fc.double({ min: 0.01, max: 0.95, noNaN: true }),
      fc.integer({ min: 1, max: 10 }),
      (length, seed, rate, meanLength) => {
        const spans = chooseSpans(length, randomOf(seed), { rate, meanLength });
        let at = 0;
        for (const { start, length: size } of spans) {
          expect(start).toBeGreaterThan(at === 0 ? 0 : at);
          expect(size).toBeGreaterThanOrEqual(1);
          at = start + size;
        }
        expect(at).toBeLessThanOrEqual(length);
        const hidden = spans.reduce((n, s) => n + s.length, 0);
        expect(hidden).toBe(length < 2 ? 0 : Math.min(Math.max(Math.round(length * rate), 1), length - 1));
      },
    ),
  );
});

test("span corruption: source and target put together give the text", () => {
  const sentinels = [100, 101, 102, 103, 104];
  fc.assert(
    fc.property(words, seeds, fc.boolean(), (tokens, seed, ends) => {
      const options = { sentinels, rate: 0.3, ...(ends ? { end: 1 } : {}) };
      const { source, target } = corruptSpans(tokens, randomOf(seed), options);
      expect(corruptSpans(tokens, randomOf(seed), options)).toEqual({ source, target });
      const strip = (all: readonly number[]): number[] => {
        if (ends) expect(all.at(-1)).toBe(1);
        return ends ? all.slice(0, -1) : [...all];
      };
      const spans = new Map<number, number[]>();
      let current: number[] = [];
      for (const t of strip(target))
        if (t >= 100) spans.set(t, (current = []));
        else current.push(t);
      const whole = strip(source).flatMap((t) => (t >= 100 ? spans.get(t)! : [t]));
      expect(whole).toEqual(tokens);
      const used = source.filter((t) => t >= 100);
      expect(used).toEqual(sentinels.slice(0, used.length));
      // A last sentinel says that there is no more.
      if (used.length > 0 && used.length < sentinels.length) expect(spans.get(sentinels[used.length]!)).toEqual([]);
    }),
  );
});

test("blank infilling: the spans put back give the text, and places and labels are as the paper has them", () => {
  const [mask, start, end] = [200, 201, 202];
  fc.assert(
    fc.property(words, seeds, (tokens, seed) => {
      const blanks = fillBlanks(tokens, randomOf(seed), { mask, start, end, rate: 0.4, meanLength: 2 });
      expect(fillBlanks(tokens, randomOf(seed), { mask, start, end, rate: 0.4, meanLength: 2 })).toEqual(blanks);
      const { tokens: out, positions, blockPositions, labels, prefix } = blanks;
      for (const list of [positions, blockPositions, labels]) expect(list.length).toBe(out.length);
      expect(positions.slice(0, prefix)).toEqual(out.slice(0, prefix).map((_, i) => i));
      expect(new Set([...blockPositions.slice(0, prefix), 0])).toEqual(new Set([0]));
      expect(new Set([...labels.slice(0, prefix), IGNORED])).toEqual(new Set([IGNORED]));
      const spans = new Map<number, number[]>();
      for (let i = prefix; i < out.length; i++) {
        if (out[i] === start) {
          expect(blockPositions[i]).toBe(1);
          spans.set(positions[i]!, []);
        } else {
          expect(blockPositions[i]).toBe(blockPositions[i - 1]! + 1);
          expect(positions[i]).toBe(positions[i - 1]);
          spans.get(positions[i]!)!.push(out[i]!);
        }
        expect(labels[i]).toBe(i + 1 < out.length && out[i + 1] !== start ? out[i + 1] : end);
      }
      expect(out.slice(0, prefix).flatMap((t, i) => (t === mask ? spans.get(i)! : [t]))).toEqual(tokens);
      expect(spans.size).toBe(out.slice(0, prefix).filter((t) => t === mask).length);
    }),
  );
});

test("spans of part B come in an order of chance", () => {
  const orders = new Set<string>();
  const tokens = Array.from({ length: 40 }, (_, i) => i + 4);
  for (let seed = 0; seed < 30; seed++) {
    const { positions, prefix } = fillBlanks(tokens, randomOf(seed), { mask: 200, start: 201, end: 202 });
    const places = [...new Set(positions.slice(prefix))];
    orders.add(String(places.every((p, i) => i === 0 || p > places[i - 1]!)));
  }
  expect(orders).toEqual(new Set(["true", "false"]));
});

test("what a decoder reads is its target moved on", () => {
  expect(shiftRight([7, 8, 1, IGNORED, IGNORED], { start: 0, pad: 9 })).toEqual([0, 7, 8, 1, 9]);
  expect(shiftRight([], { start: 0, pad: 9 })).toEqual([]);
});
