/** @file `tfm-lang/node`: compiling and running models from a program in Node. */
import { compile as compileCommand, type CompileOptions as CommandOptions } from "../cli/commands/compile.ts";
import type { Io } from "../cli/io.ts";
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import { openDecoder } from "../host/decoder.ts";
import { openArtifact } from "../host/run.ts";
import { readRecord } from "../host/record.ts";
import { generationDefaults, openTokenizer } from "../host/texts.ts";
import { TfmError } from "./error.ts";
import { Model } from "./model.ts";

export type { Diagnostic };
export * from "./error.ts";
export * from "./model.ts";
export { Sampler } from "../generate/sampling.ts";

export interface CompileOptions extends Partial<
  Pick<
    CommandOptions,
    "model" | "objective" | "use" | "weights" | "target" | "provider" | "dtype" | "seed" | "cache" | "optimize" | "copy"
  >
> {
  /** The folder to write: whole or not at all. */
  readonly out: string;
  /** Settings of the model, as the language writes them. */
  readonly settings?: Readonly<Record<string, string | number | boolean>>;
  /** Open sizes of the inputs that are fixed, by the names that clients see. */
  readonly sizes?: Readonly<Record<string, number>>;
  /** Clients that the folder is laid out for. */
  readonly for?: readonly string[];
}

/** What was made. */
export interface Compiled {
  readonly folder: string;
  readonly model: string;
  readonly parameters: number;
  readonly files: readonly { readonly name: string; readonly bytes: number; readonly linked?: true }[];
  /** How it was checked. */
  readonly checked: string;
  readonly warnings: readonly Diagnostic[];
}

/** A `.tfm` file or a checkpoint folder by its path, a program as a text, or (with `options.model`) a model of the library. */
export type Source = string | { readonly program: string } | undefined;

/**
 * Compiles to a folder, as `tfm compile` does.
 * @throws TfmError
 */
export async function compile(source: Source, options: CompileOptions): Promise<Compiled> {
  let out = "";
  let err = "";
  const io: Io = {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    color: { out: false, err: false },
    interactive: false,
    width: 120,
  };
  const { settings = {}, sizes = {}, for: clients, use = [], ...rest } = options;
  const path = typeof source === "string" ? source : undefined;
  await compileCommand(io, path, {
    target: "onnx",
    dtype: "float32",
    seed: 0,
    optimize: true,
    ...rest,
    json: true,
    use,
    size: new Map(Object.entries(sizes)),
    set: Object.entries(settings).map(([name, value]) => `${name}=${value}`),
    ...(clients === undefined || clients.length === 0 ? {} : { for: clients.join(",") }),
    ...(typeof source === "object" ? { expression: source.program } : {}),
  });
  if (out === "") throw new TypeError(err.replace(/^error: /, "").split("\n")[0]);
  const { ok, diagnostics, ...made } = JSON.parse(out) as Omit<Compiled, "warnings"> & {
    readonly ok: boolean;
    readonly diagnostics: readonly Diagnostic[];
  };
  if (!ok) throw new TfmError(diagnostics);
  return { ...made, warnings: diagnostics };
}

export interface LoadOptions {
  /** How many threads an operator may take; by default as many as there are cores. */
  readonly threads?: number;
}

/**
 * A compiled folder. Only its record is read; the model is opened when it is first needed.
 * @throws TfmError
 */
export async function load(folder: string, { threads }: LoadOptions = {}): Promise<Model> {
  const { value: record, diagnostics } = readRecord(folder);
  if (!record) throw new TfmError(diagnostics);
  const tfjs = record.target === "tfjs";
  const files = record.graphs?.map((g) => ({ file: g.file, signature: g })) ?? [
    { file: tfjs ? "model.json" : "model.onnx", signature: record },
  ];
  return new Model({
    name: folder,
    files,
    tasks: record.tasks ?? {},
    open: async (file) => {
      const opened = openArtifact(folder, { model: file, ...(threads === undefined ? {} : { threads }) });
      const session = opened.value && (await opened.value.load());
      if (!session?.value) throw new TfmError(session?.diagnostics ?? opened.diagnostics);
      return session.value;
    },
    ...(tfjs ? { decoder: async () => valueOf(await openDecoder(folder)) } : {}),
    tokenizer: async () => valueOf(openTokenizer(folder)),
    defaults: async () => valueOf(generationDefaults(folder)),
  });
}

function valueOf<T>({ value, diagnostics }: { readonly value?: T; readonly diagnostics: readonly Diagnostic[] }): T {
  if (value === undefined) throw new TfmError(diagnostics);
  return value;
}
