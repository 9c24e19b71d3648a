/**
 * @file Checks that a graph is well formed. What fails here is a mistake of the compiler, not of a program: the problems are plain
 * sentences for its authors.
 */
import { inferNode, primitives } from "../ops/registry.ts";
import type { Graph, Node, Value, VerifiedGraph } from "./graph.ts";
import { hasStates } from "./states.ts";
import { sameType, showType, type Type } from "./type.ts";

export interface Verification {
  /** The graph itself, where there are no problems. */
  readonly value?: VerifiedGraph;
  readonly problems: readonly string[];
}

export function verify(graph: Graph): Verification {
  const checker = new Checker();
  checker.graph(graph, graph.name, 0);
  const { problems } = checker;
  return problems.length === 0 ? { value: graph as VerifiedGraph, problems } : { problems };
}

/** The graph as a verified one; throws where a pass has broken it. */
export function verified(graph: Graph): VerifiedGraph {
  const { value, problems } = verify(graph);
  if (!value) throw new Error(`the graph ${graph.name} is broken:\n${problems.join("\n")}`);
  return value;
}

class Checker {
  readonly problems: string[] = [];
  private readonly ids = new Set<number>();
  /** Paths of parameters and states so far; bodies of one repeat may share a path, as each iteration runs one of them. */
  private paths = new Set<string>();

  /** `where` names the graph in problems; `depth` is the number of repeats around it. */
  graph(graph: Graph, where: string, depth: number): void {
    const own = new Set<number>();
    const say = (problem: string): number => this.problems.push(`${where}: ${problem}`);
    const define = (value: Value, what: string): void => {
      if (this.ids.has(value.id)) say(`${what} has the id ${value.id} of another value`);
      this.ids.add(value.id);
      own.add(value.id);
      this.type(value.type, `${where}: ${what}`);
    };
    const use = (value: Value, what: string): void => {
      if (!own.has(value.id))
        say(`${what} reads value ${value.id} (${showType(value.type)}), which is not made before in this graph`);
    };

    this.distinct(
      graph.inputs.map((i) => i.name),
      `${where}: input`,
    );
    this.distinct(
      graph.outputs.map((o) => o.name),
      `${where}: output`,
    );
    for (const input of graph.inputs) define(input.value, `input ${input.name}`);
    for (const param of graph.params) {
      define(param.value, `parameter ${param.path}`);
      this.path(param.path, depth, `${where}: parameter`);
    }
    for (const state of graph.states) {
      define(state.past, `state ${state.path}`);
      this.path(state.path, depth, `${where}: state`);
    }
    for (const [i, node] of graph.nodes.entries()) {
      const name = `node ${i} (${node.op})`;
      for (const [k, input] of node.inputs.entries()) use(input, `operand ${k} of ${name}`);
      for (const output of node.outputs) define(output, `a result of ${name}`);
      this.node(node, `${where}: ${name}`, depth);
    }
    for (const output of graph.outputs) use(output.value, `output ${output.name}`);
    for (const state of graph.states) use(state.present, `state ${state.path}`);
  }

  private node(node: Node, where: string, depth: number): void {
    const { operands } = primitives[node.op];
    const fixed = operands.filter((o) => !o.endsWith("...")).length;
    if (node.inputs.length < fixed || (fixed === operands.length && node.inputs.length > fixed)) {
      this.problems.push(`${where}: ${node.inputs.length} operands for (${operands.join(", ")})`);
      return;
    }
    if (this.bodies(node, where, depth)) this.results(node, where);
  }

  private results(node: Node, where: string): void {
    const inferred = inferNode(node);
    if ("problem" in inferred) {
      const sizes = (_key: string, x: unknown): unknown =>
        x && typeof x === "object" && "equals" in x ? String(x) : x;
      this.problems.push(
        `${where}: its operands do not fit: ${JSON.stringify({ ...inferred.problem, origin: undefined }, sizes)}`,
      );
      return;
    }
    const found = node.outputs.map((v) => v.type);
    if (!sameTypes(found, inferred.types))
      this.problems.push(`${where}: has the types ${showTypes(found)}, its rule gives ${showTypes(inferred.types)}`);
  }

  /** Checks the bodies and how they fit their node; false where the node has not the right number of them. */
  private bodies(node: Node, where: string, depth: number): boolean {
    const single = node.op === "call" || node.op === "scan";
    const wrong = node.op === "repeat" ? node.bodies.length === 0 : node.bodies.length !== (single ? 1 : 0);
    if (wrong) {
      this.problems.push(`${where}: has ${node.bodies.length} bodies`);
      return false;
    }
    const around = this.paths;
    const within = new Set(around);
    for (const [i, body] of node.bodies.entries()) {
      this.paths = new Set(around);
      const inner = `${where} > body ${i}`;
      if (node.op !== "repeat" && (body.params.length > 0 || body.states.length > 0))
        this.problems.push(`${inner}: has parameters or states`);
      // A repeat may be there for what it hands on alone.
      if (body.outputs.length === 0 && !hasStates(body)) this.problems.push(`${inner}: has no output`);
      this.graph(body, inner, node.op === "repeat" ? depth + 1 : depth);
      if (node.op === "scan") this.scanBody(node, body, inner);
      else
        this.same(
          body.inputs.map((v) => v.value.type),
          node.inputs.map((v) => v.type),
          `${inner}: inputs`,
        );
      for (const path of this.paths) within.add(path);
    }
    this.paths = within;
    if (node.op === "repeat") this.repeat(node, where);
    if (node.op === "call" && node.attrs.operands.length !== node.inputs.length)
      this.problems.push(`${where}: ${node.attrs.operands.length} names for ${node.inputs.length} operands`);
    return true;
  }

  private repeat(node: Extract<Node, { op: "repeat" }>, where: string): void {
    const { count, carried, schedule } = node.attrs;
    if (carried > node.inputs.length)
      this.problems.push(`${where}: ${carried} carried operands of ${node.inputs.length}`);
    if (schedule.length !== count)
      this.problems.push(`${where}: a schedule of ${schedule.length} for ${count} iterations`);
    for (const kind of schedule)
      if (!node.bodies[kind]) this.problems.push(`${where}: the schedule names body ${kind} of ${node.bodies.length}`);
    for (const [i, body] of node.bodies.entries())
      this.same(
        body.outputs.map((o) => o.value.type),
        node.inputs.slice(0, carried).map((v) => v.type),
        `${where} > body ${i}: outputs`,
      );
  }

  private scanBody(node: Extract<Node, { op: "scan" }>, body: Graph, where: string): void {
    const state = body.outputs[0]?.value.type;
    if (!state) return;
    const xs = node.inputs
      .slice(1)
      .map((v) => ({ ...v.type, axes: v.type.axes.filter((a) => a.name !== node.attrs.axis) }));
    this.same(
      body.inputs.map((v) => v.value.type),
      [state, ...xs],
      `${where}: inputs`,
    );
  }

  private same(found: readonly Type[], expected: readonly Type[], what: string): void {
    if (!sameTypes(found, expected))
      this.problems.push(`${what} have the types ${showTypes(found)}, not ${showTypes(expected)}`);
  }

  private type(type: Type, what: string): void {
    this.distinct(
      type.axes.map((a) => a.name),
      `${what} has two axes`,
    );
    for (const axis of type.axes) {
      if (axis.size.known !== undefined && (axis.size.known < 0 || !Number.isInteger(axis.size.known)))
        this.problems.push(`${what}: the axis ${axis.name} has the size ${axis.size.toString()}`);
    }
  }

  private distinct(names: readonly string[], what: string): void {
    for (const [i, name] of names.entries())
      if (names.indexOf(name) !== i) this.problems.push(`${what} ${name} stands twice`);
  }

  /** A path in `depth` repeats holds `{0}` to `{depth - 1}`, or the iterations would share what is theirs alone. */
  private path(path: string, depth: number, what: string): void {
    // A state and a parameter are different things: each may have the path.
    const key = `${what.endsWith("state") ? "state" : "parameter"} ${path}`;
    // A stack that is applied twice has its weights in two repeats.
    const tied = depth > 0 && key.startsWith("parameter");
    if (this.paths.has(key) && !tied) this.problems.push(`${what} ${path} stands twice`);
    this.paths.add(key);
    for (let i = 0; i < depth; i++)
      if (!path.includes(`{${i}}`)) this.problems.push(`${what} ${path} lacks {${i}}, the index of a repeat it is in`);
    for (const [, index] of path.matchAll(/\{(\d+)\}/g))
      if (Number(index) >= depth) this.problems.push(`${what} ${path} has {${index}} in ${depth} repeats`);
  }
}

function sameTypes(a: readonly Type[], b: readonly Type[]): boolean {
  return a.length === b.length && a.every((t, i) => sameType(t, b[i]!));
}

function showTypes(types: readonly Type[]): string {
  return `(${types.map(showType).join(", ")})`;
}
