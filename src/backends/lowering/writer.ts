/**
 * @file The ONNX graph while it is written: nodes, constants, initializers and their names. Plain data; `serialize.ts`
 * encodes it.
 */

/** Element types, by ONNX's numbers. */
export const Elem = { float: 1, int32: 6, int64: 7, bool: 9, float16: 10, double: 11, bfloat16: 16 } as const;
export type Elem = (typeof Elem)[keyof typeof Elem];

/** An edge of the graph. Its name may change until the model is encoded: an output's tensor gets the output's name. */
export interface Tensor {
  name: string;
  readonly elem: Elem;
}

/** A number is an int, a list are ints; a float says so. */
export type Attribute = number | readonly number[] | string | { readonly float: number } | { readonly graph: Subgraph };
export type Attributes = Readonly<Record<string, Attribute>>;

export interface OnnxNode {
  readonly name: string;
  readonly op: string;
  readonly inputs: readonly (Tensor | undefined)[];
  readonly outputs: readonly Tensor[];
  readonly attributes: Attributes;
  /** Each operand has the dimensions of the result: nothing is broadcast. */
  readonly even?: true;
}

export interface OnnxPort {
  readonly tensor: Tensor;
  readonly dims: readonly (number | string)[];
}

export interface Subgraph {
  readonly name: string;
  readonly nodes: readonly OnnxNode[];
  readonly inputs: readonly OnnxPort[];
  readonly outputs: readonly OnnxPort[];
}

/** Bytes in the model, or a range of a file beside it. */
export type Data =
  | { readonly kind: "inline"; readonly bytes: Uint8Array }
  | { readonly kind: "external"; readonly file: string; readonly offset: number; readonly length: number };

export interface Initializer {
  readonly tensor: Tensor;
  readonly dims: readonly number[];
  readonly data: Data;
}

export class Writer {
  readonly inputs: OnnxPort[] = [];
  readonly outputs: OnnxPort[] = [];
  readonly initializers: Initializer[] = [];
  /** Run before all others: what depends on nothing but the graph's inputs, shared by all who need it. */
  readonly prelude: OnnxNode[] = [];
  /** Tensors that keep their names: inputs, initializers, outputs. */
  private readonly fixed = new Set<Tensor>();
  private main: OnnxNode[] = [];
  private depth = 0;
  private readonly names = new Map<string, number>();
  private readonly constants = new Map<string, Tensor>();
  private readonly linked = new Map<string, Tensor>();
  /** Stands before the names of nodes: `layers.3/`. */
  scope = "";

  get nodes(): readonly OnnxNode[] {
    return [...this.prelude, ...this.main];
  }

  /** A name not used yet. */
  unique(wish: string): string {
    const used = this.names.get(wish);
    this.names.set(wish, (used ?? 0) + 1);
    return used === undefined ? wish : this.unique(`${wish}_${used}`);
  }

  /** Keeps names free for the outputs that will have them. */
  reserve(names: readonly string[]): void {
    for (const name of names) this.names.set(name, 1);
  }

  /** A tensor that keeps its name. */
  private named(wish: string, elem: Elem): Tensor {
    const tensor = { name: this.unique(wish), elem };
    this.fixed.add(tensor);
    return tensor;
  }

  input(name: string, elem: Elem, dims: readonly (number | string)[]): Tensor {
    const tensor = this.named(name, elem);
    this.inputs.push({ tensor, dims });
    return tensor;
  }

  /**
   * Appends a node with one result. `elem` defaults to that of the first operand. A label with a `/` stands outside the
   * scope.
   */
  add(
    op: string,
    inputs: readonly (Tensor | undefined)[],
    attributes: Attributes = {},
    elem: Elem = inputs[0]!.elem,
    label = op,
    isEven = false,
  ): Tensor {
    const node = this.node(op, inputs, attributes, [elem], label);
    this.main.push(isEven ? { ...node, even: true } : node);
    return node.outputs[0]!;
  }

  addMany(
    op: string,
    inputs: readonly (Tensor | undefined)[],
    attributes: Attributes,
    elems: readonly Elem[],
    label = op,
  ): readonly Tensor[] {
    const node = this.node(op, inputs, attributes, elems, label);
    this.main.push(node);
    return node.outputs;
  }

  /** How many nodes there are, to find those that come after. */
  get mark(): number {
    return this.main.length;
  }

  since(mark: number): readonly OnnxNode[] {
    return this.main.slice(mark);
  }

  /** Appends a node like another one, with other operands. */
  copy(node: OnnxNode, name: string, inputs: readonly (Tensor | undefined)[]): readonly Tensor[] {
    const own = this.unique(name);
    const outputs = node.outputs.map((t, i) => this.result(own, i, t.elem));
    this.main.push({ ...node, name: own, inputs, outputs });
    return outputs;
  }

  /** Puts other nodes in the place of all but the prelude. */
  replace(nodes: readonly OnnxNode[]): void {
    this.main = [...nodes];
  }

  /** Appends a node to the prelude. */
  before(op: string, inputs: readonly Tensor[], attributes: Attributes = {}, elem: Elem = inputs[0]!.elem): Tensor {
    const { scope } = this;
    this.scope = "shapes/";
    const node = this.node(op, inputs, attributes, [elem], op);
    this.scope = scope;
    this.prelude.push(node);
    return node.outputs[0]!;
  }

  /** The nodes that `write` appends, which become a subgraph's. Nothing outside may use what they make. */
  apart(write: () => void): readonly OnnxNode[] {
    const outer = this.main;
    const inner: OnnxNode[] = [];
    this.main = inner;
    this.depth++;
    write();
    this.depth--;
    this.main = outer;
    return inner;
  }

  get isApart(): boolean {
    return this.depth > 0;
  }

  /** What a node makes, named after it: since that name is its own, so is this one, but for names from outside. */
  private result(node: string, index: number, elem: Elem): Tensor {
    const name = `${node}:${index}`;
    return { name: this.names.has(name) ? this.unique(name) : name, elem };
  }

  private node(
    op: string,
    inputs: readonly (Tensor | undefined)[],
    attributes: Attributes,
    elems: readonly Elem[],
    label: string,
  ): OnnxNode {
    const name = this.unique(label.includes("/") ? label : `${this.scope}${label}`);
    const outputs = elems.map((elem, i) => this.result(name, i, elem));
    return { name, op, inputs, outputs, attributes };
  }

  /** int64 constants, of these dimensions (default: one list). */
  ints(values: readonly number[], dims: readonly number[] = [values.length]): Tensor {
    const bytes = new Uint8Array(values.length * 8);
    const view = new DataView(bytes.buffer);
    values.forEach((v, i) => view.setBigInt64(i * 8, BigInt(v), true));
    return this.constant(Elem.int64, `int ${dims.join("x")} ${values.join(",")}`, dims, bytes);
  }

  /** A float constant without dimensions. */
  float(value: number): Tensor {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setFloat32(0, value, true);
    return this.constant(Elem.float, `float ${Object.is(value, -0) ? "-0" : value}`, [], bytes);
  }

  /** A float constant that is the same everywhere: for small vectors that an operator insists on. */
  filled(value: number, length: number): Tensor {
    const bytes = new Uint8Array(new Float32Array(length).fill(value).buffer);
    return this.constant(Elem.float, `float ${length} of ${value}`, [length], bytes);
  }

  bool(value: boolean): Tensor {
    return this.constant(Elem.bool, `bool ${value}`, [], Uint8Array.of(value ? 1 : 0));
  }

  private constant(elem: Elem, key: string, dims: readonly number[], bytes: Uint8Array): Tensor {
    const known = this.constants.get(key);
    if (known) return known;
    const wish = key.length <= 40 ? `const/${key.replaceAll(/[^A-Za-z0-9.+-]+/g, "_")}` : "const/list";
    const tensor = this.named(wish, elem);
    this.constants.set(key, tensor);
    this.initializers.push({ tensor, dims, data: { kind: "inline", bytes } });
    return tensor;
  }

  /** A range of a file as an initializer; the same range read in the same way is one. */
  linkedTo(name: string, elem: Elem, dims: readonly number[], data: Data & { kind: "external" }): Tensor {
    const key = `${data.file}|${data.offset}|${data.length}|${elem}|${dims.join("x")}`;
    const known = this.linked.get(key);
    if (known) return known;
    const tensor = this.named(name, elem);
    this.linked.set(key, tensor);
    this.initializers.push({ tensor, dims, data });
    return tensor;
  }

  /**
   * Gives a tensor the (reserved) name of an output, where it can have it: inputs and initializers keep theirs, and so
   * does another output.
   */
  output(name: string, tensor: Tensor, dims: readonly (number | string)[]): void {
    const own = this.fixed.has(tensor) ? this.add("Identity", [tensor]) : tensor;
    own.name = name;
    this.fixed.add(own);
    this.outputs.push({ tensor: own, dims });
  }
}
