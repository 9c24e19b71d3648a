/**
 * @file The language server in a worker of a browser: a page starts it with `new Worker(...)` and talks to it by
 * `vscode-languageserver-protocol/browser`. The library comes as the build has stored it (`stdlib.json`).
 */
import { BrowserMessageReader, BrowserMessageWriter, createConnection } from "vscode-languageserver/browser";
import type { Library } from "../compile.ts";
import type { SourceFile } from "../source/source.ts";
import { restoreSyntax } from "../syntax/stored.ts";
import { serve, type Host } from "./server.ts";

/** `stdlib.json` of the build: each module's text and tree. */
export type StoredLibrary = Readonly<Record<string, { readonly text: string; readonly syntax: unknown }>>;

/** The library as the compiler takes it, of what the build has stored. Trees are restored once, in place. */
export function libraryOf(stored: StoredLibrary): Library {
  const names = Object.keys(stored).sort();
  const files = new Map<string, SourceFile>();
  const parsed = new Map<string, ReturnType<typeof restoreSyntax>>();
  const read = (name: string): SourceFile | undefined => {
    const found = Object.hasOwn(stored, name) ? stored[name] : undefined;
    if (!found) return undefined;
    let file = files.get(name);
    if (!file) {
      const path = `${name.slice("std.".length).replaceAll(".", "/")}.tfm`;
      file = { name: `std/${path}`, text: found.text, library: true };
      files.set(name, file);
    }
    return file;
  };
  return {
    modules: () => names,
    read,
    parsed: (file, name) => {
      const known = parsed.get(name);
      if (known) return known;
      const made = restoreSyntax(stored[name]!.syntax, file);
      parsed.set(name, made);
      return made;
    },
  };
}

/** Where a worker gets its messages and sends its answers: `self`, or a port. */
type Port = ConstructorParameters<typeof BrowserMessageReader>[0];

/** Serves whoever started the worker. There are no files: `use` finds what `readModule` gives, by default nothing. */
export function serveWorker(
  port: Port,
  stored: StoredLibrary,
  rest: Pick<Host, "version"> & Partial<Pick<Host, "draw" | "readModule">>,
): void {
  const connection = createConnection(new BrowserMessageReader(port), new BrowserMessageWriter(port));
  serve(connection, {
    library: libraryOf(stored),
    readModule: () => undefined,
    now: () => performance.now(),
    nameOf: (uri) => uri,
    uriOf: (name) => name,
    ...rest,
  });
}
