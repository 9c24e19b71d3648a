/** @file The states of a model as its boundary has them: those inside repeats too, each iteration its own. */
import type { Graph, State } from "./graph.ts";
import { concretePath } from "./paths.ts";

/** All states with concrete paths and names, in the order in which iterations run. */
export function concreteStates(graph: Graph, indices: readonly number[] = []): readonly State[] {
  const own = graph.states.map((s) => ({
    ...s,
    path: concretePath(s.path, indices),
    pastName: concretePath(s.pastName, indices),
    presentName: concretePath(s.presentName, indices),
  }));
  const inner = graph.nodes.flatMap((node) =>
    node.op === "repeat"
      ? node.attrs.schedule.flatMap((kind, i) => concreteStates(node.bodies[kind]!, [...indices, i]))
      : [],
  );
  return [...own, ...inner];
}
