/**
 * @file From the lowering's nodes to those of TensorFlow.js: one to a few each. Some kernels are wrong on some backend; what is written
 * here is right on all (measured on TensorFlow.js 4.22 with every operator on every backend).
 */
import { FUSION } from "../lowering/fusion.ts";
import { Elem, type OnnxNode, type Tensor } from "../lowering/writer.ts";
import { fusionOf } from "./fuse.ts";
import type { Fusion } from "./fusions.ts";
import { shapeOf, type FunctionDef, type NodeDef } from "./graph-def.ts";
import { GraphWriter, typeOf, type Constant } from "./graph-writer.ts";
import { everyNode, loop } from "./loop.ts";
import { cosine, reduced, sine, type Arithmetic, type Reduced } from "./sines.ts";
import type { Program } from "./tables.ts";
import type { TfjsTarget } from "./targets.ts";

export interface Translated {
  readonly nodes: readonly NodeDef[];
  /** Bodies of loops. Where there are any, the graph must be run by `executeAsync`. */
  readonly functions: readonly FunctionDef[];
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
  private readonly graph = new GraphWriter();
  private readonly fusions: Fusion[] = [];
  /** Of the graph that is written now: the model's, or a loop's body. */
  private angles = new Map<Tensor, Reduced>();

  constructor(
    private readonly program: Program,
    private readonly target: TfjsTarget,
    private readonly notes: readonly OnnxNode[],
  ) {}

  translate(): Translated {
    const { program, graph } = this;
    for (const { tensor } of [...program.inputs, ...program.initializers]) graph.reserve(tensor.name);
    for (const { tensor } of program.outputs) graph.reserve(tensor.name);
    const nodes = everyNode(program.nodes);
    for (const node of nodes) graph.reserve(node.name);
    for (const { tensor, dims } of program.inputs)
      graph.node(
        tensor.name,
        "Placeholder",
        [],
        { dtype: { type: typeOf(tensor) }, shape: { shape: shapeOf(dims) } },
        tensor,
      );
    for (const { tensor, dims, data } of program.initializers)
      if (data.kind === "external") graph.weight(tensor);
      else graph.inline(tensor, dims, data.bytes);
    const prelude = new Set(program.prelude);
    for (const node of nodes.filter((n) => n.op !== FUSION)) {
      const listed = prelude.has(node) ? node.inputs.map((_, i) => i) : (ON_HOST[node.op] ?? []);
      for (const i of listed) if (node.inputs[i]) graph.onHost.add(node.inputs[i]);
      if (prelude.has(node)) for (const t of node.outputs) graph.small.add(t);
    }
    for (const node of program.nodes) this.emit(node, prelude.has(node));
    for (const { tensor } of program.outputs) this.output(tensor);
    for (const note of this.notes) this.fusions.push(fusionOf(note, (t) => graph.value(t)));
    const { functions, constants } = graph;
    return { nodes: graph.nodes, functions, constants, fusions: this.fusions };
  }

  private emit(node: OnnxNode, early: boolean): void {
    const { op, name, attributes, outputs } = node;
    if (op === FUSION) return;
    const inputs = node.inputs.map((t) => t!);
    const [out] = outputs as [Tensor];
    // What the prelude computes stays on the host, and so do its operands.
    const operands = (): string[] => inputs.map((t) => (early ? this.graph.host(t) : this.graph.value(t)));
    const attrs = { T: { type: typeOf(inputs[0] ?? out) } };
    const same = SAME[op];
    if (same !== undefined) return this.graph.node(name, same, operands(), attrs, out);
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
        return this.graph.node(
          name,
          "Reshape",
          [this.graph.value(inputs[0]!), this.graph.host(inputs[1]!)],
          attrs,
          out,
        );
      case "Expand":
        return this.expand(name, inputs[0]!, inputs[1]!, out);
      case "SliceSize": {
        const [begin, size] = [this.graph.host(inputs[1]!), this.graph.host(inputs[2]!)];
        return this.graph.node(name, "Slice", [this.graph.value(inputs[0]!), begin, size], attrs, out);
      }
      case "Pad": {
        const both = this.graph.ints(inputs[1]!);
        const rank = both.length / 2;
        const pairs = this.graph.list(Array.from({ length: rank }, (_, i) => [both[i]!, both[rank + i]!]).flat(), [
          rank,
          2,
        ]);
        return this.graph.node(name, "Pad", [this.graph.value(inputs[0]!), pairs], attrs, out);
      }
      case "Gather": {
        const axis = this.graph.list([attributes["axis"] as number], []);
        const parts = [this.graph.value(inputs[0]!), this.graph.value(inputs[1]!), axis];
        return this.graph.node(name, "GatherV2", parts, { ...attrs, batch_dims: { i: "0" } }, out);
      }
      case "Concat": {
        const axis = this.graph.list([attributes["axis"] as number], []);
        return this.graph.node(
          name,
          "ConcatV2",
          [...operands(), axis],
          { ...attrs, N: { i: String(inputs.length) } },
          out,
        );
      }
      case "Split": {
        const parts = [
          this.graph.value(inputs[0]!),
          this.graph.host(inputs[1]!),
          this.graph.list([attributes["axis"] as number], []),
        ];
        return this.graph.many(name, "SplitV", parts, { ...attrs, num_split: { i: String(outputs.length) } }, outputs);
      }
      case "TopK": {
        const count = this.graph.extra(`${name}/k`, "Reshape", [this.graph.host(inputs[1]!), this.graph.list([], [0])]);
        return this.graph.many(
          name,
          "TopKV2",
          [this.graph.value(inputs[0]!), count],
          { ...attrs, sorted: { b: true } },
          outputs,
        );
      }
      case "CumSum": {
        const plain = { exclusive: { b: false }, reverse: { b: false } };
        const axis = this.graph.list(this.graph.ints(inputs[1]!), []);
        return this.graph.node(name, "Cumsum", [this.graph.value(inputs[0]!), axis], { ...attrs, ...plain }, out);
      }
      case "Range":
        return this.graph.node(
          name,
          "Range",
          inputs.map((t) => this.graph.host(t)),
          { Tidx: { type: "DT_INT32" } },
          out,
        );
      case "Shape": {
        const [start, end] = [attributes["start"] as number, attributes["end"] as number];
        const parts = [this.graph.shapeOf(inputs[0]!), this.graph.list([start]), this.graph.list([end - start])];
        return this.graph.node(name, "Slice", parts, { T: { type: "DT_INT32" } }, out);
      }
      case "Unsqueeze": {
        const ends = Array.from({ length: attributes["count"] as number }, () => this.graph.list([-1], []));
        const made = ends
          .slice(1)
          .reduce((x, end) => this.graph.extra(`${name}/end`, "ExpandDims", [x, end], attrs), operands()[0]!);
        return ends.length === 0
          ? void this.graph.is(out, made)
          : this.graph.node(name, "ExpandDims", [made, ends[0]!], attrs, out);
      }
      case "Squeeze":
        return this.graph.node(name, "Reshape", [this.graph.host(inputs[0]!), this.graph.list([], [0])], attrs, out);
      case "Scan":
        return this.scan(node);
      default:
        throw new Error(`TensorFlow.js has nothing for ${op}`);
    }
  }

  private scan(node: OnnxNode): void {
    const { angles } = this;
    this.angles = new Map();
    loop(this.graph, node, (inner) => this.emit(inner, false));
    this.angles = angles;
  }

  /** To a truth value only by comparing: a plain cast keeps the bytes on wasm. */
  private cast(name: string, x: Tensor, out: Tensor, to: Elem): void {
    if (to === Elem.bool) {
      const zero = this.graph.number(0, x.elem);
      return this.graph.node(name, "NotEqual", [this.graph.value(x), zero], { T: { type: typeOf(x) } }, out);
    }
    if (to === Elem.float) this.graph.is(out, this.asFloat(name, x));
    else
      this.graph.node(
        name,
        "Cast",
        [this.graph.value(x)],
        { SrcT: { type: typeOf(x) }, DstT: { type: typeOf(out) } },
        out,
      );
  }

  /** Where a cast leaves the bits, adding nothing makes floats of them. */
  private asFloat(name: string, x: Tensor): string {
    const type = { type: "DT_FLOAT" } as const;
    const cast = this.graph.extra(name, "Cast", [this.graph.value(x)], { SrcT: { type: typeOf(x) }, DstT: type });
    if (this.target.integers || x.elem === Elem.float) return cast;
    return this.graph.extra(`${name}/floats`, "AddV2", [cast, this.graph.number(0, Elem.float)], { T: type });
  }

  /** Whole numbers are exact as floats up to 2^24. */
  private transpose(name: string, x: Tensor, permutation: readonly number[], out: Tensor): void {
    const order = this.graph.list(permutation);
    const attrs = { T: { type: typeOf(x) }, Tperm: { type: "DT_INT32" } } as const;
    if (this.target.integers || x.elem === Elem.float)
      return this.graph.node(name, "Transpose", [this.graph.value(x), order], attrs, out);
    const float = { type: "DT_FLOAT" } as const;
    const moved = this.graph.extra(`${name}/moved`, "Transpose", [this.asFloat(`${name}/float`, x), order], {
      ...attrs,
      T: float,
    });
    if (x.elem === Elem.bool)
      return this.graph.node(name, "NotEqual", [moved, this.graph.number(0, Elem.float)], { T: float }, out);
    this.graph.node(name, "Cast", [moved], { SrcT: float, DstT: { type: typeOf(x) } }, out);
  }

  /** Kernels bring the dimensions to the end that they go over: floats again. */
  private reduce({ name, attributes, outputs }: OnnxNode, op: string, x: Tensor, axes: Tensor): void {
    const [out] = outputs as [Tensor];
    const keep = { keep_dims: { b: attributes["keepdims"] === 1 } };
    if (this.target.integers || x.elem === Elem.float)
      return this.graph.node(
        name,
        op,
        [this.graph.value(x), this.graph.host(axes)],
        { T: { type: typeOf(x) }, ...keep },
        out,
      );
    const float = { type: "DT_FLOAT" } as const;
    const reduced = this.graph.extra(`${name}/reduced`, op, [this.asFloat(`${name}/float`, x), this.graph.host(axes)], {
      T: float,
      ...keep,
    });
    this.graph.node(name, "Cast", [reduced], { SrcT: float, DstT: { type: typeOf(out) } }, out);
  }

  private sine(name: string, op: "Sin" | "Cos", x: Tensor, out: Tensor): void {
    const float = { T: { type: "DT_FLOAT" } } as const;
    if (this.target.sines) return this.graph.node(name, op, [this.graph.value(x)], float, out);
    const arithmetic: Arithmetic = {
      apply: (op, x, y) => this.graph.extra(`${name}/${op}`, op, y === undefined ? [x] : [x, y], float),
      number: (value) => this.graph.number(value, Elem.float),
    };
    const known = this.angles.get(x) ?? reduced(arithmetic, this.graph.value(x));
    this.angles.set(x, known);
    const made = (op === "Sin" ? sine : cosine)(arithmetic, known);
    this.graph.is(out, made);
    if (this.target.notesFusions && !this.graph.isApart)
      this.fusions.push({
        op: "tfm.Sine",
        inputs: [this.graph.value(x)],
        output: made,
        attrs: { of: op === "Sin" ? "sin" : "cos" },
      });
  }

  /** With a vector to add it is one kernel, which is right only where no operand is transposed. */
  private gemm({ name, attributes, outputs }: OnnxNode, inputs: readonly Tensor[]): void {
    const [a, b, bias] = inputs.map((t) => this.graph.value(t)) as [string, string, string | undefined];
    const [out] = outputs as [Tensor];
    const transposed = {
      transpose_a: { b: attributes["transA"] === 1 },
      transpose_b: { b: attributes["transB"] === 1 },
    };
    const attrs = { T: { type: "DT_FLOAT" }, ...transposed } as const;
    if (bias === undefined) return this.graph.node(name, "MatMul", [a, b], attrs, out);
    if (transposed.transpose_a.b || transposed.transpose_b.b) {
      const product = this.graph.extra(`${name}/product`, "MatMul", [a, b], attrs);
      return this.graph.node(name, "AddV2", [product, bias], { T: { type: "DT_FLOAT" } }, out);
    }
    const fused = { fused_ops: { list: { s: [btoa("BiasAdd")] } }, num_args: { i: "1" } };
    this.graph.node(name, "_FusedMatMul", [a, b, bias], { ...attrs, ...fused }, out);
  }

  /** Kernels multiply floats only. */
  private batched(name: string, inputs: readonly Tensor[], out: Tensor): void {
    const attrs = { T: { type: "DT_FLOAT" }, adj_x: { b: false }, adj_y: { b: false } } as const;
    if (out.elem === Elem.float)
      return this.graph.node(
        name,
        "BatchMatMulV2",
        inputs.map((t) => this.graph.value(t)),
        attrs,
        out,
      );
    const [a, b] = inputs.map((t, i) => this.asFloat(`${name}/float_${i}`, t));
    const product = this.graph.extra(`${name}/product`, "BatchMatMulV2", [a!, b!], attrs);
    this.graph.node(name, "Cast", [product], { SrcT: { type: "DT_FLOAT" }, DstT: { type: "DT_INT32" } }, out);
  }

  private softmax(name: string, x: Tensor, out: Tensor): void {
    const float = { T: { type: "DT_FLOAT" } } as const;
    if (this.target.softmax) return this.graph.node(name, "Softmax", [this.graph.value(x)], float, out);
    if (this.target.notesFusions && !this.graph.isApart)
      this.fusions.push({ op: "tfm.Softmax", inputs: [this.graph.value(x)], output: name, attrs: {} });
    const last = this.graph.list([-1]);
    const keep = { ...float, keep_dims: { b: true } };
    const largest = this.graph.extra(`${name}/max`, "Max", [this.graph.value(x), last], keep);
    const below = this.graph.extra(`${name}/sub`, "Sub", [this.graph.value(x), largest], float);
    const power = this.graph.extra(`${name}/exp`, "Exp", [below], float);
    const sum = this.graph.extra(`${name}/sum`, "Sum", [power, last], keep);
    this.graph.node(name, "RealDiv", [power, sum], float, out);
  }

  /** By adding nothing: `BroadcastTo` reads its shape from the device where there are more than four dimensions. */
  private expand(name: string, x: Tensor, dims: Tensor, out: Tensor): void {
    const nothing = this.graph.extra(`${name}/fill`, "Fill", [this.graph.host(dims), this.graph.number(0, x.elem)], {
      T: { type: typeOf(x) },
    });
    this.graph.node(
      name,
      x.elem === Elem.bool ? "LogicalOr" : "AddV2",
      [this.graph.value(x), nothing],
      { T: { type: typeOf(x) } },
      out,
    );
  }

  /** An output is a node of its own with the output's name. */
  private output(tensor: Tensor): void {
    const made = this.graph.value(tensor);
    if (made !== tensor.name) this.graph.node(tensor.name, "Identity", [made], { T: { type: typeOf(tensor) } });
  }
}
