/** What the sources may say and import: no family, block or client by name, no I/O in the core, imports in one direction. */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { expect, test } from "vitest";

const root = new URL("../..", import.meta.url).pathname;

function filesUnder(folder: string, ending: RegExp): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((f) => f.isFile() && ending.test(f.name))
    .map((f) => relative(root, join(f.parentPath, f.name)));
}

const sources = [...filesUnder("src", /\.(ts|mjs)$/), ...filesUnder("grammar", /\.ts$/)];

/** Every block and model that the library declares: none of these names may stand in the compiler. */
function libraryNames(): string[] {
  const names = filesUnder("stdlib", /\.tfm$/).flatMap((file) =>
    [...readFileSync(join(root, file), "utf8").matchAll(/^(?:block|model) (\w+)/gm)].map((m) => m[1]!),
  );
  const families = filesUnder("stdlib/families", /\.tfm$/).map((f) => f.replace(/^.*\/|\.tfm$/g, ""));
  return [...new Set([...names, ...families, "gpt", "t5", "glm", "mistral", "qwen", "gemma", "optimum", "genai"])];
}

/** Words that are English before they are blocks. */
const ENGLISH = new Set(["linear", "embed", "encoder", "decoder", "parallel", "sublayer", "gated", "cross"]);

test("no family, block or client is named in the compiler's sources", () => {
  const names = libraryNames().filter((n) => !ENGLISH.has(n));
  expect(names.length).toBeGreaterThan(20);
  // The words before `-e`, prose in examples of `tfm explain`, and comments may show programs; code may not.
  const code = (text: string): string => text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/\/\/.*$/gm, "");
  const found: string[] = [];
  for (const file of sources) {
    // Examples of wrong and right programs, the pages of the site, and the programs that tests draw out of blocks of the library.
    if (file.includes("/catalog/") || file.startsWith("src/site/") || file.startsWith("src/testing/")) continue;
    const text = code(readFileSync(join(root, file), "utf8"))
      .replace(/(hint|usage|examples?):? ?[`"'][^\n]*/g, "")
      .replace(/hint: [^\n]*/g, "");
    for (const name of names) if (new RegExp(`(?<![\\w-])${name}(?![\\w-])`).test(text)) found.push(`${file}: ${name}`);
  }
  expect(found).toEqual([]);
});

test("only host and cli import node's modules, and the site and the editors' extensions, which they build", () => {
  const found = sources
    .filter((f) => !/^src\/(host|cli|site|editors)\//.test(f) && f !== "src/build.mjs")
    .filter((f) => /from "node:|require\("(fs|path)/.test(readFileSync(join(root, f), "utf8")));
  expect(found).toEqual([]);
});

/** From the bottom to the top; a folder imports only folders before it. */
const ORDER = [
  "source",
  "corrupt",
  "diagnostics",
  "syntax",
  "format",
  "ir",
  "ops",
  "weights",
  "elaborate",
  "names",
  "passes",
  "rewrite",
  "layout",
  "backends",
  "equivalence",
  "clients",
  "generate",
  "draw",
  "lsp",
  "host",
  "testing",
  "cli",
  "site",
  "editors",
];

test("imports go in one direction", () => {
  const found: string[] = [];
  for (const file of sources.filter((f) => f.startsWith("src/"))) {
    const own = ORDER.indexOf(file.split("/")[1]!);
    if (own < 0) continue;
    const text = readFileSync(join(root, file), "utf8");
    for (const m of text.matchAll(/^import (type )?[^;]*? from "(\.[^"]+)";/gms)) {
      const target = relative(root, join(root, file, "..", m[2]!)).split("/");
      if (target[0] !== "src") continue;
      const other = ORDER.indexOf(target[1]!);
      // The graph and its operators are one level: types of one name the other, and `verify` asks the operators' rules.
      const allowed = other <= own || (own === ORDER.indexOf("ir") && other === ORDER.indexOf("ops"));
      if (other >= 0 && !allowed) found.push(`${file} imports ${m[2]}`);
    }
    if (/^import .* from "\.\.\/(onnx|tfjs|reference)\//m.test(text) && file.startsWith("src/backends/"))
      found.push(`${file} imports another backend`);
  }
  expect(found).toEqual([]);
});
