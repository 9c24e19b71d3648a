/** @file `tfm explain`: what a diagnostic means, why it is one, how to mend it. */
import picocolors from "picocolors";
import { catalog } from "../../diagnostics/catalog/index.ts";
import { diagnose, type Code, type Entry } from "../../diagnostics/diagnostic.ts";
import { nearest } from "../../diagnostics/suggest.ts";
import { Exit, type ExitCode } from "../exit.ts";
import type { Io } from "../io.ts";
import { fail, type JsonOption } from "../report.ts";
import { table, wrap } from "../text.ts";

const entries = catalog as unknown as Readonly<Record<string, Entry<object>>>;

export async function explain(io: Io, code: string | undefined, options: JsonOption): Promise<ExitCode> {
  if (code === undefined) return list(io, options);
  const wanted = code.replace(/^\[|\]$/g, "");
  const entry = Object.hasOwn(entries, wanted) ? entries[wanted]! : undefined;
  if (!entry) {
    const close = nearestCode(wanted);
    return fail(io, options, [
      diagnose("cli/unknown-code", { code: wanted }, undefined, { hint: close ? `did you mean ${close}?` : undefined }),
    ]);
  }
  if (options.json) {
    const { severity, why, mend, wrong, right } = entry;
    io.out(`${JSON.stringify({ code: wanted, severity, why, mend, wrong, right }, undefined, 2)}\n`);
  } else io.out(text(wanted, entry, io));
  return Exit.ok;
}

function text(code: string, entry: Entry<object>, io: Io): string {
  const c = picocolors.createColors(io.color.out);
  const width = Math.min(io.width, 100);
  const example = (program: string): string =>
    program
      .split("\n")
      .map((l) => `    ${l}`.trimEnd() + "\n")
      .join("");
  return [
    `${c.bold(code)} (${entry.severity})\n\n`,
    wrap(entry.why, width),
    `\n${c.bold("How to mend it")}\n`,
    wrap(entry.mend, width),
    `\n${c.bold(c.red("Wrong"))}\n`,
    example(entry.wrong),
    `\n${c.bold(c.green("Right"))}\n`,
    example(entry.right),
  ].join("");
}

function list(io: Io, options: JsonOption): ExitCode {
  const codes = Object.keys(entries);
  if (options.json)
    io.out(
      `${JSON.stringify(
        codes.map((code) => ({ code, severity: entries[code]!.severity, why: entries[code]!.why })),
        undefined,
        2,
      )}\n`,
    );
  else io.out(table(codes.map((code) => [code, firstSentence(entries[code]!.why)])));
  return Exit.ok;
}

function firstSentence(text: string): string {
  return /^.*?[.:;](?=\s|$)/.exec(text)?.[0].replace(/[.:;]$/, "") ?? text;
}

/** Also what was meant by the slug alone: `missing` is `setting/missing`, where only one phase has it. */
function nearestCode(code: string): string | undefined {
  const codes = Object.keys(entries) as Code[];
  const slug = code.split("/").at(-1)!;
  const same = codes.filter((c) => c.split("/")[1] === slug);
  return same.length > 0 ? same.join(" or ") : nearest(code, codes);
}
