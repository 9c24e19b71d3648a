/** @file A client of the language server, as an editor is one: a process, its pipes, and what the protocol says. */
import { spawn, type ChildProcess } from "node:child_process";
import {
  createProtocolConnection,
  DidChangeTextDocumentNotification,
  DidCloseTextDocumentNotification,
  DidOpenTextDocumentNotification,
  ExitNotification,
  InitializedNotification,
  InitializeRequest,
  LogMessageNotification,
  PublishDiagnosticsNotification,
  ShowMessageNotification,
  ShutdownRequest,
  StreamMessageReader,
  StreamMessageWriter,
  type Diagnostic,
  type InitializeParams,
  type InitializeResult,
  type Position,
  type ProtocolConnection,
  type PublishDiagnosticsParams,
  type Range,
  type TextEdit,
} from "vscode-languageserver/node";
import { TextDocument } from "vscode-languageserver-textdocument";

export class Client {
  readonly connection: ProtocolConnection;
  readonly process: ChildProcess;
  /** What the server wants the user to see, and what it logs: a bug of its own, mostly. */
  readonly shown: string[] = [];
  readonly logged: string[] = [];
  private readonly published = new Map<string, PublishDiagnosticsParams>();
  private readonly waiting = new Set<() => void>();
  private stderr = "";

  constructor(argv: readonly string[]) {
    const child = spawn(process.execPath, argv, { stdio: ["pipe", "pipe", "pipe"] });
    child.stderr.on("data", (d: Buffer) => (this.stderr += d.toString()));
    this.process = child;
    this.connection = createProtocolConnection(
      new StreamMessageReader(child.stdout),
      new StreamMessageWriter(child.stdin),
    );
    this.connection.onNotification(PublishDiagnosticsNotification.type, (params) => {
      this.published.set(params.uri, params);
      for (const look of this.waiting) look();
    });
    this.connection.onNotification(ShowMessageNotification.type, ({ message }) => {
      this.shown.push(message);
    });
    this.connection.onNotification(LogMessageNotification.type, ({ message }) => {
      this.logged.push(message);
    });
    this.connection.listen();
  }

  async initialize(params: Partial<InitializeParams> = {}): Promise<InitializeResult> {
    const result = await this.connection.sendRequest(InitializeRequest.type, {
      processId: process.pid,
      rootUri: null,
      capabilities: {},
      workspaceFolders: null,
      ...params,
    });
    await this.connection.sendNotification(InitializedNotification.type, {});
    return result;
  }

  /** The newest diagnostics of a document, as soon as they are of this version and as they should be. */
  diagnosed(uri: string, version: number, as: (all: readonly Diagnostic[]) => boolean): Promise<readonly Diagnostic[]> {
    return new Promise((resolve, reject) => {
      const last = (): PublishDiagnosticsParams | undefined => this.published.get(uri);
      const tooLong = setTimeout(() => {
        this.waiting.delete(look);
        reject(new Error(`not diagnosed so: ${JSON.stringify(last())}\n${this.logged.join("\n")}${this.stderr}`));
      }, 40_000);
      const look = (): void => {
        const now = last();
        if (now?.version !== version || !as(now.diagnostics)) return;
        clearTimeout(tooLong);
        this.waiting.delete(look);
        resolve(now.diagnostics);
      };
      this.waiting.add(look);
      look();
    });
  }

  /** Ends the session as the protocol wants it; gives the server's exit status. */
  async end(): Promise<number | null> {
    const gone = new Promise<number | null>((done) => this.process.on("exit", done));
    await this.connection.sendRequest(ShutdownRequest.type);
    await this.connection.sendNotification(ExitNotification.type);
    const status = await gone;
    this.connection.dispose();
    return status;
  }
}

/** A document that is open in the client. */
export class Doc {
  private document: TextDocument;

  constructor(
    readonly client: Client,
    readonly uri: string,
    text: string,
  ) {
    this.document = TextDocument.create(uri, "tfm", 1, text);
    void client.connection.sendNotification(DidOpenTextDocumentNotification.type, {
      textDocument: { uri, languageId: "tfm", version: 1, text },
    });
  }

  get id(): { readonly uri: string } {
    return { uri: this.uri };
  }

  get text(): string {
    return this.document.getText();
  }

  /** Where a piece of the text stands that has `|` in it: the place of the `|`. Without one, where the piece begins. */
  at(marked: string): { textDocument: { uri: string }; position: Position } {
    const bar = marked.indexOf("|");
    return {
      textDocument: this.id,
      position: this.document.positionAt(this.find(marked.replace("|", "")) + Math.max(0, bar)),
    };
  }

  range(piece: string): Range {
    const start = this.find(piece);
    return { start: this.document.positionAt(start), end: this.document.positionAt(start + piece.length) };
  }

  get whole(): Range {
    return { start: { line: 0, character: 0 }, end: this.document.positionAt(this.text.length) };
  }

  textAt(range: Range): string {
    return this.document.getText(range);
  }

  /** The text with edits made to it, which the server does not hear of. */
  with(edits: readonly TextEdit[]): string {
    return TextDocument.applyEdits(this.document, [...edits]);
  }

  /** Puts other words into the place of a piece, as one types. */
  edit(piece: string, text: string): void {
    const range = this.range(piece);
    const version = this.document.version + 1;
    const contentChanges = [{ range, text }];
    this.document = TextDocument.update(this.document, contentChanges, version);
    void this.client.connection.sendNotification(DidChangeTextDocumentNotification.type, {
      textDocument: { uri: this.uri, version },
      contentChanges,
    });
  }

  diagnosed(as: (all: readonly Diagnostic[]) => boolean): Promise<readonly Diagnostic[]> {
    return this.client.diagnosed(this.uri, this.document.version, as);
  }

  close(): void {
    void this.client.connection.sendNotification(DidCloseTextDocumentNotification.type, { textDocument: this.id });
  }

  private find(piece: string): number {
    const start = this.text.indexOf(piece);
    if (start < 0) throw new Error(`${piece} does not stand in the text`);
    return start;
  }
}
