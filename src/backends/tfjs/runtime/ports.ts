/** @file Inputs of a model: what was given is checked on the host, what was not is filled as the compiled folder says. */
import type { ModelJson } from "../graph-def.ts";
import { TfjsRuntimeError } from "./errors.ts";

/** Numbers with their shape. */
export interface Values {
  readonly dims: readonly number[];
  readonly data: ArrayLike<number>;
}

export type RuntimeDtype = "float32" | "int32" | "bool";

/** An input or output. A dimension is a number, or the name of a size that may differ from run to run (`*` where it has none). */
export interface RuntimePort {
  readonly name: string;
  readonly dtype: RuntimeDtype;
  readonly dims: readonly (number | string)[];
  /** What an absent input is; of outputs, and of inputs that must be given, absent. */
  readonly default?: number | "positions";
  /** Of whole numbers that are looked up in a table: its number of rows. */
  readonly below?: number;
}

/** What is handed from one step to the next. */
export interface RuntimeState {
  readonly past: string;
  readonly present: string;
}

export interface RuntimeSignature {
  /** Without the past. */
  readonly inputs: readonly RuntimePort[];
  readonly outputs: readonly RuntimePort[];
  readonly states: readonly RuntimeState[];
  /** The ports of `states`' pasts. */
  readonly pasts: readonly RuntimePort[];
  /** Inputs that are outputs or inputs of the model file before this one. */
  readonly given: Readonly<Record<string, string>>;
  /** Sizes that a run may not exceed: the model looks these places up in a table of so many rows. */
  readonly limits: readonly { readonly size: string; readonly most: number }[];
}

/** What the runtime reads of `tfm.json`. */
interface Recorded {
  readonly inputs?: readonly RecordedPort[];
  readonly outputs?: readonly RecordedPort[];
  readonly states?: readonly (RuntimeState & { readonly axes: RecordedPort["axes"] })[];
  readonly given?: Readonly<Record<string, string>>;
  readonly limits?: RuntimeSignature["limits"];
  readonly graphs?: readonly ({ readonly file: string } & Omit<Recorded, "graphs">)[];
}

interface RecordedPort {
  readonly name: string;
  readonly axes: readonly { readonly name: string; readonly size?: number }[];
  readonly default?: "ones" | "zeros" | "positions" | number;
  readonly below?: number;
}

const DTYPES: Readonly<Record<string, RuntimeDtype>> = { DT_FLOAT: "float32", DT_INT32: "int32", DT_BOOL: "bool" };
const DEFAULTS = { ones: 1, zeros: 0, positions: "positions" } as const;

/** The ports of a model file, by its signature and what `tfm.json` says of them. */
export function signatureOf({ signature }: ModelJson, record: unknown, file: string): RuntimeSignature {
  const whole = (record ?? {}) as Recorded;
  const own = whole.graphs?.find((g) => g.file === file) ?? whole;
  const states = own.states ?? [];
  const pasts = new Set(states.map((s) => s.past));
  const known = new Map([...(own.inputs ?? []), ...(own.outputs ?? [])].map((p) => [p.name, p]));
  for (const { past, axes } of states) known.set(past, { name: past, axes });
  const ports = (infos: ModelJson["signature"]["inputs"]): RuntimePort[] =>
    Object.entries(infos).map(([name, { dtype, tensorShape }]): RuntimePort => {
      const stated = known.get(name);
      const given = stated?.default;
      return {
        name,
        dtype: DTYPES[dtype] ?? "float32",
        dims: tensorShape.dim.map(({ size }, i) => (Number(size) >= 0 ? Number(size) : (stated?.axes[i]?.name ?? "*"))),
        ...(given === undefined ? {} : { default: typeof given === "number" ? given : DEFAULTS[given] }),
        ...(stated?.below === undefined ? {} : { below: stated.below }),
      };
    });
  const inputs = ports(signature.inputs);
  return {
    inputs: inputs.filter((p) => !pasts.has(p.name)),
    outputs: ports(signature.outputs),
    states,
    pasts: inputs.filter((p) => pasts.has(p.name)),
    given: own.given ?? {},
    limits: own.limits ?? [],
  };
}

/** The model files of a folder, in the order in which they run. */
export function modelFiles(record: unknown): readonly string[] {
  return ((record ?? {}) as Recorded).graphs?.map((g) => g.file) ?? ["model.json"];
}

/** All inputs of a run: those given, checked, and the others by their defaults. Throws `TfjsRuntimeError`. */
export function fillInputs(
  { inputs, pasts, limits }: RuntimeSignature,
  given: Readonly<Record<string, Values>>,
): ReadonlyMap<string, { readonly port: RuntimePort; readonly values: Values }> {
  const all = [...inputs, ...pasts];
  for (const name of Object.keys(given))
    if (!all.some((p) => p.name === name))
      throw new TfjsRuntimeError(
        "input-unknown",
        `the model has no input ${name}`,
        `its inputs are ${inputs.map((p) => p.name).join(", ")}`,
      );
  const sizes = new Map<string, number>();
  for (const port of all) if (given[port.name]) learn(port, given[port.name]!, sizes);
  for (const { size, most } of limits) {
    const found = sizeOf(size, sizes) ?? 0;
    if (found > most)
      throw new TfjsRuntimeError(
        "too-long",
        `${size} is ${found}, and the model has a table of ${most} places`,
        "give a shorter sequence",
      );
  }
  return new Map(
    all.map((port) => {
      const values = given[port.name] ?? filled(port, sizes, pasts.includes(port));
      checkIds(port, values);
      return [port.name, { port, values }];
    }),
  );
}

function learn(port: RuntimePort, { dims, data }: Values, sizes: Map<string, number>): void {
  const wrong = (what: string): TfjsRuntimeError =>
    new TfjsRuntimeError(
      "input-shape",
      `the input ${port.name} is ${show(dims)}: ${what}`,
      `it takes ${show(port.dims)}`,
    );
  if (dims.length !== port.dims.length) throw wrong(`it has ${port.dims.length} dimensions`);
  if (dims.some((d) => !Number.isSafeInteger(d) || d < 0)) throw wrong("a dimension is a whole number of 0 or more");
  const count = dims.reduce((a, b) => a * b, 1);
  if (data.length !== count) throw wrong(`${count} numbers fit it, and there are ${data.length}`);
  for (const [i, dim] of port.dims.entries()) {
    const size = dims[i]!;
    if (typeof dim === "number") {
      if (dim !== size) throw wrong(`its dimension ${i} is ${dim}`);
    } else if (/^\w+$/.test(dim)) {
      const before = sizes.get(dim);
      if (before !== undefined && before !== size) throw wrong(`${dim} is ${before} by another input`);
      sizes.set(dim, size);
    }
  }
}

const show = (dims: readonly (number | string)[]): string => `[${dims.join(", ")}]`;

function filled(port: RuntimePort, sizes: ReadonlyMap<string, number>, past: boolean): Values {
  if (port.default === undefined && !past)
    throw new TfjsRuntimeError(
      "input-missing",
      `the input ${port.name} is missing`,
      `give it: it is ${show(port.dims)}`,
    );
  const dims = port.dims.map((dim) => {
    const size = sizeOf(dim, sizes);
    // What only the past has is 0 before the first step.
    if (size === undefined && past) return 0;
    if (size === undefined)
      throw new TfjsRuntimeError(
        "input-missing",
        `nothing says how long ${dim} of ${port.name} is`,
        `give ${port.name}`,
      );
    return size;
  });
  const count = dims.reduce((a, b) => a * b, 1);
  const last = dims.at(-1) ?? 1;
  const value = port.default ?? 0;
  return { dims, data: Array.from({ length: count }, (_, i) => (value === "positions" ? i % last : value)) };
}

/** `past_sequence_length + sequence_length` is the sum of what is known; before the first step the past is 0. */
function sizeOf(dim: number | string, sizes: ReadonlyMap<string, number>): number | undefined {
  if (typeof dim === "number") return dim;
  const parts = dim.split("+").map((s) => s.trim());
  const known = parts.flatMap((p) => (/^\d+$/.test(p) ? Number(p) : (sizes.get(p) ?? [])));
  return known.length === 0 ? undefined : known.reduce((a, b) => a + b, 0);
}

/** Throws where a number is no row of its table: on webgpu such a row is garbage, silently. */
export function checkIds({ name, below }: RuntimePort, { dims, data }: Values): void {
  if (below === undefined) return;
  for (let i = 0; i < data.length; i++) {
    const id = data[i]!;
    if (id >= 0 && id < below && Number.isInteger(id)) continue;
    const place: number[] = [];
    for (let rest = i, d = dims.length - 1; d >= 0; d--) {
      place.unshift(rest % dims[d]!);
      rest = Math.floor(rest / dims[d]!);
    }
    throw new TfjsRuntimeError(
      "id-out-of-range",
      `${name} has ${id} at ${show(place)}, and the table has ${below} rows`,
      `give whole numbers from 0 to ${below - 1}`,
    );
  }
}
