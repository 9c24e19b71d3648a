/**
 * @file Removes what nobody reads: nodes, parameters, and what bodies capture in vain. Inputs and outputs of the graph stay, they
 * are its boundary; so do states and what they are computed from, and the operands of a call, which go by name.
 *
 * Before: `%1 = exp(%0)`, `%2 = neg(%0)`, `output y = %2`. After: `%1 = neg(%0)`, `output y = %1`.
 */
import type { Graph, Node, Value } from "../ir/graph.ts";
import { rebuild } from "../ir/transform.ts";

export function removeDead(graph: Graph): Graph {
  const live = new Liveness();
  live.graph(graph);
  return rebuild(graph, {
    node: (node) => (live.reads(node) ? undefined : []),
    param: (param) => live.has(param.value),
  });
}

class Liveness {
  private readonly live = new Set<number>();

  has(value: Value): boolean {
    return this.live.has(value.id);
  }

  /** Whether a node does anything that shows. */
  reads(node: Node): boolean {
    return node.outputs.some((v) => this.has(v)) || node.bodies.some(hasStates);
  }

  /** Marks what the outputs and states of a graph or body are computed from. */
  graph(graph: Graph): void {
    for (const output of graph.outputs) this.live.add(output.value.id);
    for (const state of graph.states) this.live.add(state.present.id);
    for (const node of graph.nodes.toReversed()) if (this.reads(node)) this.node(node);
  }

  private node(node: Node): void {
    for (const body of node.bodies) this.graph(body);
    // Of what a repeat captures only that which a body reads counts.
    const needed = (i: number): boolean =>
      node.op !== "repeat" || i < node.attrs.carried || node.bodies.some((b) => this.has(b.inputs[i]!.value));
    for (const [i, input] of node.inputs.entries()) if (needed(i)) this.live.add(input.id);
  }
}

function hasStates(body: Graph): boolean {
  return body.states.length > 0 || body.nodes.some((n) => n.bodies.some(hasStates));
}
