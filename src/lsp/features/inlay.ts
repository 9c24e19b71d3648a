/** @file Inlay hints: the type after each `->`. */
import { InlayHintKind, type InlayHint, type Range } from "vscode-languageserver-types";
import type * as ast from "../../syntax/ast.ts";
import { forEachChild, type Node } from "../../syntax/walk.ts";
import type { View } from "../view.ts";

export function inlayHints(view: View, range: Range): InlayHint[] {
  const { analysis, document } = view;
  const start = document.offsetAt(range.start);
  const end = document.offsetAt(range.end);
  const hints: InlayHint[] = [];
  for (const { chunk, start: at } of analysis.placed) {
    if (at > end || at + chunk.file.text.length < start) continue;
    const visit = (node: Node): void => {
      forEachChild(node, visit);
      if (node.kind !== "Pipe") return;
      const { stage } = node as unknown as ast.Pipe;
      const place = at + stage.span.end;
      if (place < start || place > end) return;
      const types = analysis.typesAt(node.span);
      if (types.length === 0) return;
      hints.push({
        position: document.positionAt(place),
        label: `: ${types[0]!}${types.length > 1 ? " ..." : ""}`,
        kind: InlayHintKind.Type,
        paddingLeft: true,
        ...(types.length > 1 ? { tooltip: types.slice(0, 10).join("\n") } : {}),
      });
    };
    visit(chunk.syntax as Node);
  }
  return hints;
}
