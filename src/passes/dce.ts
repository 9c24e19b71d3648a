/**
 * @file Removes what nobody reads: nodes, parameters, what bodies capture in vain and what they hand on in vain. Inputs and outputs of the
 * graph stay, they are its boundary; so do states and what they are computed from, and the operands of a call, which go by name.
 *
 * Before: `%1 = exp(%0)`, `%2 = neg(%0)`, `output y = %2`. After: `%1 = neg(%0)`, `output y = %1`.
 */
import type { Graph, Node, NodeOf, Value } from "../ir/graph.ts";
import { hasStates } from "../ir/states.ts";
import { rebuild, type Scope } from "../ir/transform.ts";

export function removeDead(graph: Graph): Graph {
  const live = new Liveness();
  live.graph(graph);
  return rebuild(graph, {
    node(node, scope) {
      if (!live.reads(node)) return [];
      return node.op === "repeat" ? live.shorter(node, scope) : undefined;
    },
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

  /** Marks what the outputs (these of them) and states of a graph or body are computed from. */
  graph(graph: Graph, wanted: (output: number) => boolean = () => true): void {
    for (const [i, output] of graph.outputs.entries()) if (wanted(i)) this.live.add(output.value.id);
    for (const state of graph.states) this.live.add(state.present.id);
    for (const node of graph.nodes.toReversed()) if (this.reads(node)) this.node(node);
  }

  /** A repeat that hands on only what is read; undefined where that is everything. */
  shorter(node: NodeOf<"repeat">, scope: Scope): readonly Value[] | undefined {
    const { carried } = node.attrs;
    const stays = node.outputs.map((v, i) => this.has(v) || this.handsOn(node, i));
    if (stays.every(Boolean)) return undefined;
    const some = <T>(all: readonly T[]): readonly T[] => all.filter((_, i) => i >= carried || stays[i]!);
    const made = scope.copy({
      ...node,
      inputs: some(node.inputs),
      attrs: { ...node.attrs, carried: stays.filter(Boolean).length },
      outputs: some(node.outputs),
      bodies: node.bodies.map((b) => ({ ...b, inputs: some(b.inputs), outputs: some(b.outputs) })),
    });
    for (const [i, value] of some(node.outputs).entries()) scope.set(value, made[i]!);
    return [];
  }

  /** Whether an iteration reads what the one before handed on, for something that shows. */
  private handsOn({ bodies }: NodeOf<"repeat">, i: number): boolean {
    return bodies.some((b) => this.has(b.inputs[i]!.value));
  }

  private repeat(node: NodeOf<"repeat">): void {
    const { carried } = node.attrs;
    const readNow = (): readonly boolean[] => node.outputs.map((v, i) => this.has(v) || this.handsOn(node, i));
    let before: readonly boolean[];
    let read = readNow();
    // What an iteration hands on may be read only for what the next one hands on: again, until nothing is added.
    do {
      before = read;
      for (const body of node.bodies) this.graph(body, (i) => before[i]!);
      read = readNow();
    } while (read.some((r, i) => r !== before[i]));
    for (const [i, input] of node.inputs.entries())
      if (node.bodies.some((b) => this.has(b.inputs[i]!.value)) || (i < carried && this.has(node.outputs[i]!)))
        this.live.add(input.id);
  }

  private node(node: Node): void {
    if (node.op === "repeat") return this.repeat(node);
    for (const body of node.bodies) this.graph(body);
    for (const input of node.inputs) this.live.add(input.id);
  }
}
