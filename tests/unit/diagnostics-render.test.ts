/** @file How diagnostics look: code frames with marks, labels, several lines, tabs, wide characters, long lines, colour; as data. */
import { expect, test } from "vitest";
import { diagnose, type Diagnostic, type Extras } from "../../src/diagnostics/diagnostic.ts";
import { render, toJson } from "../../src/diagnostics/render.ts";
import type { SourceFile, Span } from "../../src/source/source.ts";

const file = (text: string, name = "a.tfm"): SourceFile => ({ name, text });
/** The place of `piece` in a file, or from there to the end of `last`. */
function at(f: SourceFile, piece: string, last = piece): Span {
  const start = f.text.indexOf(piece);
  return { file: f, start, end: f.text.indexOf(last, start) + last.length };
}
const say = (span: Span | undefined, extras: Extras = {}): Diagnostic =>
  diagnose("syntax/too-many-lists", {}, span, extras);
const lines = (text: string): string[] => text.split("\n");
/** A frame without head, message and blank margin lines. */
const frameOf = (d: Diagnostic, width?: number): string[] =>
  lines(render([d], width === undefined ? {} : { width })).slice(3, -1);

test("a whole message", () => {
  const f = file("op one(x) = x\nop f(a)(b)(c) = a\n");
  expect(render([say(at(f, "(c)"), { hint: "join two" })])).toBe(
    [
      "error[syntax/too-many-lists]: an op has at most two lists of parameters",
      " --> a.tfm:2:11",
      "  |",
      "2 | op f(a)(b)(c) = a",
      "  |           ^^^",
      "  |",
      "  = hint: join two",
      "",
    ].join("\n"),
  );
});

test("several are parted by a blank line; none are nothing", () => {
  const f = file("x");
  expect(render([])).toBe("");
  expect(render([say(at(f, "x")), say(undefined)]).split("\n\n")).toHaveLength(2);
});

test("labels on one line: the rightmost beside its mark, the others below", () => {
  const f = file("let y = max(q, 0)");
  expect(
    frameOf(
      say(at(f, "max"), {
        related: [
          { span: at(f, "let y"), message: "first" },
          { span: at(f, "q"), message: "second" },
          { span: at(f, "0"), message: "third" },
        ],
      }),
    ),
  ).toEqual(["1 | let y = max(q, 0)", "  | -----   ^^^ -  - third", "  | |           second", "  | first"]);
});

test("lines near each other stand in one frame, those far away behind a gap, other files in their own", () => {
  const f = file(Array.from({ length: 12 }, (_, i) => `line${i + 1}.`).join("\n"));
  const other = file("elsewhere", "b.tfm");
  expect(
    lines(
      render([
        say(at(f, "line4."), {
          related: [
            { span: at(f, "line6."), message: "near" },
            { span: at(f, "line12."), message: "far" },
            { span: at(other, "where"), message: "other" },
            { message: "without a place" },
          ],
        }),
      ]),
    ).slice(1),
  ).toEqual([
    "  --> a.tfm:4:1",
    "   |",
    " 4 | line4.",
    "   | ^^^^^^",
    " 5 | line5.",
    " 6 | line6.",
    "   | ------ near",
    "...",
    "12 | line12.",
    "   | ------- far",
    "  ::: b.tfm:1:5",
    "   |",
    " 1 | elsewhere",
    "   |     ----- other",
    "   |",
    "   = note: without a place",
    "",
  ]);
});

test("a span over several lines has a bar; a long one is shortened", () => {
  const f = file("aa\n  b {\n c\n}\nd");
  expect(frameOf(say(at(f, "b {", "}"), { related: [{ span: at(f, "c"), message: "inside" }] }))).toEqual([
    "2 | /   b {",
    "3 | |  c",
    "  | |  - inside",
    "4 | | }",
    "  | |_^",
  ]);
  const long = file(Array.from({ length: 20 }, (_, i) => `l${i}.`).join("\n"));
  const shown = frameOf(say({ file: long, start: 0, end: long.text.length }));
  expect(shown.map((l) => l.trim())).toEqual([
    "1 | / l0.",
    "2 | | l1.",
    "3 | | l2.",
    "... |",
    "19 | | l18.",
    "20 | | l19.",
    "| |____^",
  ]);
});

test("tabs, wide and combining characters, and control characters take the cells they take", () => {
  expect(frameOf(say(at(file("\ta\tb = c"), "c")))).toEqual(["1 |     a   b = c", "  |             ^"]);
  expect(frameOf(say(at(file("\u65e5\u672c \ud83d\ude00 c"), "c")))).toEqual([
    "1 | \u65e5\u672c \ud83d\ude00 c",
    "  |         ^",
  ]);
  expect(frameOf(say(at(file("e\u0301 c"), "c")))).toEqual(["1 | e\u0301 c", "  |   ^"]);
  expect(frameOf(say(at(file("a\u001b[31m c\r\nd"), "c")))).toEqual(["1 | a\ufffd[31m c", "  |        ^"]);
});

test("a long line is clipped around its mark, which stays under what it marks", () => {
  const f = file(`${"a".repeat(200)} here ${"b".repeat(200)}`);
  const [line, marks] = frameOf(say(at(f, "here")), 60) as [string, string];
  expect(line.length).toBeLessThanOrEqual(60);
  expect(line).toMatch(/^1 \| \.\.\.a+ here b+\.\.\.$/);
  expect(marks.indexOf("^^^^")).toBe(line.indexOf("here"));
  expect(frameOf(say(at(f, "a")), 60)[0]).toMatch(/^1 \| a{40,}\.\.\.$/);
});

test("empty spans and the end of the text get one mark", () => {
  const f = file("op f(x) =\n\n");
  expect(frameOf(say({ file: f, start: 4, end: 4 }))).toEqual(["1 | op f(x) =", "  |     ^"]);
  expect(frameOf(say({ file: f, start: f.text.length, end: f.text.length }))).toEqual([
    "1 | op f(x) =",
    "  |          ^",
  ]);
  expect(frameOf(say({ file: file(""), start: 0, end: 0 }))).toEqual(["1 |", "  | ^"]);
});

test("colour is asked for, never taken from the surroundings", () => {
  const d = say(at(file("x"), "x"), { hint: "h" });
  expect(render([d])).not.toContain("\u001b");
  const coloured = render([d], { color: true });
  expect(coloured).toContain("\u001b[31m");
  expect(coloured.replace(/\u001b\[\d+m/g, "")).toBe(render([d]));
});

test("as data", () => {
  const f = file("ab\ncd");
  const span = { file: f, start: 1, end: 4 };
  const data = toJson([
    say(span, { hint: "h", related: [{ message: "m" }], fixes: [{ title: "t", span, replacement: "r" }] }),
  ]);
  const place = { file: "a.tfm", line: 1, column: 2, endLine: 2, endColumn: 2, start: 1, end: 4 };
  expect(JSON.parse(JSON.stringify(data))).toEqual([
    {
      code: "syntax/too-many-lists",
      severity: "error",
      message: "an op has at most two lists of parameters",
      place,
      related: [{ message: "m" }],
      hint: "h",
      fixes: [{ title: "t", place, replacement: "r" }],
    },
  ]);
  expect(toJson([say(undefined)])[0]).not.toHaveProperty("place");
});
