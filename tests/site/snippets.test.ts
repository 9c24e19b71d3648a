/** Every program of the site is what its page says: it compiles, its laws hold, or it fails where the page shows a mistake. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { errorPages, libraryPages, singlePages } from "../../src/site/reference/pages.ts";
import { run, snippetsOf } from "../../src/site/snippets.ts";

const site = new URL("../../src/site/", import.meta.url).pathname;
const pages = readdirSync(site, { recursive: true, encoding: "utf8" }).filter(
  (f) => f.endsWith(".md") && !f.includes("node_modules"),
);

test("there are pages, and programs on them", () => {
  expect(pages.length).toBeGreaterThan(10);
  expect(pages.flatMap((p) => snippetsOf(readFileSync(join(site, p), "utf8"))).length).toBeGreaterThan(25);
});

describe.each(pages)("%s", (page) => {
  const text = readFileSync(join(site, page), "utf8");
  for (const snippet of snippetsOf(text))
    test(`the program at line ${snippet.line} (${snippet.show.join(" ") || "check"})`, async () => {
      const shown = await run(snippet, page);
      // A file of blocks alone has no model to show.
      if (snippet.show.length > 0) expect(shown.every((s) => s.output !== "")).toBe(true);
    });

  test("its links lead somewhere", async () => {
    const made = new Set([
      ...(await singlePages()).map((p) => `/reference/${p.params.page}`),
      ...errorPages().map((p) => `/reference/errors/${p.params.group}`),
      ...libraryPages().map((p) => `/reference/library/${p.params.module}`),
    ]);
    for (const [, link] of text.matchAll(/\]\((\/[^)#]*)/g))
      expect(made.has(link!) || existsSync(join(dirname(site), "site", `${link}.md`)), `${page}: ${link}`).toBe(true);
  });
});
