/** @file Code lenses: run this law, parameters of this model. */
import type { CodeLens } from "vscode-languageserver-types";
import { concreteParams, elements } from "../../ir/params.ts";
import type { Span } from "../../source/source.ts";
import type { Unit } from "../analysis.ts";
import { rangeIn, type View } from "../view.ts";

/** Commands of the client, by what they do. */
export const COMMANDS = { runLaw: "tfm.runLaw", showPicture: "tfm.showPicture" } as const;

export function codeLenses(view: View): CodeLens[] {
  const { analysis, document } = view;
  return analysis.units.flatMap((unit): CodeLens[] => {
    const range = rangeIn(view, headOf(unit));
    if (!range) return [];
    if (unit.kind === "Law" || unit.kind === "Rewrite") {
      const title = unit.kind === "Law" ? "run this law" : "check this rewrite";
      return [{ range, command: { title, command: COMMANDS.runLaw, arguments: [document.uri, unit.title.value] } }];
    }
    const graph = analysis.elaborationOf(unit)?.value?.graph;
    if (!graph) return [];
    let all = 0;
    for (const { param } of concreteParams(graph)) all += elements(param);
    const model = unit.kind === "Model" ? unit.name.name : "";
    const title = `${all.toLocaleString("en-US")} parameters`;
    return [{ range, command: { title, command: COMMANDS.showPicture, arguments: [document.uri, model] } }];
  });
}

function headOf(unit: Unit): Span {
  if (unit.kind === "Law" || unit.kind === "Rewrite") return unit.title.span;
  return unit.kind === "Model" ? unit.name.span : unit.span;
}
