/** @file Formatting: the one style, as the smallest edit that makes it. */
import type { TextEdit } from "vscode-languageserver-types";
import { rangeOf, type View } from "../view.ts";

/** No edits where the text has syntax errors: those are shown already. */
export async function formatEdits(view: View): Promise<TextEdit[]> {
  const { text } = view.analysis;
  // Loaded when it is first needed: it is a third of all that a page would have to fetch.
  const { format } = await import("../../format/format.ts");
  const { value } = await format({ name: view.analysis.open.name, text });
  if (value === undefined || value === text) return [];
  let start = 0;
  while (start < text.length && start < value.length && text[start] === value[start]) start++;
  let end = 0;
  const most = Math.min(text.length, value.length) - start;
  while (end < most && text[text.length - 1 - end] === value[value.length - 1 - end]) end++;
  const range = rangeOf(view, { start, end: text.length - end });
  return [{ range, newText: value.slice(start, value.length - end) }];
}
