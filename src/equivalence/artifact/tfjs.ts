/**
 * @file What TensorFlow's operators in a TensorFlow.js GraphModel mean (the op definitions of TensorFlow 2, as `tfjs-converter` maps them).
 * An operator, or a use of one, that is not here is `Unread`, with its name.
 */
import { Unread, type Value } from "./net.ts";
import { added, plain, relu, reshaped, type Application, type Meaning } from "./operator.ts";

const reduction =
  (op: "sum" | "mean" | "reduce_max" | "reduce_min"): Meaning =>
  (a) =>
    a.net.reduce(op, a.input(0), a.numbers(1), a.int("keep_dims", 0) === 1);

const DTYPES: Readonly<Record<string, "float" | "int" | "bool">> = {
  DT_FLOAT: "float",
  DT_INT32: "int",
  DT_BOOL: "bool",
};

function turned(a: Application, i: number, name: string): Value {
  const x = a.input(i);
  if (a.int(name, 0) !== 1) return x;
  const { length } = x.dims;
  return { id: x.id, dims: [...x.dims.slice(0, -2), x.dims[length - 1], x.dims[length - 2]] };
}

function fusedMatMul(a: Application): Value {
  const { net } = a;
  const fused = a
    .text("fused_ops", "")
    .split(",")
    .filter((f) => f !== "");
  let made = net.matmul(turned(a, 0, "transpose_a"), turned(a, 1, "transpose_b"));
  for (const op of fused) {
    if (op === "BiasAdd") made = added(net, made, a.input(2));
    else if (op === "Relu") made = relu(net, made);
    else throw new Unread(`_FusedMatMul with ${op}`);
  }
  return made;
}

function slice(a: Application): Value {
  const { net } = a;
  const [begin, size] = [a.numbers(1), a.numbers(2)];
  const shape = net.shape(a.input(0));
  return begin.reduce(
    (x, from, axis) => net.slice(x, axis, from, size[axis] === -1 ? shape[axis]! : from + size[axis]!, 1),
    a.input(0),
  );
}

function pad(a: Application): Value {
  const pairs = a.numbers(1);
  const along = (side: 0 | 1): number[] => a.input(0).dims.map((_, i) => pairs[2 * i + side]!);
  return a.net.pad(a.input(0), along(0), along(1), a.net.number(0, a.net.dtype(a.input(0))));
}

function split(a: Application): readonly Value[] {
  const x = a.input(0);
  const axis = a.net.at(a.number(2), x.dims.length);
  let start = 0;
  return a.numbers(1).map((n) => a.net.slice(x, axis, start, (start += n), 1));
}

function range(a: Application): Value {
  const [start, limit, delta] = [a.number(0), a.number(1), a.number(2)];
  const count = Math.max(0, Math.ceil((limit - start) / delta));
  const all = Array.from({ length: count }, (_, i) => start + i * delta);
  return a.net.listed(all, [count], a.net.dtype(a.input(0)));
}

/** Lists of tensors, by the value that stands for each: one is never changed, writing into it gives another. */
const lists = new WeakMap<Value, readonly (Value | undefined)[]>();

function listed({ net }: Application, items: readonly (Value | undefined)[]): Value {
  const value = { ...net.number(0, "int") };
  lists.set(value, items);
  return value;
}

function itemsOf(a: Application, i: number): readonly (Value | undefined)[] {
  const items = lists.get(a.input(i));
  if (!items) throw new Unread(`operand ${i} is no list`);
  return items;
}

function stacked(a: Application): Value {
  const items = itemsOf(a, 0).map((x, i) => {
    if (!x) throw new Unread(`place ${i} of the list was never written`);
    return { ...x, dims: [undefined, ...x.dims] };
  });
  if (items.length === 0) throw new Unread("a list of nothing");
  return a.net.concat(items, 0);
}

/** More rounds than any case that is drawn takes: a loop that goes on without end is not followed. */
const MOST_ROUNDS = 10_000;

/** Its condition must not depend on what the model is given. */
function loop(a: Application): readonly Value[] {
  const [goesOn, body] = [a.graph("cond"), a.graph("body")];
  let round = a.inputs;
  for (let i = 0; a.net.numbers(a.body(goesOn, round)[0]!)[0] !== 0; i++) {
    if (i === MOST_ROUNDS) throw new Unread(`a loop of more than ${MOST_ROUNDS} rounds`);
    round = a.body(body, round);
  }
  return round;
}

export const tfjs: Readonly<Record<string, Meaning>> = {
  Abs: plain("abs"),
  Add: plain("add"),
  AddV2: plain("add"),
  BatchMatMulV2: (a) => a.net.matmul(turned(a, 0, "adj_x"), turned(a, 1, "adj_y")),
  BroadcastTo: (a) => a.net.expand(a.input(0), a.numbers(1)),
  Cast: (a) => {
    const to = DTYPES[a.text("DstT", "")];
    if (to === undefined) throw new Unread(`Cast to ${a.text("DstT", "")}`);
    return a.net.cast(a.input(0), to);
  },
  Ceil: plain("ceil"),
  ConcatV2: (a) => a.net.concat(a.inputs.slice(0, -1), a.number(a.inputs.length - 1)),
  Cos: plain("cos"),
  Cumsum: (a) => {
    if (a.int("reverse", 0) === 1) throw new Unread("Cumsum in reverse");
    const sum = a.net.cumulative(a.input(0), a.number(1));
    return a.int("exclusive", 0) === 1 ? a.net.elementwise("sub", sum, a.input(0)) : sum;
  },
  Equal: plain("equal"),
  Erf: plain("erf"),
  Exp: plain("exp"),
  Fill: (a) => {
    const shape = a.numbers(0);
    return a.net.expand({ ...a.input(1), dims: shape.map(() => undefined) }, shape);
  },
  Floor: plain("floor"),
  FloorMod: plain("mod"),
  GatherV2: (a) => {
    if (a.int("batch_dims", 0) !== 0) throw new Unread("GatherV2 with batch_dims");
    return a.net.gather(a.input(0), a.input(1), a.number(2));
  },
  Greater: plain("greater"),
  GreaterEqual: plain("greater_equal"),
  Identity: (a) => a.input(0),
  Less: plain("less"),
  LessEqual: plain("less_equal"),
  Log: plain("log"),
  LogicalAnd: plain("and"),
  LogicalNot: plain("not"),
  LogicalOr: plain("or"),
  MatMul: (a) => a.net.matmul(turned(a, 0, "transpose_a"), turned(a, 1, "transpose_b")),
  Max: reduction("reduce_max"),
  Maximum: plain("max"),
  Mean: reduction("mean"),
  Min: reduction("reduce_min"),
  Minimum: plain("min"),
  Mul: plain("mul"),
  Neg: plain("neg"),
  NotEqual: plain("not_equal"),
  Pad: pad,
  Pow: plain("pow"),
  Range: range,
  RealDiv: plain("div"),
  Reciprocal: (a) => a.net.elementwise("div", a.net.number(1), a.input(0)),
  Relu: (a) => relu(a.net, a.input(0)),
  Reshape: (a) => reshaped(a.net, a.input(0), a.numbers(1), false),
  Round: plain("round"),
  Rsqrt: plain("rsqrt"),
  SelectV2: plain("where"),
  Shape: (a) => {
    const shape = a.net.shape(a.input(0));
    return a.net.listed(shape, [shape.length], "int");
  },
  Sigmoid: plain("sigmoid"),
  Sign: plain("sign"),
  Sin: plain("sin"),
  Slice: slice,
  Softmax: (a) => a.net.softmax(a.input(0), -1),
  SplitV: split,
  Sqrt: plain("sqrt"),
  Squeeze: (a) => {
    const gone = a.ints("squeeze_dims") ?? [];
    const x = a.input(0);
    if (gone.length === 0) throw new Unread("Squeeze of whichever dimensions are one");
    return { ...x, dims: x.dims.filter((_, i) => !gone.includes(i)) };
  },
  StatelessWhile: loop,
  Sub: plain("sub"),
  Sum: reduction("sum"),
  Tanh: plain("tanh"),
  TensorListReserve: (a) => listed(a, Array.from({ length: a.number(1) })),
  TensorListSetItem: (a) => {
    const at = a.number(1);
    return listed(
      a,
      itemsOf(a, 0).map((x, i) => (i === at ? a.input(2) : x)),
    );
  },
  TensorListStack: stacked,
  TopKV2: (a) => a.net.topK(a.input(0), -1, a.number(1)),
  Transpose: (a) => a.net.transpose(a.input(0), a.numbers(1)),
  _FusedMatMul: fusedMatMul,
};
