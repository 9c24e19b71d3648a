/** @file What an expression can be while compiling: numbers, dimensions, tensors of the graph, operators, blocks, ... */
import type * as ast from "../syntax/ast.ts";
import type { GraphBuilder } from "../ir/builder.ts";
import type { Value } from "../ir/graph.ts";
import type { Size } from "../ir/size.ts";
import { showType, type Axis } from "../ir/type.ts";
import type { Span } from "../source/source.ts";
import type { StoredTensor } from "../weights/source.ts";
import type { Frame } from "./frame.ts";
import type { Module } from "./program.ts";
import type { BracketPrimitive, FunctionPrimitive } from "./primitives.ts";

export type V =
  | { readonly kind: "number"; readonly value: number; readonly origin?: Span | undefined }
  | { readonly kind: "bool"; readonly value: boolean }
  | { readonly kind: "text"; readonly value: string }
  | { readonly kind: "none" }
  /** A word of a choice type. */
  | { readonly kind: "word"; readonly value: string }
  /** A named size. */
  | { readonly kind: "dim"; readonly axis: Axis }
  /** A size without a name that is known only when the model runs. */
  | { readonly kind: "size"; readonly size: Size }
  | { readonly kind: "tensor"; readonly value: Value }
  | { readonly kind: "list"; readonly items: readonly V[] }
  | { readonly kind: "tuple"; readonly items: readonly V[] }
  | { readonly kind: "range"; readonly from: V | undefined; readonly to: V | undefined }
  /** A part of a `config.json`; `path` is how messages call it. */
  | { readonly kind: "object"; readonly members: { readonly [key: string]: unknown }; readonly path: string }
  | OpV
  | BlockV
  | RepeatV
  | PipelineV
  | InstanceV
  | EachV
  /** A tensor of the checkpoint, before its axes have names. */
  | { readonly kind: "stored"; readonly tensor: StoredTensor }
  /** The weights of one side of a law, or those under a part of their paths: `left.attention`. */
  | { readonly kind: "weights"; readonly path: string; member(name: string): V | undefined }
  /** What is left of a mistake that has been reported; everything made from it is silent. */
  | { readonly kind: "invalid" };

/** An operator: declared in the language, or one that the language begins with. */
export interface OpV {
  readonly kind: "op";
  readonly name: string;
  readonly meaning:
    | { readonly kind: "declared"; readonly decl: ast.Op; readonly module: Module }
    | { readonly kind: "function"; readonly primitive: FunctionPrimitive }
    | {
        readonly kind: "bracket";
        readonly primitive: BracketPrimitive;
        readonly items: readonly ast.Arg[];
        readonly frame: Frame;
      };
  /** The settings of an operator with two lists, once given; unevaluated, in the frame where they were written. */
  readonly settings?: Written;
}

/** Arguments as they stand in the text, with the frame that gives their names a meaning. */
export interface Written {
  readonly args: readonly ast.Arg[];
  readonly frame: Frame;
  readonly span: Span;
}

export interface BlockV {
  readonly kind: "block";
  readonly decl: ast.Block;
  readonly module: Module;
  /** Settings given so far; of aliases, what is handed on stands after what the alias gives. */
  readonly given: readonly Written[];
  readonly fillers: readonly Written[];
  /** A label written with it (`after: norm`). */
  readonly label?: string;
  /** What it is called here: the block's, slot's or parameter's name. */
  readonly called: string;
  readonly span: Span;
}

/** `body x{count}`: the body is evaluated anew for each iteration, in a frame that knows `layer`. */
export interface RepeatV {
  readonly kind: "repeat";
  readonly body: ast.Expr;
  readonly frame: Frame;
  readonly count: number;
  readonly fillers: readonly Written[];
  readonly label?: string;
  readonly called: string;
  readonly span: Span;
}

/** `a -> b` as a filler: a block made of stages. */
export interface PipelineV {
  readonly kind: "pipeline";
  readonly stages: ast.Expr;
  readonly frame: Frame;
  readonly called: string;
  readonly span: Span;
}

/** A block made by hand, to be used more than once with the same weights. */
export interface InstanceV {
  readonly kind: "instance";
  readonly block: BlockV | RepeatV | PipelineV;
  readonly path: string;
  /** The axes that its weights have in front: of an instance made inside of an `each`. */
  readonly each: readonly Axis[];
  /** The graph that owns its weights. */
  readonly home: GraphBuilder;
  readonly weights: Map<string, Value>;
  readonly site: Frame;
}

/** `each[experts] < block >`: the block once for each place of an axis, which all its weights have in front. */
export interface EachV {
  readonly kind: "each";
  readonly axis: Axis;
  readonly fillers: readonly Written[];
  readonly span: Span;
}

export const NONE: V = { kind: "none" };
export const INVALID: V = { kind: "invalid" };
export const TRUE: V = { kind: "bool", value: true };
export const FALSE: V = { kind: "bool", value: false };

export function number(value: number, origin?: Span): V {
  return origin ? { kind: "number", value, origin } : { kind: "number", value };
}
export function bool(value: boolean): V {
  return value ? TRUE : FALSE;
}
export function tensor(value: Value): V {
  return { kind: "tensor", value };
}

/** The number that a value is while compiling, if it is one: a number, or a dimension whose size is known. */
export function asNumber(v: V): number | undefined {
  if (v.kind === "number") return v.value;
  if (v.kind === "dim") return v.axis.size.known;
  if (v.kind === "size") return v.size.known;
  return undefined;
}

/** True of what can be called or be a stage. */
export function isFunction(v: V): v is OpV | BlockV | RepeatV | PipelineV | InstanceV | EachV {
  return (
    v.kind === "op" ||
    v.kind === "block" ||
    v.kind === "repeat" ||
    v.kind === "pipeline" ||
    v.kind === "instance" ||
    v.kind === "each"
  );
}

/** What a value is, in the words of messages. */
export function describe(v: V): string {
  switch (v.kind) {
    case "number":
      return `the number ${v.value}`;
    case "bool":
      return `${v.value}`;
    case "text":
      return `the text "${v.value}"`;
    case "none":
      return "none";
    case "word":
      return `the word ${v.value}`;
    case "dim":
      return `the dimension ${v.axis.name}`;
    case "size":
      return `the size ${v.size.toString()}`;
    case "tensor":
      return showType(v.value.type);
    case "list":
      return `a list of ${v.items.length}`;
    case "tuple":
      return `${v.items.length} results`;
    case "range":
      return "a range";
    case "object":
      return v.path;
    case "op":
      return `the operator ${v.name}`;
    case "block":
      return `the block ${v.called}`;
    case "repeat":
      return "a repeated block";
    case "pipeline":
      return "a pipeline";
    case "instance":
      return `the instance ${v.path}`;
    case "each":
      return `each[${v.axis.name}]`;
    case "weights":
      return `the weights ${v.path}`;
    case "stored":
      return `the stored tensor ${v.tensor.name}`;
    case "invalid":
      return "something invalid";
  }
}
