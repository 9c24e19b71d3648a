/** @file Which values of a graph depend on what grows: on an input along the growing axis, or on how long it is. */
import type { Graph, Node, Value } from "../ir/graph.ts";
import type { Type } from "../ir/type.ts";

/** Their ids, those inside bodies included. */
export function growingValues(graph: Graph, grows: string): ReadonlySet<number> {
  const finder = new Finder(grows);
  for (const { value } of graph.inputs) finder.look(value);
  finder.graph(graph);
  return finder.found;
}

class Finder {
  readonly found = new Set<number>();

  constructor(private readonly grows: string) {}

  graph(graph: Graph): void {
    for (const node of graph.nodes) this.node(node);
  }

  /** A value grows with its axis, whatever it is made of. */
  look(value: Value): void {
    if (this.hasAxis(value.type)) this.found.add(value.id);
  }

  private hasAxis(type: Type): boolean {
    return type.axes.some((a) => a.size.symbols.has(this.grows));
  }

  private has(value: Value): boolean {
    return this.found.has(value.id);
  }

  private node(node: Node): void {
    const measured = node.op === "size" && node.attrs.of.symbols.has(this.grows);
    // What an iteration hands on may begin to grow in one, and be read in the next.
    for (let before = -1; before !== this.found.size;) {
      before = this.found.size;
      for (const body of node.bodies) this.body(node, body);
    }
    const bodies = node.bodies.flatMap((b) => b.outputs.map((o) => o.value));
    const grown = measured || (node.bodies.length === 0 ? node.inputs : bodies).some((v) => this.has(v));
    for (const output of node.outputs) {
      if (grown) this.found.add(output.id);
      else this.look(output);
    }
  }

  private body(node: Node, body: Graph): void {
    for (const [i, input] of body.inputs.entries()) {
      const outer = node.inputs[i];
      if (outer && this.has(outer)) this.found.add(input.value.id);
      else this.look(input.value);
      if (node.op === "repeat" && i < node.attrs.carried && this.has(body.outputs[i]!.value))
        this.found.add(input.value.id);
    }
    if (node.op === "scan" && body.outputs.some((o) => this.has(o.value))) this.found.add(body.inputs[0]!.value.id);
    this.graph(body);
  }
}
