/**
 * @file The rules: `rewrite` declarations, each made a pattern for its left side and, where it matches, a graph for its right.
 *
 * An operand with a default may be absent: `shift: [d] = 0` makes of one declaration a rule with a shift and one without.
 */
import { Reporter, type Diagnostic } from "../diagnostics/diagnostic.ts";
import { Elaborator } from "../elaborate/elaborator.ts";
import { evaluate } from "../elaborate/expressions.ts";
import type { Frame } from "../elaborate/frame.ts";
import type { Module, Program } from "../elaborate/program.ts";
import { number, tensor, type V } from "../elaborate/values.ts";
import type { Graph, Value } from "../ir/graph.ts";
import { Size } from "../ir/size.ts";
import type { Axis, Dtype, Type } from "../ir/type.ts";
import { shareCommon } from "../passes/cse.ts";
import { removeDead } from "../passes/dce.ts";
import { foldConstants } from "../passes/fold.ts";
import { inlineCalls } from "../passes/inline.ts";
import type { Span } from "../source/source.ts";
import type * as ast from "../syntax/ast.ts";
import { readingOf, Terms, type Term } from "./terms.ts";

export interface RuleSource {
  readonly decl: ast.Rewrite;
  readonly module: Module;
  readonly program: Program;
}

/** An operand of a rule, as it is declared. */
export interface Operand {
  readonly name: string;
  readonly dtype: Dtype;
  /** The axes that a value must have. */
  readonly axes: readonly string[];
  /** What the rule says of their sizes: `d = 2 * half`. */
  readonly sized: readonly { readonly axis: string; readonly size: ast.Expr }[];
  /** It may have others (`...`). */
  readonly rest: boolean;
  /** A number known while compiling: declared without axes. */
  readonly scalar: boolean;
}

/** A rule with some of its operands absent. */
export interface Rule {
  readonly title: string;
  readonly span: Span;
  readonly source: RuleSource;
  /** Those that are there. */
  readonly operands: readonly Operand[];
  readonly left: Term;
  /** Sizes that the rule states, by the axis, in those of the other axes. */
  readonly sizes: ReadonlyMap<string, Size>;
  /** How many operators the left side has. */
  readonly size: number;
  readonly absent: ReadonlySet<string>;
}

/** What a rule's names stand for where it matches. */
export interface Bound {
  readonly values: ReadonlyMap<string, Type>;
  readonly numbers: ReadonlyMap<string, number>;
  readonly axes: ReadonlyMap<string, Axis>;
}

/** All rewrites that modules declare whose names are seen everywhere, and those of `own`. */
export function sourcesOf(program: Program): readonly RuleSource[] {
  return [...program.modules.values()]
    .filter((m) => m.everywhere)
    .flatMap((module) =>
      module.syntax.decls.flatMap((decl) => (decl.kind === "Rewrite" ? [{ decl, module, program }] : [])),
    );
}

/** Those of a program's own modules. */
export function ownSourcesOf(program: Program): readonly RuleSource[] {
  const library = new Set(program.library.modules());
  return [...program.modules.values()]
    .filter((m) => !library.has(m.name))
    .flatMap((module) =>
      module.syntax.decls.flatMap((decl) => (decl.kind === "Rewrite" ? [{ decl, module, program }] : [])),
    );
}

/** The rules that a declaration stands for; none where it has mistakes, which the diagnostics tell. */
export function rulesOf(source: RuleSource): { rules: readonly Rule[]; diagnostics: readonly Diagnostic[] } {
  const { decl } = source;
  const optional = decl.operands.items.filter((o) => o.default).map((o) => o.name.name);
  const rules: Rule[] = [];
  for (let bits = 0; bits < 2 ** optional.length; bits++) {
    const absent = new Set(optional.filter((_, i) => (bits >> i) % 2 === 1));
    const sketch = new Sketch(source, absent);
    const left = sketch.side(decl.left, sketch.symbolic());
    if (!left || sketch.reporter.hasErrors) return { rules: [], diagnostics: sketch.reporter.diagnostics };
    const rule = ruleOf(source, absent, left, sketch.sizes);
    if (rule) rules.push(rule);
  }
  return { rules, diagnostics: [] };
}

function ruleOf(
  source: RuleSource,
  absent: ReadonlySet<string>,
  graph: Graph,
  sizes: ReadonlyMap<string, Size>,
): Rule | undefined {
  const terms = new Terms();
  const known = new Map<number, Term>();
  const present = source.decl.operands.items.filter((o) => !absent.has(o.name.name)).map(operandOf);
  for (const { name, value } of graph.inputs) known.set(value.id, terms.variable(name, value.type));
  const shared = removeDead(shareCommon(foldConstants(inlineCalls(graph, () => false))));
  for (const [i, { value }] of shared.inputs.entries()) known.set(value.id, known.get(graph.inputs[i]!.value.id)!);
  terms.graph(shared, known, readingOf(shared));
  const left = known.get(shared.outputs[0]!.value.id)!;
  const read = new Set<string>();
  const size = countOperators(left, read, new Set());
  // What an absent operand takes along is no rule of its own.
  if (size === 0 || present.some((o) => !read.has(o.name))) return undefined;
  const { title, span } = source.decl;
  return { title: title.value, span, source, operands: present, left, sizes, size, absent };
}

function countOperators(term: Term, read: Set<string>, seen: Set<number>): number {
  if (seen.has(term.id)) return 0;
  seen.add(term.id);
  if (term.op === "var") {
    read.add(term.name!);
    return 0;
  }
  const own = term.op === "constant" ? 0 : 1;
  return term.inputs.reduce((n, t) => n + countOperators(t, read, seen), own);
}

function operandOf(param: ast.Param): Operand {
  const { type } = param;
  const axes = (type?.axes ?? []).flatMap((a) => (a.kind === "Axis" || a.kind === "Sized" ? [a.name.name] : []));
  const sized = (type?.axes ?? []).flatMap((a) => (a.kind === "Sized" ? [{ axis: a.name.name, size: a.size }] : []));
  const rest = (type?.axes ?? []).some((a) => a.kind === "Rest");
  const dtype: Dtype = type?.base?.name === "int" || type?.base?.name === "bool" ? type.base.name : "float";
  return { name: param.name.name, dtype, axes, sized, rest, scalar: dtype === "float" && axes.length === 0 && !rest };
}

/** Small sizes, different for each axis; the second where an axis has to be wider than several others together. */
const SMALL: readonly ((i: number) => number)[] = [(i) => 2 * i + 3, (i) => 3 ** i + 2];

/** The left side at small sizes and numbers, taken apart: a graph that the rule matches. */
export function sampleOf(rule: Rule): Graph | undefined {
  for (const small of SMALL) {
    const graph = sampleAt(rule, small);
    if (graph) return graph;
  }
  return undefined;
}

function sampleAt(rule: Rule, small: (i: number) => number): Graph | undefined {
  const sketch = new Sketch(rule.source, rule.absent);
  const names = [REST, ...new Set(rule.operands.flatMap((o) => o.axes))];
  const free = names.filter((name) => !rule.sizes.has(name));
  const numbers = new Map(free.map((name, i) => [name, Size.of(small(i))]));
  const sizeOf = (name: string): Size => numbers.get(name) ?? rule.sizes.get(name)!.substitute(numbers);
  const axes = new Map(names.map((name): [string, Axis] => [name, { name, size: sizeOf(name) }]));
  const given = (name: string): Given | undefined => {
    const at = rule.operands.findIndex((o) => o.name === name);
    const operand = rule.operands[at];
    if (!operand) return undefined;
    if (operand.scalar) return { kind: "number", value: 0.3 + at };
    const own = [...(operand.rest ? [REST] : []), ...operand.axes].map((a) => axes.get(a)!);
    return { kind: "type", type: { dtype: operand.dtype, axes: own } };
  };
  const graph = sketch.side(rule.source.decl.left, given, axes);
  return graph && removeDead(shareCommon(foldConstants(inlineCalls(graph, () => false))));
}

/**
 * Whether the condition of a rule holds: `when target.layer_normalization`, of a target's capabilities by their names in words that
 * are joined by `_`. What a target says nothing of it cannot do.
 */
export function isWanted({ decl, module, program }: RuleSource, target: object): boolean {
  if (!decl.when) return true;
  const e = new Elaborator(program, new Reporter(), decl.title.value);
  const frame = e.frame("model", `the rewrite "${decl.title.value}"`, module, undefined, undefined, undefined, []);
  const members = Object.fromEntries(Object.entries(target).map(([name, v]: [string, unknown]) => [inWords(name), v]));
  frame.set("target", { kind: "object", members, path: "target" });
  const found = evaluate(e, decl.when, frame);
  return found.kind === "bool" && found.value;
}

function inWords(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** The right side of a rule for the values that its left side was found to have; its inputs are the operands that are values, in order. */
export function replacement(rule: Rule, bound: Bound): Graph | undefined {
  const sketch = new Sketch(rule.source, rule.absent);
  return sketch.side(
    rule.source.decl.right,
    (name) => {
      const value = bound.values.get(name);
      if (value) return { kind: "type", type: value };
      const n = bound.numbers.get(name);
      return n === undefined ? undefined : { kind: "number", value: n };
    },
    bound.axes,
  );
}

type Given = { readonly kind: "type"; readonly type: Type } | { readonly kind: "number"; readonly value: number };

class Sketch {
  readonly reporter = new Reporter();
  /** Sizes that the rule states, by the axis, in those of the other axes. */
  readonly sizes: ReadonlyMap<string, Size>;
  private readonly e: Elaborator;

  constructor(
    private readonly source: RuleSource,
    private readonly absent: ReadonlySet<string>,
  ) {
    this.e = new Elaborator(source.program, this.reporter, source.decl.title.value);
    this.sizes = this.stated();
  }

  private stated(): ReadonlyMap<string, Size> {
    const operands = this.source.decl.operands.items.map(operandOf);
    const sizes = new Map<string, Size>();
    const frame = this.frame();
    for (const name of new Set(operands.flatMap((o) => o.axes)))
      frame.set(name, { kind: "dim", axis: { name, size: Size.symbol(name) } });
    for (const { axis, size } of operands.flatMap((o) => o.sized)) {
      const v = evaluate(this.e, size, frame);
      const found = v.kind === "size" ? v.size : v.kind === "dim" ? v.axis.size : undefined;
      if (found) sizes.set(axis, found);
      else if (v.kind === "number") sizes.set(axis, Size.of(v.value));
    }
    return sizes;
  }

  private frame(): Frame {
    const { decl, module } = this.source;
    return this.e.frame("model", `the rewrite "${decl.title.value}"`, module, undefined, undefined, undefined, []);
  }

  private sizeOf(name: string): Size {
    return this.sizes.get(name) ?? Size.symbol(name);
  }

  /** Operands of the axes that the rule states: as many as it names, and one for `...`. */
  symbolic(): (name: string) => Given | undefined {
    const items = new Map(this.source.decl.operands.items.map((o) => [o.name.name, operandOf(o)]));
    return (name) => {
      const operand = items.get(name);
      if (!operand) return undefined;
      const axis = (n: string): Axis => ({ name: n, size: this.sizeOf(n) });
      const axes = [...(operand.rest ? [axis(REST)] : []), ...operand.axes.map(axis)];
      return { kind: "type", type: { dtype: operand.dtype, axes } };
    };
  }

  side(x: ast.Expr, given: (name: string) => Given | undefined, dims?: ReadonlyMap<string, Axis>): Graph | undefined {
    const { e, source } = this;
    const { decl } = source;
    const frame = this.frame();
    this.declareAxes(frame, dims);
    for (const param of decl.operands.items) {
      const { name } = param.name;
      if (this.absent.has(name)) frame.set(name, evaluate(e, param.default!, frame));
      else frame.set(name, this.operand(name, given(name), param.span));
    }
    const made = evaluate(e, x, frame);
    const value = this.value(made, x.span);
    if (!value || this.reporter.hasErrors) return undefined;
    e.builder.output("0", value);
    return e.builder.build();
  }

  private declareAxes(frame: Frame, dims: ReadonlyMap<string, Axis> | undefined): void {
    const names = new Set(this.source.decl.operands.items.flatMap((o) => operandOf(o).axes));
    for (const name of names) {
      const axis = dims?.get(name) ?? { name, size: this.sizeOf(name) };
      frame.set(name, { kind: "dim", axis });
      frame.offer(name);
    }
  }

  private operand(name: string, given: Given | undefined, span: Span): V {
    if (given?.kind === "type") return tensor(this.e.builder.input(name, given.type, undefined, span));
    return given ? number(given.value) : { kind: "invalid" };
  }

  private value(made: V, span: Span): Value | undefined {
    return made.kind === "invalid" ? undefined : this.e.asTensor(made, span);
  }
}

/** What `...` is called in a pattern: no axis of a program has this name. */
export const REST = "...";
