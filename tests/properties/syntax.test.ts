/** @file Broken texts: the parser never throws or hangs, its spans stay inside the file, and most of the file survives. */
import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { lex } from "../../grammar/tokens.ts";
import type { Span } from "../../src/source/source.ts";
import { render, toJson } from "../../src/diagnostics/render.ts";
import { parse } from "../../src/syntax/parse.ts";

const folder = new URL("../support/snippets/", import.meta.url).pathname;
const snippets = readdirSync(folder)
  .filter((f) => f.endsWith(".tfm"))
  .map((f) => readFileSync(folder + f, "utf8"));
const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
console.log(`syntax properties: SEED=${seed}`);
const options = { seed, numRuns: Number(process.env["RUNS"] ?? 300) };

/** Milliseconds after which a text counts as one that hangs: the slowest takes one second alone, and tests run side by side. */
const HANG = 20_000;

/** Everything that must hold of any text whatever. */
function checkText(text: string): ReturnType<typeof parse> {
  const file = { name: "broken.tfm", text };
  const start = performance.now();
  const result = parse(file);
  expect(performance.now() - start).toBeLessThan(HANG);
  for (const d of result.diagnostics) {
    for (const span of [d.span, ...d.related.map((r) => r.span), ...d.fixes.map((f) => f.span)])
      if (span) checkSpan(span, text);
    expect(d.message).not.toMatch(/undefined|NaN|\b(RBrace|LParen|SlotOpen|EntryName|NumberWord)\b/);
    expect(d.message.trim()).not.toBe("");
  }
  checkTree(result.value, text);
  render(result.diagnostics, { color: true, width: 60 });
  toJson(result.diagnostics);
  return result;
}

function checkSpan(span: Span, text: string): void {
  const inside = Number.isInteger(span.start) && 0 <= span.start && span.start <= span.end && span.end <= text.length;
  if (!inside) throw new Error(`a span outside of the text: ${span.start} to ${span.end} of ${text.length}`);
}

function checkTree(value: unknown, text: string): void {
  if (Array.isArray(value)) value.forEach((v) => checkTree(v, text));
  else if (typeof value === "object" && value !== null && "file" in value) checkSpan(value as Span, text);
  else if (typeof value === "object" && value !== null) Object.values(value).forEach((v) => checkTree(v, text));
}

const snippet = fc.constantFrom(...snippets);
const sign = fc.constantFrom(
  "<",
  ">",
  "{",
  "}",
  "(",
  ")",
  "[",
  "]",
  '"',
  ",",
  "->",
  "=>",
  "=",
  "==",
  "..",
  "...",
  ":",
  ";",
  "|",
  "?",
  "-",
  "not ",
  "x3 ",
  "x{",
  " x ",
  " in ",
  "if ",
  " then ",
  " else ",
  "match ",
  " let ",
  " model ",
  " op ",
  " output ",
  " for ",
  " given ",
  "@",
  "//",
  "///",
  "/*",
  "'",
  "1.",
  ".5",
  "0x1",
  "new ",
  "\n",
  "\\",
  "\u2192",
  "\ud83d\ude00",
  "\u0000",
  "prefix ",
  "class ",
  "from ",
  "where ",
);

/** One change: characters `at` (a share of the text) taken out, said twice, or something put in. */
const change = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  length: fc.integer({ min: 0, max: 12 }),
  how: fc.constantFrom("delete", "double", "insert"),
  sign,
});

test("characters taken out, doubled or put in", () => {
  fc.assert(
    fc.property(snippet, fc.array(change, { minLength: 1, maxLength: 4 }), (text, changes) => {
      let broken = text;
      for (const c of changes) {
        const at = Math.floor(c.at * broken.length);
        const piece = broken.slice(at, at + c.length);
        const middle = c.how === "delete" ? "" : c.how === "double" ? piece + piece : c.sign + piece;
        broken = broken.slice(0, at) + middle + broken.slice(at + c.length);
      }
      checkText(broken);
    }),
    options,
  );
});

test("one token taken out, doubled, or one put before it: declarations survive", () => {
  let lost = 0;
  let runs = 0;
  fc.assert(
    fc.property(snippet, fc.double({ min: 0, max: 0.999, noNaN: true }), change, (text, at, c) => {
      const { tokens } = lex(text);
      const t = tokens[Math.floor(at * tokens.length)]!;
      const end = t.endOffset! + 1;
      const middle = c.how === "delete" ? "" : c.how === "double" ? `${t.image} ${t.image}` : `${c.sign} ${t.image}`;
      const broken = text.slice(0, t.startOffset) + middle + text.slice(end);
      const { value, diagnostics } = checkText(broken);
      expect(diagnostics.length).toBeLessThan(30);
      const before = parse({ name: "t", text }).value.decls.length;
      runs++;
      if (value.decls.length < before - 1) lost++;
    }),
    options,
  );
  // Opening a text or a comment, or taking a declaration's word, may cost two; hardly ever more.
  expect(lost / runs).toBeLessThan(0.08);
});

test("cut off anywhere", () => {
  fc.assert(
    fc.property(snippet, fc.double({ min: 0, max: 1, noNaN: true }), (text, at) => {
      checkText(text.slice(0, Math.floor(at * text.length)));
    }),
    options,
  );
});

test("tokens in any order", () => {
  const words = fc.oneof(
    sign,
    fc.constantFrom("a", "b", "decoder", "1", "2.5", '"t"', "none", "checkpoint for ", "block ", "law "),
  );
  fc.assert(
    fc.property(fc.array(words, { maxLength: 60 }), (parts) => {
      checkText(parts.join(" "));
    }),
    options,
  );
});

test("any characters", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
      checkText(text);
    }),
    options,
  );
});

test.each([
  "(",
  "[",
  "{",
  "<",
  "a < ",
  "if ",
  "match a { b => ",
  "- ",
  "not ",
  "x -> ",
  "a.b(",
  "op f(",
  '"',
  "a: ",
  "new ",
  "..",
  "/*",
  "a ^ ",
  ",",
  "x{",
  "decoder x2 < ",
])("%j two thousand times", (piece) => {
  checkText(piece.repeat(2000));
});
