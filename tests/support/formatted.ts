/** @file What must hold of a formatted text: it says the same, keeps every comment, and formatting it again changes nothing. */
import { expect } from "vitest";
import { format } from "../../src/format/format.ts";
import { parseWithComments } from "../../src/syntax/parse.ts";

/** A tree without places: `...` of a list is kept as a fact. */
export function withoutSpans(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutSpans);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, v]) =>
      key === "span" || key === "opSpan" ? [] : [[key, key === "rest" ? true : withoutSpans(v)]],
    ),
  );
}

/** Of a `///` line that documents nothing, `//` is left; those that do are in the tree. */
function read(text: string): { tree: unknown; comments: string[]; errors: string[] } {
  const { value, comments, diagnostics } = parseWithComments({ name: "test.tfm", text });
  return {
    tree: withoutSpans(value),
    comments: comments.map((c) => c.text.replace(/^\/\/\/(?!\/)/, "//").trimEnd()),
    errors: diagnostics.map((d) => `${d.code}: ${d.message}`),
  };
}

export const isSound = (text: string): boolean => read(text).errors.length === 0;

/** Formats a sound text and checks all of that. */
export async function formatSoundly(text: string): Promise<string> {
  const { value, diagnostics } = await format({ name: "test.tfm", text });
  expect(diagnostics).toEqual([]);
  const [before, after] = [read(text), read(value!)];
  expect(after.errors, value).toEqual([]);
  expect(after.tree, value).toEqual(before.tree);
  expect(after.comments, value).toEqual(before.comments);
  expect((await format({ name: "test.tfm", text: value! })).value).toBe(value);
  for (const line of value!.split("\n")) expect(line, value).toBe(line.trimEnd());
  return value!;
}
