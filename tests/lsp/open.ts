/** @file Documents for tests of the language server: opened, fully elaborated, with the cursor at `|`. */
import { TextDocument } from "vscode-languageserver-textdocument";
import { library } from "../../src/host/stdlib.ts";
import { OpenText, type Environment } from "../../src/lsp/analysis.ts";
import type { View } from "../../src/lsp/view.ts";

export function environment(files: Readonly<Record<string, string>> = {}): Environment {
  return {
    library,
    readModule: (path) => {
      const name = path.replace(/^\.\//, "");
      return Object.hasOwn(files, name) ? { name, text: files[name]! } : undefined;
    },
    now: () => performance.now(),
  };
}

export function viewOf(open: OpenText, text: string, version = 1): View {
  return {
    analysis: open.update(text),
    document: TextDocument.create("file:///my.tfm", "tfm", version, text),
    uriOf: (file) => (file.library ? `tfm-std:/${file.name.slice("std/".length)}` : `file:///${file.name}`),
  };
}

/** Opens a text whose first `|` is the cursor. */
export function at(marked: string, files?: Readonly<Record<string, string>>): { view: View; offset: number } {
  const offset = marked.indexOf("|");
  const text = offset < 0 ? marked : marked.slice(0, offset) + marked.slice(offset + 1);
  const view = viewOf(new OpenText("my.tfm", environment(files)), text);
  view.analysis.step();
  return { view, offset: Math.max(0, offset) };
}
