import { describe, expect, it } from "vitest";
import { erf, roundHalfEven } from "../../src/ops/special.ts";

/** erf by its Maclaurin series, whose terms stay small enough below 2.5. */
function series(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 1; n < 200; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

describe("erf", () => {
  it.each([
    [0, 0],
    [0.1, 0.1124629160182849],
    [0.46875, 0.4926134732179379],
    [1, 0.8427007929497149],
    [2, 0.9953222650189527],
    [3, 0.9999779095030014],
    [4, 0.9999999845827421],
    [4.5, 0.9999999998033839],
    [5, 0.9999999999984626],
    [6, 1],
    [Infinity, 1],
  ])("erf(%d)", (x, expected) => {
    expect(Math.abs(erf(x) - expected)).toBeLessThan(2e-16 + 1e-15 * Math.abs(expected));
    expect(erf(-x)).toBe(-erf(x));
  });

  it("agrees with the series", () => {
    for (let x = -2.5; x <= 2.5; x += 0.01) expect(Math.abs(erf(x) - series(x))).toBeLessThan(1e-13);
  });

  it("of no number is none", () => expect(erf(NaN)).toBeNaN());
});

it("halves go to the even number", () => {
  expect([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 2.4, -2.6].map((x) => roundHalfEven(x) + 0)).toEqual([
    -2, -2, 0, 0, 2, 2, 2, -3,
  ]);
});
