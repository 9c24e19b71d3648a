/**
 * @file Attention over keys and values in two parts, the client's buffer and this step's: scores against both, joined for one
 * softmax, and two products with the values. The buffer is read as it lies. Places of it that do not count have scores of next to
 * nothing, as masked ones do.
 *
 * Query groups are not folded into the rows of the product with the buffer, as they are where the cache has just been copied and is
 * near: a product of one row with a matrix reads it in order, at the memory's speed, and that of several rows first packs it, in an
 * order that no prefetcher follows. ONNX Runtime 1.32, one thread, 16 layers of 8 heads of 64 at a past of 2,000 (64 MB): four groups
 * one by one take 6.8 ms, folded 13.2 ms; eight (32 MB) 4.9 against 6.2. Beyond eight they are folded.
 */
import { inMemoryOrder } from "../../layout/choose.ts";
import { isOne, type Layout } from "../../layout/layout.ts";
import { isPhysical, spreadOver } from "../../layout/view.ts";
import type { Size } from "../../ir/size.ts";
import type { Axis, Type } from "../../ir/type.ts";
import { tiltOf, softmaxOver, withoutBlindRows } from "../lowering/attend.ts";
import { operandOf, settingOf, type Call, type Kernel } from "../lowering/call.ts";
import type { Emitter, Placed } from "../lowering/emitter.ts";
import type { Tensor } from "../lowering/writer.ts";
import type { BufferForm, Joined } from "./cache-buffer.ts";

/** Up to this many query heads read a head's keys one after the other. */
const MOST_PASSES = 8;
const FLOAT = "float";

/** The usual kernel, but for keys and values that are in two parts. */
export function attendRows(form: BufferForm, usual: Kernel): Kernel {
  return {
    serves: usual.serves,
    emit(e, call, operands) {
      const keys = call.attrs.dims["keys"]!.name;
      const q = operandOf(call, operands, "q")!;
      const [k, v] = ["k", "v"].map((n) => form.partsOf(operandOf(call, operands, n)!, keys));
      const roles = k && v && rolesOf(e, call, q, k, v, keys);
      return roles ? [new RowsAttention(e, call, operands, form, roles).emit()] : usual.emit(e, call, operands);
    },
  };
}

interface Roles {
  readonly q: Placed;
  readonly k: Joined;
  readonly v: Joined;
  readonly keys: string;
  readonly d: string;
  /** Axes that queries, keys and values have. */
  readonly outer: readonly string[];
  /** Of the queries alone: those that read the same keys one after the other, and those that do so together. */
  readonly passes: readonly string[];
  readonly rows: readonly string[];
  /** Of the values alone. */
  readonly columns: readonly string[];
}

function rolesOf(e: Emitter, call: Call, q: Placed, k: Joined, v: Joined, keys: string): Roles | undefined {
  const d = call.attrs.dims["d"]!.name;
  const real = (x: Placed): string[] => x.type.axes.filter((a) => !isOne(a.size)).map((a) => a.name);
  const ofKeys = real(k.past).filter((a) => a !== keys && a !== d);
  const ofValues = real(v.past).filter((a) => a !== keys);
  const ofQueries = real(q).filter((a) => a !== d);
  const parts = [k.past, k.fresh, v.past, v.fresh];
  const fits =
    ofKeys.every((a) => ofQueries.includes(a) && ofValues.includes(a)) &&
    [q, ...parts].every((x) => real(x).every((a) => isPhysical(x, a))) &&
    parts.every((x) => isPhysical(x, keys)) &&
    isPhysical(q, d) &&
    !ofQueries.includes(keys);
  if (!fits) return undefined;
  const own = inMemoryOrder(
    e.book,
    q,
    ofQueries.filter((a) => !ofKeys.includes(a)),
  );
  const columns = inMemoryOrder(
    e.book,
    v.past,
    ofValues.filter((a) => !ofKeys.includes(a)),
  );
  if (columns.some((a) => own.includes(a))) return undefined;
  const known = own.filter((a) => sizeOf(q, a).known !== undefined);
  const passes = known.reduce((n, a) => n * sizeOf(q, a).known!, 1) <= MOST_PASSES ? known : [];
  const rows = [...own.filter((a) => known.includes(a)), ...own.filter((a) => !known.includes(a))];
  return {
    q,
    k,
    v,
    keys,
    d,
    outer: inMemoryOrder(e.book, k.past, ofKeys),
    passes,
    rows: rows.filter((a) => !passes.includes(a)),
    columns,
  };
}

class RowsAttention {
  private readonly mask: Placed | undefined;
  private readonly bias: Placed | undefined;

  constructor(
    private readonly e: Emitter,
    private readonly call: Call,
    operands: readonly Placed[],
    private readonly form: BufferForm,
    private readonly roles: Roles,
  ) {
    const bias = operandOf(call, operands, "bias");
    this.mask = operandOf(call, operands, "mask");
    this.bias = bias && e.as(bias, FLOAT);
  }

  emit(): Placed {
    const { e, roles, call, mask } = this;
    const { k, v, keys, columns } = roles;
    const layout = this.layout([keys]);
    const joined = this.scores();
    const tilt = this.tilt(joined.type);
    const scores = tilt ? e.elementwise("Add", [joined, tilt], joined.type) : joined;
    const weights = e.book.read(softmaxOver(e, scores, keys), layout);
    const { sizes, writer } = e;
    const { elem } = weights;
    const [ofPast, ofFresh] = writer.addMany(
      "Split",
      [weights, sizes.shape([sizeOf(k.past, keys), sizeOf(k.fresh, keys)])],
      { axis: layout.length - 1 },
      [elem, elem],
    );
    const read = (x: Placed): Tensor => this.spread(e.book.read(x, [...this.outerLayout(), [keys], columns]));
    const sum = writer.add("Add", [
      writer.add("MatMul", [ofPast!, read(v.past)]),
      writer.add("MatMul", [ofFresh!, read(v.fresh)]),
    ]);
    const result = e.book.made(sum, this.layout(columns), call.outputs[0]!.type);
    return mask && !e.masks.opensEveryRow(mask, keys) ? withoutBlindRows(e, result, mask, keys) : result;
  }

  /** Of both parts, the past's first. */
  private scores(): Placed {
    const { e, call, roles } = this;
    const { q, k, d, keys } = roles;
    const softcap = settingOf(call, "softcap");
    const cap = typeof softcap === "number" ? softcap : undefined;
    const scale = (settingOf(call, "scale") as number) / (cap ?? 1);
    // Before the queries are brought into order: right at the product it would become part of it, and the product another one.
    const scaled = scale === 1 ? q : e.elementwise("Mul", [q, e.constant(scale)], q.type);
    const left = e.book.read(scaled, this.layout([d]));
    const against = (x: Placed): Tensor => {
      const right = this.spread(e.book.read(x, [...this.outerLayout(), [keys], [d]]));
      return e.writer.add("MatMul", [left, this.turned(right)]);
    };
    const layout = this.layout([keys]);
    const axis = layout.length - 1;
    const tensor = e.writer.add("Concat", [against(k.past), against(k.fresh)], { axis });
    const both: Axis = { name: keys, size: sizeOf(k.past, keys).plus(sizeOf(k.fresh, keys)) };
    const names = layout.flat();
    const axes = q.type.axes.filter((a) => names.includes(a.name));
    const type: Type = { dtype: FLOAT, axes: [...axes, both] };
    const scores = e.book.made(tensor, layout, type);
    return cap === undefined
      ? scores
      : e.elementwise("Mul", [e.elementwise("Tanh", [scores], type), e.constant(cap)], type);
  }

  /** What is added to the scores, along the keys as long as they. */
  private tilt({ axes }: Type): Placed | undefined {
    const { e, form, mask, bias } = this;
    const { k, keys } = this.roles;
    const tilt = tiltOf(e, mask, bias);
    if (!k.spare) return tilt;
    const size = axes.at(-1)!.size;
    if (tilt) return e.once(tilt, `over ${size.toString()}`, () => this.lengthened(tilt, keys, size));
    const counted = form.count.plus(sizeOf(k.fresh, keys));
    return e.sharedAs(`nothing over ${size.toString()}`, () => {
      const zeros = e.writer.add("Expand", [e.writer.float(0), e.sizes.list(counted)]);
      const type: Type = { dtype: FLOAT, axes: [{ name: keys, size: counted }] };
      return this.lengthened(e.book.made(zeros, [[keys]], type), keys, size);
    });
  }

  /** Puts places that are as good as masked between those of the past that count and this step's. */
  private lengthened(tilt: Placed, keys: string, size: Size): Placed {
    const { e, form } = this;
    const counted = form.count.plus(sizeOf(this.roles.k.fresh, keys));
    const { writer, sizes } = e;
    const whole = tilt.axes.has(keys)
      ? tilt
      : spreadOver(tilt, keys, counted, { dtype: FLOAT, axes: [...tilt.type.axes, { name: keys, size: counted }] });
    const type: Type = { dtype: FLOAT, axes: whole.type.axes.map((a) => (a.name === keys ? { ...a, size } : a)) };
    const others = tilt.type.axes.filter((a) => a.name !== keys && isPhysical(tilt, a.name)).map((a) => a.name);
    const layout: Layout = [...inMemoryOrder(e.book, tilt, others).map((a) => [a]), [keys]];
    const tensor = e.book.read(whole, layout);
    const axis = layout.length - 1;
    const part = (from: Tensor, to: Tensor): Tensor => writer.add("Slice", [tensor, from, to, writer.ints([axis])]);
    const count = sizes.list(form.count);
    const spare = sizes.list(form.capacity.minus(form.count));
    const pads = writer.before("Concat", [writer.ints(new Array<number>(2 * axis + 1).fill(0)), spare], { axis: 0 });
    const past = writer.add("Pad", [part(writer.ints([0]), count), pads, writer.float(e.lowest)]);
    const fresh = part(count, writer.ints([Number.MAX_SAFE_INTEGER]));
    return e.book.made(writer.add("Concat", [past, fresh], { axis }), layout, type);
  }

  private outerLayout(): Layout {
    return this.roles.outer.map((a) => [a]);
  }

  private layout(last: readonly string[]): Layout {
    const { passes, rows } = this.roles;
    return [...this.outerLayout(), ...(passes.length > 0 ? [passes] : []), rows, last];
  }

  /** A matrix that all passes read. */
  private spread(matrix: Tensor): Tensor {
    const { outer, passes } = this.roles;
    const { writer } = this.e;
    return passes.length === 0 ? matrix : writer.add("Unsqueeze", [matrix, writer.ints([outer.length])]);
  }

  private turned(matrix: Tensor): Tensor {
    const { outer, passes } = this.roles;
    const rank = outer.length + (passes.length > 0 ? 1 : 0);
    const perm = [...Array.from({ length: rank }, (_, i) => i), rank + 1, rank];
    return this.e.writer.add("Transpose", [matrix], { perm });
  }
}

function sizeOf(x: Placed, axis: string): Size {
  return x.type.axes.find((a) => a.name === axis)!.size;
}
