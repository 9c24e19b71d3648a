/** @file `tfm lsp`: the language server over standard input and output, for as long as its client is there. */
import { fileURLToPath, pathToFileURL } from "node:url";
import { createConnection, StreamMessageReader, StreamMessageWriter } from "vscode-languageserver/node";
import { libraryPath, library } from "../../host/stdlib.ts";
import { serve, type Host } from "../../lsp/server.ts";
import { Exit, type ExitCode } from "../exit.ts";
import { readModule } from "../source.ts";
import { version } from "../version.ts";

export async function lsp(): Promise<ExitCode> {
  // What is printed by mistake must not get between the messages.
  console.log = console.info = console.debug = console.error;
  const connection = createConnection(new StreamMessageReader(process.stdin), new StreamMessageWriter(process.stdout));
  const host: Host = {
    version: version(),
    library,
    readModule,
    now: () => performance.now(),
    nameOf: (uri) => (uri.startsWith("file:") ? fileURLToPath(uri) : uri),
    uriOf: (name) => (/^[a-z][a-z0-9+.-]+:/i.test(name) ? name : pathToFileURL(name).href),
    libraryUri: (file) => {
      const path = libraryPath(file.name);
      return path === undefined ? undefined : pathToFileURL(path).href;
    },
    draw: async (model, options) => (await import("../../draw/draw.ts")).draw(model, options),
  };
  const gone = new Promise<void>((done) => {
    connection.onExit(() => done());
    process.stdin.on("end", () => done());
  });
  serve(connection, host);
  await gone;
  return Exit.ok;
}
