/** Everything that the standard library declares says what it is. */
import { expect, it } from "vitest";
import { libraryModules, readLibrary } from "../../src/host/stdlib.ts";
import { parse } from "../../src/syntax/parse.ts";

const shared = libraryModules().filter((name) => !name.includes("families"));

it.each(shared)("%s", (name) => {
  const { value, diagnostics } = parse(readLibrary(name)!);
  expect(diagnostics).toEqual([]);
  const silent = value!.decls.flatMap((d) =>
    (d.kind === "Block" || d.kind === "Op") && d.doc.trim() === "" ? [d.name.name] : [],
  );
  expect(silent).toEqual([]);
});
