/**
 * @file What is computed once, computed before the steps. A model that has a graph before its steps (`once["name"](x)`, `steps.ts`) may
 * hand on more than that from it: what `once(k)` keeps of the same source. Then the first graph makes it, the steps take it as it is,
 * and nothing of it is copied or computed of no places in every one of them.
 *
 * Both come of the step's graph by saying how much there was: of the `source` places `past_source` were handed in. Before the steps that is 0,
 * and what is handed on is computed of all; in them it is `source`, and what is handed on is what came in.
 *
 * Before, in the step: `%m = slice(%memory) {axis=source, start=past_source, size=source - past_source}`, `%1 = dot(%m, %w)`,
 * `%2 = concat(past, %1)`, `present = %2`.
 * After, before the steps: `%1 = dot(%memory, %w)`, `present = %1`; in them: `present = past`.
 */
import type { Graph, Input, Node } from "../ir/graph.ts";
import { Size } from "../ir/size.ts";
import { concreteStates, isGiven, isMade } from "../ir/states.ts";
import { rebuild } from "../ir/transform.ts";
import { pastSymbol } from "./cache.ts";
import { removeDead } from "./dce.ts";
import { substituteSizes } from "./fix-sizes.ts";
import type { Split } from "./steps.ts";

type Before = Required<Pick<Split, "first" | "step">> & Pick<Split, "given">;

/**
 * The two graphs with what `once` hands on moved into the first, as far as the first has what it is made of; `step` is one with states.
 */
export function computeOnceBefore(model: Before): Before {
  const { first, step, given } = model;
  const symbols = onceSymbols(step);
  if (symbols.length === 0) return model;
  const made = removeDead(onlyMade(joined(sized(step, symbols, () => Size.ZERO))));
  const read = inputsRead(made);
  if (!read.every((i) => given.has(i.outside ?? i.name))) return model;
  const later = removeDead(joined(sized(step, symbols, (s) => Size.symbol(s))));
  const own = new Set(inputsRead(later).map((i) => i.name));
  const inputs = later.inputs.filter((i) => own.has(i.name) || !given.has(i.outside ?? i.name));
  const handed = concreteStates(later).filter(isGiven);
  return {
    first: continued(first, { ...made, inputs: read }, given),
    step: { ...later, inputs },
    given: new Map([
      ...[...given].filter(([inner]) => inputs.some((i) => (i.outside ?? i.name) === inner)),
      ...handed.map((s) => [s.pastName, s.presentName] as const),
    ]),
  };
}

/** The sizes along which something is kept that does not grow. */
function onceSymbols(step: Graph): readonly string[] {
  const found = new Set<string>();
  const open = new Set(step.inputs.flatMap((i) => i.value.type.axes.flatMap((a) => a.size.symbol ?? [])));
  for (const { past } of concreteStates(step))
    for (const { size } of past.type.axes)
      for (const s of open) if (s !== step.grows && size.symbol === pastSymbol(s)) found.add(s);
  return [...found];
}

function sized(step: Graph, symbols: readonly string[], past: (symbol: string) => Size): Graph {
  return substituteSizes(step, new Map(symbols.map((s) => [pastSymbol(s), past(s)])));
}

/** Without concatenations of which one side has no places. */
function joined(graph: Graph): Graph {
  return rebuild(graph, {
    node(node, scope) {
      if (node.op !== "concat") return undefined;
      const { axes, into } = node.attrs;
      const inputs = scope.inputs(node);
      const some = inputs.filter((v, i) => v.type.axes.find((a) => a.name === axes[i])!.size.known !== 0);
      return some.length === 1 && axes.every((a) => a === into) ? some : undefined;
    },
  });
}

/** For what it makes alone: without outputs, and without what else is handed on. */
function onlyMade(graph: Graph): Graph {
  const within = (g: Graph): Graph => ({
    ...g,
    states: g.states.filter(isMade),
    nodes: g.nodes.map((n): Node => ({ ...n, bodies: n.bodies.map(within) }) as Node),
  });
  return { ...within(graph), outputs: [], grows: undefined };
}

function inputsRead({ inputs, nodes, outputs, states }: Graph): readonly Input[] {
  const ids = new Set(
    [...nodes.flatMap((n) => n.inputs), ...outputs.map((o) => o.value), ...states.map((s) => s.present)].map(
      (v) => v.id,
    ),
  );
  return inputs.filter((i) => ids.has(i.value.id));
}

/** The first graph, and behind it what is made of what it gives or was given. */
function continued(first: Graph, made: Graph, given: ReadonlyMap<string, string>): Graph {
  const sizeNames = new Map([...made.sizeNames, ...first.sizeNames]);
  const ends = [...first.outputs, ...first.inputs];
  const weights = new Map(first.params.map((p) => [p.path, p.value]));
  const graph = rebuild(
    { ...first, sizeNames },
    {
      finish(scope) {
        if (scope.kind !== "graph") return;
        for (const input of made.inputs) {
          const name = given.get(input.outside ?? input.name)!;
          scope.set(input.value, scope.get(ends.find((e) => (e.outside ?? e.name) === name)!.value));
        }
        const own = made.params.filter((p) => !weights.has(p.path));
        for (const { path, value } of made.params)
          if (weights.has(path)) scope.set(value, scope.get(weights.get(path)!));
        scope.content({ ...made, params: own });
      },
    },
  );
  return removeDead(graph);
}
