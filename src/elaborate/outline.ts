/**
 * @file What was applied inside what while a model was elaborated: the model as its author sees it, in blocks. The graph
 * itself has only operators; pictures and reports want the blocks that these came from.
 */
import type { GraphBuilder } from "../ir/builder.ts";
import type { Graph, Value } from "../ir/graph.ts";
import type { Span } from "../source/source.ts";

/** One application of a block, or of a repeated one. */
export interface Application {
  readonly kind: "block" | "repeat";
  /** What it is called where it is written: `mha`, not the `gqa` that it stands for. */
  readonly title: string;
  /** The documentation of what is called so. */
  readonly doc: string;
  /** The name that its weights go under; of a repeat's body its index in braces. */
  readonly label: string;
  readonly path: string;
  readonly span: Span;
  /** What it says of itself after a colon: `attention`, `norm`, `ffn`. */
  readonly role?: string | undefined;
  /** It puts other blocks together: it has slots. */
  readonly takesBlocks: boolean;
  readonly inputs: readonly Value[];
  /** Nodes `from` up to `to` of this builder's are its own and its children's. */
  readonly builder: GraphBuilder;
  readonly from: number;
  readonly to: number;
  readonly outputs: readonly Value[];
  /** Settings that are numbers or words, as text. */
  readonly settings: readonly { readonly name: string; readonly text: string }[];
  readonly children: readonly Application[];
  /** Of a repeat: how often, and the body of each kind of iteration. */
  readonly repeat?: { readonly count: number; readonly kinds: readonly RepeatedBody[] };
}

export interface RepeatedBody {
  readonly graph: Graph;
  readonly children: readonly Application[];
  /** Which iterations are of this kind. */
  readonly iterations: readonly number[];
  /** The value inside for each captured value outside. */
  readonly captures: readonly { readonly outside: Value; readonly inside: Value }[];
}

/** A model's own level: the graph that its inputs and outputs belong to, and what is applied in it. */
export interface Outline {
  readonly builder: GraphBuilder;
  readonly children: readonly Application[];
}

/** Collects applications while they happen; one whose elaboration fails is forgotten. */
export class OutlineRecorder {
  private level: Application[] = [];

  get children(): readonly Application[] {
    return this.level;
  }

  /** Runs `work` as one application; `finish` completes it from what came out, or says that nothing did. */
  record<T>(
    begun: Omit<Application, "children" | "to" | "outputs" | "settings">,
    work: () => T,
    finish: (
      result: T,
    ) => (Pick<Application, "outputs" | "settings"> & Pick<Partial<Application>, "repeat">) | undefined,
  ): T {
    const around = this.level;
    this.level = [];
    try {
      const result = work();
      const finished = finish(result);
      if (finished) around.push({ ...begun, ...finished, to: begun.builder.nodes.length, children: this.level });
      return result;
    } finally {
      this.level = around;
    }
  }

  /** Runs `work` with applications collected apart, and gives them. */
  apart<T>(work: () => T): { readonly result: T; readonly children: readonly Application[] } {
    const around = this.level;
    this.level = [];
    try {
      const result = work();
      return { result, children: this.level };
    } finally {
      this.level = around;
    }
  }
}
