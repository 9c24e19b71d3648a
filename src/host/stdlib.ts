/** @file The standard library's modules, read from the package's `stdlib/` when they are asked for, each once. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Library } from "../compile.ts";
import type { SourceFile } from "../source/source.ts";

/** The package's `stdlib/`, however deep in it this file is: in the sources, in a bundle, in a bundle's chunks. */
const folder = ["..", "../..", "../../..", "../../../.."].map((up) => fileURLToPath(new URL(`${up}/stdlib/`, import.meta.url))).find((path) => existsSync(`${path}operators.tfm`));

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

/** The library as the compiler takes it. */
export const library: Library = { modules: libraryModules, read: readLibrary };

function home(): string {
  if (folder === undefined) throw new Error("the package is incomplete: its folder stdlib is missing");
  return folder;
}
