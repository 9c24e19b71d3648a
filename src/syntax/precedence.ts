/**
 * @file From a flat row of operands and operators to a tree. Loosest first: `or`; `and`; `not`; comparisons and `in` (no
 * chains); `??`; `->`; `..`; `+ - ++`; `* / div %`; unary `-`; `^` (to the right); `|`.
 */
import type { IToken } from "../../grammar/index.ts";
import { cover, type Span } from "../source/source.ts";
import type { BinaryOp, Expr, Range } from "./ast.ts";
import type { Context } from "./context.ts";

/** A row of an expression. An operand comes with the signs before it (`-`, `not`). */
export type Item =
  | { readonly kind: "operand"; readonly at: number; readonly signs: readonly IToken[]; readonly value: Expr }
  | { readonly kind: "operator"; readonly at: number; readonly token: IToken; readonly op: BinaryOp | "->" | ".." };

const strength: Readonly<Record<BinaryOp | "->" | "..", number>> = {
  or: 1,
  and: 2,
  "==": 4,
  "!=": 4,
  "<": 4,
  "<=": 4,
  ">": 4,
  ">=": 4,
  in: 4,
  "??": 5,
  "->": 6,
  "..": 7,
  "+": 8,
  "-": 8,
  "++": 8,
  "*": 9,
  "/": 9,
  div: 9,
  "%": 9,
  "^": 11,
  "|": 12,
};
const afterNot = 4;
const afterMinus = 11;
const stageStrength = 13;

export function isOperator(text: string): text is BinaryOp | "->" | ".." {
  return Object.hasOwn(strength, text);
}

/** The tree of a row; `end` is where a missing operand is put. */
export function treeOf(context: Context, row: readonly Item[], end: number, rangeAllowed: boolean): Expr {
  const tree = new Climber(context, row, end).expression(1);
  for (const range of rangesIn(tree)) {
    if (rangeAllowed && range === tree) continue;
    context.reporter.report("syntax/misplaced-range", {}, range.span, {
      hint: "a range slices an axis, `x[seq = 1..4]`, or is what a `for` runs over",
    });
  }
  return tree;
}

/** Ranges that this row itself has made (not those inside its operands). */
function rangesIn(tree: Expr): Range[] {
  switch (tree.kind) {
    case "Range":
      return [tree, ...(tree.from ? rangesIn(tree.from) : []), ...(tree.to ? rangesIn(tree.to) : [])];
    case "Binary":
      return [...rangesIn(tree.left), ...rangesIn(tree.right)];
    case "Unary":
      return rangesIn(tree.operand);
    case "Pipe":
      return [...rangesIn(tree.input), ...rangesIn(tree.stage)];
    default:
      return [];
  }
}

class Climber {
  private i = 0;
  private readonly context: Context;
  private readonly row: readonly Item[];
  private readonly end: number;

  constructor(context: Context, row: readonly Item[], end: number) {
    this.context = context;
    this.row = row;
    this.end = end;
  }

  /** Reads what binds at least as tightly as `least`. */
  expression(least: number): Expr {
    let left = this.operand();
    for (;;) {
      const item = this.row[this.i];
      if (item?.kind !== "operator" || strength[item.op] < least) return left;
      this.i++;
      left = this.combine(left, item.op, this.context.ofToken(item.token));
    }
  }

  private combine(left: Expr, op: BinaryOp | "->" | "..", opSpan: Span): Expr {
    if (op === "->") return this.pipe(left, opSpan);
    if (op === "..") return this.range(left, opSpan);
    const rightLeast = op === "^" ? strength[op] : strength[op] + 1;
    const right = this.expression(rightLeast);
    if (strength[op] === 4 && left.kind === "Binary" && strength[left.op] === 4)
      this.reportChain(left.op, left.right, op, opSpan);
    return { kind: "Binary", op, opSpan, left, right, span: cover(left.span, right.span) };
  }

  /** Right of `->` stands one stage; an operator that binds tighter is an error that asks for parentheses. */
  private pipe(input: Expr, opSpan: Span): Expr {
    const item = this.row[this.i];
    const sign = item?.kind === "operand" ? item.signs[0] : undefined;
    const stage = sign ? this.expression(strength["+"]) : this.expression(stageStrength);
    const pipe: Expr = { kind: "Pipe", input, stage, span: cover(input.span, stage.span) };
    if (sign) {
      this.context.reporter.report("syntax/stage-operator", { operator: sign.image }, this.context.ofToken(sign), {
        hint: "only a block or an op can be a stage; put a computed one in `( )`",
        related: [{ span: opSpan, message: "this `->` takes one stage" }],
      });
      return pipe;
    }
    const next = this.row[this.i];
    if (next?.kind === "operator" && strength[next.op] > strength["->"] && stage.kind !== "If") {
      const before = this.context.file.text.slice(pipe.span.start, pipe.span.end);
      this.context.reporter.report("syntax/stage-operator", { operator: next.op }, this.context.ofToken(next.token), {
        hint: `\`->\` reads one stage, and arithmetic binds tighter: write \`(${clip(before)}) ${next.op} ...\``,
        related: [{ span: opSpan, message: "the stage of this `->` ends before the operator" }],
        fixes: [{ title: "put the pipeline in parentheses", span: pipe.span, replacement: `(${before})` }],
      });
      let left: Expr = pipe;
      for (let n = next; n?.kind === "operator" && strength[n.op] > strength["->"];) {
        this.i++;
        left = this.combine(left, n.op, this.context.ofToken(n.token));
        n = this.row[this.i] as typeof next;
      }
      return left;
    }
    return pipe;
  }

  private range(from: Expr | undefined, opSpan: Span): Expr {
    const to = this.row[this.i]?.kind === "operand" ? this.expression(strength[".."] + 1) : undefined;
    const span = cover(from?.span ?? opSpan, to?.span ?? opSpan);
    return { kind: "Range", span, ...(from ? { from } : {}), ...(to ? { to } : {}) };
  }

  private operand(): Expr {
    const item = this.row[this.i];
    if (item === undefined) return this.hole(this.end);
    if (item.kind === "operator") {
      if (item.op !== "..") return this.hole(item.at);
      this.i++;
      return this.range(undefined, this.context.ofToken(item.token));
    }
    return this.signed(item.signs, 0, item.value);
  }

  /** Signs before an operand: `not` takes a whole comparison, `-` a power. */
  private signed(signs: readonly IToken[], k: number, value: Expr): Expr {
    const sign = signs[k];
    if (sign === undefined) {
      this.i++;
      return value;
    }
    const isNot = sign.tokenType.name === "Not";
    const operand = this.continued(this.signed(signs, k + 1, value), isNot ? afterNot : afterMinus);
    const span = this.context.span(sign.startOffset, operand.span.end);
    return { kind: "Unary", op: isNot ? "not" : "-", operand, span };
  }

  /** Goes on from an operand that has been read, as `expression` does. */
  private continued(start: Expr, least: number): Expr {
    let left = start;
    for (;;) {
      const item = this.row[this.i];
      if (item?.kind !== "operator" || strength[item.op] < least) return left;
      this.i++;
      left = this.combine(left, item.op, this.context.ofToken(item.token));
    }
  }

  private hole(offset: number): Expr {
    return { kind: "Invalid", span: this.context.span(offset, offset) };
  }

  private reportChain(firstOp: string, middle: Expr, op: string, opSpan: Span): void {
    const name = clip(this.context.text(middle.span));
    const insert = this.context.span(middle.span.end, middle.span.end);
    this.context.reporter.report("syntax/chained-comparison", { first: firstOp, second: op }, opSpan, {
      hint: `compare twice: \`... ${firstOp} ${name} and ${name} ${op} ...\``,
      fixes: [{ title: "compare twice", span: insert, replacement: ` and ${this.context.text(middle.span)}` }],
    });
  }
}

function clip(text: string): string {
  const flat = text.replace(/\s+/g, " ");
  return flat.length <= 40 ? flat : `${flat.slice(0, 18)} ... ${flat.slice(-18)}`;
}
