/**
 * @file A decoder over loaded models of the usual artifacts: past in and present out, whole or in rows; an encoder before it where
 * there is one.
 */
import { diagnose } from "../diagnostics/diagnostic.ts";
import { Batch, columns, type Step } from "./batch.ts";
import { Cache } from "./cache.ts";
import { DecodeFailure, type Decoder, type GivenInputs } from "./decoder.ts";
import { countOf, filledWith, gathered, type Session, type Tensor } from "./session.ts";
import { rolesOf, tokensOf, type Port, type PortDtype, type Signature, type StepRoles } from "./signature.ts";

/** A model file, loaded. */
export interface Loaded {
  readonly signature: Signature;
  readonly session: Session;
}

type Fed = Tensor & { readonly dtype: PortDtype };

/**
 * So many places are read at once. Attention over a prompt of n takes n² scores, of which half are hidden: in parts it takes 0.62 of the
 * time and 0.37 of the memory at n = 2,000 (ONNX Runtime 1.30, CPU, one thread, 16 layers of 32 heads of 64).
 */
const MOST_PLACES = 256;

/** What the encoder left for the steps, by the names of the decoder's inputs; the axis of rows is the first. */
type Source = ReadonlyMap<string, Fed>;

/** A decoder over the last of these models; the one before it, if any, reads the source. */
export function decoderOver(models: readonly Loaded[]): Decoder | { readonly reason: string } {
  const decoder = models.at(-1)!;
  const roles = rolesOf(decoder.signature);
  if ("reason" in roles) return roles;
  const encoder = models.length > 1 ? models.at(-2) : undefined;
  if (encoder && !tokensOf(encoder.signature.inputs)) return { reason: "its encoder has no input of tokens" };
  return new SessionDecoder(decoder, encoder, roles);
}

class SessionDecoder implements Decoder {
  private readonly batch = new Batch();
  private readonly cache: Cache;
  private source: Source | undefined;
  private closed = false;

  constructor(
    private readonly model: Loaded,
    private readonly encoder: Loaded | undefined,
    private readonly roles: StepRoles,
  ) {
    this.cache = new Cache(model.signature, roles.batch);
  }

  get vocab(): number {
    return this.roles.vocab;
  }

  get limit(): number | undefined {
    return this.roles.limit;
  }

  get readsSource(): boolean {
    return this.encoder !== undefined;
  }

  get rows(): number {
    return this.batch.rows;
  }

  get length(): number {
    return this.batch.length;
  }

  async start(source: readonly (readonly number[])[], given: GivenInputs = {}): Promise<void> {
    const { encoder } = this;
    if (!encoder) throw refused("the model reads no source: its tokens are given by `step`");
    this.reset();
    const { signature, session } = encoder;
    const tokens = tokensOf(signature.inputs)!;
    checkTokens(source, tokens);
    const longest = Math.max(...source.map((t) => t.length));
    const [fixedRows, places = longest] = tokens.axes.map((a) => a.size);
    if (longest > places || (fixedRows !== undefined && fixedRows !== source.length))
      throw refused(
        `the encoder was compiled for ${fixedRows ?? source.length} sources of ${places} tokens, and there are ${source.length} of ${longest}`,
      );
    const mask = signature.inputs.find((p) => p.default === "ones" && sameAxes(p, tokens));
    if (!mask && source.some((t) => t.length < places))
      throw refused("the encoder has no mask: sources read together must have the same length");
    const dims = [source.length, places];
    const feed = new Map<string, Fed>();
    const put = (port: Port, numbers: ArrayLike<number>, shape: readonly number[] = dims): void => {
      feed.set(port.name, { dtype: port.dtype, dims: shape, data: filledWith(port.dtype, numbers) });
    };
    // Encoders are padded behind the tokens, where the places count from the left.
    put(
      tokens,
      source.flatMap((t) => [...t, ...new Array<number>(places - t.length).fill(t[0]!)]),
    );
    if (mask)
      put(
        mask,
        source.flatMap((t) => Array.from({ length: places }, (_, i) => Number(i < t.length))),
      );
    for (const port of signature.inputs)
      if (!feed.has(port.name)) {
        const shape = port.axes.map(
          (a, i) => a.size ?? (a.name === tokens.axes[0]!.name ? source.length : i === 0 ? 1 : places),
        );
        put(port, valuesFor(port, shape, given[port.name], 0), shape);
      }
    const wanted = signature.outputs.map((o) => o.name);
    const found = await run(session, feed, wanted);
    const all = new Map<string, Fed>([
      ...feed,
      ...signature.outputs.map((o): [string, Fed] => [o.name, { ...found.get(o.name)!, dtype: o.dtype }]),
    ]);
    this.source = new Map(Object.entries(this.model.signature.given ?? {}).map(([own, name]) => [own, all.get(name)!]));
  }

  async step(tokens: readonly (readonly number[])[], given: GivenInputs = {}): Promise<readonly Float32Array[]> {
    this.check(tokens);
    const { roles, cache, batch } = this;
    if (batch.rows === 0) cache.begin(tokens.length);
    const before = cache.snapshot();
    let found: ReadonlyMap<string, Tensor> | undefined;
    try {
      const parts = this.parts(batch.step(tokens), given);
      for (const step of parts) {
        const past = step.mask.length / step.rows - step.places;
        const inputs = new Map<string, Fed>([...this.inputsOf(step, past, given), ...(this.source ?? [])]);
        const states = cache.outputs(this.lengths(inputs));
        const wanted = step === parts.at(-1) || states.length === 0 ? [roles.logits.name, ...states] : states;
        found = await run(this.model.session, new Map([...inputs, ...cache.feed(past)]), wanted);
        cache.take(found);
      }
    } catch (e) {
      cache.restore(before);
      throw e;
    }
    batch.take(tokens);
    const { data, dims } = found!.get(roles.logits.name)!;
    const [, places, vocab] = dims as [number, number, number];
    return tokens.map((_, row) => {
      const end = (row + 1) * places * vocab;
      return (data as Float32Array).subarray(end - vocab, end);
    });
  }

  /** What can be said beforehand. */
  private check(tokens: readonly (readonly number[])[]): void {
    const { batch, roles, source } = this;
    if (this.closed) throw refused("the decoder is closed");
    if (this.encoder && !source) throw refused("the model reads a source first: `start` gives it");
    const rows = batch.rows > 0 ? batch.rows : source ? [...source.values()][0]?.dims[0] : undefined;
    if (rows !== undefined && tokens.length !== rows)
      throw refused(`there are ${rows} rows, and tokens for ${tokens.length}`);
    checkTokens(tokens, roles.tokens);
    if (!roles.mask && tokens.some((t) => t.length !== tokens[0]!.length))
      throw refused("the model has no mask of its tokens: all rows of a step must have the same number of them");
    if (roles.rows !== undefined && tokens.length !== roles.rows)
      throw refused(`the model was compiled for ${roles.rows} rows, and there are tokens for ${tokens.length}`);
    const places = Math.max(...tokens.map((t) => t.length));
    if (roles.places !== undefined && places % roles.places !== 0)
      throw refused(`the model takes ${roles.places} tokens at a time, and there are ${places}`);
    if (roles.places !== undefined && places > roles.places && !this.model.signature.causal)
      throw refused(
        `the model takes ${roles.places} tokens at a time, and there are ${places}, whose places may see each other: compile it without a fixed length`,
      );
    const longest = batch.longestWith(tokens);
    if (roles.limit !== undefined && longest > roles.limit)
      throw refused(`the longest row would have ${longest} tokens, and the model has places for ${roles.limit}`);
  }

  /**
   * A model whose steps are always as long gets so many places at a time, and one in which no place sees a later one a long prompt in
   * parts. Attention over shared buffers, and that of models that say so, takes several places of several rows only where there is no
   * past: else one at a time.
   */
  private parts(step: Step, given: GivenInputs): readonly Step[] {
    const { states, causal, narrow } = this.model.signature;
    if (this.roles.places !== undefined) return columns(step, this.roles.places);
    if (step.rows > 1 && (narrow || states.some((s) => s.shared)))
      return step.places > 1 && this.batch.length > 0 ? columns(step) : [step];
    // What is given for each place is given for the whole step.
    if (!causal || step.places <= MOST_PLACES || Object.keys(given).length > 0) return [step];
    return columns(step, Math.ceil(step.places / Math.ceil(step.places / MOST_PLACES)));
  }

  /** Of what is fed, but for the tokens, whose length is that of the step. */
  private lengths(inputs: ReadonlyMap<string, Tensor>): ReadonlyMap<string, number> {
    const found = new Map<string, number>();
    for (const { name, axes } of this.model.signature.inputs)
      for (const [i, axis] of axes.entries()) {
        const dims = inputs.get(name)?.dims;
        if (dims && axis.size === undefined) found.set(axis.name, dims[i]!);
      }
    for (const axis of this.roles.tokens.axes) found.delete(axis.name);
    return found;
  }

  private *inputsOf(step: Step, past: number, given: GivenInputs): Generator<[string, Fed]> {
    const { roles } = this;
    const fed = ({ name, dtype }: Port, numbers: ArrayLike<number>, dims: readonly number[]): [string, Fed] => [
      name,
      { dtype, dims, data: filledWith(dtype, numbers) },
    ];
    const dims = [step.rows, step.places];
    yield fed(roles.tokens, step.tokens, dims);
    if (roles.mask) yield fed(roles.mask, step.mask, [step.rows, past + step.places]);
    for (const port of roles.positions) if (given[port.name] === undefined) yield fed(port, step.positions, dims);
    for (const port of [...roles.others, ...roles.positions.filter((p) => given[p.name] !== undefined)]) {
      const shape = port.axes.map((a) => a.size ?? (a.name === roles.batch ? step.rows : step.places));
      yield fed(port, valuesFor(port, shape, given[port.name], past), shape);
    }
  }

  select(rows: readonly number[]): void {
    for (const row of rows)
      if (!Number.isInteger(row) || row < 0 || row >= this.batch.rows) throw refused(`there is no row ${row}`);
    if (rows.length === this.batch.rows && rows.every((row, i) => row === i)) return;
    if (rows.length === 0) return this.reset();
    this.batch.select(rows);
    this.cache.select(rows);
    if (this.source)
      this.source = new Map([...this.source].map(([name, t]) => [name, { ...gathered(t, 0, rows), dtype: t.dtype }]));
  }

  reset(): void {
    this.batch.clear();
    this.cache.clear();
    this.source = undefined;
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.reset();
    await this.model.session.close();
    await this.encoder?.session.close();
  }
}

function refused(reason: string): DecodeFailure {
  return new DecodeFailure(diagnose("generate/step", { reason }));
}

function sameAxes(a: Port, b: Port): boolean {
  return a.axes.length === b.axes.length && a.axes.every((x, i) => x.name === b.axes[i]!.name);
}

function checkTokens(tokens: readonly (readonly number[])[], { below }: Port): void {
  if (tokens.length === 0) throw refused("there are no rows");
  for (const [row, own] of tokens.entries()) {
    if (own.length === 0) throw refused(`row ${row} has no token`);
    const wrong = own.find((t) => !Number.isInteger(t) || t < 0 || (below !== undefined && t >= below));
    if (wrong !== undefined) throw refused(`row ${row} has the token ${wrong}, and there are 0 to ${below! - 1}`);
  }
}

/** The numbers of an input that the caller gives, or that has a default. Lists stand at the end of a row's places, as tokens do. */
function valuesFor(
  port: Port,
  dims: readonly number[],
  given: GivenInputs[string] | undefined,
  past: number,
): ArrayLike<number> {
  const numbers = new Float64Array(countOf(dims));
  if (given === undefined) {
    if (port.default === undefined) throw refused(`the input ${port.name} must be given`);
    const last = dims.at(-1) ?? 1;
    if (port.default === "positions") return numbers.map((_, i) => past + (i % last));
    return numbers.fill(port.default === "ones" ? 1 : port.default === "zeros" ? 0 : port.default);
  }
  const rows = dims[0] ?? 1;
  const each = countOf(dims.slice(1));
  if (given.length !== rows) throw refused(`the input ${port.name} is given for ${given.length} rows of ${rows}`);
  for (const [row, own] of given.entries()) {
    const values = typeof own === "number" ? [own] : own;
    if (values.length > each || (typeof own === "number" && each !== 1 && dims.length > 1))
      throw refused(`the input ${port.name} of row ${row} has ${values.length} numbers where there are ${each} places`);
    const wrong = values.find((v) => port.below !== undefined && (v < 0 || v >= port.below));
    if (wrong !== undefined)
      throw refused(`the input ${port.name} of row ${row} is ${wrong}, outside of 0 to ${port.below! - 1}`);
    numbers.set(values, (row + 1) * each - values.length);
  }
  return numbers;
}

async function run(
  session: Session,
  feed: ReadonlyMap<string, Fed>,
  wanted: readonly string[],
): Promise<ReadonlyMap<string, Tensor>> {
  try {
    return await session.run(feed, wanted);
  } catch (e) {
    const reason = e instanceof Error ? e.message : String(e);
    throw new DecodeFailure(
      diagnose("generate/step", { reason: `the runtime says: ${reason.split("\n")[0]!.slice(0, 300)}` }),
    );
  }
}
