/** @file From what was applied while a model was elaborated to the figure of it. */
import type { Elaborated } from "../compile.ts";
import type { Application, RepeatedBody } from "../elaborate/outline.ts";
import type { Graph, Node, Param, Value } from "../ir/graph.ts";
import { showAxis, showType } from "../ir/type.ts";
import type { Box, Edge, Figure, Group, Item } from "./figure.ts";
import { describeParameters, nameInWords, settingLines } from "./words.ts";
import { pruned } from "./prune.ts";

export interface FigureOptions {
  /** Unfolds attention and feed-forward networks, down to their matrices and operators. */
  readonly detail?: boolean;
  /** Types at the lines and parameters in the boxes. */
  readonly types?: boolean;
}

/** Where a value comes from: items of the figure. */
type Sources = readonly string[];

/** One graph that is being drawn: of the model, or of a repeat's body. */
interface Level {
  readonly nodes: readonly Node[];
  readonly params: ReadonlyMap<number, Param>;
  readonly sources: Map<number, Sources>;
  readonly items: Item[];
  /** The value that enters a repeat, and what is captured: by the values inside. */
  readonly across: Set<number>;
  /** The body of a composite operator. */
  readonly inside?: boolean;
}

/** Signs of operators that join two lines. */
const SIGNS: Readonly<Record<string, string>> = {
  add: "+",
  sub: "−",
  mul: "×",
  div: "÷",
  dot: "·",
  concat: "∥",
  stack: "∥",
};

/** Operators that move elements: a line goes through them. */
const THROUGH = new Set([
  "rename",
  "transpose",
  "split",
  "merge",
  "cast",
  "keep",
  "once",
  "spread",
  "pick",
  "slice",
  "previous",
]);

/** The figure of a model. Operators that no block contains are small boxes and circles. */
export function figureOf(model: Elaborated, options: FigureOptions = {}): Figure {
  return new FigureBuilder(model, options).build();
}

class FigureBuilder {
  private readonly edges: Edge[] = [];
  private count = 0;

  constructor(
    private readonly model: Elaborated,
    private readonly options: FigureOptions,
  ) {}

  build(): Figure {
    const { outline, model: title } = this.model;
    const graph = outline.builder.build();
    const level = levelOf(graph);
    for (const input of graph.inputs) {
      const id = this.id();
      const name = input.outside ?? input.name;
      level.items.push({ kind: "terminal", id, title: name, lines: this.typeLine(input.value), side: "in" });
      this.from(level, input.value, [id]);
    }
    this.walk(level, 0, graph.nodes.length, outline.children);
    for (const output of graph.outputs) {
      const id = this.id();
      const name = output.outside ?? output.name;
      level.items.push({ kind: "terminal", id, title: name, lines: this.typeLine(output.value), side: "out" });
      this.connect(level, output.value, id);
    }
    return pruned({ title, items: level.items, edges: this.edges });
  }

  private id(): string {
    return `n${this.count++}`;
  }

  private typeLine(value: Value): string[] {
    return this.options.types ? [showType(value.type)] : [];
  }

  private from(level: Level, value: Value, sources: Sources): void {
    level.sources.set(value.id, sources);
  }

  private connect(level: Level, value: Value, to: string): void {
    const across = level.across.has(value.id);
    for (const from of level.sources.get(value.id) ?? [])
      if (from !== to && !this.edges.some((e) => e.from === from && e.to === to))
        this.edges.push({ from, to, type: axesOf(value), across });
  }

  /** Draws nodes `from` up to `to`, which `children` account for in part. */
  private walk(level: Level, from: number, to: number, children: readonly Application[]): void {
    const rest = children.filter((c) => c.to > c.from);
    for (let at = from; at < to;) {
      const child = rest.find((c) => c.from === at);
      if (child) {
        this.application(level, child);
        at = child.to;
      } else this.node(level, level.nodes[at++]!);
    }
  }

  private application(level: Level, app: Application): void {
    if (app.repeat) return this.repeat(level, app, app.repeat.kinds);
    if (this.isUnfolded(app)) return this.walk(level, app.from, app.to, app.children);
    const box = this.boxOf(level, app);
    level.items.push(box);
    for (const value of readBy(level, app)) this.connect(level, value, box.id);
    for (const value of app.outputs) this.from(level, value, [box.id]);
  }

  private isUnfolded(app: Application): boolean {
    if (app.role === undefined && app.takesBlocks) return true;
    return this.options.detail === true && app.children.length > 0 && app.role !== "norm";
  }

  private boxOf(level: Level, app: Application): Box {
    const nodes = level.nodes.slice(app.from, app.to);
    const read = new Set(nodes.flatMap((n) => n.inputs.map((v) => v.id)));
    const params = [...level.params.values()].filter((p) => read.has(p.value.id));
    const settings = new Map(app.settings.map((s) => [s.name, s.text]));
    const count = this.options.types ? describeParameters(params) : [];
    return {
      kind: "box",
      id: this.id(),
      title: nameInWords(app.title, app.doc),
      lines: [...settingLines(settings), ...count],
      role: app.role ?? "",
      tip: `${app.path}: ${app.title}${app.doc ? `\n${app.doc}` : ""}`,
      settings,
    };
  }

  private repeat(level: Level, app: Application, kinds: readonly RepeatedBody[]): void {
    const node = level.nodes[app.from]!;
    const bodies = kinds.map((kind) => this.body(level, node, kind));
    const drawn = alike(bodies.map((b) => b.group)) ? [withDifferences(bodies)] : bodies;
    const all: Item[] = drawn.map((b) => b.group);
    let sources: Sources = level.sources.get(node.inputs[0]!.id) ?? [];
    for (const [i, body] of drawn.entries()) {
      for (const from of sources)
        this.edges.push({ from, to: body.fork, type: axesOf(node.inputs[0]!), across: false });
      body.group = {
        ...body.group,
        label: drawn.length === 1 ? `×${app.repeat!.count}` : layers(kinds[i]!.iterations),
      };
      sources = body.sources;
      this.edges.push(...body.edges);
    }
    level.items.push(...(all.length === 1 ? [drawn[0]!.group] : drawn.map((b) => b.group)));
    this.from(level, node.outputs[0]!, sources);
  }

  /** A repeat's body by itself; its edges are kept apart until it is known whether it is drawn. */
  private body(outer: Level, node: Node, kind: RepeatedBody): Body {
    const level = levelOf(kind.graph);
    const fork = this.id();
    const before = this.edges.splice(0);
    level.items.push({ kind: "fork", id: fork });
    kind.graph.inputs.forEach((input, i) => {
      if (i === 0) return this.from(level, input.value, [fork]);
      const outside = node.inputs[i]!;
      // Masks and positions are no data of the figure; nor are numbers that all layers share.
      if (outside.type.dtype !== "float" || !outer.sources.has(outside.id)) return;
      level.sources.set(input.value.id, outer.sources.get(outside.id)!);
      level.across.add(input.value.id);
    });
    this.walk(level, 0, kind.graph.nodes.length, kind.children);
    const sources = level.sources.get(kind.graph.outputs[0]!.value.id) ?? [];
    const edges = this.edges.splice(0);
    this.edges.push(...before);
    return { group: { kind: "group", id: this.id(), label: "", items: level.items }, fork, sources, edges };
  }

  private node(level: Level, node: Node): void {
    const data = node.inputs.filter((v) => level.sources.get(v.id)?.length);
    const distinct = data.filter((v, i) => data.findIndex((w) => sameSources(level, v, w)) === i);
    const [out] = node.outputs;
    if (!out) return;
    if (node.op === "position") return this.terminal(level, out, "positions");
    if (data.length === 0) return;
    const floats = distinct.filter((v) => v.type.dtype === "float");
    if (out.type.dtype !== "float" || THROUGH.has(node.op)) return this.through(level, node, data[0]!);
    if (node.op === "call") return this.call(level, node, distinct);
    if (this.options.detail && (node.op === "dot" || node.op === "where") && floats.length > 0 && data.length > 1)
      return this.small(level, node, floats, node.op === "dot" ? "Dot product" : "Mask", overLine(node));
    if (level.inside && node.op === "mul" && data.length === 1) return this.small(level, node, data, "Scale", []);
    const sign = SIGNS[node.op];
    if (sign !== undefined && floats.length > 1) return this.join(level, node, floats, sign);
    const weight = node.inputs.map((v) => level.params.get(v.id)).find((p) => p !== undefined);
    if (weight && (node.op === "dot" || node.op === "lookup"))
      return this.small(level, node, data, node.op === "dot" ? "Linear" : "Table", [weight.path]);
    const arithmetic = SIGNS[node.op] !== undefined || ["neg", "where", "min", "max", "pow"].includes(node.op);
    if (arithmetic) return this.through(level, node, floats[0] ?? data[0]!);
    this.small(level, node, data, nameInWords(node.op, ""), overLine(node));
  }

  private call(level: Level, node: Extract<Node, { op: "call" }>, data: readonly Value[]): void {
    const floats = data.filter((v) => v.type.dtype === "float");
    const body = node.bodies[0]!;
    if (this.options.detail && floats.length > 1) {
      const inner = levelOf(body);
      body.inputs.forEach((input, i) => {
        const sources = level.sources.get(node.inputs[i]!.id);
        if (sources) inner.sources.set(input.value.id, sources);
      });
      this.walk({ ...inner, items: level.items, inside: true }, 0, body.nodes.length, []);
      body.outputs.forEach((o, i) => this.from(level, node.outputs[i]!, inner.sources.get(o.value.id) ?? []));
      return;
    }
    this.small(level, node, floats.length > 0 ? floats : data, nameInWords(node.attrs.name, ""), []);
  }

  private join(level: Level, node: Node, operands: readonly Value[], sign: string): void {
    const id = this.id();
    level.items.push({ kind: "join", id, sign });
    for (const v of operands) this.connect(level, v, id);
    this.from(level, node.outputs[0]!, [id]);
  }

  private small(level: Level, node: Node, operands: readonly Value[], title: string, lines: string[]): void {
    const id = this.id();
    level.items.push({ kind: "box", id, title, lines, role: "operator", tip: node.op, settings: new Map() });
    for (const v of operands) this.connect(level, v, id);
    for (const v of node.outputs) this.from(level, v, [id]);
  }

  private terminal(level: Level, value: Value, title: string): void {
    const id = this.id();
    level.items.push({ kind: "terminal", id, title, lines: this.typeLine(value), side: "in" });
    this.from(level, value, [id]);
  }

  private through(level: Level, node: Node, value: Value): void {
    const sources = level.sources.get(value.id)!;
    for (const out of node.outputs) {
      level.sources.set(out.id, sources);
      if (level.across.has(value.id)) level.across.add(out.id);
    }
  }
}

interface Body {
  group: Group;
  readonly fork: string;
  readonly sources: Sources;
  readonly edges: readonly Edge[];
}

function levelOf(graph: Graph): Level {
  return {
    nodes: graph.nodes,
    params: new Map(graph.params.map((p) => [p.value.id, p])),
    sources: new Map(),
    items: [],
    across: new Set(),
  };
}

/** `batch, seq, hidden=64`: nearly all that goes along a line is floats. */
function axesOf({ type }: Value): string {
  return type.axes.map(showAxis).join(", ");
}

function sameSources(level: Level, a: Value, b: Value): boolean {
  const [x, y] = [a, b].map((v) => level.sources.get(v.id)!.join(" "));
  return x === y;
}

/** What an application reads of its level: its data, and nothing else unless there is no other. */
function readBy(level: Level, app: Application): readonly Value[] {
  const made = new Set<number>();
  const read = new Map<number, Value>(app.inputs.map((v) => [v.id, v]));
  for (const node of level.nodes.slice(app.from, app.to)) {
    for (const v of node.inputs) if (!made.has(v.id)) read.set(v.id, v);
    for (const v of node.outputs) made.add(v.id);
  }
  const known = [...read.values()].filter((v) => level.sources.get(v.id)?.length);
  const floats = known.filter((v) => v.type.dtype === "float");
  return floats.length > 0 ? floats : known;
}

/** Have these groups the same items, but for their settings? */
function alike(groups: readonly Group[]): boolean {
  const shape = (items: readonly Item[]): string =>
    items.map((i) => (i.kind === "group" ? `(${shape(i.items)})` : i.kind === "box" ? i.title : i.kind)).join(" ");
  return groups.every((g) => shape(g.items) === shape(groups[0]!.items));
}

/** The first body, its boxes saying what differs in the others. */
function withDifferences(bodies: readonly Body[]): Body {
  const [first, ...others] = bodies as [Body, ...Body[]];
  const visit = (items: readonly Item[], all: readonly (readonly Item[])[]): void =>
    items.forEach((item, i) => {
      const same = all.map((list) => list[i]!);
      if (item.kind === "group")
        visit(
          item.items,
          same.map((g) => (g as Group).items),
        );
      if (item.kind !== "box") return;
      const settings = [item, ...(same as Box[])].map((b) => b.settings);
      const names = new Set(settings.flatMap((s) => [...s.keys()]));
      const valuesOf = (name: string): string[] => [...new Set(settings.map((s) => s.get(name) ?? "none"))];
      const differing = [...names].filter((name) => valuesOf(name).length > 1);
      if (differing.length === 0) return;
      const alike = new Map([...item.settings].filter(([name]) => !differing.includes(name)));
      const others = item.lines.slice(settingLines(item.settings).length);
      item.lines = [
        ...settingLines(alike),
        ...differing.map((name) => `${name} ${valuesOf(name).join(" | ")}`),
        ...others,
      ];
    });
  visit(
    first.group.items,
    others.map((b) => b.group.items),
  );
  return first;
}

/** Along what an operator goes. */
function overLine(node: Node): string[] {
  const { over } = node.attrs as { over?: string | readonly string[] };
  return over === undefined ? [] : [`over ${[over].flat().join(", ")}`];
}

function layers(iterations: readonly number[]): string {
  const text = iterations.length > 4 ? `${iterations.slice(0, 3).join(", ")}, …` : iterations.join(", ");
  return `layer ${text}`;
}
