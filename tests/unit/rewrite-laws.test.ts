/** Every rule of the library is a law: both of its sides compute the same. Wrong rules are found different, and none of them is proved. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { lawsOf, type LawSource } from "../../src/compile.ts";
import { Tester } from "../../src/equivalence/law.ts";
import { linesOf } from "../../src/equivalence/report.ts";
import { request } from "../support/programs.ts";

const options = { seed: 1, budget: 20_000, now: () => performance.now() };

function lawsIn(path: string): readonly LawSource[] {
  const { value, diagnostics } = lawsOf(request(readFileSync(new URL(`../../${path}`, import.meta.url), "utf8")));
  expect(diagnostics.filter((d) => d.severity === "error")).toEqual([]);
  return value!;
}

const titled = (laws: readonly LawSource[]) => laws.map((law) => [law.decl.title.value, law] as const);
const rules = lawsIn("stdlib/rewrites.tfm");
const wrong = lawsIn("tests/laws/rewrites.tfm");

describe("the library's rules are laws", () => {
  test.each(titled(rules))("%s", (_, rule) => {
    const report = new Tester(options).test(rule);
    expect(["proved", "sampled"], linesOf(report).join("\n")).toContain(report.verdict.kind);
    expect(report.largest, "the largest relative difference at a point in float64").toBeLessThanOrEqual(1e-9);
  });

  test("and no other file of the library that every program sees has rules", () => {
    const home = new URL("../../stdlib/", import.meta.url);
    const files = readdirSync(home).filter((f) => f.endsWith(".tfm") && f !== "rewrites.tfm");
    for (const file of files) expect(readFileSync(new URL(file, home), "utf8")).not.toMatch(/^rewrite /m);
  });
});

describe("wrong rules are refuted", () => {
  test.each(titled(wrong))("%s", (_, rule) => {
    const report = new Tester(options).test(rule);
    expect(report.verdict.kind, linesOf(report).join("\n")).toBe("different");
  });

  test("thirty of them at least", () => expect(wrong.length).toBeGreaterThanOrEqual(30));
});
