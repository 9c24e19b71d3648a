import { entry } from "../diagnostic.ts";

const plain = "model m(hidden = 64, heads = 4) {\n  input x: float[batch, seq, hidden]\n";

export const modelCodes = {
  "model/unknown": entry<{ name: string }>({
    severity: "error",
    message: (p) => `there is no model ${p.name}`,
    why: "A model is extended, preset or chosen by its name; models of the library's families are seen after `use std.families.NAME`.",
    mend: "Correct the name, or `use` the file that declares it.",
    wrong: "model mine = llamma(layers = 2)",
    right: "use std.families.llama\nmodel mine = llama(layers = 2)",
  }),
  "model/none": entry<{ file: string }>({
    severity: "error",
    message: (p) => `${p.file} declares no model`,
    why: "What is compiled is a model, or a bare stack of blocks.",
    mend: "Declare a model, or write a bare stack.",
    wrong: "op double(x) = x + x",
    right: `${plain}  output y = x + x\n}`,
  }),
  "model/which": entry<{ models: readonly string[] }>({
    severity: "error",
    message: (p) => `there are ${p.models.length} models here: ${p.models.join(", ")}`,
    why: "One model is compiled at a time.",
    mend: "Choose one with -m.",
    wrong: `${plain}  output y = x\n}\nmodel n(hidden = 64) {\n  input x: float[batch, hidden]\n  output y = x\n}`,
    right: `${plain}  output y = x\n}`,
  }),
  "model/objective-unknown": entry<{ name: string; model: string; known: readonly string[] }>({
    severity: "error",
    message: (p) => `there is no objective ${p.name} for ${p.model}`,
    why: "`--objective` names an objective that is declared for the model, for one that it extends, or for one that it presets.",
    mend: "Correct the name, or declare one: `objective next_token for my_model { ... }`.",
    wrong: `${plain}  output y = x\n}\nobjective small for n {\n  output loss = 0 * size(hidden)\n}`,
    right: `${plain}  output y = x\n}\nobjective small for m {\n  output loss = mean(mean(mean(y ^ 2, over = hidden), over = seq), over = batch)\n}`,
  }),
  "model/objective-output": entry<{ name: string; type: string }>({
    severity: "error",
    message: (p) => `the output ${p.name} of an objective is ${p.type}, which is not one number`,
    why: "Training makes one number small; what else an objective puts out are numbers that are watched beside it.",
    mend: "Take a mean or a sum over every axis.",
    wrong: `${plain}  output y = x\n}\nobjective small for m {\n  output loss = y ^ 2\n}`,
    right: `${plain}  output y = x\n}\nobjective small for m {\n  output loss = mean(mean(mean(y ^ 2, over = hidden), over = seq), over = batch)\n}`,
  }),
  "model/bare": entry({
    severity: "error",
    message: () => "this is no stack of blocks",
    why: "A text without declarations is one pipeline of blocks; it takes what its first block takes.",
    mend: "Begin with a block: `decoder x2 < mha, rmsnorm, mlp(gelu) >`.",
    wrong: "3 + 4",
    right: "encoder x2 < mha, layernorm, mlp(gelu) >",
  }),
  "model/preset": entry({
    severity: "error",
    message: () => "a preset names a model and its settings",
    why: "`model a = b(...)` is the model b with other settings.",
    mend: "Write `model small = that(layers = 2)`; a model with a body stands in `{ }`.",
    wrong: "model m = 3 + 4",
    right: "use std.families.llama\nmodel m = llama(layers = 2)",
  }),
  "model/no-output": entry<{ name: string }>({
    severity: "error",
    message: (p) => `${p.name} has no output`,
    why: "A block or model gives what stands behind `output`.",
    mend: "End it with `output ...`.",
    wrong: `${plain}}`,
    right: `${plain}  output y = x\n}`,
  }),
  "model/input-type": entry<{ name: string }>({
    severity: "error",
    message: (p) => `the input ${p.name} needs a dtype: int, float or bool`,
    why: "What enters the model from outside has a fixed type.",
    mend: "Write `int[batch, seq]`.",
    wrong: "model m(hidden = 64) {\n  input x: [batch, hidden]\n  output y = x\n}",
    right: "model m(hidden = 64) {\n  input x: float[batch, hidden]\n  output y = x\n}",
  }),
  "model/input-twice": entry<{ name: string }>({
    severity: "error",
    message: (p) => `two inputs are called ${p.name}`,
    why: "Inputs of the artifact are told apart by their names.",
    mend: 'Give one another name: `as "other"`.',
    wrong:
      'model m(hidden = 64) {\n  input x as "in": float[batch, hidden]\n  input z as "in": float[batch, hidden]\n  output y = x + z\n}',
    right:
      'model m(hidden = 64) {\n  input x as "in": float[batch, hidden]\n  input z as "other": float[batch, hidden]\n  output y = x + z\n}',
  }),
  "model/output-twice": entry<{ name: string }>({
    severity: "error",
    message: (p) => `two outputs are called ${p.name}`,
    why: "Outputs of the artifact are told apart by their names.",
    mend: "Name them: `output logits = ...`.",
    wrong: `${plain}  output y = x\n  output y = x + 1.0\n}`,
    right: `${plain}  output y = x\n  output z = x + 1.0\n}`,
  }),
  "model/output-kind": entry<{ name: string; found: string }>({
    severity: "error",
    message: (p) => `${p.name} puts out ${p.found}, which is no tensor`,
    why: "What leaves the model is computed from its inputs.",
    mend: "Apply the block: `x -> block`.",
    wrong: `${plain}  output y = gelu\n}`,
    right: `${plain}  output y = gelu(x)\n}`,
  }),
  "model/grows": entry<{ name: string }>({
    severity: "error",
    message: (p) => `the model cannot grow along ${p.name}`,
    why: "A model generates along an axis of its inputs whose size is open.",
    mend: "Name such an axis: `grows seq` with `int[batch, seq]`.",
    wrong: "model m(hidden = 64) grows hidden {\n  input x: float[batch, seq, hidden]\n  output y = x\n}",
    right: "model m(hidden = 64) grows seq {\n  input x: float[batch, seq, hidden]\n  output y = x\n}",
  }),
  "model/initialiser": entry({
    severity: "error",
    message: () => "this is no initialiser",
    why: "A weight that no checkpoint fills is drawn or constant.",
    mend: "Write zeros, ones, normal(0.02) or constant(0.5).",
    wrong:
      "block f() {\n  input x: [..., d]\n  param w: [d] = 3\n  output x * w\n}\nmodel m(hidden = 4) {\n  input x: float[batch, hidden]\n  output y = x -> f\n}",
    right:
      "block f() {\n  input x: [..., d]\n  param w: [d] = constant(3)\n  output x * w\n}\nmodel m(hidden = 4) {\n  input x: float[batch, hidden]\n  output y = x -> f\n}",
  }),
  "model/cache": entry<{ what: string }>({
    severity: "error",
    message: (p) => p.what,
    why: "With a cache a step sees only the new places; what reads the others must go through `keep`, which hands them on.",
    mend: "Use `keep[seq -> keys](x)` for what later places read, or compile whole sequences with --no-cache.",
    wrong:
      "model m(hidden = 64) grows seq {\n  input x: float[batch, seq, hidden]\n  output y = x - mean(x, over = seq)\n}",
    right:
      "model m(hidden = 64) grows seq {\n  input x: float[batch, seq, hidden]\n  output y = x - mean(x, over = hidden)\n}",
  }),
  "model/cache-without-growth": entry({
    severity: "error",
    message: () => "a cache is asked for, and the model does not say along which axis it grows",
    why: "Only a model that generates keeps anything from step to step.",
    mend: "Write `model m(...) grows seq { ... }`.",
    wrong: `${plain}  output y = x\n}`,
    right: "model m(hidden = 64) grows seq {\n  input x: float[batch, seq, hidden]\n  output y = x\n}",
  }),
} as const;
