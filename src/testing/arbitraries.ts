/**
 * @file Arbitraries for fast-check. All are constructive: sizes that must divide each other are drawn as their factors, and an expression
 * is grown from operands whose axes are known. Simple choices come first, so that what fails shrinks to them.
 */
import fc from "fast-check";
import type { Elaborated } from "../compile.ts";
import type { Graph, Input } from "../ir/graph.ts";
import { concreteParams } from "../ir/params.ts";
import { tableBounds } from "../ir/tables.ts";
import type { Tensor } from "../ops/op.ts";

export interface ProgramOptions {
  /** Layers at most; default 2. */
  readonly maxLayers?: number;
  /** Whether blocks of random expressions stand among those of the library; default true. */
  readonly ownBlocks?: boolean;
}

/** Options that are drawn, the simplest first: a failure shrinks towards it, whichever was drawn. */
function choice<T>(...options: readonly fc.Arbitrary<T>[]): fc.Arbitrary<T> {
  return fc.oneof({ withCrossShrink: true }, ...options);
}

const text = (...options: readonly string[]): fc.Arbitrary<string> => fc.constantFrom(...options);

/**
 * The text of an expression over `x`, with the axis `d` and any others, that has the axes of `x`. Every operator in it is defined, and its
 * value finite, for every finite x of moderate size.
 */
export function expressions(): fc.Arbitrary<string> {
  const { tree } = fc.letrec<{ tree: string }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      fc.constant("x"),
      fc
        .tuple(text("tanh", "sigmoid", "relu", "silu", "gelu", "erf", "abs"), tie("tree"))
        .map(([f, a]) => `${f}(${a})`),
      fc.tuple(tie("tree"), text("+", "-", "*"), tie("tree")).map(([a, op, b]) => `(${a} ${op} ${b})`),
      fc.tuple(tie("tree"), text("0.5", "2", "-1", "0.25")).map(([a, n]) => `(${a} * ${n})`),
      tie("tree").map((a) => `(${a} - mean(${a}, over = d))`),
      tie("tree").map((a) => `(${a} * rsqrt(mean(${a} ^ 2, over = d) + 1e-3))`),
      tie("tree").map((a) => `softmax(${a}, over = d)`),
    ),
  }));
  return tree;
}

/**
 * The text of a program with one model `m`, of whole numbers to logits: an embedding, layers of blocks of the library and of random
 * expressions, a head. Heads divide the width and key/value heads the heads, by construction.
 */
export function programs({ maxLayers = 2, ownBlocks = true }: ProgramOptions = {}): fc.Arbitrary<string> {
  const own = ownBlocks ? [fc.constant("own()")] : [];
  const norm = choice(
    text("none"),
    text("rmsnorm", "layernorm", "rmsnorm(offset = 1)", "layernorm(bias = false)"),
    ...own,
  );
  const activation = text("identity", "relu", "gelu", "silu", "gelu_tanh", "quick_gelu");
  const inner = fc.integer({ min: 1, max: 6 });
  const ffn = choice(
    fc.tuple(activation, inner).map(([a, n]) => `mlp(${a}, ${n}, bias = false)`),
    fc.tuple(activation, inner).map(([a, n]) => `mlp(${a}, ${n})`),
    fc.tuple(activation, inner).map(([a, n]) => `gated(${a}, ${n})`),
  );
  return fc
    .record({
      vocab: fc.integer({ min: 2, max: 9 }),
      kv: fc.integer({ min: 1, max: 2 }),
      groups: fc.integer({ min: 1, max: 3 }),
      half: fc.integer({ min: 1, max: 2 }),
      layers: fc.integer({ min: 1, max: Math.max(1, maxLayers) }),
      kind: text("encoder", "decoder"),
      order: text("pre", "post", "sandwich"),
      options: fc.uniqueArray(text("bias = true", "window = 2", "softcap = 5", "scale = 0.5"), {
        maxLength: 2,
        selector: (t) => t,
      }),
      rotary: fc.boolean(),
      norm,
      ffn,
      last: norm,
      expression: ownBlocks ? expressions() : fc.constant("x"),
    })
    .map((p) => {
      const heads = p.kv * p.groups;
      const attention = `gqa(${[String(p.kv), ...(p.rotary ? ["rope()"] : []), ...p.options].join(", ")})`;
      // A layer's slot for a norm wants a block: `none` is one that changes nothing.
      const layerNorm = p.norm === "none" ? "same()" : p.norm;
      const blocks = [attention, layerNorm, p.ffn];
      return [
        ...(blocks.includes("own()") || p.last === "own()"
          ? ["block own(): norm {", "  input x: [..., d]", `  output ${p.expression}`, "}"]
          : []),
        ...(layerNorm === "same()" ? ["block same(): norm {", "  input x: [..., d]", "  output x", "}"] : []),
        `model m(vocab = ${p.vocab}, hidden = ${heads * p.half * 2}, heads = ${heads}, layers = ${p.layers}) grows seq {`,
        "  input tokens: int[batch, seq]",
        `  output logits = tokens -> embed(vocab) -> layers: ${p.kind}(${p.order}) x{layers} < ${blocks.join(", ")} >`,
        `    ${p.last === "none" ? "" : `-> last: ${p.last} `}-> head: linear(vocab)`,
        "}",
        "",
      ].join("\n");
    });
}

/** Numbers for the sizes that a model leaves open, by name; 1 to `max` (default 4). */
export function sizes(of: Elaborated | Graph, max = 4): fc.Arbitrary<ReadonlyMap<string, number>> {
  const graph = "graph" in of ? of.graph : of;
  const symbols = new Set(graph.inputs.flatMap((i) => i.value.type.axes.flatMap((a) => [...a.size.symbols])));
  const each = Object.fromEntries([...symbols].map((s) => [s, fc.integer({ min: 1, max })]));
  return fc.record(each).map((drawn) => new Map(Object.entries(drawn)));
}

export interface TensorOptions {
  /** The largest absolute value; default 2. */
  readonly largest?: number;
}

/** Every weight of a model, by its path (`layers.3.norm.weight`). Small whole numbers first, so that a failure shrinks to those. */
export function weights(
  of: Elaborated | Graph,
  options: TensorOptions = {},
): fc.Arbitrary<ReadonlyMap<string, Tensor<number>>> {
  const graph = "graph" in of ? of.graph : of;
  const all = [...concreteParams(graph)].map(({ path, param }) => {
    const axes = param.value.type.axes.map((a) => ({ name: a.name, size: a.size.known! }));
    return numbers(axes, options).map((data) => [path, { dtype: "float" as const, axes, data }] as const);
  });
  return fc.tuple(...all).map((entries) => new Map(entries));
}

/** A value for every input at these sizes, by the input's name; whole numbers are rows that the model's tables have. */
export function inputs(
  of: Elaborated | Graph,
  at: ReadonlyMap<string, number>,
  options: TensorOptions = {},
): fc.Arbitrary<ReadonlyMap<string, Tensor<number>>> {
  const graph = "graph" in of ? of.graph : of;
  const bounds = tableBounds(graph);
  const all = graph.inputs.map((input) => {
    const { dtype, axes: declared } = input.value.type;
    const axes = declared.map((a) => ({ name: a.name, size: a.size.evaluate(at) }));
    const rows = bounds.get(input.value.id)?.evaluate(at) ?? 4;
    return elements(input, axes, rows, options).map((data) => [input.name, { dtype, axes, data }] as const);
  });
  return fc.tuple(...all).map((entries) => new Map(entries));
}

type Axes = readonly { readonly name: string; readonly size: number }[];

const countOf = (axes: Axes): number => axes.reduce((n, a) => n * a.size, 1);

function elements(input: Input, axes: Axes, rows: number, options: TensorOptions): fc.Arbitrary<Float64Array> {
  const { dtype } = input.value.type;
  if (dtype === "float") return numbers(axes, options);
  const one = fc.integer({ min: 0, max: dtype === "bool" ? 1 : Math.max(0, rows - 1) });
  return arrays(one, countOf(axes));
}

function numbers(axes: Axes, { largest = 2 }: TensorOptions): fc.Arbitrary<Float64Array> {
  // Hundredths: whole numbers shrink well, and no draw is a denormal.
  const one = fc.integer({ min: -100, max: 100 }).map((n) => (n * largest) / 100);
  return arrays(one, countOf(axes));
}

function arrays(one: fc.Arbitrary<number>, length: number): fc.Arbitrary<Float64Array> {
  return fc.array(one, { minLength: length, maxLength: length }).map((xs) => Float64Array.from(xs));
}
