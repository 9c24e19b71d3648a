/**
 * @file Builds small graphs by hand, emits them, runs them in ONNX Runtime and in the reference evaluator, and
 * compares.
 */
import * as ort from "onnxruntime-node";
import { expect } from "vitest";
import { emitOnnx, type OnnxArtifact } from "../../src/backends/onnx/emit.ts";
import type { OnnxProvider, TargetName } from "../../src/backends/onnx/targets.ts";
import { evaluateGraph } from "../../src/backends/reference/evaluate.ts";
import { float64 } from "../../src/backends/reference/float64.ts";
import { GraphBuilder } from "../../src/ir/builder.ts";
import type { Graph, Value, VerifiedGraph } from "../../src/ir/graph.ts";
import { concreteParams } from "../../src/ir/params.ts";
import { Size } from "../../src/ir/size.ts";
import { concreteStates } from "../../src/ir/states.ts";
import type { Axis, Dtype, Type } from "../../src/ir/type.ts";
import { verified } from "../../src/ir/verify.ts";
import type { AttrsOf, PrimitiveName, Setting } from "../../src/ops/attributes.ts";
import type { Tensor } from "../../src/ops/op.ts";
import { infer } from "../../src/ops/registry.ts";
import { emitForTfjs, execute, loadTfjs, TFJS_BACKENDS, use, type TfjsBackend } from "../support/tfjs-model.ts";

export const TARGETS: readonly TargetName[] = ["onnx", "onnx-23", "onnx-17"];
export const TFJS: readonly TfjsBackend[] = TFJS_BACKENDS;
/** Whose graphs run in the CPU provider as well: it has all their operators. */
export const PROVIDERS: readonly OnnxProvider[] = ["webgpu", "cuda"];

/** Symbols that have numbers in the graph being built. */
let fixed: Sizes = {};

/** Builds with these symbols as known numbers: the same graph with fixed sizes. */
export function withFixed<T>(sizes: Sizes, build: () => T): T {
  fixed = sizes;
  try {
    return build();
  } finally {
    fixed = {};
  }
}

/** `batch` is symbolic, `hidden=8` and `past + seq` are what they say. */
export function axis(text: string): Axis {
  const [name, size = name] = text.split("=").map((s) => s.trim()) as [string, string?];
  return { name, size: sizeOf(size!) };
}

export function sizeOf(text: string): Size {
  return text
    .split("+")
    .map((s) => s.trim())
    .reduce(
      (sum, s) => sum.plus(/^\d+$/.test(s) ? Size.of(Number(s)) : s in fixed ? Size.of(fixed[s]!) : Size.symbol(s)),
      Size.ZERO,
    );
}

export function type(dtype: Dtype, ...axes: string[]): Type {
  return { dtype, axes: axes.map(axis) };
}

/** A graph builder that infers the types of results. */
export class Small extends GraphBuilder {
  constructor(name = "small", parent?: GraphBuilder) {
    super(name, parent);
  }

  in(name: string, dtype: Dtype, ...axes: string[]): Value {
    return this.input(name, type(dtype, ...axes), name);
  }

  weight(path: string, ...axes: string[]): Value {
    return this.param(path, type("float", ...axes), { kind: "normal", deviation: 1 });
  }

  ops<K extends PrimitiveName>(
    op: K,
    inputs: readonly Value[],
    attrs: AttrsOf<K>,
    bodies: readonly Graph[] = [],
  ): readonly Value[] {
    const inferred = infer(
      op,
      inputs.map((v) => v.type),
      attrs,
      bodies,
    );
    if ("problem" in inferred) throw new Error(`${op}: ${JSON.stringify(inferred.problem)}`);
    return this.node(op, inputs, attrs, inferred.types, undefined, bodies);
  }

  op<K extends PrimitiveName>(
    op: K,
    inputs: readonly Value[],
    attrs: AttrsOf<K>,
    bodies: readonly Graph[] = [],
  ): Value {
    return this.ops(op, inputs, attrs, bodies)[0]!;
  }

  number(value: number, dtype: Dtype = "float"): Value {
    return this.op("constant", [], { value, dtype });
  }

  out(name: string, value: Value): void {
    this.output(name, value, name);
  }

  /** A composite operator whose body `write` builds from its operands. */
  call(
    name: string,
    operands: Readonly<Record<string, Value>>,
    settings: Readonly<Record<string, Setting>>,
    dims: Readonly<Record<string, Axis>>,
    write: (body: Small, operands: Readonly<Record<string, Value>>) => Value,
  ): Value {
    const body = new Small(name);
    const inner = Object.fromEntries(Object.entries(operands).map(([n, v]) => [n, body.input(n, v.type)]));
    body.output("result", write(body, inner));
    return this.op("call", Object.values(operands), { name, operands: Object.keys(operands), settings, dims }, [
      body.build(),
    ]);
  }
}

/** Numbers that are the same in every run. */
export class Random {
  constructor(private state = 12345) {}

  next(): number {
    this.state = (Math.imul(this.state, 1664525) + 1013904223) >>> 0;
    return this.state / 2 ** 32;
  }

  /** Roughly normal. */
  normal(): number {
    return (this.next() + this.next() + this.next() - 1.5) * 1.5;
  }
}

export type Sizes = Readonly<Record<string, number>>;
export type Feeds = Readonly<Record<string, readonly number[]>>;

export function tensorOf(t: Type, sizes: Sizes, data: readonly number[]): Tensor<number> {
  const known = new Map(Object.entries(sizes));
  return { dtype: t.dtype, axes: t.axes.map((a) => ({ name: a.name, size: a.size.evaluate(known) })), data };
}

function elements(t: Type, sizes: Sizes): number {
  const known = new Map(Object.entries(sizes));
  return t.axes.reduce((n, a) => n * a.size.evaluate(known), 1);
}

/** Numbers for a type: floats around zero, ints from 0 up to `limit`, mostly true. */
export function draw(t: Type, sizes: Sizes, random: Random, limit = 3): number[] {
  const one = {
    float: () => Math.fround(random.normal()),
    int: () => Math.floor(random.next() * limit),
    bool: () => Number(random.next() < 0.7),
  };
  return Array.from({ length: elements(t, sizes) }, one[t.dtype]);
}

export interface Case {
  readonly graph: VerifiedGraph;
  readonly sizes: Sizes;
  /** By name of input or of state; what is missing is drawn. */
  readonly feeds?: Feeds;
  readonly targets?: readonly TargetName[];
  readonly providers?: readonly OnnxProvider[];
  /** The backends of TensorFlow.js that it runs on as well. */
  readonly tfjs?: readonly TfjsBackend[];
  /** Largest difference of a float32 result from the float64 one. */
  readonly tolerance?: number;
  readonly limit?: number;
}

export function graphOf(write: (g: Small) => void): VerifiedGraph {
  const g = new Small();
  write(g);
  return verified(g.build());
}

/** Numbers of all parameters by path. */
export function drawParams(graph: Graph, random = new Random(7)): Map<string, Tensor<number>> {
  return new Map(
    [...concreteParams(graph)].map(({ path, param }) => [
      path,
      tensorOf(param.value.type, {}, draw(param.value.type, {}, random)),
    ]),
  );
}

export function emit(graph: VerifiedGraph, target: TargetName, provider?: OnnxProvider): OnnxArtifact {
  return emitOnnx(graph, {
    target,
    provider,
    weights: () => ({ kind: "initial", initial: { kind: "constant", value: 0 }, seed: 0 }),
    dataFile: "model.onnx_data",
    producer: { name: "tfm", version: "test" },
  });
}

/** The data file of an artifact, filled from these parameters. */
export function dataFile(artifact: OnnxArtifact, params: ReadonlyMap<string, Tensor<number>>): Uint8Array {
  const end = Math.max(0, ...artifact.planned.map((p) => p.offset + p.length));
  const bytes = new Uint8Array(end);
  for (const p of artifact.planned)
    new Float32Array(bytes.buffer, p.offset, p.length / 4).set(params.get(p.path)!.data as number[]);
  return bytes;
}

export const SESSION: ort.InferenceSession.SessionOptions = { intraOpNumThreads: 1, logSeverityLevel: 3 };

export async function sessionOf(
  artifact: OnnxArtifact,
  params: ReadonlyMap<string, Tensor<number>>,
): Promise<ort.InferenceSession> {
  const data = dataFile(artifact, params);
  const externalData = data.length > 0 ? { externalData: [{ path: "model.onnx_data", data }] } : {};
  return ort.InferenceSession.create(artifact.model, { ...SESSION, ...externalData });
}

export function toOrt(t: Tensor<number>): ort.Tensor {
  const dims = t.axes.map((a) => a.size);
  const data = Array.from(t.data as ArrayLike<number>);
  return t.dtype === "float"
    ? new ort.Tensor("float32", Float32Array.from(data), dims)
    : new ort.Tensor("int64", BigInt64Array.from(data, BigInt), dims);
}

export function numbersOf(t: ort.Tensor): number[] {
  return Array.from(t.data as ArrayLike<number | bigint>, Number);
}

/** Runs a graph both ways on the same numbers and compares every output. Gives the targets' artifacts, for further looks. */
export async function agree({
  graph,
  sizes,
  feeds = {},
  targets = TARGETS,
  providers = PROVIDERS,
  tfjs = TFJS,
  tolerance = 2e-5,
  limit = 3,
}: Case): Promise<readonly OnnxArtifact[]> {
  const random = new Random();
  const params = drawParams(graph);
  const inputs = new Map(
    graph.inputs.map((i) => [
      i.name,
      tensorOf(i.value.type, sizes, feeds[i.name] ?? draw(i.value.type, sizes, random, limit)),
    ]),
  );
  const kept = concreteStates(graph);
  const states = new Map(
    kept.map((s) => [s.path, tensorOf(s.past.type, sizes, feeds[s.path] ?? draw(s.past.type, sizes, random))]),
  );
  const expected = evaluateGraph(
    graph,
    { inputs, param: (path) => params.get(path)!, states },
    { arithmetic: float64 },
  );
  const fed = new Map([
    ...graph.inputs.map((i) => [i.outside ?? i.name, inputs.get(i.name)!] as const),
    ...kept.map((s) => [s.pastName, states.get(s.path)!] as const),
  ]);
  const wanted = [
    ...graph.outputs.map((o) => [o.outside ?? o.name, o.value.type, expected.outputs.get(o.name)!] as const),
    ...kept.map((s) => [s.presentName, s.present.type, expected.states.get(s.path)!] as const),
  ];
  if (tfjs.length > 0) {
    const artifact = emitForTfjs(graph);
    for (const backend of tfjs) {
      await use(backend);
      const model = await loadTfjs(artifact, params);
      const results = await execute(model, fed);
      model.dispose();
      for (const [name, declared, tensor] of wanted) {
        const { dims, data } = results.get(name)!;
        compare(`${backend} ${name}`, dims, data, declared, tensor, tolerance);
      }
    }
  }
  const run = async (what: string, artifact: OnnxArtifact): Promise<OnnxArtifact> => {
    const session = await sessionOf(artifact, params);
    const results = await session.run(Object.fromEntries([...fed].map(([name, t]) => [name, toOrt(t)])));
    for (const [name, declared, tensor] of wanted) {
      const { dims } = results[name]!;
      compare(`${what} ${name}`, dims, numbersOf(results[name]!), declared, tensor, tolerance);
    }
    await session.release();
    return artifact;
  };
  const artifacts: OnnxArtifact[] = [];
  for (const target of targets) artifacts.push(await run(target, emit(graph, target)));
  for (const provider of providers) await run(`for ${provider}`, emit(graph, "onnx", provider));
  return artifacts;
}

function compare(
  what: string,
  dims: readonly number[],
  numbers: readonly number[],
  declared: Type,
  expected: Tensor<number>,
  tolerance: number,
): void {
  expect(
    expected.axes.map((a) => a.name),
    what,
  ).toEqual(declared.axes.map((a) => a.name));
  expect([...dims], `${what}: dimensions`).toEqual(expected.axes.map((a) => a.size));
  Array.from(expected.data as ArrayLike<number>).forEach((e, i) => {
    const n = numbers[i]!;
    const same = Object.is(n, e) || n === e || Math.abs(n - e) <= tolerance * (1 + Math.abs(e));
    if (!same)
      expect.fail(
        `${what}[${i}] is ${n}, expected ${e}\nfound    ${numbers.slice(0, 24).join(" ")}\nexpected ${Array.from(
          expected.data as ArrayLike<number>,
        )
          .slice(0, 24)
          .join(" ")}`,
      );
  });
}
