/** @file Checkpoint maps: their lines, with those together that the author has joined by `;`. */
import type { Doc } from "prettier";
import { builders } from "prettier/doc";
import type { Entry, Path, Text } from "../syntax/ast.ts";
import { mapOf, type MapNode, type MapOwner } from "./children.ts";
import { equals, expression, whole } from "./expressions.ts";
import { filled } from "./lists.ts";
import type { Page } from "./page.ts";
import { braced } from "./statements.ts";

const { fill, group, ifBreak, indent, line } = builders;

export function map(page: Page, owner: MapOwner): Doc {
  const node = mapOf(owner);
  const { inMapLine } = page;
  page.inMapLine = true;
  const pieces = rowsOf(page, node).map((row) => ({
    span: { start: row[0]!.span.start, end: row.at(-1)!.span.end },
    doc: fill(
      row.flatMap((e, i): Doc[] => {
        const doc = group(page.around(e, entry(page, e)));
        return i === 0 ? [doc] : [[ifBreak("", ";"), line], doc];
      }),
    ),
  }));
  page.inMapLine = inMapLine;
  return page.around(node, braced(page, node, pieces, "{"));
}

/** The lines of a map as the author has joined them: with `;`, on one line. */
function rowsOf(page: Page, node: MapNode): Entry[][] {
  const rows: Entry[][] = [];
  node.entries.forEach((e, i) => {
    const before = node.entries[i - 1];
    const joined =
      before && page.text[page.next(before.span.end)] === ";" && !page.hasNewline(before.span.end, e.span.start);
    if (joined) rows.at(-1)!.push(e);
    else rows.push([e]);
  });
  return rows;
}

function entry(page: Page, e: Entry): Doc {
  switch (e.kind) {
    case "Require":
      return ["require ", whole(page, e.condition)];
    case "Ignore":
      return ["ignore ", texts(page, e.patterns)];
    case "Prefix":
      return [`prefix${e.optional ? "?" : ""} `, page.written(e.prefix)];
    case "Rename":
      return `rename ${page.written(e.from)} => ${page.written(e.to)}`;
    case "Cache":
      return ["cache ", path(page, e.path), ` = ${page.written(e.name)}`];
    case "Client":
      return `client ${page.written(e.name)} => ${page.written(e.type)}`;
    case "Task":
      return [`task ${page.written(e.name)} = `, texts(page, e.rows)];
    case "Class":
      return ["class ", e.classes.map((c) => page.written(c)).join(", "), ` => ${e.model.name} `, map(page, e)];
    case "From":
      return [path(page, e.path), ` from ${page.written(e.prefix)} `, map(page, e)];
    case "Assign":
      return [path(page, e.path), equals(page, e.value)];
  }
}

function texts(page: Page, items: readonly Text[]): Doc {
  return indent(
    filled(
      page,
      items.map((t) => ({ node: t, doc: page.written(t) })),
    ),
  );
}

/** A weight's path, or several in step. */
export function path(page: Page, p: Path): Doc {
  return p.parts.map((part, i): Doc => {
    const dot = i === 0 ? "" : ".";
    switch (part.kind) {
      case "Name":
        return dot + part.name;
      case "Star":
        return `${dot}*`;
      case "Set":
        return `${dot}{${part.names.map((n) => n.name).join(", ")}}`;
      case "Index":
        return ["[", expression(page, part.index), "]"];
    }
  });
}
