/**
 * @file Surveys a graph for rules: the term of every value, who makes it and who reads it. A value that a body captures is the one
 * outside; what an iteration is handed is a value of its own.
 */
import type { Graph, Node, Value } from "../ir/graph.ts";
import { Terms, type Term } from "./terms.ts";

export interface Made {
  readonly node: Node;
  /** Labels of the repeats around. */
  readonly inside: readonly string[];
  /** How often it is computed in one run, repeats counted. */
  readonly times: number;
}

export class Survey {
  readonly made = new Map<number, Made>();
  readonly term = new Map<number, Term>();
  /** Nodes in order, outer ones of a repeat after its bodies. */
  readonly nodes: Node[] = [];
  private readonly same = new Map<number, Value>();
  private readonly reading = new Map<number, Set<Node | "outside">>();

  constructor(
    graph: Graph,
    readonly terms: Terms,
  ) {
    this.readIn(graph);
    this.enter(graph, [], 1);
  }

  /** The value itself, of what a body captures the one outside. */
  itself(value: Value): Value {
    return this.same.get(value.id) ?? value;
  }

  termOf(value: Value): Term {
    return this.term.get(this.itself(value).id)!;
  }

  /** The nodes that read a value; `outside` of outputs and states. */
  readersOf(value: Value): ReadonlySet<Node | "outside"> {
    return this.reading.get(this.itself(value).id) ?? NOBODY;
  }

  private readIn(graph: Graph): void {
    for (const node of graph.nodes) {
      if (node.op === "repeat")
        for (const body of node.bodies)
          for (const [i, input] of body.inputs.entries())
            if (i >= node.attrs.carried) this.same.set(input.value.id, this.itself(node.inputs[i]!));
      const read = node.op === "repeat" ? node.inputs.slice(0, node.attrs.carried) : node.inputs;
      for (const v of read) this.read(v, node);
      if (node.op === "repeat" || node.op === "scan") for (const body of node.bodies) this.readIn(body);
    }
    for (const { value } of graph.outputs) this.read(value, "outside");
    for (const { present } of graph.states) this.read(present, "outside");
  }

  private read(value: Value, by: Node | "outside"): void {
    const { id } = this.itself(value);
    const readers = this.reading.get(id) ?? new Set();
    readers.add(by);
    this.reading.set(id, readers);
  }

  private enter(graph: Graph, inside: readonly string[], times: number): void {
    const { terms } = this;
    const leaf = (v: Value): void => void (this.term.has(v.id) || this.term.set(v.id, terms.leaf(v.type)));
    for (const { value } of graph.inputs) {
      const outer = this.same.get(value.id);
      if (outer) this.term.set(value.id, this.term.get(outer.id)!);
      else leaf(value);
    }
    for (const { value } of graph.params) leaf(value);
    for (const { past } of graph.states) leaf(past);
    for (const node of graph.nodes) {
      if (node.op === "repeat")
        for (const [i, body] of node.bodies.entries())
          this.enter(body, [...inside, node.attrs.label], times * node.attrs.schedule.filter((s) => s === i).length);
      if (node.op === "scan") for (const body of node.bodies) this.enter(body, [...inside, "scan"], times);
      terms.node(node, this.term, { readers: (v) => this.readersOf(v).size });
      for (const v of node.outputs) this.made.set(v.id, { node, inside, times });
      this.nodes.push(node);
    }
  }
}

const NOBODY: ReadonlySet<Node | "outside"> = new Set();
