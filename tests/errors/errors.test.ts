/**
 * @file Every code of the catalog has a fixture with its rendered text beside it; nothing is missing, nothing is left over.
 * `UPDATE=1` writes the expected texts (never where `CI` is set).
 */
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { catalog } from "../../src/diagnostics/catalog/index.ts";
import { render } from "../../src/diagnostics/render.ts";
import { closeCommandFixtures } from "../support/command-fixtures.ts";
import { fixtureEnding, runFixture } from "./run-fixture.ts";

const here = new URL(".", import.meta.url).pathname;
const update = process.env["UPDATE"] === "1" && !process.env["CI"];

const byPhase = new Map<string, string[]>();
for (const code of Object.keys(catalog)) {
  const [phase, slug] = code.split("/") as [string, string];
  byPhase.set(phase, [...(byPhase.get(phase) ?? []), slug]);
}
const phases = Object.keys(runFixture);
afterAll(closeCommandFixtures);

describe.each(phases)("fixtures of %s", (phase) => {
  const folder = join(here, phase);
  const slugs = byPhase.get(phase) ?? [];
  const ending = fixtureEnding(phase);

  test(`the folder holds a ${ending} and a .txt for every code, and nothing else`, () => {
    const files = existsSync(folder) ? readdirSync(folder).sort() : [];
    const expected = slugs.flatMap((slug) => [`${slug}${ending}`, `${slug}.txt`]).sort();
    if (update) expect(files.filter((f) => f.endsWith(ending))).toEqual(expected.filter((f) => f.endsWith(ending)));
    else expect(files).toEqual(expected);
  });

  test.each(slugs)("%s", async (slug) => {
    const diagnostics = await runFixture[phase]!(join(folder, `${slug}${ending}`));
    expect(diagnostics.map((d) => d.code)).toContain(`${phase}/${slug}`);
    const text = render(diagnostics);
    const expected = join(folder, `${slug}.txt`);
    if (update) writeFileSync(expected, text);
    expect(text).toBe(readFileSync(expected, "utf8"));
  });
});

test("every folder of fixtures belongs to a phase that runs", () => {
  const folders = readdirSync(here)
    .filter((f) => statSync(join(here, f)).isDirectory())
    .sort();
  expect(folders).toEqual([...phases].sort());
  expect([...byPhase.keys()].sort()).toEqual([...phases].sort());
});

test("every code is reported somewhere: none is dead", () => {
  const src = join(here, "../../src");
  const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter(
    (name) => name.endsWith(".ts") && !name.startsWith(join("diagnostics", "catalog")),
  );
  const text = files.map((name) => readFileSync(join(src, name), "utf8")).join("\n");
  expect(Object.keys(catalog).filter((code) => !text.includes(`"${code}"`))).toEqual([]);
});
