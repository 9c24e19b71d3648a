/** @file What the lowering noted of fusions, as `fusions.ts` has them: norms take in the sum before them, gates their activation. */
import type { Entry } from "../../layout/book.ts";
import { FUSION, sameDimensions } from "../lowering/fusion.ts";
import type { OnnxNode, Tensor } from "../lowering/writer.ts";
import type { Fusion } from "./fusions.ts";

type Made = Entry<Tensor> & { readonly kind: "made" };

/** The notes among the nodes, and those of gates: an activation times something of the same dimensions. */
export function refined(nodes: readonly OnnxNode[], entries: readonly Entry<Tensor>[]): readonly OnnxNode[] {
  const notes = nodes.filter((n) => n.op === FUSION);
  const others = nodes.filter((n) => n.op !== FUSION);
  const makers = new Map(others.flatMap((n) => n.outputs.map((t) => [t, n] as const)));
  const made = new Map<Tensor, Made>(entries.flatMap((e) => (e.kind === "made" ? [[e.tensor, e] as const] : [])));
  const readers = new Map<Tensor, Set<OnnxNode>>();
  for (const node of others)
    for (const t of node.inputs) if (t) readers.set(t, (readers.get(t) ?? new Set()).add(node));
  const same = (a: Tensor, b: Tensor): boolean => sameDimensions(made.get(a), made.get(b));
  const refined = notes.flatMap((note) => {
    if (note.attributes["op"] === "Activation") return [note, ...gatesOf(note, readers, same)];
    return [isNorm(note) ? withResidual(note, makers, readers, same) : note];
  });
  const last = (t: Tensor): number | undefined => made.get(t) && made.get(t)!.layout.length - 1;
  return [...others.flatMap((node) => rotationOf(node, makers, same, last)), ...refined];
}

/** The last of four dimensions: more the kernel does not take. */
const MOST_AXIS = 3;

/**
 * Two halves turned against each other, as rotary positions do it: `[a cos - b sin, b cos + a sin]`, where x is `[a, b]` along its last
 * dimension. Cosine and sine have one dimension less in places, or of one, where all turn alike.
 */
function rotationOf(
  node: OnnxNode,
  makers: ReadonlyMap<Tensor, OnnxNode>,
  same: (a: Tensor, b: Tensor) => boolean,
  last: (t: Tensor) => number | undefined,
): readonly OnnxNode[] {
  if (node.op !== "Concat" || node.inputs.length !== 2) return [];
  const by = (op: string, t: Tensor | undefined): readonly Tensor[] | undefined => {
    const maker = t && makers.get(t);
    return maker?.op === op && maker.inputs.length === 2 ? (maker.inputs as readonly Tensor[]) : undefined;
  };
  const difference = by("Sub", node.inputs[0]);
  const sum = by("Add", node.inputs[1]);
  if (!difference || !sum) return [];
  const products = [...difference, ...sum].map((t) => by("Mul", t));
  const split = products[0]?.map((t) => makers.get(t)).find((m) => m?.op === "Split");
  const [a, b, ...others] = split?.outputs ?? [];
  if (!split || !a || !b || others.length > 0 || !products.every((p) => p !== undefined)) return [];
  /** What a product takes this half times. */
  const times = (half: Tensor, product: readonly Tensor[]): Tensor | undefined =>
    product[0] === half ? product[1] : product[1] === half ? product[0] : undefined;
  const [ac, bs, third, fourth] = products as readonly (readonly Tensor[])[] as [
    readonly Tensor[],
    readonly Tensor[],
    readonly Tensor[],
    readonly Tensor[],
  ];
  const [cos, sin] = [times(a, ac), times(b, bs)];
  const turned = (p: readonly Tensor[], q: readonly Tensor[]): boolean =>
    cos !== undefined && sin !== undefined && times(b, p) === cos && times(a, q) === sin;
  if (!turned(third, fourth) && !turned(fourth, third)) return [];
  const axis = last(a);
  const isLast = (n: OnnxNode): boolean => n.attributes["axis"] === axis || n.attributes["axis"] === -1;
  const halves = [b, ...node.inputs.slice(0, 2)] as readonly Tensor[];
  if (axis === undefined || axis > MOST_AXIS || !isLast(split) || !isLast(node) || !halves.every((t) => same(t, a)))
    return [];
  const inputs = [split.inputs[0]!, cos!, sin!, node.outputs[0]!];
  return [{ name: `${node.name}/note`, op: FUSION, inputs, outputs: [], attributes: { op: "Rotary" } }];
}

const isNorm = (note: OnnxNode): boolean => ["LayerNorm", "RmsNorm"].includes(note.attributes["op"] as string);

/** A sum that only the norm reads (twice) is part of it. */
function withResidual(
  note: OnnxNode,
  makers: ReadonlyMap<Tensor, OnnxNode>,
  readers: ReadonlyMap<Tensor, ReadonlySet<OnnxNode>>,
  same: (a: Tensor, b: Tensor) => boolean,
): OnnxNode {
  const [x, , ...others] = note.inputs;
  const sum = makers.get(x!);
  const [a, b] = sum?.inputs ?? [];
  if (sum?.op !== "Add" || !a || !b || readers.get(x!)?.size !== 2 || !same(a, x!) || !same(b, x!)) return note;
  return { ...note, inputs: [a, b, ...others] };
}

function gatesOf(
  note: OnnxNode,
  readers: ReadonlyMap<Tensor, ReadonlySet<OnnxNode>>,
  same: (a: Tensor, b: Tensor) => boolean,
): OnnxNode[] {
  const [x, activated] = note.inputs as [Tensor, Tensor];
  return [...(readers.get(activated) ?? [])].flatMap((node) => {
    const up = node.inputs.find((t) => t !== activated);
    if (node.op !== "Mul" || !up || !same(up, activated)) return [];
    const attributes = { ...note.attributes, op: "Gated" };
    return [{ ...note, attributes, inputs: [x, up, node.outputs[0]!] }];
  });
}

/** A note in the words of the contract. */
export function fusionOf({ inputs, attributes }: OnnxNode, ref: (tensor: Tensor) => string): Fusion {
  const { op, ...settings } = attributes;
  const attrs = Object.fromEntries(
    Object.entries(settings).map(([key, value]) => [
      key,
      typeof value === "object" && "float" in value ? value.float : value,
    ]),
  );
  const softcap = op === "Attention" ? { softcap: attrs["softcap"] ?? null } : {};
  return {
    op: `tfm.${op as string}`,
    inputs: inputs.slice(0, -1).map((t) => (t ? ref(t) : null)),
    output: ref(inputs.at(-1)!),
    attrs: { ...attrs, ...softcap },
  } as unknown as Fusion;
}
