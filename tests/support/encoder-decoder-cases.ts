/**
 * @file The stored cases of encoder-decoders through the two models that one is compiled into: the encoder once, the decoder whole or
 * step by step. The rules are those of tests/reference/encoder_decoder.py.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  columns,
  compare,
  empty,
  KINDS,
  readCases,
  type Kind,
  type Session,
  type Tally,
  type Tensors,
} from "./cases.ts";
import type { Stored } from "./stored.ts";

export interface Pair {
  readonly encoder: Session;
  readonly decoder: Session;
}

interface Context extends Pair {
  readonly name: string;
  readonly tally: Tally;
  readonly inputs: Tensors;
  readonly outputs: Tensors;
}

export async function runPairCases(folder: string, pair: Pair, kinds: readonly Kind[] = KINDS): Promise<Tally> {
  const tally: Tally = { cases: 0, worst: 0, failures: [], skipped: 0 };
  const config = JSON.parse(readFileSync(join(folder, "config.json"), "utf8")) as { decoder_start_token_id: number };
  for (const { name, kind, options, inputs, outputs } of readCases(folder)) {
    const context = { name, tally, inputs, outputs, ...pair };
    if (!kinds.some((k) => k === kind)) continue; // about training, or not asked for
    if (kind === "forward") await forward(context);
    else if (kind === "decode") await decode(context, options.prefill!);
    else await generate(context, options.new_tokens!, config.decoder_start_token_id);
    tally.cases++;
  }
  return tally;
}

/** What the decoder reads of the source: the memory, which of its places there are, and what the encoder makes of it for the steps. */
async function remember({ name, tally, inputs, outputs, encoder }: Context): Promise<Tensors> {
  const ids = inputs.get("input_ids")!;
  const mask = inputs.get("attention_mask") ?? { shape: ids.shape, data: new Float64Array(ids.data.length).fill(1) };
  const made = await encoder.run(
    new Map([
      ["input_ids", ids],
      ["attention_mask", mask],
    ]),
  );
  const memory = made.get("last_hidden_state");
  const wanted = outputs.get("encoder_last_hidden_state");
  if (wanted) compare(tally, `${name} encoder_last_hidden_state`, memory, wanted, mask);
  return new Map([...made, ["encoder_hidden_states", memory!], ["encoder_attention_mask", mask]]);
}

async function step({ decoder }: Context, memory: Tensors, ids: Stored, past?: Tensors): Promise<Tensors> {
  const handed = new Map([...memory, ...(past ?? [])]);
  const feed = decoder.inputs.map(({ name, dims }): [string, Stored] => {
    const value =
      name === "input_ids"
        ? ids
        : name.startsWith("past_key_values.")
          ? (handed.get(name.replace("past_key_values", "present")) ?? empty(dims, ids.shape[0]!))
          : memory.get(name);
    if (!value) throw new Error(`the case has no input ${name}`);
    return [name, value];
  });
  return new Map([...handed, ...(await decoder.run(new Map(feed)))]);
}

async function forward(context: Context): Promise<void> {
  const { name, tally, inputs, outputs } = context;
  const found = await step(context, await remember(context), inputs.get("decoder_input_ids")!);
  for (const [key, wanted] of outputs) {
    if (key.includes("hidden_states.")) tally.skipped++;
    else if (key !== "encoder_last_hidden_state") compare(tally, `${name} ${key}`, found.get(key), wanted);
  }
}

async function decode(context: Context, prefill: number): Promise<void> {
  const { name, tally, inputs, outputs } = context;
  const memory = await remember(context);
  const ids = inputs.get("decoder_input_ids")!;
  const part = (from: number, to: number): Stored => columns(new Map([["ids", ids]]), from, to).get("ids")!;
  let found = await step(context, memory, part(0, prefill));
  compare(tally, `${name} prefill.logits`, found.get("logits"), outputs.get("prefill.logits")!);
  for (const [key, wanted] of outputs) {
    const mask = key.includes(".encoder.") ? memory.get("encoder_attention_mask") : undefined;
    if (key.startsWith("past."))
      compare(tally, `${name} ${key}`, found.get(key.replace("past", "present")), wanted, mask);
  }
  for (let i = prefill; i < ids.shape[1]!; i++) {
    found = await step(context, memory, part(i, i + 1), found);
    compare(tally, `${name} step${i - prefill}.logits`, found.get("logits"), outputs.get(`step${i - prefill}.logits`)!);
  }
}

async function generate(context: Context, count: number, start: number): Promise<void> {
  const { name, tally, outputs } = context;
  const memory = await remember(context);
  const sequence = [start];
  const all: number[] = [];
  let past: Tensors | undefined;
  for (let i = 0; i < count; i++) {
    past = await step(context, memory, { shape: [1, 1], data: Float64Array.of(sequence.at(-1)!) }, past);
    const row = past.get("logits")!.data;
    all.push(...row);
    sequence.push(row.indexOf(Math.max(...row)));
  }
  const wanted = outputs.get("sequences")!;
  if (sequence.join() !== [...wanted.data].join()) tally.failures.push(`${name}: another text, ${sequence.join(" ")}`);
  const logits = outputs.get("logits")!;
  compare(tally, `${name} logits`, { shape: logits.shape, data: Float64Array.from(all) }, logits);
}
