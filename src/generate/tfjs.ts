/**
 * @file Decoding with a compiled folder in TensorFlow.js. What is kept stays on the device.
 *
 * Rows of different lengths are padded on the left, with a mask and places of their own, where the model takes both; else rows that are
 * equally long run together, and the others by themselves. On webgpu a buffer is never given back, and is used again only for one of its
 * very size: there, what is kept has a length that changes seldom, and the places that do not count are masked like padding.
 */
import { TfjsRuntimeError } from "../backends/tfjs/runtime/errors.ts";
import { load, type LoadOptions, type TfjsModel } from "../backends/tfjs/runtime/load.ts";
import { fillInputs, modelFiles, type RuntimePort, type Values } from "../backends/tfjs/runtime/ports.ts";
import { folderAt, readJson, type ModelSource } from "../backends/tfjs/runtime/source.ts";
import type { NamedTensorMap, Tensor, Tf } from "../backends/tfjs/runtime/tf.ts";
import { diagnose } from "../diagnostics/diagnostic.ts";
import { DecodeFailure, type Decoder, type GivenInputs } from "./decoder.ts";

/** On webgpu what is kept is a multiple of this long, and a prompt one of the other. */
const KEPT_PLACES = 64;
const PROMPT_PLACES = 16;

/**
 * Opens a folder that `tfm compile -t tfjs` wrote of a model that generates. `tf` is the program's own TensorFlow.js.
 * Throws `DecodeFailure`.
 */
export async function tfjsDecoder(tf: Tf, from: string | ModelSource, options: LoadOptions = {}): Promise<Decoder> {
  const source = typeof from === "string" ? folderAt(from) : from;
  return failing(source.name, async () => {
    const files = modelFiles(await readJson(source, "tfm.json"));
    const models: TfjsModel[] = [];
    try {
      for (const file of files) models.push(await load(tf, source, { ...options, file }));
      const roles = rolesOf(models.at(-1)!);
      return new TfjsDecoder(models.length > 1 ? models[0] : undefined, models.at(-1)!, roles);
    } catch (e) {
      for (const model of models) model.dispose();
      throw e;
    }
  });
}

/** What the runtime cannot do as what a decoder says: of a step, or of opening the folder. */
async function failing<T>(folder: string | undefined, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (e) {
    if (!(e instanceof TfjsRuntimeError)) throw e;
    const { reason, hint } = e;
    throw new DecodeFailure(
      folder === undefined
        ? diagnose("generate/step", { reason }, undefined, { hint })
        : diagnose("generate/cannot", { folder, reason }, undefined, { hint }),
    );
  }
}

/** What the inputs of a model that generates are for. */
interface Roles {
  readonly tokens: string;
  /** 1 where there is a token, over all places so far. */
  readonly mask: RuntimePort | undefined;
  /** Where each token is in its row. */
  readonly places: RuntimePort | undefined;
  /** Which must be given with every step. */
  readonly others: readonly RuntimePort[];
  readonly scores: string;
  readonly vocab: number;
  /** The states that grow, with the axis along which they do; the others are made once. */
  readonly grown: ReadonlyMap<string, number>;
}

function rolesOf({ signature }: TfjsModel): Roles {
  const { inputs, outputs, states, pasts, given } = signature;
  const own = inputs.filter((p) => !(p.name in given));
  const tokens = own.find((p) => p.dtype === "int32" && p.default === undefined && p.dims.length === 2);
  const along = tokens?.dims[1];
  const scores = outputs.find((o) => o.dims.length === 3 && typeof o.dims[2] === "number");
  if (typeof along === "number" && states.length > 0)
    throw new TfjsRuntimeError(
      "not-a-model",
      `it takes ${along} tokens at a time, neither more nor fewer`,
      "compile it without a fixed size for its sequence",
    );
  if (!tokens || typeof along !== "string" || !scores || states.length === 0)
    throw new TfjsRuntimeError(
      "not-a-model",
      "it does not generate: it keeps nothing from step to step",
      "compile a model that `grows`, without --no-cache",
    );
  const past = `past_${along}`;
  const mask = own.find((p) => p.default === 1 && p.dims[1] === `${past} + ${along}`);
  const places = own.find((p) => p.default === "positions" && p.dims[1] === along);
  return {
    tokens: tokens.name,
    mask,
    places,
    others: own.filter((p) => p !== tokens && p !== mask && p !== places),
    scores: scores.name,
    vocab: scores.dims[2] as number,
    grown: new Map(pasts.flatMap((p) => (p.dims.includes(past) ? [[p.name, p.dims.indexOf(past)] as const] : []))),
  };
}

/** Rows that run together. All tensors are its own. */
interface Group {
  /** Which rows these are. */
  readonly rows: readonly number[];
  /** For each row, which of the places so far count. */
  readonly seen: readonly (readonly boolean[])[];
  /** By the name of the past; of those that grow the last `seen[0].length` places count at most. */
  readonly kept: NamedTensorMap;
  /** What was read once, by the decoder's inputs. */
  readonly read: NamedTensorMap;
}

class TfjsDecoder implements Decoder {
  readonly vocab: number;
  readonly limit: number | undefined;
  readonly readsSource: boolean;
  private groups: readonly Group[] = [];
  private closed = false;

  constructor(
    private readonly encoder: TfjsModel | undefined,
    private readonly model: TfjsModel,
    private readonly roles: Roles,
  ) {
    this.vocab = roles.vocab;
    const below = roles.places?.below;
    const { inputs, limits: lengths } = model.signature;
    const along = String(inputs.find((p) => p.name === roles.tokens)?.dims[1]);
    const own = lengths.filter((l) => l.size.split(/\W+/).includes(along));
    const limits = [...(below === undefined ? [] : [below]), ...own.map((l) => l.most)];
    this.limit = limits.length > 0 ? Math.min(...limits) : undefined;
    this.readsSource = encoder !== undefined;
  }

  get rows(): number {
    return this.groups.reduce((n, g) => n + g.rows.length, 0);
  }

  get length(): number {
    return Math.max(0, ...this.groups.map((g) => g.seen[0]?.length ?? 0));
  }

  async start(source: readonly (readonly number[])[], given: GivenInputs = {}): Promise<void> {
    this.open();
    const { encoder } = this;
    if (!encoder) throw new Error("the model reads no source");
    const before = this.groups;
    this.groups = await failing(undefined, async () => {
      const { inputs } = encoder.signature;
      const tokens = inputs.find((p) => p.dtype === "int32" && p.default === undefined && p.dims.length === 2)!;
      const mask = inputs.find((p) => p.default === 1 && p.dims.length === 2);
      const padded = mask !== undefined && Object.values(this.model.signature.given).includes(mask.name);
      const groups: Group[] = [];
      for (const rows of padded ? [source.map((_, i) => i)] : byLength(source)) {
        const longest = Math.max(...rows.map((r) => source[r]!.length));
        const values: Record<string, Values> = {
          [tokens.name]: table(rows.map((r) => filled(source[r]!, longest, 0))),
        };
        if (mask)
          values[mask.name] = table(
            rows.map((r) =>
              filled(
                source[r]!.map(() => 1),
                longest,
                0,
              ),
            ),
          );
        for (const port of inputs)
          if (given[port.name])
            values[port.name] = table(rows.map((r) => filled(listOf(given[port.name]![r]!), longest, 0)));
        groups.push({ rows, seen: rows.map(() => []), kept: {}, read: await this.remember(encoder, values) });
      }
      return groups;
    });
    for (const g of before) free(g);
  }

  /** What the decoder reads of the source. */
  private async remember(encoder: TfjsModel, values: Readonly<Record<string, Values>>): Promise<NamedTensorMap> {
    const { tf, signature } = encoder;
    const feeds: NamedTensorMap = {};
    for (const [name, { port, values: v }] of fillInputs(signature, values))
      feeds[name] = encoder.tensor(v, port.dtype);
    const wanted = Object.entries(this.model.signature.given);
    const outputs = wanted.filter(([, from]) => !(from in feeds));
    const made = await encoder.executeAsync(
      feeds,
      outputs.map(([, from]) => from),
    );
    const read: NamedTensorMap = {};
    for (const [i, [name]] of outputs.entries()) read[name] = made[i]!;
    for (const [name, from] of wanted) if (from in feeds) read[name] = tf.clone(feeds[from]!);
    for (const t of Object.values(feeds)) t.dispose();
    return read;
  }

  async step(tokens: readonly (readonly number[])[], given: GivenInputs = {}): Promise<readonly Float32Array[]> {
    this.open();
    if (this.groups.length === 0) this.groups = this.begin(tokens);
    if (tokens.length !== this.rows) throw new Error(`there are ${this.rows} rows, and ${tokens.length} have tokens`);
    if (tokens.some((row) => row.length === 0)) throw new Error("a row has no token");
    return failing(undefined, async () => {
      const scores: Float32Array[] = new Array(tokens.length);
      const after: Group[] = [];
      const stepped: Group[] = [];
      const split: Group[] = [];
      try {
        for (const group of this.groups) {
          const parts = this.alike(group, tokens);
          if (parts.length > 1) split.push(...parts);
          for (const part of parts) {
            const made = await this.stepGroup(part, tokens, given);
            after.push(made.group);
            stepped.push(part);
            part.rows.forEach((row, i) => (scores[row] = made.scores[i]!));
          }
        }
      } catch (e) {
        for (const g of after) free(g, stepped);
        for (const g of split) free(g);
        throw e;
      }
      for (const g of [...new Set([...this.groups, ...split])]) free(g, after);
      this.groups = after;
      return scores;
    });
  }

  /** Rows before their first token. */
  private begin(tokens: readonly (readonly number[])[]): readonly Group[] {
    if (this.encoder) throw new Error("start comes before the first step");
    const rows = this.pads ? [tokens.map((_, i) => i)] : byLength(tokens);
    return rows.map((own) => ({ rows: own, seen: own.map(() => []), kept: {}, read: {} }));
  }

  /** Can rows be padded? */
  private get pads(): boolean {
    return this.roles.mask !== undefined && this.roles.places !== undefined;
  }

  /**
   * Parts of a group that can take this step together. Only prompts are padded: between tokens of a row, padding would count where
   * distances do.
   */
  private alike(group: Group, tokens: readonly (readonly number[])[]): readonly Group[] {
    if (this.pads && group.seen[0]!.length === 0) return [group];
    const parts = byLength(group.rows.map((r) => tokens[r]!));
    return parts.length === 1 ? [group] : parts.map((places) => this.picked(group, places));
  }

  private async stepGroup(
    group: Group,
    tokens: readonly (readonly number[])[],
    given: GivenInputs,
  ): Promise<{ readonly group: Group; readonly scores: readonly Float32Array[] }> {
    const { roles, model } = this;
    const { tf, signature } = model;
    const own = group.rows.map((r) => tokens[r]!);
    const steady = model.backend === "webgpu" && this.pads;
    const most = Math.max(...own.map((t) => t.length));
    const before = group.seen[0]!.length;
    const count = steady && before === 0 ? roundUp(most, PROMPT_PLACES) : most;
    const seen = group.seen.map((s, i) => [
      ...s,
      ...left(
        own[i]!.map(() => true),
        count,
        false,
      ),
    ]);
    const feeds: NamedTensorMap = { ...group.read };
    const fresh: Tensor[] = [];
    const feed = (name: string, tensor: Tensor): void => {
      feeds[name] = tensor;
      fresh.push(tensor);
    };
    try {
      feed(roles.tokens, model.fed(roles.tokens, table(own.map((t) => left(t, count, 0)))));
      // What is kept has room before what counts.
      let room = before;
      if (steady) room = Math.max(this.lengthOf(group), roundUp(before, KEPT_PLACES) || KEPT_PLACES);
      if (roles.mask) {
        const rows = seen.map((s) => left(s.map(Number), room + count, 0));
        feed(roles.mask.name, model.fed(roles.mask.name, table(rows)));
      }
      if (roles.places) {
        const { name } = roles.places;
        const values = given[name]
          ? group.rows.map((r) => left(listOf(given[name]![r]!), count, 0))
          : seen.map((s, i) => placesOf(s, group.seen[i]!));
        feed(name, model.fed(name, table(values)));
      }
      for (const { name, dims } of roles.others) {
        if (given[name] === undefined)
          throw new TfjsRuntimeError("input-missing", `the input ${name} is missing`, "give it with the step");
        const values = group.rows.map((r) => given[name]![r]!);
        feed(
          name,
          model.fed(
            name,
            dims.length === 1
              ? { dims: [values.length], data: values.map(Number) }
              : table(values.map((v) => left(listOf(v), count, 0))),
          ),
        );
      }
      for (const port of signature.pasts) {
        const kept = group.kept[port.name];
        const axis = roles.grown.get(port.name);
        if (kept && (axis === undefined || kept.shape[axis] === room)) feeds[port.name] = kept;
        else feed(port.name, this.roomy(port, kept, axis, axis === undefined ? 0 : room, own.length));
      }
      const wanted = [roles.scores, ...signature.states.map((s) => s.present)];
      const [all, ...presents] = await model.executeAsync(feeds, wanted);
      const kept: NamedTensorMap = {};
      for (const [i, { past }] of signature.states.entries()) {
        const axis = roles.grown.get(past);
        kept[past] =
          axis === undefined || !steady ? presents[i]! : this.lastOf(presents[i]!, axis, room, seen[0]!.length);
      }
      const last = tf.tidy(() => tf.slice(all!, [0, count - 1, 0], [own.length, 1, roles.vocab]));
      all!.dispose();
      const data = await last.data<"float32">();
      last.dispose();
      model.check();
      return {
        group: { rows: group.rows, seen, kept, read: group.read },
        scores: own.map((_, i) => data.slice(i * roles.vocab, (i + 1) * roles.vocab)),
      };
    } finally {
      for (const t of fresh) t.dispose();
    }
  }

  private lengthOf({ kept }: Group): number {
    for (const [name, axis] of this.roles.grown) if (kept[name]) return kept[name].shape[axis]!;
    return 0;
  }

  /** What is kept with zeros before it, so that it is `room` long; all zeros before the first step. */
  private roomy(
    port: RuntimePort,
    kept: Tensor | undefined,
    axis: number | undefined,
    room: number,
    rows: number,
  ): Tensor {
    const { tf } = this.model;
    if (!kept || axis === undefined)
      return tf.zeros(port.dims.map((d, i) => (i === 0 ? rows : i === axis ? room : typeof d === "number" ? d : 0)));
    return tf.pad(
      kept,
      kept.shape.map((size, i): [number, number] => [i === axis ? room - size : 0, 0]),
    );
  }

  /** The last places, as many as were fed, or more where more count. Disposes of `present`. */
  private lastOf(present: Tensor, axis: number, room: number, count: number): Tensor {
    const { tf } = this.model;
    const size = Math.max(room, roundUp(count, KEPT_PLACES));
    const has = present.shape[axis]!;
    const kept = tf.tidy(() => {
      if (has < size)
        return tf.pad(
          present,
          present.shape.map((_, i): [number, number] => [i === axis ? size - has : 0, 0]),
        );
      const begin = present.shape.map((_, i) => (i === axis ? has - size : 0));
      return tf.slice(
        present,
        begin,
        present.shape.map((s, i) => (i === axis ? size : s)),
      );
    });
    present.dispose();
    return kept;
  }

  /** These of a group's rows as a group of their own. */
  private picked(group: Group, places: readonly number[]): Group {
    const { tf } = this.model;
    const take = (all: NamedTensorMap): NamedTensorMap =>
      tf.tidy(() => {
        const index = tf.tensor(Int32Array.from(places), [places.length], "int32");
        return Object.fromEntries(Object.entries(all).map(([name, t]) => [name, tf.gather(t, index as never, 0)]));
      });
    return {
      rows: places.map((p) => group.rows[p]!),
      seen: places.map((p) => group.seen[p]!),
      kept: take(group.kept),
      read: take(group.read),
    };
  }

  select(rows: readonly number[]): void {
    this.open();
    const total = this.rows;
    if (rows.some((r) => !Number.isInteger(r) || r < 0 || r >= total)) throw new Error(`there are ${total} rows`);
    const after = this.groups.flatMap((group): Group[] => {
      const wanted = rows.flatMap((r, to) => (group.rows.includes(r) ? [{ place: group.rows.indexOf(r), to }] : []));
      if (wanted.length === 0) return [];
      const picked = this.picked(
        group,
        wanted.map((w) => w.place),
      );
      return [{ ...picked, rows: wanted.map((w) => w.to) }];
    });
    for (const g of this.groups) free(g);
    this.groups = after;
  }

  reset(): void {
    this.open();
    for (const g of this.groups) free(g);
    this.groups = [];
  }

  async close(): Promise<void> {
    if (this.closed) return;
    for (const g of this.groups) free(g);
    this.groups = [];
    this.closed = true;
    this.encoder?.dispose();
    this.model.dispose();
  }

  private open(): void {
    if (this.closed) throw new Error("the decoder is closed");
  }
}

/** Disposes of a group's tensors, but for those that the others have too. */
function free(group: Group, others: readonly Group[] = []): void {
  const held = new Set(others.flatMap((g) => [...Object.values(g.kept), ...Object.values(g.read)]));
  for (const t of [...Object.values(group.kept), ...Object.values(group.read)]) if (!held.has(t)) t.dispose();
}

/** Indices of rows that are equally long, together. */
function byLength(rows: readonly (readonly number[])[]): readonly (readonly number[])[] {
  const groups = new Map<number, number[]>();
  for (const [i, row] of rows.entries()) {
    const same = groups.get(row.length);
    if (same) same.push(i);
    else groups.set(row.length, [i]);
  }
  return [...groups.values()];
}

/** Places of the new tokens: each row counts its own; padding has the first place. */
function placesOf(seen: readonly boolean[], before: readonly boolean[]): number[] {
  let count = before.filter(Boolean).length;
  return seen.slice(before.length).map((real) => (real ? count++ : 0));
}

const roundUp = (n: number, step: number): number => Math.ceil(n / step) * step;
const listOf = (v: number | readonly number[]): readonly number[] => (typeof v === "number" ? [v] : v);

/** With `value` before it, so that it is this long. */
function left<T>(row: readonly T[], length: number, value: T): T[] {
  return [...Array.from({ length: length - row.length }, () => value), ...row];
}

function filled<T>(row: readonly T[], length: number, value: T): T[] {
  return [...row, ...Array.from({ length: length - row.length }, () => value)];
}

function table(rows: readonly (readonly number[])[]): Values {
  return { dims: [rows.length, rows[0]?.length ?? 0], data: rows.flat() };
}
