/** @file The worker of the playground: the language server on one port, the compiler on the worker's own. */
import { answer } from "./compiler.ts";
import type { Question } from "./protocol.ts";

// The layout library takes a worker without a document for its own worker, and its messages for its own.
Object.assign(globalThis, { document: {} });

self.onmessage = async ({ data, ports }: MessageEvent<Question | "lsp">) => {
  if (data === "lsp") {
    return (await import("./language-server.ts")).serveOn(ports[0]!);
  }
  try {
    self.postMessage(await answer(data));
  } catch (error) {
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
    self.postMessage({
      id: data.id,
      models: [],
      error: `this is a mistake of the compiler's: please report it\n${message}`,
    });
  }
};
