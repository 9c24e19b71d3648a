/** @file Signature help: the settings and operands of what is being called. */
import { MarkupKind, type SignatureHelp } from "vscode-languageserver-types";
import { textOf } from "../../source/source.ts";
import { cursorAt } from "../cursor.ts";
import { parametersOf } from "../symbols.ts";
import type { View } from "../view.ts";
import { docOf, usageOf } from "./describe.ts";

export function signatureHelp(view: View, offset: number): SignatureHelp | undefined {
  const { analysis } = view;
  const cursor = cursorAt(analysis, offset);
  const inner = cursor.open.findLast((o) => (o.bracket === "(" || o.bracket === "<") && o.callee);
  const { callee } = inner ?? {};
  if (!inner || !callee) return undefined;
  const doc = docOf(callee);
  const documentation = doc ? { documentation: { kind: MarkupKind.Markdown, value: doc } } : {};
  if (callee.kind === "primitive") {
    const label = usageOf(callee.name);
    return { signatures: [{ label, parameters: [], ...documentation }], activeSignature: 0, activeParameter: 0 };
  }
  const isSlots = inner.bracket === "<";
  const all = parametersOf(analysis, callee).filter((m) => (m.kind === "slot") === isSlots);
  const texts = all.map((m) => (m.node ? textOf(m.node.span).replace(/\s+/g, " ") : m.name));
  const label = isSlots ? `${callee.name} < ${texts.join(", ")} >` : `${callee.name}(${texts.join(", ")})`;
  const named = inner.named === undefined ? -1 : all.findIndex((m) => m.name === inner.named);
  const active = named >= 0 ? named : Math.min(inner.argument, Math.max(0, all.length - 1));
  return {
    signatures: [{ label, parameters: texts.map((text) => ({ label: text })), ...documentation }],
    activeSignature: 0,
    activeParameter: active,
  };
}
