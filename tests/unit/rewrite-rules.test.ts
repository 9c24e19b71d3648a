/** Rule sets: the library's ends everywhere, a program's own rules are used where they hold, and rounds are found. */
import { describe, expect, test } from "vitest";
import { prepare } from "../../src/compile.ts";
import { kernels } from "../../src/backends/lowering/kernels.ts";
import { keeps } from "../../src/backends/onnx/targets.ts";
import { cycleFrom } from "../../src/rewrite/cycles.ts";
import { rulesOfLibrary } from "../../src/rewrite/index.ts";
import { rulesOf, sourcesOf } from "../../src/rewrite/rules.ts";
import { elaborateText } from "../support/programs.ts";
import { differenceByRewrites, operatorsOf, rewritten } from "../support/rewritten.ts";

const model = (rules: string, y: string): string => `${rules}
model m(d = 4) grows seq {
  input x: float[batch, seq, d]
  input z: float[batch, seq, d]
  output y = ${y}
  output w = z
}`;

describe("the library's rules", () => {
  const program = elaborateText(model("", "x + z")).value!.program;
  const rules = rulesOfLibrary(program);

  test("every declaration is used, and has no mistakes", () => {
    const sources = sourcesOf(program);
    expect(sources.length).toBeGreaterThan(15);
    for (const source of sources) {
      const made = rulesOf(source);
      expect(made.diagnostics.map((d) => d.message)).toEqual([]);
      expect(made.rules.length, source.decl.title.value).toBeGreaterThan(0);
    }
  });

  test("an operand with a default makes a rule with it and one without", () => {
    const count = (title: string): number => rules.filter((r) => r.title === title).length;
    expect([count("silu"), count("rms norm"), count("layer norm"), count("attention")]).toEqual([1, 2, 4, 8]);
  });

  test("there is a rule for every operator that has a kernel", () => {
    const named = new Set<string>();
    for (const { source } of rules) {
      const text = source.decl.right.span.file.text.slice(source.decl.right.span.start, source.decl.right.span.end);
      for (const [name] of text.matchAll(/\w+/g)) named.add(name);
    }
    for (const name of Object.keys(kernels)) expect(named, name).toContain(name);
  });

  test("none of them goes round", { timeout: 60_000 }, () => expect(cycleFrom(rules, rules)).toBeUndefined());
});

describe("a program's own rules", () => {
  test("are used", () => {
    const text = model(
      'rewrite "exponents add" (a: [...], b: [...]) { exp(a) * exp(b) => exp(a + b) }',
      "exp(x) * exp(z)",
    );
    const { value } = elaborateText(text);
    expect(operatorsOf(rewritten(text).graph)).toEqual({ add: 1, exp: 1 });
    expect(rewritten(text).rewrites!.fired.map((f) => f.rule)).toEqual(["exponents add"]);
    expect(differenceByRewrites(value!, {})).toBeLessThan(1e-9);
  });

  test("are not used where they cost more", () => {
    const text = model('rewrite "apart" (a: [...], b: [...]) { exp(a + b) => exp(a) * exp(b) }', "exp(x + z)");
    expect(operatorsOf(rewritten(text).graph)).toEqual({ add: 1, exp: 1 });
    expect(rewritten(text).rewrites!.refused.map((r) => r.why)).toEqual(["it would not be cheaper"]);
  });

  test("are used where the target can do what they ask for", () => {
    const text = model(
      'rewrite "add" (a: [...], b: [...]) when target.gelu { exp(a) * exp(b) => exp(a + b) }',
      "exp(x) * exp(z)",
    );
    const { value } = elaborateText(text);
    const made = (target?: object): Readonly<Record<string, number>> =>
      operatorsOf(
        prepare(value!, { optimize: true, cache: false, keeps: () => true, ...(target ? { target } : {}) }).value![0]!
          .graph,
      );
    expect(made({ gelu: true })).toEqual({ add: 1, exp: 1 });
    for (const target of [{ gelu: false }, {}, undefined]) expect(made(target)).toEqual({ mul: 1, exp: 2 });
  });

  const said = (rules: string): readonly string[] => {
    const { value, diagnostics } = elaborateText(model(rules, "exp(x + z)"));
    expect(diagnostics.filter((d) => d.severity === "error")).toEqual([]);
    return prepare(value!, { optimize: true, keeps: keeps("onnx") }).diagnostics.map((d) => d.message);
  };
  test("that are wrong are an error", () =>
    expect(said('rewrite "wrong" (a: [...], b: [...]) { exp(a + b) => exp(a) + exp(b) }')).toEqual([
      'the two sides of "wrong" do not compute the same',
    ]));
  test("that undo each other are an error", () =>
    expect(
      said(
        'rewrite "apart" (a: [...], b: [...]) { exp(a + b) => exp(a) * exp(b) }\nrewrite "together" (a: [...], b: [...]) { exp(a) * exp(b) => exp(a + b) }',
      ),
    ).toEqual(['"apart", then "together" come back to where they began']));
  test("that undo what they do themselves are one too", () =>
    expect(said('rewrite "turned" (a: [...], b: [...]) { exp(a) - exp(b) => -(exp(b) - exp(a)) }')).toHaveLength(1));
  test("that go on for ever are one too", () =>
    expect(said('rewrite "doubled" (a: [...]) { exp(a) => exp(a / 2) * exp(a / 2) }')[0]).toContain("never ends"));
  test("that are laws only are left: a tuple, blocks with weights", () =>
    expect(said('rewrite "two" (a: [...], b: [...]) { (a, a + b) => (a, b + a) }')).toEqual([]));
});
