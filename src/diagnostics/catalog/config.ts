import { entry } from "../diagnostic.ts";

export const configCodes = {
  "config/unknown-family": entry<{ config: string; type: string | undefined }>({
    severity: "error",
    message: (p) =>
      `no checkpoint map takes ${p.config}${p.type === undefined ? "" : `, whose model_type is "${p.type}"`}`,
    why: "A `checkpoint` declaration says from which configs a model is made, and how stored tensors become its weights.",
    mend: "Write a family file of your own, a model and a map, and give it with --use.",
    wrong: '{ "model_type": "unheard_of" }',
    right: 'checkpoint for my_model when config.model_type == "unheard_of" { hidden = config.hidden_size }',
  }),
  "config/unknown-class": entry<{ name: string; config: string; model: string }>({
    severity: "warning",
    message: (p) =>
      `${p.config} names the class ${p.name}, which the map does not know; the base model ${p.model} is compiled`,
    why: "The class in `architectures` picks the head.",
    mend: 'Add a line `class "TheClass" => model { }` to the map.',
    wrong: '{ "architectures": ["SomethingElse"] }',
    right: 'class "SomethingElse" => my_model { }',
  }),
  "config/unsupported": entry<{ key: string; found: string; config: string }>({
    severity: "error",
    message: (p) => `${p.config} sets ${p.key} to ${p.found}, which this model does not compute`,
    why: "The map requires a value of this key. Compiling all the same would give wrong numbers without a word.",
    mend: "Extend the family's model, or compile another checkpoint.",
    wrong: '{ "position_embedding_type": "relative_key" }',
    right: '{ "position_embedding_type": "absolute" }',
  }),
  "config/unread": entry<{ key: string; value: string; config: string; map: string }>({
    severity: "warning",
    message: (p) => `${p.config} sets ${p.key} = ${p.value}, which the map of ${p.map} does not read`,
    why: "Whatever a config asks for is read, or known to change nothing, or said by name.",
    mend: 'Read it in the map, or add `ignore "config.key"` if it changes nothing of what the model computes.',
    wrong: '{ "logit_scale": 0.5 }',
    right: "{ }",
  }),
  "config/no-setting": entry<{ name: string; model: string }>({
    severity: "error",
    message: (p) => `${p.model} has no setting ${p.name}`,
    why: "A line `name = value` of a map gives a setting of the model.",
    mend: "Correct the name.",
    wrong: 'checkpoint for m when config.model_type == "m" { hiden = config.hidden_size }',
    right: 'checkpoint for m when config.model_type == "m" { hidden = config.hidden_size }',
  }),
  "config/unmapped-weight": entry<{ path: string; map: string }>({
    severity: "error",
    message: (p) => `the map of ${p.map} has no line for the weight ${p.path}`,
    why: "Every weight of the model is read from somewhere in the checkpoint.",
    mend: 'Add a line: `path = "name in the file"`.',
    wrong: 'checkpoint for m when config.model_type == "m" { }',
    right: 'checkpoint for m when config.model_type == "m" { proj.weight = "proj.weight" }',
  }),
  "map/not-alike": entry<{ names: readonly [string, string]; file: string }>({
    severity: "warning",
    message: (p) =>
      `config.json says that ${p.names[0]} and ${p.names[1]} are one, and ${p.file} has both, with different numbers; they are not tied`,
    why: "A checkpoint that was trained with a head of its own, and saved with a config that ties it, is only right with both.",
    mend: 'Set "tie_word_embeddings": false in config.json.',
    wrong: '{ "tie_word_embeddings": true } beside a head that differs from the embeddings',
    right: '{ "tie_word_embeddings": false }',
  }),
  "map/shape": entry<{ tensor: string; file: string; found: readonly number[]; wanted: readonly string[] }>({
    severity: "error",
    message: (p) =>
      `${p.tensor} in ${p.file} has the shape [${p.found.join(", ")}]; the model needs [${p.wanted.join(", ")}]`,
    why: "A stored tensor has the axes of its weight, neighbours merged; or those that a pattern in brackets names.",
    mend: "Check that config.json belongs to these weights, and that the map names the right axes.",
    wrong: '{ "hidden_size": 32 } for a tensor of width 64',
    right: '{ "hidden_size": 64 }',
  }),
  "map/axes": entry<{ path: string; found: readonly string[]; wanted: readonly string[] }>({
    severity: "error",
    message: (p) => `the map gives ${p.path} the axes ${p.found.join(", ")}; it has ${p.wanted.join(", ")}`,
    why: "What stands on the right of a map's line has the axes of the weight on the left.",
    mend: "Pick, slice or rename until it does.",
    wrong: 'q.weight = "qkv.weight"[(part = 3, heads, head_dim), hidden\']',
    right: 'q.weight = "qkv.weight"[(part = 3, heads, head_dim), hidden\'][part = 0]',
  }),
  "map/not-float": entry<{ tensor: string; file: string; dtype: string }>({
    severity: "error",
    message: (p) => `${p.tensor} in ${p.file} is stored as ${p.dtype}`,
    why: "Weights are read as float64, float32, float16 or bfloat16; whole numbers are quantised and need their scales.",
    mend: "Use the checkpoint from before quantisation.",
    wrong: "I8",
    right: "BF16",
  }),
  "map/missing": entry<{ path: string; names: readonly string[]; file: string }>({
    severity: "error",
    message: (p) => `${p.file} has no ${p.names.join(" or ")}, which ${p.path} needs`,
    why: "A weight that is not there would have to be made up.",
    mend: "Check that the checkpoint is complete, and of the class that config.json names.",
    wrong: "a file without model.norm.weight",
    right: "a file with it",
  }),
  "map/unread": entry<{ names: readonly string[]; file: string; model: string }>({
    severity: "warning",
    message: (p) =>
      `${p.file} holds ${p.names[0]!}${p.names.length > 1 ? ` and ${p.names.length - 1} more of its kind` : ""}, which ${p.model} does not use`,
    why: "A stored tensor that no weight takes may mean that the model lacks a part.",
    mend: "Extend the model, or `ignore` the name in the map.",
    wrong: "q_proj.bias in a model without biases",
    right: 'ignore "*.inv_freq"',
  }),
} as const;
