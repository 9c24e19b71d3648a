/** Numbers as bytes: never further off than half a step, zero exact. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { affineOf, quantized, rangeOf } from "../../src/weights/affine.ts";

const bytesOf = (values: readonly number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);

test("half a step, which is 1/510 of the range", () => {
  const lists = fc.array(fc.float({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 }), {
    minLength: 1,
    maxLength: 40,
  });
  fc.assert(
    fc.property(lists, (values) => {
      const range = rangeOf([bytesOf(values)])!;
      expect(range).toEqual({ least: Math.min(...values), greatest: Math.max(...values) });
      const affine = affineOf(range);
      const bytes = [...quantized([bytesOf(values)], affine)].flatMap((b) => [...b]);
      const step = (range.greatest - range.least) / 255;
      values.forEach((v, i) => {
        const back = bytes[i]! * affine.scale + affine.min;
        expect(Math.abs(back - v)).toBeLessThanOrEqual(step / 2 + 1e-9 * Math.abs(v));
        if (v === 0) expect(Math.abs(back)).toBeLessThanOrEqual(1e-9 * step);
      });
    }),
  );
});

test("one number, and numbers that are none", () => {
  expect(affineOf({ least: 3, greatest: 3 })).toEqual({ scale: 1, min: 3 });
  expect([...quantized([bytesOf([3, 3])], { scale: 1, min: 3 })]).toEqual([Uint8Array.of(0, 0)]);
  expect(rangeOf([bytesOf([1]), bytesOf([NaN])])).toBeUndefined();
  expect(rangeOf([bytesOf([Infinity])])).toBeUndefined();
  expect(rangeOf([])).toBeUndefined();
});
