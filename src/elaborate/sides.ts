/**
 * @file The two sides of a law as one graph, at sizes that the caller draws: what `tfm test` runs. Both read the same operands;
 * each has its own weights, which `tie` matches: by path and type, or as a `where` says.
 */
import { Reporter, type Diagnostic } from "../diagnostics/diagnostic.ts";
import type { Graph, Value } from "../ir/graph.ts";
import { GraphBuilder } from "../ir/builder.ts";
import { Size } from "../ir/size.ts";
import { showType, type Axis, type Dtype, type Type } from "../ir/type.ts";
import type * as ast from "../syntax/ast.ts";
import { apply, applyStage } from "./apply.ts";
import { Elaborator } from "./elaborator.ts";
import { evaluate } from "./expressions.ts";
import { Frame } from "./frame.ts";
import { neededSizes, sidesOf } from "./laws.ts";
import { show } from "./models.ts";
import type { Module, Program } from "./program.ts";
import { axesOfName } from "./signatures.ts";
import { asNumber, describe, INVALID, isFunction, number, tensor, type BlockV, type V } from "./values.ts";

/** What a law leaves open, decided by the caller. */
export interface Draw {
  /** The size of an axis, or of what a block needs and nothing gives. */
  size(name: string): number;
  /** Which of `count` values a setting of the law has. */
  pick(name: string, count: number): number;
}

/** Where a weight of the right side comes from. */
export type Tie =
  | { readonly kind: "same" }
  /** The graph's inputs are named by paths of left weights; it has one output. */
  | { readonly kind: "graph"; readonly graph: Graph }
  | { readonly kind: "failed" };

export interface Sides {
  readonly graph: Graph;
  /** What is compared, one by one. */
  readonly left: readonly Value[];
  readonly right: readonly Value[];
  /** Of the law's settings, as drawn. */
  readonly settings: readonly { readonly name: string; readonly text: string }[];
  /** Finds the counterpart of a right weight; mistakes are in `diagnostics()`. Paths are as `pathOf` gives them. */
  tie(path: string, type: Type, left: ReadonlyMap<string, Type>): Tie;
  /** What a `where` gives an operand (`x`), or a weight of the left side (`left.norm.weight`), instead of a draw. */
  fixed(kind: "operand" | "left", path: string, type: Type): Tie | undefined;
  diagnostics(): readonly Diagnostic[];
}

/** Blocks that stand unapplied on a side are applied under this label, which paths leave out. */
const SELF = "\0";

/** A weight's path as laws write it. */
export function pathOf(path: string): string {
  return path.startsWith(`${SELF}.`) ? path.slice(SELF.length + 1) : path;
}

export type Equation = ast.Law | ast.Rewrite;

/** Elaborates both sides; undefined where they have mistakes or the sizes do not fit: the diagnostics tell. */
export function elaborateSides(
  program: Program,
  decl: Equation,
  module: Module,
  draw: Draw,
): { readonly sides?: Sides; readonly diagnostics: readonly Diagnostic[] } {
  const reporter = new Reporter();
  const e = new Elaborator(program, reporter, decl.title.value);
  const made = new Sketch(e, decl, module, draw).sides();
  return { ...(made && !reporter.hasErrors ? { sides: made } : {}), diagnostics: reporter.diagnostics };
}

class Sketch {
  private readonly frame: Frame;
  private readonly needed: ReadonlySet<string>;
  private readonly settings: { name: string; text: string }[] = [];
  private drawnInput: V | undefined;
  private drawnOperands: readonly V[] = [];

  constructor(
    private readonly e: Elaborator,
    private readonly decl: Equation,
    module: Module,
    private readonly draw: Draw,
  ) {
    this.frame = e.frame(
      "model",
      `the ${decl.kind === "Law" ? "law" : "rewrite"} "${decl.title.value}"`,
      module,
      undefined,
      undefined,
      undefined,
      [],
    );
    this.needed = neededSizes(e);
    this.frame.fallback = (name) => (this.needed.has(name) ? this.dim(name) : undefined);
  }

  sides(): Sides | undefined {
    const { decl, e, frame } = this;
    if (decl.kind === "Law") for (const b of decl.bindings) this.bind(b);
    for (const operand of decl.operands.items) this.declare(operand);
    const [left, right] = decl.kind === "Rewrite" ? [decl.left, decl.right] : sidesOf(decl.body);
    if (!left || !right) return undefined;
    const a = this.side(left);
    const b = this.side(right);
    const pairs = this.pairs(a, b);
    if (!pairs) return undefined;
    for (const [i, [x, y]] of pairs.entries()) {
      e.builder.output(`left${i}`, x);
      e.builder.output(`right${i}`, y);
    }
    return {
      graph: e.builder.build(),
      left: pairs.map((p) => p[0]),
      right: pairs.map((p) => p[1]),
      settings: this.settings,
      tie: (path, type, known) => tie(e, decl, frame, path, type, known),
      fixed: (kind, path, type) => fixed(e, decl, frame, kind, path, type),
      diagnostics: () => e.reporter.diagnostics,
    };
  }

  /** A dimension of this name: the same wherever it is asked for. */
  private dim(name: string): V {
    const own = this.frame.lookup(name);
    if (own) return own;
    const made: V = { kind: "dim", axis: { name, size: Size.of(this.draw.size(name)), origin: this.decl.title.span } };
    this.frame.set(name, made);
    this.frame.offer(name);
    return made;
  }

  private bind(binding: ast.Binding): void {
    const { e, frame } = this;
    const { name } = binding.name;
    const options = this.options(binding);
    frame.offer(name);
    const chosen = options.length === 0 ? INVALID : options[this.draw.pick(name, options.length)]!;
    const n = asNumber(chosen);
    const v: V =
      n !== undefined && Number.isInteger(n) && n > 0
        ? { kind: "dim", axis: { name, size: Size.of(n), origin: binding.span } }
        : chosen;
    this.settings.push({ name, text: show(e, v) });
    frame.set(name, v);
  }

  private options(binding: ast.Binding): readonly V[] {
    const { e, frame } = this;
    const from = evaluate(e, binding.from, frame);
    if (from.kind === "list") return from.items;
    const range = from.kind === "range" ? from : undefined;
    const to = range ? range.to : binding.to && evaluate(e, binding.to, frame);
    if (!range && !to) return [from];
    const first = range ? (range.from ? asNumber(range.from) : 0) : asNumber(from);
    const last = to && asNumber(to);
    if (first === undefined || last === undefined) return [];
    return Array.from({ length: Math.max(0, Math.min(last - first, 1000)) }, (_, i) => number(first + i));
  }

  private declare(operand: ast.Param): void {
    const { name } = operand.name;
    const axes = this.axes(operand.type?.axes ?? []);
    this.frame.set(
      name,
      tensor(this.e.builder.input(name, { dtype: dtypeOf(operand.type), axes }, undefined, operand.span)),
    );
  }

  private axes(pattern: readonly ast.AxisPattern[]): readonly Axis[] {
    const axes: Axis[] = [];
    for (const item of pattern) {
      if (item.kind === "Rest") axes.push({ name: "batch", size: this.rest(), origin: item.span });
      else if (item.kind === "Axis") {
        const known = axesOfName(this.frame, item.name.name);
        if (known) axes.push(...known);
        else {
          const made = this.dim(item.name.name);
          if (made.kind === "dim") axes.push(made.axis);
        }
      } else {
        const n = asNumber(evaluate(this.e, item.size, this.frame));
        if (n !== undefined)
          axes.push({ name: item.kind === "Sized" ? item.name.name : `size${n}`, size: Size.of(n), origin: item.span });
      }
    }
    return axes.filter((a, i) => axes.findIndex((b) => b.name === a.name) === i);
  }

  /** The size of what stands for all other axes. */
  private rest(): Size {
    const own = this.frame.lookup("batch");
    return own?.kind === "dim" ? own.axis.size : Size.of(this.draw.size("batch"));
  }

  /** One side: a value, or what a block, an operator or a row of them makes of a drawn input. */
  private side(x: ast.Expr): V {
    const { e, frame } = this;
    // Each side's weights are its own: paths may repeat.
    e.paths = new Map();
    const head = headOf(x);
    const first = evaluate(e, head, frame);
    if (!isFunction(first)) {
      if (head === x) return first;
      e.paths = new Map();
      return evaluate(e, x, frame);
    }
    if (head === x) return this.applied(first);
    const input = this.input(first);
    const run = (s: ast.Expr): V =>
      applyStage(e, s.kind === "Pipe" ? s.stage : s, s.kind === "Pipe" ? run(s.input) : input, frame, s.span);
    return run(x);
  }

  private applied(v: V): V {
    const { e, frame } = this;
    if (!isFunction(v)) return v;
    const first = v.kind === "op" ? this.operands(v) : [{ v: this.input(v), span: this.decl.title.span }];
    if (first.some((o) => o.v.kind === "invalid")) return INVALID;
    return apply(e, v, { first, args: [], frame }, this.decl.title.span, v.kind === "op" ? undefined : SELF);
  }

  /** What an operator without a signature takes: as many drawn inputs as it needs. */
  private operands(v: V): { v: V; span: ast.Expr["span"] }[] {
    const decl = v.kind === "op" && v.meaning.kind === "declared" ? v.meaning.decl : undefined;
    const params = decl?.operands.items.filter((p) => !p.default) ?? [undefined];
    // Both sides' operators take the same, in order.
    const drawn = params.map(
      (p, i) =>
        this.drawnOperands[i] ?? this.named(p?.name.name ?? (i === 0 ? "x" : `x${i}`), p?.type?.axes, dtypeOf(p?.type)),
    );
    if (drawn.length > this.drawnOperands.length) this.drawnOperands = drawn;
    return drawn.map((d) => ({ v: d, span: this.decl.title.span }));
  }

  private named(name: string, pattern: readonly ast.AxisPattern[] | undefined, dtype: Dtype): V {
    const known = this.e.builder.inputs.find((i) => i.name === name);
    if (known) return tensor(known.value);
    const axes = pattern ? this.axes(pattern) : ["batch", "d"].flatMap((n) => (this.dim(n) as { axis: Axis }).axis);
    return tensor(this.e.builder.input(name, { dtype, axes }, undefined, this.decl.title.span));
  }

  /** The input of both sides: what the first block takes. */
  private input(v: V): V {
    if (this.drawnInput) return this.drawnInput;
    const type = v.kind === "op" ? undefined : inputType(this.e, v);
    this.drawnInput = this.named("x", type?.axes, dtypeOf(type));
    return this.drawnInput;
  }

  private pairs(a: V, b: V): [Value, Value][] | undefined {
    const { e, decl } = this;
    if (a.kind === "invalid" || b.kind === "invalid") return undefined;
    if (a.kind === "tuple" && b.kind === "tuple" && a.items.length === b.items.length) {
      const all = a.items.map((item, i) => this.pairs(item, b.items[i]!));
      return all.some((p) => !p) ? undefined : (all as [Value, Value][][]).flat();
    }
    const x = e.asTensor(a, decl.span);
    const y = e.asTensor(b, decl.span);
    if (!x || !y) {
      e.fail("law/kinds", { left: describe(a), right: describe(b) }, decl.title.span);
      return undefined;
    }
    const kind = (t: Type): string => (t.dtype === "bool" ? "bool" : "number");
    if (kind(x.type) === kind(y.type) && sameAxes(x.type, y.type)) return [[x, y]];
    e.fail("law/sides", { left: showType(x.type), right: showType(y.type) }, decl.title.span);
    return undefined;
  }
}

function dtypeOf(type: ast.TypeExpr | undefined): Dtype {
  return type?.base?.name === "int" || type?.base?.name === "bool" ? type.base.name : "float";
}

function sameAxes(a: Type, b: Type): boolean {
  return (
    a.axes.length === b.axes.length &&
    a.axes.every((p) => b.axes.some((q) => q.name === p.name && q.size.equals(p.size)))
  );
}

function headOf(x: ast.Expr): ast.Expr {
  if (x.kind === "Pipe") return headOf(x.input);
  return x.kind === "Paren" && x.items.length === 1 ? headOf(x.items[0]!.value) : x;
}

/** The type of a block's first input. */
function inputType(e: Elaborator, v: V): ast.TypeExpr | undefined {
  if (v.kind === "instance") return inputType(e, v.block);
  if (v.kind === "repeat") return inputType(e, evaluate(e, v.body, withLayer(v.frame)));
  if (v.kind === "pipeline") return inputType(e, evaluate(e, headOf(v.stages), v.frame));
  if (v.kind !== "block") return undefined;
  let { decl, module } = v as BlockV;
  for (let depth = 0; depth < 30 && decl.meaning.kind === "Alias"; depth++) {
    const name = calleeOf(decl.meaning.value);
    const found = name === undefined ? undefined : e.program.find(module, name);
    if (found?.decl.kind !== "Block") return undefined;
    ({ decl, module } = { decl: found.decl, module: found.module });
  }
  return decl.meaning.kind === "Body" ? decl.meaning.statements.find((s) => s.kind === "Input")?.type : undefined;
}

function withLayer(frame: Frame): Frame {
  const inside = new Frame("repeat", frame.title, frame.module, frame, frame, undefined, frame.path);
  inside.set("layer", number(0));
  return inside;
}

function calleeOf(x: ast.Expr): string | undefined {
  if (x.kind === "Name") return x.name;
  return x.kind === "Call" || x.kind === "Fill" ? calleeOf(x.callee) : undefined;
}

// ── Weights ───────────────────────────────────────────────────────────────────────────────────────────────────────────

function tie(
  e: Elaborator,
  decl: Equation,
  frame: Frame,
  path: string,
  type: Type,
  left: ReadonlyMap<string, Type>,
): Tie {
  for (const where of decl.wheres) {
    const match = matched(where.path.parts, "right", path.split("."));
    if (match) return given(e, where.value, match, frame, path, type, left);
  }
  const own = left.get(path);
  if (own && own.dtype === type.dtype && sameAxes(own, type)) return { kind: "same" };
  e.fail("law/unbound-weight", { path, type: showType(type) }, decl.title.span, {
    hint: `add \`where right.${path.replace(/\.(\d+)(?=\.)/g, "[$1]")} = ...\`, an expression over ${
      [...left.keys()]
        .slice(0, 8)
        .map((p) => `left.${p.replace(/\.(\d+)(?=\.)/g, "[$1]")}`)
        .join(", ") || "numbers: the left side has no weights"
    }`,
  });
  return { kind: "failed" };
}

interface Matched {
  readonly step: number;
  readonly indices: ReadonlyMap<string, number>;
}

function fixed(
  e: Elaborator,
  decl: Equation,
  frame: Frame,
  kind: "operand" | "left",
  path: string,
  type: Type,
): Tie | undefined {
  for (const where of decl.wheres) {
    const { parts } = where.path;
    const match = kind === "left" ? matched(parts, "left", path.split(".")) : matched(parts, path, []);
    if (match) return given(e, where.value, match, frame, path, type, new Map());
  }
  return undefined;
}

/** `right.layers[i].{k, v}.weight` against a path, on the side that its first name is. */
function matched(parts: readonly ast.PathPart[], first: string, segments: readonly string[]): Matched | undefined {
  const [side, ...rest] = parts;
  if (side?.kind !== "Name" || side.name !== first || rest.length !== segments.length) return undefined;
  const indices = new Map<string, number>();
  let step = -1;
  for (const [i, part] of rest.entries()) {
    const segment = segments[i]!;
    if (part.kind === "Name" && part.name !== segment) return undefined;
    if (part.kind === "Index") {
      if (!/^\d+$/.test(segment)) return undefined;
      if (part.index.kind === "Name") indices.set(part.index.name, Number(segment));
      else if (part.index.kind !== "Number" || part.index.value !== Number(segment)) return undefined;
    }
    if (part.kind === "Set") {
      const at = part.names.findIndex((n) => n.name === segment);
      if (at < 0) return undefined;
      // The last set is the one that the other side runs in step with, where there are several.
      step = part.names.length > 1 || step < 0 ? (step < 0 ? at : step * part.names.length + at) : step;
    }
  }
  return { step: Math.max(step, 0), indices };
}

function given(
  e: Elaborator,
  value: ast.Expr,
  match: Matched,
  outer: Frame,
  path: string,
  type: Type,
  left: ReadonlyMap<string, Type>,
): Tie {
  const builder = new GraphBuilder(path);
  const frame = new Frame("model", outer.title, outer.module, outer, outer, undefined, []);
  for (const [name, n] of match.indices) frame.set(name, number(n));
  // A name of an axis means its size, where all weights agree on it.
  const axes = [...left.values(), type].flatMap((t) => t.axes);
  for (const axis of axes)
    if (frame.lookup(axis.name) === undefined && axes.every((a) => a.name !== axis.name || a.size.equals(axis.size)))
      frame.set(axis.name, { kind: "dim", axis });
  const inputs = new Map<string, Value>();
  frame.set(
    "left",
    weightsUnder("left", "", left, (p) => {
      const known = inputs.get(p) ?? builder.input(p, left.get(p)!, undefined, value.span);
      inputs.set(p, known);
      return known;
    }),
  );
  const v = e.building(builder, () => evaluate(e, inStep(value, match.step), frame));
  const made = v.kind === "invalid" ? undefined : e.building(builder, () => e.asTensor(v, value.span, "float"));
  if (!made) {
    if (v.kind !== "invalid")
      e.fail("law/weight-axes", { path, wanted: showType(type), found: describe(v) }, value.span);
    return { kind: "failed" };
  }
  const fits = made.type.axes.every((a) => type.axes.some((b) => a.name === b.name && a.size.equals(b.size)));
  if (!fits) {
    e.fail("law/weight-axes", { path, wanted: showType(type), found: showType(made.type) }, value.span);
    return { kind: "failed" };
  }
  const whole = e.building(builder, () => {
    let full = e.cast(made, type.dtype, value.span);
    for (const axis of type.axes)
      if (!full.type.axes.some((a) => a.name === axis.name))
        full = e.builder.node(
          "spread",
          [full],
          { axis },
          [{ ...full.type, axes: [axis, ...full.type.axes] }],
          value.span,
        )[0]!;
    return full;
  });
  builder.output("weight", whole);
  return { kind: "graph", graph: builder.build() };
}

/** `left.attention` of the paths `attention.q.weight`, ...; the whole path is the weight. */
function weightsUnder(
  title: string,
  prefix: string,
  paths: ReadonlyMap<string, Type>,
  read: (path: string) => Value,
): V {
  return {
    kind: "weights",
    path: title,
    member(name) {
      const path = `${prefix}${name}`;
      if (paths.has(path)) return tensor(read(path));
      return [...paths.keys()].some((p) => p.startsWith(`${path}.`))
        ? weightsUnder(`${title}.${name}`, `${path}.`, paths, read)
        : undefined;
    },
  };
}

/** The expression with each `{a, b}` replaced by the one in step. */
function inStep(x: ast.Expr, step: number): ast.Expr {
  const args = (items: readonly ast.Arg[]): readonly ast.Arg[] =>
    items.map((i) => ({ ...i, value: inStep(i.value, step) }));
  switch (x.kind) {
    case "Set":
      return x.items[step % x.items.length] ?? x;
    case "Member":
      return {
        ...x,
        object: inStep(x.object, step),
        names: x.set ? [x.names[step % x.names.length] ?? x.names[0]!] : x.names,
        set: false,
      };
    case "Index":
      return { ...x, object: inStep(x.object, step), items: args(x.items) };
    case "Call":
      return { ...x, callee: inStep(x.callee, step), args: args(x.args) };
    case "Paren":
      return { ...x, items: args(x.items) };
    case "Binary":
      return { ...x, left: inStep(x.left, step), right: inStep(x.right, step) };
    case "Unary":
      return { ...x, operand: inStep(x.operand, step) };
    case "Pipe":
      return { ...x, input: inStep(x.input, step), stage: inStep(x.stage, step) };
    default:
      return x;
  }
}
