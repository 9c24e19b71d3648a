/**
 * @file Frames: what names mean during one application of a block, an operator or a model.
 *
 * Lookup is lexical (own names, then those of the frame it was written in, then the module). Only what a block declares as
 * `given` is looked up dynamically, outwards through the frames that applied each other.
 */
import type { Span } from "../source/source.ts";
import type { Module } from "./program.ts";
import type { V } from "./values.ts";

/** A name whose value is worked out when it is first asked for. */
export interface Lazy {
  readonly lazy: () => V;
}

export type FrameKind = "program" | "model" | "block" | "alias" | "op" | "repeat" | "map";

export class Frame {
  private readonly names = new Map<string, V | Lazy>();
  private readonly forcing = new Set<string>();
  /** Names that a `given` further in may find here. */
  private readonly offered = new Set<string>();
  /** Names of slots and of settings that are blocks, whether or not there is one. */
  private readonly ofBlocks = new Set<string>();
  /** Axes that values bring along from the caller, which have no name of their own here. */
  private readonly foreign = new Set<string>();
  /** Runs what is worked out lazily where the frame was made: in its graph, outside any `let`. */
  enter: ((work: () => V) => V) | undefined;
  /** What a `given` means that nothing gives: of a law, whose sizes are drawn. */
  fallback?: (name: string) => V | undefined;
  /** Called whenever the name is read (to see whether a repeat's body depends on `layer`). */
  onRead?: (name: string) => void;

  constructor(
    readonly kind: FrameKind,
    /** What messages call it: the block's name. */
    readonly title: string,
    readonly module: Module,
    /** The frame around it in the text; only of repeats and maps. */
    readonly lexical: Frame | undefined,
    /** The frame that applied it. */
    readonly dynamic: Frame | undefined,
    /** Where it was applied. */
    readonly site: Span | undefined,
    /** The path of the weights made here, in segments. */
    readonly path: readonly string[],
  ) {}

  set(name: string, value: V | Lazy): void {
    this.names.set(name, value);
  }

  offer(name: string): void {
    this.offered.add(name);
  }

  /** Says that the name is that of a slot, or of a setting that is a block: what it holds may be none. */
  expectBlock(name: string): void {
    this.ofBlocks.add(name);
  }

  /** True where the name is that of a block, there or not. */
  expectsBlock(name: string): boolean {
    for (let frame: Frame | undefined = this; frame; frame = frame.lexical)
      if (frame.names.has(name)) return frame.ofBlocks.has(name);
    return false;
  }

  /** Takes note of an axis that a value has and that is not called so here. */
  meet(axis: string): void {
    this.foreign.add(axis);
  }

  /** What an axis that is made here under this name is called on tensors: not as one that the caller brings along. */
  fresh(name: string): string {
    let free = name;
    while (this.isForeign(free)) free += "~";
    return free;
  }

  private isForeign(axis: string): boolean {
    for (let frame: Frame | undefined = this; frame; frame = frame.lexical) if (frame.foreign.has(axis)) return true;
    return false;
  }

  /** True where the frame itself (not one around it) has the name. */
  has(name: string): boolean {
    return this.names.has(name);
  }

  /** Its value where it has been worked out; asking changes nothing and counts as no reading. */
  known(name: string): V | undefined {
    const found = this.names.get(name);
    return found === undefined || "lazy" in found ? undefined : found;
  }

  own(name: string): V | undefined {
    const found = this.names.get(name);
    if (found === undefined) return undefined;
    this.onRead?.(name);
    if (!("lazy" in found)) return found;
    if (this.forcing.has(name)) return { kind: "invalid" };
    this.forcing.add(name);
    const value = this.enter ? this.enter(found.lazy) : found.lazy();
    this.forcing.delete(name);
    this.names.set(name, value);
    return value;
  }

  /** The name in this frame or one around it in the text. */
  lookup(name: string): V | undefined {
    for (let frame: Frame | undefined = this; frame; frame = frame.lexical) {
      const value = frame.own(name);
      if (value !== undefined) return value;
    }
    return undefined;
  }

  /** What a `given` of this name means for a block applied in this frame. */
  given(name: string): V | undefined {
    for (let frame: Frame | undefined = this; frame; frame = frame.dynamic) {
      if (frame.offered.has(name)) return frame.own(name);
      if (frame.fallback) return frame.fallback(name);
    }
    return undefined;
  }

  /** Every name that can be seen from here, for suggestions. */
  visible(): readonly string[] {
    const all: string[] = [];
    for (let frame: Frame | undefined = this; frame; frame = frame.lexical) all.push(...frame.names.keys());
    return all;
  }

  /** Every name that a `given` could find from here. */
  offeredNames(): readonly string[] {
    const all: string[] = [];
    for (let frame: Frame | undefined = this; frame; frame = frame.dynamic) all.push(...frame.offered);
    return all;
  }
}
