/**
 * @file A sum and the norm that reads it as one kernel of ONNX Runtime: `SkipLayerNormalization` and `SkipSimplifiedLayerNormalization`,
 * which give the sum too. Found in the written nodes, since a layer's last sum and the next layer's first norm are of two iterations.
 *
 * Their bias is left out: it is part of the product before them, and ONNX Runtime's WebGPU provider read that of the simplified one from
 * the wrong operand up to 1.26 (issue 28424 of microsoft/onnxruntime).
 */
import { Elem, type OnnxNode, type Tensor, type Writer } from "../lowering/writer.ts";
import type { OnnxTarget } from "./targets.ts";

const SKIP_NORMS: ReadonlyMap<string, string> = new Map([
  ["LayerNormalization", "com.microsoft.SkipLayerNormalization"],
  ["RMSNormalization", "com.microsoft.SkipSimplifiedLayerNormalization"],
]);

/** An optional result that is not asked for. */
const NONE: Tensor = { name: "", elem: Elem.float };

/** Where one node does what two did, and what it does. */
interface Fused {
  readonly at: number;
  readonly node: OnnxNode;
}

/** Puts one node in the place of each sum with a norm, if the target has the kernel and its sums are of float32. */
export function fuseSkipNorms(writer: Writer, target: OnnxTarget, half: boolean): void {
  if (target.skipNorms === "never" || (half && target.skipNorms !== "always")) return;
  const nodes = writer.since(0);
  const index = new Index(nodes, new Set(writer.outputs.map((o) => o.tensor)));
  const fused = new Map<number, Fused>();
  for (const [i, norm] of nodes.entries()) {
    const sum = index.maker(norm.inputs[0]);
    if (!SKIP_NORMS.has(norm.op) || sum === undefined || fused.has(sum)) continue;
    const made = fusedAt(index, sum, i);
    if (!made) continue;
    fused.set(sum, made).set(i, made);
  }
  writer.replace(nodes.flatMap((n, i) => (fused.has(i) ? (fused.get(i)!.at === i ? [fused.get(i)!.node] : []) : [n])));
}

function fusedAt(index: Index, sum: number, norm: number): Fused | undefined {
  const { inputs, outputs, op, even } = index.nodes[sum]!;
  const [total] = outputs as [Tensor];
  if (op !== "Add" || !even || total.elem !== Elem.float) return undefined;
  const { inputs: of, outputs: made, attributes, name } = index.nodes[norm]!;
  const readers = index.readers(total).filter((r) => r !== norm);
  // Where the norm stands, unless the sum is read before; there only if weight and shift are known by then.
  const early = readers.some((r) => r < norm);
  if (early && !of.slice(1).every((t) => (index.maker(t) ?? -1) < sum)) return undefined;
  const { axis: _, ...others } = attributes;
  const keepsSum = readers.length > 0 || index.outputs.has(total);
  const node: OnnxNode = {
    name,
    op: SKIP_NORMS.get(index.nodes[norm]!.op)!,
    inputs: [...inputs, ...of.slice(1)],
    outputs: keepsSum ? [...made, NONE, NONE, total] : made,
    attributes: others,
  };
  return { at: early ? sum : norm, node };
}

/** Who makes and who reads each tensor, by the places of nodes. */
class Index {
  private readonly makers = new Map<Tensor, number>();
  private readonly reading = new Map<Tensor, number[]>();

  constructor(
    readonly nodes: readonly OnnxNode[],
    readonly outputs: ReadonlySet<Tensor>,
  ) {
    for (const [i, node] of nodes.entries()) {
      for (const t of node.outputs) this.makers.set(t, i);
      for (const t of readBy(node)) {
        const known = this.reading.get(t);
        if (known) known.push(i);
        else this.reading.set(t, [i]);
      }
    }
  }

  maker(tensor: Tensor | undefined): number | undefined {
    return tensor && this.makers.get(tensor);
  }

  readers(tensor: Tensor): readonly number[] {
    return this.reading.get(tensor) ?? [];
  }
}

/** What a node reads, and what the bodies in its attributes do. */
function* readBy(node: OnnxNode): Generator<Tensor> {
  for (const t of node.inputs) if (t) yield t;
  for (const a of Object.values(node.attributes))
    if (typeof a === "object" && "graph" in a) for (const inner of a.graph.nodes) yield* readBy(inner);
}
