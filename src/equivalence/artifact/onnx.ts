/**
 * @file What ONNX's operators mean, as its specification says (Operators.md, opsets 13 to 23). Numbers are reals: casts between precisions
 * change nothing. An operator, or a use of one, that is not here is `Unread`, with its name.
 */
import type { Dtype } from "../../ir/type.ts";
import { dtypeOfElement } from "../../backends/onnx/read.ts";
import { Unread, type Net, type Value } from "./net.ts";
import {
  attention,
  groupQueryAttention,
  multiHeadAttention,
  rotaryEmbedding,
  ownRotaryEmbedding,
} from "./onnx-attention.ts";
import { added, divided, folded, normed, plain, relu, reshaped, type Application, type Meaning } from "./operator.ts";

const reduction =
  (op: "sum" | "mean" | "reduce_max" | "reduce_min"): Meaning =>
  (a) => {
    const x = a.input(0);
    const axes = a.ints("axes") ?? (a.maybe(1) ? a.numbers(1) : undefined);
    if ((axes === undefined || axes.length === 0) && a.int("noop_with_empty_axes", 0) === 1) return x;
    const all = axes === undefined || axes.length === 0 ? x.dims.map((_, i) => i) : axes;
    return a.net.reduce(op, x, all, a.int("keepdims", 1) === 1);
  };

function gelu(a: Application): Value {
  const { net } = a;
  const x = a.input(0);
  const half = net.elementwise("mul", x, net.number(0.5));
  const one = net.number(1);
  if (a.text("approximate", "none") === "none") {
    const erf = net.elementwise("erf", net.elementwise("div", x, net.number(Math.SQRT2)));
    return net.elementwise("mul", half, net.elementwise("add", erf, one));
  }
  const cube = net.elementwise("mul", net.elementwise("mul", x, x), x);
  const inner = net.elementwise("add", x, net.elementwise("mul", cube, net.number(0.044715)));
  const tanh = net.elementwise("tanh", net.elementwise("mul", inner, net.number(Math.sqrt(2 / Math.PI))));
  return net.elementwise("mul", half, net.elementwise("add", tanh, one));
}

function layerNormalization(a: Application): readonly Value[] {
  if (a.node.outputs.slice(1).some((o) => o !== "")) throw new Unread("its mean and deviation as results");
  const made = normed(a.net, a.input(0), a.int("axis", -1), a.float("epsilon", 1e-5), true);
  return [added(a.net, a.net.elementwise("mul", made, a.input(1)), a.maybe(2))];
}

function rmsNormalization(a: Application): Value {
  const made = normed(a.net, a.input(0), a.int("axis", -1), a.float("epsilon", 1e-5), false);
  return a.net.elementwise("mul", made, a.input(1));
}

/** `com.microsoft.SkipLayerNormalization` and its simplified form: of x + skip + bias; the sum is the last result. */
const skipNormalization =
  (centred: boolean): Meaning =>
  (a) => {
    const { net } = a;
    const [weight, shift, bias] = centred ? [a.input(2), a.maybe(3), a.maybe(4)] : [a.input(2), undefined, a.maybe(3)];
    if (a.node.outputs.slice(1, 3).some((o) => o !== "")) throw new Unread("its mean and deviation as results");
    const sum = added(net, net.elementwise("add", a.input(0), a.input(1)), bias);
    const made = net.elementwise("mul", normed(net, sum, -1, a.float("epsilon", 1e-12), centred), weight);
    const result = added(net, made, shift);
    return [result, sum, sum, sum];
  };

function gemm(a: Application): Value {
  const { net } = a;
  const turned = (x: Value, turn: number): Value => (turn === 1 ? net.transpose(x, [1, 0]) : x);
  const scaled = (x: Value, by: number): Value => (by === 1 ? x : net.elementwise("mul", x, net.number(by)));
  const product = net.matmul(turned(a.input(0), a.int("transA", 0)), turned(a.input(1), a.int("transB", 0)));
  const c = a.maybe(2);
  return added(net, scaled(product, a.float("alpha", 1)), c && scaled(c, a.float("beta", 1)));
}

function slice(a: Application): Value {
  const { net } = a;
  const [starts, ends] = [a.numbers(1), a.numbers(2)];
  const axes = a.maybe(3) ? a.numbers(3) : starts.map((_, i) => i);
  const steps = a.maybe(4) ? a.numbers(4) : starts.map(() => 1);
  return axes.reduce((x, axis, i) => net.slice(x, axis, starts[i]!, ends[i]!, steps[i]!), a.input(0));
}

function split(a: Application): readonly Value[] {
  const { net } = a;
  const x = a.input(0);
  const axis = net.at(a.int("axis", 0), x.dims.length);
  const size = net.shape(x)[axis]!;
  const parts = a.node.outputs.length;
  const even = Math.ceil(size / parts);
  const sizes = a.maybe(1) ? a.numbers(1) : Array.from({ length: parts }, (_, i) => Math.min(even, size - i * even));
  let start = 0;
  return sizes.map((n) => net.slice(x, axis, start, (start += n), 1));
}

function pad(a: Application): Value {
  if (a.text("mode", "constant") !== "constant") throw new Unread(`Pad with the mode ${a.text("mode", "")}`);
  const { net } = a;
  const x = a.input(0);
  const pads = a.numbers(1);
  const axes = a.maybe(3) ? a.numbers(3).map((n) => net.at(n, x.dims.length)) : x.dims.map((_, i) => i);
  const along = (offset: number): number[] =>
    x.dims.map((_, i) => (axes.includes(i) ? pads[offset + axes.indexOf(i)]! : 0));
  return net.pad(x, along(0), along(axes.length), a.maybe(2) ?? net.number(0, net.dtype(x)));
}

/** The last dimension of the indices tells a place in so many dimensions of the data. */
function gatherND(a: Application): Value {
  const { net } = a;
  const batch = a.int("batch_dims", 0);
  const [data, indices] = [a.input(0), a.input(1)];
  const [shape, where] = [net.shape(data), net.shape(indices)];
  const depth = where.at(-1)!;
  const picked = shape.slice(batch, batch + depth);
  const outer = shape.slice(0, batch).reduce((n, s) => n * s, 1);
  const rows = picked.reduce((n, s) => n * s, 1);
  const rest = shape.slice(batch + depth);
  // One table of all batches, and indices that count along it.
  const table = net.reshape(data, [outer * rows, ...rest]);
  const inner = where.slice(batch, -1);
  let at: Value | undefined;
  for (let i = 0, stride = rows; i < depth; i++) {
    stride /= picked[i]!;
    const one = net.reshape(net.slice(indices, -1, i, i + 1, 1), [outer, inner.reduce((n, s) => n * s, 1)]);
    // Negative indices count from the end.
    const size = net.number(picked[i]!, "int");
    const scaled = net.elementwise("mul", net.elementwise("mod", one, size), net.number(stride, "int"));
    at = at ? net.elementwise("add", at, scaled) : scaled;
  }
  const starts = Array.from({ length: outer }, (_, i) => i * rows);
  const all = net.elementwise("add", at!, net.listed(starts, [outer, 1], "int"));
  return net.reshape(net.gather(table, all, 0), [...shape.slice(0, batch), ...inner, ...rest]);
}

function expand(a: Application): Value {
  const { net } = a;
  return net.expand(a.input(0), a.numbers(1));
}

function range(a: Application): Value {
  const { net } = a;
  const [start, limit, delta] = [a.number(0), a.number(1), a.number(2)];
  const count = Math.max(0, Math.ceil((limit - start) / delta));
  return net.listed(
    Array.from({ length: count }, (_, i) => start + i * delta),
    [count],
    net.dtype(a.input(0)),
  );
}

function cumSum(a: Application): Value {
  if (a.int("reverse", 0) === 1) throw new Unread("CumSum in reverse");
  const x = a.input(0);
  const sum = a.net.cumulative(x, a.number(1));
  return a.int("exclusive", 0) === 1 ? a.net.elementwise("sub", sum, x) : sum;
}

/** One body for each place of the scanned operands; states, then what each place gives. */
function scan(a: Application): readonly Value[] {
  const { net } = a;
  const scanned = a.int("num_scan_inputs");
  if (
    ["scan_input_axes", "scan_output_axes", "scan_input_directions", "scan_output_directions"].some((n) =>
      a.ints(n)?.some((x) => x !== 0),
    )
  )
    throw new Unread("Scan along other axes than the first");
  const body = a.graph("body");
  const count = a.inputs.length - scanned;
  let states = a.inputs.slice(0, count);
  const xs = a.inputs.slice(count);
  const length = net.shape(xs[0]!)[0]!;
  const given: Value[][] = [];
  for (let i = 0; i < length; i++) {
    const places = xs.map((x) => {
      const part = net.slice(x, 0, i, i + 1, 1);
      return { ...part, dims: part.dims.slice(1) };
    });
    const made = a.body(body, [...states, ...places]);
    states = made.slice(0, count);
    given.push(made.slice(count).map((x) => ({ ...x, dims: [undefined, ...x.dims] })));
  }
  return [
    ...states,
    ...(given[0] ?? []).map((_, i) =>
      net.concat(
        given.map((g) => g[i]!),
        0,
      ),
    ),
  ];
}

function trilu(a: Application): Value {
  const { net } = a;
  const x = a.input(0);
  const [rows, columns] = net.shape(x).slice(-2) as [number, number];
  const k = a.maybe(1) ? a.number(1) : 0;
  const upper = a.int("upper", 1) === 1;
  const flags = Array.from({ length: rows * columns }, (_, i) => {
    const distance = (i % columns) - Math.floor(i / columns) - k;
    return Number(upper ? distance >= 0 : distance <= 0);
  });
  const zero = net.number(0, net.dtype(x));
  return net.elementwise("where", net.listed(flags, [rows, columns], "bool"), x, zero);
}

function dropped(x: Value, axes: readonly number[] | undefined, net: Net): Value {
  const shape = net.shape(x);
  const gone = axes?.map((n) => net.at(n, shape.length)) ?? shape.flatMap((s, i) => (s === 1 ? [i] : []));
  return { id: x.id, dims: x.dims.filter((_, i) => !gone.includes(i)) };
}

function unsqueezed(x: Value, axes: readonly number[], net: Net): Value {
  const rank = x.dims.length + axes.length;
  const at = axes.map((n) => net.at(n, rank));
  const others = [...x.dims];
  return { id: x.id, dims: Array.from({ length: rank }, (_, i) => (at.includes(i) ? undefined : others.shift())) };
}

function dtypeTo(a: Application): Dtype {
  const to = dtypeOfElement(a.int("to"));
  if (to === undefined) throw new Unread(`Cast to the type ${a.int("to")}`);
  return to;
}

const same: Meaning = (a) => a.input(0);

export const onnx: Readonly<Record<string, Meaning>> = {
  Abs: plain("abs"),
  Add: plain("add"),
  And: plain("and"),
  Attention: attention,
  Cast: (a) => a.net.cast(a.input(0), dtypeTo(a)),
  Ceil: plain("ceil"),
  Concat: (a) => a.net.concat(a.inputs, a.int("axis")),
  ConstantOfShape: (a) => {
    const shape = a.numbers(0);
    return a.net.expand({ ...a.net.number(0), dims: shape.map(() => undefined) }, shape);
  },
  Cos: plain("cos"),
  CumSum: cumSum,
  Div: (a) => divided(a.net, a.input(0), a.input(1)),
  Equal: plain("equal"),
  Erf: plain("erf"),
  Exp: plain("exp"),
  Expand: expand,
  Flatten: (a) => {
    const shape = a.net.shape(a.input(0));
    const axis = a.int("axis", 1) < 0 ? a.int("axis", 1) + shape.length : a.int("axis", 1);
    const product = (sizes: readonly number[]): number => sizes.reduce((n, s) => n * s, 1);
    return a.net.reshape(a.input(0), [product(shape.slice(0, axis)), product(shape.slice(axis))]);
  },
  Floor: plain("floor"),
  Gather: (a) => a.net.gather(a.input(0), a.input(1), a.int("axis", 0)),
  GatherND: gatherND,
  Gelu: gelu,
  Gemm: gemm,
  Greater: plain("greater"),
  GreaterOrEqual: plain("greater_equal"),
  Identity: same,
  LayerNormalization: layerNormalization,
  Less: plain("less"),
  LessOrEqual: plain("less_equal"),
  Log: plain("log"),
  MatMul: (a) => a.net.matmul(a.input(0), a.input(1)),
  Max: folded("max"),
  Min: folded("min"),
  Mod: (a) => {
    if (a.int("fmod", 0) === 1) throw new Unread("Mod with fmod");
    return a.net.elementwise("mod", a.input(0), a.input(1));
  },
  Mul: plain("mul"),
  Neg: plain("neg"),
  Not: plain("not"),
  Or: plain("or"),
  Pad: pad,
  Pow: plain("pow"),
  RMSNormalization: rmsNormalization,
  Range: range,
  Reciprocal: (a) => a.net.elementwise("div", a.net.number(1), a.input(0)),
  ReduceMax: reduction("reduce_max"),
  ReduceMean: reduction("mean"),
  ReduceMin: reduction("reduce_min"),
  ReduceSum: reduction("sum"),
  Relu: (a) => relu(a.net, a.input(0)),
  Reshape: (a) => reshaped(a.net, a.input(0), a.numbers(1), a.int("allowzero", 0) === 0),
  RotaryEmbedding: rotaryEmbedding,
  Round: plain("round"),
  Scan: scan,
  Shape: (a) => {
    const shape = a.net.shape(a.input(0));
    const [start, end] = [a.int("start", 0), a.int("end", shape.length)];
    const part = shape.slice(start, end);
    return a.net.listed(part, [part.length], "int");
  },
  Sigmoid: plain("sigmoid"),
  Sign: plain("sign"),
  Sin: plain("sin"),
  Slice: slice,
  Softmax: (a) => a.net.softmax(a.input(0), a.int("axis", -1)),
  Split: split,
  Sqrt: plain("sqrt"),
  Squeeze: (a) => dropped(a.input(0), a.maybe(1) ? a.numbers(1) : undefined, a.net),
  Sub: plain("sub"),
  Sum: folded("add"),
  Tanh: plain("tanh"),
  Tile: (a) => {
    const shape = a.net.shape(a.input(0));
    const repeats = a.numbers(1);
    // Each dimension beside a new one of the repeats.
    const apart = a.net.reshape(
      a.input(0),
      shape.flatMap((s) => [1, s]),
    );
    return a.net.reshape(
      a.net.expand(
        apart,
        shape.flatMap((s, i) => [repeats[i]!, s]),
      ),
      shape.map((s, i) => s * repeats[i]!),
    );
  },
  TopK: (a) => {
    if (a.int("largest", 1) !== 1) throw new Unread("TopK of the smallest");
    return a.net.topK(a.input(0), a.int("axis", -1), a.number(1));
  },
  Transpose: (a) =>
    a.net.transpose(a.input(0), a.ints("perm") ?? a.input(0).dims.map((_, i, all) => all.length - 1 - i)),
  Trilu: trilu,
  Unsqueeze: (a) => unsqueezed(a.input(0), a.numbers(1), a.net),
  Where: plain("where"),
  "com.microsoft.GroupQueryAttention": groupQueryAttention,
  "com.microsoft.RotaryEmbedding": ownRotaryEmbedding,
  "com.microsoft.MultiHeadAttention": multiHeadAttention,
  "com.microsoft.SkipLayerNormalization": skipNormalization(true),
  "com.microsoft.SkipSimplifiedLayerNormalization": skipNormalization(false),
};
