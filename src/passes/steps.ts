/**
 * @file Splits a model that generates from something given once (a text to translate, to sum up) into two graphs: what is computed
 * once, and a step. `once["name"](x)` is the seam: the first graph puts x out, the step takes it in by that name.
 *
 * The first graph has the outputs that do not depend on what grows, the step the others. What does not grow and is cheap, such as
 * a mask, goes into both: the step reads the model's input itself, by the name that it has there.
 */
import type { Graph, Input, NodeOf, Output, Value } from "../ir/graph.ts";
import { rebuild } from "../ir/transform.ts";
import type { CacheProblem } from "./cache-plan.ts";
import { removeDead } from "./dce.ts";
import { growingValues } from "./growing.ts";
import { inlineCalls } from "./inline.ts";

export interface Split {
  /** Absent where nothing is computed before the steps: the client has it. */
  readonly first?: Graph;
  /** Where there are no problems. */
  readonly step?: Graph;
  /** Inputs of the step that are outputs or inputs of the first graph, by their names at the boundary. */
  readonly given: ReadonlyMap<string, string>;
  readonly problems: readonly CacheProblem[];
}

type Seam = NodeOf<"once">;

/** The two graphs of a model with a named `once`; undefined of one without. */
export function splitSteps(graph: Graph): Split | undefined {
  if (graph.grows === undefined || !hasSeam(graph)) return undefined;
  const flat = inlineCalls(graph, (node) => !node.bodies.some(hasSeam));
  const growing = growingValues(flat, graph.grows);
  const grows = (value: Value): boolean => growing.has(value.id);
  const seams = flat.nodes.filter(isSeam);
  const problems = [
    ...nestedProblems(flat),
    ...seams.flatMap((s, i) => seamProblems(s, seams.slice(0, i), grows, graph.grows!)),
  ];
  const steps = flat.outputs.filter((o) => grows(o.value));
  if (steps.length === 0)
    problems.push({
      message: `no output depends on what grows along ${graph.grows}: there is nothing to do in a step`,
      span: seams[0]?.span,
    });
  const given = new Map<string, string>();
  if (problems.length > 0) return { given, problems };
  const step = stepGraph(flat, steps, grows);
  const first = firstGraph(flat, seams, step, grows);
  const twice = nameProblems(step);
  if (twice.length > 0) return { given, problems: twice };
  if (first.outputs.length === 0) return { step, given, problems };
  return { first, step, given: handedOver(flat, seams, first, step), problems };
}

/** What of the first graph the step takes: what stands at the seams, and inputs that both read. */
function handedOver(flat: Graph, seams: readonly Seam[], first: Graph, step: Graph): ReadonlyMap<string, string> {
  const given = new Map<string, string>();
  const note = (inner: string | undefined, outer: Input | Output | undefined): void => {
    if (inner !== undefined && outer?.outside !== undefined) given.set(inner, outer.outside);
  };
  for (const { inputs, attrs } of seams) {
    const own = [...flat.inputs, ...flat.outputs].find((p) => p.value.id === inputs[0]!.id);
    const name = own?.name ?? attrs.outside!;
    note(
      attrs.outside,
      [...first.outputs, ...first.inputs].find((p) => p.name === name),
    );
  }
  for (const input of step.inputs)
    note(
      input.outside,
      first.inputs.find((i) => i.name === input.name),
    );
  return given;
}

function isSeam(node: Graph["nodes"][number]): node is Seam {
  return node.op === "once" && node.attrs.outside !== undefined;
}

function hasSeam(graph: Graph): boolean {
  return graph.nodes.some((n) => isSeam(n) || n.bodies.some(hasSeam));
}

// ── What can be wrong ─────────────────────────────────────────────────────────────────────────────────────────────────

function nestedProblems(graph: Graph): CacheProblem[] {
  const inside = (g: Graph): Seam[] => [...g.nodes.filter(isSeam), ...g.nodes.flatMap((n) => n.bodies.flatMap(inside))];
  return graph.nodes
    .flatMap((n) => n.bodies.flatMap(inside))
    .map((n) => ({
      message: `once["${n.attrs.outside}"] stands inside a repeat or scan; what a graph of its own computes is named outside of them`,
      span: n.span,
    }));
}

function seamProblems(
  seam: Seam,
  before: readonly Seam[],
  grows: (value: Value) => boolean,
  axis: string,
): CacheProblem[] {
  const { outside } = seam.attrs;
  const say = (message: string): CacheProblem[] => [{ message, span: seam.span }];
  if (grows(seam.inputs[0]!))
    return say(`once["${outside}"] is of what grows along ${axis}; before the first step nothing of it is there`);
  return before.some((s) => s.attrs.outside === outside)
    ? say(`two values enter the steps under the name ${outside}`)
    : [];
}

/** The step has names of its own, and so clashes of its own. */
function nameProblems({ inputs }: Graph): CacheProblem[] {
  return inputs.flatMap((input, i) => {
    const other = inputs.slice(0, i).find((o) => o.outside === input.outside);
    if (!other) return [];
    const message = `in the graph of a step two inputs are called ${input.outside}: ${other.name} and ${input.name}; \`as "first" | "second"\` gives one another name there, once["name"](x) keeps what is computed before out of it`;
    return [{ message, span: input.value.span }];
  });
}

// ── The graphs ────────────────────────────────────────────────────────────────────────────────────────────────────────

function firstGraph(flat: Graph, seams: readonly Seam[], step: Graph, grows: (value: Value) => boolean): Graph {
  const outputs = flat.outputs.filter((o) => !grows(o.value));
  for (const { inputs, attrs } of seams) {
    const [x] = inputs as [Value];
    const known = outputs.some((o) => o.value.id === x.id) || flat.inputs.some((i) => i.value.id === x.id);
    if (!known) outputs.push({ name: attrs.outside!, outside: attrs.outside!, value: x });
  }
  const made = rebuild(removeDead({ ...flat, outputs, grows: undefined }), {
    node: (node, scope) => (isSeam(node) ? scope.inputs(node) : undefined),
  });
  const read = readIn(made);
  const later = new Set([...flat.inputs.filter((i) => grows(i.value)), ...step.inputs].map((i) => i.name));
  return named(
    made,
    (i) => read.has(i.value.id) || !later.has(i.name),
    (i) => i.outside,
  );
}

function stepGraph(flat: Graph, outputs: readonly Output[], grows: (value: Value) => boolean): Graph {
  const made = rebuild(
    { ...flat, outputs },
    {
      node(node, scope) {
        if (!isSeam(node)) return undefined;
        const outside = node.attrs.outside!;
        const taken = scope.builder.inputs.some((i) => i.name === outside);
        return [scope.input(taken ? `once ${outside}` : outside, scope.get(node.inputs[0]!).type, outside, node.span)];
      },
    },
  );
  const open = new Set(flat.inputs.filter((i) => grows(i.value)).map((i) => i.name));
  const live = removeDead(made);
  const read = readIn(live);
  return named(
    live,
    (i) => open.has(i.name) || read.has(i.value.id),
    (i) => i.outsideStep ?? i.outside,
  );
}

/** With some of the inputs, by other names, and the sizes that are left. */
function named(graph: Graph, has: (input: Input) => boolean, outsideOf: (input: Input) => string | undefined): Graph {
  const inputs = graph.inputs.filter(has).map((input): Input => {
    const outside = outsideOf(input);
    return { name: input.name, ...(outside === undefined ? {} : { outside }), value: input.value };
  });
  return { ...graph, inputs };
}

/** The ids of what the nodes and outputs of a graph read. */
function readIn(graph: Graph): ReadonlySet<number> {
  return new Set([...graph.nodes.flatMap((n) => n.inputs.map((v) => v.id)), ...graph.outputs.map((o) => o.value.id)]);
}
