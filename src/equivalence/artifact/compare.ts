/**
 * @file What compiled folders compute, read from their files, against a program or another folder: node by node as values of one net, which
 * is then compared as any two models are. A folder that hands on what it keeps is run in two steps beside the program's whole text.
 */
import { isHalf, Unreadable } from "../../backends/written.ts";
import type { Graph } from "../../ir/graph.ts";
import { float64 } from "../../ops/float64.ts";
import type { Tensor } from "../../ops/op.ts";
import { compute, type Values } from "../evaluate.ts";
import { Flat } from "../flat.ts";
import { markSteps } from "../steps.ts";
import { drawLeaves } from "../floats.ts";
import { randomOf } from "../law.ts";
import { Incomparable, judge, tooLarge, type Judged, type ModelOptions, type Sides } from "../whole.ts";
import {
  jointOf,
  placementOf,
  sizeFrom,
  type Artifact,
  type ArtifactPart,
  type Placement,
  type Weight,
} from "./artifact.ts";
import { LOWEST, meantBy } from "./constants.ts";
import { artifactSide, inputKey, programSide, timesFactor, type Left } from "./left.ts";
import { arrangedAs, isMoved, matches, type Match } from "./matching.ts";
import { Net, Unread, type Value } from "./net.ts";
import { runGraph, unreadOperators } from "./run.ts";
import { withSines, withSoftmax } from "./spelled.ts";

export interface ArtifactReport extends Judged {
  readonly sizes: ReadonlyMap<string, number>;
  /** Weights of the artifact that were found on the other side, and those whose numbers are others there. */
  readonly weights: {
    readonly found: number;
    readonly differing: readonly string[];
    readonly alone: readonly string[];
  };
  /** What the files' numbers and nodes were taken for. */
  readonly taken: readonly string[];
}

/** A program, with its weights' numbers by path. */
export interface ProgramSource {
  readonly graph: Graph;
  readonly weight: (path: string) => Tensor<number>;
  /** Whether the program itself gives something else in two steps than at once. */
  readonly stepsDiffer?: () => boolean;
}

export function compareWithArtifact(program: ProgramSource, artifact: Artifact, options: ModelOptions): ArtifactReport {
  return compared((flat) => programSide(flat, program, artifact.parts), artifact, options, program.stepsDiffer);
}

export function compareArtifacts(a: Artifact, b: Artifact, options: ModelOptions): ArtifactReport {
  const known = [a, b].map(prepared) as [Artifact, Artifact];
  const against = (left: 0 | 1): ArtifactReport =>
    compared(
      (flat) => artifactSide(flat, known[left], known[1 - left]!.parts, runner(known[left])),
      [a, b][1 - left]!,
      options,
    );
  const report = against(0);
  if (report.weights.alone.length === 0) return report;
  // What is one tensor in the first may be several in the second: those are found the other way round.
  const other = against(1);
  return other.weights.alone.length === 0 ? other : report;
}

/** With its sines as sines, and its softmax as one. */
function prepared(artifact: Artifact): Artifact {
  return { ...artifact, parts: artifact.parts.map((p) => ({ ...p, graph: withSoftmax(withSines(p.graph).graph) })) };
}

function compared(
  side: (flat: Flat) => Left,
  written: Artifact,
  options: ModelOptions,
  stepsDiffer = (): boolean => false,
): ArtifactReport {
  const artifact = prepared(written);
  let sizes: ReadonlyMap<string, number> = new Map();
  const weights = { found: new Set<string>(), differing: new Set<string>(), alone: new Set<string>() };
  const places: Places = new Map();
  let steps = true;
  let own: readonly number[] = [];
  const build = (): Sides => {
    const unread = artifact.parts.flatMap((p) => unreadOperators(p.graph));
    if (unread.length > 0)
      throw new Incomparable(
        `what ${unread.join(", ")} of ${artifact.name} ${unread.length === 1 ? "computes" : "compute"} is not known here`,
      );
    try {
      const first = assembled(side, artifact, weights, places, [], steps);
      ({ sizes } = first.left);
      own = first.constants;
      // Again, with the left values under the names that the artifact's have.
      return assembled(side, artifact, weights, places, matched(first, options), steps);
    } catch (e) {
      if (e instanceof Unread || e instanceof Unreadable) throw new Incomparable(`${artifact.name}: ${e.message}`);
      throw e;
    }
  };
  let judged = judge(sizes, options, build);
  const taken = takenFor(written, own);
  if (judged.verdict.kind === "different" && artifact.parts.some((p) => p.states.length > 0) && stepsDiffer()) {
    // Where earlier places see later ones (a prefix of which all see all), those belong into the first step.
    steps = false;
    const whole = judge(sizes, options, build);
    if (whole.verdict.kind === "proved" || whole.verdict.kind === "sampled") {
      judged = whole;
      taken.push("all places for one step: in two, earlier places miss later ones that they see");
    }
  }
  const { found, differing, alone } = weights;
  return {
    ...judged,
    sizes,
    weights: { found: found.size, differing: [...differing], alone: [...alone] },
    taken,
  };
}

interface Assembled extends Sides {
  /** The numbers of the program. */
  readonly constants: readonly number[];
  readonly left: Left;
  /** Where the right side begins. */
  readonly from: number;
}

type WrittenTensor = ArtifactPart["graph"]["tensors"][number];

/** What tensors were found to hold, found once. */
type Places = Map<WrittenTensor, { readonly one: Placement | undefined; readonly joint: ReturnType<typeof jointOf> }>;

interface Weights {
  readonly found: Set<string>;
  readonly differing: Set<string>;
  readonly alone: Set<string>;
}

function assembled(
  side: (flat: Flat) => Left,
  artifact: Artifact,
  weights: Weights,
  places: Places,
  found: readonly Match[],
  steps: boolean,
): Assembled {
  const flat = new Flat();
  const left = side(flat);
  const why = tooLarge(left.weights.reduce((n, w) => n + w.axes.reduce((m, a) => m * a.size, 1), 0));
  if (why !== undefined) throw new Incomparable(why);
  const stepping = steps && left.grows !== undefined && artifact.parts.some((p) => p.states.length > 0);
  if (stepping) markSteps(flat, left.grows!.axis, left.kept, stepEnds(left));
  for (const match of found) flat.view(arrangedAs(flat, match), flat.views.get(match.left) ?? match.left);
  const from = flat.nodes.length;
  const constants = flat.nodes.flatMap((n) => (n.op === "constant" ? [(n.attrs as { value: number }).value] : []));
  const net = new Net(flat, meantBy(constants));
  const run = new Right(net, left, artifact, (part, tensor) => {
    const known = places.get(tensor);
    const placement = known?.one ?? (known ? undefined : placementOf(tensor, left.weights));
    const joint = known?.joint ?? (placement ? undefined : jointOf(tensor, left.weights));
    places.set(tensor, { one: placement, joint });
    for (const { weight, same } of placement ? [placement] : (joint?.parts ?? [])) {
      weights.found.add(weight.path);
      if (!same) weights.differing.add(weight.path);
    }
    if (placement) return placed(net, placement.weight, placement.order, tensor);
    if (joint)
      return net.concat(
        joint.parts.map((p) => net.reshape(net.entering(p.weight.id, p.order), p.dims)),
        joint.axis,
      );
    weights.alone.add(tensor.name);
    const axes = tensor.dims.map((size, i) => ({ name: `${i}`, size }));
    return net.entering(flat.drawn({ name: `${part.file}: ${tensor.name}`, kind: "weight" }, "float", axes));
  });
  return { flat, left, from, constants, rearranged: true, pairs: run.pairs(stepping ? stepEnds(left) : undefined) };
}

/** A weight as a tensor of the artifact has it. */
function placed(net: Net, weight: Weight, order: readonly string[], { dims, parameter }: WrittenTensor): Value {
  let whole = net.entering(weight.id, order);
  if (parameter?.piece) {
    const { along, index, of } = parameter.piece;
    const at = order.indexOf(along);
    const size = net.shape(whole)[at]! / of;
    if (!Number.isInteger(size)) throw new Unread(`${weight.path} in pieces of different sizes`);
    whole = net.slice(whole, at, index * size, (index + 1) * size, 1);
  }
  return timesFactor(net, net.reshape(whole, dims), parameter?.factor);
}

const stepEnds = ({ grows, sizes }: Left): readonly number[] => {
  const places = sizes.get(grows!.size)!;
  const { step } = grows!;
  return step === undefined ? [places - 1, places] : Array.from({ length: places / step }, (_, i) => (i + 1) * step);
};

function matched({ flat, from, pairs, left }: Assembled, options: ModelOptions): readonly Match[] {
  const c = { sizes: new Map<string, string>(), flat, pairs };
  const values: Values<number> = new Map(
    drawLeaves(c, randomOf(options.seed, "matching"), { scale: 1, positive: true, model: true }),
  );
  const cone = flat.cone([...pairs.flat(), ...flat.views.keys()]);
  compute(flat, cone, values, float64);
  const own = flat.cone([...pairs.map((p) => p[0]), ...flat.views.keys()]).filter((id) => id < from);
  // Of what is only moved, what it is moved from is matched.
  const plain = own.filter((id) => !flat.views.has(id) && !isMoved(flat.node(id).op));
  const drawn = (id: number): boolean => flat.node(id).drawn;
  return matches(
    flat,
    [...plain, ...flat.views.keys()].filter(drawn),
    cone.filter((id) => id >= from && drawn(id)),
    values,
    [...left.sizes.values()],
  );
}

/** What the numbers of the files were read as, as far as that is more than reading; `own` are the program's. */
function takenFor({ parts }: Artifact, own: readonly number[]): string[] {
  const said: string[] = [];
  const floats = parts.flatMap((p) => p.graph.tensors).filter((t) => t.dtype === "float" && !t.isWeight);
  said.push("constants, rounded to float32 in the file, for the reals that they stand for");
  const masks = new Set(
    floats.flatMap((t) =>
      Array.from(t.numbers()).filter((x) => x <= LOWEST && Number.isFinite(x) && !own.some((c) => x === c || x === -c)),
    ),
  );
  if (masks.size > 0)
    said.push(`${[...masks].map((x) => Number(x.toPrecision(6))).join(", ")} of a mask for minus infinity`);
  const sines = parts.reduce((n, p) => n + withSines(p.graph).count, 0);
  if (sines > 0) said.push(`${sines} polynomial${sines === 1 ? "" : "s"} for the sine or cosine that each is to 2e-6`);
  return said;
}

/** The whole of an artifact with nothing kept: what its last part gives, by name. */
function runner(artifact: Artifact) {
  return (net: Net, inputs: Left["inputs"], sizes: ReadonlyMap<string, number>, weight: (t: WrittenTensor) => Value) =>
    new Right(net, { inputs, sizes } as Left, artifact, (_, t) => weight(t)).once();
}

// ── The right side ────────────────────────────────────────────────────────────────────────────────────────────────────

class Right {
  private readonly tensors = new Map<ArtifactPart, ReadonlyMap<string, Value>>();

  constructor(
    private readonly net: Net,
    private readonly left: Left,
    private readonly artifact: Artifact,
    private readonly weight: (part: ArtifactPart, tensor: WrittenTensor) => Value,
  ) {}

  /** Left outputs and the artifact's, of all steps. */
  pairs(ends: readonly number[] | undefined): (readonly [number, number])[] {
    const { grows, sizes } = this.left;
    const places = grows && sizes.get(grows.size);
    let handed = new Map<string, Value>();
    let start = 0;
    const pairs: (readonly [number, number])[] = [];
    for (const end of ends ?? [places ?? 0]) {
      const made = this.step(start, end, handed);
      handed = made.states;
      for (const [name, value] of made.outputs) pairs.push(this.pair(name, value, start, end));
      start = end;
    }
    return pairs;
  }

  /** With an empty past. */
  once(): ReadonlyMap<string, Value> {
    return this.step(0, 0, new Map()).outputs;
  }

  private pair(name: string, value: Value, start: number, end: number): readonly [number, number] {
    const { outputs, grows } = this.left;
    const all = [...outputs];
    const own = outputs.get(name) ?? (all.length === 1 ? all[0]![1] : undefined);
    if (!own)
      throw new Incomparable(`${this.artifact.name} gives ${name}, and the first ${[...outputs.keys()].join(", ")}`);
    const { flat } = this.net;
    let { id } = own;
    const wanted = this.net.shape(value);
    for (const [i, axis] of own.order.entries()) {
      if (axis !== grows?.axis) continue;
      // Only the last place may be asked for.
      const from = wanted[i] === end - start ? start : end - wanted[i]!;
      id = flat.part(id, axis, from, end);
    }
    const shape = own.order.map((n) => flat.node(id).axes.find((a) => a.name === n)!.size);
    if (shape.join() !== wanted.join())
      throw new Incomparable(
        `the output ${name} of ${this.artifact.name} is [${wanted.join(", ")}], and of the first [${shape.join(", ")}]`,
      );
    let made = value;
    const { dtype } = flat.node(id);
    if (this.net.dtype(made) !== dtype) made = this.net.cast(made, dtype);
    return [id, this.net.leaving(made, own.order)];
  }

  private step(
    start: number,
    end: number,
    handed: ReadonlyMap<string, Value>,
  ): { readonly outputs: ReadonlyMap<string, Value>; readonly states: Map<string, Value> } {
    const states = new Map<string, Value>();
    let before: ReadonlyMap<string, Value> = new Map();
    let outputs = new Map<string, Value>();
    for (const part of this.artifact.parts) {
      const given = new Map(this.tensorsOf(part));
      const sizes = this.sizesAt(start, end);
      for (const port of part.inputs) given.set(port.name, this.input(part, port, before, sizes, start, end));
      for (const s of part.states) given.set(s.past, handed.get(s.past) ?? this.empty(part, s, sizes));
      const made = runGraph(this.net, part.graph, given);
      for (const s of part.states) states.set(s.past, this.handedOn(s, given.get(s.past)!, made));
      outputs = new Map(part.outputs.map((o) => [o.name, made.get(o.name)!]));
      before = made;
    }
    return { outputs, states };
  }

  private sizesAt(start: number, end: number): ReadonlyMap<string, number> {
    const { grows, sizes } = this.left;
    const own = new Map(sizes);
    for (const [name, size] of sizes) own.set(`past_${name}`, start === 0 ? 0 : size);
    if (grows) own.set(grows.size, end - start).set(`past_${grows.size}`, start);
    return own.set("begun", start === 0 ? 0 : 1);
  }

  private tensorsOf(part: ArtifactPart): ReadonlyMap<string, Value> {
    let known = this.tensors.get(part);
    if (!known) {
      const all = new Map<string, Value>();
      for (const t of part.graph.tensors)
        all.set(t.name, t.isWeight ? this.weight(part, t) : this.net.listed(t.numbers(), t.dims, t.dtype, isHalf(t)));
      this.tensors.set(part, (known = all));
    }
    return known;
  }

  private input(
    part: ArtifactPart,
    port: ArtifactPart["inputs"][number],
    before: ReadonlyMap<string, Value>,
    sizes: ReadonlyMap<string, number>,
    start: number,
    end: number,
  ): Value {
    const outer = part.given.get(port.name);
    const whole = outer === undefined ? undefined : before.get(outer);
    if (whole) return whole;
    if (port.name === part.count) return this.net.listed([start], [1], "int");
    const own = this.left.inputs.get(inputKey(this.artifact.parts.indexOf(part), port.name));
    if (!own)
      throw new Incomparable(
        `${this.artifact.name} takes ${port.name}, and the first ${[...this.left.inputs.keys()].join(", ")}`,
      );
    const { flat } = this.net;
    let { id } = own;
    for (const [i, axis] of own.order.entries()) {
      const size = flat.node(id).axes.find((a) => a.name === axis)!.size;
      const open = port.axes[i];
      const wanted = open?.size ?? sizeFrom(open?.name ?? "", sizes) ?? size;
      if (wanted === size) continue;
      // What a step sees of an input is its own places, or all until then.
      if (axis === this.left.grows?.axis) id = flat.part(id, axis, wanted === end ? 0 : start, end);
      else
        throw new Incomparable(
          `the input ${port.name} is ${wanted} long along its dimension ${i}, and ${size} on the other side`,
        );
    }
    const value = this.net.entering(id, own.order);
    const { dtype } = part.graph.inputs.find((p) => p.name === port.name) ?? { dtype: this.net.dtype(value) };
    return this.net.cast(value, dtype);
  }

  /** A past before the first step. */
  private empty(part: ArtifactPart, state: ArtifactPart["states"][number], sizes: ReadonlyMap<string, number>): Value {
    // A buffer that is one with the present is as long as the text will be.
    const capacity = this.left.sizes.get(this.left.grows?.size ?? "");
    if (state.shared && capacity === undefined)
      throw new Incomparable(
        `${part.file} keeps its past in buffers of the client's, and how long they are is not known`,
      );
    const open = state.shared ? capacity! : 0;
    const shape = state.axes.map((a, i) => (i === state.rows?.axis ? 0 : (a.size ?? sizeFrom(a.name, sizes) ?? open)));
    const zero = this.net.number(0);
    return this.net.expand({ id: zero.id, dims: shape.map(() => undefined) }, shape);
  }

  private handedOn(state: ArtifactPart["states"][number], past: Value, made: ReadonlyMap<string, Value>): Value {
    const present = made.get(state.present);
    if (!present) throw new Unread(`the output ${state.present}, which nothing makes`);
    if (!state.rows) return present;
    const { index, axis } = state.rows;
    const rows = this.net.slice(present, 0, index, index + 1, 1);
    return this.net.concat([past, { id: rows.id, dims: rows.dims.slice(1) }], axis);
  }
}
