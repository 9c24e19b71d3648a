/** @file What the boxes of a figure say. */
import type { Param } from "../ir/graph.ts";

/** Longer names do not fit into a box. */
const LONGEST = 32;

/**
 * A block's name in words: what its documentation calls it before the first bracket or stop ("Multi-head attention (Vaswani
 * et al., 2017): ..."), else its own name. A documentation that begins with a sentence about it gives its own name.
 */
export function nameInWords(title: string, doc: string): string {
  const head = doc.split(/ \(|[:;.,\n]/, 1)[0]!.trim();
  const isName = head.length > 0 && head.length <= LONGEST && !/^(a|an|the|what|where|how|two|one) /i.test(head);
  if (isName && /^[A-Z]/.test(head)) return head;
  const words = title.replace(/_/g, " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Settings that a reader of the picture wants to see, at most two lines. */
export function settingLines(known: ReadonlyMap<string, string>): string[] {
  const heads = known.get("heads");
  const shown: string[] = [];
  for (const [name, text] of known) {
    if (HIDDEN.has(name) || /^\d*\.\d+|e-/.test(text)) continue;
    if (name === "kv_heads" && text === heads) continue;
    shown.push(OPERATORS.has(name) ? text : `${name.replace(/_/g, " ")} ${grouped(text)}`);
  }
  const lines: string[] = [];
  for (const part of shown.slice(0, 4)) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + part.length < LONGEST) lines[lines.length - 1] = `${last} · ${part}`;
    else if (lines.length < 2) lines.push(part);
  }
  return lines;
}

/** Said elsewhere in the picture, or of no interest in it. */
const HIDDEN = new Set(["hidden", "scale", "eps", "order", "head_dim", "offset", "sees"]);

/** Settings that are told by what they are. */
const OPERATORS = new Set(["activation", "rotary"]);

function grouped(text: string): string {
  return /^\d{4,}$/.test(text) ? Number(text).toLocaleString("en") : text;
}

/** How many numbers the parameters hold. */
export function describeParameters(params: readonly Param[]): string[] {
  const count = params.reduce((n, p) => n + p.value.type.axes.reduce((m, a) => m * (a.size.known ?? 1), 1), 0);
  return count > 0 ? [`${short(count)} parameters`] : [];
}

function short(n: number): string {
  for (const [unit, size] of [
    ["B", 1e9],
    ["M", 1e6],
    ["k", 1e3],
  ] as const)
    if (n >= size) return `${(n / size).toPrecision(3)} ${unit}`;
  return String(n);
}
