/** @file How wide a document of prettier's is on one line. */
import type { Doc } from "prettier";

/** Cells in a line. The style has no options. */
export const lineWidth = 120;

/** What is no wider than this stays together, however full its line is. */
const together = 32;

/** Texts that are short together, as one; undefined where they are long or not all plain texts. */
export function short(docs: readonly Doc[], separator = ""): string | undefined {
  let width = -separator.length;
  for (const doc of docs) {
    if (typeof doc !== "string") return undefined;
    width += doc.length + separator.length;
  }
  return width <= together ? docs.join(separator) : undefined;
}

/** The width on one line; endless where something in it breaks the line. */
export function flatWidth(doc: Doc): number {
  if (typeof doc === "string") return doc.length;
  if (Array.isArray(doc)) return doc.reduce((sum: number, part) => sum + flatWidth(part), 0);
  switch (doc.type) {
    case "line":
      return doc.hard ? Infinity : doc.soft ? 0 : 1;
    case "fill":
      return doc.parts.reduce((sum: number, part) => sum + flatWidth(part), 0);
    case "group":
      return doc.break ? Infinity : flatWidth(doc.contents);
    case "indent":
    case "align":
      return flatWidth(doc.contents);
    case "break-parent":
      return Infinity;
    case "if-break":
      return flatWidth(doc.flatContents);
    default:
      return 0;
  }
}
