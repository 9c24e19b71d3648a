/** @file Declarations and files. A head that does not fit has `given`, `for` and the brace on lines of their own. */
import type { Doc } from "prettier";
import { builders } from "prettier/doc";
import type {
  Block,
  Checkpoint,
  Decl,
  File,
  Ident,
  Law,
  Meaning,
  Model,
  Op,
  Param,
  Params,
  Rewrite,
  Use,
  Where,
} from "../syntax/ast.ts";
import { bare, binding, equals, expression, whole } from "./expressions.ts";
import { filled, type Item, parameter, parameters, slotList } from "./lists.ts";
import { map, path } from "./maps.ts";
import type { Page } from "./page.ts";
import { body } from "./statements.ts";

const { align, group, hardline, indent, line } = builders;

export function fileDoc(page: Page, file: File): Doc {
  const pieces = file.bare
    ? [{ span: file.bare.span, doc: whole(page, file.bare) }]
    : file.decls.map((d) => ({ span: d.span, doc: page.around(d, declaration(page, d)) }));
  const all = [...page.dangling(file), ...pieces];
  return all.length === 0 ? "" : [page.lines(all), hardline];
}

function declaration(page: Page, d: Decl): Doc {
  switch (d.kind) {
    case "Use":
      return use(page, d);
    case "Model":
      return model(page, d);
    case "Block":
      return block(page, d);
    case "Op":
      return op(page, d);
    case "Checkpoint":
      return checkpoint(page, d);
    case "Law":
      return law(page, d);
    case "Rewrite":
      return rewrite(page, d);
  }
}

function use(page: Page, d: Use): Doc {
  // The tree has the path with its escapes read; the text has it as it was written, last.
  return `use ${d.names?.map((n) => n.name).join(".") ?? /"(?:[^"\\]|\\.)*"$/.exec(page.written(d))![0]}`;
}

/** What a head says before `given`; `tail` stands behind the last parameter, and does not break. */
type Head = (tail: Doc) => Doc;

function declared(page: Page, head: Head, given: readonly Param[], m: Meaning): Doc {
  if (given.length > 0) {
    const looked = clause(
      page,
      "given",
      given.map((g) => ({ node: g, doc: parameter(page, g) })),
    );
    return m.kind === "Body"
      ? [head(""), group([looked, line, "{"]), body(page, m, "")]
      : [head(""), group(looked), equals(page, m.value)];
  }
  return m.kind === "Body" ? [head(" {"), body(page, m, "")] : [head(""), equals(page, m.value)];
}

/** A name and its parameters; an empty `()` is kept. */
function named(page: Page, head: string, name: Ident, params: Params, tail: Doc): Doc {
  const hasList = page.text[page.next(name.span.end)] === "(";
  return hasList ? [head, parameters(page, head.length, params, tail)] : [head, tail];
}

function model(page: Page, d: Model): Doc {
  if (d.objective)
    return declared(
      page,
      (tail) => named(page, `objective ${d.name.name}`, d.name, d.params, [` for ${d.base!.name}`, tail]),
      [],
      d.meaning,
    );
  const base = d.base ? ` extends ${d.base.name}${d.over ? ` over ${d.over.name}` : ""}` : "";
  const grows = d.grows ? ` grows ${d.grows.name}` : "";
  return declared(
    page,
    (tail) => named(page, `model ${d.name.name}`, d.name, d.params, [base, grows, tail]),
    [],
    d.meaning,
  );
}

function block(page: Page, d: Block): Doc {
  const slots = [slotList(page, d.slots), d.role ? `: ${d.role.name}` : ""];
  return declared(
    page,
    (tail) => named(page, `block ${d.name.name}`, d.name, d.params, [slots, tail]),
    d.given,
    d.meaning,
  );
}

function op(page: Page, d: Op): Doc {
  const name = `op ${d.name.name}`;
  const { settings } = d;
  const head: Head = settings
    ? (tail) => [name, parameters(page, name.length, settings), parameters(page, 3, d.operands, tail)]
    : (tail) => named(page, name, d.name, d.operands, tail);
  return declared(page, head, d.given, d.meaning);
}

function checkpoint(page: Page, d: Checkpoint): Doc {
  return ["checkpoint for ", d.model.name, d.when ? [" when ", expression(page, d.when)] : "", " ", map(page, d)];
}

function law(page: Page, d: Law): Doc {
  const loop = clause(
    page,
    "for",
    d.bindings.map((b) => ({ node: b, doc: binding(page, b) })),
  );
  const head = group([titled(page, "law", d), loop, line, "{"]);
  return [head, equation(page, d.body.span.start, [whole(page, d.body), wheres(page, d.wheres)])];
}

function rewrite(page: Page, d: Rewrite): Doc {
  const test = d.when ? indent([line, "when ", expression(page, d.when)]) : "";
  const head = group([titled(page, "rewrite", d), test, line, "{"]);
  const right = indent([line, page.after("=> ", d.right, bare(page, d.right))]);
  return [head, equation(page, d.left.span.start, [group([expression(page, d.left), right]), wheres(page, d.wheres)])];
}

/** The title and its operands, which stand below it if they do not fit beside it. */
function titled(page: Page, word: string, d: Law | Rewrite): Doc {
  const title = `${word} ${page.written(d.title)}`;
  return d.operands.items.length === 0 ? title : group([title, indent([line, parameters(page, 0, d.operands)])]);
}

/** What stands in the braces of a law: on one line if the author has it so and it fits. */
function equation(page: Page, start: number, inside: Doc): Doc {
  const broken = page.hasNewline(page.text.lastIndexOf("{", start), start);
  return group([indent([line, group(inside)]), line, "}"], { shouldBreak: broken });
}

function wheres(page: Page, items: readonly Where[]): Doc {
  return clause(
    page,
    "where",
    items.map((w) => ({ node: w, doc: [path(page, w.path), equals(page, w.value)] })),
  );
}

/** A word and what it lists, together or on the next line. */
function clause(page: Page, word: string, items: readonly Required<Item>[]): Doc {
  const [first] = items;
  if (first === undefined) return "";
  const gap = page.hasLeading(first.node) ? hardline : " ";
  return indent([line, word, align(word.length + 1, [gap, filled(page, items)])]);
}
