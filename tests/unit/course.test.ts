/** The course's properties hold, as the pages of `examples/course/` say, and attention's ranks are what the theorem says. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { singularValues } from "../../src/equivalence/rank.ts";
import { tfm } from "../support/cli.ts";

const root = new URL("../..", import.meta.url).pathname;
const home = join(root, "examples/course");
const folder = mkdtempSync(join(tmpdir(), "tfm-course-"));
afterAll(() => rmSync(folder, { recursive: true }));

interface Law {
  readonly law: string;
  readonly holds: boolean;
  readonly verdict: string;
}

const pages = readdirSync(home).filter((f) => f.endsWith(".tfm"));

test.each(pages.filter((f) => readFileSync(join(home, f), "utf8").includes("\nlaw ")))("%s", async (page) => {
  const { laws } = JSON.parse((await tfm("test", "--json", join(home, page))).out) as { laws: readonly Law[] };
  expect(laws.filter((l) => !l.holds)).toEqual([]);
  expect(laws.length).toBeGreaterThanOrEqual(2);
});

test("every page stands in the table of contents", () => {
  const contents = readFileSync(join(home, "README.md"), "utf8");
  for (const page of pages) expect(contents).toContain(page);
});

test("the model of the page on caches is in steps what it is at once: proved", async () => {
  const said = await tfm("equiv", join(home, "cache.tfm"), "--with", "cached");
  expect([said.status, said.out]).toEqual([0, expect.stringMatching(/^equal, proved: error at most 2\^-\d+/)]);
});

describe("tfm rank", () => {
  interface Matrix {
    readonly layer: string;
    readonly size: number;
    readonly rank: number;
    readonly smallestDiagonal?: number;
  }
  const ranks = async (...argv: readonly string[]): Promise<readonly Matrix[]> =>
    (JSON.parse((await tfm("rank", "--json", ...argv)).out) as { matrices: readonly Matrix[] }).matrices;

  test("causal attention of a trained model is triangular, and of full rank", async () => {
    const found = await ranks(join(root, "tests/checkpoints/kjv"), "--places", "12");
    expect(found).toHaveLength(16);
    for (const m of found) {
      expect(m).toMatchObject({ size: 12, rank: 12 });
      expect(m.smallestDiagonal).toBeGreaterThan(0);
    }
  });

  test("an encoder's is not triangular, and of any rank", async () => {
    const trained = await ranks(join(root, "tests/checkpoints/kjv-bert"), "--places", "12");
    expect(trained.some((m) => m.smallestDiagonal !== undefined)).toBe(false);
    const flat = await ranks(join(home, "flat-attention.tfm"), "-s", "flat=true");
    expect(flat.map((m) => m.rank)).toEqual([1, 1]);
    const narrow = await ranks(join(home, "flat-attention.tfm"));
    for (const m of narrow) expect(m.rank).toBeLessThan(m.size);
  });

  test("plots singular values, a panel for each layer", async () => {
    const out = join(folder, "ranks.svg");
    expect((await tfm("rank", join(root, "tests/checkpoints/kjv"), "--places", "8", "-o", out)).status).toBe(0);
    const svg = readFileSync(out, "utf8");
    for (const layer of [0, 1, 2, 3]) expect(svg).toContain(`layers.${layer}: 4 of 4 of full rank`);
    expect(svg.match(/<polyline/g)).toHaveLength(16);
  });

  test("says what it cannot do", async () => {
    expect((await tfm("rank", join(root, "tests/checkpoints/kjv"), "--tokens", "1,x")).err).toContain("--tokens takes");
    expect((await tfm("rank", join(root, "tests/checkpoints/kjv"), "--tokens", "1,9999999")).err).toContain(
      "tokens, and --tokens gives",
    );
    expect((await tfm("rank", "-e", "linear(3)")).err).toContain("the size of in' is open");
    const none = "model m() {\n  input tokens: int[batch, seq]\n  output y = tokens -> embed(7) -> linear(3)\n}";
    expect((await tfm("rank", "-e", none, "-s", "hidden=4")).status).toBe(1);
    expect((await tfm("rank", "-e", none.replace("m()", "m(hidden = 4)"))).err).toContain("no softmax");
  });
});

test("singular values are found to full precision, small ones too", () => {
  const m = [Float64Array.of(1, 0, 0), Float64Array.of(1, 1e-12, 0), Float64Array.of(2, 1e-12, 0)];
  const found = singularValues(m);
  expect(found[0]).toBeCloseTo(Math.sqrt(6), 10);
  // The two rows that are not multiples of the first differ from it in 1e-12 twice: the product of both values is sqrt(det(M'M)).
  expect(found[1]! * found[0]!).toBeCloseTo(Math.sqrt(3) * 1e-12, 20);
  expect(found[2]).toBeLessThan(1e-27);
});
