/** @file `tfm ops`: the primitive operators of the compiler and the `op` declarations of the library, with their documentation. */
import picocolors from "picocolors";
import { diagnose } from "../../diagnostics/diagnostic.ts";
import { nearest } from "../../diagnostics/suggest.ts";
import { Exit, type ExitCode } from "../exit.ts";
import type { Io } from "../io.ts";
import { describedOperators, type Described } from "../operators.ts";
import { fail, type JsonOption } from "../report.ts";
import { table, wrap } from "../text.ts";

export async function ops(io: Io, name: string | undefined, options: JsonOption): Promise<ExitCode> {
  const all = describedOperators();
  if (name === undefined) {
    if (options.json) io.out(`${JSON.stringify(all, undefined, 2)}\n`);
    else io.out(list(all, io));
    return Exit.ok;
  }
  const found = all.filter((o) => o.name === name);
  if (found.length === 0) {
    const close = nearest(
      name,
      all.map((o) => o.name),
    );
    return fail(io, options, [
      diagnose("cli/unknown-op", { name }, undefined, { hint: close ? `did you mean ${close}?` : undefined }),
    ]);
  }
  if (options.json) io.out(`${JSON.stringify(found, undefined, 2)}\n`);
  else io.out(found.map((o) => page(o, io)).join("\n"));
  return Exit.ok;
}

function list(all: readonly Described[], io: Io): string {
  const c = picocolors.createColors(io.color.out);
  const rows = (kind: Described["kind"]): string =>
    table(
      all
        .filter((o) => o.kind === kind)
        .map((o) => [o.name, firstLine(o.doc), ...(kind === "library" && o.kernel ? ["(kernel)"] : [])]),
      "  ",
    );
  return [
    `${c.bold("Primitive operators")}\n`,
    rows("primitive"),
    `\n${c.bold("Operators of the library")}: what they mean is written in the language; (kernel): a target may have its own\n`,
    rows("library"),
  ].join("");
}

function page(o: Described, io: Io): string {
  const c = picocolors.createColors(io.color.out);
  const width = Math.min(io.width, 100);
  const labels = Object.entries(o.constraints);
  return [
    `${c.bold(o.signature)}\n`,
    o.kind === "library" ? `of ${o.module}\n` : "a primitive\n",
    o.doc === "" ? "" : `\n${wrap(o.doc, width)}`,
    o.traits.length === 0 ? "" : `\nIt is ${o.traits.join(", ")}.\n`,
    labels.length === 0 ? "" : `\nWhat must hold:\n${labels.map(([label, text]) => `  ${label}: ${text}\n`).join("")}`,
    o.meaning === undefined ? "" : `\nIt means:\n${indented(o.meaning)}`,
    o.kind === "primitive"
      ? "\nEvery target has it.\n"
      : o.kernel
        ? "\nTargets have a kernel for it, where its operands fit one; else its meaning is compiled.\n"
        : "\nNo target has a kernel for it: its meaning is compiled.\n",
  ].join("");
}

function firstLine(doc: string): string {
  const line = doc.split("\n")[0]!;
  return line.length > 90 ? `${line.slice(0, 89)}…` : line;
}

function indented(text: string): string {
  return text
    .split("\n")
    .map((l) => `  ${l}`.trimEnd() + "\n")
    .join("");
}
