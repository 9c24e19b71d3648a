/**
 * @file ONNX's attention and rotary positions (`Attention` and `RotaryEmbedding` of opset 23, the GroupQueryAttention of ONNX Runtime's
 * contributed operators), in the operators that their specifications are written in.
 */
import { Unread, type Net, type Value } from "./net.ts";
import { added, type Application } from "./operator.ts";

/** [batch, places, heads * d] as [batch, heads, places, d]; of four dimensions as it is. */
function byHeads(net: Net, x: Value, heads: number): Value {
  if (x.dims.length === 4) return x;
  const [batch, places, width] = net.shape(x) as [number, number, number];
  if (x.dims.length !== 3 || heads <= 0) throw new Unread("an operand of other dimensions than three or four");
  return net.transpose(net.reshape(x, [batch, places, heads, width / heads]), [0, 2, 1, 3]);
}

function together(net: Net, x: Value): Value {
  const [batch, heads, places, d] = net.shape(x) as [number, number, number, number];
  return net.reshape(net.transpose(x, [0, 2, 1, 3]), [batch, places, heads * d]);
}

/** Each head of keys and values for so many heads of queries, which follow each other. */
function repeated(net: Net, x: Value, times: number): Value {
  if (times === 1) return x;
  const [batch, heads, places, d] = net.shape(x) as [number, number, number, number];
  const apart = net.reshape(x, [batch, heads, 1, places, d]);
  return net.reshape(net.expand(apart, [batch, heads, times, places, d]), [batch, heads * times, places, d]);
}

interface Parts {
  readonly q: Value;
  readonly k: Value;
  readonly v: Value;
  readonly scale: number;
  readonly softcap: number;
  readonly bias: Value | undefined;
  /** How many keys come before the first query's own; none: every query sees all. */
  readonly before: number | undefined;
}

/** softmax(cap(q·k scale) + bias) v, of [batch, heads, places, d]. */
function attended(net: Net, { q, k, v, scale, softcap, bias, before }: Parts): Value {
  const groups = net.shape(q)[1]! / net.shape(k)[1]!;
  if (!Number.isInteger(groups)) throw new Unread("heads of queries that those of keys do not divide");
  const keys = net.transpose(repeated(net, k, groups), [0, 1, 3, 2]);
  let scores = net.elementwise("mul", net.matmul(q, keys), net.number(scale));
  if (softcap !== 0) {
    const small = net.elementwise("tanh", net.elementwise("div", scores, net.number(softcap)));
    scores = net.elementwise("mul", small, net.number(softcap));
  }
  scores = added(net, scores, bias);
  if (before !== undefined) {
    const [rows, columns] = net.shape(scores).slice(-2) as [number, number];
    const seen = Array.from({ length: rows * columns }, (_, i) =>
      Number(i % columns <= Math.floor(i / columns) + before),
    );
    const mask = net.listed(seen, [rows, columns], "bool");
    scores = net.elementwise("where", mask, scores, net.minusInfinity);
  }
  return net.matmul(net.softmax(scores, -1), repeated(net, v, groups));
}

function scaleOf(a: Application, net: Net, q: Value): number {
  const given = a.has("scale") ? a.float("scale") : 0;
  return given === 0 ? 1 / Math.sqrt(net.shape(q).at(-1)!) : given;
}

export function attention(a: Application): readonly Value[] {
  const { net } = a;
  if (a.has("softcap") && a.float("softcap") !== 0 && a.maybe(3))
    throw new Unread(
      "a softcap and a mask, of which the versions of the operator apply now the one, now the other first",
    );
  if (a.node.outputs[3] !== undefined && a.node.outputs[3] !== "") throw new Unread("its scores as a result");
  const isFlat = a.input(0).dims.length === 3;
  const q = byHeads(net, a.input(0), a.int("q_num_heads", 0));
  let k = byHeads(net, a.input(1), a.int("kv_num_heads", 0));
  let v = byHeads(net, a.input(2), a.int("kv_num_heads", 0));
  const [pastK, pastV] = [a.maybe(4), a.maybe(5)];
  if (a.int("is_causal", 0) === 1 && pastK) throw new Unread("is_causal together with a past");
  if (pastK && pastV) [k, v] = [net.concat([pastK, k], 2), net.concat([pastV, v], 2)];
  const mask = a.maybe(3);
  const bias =
    mask && net.dtype(mask) === "bool" ? net.elementwise("where", mask, net.number(0), net.minusInfinity) : mask;
  const softcap = a.has("softcap") ? a.float("softcap") : 0;
  const before = a.int("is_causal", 0) === 1 ? 0 : undefined;
  const made = attended(net, { q, k, v, scale: scaleOf(a, net, q), softcap, bias, before });
  return [isFlat ? together(net, made) : made, k, v];
}

/** A bias of all three [heads * d, heads * d, heads * columns], keys and values of four dimensions by heads already. */
export function multiHeadAttention(a: Application): readonly Value[] {
  const { net } = a;
  if (a.maybe(4)) throw new Unread("MultiHeadAttention with a mask of padding");
  if (a.operands.slice(8).some((x) => x)) throw new Unread("MultiHeadAttention over buffers");
  if (!a.maybe(1) || !a.maybe(2)) throw new Unread("MultiHeadAttention of queries, keys and values in one");
  if (a.node.outputs[3] !== undefined && a.node.outputs[3] !== "") throw new Unread("its scores as a result");
  const heads = a.int("num_heads");
  const parts = [a.input(0), a.input(1), a.input(2)];
  const bias = a.maybe(3);
  let start = 0;
  const [q, freshK, freshV] = parts.map((x) => {
    if (!bias) return byHeads(net, x, heads);
    if (x.dims.length !== 3) throw new Unread("MultiHeadAttention with a bias of keys that lie by heads");
    const width = net.shape(x)[2]!;
    return byHeads(net, added(net, x, net.slice(bias, 0, start, (start += width), 1)), heads);
  }) as [Value, Value, Value];
  const [pastK, pastV] = [a.maybe(6), a.maybe(7)];
  // Where no present is asked for, the operator passes the past over.
  const isKept = (a.node.outputs[1] ?? "") !== "" && (a.node.outputs[2] ?? "") !== "";
  if (pastK && !isKept) throw new Unread("MultiHeadAttention with a past and without a present");
  const before = pastK ? net.shape(pastK)[2]! : 0;
  const k = pastK ? net.concat([pastK, freshK], 2) : freshK;
  const v = pastV ? net.concat([pastV, freshV], 2) : freshV;
  const made = attended(net, {
    q,
    k,
    v,
    scale: scaleOf(a, net, q),
    softcap: 0,
    bias: a.maybe(5),
    before: a.int("unidirectional", 0) === 1 ? before : undefined,
  });
  return [together(net, made), k, v];
}

/** The keys and values so far lie at the beginning of buffers, into which the new ones are written behind them. */
export function groupQueryAttention(a: Application): readonly Value[] {
  const { net } = a;
  for (const name of ["do_rotary", "smooth_softmax", "qk_output", "local_window_size"])
    if (a.has(name) && a.int(name) > 0) throw new Unread(`GroupQueryAttention with ${name}`);
  if (a.operands.slice(7).some((x, i) => x && i !== 3))
    throw new Unread("GroupQueryAttention with rotary tables or a sink");
  const [queries, groups] = [a.int("num_heads"), a.int("kv_num_heads")];
  const q = byHeads(net, a.input(0), queries);
  const [freshK, freshV] = [byHeads(net, a.input(1), groups), byHeads(net, a.input(2), groups)];
  const ends = a.numbers(5).map((n) => n + 1);
  const [total] = ends as [number];
  if (ends.some((n) => n !== total)) throw new Unread("GroupQueryAttention of texts of different lengths");
  const past = total - net.shape(freshK)[2]!;
  if (past > 0 && !a.maybe(3)) throw new Unread("GroupQueryAttention with fewer keys than it is told of");
  const [k, v] = [
    [a.maybe(3), freshK],
    [a.maybe(4), freshV],
  ].map(([buffer, fresh]) => (buffer ? net.concat([net.slice(buffer, 2, 0, past, 1), fresh!], 2) : fresh!)) as [
    Value,
    Value,
  ];
  const presents = [
    [a.maybe(3), k],
    [a.maybe(4), v],
  ].map(([buffer, all]) => {
    const capacity = buffer ? net.shape(buffer)[2]! : 0;
    return capacity <= total ? all! : net.concat([all!, net.slice(buffer!, 2, total, capacity, 1)], 2);
  });
  const made = attended(net, {
    q,
    k,
    v,
    scale: scaleOf(a, net, q),
    softcap: a.has("softcap") ? a.float("softcap") : 0,
    bias: a.maybe(10),
    before: a.int("causal", 1) === 1 ? past : undefined,
  });
  return [together(net, made), ...presents];
}

export function rotaryEmbedding(a: Application): Value {
  const places = a.maybe(3);
  return turned(a, [a.input(1), a.input(2)].map((t) => (places ? a.net.gather(t, places, 0) : t)) as [Value, Value]);
}

/** ONNX Runtime's own: the places stand before the tables, or the first of them, which follow each other then. */
export function ownRotaryEmbedding(a: Application): Value {
  const { net } = a;
  const x = a.input(0);
  const scale = a.float("scale", 1);
  if (scale !== 1) throw new Unread("RotaryEmbedding with a scale");
  if (a.int("is_packed_batching", 0) !== 0) throw new Unread("RotaryEmbedding of packed batches");
  const places = net.shape(x)[x.dims.length === 3 ? 1 : 2]!;
  const given = a.input(1);
  const rows = (table: Value): Value => {
    if (given.dims.length === 2) return net.gather(table, given, 0);
    const start = a.number(1);
    return unsqueezed(net.slice(table, 0, start, start + places, 1));
  };
  return turned(a, [rows(a.input(2)), rows(a.input(3))]);
}

const unsqueezed = ({ id, dims }: Value): Value => ({ id, dims: [undefined, ...dims] });

/** The tables are [batch, places, half]. */
function turned(a: Application, tables: readonly [Value, Value]): Value {
  const { net } = a;
  const x = a.input(0);
  const isFlat = x.dims.length === 3;
  const heads = byHeads(net, x, a.int("num_heads", 0));
  const d = net.shape(heads).at(-1)!;
  const width = a.int("rotary_embedding_dim", 0) || d;
  // Beside [batch, heads, places, half].
  const [cos, sin] = tables.map(({ id, dims }): Value => ({ id, dims: [dims[0], undefined, dims[1], dims[2]] })) as [
    Value,
    Value,
  ];
  const turning = net.slice(heads, 3, 0, width, 1);
  const interleaved = a.int("interleaved", 0) === 1;
  const half = width / 2;
  const [first, second] = interleaved
    ? [net.slice(turning, 3, 0, width, 2), net.slice(turning, 3, 1, width, 2)]
    : [net.slice(turning, 3, 0, half, 1), net.slice(turning, 3, half, width, 1)];
  const mul = (p: Value, q: Value): Value => net.elementwise("mul", p, q);
  const parts = [
    net.elementwise("sub", mul(first, cos), mul(second, sin)),
    net.elementwise("add", mul(first, sin), mul(second, cos)),
  ];
  let made: Value;
  if (interleaved) {
    const shape = net.shape(turning);
    const apart = parts.map((p): Value => ({ id: p.id, dims: [...p.dims, undefined] }));
    made = net.reshape(net.concat(apart, 4), shape);
  } else made = net.concat(parts, 3);
  if (width < d) made = net.concat([made, net.slice(heads, 3, width, d, 1)], 3);
  return isFlat ? together(net, made) : made;
}
