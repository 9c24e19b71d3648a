/**
 * @file Between which nodes a comment can stand. Prettier attaches each comment to the nearest of these; rows of operators and
 * pipelines are one node with all their parts, and the braces of a checkpoint map are a node of their own.
 */
import type * as ast from "../syntax/ast.ts";
import type { BinaryOp, Binary, Entry, Expr, Pipe, Repeat } from "../syntax/ast.ts";
import { nextCode, type Commented } from "./page.ts";

/** The braces of a checkpoint, of a `class` or of a `from`, with the lines in them. */
export interface MapNode extends Commented {
  readonly kind: "Map";
  readonly entries: readonly Entry[];
}

export type MapOwner = ast.Checkpoint | Extract<Entry, { kind: "Class" | "From" }>;

const maps = new WeakMap<MapOwner, MapNode>();

export function mapOf(owner: MapOwner): MapNode {
  const known = maps.get(owner);
  if (known) return known;
  const head =
    owner.kind === "From" ? owner.prefix : owner.kind === "Class" ? owner.model : (owner.when ?? owner.model);
  const made: MapNode = {
    kind: "Map",
    entries: owner.entries,
    span: { start: nextCode(owner.span.file.text, head.span.end), end: owner.span.end },
  };
  maps.set(owner, made);
  return made;
}

/** Operators that bind alike, and so stand in one row. */
const classes: readonly (readonly BinaryOp[])[] = [
  ["or"],
  ["and"],
  ["==", "!=", "<", "<=", ">", ">=", "in"],
  ["??"],
  ["+", "-", "++"],
  ["*", "/", "div", "%"],
  ["^"],
  ["|"],
];

/** `a + b - c` as its first operand and each further one with its operator. */
export function rowOf(node: Binary): {
  readonly first: Expr;
  readonly rest: readonly { readonly op: BinaryOp; readonly value: Expr }[];
} {
  const alike = classes.find((c) => c.includes(node.op))!;
  const rest: { op: BinaryOp; value: Expr }[] = [];
  let left: Expr = node;
  while (left.kind === "Binary" && alike.includes(left.op) && (left === node || node.op !== "^")) {
    rest.unshift({ op: left.op, value: left.right });
    left = left.left;
  }
  return { first: left, rest };
}

/** `a -> f -> g` as `a` and the stages. */
export function pipelineOf(node: Pipe): { readonly input: Expr; readonly stages: readonly Expr[] } {
  const stages: Expr[] = [];
  let input: Expr = node;
  for (; input.kind === "Pipe"; input = input.input) stages.unshift(input.stage);
  return { input, stages };
}

/** `x32`, and not `x{layers}`. */
export function isNumbered(node: Repeat): boolean {
  return node.count.kind === "Number" && node.span.file.text[node.count.span.start - 1] === "x";
}

type Kindless = Partial<
  Pick<ast.Param & ast.Arg & ast.Binding & ast.TypeExpr, "type" | "default" | "value" | "from" | "to" | "axes">
>;
export type AnyNode =
  | ast.File
  | ast.Decl
  | Extract<ast.Meaning, { kind: "Body" }>
  | ast.Statement
  | MapNode
  | Entry
  | Expr
  | ast.Arm
  | ast.Param
  | ast.Slot
  | ast.Where
  | ast.TypeExpr
  | ast.AxisPattern
  | ast.Arg
  | ast.Binding;

const meaning = (m: ast.Meaning): Commented => (m.kind === "Body" ? m : m.value);
const some = (...nodes: (Commented | undefined)[]): Commented[] => nodes.filter((n) => n !== undefined);

/** The nodes in a node that comments are attached to. */
export function childrenOf(node: AnyNode): readonly Commented[] {
  if (!("kind" in node)) {
    const { type, default: standard, value, from, to, axes = [] } = node as Kindless;
    return some(type, standard, value, from, to, ...axes);
  }
  switch (node.kind) {
    case "File":
      return some(...node.decls, node.bare);
    case "Model":
      return [...node.params.items, meaning(node.meaning)];
    case "Block":
      return [...node.params.items, ...node.slots.items, ...node.given, meaning(node.meaning)];
    case "Op":
      return [...(node.settings?.items ?? []), ...node.operands.items, ...node.given, meaning(node.meaning)];
    case "Checkpoint":
      return some(node.when, mapOf(node));
    case "Law":
      return [...node.operands.items, ...node.bindings, node.body, ...node.wheres];
    case "Rewrite":
      return some(...node.operands.items, node.when, node.left, node.right, ...node.wheres);
    case "Body":
      return node.statements;
    case "Map":
      return node.entries;
    case "Input":
      return some(node.type, node.default);
    case "Param":
      return some(node.type, node.initial);
    case "Dim":
    case "Sized":
    case "Size":
      return [node.size];
    case "Let":
    case "Assign":
      return [node.value];
    case "Output":
      return some(node.type, node.value);
    case "Require":
      return [node.condition];
    case "Ignore":
      return node.patterns;
    case "Task":
      return node.rows;
    case "Class":
    case "From":
      return [mapOf(node)];
    case "Unary":
      return [node.operand];
    case "Binary": {
      const { first, rest } = rowOf(node);
      return [first, ...rest.map((r) => r.value)];
    }
    case "Pipe": {
      const { input, stages } = pipelineOf(node);
      return [input, ...stages];
    }
    case "Range":
      return some(node.from, node.to);
    case "Label":
    case "New":
      return [node.body];
    case "Member":
      return [node.object];
    case "Call":
      return [node.callee, ...node.args];
    case "Index":
      return "object" in node ? [node.object, ...node.items] : [];
    case "Fill":
      return [node.callee, ...node.fillers];
    case "Repeat":
      return isNumbered(node) ? [node.body] : [node.body, node.count];
    case "Paren":
    case "List":
      return node.items;
    case "For":
      return [node.binding, node.body];
    case "If":
      return [node.condition, node.then, node.else];
    case "Match":
      return [node.subject, ...node.arms];
    default:
      return [];
  }
}
