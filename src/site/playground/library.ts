/** @file The standard library in a page: its texts are in the bundle, and a module is parsed when it is asked for. */
import type { Library } from "../../compile.ts";
import type { SourceFile } from "../../source/source.ts";

const texts = import.meta.glob<string>("../../../stdlib/**/*.tfm", { query: "?raw", import: "default", eager: true });

const files = new Map<string, SourceFile>();
for (const [path, text] of Object.entries(texts)) {
  const short = path.replace("../../../stdlib/", "");
  files.set(`std.${short.replace(/\.tfm$/, "").replaceAll("/", ".")}`, { name: `std/${short}`, text, library: true });
}

export const library: Library = { modules: () => [...files.keys()].sort(), read: (name) => files.get(name) };
