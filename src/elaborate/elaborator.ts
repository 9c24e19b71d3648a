/**
 * @file The state of one elaboration: the graph being built, the paths of weights, and how mistakes are reported.
 *
 * Elaborating is evaluating the program with its settings: what is known while compiling is computed, what is not becomes a
 * node of the graph, typed as it is made. So every expression has a type, and a block is checked where it is applied.
 */
import type { Code, Extras, ParamsOf } from "../diagnostics/diagnostic.ts";
import { explainProblem } from "./problem.ts";
import { Reporter } from "../diagnostics/diagnostic.ts";
import { GraphBuilder } from "../ir/builder.ts";
import type { Value } from "../ir/graph.ts";
import { Size } from "../ir/size.ts";
import { showType, type Axis, type Dtype, type Type } from "../ir/type.ts";
import type { AttrsOf, PrimitiveName } from "../ops/attributes.ts";
import { infer } from "../ops/registry.ts";
import type { Span } from "../source/source.ts";
import { Frame, type FrameKind } from "./frame.ts";
import type { Module, Program } from "./program.ts";
import { OutlineRecorder } from "./outline.ts";
import type { MapReading } from "./stored.ts";
import type { StoredPair } from "./stored-names.ts";
import { asNumber, INVALID, tensor, type V } from "./values.ts";

export interface TypeNote {
  readonly span: Span;
  readonly text: string;
}

/** Thrown where `tooLong` says so. */
export class GivenUp extends Error {}

/** Where the parameters of the block being elaborated are made. */
export interface WeightHome {
  readonly builder: GraphBuilder;
  /** Of an instance made with `new`: its weights so far, by path. */
  readonly shared?: Map<string, Value>;
  /** Inside a repeat of an instance: a path met before is the same weight. */
  readonly tied?: boolean;
  /** Inside of `each`: the axes that weights made here get in front. */
  readonly each?: readonly Axis[];
  /** The same axes by name; signatures look past them. */
  readonly mapped?: readonly string[];
}

const LIMIT_OF_NESTING = 200;

export class Elaborator {
  builder: GraphBuilder;
  home: WeightHome;
  /** Applications around the one being elaborated, outermost first. */
  readonly sites: Span[] = [];
  readonly applying: string[] = [];
  readonly notes: TypeNote[] = [];
  /** What dimensions and numbers are, where they are read: for editors. */
  readonly sizes: TypeNote[] = [];
  readonly noteFiles = new Set<string>();
  readonly outline = new OutlineRecorder();
  /** Asked now and then; true gives the elaboration up. An editor cannot wait for a repeat of a billion. */
  tooLong: (() => boolean) | undefined;
  private evaluated = 0;
  /** Paths of weights made so far, with the place. */
  paths = new Map<string, Span>();
  /** The name that an unlabelled block takes from the `let` it stands in. */
  letName: string | undefined;
  /** Inputs of the model that are what they are by default, by their names outside. */
  byDefault: ReadonlySet<string> = new Set();
  /** The `let` being evaluated, whatever it applies: what is kept is named by it. */
  currentLet: string | undefined;
  repeatDepth = 0;
  mapReading: MapReading | undefined;
  /** Two tensors by their names in the checkpoint map that is read, where a checkpoint lies beside the config. */
  storedPair: ((a: string, b: string) => StoredPair | undefined) | undefined;
  /** Keys of the config that were read: `config.hidden_size`. */
  configRead = new Set<string>();
  /** Declarations that were read, for "unused". */
  readonly used = new Set<object>();

  constructor(
    readonly program: Program,
    readonly reporter: Reporter,
    name: string,
  ) {
    this.builder = new GraphBuilder(name);
    this.home = { builder: this.builder };
  }

  // ── Reporting ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Reports a mistake at a place. Inside the standard library the user's own call is the primary place, and the place in the
   * library is a related one.
   */
  fail<C extends Code>(code: C, params: ParamsOf<C>, span: Span, extras: Extras = {}): V {
    const own = this.userSpan(span);
    const related = [...(extras.related ?? [])];
    if (own !== span) related.push({ span, message: "this is where it shows" });
    this.reporter.report(code, params, own, { ...extras, related });
    return INVALID;
  }

  /** The innermost place in the user's own text that led here. */
  userSpan(span: Span): Span {
    if (!span.file.library) return span;
    for (let i = this.sites.length - 1; i >= 0; i--) if (!this.sites[i]!.file.library) return this.sites[i]!;
    return span;
  }

  /** Runs `work` as part of an application at `site`; too deep a nesting is a recursion. */
  within<T>(title: string, site: Span, work: () => T): T | undefined {
    if (this.applying.length >= LIMIT_OF_NESTING || this.applying.filter((t) => t === title).length > 24) {
      this.fail("name/recursive", { name: title.replace(/^.*:/, "") }, site);
      return undefined;
    }
    this.sites.push(site);
    this.applying.push(title);
    try {
      return work();
    } finally {
      this.sites.pop();
      this.applying.pop();
    }
  }

  note(span: Span, v: V): void {
    if (this.tooLong !== undefined && (++this.evaluated & 255) === 0 && this.tooLong()) throw new GivenUp();
    if (!this.noteFiles.has(span.file.name)) return;
    if (v.kind === "tensor") this.notes.push({ span, text: showType(v.value.type) });
    else if (v.kind === "dim") this.sizes.push({ span, text: `${v.axis.name} = ${v.axis.size.toString()}` });
    else if (v.kind === "number" || v.kind === "bool" || v.kind === "word")
      this.sizes.push({ span, text: `${v.value}` });
  }

  // ── Making nodes ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Appends a node; operands that do not fit are reported at `span` (operand i at `places[i]`, where given). */
  emit<K extends PrimitiveName>(
    op: K,
    inputs: readonly Value[],
    attrs: AttrsOf<K>,
    span: Span,
    places: readonly Span[] = [],
  ): readonly Value[] | undefined {
    const inferred = infer(
      op,
      inputs.map((v) => v.type),
      attrs,
    );
    if ("problem" in inferred) {
      const types = inputs.map((v) => v.type);
      explainProblem((...said) => this.fail(...said), inferred.problem, types, span, places);
      return undefined;
    }
    return this.builder.node(op, inputs, attrs, inferred.types, span);
  }

  /** The same for one result. */
  emit1<K extends PrimitiveName>(
    op: K,
    inputs: readonly Value[],
    attrs: AttrsOf<K>,
    span: Span,
    places: readonly Span[] = [],
  ): V {
    const made = this.emit(op, inputs, attrs, span, places);
    return made ? tensor(made[0]!) : INVALID;
  }

  constant(value: number, dtype: Dtype, span: Span): Value {
    return this.builder.node("constant", [], { value, dtype }, [{ dtype, axes: [] }], span)[0]!;
  }

  cast(value: Value, to: Dtype, span: Span): Value {
    if (value.type.dtype === to) return value;
    return this.builder.node("cast", [value], { to }, [{ dtype: to, axes: value.type.axes }], span)[0]!;
  }

  /** A value as a tensor of the graph, if it can be one; constants take the dtype `like`. */
  asTensor(v: V, span: Span, like?: Dtype): Value | undefined {
    if (v.kind === "tensor") return v.value;
    if (v.kind === "bool") return this.constant(v.value ? 1 : 0, "bool", span);
    const n = asNumber(v);
    if (n !== undefined) return this.constant(n, Number.isInteger(n) && like !== "float" ? "int" : "float", span);
    if (v.kind === "dim" || v.kind === "size") {
      const of: Size = v.kind === "dim" ? v.axis.size : v.size;
      return this.builder.node("size", [], { of }, [{ dtype: "int", axes: [] }], span)[0]!;
    }
    return undefined;
  }

  /** A frame whose lazy names are worked out in the graph and with the weights of now. */
  frame(
    kind: FrameKind,
    title: string,
    module: Module,
    lexical: Frame | undefined,
    dynamic: Frame | undefined,
    site: Span | undefined,
    path: readonly string[],
  ): Frame {
    const frame = new Frame(kind, title, module, lexical, dynamic, site, path);
    const { builder, home } = this;
    frame.enter = (work) => this.building(builder, () => this.housing(home, () => this.outsideLet(work)));
    return frame;
  }

  /** Runs `work` with another graph as the one being built. */
  building<T>(builder: GraphBuilder, work: () => T): T {
    const before = this.builder;
    this.builder = builder;
    try {
      return work();
    } finally {
      this.builder = before;
    }
  }

  /** Runs `work` with weights made elsewhere than in the graph being built. */
  housing<T>(home: WeightHome, work: () => T): T {
    const before = this.home;
    this.home = home;
    try {
      return work();
    } finally {
      this.home = before;
    }
  }

  /** Runs `work` outside the `let` around it: inside a block its name does not count. */
  outsideLet<T>(work: () => T): T {
    const { letName, currentLet } = this;
    this.letName = undefined;
    this.currentLet = undefined;
    try {
      return work();
    } finally {
      this.letName = letName;
      this.currentLet = currentLet;
    }
  }

  typeOf(v: V): Type | undefined {
    return v.kind === "tensor" ? v.value.type : undefined;
  }
}
