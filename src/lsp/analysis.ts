/**
 * @file What is known of one version of a document. Syntax and names are known at once; models and laws are elaborated one by
 * one (`step`), what an edit touched first, and those that it cannot have touched are taken over from the version before.
 */
import {
  checkLaw,
  inspect,
  type Elaborated,
  type Insight,
  type Library,
  type Target,
  type TypeNote,
} from "../compile.ts";
import { Reporter, type Diagnostic } from "../diagnostics/diagnostic.ts";
import type { Application } from "../elaborate/outline.ts";
import type { Module } from "../elaborate/program.ts";
import { checkDeclaration, checkUses, collectGlobals } from "../names/names.ts";
import { spanOf, type SourceFile, type Span } from "../source/source.ts";
import type * as ast from "../syntax/ast.ts";
import { Chunks, type Chunk, type Placed } from "./chunks.ts";
import { WatchedProgram, type Lookups } from "./watched.ts";

/** What the server runs in. */
export interface Environment {
  readonly library: Library;
  /** The file that `use "./x.tfm"` in `from` means. */
  readonly readModule: (path: string, from: SourceFile) => SourceFile | undefined;
  /** Milliseconds, of any beginning. */
  readonly now: () => number;
}

/** Names of one declaration. */
interface NamesResult {
  readonly lookups: Lookups;
  readonly state: string;
  readonly globals: ReadonlySet<string>;
  readonly diagnostics: readonly Diagnostic[];
}

/** One model, law or bare stack, elaborated. */
export interface Elaboration {
  readonly lookups: Lookups;
  readonly state: string;
  readonly diagnostics: readonly Diagnostic[];
  readonly value?: Elaborated;
  readonly types: ReadonlyMap<SourceFile, Notes>;
  readonly sizes: ReadonlyMap<SourceFile, Notes>;
  readonly applications: readonly Application[];
  /** Its elaboration took too long and was given up. */
  readonly givenUp: boolean;
}

/** Texts by place, `start:end`, each once. */
export type Notes = ReadonlyMap<string, readonly string[]>;

/** A declaration that is elaborated, or the expression of a bare stack. */
export type Unit = ast.Model | ast.Law | ast.Rewrite | ast.Expr;

/** No model or law may hold the editor up for longer than this. */
export const LONGEST = 3000;

/** A document that is open: its versions, and what is taken over from each to the next. */
export class OpenText {
  private readonly chunks: Chunks;
  private readonly names = new WeakMap<object, NamesResult>();
  private readonly elaborations = new WeakMap<object, Elaboration>();
  private readonly modules = new Map<string, { readonly text: string; readonly file: SourceFile }>();
  private last: ReadonlySet<Unit> = new Set();

  constructor(
    /** What `use` reads paths from. */
    readonly name: string,
    readonly environment: Environment,
  ) {
    this.chunks = new Chunks(name);
  }

  /** Reads a new version: its syntax and names. */
  update(text: string): Analysis {
    const made = new Analysis(this, text, this.chunks.of(text), this.names, this.elaborations, this.last);
    this.last = new Set(made.units);
    return made;
  }

  /** A module that the text uses; the same file as long as its text is the same. */
  readModule(path: string, from: SourceFile): SourceFile | undefined {
    const file = this.environment.readModule(path, from);
    if (!file) return undefined;
    const known = this.modules.get(file.name);
    if (known?.text === file.text) return known.file;
    this.modules.set(file.name, { text: file.text, file });
    return file;
  }
}

export class Analysis {
  readonly program: WatchedProgram;
  readonly main: Module;
  readonly library: Library;
  private readonly starts = new Map<SourceFile, number>();
  private readonly early: readonly Diagnostic[];
  private readonly pending: Unit[];
  /** All that a lookup by name does not show: roles and words of choices. */
  private readonly state: string;
  /** The names at the top, which suggestions choose from. */
  private readonly tops: string;

  constructor(
    readonly open: OpenText,
    readonly text: string,
    readonly placed: readonly Placed[],
    private readonly names: WeakMap<object, NamesResult>,
    private readonly elaborations: WeakMap<object, Elaboration>,
    before: ReadonlySet<Unit>,
  ) {
    for (const { chunk, start } of placed) this.starts.set(chunk.file, start);
    const reporter = new Reporter();
    for (const { chunk } of placed) reporter.addAll(chunk.diagnostics);
    this.library = open.environment.library;
    this.program = new WatchedProgram(this.library, (path, from) => open.readModule(path, from), reporter);
    const file: SourceFile = { name: open.name, text };
    const bare = placed.length === 1 ? placed[0]!.chunk.syntax.bare : undefined;
    const decls = placed.flatMap((p) => p.chunk.syntax.decls);
    this.main = this.program.load(file, {
      kind: "File",
      span: spanOf(file, 0, text.length),
      decls,
      ...(bare ? { bare } : {}),
    });
    const shared = placed.map((p) => sharedBy(p.chunk)).filter((s) => s !== "");
    this.state = [...new Set(shared)].sort().join(" ");
    this.tops = [...this.main.own.keys()].sort().join(" ");
    this.checkNames(reporter);
    this.early = reporter.diagnostics;
    const units: Unit[] = [];
    for (const decl of decls)
      if (decl.kind === "Law" || decl.kind === "Rewrite") units.push(decl);
      else if (decl.kind === "Model" && this.main.own.get(decl.name.name) === decl) units.push(decl);
    if (bare && bare.kind !== "Invalid") units.push(bare);
    const stale = units.filter((u) => !this.isValid(elaborations.get(u)));
    // First what was typed just now, then what reads it, then what there was no time for yet.
    const rank = (u: Unit): number => (!before.has(u) ? 0 : elaborations.has(u) ? 1 : 2);
    this.pending = stale.sort((a, b) => rank(a) - rank(b)).reverse();
    this.units = units;
  }

  readonly units: readonly Unit[];

  private isValid(known: Elaboration | NamesResult | undefined): boolean {
    return (
      known !== undefined && known.state === this.stateFor(known.diagnostics) && this.program.confirms(known.lookups)
    );
  }

  /** Suggestions in diagnostics choose among all names. */
  private stateFor(diagnostics: readonly Diagnostic[]): string {
    return diagnostics.length > 0 ? `${this.state}\n${this.tops}` : this.state;
  }

  private checkNames(reporter: Reporter): void {
    const { program, main } = this;
    const all = new Set<string>();
    for (const decl of main.syntax.decls) {
      let known = this.names.get(decl);
      if (!known || !this.isValid(known)) {
        const own = new Reporter();
        const globals = new Set<string>();
        const { lookups } = program.watch(() => checkDeclaration(program, main, decl, own, globals));
        known = { lookups, state: this.stateFor(own.diagnostics), globals, diagnostics: own.diagnostics };
        this.names.set(decl, known);
      }
      reporter.addAll(known.diagnostics);
      for (const name of known.globals) all.add(name);
    }
    if (main.syntax.bare) collectGlobals(main.syntax.bare, all);
    checkUses(main, reporter, all);
  }

  // ── Elaboration ─────────────────────────────────────────────────────────────────────────────────────────────────────

  get done(): boolean {
    return this.pending.length === 0;
  }

  /** Elaborates what is left, at least one model, until `milliseconds` have passed; true where nothing is left. */
  step(milliseconds = Infinity): boolean {
    const { now } = this.open.environment;
    const end = now() + milliseconds;
    do {
      const unit = this.pending.pop();
      if (unit) this.elaborations.set(unit, this.elaborate(unit));
    } while (!this.done && now() < end);
    return this.done;
  }

  /** Of a unit, what is known so far. */
  elaborationOf(unit: Unit): Elaboration | undefined {
    return this.elaborations.get(unit);
  }

  private elaborate(unit: Unit): Elaboration {
    const { program, main } = this;
    const { now } = this.open.environment;
    const end = now() + LONGEST;
    const tooLong = (): boolean => now() > end;
    const { result, lookups } = program.watch((): Insight => {
      if (unit.kind === "Law" || unit.kind === "Rewrite")
        return { diagnostics: checkLaw({ decl: unit, module: main, program }), ...NO_NOTES };
      const target: Target = unit.kind === "Model" ? { decl: unit, module: main } : { bare: unit, module: main };
      return inspect(
        program,
        target,
        this.placed.map((p) => p.chunk.file.name),
        tooLong,
      );
    });
    const { value, diagnostics, types, sizes } = result;
    return {
      lookups,
      state: this.stateFor(diagnostics),
      diagnostics,
      ...(value ? { value } : {}),
      types: byPlace(types),
      sizes: byPlace(sizes),
      applications: value ? flat(value.outline.children) : [],
      givenUp: result.givenUp ?? false,
    };
  }

  /** Everything there is to say of this version so far, each once. */
  diagnostics(): readonly Diagnostic[] {
    const reporter = new Reporter();
    reporter.addAll(this.early);
    for (const unit of this.units) reporter.addAll(this.elaborations.get(unit)?.diagnostics ?? []);
    return reporter.diagnostics;
  }

  // ── Places ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Where a span lies in the document; undefined of spans in other files, and in earlier versions of this. */
  inDocument(span: Span): { readonly start: number; readonly end: number } | undefined {
    if (span.file === this.main.file) return span;
    const start = this.starts.get(span.file);
    return start === undefined ? undefined : { start: start + span.start, end: start + span.end };
  }

  /** The chunk at an offset of the document. */
  chunkAt(offset: number): Placed {
    let low = 0;
    let high = this.placed.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.placed[middle]!.start <= offset) low = middle;
      else high = middle - 1;
    }
    return this.placed[low]!;
  }

  /** Types noted at a span, by any model. */
  typesAt(span: Span): readonly string[] {
    return this.notesAt(span, "types");
  }

  sizesAt(span: Span): readonly string[] {
    return this.notesAt(span, "sizes");
  }

  private notesAt(span: Span, which: "types" | "sizes"): readonly string[] {
    const all = new Set<string>();
    for (const unit of this.units) {
      const notes = this.elaborations.get(unit)?.[which].get(span.file)?.get(`${span.start}:${span.end}`);
      for (const text of notes ?? []) all.add(text);
    }
    return [...all];
  }
}

const NO_NOTES = { types: [], sizes: [] } as const;

function byPlace(notes: readonly TypeNote[]): ReadonlyMap<SourceFile, Notes> {
  const files = new Map<SourceFile, Map<string, string[]>>();
  for (const { span, text } of notes) {
    let places = files.get(span.file);
    if (!places) files.set(span.file, (places = new Map()));
    const key = `${span.start}:${span.end}`;
    const texts = places.get(key);
    if (!texts) places.set(key, [text]);
    else if (!texts.includes(text)) texts.push(text);
  }
  return files;
}

function flat(applications: readonly Application[]): readonly Application[] {
  return applications.flatMap((a) => [
    a,
    ...flat(a.children),
    ...(a.repeat?.kinds.flatMap((k) => flat(k.children)) ?? []),
  ]);
}

const SHARED = new WeakMap<Chunk, string>();

/** What a chunk tells all others without being named: roles of its blocks, words of its choices. */
function sharedBy(chunk: Chunk): string {
  let known = SHARED.get(chunk);
  if (known !== undefined) return known;
  const all: string[] = [];
  for (const decl of chunk.syntax.decls) {
    if (decl.kind !== "Block" && decl.kind !== "Op" && decl.kind !== "Model") continue;
    if (decl.kind === "Block" && decl.role) all.push(`:${decl.role.name}`);
    const params = decl.kind === "Op" ? [...(decl.settings?.items ?? []), ...decl.operands.items] : decl.params.items;
    for (const { type } of params)
      if (type?.base && type.alternatives.length > 0)
        all.push([type.base, ...type.alternatives].map((w) => w.name).join("|"));
  }
  known = all.join(" ");
  SHARED.set(chunk, known);
  return known;
}
