/** @file The panel with the model's picture, beside the text that it is of; drawn anew as the text changes. */
import { randomBytes } from "node:crypto";
import { basename } from "node:path";
import {
  ColorThemeKind,
  Disposable,
  Uri,
  ViewColumn,
  window,
  workspace,
  type TextDocument,
  type WebviewPanel,
} from "vscode";
import type { PictureParams, PictureResult } from "../../lsp/protocol.ts";
import type { Choice, FromPage, ToPage } from "./messages.ts";

/** Asks the server for a picture. */
export type Draw = (params: PictureParams) => Promise<PictureResult>;

export class PicturePanel {
  private static open: PicturePanel | undefined;

  /** Shows the picture of a document; there is one panel, which changes to it. */
  static show(document: TextDocument, model: string | undefined, draw: Draw, client: Uri): void {
    PicturePanel.open ??= new PicturePanel(draw, client);
    PicturePanel.open.turnTo(document, model);
    PicturePanel.open.panel.reveal(undefined, true);
  }

  static close(): void {
    PicturePanel.open?.panel.dispose();
  }

  private readonly panel: WebviewPanel;
  private readonly disposables: Disposable[] = [];
  private document: TextDocument | undefined;
  private choice: Choice = { detail: false, types: false };
  private svg: string | undefined;
  private waiting: NodeJS.Timeout | undefined;
  /** Counts what was asked: an answer that comes after a later question is dropped. */
  private asked = 0;
  private isReady = false;

  private constructor(
    private readonly draw: Draw,
    client: Uri,
  ) {
    this.panel = window.createWebviewPanel(
      "tfm.picture",
      "Picture",
      { viewColumn: ViewColumn.Beside, preserveFocus: true },
      { enableScripts: true, localResourceRoots: [client] },
    );
    const { webview } = this.panel;
    const script = webview.asWebviewUri(Uri.joinPath(client, "picture-page.js"));
    webview.html = page(script.toString(), randomBytes(16).toString("hex"));
    webview.onDidReceiveMessage((m: FromPage) => this.receive(m), undefined, this.disposables);
    this.panel.onDidChangeViewState(() => this.later(0), undefined, this.disposables);
    this.panel.onDidDispose(
      () => {
        PicturePanel.open = undefined;
        clearTimeout(this.waiting);
        Disposable.from(...this.disposables).dispose();
      },
      undefined,
      this.disposables,
    );
    workspace.onDidChangeTextDocument(
      // What it uses may be what has changed.
      ({ document }) => document.languageId === "tfm" && this.later(delay()),
      undefined,
      this.disposables,
    );
    window.onDidChangeActiveColorTheme(() => this.later(0), undefined, this.disposables);
    window.onDidChangeActiveTextEditor(
      (editor) => {
        const { document } = editor ?? {};
        if (document?.languageId === "tfm" && document.uri.scheme !== "tfm-std" && document !== this.document)
          this.turnTo(document, undefined);
      },
      undefined,
      this.disposables,
    );
  }

  private turnTo(document: TextDocument, model: string | undefined): void {
    const { detail, types } = this.choice;
    this.document = document;
    this.choice = { detail, types, ...(model === undefined ? {} : { model }) };
    this.panel.title = `Picture of ${basename(document.uri.path)}`;
    this.later(0);
  }

  private receive(message: FromPage): void {
    if (message.kind === "save") void this.save();
    else {
      // A page that was hidden begins anew, and asks again.
      if (message.kind === "ready") this.isReady = true;
      else this.choice = message.choice;
      this.later(0);
    }
  }

  private later(milliseconds: number): void {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => void this.update(), milliseconds);
  }

  private async update(): Promise<void> {
    const { document, panel } = this;
    if (!panel.visible) this.isReady = false;
    if (!document || !this.isReady) return;
    const own = ++this.asked;
    const { kind } = window.activeColorTheme;
    const theme = kind === ColorThemeKind.Dark || kind === ColorThemeKind.HighContrast ? "dark" : "light";
    let message: ToPage;
    try {
      const { choice } = this;
      const result = await this.draw({ uri: document.uri.toString(), ...choice, theme });
      message =
        "svg" in result
          ? { kind: "picture", svg: result.svg, models: result.models, choice: { ...choice, model: result.model } }
          : { kind: "error", message: result.error };
    } catch (error) {
      message = { kind: "error", message: error instanceof Error ? error.message : String(error) };
    }
    if (own !== this.asked || PicturePanel.open !== this) return;
    if (message.kind === "picture") this.svg = message.svg;
    await panel.webview.postMessage(message);
  }

  private async save(): Promise<void> {
    const { document, svg } = this;
    if (!document || svg === undefined) return;
    const beside = document.uri.with({ path: document.uri.path.replace(/(\.tfm)?$/, ".svg") });
    const uri = await window.showSaveDialog({
      ...(document.isUntitled ? {} : { defaultUri: beside }),
      filters: { SVG: ["svg"] },
    });
    if (uri) await workspace.fs.writeFile(uri, new TextEncoder().encode(svg));
  }
}

const delay = (): number => workspace.getConfiguration("tfm").get<number>("picture.delay", 200);

/** Scripts are this one only, pictures only what it puts in. */
function page(script: string, nonce: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; img-src data:; style-src 'nonce-${nonce}'; script-src 'nonce-${nonce}'">
<title>Picture</title>
<style nonce="${nonce}">
  body { padding: 0; color: var(--vscode-foreground); background: var(--vscode-editor-background); font: var(--vscode-font-size) var(--vscode-font-family); }
  header { position: sticky; top: 0; z-index: 1; display: flex; flex-wrap: wrap; gap: 4px 14px; align-items: center; padding: 6px 12px; background: var(--vscode-editor-background); }
  label { display: flex; gap: 4px; align-items: center; }
  select { color: var(--vscode-dropdown-foreground); background: var(--vscode-dropdown-background); border: 1px solid var(--vscode-dropdown-border); padding: 2px; }
  button { color: var(--vscode-button-secondaryForeground); background: var(--vscode-button-secondaryBackground); border: 0; border-radius: 2px; padding: 3px 8px; cursor: pointer; }
  button:disabled { opacity: 0.5; cursor: default; }
  #error { margin: 4px 12px; padding: 6px 10px; border-left: 3px solid var(--vscode-editorError-foreground); white-space: pre-wrap; }
  main { padding: 8px 12px; text-align: center; overflow: auto; }
  #picture { max-width: 100%; cursor: zoom-in; }
  #picture.whole { max-width: none; cursor: zoom-out; }
  .old #picture { opacity: 0.45; }
  [hidden] { display: none; }
</style>
</head>
<body>
<header>
  <select id="model" aria-label="model" hidden></select>
  <label><input type="checkbox" id="detail"> inside of attention</label>
  <label><input type="checkbox" id="types"> types</label>
  <button id="save" disabled>Save as SVG</button>
</header>
<p id="error" role="status" hidden></p>
<main><img id="picture" alt="" hidden></main>
<script nonce="${nonce}" src="${script}"></script>
</body>
</html>`;
}
