/** Numbers, tables and trees as the commands print them. */
import { expect, test } from "vitest";
import { bytes, duration, short, table, wrap } from "../../src/cli/text.ts";
import { treeOf, treeRows } from "../../src/cli/tree.ts";

test("three figures and a prefix", () => {
  expect([0, 7, 999, 1000, 1234, 99_950, 999_499, 999_500, 8_030_261_248, 100e9].map(short)).toEqual([
    "0",
    "7",
    "999",
    "1 k",
    "1.23 k",
    "100 k",
    "999 k",
    "1 M",
    "8.03 G",
    "100 G",
  ]);
  expect([0, 12, 1_700_000, 16e9].map(bytes)).toEqual(["0 B", "12 B", "1.7 MB", "16 GB"]);
  expect([3.4, 420, 12_345].map(duration)).toEqual(["3 ms", "0.42 s", "12.35 s"]);
});

test("columns of numbers are flush right", () => {
  expect(
    table([
      ["a", "1"],
      ["bcd", "1,000"],
    ]),
  ).toBe("a        1\nbcd  1,000\n");
});

test("text is broken between words", () => {
  expect(wrap("one two three", 8, "  ")).toBe("  one\n  two\n  three\n");
});

test("equal layers are one line, others stay apart", () => {
  const of = (path: string, ...shape: number[]) => ({ path, shape, elements: shape.reduce((n, d) => n * d, 1) });
  const parameters = [
    of("words.weight", 10, 4),
    ...[0, 1, 2].flatMap((i) => [of(`layers.${i}.a.weight`, 4, 4), of(`layers.${i}.b.weight`, 4)]),
    of("layers.3.a.weight", 8, 4),
    of("layers.3.b.weight", 4),
  ];
  expect(treeRows(treeOf(parameters)).map((r) => r.join(" | "))).toEqual([
    "words.weight | [10, 4] | 40",
    "layers |  | 96",
    "  {0..2} |  | 60",
    "    a.weight | 3 x [4, 4] | 48",
    "    b.weight | 3 x [4] | 12",
    "  3 |  | 36",
    "    a.weight | [8, 4] | 32",
    "    b.weight | [4] | 4",
  ]);
});
