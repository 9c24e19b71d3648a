/**
 * @file From the inputs that a user gives to all that a model takes: sizes are worked out, the absent ones are filled
 * as a client would.
 */
import { diagnose, type Diagnostic, type Result } from "../diagnostics/diagnostic.ts";
import { nearest } from "../diagnostics/suggest.ts";
import { fillNormal, keyOf, philox } from "../weights/random.ts";
import type { ArtifactPort, ArtifactRecord, ArtifactState } from "./record.ts";
import { Sizes, symbolOf, symbolsOf } from "./sizes.ts";
import { shapeReason, type InputValue } from "./tensors.ts";
import { countOf, filled, fromNumbers, place, showPort, type TensorValue } from "./values.ts";

/** Places along an axis that nothing gives a size, where a value is drawn; the first axis gets one. */
const DRAWN_PLACES = 8;
/** Whole numbers are drawn below this where the record states no table's size. */
const DRAWN_BELOW = 2;

/** All inputs of a run. `folder` is for messages. */
export function fillInputs(
  record: ArtifactRecord,
  given: ReadonlyMap<string, InputValue>,
  folder: string,
): Result<ReadonlyMap<string, TensorValue>> {
  const filler = new Filler(record, given, folder);
  const value = filler.run();
  return filler.problems.length > 0 ? { diagnostics: filler.problems } : { value, diagnostics: [] };
}

/** The past of a state as an input. */
export function pastPort(state: ArtifactState): ArtifactPort {
  return { name: state.past, dtype: state.dtype ?? "float32", axes: state.axes };
}

class Filler {
  readonly problems: Diagnostic[] = [];
  private readonly sizes = new Sizes();
  private readonly ports: readonly ArtifactPort[];
  private readonly pasts: readonly ArtifactPort[];
  /** Sizes that only what is handed on has: 0 in the first step. */
  private readonly pastSymbols: ReadonlySet<string>;

  constructor(
    private readonly record: ArtifactRecord,
    private readonly given: ReadonlyMap<string, InputValue>,
    private readonly folder: string,
  ) {
    this.pasts = record.states.map(pastPort);
    const names = new Set(this.pasts.map((p) => p.name));
    this.ports = record.inputs.filter((p) => !names.has(p.name));
    const own = new Set(this.ports.flatMap((p) => p.axes.map(symbolOf)));
    this.pastSymbols = new Set(this.pasts.flatMap((p) => p.axes.flatMap(symbolsOf)).filter((s) => !own.has(s)));
  }

  run(): ReadonlyMap<string, TensorValue> {
    const all = [...this.ports, ...this.pasts];
    this.checkNames(all);
    this.learn(all);
    const out = new Map<string, TensorValue>();
    this.checkLimits(all);
    if (this.problems.length > 0) return out;
    for (const port of all) {
      const value = this.valueOf(port);
      if (value) out.set(port.name, value);
    }
    return out;
  }

  private checkNames(all: readonly ArtifactPort[]): void {
    const names = all.map((p) => p.name);
    for (const name of this.given.keys()) {
      if (names.includes(name)) continue;
      const close = nearest(name, names);
      const hint =
        close === undefined
          ? `its inputs are ${names.filter((n) => !this.pasts.some((p) => p.name === n)).join(", ")}`
          : `did you mean ${close}?`;
      this.problems.push(diagnose("cli/unknown-input", { name, folder: this.folder }, undefined, { hint }));
    }
    for (const port of this.ports) {
      if (this.given.has(port.name) || port.default !== undefined) continue;
      this.problems.push(
        diagnose("cli/missing-input", { name: port.name, type: showPort(port) }, undefined, {
          hint: `give it: --input '${port.name}=${example(port)}'`,
        }),
      );
    }
  }

  /** First from axes that are one symbol, then from sums; what is handed on has length 0 unless it is given. */
  private learn(all: readonly ArtifactPort[]): void {
    const known = all.flatMap((port) => {
      const value = this.given.get(port.name);
      if (!value || "random" in value) return [];
      const wrong = shapeReason(value, port);
      if (wrong) this.wrong(port, wrong.reason);
      return wrong ? [] : [{ port, value }];
    });
    const pass = (single: boolean): void => {
      for (const { port, value } of known)
        for (const [i, axis] of port.axes.entries()) {
          if (axis.size !== undefined || (symbolOf(axis) !== undefined) !== single) continue;
          const reason = this.sizes.learn(axis, value.dims[i]!, port.name);
          if (reason !== undefined) this.wrong(port, reason);
        }
    };
    pass(true);
    if (!this.pasts.some((p) => this.given.has(p.name)))
      for (const s of this.pastSymbols) this.sizes.assume(s, 0, "the first step, whose past is empty");
    pass(false);
    // Drawn inputs may choose what is left.
    for (const port of all) {
      const value = this.given.get(port.name);
      if (value && "random" in value)
        for (const [i, axis] of port.axes.entries())
          for (const s of symbolsOf(axis)) this.sizes.assume(s, i === 0 ? 1 : DRAWN_PLACES, port.name);
    }
    for (const port of all)
      for (const axis of port.axes)
        for (const s of symbolsOf(axis)) this.sizes.assume(s, this.pastSymbols.has(s) ? 0 : 1);
  }

  /** Places that the model itself looks up in a table: beyond its end the runtime's message does not say what is too long, if there is one. */
  private checkLimits(all: readonly ArtifactPort[]): void {
    for (const { size, most } of this.record.limits ?? []) {
      const found = this.sizes.of({ name: size });
      if (found === undefined || found <= most) continue;
      const symbols = symbolsOf({ name: size });
      const port = all.find((p) => p.axes.some((a) => symbolsOf(a).some((s) => symbols.includes(s))));
      if (port) this.wrong(port, `${size} is ${found}, and the model has a table of ${most} places`);
    }
  }

  private valueOf(port: ArtifactPort): TensorValue | undefined {
    const given = this.given.get(port.name);
    const made = given && !("random" in given) ? given : this.made(port, given?.random);
    if ("reason" in made) return this.wrong(port, made.reason);
    const outside = outsideOf(made, port);
    return outside === undefined ? made : this.wrong(port, outside);
  }

  private made(port: ArtifactPort, seed: number | undefined): TensorValue | { readonly reason: string } {
    const dims = port.axes.map((a) => this.sizes.of(a)!);
    if (dims.some((d) => d < 0)) return { reason: `its shape would be [${dims.join(", ")}]` };
    if (seed !== undefined) return drawn(port, dims, seed);
    switch (port.default) {
      case "positions":
        return positions(port, dims, this.pastLength());
      case "ones":
        return filled(port.dtype, dims, 1);
      case "zeros":
      case undefined:
        return filled(port.dtype, dims, 0);
      default:
        return filled(port.dtype, dims, port.default);
    }
  }

  /** Positions are counted on from here. */
  private pastLength(): number {
    return Math.max(0, ...[...this.pastSymbols].map((s) => this.sizes.get(s) ?? 0));
  }

  private wrong(port: ArtifactPort, reason: string): undefined {
    this.problems.push(
      diagnose("cli/input-value", { name: port.name, reason }, undefined, {
        hint: `${port.name} is ${showPort(port)}`,
      }),
    );
    return undefined;
  }
}

function positions(
  port: ArtifactPort,
  dims: readonly number[],
  start: number,
): TensorValue | { readonly reason: string } {
  const last = dims.at(-1) ?? 1;
  return fromNumbers(
    port.dtype,
    Float64Array.from({ length: countOf(dims) }, (_, i) => start + (i % last)),
    dims,
  );
}

/** Floats from a normal distribution, whole numbers evenly from those that a table has. */
function drawn(port: ArtifactPort, dims: readonly number[], seed: number): TensorValue | { readonly reason: string } {
  const count = countOf(dims);
  if (port.dtype === "float32" || port.dtype === "float16") {
    const numbers = new Float32Array(count);
    fillNormal(numbers, 0, port.name, seed, 1);
    return fromNumbers(port.dtype, numbers, dims);
  }
  const below = port.dtype === "bool" ? 2 : (port.below ?? DRAWN_BELOW);
  const [k0, k1] = keyOf(port.name);
  const words = new Uint32Array(Math.ceil(count / 4) * 4);
  for (let i = 0; i < count; i += 4) philox(i / 4, 0, seed | 0, Math.floor(seed / 2 ** 32) | 0, k0, k1, words, i);
  return fromNumbers(
    port.dtype,
    Float64Array.from(words.subarray(0, count), (w) => Math.floor((w / 2 ** 32) * below)),
    dims,
  );
}

/** Says which number a table of the model would lack: the runtime's own message does not name it. */
function outsideOf({ data, dims }: TensorValue, { below }: ArtifactPort): string | undefined {
  if (below === undefined) return undefined;
  for (let i = 0; i < data.length; i++)
    if (data[i]! < 0 || data[i]! >= below) return `${data[i]} at ${place(i, dims)} is outside of 0 to ${below - 1}`;
  return undefined;
}

function example(port: ArtifactPort): string {
  const inner = port.dtype.startsWith("float") ? "random:1" : "1, 2, 3";
  return inner === "random:1" ? inner : `${"[".repeat(port.axes.length)}${inner}${"]".repeat(port.axes.length)}`;
}
