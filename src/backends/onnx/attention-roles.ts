/** @file The axes of an attention by the part they play for ONNX's operators: batch, heads, places, and what is along a head. */
import type { Axis } from "../../ir/type.ts";
import { inMemoryOrder } from "../../layout/choose.ts";
import { isOne, sameList } from "../../layout/layout.ts";
import { isPhysical, sizeIn, spreadOver } from "../../layout/view.ts";
import type { Call } from "../lowering/call.ts";
import type { Emitter, Placed } from "../lowering/emitter.ts";
import type { Tensor } from "../lowering/writer.ts";

/** The axes of one attention, by the part they play. Axes of size one are in none. */
export interface Roles {
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

/**
 * By name and size; undefined where one axis plays two parts, or a value is the same along an axis that must be there. Places of queries
 * are along axes of unknown size, or along `grows`; without them, along all that keys have not.
 */
export function rolesOf(
  e: Emitter,
  call: Call,
  [q, k, v]: readonly [Placed, Placed, Placed],
  grows?: string,
): Roles | undefined {
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
    [k, v].every((x) => x.axes.has(keys) && (isPhysical(x, keys) || (grows !== undefined && isOne(sizeIn(x)(keys))))) &&
    [q, k].every((x) => isPhysical(x, d));
  if (!fits) return undefined;
  const known = (x: Placed) => (axis: string) => sizeIn(x)(axis).known !== undefined;
  const outer = inMemoryOrder(e.book, k, shared);
  const open = own.filter((a) => a === grows || !known(q)(a));
  const rows = open.length > 0 || q.type.axes.some((a) => a.name === grows) ? open : own;
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

/**
 * What is added to the scores, with a row for each query; of batches and heads one for all, where it is the same. `all` has all keys.
 *
 * Operators say that masks are broadcast; ONNX Runtime 1.30 and 1.32 refuse one that has not a row for each query. So they are repeated
 * along the queries here.
 */
export function maskFor(e: Emitter, tilt: Placed, all: Placed, roles: Roles): Tensor {
  const { q, batch, heads, groups, rows, keys } = roles;
  const dependsOn = (axes: readonly string[]): readonly string[] =>
    axes.some((a) => tilt.axes.has(a) && isPhysical(tilt, a)) ? axes : [];
  const layout = [dependsOn(batch), dependsOn([...heads, ...groups]), rows, [keys]];
  const whole = spreadTo(
    spreadTo(
      tilt,
      q,
      layout.flat().filter((a) => a !== keys),
    ),
    all,
    [keys],
  );
  return e.book.read(whole, layout);
}

/** The value with these axes of another one, along which it is the same where it has them not. */
export function spreadTo(x: Placed, like: Placed, names: readonly string[]): Placed {
  return names
    .filter((name) => !x.axes.has(name))
    .reduce((view, name) => {
      const axis: Axis = like.type.axes.find((a) => a.name === name)!;
      return spreadOver(view, name, axis.size, { dtype: view.type.dtype, axes: [...view.type.axes, axis] });
    }, x);
}

/** Does the value lie in this order? */
export function follows(e: Emitter, x: Placed, order: readonly string[]): boolean {
  const lies = e.book.memoryOrder(x).filter((a) => !isOne(sizeIn(x)(a)));
  return sameList(
    lies,
    order.filter((a) => lies.includes(a)),
  );
}

export function real(x: { readonly type: Placed["type"] }): string[] {
  return x.type.axes.filter((a) => !isOne(a.size)).map((a) => a.name);
}
