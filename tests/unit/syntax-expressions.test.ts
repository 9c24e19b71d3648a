/** @file Expressions: what binds what, what `<` is, what repeats; errors that have a tree all the same. */
import { expect, test } from "vitest";
import { parse } from "../../src/syntax/parse.ts";
import { showExpr } from "../support/show-tree.ts";

const read = (text: string): { tree: string; codes: string[] } => {
  const { value, diagnostics } = parse({ name: "test.tfm", text });
  return { tree: showExpr(value.bare), codes: diagnostics.map((d) => d.code.replace("syntax/", "")) };
};

test.each([
  ["a + b * c ^ -d ^ 2 - -x ^ 2", "((a + (b * (c ^ (- (d ^ 2))))) - (- (x ^ 2)))"],
  ["d ^ -0.5", "(d ^ (- 0.5))"],
  ["a - b - c", "((a - b) - c)"],
  ["a ^ b ^ c", "(a ^ (b ^ c))"],
  ["not a == b and c or d", "(((not (a == b)) and c) or d)"],
  ["a and not b in c", "(a and (not (b in c)))"],
  ["- - x * y", "((- (- x)) * y)"],
  ["a ?? b == c", "((a ?? b) == c)"],
  ["a -> f ?? b", "((a -> f) ?? b)"],
  ['1 + "a" | "b"', '(1 + ("a" | "b"))'],
  ["a ++ b div c % d", "(a ++ ((b div c) % d))"],
  ["a + x -> f -> g(1)", "(((a + x) -> f) -> g(1))"],
  ["x + (y -> f) -> n: g", "((x + P((y -> f))) -> n:g)"],
  ["x -> f == y", "((x -> f) == y)"],
  ["x -> if c then a else b -> g", "(x -> if c then a else (b -> g) fi)"],
  ["if a then b else if c then d else e + 1", "if a then b else if c then d else (e + 1) fi fi"],
  ["x[a = 1.., b = ..n + 1, c = 1..2, 3]", "x[a=(1 .. _),b=(_ .. (n + 1)),c=(1 .. 2),3]"],
  ["x[(heads, d) -> m, d -> (pair = 2, half)]", "x[(P(heads,d) -> m),(d -> P(pair=2,half))]"],
  ["(a)", "P(a)"],
  ["(a, b,)", "P(a,b)"],
  ["f(a, ...)", "f(a,...)"],
  ["x.y.{a, b}[i](c)", "x.y.{a,b}[i](c)"],
  ["config.model.for", "config.model.for"],
  ["[part = {0, 1}][0]", "[{0,1}][0]"],
  ["new encoder < mha >", "new encoder<mha>"],
  ["one x12", "one x{12}"],
  ["deep x{2 * n} < a >", "deep x{(2 * n)}<a>"],
  ["[for t in f(xs): t in ys]", "[for t in f(xs): (t in ys)]"],
  ["[for i in 0..n: i]", "[for i in 0..n: i]"],
  ['match o { pre => a, "b" | 2 => c true => d }', 'match o {pre=>a,"b"|2=>c,true=>d}'],
  ["128_256 + 5e5 + 1.5", "((128256 + 500000) + 1.5)"],
  ['"a\\"b\\\\c\\n"', '"a\\"b\\\\c\\n"'],
])("%s", (text, tree) => {
  const { codes, ...rest } = read(text);
  // The one list of a named item here is an error of its own.
  expect(codes).toEqual(text.startsWith("[part") ? ["named-item"] : []);
  expect(rest.tree).toBe(tree);
});

test.each([
  ["decoder x32 < gqa(8), rmsnorm, swiglu >", "decoder x{32}<gqa(8),rmsnorm,swiglu>"],
  ["f(a < b, c > d)", "f((a < b),(c > d))"],
  ["f(a < b, c > (d))", "f((a < b),(c > P(d)))"],
  ["f(a < b, c > -d)", "f((a < b),(c > (- d)))"],
  ["f(a < b, c >(d))", "f(a<b,c>(d))"],
  ["f(a < b > (d))", "f(a<b>(d))"],
  ["f(decoder < a, b >, c)", "f(decoder<a,b>,c)"],
  ["moe<swiglu<x>>", "moe<swiglu<x>>"],
  ["moe < swiglu < x > >", "moe<swiglu<x>>"],
  ["if a < b and c > d then 1 else 2", "if ((a < b) and (c > d)) then 1 else 2 fi"],
  ["where(a < b, x, y > z)", "where((a < b),x,(y > z))"],
  ["match z { pre => a < b  post => c > d }", "match z {pre=>(a < b),post=>(c > d)}"],
  [
    "decoder < mla(512), if layer < 3 then swiglu else moe(256) < swiglu > >",
    "decoder<mla(512),if (layer < 3) then swiglu else moe(256)<swiglu> fi>",
  ],
  [
    "d < norm = a, n: b -> c(1) x2, match k { x => a y => b }, new q, ... >",
    "d<norm=a,(n:b -> c(1) x{2}),match k {x=>a,y=>b},new q,...>",
  ],
  ["d < none, (a -> b), x.{q, k}.w >", "d<none,P((a -> b)),x.{q,k}.w>"],
  ["d < a > x2", "d<a> x{2}"],
  ["d < >", "d<>"],
  ["x -> each[experts] < expert >", "(x -> each[experts]<expert>)"],
  ["layer < 3", "(layer < 3)"],
  ["a < b or c", "((a < b) or c)"],
  ["a < 3, b", "(a < 3)"],
])("`<` in %s", (text, tree) => {
  expect(read(text).tree).toBe(tree);
});

test.each([
  ["x32 -> x: f x32", "(x32 -> x:f x{32})"],
  ["f(a) x{n}", "f(a) x{n}"],
  ["x[in -> in']", "x[(in -> in')]"],
  ["x + in in [in]", "((x + in) in [in])"],
  ["dot(x, over = in)", "dot(x,over=in)"],
])("soft words in %s", (text, tree) => {
  expect(read(text)).toEqual({ tree, codes: [] });
});

test.each([
  ["a < b < c", "((a < b) < c)", ["chained-comparison"]],
  ["x -> f + y -> g", "(((x -> f) + y) -> g)", ["stage-operator"]],
  ["x -> -1", "(x -> (- 1))", ["stage-operator"]],
  ["if a or b = c then 1 else 2", "if (a or (b == c)) then 1 else 2 fi", ["equals-for-equality"]],
  ["f(a b c)", "f(a,b,c)", ["missing-comma", "missing-comma"]],
  ["d x2 < a b, c >", "d x{2}<a,b,c>", ["missing-comma"]],
  ["d < a b >", "d<a,b>", ["missing-comma"]],
  ["d x2 < a, b", "d x{2}<a,b>", ["unclosed-bracket"]],
  ["d < a, b", "d<a,b>", ["unclosed-bracket"]],
  ["f(a, [b)", "f(a,[b])", ["unclosed-bracket"]],
  ["f(a, b]", "f(a,b)", ["wrong-bracket"]],
  ["f(a))", "f(a)", ["stray-bracket"]],
  [
    "a && !b || c ** 2",
    "((a and (not b)) or (c ^ 2))",
    ["foreign-sign", "foreign-sign", "foreign-sign", "foreign-sign"],
  ],
  ["a \u2192 f \u2264 2", "((a -> f) <= 2)", ["foreign-sign", "foreign-sign"]],
  ["'full' == x", '("full" == x)', ["foreign-quotes"]],
  ["d x 12 < a >", "d x{12}<a>", ["repeat-count"]],
  ["d x0 < a >", "d x{HOLE}<a>", ["repeat-count"]],
  ["x * .5", "(x * 0.5)", ["bad-number"]],
  ["a +", "(a + HOLE)", ["missing-value"]],
  ["x -> -> f", "((x -> HOLE) -> f)", ["missing-value"]],
  ["(a + ) * b", "(P((a + HOLE)) * b)", ["missing-value"]],
  ["if a then b", "if a then b else HOLE fi", ["incomplete-if"]],
  ["x in 1..4", "(x in (1 .. 4))", ["misplaced-range"]],
])("broken: %s", (text, tree, codes) => {
  expect(read(text)).toEqual({ tree, codes });
});

test("integers are told from other numbers", () => {
  const flags = ["12", "1_000", "1.0", "5e5"].map(
    (text) => parse({ name: "t", text }).value.bare as { integer?: boolean },
  );
  expect(flags.map((n) => n.integer)).toEqual([true, true, false, false]);
});

test("a row of 48 brackets is read, one of 60 is an error at the one too many", () => {
  const nested = (n: number): string => "(".repeat(n) + "x" + ")".repeat(n);
  expect(read(nested(48)).codes).toEqual([]);
  expect(read(nested(60)).codes).toEqual(["too-deep"]);
  expect(read("if a then b else ".repeat(60) + "c").codes).toEqual(["too-deep"]);
  expect(read("a < ".repeat(60) + "b" + " >".repeat(60)).codes).toEqual(["too-deep"]);
  expect(parse({ name: "t", text: nested(60) }).diagnostics[0]!.span!.start).toBe(48);
  expect(read(`a${" + b".repeat(300)}`).codes).toEqual(["too-deep"]);
  expect(read(`a${"(b)".repeat(300)}`).codes).toEqual(["too-deep"]);
  expect(read(`${"- ".repeat(300)}a`).codes).toEqual(["too-deep"]);
});
