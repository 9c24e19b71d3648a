/**
 * @file The graph of a `GraphModel` while it is written: nodes, constants and the names by which nodes read each other.
 *
 * A tensor is read by a kernel (`value`) or by the executor on the host (`host`), as a shape, an axis or a length: then it must stay there.
 * On webgpu a tensor that some kernel has read is on the device, and cannot be read back in time. One that is both gets a copy for the
 * kernels. A loop's body is a function: a graph of its own, which sees of the others the constants only.
 */
import { Elem, type Tensor } from "../lowering/writer.ts";
import type { AttrValue, DataType, FunctionDef, NodeDef, WeightEntry } from "./graph-def.ts";

export const DTYPE: { readonly [K in Elem]?: DataType } = {
  [Elem.float]: "DT_FLOAT",
  [Elem.int64]: "DT_INT32",
  [Elem.bool]: "DT_BOOL",
};

export type Attrs = Readonly<Record<string, AttrValue>>;

/** A constant with its numbers, which `model.json` keeps outside the graph. */
export interface Constant {
  readonly entry: WeightEntry;
  readonly bytes: Uint8Array;
}

/** What a function takes or gives, and for an argument which tensor it is inside. */
export interface Argument {
  readonly name: string;
  readonly type: DataType;
  readonly tensor?: Tensor;
}

/** One graph: the model's, or a function's. */
interface Frame {
  readonly nodes: NodeDef[];
  /** The node and output that make a tensor, as an input names them. */
  readonly refs: Map<Tensor, string>;
  /** Copies for kernels of tensors that are read on the host. */
  readonly copies: Map<Tensor, string>;
  readonly shapes: Map<Tensor, string>;
  /** The constants that it has a node for. */
  readonly declared: Set<string>;
}

const frame = (): Frame => ({
  nodes: [],
  refs: new Map(),
  copies: new Map(),
  shapes: new Map(),
  declared: new Set(),
});

export class GraphWriter {
  readonly constants: Constant[] = [];
  readonly functions: FunctionDef[] = [];
  /** Tensors that some node reads on the host. */
  readonly onHost = new Set<Tensor>();
  /** Tensors of few integers that are on the host when they are made. */
  readonly small = new Set<Tensor>();
  private readonly names = new Set<string>();
  private readonly data = new Map<Tensor, { dims: readonly number[]; bytes: Uint8Array }>();
  /** Constants by the tensors that they are, and what type each has. */
  private readonly named = new Map<Tensor, string>();
  private readonly types = new Map<string, DataType>();
  private readonly lists = new Map<string, string>();
  private readonly outer: Frame[] = [];
  private frame = frame();

  get nodes(): readonly NodeDef[] {
    return this.frame.nodes;
  }

  /** Is what is written now a function's? */
  get isApart(): boolean {
    return this.outer.length > 0;
  }

  // ── Nodes ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  node(name: string, op: string, input: readonly string[], attr: Attrs, makes?: Tensor): void {
    this.frame.nodes.push({ name, op, ...(input.length > 0 ? { input } : {}), attr });
    if (makes) this.frame.refs.set(makes, name);
  }

  /** A node with several results. */
  many(name: string, op: string, input: readonly string[], attr: Attrs, makes: readonly Tensor[]): void {
    this.node(name, op, input, attr);
    makes.forEach((t, i) => this.frame.refs.set(t, resultOf(name, i)));
  }

  /** A node that only translation needs. */
  extra(wish: string, op: string, input: readonly string[], attr: Attrs = { T: { type: "DT_INT32" } }): string {
    const name = this.unique(wish);
    this.node(name, op, input, attr);
    return name;
  }

  /** From now on this is what the tensor is. */
  is(tensor: Tensor, ref: string): void {
    this.frame.refs.set(tensor, ref);
  }

  /**
   * A function of these arguments. What `write` appends becomes its body; it gives what the function gives, by reference. `arguments`
   * have names that nothing else has.
   */
  define(
    name: string,
    given: readonly Argument[],
    write: () => readonly (Argument & { readonly ref: string })[],
  ): void {
    this.outer.push(this.frame);
    this.frame = frame();
    for (const { name, tensor } of given) if (tensor) this.is(tensor, name);
    const results = write();
    const arg = ({ name, type }: Argument) => ({ name, type });
    this.functions.push({
      signature: { name, inputArg: given.map(arg), outputArg: results.map(arg) },
      nodeDef: this.frame.nodes,
      ret: Object.fromEntries(results.map((r) => [r.name, r.ref])),
    });
    this.frame = this.outer.pop()!;
  }

  // ── Names ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  reserve(name: string): void {
    this.names.add(name);
  }

  unique(wish: string): string {
    let name = wish;
    for (let i = 1; this.names.has(name); i++) name = `${wish}_${i}`;
    this.names.add(name);
    return name;
  }

  // ── Operands ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** A tensor as a kernel reads it. */
  value(tensor: Tensor): string {
    const isSmall = this.small.has(tensor) || this.data.has(tensor);
    if (!isSmall || !this.onHost.has(tensor)) return this.ref(tensor);
    const { copies } = this.frame;
    const known = copies.get(tensor);
    if (known !== undefined) return known;
    const copy = this.copyOf(tensor);
    copies.set(tensor, copy);
    return copy;
  }

  private copyOf(tensor: Tensor): string {
    const constant = this.data.get(tensor);
    if (!constant)
      return this.extra(
        `${this.ref(tensor).replace(":", "_")}/value`,
        "AddV2",
        [this.ref(tensor), this.list([0], [])],
        {
          T: { type: typeOf(tensor) },
        },
      );
    const name = `${tensor.name}/value`;
    return this.types.has(name) ? this.declared(name) : this.constant(name, tensor.elem, constant.dims, constant.bytes);
  }

  /** A tensor as the host reads it. */
  host(tensor: Tensor): string {
    return this.ref(tensor);
  }

  ref(tensor: Tensor): string {
    const found = this.frame.refs.get(tensor);
    if (found !== undefined) return found;
    const constant = this.named.get(tensor);
    if (constant === undefined) throw new Error(`${tensor.name} is used before it is made`);
    return this.declared(constant);
  }

  isConstant(tensor: Tensor): boolean {
    return this.named.has(tensor);
  }

  shapeOf(tensor: Tensor): string {
    const { shapes } = this.frame;
    const known = shapes.get(tensor);
    if (known !== undefined) return known;
    const made = this.extra(`${this.ref(tensor).replace(":", "_")}/shape`, "Shape", [this.ref(tensor)], {
      out_type: { type: "DT_INT32" },
    });
    shapes.set(tensor, made);
    return made;
  }

  // ── Constants ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** A weight, whose numbers are not here. */
  weight(tensor: Tensor): void {
    this.named.set(tensor, tensor.name);
    this.types.set(tensor.name, typeOf(tensor));
    this.declared(tensor.name);
  }

  /** A constant of the lowering's. */
  inline(tensor: Tensor, dims: readonly number[], bytes: Uint8Array): void {
    const numbers = tensor.elem === Elem.int64 ? narrowed(bytes) : bytes;
    this.data.set(tensor, { dims, bytes: numbers });
    this.named.set(tensor, this.constant(tensor.name, tensor.elem, dims, numbers));
  }

  /** The numbers of a constant of whole numbers. */
  ints(tensor: Tensor): readonly number[] {
    const { bytes } = this.data.get(tensor)!;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return Array.from({ length: bytes.length / 4 }, (_, i) => view.getInt32(4 * i, true));
  }

  /** Whole numbers for the host, as a list unless `dims` says otherwise. */
  list(values: readonly number[], dims: readonly number[] = [values.length]): string {
    return this.shared(`${dims.join("x")} ${values.join(",")}`, (key) => {
      const name = this.unique(`host/${key.length <= 40 ? key.replaceAll(/[^A-Za-z0-9.+-]+/g, "_") : "list"}`);
      return this.constant(name, Elem.int64, dims, new Uint8Array(Int32Array.from(values).buffer));
    });
  }

  /** A number for kernels. */
  number(value: number, elem: Elem): string {
    return this.shared(`kernel ${elem} ${value}`, () => {
      const bytes =
        elem === Elem.bool
          ? Uint8Array.of(value)
          : new Uint8Array((elem === Elem.float ? Float32Array : Int32Array).of(value).buffer);
      return this.constant(this.unique(`const/${DTYPE[elem]}_${value}`), elem, [], bytes);
    });
  }

  private shared(key: string, make: (key: string) => string): string {
    const known = this.lists.get(key);
    if (known !== undefined) return this.declared(known);
    const made = make(key);
    this.lists.set(key, made);
    return made;
  }

  private constant(name: string, elem: Elem, dims: readonly number[], bytes: Uint8Array): string {
    const dtype = elem === Elem.float ? "float32" : elem === Elem.bool ? "bool" : "int32";
    this.constants.push({ entry: { name, shape: dims, dtype }, bytes });
    this.types.set(name, DTYPE[elem]!);
    return this.declared(name);
  }

  /** Numbers belong to the model, and each graph that reads them has a node for them. */
  private declared(name: string): string {
    const { declared } = this.frame;
    if (!declared.has(name)) this.node(name, "Const", [], { dtype: { type: this.types.get(name)! } });
    declared.add(name);
    return name;
  }
}

/** A node's result as an input names it. */
export const resultOf = (name: string, index: number): string => (index === 0 ? name : `${name}:${index}`);

export function typeOf(tensor: Tensor): DataType {
  return DTYPE[tensor.elem]!;
}

/** int64 as int32, the only whole numbers there are; what is larger ("to the end") becomes the largest. */
function narrowed(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const values = Array.from({ length: bytes.length / 8 }, (_, i) => Number(view.getBigInt64(8 * i, true)));
  return new Uint8Array(Int32Array.from(values, (v) => Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, v))).buffer);
}
