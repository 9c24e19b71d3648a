/** @file What a declaration, a setting or a primitive is, as Markdown: shared by hover, completion and signature help. */
import { BRACKETS, CONSTANTS, FUNCTIONS } from "../../elaborate/primitives.ts";
import { primitives } from "../../ops/registry.ts";
import type * as ast from "../../syntax/ast.ts";
import { textOf, type Span } from "../../source/source.ts";
import type { Meaning } from "../symbols.ts";

/** The text of a declaration up to its body. */
export function headOf(decl: ast.Decl): string {
  const { file, start, end } = decl.span;
  if (decl.kind !== "Model" && decl.kind !== "Block" && decl.kind !== "Op") return textOf(decl.span);
  const until = decl.meaning.kind === "Body" ? decl.meaning.span.start : end;
  const text = file.text.slice(start, until > start ? until : end).trim();
  return text.length > 800 ? `${text.slice(0, 800)} ...` : text;
}

/** The documentation of what a name means. */
export function docOf(meaning: Meaning): string {
  const { decl, node, kind } = meaning;
  if (kind === "primitive") return primitiveDoc(meaning.name);
  if (node && "doc" in node) return node.doc;
  if ((kind === "model" || kind === "block" || kind === "op") && decl) return decl.doc;
  return "";
}

function primitiveDoc(name: string): string {
  const all: Readonly<Record<string, { readonly doc: string } | undefined>> = primitives;
  return (all[name] ?? all[`reduce_${name}`])?.doc ?? "";
}

/** How a primitive is written: `softmax(x, over = axis)`. */
export function usageOf(name: string): string {
  const constant = CONSTANTS.get(name);
  return (
    (FUNCTIONS.get(name) ?? BRACKETS.get(name))?.usage ?? (constant === undefined ? name : `${name} = ${constant}`)
  );
}

/** Its declaration, as code. */
export function codeOf(meaning: Meaning): string {
  const { kind, name, node, decl } = meaning;
  if (kind === "primitive") return usageOf(name);
  if ((kind === "model" || kind === "block" || kind === "op") && decl) return headOf(decl);
  if (node) return oneLine(node.span);
  return name;
}

function oneLine(span: Span): string {
  const text = textOf(span).replace(/\s+/g, " ").trim();
  return text.length > 300 ? `${text.slice(0, 300)} ...` : text;
}

const WORDS: Readonly<Record<Meaning["kind"], string>> = {
  model: "model",
  block: "block",
  op: "operator",
  setting: "setting",
  given: "given",
  operand: "operand",
  slot: "slot",
  input: "input",
  weight: "parameter",
  dimension: "dimension",
  let: "let",
  output: "output",
  axis: "axis",
  primitive: "primitive operator",
};

/** "setting of gqa" */
export function roleOf(meaning: Meaning): string {
  const { kind, decl } = meaning;
  const own = kind === "model" || kind === "block" || kind === "op" || kind === "primitive";
  const owner = !own && decl && "name" in decl ? ` of ${decl.name.name}` : "";
  return `${WORDS[kind]}${owner}`;
}

/** A block of code in Markdown. */
export const code = (text: string): string => `\`\`\`tfm\n${text}\n\`\`\``;
