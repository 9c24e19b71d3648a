/**
 * @file As much of the editor's own module as the extension needs to run outside of it: what the extension and the client in
 * it call is recorded; events are never raised but by the test. Everything else is a class or an event without effect.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import vm from "node:vm";

type Listener = (event: unknown) => unknown;
type Calls = (...args: never[]) => unknown;

/** An event: what listens to it, and how to raise it. */
export class Event {
  private readonly listeners = new Set<Listener>();
  readonly on = (listener: Listener, self?: unknown): { dispose: () => void } => {
    const bound = self === undefined ? listener : listener.bind(self);
    this.listeners.add(bound);
    return { dispose: () => this.listeners.delete(bound) };
  };
  raise(event: unknown): void {
    for (const listener of this.listeners) listener(event);
  }
}

export class Uri {
  readonly scheme: string;
  readonly path: string;
  constructor(readonly text: string) {
    const [, scheme = "", path = ""] = /^([^:]+):(?:\/\/[^/]*)?(.*)$/.exec(text) ?? [];
    this.scheme = scheme;
    this.path = decodeURIComponent(path);
  }
  static parse(text: string): Uri {
    return new Uri(text);
  }
  static joinPath(base: Uri, ...more: readonly string[]): Uri {
    return new Uri([base.text, ...more].join("/"));
  }
  with({ path }: { readonly path: string }): Uri {
    return new Uri(`${this.scheme}://${path}`);
  }
  get fsPath(): string {
    return this.path;
  }
  toString(): string {
    return this.text;
  }
}

class Disposable {
  constructor(private readonly work: () => void = () => {}) {}
  static from(...all: readonly { dispose(): void }[]): Disposable {
    return new Disposable(() => {
      for (const d of all) d.dispose();
    });
  }
  dispose(): void {
    this.work();
  }
}

/** A panel as the extension sees it, with the messages that its page gets. */
export class Panel {
  readonly posted: unknown[] = [];
  readonly received = new Event();
  readonly disposed = new Event();
  readonly viewed = new Event();
  title = "";
  visible = true;
  readonly onDidDispose = this.disposed.on;
  readonly onDidChangeViewState = this.viewed.on;
  readonly webview = {
    html: "",
    asWebviewUri: (uri: Uri): Uri => uri,
    onDidReceiveMessage: this.received.on,
    postMessage: async (message: unknown): Promise<boolean> => this.posted.push(message) > 0,
  };
  reveal(): void {}
  dispose(): void {
    this.disposed.raise(undefined);
  }
}

export class Editor {
  readonly commands = new Map<string, (...args: unknown[]) => unknown>();
  readonly contents = new Map<string, { provideTextDocumentContent(uri: Uri): Promise<string> }>();
  readonly diagnostics = new Map<string, readonly { readonly message: string; readonly code: unknown }[]>();
  readonly shown: string[] = [];
  readonly panels: Panel[] = [];
  readonly opened = new Event();
  readonly changed = new Event();
  readonly documents: unknown[] = [];
  readonly settings: Record<string, unknown> = {};

  /** What `require("vscode")` gives. */
  readonly module: object;

  constructor() {
    const namespace = (own: Record<string, unknown>): object =>
      new Proxy(own, {
        get: (target, name) => {
          if (typeof name === "symbol" || Object.hasOwn(target, name)) return target[name as string];
          if (name.startsWith("on") || name.startsWith("register") || name.startsWith("create")) return () => quiet();
          return undefined;
        },
      });
    const shows =
      (kind: string): Calls =>
      async (message: string) => {
        this.shown.push(`${kind}: ${message}`);
      };
    const open = async (uri: Uri): Promise<unknown> =>
      this.documents.find((d) => String((d as { uri: Uri }).uri) === String(uri));
    const own: Record<string, unknown> = {
      Uri,
      Disposable,
      EventEmitter: class {
        private readonly event_ = new Event();
        readonly event = this.event_.on;
        fire = (e: unknown): void => this.event_.raise(e);
        dispose(): void {}
      },
      version: "1.91.0",
      ColorThemeKind: { Light: 1, Dark: 2, HighContrast: 3 },
      ViewColumn: { Beside: -2 },
      DiagnosticSeverity: { Error: 0, Warning: 1, Information: 2, Hint: 3 },
      CancellationTokenSource: class {
        token = { isCancellationRequested: false, onCancellationRequested: new Event().on };
        cancel(): void {}
        dispose(): void {}
      },
      CodeActionKind: class CodeActionKind {
        static readonly Empty = new CodeActionKind("");
        constructor(readonly value: string) {}
        append(more: string): CodeActionKind {
          return new CodeActionKind(this.value === "" ? more : `${this.value}.${more}`);
        }
      },
      env: namespace({ appName: "test", language: "en" }),
      workspace: namespace({
        textDocuments: this.documents,
        notebookDocuments: [],
        workspaceFolders: undefined,
        fs: {},
        openTextDocument: open,
        onDidOpenTextDocument: this.opened.on,
        onDidChangeTextDocument: this.changed.on,
        createFileSystemWatcher: () => quiet(),
        getConfiguration: (section: string) => ({
          get: (name: string, fallback: unknown) => this.settings[`${section}.${name}`] ?? fallback,
        }),
        registerTextDocumentContentProvider: (
          scheme: string,
          p: { provideTextDocumentContent(uri: Uri): Promise<string> },
        ) => {
          this.contents.set(scheme, p);
          return quiet();
        },
      }),
      window: namespace({
        activeColorTheme: { kind: 2 },
        activeTextEditor: undefined,
        visibleTextEditors: [],
        tabGroups: namespace({ all: [] }),
        showInformationMessage: shows("information"),
        showWarningMessage: shows("warning"),
        showErrorMessage: shows("error"),
        createWebviewPanel: () => {
          const panel = new Panel();
          this.panels.push(panel);
          return panel;
        },
      }),
      languages: namespace({
        match: (selector: { scheme?: string; language?: string }[], d: { uri: Uri; languageId: string }) =>
          [selector].flat().some((s) => s.language === d.languageId && s.scheme === d.uri.scheme) ? 10 : 0,
        createDiagnosticCollection: () => ({
          dispose: () => {},
          set: (uri: Uri, all: readonly { readonly message: string; readonly code: unknown }[]) =>
            this.diagnostics.set(String(uri), all),
          delete: () => {},
          clear: () => {},
        }),
      }),
      commands: namespace({
        registerCommand: (name: string, work: (...args: unknown[]) => unknown) => {
          this.commands.set(name, work);
          return { dispose: () => this.commands.delete(name) };
        },
      }),
    };
    this.module = new Proxy(own, {
      get: (target, name) => {
        // Whoever loads it as an older module copies the names that are there, and would not see the others.
        if (name === "__esModule") return true;
        if (typeof name === "symbol") return undefined;
        if (!Object.hasOwn(target, name)) target[name] = anyClass(name);
        return target[name];
      },
    });
  }

  /** Loads a bundle in the module format of the editor. */
  load<T>(path: string): T {
    const require = createRequire(path);
    const module = { exports: {} };
    const wrapped = vm.compileFunction(
      readFileSync(path, "utf8"),
      ["exports", "require", "module", "__filename", "__dirname"],
      { filename: path },
    );
    wrapped(
      module.exports,
      (id: string): unknown => (id === "vscode" ? this.module : require(id)),
      module,
      path,
      dirname(path),
    );
    return module.exports as T;
  }
}

/** Takes any call, and gives something that takes any call. */
function quiet(): object {
  return new Proxy(
    {},
    {
      get: (_, name) => {
        if (name === "then" || typeof name === "symbol") return undefined;
        if (name === "event" || name.startsWith("on")) return new Event().on;
        return () => {};
      },
    },
  );
}

/** A class, or an enumeration: any member is a number. */
function anyClass(name: string): object {
  const made = class {
    constructor(...args: readonly unknown[]) {
      Object.assign(this, { args });
    }
  };
  Object.defineProperty(made, "name", { value: name });
  return new Proxy(made, {
    get: (target, member, self) =>
      member in target || typeof member === "symbol" ? Reflect.get(target, member, self) : 0,
  });
}
