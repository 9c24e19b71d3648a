/** The style of `.tfm`: pairs of what an author may write and what stands there afterwards. */
import {
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  chmodSync,
  lstatSync,
  readdirSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as prettier from "prettier";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { format } from "../../src/format/format.ts";
import * as plugin from "../../src/format/plugin.ts";
import { tfm } from "../support/cli.ts";
import { formatSoundly } from "../support/formatted.ts";

/** One line less of quotes: both texts without the newline that they begin with. */
const pairs: readonly (readonly [string, string, string])[] = [
  ["a bare stack", "decoder   x32<gqa( 8 ),rmsnorm , swiglu>", "decoder x32 < gqa(8), rmsnorm, swiglu >\n"],
  ["nothing", "\n\n", ""],
  ["comments alone", "\n// one\n\n\n// two\n", "// one\n\n// two\n"],
  [
    "slots that are applied",
    "block d(a) = decoder<mha,rmsnorm,swiglu>(a)",
    "block d(a) = decoder < mha, rmsnorm, swiglu >(a)\n",
  ],
  ["numbers as written", "op f(x)=x*1_000+0.50e-3-x", "op f(x) = x * 1_000 + 0.50e-3 - x\n"],
  ["signs, ranges, powers", "op f(x)=-x^-2+x[seq=1 .. 3][seq=..2]", "op f(x) = -x ^ -2 + x[seq = 1..3][seq = ..2]\n"],
  [
    "an outside name for a step, and a text in brackets",
    `
model m { input tokens as "a"|"b": int[batch as "batch_size",seq]; output y = once [ "memory" ] (tokens) }
`,
    `model m { input tokens as "a" | "b": int[batch as "batch_size", seq]; output y = once["memory"](tokens) }\n`,
  ],
  [
    "the heads of aliases",
    "block d(...)<...> =  layer(causal=true,...)<...>",
    "block d(...) < ... > = layer(causal = true, ...) < ... >\n",
  ],
  [
    "blank lines: one at most, none at the edges",
    `
use std.attention


use "./a.tfm"
model m {

  input x: [batch, d]


  output x

}
`,
    `
use std.attention

use "./a.tfm"
model m {
  input x: [batch, d]

  output x
}
`,
  ],
  ["a pipeline that fits stays on its line", "op f(x) = x->tanh->exp", "op f(x) = x -> tanh -> exp\n"],
  [
    "a pipeline that the author broke has one stage a line",
    `
model m { input x: [batch, d]
  output x -> tanh
    -> exp }
`,
    `
model m {
  input x: [batch, d]
  output x
    -> tanh
    -> exp
}
`,
  ],
  [
    "a pipeline that does not fit, and slots together",
    `
model m(vocab = 32, layers = 2) {
  output logits = tokens -> words: embed(vocab) -> layers: decoder x{layers} < gqa(2, rope), rmsnorm(1e-5), swiglu(24) > -> head: linear(vocab)
}
`,
    `
model m(vocab = 32, layers = 2) {
  output logits = tokens
    -> words: embed(vocab)
    -> layers: decoder x{layers} < gqa(2, rope), rmsnorm(1e-5), swiglu(24) >
    -> head: linear(vocab)
}
`,
  ],
  [
    "slots that do not fit: one a line",
    `
model m {
  output y = x -> layers: decoder x{layers} < gqa(kv_heads, rope(theta, scaling), window, bias = attention_bias), rmsnorm(eps), if (layer < dense) then swiglu(inner) else moe(experts, top) < swiglu(narrow) > >
}
`,
    `
model m {
  output y = x
    -> layers: decoder x{layers} <
      gqa(kv_heads, rope(theta, scaling), window, bias = attention_bias),
      rmsnorm(eps),
      if (layer < dense) then swiglu(inner) else moe(experts, top) < swiglu(narrow) >
    >
}
`,
  ],
  [
    "a choice that does not fit",
    `
model m { output logits = if tied then dot(last_hidden_state, words.weight, over = hidden) else last_hidden_state -> head: linear(vocab, bias = false) }
`,
    `
model m {
  output logits =
    if tied then dot(last_hidden_state, words.weight, over = hidden)
    else last_hidden_state -> head: linear(vocab, bias = false)
}
`,
  ],
  [
    "a choice in parentheses before a stage",
    `
model m {
  let q = (if not whole_vector then asked_for_by_the_heads -> q_norm: qk_norm else asked_for_by_the_heads[heads -> wide] -> norm: qk_norm) -> rotary(position_ids)
}
`,
    `
model m {
  let q = (
    if not whole_vector then asked_for_by_the_heads -> q_norm: qk_norm
    else asked_for_by_the_heads[heads -> wide] -> norm: qk_norm
  ) -> rotary(position_ids)
}
`,
  ],
  [
    "a sum that does not fit",
    `
op f(q, up) = dot(q[part = ..plain][part -> plain], up[both = ..plain][both -> plain], over = plain) + dot(q[part = plain..], turned, over = turning)
`,
    `
op f(q, up) =
  dot(q[part = ..plain][part -> plain], up[both = ..plain][both -> plain], over = plain)
  + dot(q[part = plain..], turned, over = turning)
`,
  ],
  [
    "a call that does not fit",
    `
model big = lm(vocab = 128_256, hidden = 16_384, intermediate = 53_248, layers = 126, heads = 128, kv_heads = 8, theta = 500_000)
`,
    `
model big = lm(
  vocab = 128_256, hidden = 16_384, intermediate = 53_248, layers = 126, heads = 128, kv_heads = 8, theta = 500_000
)
`,
  ],
  [
    "parameters below the first, and what is given on its own line",
    `
block gqa(kv_heads: dim, rotary: op = unturned, window: int? = none, sees: op = within(causal, window), score_bias: op? = none, bias = false): attention given hidden, heads, head_dim = hidden / heads, causal = false, attention_mask: bool[..., seq] = true, position_ids: int[..., seq] = position(seq) { output x }
`,
    `
block gqa(kv_heads: dim, rotary: op = unturned, window: int? = none, sees: op = within(causal, window),
          score_bias: op? = none, bias = false): attention
  given hidden, heads, head_dim = hidden / heads, causal = false, attention_mask: bool[..., seq] = true,
        position_ids: int[..., seq] = position(seq)
{ output x }
`,
  ],
  [
    "arms of a match",
    `
op f(name) = match name { "a"|"b" => relu, none =>
  tanh
 _ => silu }
op g(x) = match x { pre=>1 post=>2 }
`,
    `
op f(name) = match name { "a" | "b" => relu, none => tanh, _ => silu }
op g(x) = match x { pre => 1, post => 2 }
`,
  ],
  [
    "arms on lines",
    `
op f(name) = match name {
  "a" => relu, // one
  _ => silu }
`,
    `
op f(name) = match name {
  "a" => relu // one
  _ => silu
}
`,
  ],
  [
    "inputs as a table",
    `
model m {
  input tokens as "input_ids": int[batch, seq]
  input mask as "attention_mask": bool[batch, seq] = true // who counts

  input x: [batch, d]
  param shift as "bias": [d] = zeros
  output tokens
}
`,
    `
model m {
  input tokens as "input_ids":      int[batch, seq]
  input mask   as "attention_mask": bool[batch, seq] = true // who counts

  input x: [batch, d]
  param shift as "bias": [d] = zeros
  output tokens
}
`,
  ],
  [
    "lines of a map as the author joined them",
    `
checkpoint for m when config.model_type=="m" {
  a = config.a;b = config.b ; c = 1
  d = 2;
  require config.act == "silu"; prefix? "model."
  layers[i] from "layers.{i}." { {q,k}.* = "{wq,wk}.*"; norm.weight = "n" }
  cache layers[i].{k,v} = "past.{i}.{key, value}"
  class "A","B" => m { }
  ignore "*.inv_freq","config.x"
}
`,
    `
checkpoint for m when config.model_type == "m" {
  a = config.a; b = config.b; c = 1
  d = 2
  require config.act == "silu"; prefix? "model."
  layers[i] from "layers.{i}." { {q, k}.* = "{wq,wk}.*"; norm.weight = "n" }
  cache layers[i].{k, v} = "past.{i}.{key, value}"
  class "A", "B" => m { }
  ignore "*.inv_freq", "config.x"
}
`,
  ],
  [
    "joined lines that do not fit, and a line that is too long",
    `
checkpoint for m {
  vocab = config.vocab_size; hidden = config.hidden_size; intermediate = config.intermediate_size; layers = config.num_hidden_layers
  body.{q_down, q_norm, q, kv_down}.weight = "self_attn.{q_a_proj, q_a_layernorm, q_b_proj, kv_a_proj_with_mqa, and_more}.weight"
}
`,
    `
checkpoint for m {
  vocab = config.vocab_size; hidden = config.hidden_size; intermediate = config.intermediate_size
  layers = config.num_hidden_layers
  body.{q_down, q_norm, q, kv_down}.weight =
    "self_attn.{q_a_proj, q_a_layernorm, q_b_proj, kv_a_proj_with_mqa, and_more}.weight"
}
`,
  ],
  [
    "named slots in a map never begin a line",
    `
checkpoint for m {
  feed = decoder x2 < attention = a_very_long_name_of_a_block_for_attention(8), norm = a_long_name_of_a_norm(1e-5), ffn = another_long_name(24) >
}
`,
    `
checkpoint for m {
  feed = decoder x2 < attention = a_very_long_name_of_a_block_for_attention(8), norm = a_long_name_of_a_norm(1e-5), ffn = another_long_name(24) >
}
`,
  ],
  [
    "laws and rewrites",
    `
law "one head" for heads in 1..8, d in [4,8] { mqa==gqa(1) }
law "repeated" (x: [batch, d]) { gqa(kv_heads) == mha where right.q.weight = left.q.weight[(kv_heads, groups) -> heads], right.{k, v}.weight = 1 }
rewrite "fuse" (x, w) when target.f { x*w=>f(x, w) }
`,
    `
law "one head" for heads in 1..8, d in [4, 8] { mqa == gqa(1) }
law "repeated" (x: [batch, d]) {
  gqa(kv_heads) == mha where right.q.weight = left.q.weight[(kv_heads, groups) -> heads], right.{k, v}.weight = 1
}
rewrite "fuse" (x, w) when target.f { x * w => f(x, w) }
`,
  ],
  [
    "lists that begin on a new line keep their lines",
    `
op keys() = [
  "a","b",
  "c", ]
op short() = ["a",
  "b"]
op squares() = [for i in 0..4: i^2]
`,
    `
op keys() = [
  "a", "b",
  "c"
]
op short() = ["a", "b"]
op squares() = [for i in 0..4: i ^ 2]
`,
  ],
  [
    "comments stay where they are",
    `
// The file.

/// What it does:
///   indented, as it is.
model m(  // settings
  a = 1, // one
  // of two
  b = 2) { // the body
  input x: [batch, d]// an input
  // before a stage
  output x -> tanh // first
    // second
    -> exp
    // at the end
}
// last
`,
    `
// The file.

/// What it does:
///   indented, as it is.
model m(
  // settings
  a = 1, // one
  // of two
  b = 2
) { // the body
  input x: [batch, d] // an input
  // before a stage
  output x
    -> tanh // first
    // second
    -> exp
  // at the end
}
// last
`,
  ],
  [
    "comments in slots, calls, choices, sums",
    `
model m {
  let a = decoder < mha, // of heads
    rmsnorm >
  let b = f(1, // one
   2)
  let c = if d then 1 // yes
    // no
    else 2
  let e = // a sum
    1 + 2
  output a
}
`,
    `
model m {
  let a = decoder <
    mha, // of heads
    rmsnorm
  >
  let b = f(
    1, // one
    2
  )
  let c =
    if d then 1 // yes
    // no
    else 2
  let e =
    // a sum
    1 + 2
  output a
}
`,
  ],
  ["documentation of nothing is a comment", "op f(x) = x + /// half\n  1\n", "op f(x) =\n  x // half\n  + 1\n"],
  [
    "a node that is to be kept",
    `
// prettier-ignore
op identity(n)  =  [ 1,0,
                     0,1 ]
op f( x ) = x
`,
    `
// prettier-ignore
op identity(n)  =  [ 1,0,
                     0,1 ]
op f(x) = x
`,
  ],
];

describe("the style", () => {
  test.each(pairs)("%s", async (_, written, wanted) => {
    expect(await formatSoundly(written)).toBe(wanted.replace(/^\n/, ""));
    expect(await formatSoundly(wanted)).toBe(wanted.replace(/^\n/, ""));
  });
});

test("prettier gives the same bytes, whatever it is told for other languages", async () => {
  for (const [, written] of pairs) {
    const said = await prettier.format(written, {
      parser: "tfm",
      plugins: [plugin as never],
      printWidth: 60,
      tabWidth: 4,
      useTabs: true,
    });
    expect(said).toBe((await format({ name: "a.tfm", text: written })).value);
  }
});

test("prettier is told where a broken text is wrong", async () => {
  const broken = prettier.format("op f(x) = x\nop g(x) = x +\n", { parser: "tfm", plugins: [plugin as never] });
  await expect(broken).rejects.toMatchObject({ name: "SyntaxError", loc: { start: { line: 2 } } });
});

describe("tfm fmt", () => {
  let folder = "";
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "tfm-fmt-"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };

  test("writes what is not in the style, and leaves broken files alone", async () => {
    const [loose, tidy, broken] = [
      file("loose.tfm", "op f( x )=x"),
      file("tidy.tfm", "op f(x) = x\n"),
      file("broken.tfm", "op f( x )="),
    ];
    chmodSync(loose, 0o640);
    const before = statSync(tidy).mtimeMs;
    const said = await tfm("fmt", loose, tidy, broken);
    expect(said).toMatchObject({ status: 1, out: "" });
    expect(said.err).toContain("syntax/missing-value");
    expect(said.err).toContain("formatted 1 of 2 files");
    expect(readFileSync(loose, "utf8")).toBe("op f(x) = x\n");
    expect(statSync(loose).mode & 0o777).toBe(0o640);
    expect(statSync(tidy).mtimeMs).toBe(before);
    expect(readFileSync(broken, "utf8")).toBe("op f( x )=");
    expect(readdirSync(folder).sort()).toEqual(["broken.tfm", "loose.tfm", "tidy.tfm"]);
    expect(await tfm("fmt", loose, tidy)).toEqual({ status: 0, out: "", err: "formatted 0 of 2 files\n" });
  });

  test("--check changes nothing and lists", async () => {
    const loose = file("check.tfm", "op f( x )=x");
    const tidy = file("tidy.tfm", "op f(x) = x\n");
    const said = await tfm("fmt", "--check", loose, tidy);
    expect(said).toMatchObject({ status: 1, out: `${loose}\n` });
    expect(said.err).toContain("1 of 2 files is not formatted");
    expect(readFileSync(loose, "utf8")).toBe("op f( x )=x");
    expect(await tfm("fmt", "--check", tidy)).toEqual({ status: 0, out: "", err: "" });
    const json = JSON.parse((await tfm("fmt", "--check", "--json", loose, tidy)).out) as object;
    expect(json).toEqual({
      ok: false,
      diagnostics: [],
      files: [
        { file: loose, changed: true },
        { file: tidy, changed: false },
      ],
    });
  });

  test("a link stays a link; what is not there or no program is said", async () => {
    const target = file("target.tfm", "op f( x )=x");
    const link = join(folder, "link.tfm");
    symlinkSync(target, link);
    expect((await tfm("fmt", link)).status).toBe(0);
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(readFileSync(target, "utf8")).toBe("op f(x) = x\n");
    expect((await tfm("fmt", join(folder, "no.tfm"))).err).toContain("cli/no-such-source");
    expect((await tfm("fmt", folder)).status).toBe(1);
    expect((await tfm("fmt")).status).toBe(2);
  });
});
