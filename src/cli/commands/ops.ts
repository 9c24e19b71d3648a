/** @file `tfm ops`: the primitive operators of the compiler and the `op` declarations of the library, with their documentation. */
import picocolors from "picocolors";
import { kernels } from "../../backends/onnx/kernels.ts";
import { syntaxOf } from "../../compile.ts";
import { diagnose } from "../../diagnostics/diagnostic.ts";
import { nearest } from "../../diagnostics/suggest.ts";
import { libraryModules, readLibrary } from "../../host/stdlib.ts";
import { primitives } from "../../ops/registry.ts";
import { textOf } from "../../source/source.ts";
import type * as ast from "../../syntax/ast.ts";
import { Exit, type ExitCode } from "../exit.ts";
import type { Io } from "../io.ts";
import { fail, type JsonOption } from "../report.ts";
import { table, wrap } from "../text.ts";

interface Described {
  readonly name: string;
  readonly kind: "primitive" | "library";
  readonly module: string;
  /** `rms_norm(x: [..., d], weight: [d], eps)` */
  readonly signature: string;
  readonly doc: string;
  readonly traits: readonly string[];
  /** What must hold, by label. */
  readonly constraints: Readonly<Record<string, string>>;
  /** What it means, in the language; a primitive means itself. */
  readonly meaning?: string;
  /** Have the targets an operator, or a spelling that is fused, for it? Otherwise its meaning is compiled. */
  readonly kernel: boolean;
}

export async function ops(io: Io, name: string | undefined, options: JsonOption): Promise<ExitCode> {
  const all = [...primitiveOps(), ...libraryOps()];
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

function primitiveOps(): readonly Described[] {
  return Object.values(primitives).map((p) => ({
    name: p.name,
    kind: "primitive",
    module: "",
    signature: `${p.name}(${p.operands.join(", ")})`,
    doc: p.doc,
    traits: p.traits,
    constraints: p.constraints,
    kernel: true,
  }));
}

function libraryOps(): readonly Described[] {
  return libraryModules().flatMap((module) => {
    const { value } = syntaxOf(readLibrary(module)!);
    return (value?.decls ?? []).flatMap((d) => (d.kind === "Op" ? [described(d, module)] : []));
  });
}

function described(op: ast.Op, module: string): Described {
  const lists = [...(op.settings ? [op.settings] : []), op.operands];
  const given = op.given.length === 0 ? "" : ` given ${op.given.map((p) => textOf(p.span)).join(", ")}`;
  return {
    name: op.name.name,
    kind: "library",
    module,
    signature: `${op.name.name}${lists.map((l) => `(${l.items.map((p) => textOf(p.span)).join(", ")}${l.rest ? ", ..." : ""})`).join("")}${given}`,
    doc: op.doc,
    traits: [],
    constraints: {},
    meaning: textOf(op.meaning.kind === "Alias" ? op.meaning.value.span : op.meaning.span),
    kernel: Object.hasOwn(kernels, op.name.name),
  };
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
        ? "\nThe targets onnx and onnx-17 have a kernel for it, where its operands fit one; else its meaning is compiled.\n"
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
