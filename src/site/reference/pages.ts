/** @file What the reference is made of: the catalog of diagnostics, the operators, the library's modules with their documentation. */
import { syntaxOf } from "../../compile.ts";
import { ebnf } from "../../../grammar/ebnf.ts";
import { catalog } from "../../diagnostics/catalog/index.ts";
import type { Entry } from "../../diagnostics/diagnostic.ts";
import { describedOperators, type Described } from "../../cli/operators.ts";
import { libraryModules, readLibrary } from "../../host/stdlib.ts";
import { textOf } from "../../source/source.ts";
import type * as ast from "../../syntax/ast.ts";
import { runQuietly } from "../snippets.ts";

interface Link {
  readonly text: string;
  readonly link: string;
}

const entries = Object.entries(catalog as unknown as Readonly<Record<string, Entry<object>>>);

/** `axis`, `model`, ... : the part of a code before its stroke. */
const groups = [...new Set(entries.map(([code]) => code.split("/")[0]!))].sort();

/** `std.families.NAME` is the page `families-NAME`. */
function slugOf(module: string): string {
  return module.replace(/^std\./, "").replaceAll(".", "-");
}

const documented = libraryModules().filter((m) => !m.includes(".laws."));

export const catalogPages = {
  library: (): Link[] =>
    documented.map((m) => ({ text: m.replace(/^std\./, ""), link: `/reference/library/${slugOf(m)}` })),
  errors: (): Link[] => groups.map((g) => ({ text: g, link: `/reference/errors/${g}` })),
};

/** A page for each group of codes. */
export function errorPages(): { params: { group: string }; content: string }[] {
  return groups.map((group) => {
    const own = entries.filter(([code]) => code.startsWith(`${group}/`));
    const sections = own.map(([code, e]) =>
      [
        `## ${code} {#${code.split("/")[1]}}`,
        `*${e.severity}*. ${prose(e.why)}`,
        `**How to mend it.** ${prose(e.mend)}`,
        `Wrong:`,
        fence(e.wrong),
        `Right:`,
        fence(e.right),
      ].join("\n\n"),
    );
    return { params: { group }, content: [`# Errors: ${group}`, ...sections].join("\n\n") };
  });
}

/** Pages that stand alone. */
export async function singlePages(): Promise<{ params: { page: string }; content: string }[]> {
  return [
    { params: { page: "operators" }, content: operatorsPage() },
    { params: { page: "grammar" }, content: grammarPage() },
    { params: { page: "commands" }, content: await commandsPage() },
  ];
}

function grammarPage(): string {
  return [
    "# Grammar",
    'Generated from the parser. `A % ","` is a list of `A` with commas between.',
    fence(ebnf(), "text"),
  ].join("\n\n");
}

/** What every command says of itself. */
async function commandsPage(): Promise<string> {
  const own = await helpOf([]);
  const names = [...own.matchAll(/^  (\w+) /gm)].map((m) => m[1]!).filter((n) => n !== "help");
  const sections = await Promise.all(names.map(async (n) => `## tfm ${n}\n\n${fence(await helpOf([n]), "text")}`));
  return ["# Commands", fence(own, "text"), ...sections].join("\n\n");
}

async function helpOf(command: readonly string[]): Promise<string> {
  return (await runQuietly([...command, "--help"])).out;
}

function operatorsPage(): string {
  const all = describedOperators();
  const section = (o: Described): string =>
    [
      `### ${o.name}`,
      fence(o.signature),
      prose(o.doc),
      o.traits.length > 0 ? `It is ${o.traits.join(", ")}.` : "",
      ...Object.values(o.constraints).map((c) => `- ${prose(c)}`),
      o.meaning === undefined ? "" : `It means:\n\n${fence(o.meaning)}`,
    ]
      .filter((t) => t !== "")
      .join("\n\n");
  const of = (kind: Described["kind"]): string =>
    all
      .filter((o) => o.kind === kind)
      .map(section)
      .join("\n\n");
  return [
    "# Operators",
    "## Primitive operators",
    "Every target has them.",
    of("primitive"),
    "## Operators of the library",
    "What they mean is written in the language. A target may have a kernel of its own for one.",
    of("library"),
  ].join("\n\n");
}

/** A page for each module of the library: its declarations as they stand, with their documentation first. */
export function libraryPages(): { params: { module: string }; content: string }[] {
  return documented.map((module) => {
    const file = readLibrary(module)!;
    const { value } = syntaxOf(file);
    const declared = (value?.decls ?? []).flatMap((d) => sectionOf(d));
    return { params: { module: slugOf(module) }, content: [`# ${module}`, ...declared].join("\n\n") };
  });
}

function sectionOf(decl: ast.Decl): string[] {
  if (decl.kind === "Use") return [];
  const name =
    decl.kind === "Checkpoint"
      ? `checkpoint for ${decl.model.name}`
      : decl.kind === "Law" || decl.kind === "Rewrite"
        ? decl.title.value
        : decl.name.name;
  return [`## ${name}`, prose(decl.doc), fence(textOf(decl.span))];
}

/** Vue would take braces and angle brackets for its own. */
function prose(text: string): string {
  return text.replace(/</g, "&lt;").replace(/\{\{/g, "&#123;&#123;");
}

function fence(text: string, language = "tfm"): string {
  return `\`\`\`${language}\n${text.trimEnd()}\n\`\`\``;
}
