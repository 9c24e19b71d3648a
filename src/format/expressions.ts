/** @file Expressions. What does not fit breaks before its operators: one stage a line, one filler a line, `else` below `if`. */
import type { Doc } from "prettier";
import { builders } from "prettier/doc";
import type { Arg, Binary, Binding, Expr, Fill, If, List, Match, Pipe, Repeat } from "../syntax/ast.ts";
import { isNumbered, pipelineOf, rowOf } from "./children.ts";
import { bracketed, filled, type Item } from "./lists.ts";
import type { Page } from "./page.ts";
import { short } from "./width.ts";

const { group, hardline, ifBreak, indent, join, line, softline } = builders;

export function expression(page: Page, e: Expr): Doc {
  return page.around(e, bare(page, e));
}

/** What a statement gives: a pipeline stays broken where the author broke it. */
export function whole(page: Page, e: Expr): Doc {
  return e.kind === "Pipe" ? page.around(e, pipeline(page, e, true)) : expression(page, e);
}

/** What goes on over several lines from where it begins; anything else that does not fit begins on a line of its own. */
const hanging = new Set<Expr["kind"]>(["Pipe", "Call", "Fill", "Paren", "List", "For", "Match", "Label", "New"]);

/** ` = value`. What does not fit, or has a comment before it, stands on the next line. */
export function equals(page: Page, value: Expr, sign = " ="): Doc {
  if (page.hasLeading(value)) return [sign, indent([hardline, whole(page, value)])];
  if (hanging.has(value.kind)) {
    const doc = whole(page, value);
    return typeof doc === "string" ? `${sign} ${doc}` : [sign, " ", doc];
  }
  const doc =
    value.kind === "Binary"
      ? group(join(line, row(page, value)))
      : value.kind === "If"
        ? clauses(page, value)
        : bare(page, value);
  const flat = page.hasComments(value) ? undefined : short([sign, " ", doc]);
  return flat ?? group([sign, indent([line, page.around(value, doc)])]);
}

/** An expression without the comments around it, for those who print them before a sign. */
export function bare(page: Page, e: Expr): Doc {
  const sub = (x: Expr): Doc => expression(page, x);
  switch (e.kind) {
    case "Name":
      return e.name;
    case "Number":
    case "Text":
      return page.written(e);
    case "Bool":
      return String(e.value);
    case "None":
      return "none";
    case "Unary":
      return [e.op === "not" ? "not " : "-", sub(e.operand)];
    case "Binary": {
      const parts = row(page, e);
      return short(parts, " ") ?? group([parts[0] ?? "", indent(parts.slice(1).map((part) => [line, part]))]);
    }
    case "Pipe":
      return pipeline(page, e, false);
    case "Range":
      return range(page, e.from, e.to);
    case "Label":
      return [e.label.name, ": ", sub(e.body)];
    case "New":
      return ["new ", sub(e.body)];
    case "Member":
      return suffixed(
        page,
        e.object,
        `.${e.set ? setOf(e.names.map((n) => n.name)) : e.names.map((n) => n.name).join()}`,
      );
    case "Call":
      return suffixed(
        page,
        e.callee,
        bracketed(page, "(", () => args(page, e.args, e.rest), ")"),
      );
    case "Index":
      return suffixed(
        page,
        e.object,
        bracketed(page, "[", () => args(page, e.items, e.rest), "]"),
      );
    case "Fill":
      return fillers(page, e);
    case "Repeat":
      return repeat(page, e);
    case "Paren":
      return bracketed(page, "(", () => args(page, e.items), ")");
    case "List":
      return list(page, e);
    case "For":
      return group([
        "[",
        indent([
          softline,
          "for ",
          page.around(e.binding, binding(page, e.binding)),
          page.joint(e.binding),
          ":",
          indent([line, sub(e.body)]),
        ]),
        softline,
        "]",
      ]);
    case "Set":
      return setOf(e.items.map((i) => page.written(i)));
    case "If":
      return group(clauses(page, e));
    case "Match":
      return match(page, e);
    case "Invalid":
      return page.written(e);
  }
}

const setOf = (names: readonly string[]): string => `{${names.join(", ")}}`;

export function binding(page: Page, b: Binding): Doc {
  return [b.name.name, " in ", b.to ? range(page, b.from, b.to) : expression(page, b.from)];
}

function range(page: Page, from: Expr | undefined, to: Expr | undefined): Doc {
  const start = from ? expression(page, from) : "";
  const gap = from && (page.hasTrailing(from) || (to && page.hasLeading(to))) ? hardline : "";
  return [start, gap, to ? page.after("..", to, bare(page, to)) : ".."];
}

function suffixed(page: Page, object: Expr, suffix: Doc): Doc {
  const before = expression(page, object);
  if (typeof before === "string" && typeof suffix === "string") return before + suffix;
  return [before, page.hasTrailing(object) ? indent([hardline, suffix]) : suffix];
}

function args(page: Page, items: readonly Arg[], rest?: unknown): Item[] {
  const made = items.map((a): Item => ({ node: a, doc: arg(page, a) }));
  return rest ? [...made, { doc: "..." }] : made;
}

function arg(page: Page, a: Arg): Doc {
  if (!a.name) return expression(page, a.value);
  const value = equals(page, a.value);
  return typeof value === "string" ? a.name.name + value : [a.name.name, value];
}

// ── Rows and pipelines ────────────────────────────────────────────────────────────────────────────────────────────────

/** The operands of a row, with its operators before them. */
function row(page: Page, e: Binary): Doc[] {
  const { first, rest } = rowOf(e);
  return [expression(page, first), ...rest.map(({ op, value }) => page.after(`${op} `, value, bare(page, value)))];
}

/** One stage a line, if the whole does not fit on one; `kept`: also where the author has it so. */
function pipeline(page: Page, e: Pipe, kept: boolean): Doc {
  const { input, stages } = pipelineOf(e);
  let end = input.span.end;
  let broken = false;
  for (const stage of stages) {
    broken ||= kept && page.hasNewline(end, page.next(end));
    end = stage.span.end;
  }
  const parts = [expression(page, input), ...stages.map((stage) => page.after("-> ", stage, bare(page, stage)))];
  const flat = broken ? undefined : short(parts, " ");
  if (flat !== undefined) return flat;
  const [head = "", ...rest] = parts;
  const steps = indent(rest.map((step) => [line, step]));
  if (input.kind !== "Paren" || broken) return group([head, steps], { shouldBreak: broken });
  // Behind a `)` on a line of its own there is room for the stages.
  const id = Symbol("input");
  return group([group(head, { id }), ifBreak(group(steps), steps, { groupId: id })]);
}

// ── Slots and repeats ─────────────────────────────────────────────────────────────────────────────────────────────────

/** Slots together on one line, or one a line. */
function fillers(page: Page, e: Fill): Doc {
  const items = args(page, e.fillers, e.rest);
  if (items.length === 0) return suffixed(page, e.callee, " < >");
  const docs = items.map(({ node, doc }) => (node ? page.around(node, doc) : doc));
  const commented = items.some((i) => i.node && page.hasComments(i.node));
  // In a map, `norm = ...` at the beginning of a line would be one of the map's.
  if (page.inMapLine && e.fillers.some((f) => f.name)) {
    return suffixed(
      page,
      e.callee,
      group([" < ", join(commented ? [hardline, ", "] : ", ", docs), commented ? hardline : " ", ">"]),
    );
  }
  return suffixed(
    page,
    e.callee,
    group([" <", indent([line, join([",", line], docs)]), line, ">"], { shouldBreak: commented }),
  );
}

function repeat(page: Page, e: Repeat): Doc {
  const count = isNumbered(e) ? page.written(e.count) : ["{", expression(page, e.count), page.joint(e.count), "}"];
  return suffixed(page, e.body, [" x", count]);
}

// ── Lists, choices ────────────────────────────────────────────────────────────────────────────────────────────────────

/** A list that the author has begun on a new line keeps its lines; those that are too long are filled. */
function list(page: Page, e: List): Doc {
  const [first] = e.items;
  const items = (): Item[] => e.items.map((i) => ({ node: i, doc: bare(page, i) }));
  if (first === undefined || !page.hasNewline(e.span.start, page.next(e.span.start + 1)))
    return bracketed(page, "[", items, "]");
  const breaks = new Set<number>();
  e.items.forEach((item, i) => {
    if (i > 0 && page.hasNewline(e.items[i - 1]!.span.end, item.span.start)) breaks.add(i);
  });
  return group(["[", indent([hardline, filled(page, items(), breaks)]), hardline, "]"]);
}

/** `if ... then ...`, and each `else` on its line where the whole does not fit on one. */
function clauses(page: Page, e: If): Doc {
  const made: Doc[] = [];
  let word: Doc = "";
  let last: Expr = e;
  for (; last.kind === "If" && (last === e || !page.hasComments(last)); last = last.else) {
    const test = [word, "if ", indent(expression(page, last.condition))];
    // The comments behind it end the line, and do not break it.
    made.push([
      group([test, line, page.leading(last.then), "then ", branch(page, last.then)]),
      page.trailing(last.then),
    ]);
    word = "else ";
  }
  made.push(page.after("else ", last, branch(page, last)));
  return join(line, made);
}

/** An `if` in a branch stands further in than the one around it. */
function branch(page: Page, e: Expr): Doc {
  return e.kind === "If" ? indent(bare(page, e)) : bare(page, e);
}

function match(page: Page, e: Match): Doc {
  const open = e.subject.span.end;
  const brace = page.next(open);
  const [first] = e.arms;
  const head = ["match ", expression(page, e.subject), page.joint(e.subject) || " ", "{"];
  if (first === undefined) return [head, " }"];
  const arms = e.arms.map((a) => ({
    span: a.span,
    doc: page.around(a, [a.patterns.map((p) => page.written(p)).join(" | "), " =>", equals(page, a.value, "")]),
  }));
  const together = !page.hasNewline(brace, page.next(brace + 1)) && !e.arms.some((a) => page.hasComments(a));
  if (together)
    return group([
      head,
      indent([
        line,
        join(
          [ifBreak("", ","), line],
          arms.map((a) => a.doc),
        ),
      ]),
      line,
      "}",
    ]);
  return [head, indent([hardline, page.lines(arms)]), hardline, "}"];
}
