/** @file The page's side of the worker: questions to the compiler, and the editor's language server. */
import { LSPClient, languageServerExtensions, type Transport } from "@codemirror/lsp-client";
import { basicSetup } from "codemirror";
import { EditorView } from "@codemirror/view";
import { tfmLanguage } from "./highlight.ts";
import type { Answer, Question } from "./protocol.ts";

/** Milliseconds: the first answer comes after the worker has loaded the server and read the library. */
const PATIENCE = 30_000;

export class Compiler {
  private readonly worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  private readonly waiting = new Map<number, (answer: Answer) => void>();
  private count = 0;

  constructor() {
    this.worker.onmessage = ({ data }: MessageEvent<Answer>) => {
      this.waiting.get(data.id)?.(data);
      this.waiting.delete(data.id);
    };
  }

  ask(question: Omit<Question, "id">): Promise<Answer> {
    const id = ++this.count;
    const answer = new Promise<Answer>((resolve) => this.waiting.set(id, resolve));
    this.worker.postMessage({ ...question, id });
    return answer;
  }

  /** An editor whose diagnostics, completions and hovers the worker's language server gives. */
  editor(parent: Element, text: string, changed: (text: string) => void): EditorView {
    const { port1, port2 } = new MessageChannel();
    this.worker.postMessage("lsp", [port2]);
    const client = new LSPClient({ extensions: languageServerExtensions(), timeout: PATIENCE }).connect(
      transportOf(port1),
    );
    return new EditorView({
      parent,
      doc: text,
      extensions: [
        basicSetup,
        tfmLanguage,
        client.plugin("file:///playground.tfm", "tfm"),
        EditorView.updateListener.of((update) => {
          if (update.docChanged) changed(update.state.doc.toString());
        }),
      ],
    });
  }
}

/** The client speaks text, the server's connection objects. */
function transportOf(port: MessagePort): Transport {
  const listeners = new Map<(message: string) => void, (event: MessageEvent) => void>();
  port.start();
  return {
    send: (message) => port.postMessage(JSON.parse(message)),
    subscribe: (handler) => {
      const listener = ({ data }: MessageEvent): void => handler(JSON.stringify(data));
      listeners.set(handler, listener);
      port.addEventListener("message", listener);
    },
    unsubscribe: (handler) => {
      const listener = listeners.get(handler);
      if (listener) port.removeEventListener("message", listener);
    },
  };
}
