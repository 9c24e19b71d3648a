/** Widening and narrowing of stored numbers, against arithmetic on the values themselves. */
import { expect, test } from "vitest";
import { fromFloat32, toFloat32 } from "../../src/weights/dtypes.ts";

const bytes = (a: ArrayBufferView): Uint8Array => new Uint8Array(a.buffer, a.byteOffset, a.byteLength);
const words = (b: Uint8Array): Uint16Array => new Uint16Array(b.slice().buffer);
const every16 = Uint16Array.from({ length: 65_536 }, (_, i) => i);

/** The neighbours of x among the values of a 16-bit type, and which of them is nearest, ties to the even pattern. */
function nearest(x: number, values: Float64Array): number {
  let low = 0;
  let high = values.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (values[middle]! <= x) low = middle;
    else high = middle;
  }
  const [a, b] = [x - values[low]!, values[high]! - x];
  return a < b || (a === b && low % 2 === 0) ? low : high;
}

const finite = (dtype: "F16" | "BF16", infinity: number): Float64Array => {
  const values = Float64Array.from(toFloat32(dtype, bytes(every16.slice(0, infinity + 1))));
  // Infinity stands where the next number would.
  values[infinity] = 2 * values[infinity - 1]! - values[infinity - 2]!;
  return values;
};

test.each([
  ["F16", 0x7c00],
  ["BF16", 0x7f80],
] as const)("%s: every pattern survives the way to float32 and back", (dtype, infinity) => {
  const wide = toFloat32(dtype, bytes(every16));
  expect(wide[1]).toBe(dtype === "F16" ? 2 ** -24 : 2 ** -133);
  expect(wide[infinity]).toBe(Infinity);
  const back = words(fromFloat32(dtype, wide));
  let wrong = 0;
  for (let i = 0; i < back.length; i++)
    if (Number.isNaN(wide[i]!) ? (back[i]! & 0x7fff) <= infinity : back[i] !== i) wrong++;
  expect(wrong).toBe(0);
});

test.each([
  ["F16", 0x7c00],
  ["BF16", 0x7f80],
] as const)("%s: narrowing takes the nearest, ties to even", (dtype, infinity) => {
  const values = finite(dtype, infinity);
  const cases: number[] = [];
  for (let i = 0; i < infinity; i += 7) {
    const middle = Math.fround((values[i]! + values[i + 1]!) / 2);
    const ulp = Math.abs(middle) * 2 ** -23 || 2 ** -149;
    cases.push(middle, Math.fround(middle - ulp), Math.fround(middle + ulp), Math.fround(values[i]! * 1.0001));
  }
  cases.push(2 ** -25, 2 ** -25 * (1 + 2 ** -23), 2 ** -149, 0);
  const found = words(fromFloat32(dtype, Float32Array.from(cases)));
  expect(cases.filter((x, i) => found[i] !== nearest(x, values))).toEqual([]);
  const negative = words(
    fromFloat32(
      dtype,
      Float32Array.from(cases, (x) => -x),
    ),
  );
  expect(negative).toEqual(found.map((w) => w | 0x8000));
});

test("numbers too large are infinite, and what is no number stays none", () => {
  const f16 = toFloat32("F16", fromFloat32("F16", Float32Array.of(65_519, 65_520, 1e30, -1e30, NaN, Infinity)));
  expect([...f16]).toEqual([65_504, Infinity, Infinity, -Infinity, NaN, Infinity]);
  const signalling = new Float32Array(Uint32Array.of(0x7f800001).buffer);
  expect(toFloat32("BF16", fromFloat32("BF16", signalling))[0]).toBeNaN();
  expect(toFloat32("F16", fromFloat32("F16", signalling))[0]).toBeNaN();
});

test("other dtypes widen by value", () => {
  expect([...toFloat32("F64", bytes(Float64Array.of(0.1, -2)))]).toEqual([Math.fround(0.1), -2]);
  expect([...toFloat32("I64", bytes(BigInt64Array.of(-3n, 2n ** 40n)))]).toEqual([-3, 2 ** 40]);
  expect([...toFloat32("I8", bytes(Int8Array.of(-1, 5)))]).toEqual([-1, 5]);
  expect([...toFloat32("BOOL", Uint8Array.of(0, 1))]).toEqual([0, 1]);
});

test("bytes need not be aligned", () => {
  const shifted = new Uint8Array(9);
  shifted.set(bytes(Float32Array.of(1.5, -2)), 1);
  expect([...toFloat32("F32", shifted.subarray(1))]).toEqual([1.5, -2]);
});
