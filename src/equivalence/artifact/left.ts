/** @file The first of two sides, with which an artifact is compared: a program, or another artifact. */
import { pathsOf } from "../models.ts";
import { keptAxes, nameOf, openSizes } from "../models.ts";
import { bound, type Flat } from "../flat.ts";
import { placementOf, sizeFrom, withoutFactor, type Artifact, type ArtifactPart, type Weight } from "./artifact.ts";
import type { ProgramSource } from "./compare.ts";
import { meantBy } from "./constants.ts";
import { Net, type Value } from "./net.ts";

/** A value, and its axes in the order of the dimensions that it has outside. */
export interface Ordered {
  readonly id: number;
  readonly order: readonly string[];
}

/** A parameter as a tensor has it that was written times a factor. */
export function timesFactor(net: Net, x: Value, factor: number | undefined): Value {
  return factor === undefined ? x : net.elementwise("mul", x, net.number(factor));
}

/** An input of the first file that runs (stage 0), or of the steps after it, which may have the same names. */
export function inputKey(stage: number, name: string): string {
  return stage === 0 ? name : `step ${name}`;
}

export interface Left {
  readonly flat: Flat;
  /** By `inputKey`. */
  readonly inputs: ReadonlyMap<string, Ordered>;
  readonly outputs: ReadonlyMap<string, Ordered>;
  readonly weights: readonly Weight[];
  /** Of the sizes that vary, by their names outside. */
  readonly sizes: ReadonlyMap<string, number>;
  /** The axis along which a program grows, and what its size is called outside; of how many places a step is, where the artifact fixes it. */
  readonly grows?: { readonly axis: string; readonly size: string; readonly step?: number };
  /** Axes that what is kept stands along. */
  readonly kept: ReadonlySet<string>;
}

/** The sizes of `inputs` that the parts' inputs of these names have a number for; by what `nameOfSize` calls them. */
function fixedSizes<A>(
  parts: readonly ArtifactPart[],
  axesOf: (stage: number, name: string) => readonly A[] | undefined,
  nameOfSize: (axis: A) => string | undefined,
): Map<string, number> {
  const fixed = new Map<string, number>();
  for (const [stage, part] of parts.entries())
    for (const port of part.inputs)
      for (const [i, axis] of (axesOf(stage, port.name) ?? []).entries()) {
        const size = port.axes[i]?.size;
        const name = nameOfSize(axis);
        if (size !== undefined && name !== undefined) fixed.set(name, size);
      }
  return fixed;
}

/** @param parts of the artifact that it is compared with: what sizes that fixes, the program has too */
export function programSide(flat: Flat, { graph, weight }: ProgramSource, parts: readonly ArtifactPart[]): Left {
  const symbols = openSizes([graph]);
  const fixed = fixedSizes(
    parts,
    (stage, name) =>
      graph.inputs.find((i) => (stage === 0 ? nameOf(i) : (i.outsideStep ?? nameOf(i))) === name)?.value.type.axes,
    (axis) => axis.size.symbol,
  );
  for (const [symbol, size] of fixed) symbols.set(symbol, size);
  const step = graph.grows === undefined ? undefined : fixed.get(graph.grows);
  // Of a step that is fixed there are two, the second with a past.
  if (step !== undefined && parts.some((p) => p.states.length > 0)) symbols.set(graph.grows!, 2 * step);
  const inputs = new Map<string, Ordered>();
  const ids = new Map<number, number>();
  for (const input of graph.inputs) {
    const id = flat.leaf({ name: nameOf(input), kind: "operand" }, bound(input.value.type, symbols), input.value.span);
    ids.set(input.value.id, id);
    const ordered = { id, order: input.value.type.axes.map((a) => a.name) };
    inputs.set(inputKey(0, nameOf(input)), ordered).set(inputKey(1, input.outsideStep ?? nameOf(input)), ordered);
  }
  const weights = new Map<string, Weight>();
  const declared = new Map([...pathsOf(graph, symbols)].map((p) => [p.path, p.type]));
  const outputs = flat.graph(
    graph,
    ids,
    (path, type, initial) => {
      const known = weights.get(path);
      if (known) return known.id;
      const own = bound(declared.get(path) ?? type, symbols);
      const id = flat.leaf({ name: path, kind: "weight", initial }, own, undefined);
      const { axes } = flat.node(id);
      weights.set(path, { path, axes, id, numbers: () => weight(path).data as ArrayLike<number> });
      return id;
    },
    undefined,
    [],
    { sizes: symbols },
  );
  const outside = (symbol: string): string => graph.sizeNames.get(symbol) ?? symbol;
  const { grows } = graph;
  return {
    flat,
    inputs,
    outputs: new Map(
      graph.outputs.map((o, i) => [nameOf(o), { id: outputs[i]!, order: o.value.type.axes.map((a) => a.name) }]),
    ),
    weights: [...weights.values()],
    sizes: new Map([...symbols].map(([s, n]) => [outside(s), n])),
    ...(grows === undefined
      ? {}
      : { grows: { axis: growingAxis(graph, grows), size: outside(grows), ...(step === undefined ? {} : { step }) } }),
    kept: keptAxes(graph),
  };
}

/** The axis of the inputs whose size is what grows. */
function growingAxis(graph: ProgramSource["graph"], grows: string): string {
  for (const input of graph.inputs) for (const a of input.value.type.axes) if (a.size.symbol === grows) return a.name;
  return grows;
}

/** A text of four places, a batch of two, all else three. */
function sizesOf(parts: readonly ArtifactPart[]): Map<string, number> {
  const sizes = new Map<string, number>();
  const pasts = new Set(parts.flatMap((p) => p.states.flatMap((s) => s.axes.map((a) => a.name))));
  for (const part of parts)
    for (const { axes } of part.inputs)
      for (const [i, { name, size }] of axes.entries())
        if (size === undefined && /^[A-Za-z_]\w*$/.test(name) && !sizes.has(name))
          sizes.set(name, pasts.has(`past_${name}`) ? 4 : i === 0 ? 2 : 3);
  return sizes;
}

/** An artifact with an empty past, at the sizes that those of the `others` fix; its weights as they are called there. */
export function artifactSide(
  flat: Flat,
  { parts }: Artifact,
  others: readonly ArtifactPart[],
  run: (
    net: Net,
    inputs: Left["inputs"],
    sizes: ReadonlyMap<string, number>,
    weight: (t: ArtifactPart["graph"]["tensors"][number]) => Value,
  ) => ReadonlyMap<string, Value>,
): Left {
  const sizes = sizesOf(parts);
  const axesOf = (stage: number, name: string) => parts[stage]?.inputs.find((p) => p.name === name)?.axes;
  for (const [name, size] of fixedSizes(others, axesOf, (a) => (a.size === undefined ? a.name : undefined)))
    if (sizes.has(name)) sizes.set(name, size);
  const before = new Map(sizes);
  for (const name of sizes.keys()) before.set(`past_${name}`, 0);
  const inputs = new Map<string, Ordered>();
  for (const [stage, part] of parts.entries())
    for (const port of part.inputs) {
      if (part.given.has(port.name) || port.name === part.count) continue;
      const axes = port.axes.map((a, i) => ({
        name: `${inputKey(stage, port.name)} ${i}`,
        size: a.size ?? sizeFrom(a.name, before) ?? 3,
      }));
      const { dtype } = part.graph.inputs.find((p) => p.name === port.name) ?? { dtype: "float" };
      const id = flat.drawn({ name: port.name, kind: "operand" }, dtype, axes);
      inputs.set(inputKey(stage, port.name), { id, order: axes.map((a) => a.name) });
    }
  const weights = new Map<string, Weight>();
  const net = new Net(flat, meantBy([]));
  const outputs = run(net, inputs, sizes, (t) => {
    // Two files may hold one weight, in two arrangements.
    const known = placementOf(t, [...weights.values()]);
    const factor = t.parameter?.factor;
    if (known?.same) return timesFactor(net, net.reshape(net.entering(known.weight.id, known.order), t.dims), factor);
    const path = t.parameter?.path ?? t.name;
    const axes = t.dims.map((size, i) => ({ name: `${t.name} ${i}`, size }));
    const id = flat.drawn({ name: t.name, kind: "weight" }, "float", axes);
    const { numbers, rounding } = withoutFactor(t);
    weights.set(t.name, { path, axes, id, numbers, rounding });
    return timesFactor(net, net.entering(id), factor);
  });
  return {
    flat,
    inputs,
    outputs: new Map(
      [...outputs].map(([name, value]) => {
        const order = value.dims.map((_, i) => `${name} ${i}`);
        return [name, { id: net.leaving(value, order), order }];
      }),
    ),
    weights: [...weights.values()],
    sizes,
    kept: new Set(),
  };
}
