/** The library's laws hold, most of them by proof; false laws are found different, and never proved. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { lawsOf, type LawSource } from "../../src/compile.ts";
import { distinctSizes, drawCase } from "../../src/equivalence/cases.ts";
import { drawLeaves, evaluateAt } from "../../src/equivalence/floats.ts";
import { randomOf, Tester, type LawReport } from "../../src/equivalence/law.ts";
import { prove, Towers } from "../../src/equivalence/prove.ts";
import { linesOf, reportJson } from "../../src/equivalence/report.ts";
import { reproduction } from "../../src/equivalence/reproduce.ts";
import { tfm } from "../support/cli.ts";
import { request } from "../support/programs.ts";

const options = { seed: 1, budget: 20_000, now: () => performance.now() };

function lawsUnder(folder: string): readonly LawSource[] {
  const home = new URL(`../../${folder}/`, import.meta.url);
  return readdirSync(home)
    .filter((f) => f.endsWith(".tfm"))
    .flatMap((f) => lawsIn(readFileSync(new URL(f, home), "utf8")));
}

function lawsIn(text: string): readonly LawSource[] {
  const { value, diagnostics } = lawsOf(request(text));
  expect(diagnostics.filter((d) => d.severity === "error")).toEqual([]);
  return value!;
}

function testText(text: string): LawReport {
  return new Tester(options).test(lawsIn(text)[0]!);
}

const title = (law: LawSource): string => law.decl.title.value;
const laws = lawsUnder("stdlib/laws");
const mutants = lawsUnder("tests/laws/mutants");

describe("the library's laws", () => {
  const reports = new Map<string, LawReport>();

  test.each(laws.map((law) => [title(law), law] as const))("%s", (name, law) => {
    const report = new Tester(options).test(law);
    reports.set(name, report);
    expect(report.holds, linesOf(report).join("\n")).toBe(true);
  });

  test("are many, and four in five of the true ones are proved", () => {
    const equal = [...reports.values()].filter((r) => r.verdict.kind !== "different");
    expect(equal.length).toBeGreaterThanOrEqual(80);
    expect(equal.filter((r) => r.verdict.kind === "proved").length / equal.length).toBeGreaterThanOrEqual(0.8);
  });
});

describe("false laws are found", () => {
  test.each(mutants.map((law) => [title(law), law] as const))("%s", (_, law) => {
    const report = new Tester(options).test(law);
    const lines = linesOf(report);
    expect(report.verdict.kind, lines.join("\n")).toBe("different");
    expect(lines.length).toBeLessThanOrEqual(10);
  });

  test("are many", () => expect(mutants.length).toBeGreaterThanOrEqual(60));
});

/** More at night: `TFM_LAW_SEEDS=100`. */
const seeds = Number(process.env["TFM_LAW_SEEDS"] ?? 1);

test("every block of the library has a law", () => {
  const home = new URL("../../", import.meta.url);
  const texts = (folder: string): string =>
    readdirSync(new URL(folder, home))
      .filter((f) => f.endsWith(".tfm"))
      .map((f) => readFileSync(new URL(`${folder}${f}`, home), "utf8"))
      .join("\n");
  const stated = texts("stdlib/laws/");
  const blocks = [...texts("stdlib/").matchAll(/^block (\w+)/gm)].map((m) => m[1]!);
  expect(blocks.length).toBeGreaterThan(15);
  expect(blocks.filter((b) => !new RegExp(`(?<!\\w)${b}(?!\\w)`).test(stated))).toEqual([]);
});

test("no false law is proved by residues alone", { timeout: 60_000 * seeds }, () => {
  for (let seed = 1; seed <= seeds; seed++)
    for (const law of mutants) {
      const random = randomOf(seed, title(law));
      const drawn = drawCase(law, distinctSizes(seed % 4), random, new Set(), true);
      if (!("case" in drawn)) throw new Error(`${title(law)}: ${drawn.diagnostics[0]!.message}`);
      const points = [1, 1, 1].flatMap(
        (scale) => evaluateAt(drawn.case, drawLeaves(drawn.case, random, { scale, positive: true })) ?? [],
      );
      const proof = prove(
        { flat: drawn.case.flat, pairs: drawn.case.pairs, points: points.map((p) => p.values) },
        new Towers(random),
        random,
        () => false,
      );
      expect(proof.kind, `${title(law)}, seed ${seed}`).not.toBe("proved");
    }
});

test.runIf(seeds > 1)("every seed says the same of all laws", { timeout: 60_000 * seeds }, () => {
  for (let seed = 1; seed <= seeds; seed++) {
    const tester = new Tester({ ...options, seed });
    for (const law of laws) expect(tester.test(law).holds, `${title(law)}, seed ${seed}`).toBe(true);
    for (const law of mutants) expect(tester.test(law).verdict.kind, `${title(law)}, seed ${seed}`).toBe("different");
  }
});

describe("verdicts are no stronger than their evidence", () => {
  const kindOf = (text: string): string => testText(text).verdict.kind;

  test("a difference below float64's precision is one", () => {
    const report = testText(`law "a hair" (x: [batch, d]) { x * 1.00000000001 == x }`);
    expect(report.verdict.kind).toBe("different");
    expect(report.holds).toBe(false);
  });

  test("an identity that the fields do not know is unknown, with the operator's place", () => {
    const { verdict, holds } = testText(`law "log of an exp" (x: [batch, d]) { log(exp(x)) == x }`);
    expect(holds).toBe(false);
    expect(verdict).toMatchObject({ kind: "unknown" });
    expect(verdict.kind === "unknown" && verdict.span?.file.name).toBe("program.tfm");
  });

  test("comparisons hold in regions only", () =>
    expect(kindOf(`law "abs" (x: [batch, d]) { max(x, -x) == abs(x) }`)).toBe("sampled"));

  test("a branch that no point takes is told", () => {
    const { verdict } = testText(`law "relu" (x: [batch, d]) { relu(x) == clamp(x, 0, 1000000) }`);
    expect(verdict).toMatchObject({ kind: "unknown" });
  });

  test("operators that stand unapplied take the same operands", () => {
    expect(kindOf(`law "sigmoid" { sigmoid == mine }\nop mine(y) = 1 / (1 + exp(-y))`)).toBe("proved");
  });

  test("roots of squares are no identity, and of fixed numbers they are", () => {
    expect(kindOf(`law "root" (x: [batch, d]) { sqrt(x ^ 2) == x }`)).toBe("different");
    expect(kindOf(`law "roots" (x: [batch, d]) { x * sqrt(2) * sqrt(3) == x * sqrt(6) }`)).toBe("proved");
  });

  test("a law that says that the sides differ fails where they do not", () => {
    const report = testText(`law "differ" (x: [batch, d]) { x + x != 2 * x }`);
    expect([report.holds, report.verdict.kind]).toEqual([false, "proved"]);
    expect(linesOf(report)[0]).toContain("the law says that the sides differ");
  });
});

test("a seed repeats a run exactly", () => {
  const once = (seed: number): string =>
    JSON.stringify(mutants.slice(0, 5).map((law) => reportJson(new Tester({ ...options, seed }).test(law))));
  expect(once(7)).toBe(once(7));
  expect(once(7)).not.toBe(once(8));
});

test("a counterexample is a program that fails in the same way", { timeout: 300_000 }, () => {
  // A part of them by day, in turn from all files.
  for (const law of mutants.filter((_, i) => seeds > 1 || i % 8 === 3)) {
    const first = new Tester(options).test(law);
    const text = reproduction(first);
    if (text === undefined) continue;
    const again = testText(text);
    expect(again.verdict.kind, text).toBe("different");
    const of = (r: LawReport): number | undefined =>
      r.verdict.kind === "different" ? r.verdict.counterexample?.point.difference : undefined;
    expect(of(again), text).toBe(of(first));
  }
});

test("the classic mistake of a newcomer is shown in ten lines", () => {
  const report = testText(
    `law "transposed" (x: [batch, d]) for d in [2] { x -> a: linear(2, bias = false) == x -> a: linear(2, bias = false) where right.a.weight = left.a.weight[d' -> m][out -> d'][m -> out] }`,
  );
  expect(linesOf(report).join("\n")).toMatchInlineSnapshot(`
    "FAILED  transposed  (program.tfm:1)
        different: batch=1 d=2
          x[batch d] = 0 1
          a.weight[out d'] = 0 0 1 0
          left[batch out] = 0 0
          right[batch out] = 1 0
          first value that the left never has: \`dot(x[in -> in'], weight, over = in')\` (std/layers.tfm:8)[batch out] = 1 0
          and the right never: \`dot(x[in -> in'], weight, over = in')\` (std/layers.tfm:8)[batch out] = 0 0"
  `);
});

test("a missing scale is shown by scores that have none", () => {
  const lines = linesOf(
    testText(
      `law "unscaled" (q: [seq, d], k: [keys, d], v: [keys, e]) { dot(softmax(dot(q, k, over = d), over = keys), v, over = keys) == attend(q, k, v, keys, scale = size(d) ^ -0.5) }`,
    ),
  );
  expect(lines.length).toBeLessThanOrEqual(10);
  expect(lines.join("\n")).toMatchInlineSnapshot(`
    "FAILED  unscaled  (program.tfm:1)
        different: seq=1 d=2 keys=2 e=1
          q[seq d] = 1 0
          k[keys d] = 1 0 0 0
          v[keys e] = 0 1
          left[seq e] = 0.268941
          right[seq e] = 0.330238
          first value that the left never has: \`dot(q, k, over = d) * scale\` (std/operators.tfm:43)[seq keys] = 0.707107 0
          and the right never: \`softmax(dot(q, k, over = d), over = keys)\` (program.tfm:1)[seq keys] = 0.731059 0.268941"
  `);
});

test("a window that is off by one is shown by the place that one side sees and the other does not", () => {
  const lines = linesOf(
    testText(`law "window" for heads in [1] { mha(causal = true, window = 2) == mha(causal = true, window = 3) }`),
  );
  expect(lines.length).toBeLessThanOrEqual(10);
  expect(lines.join("\n")).toMatchInlineSnapshot(`
    "FAILED  window  (program.tfm:1)
        different: batch=1 seq=3 hidden=1 heads=1
          x[batch seq hidden] = 0 0 1
          v.weight[heads head_dim hidden'] = 1
          out.weight[hidden mixed'] = 1
          zero: q.weight, k.weight
          left[batch seq hidden] = 0 0 0.5
          right[batch seq hidden] = 0 0 0.333333
          first value that the left never has: \`abs(query - key) < window\` (std/attention.tfm:6)[seq keys] = 1 1 1 1 1 1 1 1 1
          and the right never: \`abs(query - key) < window\` (std/attention.tfm:6)[seq keys] = 1 1 0 1 1 1 0 1 1"
  `);
});

describe("tfm test", () => {
  const folder = mkdtempSync(join(tmpdir(), "tfm-laws-"));
  const file = join(folder, "mine.tfm");
  const write = (text: string): void => writeFileSync(file, text);
  afterAll(() => rmSync(folder, { recursive: true }));

  test("says what holds, and how it is known", async () => {
    write(
      `law "silu" (x: [batch, d]) { silu(x) == x / (1 + exp(-x)) }\nlaw "relu" (x: [batch, d]) { relu(x) - relu(-x) == x }`,
    );
    const said = await tfm("test", file);
    expect(said.status).toBe(0);
    expect(said.out).toMatch(/ok {2}silu\n {4}proved: error at most 2\^-\d+/);
    expect(said.out).toContain("2 laws: 1 proved, 1 sampled only; seed 0");
  });

  test("fails on what differs, in text and as JSON", async () => {
    write(`law "wrong" (x: [batch, d]) { silu(x) == sigmoid(x) }`);
    const said = await tfm("test", file, "--seed", "5");
    expect(said.status).toBe(1);
    expect(said.out).toContain("1 law: 1 failed; seed 5");
    const json = JSON.parse((await tfm("test", file, "--json", "--seed", "5")).out) as {
      seed: number;
      laws: { holds: boolean; verdict: string; counterexample: object }[];
    };
    expect(json).toMatchObject({
      seed: 5,
      laws: [{ holds: false, verdict: "different", counterexample: { sizes: { batch: "1", d: "1" } } }],
    });
  });

  test("writes the counterexample as a program, which fails in the same way", async () => {
    write(`op wrong(x) = sigmoid(x)\nlaw "wrong" (x: [batch, d]) { silu(x) == wrong(x) }`);
    const out = join(folder, "shown.tfm");
    expect((await tfm("test", file, "--counterexample", out)).out).toContain(`wrote ${out}, where "wrong" fails again`);
    expect(readFileSync(out, "utf8")).toMatchInlineSnapshot(`
      "op wrong(x) = sigmoid(x)

      law "wrong: a counterexample" (x: [batch, d])
        for batch in [1], d in [1]
      {
        silu(x) == wrong(x)
          where x = 0
      }
      "
    `);
    const again = await tfm("test", out);
    expect([again.status, again.out]).toEqual([1, expect.stringContaining("different: batch=1 d=1")]);
  });

  test("says what is wrong with a law, and where there is none", async () => {
    write(`law "two names" (x: [batch, d]) { x -> a: linear(3) == x -> b: linear(3) }`);
    const said = await tfm("test", file);
    expect([said.status, said.err]).toEqual([1, expect.stringContaining("law/unbound-weight")]);
    write(`op nothing(x) = x`);
    expect((await tfm("test", file)).status).toBe(2);
    expect((await tfm("test", join(folder, "absent.tfm"))).status).toBe(1);
  });
});
