/**
 * @file The language server over any connection: a process's pipes or a browser's worker. It answers from the newest text; the
 * diagnostics of syntax and names follow a key stroke at once, those of models one by one as they are elaborated.
 */
import {
  CodeActionKind,
  CodeLensRefreshRequest,
  MessageType,
  ResponseError,
  ShowMessageNotification,
  TextDocuments,
  TextDocumentSyncKind,
  type Connection,
  type InitializeParams,
  type InitializeResult,
} from "vscode-languageserver";
import { TextDocument } from "vscode-languageserver-textdocument";
import { lawsOf, type Elaborated } from "../compile.ts";
import { Tester } from "../equivalence/law.ts";
import { linesOf } from "../equivalence/report.ts";
import type { SourceFile } from "../source/source.ts";
import { OpenText, type Analysis, type Environment } from "./analysis.ts";
import { codeActions, diagnosticsOf } from "./features/diagnostics.ts";
import { completion } from "./features/completion.ts";
import { formatEdits } from "./features/format.ts";
import { hover } from "./features/hover.ts";
import { inlayHints } from "./features/inlay.ts";
import { codeLenses, COMMANDS } from "./features/lens.ts";
import { definition, prepareRename, references, rename } from "./features/navigate.ts";
import { documentSymbols, foldingRanges } from "./features/outline.ts";
import { signatureHelp } from "./features/signature.ts";
import { semanticTokens, TOKEN_MODIFIERS, TOKEN_TYPES } from "./features/tokens.ts";
import * as own from "./protocol.ts";
import { rangeIn, type View } from "./view.ts";

/** What the server needs of the place that it runs in. */
export interface Host extends Environment {
  readonly version: string;
  /** What `use` reads paths from, and messages call a document. */
  readonly nameOf: (uri: string) => string;
  /** The address of a file of the user's by its name. */
  readonly uriOf: (name: string) => string;
  /** The address of a module of the library as a file that exists, where there is one. */
  readonly libraryUri?: (file: SourceFile) => string | undefined;
  /** A model as a picture: an SVG document. */
  readonly draw?: (model: Elaborated, options: Omit<own.PictureParams, "uri" | "model">) => Promise<string>;
}

/** Milliseconds of elaboration before the first diagnostics of a version are sent, and between two later looks at the mail. */
const FIRST = 20;
const SLICE = 15;
/** Milliseconds for `run this law`. */
const LAW_BUDGET = 10_000;

/** Answers a client until it goes. */
export function serve(connection: Connection, host: Host): void {
  new Server(connection, host).listen();
}

interface Opened {
  readonly text: OpenText;
  version: number;
  analysis: Analysis;
}

class Server {
  private readonly documents = new TextDocuments(TextDocument);
  private readonly opened = new Map<string, Opened>();
  /** Documents whose newest text has not been looked at, and those whose models are being elaborated. */
  private readonly changed = new Set<string>();
  /** Documents of whose models one alone took long, the last time. */
  private readonly slow = new Set<string>();
  private scheduled: ReturnType<typeof setTimeout> | undefined;
  private virtualLibrary = false;
  private refreshesLenses = false;
  private refreshesHints = false;

  constructor(
    private readonly connection: Connection,
    private readonly host: Host,
  ) {}

  listen(): void {
    const { connection, documents } = this;
    connection.onInitialize((params) => this.initialize(params));
    documents.onDidChangeContent(({ document }) => this.touch(document.uri));
    documents.onDidClose(({ document }) => {
      this.opened.delete(document.uri);
      this.changed.delete(document.uri);
      void connection.sendDiagnostics({ uri: document.uri, diagnostics: [] });
    });
    connection.onDidChangeWatchedFiles(() => {
      for (const uri of this.opened.keys()) this.touch(uri);
    });
    this.answer();
    documents.listen(connection);
    connection.listen();
  }

  private initialize({ capabilities, initializationOptions }: InitializeParams): InitializeResult {
    const options = (initializationOptions ?? {}) as own.InitializationOptions;
    this.virtualLibrary = options.virtualLibrary === true;
    this.refreshesLenses = capabilities.workspace?.codeLens?.refreshSupport === true;
    this.refreshesHints = capabilities.workspace?.inlayHint?.refreshSupport === true;
    return {
      serverInfo: { name: "tfm", version: this.host.version },
      capabilities: {
        textDocumentSync: TextDocumentSyncKind.Incremental,
        hoverProvider: true,
        definitionProvider: true,
        referencesProvider: true,
        renameProvider: { prepareProvider: true },
        completionProvider: { triggerCharacters: ["<", "[", "(", ".", ",", " "] },
        signatureHelpProvider: { triggerCharacters: ["(", ",", "<"] },
        documentSymbolProvider: true,
        foldingRangeProvider: true,
        inlayHintProvider: true,
        semanticTokensProvider: {
          legend: { tokenTypes: [...TOKEN_TYPES], tokenModifiers: [...TOKEN_MODIFIERS] },
          full: true,
        },
        documentFormattingProvider: true,
        codeActionProvider: { codeActionKinds: [CodeActionKind.QuickFix] },
        codeLensProvider: {},
        executeCommandProvider: { commands: [COMMANDS.runLaw] },
      },
    };
  }

  // ── Versions ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** What is known of the newest text of a document. */
  private viewOf(uri: string): View | undefined {
    const document = this.documents.get(uri);
    if (!document) return undefined;
    let known = this.opened.get(uri);
    if (!known) {
      const environment: Environment = { ...this.host, readModule: (path, from) => this.readModule(path, from) };
      const text = new OpenText(this.host.nameOf(uri), environment);
      known = { text, version: document.version, analysis: text.update(document.getText()) };
      this.opened.set(uri, known);
    } else if (known.version !== document.version) {
      known.version = document.version;
      known.analysis = known.text.update(document.getText());
    }
    return { analysis: known.analysis, document, uriOf: (file) => this.uriOf(file) };
  }

  /** A module as it is in the editor, if it is open there. */
  private readModule(path: string, from: SourceFile): SourceFile | undefined {
    const file = this.host.readModule(path, from);
    const open = file && this.documents.get(this.host.uriOf(file.name));
    return open ? { name: file.name, text: open.getText() } : file;
  }

  private uriOf(file: SourceFile): string {
    if (!file.library) return this.host.uriOf(file.name);
    const real = this.virtualLibrary ? undefined : this.host.libraryUri?.(file);
    return real ?? `${own.LIBRARY_SCHEME}:/${file.name.replace(/^std\//, "")}`;
  }

  private touch(uri: string): void {
    this.changed.add(uri);
    // Others may use it.
    for (const [other, { analysis }] of this.opened)
      if (other !== uri && analysis.main.uses.some((u) => this.host.uriOf(u.module.file.name) === uri)) {
        this.opened.get(other)!.version = -1;
        this.changed.add(other);
      }
    this.schedule();
  }

  /** What waits in the mailbox comes first: several key strokes are looked at once. */
  private schedule(): void {
    this.scheduled ??= setTimeout(() => {
      this.scheduled = undefined;
      this.look();
    }, 0);
  }

  private look(): void {
    for (const uri of this.changed) {
      this.changed.delete(uri);
      const view = this.guard("diagnostics", () => this.viewOf(uri));
      if (!view) continue;
      // Where models take long, syntax and names do not wait for them.
      if (this.slow.has(uri)) this.publish(view);
      const start = this.host.now();
      this.guard("diagnostics", () => view.analysis.step(FIRST));
      if (this.host.now() - start > 2 * FIRST) this.slow.add(uri);
      else this.slow.delete(uri);
      this.publish(view);
      this.finish(uri, view);
    }
  }

  /** Elaborates the rest in pieces, unless the text changes meanwhile. */
  private finish(uri: string, view: View): void {
    const isCurrent = (): boolean => this.opened.get(uri)?.analysis === view.analysis && !this.changed.has(uri);
    const next = (): void => {
      if (!isCurrent()) return;
      if (this.guard("diagnostics", () => view.analysis.step(SLICE)) === false) setTimeout(next, 0);
      else {
        this.publish(view);
        this.refresh();
      }
    };
    if (view.analysis.done) this.refresh();
    else setTimeout(next, 0);
  }

  private publish(view: View): void {
    const { uri, version } = view.document;
    // Nobody can mend the library where it is read.
    if (uri.startsWith(`${own.LIBRARY_SCHEME}:`)) return;
    const diagnostics = this.guard("diagnostics", () => diagnosticsOf(view)) ?? [];
    void this.connection.sendDiagnostics({ uri, version, diagnostics });
  }

  private refresh(): void {
    // A client that goes away answers no longer, which is no error.
    if (this.refreshesLenses) this.connection.sendRequest(CodeLensRefreshRequest.type).catch(() => {});
    if (this.refreshesHints) this.connection.languages.inlayHint.refresh().catch(() => {});
  }

  // ── Requests ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** A bug in a feature costs its answer, not the server. */
  private guard<T>(what: string, work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      if (error instanceof ResponseError) throw error;
      this.connection.console.error(
        `${what}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      );
      return undefined;
    }
  }

  private on<T>(what: string, uri: string, work: (view: View) => T | undefined): T | null {
    return (
      this.guard(what, () => {
        const view = this.viewOf(uri);
        return view && work(view);
      }) ?? null
    );
  }

  private answer(): void {
    const { connection: c } = this;
    const at = <P extends { textDocument: { uri: string }; position: { line: number; character: number } }, T>(
      what: string,
      params: P,
      work: (view: View, offset: number) => T | undefined,
    ): T | null =>
      this.on(what, params.textDocument.uri, (view) => work(view, view.document.offsetAt(params.position)));

    c.onHover((p) => at("hover", p, hover));
    c.onDefinition((p) => at("definition", p, definition));
    c.onReferences((p) => at("references", p, (v, o) => references(v, o, p.context.includeDeclaration)));
    c.onPrepareRename((p) =>
      at("rename", p, (view, offset) => {
        const found = prepareRename(view, offset);
        if ("refused" in found) throw new ResponseError(REFUSED, found.refused);
        return rangeIn(view, found.span);
      }),
    );
    c.onRenameRequest((p) =>
      at("rename", p, (view, offset) => {
        const found = rename(view, offset, p.newName);
        if ("refused" in found) throw new ResponseError(REFUSED, found.refused);
        return found.edit;
      }),
    );
    c.onCompletion((p) => at("completion", p, completion));
    c.onSignatureHelp((p) => at("signature help", p, signatureHelp));
    c.onDocumentSymbol((p) => this.on("symbols", p.textDocument.uri, documentSymbols));
    c.onFoldingRanges((p) => this.on("folding", p.textDocument.uri, foldingRanges));
    c.languages.inlayHint.on((p) => this.on("inlay hints", p.textDocument.uri, (v) => inlayHints(v, p.range)));
    c.languages.semanticTokens.on((p) => ({
      data: this.on("semantic tokens", p.textDocument.uri, semanticTokens) ?? [],
    }));
    c.onCodeAction((p) => this.on("quick fixes", p.textDocument.uri, (v) => codeActions(v, p.range)));
    c.onCodeLens((p) => this.on("code lenses", p.textDocument.uri, codeLenses));
    c.onDocumentFormatting((p) => this.on("formatting", p.textDocument.uri, formatEdits));
    c.onExecuteCommand((p) => (p.command === COMMANDS.runLaw ? this.runLaw(p.arguments ?? []) : null));
    c.onRequest(own.libraryFile, ({ uri }) => this.libraryText(uri));
    c.onRequest(own.picture, (p) => this.picture(p));
  }

  private libraryText(uri: string): { readonly text: string } | null {
    const path = decodeURIComponent(uri.slice(uri.indexOf(":") + 1)).replace(/^\/+/, "");
    const name = `std.${path.replace(/\.tfm$/, "").replaceAll("/", ".")}`;
    const file = this.host.library.modules().includes(name) ? this.host.library.read(name) : undefined;
    return file ? { text: file.text } : null;
  }

  private async picture({ uri, model, ...options }: own.PictureParams): Promise<own.PictureResult> {
    const view = this.viewOf(uri);
    if (!view) return { models: [], error: "the document is not open" };
    const { analysis } = view;
    analysis.step();
    const units = analysis.units.filter((u) => u.kind !== "Law" && u.kind !== "Rewrite");
    const named = units.map((unit) => ({ unit, name: unit.kind === "Model" ? unit.name.name : "" }));
    const models = named.map((n) => n.name);
    const chosen = named.find((n) => n.name === model) ?? named[0];
    if (!chosen) return { models, error: "there is no model in this text" };
    const { value, diagnostics = [] } = analysis.elaborationOf(chosen.unit) ?? {};
    if (!value) {
      const first = [...diagnostics, ...analysis.diagnostics()].find((d) => d.severity === "error");
      return { models, error: first?.message ?? "the model could not be elaborated" };
    }
    if (!this.host.draw) return { models, error: "this server draws no pictures" };
    try {
      return { models, model: chosen.name, svg: await this.host.draw(value, options) };
    } catch (error) {
      return { models, error: error instanceof Error ? error.message : String(error) };
    }
  }

  private runLaw([uri, title]: readonly unknown[]): {
    readonly holds: boolean;
    readonly lines: readonly string[];
  } | null {
    const view = typeof uri === "string" ? this.viewOf(uri) : undefined;
    if (!view) return null;
    const { main, open } = view.analysis;
    // Of the text as one file: places in the report are those of the document.
    const { library } = this.host;
    const readModule = (path: string, from: SourceFile): SourceFile | undefined => open.readModule(path, from);
    const { value = [] } = lawsOf({ library, main: main.file, uses: [], readModule, settings: [] });
    const law = value.find(({ decl }) => decl.title.value === title);
    if (!law) return null;
    const { now } = this.host;
    const tester = new Tester({ seed: 0, budget: LAW_BUDGET, now });
    const report = tester.test(law);
    const lines = linesOf(report);
    const text = lines.join("\n");
    // Not `window.show...`, which asks: a client need not be able to answer.
    const type = report.holds ? MessageType.Info : MessageType.Error;
    void this.connection.sendNotification(ShowMessageNotification.type, { type, message: text });
    return { holds: report.holds, lines };
  }
}

/** "Request failed", of the protocol: what was asked for is refused, and the message says why. */
const REFUSED = -32803;
