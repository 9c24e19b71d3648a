/** A session with the server as an editor has it: the extension's own bundle, over pipes. Places are found in the text. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import {
  CodeActionRequest,
  CodeLensRequest,
  CompletionRequest,
  DefinitionRequest,
  DocumentFormattingRequest,
  DocumentSymbolRequest,
  ExecuteCommandRequest,
  FoldingRangeRequest,
  HoverRequest,
  InlayHintRequest,
  PrepareRenameRequest,
  ReferencesRequest,
  RenameRequest,
  SemanticTokensRequest,
  SignatureHelpRequest,
  type CompletionItem,
  type DocumentSymbol,
  type InitializeResult,
  type Location,
  type MarkupContent,
} from "vscode-languageserver/node";
import { libraryFile, picture } from "../../src/lsp/protocol.ts";
import { Client, Doc } from "./client.ts";

const TEXT = `/// A small language model.
model tiny(vocab = 1000, hidden = 64, heads = 4, layers = 2) grows seq {
  input tokens as "input_ids": int[batch, seq]

  let words = new embed(vocab)
  output logits = words(tokens)
    -> layers: decoder x{layers} < gqa(2, rope()), rmsnorm, swiglu >
    -> norm: rmsnorm
    -> head: linear(vocab, bias = false)
}

/// Half of its input.
block half(): ffn given hidden {
  input x: [..., seq, hidden]
  output x * 0.5
}

model halves(hidden = 8) {
  input x: float[batch, seq, hidden]
  output y = x -> half -> half
}

law "half of a half is a quarter" (x: [batch, d]) { x * 0.5 * 0.5 == x * 0.25 }

law "half is a third" (x: [batch, d]) { x * 0.5 == x / 3 }
`;

let folder = "";
let client: Client;
let server: InitializeResult;
let doc: Doc;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "tfm-session-"));
  const build = new URL("../../src/editors/vscode/build.mjs", import.meta.url).href;
  const { bundleServer } = (await import(build)) as { bundleServer: (folder: string) => Promise<void> };
  await bundleServer(folder);
  // Parsed by a build that may be older than the sources.
  rmSync(join(folder, "bin", "stdlib.json"), { force: true });
  client = new Client([join(folder, "bin", "server.mjs"), "--stdio"]);
  server = await client.initialize();
  doc = new Doc(client, pathToFileURL(join(folder, "my.tfm")).href, TEXT);
}, 60_000);
// What one test leaves behind when it fails is not the next one's.
beforeEach(() => {
  if (doc.text !== TEXT) doc.edit(doc.text, TEXT);
});
afterAll(async () => {
  if (client.process.exitCode === null) await client.end();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

const value = (contents: unknown): string => (contents as MarkupContent).value;
const labels = (found: CompletionItem[] | { items: CompletionItem[] } | null): string[] =>
  (Array.isArray(found) ? found : (found?.items ?? []))
    .toSorted((a, b) => ((a.sortText ?? a.label) < (b.sortText ?? b.label) ? -1 : 1))
    .map((i) => i.label);
const request = <P, R>(type: { readonly method: string }, params: P): Promise<R> =>
  client.connection.sendRequest<R>(type.method, params);
const complete = async (marked: string): Promise<string[]> =>
  labels(await client.connection.sendRequest(CompletionRequest.type, doc.at(marked)));
/** Edits, asks, and takes the edit back. */
async function during<T>(piece: string, text: string, ask: () => Promise<T>): Promise<T> {
  const { text: before } = doc;
  doc.edit(piece, text);
  try {
    return await ask();
  } finally {
    doc.edit(doc.text, before);
  }
}

test("it says what it can do", () => {
  expect(server.serverInfo).toMatchObject({
    name: "tfm",
    version: expect.stringMatching(/^\d+\.\d+\.\d+$/) as unknown,
  });
  expect(server.capabilities).toMatchObject({ hoverProvider: true, renameProvider: { prepareProvider: true } });
});

test("diagnostics come with what they have to do with, go when the text is mended, and come again", async () => {
  expect(await doc.diagnosed((d) => d.length === 0)).toEqual([]);
  doc.edit("gqa(2", "gqa(3");
  const [wrong] = await doc.diagnosed((d) => d.length > 0);
  expect(wrong).toMatchObject({ code: "setting/inexact", severity: 1, source: "tfm" });
  expect(doc.textAt(wrong!.range)).toBe("3");
  const [setting, library] = wrong!.relatedInformation!;
  expect([setting!.location.uri, doc.textAt(setting!.location.range)]).toEqual([doc.uri, "4"]);
  expect(fileURLToPath(library!.location.uri)).toBe(join(folder, "stdlib", "attention.tfm"));

  doc.edit("gqa(3, rope())", "gqa(");
  const broken = await doc.diagnosed((d) => d.some((e) => String(e.code).startsWith("syntax/")));
  for (const { range } of broken) expect(range.end.line).toBeLessThan(doc.whole.end.line);
  doc.edit("gqa(", "gqa(2, rope())");
  expect(await doc.diagnosed((d) => d.length === 0)).toEqual([]);
  expect(doc.text).toBe(TEXT);
});

test("hover: what it is, its type with axes and sizes, its documentation, what it weighs here", async () => {
  const hover = async (marked: string): Promise<string> =>
    value((await client.connection.sendRequest(HoverRequest.type, doc.at(marked)))?.contents);
  const layers = await hover("deco|der x{layers}");
  expect(layers).toContain("block decoder");
  expect(layers).toContain("[batch, seq, hidden=64]");
  expect(layers).toContain("A layer whose places see only what came before");
  // q and out, k and v; swiglu; two norms.
  const each = 2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 256 + 2 * 64;
  expect(layers).toContain(
    `${(2 * each).toLocaleString("en-US")} parameters at \`layers.*\` (${each.toLocaleString("en-US")} each, 2 times)`,
  );
  const linear = await hover("lin|ear(vocab");
  expect(linear).toContain("64,000 parameters at `head`");
  expect(linear).toContain("float[batch, seq, vocab=1000]");
  expect(await hover("he|ads = 4")).toMatch(/setting of tiny/);
});

test("definitions: in the text, and in the library as a file that is there", async () => {
  const own = (await client.connection.sendRequest(DefinitionRequest.type, doc.at("ha|lf -> half"))) as Location;
  expect(own).toEqual({ uri: doc.uri, range: { ...doc.range("half(): ffn"), end: doc.at("half|(): ffn").position } });
  const std = (await client.connection.sendRequest(DefinitionRequest.type, doc.at("gq|a(2"))) as Location;
  expect(fileURLToPath(std.uri)).toBe(join(folder, "stdlib", "attention.tfm"));
  const { text } = (await request<object, { text: string }>(libraryFile, { uri: "tfm-std:/attention.tfm" }))!;
  expect(text.split("\n")[std.range.start.line]!.slice(std.range.start.character)).toMatch(/^gqa\(kv_heads/);
  expect(await request(libraryFile, { uri: "tfm-std:/no/such.tfm" })).toBeNull();
});

test("references and renaming", async () => {
  const found = await client.connection.sendRequest(ReferencesRequest.type, {
    ...doc.at("half|(): ffn"),
    context: { includeDeclaration: true },
  });
  expect(found!.map((l) => [l.uri, doc.textAt(l.range)])).toEqual(Array(3).fill([doc.uri, "half"]));
  const renamed = await client.connection.sendRequest(RenameRequest.type, {
    ...doc.at("wo|rds = new"),
    newName: "table",
  });
  const edits = renamed!.changes![doc.uri]!;
  expect(doc.with(edits)).toBe(TEXT.replace("let words", "let table").replace("= words(", "= table("));
  const prepare = (marked: string) => client.connection.sendRequest(PrepareRenameRequest.type, doc.at(marked));
  await expect(prepare("gq|a(2")).rejects.toThrow("gqa belongs to the standard library");
  const rename = (newName: string) =>
    client.connection.sendRequest(RenameRequest.type, { ...doc.at("wo|rds = new"), newName });
  await expect(rename("let")).rejects.toThrow("word of the language");
  await expect(rename("tokens")).rejects.toThrow("has a name tokens already");
});

test("completion: blocks for the slots that are empty, axes, settings, words", async () => {
  const first = await during("swiglu >", " >", () => complete("rmsnorm, | >"));
  expect(first).toEqual(expect.arrayContaining(["swiglu", "mlp", "half", "ffn ="]));
  expect(Math.max(...["swiglu", "mlp", "half"].map((n) => first.indexOf(n)))).toBeLessThan(first.indexOf("linear"));
  expect(first).not.toContain("norm =");

  const axes = await during("x * 0.5\n}", "sum(x, over = hidden)[]\n}", () => complete("hidden)[|]"));
  expect(axes.slice(0, 2)).toEqual(["seq", "hidden"]);
  const settings = await during("bias = false", "b", () => complete("linear(vocab, b|)"));
  expect(settings[0]).toBe("bias =");
  expect(settings).not.toContain("out =");
  expect(await during("gqa(2, rope())", "gqa(2, )", () => complete("gqa(2, |)"))).toEqual(
    expect.arrayContaining(["rotary =", "window =", "softcap ="]),
  );
  const top = await during("/// Half", "mo\n/// Half", () => complete("mo|\n///"));
  expect(top).toEqual(expect.arrayContaining(["model", "block", "law"]));
  expect(await during("-> norm: rmsnorm", "-> norm: ", () => complete("-> norm: |"))).toContain("layernorm");
});

test("signature help: which argument is next", async () => {
  const help = await during("bias = false", "bias = ", () =>
    client.connection.sendRequest(SignatureHelpRequest.type, doc.at("bias = |")),
  );
  expect(help).toMatchObject({
    signatures: [
      { label: "linear(out: dims, bias = true)", parameters: [{ label: "out: dims" }, { label: "bias = true" }] },
    ],
    activeParameter: 1,
  });
  const slots = await during("rmsnorm, swiglu >", "rmsnorm,  >", () =>
    client.connection.sendRequest(SignatureHelpRequest.type, doc.at("rmsnorm, | >")),
  );
  expect(slots!.signatures[0]!.label).toMatch(/^decoder < attention, .*norm.*ffn.* >$/);
});

test("symbols and folding", async () => {
  const symbols = (await client.connection.sendRequest(DocumentSymbolRequest.type, {
    textDocument: doc.id,
  })) as DocumentSymbol[];
  expect(symbols.map((s) => s.name)).toEqual([
    "tiny",
    "half",
    "halves",
    "half of a half is a quarter",
    "half is a third",
  ]);
  expect(symbols[0]!.detail).toBe("A small language model.");
  expect(symbols[0]!.children!.map((c) => c.name)).toEqual([
    ...["vocab", "hidden", "heads", "layers"],
    ...["tokens", "words", "logits"],
  ]);
  const folds = await client.connection.sendRequest(FoldingRangeRequest.type, { textDocument: doc.id });
  expect(folds).toContainEqual({ startLine: doc.at("model tiny").position.line, endLine: 9 });
});

test("inlay hints: the type after each arrow", async () => {
  const hints = await client.connection.sendRequest(InlayHintRequest.type, { textDocument: doc.id, range: doc.whole });
  const shown = hints!.map(({ label, position }) => [position, label]);
  expect(shown).toContainEqual([doc.at("bias = false)|").position, ": float[batch, seq, vocab=1000]"]);
  expect(shown).toContainEqual([doc.at("norm: rmsnorm|\n").position, ": float[batch, seq, hidden=64]"]);
  expect(hints).toHaveLength(5);
});

test("semantic tokens: what each name is", async () => {
  const { legend } = server.capabilities.semanticTokensProvider!;
  const { data } = (await client.connection.sendRequest(SemanticTokensRequest.type, { textDocument: doc.id }))!;
  const found: [string, string, string][] = [];
  let line = 0;
  let character = 0;
  for (let i = 0; i < data.length; i += 5) {
    const [down, right, length, type, bits] = data.slice(i, i + 5) as [number, number, number, number, number];
    character = down === 0 ? character + right : right;
    line += down;
    const piece = doc.textAt({ start: { line, character }, end: { line, character: character + length } });
    const modifiers = legend.tokenModifiers.filter((_, bit) => bits & (1 << bit));
    found.push([piece, legend.tokenTypes[type]!, modifiers.join(" ")]);
  }
  for (const expected of [
    ["model", "keyword", ""],
    ["/// A small language model.", "comment", "documentation"],
    ["tiny", "class", "declaration"],
    ["half", "struct", "declaration"],
    ["half", "struct", ""],
    ["gqa", "struct", "defaultLibrary"],
    ["vocab", "parameter", "declaration"],
    ['"input_ids"', "string", ""],
    ["1000", "number", ""],
    ["batch", "type", "declaration"],
  ])
    expect(found).toContainEqual(expected);
});

test("formatting gives edits to the formatter's text, and leaves broken text alone", async () => {
  const options = { tabSize: 2, insertSpaces: true };
  const format = () => client.connection.sendRequest(DocumentFormattingRequest.type, { textDocument: doc.id, options });
  expect(await format()).toEqual([]);
  const edits = await during(
    "  input x: float[batch, seq, hidden]\n",
    "input x:float[batch,seq , hidden]\n",
    async () => {
      const made = await format();
      expect(doc.with(made!)).toBe(TEXT);
      return made;
    },
  );
  expect(edits!.length).toBeGreaterThan(0);
  expect(await during("block half()", "block half(", format)).toEqual([]);
});

test("code lenses count parameters and run laws", async () => {
  const lenses = (await client.connection.sendRequest(CodeLensRequest.type, { textDocument: doc.id }))!;
  expect(lenses.map((l) => [doc.textAt(l.range), l.command!.title])).toEqual([
    ["tiny", "251,200 parameters"],
    ["halves", "0 parameters"],
    ['"half of a half is a quarter"', "run this law"],
    ['"half is a third"', "run this law"],
  ]);
  const run = (i: number) => {
    const { command, arguments: args = [] } = lenses[i]!.command!;
    return client.connection.sendRequest(ExecuteCommandRequest.type, { command, arguments: args }) as Promise<{
      holds: boolean;
      lines: string[];
    }>;
  };
  expect(await run(2)).toMatchObject({ holds: true });
  const refuted = await run(3);
  expect(refuted.holds).toBe(false);
  const { line } = doc.at('law "half is a third"').position;
  expect(refuted.lines[0]).toBe(`FAILED  half is a third  (${fileURLToPath(doc.uri)}:${line + 1})`);
  expect(refuted.lines.join("\n")).toContain("x[batch d] = 1");
  expect(client.shown).toHaveLength(2);
});

test("a quick fix mends what it says", async () => {
  doc.edit("rmsnorm, swiglu", "rmsnrm, swiglu");
  const [wrong] = await doc.diagnosed((d) => d.length > 0);
  expect(doc.textAt(wrong!.range)).toBe("rmsnrm");
  const actions = await client.connection.sendRequest(CodeActionRequest.type, {
    textDocument: doc.id,
    range: wrong!.range,
    context: { diagnostics: [wrong!] },
  });
  const [action] = actions!;
  if (!action || !("edit" in action)) throw new Error("no action with an edit");
  expect(action).toMatchObject({ kind: "quickfix", diagnostics: [{ code: wrong!.code }] });
  expect(doc.with(action.edit!.changes![doc.uri]!)).toBe(TEXT);
  doc.edit("rmsnrm", "rmsnorm");
  await doc.diagnosed((d) => d.length === 0);
});

test("the picture of a model, and why there is none", async () => {
  const draw = (model?: string) =>
    client.connection.sendRequest(picture, { uri: doc.uri, ...(model === undefined ? {} : { model }), theme: "dark" });
  const tiny = await draw();
  expect(tiny).toMatchObject({ models: ["tiny", "halves"], model: "tiny" });
  expect("svg" in tiny && tiny.svg).toMatch(/^<svg[^]*gqa[^]*<\/svg>\s*$/);
  expect(await draw("halves")).toMatchObject({ model: "halves" });
  doc.edit("rmsnorm, swiglu", "rmsnrm, swiglu");
  expect(await draw("tiny")).toEqual({
    models: ["tiny", "halves"],
    error: expect.stringContaining("rmsnrm") as unknown,
  });
  doc.edit("rmsnrm", "rmsnorm");
});

test("a document uses another as it is in the editor, not as it was saved", async () => {
  writeFileSync(fileURLToPath(doc.uri), "// Nothing yet.\n");
  const text = `use "./my.tfm"\nmodel m(hidden = 8) {\n  input x: float[batch, seq, hidden]\n  output y = x -> half\n}\n`;
  const other = new Doc(client, pathToFileURL(join(folder, "other.tfm")).href, text);
  await other.diagnosed((d) => d.length === 0);
  doc.edit("block half()", "block third()");
  expect(await other.diagnosed((d) => d.length > 0)).toMatchObject([{ code: "name/unknown" }, {}]);
  doc.edit("block third()", "block half()");
  await other.diagnosed((d) => d.length === 0);
  other.close();
});

test("it has logged nothing, and ends when it is told to", async () => {
  expect(client.logged).toEqual([]);
  expect(await client.end()).toBe(0);
});
