/** @file How wide a document of prettier's is on one line. */
import type { Doc } from "prettier";

/** Cells in a line. The style has no options. */
export const lineWidth = 120;

/** The width on one line; endless where something in it breaks the line. */
export function flatWidth(doc: Doc): number {
  if (typeof doc === "string") return doc.length;
  if (Array.isArray(doc)) return doc.reduce((sum: number, part) => sum + flatWidth(part), 0);
  switch (doc.type) {
    case "line": return doc.hard ? Infinity : doc.soft ? 0 : 1;
    case "fill": return doc.parts.reduce((sum: number, part) => sum + flatWidth(part), 0);
    case "group": return doc.break ? Infinity : flatWidth(doc.contents);
    case "indent": case "align": return flatWidth(doc.contents);
    case "break-parent": return Infinity;
    case "if-break": return flatWidth(doc.flatContents);
    default: return 0;
  }
}
