/**
 * @file Checkpoint maps, from a `config.json` to a model and its settings. Whatever the config asks for that the map does not read is
 * said by name. From stored tensors to weights: `weight-map.ts`.
 */
import { nearest } from "../diagnostics/suggest.ts";
import type { Checkpoint } from "../weights/source.ts";
import type * as ast from "../syntax/ast.ts";
import { Elaborator } from "./elaborator.ts";
import { evaluate, ofJson } from "./expressions.ts";
import type { Frame } from "./frame.ts";
import { settingsOf, type Outside } from "./models.ts";
import { wordsOf } from "./settings.ts";
import type { Found, Module } from "./program.ts";
import { pairsOf } from "./stored-names.ts";
import { describe, type V } from "./values.ts";

export interface Selected {
  readonly decl: ast.Checkpoint;
  readonly module: Module;
  readonly model: Found;
  /** Entries of the class first, then those of the whole family. */
  readonly entries: readonly ast.Entry[];
  readonly settings: ReadonlyMap<string, Outside>;
  readonly frame: Frame;
  /** The weights' lines, `from` unfolded. */
  readonly lines: readonly Line[];
}

/** One line of the map: a path on the left, an expression over stored tensors on the right. */
export interface Line {
  readonly parts: readonly ast.PathPart[];
  /** Texts of the `from`s around it. */
  readonly before: string;
  readonly value: ast.Expr;
}

/** Finds the `checkpoint` declaration that takes the config, and what it says of the model and its settings. */
export function select(
  e: Elaborator,
  modules: readonly Module[],
  config: unknown,
  configName: string,
  open?: () => Checkpoint | undefined,
): Selected | undefined {
  const root = ofJson(config, "config", e);
  const known: string[] = [];
  for (const module of modules)
    for (const decl of module.checkpoints) {
      const frame = e.frame("map", `checkpoint for ${decl.model.name}`, module, undefined, undefined, undefined, []);
      frame.set("config", root);
      known.push(decl.model.name);
      const takes = decl.when ? evaluate(e, decl.when, frame) : ({ kind: "bool", value: true } as V);
      if (takes.kind === "bool" && takes.value) return selected(e, decl, module, frame, config, configName, open);
    }
  const type = (config as { model_type?: unknown }).model_type;
  e.reporter.report(
    "config/unknown-family",
    { config: configName, type: typeof type === "string" ? type : undefined },
    undefined,
    {
      hint: `the library has maps for ${[...new Set(known)].join(", ")}; write one of your own and give it with \`--use my_family.tfm\``,
    },
  );
  return undefined;
}

function selected(
  e: Elaborator,
  decl: ast.Checkpoint,
  module: Module,
  frame: Frame,
  config: unknown,
  configName: string,
  open?: () => Checkpoint | undefined,
): Selected | undefined {
  const { model, entries } = classOf(e, decl, module, config, configName);
  if (!model) return undefined;
  e.storedPair = open && pairsOf(entries, open);
  const known = settingsOf(e, model);
  const settings = new Map<string, Outside>();
  const lines: Line[] = [];
  for (const entry of entries) {
    if (entry.kind === "Require") requirement(e, entry, frame, configName);
    else if (entry.kind === "Assign" && entry.path.parts.length === 1 && entry.path.parts[0]!.kind === "Name") {
      const name = entry.path.parts[0]!.name;
      if (!known.has(name)) {
        const close = nearest(name, [...known.keys()]);
        e.fail("config/no-setting", { name, model: model.decl.name.name }, entry.path.span, {
          hint: close ? `did you mean ${close}?` : undefined,
        });
      } else if (!settings.has(name)) {
        const words = wordsOf(known.get(name)!.param.type);
        // Later lines may read what earlier ones have set.
        frame.set(name, { lazy: () => evaluate(e, entry.value, frame, words) });
        settings.set(name, { span: entry.value.span, value: () => frame.own(name)! });
      }
    } else unfold(entry, [], "", lines);
  }
  return { decl, module, model, entries, settings, frame, lines };
}

/** The model that the config's class names, with the class's own entries before the family's. */
function classOf(
  e: Elaborator,
  decl: ast.Checkpoint,
  module: Module,
  config: unknown,
  configName: string,
): { model: Found | undefined; entries: readonly ast.Entry[] } {
  const own = decl.entries.filter((x) => x.kind !== "Class");
  const classes = decl.entries.filter((x) => x.kind === "Class");
  const named = (config as { architectures?: unknown }).architectures;
  const wanted = Array.isArray(named) && typeof named[0] === "string" ? named[0] : undefined;
  const entry = classes.find((c) => c.classes.some((t) => t.value === wanted));
  const modelName = entry?.model ?? decl.model;
  const model = e.program.find(module, modelName.name);
  if (!model || model.decl.kind !== "Model") {
    e.fail("model/unknown", { name: modelName.name }, modelName.span);
    return { model: undefined, entries: [] };
  }
  if (wanted !== undefined && !entry && classes.length > 0)
    e.reporter.report("config/unknown-class", { name: wanted, config: configName, model: decl.model.name }, undefined, {
      hint: `known are ${classes.flatMap((c) => c.classes.map((t) => t.value)).join(", ")}; what is compiled is ${decl.model.name}, without a head`,
    });
  return { model, entries: [...(entry?.entries ?? []), ...own] };
}

function requirement(
  e: Elaborator,
  entry: Extract<ast.Entry, { kind: "Require" }>,
  frame: Frame,
  configName: string,
): void {
  const v = evaluate(e, entry.condition, frame);
  if (v.kind === "bool" && v.value) return;
  if (v.kind === "invalid") return;
  const { span } = entry.condition;
  const asked = /config((\.\w+)+)/.exec(span.file.text.slice(span.start, span.end));
  const found = asked ? evaluate(e, memberOf(entry.condition) ?? entry.condition, frame) : v;
  e.reporter.report(
    "config/unsupported",
    { key: asked?.[1]?.slice(1) ?? "", found: describe(found), config: configName },
    span,
    {
      hint: `the map asks for ${span.file.text.slice(span.start, span.end)}: what this model computes otherwise is not what was trained`,
    },
  );
}

function memberOf(x: ast.Expr): ast.Expr | undefined {
  if (x.kind === "Member") return x;
  if (x.kind === "Binary") return memberOf(x.left) ?? memberOf(x.right);
  if (x.kind === "Paren") return x.items[0] && memberOf(x.items[0].value);
  return undefined;
}

function unfold(entry: ast.Entry, around: readonly ast.PathPart[], before: string, lines: Line[]): void {
  if (entry.kind === "Assign") lines.push({ parts: [...around, ...entry.path.parts], before, value: entry.value });
  else if (entry.kind === "From")
    for (const inner of entry.entries)
      unfold(inner, [...around, ...entry.path.parts], before + entry.prefix.value, lines);
}

// ── Keys that nothing reads ───────────────────────────────────────────────────────────────────────────────────────────

/** Reports keys of the config that are set and that neither the map reads nor anybody calls without effect. */
export function reportUnread(e: Elaborator, map: Selected, config: unknown, configName: string): void {
  const ignored = [
    ...keysWithoutEffect(e, map.module).map((k) => `config.${k}`),
    ...texts(map, "Ignore").filter((t) => t.startsWith("config.")),
  ].map(glob);
  const visit = (json: unknown, path: string): void => {
    if (json === null || json === undefined || ignored.some((g) => g.test(path))) return;
    if (!e.configRead.has(path)) {
      e.reporter.report(
        "config/unread",
        {
          key: path.slice("config.".length),
          value: JSON.stringify(json)?.slice(0, 60) ?? "",
          config: configName,
          map: map.decl.model.name,
        },
        undefined,
        {
          hint: `if it changes nothing, add \`ignore "${path}"\` to the map; if it does, the model needs a setting for it`,
        },
      );
      return;
    }
    if (typeof json === "object" && !Array.isArray(json))
      for (const [k, v] of Object.entries(json)) visit(v, `${path}.${k}`);
  };
  for (const [k, v] of Object.entries(config as object)) visit(v, `config.${k}`);
}

/** The library's list, an operator without operands called `keys_without_effect`. */
function keysWithoutEffect(e: Elaborator, module: Module): readonly string[] {
  const found = e.program.find(module, "keys_without_effect");
  if (found?.decl.kind !== "Op" || found.decl.meaning.kind !== "Alias" || found.decl.meaning.value.kind !== "List")
    return [];
  return found.decl.meaning.value.items.flatMap((i) => (i.kind === "Text" ? [i.value] : []));
}

export function texts(map: Selected, kind: "Ignore"): readonly string[] {
  return map.entries.flatMap((x) => (x.kind === kind ? x.patterns.map((p) => p.value) : []));
}

export function glob(pattern: string): RegExp {
  return new RegExp(
    `^${pattern
      .split("*")
      .map((p) => p.replace(/[.[\]{}()+?^$|\\]/g, "\\$&"))
      .join(".*")}$`,
  );
}

// ── Clients and tasks ─────────────────────────────────────────────────────────────────────────────────────────────────

/** The nearest type that each client knows, by the client's name; a class's own word comes before the family's. */
export function clientTypes(map: Selected): ReadonlyMap<string, string> {
  const types = new Map<string, string>();
  for (const entry of map.entries)
    if (entry.kind === "Client" && !types.has(entry.name.value)) types.set(entry.name.value, entry.type.value);
  return types;
}

/** How texts become rows of tokens, by the task's name. */
export function taskForms(map: Selected): ReadonlyMap<string, readonly string[]> {
  const forms = new Map<string, readonly string[]>();
  for (const entry of map.entries)
    if (entry.kind === "Task" && !forms.has(entry.name.value))
      forms.set(
        entry.name.value,
        entry.rows.map((r) => r.value),
      );
  return forms;
}

// ── Names of what is kept ─────────────────────────────────────────────────────────────────────────────────────────────

/** Boundary names of what `keep` hands on at a path with holes: `layers.{0}.attention.body.k` is `past_key_values.{0}.key`. */
export function stateNames(map: Selected, path: string): { past: string; present: string } | undefined {
  for (const entry of map.entries) {
    if (entry.kind !== "Cache") continue;
    const match = matchPath(entry.path.parts, path.split("."));
    if (!match) continue;
    const past = entry.name.value.replace(/\{([^{}]*)\}/g, (hole, inside: string) => {
      const parts = inside.split(",").map((p) => p.trim());
      return parts.length > 1 ? (parts[match.step] ?? hole) : (match.indices.get(parts[0]!) ?? hole);
    });
    return { past, present: past.includes(".") ? past.replace(/^[^.]*/, "present") : `present_${past}` };
  }
  return undefined;
}

interface PathMatch {
  readonly indices: ReadonlyMap<string, string>;
  readonly step: number;
  readonly star: string;
}

/** A path of the map against the segments of a weight's path. */
export function matchPath(parts: readonly ast.PathPart[], segments: readonly string[]): PathMatch | undefined {
  const indices = new Map<string, string>();
  let step = -1;
  for (const [i, part] of parts.entries()) {
    if (part.kind === "Star") {
      if (i !== parts.length - 1 || segments.length <= i) return undefined;
      return { indices, step: Math.max(step, 0), star: segments.slice(i).join(".") };
    }
    const segment = segments[i];
    if (segment === undefined) return undefined;
    if (part.kind === "Name" && part.name !== segment) return undefined;
    if (part.kind === "Index") {
      if (!/^(\d+|\{\d+\})$/.test(segment) || part.index.kind !== "Name") return undefined;
      indices.set(part.index.name, segment);
    }
    if (part.kind === "Set") {
      const at = part.names.findIndex((n) => n.name === segment);
      if (at < 0 || (step >= 0 && step !== at)) return undefined;
      step = at;
    }
  }
  return segments.length === parts.length ? { indices, step: Math.max(step, 0), star: "" } : undefined;
}
