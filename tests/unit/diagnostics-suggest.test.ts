/** @file Suggestions: names that were meant, divisors near a number. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { distance, divisors, nearDivisors, nearest } from "../../src/diagnostics/suggest.ts";

const names = ["rmsnorm", "layernorm", "swiglu", "kv_heads", "heads", "head_dim", "hidden", "d", "seq", "x"];

test.each([
  ["rmsnrom", "rmsnorm"],
  ["rms_norm", "rmsnorm"],
  ["RMSNorm", "rmsnorm"],
  ["layer-norm", "layernorm"],
  ["swigllu", "swiglu"],
  ["kvheads", "kv_heads"],
  ["head", "heads"],
  ["hiden", "hidden"],
  ["layernorm_affine", "layernorm"],
  ["sec", "seq"],
])("%s: %s", (name, meant) => expect(nearest(name, names)).toBe(meant));

test.each(["attention", "y", "e", "zzz", "", "w"])("%s: nothing near", (name) =>
  expect(nearest(name, names)).toBeUndefined(),
);

test("a name is not suggested for itself", () => expect(nearest("heads", ["heads"])).toBeUndefined());

test("the nearer one wins, the earlier one on a tie", () => {
  expect(nearest("heads_", ["head", "heads"])).toBe("heads");
  expect(nearest("cat", ["car", "can"])).toBe("car");
});

test("distance counts exchanges once, and is symmetric", () => {
  expect(distance("abcd", "abdc")).toBe(1);
  expect(distance("kitten", "sitting")).toBe(3);
  fc.assert(
    fc.property(fc.string({ maxLength: 8 }), fc.string({ maxLength: 8 }), (a, b) => distance(a, b) === distance(b, a)),
    { seed: 7 },
  );
});

test("divisors are all of them", () => {
  expect(divisors(12)).toEqual([1, 2, 3, 4, 6, 12]);
  expect(divisors(16)).toEqual([1, 2, 4, 8, 16]);
  expect([divisors(0), divisors(1.5), divisors(-4)]).toEqual([[], [], []]);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2000 }), (n) => {
      expect(divisors(n)).toEqual(Array.from({ length: n }, (_, i) => i + 1).filter((d) => n % d === 0));
    }),
    { seed: 7 },
  );
});

test("the nearest divisors lie on both sides", () => {
  expect(nearDivisors(4096, 30)).toEqual([8, 16, 32, 64]);
  expect(nearDivisors(12, 1)).toEqual([2, 3]);
  expect(nearDivisors(12, 4)).toEqual([2, 3, 6, 12]);
});
