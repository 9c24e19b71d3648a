/**
 * @file Angles of rotary positions on the host. ONNX Runtime's WebGPU provider has a sine and a cosine of opset 7, and none of opset 22:
 * they run on the CPU, the product before them on the device, whose result every step would wait for. As a product of float64, which the
 * provider has not, it is on the CPU as well: nothing comes back from the device, and the angles are nearer what they should be.
 *
 * Before: places, int64[...] → Cast → Reshape to [..., 1] → Mul with frequencies [half] → Sin, Cos.
 * After: places → Cast to float64 → Mul with frequencies [half, 1, ...] → Transpose to [..., half] → Cast to float32 → Sin, Cos.
 */
import { Elem, type OnnxNode, type Tensor, type Writer } from "../lowering/writer.ts";

const TURNS: ReadonlySet<string> = new Set(["Sin", "Cos"]);

/** Rewrites the products that only sines and cosines read. */
export function anglesOnHost(writer: Writer): void {
  const nodes = writer.since(0);
  const makers = new Map<Tensor, OnnxNode>();
  for (const n of writer.nodes) for (const t of n.outputs) makers.set(t, n);
  const readers = new Map<Tensor, OnnxNode[]>();
  for (const n of nodes) for (const t of n.inputs) if (t) readers.set(t, [...(readers.get(t) ?? []), n]);
  const ports = new Set(writer.inputs.map((i) => i.tensor));
  const outputs = new Set(writer.outputs.map((o) => o.tensor));
  const constant = new Map<Tensor, boolean>();
  const isConstant = (t: Tensor | undefined): boolean => {
    if (t === undefined) return true;
    const known = constant.get(t);
    if (known !== undefined) return known;
    const made = !ports.has(t) && (makers.get(t)?.inputs ?? []).every(isConstant);
    constant.set(t, made);
    return made;
  };
  const instead = new Map<OnnxNode, readonly OnnxNode[]>();
  for (const n of nodes) {
    const [angle] = n.outputs;
    const found = n.op === "Mul" && angle && !outputs.has(angle) ? productOf(n, makers, isConstant) : undefined;
    const own = angle && readers.get(angle);
    if (found && own && own.length > 0 && own.every((r) => TURNS.has(r.op))) instead.set(n, onHost(writer, n, found));
  }
  if (instead.size === 0) return;
  // What made the old operands, where nothing reads it any more: the reshape, then the cast.
  const read = new Set([...instead.values()].flat().flatMap((n) => n.inputs));
  const isLeft = (t: Tensor): boolean => {
    const own = readers.get(t) ?? [];
    return !outputs.has(t) && !read.has(t) && own.length > 0 && own.every((r) => instead.has(r));
  };
  for (const op of ["Reshape", "Cast"])
    for (const n of nodes) if (n.op === op && !instead.has(n) && n.outputs.every(isLeft)) instead.set(n, []);
  writer.replace(nodes.flatMap((n) => instead.get(n) ?? [n]));
}

interface Product {
  /** Whole numbers, of so many dimensions. */
  readonly places: Tensor;
  readonly rank: number;
  readonly frequencies: Tensor;
}

/** The product of places, behind which a dimension was put, and numbers that are known when the model is loaded. */
function productOf(
  { inputs }: OnnxNode,
  makers: ReadonlyMap<Tensor, OnnxNode>,
  isConstant: (t: Tensor) => boolean,
): Product | undefined {
  const [a, b] = inputs as [Tensor, Tensor];
  const [frequencies, apart] = isConstant(a) ? [a, b] : [b, a];
  const reshape = makers.get(apart);
  const cast = reshape?.op === "Reshape" ? makers.get(reshape.inputs[0]!) : undefined;
  const places = cast?.op === "Cast" ? cast.inputs[0]! : undefined;
  // A shape that says: each dimension as it is, then one of one.
  const shape = reshape?.inputs[1]?.name.match(/^const\/int_\d+((?:_0)+)_1$/);
  if (!isConstant(frequencies) || isConstant(apart) || places?.elem !== Elem.int64 || !shape) return undefined;
  return { places, rank: shape[1]!.length / 2, frequencies };
}

function onHost(writer: Writer, node: OnnxNode, { places, rank, frequencies }: Product): readonly OnnxNode[] {
  const made: OnnxNode[] = [];
  const add = (
    what: string,
    op: string,
    inputs: readonly Tensor[],
    attributes: OnnxNode["attributes"],
    output?: Tensor,
  ): Tensor => {
    const name = writer.unique(`${node.name}/${what}`);
    const tensor = output ?? { name: `${name}:0`, elem: Elem.double };
    made.push({ name, op, inputs, outputs: [tensor], attributes });
    return tensor;
  };
  const wide = add("places", "Cast", [places], { to: Elem.double });
  const rates = add("frequencies", "Cast", [frequencies], { to: Elem.double });
  const column = [-1, ...Array.from({ length: rank }, () => 1)];
  const tall = add("column", "Reshape", [rates, writer.ints(column)], {});
  const product = add("product", "Mul", [tall, wide], {});
  const perm = [...Array.from({ length: rank }, (_, i) => i + 1), 0];
  const turned = add("places first", "Transpose", [product], { perm });
  add("angles", "Cast", [turned], { to: Elem.float }, node.outputs[0]!);
  return made;
}
