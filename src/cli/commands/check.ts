/** @file `tfm check`: everything that is wrong with some sources, and what their models take, give and weigh. */
import picocolors from "picocolors";
import { checkAll, type Elaborated } from "../../compile.ts";
import { diagnose, hasErrors, type Diagnostic } from "../../diagnostics/diagnostic.ts";
import { statOf } from "../../host/system.ts";
import { Exit, type ExitCode } from "../exit.ts";
import type { Io } from "../io.ts";
import { parametersOf, totalElements } from "../measure.ts";
import { say, sayJson, usage, type JsonOption } from "../report.ts";
import { inputsOf, outputsOf, signatureRows } from "../signature.ts";
import { isFolder, resolveSource, type SourceOptions } from "../source.ts";
import { grouped, table } from "../text.ts";

interface Checked {
  readonly source: string;
  readonly models: readonly Elaborated[];
}

export interface CheckOptions extends SourceOptions, JsonOption {
  /** The sources are folders, to be checked by the rules of these clients, with commas. */
  readonly for?: string;
}

export async function check(io: Io, sources: readonly string[], options: CheckOptions): Promise<ExitCode> {
  if (options.for !== undefined) return checkFolders(io, sources, options);
  const diagnostics: Diagnostic[] = [];
  const checked: Checked[] = [];
  for (const path of sources.length === 0 ? [undefined] : sources) {
    const resolved = resolveSource(path, options);
    if ("usage" in resolved) return usage(io, resolved.usage);
    if ("diagnostics" in resolved) {
      diagnostics.push(...resolved.diagnostics);
      continue;
    }
    const result = checkAll(resolved.source.request);
    diagnostics.push(...result.diagnostics);
    checked.push({ source: resolved.source.name, models: result.value ?? [] });
  }
  if (options.json)
    sayJson(io, diagnostics, { sources: checked.map((c) => ({ source: c.source, models: c.models.map(asJson) })) });
  else {
    say(io, diagnostics);
    io.out(checked.flatMap((c) => c.models.map((m) => asText(m, io))).join("\n"));
  }
  return hasErrors(diagnostics) ? Exit.wrong : Exit.ok;
}

/** Would these clients open the folders? */
async function checkFolders(io: Io, folders: readonly string[], options: CheckOptions): Promise<ExitCode> {
  const { clientsOf, folderProblems } = await import("../clients.ts");
  const asked = clientsOf(options.for);
  if ("usage" in asked) return usage(io, asked.usage);
  if (folders.length === 0) return usage(io, "give the folder to check");
  const diagnostics: Diagnostic[] = [];
  const verdicts = folders.flatMap((folder) =>
    asked.clients.map((client) => {
      const reason = !statOf(folder) ? "it does not exist" : isFolder(folder) ? undefined : "it is a file";
      const said =
        reason === undefined ? folderProblems(folder, client) : [diagnose("cli/no-artifact", { folder, reason })];
      // Two clients, or two folders, may have the same complaint.
      diagnostics.push(...said.filter((d) => !diagnostics.some((e) => e.code === d.code && e.message === d.message)));
      return { folder, client: client.name, title: client.title, release: client.release, opens: !hasErrors(said) };
    }),
  );
  if (options.json)
    sayJson(io, diagnostics, { folders: verdicts.map(({ folder, client, opens }) => ({ folder, client, opens })) });
  else {
    say(io, diagnostics);
    for (const { folder, title, release, opens } of verdicts)
      io.out(`${folder}: ${title} ${opens ? "opens it" : "would not open it"} (by the rules of ${release})\n`);
  }
  return hasErrors(diagnostics) ? Exit.wrong : Exit.ok;
}

function asText(model: Elaborated, io: Io): string {
  const c = picocolors.createColors(io.color.out);
  const doc = model.doc === "" ? "" : `  ${model.doc.split("\n")[0]}`;
  const rows = [...signatureRows(model), ["parameters", grouped(totalElements(parametersOf(model.graph)))]];
  return `${c.bold(model.model)}${c.dim(doc)}\n${table(rows, "  ")}`;
}

function asJson(model: Elaborated): object {
  const { model: name, doc, settings } = model;
  return {
    model: name,
    doc,
    settings: Object.fromEntries(settings.map((s) => [s.name, s.text])),
    inputs: inputsOf(model),
    outputs: outputsOf(model),
    parameters: totalElements(parametersOf(model.graph)),
  };
}
