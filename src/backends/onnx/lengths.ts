/** @file The lengths that `GroupQueryAttention` of ONNX Runtime's contributed operators is told, made once for all layers. */
import type { Size } from "../../ir/size.ts";
import type { Emitter } from "../lowering/emitter.ts";
import { Elem, type Tensor } from "../lowering/writer.ts";

interface Lengths {
  /** The place of the last key, int32[batch]. */
  readonly last: Tensor;
  /** How many keys there are, int32. */
  readonly count: Tensor;
}

const known = new WeakMap<Emitter, Map<string, Lengths>>();

export function lengthsOf(e: Emitter, total: Size, batch: Size): Lengths {
  const own = known.get(e) ?? new Map<string, Lengths>();
  known.set(e, own);
  const key = `${total.toString()} of ${batch.toString()}`;
  const made = own.get(key) ?? lengths(e, total, batch);
  own.set(key, made);
  return made;
}

function lengths({ writer, sizes }: Emitter, total: Size, batch: Size): Lengths {
  const int32 = (tensor: Tensor): Tensor => writer.before("Cast", [tensor], { to: Elem.int32 }, Elem.int32);
  const last = int32(writer.before("Sub", [sizes.list(total), writer.ints([1])]));
  return { last: writer.before("Expand", [last, sizes.list(batch)]), count: int32(sizes.scalar(total)) };
}
