/** What programs mean: paths, givens, slots, repeats, instances, extensions, brackets. */
import { expect, test } from "vitest";
import { concreteParams, elements } from "../../src/ir/params.ts";
import { showType } from "../../src/ir/type.ts";
import type { Elaborated } from "../../src/compile.ts";
import { evaluated, expectEach } from "../support/by-hand.ts";
import { diagnosticsOf, elaborateText } from "../support/programs.ts";

function model(text: string, options: Parameters<typeof elaborateText>[1] = {}): Elaborated {
  const { value, diagnostics } = elaborateText(text, options);
  expect(diagnostics.map((d) => `${d.code}: ${d.message}`)).toEqual([]);
  return value!;
}

const paths = (m: Elaborated): string[] => [...concreteParams(m.graph)].map((p) => p.path);
const output = (m: Elaborated): string => showType(m.graph.outputs[0]!.value.type);
const body = (inside: string, settings = "hidden = 8, heads = 2"): string =>
  `model m(${settings}) {\n  input x: float[batch, seq, hidden]\n${inside}\n}`;

test("a weight is named by label, let, slot, parameter or block", () => {
  const m = model(
    body(
      "  let first = x -> linear(hidden)\n  output y = first -> second: linear(hidden) -> rmsnorm -> decoder < mha, rmsnorm, mlp(relu) >",
    ),
  );
  expect(paths(m)).toEqual([
    "first.weight",
    "first.bias",
    "second.weight",
    "second.bias",
    "rmsnorm.weight",
    "decoder.attention.norm.weight",
    "decoder.attention.body.q.weight",
    "decoder.attention.body.k.weight",
    "decoder.attention.body.v.weight",
    "decoder.attention.body.out.weight",
    "decoder.ffn.norm.weight",
    "decoder.ffn.body.up.weight",
    "decoder.ffn.body.up.bias",
    "decoder.ffn.body.down.weight",
    "decoder.ffn.body.down.bias",
  ]);
});

test("the user's line needs hidden and heads only", () => {
  const m = model("decoder x32 < gqa(8), rmsnorm, swiglu >", { settings: { hidden: 4096, heads: 32 } });
  expect(output(m)).toBe("float[batch, seq, hidden=4096]");
  const repeat = m.graph.nodes.find((n) => n.op === "repeat")!;
  expect(repeat.bodies).toHaveLength(1);
  expect([...concreteParams(m.graph)].reduce((n, p) => n + elements(p.param), 0)).toBe(
    32 * (2 * 4096 + 2 * 4096 * 4096 + 2 * 1024 * 4096 + 3 * 4096 * 11008),
  );
});

test("a given is looked up where the block is applied, outwards", () => {
  const text = `block inner() given width { input x: [..., d] output x * width }
block outer(width = 3) < inside > { input x: [..., d] output x -> inside }
${body("  output y = (x -> outer < inner >) + (x -> inner)", "hidden = 8, width = 5")}`;
  const m = model(text);
  const constants = m.graph.nodes.flatMap((n) => (n.op === "constant" ? [n.attrs.value] : []));
  expect(constants.sort()).toEqual([3, 5]);
});

test("a stage that is none is left out, and an unfilled optional slot is none", () => {
  const text = `block maybe() < first?, second > { input x: [..., d] output x -> first -> second }\n${body("  output y = x -> maybe < second = linear(hidden) >")}`;
  expect(paths(model(text))).toEqual(["maybe.second.weight", "maybe.second.bias"]);
});

test("what a weight is called does not depend on whether a slot or a setting beside it is filled", () => {
  const text = `block one(last: block? = none) < first?: norm, second: ffn > {
  input x: [..., hidden]
  let a = x -> first -> second
  let b = a -> last -> linear(hidden, bias = false)
  output a + b
}\n`;
  const named = (filled: string) =>
    paths(model(text + body(`  output y = x -> ${filled}`))).filter((p) => p.endsWith("weight"));
  const always = ["one.second.up.weight", "one.second.down.weight", "one.linear.weight"];
  expect(named("one < mlp(relu) >")).toEqual(always);
  expect(named("one(rmsnorm) < rmsnorm, mlp(relu) >")).toEqual([
    "one.first.weight",
    "one.second.up.weight",
    "one.second.down.weight",
    "one.last.weight",
    "one.linear.weight",
  ]);
});

test("a parameter that no branch taken reads is not made", () => {
  expect(paths(model(body("  output y = x -> linear(hidden, bias = false) -> layernorm(scaled = false)")))).toEqual([
    "linear.weight",
    "layernorm.bias",
  ]);
});

test("layers that differ by the index are kept once for each kind", () => {
  const m = model(
    body("  output y = x -> decoder x6 < mha(window = if layer % 3 == 0 then 4 else none), rmsnorm, mlp(relu) >"),
  );
  const repeat = m.graph.nodes.find((n) => n.op === "repeat")!;
  expect(repeat.op === "repeat" && repeat.attrs.schedule).toEqual([0, 1, 1, 0, 1, 1]);
  expect(repeat.bodies).toHaveLength(2);
});

test("an instance applied again has the same weights", () => {
  const m = model(body("  let one = new encoder < mha, layernorm, mlp(gelu) >\n  output y = x -> one x12"));
  expect(paths(m).filter((p) => p.endsWith("q.weight"))).toEqual(["one.attention.body.q.weight"]);
  const twice = model(body("  let both = new linear(hidden)\n  output y = both(x) + both(x)"));
  expect(paths(twice)).toEqual(["both.weight", "both.bias"]);
});

test("a stack made with new and applied twice has its weights once", () => {
  const m = model(body("  let stack = new decoder x2 < mha, rmsnorm, mlp(gelu) >\n  output y = x -> stack -> stack"));
  expect(paths(m).filter((p) => p.endsWith("q.weight"))).toEqual([
    "stack.0.attention.body.q.weight",
    "stack.1.attention.body.q.weight",
  ]);
});

test("an extension sees its base's names, and has only its own outputs", () => {
  const m = model(
    "use std.families.bert\nmodel mine(labels) extends bert { output scores = last_hidden_state -> score: linear(labels) }",
    { settings: { labels: 3, layers: 1 } },
  );
  expect(m.graph.outputs.map((o) => o.outside)).toEqual(["scores"]);
  expect(paths(m)).not.toContain("pooler.weight");
});

test("extends over gives every input one more axis", () => {
  const m = model("use std.families.bert\nmodel mine extends bert over choices { output y = pooler_output }", {
    settings: { layers: 1 },
  });
  expect(m.graph.inputs.map((i) => showType(i.value.type))).toEqual(
    Array.from({ length: 3 }, (_, i) => `${i === 1 ? "bool" : "int"}[batch, choices, seq]`),
  );
  expect(output(m)).toBe("float[batch, choices, hidden=768]");
});

test.each([
  ["x[hidden -> width]", "float[batch, seq, width=8]"],
  ["x[hidden -> (pair = 2, half)]", "float[batch, seq, pair=2, half=4]"],
  ["x[(seq, hidden) -> flat]", "float[batch, flat=8*seq]"],
  ["x[seq = 0]", "float[batch, hidden=8]"],
  ["x[hidden = 2..]", "float[batch, seq, hidden=6]"],
  ["x[hidden = ..3][hidden -> part]", "float[batch, seq, part=3]"],
  [
    "concat[a + b -> hidden](x[hidden = ..3][hidden -> a], x[hidden = 3..][hidden -> b])",
    "float[batch, seq, hidden=8]",
  ],
  ["stack[pair](x, x)", "float[batch, seq, hidden=8, pair=2]"],
  ["dot(x, x[seq -> keys], over = hidden)", "float[batch, seq, keys=seq]"],
  ["mean(x, over = (seq, hidden))", "float[batch]"],
  ["x[seq = position(seq)]", "float[batch, seq, hidden=8]"],
  ["where(x > 0, x, 0)", "float[batch, seq, hidden=8]"],
  ["x * position(seq)", "float[batch, seq, hidden=8]"],
])("%s is %s", (expression, type) => {
  expect(output(model(body(`  output y = ${expression}`)))).toBe(type);
});

test("several independent mistakes are reported in one run, and their consequences are not", () => {
  const found = diagnosticsOf(`op fine(x) = x + 1
op broken(x) = x + missing_one
model m(hidden = 8) {
  input x: float[batch, seq, hidden]
  let a = x -> rmsnorm(epsilon = 3)
  let b = a + undefined_name
  let c = b -> linear(hidden) -> mha
  output y = c -> linear(hidden, bias = 3)
}`);
  expect(found.map((d) => d.code).sort()).toEqual(["name/unknown", "name/unknown", "setting/unknown"]);
});

test("an error inside the library is shown at the user's call", () => {
  const [d] = diagnosticsOf(body("  output y = sum(x, over = hidden) -> mha"));
  expect(d!.span!.file.name).toBe("program.tfm");
  expect(d!.related.some((r) => r.span?.file.name.startsWith("std/"))).toBe(true);
});

test("a file uses another by its path", () => {
  const m = model(`use "./blocks.tfm"\n${body("  output y = x -> doubled")}`, {
    files: { "./blocks.tfm": "block doubled() { input x: [..., d] output x + x }" },
  });
  expect(output(m)).toBe("float[batch, seq, hidden=8]");
});

test("what keep hands on is named by the let and the block it stands in", () => {
  const m = model(
    "model m(hidden = 8, heads = 2) grows seq {\n input x: float[batch, seq, hidden]\n output y = x -> layers: decoder x2 < mha, rmsnorm, mlp(relu) >\n}",
  );
  const kept: string[] = [];
  for (const n of m.graph.nodes)
    if (n.op === "repeat") for (const inner of n.bodies[0]!.nodes) if (inner.op === "keep") kept.push(inner.attrs.path);
  expect(kept).toEqual(["layers.{0}.attention.body.k", "layers.{0}.attention.body.v"]);
});

test("a block that is repeated is told which layer it is by a given, and the mistake says so", () => {
  const block = (given: string): string => `block twice(times = 2)${given} {
  input x: [...]
  output x * (times + layer)
}
${body("  output y = x -> twice x3")}`;
  const [told] = diagnosticsOf(block("")).filter((d) => d.severity === "error");
  expect(told).toMatchObject({ code: "name/unknown", hint: expect.stringContaining("`given layer`") as string });
  expect(diagnosticsOf(block(" given layer"))).toEqual([]);
});

test("what is joined is the same along the axes that it lacks", () => {
  const joined = (operands: string): ReturnType<typeof evaluated> =>
    evaluated(
      `model m(hidden = 3) {
  input x: float[batch, seq, hidden]
  param first: [one = 1, hidden] = normal(1)
  output y = ${operands}
}`,
      { batch: 2, seq: 2 },
    );
  const before = joined("concat[one + seq -> all](first, x)");
  expectEach(before.output(), ["batch", "all", "hidden"], (b, i, h) =>
    i === 0 ? before.weight("first")[h]! : before.input("x")[(b * 2 + i - 1) * 3 + h]!,
  );
  const behind = joined("concat[seq + one -> all](x, first)");
  expect(behind.output().axes.map((a) => a.name)).toEqual(["batch", "all", "hidden"]);
  expectEach(behind.output(), ["batch", "all", "hidden"], (b, i, h) =>
    i === 2 ? behind.weight("first")[h]! : behind.input("x")[(b * 2 + i) * 3 + h]!,
  );
});
