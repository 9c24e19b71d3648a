/** @file Matches the left side of a rule on a term: which values, numbers and axes its names stand for. */
import { Size } from "../ir/size.ts";
import { float64 } from "../ops/float64.ts";
import type { Rule } from "./rules.ts";
import { combine, isFree, UNITS, type Free, type Term, type Terms } from "./terms.ts";

export interface Match {
  readonly rule: Rule;
  readonly values: ReadonlyMap<string, Term>;
  readonly numbers: ReadonlyMap<string, number>;
  /** The graph's axes by the rule's names. */
  readonly axes: ReadonlyMap<string, { readonly name: string; readonly size: Size }>;
  /** Operands of the outermost sum or product that the rule has nothing to do with. */
  readonly others: readonly Term[];
}

/** The furthest that a match came. */
export interface Miss {
  /** How many operators of the left side had been found. */
  readonly found: number;
  readonly why: string;
}

type Next = () => boolean;

/** Numbers of a rule are those of the program up to rounding, or as many digits as programs write. */
const TOLERANCE = 1e-9;
/** The smallest number that float32 has with all its digits. */
const LEAST_NORMAL = 2 ** -126;

export function match(rule: Rule, term: Term, terms: Terms): Match | Miss {
  return new Matcher(rule, terms).run(term);
}

class Matcher {
  private readonly values = new Map<string, Term>();
  private readonly numbers = new Map<string, number>();
  private readonly axes = new Map<string, { name: string; size: Size }>();
  /** Sizes of the rule and what they are in the graph: told when all operands are known. An axis is shorter where a part of it is taken. */
  private readonly sizes: (readonly [rule: Size, graph: Size])[] = [];
  private depth = 0;
  private miss: Miss = { found: 0, why: "" };
  private others: readonly Term[] = [];

  constructor(
    private readonly rule: Rule,
    private readonly terms: Terms,
  ) {}

  run(term: Term): Match | Miss {
    const { left } = this.rule;
    const done: Next = () => this.complete();
    const found = isFree(left.op)
      ? this.operands(left, term, true, done)
      : left.op === "recip" && term.op === "mul"
        ? this.factor(left, term, done)
        : this.term(left, term, done);
    if (!found) return this.miss;
    const { rule, values, numbers, axes, others } = this;
    return { rule, values, numbers, axes, others };
  }

  /** A quotient as one factor of a product: x / y is x times 1 / y. */
  private factor(left: Term, term: Term, done: Next): boolean {
    return this.assign("mul", [left], term.inputs, true, (others) => {
      this.others = others;
      return done();
    });
  }

  private fail(why: string): false {
    if (this.depth > this.miss.found) this.miss = { found: this.depth, why };
    return false;
  }

  /** One more operator has been found; taken back where what follows does not fit. */
  private deeper(next: Next): boolean {
    this.depth++;
    if (next()) return true;
    this.depth--;
    return false;
  }

  private term(p: Term, g: Term, next: Next): boolean {
    if (p.op === "var") return this.variable(p, g, next);
    const n = this.numberOf(p);
    if (n !== undefined)
      return g.number !== undefined && near(n, g.number)
        ? next()
        : this.fail(`it has ${show(g)} where the rule has ${n}`);
    if (isFree(p.op)) return this.operands(p, g, false, next);
    if (p.op !== g.op || p.inputs.length !== g.inputs.length)
      return this.fail(`it has ${show(g)} where the rule has ${show(p)}`);
    const pairs = (i: number): boolean =>
      i === p.inputs.length ? next() : this.term(p.inputs[i]!, g.inputs[i]!, () => pairs(i + 1));
    return this.attributes(p, g, () => this.deeper(() => pairs(0)));
  }

  private variable(p: Term, g: Term, next: Next): boolean {
    const name = p.name!;
    const operand = this.rule.operands.find((o) => o.name === name)!;
    if (operand.scalar) {
      const known = this.numbers.get(name);
      if (g.number === undefined) return this.fail(`${name} is not a number that is known while compiling`);
      if (known !== undefined) return near(known, g.number) ? next() : this.fail(`${name} is ${known} and ${g.number}`);
      return this.bindNumber(name, g.number, next);
    }
    const known = this.values.get(name);
    if (known) return known === g ? next() : this.fail(`${name} would be two different values`);
    if (g.dtype !== operand.dtype && !(operand.dtype === "float" && g.number !== undefined && g.dtype !== "bool"))
      return this.fail(`${name} is ${g.dtype}, and the rule wants ${operand.dtype}`);
    this.values.set(name, g);
    if (next()) return true;
    this.values.delete(name);
    return false;
  }

  private bindNumber(name: string, n: number, next: Next): boolean {
    this.numbers.set(name, n);
    if (next()) return true;
    this.numbers.delete(name);
    return false;
  }

  // ── Sums and products ───────────────────────────────────────────────────────────────────────────────────────────────

  /** Operands in any order. With `open` the term may have more of them than the rule. */
  private operands(p: Term, g: Term, open: boolean, next: Next): boolean {
    const op = p.op as Free;
    if (g.op !== op && !p.inputs.some((i) => isScalar(i, this.rule)))
      return this.fail(`it has ${show(g)} where the rule has ${show(p)}`);
    const all = g.op === op ? g.inputs : [g];
    const scalars = p.inputs.filter((i) => isScalar(i, this.rule));
    const parts = p.inputs.filter((i) => !scalars.includes(i));
    const compounds = parts.filter((i) => i.op !== "var").toSorted((a, b) => weight(b) - weight(a));
    const variables = parts.filter((i) => i.op === "var");
    const given = all.filter((t) => t.number !== undefined);
    const rest = all.filter((t) => t.number === undefined);
    // Of whole numbers and bools there may be several.
    const n = given.length === 0 ? undefined : given.reduce((m, t) => combine(op, m, t.number!), UNITS[op]);
    const early = this.solve(op, scalars, n, open);
    const end = (left: readonly Term[]): boolean => {
      if (left.length > 0 && !open) return this.fail(`it has ${show(left[0]!)} besides, which the rule has not`);
      const finish = (extra: number | undefined): boolean => {
        this.others = [...left, ...(extra === undefined ? [] : [this.terms.number(extra)])];
        return next();
      };
      if (early !== "later") return finish(early.extra);
      const late = this.solve(op, scalars, n, open);
      if (late === "later") return this.fail("a number of the rule cannot be told");
      return "why" in late ? this.fail(late.why) : this.with(late, () => finish(late.extra));
    };
    const run = (): boolean => this.deeper(() => this.assign(op, [...compounds, ...variables], rest, open, end));
    if (early === "later") return run();
    return "why" in early ? this.fail(early.why) : this.with(early, run);
  }

  private with(solved: Solved, next: Next): boolean {
    return solved.bind ? this.bindNumber(solved.bind.name, solved.bind.value, next) : next();
  }

  private assign(
    op: Free,
    wanted: readonly Term[],
    left: readonly Term[],
    open: boolean,
    end: (left: readonly Term[]) => boolean,
  ): boolean {
    const [p, ...more] = wanted;
    if (!p) return end(left);
    if (left.length === 0) return this.fail(`there is nothing for ${show(p)}`);
    const bound = p.op === "var" ? this.values.get(p.name!) : undefined;
    if (bound?.op === op) {
      const after = without(left, bound.inputs);
      if (after && this.assign(op, more, after, open, end)) return true;
    }
    for (const [i, g] of left.entries()) {
      if (left.indexOf(g) < i) continue;
      const after = [...left.slice(0, i), ...left.slice(i + 1)];
      if (this.term(p, g, () => this.assign(op, more, after, open, end))) return true;
    }
    // What is left may be one value: a sum that was merged into this one.
    if (p.op !== "var" || bound || more.length > 0 || left.length < 2) return false;
    // A sum or a mask need be none: it is made of them.
    const whole = op === "add" || op === "and" ? this.terms.free(op, left, left[0]!.dtype) : this.terms.known(op, left);
    return whole !== undefined && this.variable(p, whole, () => end([]));
  }

  /** The numbers of a sum or product: those of the rule make that of the program, or one of them is what is missing. */
  private solve(op: Free, scalars: readonly Term[], n: number | undefined, open: boolean): Solution {
    if (scalars.length === 0) return n === undefined ? {} : open ? { extra: n } : { why: `it has ${n} besides` };
    const found = n ?? UNITS[op];
    const values = scalars.map((s) => this.numberOf(s));
    const known = values.reduce<number>((all, v) => (v === undefined ? all : combine(op, all, v)), UNITS[op]);
    const rest = op === "add" ? found - known : op === "mul" ? found / known : found;
    const unknown = scalars.filter((_, i) => values[i] === undefined);
    if (unknown.length === 0) {
      if (near(known, found)) return {};
      return open && (op === "add" || op === "mul") && Number.isFinite(rest)
        ? { extra: rest }
        : { why: `it has ${found} where the rule has ${known}` };
    }
    const [one] = unknown as [Term];
    const asked = one.op === "recip" ? one.inputs[0]! : one;
    if (unknown.length > 1 || asked.op !== "var" || !Number.isFinite(rest)) return "later";
    // What is multiplied by nothing is something else, and no number that a rule divides by is found so.
    if (op === "mul" && rest === 0) return { why: "a factor of it is 0" };
    return { bind: { name: asked.name!, value: one.op === "recip" ? 1 / rest : rest } };
  }

  /** What a term of the rule without values is, once its names are known. */
  private numberOf(p: Term): number | undefined {
    if (p.number !== undefined) return p.number;
    if (p.op === "var") return this.numbers.get(p.name!);
    if (p.op === "size") return this.sizeOf((p.attrs as { of: Size }).of)?.known;
    if (p.axes.size > 0 || p.inputs.length === 0) return undefined;
    const inputs = p.inputs.map((i) => this.numberOf(i));
    if (inputs.includes(undefined)) return undefined;
    const numbers = inputs as number[];
    if (p.op === "recip") return 1 / numbers[0]!;
    if (p.op === "cast" && p.dtype === "float") return numbers[0]!;
    if (p.op === "mul") return numbers.reduce((a, b) => a * b);
    if (p.op === "add") return numbers.reduce((a, b) => a + b);
    return p.op === "sqrt" || p.op === "rsqrt" || p.op === "log" || p.op === "exp"
      ? float64.unary(p.op, numbers[0]!)
      : undefined;
  }

  private sizeOf(of: Size): Size | undefined {
    const values = new Map<string, Size>();
    for (const symbol of of.symbols) {
      const axis = this.axes.get(symbol);
      if (!axis) return undefined;
      values.set(symbol, axis.size);
    }
    return of.substitute(values);
  }

  // ── Axes ────────────────────────────────────────────────────────────────────────────────────────────────────────────

  private attributes(p: Term, g: Term, next: Next): boolean {
    const before = [...this.axes.keys()];
    const { length } = this.sizes;
    const fits = p.op === "cast" ? same(p.attrs, g.attrs) : this.unify(p.attrs, g.attrs, sizesIn(g));
    if (fits && next()) return true;
    this.forget(before);
    this.sizes.length = length;
    return fits ? false : this.fail(`its ${show(g)} is along other axes`);
  }

  private forget(kept: readonly string[]): void {
    for (const name of [...this.axes.keys()]) if (!kept.includes(name)) this.axes.delete(name);
  }

  private unify(p: unknown, g: unknown, sizes: ReadonlyMap<string, Size>): boolean {
    if (typeof p === "string" && typeof g === "string") return this.axis(p, g, sizes.get(g));
    if (p instanceof Size && g instanceof Size) {
      if (p.symbols.size === 0) return p.equals(g);
      this.sizes.push([p, g]);
      return true;
    }
    if (Array.isArray(p) && Array.isArray(g))
      return p.length === g.length && p.every((x, i) => this.unify(x, g[i], sizes));
    if (p !== null && g !== null && typeof p === "object" && typeof g === "object") {
      const keys = Object.keys(p).filter((k) => k !== "origin");
      if (keys.length !== Object.keys(g).filter((k) => k !== "origin").length) return false;
      return keys.every((k) => this.unify(p[k as keyof typeof p], g[k as keyof typeof g], sizes));
    }
    return Object.is(p, g);
  }

  /** Names of a rule are of different axes. */
  private axis(p: string, g: string, size: Size | undefined): boolean {
    const known = this.axes.get(p);
    if (known) return known.name === g;
    if ([...this.axes.values()].some((a) => a.name === g) || !size) return false;
    this.axes.set(p, { name: g, size });
    return true;
  }

  /** Have the values the axes that the rule states, and none that it states of others only? */
  private complete(): boolean {
    const before = [...this.axes.keys()];
    for (const operand of this.rule.operands) {
      if (operand.scalar) {
        if (!this.numbers.has(operand.name)) return this.fail(`nothing tells ${operand.name}`);
        continue;
      }
      const value = this.values.get(operand.name);
      if (!value) return this.fail(`nothing tells ${operand.name}`);
      const why = this.misfit(operand, value);
      if (why !== undefined) {
        this.forget(before);
        return this.fail(why);
      }
    }
    if (this.sizesFit()) return true;
    this.forget(before);
    return this.fail("its parts are of other sizes");
  }

  /** Axes are as long as the operands have them. */
  private sizesFit(): boolean {
    const stated = [...this.rule.sizes];
    if (this.sizes.length === 0 && stated.length === 0) return true;
    const known = new Map([...this.axes].map(([rule, { size }]) => [rule, size]));
    for (const operand of this.rule.operands) {
      const value = this.values.get(operand.name);
      for (const name of operand.axes) {
        const size = value?.axes.get(this.axes.get(name)?.name ?? "");
        if (size) known.set(name, size);
      }
    }
    return (
      this.sizes.every(([rule, graph]) => rule.substitute(known).equals(graph)) &&
      stated.every(([axis, size]) => known.get(axis)?.equals(size.substitute(known)))
    );
  }

  private misfit(operand: Rule["operands"][number], value: Term): string | undefined {
    const taken = new Set([...this.axes.values()].map((a) => a.name));
    const free = [...value.axes].filter(([name]) => !taken.has(name));
    const open = operand.axes.filter((name) => !this.axes.has(name));
    // Nothing on the left side is about these axes: any will do, and the last ones are as the rule writes them.
    for (const [i, name] of open.entries()) {
      const found = free[free.length - open.length + i];
      if (!found) return `${operand.name} has fewer axes than the rule states`;
      this.axes.set(name, { name: found[0], size: found[1] });
    }
    const wanted = new Set(operand.axes.map((name) => this.axes.get(name)!.name));
    for (const name of wanted) if (!value.axes.has(name)) return `${operand.name} has no axis ${name}`;
    for (const name of value.axes.keys()) {
      if (wanted.has(name)) continue;
      if (!operand.rest)
        return `${operand.name} has the axis ${name} besides, and the rule wants [${operand.axes.join(", ")}]`;
      const other = [...this.axes].find(([, a]) => a.name === name);
      if (other) return `${operand.name} has the axis ${name}, which is ${other[0]} of the rule`;
    }
    return undefined;
  }
}

/** Solved numbers: one that is bound by them, and what is too much. */
interface Solved {
  readonly bind?: { readonly name: string; readonly value: number };
  readonly extra?: number;
}
type Solution = "later" | { readonly why: string; readonly extra?: undefined } | Solved;

function isScalar(term: Term, rule: Rule): boolean {
  if (term.op === "var") return rule.operands.some((o) => o.name === term.name && o.scalar);
  return (
    term.number !== undefined ||
    term.op === "size" ||
    (term.axes.size === 0 && term.inputs.length > 0 && term.inputs.every((i) => isScalar(i, rule)))
  );
}

function weight(term: Term): number {
  return term.inputs.reduce((n, t) => n + weight(t), 1);
}

function near(a: number, b: number): boolean {
  if (a === b || Object.is(a, b)) return true;
  if (!Number.isFinite(a) || !Number.isFinite(b)) return false;
  // Eight digits are what float32 can tell apart: 0.70710678 is the root of a half there.
  const [p, q] = [Math.fround(a), Math.fround(b)];
  if (p === q && Math.abs(p) >= LEAST_NORMAL && Number.isFinite(p)) return true;
  return Math.abs(a - b) <= TOLERANCE * Math.max(Math.abs(a), Math.abs(b));
}

/** The list without these, each once; undefined where one of them is not in it. */
function without(list: readonly Term[], gone: readonly Term[]): readonly Term[] | undefined {
  const rest = [...list];
  for (const t of gone) {
    const at = rest.indexOf(t);
    if (at < 0) return undefined;
    rest.splice(at, 1);
  }
  return rest;
}

function sizesIn(term: Term): ReadonlyMap<string, Size> {
  return new Map([...term.axes, ...term.inputs.flatMap((t) => [...t.axes])]);
}

function same(a: object, b: object): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

const NAMES: Readonly<Record<string, string>> = {
  add: "a sum",
  mul: "a product",
  recip: "a reciprocal",
  leaf: "a value",
  constant: "a number",
};

function show(term: Term): string {
  if (term.number !== undefined) return String(term.number);
  return term.op === "var" ? term.name! : (NAMES[term.op] ?? `\`${term.op}\``);
}
