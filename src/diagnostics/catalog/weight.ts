/** @file What can be wrong with the files that hold weights. Whether they fit a model is said by the codes of `config.ts`. */
import { entry } from "../diagnostic.ts";

const AGAIN = "Download the file again, and compare its size with what the publisher states.";
const HEADER =
  "A safetensors file begins with eight bytes that say how long its header is; the header is JSON that says where each tensor lies.";

export const weightCodes = {
  "weight/no-such-path": entry<{ path: string }>({
    severity: "error",
    message: (p) => `there are no weights at ${p.path}: nothing is there`,
    why: "Weights are read from a checkpoint folder, a .safetensors file or its index.",
    mend: "Correct the path. Paths are read from where the command runs.",
    wrong: "tfm compile model.tfm -w my-modle -o out",
    right: "tfm compile model.tfm -w my-model -o out",
  }),
  "weight/unreadable": entry<{ file: string; reason: string }>({
    severity: "error",
    message: (p) => `${p.file} cannot be read: ${p.reason}`,
    why: "The operating system refused.",
    mend: "Check the path and its permissions.",
    wrong: "chmod 000 my-model/model.safetensors",
    right: "chmod 644 my-model/model.safetensors",
  }),
  "weight/changed": entry<{ file: string; tensor: string }>({
    severity: "error",
    message: (p) => `${p.file} was changed while ${p.tensor} was read from it`,
    why: "The header was read and checked first; what it says need not hold of a file that another program is writing.",
    mend: "Wait until the download or the training that writes the file is done.",
    wrong: "compiling while the checkpoint is being saved",
    right: "compiling afterwards",
  }),
  "weight/no-file": entry<{ folder: string }>({
    severity: "error",
    message: (p) => `${p.folder} holds no .safetensors file`,
    why: "Weights are read from model.safetensors, or from the files that model.safetensors.index.json names.",
    mend: "Download the weights too; a config.json alone has none. Without -w, a .tfm model is compiled with drawn weights.",
    wrong: "my-model/ with config.json only",
    right: "my-model/ with config.json and model.safetensors",
  }),
  "weight/pickle": entry<{ folder: string; file: string }>({
    severity: "error",
    message: (p) => `${p.folder} has its weights in ${p.file}, which is not safetensors`,
    why: "Files of pickled Python objects are programs: to read one is to run it. They are not opened.",
    mend: "Most publishers offer safetensors too. If not, convert with `AutoModel.from_pretrained(FOLDER).save_pretrained(NEW_FOLDER)` where you trust the file.",
    wrong: "my-model/pytorch_model.bin",
    right: "my-model/model.safetensors",
  }),
  "weight/which-file": entry<{ folder: string; files: readonly string[] }>({
    severity: "error",
    message: (p) =>
      `${p.folder} holds ${p.files.length} .safetensors files, and neither a model.safetensors nor an index`,
    why: "Which of several files make up the checkpoint is said by model.safetensors.index.json.",
    mend: "Download the index too, or name the one file: `-w FOLDER/FILE.safetensors`.",
    wrong: "my-model/ with model-00001-of-00002.safetensors and model-00002-of-00002.safetensors",
    right: "the same with model.safetensors.index.json",
  }),
  "weight/not-safetensors": entry<{ file: string; what: string }>({
    severity: "error",
    message: (p) => `${p.file} is no safetensors file but ${p.what}`,
    why: "A clone without git LFS leaves short texts in place of large files; a failed download may leave a web page; and a file may have been renamed.",
    mend: "Get the file itself: `git lfs pull` in the clone, or download it again.",
    wrong: "version https://git-lfs.github.com/spec/v1",
    right: "a file of the size that the publisher states",
  }),
  "weight/cut-short": entry<{ file: string; bytes: number; needed: number }>({
    severity: "error",
    message: (p) => `${p.file} is cut short: it has ${p.bytes} bytes, and its header ends at byte ${p.needed}`,
    why: HEADER,
    mend: AGAIN,
    wrong: "a file of 100 bytes whose header takes 2000",
    right: "the whole file",
  }),
  "weight/header-length": entry<{ file: string; length: string; limit: number }>({
    severity: "error",
    message: (p) => `${p.file} says that its header is ${p.length} bytes long, and no more than ${p.limit} are allowed`,
    why: `${HEADER} One that is longer than 100 MB is that of no model: the file is damaged, or made to exhaust the memory of who reads it.`,
    mend: AGAIN,
    wrong: "00 00 00 00 00 00 00 10 (2^60 bytes)",
    right: "80 02 00 00 00 00 00 00 (640 bytes)",
  }),
  "weight/header-json": entry<{ file: string; reason: string; column: number }>({
    severity: "error",
    message: (p) => `the header of ${p.file} is no JSON: ${p.reason} (character ${p.column})`,
    why: HEADER,
    mend: AGAIN,
    wrong: '{"proj.weight": {"dtype": "F32", "shape": [2',
    right: '{"proj.weight": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}}',
  }),
  "weight/header-form": entry<{ file: string; found: string }>({
    severity: "error",
    message: (p) => `the header of ${p.file} is ${p.found}; it should be an object that has an entry for each tensor`,
    why: HEADER,
    mend: "Save the checkpoint again with the safetensors library.",
    wrong: "[]",
    right: '{"proj.weight": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}}',
  }),
  "weight/duplicate": entry<{ file: string; tensor: string; key: string }>({
    severity: "error",
    message: (p) =>
      p.key === p.tensor
        ? `${p.file} has ${p.tensor} twice`
        : `the entry of ${p.tensor} in ${p.file} has ${p.key} twice`,
    why: "Which of two tensors of one name is meant cannot be known: other readers may take either.",
    mend: "Save the checkpoint again with the safetensors library, which writes each name once.",
    wrong: '{"w": {...}, "w": {...}}',
    right: '{"w": {...}}',
  }),
  "weight/entry": entry<{ file: string; tensor: string; reason: string }>({
    severity: "error",
    message: (p) => `the entry of ${p.tensor} in ${p.file} cannot be read: ${p.reason}`,
    why: "The entry of a tensor has a dtype (text), a shape (a list of whole numbers) and data_offsets (where its bytes begin and end).",
    mend: "Save the checkpoint again with the safetensors library.",
    wrong: '{"w": {"dtype": "F32", "shape": [2, -2], "data_offsets": [0, 16]}}',
    right: '{"w": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}}',
  }),
  "weight/dtype": entry<{ file: string; tensor: string; dtype: string; known: readonly string[] }>({
    severity: "error",
    message: (p) => `${p.tensor} in ${p.file} has the dtype ${p.dtype}, which is not read`,
    why: "Tensors are read as F64, F32, F16, BF16 or whole numbers of up to 64 bits. Other types belong to quantised checkpoints, whose numbers mean nothing without their scales.",
    mend: "Use the checkpoint from before quantisation.",
    wrong: '{"dtype": "F8_E4M3"}',
    right: '{"dtype": "BF16"}',
  }),
  "weight/bytes": entry<{
    file: string;
    tensor: string;
    dtype: string;
    shape: readonly number[];
    needed: string;
    has: number;
  }>({
    severity: "error",
    message: (p) =>
      `${p.tensor} in ${p.file} is ${p.dtype} [${p.shape.join(", ")}], which takes ${p.needed} bytes; its entry gives it ${p.has}`,
    why: "The shape and the dtype of a tensor say how many bytes it has, and so do its offsets. The two must agree.",
    mend: "Save the checkpoint again with the safetensors library.",
    wrong: '{"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 8]}',
    right: '{"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}',
  }),
  "weight/range": entry<{ file: string; tensor: string; begin: number; end: number; bytes: number }>({
    severity: "error",
    message: (p) =>
      p.begin > p.end
        ? `${p.tensor} in ${p.file} begins at byte ${p.begin} and ends before, at ${p.end}`
        : `${p.tensor} lies at bytes ${p.begin} to ${p.end} of the data in ${p.file}, which are ${p.bytes}`,
    why: "A tensor lies inside its file. Where it does not, the file is usually cut short.",
    mend: AGAIN,
    wrong: "an interrupted download",
    right: "the whole file",
  }),
  "weight/overlap": entry<{ file: string; first: string; second: string; byte: number }>({
    severity: "error",
    message: (p) => `${p.first} and ${p.second} overlap in ${p.file}, from byte ${p.byte} of the data on`,
    why: "No two tensors share bytes in a safetensors file; where they do, one of the two entries is wrong.",
    mend: "Save the checkpoint again with the safetensors library; tied tensors are stored once.",
    wrong: '{"a": {..., "data_offsets": [0, 16]}, "b": {..., "data_offsets": [8, 24]}}',
    right: '{"a": {..., "data_offsets": [0, 16]}, "b": {..., "data_offsets": [16, 32]}}',
  }),
  "weight/index": entry<{ file: string; reason: string }>({
    severity: "error",
    message: (p) => `${p.file} is no index of weights: ${p.reason}`,
    why: "An index is a JSON object whose weight_map gives the file of each tensor.",
    mend: "Download the index again.",
    wrong: '{"weight_map": ["model-00001-of-00002.safetensors"]}',
    right: '{"weight_map": {"proj.weight": "model-00001-of-00002.safetensors"}}',
  }),
  "weight/index-path": entry<{ index: string; tensor: string; file: string }>({
    severity: "error",
    message: (p) =>
      `${p.index} puts ${p.tensor} in ${JSON.stringify(p.file)}, which is no name of a .safetensors file beside it`,
    why: "The files of a checkpoint lie in one folder. A name that leads elsewhere could make any file of this machine part of the model.",
    mend: "Correct the name, or download the index again.",
    wrong: '{"weight_map": {"proj.weight": "../other/model.safetensors"}}',
    right: '{"weight_map": {"proj.weight": "model-00001-of-00002.safetensors"}}',
  }),
  "weight/index-missing-file": entry<{ index: string; file: string; tensors: number }>({
    severity: "error",
    message: (p) => `${p.index} puts ${p.tensors} tensor${p.tensors === 1 ? "" : "s"} in ${p.file}, which is not there`,
    why: "A checkpoint in several files is only whole with all of them.",
    mend: "Download the missing file.",
    wrong: "my-model/ without model-00002-of-00002.safetensors",
    right: "my-model/ with every file of its index",
  }),
  "weight/index-missing-tensor": entry<{ index: string; tensor: string; file: string }>({
    severity: "error",
    message: (p) => `${p.index} puts ${p.tensor} in ${p.file}, whose header does not have it`,
    why: "The index and the files do not belong together, or one of them is damaged.",
    mend: "Download the index and the files again, all from the same revision.",
    wrong: "an index of one revision beside files of another",
    right: "all files of one revision",
  }),
} as const;
