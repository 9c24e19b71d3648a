/** @file Compiled models as programs use them, in Node and in the browser alike: generating, embedding, running. */
import { chatText, type Message } from "../generate/chat.ts";
import { DecodeFailure, type Decoder } from "../generate/decoder.ts";
import { formRows } from "../generate/forms.ts";
import { withDefaults, type GenerationDefaults } from "../generate/defaults.ts";
import { generate as tokensOf, StopWatch, type Ended } from "../generate/generate.ts";
import { inputsOfRows, type FilledInput } from "../generate/rows.ts";
import { samplingProblem, type SamplingOptions } from "../generate/sampling.ts";
import { decoderOver, type Loaded } from "../generate/session-decoder.ts";
import { countOf, filledWith, memoryOf, type Session, type Tensor } from "../generate/session.ts";
import type { Port, Signature } from "../generate/signature.ts";
import { TextStream } from "../generate/text-stream.ts";
import type { Encoded, Tokenizer } from "../generate/tokenizer.ts";
import { TfmError } from "./error.ts";

export type {
  Ended,
  Encoded,
  FilledInput,
  GenerationDefaults,
  Message,
  Port,
  SamplingOptions,
  Session,
  Signature,
  Tensor,
  Tokenizer,
};

/** What a folder's `load` needs from where it lies. */
export interface ModelParts {
  /** As messages call it. */
  readonly name: string;
  /** Its model files in the order in which they run. */
  readonly files: readonly { readonly file: string; readonly signature: Signature }[];
  readonly tasks: Readonly<Record<string, readonly string[]>>;
  readonly open: (file: string) => Promise<Session>;
  /** A decoder over all files, where it is none over sessions. */
  readonly decoder?: () => Promise<Decoder>;
  readonly tokenizer: () => Promise<Tokenizer>;
  /** What the checkpoint's generation_config.json says. */
  readonly defaults: () => Promise<GenerationDefaults>;
}

/** A compiled model. Its parts are loaded when they are first needed; `close` frees them. */
export class Model {
  readonly name: string;
  private readonly sessions = new Map<string, Promise<Session>>();
  private readTokenizer: Promise<Tokenizer> | undefined;
  private decoding: Promise<Decoder> | undefined;

  constructor(private readonly parts: ModelParts) {
    this.name = parts.name;
  }

  /** Inputs and outputs of each model file, in the order in which they run. */
  get files(): ModelParts["files"] {
    return this.parts.files;
  }

  /** The family's forms of tasks: `generate` and `embed` take their names. */
  get tasks(): ModelParts["tasks"] {
    return this.parts.tasks;
  }

  tokenizer(): Promise<Tokenizer> {
    return (this.readTokenizer ??= this.parts.tokenizer());
  }

  /** Runs one of the files on these inputs; absent ones are what `tfm.json` says. By default the file that runs first. */
  async run(
    inputs: Readonly<Record<string, FilledInput>>,
    file = this.files[0]!.file,
  ): Promise<ReadonlyMap<string, Tensor>> {
    const found = this.files.find((f) => f.file === file);
    if (!found)
      throw TfmError.of("cli/no-model-file", { folder: this.name, file, files: this.files.map((f) => f.file) });
    const { signature } = found;
    const session = await this.session(file);
    return session.run(
      completed(signature, new Map(Object.entries(inputs)), this.name),
      signature.outputs.map((o) => o.name),
    );
  }

  /** A decoder over all files, for programs with a search of their own. There is one; `generate` uses it too. */
  decoder(): Promise<Decoder> {
    return (this.decoding ??= this.openDecoder());
  }

  /** How the checkpoint's publisher generates: what `generate` does where its options say nothing else. */
  defaults(): Promise<GenerationDefaults> {
    return this.parts.defaults();
  }

  async close(): Promise<void> {
    await (await this.decoding)?.close();
    for (const session of this.sessions.values()) await (await session).close();
    this.sessions.clear();
    this.decoding = undefined;
  }

  private session(file: string): Promise<Session> {
    const known = this.sessions.get(file) ?? this.parts.open(file);
    this.sessions.set(file, known);
    return known;
  }

  private async openDecoder(): Promise<Decoder> {
    if (this.parts.decoder) return this.parts.decoder();
    const loaded: Loaded[] = [];
    for (const { file, signature } of this.files) {
      const session = await this.session(file);
      // The sessions are the model's to close.
      loaded.push({ signature, session: { run: (i, w) => session.run(i, w), close: async () => {} } });
    }
    const made = decoderOver(loaded);
    if ("reason" in made) throw TfmError.of("generate/cannot", { folder: this.name, reason: made.reason });
    return made;
  }
}

/** What is left out is as the checkpoint's generation_config.json has it (`Model.defaults`), and where that says nothing, as is said here. */
export interface GenerateOptions extends SamplingOptions {
  /** At most so many new tokens a row; by default as many as the model has places for, and 256 where nothing bounds it. */
  readonly maxTokens?: number;
  /** Texts that end an answer; they are not given out. */
  readonly stop?: readonly string[];
  /** Tokens that end an answer; by default those of the checkpoint. */
  readonly end?: readonly number[];
  /** The family's task whose form the prompts take. */
  readonly task?: string;
  readonly signal?: AbortSignal;
}

/** A piece of an answer. */
export interface Piece {
  /** Which prompt it answers. */
  readonly row: number;
  /** May be empty: a token can end inside of a letter. */
  readonly text: string;
  readonly token?: number;
  /** With the last piece of a row: why it ended. */
  readonly ended?: Ended;
}

/** A text, or a conversation. */
export type Prompt = string | readonly Message[];

/**
 * Answers piece by piece, as they come. Several prompts are answered together.
 * @throws TfmError
 */
export async function* generate(
  model: Model,
  prompt: Prompt | readonly Prompt[],
  options: GenerateOptions = {},
): AsyncGenerator<Piece, void> {
  const wrong = samplingProblem(options);
  if (wrong) throw TfmError.of("generate/option", { option: wrong.option, reason: wrong.reason });
  const prompts = isOne(prompt) ? [prompt] : prompt;
  const [tokenizer, decoder, defaults] = await Promise.all([model.tokenizer(), model.decoder(), model.defaults()]);
  const rows = await Promise.all(prompts.map((p) => tokensFor(model, p, options.task, tokenizer)));
  const streams = rows.map(() => new TextStream(tokenizer));
  const watches = rows.map(() => new StopWatch(options.stop ?? []));
  const stopped = new Set<number>();
  try {
    for await (const event of tokensOf(decoder, rows, withDefaults(options, defaults), stopped)) {
      const { row } = event;
      if (event.kind === "token") {
        const shown = watches[row]!.push(streams[row]!.push(event.token));
        if (shown.stopped) stopped.add(row);
        yield { row, text: shown.text, token: event.token };
        continue;
      }
      let text = "";
      if (!stopped.has(row)) {
        const last = watches[row]!.push(streams[row]!.end());
        text = last.stopped ? last.text : last.text + watches[row]!.end();
      }
      yield { row, text, ended: event.why };
    }
  } catch (e) {
    throw e instanceof DecodeFailure ? new TfmError([e.diagnostic]) : e;
  }
}

function isOne(prompt: Prompt | readonly Prompt[]): prompt is Prompt {
  if (typeof prompt === "string") return true;
  const first = prompt[0];
  return typeof first === "object" && "role" in first;
}

async function tokensFor(
  model: Model,
  prompt: Prompt,
  task: string | undefined,
  tokenizer: Tokenizer,
): Promise<readonly number[]> {
  if (typeof prompt === "string") return rowsFor(model, { text: prompt }, task, tokenizer)[0]!.ids;
  const said = await chatText(prompt, tokenizer);
  if ("reason" in said) throw TfmError.of("generate/tokenizer", { folder: model.name, reason: said.reason });
  return tokenizer.encode(said.text, { plain: true }).ids;
}

/** A text, and where the task or the tokenizer takes one, a second. */
export interface TextPair {
  readonly text: string;
  readonly pair?: string;
}

function rowsFor(model: Model, { text, pair }: TextPair, task: string | undefined, tokenizer: Tokenizer) {
  if (task === undefined) return [{ ...tokenizer.encode(text, { pair }), places: {} }];
  const forms = Object.hasOwn(model.tasks, task) ? model.tasks[task] : undefined;
  const rows = forms
    ? formRows(forms, { text, pairs: pair === undefined ? [] : [pair] }, tokenizer)
    : { reason: `its tasks are ${Object.keys(model.tasks).join(", ") || "none"}` };
  if ("reason" in rows) throw TfmError.of("generate/task", { folder: model.name, task, reason: rows.reason });
  return rows;
}

export interface EmbedOptions {
  /** The mean over a text's tokens (default), or the first token's. */
  readonly pooling?: "mean" | "first";
  /** To length one; default: yes. */
  readonly normalize?: boolean;
  readonly task?: string;
  /** Which output; by default the first with numbers for each token. */
  readonly output?: string;
}

/**
 * A vector for each text, [hidden] each.
 * @throws TfmError
 */
export async function embed(
  model: Model,
  texts: readonly (string | TextPair)[],
  { pooling = "mean", normalize = true, task, output }: EmbedOptions = {},
): Promise<readonly Float32Array[]> {
  if (texts.length === 0) return [];
  const tokenizer = await model.tokenizer();
  const { file, signature } = model.files[0]!;
  const rows = texts.map((t) => rowsFor(model, typeof t === "string" ? { text: t } : t, task, tokenizer));
  const inputs = inputsOfRows(signature.inputs, rows);
  if ("reason" in inputs)
    throw TfmError.of("generate/task", { folder: model.name, task: "embed", reason: inputs.reason });
  const port = signature.outputs.find((o) =>
    output === undefined ? o.dtype === "float32" && o.axes.length === 3 : o.name === output,
  );
  if (port?.axes.length !== 3)
    throw TfmError.of("generate/task", {
      folder: model.name,
      task: "embed",
      reason: `it has no output ${output ?? "with numbers for each token"}`,
    });
  const found = (await model.run(Object.fromEntries(inputs), file)).get(port.name)!;
  const [, places, hidden] = found.dims as [number, number, number];
  return rows.map(([row], i) => {
    const count = pooling === "first" ? 1 : row!.ids.length;
    const sum = new Float64Array(hidden);
    for (let k = 0; k < count; k++)
      for (let j = 0; j < hidden; j++) sum[j]! += (found.data[(i * places + k) * hidden + j] as number) / count;
    const norm = normalize ? Math.hypot(...sum) || 1 : 1;
    return Float32Array.from(sum, (x) => x / norm);
  });
}

/** With the inputs that were not given: their defaults, and an empty past. */
function completed(
  { inputs, states }: Signature,
  given: ReadonlyMap<string, FilledInput>,
  folder: string,
): ReadonlyMap<string, FilledInput> {
  const sizes = new Map<string, number>();
  for (const { name, axes } of inputs)
    for (const [i, axis] of axes.entries()) {
      const dim = given.get(name)?.dims[i];
      if (dim !== undefined && axis.size === undefined) sizes.set(axis.name, dim);
    }
  /** Of a sum the parts that are known: an empty past adds nothing. */
  const sizeOf = (axis: Port["axes"][number]): number =>
    axis.size ?? sizes.get(axis.name) ?? axis.name.split("+").reduce((n, part) => n + (sizes.get(part.trim()) ?? 0), 0);
  const all = new Map(given);
  const pasts = new Set(states.map((s) => s.past));
  for (const { name, dtype, axes, default: absent } of inputs) {
    if (all.has(name) || pasts.has(name)) continue;
    if (absent === undefined)
      throw TfmError.of("cli/missing-input", { name, type: `${dtype}[${axes.map((a) => a.name).join(", ")}]` });
    const dims = axes.map(sizeOf);
    const last = dims.at(-1) ?? 1;
    const number = absent === "ones" ? 1 : typeof absent === "number" ? absent : 0;
    const numbers = Array.from({ length: countOf(dims) }, (_, i) => (absent === "positions" ? i % last : number));
    all.set(name, { dtype, dims, data: filledWith(dtype, numbers) });
  }
  for (const { past, axes, dtype = "float32" } of states) {
    if (all.has(past)) continue;
    const dims = axes.map(sizeOf);
    all.set(past, { dtype, dims, data: memoryOf(dtype, countOf(dims)) });
  }
  for (const name of all.keys())
    if (!pasts.has(name) && !inputs.some((i) => i.name === name))
      throw TfmError.of("cli/unknown-input", { name, folder });
  return all;
}
