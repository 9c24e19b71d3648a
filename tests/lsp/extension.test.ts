/** The extension is whole: its manifest, snippets and package; and its client starts the server, shows modules and pictures. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { checkAll } from "../../src/compile.ts";
import { library } from "../../src/host/stdlib.ts";
import { COMMANDS } from "../../src/lsp/features/lens.ts";
import { Editor, Uri, type Panel } from "./vscode.ts";

interface Build {
  readonly stage: (folder: string) => Promise<void>;
  readonly pack: (folder: string, into: string) => Promise<string>;
}
interface Manifest {
  readonly version: string;
  readonly main: string;
  readonly engines: { readonly vscode: string };
  readonly contributes: {
    readonly languages: readonly { readonly configuration: string }[];
    readonly grammars: readonly { readonly path: string; readonly scopeName: string }[];
    readonly snippets: readonly { readonly path: string }[];
    readonly commands: readonly { readonly command: string }[];
  };
}

const root = new URL("../..", import.meta.url).pathname;
let build: Build;
let folder = "";
let manifest: Manifest;
const read = (path: string): string => readFileSync(join(folder, "extension", path), "utf8");

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "tfm-extension-"));
  build = (await import(join(root, "src/editors/vscode/build.mjs"))) as Build;
  await build.stage(join(folder, "extension"));
  rmSync(join(folder, "extension/server/bin/stdlib.json"), { force: true });
  manifest = JSON.parse(read("package.json")) as Manifest;
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("what the manifest names is there", () => {
  const { languages, grammars, snippets, commands } = manifest.contributes;
  for (const path of [
    manifest.main,
    ...languages.map((l) => l.configuration),
    ...[...grammars, ...snippets].map((g) => g.path),
  ])
    expect(existsSync(join(folder, "extension", path)), path).toBe(true);
  const grammar = JSON.parse(read(grammars[0]!.path)) as { scopeName: string };
  expect(grammar.scopeName).toBe(grammars[0]!.scopeName);
  expect(commands.map((c) => c.command)).toContain(COMMANDS.showPicture);
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
  expect(manifest.version).toBe(version);
  // The client's library wants this version of the editor or a later one.
  const client = JSON.parse(
    readFileSync(join(root, "node_modules/vscode-languageclient/package.json"), "utf8"),
  ) as Manifest;
  expect(manifest.engines.vscode).toBe(client.engines.vscode);
});

test("the configuration continues comments and finds words", () => {
  const config = JSON.parse(read("language-configuration.json")) as {
    wordPattern: string;
    indentationRules: { increaseIndentPattern: string };
    onEnterRules: { beforeText: string; action: { appendText?: string } }[];
  };
  expect("gate' = x_1 -> rmsnorm".match(new RegExp(config.wordPattern, "g"))).toEqual(["gate'", "x_1", "rmsnorm"]);
  const rule = config.onEnterRules.find((r) => new RegExp(r.beforeText).test("  /// A layer."));
  expect(rule?.action.appendText).toBe("/// ");
  const indents = new RegExp(config.indentationRules.increaseIndentPattern);
  expect(["model m() {", "  output match order { // four", "// a {"].map((l) => indents.test(l))).toEqual([
    true,
    true,
    false,
  ]);
});

test("every snippet that is whole compiles", () => {
  const all = JSON.parse(read(manifest.contributes.snippets[0]!.path)) as Record<string, { body: string[] }>;
  const texts = Object.values(all).map(({ body }) => expand(body.join("\n")));
  const layer = texts.find((t) => t.includes("block own_layer"))!;
  const ffn = texts.find((t) => t.includes("block forked"))!;
  const map = texts.find((t) => t.startsWith("checkpoint"))!;
  const whole = texts.filter((t) => t.includes("model ") && t !== map);
  expect(whole.length).toBeGreaterThan(2);
  const uses = `model m(hidden = 8, heads = 2) { input x: float[batch, seq, hidden]\n output y = x -> own_layer < mha, rmsnorm, forked(16) > }`;
  for (const text of [...whole, `${layer}\n${ffn}\n${uses}`, texts.find((t) => t.startsWith("rewrite"))!]) {
    const main = { name: "snippet.tfm", text };
    const { diagnostics } = checkAll({ library, main, uses: [], settings: [], readModule: () => undefined });
    expect(diagnostics.map((d) => `${text}\n${d.message}`)).toEqual([]);
  }
  // A map without a line for each weight is not whole, but it can be read.
  const main = { name: "snippet.tfm", text: `${whole[0]}\n${map}` };
  const { diagnostics } = checkAll({ library, main, uses: [], settings: [], readModule: () => undefined });
  expect(diagnostics.filter((d) => d.code.startsWith("syntax/") || d.code.startsWith("name/"))).toEqual([]);
});

/** A snippet's text with its defaults. */
function expand(body: string): string {
  const defaults = new Map<string, string>();
  return body
    .replace(/\$\{(\d+):((?:[^}\\]|\\.)*)\}/g, (_, n: string, text: string) => {
      if (!defaults.has(n)) defaults.set(n, text.replace(/\\(.)/g, "$1"));
      return defaults.get(n)!;
    })
    .replace(/\$\d+/g, "");
}

test("it packages", async () => {
  const path = await build.pack(join(folder, "extension"), folder);
  const names = namesIn(readFileSync(path));
  expect(names).toEqual(
    expect.arrayContaining([
      "extension.vsixmanifest",
      "extension/package.json",
      "extension/client/extension.js",
      "extension/client/picture-page.js",
      "extension/server/bin/server.mjs",
      "extension/server/stdlib/attention.tfm",
      "extension/syntaxes/tfm.tmLanguage.json",
    ]),
  );
  expect(names.filter((n) => /node_modules|\.ts$|\.map$/.test(n))).toEqual([]);
});

/** Names in the directory of a zip file. */
function namesIn(zip: Buffer): string[] {
  const names: string[] = [];
  const end = zip.lastIndexOf(Buffer.from("PK\x05\x06", "latin1"));
  let at = zip.readUInt32LE(end + 16);
  for (let i = zip.readUInt16LE(end + 10); i > 0; i--) {
    const length = zip.readUInt16LE(at + 28);
    names.push(zip.toString("utf8", at + 46, at + 46 + length));
    at += 46 + length + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32);
  }
  return names;
}

test("in an editor: it starts the server, reads the library, draws as one types", { timeout: 60_000 }, async () => {
  const editor = new Editor();
  editor.settings["tfm.picture.delay"] = 10;
  const uri = new Uri("file:///models/my.tfm");
  const document = {
    uri,
    languageId: "tfm",
    version: 1,
    isUntitled: false,
    text: "model m(hidden = 8) { input x: float[batch, hidden]\n output y = x -> rmsnorm }\n",
    getText(): string {
      return this.text;
    },
  };
  editor.documents.push(document);
  const extension = editor.load<{ activate(context: object): Promise<void>; deactivate(): Promise<void> }>(
    join(folder, "extension", manifest.main),
  );
  const home = join(folder, "extension");
  await extension.activate({
    subscriptions: [],
    extensionUri: new Uri(`file://${home}`),
    asAbsolutePath: (path: string) => join(home, path),
  });
  expect(editor.shown).toEqual([]);
  try {
    expect([...editor.commands.keys()]).toEqual(expect.arrayContaining(Object.values(COMMANDS)));
    const std = editor.contents.get("tfm-std")!;
    expect(await std.provideTextDocumentContent(new Uri("tfm-std:/attention.tfm"))).toContain("block gqa");
    await expect(std.provideTextDocumentContent(new Uri("tfm-std:/none.tfm"))).rejects.toThrow("no none.tfm");

    await editor.commands.get(COMMANDS.showPicture)!(uri.toString(), "m");
    const [panel] = editor.panels;
    expect(panel!.title).toBe("Picture of my.tfm");
    expect(panel!.webview.html).toContain("/client/picture-page.js");
    panel!.received.raise({ kind: "ready" });
    expect(await posted(panel!, 1)).toMatchObject({
      kind: "picture",
      models: ["m"],
      choice: { model: "m", detail: false, types: false },
      svg: expect.stringMatching(/^<svg[^]*rmsnorm/) as unknown,
    });

    const type = (text: string): void => {
      const range = { start: { line: 0, character: 0 }, end: { line: 2, character: 0 } };
      document.version++;
      document.text = text;
      editor.changed.raise({ document, contentChanges: [{ range, rangeLength: 0, text }], reason: undefined });
    };
    type(document.text.replace("rmsnorm", "rmsnrm"));
    expect(await posted(panel!, 2)).toMatchObject({
      kind: "error",
      message: expect.stringContaining("rmsnrm") as unknown,
    });
    type(document.text.replace("rmsnrm", "layernorm"));
    expect(await posted(panel!, 3)).toMatchObject({ svg: expect.stringContaining("layernorm") as unknown });
    panel!.received.raise({ kind: "choose", choice: { model: "m", detail: false, types: true } });
    expect(await posted(panel!, 4)).toMatchObject({ svg: expect.stringContaining("hidden") as unknown });
  } finally {
    await extension.deactivate();
  }
});

async function posted(panel: Panel, count: number): Promise<unknown> {
  for (const end = Date.now() + 20_000; panel.posted.length < count && Date.now() < end;)
    await new Promise((done) => setTimeout(done, 10));
  return panel.posted[count - 1];
}
