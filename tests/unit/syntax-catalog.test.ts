/** @file The examples of the catalog keep their word; what a fix replaces mends the mistake. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { catalog } from "../../src/diagnostics/catalog/index.ts";
import { parse } from "../../src/syntax/parse.ts";

const codesOf = (text: string): string[] => parse({ name: "test.tfm", text }).diagnostics.map((d) => d.code);

const entries = Object.entries(catalog).filter(([code]) => code.startsWith("syntax/"));

describe.each(entries)("%s", (code, entry) => {
  test("the wrong example has the mistake and no other", () => {
    expect([...new Set(codesOf(entry.wrong))]).toEqual([code]);
  });
  test("the right example has none", () => {
    expect(codesOf(entry.right)).toEqual([]);
  });
  test("says why and how to mend it in whole sentences", () => {
    for (const text of [entry.why, entry.mend]) expect(text).toMatch(/^[A-Z`"].{9,}\.$/s);
  });
});

const fixtures = new URL("../errors/syntax/", import.meta.url).pathname;

const files = readdirSync(fixtures)
  .filter((f) => f.endsWith(".tfm"))
  .map((name) => ({ name, text: readFileSync(fixtures + name, "utf8") }));
const fixable = files.flatMap((file) =>
  parse(file)
    .diagnostics.filter((d) => d.fixes.length > 0)
    .map((d) => ({ file, d })),
);

test.each(fixable.map(({ file, d }) => [`${file.name}: ${d.code} at ${d.span!.start}`, file, d] as const))(
  "the fix of %s",
  (_, file, d) => {
    const { span, replacement } = d.fixes[0]!;
    const text = file.text.slice(0, span.start) + replacement + file.text.slice(span.end);
    const left = parse({ name: file.name, text }).diagnostics.filter(
      (o) => o.code === d.code && o.span!.start === d.span!.start,
    );
    expect(left.filter((o) => o.message === d.message)).toEqual([]);
  },
);
