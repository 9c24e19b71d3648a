/**
 * @file A written graph in float16, with islands of float32 where half a precision loses or overflows: powers, means and roots of
 * norms (a residual of 300 squared is beyond 65,504, the largest float16), softmax, exponentials and the angles of rotary
 * positions (65,504 is also the last place that could be told from the next but 31). Micikevicius et al., 2018, keep the same in
 * float32.
 *
 * Each tensor has a version in either precision, made when it is first asked for. Products are always of halves; what an island has
 * made stays in float32 through sums and multiplications until a product reads it. What is handed on from step to step is in halves,
 * as products read it; the other ports of the model stay float32: a client computes with none of the former.
 */
import { fromFloat32 } from "../../weights/dtypes.ts";
import {
  Elem,
  type Attributes,
  type Data,
  type Initializer,
  type OnnxNode,
  type OnnxPort,
  type Subgraph,
  type Tensor,
  type Writer,
} from "../lowering/writer.ts";

/** What is encoded of a graph. */
export type Encodable = Pick<Writer, "inputs" | "outputs" | "initializers" | "nodes">;

/** Always in float32. */
const ISLAND: ReadonlySet<string> = new Set([
  "Pow",
  "Sqrt",
  "Reciprocal",
  "Rsqrt",
  "Exp",
  "Log",
  "Softmax",
  "ReduceSum",
  "ReduceMean",
  "CumSum",
  "Sin",
  "Cos",
  "Range",
  "Scan",
]);

/** Always in float16. Their kernels add up in float32, and those of attention have their scores and the softmax in it. */
const PRODUCTS: ReadonlySet<string> = new Set([
  "MatMul",
  "Gemm",
  "Attention",
  "com.microsoft.GroupQueryAttention",
  "com.microsoft.MultiHeadAttention",
]);

/** They move elements: in whatever precision those are. */
const MOVING: ReadonlySet<string> = new Set([
  "Reshape",
  "Transpose",
  "Concat",
  "Split",
  "Slice",
  "Gather",
  "GatherND",
  "Expand",
  "Identity",
  "Squeeze",
  "Unsqueeze",
  "Pad",
]);

const LARGEST = 65_504;
const SMALLEST = 6e-8;

type Precision = typeof Elem.float | typeof Elem.float16;

/** The versions of one tensor; a weight may also lie there as bfloat16. */
interface Versions {
  float?: Tensor;
  half?: Tensor;
  wide?: Tensor;
}

interface Constant extends Initializer {
  readonly data: Data & { readonly kind: "inline" };
}

/** What flags stay flags through. */
const OF_FLAGS: ReadonlySet<string> = new Set(["ReduceMax", "ReduceMin", "Reshape", "Transpose", "Expand"]);

/**
 * `isHandedOn` says of a port's name whether it is a past or a present. `throughout`: halves stay halves beside flags, which are 0 or 1 in
 * either precision, and are turned by angles of float32 as halves: the cosine of one is off by 2^-12 at most.
 */
export function inHalf(writer: Writer, isHandedOn: (port: string) => boolean, throughout: boolean): Encodable {
  return new Halver(writer, isHandedOn, throughout).run();
}

class Halver {
  private readonly nodes: OnnxNode[] = [];
  private readonly initializers: Initializer[] = [];
  private readonly versions = new Map<Tensor, Versions>();
  /** Numbers that are written in either precision, unless they are too large or small for a half. */
  private readonly constants = new Map<Tensor, Constant>();
  private readonly outputs: ReadonlySet<Tensor>;
  /** Floats that are 0 or 1. */
  private readonly flags = new Set<Tensor>();

  constructor(
    private readonly writer: Writer,
    private readonly isHandedOn: (port: string) => boolean,
    private readonly throughout: boolean,
  ) {
    this.outputs = new Set(writer.outputs.map((o) => o.tensor));
  }

  run(): Encodable {
    const { writer } = this;
    const inputs = writer.inputs.map((port): OnnxPort => {
      const { tensor } = port;
      if (!isFloating(tensor) || !this.isHandedOn(tensor.name)) {
        this.versions.set(tensor, { float: tensor });
        return port;
      }
      const half = { ...tensor, elem: Elem.float16 };
      this.versions.set(tensor, { half });
      return { ...port, tensor: half };
    });
    for (const initializer of writer.initializers) {
      const { tensor, data } = initializer;
      if (data.kind === "inline" && tensor.elem === Elem.float)
        this.constants.set(tensor, { tensor, dims: initializer.dims, data });
      else {
        this.initializers.push(initializer);
        const { elem } = tensor;
        this.versions.set(
          tensor,
          elem === Elem.float16 ? { half: tensor } : elem === Elem.bfloat16 ? { wide: tensor } : { float: tensor },
        );
      }
    }
    for (const node of writer.nodes) this.node(node);
    const outputs = writer.outputs.map(({ tensor, dims }) => ({ tensor: this.output(tensor), dims }));
    return { inputs, outputs, initializers: this.initializers, nodes: this.nodes };
  }

  private node(node: OnnxNode): void {
    const [first] = node.inputs;
    if (node.op === "Cast" && first && isFloating(first)) return this.cast(node, first);
    const floats = node.inputs.filter((t) => t && isFloating(t));
    if (this.throughout && this.makesFlags(node, floats)) node.outputs.forEach((t) => this.flags.add(t));
    // What is picked from a table of bfloat16 is converted, not the table.
    if (MOVING.has(node.op) && floats.length > 0 && floats.every((t) => this.isWide(t!))) return this.moveWide(node);
    const precision = this.precisionOf(node);
    const inputs = node.inputs.map((t) => (t && isFloating(t) ? this.as(t, precision) : t));
    const outputs = node.outputs.map((t) => (isFloating(t) ? this.made(t, precision) : t));
    this.nodes.push({ ...node, inputs, outputs, attributes: this.attributesOf(node.attributes) });
  }

  /** A cast between floats says nothing any more: either version is made when it is wanted. */
  private cast(node: OnnxNode, from: Tensor): void {
    const [out] = node.outputs as [Tensor];
    if (isFloating(out)) {
      this.versions.set(out, this.versionsOf(from));
      return;
    }
    const { half, float } = this.versionsOf(from);
    this.nodes.push({ ...node, inputs: [float ?? half ?? this.as(from, Elem.float)] });
  }

  private precisionOf({ op, inputs, outputs }: OnnxNode): Precision {
    if (ISLAND.has(op) || !(outputs.some(isFloating) || inputs.some((t) => t && isFloating(t)))) return Elem.float;
    if (PRODUCTS.has(op) || (this.throughout && op === "RotaryEmbedding")) return Elem.float16;
    // Whole numbers become floats of an island: places are too many for a half.
    if (op === "Cast") return Elem.float;
    const floats = inputs.filter((t): t is Tensor => t !== undefined && isFloating(t));
    if (floats.some((t) => this.needsFloat(t))) return Elem.float;
    const values = floats.filter((t) => !this.constants.has(t) && !this.flags.has(t));
    if (values.length === 0) return Elem.float;
    const inHalves = values.filter((t) => this.isHalf(t));
    const halves = MOVING.has(op) ? inHalves.length > 0 : inHalves.length === values.length;
    return halves ? Elem.float16 : Elem.float;
  }

  private makesFlags({ op, inputs }: OnnxNode, floats: readonly (Tensor | undefined)[]): boolean {
    return op === "Cast"
      ? inputs[0]?.elem === Elem.bool
      : OF_FLAGS.has(op) && floats.length > 0 && floats.every((t) => this.flags.has(t!));
  }

  private isHalf(tensor: Tensor): boolean {
    const { half, wide } = this.versionsOf(tensor);
    return half !== undefined || wide !== undefined;
  }

  private isWide(tensor: Tensor): boolean {
    const { wide, half, float } = this.versionsOf(tensor);
    return wide !== undefined && half === undefined && float === undefined;
  }

  private moveWide(node: OnnxNode): void {
    const inputs = node.inputs.map((t) => (t && isFloating(t) ? this.versionsOf(t).wide : t));
    const outputs = node.outputs.map((t) => (isFloating(t) ? { name: t.name, elem: Elem.bfloat16 } : t));
    node.outputs.forEach((t, i) => this.versions.set(t, { wide: outputs[i]! }));
    this.nodes.push({ ...node, inputs, outputs });
  }

  /** A constant that is no half: `-1e30` of a mask, a tiny epsilon. */
  private needsFloat(tensor: Tensor): boolean {
    const constant = this.constants.get(tensor);
    return (
      constant !== undefined &&
      numbersOf(constant).some((n) => n !== 0 && !(Math.abs(n) <= LARGEST && Math.abs(n) >= SMALLEST))
    );
  }

  /** Bodies of loops see tensors of the graph around them, in float32. */
  private attributesOf(attributes: Attributes): Attributes {
    const entries = Object.entries(attributes).map(([name, value]) =>
      typeof value === "object" && "graph" in value ? [name, { graph: this.body(value.graph) }] : [name, value],
    );
    return Object.fromEntries(entries) as Attributes;
  }

  private body(graph: Subgraph): Subgraph {
    const outer = (t: Tensor | undefined): Tensor | undefined =>
      t && isFloating(t) && (this.versions.has(t) || this.constants.has(t)) ? this.as(t, Elem.float) : t;
    return {
      ...graph,
      nodes: graph.nodes.map((n) => ({
        ...n,
        inputs: n.inputs.map(outer),
        attributes: this.attributesOf(n.attributes),
      })),
    };
  }

  // ── Versions ────────────────────────────────────────────────────────────────────────────────────────────────────────

  private versionsOf(tensor: Tensor): Versions {
    const known = this.versions.get(tensor);
    if (known) return known;
    if (!this.constants.has(tensor)) throw new Error(`${tensor.name} is used before it is made`);
    const made: Versions = {};
    this.versions.set(tensor, made);
    return made;
  }

  /** The version of a tensor in this precision. */
  private as(tensor: Tensor, precision: Precision): Tensor {
    const versions = this.versionsOf(tensor);
    const slot = precision === Elem.float ? "float" : "half";
    const known = versions[slot];
    if (known) return known;
    const constant = this.constants.get(tensor);
    const made = constant ? this.constant(constant, precision) : this.converted(versions, precision);
    versions[slot] = made;
    return made;
  }

  private converted({ float, half, wide }: Versions, to: Precision): Tensor {
    const from = (float ?? half ?? wide)!;
    const name = this.writer.unique(`${from.name}/${to === Elem.float ? "float32" : "float16"}`);
    const made = { name, elem: to };
    this.nodes.push({ name, op: "Cast", inputs: [from], outputs: [made], attributes: { to } });
    return made;
  }

  private constant({ tensor, dims, data }: Constant, precision: Precision): Tensor {
    if (precision === Elem.float) {
      this.initializers.push({ tensor, dims, data });
      return tensor;
    }
    const made = { name: this.writer.unique(`${tensor.name}/float16`), elem: precision };
    this.initializers.push({ tensor: made, dims, data: { kind: "inline", bytes: halves(numbersOf({ data })) } });
    return made;
  }

  /** What a node makes of a tensor. An output of the model keeps its name in the precision that it has there. */
  private made(tensor: Tensor, precision: Precision): Tensor {
    const asPort = this.outputs.has(tensor) && precision !== this.portPrecision(tensor);
    const suffix = precision === Elem.float ? "float32" : "float16";
    const name = asPort ? this.writer.unique(`${tensor.name}/${suffix}`) : tensor.name;
    if (precision === Elem.float && !asPort) {
      this.versions.set(tensor, { float: tensor });
      return tensor;
    }
    const made = { name, elem: precision };
    this.versions.set(tensor, precision === Elem.float ? { float: made } : { half: made });
    return made;
  }

  private portPrecision(tensor: Tensor): Precision {
    return this.isHandedOn(tensor.name) ? Elem.float16 : Elem.float;
  }

  private output(tensor: Tensor): Tensor {
    if (!isFloating(tensor)) return tensor;
    const precision = this.portPrecision(tensor);
    const { float, half, wide } = this.versionsOf(tensor);
    const own = precision === Elem.float ? float : half;
    if (own?.name === tensor.name) return own;
    // A conversion that was made for another reader has a name of its own.
    const from = (own ?? half ?? float ?? wide)!;
    const made = { ...tensor, elem: precision };
    this.nodes.push({
      name: this.writer.unique(`${tensor.name}/output`),
      op: from.elem === precision ? "Identity" : "Cast",
      inputs: [from],
      outputs: [made],
      attributes: from.elem === precision ? {} : { to: precision },
    });
    return made;
  }
}

function isFloating(tensor: Tensor): boolean {
  return tensor.elem === Elem.float || tensor.elem === Elem.float16 || tensor.elem === Elem.bfloat16;
}

function numbersOf({ data }: { readonly data: { readonly bytes: Uint8Array } }): readonly number[] {
  const view = new DataView(data.bytes.buffer, data.bytes.byteOffset, data.bytes.byteLength);
  return Array.from({ length: data.bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
}

function halves(numbers: readonly number[]): Uint8Array {
  return fromFloat32("F16", Float32Array.from(numbers));
}
