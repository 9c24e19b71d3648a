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
export const TARGETS = ["onnx", "onnx-17"] as const;
export const THEMES = ["auto", "light", "dark"] as const;
export const STAGES = ["ast", "types", "graph", "optimized", "layout", "onnx"] as const;

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
    .option("--seed <n>", "seed of drawn weights", whole, 0)
    .option("--cache", "with past and present (default where the model generates)")
    .option("--no-cache", "whole sequences only")
    .option("--no-optimize", "leave every rewrite out")
    .option(
      "--copy",
      "copy the checkpoint's files into the folder instead of hard-linking them: some tools refuse links",
    )
    .addOption(new Option("--emit <stage>", "print a stage instead of writing a model").choices(STAGES))
    .action(async (source, options) => end(await (await import("./commands/compile.ts")).compile(io, source, options)));

  withSource(command("check [sources...]", "say all that is wrong, and what each model takes and gives")).action(
    async (sources, options) => end(await (await import("./commands/check.ts")).check(io, sources, options)),
  );

  command("test <files...>", "test the laws and rewrites of some files: proved, sampled, different or unknown")
    .option("--seed <n>", "seed of what is drawn; the same seed repeats a run exactly", whole, 0)
    .option("--budget <seconds>", "time for all laws together", whole, 60)
    .option("--use <file>", "a module to read beside the standard library; repeatable", collect, [])
    .action(async (files, options) => end(await (await import("./commands/test.ts")).test(io, files, options)));

  command("run <folder>", "run a compiled model")
    .option(
      "-i, --input <name=value>",
      "an input: JSON, @file.json, @file.npy, @file.safetensors:tensor or random:SEED; repeatable",
      collect,
      [],
    )
    .option("-o, --out <file>", "write all outputs to this .safetensors file")
    .option("--file <name>", "which of several model files; by default the one that runs first")
    .action(async (folder, options) => end(await (await import("./commands/run.ts")).run(io, folder, options)));

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
    .option("-s, --set <name=value>", "override a setting; repeatable", collect, [])
    .option("--use <file>", "a module to read beside the standard library; repeatable", collect, []);
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

function whole(text: string): number {
  const n = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(n))
    throw new InvalidArgumentError("It takes a whole number of zero or more.");
  return n;
}
