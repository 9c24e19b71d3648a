/**
 * @file Finds rounds among rules: where one undoes what another does, the order in which they are tried would decide. Rules are
 * followed from the left side of each, every way that they can be applied.
 */
import type { Graph } from "../ir/graph.ts";
import { printGraph } from "../ir/print.ts";
import { everyStep } from "./engine.ts";
import { sampleOf, type Rule } from "./rules.ts";

/** So many graphs are looked at for one rule, and so far from its left side: rules that go on longer do not end. */
const MOST_GRAPHS = 200;
const FURTHEST = 24;

export interface Cycle {
  /** In the order in which they follow each other, the first at any of them. */
  readonly rules: readonly Rule[];
  /** They never come back to the same graph, and never end. */
  readonly grows: boolean;
}

/** A round that begins with one of these rules, by all of `rules`. */
export function cycleFrom(first: readonly Rule[], rules: readonly Rule[]): Cycle | undefined {
  const ended = new Set<string>();
  for (const rule of first) {
    const graph = sampleOf(rule);
    const found = graph && new Walk(rules, ended).from(graph);
    if (found) return found;
  }
  return undefined;
}

class Walk {
  private readonly path: { readonly text: string; readonly rule: Rule | undefined }[] = [];
  private looked = 0;

  constructor(
    private readonly rules: readonly Rule[],
    /** Graphs from which all ways end. */
    private readonly ended: Set<string>,
  ) {}

  from(graph: Graph, rule?: Rule): Cycle | undefined {
    const text = printGraph({ ...graph, name: "" });
    const at = this.path.findIndex((p) => p.text === text);
    // A rule that changes nothing is no step.
    if (at >= 0 && at === this.path.length - 1) return undefined;
    if (at >= 0) return { rules: [...this.path.slice(at + 1).map((p) => p.rule!), rule!], grows: false };
    if (this.ended.has(text)) return undefined;
    this.path.push({ text, rule });
    if (this.path.length > FURTHEST || ++this.looked > MOST_GRAPHS) {
      const rules = this.path.flatMap((p) => (p.rule ? [p.rule] : []));
      return { rules: [...new Set(rules)], grows: true };
    }
    for (const step of everyStep(graph, this.rules)) {
      const found = this.from(step.graph, step.rule);
      if (found) return found;
    }
    this.path.pop();
    this.ended.add(text);
    return undefined;
  }
}
