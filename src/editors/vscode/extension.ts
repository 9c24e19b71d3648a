/** @file The extension: starts the language server, shows modules of the library, and the picture of a model. */
import {
  commands,
  Uri,
  window,
  workspace,
  type Disposable,
  type ExtensionContext,
  type TextDocumentContentProvider,
} from "vscode";
import { LanguageClient, TransportKind, type ServerOptions } from "vscode-languageclient/node";
import type { PictureResult } from "../../lsp/protocol.ts";
import { PicturePanel } from "./picture-panel.ts";

/** Of the modules of the library, as `lsp/protocol.ts` has it. */
const LIBRARY = "tfm-std";

let client: LanguageClient | undefined;

export async function activate(context: ExtensionContext): Promise<void> {
  const files = workspace.createFileSystemWatcher("**/*.tfm");
  const start = async (): Promise<void> => {
    const old = client;
    client = undefined;
    // One that could not be started cannot be stopped either.
    await old?.dispose().catch(() => {});
    client = new LanguageClient("tfm", "tfm", serverOf(context), {
      documentSelector: ["file", "untitled", LIBRARY].map((scheme) => ({ scheme, language: "tfm" })),
      initializationOptions: { virtualLibrary: true },
      synchronize: { fileEvents: files },
    });
    // What goes wrong the client shows, and the extension stays: another server can be named.
    await client.start().catch(() => {});
  };
  const disposables: Disposable[] = [
    files,
    workspace.registerTextDocumentContentProvider(LIBRARY, library),
    commands.registerCommand("tfm.restartServer", start),
    commands.registerCommand("tfm.showPicture", (uri?: unknown, model?: unknown) => showPicture(context, uri, model)),
    workspace.onDidChangeConfiguration((e) => {
      if (e.affectsConfiguration("tfm.server.path")) void start();
    }),
  ];
  context.subscriptions.push(...disposables);
  await start();
}

export async function deactivate(): Promise<void> {
  PicturePanel.close();
  await client?.dispose();
}

/** The server that came along, or the one that the user's settings name. */
function serverOf(context: ExtensionContext): ServerOptions {
  const path = workspace.getConfiguration("tfm").get<string>("server.path", "").trim();
  const transport = TransportKind.stdio;
  if (path === "") return { module: context.asAbsolutePath("server/bin/server.mjs"), transport };
  if (/\.[cm]?js$/.test(path)) return { module: path, args: ["lsp"], transport };
  // On Windows a command of npm's is a script.
  return { command: path, args: ["lsp"], options: { shell: process.platform === "win32" } };
}

/** Modules of the library are read, not written. */
const library: TextDocumentContentProvider = {
  async provideTextDocumentContent(uri) {
    const found = await client?.sendRequest<{ readonly text: string } | null>("tfm/libraryFile", {
      uri: uri.toString(),
    });
    if (!found) throw new Error(`the library has no ${uri.path.slice(1)}`);
    return found.text;
  },
};

/** Called from the palette, the editor's title (with its address) or a code lens (with an address and a model). */
async function showPicture(context: ExtensionContext, uri: unknown, model: unknown): Promise<void> {
  const active = window.activeTextEditor?.document;
  const document =
    typeof uri === "string"
      ? await workspace.openTextDocument(Uri.parse(uri, true))
      : uri instanceof Uri
        ? await workspace.openTextDocument(uri)
        : active;
  if (document?.languageId !== "tfm") {
    void window.showInformationMessage("Open a .tfm file first: its model is drawn beside it.");
    return;
  }
  const draw = async (params: object): Promise<PictureResult> => {
    if (!client) throw new Error("the language server is not running");
    return await client.sendRequest<PictureResult>("tfm/picture", params);
  };
  const folder = Uri.joinPath(context.extensionUri, "client");
  PicturePanel.show(document, typeof model === "string" && model !== "" ? model : undefined, draw, folder);
}
