/**
 * @file Walks a graph and emits its nodes, repeats unrolled. What each operator becomes is in `table.ts` and
 * `kernels.ts`; how values lie in memory is the layout book's business.
 */
import type { Graph, Node, NodeOf, Param, State, Value } from "../../ir/graph.ts";
import { concretePath } from "../../ir/paths.ts";
import { concreteStates, isGiven, isMade, presentType } from "../../ir/states.ts";
import { Size } from "../../ir/size.ts";
import type { Dtype, Type } from "../../ir/type.ts";
import type { PrimitiveName } from "../../ops/attributes.ts";
import { align } from "../../layout/choose.ts";
import { Book } from "../../layout/book.ts";
import { sameLayout, separate } from "../../layout/layout.ts";
import { reviewed, type View } from "../../layout/view.ts";
import type { Weights } from "../backend.ts";
import { CausalMasks } from "./causal.ts";
import type { Kernel } from "./call.ts";
import { converterOf } from "./converter.ts";
import { placesFirst } from "./places-first.ts";
import { Sizes } from "./sizes.ts";
import type { Target } from "./target.ts";
import { WeightBook, type Joint, type JointPart, type Weight, type WeightOptions } from "./weights.ts";
import { Elem, Writer, type Attributes, type Tensor } from "./writer.ts";

export type Placed = View<Tensor>;

/** One run through a graph: of the model, of an iteration, of a composite operator's body. */
export class Scope {
  private readonly values = new Map<number, Placed>();
  /** Nodes that another node's emission has taken in. */
  readonly done = new Set<Node>();

  constructor(
    readonly graph: Graph,
    readonly uses: Uses,
    /** Of the repeats around, the outermost first. */
    readonly indices: readonly number[],
  ) {}

  bind(value: Value, placed: Placed): void {
    this.values.set(value.id, placed);
  }

  get(value: Value): Placed {
    const placed = this.values.get(value.id);
    if (!placed) throw new Error(`value ${value.id} of ${this.graph.name} is used before it is made`);
    return placed;
  }

  find(value: Value): Placed | undefined {
    return this.values.get(value.id);
  }

  /** A path or name with this scope's indices in the places of `{0}`, `{1}`, ... */
  concrete(path: string): string {
    return concretePath(path, this.indices);
  }
}

/** Who reads each value of a graph. */
export class Uses {
  private readonly nodes = new Map<number, Node[]>();
  private readonly kept = new Set<number>();

  constructor(graph: Graph) {
    for (const node of graph.nodes)
      for (const v of node.inputs) {
        const users = this.nodes.get(v.id);
        if (users) users.push(node);
        else this.nodes.set(v.id, [node]);
      }
    for (const o of graph.outputs) this.kept.add(o.value.id);
    for (const s of graph.states) this.kept.add(s.present.id);
  }

  of(value: Value): readonly Node[] {
    return this.nodes.get(value.id) ?? [];
  }

  /** The one node that reads the value, if nothing else does. */
  only(value: Value): Node | undefined {
    const users = this.of(value);
    return users.length === 1 && !this.kept.has(value.id) ? users[0] : undefined;
  }
}

const ELEM_OF = { float: Elem.float, int: Elem.int64, bool: Elem.bool } as const;

export function elemOf(type: Type): Elem {
  return ELEM_OF[type.dtype];
}

/**
 * Below this a score is as good as -inf: no finite score of a model of float32 comes near, nor one of float16, whose largest number is
 * 65,504. It is finite there too: of -inf throughout a row the softmax would be NaN.
 */
const LOWEST = { whole: -1e30, half: -3e4 } as const;

/** A parameter or a state (its present) of one iteration. */
export interface MetParam {
  readonly param: Param;
  readonly indices: readonly number[];
  readonly weight: Weight;
}
/** Parameters of one iteration as one matrix. */
export interface MetJoint {
  readonly parts: readonly ParamPart[];
  readonly indices: readonly number[];
  readonly anyOrder: boolean;
  readonly joint: Joint;
}
export interface ParamPart extends Pick<JointPart, "columns" | "over"> {
  readonly param: Param;
}
export interface MetState {
  readonly state: State;
  readonly indices: readonly number[];
  readonly placed: Placed;
}

/** Emits a node and gives its results. */
export type Emit<K extends PrimitiveName> = (e: Emitter, node: NodeOf<K>, scope: Scope) => readonly Placed[];

/** What each operator becomes. `call` is the emitter's own: a kernel, or the body. */
export interface Lowering {
  readonly table: { readonly [K in Exclude<PrimitiveName, "call">]: Emit<K> };
  readonly kernels: Readonly<Record<string, Kernel>>;
}

/** How states cross the boundary of the model, where that is not each as a past and a present. States have concrete names. */
export interface StateForm {
  /** The past as it comes in. */
  pastType(state: State): Type;
  /** After all inputs are declared. */
  declared(e: Emitter): void;
  /** Writes outputs of its own; gives the pasts whose states they hold. */
  write(e: Emitter): { has(pastName: string): boolean };
}

export class Emitter {
  readonly writer = new Writer();
  readonly sizes = new Sizes(this.writer);
  /** Symbols of how much is kept: before the first step that is nothing. */
  private readonly mayBeZero = new Set<string>();
  readonly book: Book<Tensor> = new Book(converterOf(this.writer, this.sizes, () => this.target, this.mayBeZero));
  readonly weights: WeightBook;
  /** Parameters and states in the order in which they were met. */
  readonly met: { readonly params: MetParam[]; readonly joints: MetJoint[]; readonly states: MetState[] } = {
    params: [],
    joints: [],
    states: [],
  };
  /** Values that are made once for the whole model, by what they are. */
  private readonly shared = new Map<string, Placed>();
  private readonly constants = new Map<object, number>();
  private readonly ports = new Map<string, Tensor>();
  /** What the model puts out. */
  readonly outgoing = new Set<Value>();
  /** Names of sizes at the boundary. */
  sizeNames: ReadonlyMap<string, string> = new Map();
  private readonly uses = new WeakMap<Graph, Uses>();
  private readonly ranks = new Map<string, number>();
  private readonly presents = new Map<string, Placed>();
  /** What masks add to a score: a number below which it is as good as -inf. */
  readonly lowest: number;
  readonly masks = new CausalMasks();
  private readonly lowering: Lowering;
  /** Paths of weights that a factor was put before (`passes/scales.ts`): these are written times it. */
  private readonly scaled: ReadonlySet<string>;

  constructor(
    readonly target: Target,
    { table, kernels }: Lowering,
    sources: Weights,
    {
      scaled,
      ...weights
    }: Pick<WeightOptions, "dataFile" | "alignment" | "half"> & {
      readonly scaled?: ReadonlySet<string> | undefined;
    },
  ) {
    this.scaled = scaled ?? new Set();
    this.lowering = { table: this.masks.watching(table), kernels };
    this.lowest = weights.half ? LOWEST.half : LOWEST.whole;
    this.weights = new WeightBook(this.writer, this.book, sources, {
      ...weights,
      ordered: target.ordersWeights,
      casts: target.castsWeights,
    });
  }

  /** Where an axis comes among others when nothing else decides: as the model's inputs have them. */
  readonly rank = (axis: string): number => this.ranks.get(axis) ?? Number.MAX_SAFE_INTEGER;

  setRanks(graph: Graph): void {
    for (const input of graph.inputs)
      for (const a of input.value.type.axes) if (!this.ranks.has(a.name)) this.ranks.set(a.name, this.ranks.size);
  }

  /** The whole model: its inputs and pasts, its nodes, its outputs and presents. */
  model(graph: Graph, form?: StateForm): void {
    this.sizeNames = graph.sizeNames;
    this.setRanks(graph);
    const scope = this.scopeOf(graph, []);
    const outputs = graph.outputs.map((o) => ({ name: o.outside ?? o.name, value: o.value }));
    const states = concreteStates(graph);
    const given = new Set(graph.inputs.flatMap((i) => i.value.type.axes.map((a) => a.size.symbol)));
    const [taken, put] = [states.filter((s) => !isMade(s)), states.filter((s) => !isGiven(s))];
    for (const { size } of taken
      .filter((s) => !isGiven(s))
      .flatMap((s) => [...s.past.type.axes, ...(form?.pastType(s).axes ?? [])]))
      if (size.symbol !== undefined && !given.has(size.symbol)) this.mayBeZero.add(size.symbol);
    this.writer.reserve([...outputs.map((o) => o.name), ...put.map((s) => s.presentName)]);
    for (const input of graph.inputs) this.declare(input.outside ?? input.name, input.value.type);
    for (const s of taken) this.declare(s.pastName, form?.pastType(s) ?? s.past.type);
    form?.declared(this);
    const turned = this.target.placesFirst ? placesFirst(graph) : undefined;
    for (const { value, name, outside } of graph.inputs) {
      const placed = this.boundary(outside ?? name, value.type);
      scope.bind(value, turned?.has(value) ? this.turned(placed) : placed);
    }
    for (const o of graph.outputs) this.outgoing.add(o.value);
    this.run(scope);
    for (const o of outputs) this.output(o.name, scope.get(o.value), o.value.type);
    const written = form?.write(this);
    this.writePresents(put.filter((s) => !written?.has(s.pastName)));
  }

  scopeOf(graph: Graph, indices: readonly number[]): Scope {
    let uses = this.uses.get(graph);
    if (!uses) this.uses.set(graph, (uses = new Uses(graph)));
    return new Scope(graph, uses, indices);
  }

  /** Parameters, states, nodes. The graph's inputs are bound already. */
  run(scope: Scope): void {
    const { graph } = scope;
    for (const param of graph.params) {
      const scaled = this.scaled.has(param.path) ? scaledIn(scope, param) : undefined;
      const placed = this.weights.param(scope.concrete(param.path), param.value.type, scaled?.factor);
      scope.bind(scaled?.node.outputs[0] ?? param.value, placed);
      if (scaled) scope.done.add(scaled.node);
      this.met.params.push({ param, indices: scope.indices, weight: this.weights.weightOf(placed)! });
    }
    for (const s of graph.states.filter((s) => !isMade(s)))
      scope.bind(s.past, this.boundary(scope.concrete(s.pastName), s.past.type));
    for (const node of graph.nodes) if (!scope.done.has(node)) this.node(node, scope);
    for (const state of graph.states) this.present({ state, indices: scope.indices, placed: scope.get(state.present) });
  }

  /** Parameters as one, see `WeightBook.joint`. */
  joint(parts: readonly ParamPart[], indices: readonly number[], anyOrder: boolean): Joint {
    const joint = this.weights.joint(jointParts(parts, indices), anyOrder);
    this.met.joints.push({ parts, indices, anyOrder, joint });
    return joint;
  }

  /** What a state is handed on as. */
  present(met: MetState): void {
    this.met.states.push(met);
    this.presents.set(concretePath(met.state.presentName, met.indices), met.placed);
  }

  /** The tensor of an input of the artifact. */
  portOf(name: string): Tensor {
    return this.ports.get(name)!;
  }

  /** A body with these operands; gives its outputs. */
  body(graph: Graph, operands: readonly Placed[], indices: readonly number[]): readonly Placed[] {
    const scope = this.scopeOf(graph, indices);
    graph.inputs.forEach((input, i) => scope.bind(input.value, operands[i]!));
    this.run(scope);
    return graph.outputs.map((o) => scope.get(o.value));
  }

  private node(node: Node, scope: Scope): void {
    const results = this.dispatch(node, scope);
    node.outputs.forEach((value, i) => {
      if (!scope.find(value)) scope.bind(value, results[i]!);
    });
  }

  private dispatch(node: Node, scope: Scope): readonly Placed[] {
    return node.op === "call"
      ? this.call(node, scope)
      : emitWith(this.lowering.table, this, node as NodeOf<Exclude<PrimitiveName, "call">>, scope);
  }

  private call(node: NodeOf<"call">, scope: Scope): readonly Placed[] {
    const operands = node.inputs.map((v) => scope.get(v));
    const { kernels } = this.lowering;
    const kernel = Object.hasOwn(kernels, node.attrs.name) ? kernels[node.attrs.name] : undefined;
    if (kernel?.serves(node, this.target)) return kernel.emit(this, node, operands);
    return this.body(node.bodies[0]!, operands, scope.indices);
  }

  /** The presents of these states (with concrete names) as outputs. */
  writePresents(states: readonly State[]): void {
    for (const s of states) this.output(s.presentName, this.presents.get(s.presentName)!, presentType(s));
  }

  /** An input that was declared, as a value. Truth values are int64 outside, and anything but zero is true. */
  boundary(name: string, type: Type): Placed {
    const tensor = this.portOf(name);
    const inner = type.dtype === "bool" ? this.writer.add("Cast", [tensor], { to: Elem.bool }, Elem.bool) : tensor;
    return this.book.made(inner, separate(type.axes.map((a) => a.name)), type);
  }

  /** A matrix the other way round in memory: what is made of it follows. */
  private turned(x: Placed): Placed {
    const layout = separate(x.type.axes.map((a) => a.name));
    const tensor = this.writer.add("Transpose", [this.book.read(x, layout)], { perm: [1, 0] });
    return this.book.made(tensor, [...layout].reverse(), x.type);
  }

  /** Declares an input, and that symbols can be read off it. */
  declare(name: string, type: Type): Tensor {
    const tensor = this.writer.input(name, type.dtype === "float" ? Elem.float : Elem.int64, this.dims(type));
    this.ports.set(name, tensor);
    type.axes.forEach((a, dimension) => this.sizes.addSource({ tensor, dimension, size: a.size }));
    return tensor;
  }

  /** An output of the artifact, its axes in the order of its type. */
  output(name: string, placed: Placed, type: Type): void {
    const tensor = this.book.read(placed, separate(type.axes.map((a) => a.name)));
    const outer = type.dtype === "bool" ? this.writer.add("Cast", [tensor], { to: Elem.int64 }, Elem.int64) : tensor;
    this.writer.output(name, outer, this.dims(type));
  }

  dims(type: Type): readonly (number | string)[] {
    return type.axes.map((a) => a.size.known ?? this.outside(a.size));
  }

  private outside(size: Size): string {
    const names = new Map([...size.symbols].map((s) => [s, Size.symbol(this.sizeNames.get(s) ?? s)]));
    return size.substitute(names).toString();
  }

  /** An operator whose operands are aligned by the names of their axes. */
  elementwise(op: string, operands: readonly Placed[], type: Type, attributes: Attributes = {}, label = op): Placed {
    const { layout, operands: layouts } = align(this.book, operands, type, this.rank);
    const tensors = operands.map((v, i) => this.book.read(v, layouts[i]!));
    const isEven = layouts.every((l) => sameLayout(l, layout));
    return this.book.made(this.writer.add(op, tensors, attributes, elemOf(type), label, isEven), layout, type);
  }

  /** A number as a value. */
  constant(value: number, dtype: Dtype = "float"): Placed {
    const { writer } = this;
    const tensor =
      dtype === "float" ? writer.float(value) : dtype === "int" ? writer.ints([value], []) : writer.bool(value !== 0);
    const placed = this.book.made(tensor, [], { dtype, axes: [] });
    this.constants.set(placed.storage, value);
    return placed;
  }

  /** The value in another dtype: operators mix ints and floats, ONNX does not. */
  as(x: Placed, dtype: Dtype): Placed {
    if (x.type.dtype === dtype) return x;
    const value = this.constants.get(x.storage);
    const type: Type = { dtype, axes: x.type.axes };
    if (value !== undefined && dtype === "float") return reviewed(this.constant(value), type, x.axes, x.spread);
    return this.once(x, `as ${dtype}`, () => this.elementwise("Cast", [x], type, { to: ELEM_OF[dtype] }));
  }

  /** What has been made of a value is not made again, in whatever layer. */
  once(x: Placed, what: string, make: () => Placed): Placed {
    const key = `${this.identity(x)}: ${what}`;
    const known = this.shared.get(key);
    if (known) return known;
    const made = make();
    if (this.writer.isApart) return made;
    this.book.touch(x.storage);
    this.shared.set(key, made);
    return made;
  }

  /** A value that depends on nothing and is made once; in a subgraph anew: its conversions are not seen from outside. */
  sharedAs(key: string, make: () => Placed): Placed {
    if (this.writer.isApart) return make();
    const known = this.shared.get(key);
    if (known) return known;
    const made = make();
    this.book.touch();
    this.shared.set(key, made);
    return made;
  }

  /** Views of the same storage with the same axes are the same value. */
  identity(x: Placed): string {
    const axes = [...x.axes].map(([name, parts]) => `${name}=${parts.join("*")}`);
    return `${x.storage.serial} ${axes.join(" ")}`;
  }
}

/** The number that all readers of a parameter want it times: then it is their one product. */
function scaledIn(
  { graph, uses }: Scope,
  { value }: Param,
): { readonly node: Node; readonly factor: number } | undefined {
  const node = uses.only(value);
  if (node?.op !== "mul") return undefined;
  const other = node.inputs.find((v) => v.id !== value.id);
  const made = graph.nodes.find((n): n is NodeOf<"constant"> => n.op === "constant" && n.outputs[0]!.id === other?.id);
  return made && { node, factor: made.attrs.value };
}

/** The parts in an iteration. */
export function jointParts(parts: readonly ParamPart[], indices: readonly number[]): readonly JointPart[] {
  return parts.map(({ param, columns, over }) => {
    return { path: concretePath(param.path, indices), type: param.value.type, columns, over };
  });
}

/** The table's entry for a node takes just such nodes; the compiler cannot see that the two go together. */
function emitWith<K extends Exclude<PrimitiveName, "call">>(
  table: Lowering["table"],
  e: Emitter,
  node: NodeOf<K>,
  scope: Scope,
): readonly Placed[] {
  return (table[node.op] as Emit<K>)(e, node, scope);
}
