/**
 * Every model of the examples, of the golden programs and of the checkpoints that lie here, before and after all rewrites: the same
 * numbers in float64. Where a weight is a norm's, it is drawn near one; whatever a family's sizes are, they are made small.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { checkAll, elaborate, type Json } from "../../src/compile.ts";
import { library } from "../../src/host/stdlib.ts";
import { request } from "../support/programs.ts";
import { differenceByRewrites } from "../support/rewritten.ts";

const root = new URL("../..", import.meta.url).pathname;
const TOLERANCE = 1e-9;

describe.each(["examples", "tests/golden"])("%s", (folder) => {
  const files = readdirSync(join(root, folder)).filter((f) => f.endsWith(".tfm"));
  test("there are some", () => expect(files.length).toBeGreaterThan(3));
  test.each(files)("%s", (file) => {
    const text = readFileSync(join(root, folder, file), "utf8");
    // A bare stack takes its sizes from outside.
    const settings = /^model /m.test(text) ? {} : { hidden: 32, heads: 16 };
    const { value, diagnostics } = checkAll(request(text, { settings }));
    expect(diagnostics.filter((d) => d.severity === "error").map((d) => d.message)).toEqual([]);
    expect(value!.length).toBeGreaterThan(0);
    for (const model of value!)
      expect(differenceByRewrites(model, { batch: 2, seq: 3 }), model.model).toBeLessThan(TOLERANCE);
  });
});

describe("checkpoints", () => {
  const home = join(root, "tests/checkpoints");
  const folders = readdirSync(home).filter((f) => statSync(join(home, f)).isDirectory());
  test("there are some", () => expect(folders.length).toBeGreaterThanOrEqual(14));
  test.each(folders)("%s", (folder) => {
    const config = JSON.parse(readFileSync(join(home, folder, "config.json"), "utf8")) as Json;
    const made = elaborate({
      library,
      uses: [],
      readModule: () => undefined,
      settings: [],
      config: { name: "config.json", value: config },
    });
    expect(made.diagnostics.filter((d) => d.severity === "error").map((d) => d.message)).toEqual([]);
    expect(differenceByRewrites(made.value!, { batch: 2, seq: 3 })).toBeLessThan(TOLERANCE);
  });
});
