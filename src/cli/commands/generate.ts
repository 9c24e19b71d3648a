/** @file `tfm generate`: text from a compiled model, as it comes. */
import { join } from "node:path";
import { vocabularyProblem } from "../../clients/vocabulary.ts";
import { diagnose, type Diagnostic } from "../../diagnostics/diagnostic.ts";
import { chatText } from "../../generate/chat.ts";
import { withDefaults } from "../../generate/defaults.ts";
import { DecodeFailure, type Decoder } from "../../generate/decoder.ts";
import {
  generate as tokensOf,
  StopWatch,
  type Ended,
  type GenerateOptions as TokenOptions,
} from "../../generate/generate.ts";
import { samplingProblem, type SamplingOptions } from "../../generate/sampling.ts";
import { TextStream } from "../../generate/text-stream.ts";
import type { Tokenizer } from "../../generate/tokenizer.ts";
import { openDecoder } from "../../host/decoder.ts";
import { readRecord } from "../../host/record.ts";
import { readSmall } from "../../host/system.ts";
import { generationDefaults, openTokenizer } from "../../host/texts.ts";
import { decodeUtf8 } from "../../weights/json.ts";
import { Exit, type ExitCode } from "../exit.ts";
import type { Io } from "../io.ts";
import { fail, say, sayJson, usage, type JsonOption } from "../report.ts";
import { taskRows } from "../texts.ts";
import { duration } from "../text.ts";

export interface GenerateOptions extends JsonOption, SamplingOptions {
  readonly prompt: readonly string[];
  /** A file with a prompt on each line. */
  readonly promptFile?: string;
  /** Prompts are what a user says to a model that was trained on conversations. */
  readonly chat?: boolean;
  readonly system?: string;
  readonly task?: string;
  /** Second texts of a task's form: one for each prompt. */
  readonly pair: readonly string[];
  readonly maxTokens?: number;
  readonly stop: readonly string[];
  readonly ignoreEnd?: boolean;
}

const LONGEST_FILE = 64_000_000;

export async function generate(io: Io, folder: string, options: GenerateOptions): Promise<ExitCode> {
  const begun = performance.now() - process.uptime() * 1000;
  const wrong = samplingProblem(options);
  if (wrong) {
    const option = `--${wrong.option.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`;
    return fail(io, options, [diagnose("generate/option", { option, reason: wrong.reason })]);
  }
  const prompts = promptsOf(options);
  if ("usage" in prompts) return usage(io, prompts.usage);
  if ("code" in prompts) return fail(io, options, [prompts]);
  // The runtime opens the model while the tokenizer is read.
  const opening = openDecoder(folder);
  const tokenizer = openTokenizer(folder);
  const defaults = generationDefaults(folder);
  const { value: decoder, diagnostics } = await opening;
  try {
    if (!decoder) return fail(io, options, diagnostics);
    if (!tokenizer.value) return fail(io, options, tokenizer.diagnostics);
    if (!defaults.value) return fail(io, options, defaults.diagnostics);
    const keys = defaults.value.unread;
    const warnings = keys.length > 0 ? [diagnose("generate/unread", { folder, keys })] : [];
    const { vocabulary } = tokenizer.value;
    const reason = vocabulary && vocabularyProblem(vocabulary, decoder.vocab);
    if (reason !== undefined)
      warnings.push(diagnose("client/vocabulary", { file: join(folder, "tokenizer.json"), reason }));
    const rows = await rowsOf(folder, prompts, tokenizer.value, options);
    if ("code" in rows) return fail(io, options, [...warnings, rows]);
    if (!options.json) say(io, warnings);
    const job = new Job(io, decoder, tokenizer.value, options, prompts, rows, begun);
    return await job.run(
      { ...withDefaults(options, defaults.value), ...(options.ignoreEnd ? { end: [] } : {}) },
      warnings,
    );
  } catch (e) {
    if (e instanceof DecodeFailure) return fail(io, options, [e.diagnostic]);
    throw e;
  } finally {
    await decoder?.close();
  }
}

function promptsOf(options: GenerateOptions): readonly string[] | { readonly usage: string } | Diagnostic {
  const { prompt, promptFile } = options;
  if (prompt.length > 0 && promptFile !== undefined) return { usage: "give --prompt or --prompt-file, not both" };
  if (promptFile === undefined)
    return prompt.length > 0 ? prompt : { usage: "say what to go on from: --prompt TEXT, or --prompt-file FILE" };
  const read = readSmall(promptFile, LONGEST_FILE);
  const text = "bytes" in read ? decodeUtf8(read.bytes) : undefined;
  if (text === undefined)
    return diagnose("cli/unreadable", {
      path: promptFile,
      reason: "reason" in read ? read.reason : "its bytes are no UTF-8 text",
    });
  const lines = text.split(/\r?\n/).filter((l) => l.trim() !== "");
  return lines.length > 0 ? lines : { usage: `${promptFile} has no prompt: it takes one on each line` };
}

/** The tokens of each prompt. */
async function rowsOf(
  folder: string,
  prompts: readonly string[],
  tokenizer: Tokenizer,
  { chat, system, task, pair }: GenerateOptions,
): Promise<readonly (readonly number[])[] | Diagnostic> {
  const rows: (readonly number[])[] = [];
  const { value: record } = readRecord(folder);
  for (const [i, text] of prompts.entries()) {
    if (chat || system !== undefined) {
      const said = await chatText(
        [...(system === undefined ? [] : [{ role: "system", content: system }]), { role: "user", content: text }],
        tokenizer,
      );
      if ("reason" in said) return diagnose("generate/tokenizer", { folder, reason: said.reason });
      rows.push(tokenizer.encode(said.text, { plain: true }).ids);
      continue;
    }
    const formed = taskRows(folder, record?.tasks ?? {}, task, { text, pairs: pair.slice(i, i + 1) }, tokenizer);
    if ("code" in formed) return formed;
    rows.push(...formed.map((r) => r.ids));
  }
  const empty = rows.findIndex((r) => r.length === 0);
  return empty < 0
    ? rows
    : diagnose("generate/step", { reason: `the prompt ${JSON.stringify(prompts[empty])} has no token` });
}

class Job {
  private readonly streams: TextStream[];
  private readonly watches: StopWatch[];
  private readonly texts: string[];
  private readonly counts: number[];
  private readonly ends: (Ended | undefined)[];

  constructor(
    private readonly io: Io,
    private readonly decoder: Decoder,
    tokenizer: Tokenizer,
    private readonly options: GenerateOptions,
    private readonly prompts: readonly string[],
    private readonly rows: readonly (readonly number[])[],
    private readonly begun: number,
  ) {
    this.streams = rows.map(() => new TextStream(tokenizer));
    this.watches = rows.map(() => new StopWatch(options.stop));
    this.texts = rows.map(() => "");
    this.counts = rows.map(() => 0);
    this.ends = rows.map(() => undefined);
  }

  async run(how: TokenOptions, warnings: readonly Diagnostic[]): Promise<ExitCode> {
    const { io, options, rows } = this;
    const abort = new AbortController();
    // A second Ctrl-C ends the program at once.
    const interrupt = (): void => abort.abort();
    process.once("SIGINT", interrupt);
    const stop = new Set<number>();
    const start = performance.now();
    let first: number | undefined;
    // One row is shown as it comes; several when each is whole.
    const streamed = rows.length === 1 && !options.json;
    try {
      for await (const event of tokensOf(this.decoder, rows, { ...how, signal: abort.signal }, stop)) {
        const { row } = event;
        if (event.kind === "token") {
          first ??= performance.now();
          this.counts[row]! += 1;
          const shown = this.watches[row]!.push(this.streams[row]!.push(event.token));
          this.add(row, shown.text, streamed);
          if (shown.stopped) stop.add(row);
          continue;
        }
        if (!stop.has(row)) {
          const last = this.watches[row]!.push(this.streams[row]!.end());
          this.add(row, last.stopped ? last.text : last.text + this.watches[row]!.end(), streamed);
        }
        this.ends[row] = event.why;
      }
    } finally {
      process.off("SIGINT", interrupt);
    }
    const now = performance.now();
    if (options.json) sayJson(io, warnings, this.asJson(start, first, now));
    else {
      io.out(streamed ? "\n" : this.texts.map((t, i) => `${this.prompts[i]!}${t}\n`).join(""));
      io.err(this.summary(start, first, now));
    }
    return abort.signal.aborted ? Exit.interrupted : Exit.ok;
  }

  private add(row: number, text: string, streamed: boolean): void {
    this.texts[row] += text;
    if (streamed && text !== "") this.io.out(text);
  }

  private summary(start: number, first: number | undefined, now: number): string {
    const count = this.counts.reduce((a, b) => a + b, 0);
    const rows = this.rows.length > 1 ? ` in ${this.rows.length} rows` : "";
    const rate = this.rateOf(first, now);
    const speed = rate === undefined ? "" : `, ${rate.toFixed(1)} tokens/s`;
    const waited =
      first === undefined
        ? ""
        : `; first token after ${duration(first - start)}, ${duration(first - this.begun)} from the start`;
    return `${count} tokens${rows}${speed}${waited}\n`;
  }

  /** Of the tokens after each row's first. */
  private rateOf(first: number | undefined, now: number): number | undefined {
    const later = this.counts.reduce((a, b) => a + Math.max(b - 1, 0), 0);
    return first === undefined || later === 0 ? undefined : (later * 1000) / (now - first);
  }

  private asJson(start: number, first: number | undefined, now: number): object {
    const rate = this.rateOf(first, now);
    return {
      rows: this.texts.map((text, i) => ({
        prompt: this.prompts[i] ?? "",
        text,
        tokens: this.counts[i],
        ended: this.ends[i],
      })),
      firstTokenMilliseconds: first === undefined ? null : Math.round(first - start),
      tokensPerSecond: rate === undefined ? null : Number(rate.toPrecision(4)),
    };
  }
}
