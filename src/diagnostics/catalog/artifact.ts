/** @file What can be wrong with the folder that a model is compiled to: when it is written, and when it is opened again. */
import { entry } from "../diagnostic.ts";

export const artifactCodes = {
  "artifact/is-file": entry<{ out: string }>({
    severity: "error",
    message: (p) => `${p.out} is a file; a compiled model is a folder`,
    why: "A model, its weights, its tokenizer and its record stand together in one folder.",
    mend: "Give the name of a folder; it is made where it does not exist.",
    wrong: "tfm compile my-model -o model.onnx // where model.onnx is a file",
    right: "tfm compile my-model -o out",
  }),
  "artifact/occupied": entry<{ out: string; example: string }>({
    severity: "error",
    message: (p) =>
      `${p.out} already holds ${p.example}, and no tfm.json of ours says that tfm wrote it; nothing in it was touched`,
    why: "A folder that tfm wrote before is replaced as a whole. Any other would lose its files.",
    mend: "Choose another folder, or empty this one.",
    wrong: "tfm compile my-model -o ~/documents",
    right: "tfm compile my-model -o ~/documents/compiled",
  }),
  "artifact/foreign-files": entry<{ out: string; files: readonly string[] }>({
    severity: "error",
    message: (p) =>
      `${p.out} holds ${p.files[0]!}${p.files.length > 1 ? ` and ${p.files.length - 1} more` : ""} beside what tfm wrote; nothing in it was touched`,
    why: "A folder that tfm wrote before is replaced as a whole, and what was put there since would be lost.",
    mend: "Move those files away, or choose another folder.",
    wrong: "out/ with model.onnx, tfm.json and notes.txt",
    right: "out/ with what its tfm.json names",
  }),
  "artifact/checkpoint-folder": entry<{ out: string; checkpoint: string; how: "is" | "lies in" | "contains" }>({
    severity: "error",
    message: (p) => `the output folder ${p.out} ${p.how} the checkpoint's folder ${p.checkpoint}`,
    why: "What is compiled is never mixed with what it is compiled from: the output is replaced as a whole when it is written again.",
    mend: "Choose a folder beside the checkpoint.",
    wrong: "tfm compile my-model -o my-model",
    right: "tfm compile my-model -o my-model-onnx",
  }),
  "artifact/cannot-write": entry<{ out: string; file: string; reason: string }>({
    severity: "error",
    message: (p) =>
      `${p.file === "" ? p.out : `${p.file} in ${p.out}`} cannot be written: ${p.reason}; nothing was left behind`,
    why: "The operating system refused.",
    mend: "Check the path and its permissions, or choose another folder.",
    wrong: "tfm compile my-model -o /proc/out",
    right: "tfm compile my-model -o out",
  }),
  "artifact/disk-full": entry<{ out: string; needed: number; free: number }>({
    severity: "error",
    message: (p) =>
      `there is no room for ${p.out}: ${p.needed} bytes are to be written, and ${p.free} are free; nothing was left behind`,
    why: "Weights that cannot be linked as they lie are written anew, and need as much room as they have bytes.",
    mend: "Free some room, or choose a folder on another disk. On the disk of the checkpoint itself its files are linked and take no room.",
    wrong: "tfm compile my-model -o /small-disk/out",
    right: "tfm compile my-model -o /large-disk/out",
  }),
  "artifact/record": entry<{ folder: string; reason: string }>({
    severity: "error",
    message: (p) => `tfm.json in ${p.folder} cannot be used: ${p.reason}`,
    why: "tfm.json says what the model takes and gives. It is written by `tfm compile` and not meant to be edited.",
    mend: "Compile the model again.",
    wrong: '{ "version": 1 }',
    right: "the tfm.json that `tfm compile` wrote",
  }),
  "artifact/version": entry<{ folder: string; found: number; known: number }>({
    severity: "error",
    message: (p) =>
      `${p.folder} was written by ${p.found > p.known ? "a newer" : "an older"} tfm: its tfm.json has version ${p.found}, and this one reads ${p.known}`,
    why: "What tfm.json holds may change from version to version; the number says which it is.",
    mend: "Compile the model again with this tfm, or run it with the one that compiled it.",
    wrong: '{ "version": 99 }',
    right: '{ "version": 1 }',
  }),
  "artifact/missing-file": entry<{ folder: string; file: string }>({
    severity: "error",
    message: (p) => `${p.folder} lacks ${p.file}, which its tfm.json names`,
    why: "A compiled model is whole only with all files that were written.",
    mend: "Copy the whole folder, or compile again.",
    wrong: "out/ without model.safetensors",
    right: "out/ with every file of its tfm.json",
  }),
  "artifact/file-size": entry<{ folder: string; file: string; found: number; wanted: number; linked: boolean }>({
    severity: "error",
    message: (p) =>
      `${p.file} in ${p.folder} has ${p.found} bytes; when it was ${p.linked ? "linked" : "written"} it had ${p.wanted}`,
    why: "The model refers to places in this file, which have moved if it has changed. A linked file is the checkpoint's own: whoever changes one changes both.",
    mend: "Compile again.",
    wrong: "training on, into the same model.safetensors that the artifact links",
    right: "saving to another folder",
  }),
  "artifact/damaged": entry<{ folder: string; file: string; reason: string }>({
    severity: "error",
    message: (p) => `${p.file} in ${p.folder} is damaged: ${p.reason}`,
    why: "The model is no ONNX, does not have the inputs that tfm.json states, or refers to bytes that its files do not have.",
    mend: "Compile again.",
    wrong: "a model.onnx that was cut short",
    right: "the model.onnx that `tfm compile` wrote",
  }),
  "artifact/no-runtime": entry<{ folder: string; target: string }>({
    severity: "error",
    message: (p) => `${p.folder} was compiled for ${p.target}, which \`tfm run\` does not run`,
    why: "`tfm run` runs ONNX in ONNX Runtime. Other artifacts run where they were made for.",
    mend: "Compile with -t onnx to run it here.",
    wrong: "tfm run out // of another target",
    right: "tfm compile my-model -o out && tfm run out",
  }),
} as const;
