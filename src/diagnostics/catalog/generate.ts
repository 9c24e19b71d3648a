/** @file What can be wrong where a compiled model generates. */
import { entry } from "../diagnostic.ts";

export const generateCodes = {
  "generate/cannot": entry<{ folder: string; reason: string }>({
    severity: "error",
    message: (p) => `the model in ${p.folder} cannot generate: ${p.reason}`,
    why: "A model that generates takes tokens, gives scores of the next one for each, and hands on what later steps need of earlier ones.",
    mend: "Compile a model that `grows` along its sequence, and leave `--no-cache` out.",
    wrong: "tfm generate bert --prompt Hello",
    right: "tfm compile my-llama -o out && tfm generate out --prompt Hello",
  }),
  "generate/step": entry<{ reason: string }>({
    severity: "error",
    message: (p) => `this step cannot be taken: ${p.reason}`,
    why: "All rows of a batch take a step together; each has at least one token, and no more than the model has places for.",
    mend: "Give a row for each that there is, with tokens of the vocabulary; begin anew where the sequence is as long as the model allows.",
    wrong: "decoder.step([[]])",
    right: "decoder.step([[1, 2, 3]])",
  }),
  "generate/tokenizer": entry<{ folder: string; reason: string }>({
    severity: "error",
    message: (p) => `text cannot be read or written with ${p.folder}: ${p.reason}`,
    why: "Models take numbers of tokens. Which text has which number is in the checkpoint's tokenizer.json, which lies beside the compiled model.",
    mend: "Put the checkpoint's tokenizer.json and tokenizer_config.json into the folder. The compiled model itself stays as it is.",
    wrong: 'tfm generate out --prompt "And" (without out/tokenizer.json)',
    right: 'tfm generate out --prompt "And" (with out/tokenizer.json)',
  }),
  "generate/task": entry<{ folder: string; task: string; reason: string }>({
    severity: "error",
    message: (p) => `${p.folder} cannot be given texts for ${p.task}: ${p.reason}`,
    why: "A task says in which form its texts become tokens. The forms are the family's: `task` entries of its checkpoint map.",
    mend: "Name a task that the family has and give the texts that its form asks for, --text and --pair.",
    wrong: "tfm run out --task entailment --text A",
    right: "tfm run out --task entailment --text A --pair B",
  }),
  "generate/defaults": entry<{ path: string; reason: string }>({
    severity: "error",
    message: (p) => `${p.path} says how to generate in a way that cannot be done: ${p.reason}`,
    why: "A checkpoint's generation_config.json says how its publisher generates: temperature, top_k, top_p, the tokens that end a text. It is followed where the command line says nothing else.",
    mend: "Correct the value in the file, or take the file out of the folder: then the best token is taken at each step.",
    wrong: '{ "do_sample": true, "temperature": -1 }',
    right: '{ "do_sample": true, "temperature": 0.7 }',
  }),
  "generate/unread": entry<{ folder: string; keys: readonly string[] }>({
    severity: "warning",
    message: (p) => `the generation_config.json of ${p.folder} asks for ${p.keys.join(", ")}, which is not done here`,
    why: "Tokens are taken one at a time, the best or a drawn one. A search with beams, or rules that forbid some words, may give another text than the publisher's program.",
    mend: "Take the text as it is, or make the folder for a client that does it (`--for`).",
    wrong: '{ "num_beams": 4 }',
    right: '{ "num_beams": 1 }',
  }),
  "generate/option": entry<{ option: string; reason: string }>({
    severity: "error",
    message: (p) => `${p.option} cannot be used: ${p.reason}`,
    why: "Sampling options have ranges in which they mean something.",
    mend: "Give a value in the range that is named.",
    wrong: "tfm generate out --prompt And --top-p 1.5",
    right: "tfm generate out --prompt And --top-p 0.9",
  }),
};
