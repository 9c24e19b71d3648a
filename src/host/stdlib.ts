/** @file The standard library's modules, read from the package's `stdlib/` when they are asked for, each once. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Library } from "../compile.ts";
import type { SourceFile } from "../source/source.ts";
import type { File } from "../syntax/ast.ts";
import { restoreSyntax } from "../syntax/stored.ts";

/** The package's `stdlib/`, however deep in it this file is: in the sources, in a bundle, in a bundle's chunks. */
const folder = ["..", "../..", "../../..", "../../../.."]
  .map((up) => fileURLToPath(new URL(`${up}/stdlib/`, import.meta.url)))
  .find((path) => existsSync(`${path}operators.tfm`));

let names: readonly string[] | undefined;
const files = new Map<string, SourceFile>();

/** `std.attention`, `std.families.NAME`, ...: sorted by name. */
export function libraryModules(): readonly string[] {
  names ??= readdirSync(home(), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".tfm"))
    .map((path) => `std.${path.slice(0, -".tfm".length).split(/[\\/]/).join(".")}`)
    .sort();
  return names;
}

/** `std.attention` is `stdlib/attention.tfm`; undefined where there is no such module. */
export function readLibrary(name: string): SourceFile | undefined {
  const known = files.get(name);
  if (known || !libraryModules().includes(name)) return known;
  const path = `${name.slice("std.".length).replaceAll(".", "/")}.tfm`;
  const file: SourceFile = { name: `std/${path}`, text: readFileSync(`${home()}${path}`, "utf8"), library: true };
  files.set(name, file);
  return file;
}

/** Names of the files of a folder of the library, `clients`, that end in `ending`; without it, sorted. */
export function libraryFiles(within: string, ending: string): readonly string[] {
  return readdirSync(`${home()}${within}`)
    .filter((name) => name.endsWith(ending))
    .map((name) => name.slice(0, -ending.length))
    .sort();
}

/** The text of a file of the library that is no module. */
export function libraryText(path: string): string {
  return readFileSync(`${home()}${path}`, "utf8");
}

/** What the build has parsed, beside a bundle: module name to its text and its syntax. None in the sources. */
let stored: Record<string, { readonly text: string; readonly syntax: unknown } | undefined> | undefined;

/** A module's syntax as the build has parsed it, if its text is still the same. */
function parsedLibrary(file: SourceFile, name: string): File | undefined {
  if (stored === undefined) {
    const path = ["./stdlib.json", "../stdlib.json"]
      .map((p) => fileURLToPath(new URL(p, import.meta.url)))
      .find((p) => existsSync(p));
    stored = path === undefined ? {} : (JSON.parse(readFileSync(path, "utf8")) as typeof stored)!;
  }
  const found = stored[name];
  if (!found || found.text !== file.text) return undefined;
  delete stored[name];
  return restoreSyntax(found.syntax, file);
}

/** The library as the compiler takes it. */
export const library: Library = { modules: libraryModules, read: readLibrary, parsed: parsedLibrary };

/** The file of a module as it lies in the package: of `std/attention.tfm` its path; undefined where it is not there. */
export function libraryPath(name: string): string | undefined {
  const path = `${home()}${name.replace(/^std\//, "")}`;
  return existsSync(path) ? path : undefined;
}

function home(): string {
  if (folder === undefined) throw new Error("the package is incomplete: its folder stdlib is missing");
  return folder;
}
