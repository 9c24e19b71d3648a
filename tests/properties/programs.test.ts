/**
 * Wrong programs: the library, the examples and the fixtures of errors, with characters and words deleted, doubled, swapped and
 * put in. The compiler says what is wrong: it never throws, never hangs, and every place it names lies in a text.
 */
import fc from "fast-check";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { prepare } from "../../src/compile.ts";
import { checkAll } from "../../src/compile.ts";
import { request } from "../support/programs.ts";

const root = new URL("../..", import.meta.url).pathname;
const RUNS = Number(process.env["RUNS"] ?? 10_000);

function texts(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((f) => f.endsWith(".tfm"))
    .map((f) => readFileSync(join(root, folder, f), "utf8"));
}

const sources = [...texts("stdlib"), ...texts("tests/golden"), ...texts("tests/errors"), ...texts("examples")];
const words = [
  "<",
  ">",
  "{",
  "}",
  "(",
  ")",
  "[",
  "]",
  ",",
  "->",
  "=",
  "x3",
  "x{heads}",
  "none",
  "0",
  "7",
  "-1",
  "1e30",
  "if",
  "then",
  "else",
  "let",
  "output",
  "hidden",
  "seq",
  "mha",
  "rmsnorm",
  "new",
  "keep[seq -> keys]",
  "position(seq)",
  "...",
  ":",
  "in'",
  "over = seq",
  '"text"',
  "match",
  "=>",
  "for",
  "/",
  "^",
  "div",
];

const edit = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
  kind: fc.nat(4),
  word: fc.nat(words.length - 1),
  length: fc.nat(12),
});
const mangled = fc
  .record({
    source: fc.nat(sources.length - 1),
    start: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
    edits: fc.array(edit, { minLength: 1, maxLength: 4 }),
  })
  .map(({ source, start, edits }) => {
    // One declaration or a few of the text: whole files would make every run long.
    const parts = sources[source]!.split(/\n(?=\/\/\/|(?:model|block|op|checkpoint|law|rewrite) )/);
    const first = Math.floor(start * parts.length);
    let text = parts.slice(first, first + 6).join("\n");
    for (const { at, kind, word, length } of edits) {
      const i = Math.floor(at * text.length);
      if (kind === 0) text = text.slice(0, i) + text.slice(i + length);
      else if (kind === 1) text = `${text.slice(0, i)} ${words[word]} ${text.slice(i)}`;
      else if (kind === 2) text = text.slice(0, i) + text.slice(i, i + length) + text.slice(i);
      else if (kind === 3)
        text = text.replace(/[\w']+/g, ((n) => (w: string) => (n-- === 0 ? words[word]! : w))(Math.floor(at * 60)));
      else text = text.slice(0, i) + (text[i + 1] ?? "") + (text[i] ?? "") + text.slice(i + 2);
    }
    return text;
  });

test(`${RUNS} mangled programs: no crash, no hang, and every place in a text`, () => {
  let wrong = 0;
  fc.assert(
    fc.property(mangled, (text) => {
      const before = performance.now();
      const { value, diagnostics } = checkAll(
        request(text, {
          settings: /^\s*(model|block|op|use|law|rewrite|checkpoint|\/\/\/)/.test(text) ? {} : { hidden: 16, heads: 4 },
        }),
      );
      for (const model of value ?? []) prepare(model, { optimize: true, keeps: () => false });
      expect(performance.now() - before).toBeLessThan(20_000);
      if (diagnostics.some((d) => d.severity === "error")) wrong++;
      for (const d of diagnostics) {
        expect(d.message.length).toBeGreaterThan(0);
        expect(d.message).not.toMatch(/undefined|\[object|NaN/);
        for (const span of [d.span, ...d.related.map((r) => r.span)]) {
          if (!span) continue;
          expect(span.start).toBeGreaterThanOrEqual(0);
          expect(span.end).toBeGreaterThanOrEqual(span.start);
          expect(span.end).toBeLessThanOrEqual(span.file.text.length);
        }
      }
    }),
    { numRuns: RUNS, ...(process.env["SEED"] ? { seed: Number(process.env["SEED"]) } : {}) },
  );
  // A check of the check: most of what is mangled is wrong.
  expect(wrong).toBeGreaterThan(RUNS / 4);
}, 1_200_000);
