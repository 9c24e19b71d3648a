/** What is said of an `each` or a `scan` that is not written as it must be. */
import { describe, expect, it } from "vitest";
import { concreteParams } from "../../src/ir/params.ts";
import { showType } from "../../src/ir/type.ts";
import { elaborateText } from "../support/programs.ts";

const model = (value: string, more = ""): string => `${more}
model m(hidden = 4, heads = 2, experts = 3) {
  input x: float[batch, seq, hidden]
  output y = ${value}
}`;

function said(text: string): readonly string[] {
  return elaborateText(text).diagnostics.map(
    (d) => `${d.code}: ${d.span!.file.text.slice(d.span!.start, d.span!.end)}`,
  );
}

describe("each", () => {
  it("puts its axis in front of every weight, under the path of what fills it", () => {
    const { value, diagnostics } = elaborateText(model("x -> each[experts] < a: swiglu(5) >"));
    expect(diagnostics).toEqual([]);
    const weights = [...concreteParams(value!.graph)].map((p) => `${p.path} ${showType(p.param.value.type)}`);
    expect(weights).toEqual([
      "a.gate.weight float[experts=3, inner=5, hidden'=4]",
      "a.up.weight float[experts=3, inner=5, hidden'=4]",
      "a.down.weight float[experts=3, hidden=4, inner'=5]",
    ]);
  });
  it("of what has no weights spreads", () => {
    const { value } = elaborateText(model("x -> each[experts] < tanh >"));
    expect(showType(value!.graph.outputs[0]!.value.type)).toBe("float[experts=3, batch, seq, hidden=4]");
  });
  it("shares the weights of an instance", () => {
    const { value, diagnostics } = elaborateText(
      "model m(hidden = 4, experts = 3) { input x: float[batch, hidden] let one = new linear(hidden) output y = x -> each[experts] < up: linear(hidden) -> one > }",
    );
    expect(diagnostics).toEqual([]);
    const weights = [...concreteParams(value!.graph)].map((p) => `${p.path} ${showType(p.param.value.type)}`);
    expect(weights).toEqual([
      "body.up.weight float[experts=3, hidden=4, hidden'=4]",
      "body.up.bias float[experts=3, hidden=4]",
      "one.weight float[hidden=4, hidden'=4]",
      "one.bias float[hidden=4]",
    ]);
  });
  it.each([
    ["x -> each < mlp(relu) >", "name/unknown: each"],
    ["x -> each[experts]", "type/usage: each[experts]"],
    ["x -> each[5] < mlp(relu) >", "type/operand: 5"],
    ["x -> each[experts] < mlp(relu), mlp(relu) >", "type/usage: each[experts]"],
    ["x -> each[hidden] < mlp(relu) >", "axis/twice: each[hidden] < mlp(relu) >"],
    ["x -> each[experts] < linear(experts) >", "axis/twice: linear(experts)"],
  ])("%s", (value, wanted) => expect(said(model(value))).toEqual([wanted]));
});

describe("scan", () => {
  const sum = "op add(state, x) = state + x";
  it.each([
    ["scan[seq](add)", "model/output-kind: scan[seq](add)"],
    ["scan[seq]()(x)", "type/usage: scan[seq]()(x)"],
    ["scan[seq](3)(x)", "type/operand: 3"],
    ["scan[seq](linear(4))(x)", "type/operand: linear(4)"],
    ["scan[heads](add)(x)", "axis/missing: heads"],
    ["scan[seq](add, begin = 0)(x)", "type/usage: scan[seq](add, begin = 0)(x)"],
    ["scan[seq](add, start = add)(x)", "type/operand: start = add"],
    ["scan[seq](add, start = x)(x)", "axis/twice: scan[seq](add, start = x)(x)"],
  ])("%s", (value, wanted) => expect(said(model(value, sum))).toEqual([wanted]));

  it("a state that grows has no type", () => {
    const more = "op more(state, x) = stack[pair](state, x)[pair -> wider]";
    expect(said(model("scan[seq](more)(x)", more))[0]).toMatch(/^(axis\/twice|type\/repeat-changes|axis\/two-sizes):/);
  });
});
