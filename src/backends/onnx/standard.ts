/**
 * @file Composite operators that became operators of ONNX in opset 23: `RMSNormalization`, `RotaryEmbedding`, `Attention`. Where an
 * application does not fit one, it is written as it is for older opsets.
 *
 * Of masks, `Attention` says that they are broadcast; ONNX Runtime 1.30 and 1.32 refuse one that has not a row for each query. So they are
 * repeated along the queries here. A softcap is left to the usual kernel: whether it comes before the mask or after it differs between
 * the operator's two versions.
 */
import { inMemoryOrder } from "../../layout/choose.ts";
import { isOne, product, sameList, type Layout } from "../../layout/layout.ts";
import { isPhysical, sizeIn, spreadOver } from "../../layout/view.ts";
import type { Axis } from "../../ir/type.ts";
import { tiltOf, withoutBlindRows } from "../lowering/attend.ts";
import { hasParts, operandOf, settingOf, type Call, type Kernel } from "../lowering/call.ts";
import type { Emitter, Placed } from "../lowering/emitter.ts";
import { asMatrix, kernels as usual, vector } from "../lowering/kernels.ts";
import type { Tensor } from "../lowering/writer.ts";
import type { OnnxTarget } from "./targets.ts";

const FLOAT = "float";

/** The kernels that this target has. */
export function kernelsOf(target: OnnxTarget): Readonly<Record<string, Kernel>> {
  return {
    ...usual,
    ...(target.rmsNormalization ? { rms_norm: rmsNormalization } : {}),
    ...(target.rotaryEmbedding ? { turned: rotaryEmbedding } : {}),
    ...(target.attention ? { attend: attention } : {}),
  };
}

const rmsNormalization: Kernel = {
  serves: (call, target) => usual["rms_norm"]!.serves(call, target),
  emit(e, call, operands) {
    const x = operandOf(call, operands, "x")!;
    const { tensor, layout } = asMatrix(e, x, call.attrs.dims["d"]!.name);
    const inputs = [tensor, vector(e, call, operands, "weight")];
    const epsilon = { float: settingOf(call, "eps") as number };
    return [
      e.book.made(e.writer.add("RMSNormalization", inputs, { axis: -1, epsilon }), layout, call.outputs[0]!.type),
    ];
  },
};

/** All that stands before the heads is a batch, then the places: those axes that the angles have. */
const rotaryEmbedding: Kernel = {
  serves(call) {
    const x = operandOf(call, call.inputs, "x");
    const { d, half } = call.attrs.dims;
    return (
      hasParts(call, ["x", "cosine", "sine", "neighbours"]) &&
      d?.size.known !== undefined &&
      half !== undefined &&
      typeof settingOf(call, "neighbours") === "boolean" &&
      ["x", "cosine", "sine"].every((n) => operandOf(call, call.inputs, n)?.type.dtype === FLOAT) &&
      ["cosine", "sine"].every((n) =>
        operandOf(call, call.inputs, n)!.type.axes.every(
          (a) => a.name === half.name || x!.type.axes.some((b) => b.name === a.name),
        ),
      )
    );
  },
  emit(e, call, operands) {
    const [x, cosine, sine] = ["x", "cosine", "sine"].map((n) => operandOf(call, operands, n)!) as [
      Placed,
      Placed,
      Placed,
    ];
    const d = call.attrs.dims["d"]!.name;
    const half = call.attrs.dims["half"]!.name;
    const order = inMemoryOrder(
      e.book,
      x,
      real(x).filter((a) => a !== d),
    );
    const places = order.filter((a) => [cosine, sine].some((t) => t.axes.has(a)));
    const heads = order.filter((a) => !places.includes(a));
    const table = (t: Placed): Tensor => e.book.read(spreadTo(t, x, places), [[], places, [half]]);
    // Three dimensions where the heads follow the places as they lie, four where they come before them.
    const behind = sameList(order, [...places, ...heads]) && heads.every((a) => sizeIn(x)(a).known !== undefined);
    const layout: Layout = behind ? [[], places, [...heads, d]] : [[], heads, places, [d]];
    const count = product(heads, sizeIn(x)).known;
    const attributes = {
      interleaved: settingOf(call, "neighbours") === true ? 1 : 0,
      ...(behind ? { num_heads: count! } : {}),
    };
    const made = e.writer.add("RotaryEmbedding", [e.book.read(x, layout), table(cosine), table(sine)], attributes);
    return [e.book.made(made, layout, call.outputs[0]!.type)];
  },
};

const attention: Kernel = {
  serves: (call, target) => usual["attend"]!.serves(call, target),
  emit(e, call, operands) {
    const roles = typeof settingOf(call, "softcap") === "number" ? undefined : rolesOf(e, call, operands);
    if (!roles) return usual["attend"]!.emit(e, call, operands);
    const { q, k, v, keys, d, batch, heads, groups, rows, columns } = roles;
    const mask = operandOf(call, operands, "mask");
    const bias = operandOf(call, operands, "bias");
    const tilt = tiltOf(e, mask, bias && e.as(bias, FLOAT));
    const flat =
      follows(e, q, [...batch, ...rows, ...heads, ...groups, d]) &&
      follows(e, k, [...batch, keys, ...heads, d]) &&
      follows(e, v, [...batch, keys, ...heads, ...columns]);
    const all = [...heads, ...groups];
    const place = (x: Placed, outer: readonly string[], along: readonly string[], inner: readonly string[]): Tensor =>
      e.book.read(x, flat ? [batch, along, [...outer, ...inner]] : [batch, outer, along, inner]);
    const inputs = [place(q, all, rows, [d]), place(k, heads, [keys], [d]), place(v, heads, [keys], columns)];
    if (tilt) inputs.push(maskFor(e, tilt, q, k, roles));
    const counts = { q_num_heads: product(all, sizeIn(q)).known!, kv_num_heads: product(heads, sizeIn(k)).known! };
    const scale = { float: settingOf(call, "scale") as number };
    const made = e.writer.add("Attention", inputs, { scale, ...(flat ? counts : {}) });
    const layout: Layout = flat ? [batch, rows, [...all, ...columns]] : [batch, all, rows, columns];
    const result = e.book.made(made, layout, call.outputs[0]!.type);
    return [mask ? withoutBlindRows(e, result, mask, keys) : result];
  },
};

/** The axes of one attention, by the part they play. Axes of size one are in none. */
interface Roles {
  readonly q: Placed;
  readonly k: Placed;
  readonly v: Placed;
  readonly keys: string;
  readonly d: string;
  /** Axes that queries, keys and values have: those of unknown size, and the others. */
  readonly batch: readonly string[];
  readonly heads: readonly string[];
  /** Of the queries alone: heads that read the same keys, and places. */
  readonly groups: readonly string[];
  readonly rows: readonly string[];
  /** Of the values alone. */
  readonly columns: readonly string[];
}

function rolesOf(e: Emitter, call: Call, operands: readonly Placed[]): Roles | undefined {
  const [q, k, v] = ["q", "k", "v"].map((n) => operandOf(call, operands, n)!) as [Placed, Placed, Placed];
  const d = call.attrs.dims["d"]!.name;
  const keys = call.attrs.dims["keys"]!.name;
  const shared = real(k).filter((a) => a !== keys && a !== d);
  const own = real(q).filter((a) => a !== d && !shared.includes(a));
  const columns = real(v).filter((a) => a !== keys && !shared.includes(a));
  const fits =
    shared.every((a) => real(q).includes(a) && real(v).includes(a)) &&
    [q, k, v].every((x) => real(x).every((a) => isPhysical(x, a))) &&
    !own.some((a) => a === keys || columns.includes(a)) &&
    columns.every((a) => sizeIn(v)(a).known !== undefined) &&
    [k, v].every((x) => x.axes.has(keys) && isPhysical(x, keys)) &&
    [q, k].every((x) => isPhysical(x, d));
  if (!fits) return undefined;
  const known = (x: Placed) => (axis: string) => sizeIn(x)(axis).known !== undefined;
  const outer = inMemoryOrder(e.book, k, shared);
  const open = own.filter((a) => !known(q)(a));
  const rows = open.length > 0 ? open : own;
  return {
    q,
    k,
    v,
    keys,
    d,
    batch: outer.filter((a) => !known(k)(a)),
    heads: outer.filter(known(k)),
    groups: inMemoryOrder(
      e.book,
      q,
      own.filter((a) => !rows.includes(a)),
    ),
    rows: inMemoryOrder(e.book, q, rows),
    columns: inMemoryOrder(e.book, v, columns),
  };
}

/** What is added to the scores, with a row for each query; of batches and heads one for all, where it is the same. */
function maskFor(e: Emitter, tilt: Placed, q: Placed, k: Placed, roles: Roles): Tensor {
  const { batch, heads, groups, rows, keys } = roles;
  const dependsOn = (axes: readonly string[]): readonly string[] =>
    axes.some((a) => tilt.axes.has(a) && isPhysical(tilt, a)) ? axes : [];
  const layout = [dependsOn(batch), dependsOn([...heads, ...groups]), rows, [keys]];
  const whole = spreadTo(
    spreadTo(
      tilt,
      q,
      layout.flat().filter((a) => a !== keys),
    ),
    k,
    [keys],
  );
  return e.book.read(whole, layout);
}

/** The value with these axes of another one, along which it is the same where it has them not. */
function spreadTo(x: Placed, like: Placed, names: readonly string[]): Placed {
  return names
    .filter((name) => !x.axes.has(name))
    .reduce((view, name) => {
      const axis: Axis = like.type.axes.find((a) => a.name === name)!;
      return spreadOver(view, name, axis.size, { dtype: view.type.dtype, axes: [...view.type.axes, axis] });
    }, x);
}

/** Does the value lie in this order? */
function follows(e: Emitter, x: Placed, order: readonly string[]): boolean {
  const lies = e.book.memoryOrder(x).filter((a) => !isOne(sizeIn(x)(a)));
  return sameList(
    lies,
    order.filter((a) => lies.includes(a)),
  );
}

function real(x: { readonly type: Placed["type"] }): string[] {
  return x.type.axes.filter((a) => !isOne(a.size)).map((a) => a.name);
}
