/** @file How the fixture of a diagnostic is run, phase by phase: `tests/errors/<phase>/<slug>.tfm`, or `.json`, to its diagnostics. */
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import type { Diagnostic } from "../../src/diagnostics/diagnostic.ts";
import { checkAll, elaborate, lawsOf, prepare, type Json, type SourceRequest } from "../../src/compile.ts";
import { Tester } from "../../src/equivalence/law.ts";
import { library } from "../../src/host/stdlib.ts";
import type { SourceFile } from "../../src/source/source.ts";
import { parse } from "../../src/syntax/parse.ts";
import type { Checkpoint, StoredDtype } from "../../src/weights/source.ts";
import { runBrokenFixture } from "../support/broken-checkpoints.ts";
import { runCommandFixture } from "../support/command-fixtures.ts";

export type RunFixture = (path: string) => Promise<readonly Diagnostic[]>;

/** The fixture as a source; messages call it by its base name, wherever the tests run. */
export function fixtureSource(path: string): SourceFile {
  return { name: basename(path), text: readFileSync(path, "utf8") };
}

/** A line `// config: {...}` or `// tensors: {...}` at the head of a fixture. */
function header(text: string, name: string): Json | undefined {
  const found = new RegExp(`^// ${name}: (.*)$`, "m").exec(text);
  return found ? (JSON.parse(found[1]!) as Json) : undefined;
}

/** A program through the whole compiler: all its models, then one of them with a cache, or the objective that its head names. */
const program: RunFixture = async (path) => {
  const main = fixtureSource(path);
  const request: SourceRequest = {
    library,
    main,
    uses: [],
    settings: [],
    readModule: (wanted) => (wanted === `./${main.name}` ? main : undefined),
  };
  const checked = checkAll(request);
  if (checked.diagnostics.length > 0) return checked.diagnostics;
  const objective = header(main.text, "objective") as string | undefined;
  const one = elaborate({ ...request, ...(objective === undefined ? {} : { objective }) });
  if (one.diagnostics.length > 0 || !one.value) return one.diagnostics;
  const sizes = new Map(Object.entries((header(main.text, "sizes") ?? {}) as Record<string, number>));
  const cache = one.value.graph.grows !== undefined || sizes.size === 0;
  return prepare(one.value, { cache, optimize: true, keeps: () => false, sizes }).diagnostics;
};

/** The same, and then its laws are tested: some mistakes show only at drawn sizes. */
const law: RunFixture = async (path) => {
  const main = fixtureSource(path);
  const checked = checkAll({ library, main, uses: [], settings: [], readModule: () => undefined }).diagnostics;
  if (checked.length > 0) return checked;
  const laws = lawsOf({ library, main, uses: [], settings: [], readModule: () => undefined });
  const tester = new Tester({ seed: 0, budget: 10_000, now: () => 0 });
  return (laws.value ?? []).flatMap((l) => {
    const { verdict } = tester.test(l);
    return verdict.kind === "invalid" ? verdict.diagnostics : [];
  });
};

/** A checkpoint made of the fixture's head: its config, and tensors as `{"name": ["F32", [2, 3]]}`. */
const mapped: RunFixture = async (path) => {
  const file = fixtureSource(path);
  const config = header(file.text, "config");
  const tensors = header(file.text, "tensors") as Record<string, [StoredDtype, number[]]> | undefined;
  // Every tensor is filled with its own number among them.
  const numbers = new Map(Object.keys(tensors ?? {}).map((name, i) => [name, i]));
  const checkpoint: Checkpoint = {
    name: "model.safetensors",
    files: [],
    tensors: new Map(
      Object.entries(tensors ?? {}).map(([name, [dtype, shape]], i) => [
        name,
        { name, dtype, shape, file: "model.safetensors", offset: i, bytes: 0 },
      ]),
    ),
    read: ({ name }, _start, length) => new Uint8Array(length ?? 0).fill(numbers.get(name)!),
    close: () => undefined,
  };
  const made = elaborate({
    library,
    uses: [file],
    settings: [],
    readModule: () => undefined,
    config: { name: "config.json", value: config ?? {}, open: () => (tensors ? checkpoint : undefined) },
  });
  if (!made.value || !tensors) return made.diagnostics;
  return [...made.diagnostics, ...made.value.mapWeights(checkpoint).diagnostics];
};

export const runFixture: Readonly<Record<string, RunFixture>> = {
  syntax: async (path) => parse(fixtureSource(path)).diagnostics,
  name: program,
  setting: program,
  axis: program,
  type: program,
  model: program,
  law,
  rewrite: program,
  config: mapped,
  map: mapped,
  weight: runBrokenFixture,
  artifact: runBrokenFixture,
  cli: runCommandFixture,
  client: runCommandFixture,
  generate: runCommandFixture,
};

/** What ends the names of a phase's fixtures. */
export function fixtureEnding(phase: string): ".tfm" | ".json" {
  return ["weight", "artifact", "cli", "client", "generate"].includes(phase) ? ".json" : ".tfm";
}
