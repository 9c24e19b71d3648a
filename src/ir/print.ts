/**
 * @file A graph as text, for people and for golden tests. Values are numbered in the order in which they are made, so the text
 * is the same for the same graph, whatever was made before it.
 */
import { Size } from "./size.ts";
import type { Graph, Initializer, Node, Value } from "./graph.ts";
import { showAxis, showType, type Axis } from "./type.ts";

/** One line a value; bodies stand indented below their node. */
export function printGraph(graph: Graph): string {
  return `${new Printer().graph(graph, "graph", "").join("\n")}\n`;
}

class Printer {
  private readonly numbers = new Map<number, number>();

  graph(graph: Graph, kind: string, indent: string): string[] {
    const inner = `${indent}  `;
    const grows = graph.grows === undefined ? "" : ` grows ${graph.grows}`;
    const lines = [`${indent}${kind} ${graph.name}${grows} {`];
    for (const [size, outside] of graph.sizeNames) lines.push(`${inner}size ${size} as "${outside}"`);
    for (const input of graph.inputs)
      lines.push(
        `${inner}${this.define(input.value)} = input ${input.name}${as(input.outside)}${input.outsideStep === undefined ? "" : ` | "${input.outsideStep}"`}`,
      );
    for (const param of graph.params)
      lines.push(`${inner}${this.define(param.value)} = param ${param.path} = ${initial(param.initial)}`);
    for (const state of graph.states)
      lines.push(`${inner}${this.define(state.past)} = past ${state.path}${as(state.pastName)}`);
    for (const node of graph.nodes) lines.push(...this.node(node, inner));
    for (const state of graph.states)
      lines.push(`${inner}present ${state.path}${as(state.presentName)} = ${this.name(state.present)}`);
    for (const output of graph.outputs)
      lines.push(`${inner}output ${output.name}${as(output.outside)} = ${this.name(output.value)}`);
    lines.push(`${indent}}`);
    return lines;
  }

  private node(node: Node, indent: string): string[] {
    const operands = node.inputs.map((v) => this.name(v)).join(", ");
    const attributes = showAttributes(node.attrs);
    // Before the bodies: the results are made by this line.
    const results = node.outputs.map((v) => this.define(v)).join(", ");
    const line = `${indent}${results} = ${node.op}(${operands})${attributes}`;
    return [line, ...node.bodies.flatMap((body) => this.graph(body, "body", `${indent}  `))];
  }

  private define(value: Value): string {
    this.numbers.set(value.id, this.numbers.size);
    return `${this.name(value)}: ${showType(value.type)}`;
  }

  private name(value: Value): string {
    return `%${this.numbers.get(value.id) ?? "unknown"}`;
  }
}

function as(outside: string | undefined): string {
  return outside === undefined ? "" : ` as "${outside}"`;
}

function initial(initializer: Initializer): string {
  return initializer.kind === "normal"
    ? `normal(${initializer.deviation})`
    : `constant(${showNumber(initializer.value)})`;
}

function showNumber(n: number): string {
  return Object.is(n, -0) ? "-0" : String(n).replace("Infinity", "inf");
}

/** By name, so that the order in which a pass wrote them does not show. */
function showAttributes(attrs: object): string {
  const shown = Object.entries(attrs)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${showAttribute(value)}`);
  return shown.length === 0 ? "" : ` {${shown.join(", ")}}`;
}

function showAttribute(value: unknown): string {
  if (value instanceof Size) return value.toString();
  if (Array.isArray(value)) return `[${value.map(showAttribute).join(", ")}]`;
  if (typeof value === "number") return showNumber(value);
  if (value !== null && typeof value === "object") {
    if (isAxis(value)) return showAxis(value);
    const members = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
    return `{${members.map(([k, v]) => `${k}: ${showAttribute(v)}`).join(", ")}}`;
  }
  return typeof value === "string" ? value : JSON.stringify(value);
}

function isAxis(value: object): value is Axis {
  return "name" in value && "size" in value && value.size instanceof Size;
}
