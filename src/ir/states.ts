/** @file The states of a model as its boundary has them: those inside repeats too, each iteration its own. */
import type { Graph, State } from "./graph.ts";
import { concretePath } from "./paths.ts";
import type { Type } from "./type.ts";

/** Of a graph that runs before the steps: there is no past, and nothing is taken in. */
export function isMade({ past }: State): boolean {
  return past.type.axes.some((a) => a.size.known === 0);
}

/** Handed on as it came in, so that nothing is put out. */
export function isGiven({ past, present }: State): boolean {
  return past.id === present.id;
}

/** Taken in and put out: what a client hands on from step to step. */
export function isHanded(state: State): boolean {
  return !isMade(state) && !isGiven(state);
}

/** The type that the present has at the boundary: the axes in the order of the past's, where they are the same. */
export function presentType({ past, present: { type } }: State): Type {
  const axes = past.type.axes.map((a) => type.axes.find((b) => b.name === a.name));
  return axes.every((a) => a !== undefined) ? { ...type, axes } : type;
}

/** Does a graph or a body in it hand anything on from step to step? */
export function hasStates({ states, nodes }: Graph): boolean {
  return states.length > 0 || nodes.some((n) => n.bodies.some(hasStates));
}

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
