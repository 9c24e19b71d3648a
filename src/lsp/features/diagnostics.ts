/** @file Diagnostics and their quick fixes in the protocol's words. */
import {
  CodeActionKind,
  DiagnosticSeverity,
  DiagnosticTag,
  type CodeAction,
  type Diagnostic as LspDiagnostic,
  type Range,
} from "vscode-languageserver-types";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import { LONGEST } from "../analysis.ts";
import { locationOf, rangeIn, rangeOf, type View } from "../view.ts";

/** Everything that is known to be wrong with the document so far. */
export function diagnosticsOf(view: View): LspDiagnostic[] {
  return [...view.analysis.diagnostics().map((d) => toLsp(view, d)), ...givenUp(view)];
}

function toLsp(view: View, d: Diagnostic): LspDiagnostic {
  const related = d.related.flatMap((r) =>
    r.span ? [{ location: locationOf(view, r.span), message: r.message }] : [],
  );
  const unplaced = d.related.filter((r) => !r.span).map((r) => r.message);
  const own = d.span && rangeIn(view, d.span);
  // What is wrong in a file that this one uses is said at the `use`, with the place itself beside it.
  if (d.span && !own) related.unshift({ location: locationOf(view, d.span), message: d.message });
  const message = [d.message, ...unplaced, ...(d.hint === undefined ? [] : [`hint: ${d.hint}`])].join("\n");
  return {
    range: own ?? useOf(view, d),
    severity: d.severity === "error" ? DiagnosticSeverity.Error : DiagnosticSeverity.Warning,
    code: d.code,
    source: "tfm",
    message,
    ...(related.length > 0 ? { relatedInformation: related } : {}),
    ...(d.code.startsWith("name/unused-") ? { tags: [DiagnosticTag.Unnecessary] } : {}),
  };
}

function useOf(view: View, d: Diagnostic): Range {
  const use = view.analysis.main.uses.find((u) => u.module.file === d.span?.file) ?? view.analysis.main.uses[0];
  return (use && d.span && rangeIn(view, use.use.span)) ?? rangeOf(view, { start: 0, end: 0 });
}

function givenUp(view: View): LspDiagnostic[] {
  const { analysis } = view;
  return analysis.units.flatMap((unit) => {
    if (!analysis.elaborationOf(unit)?.givenUp) return [];
    const place = unit.kind === "Model" ? unit.name.span : unit.span;
    return {
      range: rangeIn(view, place) ?? rangeOf(view, { start: 0, end: 0 }),
      severity: DiagnosticSeverity.Information,
      source: "tfm",
      message: `not checked further: it takes longer than ${LONGEST / 1000} s; \`tfm check\` has no limit`,
    };
  });
}

/** The mends of the diagnostics that touch a range. */
export function codeActions(view: View, range: Range): CodeAction[] {
  const { document } = view;
  const start = document.offsetAt(range.start);
  const end = document.offsetAt(range.end);
  return view.analysis.diagnostics().flatMap((d) => {
    const place = d.span && view.analysis.inDocument(d.span);
    if (!place || place.end < start || place.start > end) return [];
    return d.fixes.flatMap((fix): CodeAction[] => {
      const at = rangeIn(view, fix.span);
      if (!at) return [];
      return [
        {
          title: fix.title,
          kind: CodeActionKind.QuickFix,
          diagnostics: [toLsp(view, d)],
          isPreferred: d.fixes.length === 1,
          edit: { changes: { [document.uri]: [{ range: at, newText: fix.replacement }] } },
        },
      ];
    });
  });
}
