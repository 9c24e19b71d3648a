/**
 * @file Runs the stored cases of a checkpoint folder through a compiled model, and says where what comes out is not what is stored.
 * The rules are those of tests/reference/cases.py.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readStored, type Stored } from "./stored.ts";

/** Absolute, relative to the largest value where that exceeds one. */
export const TOLERANCE = 1e-4;

export interface Session {
  readonly inputs: readonly { readonly name: string; readonly dims: readonly (number | string)[] }[];
  run(feed: ReadonlyMap<string, Stored>): Promise<ReadonlyMap<string, Stored>>;
}

export interface Tally {
  cases: number;
  worst: number;
  readonly failures: string[];
  /** Stored tensors that the model does not put out: the states between layers. */
  skipped: number;
}

interface Case {
  readonly kind?: string;
  readonly options?: { readonly prefill?: number; readonly new_tokens?: number };
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly outputs: Readonly<Record<string, unknown>>;
}

export type Tensors = ReadonlyMap<string, Stored>;

export interface ReadCase {
  readonly name: string;
  readonly kind: string;
  readonly options: NonNullable<Case["options"]>;
  readonly inputs: Tensors;
  readonly outputs: Tensors;
}

/** All cases of a folder, with their tensors by the reference's names. */
export function readCases(folder: string): readonly ReadCase[] {
  const stored = readStored(join(folder, "reference.safetensors"));
  const { cases } = JSON.parse(readFileSync(join(folder, "reference.json"), "utf8")) as { cases: Record<string, Case> };
  return Object.entries(cases).map(([name, c]) => {
    const pick = (side: "input" | "output", names: object): Tensors =>
      new Map(Object.keys(names).map((k) => [k, stored.get(`${name}.${side}.${k}`)!]));
    return {
      name,
      kind: c.kind ?? "forward",
      options: c.options ?? {},
      inputs: pick("input", c.inputs),
      outputs: pick("output", c.outputs),
    };
  });
}

export const KINDS = ["forward", "decode", "generate"] as const;
export type Kind = (typeof KINDS)[number];

export async function runCases(folder: string, session: Session, kinds: readonly Kind[] = KINDS): Promise<Tally> {
  const tally: Tally = { cases: 0, worst: 0, failures: [], skipped: 0 };
  for (const { name, kind, options, inputs, outputs } of readCases(folder)) {
    const context = { name, session, tally, inputs, outputs };
    if (!kinds.some((k) => k === kind)) continue; // about training, or not asked for
    if (kind === "forward") await forward(context);
    else if (kind === "decode") await decode(context, options.prefill!);
    else await generate(context, options.new_tokens!);
    tally.cases++;
  }
  return tally;
}

interface Context {
  readonly name: string;
  readonly session: Session;
  readonly tally: Tally;
  readonly inputs: Tensors;
  readonly outputs: Tensors;
}

async function forward({ name, session, tally, inputs, outputs }: Context): Promise<void> {
  const found = await session.run(feed(session, inputs));
  for (const [key, wanted] of outputs) {
    // States between layers, and the mask that a reference writes out, are no outputs of a model.
    if ((key.startsWith("hidden_states.") || key === "attention_mask") && !found.has(key)) tally.skipped++;
    else compare(tally, `${name} ${key}`, found.get(key), wanted, inputs.get("attention_mask"));
  }
}

async function decode({ name, session, tally, inputs, outputs }: Context, prefill: number): Promise<void> {
  const first = columns(inputs, 0, prefill);
  const mask = first.get("attention_mask");
  let found = await session.run(feed(session, first));
  compare(tally, `${name} prefill.logits`, found.get("logits"), outputs.get("prefill.logits")!, mask);
  for (const [key, wanted] of outputs)
    if (key.startsWith("past."))
      compare(tally, `${name} ${key}`, found.get(key.replace("past", "present")), wanted, mask);
  for (let i = prefill; i < inputs.get("input_ids")!.shape[1]!; i++) {
    found = await session.run(feed(session, columns(inputs, i, i + 1), found));
    compare(tally, `${name} step${i - prefill}.logits`, found.get("logits"), outputs.get(`step${i - prefill}.logits`)!);
  }
}

async function generate({ name, session, tally, inputs, outputs }: Context, count: number): Promise<void> {
  let given = inputs.get("input_ids")!;
  let others = new Map([...inputs].filter(([k]) => k !== "input_ids"));
  let past: Tensors | undefined;
  const sequence = [...given.data];
  const all: number[] = [];
  for (let i = 0; i < count; i++) {
    past = await session.run(feed(session, new Map([["input_ids", given], ...others]), past));
    const { shape, data } = past.get("logits")!;
    const last = data.subarray(data.length - shape[2]!);
    const token = last.indexOf(Math.max(...last));
    all.push(...last);
    sequence.push(token);
    given = { shape: [1, 1], data: Float64Array.of(token) };
    others = new Map([...others].map(([k, t]) => [k, following(k, t)]));
  }
  const wanted = outputs.get("sequences")!;
  if (sequence.join() !== [...wanted.data].join()) tally.failures.push(`${name}: another text, ${sequence.join(" ")}`);
  const logits = outputs.get("logits")!;
  compare(tally, `${name} logits`, { shape: logits.shape, data: Float64Array.from(all) }, logits);
}

/** An input of the next step: a new token keeps its span's place and counts the place in the block up; what has no places stays. */
function following(name: string, t: Stored): Stored {
  if (t.shape.length < 2) return t;
  return { shape: [1, 1], data: Float64Array.of(t.data.at(-1)! + (name === "block_position_ids" ? 1 : 0)) };
}

/** A step's part of the inputs: its tokens and positions, and the mask from the beginning on. What has no places is passed whole. */
export function columns(inputs: Tensors, from: number, to: number): Tensors {
  return new Map(
    [...inputs].map(([k, t]) => [k, t.shape.length < 2 ? t : slice(t, k === "attention_mask" ? 0 : from, to)]),
  );
}

function slice({ shape, data }: Stored, from: number, to: number): Stored {
  const [rows, width] = shape as [number, number];
  const out = Array.from({ length: rows }, (_, r) => [...data.subarray(r * width + from, r * width + to)]).flat();
  return { shape: [rows, to - from], data: Float64Array.from(out) };
}

/** What a client feeds: what the case gives, and for inputs that it does not give, what everyone means by leaving them out. */
function feed(session: Session, given: Tensors, past?: Tensors): ReadonlyMap<string, Stored> {
  const ids = given.get("input_ids")!;
  const width = ids.shape.at(-1)!;
  const before = past ? [...past].find(([k]) => k.startsWith("present."))![1].shape[2]! : 0;
  const rows = ids.data.length / width;
  const mask = given.get("attention_mask") ?? {
    shape: [...ids.shape.slice(0, -1), before + width],
    data: new Float64Array(rows * (before + width)).fill(1),
  };
  const absent: Tensors = new Map([
    ["attention_mask", mask],
    ["token_type_ids", { shape: ids.shape, data: new Float64Array(ids.data.length) }],
    ["position_ids", { shape: ids.shape, data: positions(mask, width) }],
  ]);
  const declared = session.inputs.map((i) => i.name);
  for (const name of given.keys())
    if (!declared.includes(name) && !same(given.get(name), absent.get(name)))
      throw new Error(`the model has no input ${name}`);
  return new Map(
    session.inputs.map(({ name, dims }) => {
      if (name.startsWith("past_key_values."))
        return [name, past?.get(name.replace("past_key_values", "present")) ?? empty(dims, ids.shape[0]!)];
      const value = given.get(name) ?? absent.get(name);
      if (!value) throw new Error(`the case has no input ${name}`);
      return [name, value];
    }),
  );
}

function same(a: Stored | undefined, b: Stored | undefined): boolean {
  return a !== undefined && b !== undefined && a.data.join() === b.data.join();
}

/** max(cumsum(mask) - 1, 0), of the last `width` places. */
function positions(mask: Stored, width: number): Float64Array {
  const total = mask.shape.at(-1)!;
  const out: number[] = [];
  for (let row = 0; row < mask.data.length / total; row++) {
    let sum = 0;
    for (let i = 0; i < total; i++) {
      sum += mask.data[row * total + i]!;
      if (i >= total - width) out.push(Math.max(sum - 1, 0));
    }
  }
  return Float64Array.from(out);
}

/** A past of no places: the first open size is the batch, the second the length. */
export function empty(dims: readonly (number | string)[], batch: number): Stored {
  const sizes = [batch, 0];
  const shape = dims.map((d) => (typeof d === "number" ? d : sizes.shift()!));
  return { shape, data: new Float64Array(0) };
}

export function compare(tally: Tally, what: string, found: Stored | undefined, wanted: Stored, mask?: Stored): void {
  if (!found) return void tally.failures.push(`${what}: no such output`);
  if (found.shape.join() !== wanted.shape.join())
    return void tally.failures.push(`${what}: shape [${found.shape.join()}], stored [${wanted.shape.join()}]`);
  const isReal = mask ? realPlaces(wanted, mask) : () => true;
  let scale = 1;
  let difference = 0;
  for (let i = 0; i < wanted.data.length; i++) {
    if (!isReal(i)) continue;
    scale = Math.max(scale, Math.abs(wanted.data[i]!));
    const d = Math.abs(found.data[i]! - wanted.data[i]!);
    difference = d >= difference || Number.isNaN(d) ? d : difference;
    if (Number.isNaN(d)) break;
  }
  const error = difference / scale;
  if (!(error <= TOLERANCE)) tally.failures.push(`${what}: off by ${error.toExponential(1)}`);
  tally.worst = Number.isNaN(error) ? Infinity : Math.max(tally.worst, error);
}

/** Padded places hold whatever the reference left there. */
function realPlaces({ shape }: Stored, mask: Stored): (i: number) => boolean {
  const tail = (from: number): number => shape.slice(from).reduce((n, d) => n * d, 1);
  const rank = mask.shape.length;
  // A cache: [batch, heads, places, head_dim], where there may be as many heads as places.
  if (rank === 2 && shape.length === 4 && shape[0] === mask.shape[0] && shape[2] === mask.shape[1])
    return (i) => mask.data[Math.floor(i / tail(1)) * shape[2]! + (Math.floor(i / shape[3]!) % shape[2]!)] !== 0;
  if (shape.length >= rank && mask.shape.every((d, k) => d === shape[k]))
    return (i) => mask.data[Math.floor(i / tail(rank))] !== 0;
  return () => true;
}
