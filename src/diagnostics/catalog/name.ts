import { entry } from "../diagnostic.ts";

export const nameCodes = {
  "name/unknown": entry<{ name: string; what?: string }>({
    severity: "error",
    message: (p) => `nothing here is called ${p.name}`,
    why: "A name means a setting, an input, a `let` or a dimension of the block it stands in, or a declaration of this file, of a file it uses, or of the standard library. This one is none of them.",
    mend: "Correct the spelling, declare it, or `use` the file that does.",
    wrong: "block twice() {\n  input x: [..., d]\n  output x + y\n}",
    right: "block twice() {\n  input x: [..., d]\n  output x + x\n}",
  }),
  "name/declared-twice": entry<{ name: string }>({
    severity: "error",
    message: (p) => `${p.name} is declared twice`,
    why: "Within one file, or within one block, a name stands for one thing.",
    mend: "Rename one of the two.",
    wrong: "op double(x) = x + x\nop double(x) = 2 * x",
    right: "op double(x) = x + x\nop twice(x) = 2 * x",
  }),
  "name/no-such-file": entry<{ path: string }>({
    severity: "error",
    message: (p) => `there is no file ${p.path}`,
    why: "`use` with a path in quotes reads a file, relative to the file that it stands in.",
    mend: "Correct the path; modules of the standard library are named without quotes (`use std.attention`).",
    wrong: 'use "./not_there.tfm"',
    right: "use std.families.llama\nmodel small = llama(layers = 2)",
  }),
  "name/no-such-module": entry<{ name: string }>({
    severity: "error",
    message: (p) => `the standard library has no module ${p.name}`,
    why: "`use` without quotes names a module of the standard library.",
    mend: "Correct the name, or put a path in quotes to use a file of your own.",
    wrong: "use std.families.lama\nmodel small(hidden = 4) {\n  input x: float[batch, hidden]\n  output y = x\n}",
    right: "use std.families.llama\nmodel small = llama(layers = 2)",
  }),
  "name/use-cycle": entry<{ files: readonly string[] }>({
    severity: "error",
    message: (p) => `these files use each other in a circle: ${p.files.join(" -> ")}`,
    why: "What a file means would depend on itself.",
    mend: "Move what both need into a third file that both use.",
    wrong: 'use "./use-cycle.tfm"\nop f(x) = x + 1',
    right: "op f(x) = x + 1",
  }),
  "name/recursive": entry<{ name: string }>({
    severity: "error",
    message: (p) => `${p.name} applies itself`,
    why: "Blocks and operators are unfolded while compiling; one that applies itself would never end.",
    mend: "Repeat a block with `xN` instead, or break the circle.",
    wrong:
      "block tower() {\n  input x: [..., d]\n  output x -> tower()\n}\nmodel m(hidden = 4) {\n  input x: float[batch, hidden]\n  output y = x -> tower()\n}",
    right:
      "block storey() {\n  input x: [..., d]\n  output x + x\n}\nmodel m(hidden = 4) {\n  input x: float[batch, hidden]\n  output y = x -> storey x3\n}",
  }),
  "name/path-twice": entry<{ path: string }>({
    severity: "error",
    message: (p) => `two weights would be called ${p.path}`,
    why: "Every weight has a path of its own: labels, `let`s and the names of blocks make it. Here two blocks of one name are applied side by side.",
    mend: "Give one of them a label, `name: block`; or make one with `new` and use it twice, if they are meant to share their weights.",
    wrong:
      "model m(hidden = 4) {\n  input x: float[batch, hidden]\n  output y = x -> linear(hidden) -> linear(hidden)\n}",
    right:
      "model m(hidden = 4) {\n  input x: float[batch, hidden]\n  output y = x -> first: linear(hidden) -> second: linear(hidden)\n}",
  }),
  "name/unused-let": entry<{ name: string }>({
    severity: "warning",
    message: (p) => `${p.name} is never used`,
    why: "A `let` that nothing reads changes nothing; often it is a misspelling further down.",
    mend: "Use it, or take it out. `_` takes what nobody wants.",
    wrong: "block f() {\n  input x: [..., d]\n  let y = x + 1\n  output x\n}",
    right: "block f() {\n  input x: [..., d]\n  let y = x + 1\n  output y\n}",
  }),
  "name/unused-setting": entry<{ name: string; owner: string }>({
    severity: "warning",
    message: (p) => `${p.owner} never uses its setting ${p.name}`,
    why: "Whoever sets it expects something to change.",
    mend: "Use it, or take it out.",
    wrong: "block f(width = 4) {\n  input x: [..., d]\n  output x\n}",
    right: "block f(width = 4) {\n  input x: [..., d]\n  output x -> linear(width)\n}",
  }),
  "name/unused-use": entry<{ name: string }>({
    severity: "warning",
    message: (p) => `nothing of ${p.name} is used here`,
    why: "The file reads a module whose declarations it does not need.",
    mend: "Take the line out.",
    wrong: "use std.families.bert\nop f(x) = x + 1",
    right: "op f(x) = x + 1",
  }),
  "name/unused-slot": entry<{ name: string; owner: string }>({
    severity: "warning",
    message: (p) => `${p.owner} never applies its slot ${p.name}`,
    why: "What is put into the slot would be left out without a word.",
    mend: "Apply it, or take the slot out.",
    wrong: "block f() < norm > {\n  input x: [..., d]\n  output x\n}",
    right: "block f() < norm > {\n  input x: [..., d]\n  output x -> norm\n}",
  }),
  "name/shadowed": entry<{ name: string; by: string }>({
    severity: "warning",
    message: (p) => `${p.name} hides ${p.by} of the same name`,
    why: "Inside this block the name now means something else than outside; a reader expects the other.",
    mend: "Choose another name.",
    wrong: "block f() {\n  input x: [..., d]\n  let gelu = x + 1\n  output gelu\n}",
    right: "block f() {\n  input x: [..., d]\n  let moved = x + 1\n  output moved\n}",
  }),
} as const;
