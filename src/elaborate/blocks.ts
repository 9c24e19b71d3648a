/** @file Blocks: aliases followed, settings and givens bound, slots filled, bodies run; instances. */
import type * as ast from "../syntax/ast.ts";
import type { Value } from "../ir/graph.ts";
import { textOf, type Span } from "../source/source.ts";
import { applyStage } from "./apply.ts";
import { applyEach } from "./each.ts";
import type { Elaborator } from "./elaborator.ts";
import { evaluate } from "./expressions.ts";
import { Frame } from "./frame.ts";
import type { Application } from "./outline.ts";
import type { Module } from "./program.ts";
import { applyRepeat } from "./repeats.ts";
import type { Operand } from "./primitives.ts";
import { bindArguments, dimensions, dimension, fit, valueFor, type Binding } from "./settings.ts";
import { fitTensor, inStatedOrder } from "./signatures.ts";
import { fillSlots } from "./slots.ts";
import { notWhole, runBody, runStatement } from "./statements.ts";
import {
  asNumber,
  describe,
  INVALID,
  tensor,
  type BlockV,
  type EachV,
  type InstanceV,
  type PipelineV,
  type RepeatV,
  type V,
  type Written,
} from "./values.ts";

export type Applicable = BlockV | RepeatV | PipelineV | InstanceV | EachV;

/** Applies a block to its inputs in `around`. Its weights go under the label, else the `let`'s name, else what it is called. */
export function applyBlock(
  e: Elaborator,
  block: Applicable,
  inputs: readonly Operand[],
  label: string | undefined,
  around: Frame,
  span: Span,
): V {
  if (block.kind === "each") return applyEach(e, block, inputs, label, around, span);
  if (block.kind === "instance")
    return e.housing(
      { builder: block.home, shared: block.weights, each: block.each, mapped: e.home.mapped ?? [] },
      () => applyAt(e, block.block, inputs, block.path.split("."), around, span),
    );
  const written = block.kind === "pipeline" ? undefined : block.label;
  const name = label ?? written ?? e.letName ?? block.called;
  return applyAt(e, block, inputs, [...around.path, name], around, span);
}

export function applyAt(
  e: Elaborator,
  block: BlockV | RepeatV | PipelineV,
  inputs: readonly Operand[],
  path: readonly string[],
  around: Frame,
  span: Span,
): V {
  if (block.kind === "repeat") return e.outsideLet(() => applyRepeat(e, block, inputs, path, around, span));
  if (block.kind === "pipeline") return e.outsideLet(() => applyPipeline(e, block, inputs, path, around, span));
  // A filler is applied inside the block that it fills; to its author the place is where it is written.
  const site = block.span.file.library ? span : block.span;
  const target = follow(e, block, around, site);
  if (!target) return INVALID;
  return (
    e.within(target.decl.name.name, site, () =>
      e.outsideLet(() => applyDeclared(e, target, block.decl, inputs, path, around, site)),
    ) ?? INVALID
  );
}

function applyPipeline(
  e: Elaborator,
  p: PipelineV,
  inputs: readonly Operand[],
  path: readonly string[],
  around: Frame,
  span: Span,
): V {
  const frame = new Frame("repeat", p.frame.title, p.frame.module, p.frame, around, span, path);
  const run = (x: ast.Expr): V =>
    x.kind === "Pipe"
      ? applyStage(e, x.stage, run(x.input), frame, x.span)
      : applyStage(e, x, inputs[0]!.v, frame, x.span);
  return run(p.stages);
}

/** What an alias stands for, with what it hands on; a block that is none is itself. */
function follow(e: Elaborator, block: BlockV, around: Frame, span: Span): BlockV | undefined {
  let current = block;
  for (let depth = 0; current.decl.meaning.kind === "Alias"; depth++) {
    const { decl, module } = current;
    if (depth > 30) {
      e.fail("name/recursive", { name: decl.name.name }, span);
      return undefined;
    }
    const frame = e.frame("alias", decl.name.name, module, undefined, around, span, around.path);
    const binding = bindArguments(
      e,
      current.given,
      decl.params.items,
      decl.given,
      decl.params.rest !== undefined,
      decl.name.name,
      span,
    );
    bindParams(e, decl, binding, frame, around, span);
    fillOwnSlots(e, current, frame, span);
    const meaning = decl.meaning as Extract<ast.Meaning, { kind: "Alias" }>;
    const made = evaluate(e, meaning.value, frame);
    if (made.kind === "invalid") return undefined;
    if (made.kind !== "block") {
      e.fail("type/not-a-block", { found: describe(made) }, meaning.value.span);
      return undefined;
    }
    const handed = decl.slots.rest ? current.fillers : [];
    current = {
      ...made,
      given: [...made.given, ...binding.left],
      fillers: [...withoutRest(made.fillers), ...handed],
      called: current.called,
    };
  }
  return current;
}

function withoutRest(fillers: readonly Written[]): readonly Written[] {
  return fillers.filter((f) => f.args.length > 0);
}

/** The slots that an alias names itself. */
function fillOwnSlots(e: Elaborator, block: BlockV, frame: Frame, span: Span): void {
  if (block.decl.slots.items.length > 0) fillSlots(e, block, frame, span, block.decl.name.name);
}

/** Applies a block that is none but itself; `written` is what it is called where it stands. */
function applyDeclared(
  e: Elaborator,
  block: BlockV,
  written: ast.Block,
  inputs: readonly Operand[],
  path: readonly string[],
  around: Frame,
  span: Span,
): V {
  const title = written.name.name;
  const frame = e.frame("block", title, block.module, undefined, around, span, path);
  return e.outline.record(
    {
      kind: "block",
      ...begun(e, { title, doc: written.doc }, inputs, path, span),
      role: block.decl.role?.name,
      takesBlocks: block.decl.slots.items.length > 0 || block.decl.slots.rest !== undefined,
    },
    () => applyIn(e, frame, block, title, inputs, around, span),
    (v) => (v.kind === "invalid" ? undefined : { outputs: tensorsOf(v), settings: plainSettings(block.decl, frame) }),
  );
}

/** What is known of an application before it runs. */
export function begun(
  e: Elaborator,
  written: Pick<Application, "title" | "doc">,
  inputs: readonly Operand[],
  path: readonly string[],
  span: Span,
): Pick<Application, "title" | "doc" | "label" | "path" | "span" | "inputs" | "builder" | "from"> {
  return {
    ...written,
    label: path.at(-1) ?? written.title,
    path: path.join("."),
    span,
    inputs: inputs.flatMap((i) => tensorsOf(i.v)),
    builder: e.builder,
    from: e.builder.nodes.length,
  };
}

export function tensorsOf(v: V): readonly Value[] {
  return v.kind === "tensor" ? [v.value] : v.kind === "tuple" ? v.items.flatMap(tensorsOf) : [];
}

/** Settings that are numbers, words or operators, where they have been worked out and are not what they are by default. */
function plainSettings(decl: ast.Block, frame: Frame): Application["settings"] {
  return [...decl.params.items, ...decl.given].flatMap(({ name: { name }, default: standard }) => {
    const v = frame.known(name);
    const text = v?.kind === "word" ? v.value : v?.kind === "op" ? v.name : v && asNumber(v)?.toString();
    if (text === undefined || (standard && textOf(standard.span) === text)) return [];
    return [{ name, text }];
  });
}

function applyIn(
  e: Elaborator,
  frame: Frame,
  block: BlockV,
  title: string,
  inputs: readonly Operand[],
  around: Frame,
  span: Span,
): V {
  const { decl } = block;
  const binding = bindArguments(e, block.given, decl.params.items, decl.given, false, title, span);
  bindParams(e, decl, binding, frame, around, span);
  fillSlots(e, block, frame, span, title);
  if (decl.meaning.kind !== "Body") return INVALID;
  if (!bindInputs(e, decl, inputs, frame, span)) return INVALID;
  // A setting that is a tensor binds the names of its axes.
  for (const param of decl.params.items)
    if (param.type?.axes && frame.own(param.name.name)?.kind === "invalid") return INVALID;
  return runBody(e, decl.meaning, frame, title);
}

/** Binds settings and givens, each worked out when first read (defaults may read the others, and axes of inputs). */
function bindParams(e: Elaborator, decl: ast.Block, binding: Binding, frame: Frame, around: Frame, span: Span): void {
  const { title } = frame;
  for (const param of decl.params.items) {
    const name = param.name.name;
    frame.offer(name);
    if (param.type?.base?.name === "block") frame.expectBlock(name);
    if (param.type?.base?.name === "dims") {
      frame.set(name, { lazy: () => dimensions(e, param, binding.dims, title, span) });
      continue;
    }
    const bound = binding.byName.get(name);
    frame.set(name, {
      lazy: () => {
        const v = bound ? valueFor(e, param, bound, frame, title) : undefined;
        if (v && !(v.kind === "none" && param.default && !param.type?.optional && param.default.kind !== "None"))
          return named(v, name);
        if (param.default) return defaultOf(e, param, frame, title, span);
        return e.fail("setting/missing", { name, owner: title }, span, {
          hint: `pass it: \`${title}(${name} = ...)\``,
        });
      },
    });
  }
  for (const param of decl.given) {
    const name = param.name.name;
    frame.offer(name);
    const bound = binding.byName.get(name);
    frame.set(name, {
      lazy: () => {
        if (bound) {
          const v = evaluate(e, bound.expr, bound.frame);
          if (v.kind !== "none") return given(e, param, v, frame, bound.expr.span, title);
        }
        const found = around.given(name);
        if (found) return given(e, param, found, frame, span, title);
        if (param.default) {
          const v = evaluate(e, param.default, frame);
          const n = asNumber(v);
          if (n !== undefined && !Number.isInteger(n) && param.type === undefined)
            return notWhole(e, name, param.default, frame, n);
          return given(e, param, v, frame, param.span, title);
        }
        return missingGiven(e, param, frame, span);
      },
    });
  }
}

function missingGiven(e: Elaborator, param: ast.Param, frame: Frame, span: Span): V {
  const name = param.name.name;
  return e.fail("setting/missing", { name, owner: frame.title }, span, {
    hint: `pass it, \`${frame.title}(${name} = ...)\`, or let the model state it: \`-s ${name}=...\` on the command line, \`model m(${name} = ...)\` in a file`,
  });
}

/** A whole number that a `given` finds is a dimension of that name. */
function given(e: Elaborator, param: ast.Param, v: V, frame: Frame, span: Span, title: string): V {
  if (param.type)
    return v.kind === "tensor" ? fitTensor(e, v, param.type, frame, span, `${title}'s ${param.name.name}`) : v;
  if (v.kind === "number" && Number.isInteger(v.value) && v.value > 0)
    return dimension(e, param.name.name, v, v.origin ?? span);
  return v;
}

function named(v: V, name: string): V {
  return v.kind === "block" || v.kind === "repeat" || v.kind === "pipeline" ? { ...v, called: name } : v;
}

function defaultOf(e: Elaborator, param: ast.Param, frame: Frame, title: string, span: Span): V {
  const v = evaluate(
    e,
    param.default!,
    frame,
    param.type?.base && param.type.alternatives.length > 0
      ? [param.type.base.name, ...param.type.alternatives.map((a) => a.name)]
      : undefined,
  );
  const n = asNumber(v);
  if (param.type?.base?.name === "dim" && n !== undefined && !Number.isInteger(n))
    return notWhole(e, param.name.name, param.default!, frame, n);
  void span;
  return named(fit(e, param, v, frame, param.span, title), param.name.name);
}

/** Matches the inputs against their signatures, in order. */
function bindInputs(e: Elaborator, decl: ast.Block, inputs: readonly Operand[], frame: Frame, span: Span): boolean {
  const meaning = decl.meaning as Extract<ast.Meaning, { kind: "Body" }>;
  const declared = meaning.statements.filter((s) => s.kind === "Input");
  if (inputs.length > declared.length) {
    e.fail(
      "setting/too-many-inputs",
      { owner: decl.name.name, most: declared.length, found: inputs.length },
      inputs[declared.length]!.span,
    );
    return false;
  }
  for (const [i, input] of declared.entries()) {
    const operand = inputs[i];
    let v: V;
    if (operand) v = operand.v;
    else if (input.default) v = evaluate(e, input.default, frame);
    else {
      e.fail("setting/missing-input", { owner: decl.name.name, name: input.name.name }, span, {
        hint: `\`x -> ${decl.name.name}\` gives it its first input`,
      });
      return false;
    }
    if (v.kind === "invalid") return false;
    if (v.kind !== "tensor") {
      const t = e.asTensor(v, span);
      if (!t) {
        e.fail("type/operand", { op: decl.name.name, found: describe(v) }, operand?.span ?? span);
        return false;
      }
      v = tensor(t);
    }
    const fitted = fitTensor(e, v, input.type, frame, operand?.span ?? span, `${decl.name.name}'s ${input.name.name}`);
    if (fitted.kind !== "tensor") return false;
    const { axes } = input.type;
    frame.set(input.name.name, axes ? tensor(inStatedOrder(e, fitted.value, axes, frame, span)) : fitted);
  }
  return true;
}

// ── Instances ─────────────────────────────────────────────────────────────────────────────────────────────────────────

export function instanceOf(e: Elaborator, x: ast.New, frame: Frame): V {
  const v = evaluate(e, x.body, frame);
  if (v.kind === "invalid") return v;
  if (v.kind !== "block" && v.kind !== "repeat" && v.kind !== "pipeline")
    return e.fail("type/not-a-block", { found: describe(v) }, x.body.span, {
      hint: "`new` makes an instance of a block",
    });
  const name = (v.kind === "pipeline" ? undefined : v.label) ?? e.letName ?? v.called;
  return {
    kind: "instance",
    block: v,
    path: [...frame.path, name].join("."),
    each: e.home.each ?? [],
    home: e.home.builder,
    weights: e.home.shared ?? new Map(),
    site: frame,
  };
}

/** A weight of an instance that nothing has read yet: `words.weight` before `words` is applied. */
export function makeWeight(e: Elaborator, instance: InstanceV, name: string): Value | undefined {
  if (instance.block.kind !== "block") return undefined;
  const block = follow(e, instance.block, instance.site, instance.block.span);
  if (!block || block.decl.meaning.kind !== "Body") return undefined;
  const declared = block.decl.meaning.statements.find(
    (s) => s.kind === "Param" && (s.outside?.value ?? s.name.name) === name,
  );
  if (!declared || declared.kind !== "Param") return undefined;
  const frame = new Frame(
    "block",
    block.decl.name.name,
    block.module,
    undefined,
    instance.site,
    block.span,
    instance.path.split("."),
  );
  const binding = bindArguments(
    e,
    block.given,
    block.decl.params.items,
    block.decl.given,
    false,
    block.decl.name.name,
    block.span,
  );
  bindParams(e, block.decl, binding, frame, instance.site, block.span);
  e.housing({ builder: instance.home, shared: instance.weights, each: instance.each }, () => {
    runStatement(e, declared, frame);
    frame.own(declared.name.name);
  });
  return instance.weights.get(`${instance.path}.${name}`);
}

/** The role of a block: its own, or that of what its alias stands for. */
export function roleOf(e: Elaborator, v: V, module: Module): string | undefined {
  if (v.kind === "instance") return roleOf(e, v.block, module);
  if (v.kind === "repeat") return undefined;
  if (v.kind !== "block") return undefined;
  let decl = v.decl;
  let where = v.module;
  for (let depth = 0; depth < 30; depth++) {
    if (decl.role) return decl.role.name;
    if (decl.meaning.kind !== "Alias") return undefined;
    const head = headOf(decl.meaning.value);
    const found = head && e.program.find(where, head);
    if (!found || found.decl.kind !== "Block") return undefined;
    decl = found.decl;
    where = found.module;
  }
  return undefined;
}

function headOf(x: ast.Expr): string | undefined {
  switch (x.kind) {
    case "Name":
      return x.name;
    case "Call":
    case "Fill":
      return headOf(x.callee);
    default:
      return undefined;
  }
}
