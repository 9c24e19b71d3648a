/**
 * @file The commands and their options. A command's code is loaded when it is called, so that `--help` and `--version` load
 * nothing but this.
 */
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { reportBug } from "./bug.ts";
import { Exit, type ExitCode } from "./exit.ts";
import type { Io } from "./io.ts";
import { version } from "./version.ts";

/** Runs one command line (without the program's name) and gives its exit status. */
export async function runCli(argv: readonly string[], io: Io): Promise<number> {
  let status: ExitCode = Exit.ok;
  const program = commands(io, (code) => (status = code));
  try {
    await program.parseAsync(argv, { from: "user" });
    return status;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? Exit.ok : Exit.usage;
    reportBug(io, error, argv);
    return Exit.bug;
  }
}

const ABOUT_SOURCE = `
SOURCE is a .tfm file, a checkpoint folder (with its config.json), or left out:
a program on the command line stands after -e, a model of the library after -m.
`;
const ABOUT_EQUIV = `
Two SOURCEs, each a .tfm file, a checkpoint folder, a program after -e, or a model of the library after -m. Weights
correspond by path, then by shape. Of two checkpoints of one architecture, the tensors that differ are listed.
A SOURCE may also be a folder that \`tfm compile\` has written, for ONNX or TensorFlow.js: its files are read node by node,
and what they compute is compared. --with compiled does the same with a folder of its own.
`;
export const VARIANTS = ["optimized", "cached", "compiled"] as const;
export const TARGETS = ["onnx", "onnx-23", "onnx-17", "tfjs"] as const;
export const PROVIDERS = ["cpu", "wasm", "webgpu", "node", "cuda"] as const;
export const DTYPES = ["float32", "float16", "uint8"] as const;
export const LOGITS = ["all", "last"] as const;
export const CACHE_FORMS = ["whole", "rows", "shared"] as const;
export const BACKENDS = ["node", "webgpu", "wasm", "cpu"] as const;
export const THEMES = ["auto", "light", "dark"] as const;
export const STAGES = ["ast", "types", "graph", "optimized", "layout", "onnx", "tfjs"] as const;

function commands(io: Io, end: (code: ExitCode) => void): Command {
  const program = new Command("tfm")
    .description("Compiles .tfm, a concise language for model architectures, to models that run.")
    .version(version(), "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .configureOutput({ writeOut: (text) => io.out(text), writeErr: (text) => io.err(text) })
    .configureHelp({ helpWidth: Math.min(io.width, 110) })
    .showHelpAfterError("(add --help for what there is)")
    .exitOverride();

  const command = (name: string, description: string): Command =>
    program.command(name).description(description).option("--json", "print the result as JSON");

  withSource(command("compile [source]", "compile a model to a folder that ONNX Runtime opens"))
    .option("-o, --out <folder>", "where to put the compiled model")
    .option(
      "-w, --weights <path>",
      "a checkpoint folder, a .safetensors file or its index; without it weights are drawn",
    )
    .addOption(new Option("-t, --target <name>", "what to compile for").choices(TARGETS).default("onnx"))
    .addOption(
      new Option(
        "--provider <name>",
        "what the model runs on: cpu (default), webgpu or cuda with -t onnx, wasm, webgpu, node or cpu with -t tfjs (default: right on all)",
      ).choices(PROVIDERS),
    )
    .addOption(
      new Option(
        "--dtype <name>",
        "precision of weights; in onnx of products and caches too, other ports stay float32. uint8: matrices in a byte a number, with -t tfjs",
      )
        .choices(DTYPES)
        .default("float32"),
    )
    .option("--seed <n>", "seed of drawn weights", whole, 0)
    .addOption(
      new Option(
        "--cache [form]",
        "with past and present (default where the model generates); rows: the past in the client's buffers, new places out; shared: one buffer for both",
      )
        .choices(CACHE_FORMS)
        .preset("whole"),
    )
    .option("--no-cache", "whole sequences only")
    .addOption(
      new Option(
        "--logits <places>",
        "of a model that generates: what it gives at all places (default), or at the last",
      ).choices(LOGITS),
    )
    .option(
      "--size <name=n>",
      "fix a size that the inputs leave open, by the name that clients see: sequence_length=1; repeatable",
      collectSize,
      new Map<string, number>(),
    )
    .option("--no-optimize", "leave every rewrite out")
    .option("--explain", "say which rewrites fired where, which nearly did, and why not; without -o nothing else")
    .option(
      "--copy",
      "copy the checkpoint's files into the folder instead of hard-linking them: some tools refuse links",
    )
    .option("--for <clients>", "lay the folder out for these clients, with commas between them; a wrong name lists all")
    .addOption(new Option("--emit <stage>", "print a stage instead of writing a model").choices(STAGES))
    .action(async (source, options) => end(await (await import("./commands/compile.ts")).compile(io, source, options)));

  withSource(command("check [sources...]", "say all that is wrong, and what each model takes and gives"))
    .option("--for <clients>", "the sources are folders, whoever made them: would these clients open them?")
    .action(async (sources, options) => end(await (await import("./commands/check.ts")).check(io, sources, options)));

  command("test <files...>", "test the laws and rewrites of some files: proved, sampled, different or unknown")
    .option("--seed <n>", "seed of what is drawn; the same seed repeats a run exactly", whole, 0)
    .option("--budget <seconds>", "time for all laws together", whole, 120)
    .option("--counterexample <file>", "write the first counterexample as a program that fails in the same way")
    .option("--use <file>", "a module to read beside the standard library; repeatable", collect, [])
    .action(async (files, options) => end(await (await import("./commands/test.ts")).test(io, files, options)));

  command("equiv [sources...]", "are two models equal: a proof, a sampled answer, or where they part")
    .addHelpText("after", ABOUT_EQUIV)
    .option("-e, --expression <text>", "a program on the command line; repeatable", collect, [])
    .option(
      "-m, --model <name>",
      "which model, or one of the standard library; once for both or once each",
      collect,
      [],
    )
    .option("-s, --set <name=value>", "override a setting of both; repeatable", collect, [])
    .option("--use <file>", "a module to read beside the standard library; repeatable", collect, [])
    .addOption(
      new Option(
        "--with <what>",
        "compare one model with itself: after all rewrites, in steps with a cache, or as the file of a target",
      ).choices(VARIANTS),
    )
    .addOption(
      repeatedChoice(
        new Option(
          "-t, --target <name>",
          "whose kernels the rewrites keep, or whose file it is; twice with --with compiled: one target's files against the other's",
        ),
        TARGETS,
      ).default([], "onnx"),
    )
    .option("--seed <n>", "seed of what is drawn; the same seed repeats a run exactly", whole, 0)
    .option("--budget <seconds>", "time for the comparison", whole, 60)
    .action(async (sources, options) => end(await (await import("./commands/equiv.ts")).equiv(io, sources, options)));

  withSource(command("rank [source]", "the rank of attention matrices at one text, head by head"))
    .option("-w, --weights <path>", "a checkpoint folder, a .safetensors file or its index")
    .option("--tokens <list>", "the text, as numbers with commas; without it tokens are drawn")
    .option("--places <n>", "how many tokens are drawn", whole, 24)
    .option("--seed <n>", "seed of drawn tokens and weights", whole, 0)
    .option("-o, --out <file>", "plot the singular values: an SVG file")
    .action(async (source, options) => end(await (await import("./commands/rank.ts")).rank(io, source, options)));

  command("run <folder>", "run a compiled model")
    .option(
      "-i, --input <name=value>",
      "an input: JSON, @file.json, @file.npy, @file.safetensors:tensor or random:SEED; repeatable",
      collect,
      [],
    )
    .option("--text <text>", "a text, which the folder's tokenizer makes into tokens; repeatable", collect, [])
    .option("--pair <text>", "the text beside it; several: one row for each", collect, [])
    .option("--task <name>", "put the texts into the family's form for this task")
    .option("-o, --out <file>", "write all outputs to this .safetensors file")
    .option("--file <name>", "which of several model files; by default the one that runs first")
    .addOption(
      new Option("--backend <name>", "of TensorFlow.js; by default the fastest that is installed").choices(BACKENDS),
    )
    .action(async (folder, options) => end(await (await import("./commands/run.ts")).run(io, folder, options)));

  command("generate <folder>", "text from a compiled model, as it comes")
    .option("-p, --prompt <text>", "what to go on from (of an encoder-decoder: the source); repeatable", collect, [])
    .option("--prompt-file <file>", "a prompt on each line, run together")
    .option("--max-tokens <n>", "at most so many new tokens", whole)
    .option("--temperature <x>", "0 takes the best token; above, tokens are drawn", real)
    .option("--top-k <n>", "draw from so many of the best tokens", whole)
    .option("--top-p <x>", "draw from the best tokens that have this much of the probability together", real)
    .option("--repetition-penalty <x>", "makes tokens that were there already less likely; 1 is none", real)
    .option("--seed <n>", "of what is drawn", whole, 0)
    .addHelpText(
      "after",
      "\nWhat is left out is as the checkpoint's generation_config.json has it; --temperature 0 takes the best token always.",
    )
    .option("--stop <text>", "a text that ends the answer; repeatable", collect, [])
    .option("--ignore-end", "go on after tokens that end a text")
    .option("--chat", "the prompt is a message, put into the tokenizer's chat template")
    .option("--system <text>", "a system message before it")
    .option("--task <name>", "put the prompt into the family's form for this task")
    .option("--pair <text>", "the second text of that form; one for each prompt", collect, [])
    .action(async (folder, options) =>
      end(await (await import("./commands/generate.ts")).generate(io, folder, options)),
    );

  withSource(command("info [source]", "settings, parameters, FLOPs and memory of a model")).action(
    async (source, options) => end(await (await import("./commands/info.ts")).info(io, source, options)),
  );

  withSource(command("draw [source]", "draw a model as an SVG figure, as a paper would"))
    .option("-o, --out <file>", "the file to write; without it the figure goes to standard output")
    .option("--detail", "unfold attention and feed-forward networks down to their matrices")
    .option("--types", "axes at the lines, parameters in the boxes")
    .addOption(
      new Option("--theme <name>", "colours; auto follows the reader's preference").choices(THEMES).default("auto"),
    )
    .action(async (source, options) => end(await (await import("./commands/draw.ts")).draw(io, source, options)));

  command("fmt <files...>", "write programs in the one style")
    .option("--check", "change nothing; list the files that are not in the style")
    .action(async (files, options) => end(await (await import("./commands/fmt.ts")).fmt(io, files, options)));

  command("explain [code]", "explain a diagnostic, or list all").action(async (code, options) =>
    end(await (await import("./commands/explain.ts")).explain(io, code, options)),
  );

  command("ops [name]", "the operators: what they mean, and which have a kernel").action(async (name, options) =>
    end(await (await import("./commands/ops.ts")).ops(io, name, options)),
  );

  program
    .command("lsp")
    .description("the language server for editors, over standard input and output")
    .option("--stdio", "as clients say it; there is no other way")
    .action(async () => end(await (await import("./commands/lsp.ts")).lsp()));

  return program;
}

/** The options of every command that reads a model. */
function withSource(command: Command): Command {
  return command
    .addHelpText("after", ABOUT_SOURCE)
    .option("-e, --expression <text>", "a program on the command line, a bare stack of blocks included")
    .option("-m, --model <name>", "which model, where there are several; alone: one of the standard library")
    .option("--objective <name>", "what the model is trained by: the graph gives that loss")
    .option("-s, --set <name=value>", "override a setting; repeatable", collect, [])
    .option("--use <file>", "a module to read beside the standard library; repeatable", collect, []);
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

/** An option that may be given several times, each time one of these. */
function repeatedChoice(option: Option, choices: readonly string[]): Option {
  return option.choices(choices).argParser((value, before: readonly string[]) => {
    if (!choices.includes(value)) throw new InvalidArgumentError(`Allowed choices are ${choices.join(", ")}.`);
    return [...before, value];
  });
}

function real(text: string): number {
  const n = Number(text);
  if (text.trim() === "" || !Number.isFinite(n)) throw new InvalidArgumentError("It takes a number.");
  return n;
}

/** `name=n`, beside those before it. */
function collectSize(text: string, before: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  const [, name, digits] = /^([^=]+)=(\d+)$/.exec(text) ?? [];
  if (name === undefined || !Number.isSafeInteger(Number(digits)) || Number(digits) < 1)
    throw new InvalidArgumentError("Write a name and a whole number from 1 on: sequence_length=1.");
  return new Map([...before, [name, Number(digits)]]);
}

function whole(text: string): number {
  const n = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(n))
    throw new InvalidArgumentError("It takes a whole number of zero or more.");
  return n;
}
