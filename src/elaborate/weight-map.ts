/** @file Checkpoint maps, from stored tensors to weights. Whatever is stored that no weight takes is said by name. */
import { Reporter, type Result } from "../diagnostics/diagnostic.ts";
import { nearest } from "../diagnostics/suggest.ts";
import { GraphBuilder } from "../ir/builder.ts";
import type { Graph } from "../ir/graph.ts";
import { concreteParams } from "../ir/params.ts";
import { showAxis } from "../ir/type.ts";
import type * as ast from "../syntax/ast.ts";
import { partOf } from "../weights/stretch.ts";
import type { Checkpoint, StoredTensor, WeightMap, WeightSource } from "../weights/source.ts";
import { glob, matchPath, texts, type Line, type Selected } from "./checkpoint.ts";
import { Elaborator } from "./elaborator.ts";
import { evaluate } from "./expressions.ts";
import { Frame } from "./frame.ts";
import type { Program } from "./program.ts";
import { fitsShape, stepped, type MapReading } from "./stored.ts";
import { finderOf, prefixesOf, renamed } from "./stored-names.ts";
import { asNumber, describe, type V } from "./values.ts";

/** Finds the source of every parameter of the graph among the stored tensors. */
export function mapWeights(
  program: Program,
  map: Selected,
  modelFrame: Frame,
  graph: Graph,
  checkpoint: Checkpoint,
): Result<WeightMap> {
  const reporter = new Reporter();
  const e = new Elaborator(program, reporter, "weights");
  const stored = renamed(map.entries, checkpoint);
  const prefixes = prefixesOf(map.entries);
  const used = new Set<StoredTensor>();
  const usedLines = new Set<Line>();
  const sources = new Map<string, WeightSource>();
  const unmapped = new Set<string>();
  const lacking = new Missing();
  const find = finderOf(stored, prefixes);
  for (const { path, param } of concreteParams(graph)) {
    const segments = path.split(".");
    const matches = map.lines.flatMap((line) => {
      const match = matchPath(line.parts, segments);
      return match ? [{ line, match }] : [];
    });
    if (matches.length === 0) {
      unmapped.add(folded(path));
      continue;
    }
    const { line, match } = matches[0]!;
    usedLines.add(line);
    const reading: MapReading = {
      find,
      before: line.before,
      indices: new Map([...match.indices].map(([k, v]) => [k, Number(v)])),
      step: match.step,
      star: match.star,
      axes: param.value.type.axes,
      tried: [],
      read: new Map(),
    };
    const source = evaluateLine(e, line, reading, modelFrame, path);
    for (const t of tensorsOf(source)) used.add(t);
    if (source && source !== "none") sources.set(path, source);
    else if (reading.tried.length > 0) lacking.add(path, [...new Set(reading.tried)]);
    else if (source === "none") unmapped.add(folded(path));
  }
  for (const path of unmapped)
    reporter.report("config/unmapped-weight", { path, map: map.decl.model.name }, undefined, {
      hint: `add a line \`${path} = "name in the file"\` to the map`,
    });
  lacking.report(reporter, checkpoint, prefixes);
  // After a mistake, what was not read says nothing.
  if (!reporter.hasErrors) reportUnreadTensors(reporter, map, stored, used, usedLines, prefixes, checkpoint);
  return { value: sources, diagnostics: reporter.diagnostics };
}

/** Of a model without a map: a weight is the stored tensor of its own path. */
export function mapByPath(model: string, graph: Graph, checkpoint: Checkpoint): Result<WeightMap> {
  const reporter = new Reporter();
  const sources = new Map<string, WeightSource>();
  const used = new Set<string>();
  const lacking = new Missing();
  for (const { path, param } of concreteParams(graph)) {
    const tensor = checkpoint.tensors.get(path);
    const { axes } = param.value.type;
    if (!tensor) lacking.add(path, [path]);
    else if (!FLOATS.has(tensor.dtype))
      reporter.report("map/not-float", { tensor: path, file: tensor.file, dtype: tensor.dtype });
    else if (!fitsShape(tensor.shape, axes))
      reporter.report("map/shape", {
        tensor: path,
        file: tensor.file,
        found: tensor.shape,
        wanted: axes.map(showAxis),
      });
    else sources.set(path, { kind: "stored", tensor, order: axes });
    used.add(path);
  }
  lacking.report(reporter, checkpoint, [""]);
  const unread = [...checkpoint.tensors.keys()].filter((name) => !used.has(name));
  if (unread.length > 0 && !reporter.hasErrors)
    reporter.report("map/unread", { names: unread, file: checkpoint.name, model });
  return { value: sources, diagnostics: reporter.diagnostics };
}

/** The path with `[i]` for each index of a repeat. */
const folded = (path: string): string => path.replace(/\.\d+(?=\.)/g, "[i]");

function tensorsOf(source: WeightSource | "none" | undefined): readonly StoredTensor[] {
  if (source === undefined || source === "none") return [];
  return source.kind === "stored"
    ? [source.tensor.within ?? source.tensor]
    : source.kind === "computed"
      ? source.tensors
      : [];
}

const FLOATS: ReadonlySet<string> = new Set(["F64", "F32", "F16", "BF16"]);

/** What the line gives; `none` where that is nothing, nothing at all where a mistake was reported. */
function evaluateLine(
  e: Elaborator,
  line: Line,
  reading: MapReading,
  frame: Frame,
  path: string,
): WeightSource | "none" | undefined {
  const builder = new GraphBuilder(path);
  e.mapReading = reading;
  const v = e.building(builder, () => evaluate(e, stepped(line.value, reading.step), withAxes(frame, reading.axes)));
  e.mapReading = undefined;
  if (v.kind === "stored") {
    const { tensor } = v;
    if (!FLOATS.has(tensor.dtype)) return refuse(e, tensor);
    if (!fitsShape(tensor.shape, reading.axes)) {
      e.reporter.report(
        "map/shape",
        {
          tensor: tensor.name,
          file: tensor.file,
          found: tensor.shape,
          wanted: reading.axes.map((a) => `${a.name}=${a.size.toString()}`),
        },
        undefined,
        {
          hint: `it is to fill ${path}; the sizes come from config.json`,
        },
      );
      return undefined;
    }
    return { kind: "stored", tensor, order: reading.axes };
  }
  if (v.kind === "none") return "none";
  const same = asNumber(v);
  if (same !== undefined) return { kind: "initial", initial: { kind: "constant", value: same }, seed: 0 };
  if (v.kind !== "tensor") {
    if (v.kind !== "invalid") e.fail("type/operand", { op: path, found: describe(v) }, line.value.span);
    return undefined;
  }
  for (const t of reading.read.values()) if (!FLOATS.has(t.dtype)) return refuse(e, t);
  const direct = reading.read.get(v.value);
  const lacking = reading.axes.filter((a) => !v.value.type.axes.some((b) => b.name === a.name));
  const fits =
    v.value.type.axes.every((b) => reading.axes.some((a) => a.name === b.name && a.size.equals(b.size))) &&
    lacking.every((a) => a.size.known === 1);
  if (!fits) {
    e.reporter.report(
      "map/axes",
      {
        path,
        found: v.value.type.axes.map((a) => `${a.name}=${a.size.toString()}`),
        wanted: reading.axes.map((a) => `${a.name}=${a.size.toString()}`),
      },
      line.value.span,
    );
    return undefined;
  }
  if (direct) return { kind: "stored", tensor: direct, order: [...lacking, ...v.value.type.axes] };
  const full = lacking.reduce<V>(
    (x, axis) =>
      x.kind === "tensor"
        ? e.building(builder, () =>
            e.emit1("spread", [(x as { value: typeof v.value }).value], { axis }, line.value.span),
          )
        : x,
    v,
  );
  if (full.kind !== "tensor") return undefined;
  builder.output("weight", full.value, "weight");
  const tensors = builder.inputs.map((i) => reading.read.get(i.value)!);
  const graph = builder.build();
  const part = tensors.length === 1 ? partOf(graph, tensors[0]!) : undefined;
  return part && "stretch" in part ? part.stretch : { kind: "computed", tensors, graph, ...part };
}

/** The model's settings, and the axes of the weight: the size of a pattern's axis may be made of either. */
function withAxes(model: Frame, axes: MapReading["axes"]): Frame {
  const frame = new Frame("map", model.title, model.module, model, model, model.site, model.path);
  for (const axis of axes) frame.set(axis.name, { kind: "dim", axis });
  return frame;
}

function refuse(e: Elaborator, tensor: StoredTensor): undefined {
  e.reporter.report("map/not-float", { tensor: tensor.name, file: tensor.file, dtype: tensor.dtype }, undefined, {
    hint: "quantised checkpoints are not read; use the original one, in float32, float16 or bfloat16",
  });
  return undefined;
}

/** Weights whose tensors are not there, those of one kind together. */
class Missing {
  private readonly groups = new Map<string, { path: string; names: readonly string[]; more: number }>();

  add(path: string, names: readonly string[]): void {
    const key = path.replace(/\d+/g, "#");
    const group = this.groups.get(key);
    if (group) group.more++;
    else this.groups.set(key, { path, names, more: 0 });
  }

  report(reporter: Reporter, checkpoint: Checkpoint, prefixes: readonly string[]): void {
    for (const { path, names, more } of this.groups.values()) {
      const close = nearest(prefixes[0]! + names[0]!, [...checkpoint.tensors.keys()]);
      const others = more > 0 ? `${more} more of its kind are missing too; ` : "";
      reporter.report("map/missing", { path, names, file: checkpoint.name }, undefined, {
        hint:
          others +
          (close
            ? `the nearest name there is ${close}`
            : `the checkpoint has ${checkpoint.tensors.size} tensors; is it the whole of it, and of this model?`),
      });
    }
  }
}

/** Stored tensors that no weight took, numbers folded: `layers.{0..3}.x`. */
function reportUnreadTensors(
  reporter: Reporter,
  map: Selected,
  stored: ReadonlyMap<string, StoredTensor>,
  used: ReadonlySet<StoredTensor>,
  usedLines: ReadonlySet<Line>,
  prefixes: readonly string[],
  checkpoint: Checkpoint,
): void {
  const ignored = texts(map, "Ignore")
    .filter((t) => !t.startsWith("config."))
    .map(glob);
  // Lines for weights that this model does not have: their tensors are known, and not wanted.
  const idle = map.lines
    .filter((l) => !usedLines.has(l))
    .flatMap((l) => textsOf(l.value).map((t) => l.before + t))
    .flatMap((t) => prefixes.map((p) => loose(p + t)));
  const groups = new Map<string, string[]>();
  for (const [name, t] of stored) {
    if (used.has(t) || ignored.some((g) => g.test(name)) || idle.some((g) => g.test(name))) continue;
    const key = name.replace(/\d+/g, "#");
    groups.set(key, [...(groups.get(key) ?? []), t.name]);
  }
  for (const names of groups.values())
    reporter.report("map/unread", { names, file: checkpoint.name, model: map.model.decl.name.name }, undefined, {
      hint: "what it holds is not part of the compiled model; if that is right, `ignore` it in the map",
    });
}

function textsOf(x: ast.Expr): readonly string[] {
  if (x.kind === "Text") return [x.value];
  if (x.kind === "Binary") return [...textsOf(x.left), ...textsOf(x.right)];
  if (x.kind === "Index") return textsOf(x.object);
  if (x.kind === "Paren") return x.items.flatMap((i) => textsOf(i.value));
  if (x.kind === "If") return [...textsOf(x.then), ...textsOf(x.else)];
  return [];
}

function loose(text: string): RegExp {
  const escaped = text.replace(/[.[\]()+?^$|\\]/g, "\\$&").replaceAll("*", "[^.]+");
  return new RegExp(
    `^${escaped.replace(/\{([^{}]*)\}/g, (_, inside: string) =>
      inside.includes(",")
        ? `(${inside
            .split(",")
            .map((p) => p.trim())
            .join("|")})`
        : "[^.]+",
    )}$`,
  );
}
