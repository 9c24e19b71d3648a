/** @file Lists between brackets, and types. A list that does not fit fills lines of its own, indented; parameters stand below each other. */
import type { Doc } from "prettier";
import { builders } from "prettier/doc";
import type { AxisPattern, Param, Params, Slot, Slots, TypeExpr } from "../syntax/ast.ts";
import { equals, expression } from "./expressions.ts";
import type { Commented, Page } from "./page.ts";
import { short } from "./width.ts";

const { align, fill, group, hardline, indent, join, line, softline } = builders;

/** One thing in a list; `...` is one without comments. */
export interface Item {
  readonly node?: Commented;
  readonly doc: Doc;
}

const hasComments = (page: Page, items: readonly Item[]): boolean =>
  items.some((i) => i.node && page.hasComments(i.node));

/** Items with their comments and commas, as many on a line as fit; one a line where there are comments between them. */
export function filled(page: Page, items: readonly Item[], breaks: ReadonlySet<number> = new Set()): Doc {
  const commented = hasComments(page, items);
  return fill(
    items.flatMap(({ node, doc }, i): Doc[] => {
      // In a group, what has lines of its own is seen not to fit on one.
      const whole = group([node ? page.around(node, doc) : doc, i < items.length - 1 ? "," : ""]);
      return i === 0 ? [whole] : [commented || breaks.has(i) ? hardline : line, whole];
    }),
  );
}

/** `open a, b close`; the items are made inside, where a line may begin with a name. */
export function bracketed(page: Page, open: string, items: () => readonly Item[], close: string): Doc {
  const { inMapLine } = page;
  page.inMapLine = false;
  const made = items();
  page.inMapLine = inMapLine;
  if (made.length === 0) return open + close;
  const flat = hasComments(page, made)
    ? undefined
    : short(
        made.map((i) => i.doc),
        ", ",
      );
  if (flat !== undefined) return open + flat + close;
  return group([open, indent([softline, filled(page, made)]), softline, close], {
    shouldBreak: hasComments(page, made),
  });
}

/** The parameters behind `head`: filled, and those of further lines below the first. `tail` stays with the last of them. */
export function parameters(page: Page, head: number, params: Params, tail: Doc = ""): Doc {
  const items = params.items.map((p): Item => ({ node: p, doc: parameter(page, p) }));
  if (params.rest) items.push({ doc: "..." });
  if (hasComments(page, items)) return [bracketed(page, "(", () => items, ")"), tail];
  const last = items.pop();
  return ["(", align(head + 1, filled(page, [...items, { doc: [last?.doc ?? "", ")", tail] }]))];
}

export function parameter(page: Page, p: Param): Doc {
  const type = p.type ? [": ", annotation(page, p.type), page.joint(p.type)] : "";
  return [p.name.name, type, p.default ? equals(page, p.default) : ""];
}

/** ` < body, norm >` in the head of a block. */
export function slotList(page: Page, slots: Slots): Doc {
  const items = slots.items.map((s): Item => ({ node: s, doc: slot(page, s) }));
  if (slots.rest) items.push({ doc: "..." });
  if (items.length === 0) return "";
  if (hasComments(page, items)) return [" <", indent([hardline, filled(page, items)]), hardline, ">"];
  return [
    " < ",
    join(
      ", ",
      items.map((i) => i.doc),
    ),
    " >",
  ];
}

function slot(page: Page, s: Slot): Doc {
  return [
    s.name.name,
    s.optional ? "?" : "",
    s.role ? `: ${s.role.name}` : "",
    s.default ? equals(page, s.default) : "",
  ];
}

export function annotation(page: Page, type: TypeExpr): Doc {
  const axes = type.axes
    ? bracketed(page, "[", () => type.axes!.map((a) => ({ node: a, doc: axis(page, a) })), "]")
    : "";
  const words = type.alternatives.map((a) => ` | ${a.name}`);
  return page.around(type, [type.base?.name ?? "", axes, type.optional ? "?" : "", words]);
}

function axis(page: Page, a: AxisPattern): Doc {
  switch (a.kind) {
    case "Rest":
      return "...";
    case "Axis":
      return [a.name.name, a.outside ? ` as ${page.written(a.outside)}` : ""];
    case "Sized":
      return [a.name.name, equals(page, a.size)];
    case "Size":
      return expression(page, a.size);
  }
}
