/** @file Bodies of declarations: a statement a line, and the names of inputs below each other. */
import type { Doc } from "prettier";
import { builders } from "prettier/doc";
import type { Input, Meaning, Statement } from "../syntax/ast.ts";
import { equals } from "./expressions.ts";
import { annotation } from "./lists.ts";
import type { Commented, Page } from "./page.ts";
import { flatWidth, lineWidth } from "./width.ts";

const { group, hardline, ifBreak, indent, join, line } = builders;

export type Body = Extract<Meaning, { kind: "Body" }>;

/** How wide the names of an input are to be printed. */
interface Columns {
  readonly name: number;
  readonly outside: number;
}

/** `{ ... }` around pieces, `brace` being the opening one (unless the head has it already). On one line if the author has it so and it fits. */
export function braced(
  page: Page,
  node: Commented,
  pieces: readonly { readonly span: { readonly start: number; readonly end: number }; readonly doc: Doc }[],
  brace: Doc,
): Doc {
  const notes = page.dangling(node);
  const [first] = pieces;
  if (first === undefined && notes.length === 0) return [brace, " }"];
  const open = [
    brace,
    notes.length > 0 && !page.hasNewline(node.span.start, notes[0]!.span.start) ? [" ", notes[0]!.doc] : "",
  ];
  const rest = open[1] === "" ? notes : notes.slice(1);
  const inner = page.lines([...rest, ...pieces]);
  const last = pieces.at(-1);
  if (last && notes.length === 0 && !page.hasNewline(node.span.start, last.span.start)) {
    return group([
      open,
      indent([
        line,
        join(
          [ifBreak("", ";"), line],
          pieces.map((p) => p.doc),
        ),
      ]),
      line,
      "}",
    ]);
  }
  return [open, rest.length + pieces.length > 0 ? indent([hardline, inner]) : "", hardline, "}"];
}

export function body(page: Page, node: Body, brace: Doc): Doc {
  const columns = alignInputs(page, node.statements);
  const pieces = node.statements.map((s) => ({
    span: s.span,
    doc: page.around(s, statement(page, s, columns.get(s))),
  }));
  return page.around(node, braced(page, node, pieces, brace));
}

function statement(page: Page, s: Statement, columns?: Columns): Doc {
  switch (s.kind) {
    case "Input":
    case "Param": {
      const value = s.kind === "Input" ? s.default : s.initial;
      const head =
        columns && s.kind === "Input" ? alignedHead(page, s, columns) : `${s.kind.toLowerCase()} ${nameOf(page, s)}: `;
      return [head, annotation(page, s.type), page.joint(s.type), value ? equals(page, value) : ""];
    }
    case "Dim":
      return [`dim ${s.name.name}`, equals(page, s.size)];
    case "Let": {
      const names = s.names.map((n) => n.name).join(", ");
      const isTuple = page.text[page.next(s.span.start + "let".length)] === "(";
      return [`let ${isTuple ? `(${names})` : names}`, equals(page, s.value)];
    }
    case "Output": {
      if (!s.name) return ["output", equals(page, s.value, "")];
      const type = s.type ? [": ", annotation(page, s.type), page.joint(s.type)] : "";
      return [
        `output ${nameOf(page, { name: s.name, ...(s.outside ? { outside: s.outside } : {}) })}`,
        type,
        equals(page, s.value),
      ];
    }
  }
}

/** `name as "outside" | "in a step"` */
function nameOf(page: Page, s: Pick<Input, "name" | "outside" | "outsideStep">): string {
  return s.outside ? `${s.name.name} as ${outsideOf(page, s)}` : s.name.name;
}

function outsideOf(page: Page, s: Pick<Input, "outside" | "outsideStep">): string {
  return [s.outside, s.outsideStep]
    .filter((t) => t !== undefined)
    .map((t) => page.written(t))
    .join(" | ");
}

function alignedHead(page: Page, s: Input, columns: Columns): string {
  const outside = `${outsideOf(page, s)}:`.padEnd(columns.outside + 1);
  return `input ${s.name.name.padEnd(columns.name)} as ${outside} `;
}

/** Inputs that follow each other and all have names outside are a table, if it fits. */
function alignInputs(page: Page, statements: readonly Statement[]): ReadonlyMap<Statement, Columns> {
  const found = new Map<Statement, Columns>();
  let run: Input[] = [];
  const close = (): void => {
    const columns: Columns = {
      name: Math.max(...run.map((s) => s.name.name.length)),
      outside: Math.max(...run.map((s) => outsideOf(page, s).length)),
    };
    const widest = Math.max(...run.map((s) => 2 + alignedHead(page, s, columns).length + tailWidth(page, s)));
    if (run.length > 1 && widest <= lineWidth) for (const s of run) found.set(s, columns);
    run = [];
  };
  for (const s of statements) {
    if (s.kind !== "Input" || s.outside === undefined || page.hasLeading(s)) close();
    if (s.kind === "Input" && s.outside !== undefined) run.push(s);
    if (page.isBlankAfter(s.span.end)) close();
  }
  close();
  return found;
}

/** The width of an input behind its names; it takes no line where a comment breaks it. */
function tailWidth(page: Page, s: Input): number {
  return flatWidth([annotation(page, s.type), s.default ? equals(page, s.default) : ""]);
}
