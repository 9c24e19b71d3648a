/**
 * @file What a runtime with kernels of its own may replace in a compiled graph. The graph itself holds plain operators only, so that an
 * unchanged `tf.loadGraphModel` opens it; beside it, `model.json` lists under `userDefinedMetadata.tfm.fusions` which of its tensors can
 * be had by one kernel: tensor `output` equals `op(inputs)`. A loader that has the kernel adds a node of that operator and lets it stand
 * where `output` stood for all who read it; what then no output of the model needs any more falls away by itself. Each fusion can be taken
 * or left independently of the others.
 *
 * Tensors are called as in the topology: `name`, or `name:1` for a second output. All are float32. Dimensions may differ from run to run; a
 * kernel reads them off its operands. An operand that is absent is `null`. Shapes are exact: nothing is broadcast unless stated.
 */

/** In what order the four axes of an attention operand stand: `s` places, `h` heads, `d` the coordinates of a head, `b` sequences. */
export type HeadOrder = "bshd" | "bhsd";

export interface AttentionAttrs {
  /** Of q, of k and of v (there `s` are the keys), and of the output (there `d` are the coordinates of a value). */
  readonly qOrder: HeadOrder;
  readonly kOrder: HeadOrder;
  readonly vOrder: HeadOrder;
  readonly outOrder: HeadOrder;
  /** Heads of q and of the output. */
  readonly heads: number;
  /** Heads of k and v; query head h reads key/value head `floor(h / (heads / kvHeads))`. */
  readonly kvHeads: number;
  readonly headDim: number;
  readonly valueDim: number;
  readonly scale: number;
  /** Scores s become `softcap * tanh(s / softcap)`, before the bias; `null`: they stay. */
  readonly softcap: number | null;
}

/** By its name in the library: `gelu` is exact, `gelu_tanh` and `quick_gelu` are the approximations through tanh and sigmoid. */
export type Activation = "gelu" | "gelu_tanh" | "quick_gelu" | "silu" | "relu";

interface FusedBy<Op extends string, Inputs extends readonly (string | null)[], Attrs> {
  readonly op: Op;
  readonly inputs: Inputs;
  readonly output: string;
  readonly attrs: Attrs;
}

/**
 * softmax(q·k · scale + bias) v, for each sequence and head by itself (Vaswani et al., 2017).
 *
 * - `q`: [batch, places, heads, headDim] or [batch, heads, places, headDim], as `qOrder` says; `k`, `v` likewise with kvHeads and keys.
 * - `bias`: [batch or 1, heads or 1, places or 1, keys], or null. It is what the mask and any additive bias come to: where the mask is
 *   closed it is at most `CLOSED / 2`. A key whose bias is that low is not seen; a row that sees nothing is zero (never NaN). With a null
 *   bias every key is seen.
 * - output: rank 4, as `outOrder` says.
 */
export type AttentionFusion = FusedBy<
  "tfm.Attention",
  readonly [q: string, k: string, v: string, bias: string | null],
  AttentionAttrs
>;

/** What the additive mask of `tfm.Attention` is where it is closed (an additive bias may move it a little). */
export const CLOSED = -1e9;

/**
 * Layer normalisation of `x + residual` along the last axis: `(s - mean) / sqrt(variance + eps) * weight + shift`, the variance over n (Ba
 * et al., 2016). `x`, `residual` and the output: [rows, width]; `weight` and `shift`: [width]. A null residual or shift is zero, a null
 * weight one.
 */
export type LayerNormFusion = FusedBy<
  "tfm.LayerNorm",
  readonly [x: string, residual: string | null, weight: string | null, shift: string | null],
  { readonly eps: number }
>;

/** Root-mean-square normalisation of `x + residual`: `s / sqrt(mean(s^2) + eps) * weight` (Zhang and Sennrich, 2019). Shapes as above. */
export type RmsNormFusion = FusedBy<
  "tfm.RmsNorm",
  readonly [x: string, residual: string | null, weight: string | null],
  { readonly eps: number }
>;

/** An activation, element by element; x has any rank. */
export type ActivationFusion = FusedBy<"tfm.Activation", readonly [x: string], { readonly activation: Activation }>;

/** `activation(gate) * up`, element by element; both of one shape, of any rank. */
export type GatedFusion = FusedBy<
  "tfm.Gated",
  readonly [gate: string, up: string],
  { readonly activation: Activation }
>;

/** Softmax along the last axis; x has any rank, its numbers are finite. */
export type SoftmaxFusion = FusedBy<"tfm.Softmax", readonly [x: string], Readonly<Record<never, never>>>;

/**
 * Rotary positions (Su et al., 2021) whose pairs are a half apart: `[a cos - b sin, b cos + a sin]` along the last axis, where x is `[a, b]`.
 * `cos` and `sin` have at most as many axes as x, half of its last one, and are broadcast to it over the others; x has rank 4 at most.
 */
export type RotaryFusion = FusedBy<
  "tfm.Rotary",
  readonly [x: string, cos: string, sin: string],
  Readonly<Record<never, never>>
>;

/** Sine or cosine, element by element, of an angle of any size; x has any rank. */
export type SineFusion = FusedBy<"tfm.Sine", readonly [x: string], { readonly of: "sin" | "cos" }>;

export type Fusion =
  | AttentionFusion
  | LayerNormFusion
  | RmsNormFusion
  | ActivationFusion
  | GatedFusion
  | SoftmaxFusion
  | RotaryFusion
  | SineFusion;
export type FusionOp = Fusion["op"];

/** `userDefinedMetadata.tfm` of a compiled `model.json`. */
export interface TfmMetadata {
  /** Of this record; counts up when a reader of the old one would go wrong. */
  readonly version: 1;
  readonly provider: string;
  /** Must the graph be run by `executeAsync` (it has loops), or does `execute` do? */
  readonly asynchronous: boolean;
  readonly fusions: readonly Fusion[];
  /** The weights: constants of the graph that can be fed, and so trained, by their names. */
  readonly parameters: readonly TfmParameter[];
}

export interface TfmParameter {
  /** Where it is in the program: `layers.3.attention.q.weight`. */
  readonly path: string;
  /** The constants that hold it. More than one: it is cut along the axis `along`, these are the pieces one after the other. */
  readonly constants: readonly string[];
  readonly along?: string;
  /** The program's axes as they lie in the constant, slowest first; a dimension of the constant is one or several of them. */
  readonly order: readonly { readonly name: string; readonly size: number }[];
  /** The constants hold the program's parameter times this. */
  readonly factor?: number;
}
