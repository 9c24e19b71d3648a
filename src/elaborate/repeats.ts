/** @file Repeats: a block applied over and over, its body kept once for every kind of iteration. */
import { GraphBuilder } from "../ir/builder.ts";
import type { Graph, Value } from "../ir/graph.ts";
import { printGraph } from "../ir/print.ts";
import { sameType, showType } from "../ir/type.ts";
import type { Span } from "../source/source.ts";
import { applyAt, applyBlock, begun, tensorsOf } from "./blocks.ts";
import { spreadOver } from "./each.ts";
import type { Elaborator } from "./elaborator.ts";
import { evaluate } from "./expressions.ts";
import { Frame } from "./frame.ts";
import type { Application, RepeatedBody } from "./outline.ts";
import type { Operand } from "./primitives.ts";
import { describe, INVALID, number, tensor, type RepeatV, type V } from "./values.ts";

interface Iteration {
  readonly builder: GraphBuilder;
  readonly text: string;
  /** What was applied in it. */
  readonly children: readonly Application[];
}

/**
 * A repeat keeps one body for every kind of iteration. Whether iterations differ is seen by whether the body reads `layer`:
 * if not, it is elaborated once; if so, each is, and equal ones are kept once.
 */
export function applyRepeat(
  e: Elaborator,
  block: RepeatV,
  inputs: readonly Operand[],
  path: readonly string[],
  around: Frame,
  span: Span,
): V {
  const [input, ...others] = inputs;
  if (!input || input.v.kind !== "tensor")
    return e.fail("type/operand", { op: `x${block.count}`, found: input ? describe(input.v) : "nothing" }, span);
  const carried = spreadOver(e, input.v.value, e.home.each ?? [], span);
  const kinds: Iteration[] = [];
  const schedule: number[] = [];
  const before = e.paths;
  const made = new Map(before);
  let reads = true;
  for (let layer = 0; layer < block.count && reads; layer++) {
    e.paths = new Map(before);
    let read = false;
    const one = iteration(e, block, carried, others, path, around, span, layer, () => (read = true));
    for (const [p, at] of e.paths) made.set(p, at);
    if (!one) {
      e.paths = made;
      return INVALID;
    }
    const same = kinds.findIndex((k) => k.text === one.text);
    schedule.push(same < 0 ? kinds.push(one) - 1 : same);
    reads = read;
  }
  e.paths = made;
  if (!reads) while (schedule.length < block.count) schedule.push(0);
  const captures: Value[] = [];
  for (const k of kinds) for (const v of k.builder.captures) if (!captures.includes(v)) captures.push(v);
  const bodies = kinds.map((k) => inOrder(k.builder, captures));
  const label = path.at(-1) ?? block.called;
  const { builder } = e;
  return e.outline.record(
    { ...begun(e, nameOfRepeat(block), inputs, path, span), kind: "repeat", takesBlocks: true },
    () =>
      tensor(
        builder.node(
          "repeat",
          [carried, ...captures],
          { label, count: block.count, carried: 1, schedule },
          [carried.type],
          span,
          bodies,
        )[0]!,
      ),
    (v) => ({
      outputs: tensorsOf(v),
      settings: [],
      repeat: {
        count: block.count,
        kinds: kinds.map((kind, i) => outlineOf(kind, bodies[i]!, captures, schedule, i)),
      },
    }),
  );
}

function nameOfRepeat(block: RepeatV): Pick<Application, "title" | "doc"> {
  return { title: block.called, doc: "" };
}

function outlineOf(
  kind: Iteration,
  graph: Graph,
  captures: readonly Value[],
  schedule: readonly number[],
  own: number,
): RepeatedBody {
  return {
    graph,
    children: kind.children,
    iterations: schedule.flatMap((k, i) => (k === own ? [i] : [])),
    captures: captures.map((outside) => ({ outside, inside: kind.builder.use(outside) })),
  };
}

/** The body with one input for every captured value, in the order that all bodies share. */
function inOrder(builder: GraphBuilder, captures: readonly Value[]): Graph {
  const seen = captures.map((v) => builder.use(v));
  const graph = builder.build();
  const byId = new Map(graph.inputs.map((i) => [i.value.id, i]));
  return {
    ...graph,
    inputs: [graph.inputs[0]!, ...seen.map((v, i) => ({ ...byId.get(v.id)!, name: `captured${i}` }))],
  };
}

function iteration(
  e: Elaborator,
  block: RepeatV,
  carried: Value,
  others: readonly Operand[],
  path: readonly string[],
  around: Frame,
  span: Span,
  layer: number,
  onRead: () => void,
): Iteration | undefined {
  const builder = new GraphBuilder(path.at(-1) ?? block.called, e.builder);
  const x = builder.input("x", carried.type);
  const written = new Frame(
    "repeat",
    block.frame.title,
    block.frame.module,
    block.frame,
    block.frame,
    span,
    block.frame.path,
  );
  const dynamic = new Frame("repeat", around.title, around.module, around, around, span, around.path);
  for (const frame of [written, dynamic]) {
    frame.set("layer", number(layer));
    frame.offer("layer");
    frame.onRead = (name) => name === "layer" && onRead();
  }
  const run = (): V => {
    const body = evaluate(e, block.body, written);
    if (body.kind !== "block" && body.kind !== "instance") return INVALID;
    const fillers = block.fillers.map((f) => ({ ...f, frame: layered(f.frame, written) }));
    const inputs: Operand[] = [{ v: tensor(x), span }, ...others];
    if (body.kind === "instance") return applyBlock(e, body, inputs, undefined, dynamic, span);
    return applyAt(
      e,
      { ...body, fillers: [...body.fillers, ...fillers] },
      inputs,
      [...path, `{${e.repeatDepth - 1}}`],
      dynamic,
      span,
    );
  };
  e.repeatDepth++;
  const { result, children } = e.outline.apart(() =>
    e.building(builder, () =>
      e.housing(
        {
          builder,
          tied: e.home.tied === true || e.home.shared !== undefined,
          each: e.home.each ?? [],
          mapped: e.home.mapped ?? [],
        },
        run,
      ),
    ),
  );
  e.repeatDepth--;
  if (result.kind === "invalid") return undefined;
  if (result.kind !== "tensor" || !sameType(result.value.type, carried.type)) {
    e.fail(
      "type/repeat-changes",
      {
        takes: showType(carried.type),
        gives: result.kind === "tensor" ? showType(result.value.type) : describe(result),
      },
      span,
      {
        hint: "a repeated block must give what it takes",
      },
    );
    return undefined;
  }
  builder.output("x", result.value);
  return { builder, text: printGraph(builder.build()), children };
}

/** The frame of fillers written beside a repeat, knowing `layer`. */
function layered(frame: Frame, inside: Frame): Frame {
  const layer = new Frame("repeat", frame.title, frame.module, frame, frame, frame.site, frame.path);
  layer.set("layer", { lazy: () => inside.own("layer")! });
  return layer;
}
