/** @file Shows beside a program what its fence asks for. Everything is computed once, before the pages are rendered. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { MarkdownRenderer } from "vitepress";
import { styles } from "../../draw/svg.ts";
import { run, snippetsOf, type Shown } from "../snippets.ts";

/** By the fence's words and text. */
const results = new Map<string, readonly Shown[]>();

const keyOf = (show: string, text: string): string => `${show.trim()}\n${text}`;

/** Runs every snippet of the site. Throws where one is not what its page says. */
export async function prepareFences(site: string): Promise<void> {
  const pages = readdirSync(site, { recursive: true, encoding: "utf8" }).filter((f) => f.endsWith(".md"));
  for (const page of pages)
    for (const snippet of snippetsOf(readFileSync(join(site, page), "utf8")))
      if (snippet.show.length > 0) results.set(keyOf(snippet.show.join(" "), snippet.text), await run(snippet, page));
}

/** Puts figures and outputs below the programs. */
export function fences(markdown: MarkdownRenderer): void {
  const plain = markdown.renderer.rules.fence!;
  markdown.renderer.rules.fence = (tokens, index, ...rest) => {
    const token = tokens[index]!;
    const [language, ...show] = token.info.trim().split(/\s+/);
    if (language !== "tfm") return plain(tokens, index, ...rest);
    token.info = "tfm";
    const code = plain(tokens, index, ...rest);
    const shown = results.get(keyOf(show.join(" "), token.content)) ?? [];
    const figures = shown.filter((s) => s.output.startsWith("<svg"));
    const texts = shown.filter((s) => !s.output.startsWith("<svg")).map(textOf);
    const figure = figures
      .map((f) => `<figure class="tfm-figure" v-pre>${f.output.replace(/<style>.*?<\/style>/s, "")}</figure>`)
      .join("");
    return figure === ""
      ? `${code}${texts.join("")}`
      : `<div class="tfm-beside"><div>${code}${texts.join("")}</div>${figure}</div>`;
  };

  function textOf({ command, output, status }: Shown): string {
    const text = markdown.utils.escapeHtml(output.trimEnd());
    return `<div class="tfm-output${status === 0 ? "" : " error"}" v-pre><span class="command">${command}</span><pre>${text}</pre></div>`;
  }
}

/** The figures' style, once for the page. Their colours follow the page's switch, where a figure by itself follows the system's. */
export function figureStyles(): string {
  return within(styles("light"), ".tfm-figure") + within(styles("dark"), ".dark .tfm-figure");
}

function within(rules: string, before: string): string {
  const scoped = (selectors: string): string =>
    selectors
      .split(",")
      .map((s) => `${before} ${s}`)
      .join(",");
  return rules.replace(/([^{}]+)\{/g, (_, selectors: string) => `${scoped(selectors)}{`);
}
