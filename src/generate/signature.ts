/** @file What a decoder needs to know of a compiled model: its ports, and the part that each plays in generating. */

export interface Axis {
  /** Its name at the boundary; of a size that varies the size's own: `past_sequence_length + sequence_length`. */
  readonly name: string;
  /** Where it is fixed. */
  readonly size?: number;
}

export type PortDtype = "float32" | "float16" | "int64" | "int32" | "bool";

export interface Port {
  readonly name: string;
  readonly dtype: PortDtype;
  readonly axes: readonly Axis[];
  /** What an absent input is. */
  readonly default?: "ones" | "zeros" | "positions" | number;
  /** Of whole numbers that are looked up in a table: the table's size. */
  readonly below?: number;
}

/** What is handed from one step to the next. */
export interface State {
  readonly past: string;
  readonly present: string;
  /** Of the past. */
  readonly axes: readonly Axis[];
  readonly dtype?: PortDtype;
  /** The past is a buffer, and `present[index]` its new places, which continue it along this axis. `spare`: it may be longer than what counts. */
  readonly rows?: { readonly index: number; readonly axis: number; readonly spare?: true };
  /** Past and present may be one buffer. */
  readonly shared?: true;
}

/** One model file; the records in `tfm.json` are such. */
export interface Signature {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly states: readonly State[];
  /** The input that says how many places of the buffers count. */
  readonly count?: string;
  /** No place sees one behind it: a long step may be taken in parts. */
  readonly causal?: true;
  /** A step that has a past takes several places of one row, or one place of several. */
  readonly narrow?: true;
  /** Sizes that a run may not exceed: the model looks these places up in a table of so many rows. */
  readonly limits?: readonly { readonly size: string; readonly most: number }[];
  /** Inputs that are outputs or inputs of the file before. */
  readonly given?: Readonly<Record<string, string>>;
}

/** The parts that the inputs of a step play. */
export interface StepRoles {
  readonly tokens: Port;
  /** The sizes of the tokens' two axes. */
  readonly batch: string;
  readonly now: string;
  /** Where they are fixed: how many rows there are, and how many places a step has. */
  readonly rows: number | undefined;
  readonly places: number | undefined;
  /** One for each token so far: 0 where there is padding. */
  readonly mask: Port | undefined;
  /** One for each token of the step: how many of its row came before. */
  readonly positions: readonly Port[];
  /** What the caller has to give, and may give. */
  readonly others: readonly Port[];
  readonly logits: Port;
  readonly vocab: number;
  /** How many tokens of a row the tables of positions have places for. */
  readonly limit: number | undefined;
}

/** The parts, or why the model cannot be decoded with. */
export function rolesOf({
  inputs,
  outputs,
  states,
  count,
  given = {},
  limits: lengths = [],
}: Signature): StepRoles | { readonly reason: string } {
  const pasts = new Set(states.map((s) => s.past));
  const own = inputs.filter((p) => !pasts.has(p.name) && p.name !== count && !Object.hasOwn(given, p.name));
  const tokens = tokensOf(own);
  if (!tokens) return { reason: "it has no input of tokens, whole numbers for each row and place" };
  const [batch, now] = tokens.axes.map((a) => a.name) as [string, string];
  if (states.length === 0) return { reason: "it hands nothing on from step to step" };
  const scores = outputs.filter(
    ({ axes, dtype }) =>
      dtype === "float32" &&
      axes.length === 3 &&
      axes[0]!.name === batch &&
      // Of a model that was compiled for the last place only there is one.
      (axes[1]!.name === now || axes[1]!.size === 1) &&
      axes[2]!.size !== undefined,
  );
  const logits = scores.find((p) => p.axes[2]!.size === tokens.below) ?? scores[0];
  if (!logits) return { reason: "it has no output of scores for each token" };
  const mask = own.find(
    ({ axes, default: absent }) =>
      absent === "ones" &&
      axes.length === 2 &&
      axes[0]!.name === batch &&
      axes[1]!.name !== now &&
      // Of a step that is always as long, only the past is open.
      [now, ...pastAxes(states)].some((size) => mentions(axes[1]!, size)),
  );
  const positions = own.filter((p) => p.default === "positions" && p.axes.at(-1)?.name === now);
  const limits = [
    ...positions.flatMap((p) => (p.below === undefined ? [] : [p.below])),
    ...lengths.flatMap(({ size, most }) => (mentions({ name: size }, now) ? [most] : [])),
  ];
  return {
    tokens,
    batch,
    now,
    rows: tokens.axes[0]!.size,
    places: tokens.axes[1]!.size,
    mask,
    positions,
    others: own.filter((p) => p !== tokens && p !== mask && !positions.includes(p)),
    logits,
    vocab: logits.axes[2]!.size!,
    limit: limits.length > 0 ? Math.min(...limits) : undefined,
  };
}

/** The first input of whole numbers that are looked up, for each row and place, and that must be given. */
export function tokensOf(inputs: readonly Port[]): Port | undefined {
  return inputs.find(
    ({ dtype, axes, default: absent, below }) =>
      (dtype === "int64" || dtype === "int32") && below !== undefined && absent === undefined && axes.length === 2,
  );
}

/** The open sizes of what is handed on. */
function pastAxes(states: readonly State[]): string[] {
  return states.flatMap((s) => s.axes.filter((a) => a.size === undefined).map((a) => a.name));
}

/** Is this size a part of the axis's? */
export function mentions(axis: Axis, size: string): boolean {
  return axis.size === undefined && axis.name.split(/[^\w.]+/).includes(size);
}
