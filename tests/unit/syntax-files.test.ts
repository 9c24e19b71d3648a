/** @file Files: every snippet of the design parses, on its lines and on one; the shape of declarations; documentation; walks. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { lex } from "../../grammar/tokens.ts";
import type * as ast from "../../src/syntax/ast.ts";
import { parse } from "../../src/syntax/parse.ts";
import { forEachChild, type Node } from "../../src/syntax/walk.ts";
import { showExpr } from "../support/show-tree.ts";

const folder = new URL("../support/snippets/", import.meta.url).pathname;
const snippets = readdirSync(folder).filter((f) => f.endsWith(".tfm"));
const textOf = (name: string): string => readFileSync(folder + name, "utf8");
const read = (text: string): ReturnType<typeof parse> => parse({ name: "test.tfm", text });

/** The tree without places. */
const shape = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (key, v: unknown) =>
      key === "span" || key === "opSpan" || key === "doc" ? undefined : key === "rest" ? true : v,
    ),
  );

describe.each(snippets)("%s", (name) => {
  const text = textOf(name);
  const whole = read(text);

  test("parses without a word", () => {
    expect(whole.diagnostics).toEqual([]);
  });

  test("reads alike on one line, and with every token on a line of its own", () => {
    const { tokens } = lex(text);
    const joined = (separator: string): string =>
      tokens
        .map((t, i) => {
          const touching = t.startOffset === (tokens[i - 1]?.endOffset ?? -2) + 1;
          return (touching ? "" : separator) + t.image;
        })
        .join("");
    for (const separator of [" ", "\n"]) expect(shape(read(joined(separator)).value)).toEqual(shape(whole.value));
  });

  test("every span lies in the one around it, and covers text that begins and ends with a token", () => {
    const check = (node: Node, around: { start: number; end: number }): void => {
      expect(node.span.start).toBeGreaterThanOrEqual(around.start);
      expect(node.span.end).toBeLessThanOrEqual(around.end);
      expect(text.slice(node.span.start, node.span.end)).toMatch(/^\S[^]*$|^$/);
      forEachChild(node, (child) => check(child, node.span));
    };
    for (const decl of whole.value.decls) check(decl, whole.value.span);
  });
});

function only<K extends ast.Decl["kind"]>(text: string, kind: K): Extract<ast.Decl, { kind: K }> {
  const { value, diagnostics } = read(text);
  expect(diagnostics).toEqual([]);
  expect(value.decls.map((d) => d.kind)).toEqual([kind]);
  return value.decls[0] as Extract<ast.Decl, { kind: K }>;
}

test("a model's head and statements", () => {
  const m = only(
    `/// One.
    /// Two.
    model tagger(labels, deep: bool = true) extends bert over choices grows seq {
      /// The tokens.
      input tokens as "input_ids": int[batch as "batch_size", ..., seq, 2, k = n + 1] = 0
      /// A weight.
      param shift as "bias": [d]? = zeros
      dim half = d / 2
      let (a, _) = f(x)
      /// Out.
      output logits as "logits": [batch, seq] = a
      output b
    }`,
    "Model",
  );
  expect(m.doc).toBe("One.\nTwo.");
  expect([m.name.name, m.base?.name, m.over?.name, m.grows?.name]).toEqual(["tagger", "bert", "choices", "seq"]);
  expect(m.params.items.map((p) => [p.name.name, p.type?.base?.name, showExpr(p.default)])).toEqual([
    ["labels", undefined, "_"],
    ["deep", "bool", "true"],
  ]);
  const statements = (m.meaning as { statements: readonly ast.Statement[] }).statements;
  const [input, param, dim, tuple, named, plain] = statements as [
    ast.Input,
    ast.ParamDecl,
    ast.Dim,
    ast.Let,
    ast.Output,
    ast.Output,
  ];
  expect([input.name.name, input.outside?.value, input.type.base?.name, showExpr(input.default), input.doc]).toEqual([
    "tokens",
    "input_ids",
    "int",
    "0",
    "The tokens.",
  ]);
  expect(shape(input.type.axes)).toMatchObject([
    { kind: "Axis", name: { name: "batch" }, outside: { value: "batch_size" } },
    { kind: "Rest" },
    { kind: "Axis", name: { name: "seq" } },
    { kind: "Size", size: { value: 2 } },
    { kind: "Sized", name: { name: "k" } },
  ]);
  expect([param.kind, param.doc, param.type.optional, param.type.base, showExpr(param.initial)]).toEqual([
    "Param",
    "A weight.",
    true,
    undefined,
    "zeros",
  ]);
  expect([dim.name.name, showExpr(dim.size)]).toEqual(["half", "(d / 2)"]);
  expect(tuple.names.map((n) => n.name)).toEqual(["a", "_"]);
  expect([named.name?.name, named.outside?.value, named.type?.axes?.length, named.doc]).toEqual([
    "logits",
    "logits",
    2,
    "Out.",
  ]);
  expect([plain.name, showExpr(plain.value)]).toEqual([undefined, "b"]);
});

test("a block's head", () => {
  const b = only(
    "block f(order: pre | post = pre, out: dims, r: op, ...) < attention, cross?, expert: ffn = mlp(1) -> x, ... >: ffn given hidden, d: dim = 3 = g(...) < ... >",
    "Block",
  );
  expect(b.params.items[0]!.type).toMatchObject({ base: { name: "pre" }, alternatives: [{ name: "post" }] });
  expect(b.params.rest).toBeDefined();
  expect(b.slots.items.map((s) => [s.name.name, s.optional, s.role?.name, showExpr(s.default)])).toEqual([
    ["attention", false, undefined, "_"],
    ["cross", true, undefined, "_"],
    ["expert", false, "ffn", "(mlp(1) -> x)"],
  ]);
  expect(b.slots.rest).toBeDefined();
  expect(b.role?.name).toBe("ffn");
  expect(b.given.map((g) => g.name.name)).toEqual(["hidden", "d"]);
  expect(b.meaning.kind === "Alias" && showExpr(b.meaning.value)).toBe("g(...)<...>");
});

test("ops have operands, or settings and operands", () => {
  const one = only("op f(x) = x", "Op");
  const two = only("op f(n)(x, y) given d { output x }", "Op");
  expect([one.settings, one.operands.items.length]).toEqual([undefined, 1]);
  expect([two.settings?.items.length, two.operands.items.length, two.given.length]).toEqual([1, 2, 1]);
});

test("a checkpoint's map", () => {
  const c = only(
    `checkpoint for llama when config.model_type == "a" {
    require config.b == 1; ignore "*.x", "y"
    prefix? "model." prefix "p." rename ".gamma" => ".weight" cache layers[i].{k, v} = "past.{i}"
    hidden = config.h
    {q, k}.w.* = "a"[x -> y]
    layers[i] from "layers.{i}." { norm.weight = 1 + "n" }
    class "A", "B" => lm { }
  }`,
    "Checkpoint",
  );
  expect(c.entries.map((e) => e.kind)).toEqual([
    "Require",
    "Ignore",
    "Prefix",
    "Prefix",
    "Rename",
    "Cache",
    "Assign",
    "Assign",
    "From",
    "Class",
  ]);
  const [, , soft, hard, , cache, , assign, from, cls] = c.entries as unknown as Record<string, any>[];
  expect([soft!["optional"], hard!["optional"]]).toEqual([true, false]);
  expect(cache!["path"].parts.map((p: { kind: string }) => p.kind)).toEqual(["Name", "Index", "Set"]);
  expect(assign!["path"].parts.map((p: { kind: string }) => p.kind)).toEqual(["Set", "Name", "Star"]);
  expect([from!["prefix"].value, from!["entries"].length]).toEqual(["layers.{i}.", 1]);
  expect([cls!["classes"].length, cls!["model"].name, cls!["entries"]]).toEqual([2, "lm", []]);
});

test("laws and rewrites", () => {
  const l = only(
    'law "t" (x: [d]) for d in [1, 2], n in 1..d { f(x) == x where right.q = 1, right.{k, v}.w = left.q[a -> b] }',
    "Law",
  );
  expect([
    l.title.value,
    l.operands.items.length,
    l.bindings.map((b) => showExpr(b.to)),
    showExpr(l.body),
    l.wheres.length,
  ]).toEqual(["t", 1, ["_", "d"], "(f(x) == x)", 2]);
  const r = only('rewrite "t" (x) when target.y { x + 0 => x where a = 1 }', "Rewrite");
  expect([showExpr(r.when), showExpr(r.left), showExpr(r.right), r.wheres.length]).toEqual([
    "target.y",
    "(x + 0)",
    "x",
    1,
  ]);
});

test("uses, an empty file, a bare expression", () => {
  expect(only('use "./a.tfm"', "Use").path).toBe("./a.tfm");
  expect(only("use std.attention", "Use").names?.map((n) => n.name)).toEqual(["std", "attention"]);
  expect(read("// nothing\n").value).toMatchObject({ decls: [] });
  expect(read("").value.bare).toBeUndefined();
  expect(showExpr(read("a + b").value.bare)).toBe("(a + b)");
});

test("one error leaves the rest of the file whole", () => {
  const { value, diagnostics } = read(`
    op a(x) = x
    op b(x) { let y = (x + 1  output y }
    op c(x) { let z = if x then 1  let w = x @ 2  output w }
    op d(x = x
    op e(x) = x`);
  expect(value.decls.map((d) => (d as ast.Op).name.name)).toEqual(["a", "b", "c", "d", "e"]);
  expect(diagnostics.map((d) => d.code)).toEqual([
    "syntax/unclosed-bracket",
    "syntax/incomplete-if",
    "syntax/unknown-character",
    "syntax/unclosed-bracket",
  ]);
});
