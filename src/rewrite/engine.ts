/**
 * @file Applies rules to a graph until none makes it cheaper. Each round finds everything that any rule matches, takes the matches that
 * save most and do not overlap, and rebuilds the graph; so the order of rules decides nothing, and every round lowers the cost.
 */
import type { Graph, Node, Value } from "../ir/graph.ts";
import { rebuild, RebuildError, type Scope } from "../ir/transform.ts";
import { showType, type Axis, type Type } from "../ir/type.ts";
import { shareCommon } from "../passes/cse.ts";
import { removeDead } from "../passes/dce.ts";
import { foldConstants } from "../passes/fold.ts";
import { inlineCalls, type CallNode } from "../passes/inline.ts";
import type { Span } from "../source/source.ts";
import { costBy, PASSES, type Cost, type Costs } from "./cost.ts";
import { match, type Match, type Miss } from "./match.ts";
import type { Fired, Refused, RewriteReport } from "./report.ts";
import { replacement, type Rule } from "./rules.ts";
import { makeOf, operatorsOf, typeOf, type Source } from "./sources.ts";
import { Survey } from "./survey.ts";
import { isFree, Terms, type Term } from "./terms.ts";

export interface RewriteOptions {
  /** Composite operators that the backend has a kernel for. */
  readonly keeps: (node: CallNode) => boolean;
  /** What nodes cost on the target; default: passes over memory. */
  readonly costs?: Costs | undefined;
  /** Whatever it costs: to see where rules lead. */
  readonly always?: boolean;
}

export interface Rewritten {
  readonly graph: Graph;
  readonly report: RewriteReport;
}

const MOST_ROUNDS = 100;

export function rewrite(graph: Graph, rules: readonly Rule[], options: RewriteOptions): Rewritten {
  const fired: Fired[] = [];
  const stuck = new Map<string, string>();
  let now = graph;
  for (let round = 1; round <= MOST_ROUNDS; round++) {
    const made = new Round(now, rules, options, stuck).run();
    fired.push(...made.fired);
    if (made.graph === undefined) {
      const { refused, values } = made;
      return { graph: now, report: { fired, refused, rules: rules.length, values, rounds: round } };
    }
    now = made.graph;
  }
  throw new Error(`rewriting went on for more than ${MOST_ROUNDS} rounds, and each makes the graph cheaper`);
}

/** What each match of each rule makes of a graph by itself, cheaper or not. */
export function everyStep(
  graph: Graph,
  rules: readonly Rule[],
): readonly { readonly rule: Rule; readonly graph: Graph }[] {
  return new Round(graph, rules, { keeps: () => true, always: true }, new Map()).steps();
}

/** What a match would do. */
interface Plan {
  readonly match: Match;
  readonly root: Value;
  /** The operands that are values, as the right side takes them, and what stands beside. */
  readonly leaves: readonly Source[];
  readonly others: readonly Value[];
  readonly numbers: readonly number[];
  readonly covered: ReadonlySet<Node>;
  /** Of these the ones that go: what only moves may be read by others, and stays for them. */
  readonly owned: ReadonlySet<Node>;
  readonly graph: Graph;
  readonly cost: readonly [number, number];
  readonly nodes: readonly [number, number];
}

class Round {
  private readonly survey: Survey;
  private readonly cost: Cost;
  private readonly refused: Refused[] = [];
  private values = 0;

  constructor(
    private readonly graph: Graph,
    private readonly rules: readonly Rule[],
    private readonly options: RewriteOptions,
    /** Matches that could not be applied, by their keys: why. */
    private readonly stuck: Map<string, string>,
  ) {
    this.survey = new Survey(graph, new Terms());
    this.cost = costBy(options.costs ?? PASSES);
  }

  run(): { graph?: Graph; fired: readonly Fired[]; refused: readonly Refused[]; values: number } {
    const plans = this.plans().toSorted(byGain);
    const chosen: Plan[] = [];
    for (const plan of plans) if (!chosen.some((c) => overlap(c, plan))) chosen.push(plan);
    const { values } = this;
    const refused = distinct(this.refused);
    if (chosen.length === 0) return { fired: [], refused, values };
    const { graph, done } = this.apply(chosen);
    if (done.length === 0) {
      const stuck = chosen.map((p) => this.refusal(p.match.rule, p.root, "refused", this.stuck.get(keyOf(p))!));
      return { fired: [], refused: [...refused, ...stuck], values };
    }
    const fired = done.map((p) => this.fired(p, plans));
    return { graph: removeDead(shareCommon(foldConstants(graph))), fired, refused, values };
  }

  steps(): readonly { readonly rule: Rule; readonly graph: Graph }[] {
    return this.plans().flatMap((plan) => {
      const graph = this.applied([plan]);
      return graph ? [{ rule: plan.match.rule, graph: removeDead(shareCommon(foldConstants(graph))) }] : [];
    });
  }

  private fired(plan: Plan, all: readonly Plan[]): Fired {
    const { rule } = plan.match;
    const { inside, times } = this.survey.made.get(plan.root.id)!;
    const over = all.filter((p) => p !== plan && p.match.rule.title !== rule.title && overlap(p, plan));
    return {
      rule: rule.title,
      ruleSpan: rule.span,
      span: spanOf(plan),
      inside,
      times,
      nodes: plan.nodes,
      cost: plan.cost,
      over: [...new Set(over.map((p) => p.match.rule.title))],
    };
  }

  // ── What rules match ────────────────────────────────────────────────────────────────────────────────────────────────

  private plans(): Plan[] {
    const byOperator = new Map<Term["op"], Rule[]>();
    for (const rule of this.rules)
      for (const op of rule.left.op === "recip" ? (["recip", "mul"] as const) : [rule.left.op])
        byOperator.set(op, [...(byOperator.get(op) ?? []), rule]);
    const plans: Plan[] = [];
    const seen = new Set<number>();
    for (const node of this.survey.nodes) {
      const [root] = node.outputs as [Value];
      if (node.op === "call" || node.outputs.length !== 1) continue;
      const term = this.survey.termOf(root);
      if (seen.has(term.id)) continue;
      seen.add(term.id);
      this.values++;
      this.tryAll(byOperator.get(term.op) ?? [], term, root, plans);
    }
    return plans;
  }

  private tryAll(rules: readonly Rule[], term: Term, root: Value, plans: Plan[]): void {
    const misses = new Map<string, { rule: Rule; miss: Miss }>();
    const settled = new Set<string>();
    const reasons = new Map<string, { rule: Rule; why: string }>();
    for (const rule of rules) {
      const found = match(rule, term, this.survey.terms);
      if ("why" in found) {
        const before = misses.get(rule.title);
        if (isNear(found, rule) && (!before || before.miss.found < found.found))
          misses.set(rule.title, { rule, miss: found });
        continue;
      }
      const plan = this.plan(found, root);
      if (plan === undefined) settled.add(rule.title);
      else if ("why" in plan) reasons.set(rule.title, { rule, why: plan.why });
      else {
        plans.push(plan);
        settled.add(rule.title);
      }
    }
    for (const [title, { rule, why }] of reasons)
      if (!settled.has(title)) this.refused.push(this.refusal(rule, root, "refused", why));
    if (settled.size > 0) return;
    for (const [title, { rule, miss }] of misses)
      if (!reasons.has(title)) this.refused.push(this.refusal(rule, root, "nearly", miss.why));
  }

  private refusal(rule: Rule, root: Value, kind: Refused["kind"], why: string): Refused {
    const { node, inside } = this.survey.made.get(root.id)!;
    return { rule: rule.title, span: node.span, inside, kind, why };
  }

  /** What a match would do; undefined where it would leave everything as it is. */
  private plan(found: Match, root: Value): Plan | { readonly why: string } | undefined {
    const { rule } = found;
    const cone = this.cone(found, root);
    if ("why" in cone) return cone;
    const { covered, origins, sources } = cone;
    const reader = this.foreignReader(covered, root);
    if (reader) return { why: reader };
    const present = rule.operands.filter((o) => !o.scalar);
    const leaves = present.map((o) => sources.get(found.values.get(o.name)!.id)!);
    const types = present.map((o, i): [string, Type] => [
      o.name,
      inOrder(
        typeOf(leaves[i]!),
        o.axes.map((a) => found.axes.get(a)!.name),
      ),
    ]);
    const axes = new Map<string, Axis>([...found.axes].map(([name, a]) => [name, { name: a.name, size: a.size }]));
    const right = replacement(rule, { values: new Map(types), numbers: found.numbers, axes });
    if (!right) return { why: "its right side does not fit the types that are here" };
    const kept = removeDead(foldConstants(inlineCalls(right, this.options.keeps)));
    const others = found.others.filter((t) => t.number === undefined).map((t) => origins.get(t.id)!);
    const numbers = found.others.flatMap((t) => (t.number === undefined ? [] : [t.number]));
    const besides = leaves.reduce((n, l) => n + operatorsOf(l), others.length + numbers.length);
    const gone = [...covered].filter((n) => n.outputs[0]!.id === root.id || !this.staysFor(n, covered));
    const before = gone.reduce((n, node) => n + this.cost(node), 0);
    const after = kept.nodes.reduce((n, node) => n + this.cost(node), besides);
    if (after >= before && !this.options.always) {
      const missing = right.nodes.find((n) => n.op === "call" && !kept.nodes.some((k) => k.op === "call"));
      // The library's own operators were taken apart because the target has no kernel for them.
      const ours = this.survey.made.get(root.id)?.node.span?.file.library === true;
      if ((after === before && !missing) || (missing && ours)) return undefined;
      return {
        why:
          missing?.op === "call"
            ? `the target has no kernel for this ${missing.attrs.name}`
            : "it would not be cheaper",
      };
    }
    const plan: Plan = {
      match: found,
      root,
      leaves,
      others,
      numbers,
      covered,
      owned: new Set(gone.filter((n) => this.cost(n) > 0 || n.outputs[0]!.id === root.id)),
      graph: kept,
      cost: [before, after],
      nodes: [operatorsIn([...covered], this.cost), operatorsIn(kept.nodes, this.cost) + besides],
    };
    const wrong = this.wrongType(plan);
    const stuck = this.stuck.get(keyOf(plan));
    return wrong ?? (stuck === undefined ? plan : { why: stuck });
  }

  /** The nodes between the operands of a match and its root, and the value of each operand. */
  private cone(
    found: Match,
    root: Value,
  ):
    | { covered: ReadonlySet<Node>; origins: ReadonlyMap<number, Value>; sources: ReadonlyMap<number, Source> }
    | { why: string } {
    const { terms } = this.survey;
    const leaves = new Map<number, string>();
    for (const [name, term] of found.values) leaves.set(term.id, name);
    const operands = new Set(leaves.keys());
    for (const term of found.values.values())
      for (const part of this.partsOf(term)) if (!leaves.has(part.id)) leaves.set(part.id, "");
    for (const term of found.others) if (term.number === undefined) leaves.set(term.id, "what stands beside");
    const origins = new Map<number, Value>();
    const negated = new Set<number>();
    const covered = new Set<Node>();
    let why: string | undefined;
    /** What a difference takes away may be an operand with the other sign, which is no value by itself. */
    const isNegated = (node: Node): boolean => {
      const taken = node.op === "sub" && node.outputs[0]!.type.dtype === "float" ? node.inputs[1] : undefined;
      if (!taken) return false;
      const { id } = terms.product([terms.number(-1), this.survey.termOf(taken)]);
      if (!operands.has(id)) return false;
      if (origins.has(id) && !negated.has(id)) return false;
      negated.add(id);
      if (!origins.has(id)) origins.set(id, this.survey.itself(taken));
      return true;
    };
    const visit = (value: Value, isRoot: boolean): void => {
      const v = this.survey.itself(value);
      const term = this.survey.termOf(v);
      if (!isRoot && leaves.has(term.id)) {
        if (!origins.has(term.id)) origins.set(term.id, v);
        return;
      }
      const made = this.survey.made.get(v.id);
      if (!made || made.node.op === "repeat" || made.node.op === "scan") {
        why ??= `it depends on ${showType(v.type)} besides its operands`;
        return;
      }
      if (covered.has(made.node)) return;
      covered.add(made.node);
      const inputs = isNegated(made.node) ? made.node.inputs.slice(0, 1) : made.node.inputs;
      for (const input of inputs) visit(input, false);
    };
    visit(root, true);
    if (why !== undefined) return { why };
    const beside = found.others.some((t) => t.number === undefined && !origins.has(t.id));
    if (beside) return { why: "what stands beside is no value that the program computes" };
    const sources = new Map<number, Source>();
    for (const [name, term] of found.values) {
      const source = this.sourceOf(term, origins, negated);
      if (!source) return { why: `${name} is no value that the program computes` };
      sources.set(term.id, source);
    }
    return { covered, origins, sources };
  }

  /** What an operand may be made of, where the program computes no such value. */
  private partsOf(term: Term): readonly Term[] {
    if (term.dtype === "bool" && term.op !== "and") return [this.survey.terms.opposite(term)];
    return term.op === "add" || term.op === "and" ? term.inputs.flatMap((t) => [t, ...this.partsOf(t)]) : [];
  }

  private sourceOf(term: Term, origins: ReadonlyMap<number, Value>, negated: ReadonlySet<number>): Source | undefined {
    const value = origins.get(term.id);
    if (value)
      return negated.has(term.id)
        ? { kind: "turned", op: "neg", of: { kind: "value", value } }
        : { kind: "value", value };
    if (term.op === "add" || term.op === "and") {
      const of = term.inputs.map((t) => this.sourceOf(t, origins, negated));
      return of.every((s) => s !== undefined) ? { kind: "joined", op: term.op, of } : undefined;
    }
    const other = term.dtype === "bool" ? origins.get(this.survey.terms.opposite(term).id) : undefined;
    return other && { kind: "turned", op: "not", of: { kind: "value", value: other } };
  }

  /** Who else reads what would be gone. */
  private foreignReader(covered: ReadonlySet<Node>, root: Value): string | undefined {
    for (const node of covered) {
      if (node.inputs.length === 0 || node.outputs.some((v) => v.id === root.id)) continue;
      if (this.mayStay(node, covered)) continue;
      for (const v of node.outputs)
        for (const reader of this.survey.readersOf(v)) {
          if (reader === "outside") return `its ${node.op} is an output or handed on`;
          if (!covered.has(reader)) return `its ${node.op} is read by another ${reader.op}`;
        }
    }
    return undefined;
  }

  /** What only moves, or makes numbers of a mask, can stay for its other readers, if nothing else has to stay for it. */
  private mayStay(node: Node, covered: ReadonlySet<Node>): boolean {
    const isMask = node.op === "where" && node.inputs.slice(1).every((v) => this.survey.termOf(v).number !== undefined);
    return (isMask || this.cost(node) === 0) && !this.needsWork(node, covered);
  }

  private staysFor(node: Node, covered: ReadonlySet<Node>): boolean {
    return (
      this.mayStay(node, covered) &&
      node.outputs.some((v) => [...this.survey.readersOf(v)].some((r) => r === "outside" || !covered.has(r)))
    );
  }

  /** Is a node of these that costs something before this one? */
  private needsWork(node: Node, covered: ReadonlySet<Node>): boolean {
    return node.inputs.some((v) => {
      const before = this.survey.made.get(this.survey.itself(v).id)?.node;
      return before && covered.has(before) && (this.cost(before) > 0 || this.needsWork(before, covered));
    });
  }

  private wrongType({ graph, root, others }: Plan): { why: string } | undefined {
    const { type } = graph.outputs[0]!.value;
    const axes = new Map([...others.flatMap((v) => v.type.axes), ...type.axes].map((a) => [a.name, a.size]));
    const same =
      type.dtype === root.type.dtype &&
      axes.size === root.type.axes.length &&
      root.type.axes.every((a) => axes.get(a.name)?.equals(a.size));
    return same ? undefined : { why: `its result would be ${showType(type)} in place of ${showType(root.type)}` };
  }

  // ── Rebuilding ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** All of them; where the order of axes would change at a boundary, those one by one that leave it. */
  private apply(plans: readonly Plan[]): { graph: Graph; done: readonly Plan[] } {
    const all = this.applied(plans);
    if (all) return { graph: all, done: plans };
    const done: Plan[] = [];
    for (const plan of plans) {
      if (this.applied([...done, plan])) done.push(plan);
      else this.stuck.set(keyOf(plan), "the order of axes would change where it must not");
    }
    return { graph: this.applied(done) ?? this.graph, done };
  }

  private applied(plans: readonly Plan[]): Graph | undefined {
    const byRoot = new Map(plans.map((p) => [p.root.id, p]));
    const now = new Map<number, Value>();
    const note = (v: Value, scope: Scope): void => {
      const { id } = this.survey.itself(v);
      if (!now.has(id)) now.set(id, scope.get(v));
    };
    try {
      const graph = rebuild(this.graph, {
        node: (node, scope) => {
          if (!this.survey.made.has(node.outputs[0]?.id ?? 0)) return undefined;
          if (node.op !== "repeat") for (const v of node.inputs) note(v, scope);
          const plan = byRoot.get(node.outputs[0]!.id);
          return plan && [this.put(plan, now, scope)];
        },
      });
      return sameBoundary(this.graph, graph) ? graph : undefined;
    } catch (error) {
      if (error instanceof RebuildError) return undefined;
      throw error;
    }
  }

  private put(plan: Plan, now: ReadonlyMap<number, Value>, scope: Scope): Value {
    const span = spanOf(plan);
    const of = (v: Value): Value => now.get(v.id)!;
    const nodes = plan.graph.nodes.map((n) => ({ ...n, span }) as Node);
    const { op: outermost } = plan.match.rule.left;
    const op = isFree(outermost) ? outermost : "mul";
    const leaves = plan.leaves.map((source) => makeOf(source, of, scope, span));
    let [value] = scope.inline({ ...plan.graph, nodes }, leaves) as [Value];
    for (const other of plan.others) value = scope.emit1(op, [value, of(other)], {}, span);
    for (const n of plan.numbers)
      value = scope.emit1(op, [value, scope.emit1("constant", [], { value: n, dtype: "float" }, span)], {}, span);
    return value;
  }
}

/** Of refusals for the same reason those whose places lie in no other's: a product is refused with each of its parts. */
function distinct(all: readonly Refused[]): readonly Refused[] {
  const within = (a: Refused, b: Refused): boolean =>
    a.span !== undefined && b.span?.file === a.span.file && b.span.start <= a.span.start && a.span.end <= b.span.end;
  const covers = (b: Refused, a: Refused): boolean => b.rule === a.rule && b.why === a.why && within(a, b);
  return all.filter((a, i) => !all.some((b, j) => i !== j && covers(b, a) && (!covers(a, b) || j < i)));
}

/** The left side was found, but for a part. */
function isNear(miss: Miss, rule: Rule): boolean {
  return miss.why !== "" && miss.found >= 3 && miss.found >= 0.6 * rule.size;
}

function byGain(a: Plan, b: Plan): number {
  const gain = (p: Plan): number => p.cost[0] - p.cost[1];
  return (
    gain(b) - gain(a) ||
    a.others.length + a.numbers.length - b.others.length - b.numbers.length ||
    b.covered.size - a.covered.size ||
    (a.match.rule.title < b.match.rule.title ? -1 : 1)
  );
}

function overlap(a: Plan, b: Plan): boolean {
  return [...a.owned].some((n) => n.inputs.length > 0 && b.owned.has(n));
}

/** The same match of the same place, in whatever round. */
function keyOf({ match: { rule }, root, covered }: Plan): string {
  const span = spanOf({ root, covered } as Plan);
  return `${rule.title} ${span?.file.name} ${span?.start} ${showType(root.type)}`;
}

function spanOf({ root, covered }: Plan): Span | undefined {
  return [...covered].find((n) => n.outputs.some((v) => v.id === root.id))?.span;
}

function operatorsIn(nodes: readonly Node[], cost: Cost): number {
  return nodes.filter((n) => n.inputs.length > 0 && cost(n) > 0).length;
}

/** Its axes with these last, in this order: as the rule declares them. */
function inOrder(type: Type, last: readonly string[]): Type {
  const rest = type.axes.filter((a) => !last.includes(a.name));
  return { dtype: type.dtype, axes: [...rest, ...last.map((name) => type.axes.find((a) => a.name === name)!)] };
}

function sameBoundary(a: Graph, b: Graph): boolean {
  const order = (v: Value): string => showType(v.type);
  return (
    a.outputs.every((o, i) => order(o.value) === order(b.outputs[i]!.value)) &&
    a.states.every((s, i) => order(s.present) === order(b.states[i]!.present))
  );
}
