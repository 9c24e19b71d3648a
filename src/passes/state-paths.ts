/**
 * @file Paths of states. An instance that is applied several times (`let one = new decoder < ... >`, then `one -> one x2`) has its
 * weights once, and hands on something else from each application: each has a path of its own.
 */
import type { Graph, Node } from "../ir/graph.ts";

/**
 * The path of the state that each of these nodes is to have, by its first result. It is the node's own path; in a repeat that the
 * path knows nothing of, the index of the repeat stands behind it, and a second one is told apart by a number. States that the graph
 * has already keep their paths.
 */
export function statePaths(
  graph: Graph,
  isState: (node: Node) => boolean,
  taken: ReadonlySet<string> = new Set(),
): ReadonlyMap<number, string> {
  const paths = new Map<number, string>();
  /** Gives the paths of this graph and of those around it. */
  const visit = (g: Graph, depth: number, around: ReadonlySet<string>): Set<string> => {
    const known = new Set(around);
    for (const node of g.nodes) {
      if (isState(node)) {
        const path = fresh(indexed((node.attrs as { readonly path: string }).path, depth), known);
        paths.set(node.outputs[0]!.id, path);
        known.add(path);
      }
      // Of the bodies of a repeat an iteration runs one: they may share a path.
      const within = node.bodies.map((body) => visit(body, node.op === "repeat" ? depth + 1 : depth, known));
      for (const body of within) for (const path of body) known.add(path);
    }
    return known;
  };
  visit(graph, 0, new Set([...taken, ...pathsOfStates(graph)]));
  return paths;
}

function pathsOfStates(graph: Graph): readonly string[] {
  return [...graph.states.map((s) => s.path), ...graph.nodes.flatMap((n) => n.bodies.flatMap(pathsOfStates))];
}

/** With the index of every repeat around. */
function indexed(path: string, depth: number): string {
  const missing = Array.from({ length: depth }, (_, i) => `{${i}}`).filter((index) => !path.includes(index));
  return [path, ...missing].join(".");
}

function fresh(path: string, known: ReadonlySet<string>): string {
  let found = path;
  for (let n = 2; known.has(found); n++) found = `${path}_${n}`;
  return found;
}
