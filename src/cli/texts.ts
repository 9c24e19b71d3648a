/** @file Texts of the command line as rows of tokens: by the family's form for a task, or as the tokenizer does it. */
import { diagnose, type Diagnostic } from "../diagnostics/diagnostic.ts";
import { nearest } from "../diagnostics/suggest.ts";
import { formRows, type FormedRow, type Texts } from "../generate/forms.ts";
import type { Tokenizer } from "../generate/tokenizer.ts";

/** The rows of some texts; without a task the tokenizer's own form of one text or a pair. */
export function taskRows(
  folder: string,
  tasks: Readonly<Record<string, readonly string[]>>,
  task: string | undefined,
  texts: Texts,
  tokenizer: Tokenizer,
): readonly FormedRow[] | Diagnostic {
  if (task === undefined)
    return (texts.pairs.length > 0 ? texts.pairs : [undefined]).map((pair) => ({
      ...tokenizer.encode(texts.text, { pair }),
      places: {},
    }));
  const known = Object.keys(tasks);
  if (!Object.hasOwn(tasks, task)) {
    const close = nearest(task, known);
    const hint =
      known.length === 0
        ? "the model's family has none: leave --task out"
        : close === undefined
          ? `its tasks are ${known.join(", ")}`
          : `did you mean ${close}?`;
    return diagnose("generate/task", { folder, task, reason: "the family has no task of that name" }, undefined, {
      hint,
    });
  }
  const rows = formRows(tasks[task]!, texts, tokenizer);
  return "reason" in rows
    ? diagnose("generate/task", { folder, task, reason: rows.reason }, undefined, {
        hint: `its form is ${tasks[task]!.join(" and ")}`,
      })
    : rows;
}
