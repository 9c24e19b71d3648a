/** @file `tfm test`: the laws and rewrites of some files, each with a verdict. */
import { lawsOf } from "../../compile.ts";
import { hasErrors, type Diagnostic } from "../../diagnostics/diagnostic.ts";
import { Tester, type LawReport } from "../../equivalence/law.ts";
import { linesOf, reportJson } from "../../equivalence/report.ts";
import { reproduction } from "../../equivalence/reproduce.ts";
import { replaceFile } from "../../host/replace.ts";
import { Exit, type ExitCode } from "../exit.ts";
import type { Io } from "../io.ts";
import { say, sayJson, usage, type JsonOption } from "../report.ts";
import { resolveSource } from "../source.ts";

interface TestCommandOptions extends JsonOption {
  readonly seed: number;
  /** Seconds for all laws. */
  readonly budget: number;
  readonly use: readonly string[];
  /** A file for the counterexample of the first law that fails. */
  readonly counterexample?: string;
}

const LARGEST_SHARE = 1 / 8;

export async function test(io: Io, files: readonly string[], options: TestCommandOptions): Promise<ExitCode> {
  const diagnostics: Diagnostic[] = [];
  const reports: LawReport[] = [];
  const start = performance.now();
  const laws = files.flatMap((path) => {
    const resolved = resolveSource(path, { set: [], use: options.use });
    if ("usage" in resolved) throw new Error(resolved.usage);
    if ("diagnostics" in resolved) {
      diagnostics.push(...resolved.diagnostics);
      return [];
    }
    const found = lawsOf(resolved.source.request);
    diagnostics.push(...found.diagnostics);
    return found.value ?? [];
  });
  if (laws.length === 0 && !hasErrors(diagnostics)) return usage(io, `there is no law in ${files.join(", ")}`);
  const now = (): number => performance.now() - start;
  for (const [i, law] of laws.entries()) {
    // What is left is shared by the laws to come.
    const left = options.budget * 1000 - now();
    // Few laws take long: one may have more than its share of what is left, so that a verdict depends on the clock as seldom as can be.
    const budget = Math.max(50, left / (laws.length - i), left * LARGEST_SHARE);
    const report = new Tester({ seed: options.seed, budget, now }).test(law);
    reports.push(report);
    if (report.verdict.kind === "invalid") diagnostics.push(...report.verdict.diagnostics);
    if (!options.json) io.out(`${linesOf(report).join("\n")}\n`);
  }
  const failed = reports.filter((r) => !r.holds).length;
  const { counterexample } = options;
  const shown = counterexample === undefined ? undefined : reports.find((r) => !r.holds && reproduction(r));
  if (shown) diagnostics.push(...replaceFile(counterexample!, reproduction(shown)!));
  if (options.json) sayJson(io, diagnostics, { seed: options.seed, laws: reports.map(reportJson) });
  else {
    say(io, diagnostics);
    if (shown && !hasErrors(diagnostics))
      io.out(`wrote ${counterexample}, where "${shown.source.decl.title.value}" fails again\n`);
    io.out(`${summaryOf(reports, failed)}; seed ${options.seed}\n`);
  }
  return failed > 0 || hasErrors(diagnostics) ? Exit.wrong : Exit.ok;
}

function summaryOf(reports: readonly LawReport[], failed: number): string {
  const count = (kind: string): number => reports.filter((r) => r.holds && r.verdict.kind === kind).length;
  const parts = [
    ["proved", count("proved")],
    ["sampled only", count("sampled")],
    ["different as stated", count("different")],
    ["failed", failed],
  ] as const;
  return `${reports.length} law${reports.length === 1 ? "" : "s"}: ${parts
    .filter(([, n]) => n > 0)
    .map(([text, n]) => `${n} ${text}`)
    .join(", ")}`;
}
