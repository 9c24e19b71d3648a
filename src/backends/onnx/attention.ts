/**
 * @file Attention in one operator: ONNX's own `Attention`, or `MultiHeadAttention` and `GroupQueryAttention` of ONNX Runtime's contributed
 * ones. Those that take keys and values in two parts, what is kept and what is new, give them joined: nothing else joins them then.
 * Where an application does not fit, it is written as for targets without, and `reasons` has why.
 */
import type { Graph, Node, NodeOf, State, Value } from "../../ir/graph.ts";
import { Size } from "../../ir/size.ts";
import { axisNamed, type Axis } from "../../ir/type.ts";
import { pastSymbol } from "../../passes/cache.ts";
import { isOne, product, separate, type Layout } from "../../layout/layout.ts";
import { renamed, sizeIn, type Storage } from "../../layout/view.ts";
import type { Causal } from "../lowering/causal.ts";
import { tiltOf, withoutBlindRows } from "../lowering/attend.ts";
import { operandOf, settingOf, type Call, type Kernel } from "../lowering/call.ts";
import type { Emit, Emitter, Lowering, Placed, Scope } from "../lowering/emitter.ts";
import { Elem, type Attributes, type Tensor } from "../lowering/writer.ts";
import { follows, maskFor, rolesOf, type Roles } from "./attention-roles.ts";
import { resized, joinOf } from "./cache-buffer.ts";
import { lengthsOf } from "./lengths.ts";
import type { OnnxTarget } from "./targets.ts";

const FLOAT = "float";
const [MULTI_HEAD, GROUP_QUERY] = ["com.microsoft.MultiHeadAttention", "com.microsoft.GroupQueryAttention"];

type Join = NodeOf<"concat">;

/** A kept value in two parts, with the axes of the whole. */
interface Parts {
  readonly past: Placed;
  readonly fresh: Placed;
  readonly state: State;
  readonly scope: Scope;
  readonly join: Join;
}

/** One application, when all is known of it. */
interface Application {
  readonly call: Call;
  /** Of the new keys and values, where they come in two parts. */
  readonly roles: Roles;
  readonly parts: readonly [Parts, Parts] | undefined;
  /** All keys. */
  readonly keys: Placed;
  readonly mask: Placed | undefined;
  readonly bias: Placed | undefined;
  readonly causal: Causal | undefined;
  readonly scale: number;
}

/** What an operator gives: the result and how it lies, and the present of keys and values where it made them. */
interface Made {
  readonly result: Tensor;
  readonly layout: Layout;
  readonly presents?: readonly [Tensor, Tensor] | undefined;
}

/** Why an attention is written out, and where. */
export interface Reason {
  readonly where: string;
  readonly why: string;
}

export class AttentionKernels {
  readonly reasons: Reason[] = [];
  /** `GroupQueryAttention` was given a past: beside one it takes several places of one text, or one place of several. */
  isNarrow = false;
  /** Joins of what is kept with what is new that only attention reads. */
  private readonly joins = new Map<Node, State>();
  private readonly joined = new WeakMap<Storage<Tensor>, Parts>();

  /** Of a graph whose states are handed on whole. */
  constructor(
    private readonly target: OnnxTarget,
    private readonly graph: Graph,
    whole: boolean,
  ) {
    if (whole && target.attentionTakesPasts) this.plan(graph);
  }

  /** What operators become. */
  lowering({ table, kernels }: Lowering): Lowering {
    const { attention, multiHeadAttention, groupQueryAttention } = this.target;
    if (!attention && !multiHeadAttention && !groupQueryAttention) return { table, kernels };
    const concat: Emit<"concat"> = (e, node, scope) => {
      const state = this.joins.get(node);
      return state ? [this.inParts(e, node, scope, state, table.concat)] : table.concat(e, node, scope);
    };
    const { attend } = kernels;
    return {
      table: { ...table, concat },
      kernels: attend ? { ...kernels, attend: this.kernel(attend, table.concat) } : kernels,
    };
  }

  private plan(graph: Graph): void {
    const states = new Map(graph.states.map((s) => [s.present.id, s]));
    const readers = (value: Value): number =>
      graph.nodes.filter((n) => n.inputs.some((v) => v.id === value.id)).length +
      graph.outputs.filter((o) => o.value.id === value.id).length;
    for (const node of graph.nodes) {
      if (node.op === "call" && node.attrs.name === "attend") {
        const kept = ["k", "v"].map((n) => states.get(operandOf(node, node.inputs, n)?.id ?? -1));
        const joins = kept.map((s) => s && joinOf(graph, s));
        const fits = kept.every(
          (s, i) => s && joins[i] && this.isGrowing(s) && isByHeads(s, node, i) && readers(s.present) === 1,
        );
        if (fits && joins[0] !== joins[1]) joins.forEach((j, i) => this.joins.set(j!, kept[i]!));
      }
      for (const body of node.bodies) this.plan(body);
    }
  }

  /** Every step has new places of it: the operators are not made for none. */
  private isGrowing({ past }: State): boolean {
    const { grows } = this.graph;
    return grows !== undefined && past.type.axes.some((a) => a.size.symbol === pastSymbol(grows));
  }

  /** The present in two parts, of which attention makes the whole. */
  private inParts(e: Emitter, join: Join, scope: Scope, state: State, concat: Emit<"concat">): Placed {
    const { type } = join.outputs[0]!;
    const [, from] = join.attrs.axes as [string, string];
    const { into } = join.attrs;
    const [past, x] = join.inputs.map((v) => scope.get(v)) as [Placed, Placed];
    const freshType = resized(type, into, axisNamed(x.type, from)!.size);
    const rows = e.as(from === into ? x : renamed(x, from, into, freshType), type.dtype);
    const view = e.book.provided(type, {
      order: type.axes.map((a) => a.name),
      anyOrder: true,
      make: (layout) => e.book.read(joinedUp(e, join, scope, concat), layout),
    });
    this.joined.set(view.storage, { past, fresh: { ...rows, type: freshType }, state, scope, join });
    return view;
  }

  private kernel(usual: Kernel, concat: Emit<"concat">): Kernel {
    return {
      serves: usual.serves,
      emit: (e, call, operands) => {
        const a = this.applicationOf(e, call, operands);
        const made = typeof a === "string" ? a : this.operator(e, a);
        if (typeof a === "string" || typeof made === "string") {
          this.reasons.push({
            where: e.writer.scope.replace(/\/$/, ""),
            why: typeof a === "string" ? a : String(made),
          });
          const whole = operands.map((x) => this.whole(e, x, concat));
          return usual.emit(e, call, whole);
        }
        a.parts?.forEach(({ scope, join }, i) => {
          const { type } = join.outputs[0]!;
          const axes = separate(type.axes.map((x) => x.name));
          scope.bind(join.outputs[0]!, e.book.made(made.presents![i]!, axes, type));
        });
        const result = e.book.made(made.result, made.layout, call.outputs[0]!.type);
        const isBlind = a.mask && !a.causal?.exact && !e.masks.opensEveryRow(a.mask, a.roles.keys);
        return [isBlind ? withoutBlindRows(e, result, a.mask!, a.roles.keys) : result];
      },
    };
  }

  /** A value as it is without this kernel. */
  private whole(e: Emitter, x: Placed, concat: Emit<"concat">): Placed {
    const parts = this.joined.get(x.storage);
    return parts ? joinedUp(e, parts.join, parts.scope, concat) : x;
  }

  /** Or why it is none. */
  private applicationOf(e: Emitter, call: Call, operands: readonly Placed[]): Application | string {
    if (typeof settingOf(call, "softcap") === "number") return "its scores are capped";
    const scale = settingOf(call, "scale") as number;
    if (!(scale > 0)) return `its scale is ${scale}`;
    const [q, k, v] = ["q", "k", "v"].map((n) => operandOf(call, operands, n)!) as [Placed, Placed, Placed];
    const [ofK, ofV] = [k, v].map((x) => this.joined.get(x.storage));
    const parts = ofK && ofV ? ([ofK, ofV] as const) : undefined;
    const grows = this.target.attentionTakesPasts ? this.graph.grows : undefined;
    const found = rolesOf(e, call, [q, ofK?.fresh ?? k, ofV?.fresh ?? v], grows);
    if (!found) return "its queries, keys and values do not have the axes that the operator knows";
    const roles = parts ? byPast(found, parts) : found;
    const mask = operandOf(call, operands, "mask");
    const bias = operandOf(call, operands, "bias");
    const [row, ...more] = roles.rows;
    const isOwn = this.target.attentionTakesPasts && more.length === 0 && row !== undefined;
    const causal = isOwn ? e.masks.of(mask, row, roles.keys) : undefined;
    const before = parts ? axisNamed(parts[0].past.type, roles.keys)!.size : Size.ZERO;
    const fits = causal?.start.equals(before) ? causal : undefined;
    return { call, roles, parts, keys: k, mask, bias: bias && e.as(bias, FLOAT), causal: fits, scale };
  }

  private operator(e: Emitter, a: Application): Made | string {
    const { target } = this;
    const grouped = a.roles.groups.length > 0;
    if (target.multiHeadAttention && !grouped) return multiHead(e, a);
    if (target.groupQueryAttention && grouped) return this.groupQuery(e, a);
    return target.attention ? standard(e, a) : "several heads of queries read the same keys";
  }

  private groupQuery(e: Emitter, a: Application): Made | string {
    const { roles, parts, causal } = a;
    const { q, k, v, keys, d, batch, heads, groups, rows, columns } = roles;
    const width = sizeIn(q)(d).known;
    if (!causal && rows.length > 0) return "GroupQueryAttention hides what comes after a query, and the mask may not";
    if (!product(rows, sizeIn(q)).equals(sizeIn(k)(keys)))
      return "GroupQueryAttention takes as many new keys as there are queries";
    if (width === undefined || width % 8 !== 0)
      return `GroupQueryAttention takes heads of multiples of 8, not of ${width}`;
    if (!product(columns, sizeIn(v)).equals(Size.of(width)))
      return "GroupQueryAttention takes keys and values of one width";
    if (parts && rows.length > 0 && batch.length > 0) this.isNarrow = true;
    const total = axisNamed(a.keys.type, keys)!.size;
    const { last, count } = lengthsOf(e, total, product(batch, sizeIn(q)));
    const tilt = tiltOf(e, causal?.exact ? undefined : a.mask, a.bias);
    const inputs = [
      e.book.read(q, [batch, rows, [...heads, ...groups, d]]),
      e.book.read(k, [batch, [keys], [...heads, d]]),
      e.book.read(v, [batch, [keys], [...heads, ...columns]]),
      ...(parts?.map(pastOf(e)) ?? [undefined, undefined]),
      last,
      count,
      ...(tilt ? [undefined, undefined, undefined, maskFor(e, tilt, a.keys, roles)] : []),
    ];
    const attributes: Attributes = {
      num_heads: product([...heads, ...groups], sizeIn(q)).known!,
      kv_num_heads: product(heads, sizeIn(k)).known!,
      scale: { float: a.scale },
    };
    return {
      ...added(e, GROUP_QUERY!, inputs, attributes, parts !== undefined),
      layout: [batch, rows, [...heads, ...groups, ...columns]],
    };
  }
}

/** The present as one tensor, which is handed on. */
function joinedUp(e: Emitter, join: Join, scope: Scope, concat: Emit<"concat">): Placed {
  const [made] = concat(e, join, scope);
  scope.bind(join.outputs[0]!, made!);
  return made!;
}

/** A state [batch, heads, places, along a head], as operators of attention take a past. */
function isByHeads({ past }: State, call: Call, which: number): boolean {
  const { keys, d } = call.attrs.dims;
  const [batch, heads, places, inner, ...more] = past.type.axes;
  if (!batch || !heads || !places || !inner || more.length > 0 || past.type.dtype !== FLOAT) return false;
  const q = operandOf(call, call.inputs, "q")!.type;
  return (
    places.name === keys!.name &&
    (which === 1 || inner.name === d!.name) &&
    [heads, inner].every((a) => a.size.known !== undefined) &&
    [batch, heads].every((a) => axisNamed(q, a.name)?.size.equals(a.size))
  );
}

/** The past says which axes are batch and heads. */
function byPast(roles: Roles, [{ state }]: readonly [Parts, Parts]): Roles {
  const [batch, heads] = state.past.type.axes as [Axis, Axis];
  const longer = (a: Axis): readonly string[] => (isOne(a.size) ? [] : [a.name]);
  return { ...roles, batch: longer(batch), heads: longer(heads) };
}

const pastOf =
  (e: Emitter) =>
  ({ past, state }: Parts): Tensor =>
    e.book.read(past, separate(state.past.type.axes.map((a) => a.name)));

function added(
  e: Emitter,
  op: string,
  inputs: readonly (Tensor | undefined)[],
  attributes: Attributes,
  presents: boolean,
): { readonly result: Tensor; readonly presents?: readonly [Tensor, Tensor] } {
  const elems = presents ? [Elem.float, Elem.float, Elem.float] : [Elem.float];
  const [result, k, v] = e.writer.addMany(op, inputs, attributes, elems);
  return { result: result!, ...(k && v ? { presents: [k, v] as const } : {}) };
}

/** Queries are [batch, places, heads and what is along them]; keys and values too, or with the heads before the places. */
function multiHead(e: Emitter, a: Application): Made | string {
  const { roles, parts, causal } = a;
  const { q, k, v, keys, d, batch, heads, rows, columns } = roles;
  const lying =
    !parts &&
    heads.length > 0 &&
    [[k, [d]] as const, [v, columns] as const].every(([x, along]) =>
      follows(e, x, [...batch, ...heads, keys, ...along]),
    );
  const place = (x: Placed, along: readonly string[]): Tensor =>
    e.book.read(x, lying ? [batch, heads, [keys], along] : [batch, [keys], [...heads, ...along]]);
  const tilt = tiltOf(e, causal?.exact ? undefined : a.mask, a.bias);
  const inputs = [
    e.book.read(q, [batch, rows, [...heads, d]]),
    place(k, [d]),
    place(v, columns),
    undefined,
    undefined,
    tilt && maskFor(e, tilt, a.keys, roles),
    ...(parts?.map(pastOf(e)) ?? []),
  ];
  while (inputs.at(-1) === undefined) inputs.pop();
  const attributes: Attributes = {
    num_heads: product(heads, sizeIn(q)).known!,
    scale: { float: a.scale },
    ...(causal ? { unidirectional: 1 } : {}),
  };
  return {
    ...added(e, MULTI_HEAD!, inputs, attributes, parts !== undefined),
    layout: [batch, rows, [...heads, ...columns]],
  };
}

/** ONNX's own, in three dimensions where all lies so already, else in four. It is told nothing of what comes after a query: its versions differ in where that is, beside a past. */
function standard(e: Emitter, a: Application): Made {
  const { roles, parts } = a;
  const { q, k, v, keys, d, batch, heads, groups, rows, columns } = roles;
  const tilt = tiltOf(e, a.mask, a.bias);
  const flat =
    follows(e, q, [...batch, ...rows, ...heads, ...groups, d]) &&
    follows(e, k, [...batch, keys, ...heads, d]) &&
    follows(e, v, [...batch, keys, ...heads, ...columns]);
  const all = [...heads, ...groups];
  const place = (x: Placed, outer: readonly string[], along: readonly string[], inner: readonly string[]): Tensor =>
    e.book.read(x, flat ? [batch, along, [...outer, ...inner]] : [batch, outer, along, inner]);
  const inputs = [
    place(q, all, rows, [d]),
    place(k, heads, [keys], [d]),
    place(v, heads, [keys], columns),
    tilt && maskFor(e, tilt, a.keys, roles),
    ...(parts?.map(pastOf(e)) ?? []),
  ];
  while (inputs.at(-1) === undefined) inputs.pop();
  const counts = { q_num_heads: product(all, sizeIn(q)).known!, kv_num_heads: product(heads, sizeIn(k)).known! };
  const attributes = { scale: { float: a.scale }, ...(flat ? counts : {}) };
  return {
    ...added(e, "Attention", inputs, attributes, parts !== undefined),
    layout: flat ? [batch, rows, [...all, ...columns]] : [batch, all, rows, columns],
  };
}
