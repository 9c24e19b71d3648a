/** @file The rules of a program, made once, and rewriting by them. */
import type { Program } from "../elaborate/program.ts";
import type { Graph } from "../ir/graph.ts";
import { cycleFrom, type Cycle } from "./cycles.ts";
import { rewrite as apply, type RewriteOptions, type Rewritten } from "./engine.ts";
import { isWanted, ownSourcesOf, rulesOf, sourcesOf, type Rule, type RuleSource } from "./rules.ts";

export type { RewriteReport } from "./report.ts";
export { ownSourcesOf, type RuleSource } from "./rules.ts";

/** The rules of the library's text of last time: most programs of one run have the same library. */
let last: { readonly texts: readonly object[]; readonly rules: readonly Rule[] } | undefined;
const own = new WeakMap<Program, readonly Rule[]>();

/** The rules that the library declares. */
export function rulesOfLibrary(program: Program): readonly Rule[] {
  const texts = [...program.modules.values()].filter((m) => m.everywhere).map((m) => m.syntax);
  if (last && last.texts.length === texts.length && last.texts.every((t, i) => t === texts[i])) return last.rules;
  const rules = sourcesOf(program).flatMap((source) => rulesOf(source).rules);
  last = { texts, rules };
  return rules;
}

/** Those that the program declares itself. One whose left side is no single value of its operands is a law only. */
function ownRules(program: Program): readonly Rule[] {
  const known = own.get(program);
  if (known) return known;
  const rules = ownSourcesOf(program).flatMap((source) => rulesOf(source).rules);
  own.set(program, rules);
  return rules;
}

/** A round that the program's own rules are part of, with the library's. */
export function cycleOf(program: Program): Cycle | undefined {
  const mine = ownRules(program);
  return mine.length === 0 ? undefined : cycleFrom(mine, [...mine, ...rulesOfLibrary(program)]);
}

/** `target`: what it can do, by name. */
export function rewrite(
  graph: Graph,
  program: Program,
  { target = {}, ...options }: RewriteOptions & { readonly target?: object | undefined },
): Rewritten {
  const rules = [...ownRules(program), ...rulesOfLibrary(program)];
  return apply(
    graph,
    rules.filter((r) => isWanted(r.source, target)),
    options,
  );
}

/** Whether a rewrite is used when a program is compiled; else it is a law only. */
export function isUsed(source: RuleSource): boolean {
  return rulesOf(source).rules.length > 0;
}
