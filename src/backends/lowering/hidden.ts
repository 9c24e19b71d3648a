/**
 * @file A softmax of scores that a mask hides in part, `softmax(where(mask, scores, -inf))`, outside of attention's own kernel. As there, what
 * is added to the scores and which rows see anything are made once for each mask: a layer has a sum, a softmax and a product, where
 * scores that may be -inf anywhere take three passes more.
 */
import type { NodeOf, Value } from "../../ir/graph.ts";
import { softmaxOver, tiltOf, withoutBlindRows } from "./attend.ts";
import type { Emit, Placed, Scope } from "./emitter.ts";
import { emitSoftmax, emitWhere, mayBeMinusInfinity, producers } from "./numbers.ts";

/** The mask of scores to which it was added. */
const maskOf = new WeakMap<Placed, Placed>();

export const emitWhereOrTilt: Emit<"where"> = (e, node, scope) => {
  if (!hidesScores(node, scope)) return emitWhere(e, node, scope);
  const [mask, scores] = node.inputs.map((v) => scope.get(v)) as [Placed, Placed];
  const tilted = e.elementwise("Add", [e.as(scores, "float"), tiltOf(e, mask, undefined)!], node.outputs[0]!.type);
  maskOf.set(tilted, mask);
  return [tilted];
};

export const emitMaskedSoftmax: Emit<"softmax"> = (e, node, scope) => {
  const x = scope.get(node.inputs[0]!);
  const mask = maskOf.get(x);
  if (!mask) return emitSoftmax(e, node, scope);
  return [withoutBlindRows(e, softmaxOver(e, x, node.attrs.over), mask, node.attrs.over)];
};

/** Is it `where(mask, scores, -inf)` of finite scores, and read by one softmax alone? */
function hidesScores(node: NodeOf<"where">, { graph }: Scope): boolean {
  const [, scores, otherwise] = node.inputs as [Value, Value, Value];
  const [out] = node.outputs as [Value];
  const made = producers(graph);
  const low = made.get(otherwise.id);
  const reads = (v: Value): boolean => v.id === out.id;
  const readers = graph.nodes.filter((n) => n.inputs.some(reads));
  return (
    out.type.dtype === "float" &&
    low?.op === "constant" &&
    (low as NodeOf<"constant">).attrs.value === -Infinity &&
    readers.length === 1 &&
    readers[0]!.op === "softmax" &&
    !graph.outputs.some((o) => reads(o.value)) &&
    !graph.states.some((s) => reads(s.present)) &&
    !mayBeMinusInfinity(scores, made)
  );
}
