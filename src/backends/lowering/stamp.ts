/**
 * @file Iterations of a repeat after the first ones are copies of the one before with other parameters, states and
 * names. That is only so where an iteration left nothing behind that the next would find (a conversion of a captured
 * value, say), and where what it is handed lies as it did then; else the body is emitted again.
 */
import type { Graph } from "../../ir/graph.ts";
import { concretePath } from "../../ir/paths.ts";
import { isMade } from "../../ir/states.ts";
import { showLayout } from "../../layout/layout.ts";
import type { Storage } from "../../layout/view.ts";
import { jointParts, type Emitter, type MetJoint, type MetParam, type MetState, type Placed } from "./emitter.ts";
import { folderOf, type Joint } from "./weights.ts";
import type { OnnxNode, Tensor } from "./writer.ts";

/** One iteration as it was emitted. */
interface Template {
  readonly scope: string;
  readonly carried: readonly Placed[];
  readonly kind: string;
  readonly nodes: readonly OnnxNode[];
  readonly entries: readonly [start: number, end: number];
  readonly params: readonly MetParam[];
  readonly joints: readonly MetJoint[];
  readonly states: readonly MetState[];
  readonly results: readonly Placed[];
  /** Storages from this number on were made in the iteration. */
  readonly watermark: number;
}

export class Stamps {
  private readonly templates = new Map<Graph, Template>();

  constructor(
    private readonly e: Emitter,
    /** How many repeats are around this one: where its index stands among the indices. */
    private readonly depth: number,
  ) {}

  /** Emits an iteration and keeps it as a template, if it can be one. */
  record(body: Graph, carried: readonly Placed[], emit: () => readonly Placed[]): readonly Placed[] {
    const { book, writer, met } = this.e;
    const [nodes, entries] = [writer.mark, book.entries.length];
    const [params, joints, states] = [met.params.length, met.joints.length, met.states.length];
    const kind = handedKind(carried);
    const watermark = book.watch();
    const results = emit();
    const template: Template = {
      scope: writer.scope,
      carried,
      kind,
      nodes: writer.since(nodes),
      entries: [entries, book.entries.length],
      params: met.params.slice(params),
      joints: met.joints.slice(joints),
      states: met.states.slice(states),
      results,
      watermark,
    };
    if (book.unwatch() === 0 && canCopy(template)) this.templates.set(body, template);
    else this.templates.delete(body);
    return results;
  }

  /** A copy of the last iteration of this body; undefined where it would not be one. */
  reuse(body: Graph, carried: readonly Placed[], indices: readonly number[]): readonly Placed[] | undefined {
    const template = this.templates.get(body);
    if (!template || handedKind(carried) !== template.kind) return undefined;
    const at = (old: readonly number[]): readonly number[] => old.map((n, i) => (i === this.depth ? indices[i]! : n));
    if (!template.params.every((p) => this.sameKind(p, at(p.indices)))) return undefined;
    if (!template.joints.every((j) => kindOf(j.joint) === kindOf(jointAt(this.e, j, at)))) return undefined;
    return new Copy(this.e, template, carried, at).results();
  }

  private sameKind({ param, indices }: MetParam, now: readonly number[]): boolean {
    const kind = (i: readonly number[]): string => this.e.weights.kindOf(concretePath(param.path, i), param.value.type);
    return kind(indices) === kind(now);
  }
}

/** The same weights of another iteration. */
function jointAt(
  e: Emitter,
  { parts, indices, anyOrder }: MetJoint,
  at: (old: readonly number[]) => readonly number[],
): Joint {
  return e.weights.joint(jointParts(parts, at(indices)), anyOrder);
}

/** How weights that are one matrix lie there. */
function kindOf({ order, columnsFirst, elem, cut }: Joint): string {
  return [columnsFirst, elem, cut, order].join(" ");
}

/** How what is handed on lies: in which layouts there are tensors, of which axes, and what is one value twice. */
function handedKind(carried: readonly Placed[]): string {
  const storages = carried.map((c) => c.storage);
  return carried
    .map(({ storage, axes, spread }) => {
      const layouts = storage.placements.map((p) => showLayout(p.layout));
      const own = [...axes].map(([name, parts]) => `${name}=${parts.join("*")}`);
      return [
        storages.indexOf(storage),
        storage.origin || storage.provider ? storage.serial : "",
        ...layouts,
        ...own,
        ...spread.keys(),
      ].join(" ");
    })
    .join("; ");
}

function canCopy(t: Template): boolean {
  const plain = (p: Placed): boolean => p.storage.serial < t.watermark || (!p.storage.origin && !p.storage.provider);
  const flat = t.nodes.every((n) => Object.values(n.attributes).every((a) => typeof a !== "object" || !("graph" in a)));
  return flat && t.results.every(plain) && t.states.every((s) => plain(s.placed));
}

/** One copy in the making. */
class Copy {
  private readonly tensors = new Map<Tensor, Tensor>();
  private readonly storages = new Map<Storage<Tensor>, Storage<Tensor>>();
  private readonly folders = new Map<string, string>();

  constructor(
    private readonly e: Emitter,
    private readonly template: Template,
    carried: readonly Placed[],
    private readonly at: (indices: readonly number[]) => readonly number[],
  ) {
    template.carried.forEach((old, i) => this.pair(old.storage, carried[i]!.storage));
    for (const p of template.params) this.param(p);
    for (const j of template.joints) this.joint(j);
    for (const { state, indices } of template.states) {
      if (isMade(state)) continue;
      const port = (i: readonly number[]): Tensor => e.portOf(concretePath(state.pastName, i));
      this.tensors.set(port(indices), port(at(indices)));
    }
    for (const node of template.nodes) this.node(node);
    this.entries(...template.entries);
    for (const s of template.states) e.present({ state: s.state, indices: at(s.indices), placed: this.view(s.placed) });
  }

  results(): readonly Placed[] {
    return this.template.results.map((r) => this.view(r));
  }

  private pair(old: Storage<Tensor>, now: Storage<Tensor>): void {
    this.storages.set(old, now);
    old.placements.forEach((p, i) => this.tensors.set(p.tensor, now.placements[i]!.tensor));
  }

  private param({ param, indices, weight: old }: MetParam): void {
    const { weights, met } = this.e;
    const now = weights.weight(concretePath(param.path, this.at(indices)), param.value.type, old.factor);
    met.params.push({ param, indices: this.at(indices), weight: now });
    for (const { layout, tensor } of old.made) this.tensors.set(tensor, now.raw(layout));
    this.folders.set(old.path, now.path);
    this.folders.set(folderOf(old.path), folderOf(now.path));
  }

  private joint({ parts, indices, anyOrder, joint: old }: MetJoint): void {
    const now = this.e.joint(parts, this.at(indices), anyOrder);
    this.tensors.set(old.raw, now.raw);
    this.folders.set(old.path, now.path);
    this.folders.set(folderOf(old.path), folderOf(now.path));
  }

  private node(node: OnnxNode): void {
    const outputs = this.e.writer.copy(
      node,
      this.name(node.name),
      node.inputs.map((t) => t && this.tensor(t)),
    );
    node.outputs.forEach((t, i) => this.tensors.set(t, outputs[i]!));
  }

  /** The name with this iteration in the place of the template's: in the scope, or in the path of a weight. */
  private name(old: string): string {
    const { scope } = this.template;
    if (old.startsWith(scope)) return this.e.writer.scope + old.slice(scope.length);
    const end = old.lastIndexOf("/");
    return (this.folders.get(old.slice(0, end)) ?? old.slice(0, end)) + old.slice(end);
  }

  private entries(start: number, end: number): void {
    const { entries } = this.e.book;
    for (const entry of entries.slice(start, end)) {
      const tensor = this.tensor(entry.tensor);
      entries.push(entry.kind === "made" ? { ...entry, tensor } : { ...entry, tensor, from: this.tensor(entry.from) });
    }
  }

  private tensor(old: Tensor): Tensor {
    return this.tensors.get(old) ?? old;
  }

  private view(old: Placed): Placed {
    const { storage } = old;
    let now = this.storages.get(storage) ?? (storage.serial < this.template.watermark ? storage : undefined);
    if (!now) this.storages.set(storage, (now = this.e.book.likewise(storage, (t) => this.tensor(t))));
    return { ...old, storage: now };
  }
}
