/** @file Formatting: over every `.tfm` of the repository, and over what becomes of them when they are changed at random. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseText } from "../../grammar/index.ts";
import { format } from "../../src/format/format.ts";
import type { Span } from "../../src/source/source.ts";
import { parse } from "../../src/syntax/parse.ts";
import { forEachChild, type Node } from "../../src/syntax/walk.ts";
import { formatSoundly, isSound } from "../support/formatted.ts";

const root = new URL("../..", import.meta.url).pathname;
const files = ["stdlib", "examples", "tests"]
  .flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((f) => f.endsWith(".tfm"))
      .map((f) => join(folder, f)),
  )
  .map((name) => ({ name, text: readFileSync(join(root, name), "utf8") }));
const sound = files.filter((f) => isSound(f.text));

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
console.log(`format properties: SEED=${seed}`);
const options = { seed, numRuns: Number(process.env["RUNS"] ?? 200) };

test.each(sound)("$name", async ({ text }) => {
  await formatSoundly(text);
});

test("files with errors are left alone", async () => {
  const broken = files.filter((f) => !sound.includes(f) && parse(f).diagnostics.some((d) => d.severity === "error"));
  expect(broken.length).toBeGreaterThan(20);
  for (const file of broken)
    expect(await format(file)).toMatchObject({ diagnostics: parse(file).diagnostics.map((d) => ({ code: d.code })) });
});

/** Pieces of the repository's declarations, short enough to change many times. */
const pieces = sound
  .flatMap(({ name, text }) => {
    const { value } = parse({ name, text });
    return value.decls.length === 0 ? [text] : value.decls.map((d) => text.slice(d.span.start, d.span.end));
  })
  .filter((t) => t.length < 3000);
const piece = fc.constantFrom(...pieces);

/** Every expression of the pieces, as text. */
const expressions = [
  ...new Set(
    pieces.flatMap((text) => {
      const found: string[] = [];
      const visit = (node: Node): void => {
        if (node.kind && !("doc" in node) && "span" in node) found.push(text.slice(node.span.start, node.span.end));
        forEachChild(node, visit);
      };
      visit(parse({ name: "piece.tfm", text }).value);
      return found;
    }),
  ),
].filter((t) => t.length < 200);

const share = fc.double({ min: 0, max: 1, noNaN: true });
const at = <T>(list: readonly T[], where: number): T =>
  list[Math.min(Math.floor(where * list.length), list.length - 1)]!;

/** What stands between two tokens. */
const gap = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(" ", "  ", "\n", "\n\n", "\n\n\n  ", "\t") },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      " // a note\n",
      "\n// a line\n",
      "\n\n  // two\n  // lines\n\n",
      " //\n",
      " /// a doc\n",
      "\n/// a doc\n",
    ),
  },
);

/** The tokens of a text with other space and comments between some of them. */
function respaced(text: string, changes: readonly { readonly where: number; readonly gap: string }[]): string {
  const ends = parseText(text)
    .tokens.map((t) => t.startOffset)
    .slice(1);
  const chosen = new Map(changes.map((c) => [at(ends, c.where), c.gap]));
  let out = text;
  for (const [offset, put] of [...chosen].sort((a, b) => b[0] - a[0]))
    out = out.slice(0, offset) + put + out.slice(offset);
  return out;
}

describe("changed programs", () => {
  const check = (arbitrary: fc.Arbitrary<string>): Promise<void> =>
    fc.assert(
      fc.asyncProperty(arbitrary, async (text) => {
        fc.pre(isSound(text));
        await formatSoundly(text);
      }),
      { ...options, maxSkipsPerRun: 100 },
    );

  test("space and comments anywhere", async () => {
    const changes = fc.array(fc.record({ where: share, gap }), { minLength: 1, maxLength: 12 });
    await check(fc.tuple(piece, changes).map(([text, list]) => respaced(text, list)));
  });

  test("a token a line, and all on one line", async () => {
    const joined = fc.constantFrom(" ", "\n");
    await check(
      fc.tuple(piece, joined).map(([text, by]) =>
        parseText(text)
          .tokens.map((t) => t.image)
          .join(by),
      ),
    );
  });

  test("other expressions in the place of some", async () => {
    const changes = fc.array(fc.record({ where: share, what: fc.constantFrom(...expressions), parens: fc.boolean() }), {
      minLength: 1,
      maxLength: 4,
    });
    await check(
      fc.tuple(piece, changes).map(([text, list]) =>
        list.reduce((before, { where, what, parens }) => {
          const spans: Span[] = [];
          const visit = (node: Node): void => {
            if (node.kind && !("doc" in node)) spans.push(node.span);
            forEachChild(node, visit);
          };
          visit(parse({ name: "piece.tfm", text: before }).value);
          const span = at(spans, where);
          return before.slice(0, span.start) + (parens ? `(${what})` : what) + before.slice(span.end);
        }, text),
      ),
    );
  });

  test("longer and shorter names", async () => {
    const changes = fc.array(fc.record({ where: share, length: fc.integer({ min: 1, max: 60 }) }), {
      minLength: 1,
      maxLength: 8,
    });
    await check(
      fc.tuple(piece, changes).map(([text, list]) =>
        list.reduce((before, { where, length }) => {
          const name = at(
            parseText(before).tokens.filter((t) => t.tokenType.name === "Name"),
            where,
          );
          return name
            ? before.slice(0, name.startOffset) +
                "n".repeat(length) +
                before.slice(name.startOffset + name.image.length)
            : before;
        }, text),
      ),
    );
  });
});

test("a program of 2,000 lines is formatted, and then as it should be", async () => {
  let text = "";
  while (text.split("\n").length < 2000)
    for (const file of sound) if (file.name.startsWith("stdlib")) text += `${file.text}\n`;
  text = text.split("\n").slice(0, 2400).join("\n");
  text = text.slice(0, text.lastIndexOf("\n}\n") + 3);
  expect(text.split("\n").length).toBeGreaterThan(2000);
  const { value: once } = await format({ name: "long.tfm", text });
  expect(once).toBeDefined();
  expect((await format({ name: "long.tfm", text: once! })).value).toBe(once);
});
