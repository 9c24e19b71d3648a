/**
 * @file From the lowering's nodes to those of TensorFlow.js: one to a few each.
 *
 * Two things need care. An operand that says a shape, an axis or a length is read by the executor on the host, so it must
 * stay there: on webgpu a tensor that some kernel has read is on the device, and cannot be read back in time. A tensor that is
 * both gets a copy for the kernels. And some kernels are wrong on some backend; what is written here is right on all
 * (measured on TensorFlow.js 4.22 with every operator on every backend).
 */
import { FUSION } from "../lowering/fusion.ts";
import { Elem, type OnnxNode, type Tensor } from "../lowering/writer.ts";
import { fusionOf } from "./fuse.ts";
import type { Fusion } from "./fusions.ts";
import { shapeOf, type AttrValue, type DataType, type NodeDef, type WeightEntry } from "./graph-def.ts";
import { cosine, reduced, sine, type Arithmetic, type Reduced } from "./sines.ts";
import type { Program } from "./tables.ts";
import type { TfjsTarget } from "./targets.ts";

const DTYPE: { readonly [K in Elem]?: DataType } = {
  [Elem.float]: "DT_FLOAT",
  [Elem.int64]: "DT_INT32",
  [Elem.bool]: "DT_BOOL",
};

/** A constant with its numbers, which `model.json` keeps outside the graph. */
export interface Constant {
  readonly entry: WeightEntry;
  readonly bytes: Uint8Array;
}

export interface Translated {
  readonly nodes: readonly NodeDef[];
  readonly fusions: readonly Fusion[];
  readonly constants: readonly Constant[];
}

/** Operators that have the same meaning, and another name at most. */
const SAME: Readonly<Record<string, string>> = {
  Abs: "Abs",
  Add: "AddV2",
  And: "LogicalAnd",
  Ceil: "Ceil",
  Div: "RealDiv",
  Equal: "Equal",
  Erf: "Erf",
  Exp: "Exp",
  Floor: "Floor",
  Greater: "Greater",
  GreaterOrEqual: "GreaterEqual",
  Identity: "Identity",
  Less: "Less",
  LessOrEqual: "LessEqual",
  Log: "Log",
  Max: "Maximum",
  Min: "Minimum",
  Mod: "FloorMod",
  Mul: "Mul",
  Neg: "Neg",
  Not: "LogicalNot",
  Or: "LogicalOr",
  Pow: "Pow",
  Reciprocal: "Reciprocal",
  Relu: "Relu",
  Round: "Round",
  Rsqrt: "Rsqrt",
  Sigmoid: "Sigmoid",
  Sign: "Sign",
  Sqrt: "Sqrt",
  Sub: "Sub",
  Tanh: "Tanh",
  Where: "SelectV2",
};

const REDUCTIONS: Readonly<Record<string, string>> = {
  ReduceSum: "Sum",
  ReduceMean: "Mean",
  ReduceMax: "Max",
  ReduceMin: "Min",
};

/** Which operands are read by the host, by operator. */
const ON_HOST: Readonly<Record<string, readonly number[]>> = {
  Reshape: [1],
  Expand: [1],
  SliceSize: [1, 2],
  Range: [0, 1, 2],
  Pad: [1],
  TopK: [1],
  Split: [1],
  CumSum: [1],
  ReduceSum: [1],
  ReduceMean: [1],
  ReduceMax: [1],
  ReduceMin: [1],
};

/** `notes` are the fusions that the lowering noted, made more of. */
export function translate(program: Program, target: TfjsTarget, notes: readonly OnnxNode[]): Translated {
  return new Translator(program, target, notes).translate();
}

class Translator {
  private readonly nodes: NodeDef[] = [];
  private readonly constants: Constant[] = [];
  private readonly fusions: Fusion[] = [];
  /** The node and output that make a tensor, as an input names them. */
  private readonly refs = new Map<Tensor, string>();
  private readonly onHost = new Set<Tensor>();
  /** Tensors of few integers that are on the host when they are made: constants, and what the prelude computes. */
  private readonly small = new Set<Tensor>();
  /** Copies for kernels of tensors that are read on the host. */
  private readonly copies = new Map<Tensor, string>();
  private readonly data = new Map<Tensor, { dims: readonly number[]; bytes: Uint8Array }>();
  private readonly lists = new Map<string, string>();
  private readonly shapes = new Map<Tensor, string>();
  private readonly angles = new Map<Tensor, Reduced>();
  private readonly names = new Set<string>();

  constructor(
    private readonly program: Program,
    private readonly target: TfjsTarget,
    private readonly notes: readonly OnnxNode[],
  ) {}

  translate(): Translated {
    const { program } = this;
    for (const { tensor } of [...program.inputs, ...program.initializers]) this.names.add(tensor.name);
    for (const { tensor } of program.outputs) this.names.add(tensor.name);
    for (const node of program.nodes) this.names.add(node.name);
    for (const { tensor, dims } of program.inputs)
      this.node(
        tensor.name,
        "Placeholder",
        [],
        { dtype: { type: typeOf(tensor) }, shape: { shape: shapeOf(dims) } },
        tensor,
      );
    for (const { tensor, dims, data } of program.initializers) {
      this.refs.set(tensor, tensor.name);
      if (data.kind === "external") this.node(tensor.name, "Const", [], { dtype: { type: typeOf(tensor) } });
      else this.inline(tensor, dims, data.bytes);
    }
    const prelude = new Set(program.prelude);
    const nodes = program.nodes.filter((n) => n.op !== FUSION);
    for (const node of nodes) {
      const listed = prelude.has(node) ? node.inputs.map((_, i) => i) : (ON_HOST[node.op] ?? []);
      for (const i of listed) if (node.inputs[i]) this.onHost.add(node.inputs[i]);
      if (prelude.has(node)) for (const t of node.outputs) this.small.add(t);
    }
    for (const node of nodes) this.emit(node, prelude.has(node));
    for (const { tensor } of program.outputs) this.output(tensor);
    for (const note of this.notes) this.fusions.push(fusionOf(note, (t) => this.value(t)));
    return { nodes: this.nodes, constants: this.constants, fusions: this.fusions };
  }

  // ── Nodes ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  private emit(node: OnnxNode, early: boolean): void {
    const { op, name, attributes, outputs } = node;
    const inputs = node.inputs.map((t) => t!);
    const [out] = outputs as [Tensor];
    // What the prelude computes stays on the host, and so do its operands.
    const operands = (): string[] => inputs.map((t) => (early ? this.host(t) : this.value(t)));
    const attrs = { T: { type: typeOf(inputs[0] ?? out) } };
    const same = SAME[op];
    if (same !== undefined) return this.node(name, same, operands(), attrs, out);
    const reduction = REDUCTIONS[op];
    if (reduction !== undefined) return this.reduce(node, reduction, inputs[0]!, inputs[1]!);
    switch (op) {
      case "Cast":
        return this.cast(name, inputs[0]!, out, attributes["to"] as Elem);
      case "Gemm":
        return this.gemm(node, inputs);
      case "MatMul":
        return this.batched(name, inputs, out);
      case "Softmax":
        return this.softmax(name, inputs[0]!, out);
      case "Transpose":
        return this.transpose(name, inputs[0]!, attributes["perm"] as readonly number[], out);
      case "Sin":
      case "Cos":
        return this.sine(name, op, inputs[0]!, out);
      case "Reshape":
        return this.node(name, "Reshape", [this.value(inputs[0]!), this.host(inputs[1]!)], attrs, out);
      case "Expand":
        return this.expand(name, inputs[0]!, inputs[1]!, out);
      case "SliceSize": {
        const [begin, size] = [this.host(inputs[1]!), this.host(inputs[2]!)];
        return this.node(name, "Slice", [this.value(inputs[0]!), begin, size], attrs, out);
      }
      case "Pad": {
        const both = this.ints(inputs[1]!);
        const rank = both.length / 2;
        const pairs = this.list(Array.from({ length: rank }, (_, i) => [both[i]!, both[rank + i]!]).flat(), [rank, 2]);
        return this.node(name, "Pad", [this.value(inputs[0]!), pairs], attrs, out);
      }
      case "Gather": {
        const axis = this.list([attributes["axis"] as number], []);
        const parts = [this.value(inputs[0]!), this.value(inputs[1]!), axis];
        return this.node(name, "GatherV2", parts, { ...attrs, batch_dims: { i: "0" } }, out);
      }
      case "Concat": {
        const axis = this.list([attributes["axis"] as number], []);
        return this.node(name, "ConcatV2", [...operands(), axis], { ...attrs, N: { i: String(inputs.length) } }, out);
      }
      case "Split": {
        const parts = [this.value(inputs[0]!), this.host(inputs[1]!), this.list([attributes["axis"] as number], [])];
        return this.many(name, "SplitV", parts, { ...attrs, num_split: { i: String(outputs.length) } }, outputs);
      }
      case "TopK": {
        const count = this.extra(`${name}/k`, "Reshape", [this.host(inputs[1]!), this.list([], [0])]);
        return this.many(name, "TopKV2", [this.value(inputs[0]!), count], { ...attrs, sorted: { b: true } }, outputs);
      }
      case "CumSum": {
        const plain = { exclusive: { b: false }, reverse: { b: false } };
        const axis = this.list(this.ints(inputs[1]!), []);
        return this.node(name, "Cumsum", [this.value(inputs[0]!), axis], { ...attrs, ...plain }, out);
      }
      case "Range":
        return this.node(
          name,
          "Range",
          inputs.map((t) => this.host(t)),
          { Tidx: { type: "DT_INT32" } },
          out,
        );
      case "Shape": {
        const [start, end] = [attributes["start"] as number, attributes["end"] as number];
        const parts = [this.shapeOf(inputs[0]!), this.list([start]), this.list([end - start])];
        return this.node(name, "Slice", parts, { T: { type: "DT_INT32" } }, out);
      }
      case "Unsqueeze": {
        const ends = Array.from({ length: attributes["count"] as number }, () => this.list([-1], []));
        const made = ends
          .slice(1)
          .reduce((x, end) => this.extra(`${name}/end`, "ExpandDims", [x, end], attrs), operands()[0]!);
        return ends.length === 0
          ? void this.refs.set(out, made)
          : this.node(name, "ExpandDims", [made, ends[0]!], attrs, out);
      }
      case "Squeeze":
        return this.node(name, "Reshape", [this.host(inputs[0]!), this.list([], [0])], attrs, out);
      default:
        throw new Error(`TensorFlow.js has nothing for ${op}`);
    }
  }

  /** To a truth value only by comparing: a plain cast keeps the bytes on wasm. */
  private cast(name: string, x: Tensor, out: Tensor, to: Elem): void {
    if (to === Elem.bool) {
      const zero = this.number(0, x.elem);
      return this.node(name, "NotEqual", [this.value(x), zero], { T: { type: typeOf(x) } }, out);
    }
    if (to === Elem.float) this.refs.set(out, this.asFloat(name, x));
    else this.node(name, "Cast", [this.value(x)], { SrcT: { type: typeOf(x) }, DstT: { type: typeOf(out) } }, out);
  }

  /** Where a cast leaves the bits, adding nothing makes floats of them. */
  private asFloat(name: string, x: Tensor): string {
    const type = { type: "DT_FLOAT" } as const;
    const cast = this.extra(name, "Cast", [this.value(x)], { SrcT: { type: typeOf(x) }, DstT: type });
    if (this.target.integers || x.elem === Elem.float) return cast;
    return this.extra(`${name}/floats`, "AddV2", [cast, this.number(0, Elem.float)], { T: type });
  }

  /** Whole numbers are exact as floats up to 2^24. */
  private transpose(name: string, x: Tensor, permutation: readonly number[], out: Tensor): void {
    const order = this.list(permutation);
    const attrs = { T: { type: typeOf(x) }, Tperm: { type: "DT_INT32" } } as const;
    if (this.target.integers || x.elem === Elem.float)
      return this.node(name, "Transpose", [this.value(x), order], attrs, out);
    const float = { type: "DT_FLOAT" } as const;
    const moved = this.extra(`${name}/moved`, "Transpose", [this.asFloat(`${name}/float`, x), order], {
      ...attrs,
      T: float,
    });
    if (x.elem === Elem.bool)
      return this.node(name, "NotEqual", [moved, this.number(0, Elem.float)], { T: float }, out);
    this.node(name, "Cast", [moved], { SrcT: float, DstT: { type: typeOf(x) } }, out);
  }

  /** Kernels bring the dimensions to the end that they go over: floats again. */
  private reduce({ name, attributes, outputs }: OnnxNode, op: string, x: Tensor, axes: Tensor): void {
    const [out] = outputs as [Tensor];
    const keep = { keep_dims: { b: attributes["keepdims"] === 1 } };
    if (this.target.integers || x.elem === Elem.float)
      return this.node(name, op, [this.value(x), this.host(axes)], { T: { type: typeOf(x) }, ...keep }, out);
    const float = { type: "DT_FLOAT" } as const;
    const reduced = this.extra(`${name}/reduced`, op, [this.asFloat(`${name}/float`, x), this.host(axes)], {
      T: float,
      ...keep,
    });
    this.node(name, "Cast", [reduced], { SrcT: float, DstT: { type: typeOf(out) } }, out);
  }

  private sine(name: string, op: "Sin" | "Cos", x: Tensor, out: Tensor): void {
    const float = { T: { type: "DT_FLOAT" } } as const;
    if (this.target.sines) return this.node(name, op, [this.value(x)], float, out);
    const arithmetic: Arithmetic = {
      apply: (op, x, y) => this.extra(`${name}/${op}`, op, y === undefined ? [x] : [x, y], float),
      number: (value) => this.number(value, Elem.float),
    };
    const known = this.angles.get(x) ?? reduced(arithmetic, this.value(x));
    this.angles.set(x, known);
    this.refs.set(out, (op === "Sin" ? sine : cosine)(arithmetic, known));
  }

  /** With a vector to add it is one kernel, which is right only where no operand is transposed. */
  private gemm({ name, attributes, outputs }: OnnxNode, inputs: readonly Tensor[]): void {
    const [a, b, bias] = inputs.map((t) => this.value(t)) as [string, string, string | undefined];
    const [out] = outputs as [Tensor];
    const transposed = {
      transpose_a: { b: attributes["transA"] === 1 },
      transpose_b: { b: attributes["transB"] === 1 },
    };
    const attrs = { T: { type: "DT_FLOAT" }, ...transposed } as const;
    if (bias === undefined) return this.node(name, "MatMul", [a, b], attrs, out);
    if (transposed.transpose_a.b || transposed.transpose_b.b) {
      const product = this.extra(`${name}/product`, "MatMul", [a, b], attrs);
      return this.node(name, "AddV2", [product, bias], { T: { type: "DT_FLOAT" } }, out);
    }
    const fused = { fused_ops: { list: { s: [btoa("BiasAdd")] } }, num_args: { i: "1" } };
    this.node(name, "_FusedMatMul", [a, b, bias], { ...attrs, ...fused }, out);
  }

  /** Kernels multiply floats only. */
  private batched(name: string, inputs: readonly Tensor[], out: Tensor): void {
    const attrs = { T: { type: "DT_FLOAT" }, adj_x: { b: false }, adj_y: { b: false } } as const;
    if (out.elem === Elem.float)
      return this.node(
        name,
        "BatchMatMulV2",
        inputs.map((t) => this.value(t)),
        attrs,
        out,
      );
    const [a, b] = inputs.map((t, i) => this.asFloat(`${name}/float_${i}`, t));
    const product = this.extra(`${name}/product`, "BatchMatMulV2", [a!, b!], attrs);
    this.node(name, "Cast", [product], { SrcT: { type: "DT_FLOAT" }, DstT: { type: "DT_INT32" } }, out);
  }

  private softmax(name: string, x: Tensor, out: Tensor): void {
    const float = { T: { type: "DT_FLOAT" } } as const;
    if (this.target.softmax) return this.node(name, "Softmax", [this.value(x)], float, out);
    if (this.target.notesFusions)
      this.fusions.push({ op: "tfm.Softmax", inputs: [this.value(x)], output: name, attrs: {} });
    const last = this.list([-1]);
    const keep = { ...float, keep_dims: { b: true } };
    const largest = this.extra(`${name}/max`, "Max", [this.value(x), last], keep);
    const below = this.extra(`${name}/sub`, "Sub", [this.value(x), largest], float);
    const power = this.extra(`${name}/exp`, "Exp", [below], float);
    const sum = this.extra(`${name}/sum`, "Sum", [power, last], keep);
    this.node(name, "RealDiv", [power, sum], float, out);
  }

  /** By adding nothing: `BroadcastTo` reads its shape from the device where there are more than four dimensions. */
  private expand(name: string, x: Tensor, dims: Tensor, out: Tensor): void {
    const nothing = this.extra(`${name}/fill`, "Fill", [this.host(dims), this.number(0, x.elem)], {
      T: { type: typeOf(x) },
    });
    this.node(
      name,
      x.elem === Elem.bool ? "LogicalOr" : "AddV2",
      [this.value(x), nothing],
      { T: { type: typeOf(x) } },
      out,
    );
  }

  /** An output is a node of its own with the output's name. */
  private output(tensor: Tensor): void {
    const made = this.value(tensor);
    if (made !== tensor.name) this.node(tensor.name, "Identity", [made], { T: { type: typeOf(tensor) } });
  }

  // ── Operands ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** A tensor as a kernel reads it. */
  private value(tensor: Tensor): string {
    const isSmall = this.small.has(tensor) || this.data.has(tensor);
    if (!isSmall || !this.onHost.has(tensor)) return this.ref(tensor);
    const known = this.copies.get(tensor);
    if (known !== undefined) return known;
    const constant = this.data.get(tensor);
    const copy = constant
      ? this.constant(`${tensor.name}/value`, tensor.elem, constant.dims, constant.bytes)
      : this.extra(`${this.ref(tensor).replace(":", "_")}/value`, "AddV2", [this.ref(tensor), this.list([0], [])], {
          T: { type: typeOf(tensor) },
        });
    this.copies.set(tensor, copy);
    return copy;
  }

  /** A tensor as the host reads it. */
  private host(tensor: Tensor): string {
    return this.ref(tensor);
  }

  private ref(tensor: Tensor): string {
    const found = this.refs.get(tensor);
    if (found === undefined) throw new Error(`${tensor.name} is used before it is made`);
    return found;
  }

  private ints(tensor: Tensor): readonly number[] {
    const { bytes } = this.data.get(tensor)!;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return Array.from({ length: bytes.length / 4 }, (_, i) => view.getInt32(4 * i, true));
  }

  /** Whole numbers for the host, as a list unless `dims` says otherwise. */
  private list(values: readonly number[], dims: readonly number[] = [values.length]): string {
    const key = `${dims.join("x")} ${values.join(",")}`;
    const known = this.lists.get(key);
    if (known !== undefined) return known;
    const name = this.unique(`host/${key.length <= 40 ? key.replaceAll(/[^A-Za-z0-9.+-]+/g, "_") : "list"}`);
    const made = this.constant(name, Elem.int64, dims, new Uint8Array(Int32Array.from(values).buffer));
    this.lists.set(key, made);
    return made;
  }

  /** A number for kernels. */
  private number(value: number, elem: Elem): string {
    const key = `kernel ${elem} ${value}`;
    const known = this.lists.get(key);
    if (known !== undefined) return known;
    const bytes =
      elem === Elem.bool
        ? Uint8Array.of(value)
        : new Uint8Array((elem === Elem.float ? Float32Array : Int32Array).of(value).buffer);
    const made = this.constant(this.unique(`const/${DTYPE[elem]}_${value}`), elem, [], bytes);
    this.lists.set(key, made);
    return made;
  }

  private shapeOf(tensor: Tensor): string {
    const known = this.shapes.get(tensor);
    if (known !== undefined) return known;
    const made = this.extra(`${this.ref(tensor).replace(":", "_")}/shape`, "Shape", [this.ref(tensor)], {
      out_type: { type: "DT_INT32" },
    });
    this.shapes.set(tensor, made);
    return made;
  }

  // ── Writing ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  private inline(tensor: Tensor, dims: readonly number[], bytes: Uint8Array): void {
    const numbers = tensor.elem === Elem.int64 ? narrowed(bytes) : bytes;
    this.data.set(tensor, { dims, bytes: numbers });
    this.constant(tensor.name, tensor.elem, dims, numbers);
  }

  private constant(name: string, elem: Elem, dims: readonly number[], bytes: Uint8Array): string {
    const dtype = elem === Elem.float ? "float32" : elem === Elem.bool ? "bool" : "int32";
    this.constants.push({ entry: { name, shape: dims, dtype }, bytes });
    this.node(name, "Const", [], { dtype: { type: DTYPE[elem]! } });
    return name;
  }

  private node(
    name: string,
    op: string,
    input: readonly string[],
    attr: Readonly<Record<string, AttrValue>>,
    makes?: Tensor,
  ): void {
    this.nodes.push({ name, op, ...(input.length > 0 ? { input } : {}), attr });
    if (makes) this.refs.set(makes, name);
  }

  private many(
    name: string,
    op: string,
    input: readonly string[],
    attr: Readonly<Record<string, AttrValue>>,
    makes: readonly Tensor[],
  ): void {
    this.node(name, op, input, attr);
    makes.forEach((t, i) => this.refs.set(t, i === 0 ? name : `${name}:${i}`));
  }

  /** A node that only translation needs. */
  private extra(
    wish: string,
    op: string,
    input: readonly string[],
    attr: Readonly<Record<string, AttrValue>> = { T: { type: "DT_INT32" } },
  ): string {
    const name = this.unique(wish);
    this.node(name, op, input, attr);
    return name;
  }

  private unique(wish: string): string {
    let name = wish;
    for (let i = 1; this.names.has(name); i++) name = `${wish}_${i}`;
    this.names.add(name);
    return name;
  }
}

function typeOf(tensor: Tensor): DataType {
  return DTYPE[tensor.elem]!;
}

/** int64 as int32, the only whole numbers there are; what is larger ("to the end") becomes the largest. */
function narrowed(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const values = Array.from({ length: bytes.length / 8 }, (_, i) => Number(view.getBigInt64(8 * i, true)));
  return new Uint8Array(Int32Array.from(values, (v) => Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, v))).buffer);
}
