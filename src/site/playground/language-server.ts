/** @file The language server behind the playground's editor. */
import { BrowserMessageReader, BrowserMessageWriter, createConnection } from "vscode-languageserver/browser";
import { serve } from "../../lsp/server.ts";
import { library } from "./library.ts";

export function serveOn(port: MessagePort): void {
  const connection = createConnection(new BrowserMessageReader(port), new BrowserMessageWriter(port));
  serve(connection, {
    library,
    version: "playground",
    readModule: () => undefined,
    now: () => performance.now(),
    nameOf: (uri) => uri,
    uriOf: (name) => name,
  });
}
