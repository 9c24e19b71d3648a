/**
 * @file The graph: SSA over named axes with symbolic sizes.
 *
 * - A `Value` is made once: by a graph's input, parameter or state, or by a node. Nodes stand in an order in which every
 *   operand is made before it is used.
 * - Nothing is transposed, reshaped or numbered: operators go by the names of axes (`ops/`). Memory layout belongs to `layout/`.
 * - A `repeat` node keeps its body once. `bodies` holds one graph for each *kind* of iteration, `attrs.schedule[i]` says which
 *   of them iteration i runs. Its first `attrs.carried` operands are what the iterations hand on (and its outputs are the same
 *   after the last); the others are captured: every iteration reads the same value. A body's inputs are, in order, the carried
 *   and the captured values.
 * - Parameters and states of a body exist once an iteration: their paths hold `{0}` (the index in the outermost repeat),
 *   `{1}` (in the next one), ... A parameter of the graph itself that a body reads is captured.
 * - A `call` node is a composite operator that was applied: `bodies[0]` is its meaning (inputs: its operands, in order; no
 *   parameters, no states). A backend that has a kernel for `attrs.name` may use it instead.
 */
import type { Span } from "../source/source.ts";
import type { PrimitiveName, AttrsOf } from "../ops/attributes.ts";
import type { Type } from "./type.ts";

export interface Value {
  readonly id: number;
  readonly type: Type;
  readonly span?: Span | undefined;
}

export type Node = { [K in PrimitiveName]: NodeOf<K> }[PrimitiveName];

export interface NodeOf<K extends PrimitiveName> {
  readonly op: K;
  readonly inputs: readonly Value[];
  readonly attrs: AttrsOf<K>;
  readonly outputs: readonly Value[];
  /** Of `repeat`, `scan` and `call`; else empty. */
  readonly bodies: readonly Graph[];
  readonly span?: Span | undefined;
}

export type Initializer =
  { readonly kind: "normal"; readonly deviation: number } | { readonly kind: "constant"; readonly value: number };

export interface Param {
  /** Stable, in dots, with `{0}` for the index of the repeat it is in: `layers.{0}.attention.norm.weight`. */
  readonly path: string;
  readonly value: Value;
  readonly initial: Initializer;
}

export interface Input {
  readonly name: string;
  /** Its name at the boundary of the artifact. Inputs of bodies have none. */
  readonly outside?: string;
  /** Its name there in the graph of a step, where that becomes a graph of its own (`passes/steps.ts`); absent: the same. */
  readonly outsideStep?: string;
  readonly value: Value;
}

export interface Output {
  readonly name: string;
  readonly outside?: string;
  readonly value: Value;
}

/**
 * What one application of `keep` (or `once`) hands from a step to the next; made by the cache pass. A past of size zero is not taken in, and
 * a present that is the past is not put out (`ir/states.ts`): so what a graph before the steps makes is handed to them.
 */
export interface State {
  /** `layers.{0}.attention.body.k` */
  readonly path: string;
  /** Names at the boundary, with `{0}` as in `path`. */
  readonly pastName: string;
  readonly presentName: string;
  readonly past: Value;
  readonly present: Value;
}

export interface Graph {
  readonly name: string;
  readonly inputs: readonly Input[];
  readonly params: readonly Param[];
  readonly states: readonly State[];
  readonly nodes: readonly Node[];
  readonly outputs: readonly Output[];
  /** The axis along which the model generates, by its name (`seq`); only of a whole model that grows. */
  readonly grows?: string | undefined;
  /** Names at the boundary for symbolic sizes: `seq` is `sequence_length`. */
  readonly sizeNames: ReadonlyMap<string, string>;
}

declare const verified: unique symbol;
/** A graph that `verify` has found well formed. Backends take nothing else. */
export type VerifiedGraph = Graph & { readonly [verified]: true };
