/** @file What keeps a client from opening a compiled folder, by the client's own rules. */
import { entry } from "../diagnostic.ts";

export const clientCodes = {
  "client/no-role": entry<{ client: string; what: string }>({
    severity: "error",
    message: (p) => `${p.client} does not run ${p.what}`,
    why: "Each client runs some kinds of models: encoders, models that generate, encoder-decoders. A folder of another kind would not open.",
    mend: "Choose another client, or leave `--for` out: `tfm run` runs every model.",
    wrong: "tfm compile my-bert -o out --for genai",
    right: "tfm compile my-bert -o out --for transformers.js",
  }),
  "client/no-type": entry<{ client: string; type: string }>({
    severity: "error",
    message: (p) => `${p.client} has no model type ${p.type}, and the family's file names no type near it`,
    why: "A client chooses its code by the model's type, a word in the config. A type that it does not know ends in an error when the folder is opened.",
    mend: 'Name the nearest type that the client knows in the family\'s checkpoint map: `client "genai" => "llama"`. It is right where the model takes and gives the same; the folder is checked by that type\'s rules.',
    wrong: 'checkpoint for mine when config.model_type == "mine" { ... }',
    right: 'checkpoint for mine when config.model_type == "mine" { client "genai" => "llama" ... }',
  }),
  "client/no-dtype": entry<{ client: string; dtype: string }>({
    severity: "error",
    message: (p) => `${p.client} has no file name for a model of ${p.dtype}`,
    why: "The client finds the file by the type of its numbers: it is part of the file's name.",
    mend: "Compile with another type of numbers.",
    wrong: "tfm compile my-model -o out --dtype bfloat16 --for transformers.js",
    right: "tfm compile my-model -o out --for transformers.js",
  }),
  "client/missing-file": entry<{ client: string; file: string; purpose: string }>({
    severity: "error",
    message: (p) => `${p.file} is missing: ${p.client} needs it ${p.purpose}`,
    why: "The client opens this file by its name and stops where there is none.",
    mend: "Add the file, or compile again from a checkpoint folder that has it.",
    wrong: "out/ with config.json and onnx/model.onnx",
    right: "out/ with config.json, tokenizer.json, tokenizer_config.json and onnx/model.onnx",
  }),
  "client/no-tokenizer": entry<{ client: string; file: string }>({
    severity: "warning",
    message: (p) => `there is no ${p.file}: ${p.client} opens the folder, but takes only numbers of tokens, no text`,
    why: "Tokens are not made by the model. The tokenizer's files come from the checkpoint folder, and this one has none.",
    mend: "Put tokenizer.json and tokenizer_config.json into the checkpoint's folder and compile again.",
    wrong: "a checkpoint with config.json and model.safetensors only",
    right: "a checkpoint with its tokenizer.json",
  }),
  "client/config": entry<{ file: string; reason: string }>({
    severity: "error",
    message: (p) => `${p.file} cannot be used: ${p.reason}`,
    why: "The client reads this file first.",
    mend: "Correct it, or compile again.",
    wrong: '{ "model": ',
    right: '{ "model": { "type": "llama" } }',
  }),
  "client/model-file": entry<{ file: string; reason: string }>({
    severity: "error",
    message: (p) => `${p.file} is no model: ${p.reason}`,
    why: "The runtime reads the file as a protobuf of ONNX.",
    mend: "Compile again, or download the file again; Git LFS leaves a page of text where a large file should be.",
    wrong: "version https://git-lfs.github.com/spec/v1",
    right: "a file of ONNX",
  }),
  "client/unknown-key": entry<{ client: string; file: string; key: string }>({
    severity: "error",
    message: (p) => `${p.file} has the key ${p.key}, which ${p.client} does not know`,
    why: "This client refuses a config with a key that it does not know, wherever it stands.",
    mend: "Remove the key, or correct its name.",
    wrong: '{ "model": { "type": "llama", "modle_size": 7 } }',
    right: '{ "model": { "type": "llama" } }',
  }),
  "client/wrong-value": entry<{ file: string; key: string; found: string; wanted: string }>({
    severity: "error",
    message: (p) => `${p.key} in ${p.file} is ${p.found}, not ${p.wanted}`,
    why: "The client reads a value of another kind there.",
    mend: "Correct the value.",
    wrong: '{ "model": { "context_length": "4096" } }',
    right: '{ "model": { "context_length": 4096 } }',
  }),
  "client/unknown-type": entry<{ client: string; file: string; key: string; type: string }>({
    severity: "error",
    message: (p) => `${p.key} in ${p.file} is ${p.type}, a type that ${p.client} does not know`,
    why: "A client chooses its code by the model's type. An unknown type is refused, or opened without a cache.",
    mend: "Write a type that the client knows and whose inputs and outputs are the same.",
    wrong: '{ "model_type": "openai-gpt" }',
    right: '{ "model_type": "gpt2" }',
  }),
  "client/layers": entry<{ file: string; key: string; stated: string; found: number; what: string }>({
    severity: "error",
    message: (p) => `${p.key} in ${p.file} says ${p.stated}, and the model has ${p.found} ${p.what}`,
    why: "The client builds the empty cache from these numbers: with other ones the model gets too few inputs, or inputs of another shape.",
    mend: "Write the model's own number, or compile again.",
    wrong: '"num_hidden_layers": 32 beside a model with 30 layers',
    right: '"num_hidden_layers": 30',
  }),
  "client/cache-axis": entry<{
    client: string;
    model: string;
    port: string;
    axis: number;
    found: string;
    wanted: string;
  }>({
    severity: "error",
    message: (p) => `axis ${p.axis} of ${p.port} in ${p.model} is ${p.found}, not ${p.wanted}`,
    why: "Some clients build the empty cache from the shapes that the model declares, and take every name that they do not know for 0: a cache without heads, or without width, and an error in the first step.",
    mend: "Export the model with fixed heads and width and rows called batch_size; tfm does.",
    wrong: "past_key_values.0.key: float32[batch, kv_heads, past, head_dim]",
    right: "past_key_values.0.key: float32[batch_size, 8, past_sequence_length, 64]",
  }),
  "client/state": entry<{ client: string; model: string; name: string; layer: number }>({
    severity: "error",
    message: (p) => `${p.model} lacks ${p.name}, which ${p.client} expects of layer ${p.layer}`,
    why: "What one step puts out as present is the next step's past; the client pairs them by their names.",
    mend: "Export past and present of every layer under the names that the client pairs.",
    wrong: "past_key_values.0.key without present.0.key",
    right: "past_key_values.0.key and present.0.key",
  }),
  "client/undeclared-data": entry<{ client: string; file: string; model: string; declared: number; needed: number }>({
    severity: "error",
    message: (p) =>
      `${p.model} keeps its weights in ${p.needed === 1 ? "a data file" : `${p.needed} data files`}, and ${p.file} declares ${p.declared === 0 ? "none" : p.declared}`,
    why: "In a browser the client fetches only the data files that the config declares; the session then fails for the missing weights.",
    mend: 'Declare them: `"transformers.js_config": { "use_external_data_format": { "model.onnx": 1 } }`.',
    wrong: '{ "model_type": "llama" } beside onnx/model.onnx_data',
    right: '{ "model_type": "llama", "transformers.js_config": { "use_external_data_format": true } }',
  }),
  "client/data-name": entry<{ client: string; model: string; found: string; wanted: string }>({
    severity: "error",
    message: (p) => `${p.model} refers to ${p.found}, and ${p.client} looks for ${p.wanted}`,
    why: "The client calls data files after the model's file, and hands them to the runtime under that name.",
    mend: "Compile again with `--for`; renaming the file alone is not enough, the model names it too.",
    wrong: "onnx/model.onnx that refers to weights.bin",
    right: "onnx/model.onnx that refers to model.onnx_data",
  }),
  "client/truncated-data": entry<{ file: string; found: number; needed: number }>({
    severity: "error",
    message: (p) => `${p.file} has ${p.found} bytes, and the model reads up to byte ${p.needed}`,
    why: "The weights at the end are missing: the file was not copied or downloaded whole.",
    mend: "Copy it again, or compile again.",
    wrong: "a download that broke off",
    right: "the whole file",
  }),
  "client/input": entry<{ client: string; model: string; port: string; reason: string }>({
    severity: "error",
    message: (p) => `${p.client} cannot feed the input ${p.port} of ${p.model}: ${p.reason}`,
    why: "A client feeds the inputs that it knows. A session that declares another one fails for the missing input.",
    mend: "Give the input a default that the model computes itself, or run the model with `tfm run`.",
    wrong: "input prefix_length: int[batch]",
    right: "input attention_mask: bool[batch, seq] = true",
  }),
  "client/output": entry<{ client: string; model: string; wanted: readonly string[] }>({
    severity: "warning",
    message: (p) => `${p.model} puts out none of ${p.wanted.join(", ")}, which ${p.client} reads`,
    why: "The client's tasks read outputs by these names. Code that reads the model's outputs itself can use others.",
    mend: "Name the class whose head you want in the config's architectures and compile again.",
    wrong: "outputs prediction_logits, seq_relationship_logits",
    right: "outputs logits",
  }),
};
