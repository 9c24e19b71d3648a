/**
 * @file Fixtures of diagnostics that commands report: folders and files, what is wrong with them, and a command. Used by `tests/errors/cli`,
 * `tests/errors/client` and `tests/errors/generate`.
 */
import { cpSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { diagnose, type Code, type Diagnostic, type ParamsOf } from "../../src/diagnostics/diagnostic.ts";
import { writeFile, type Files } from "./broken-checkpoints.ts";
import { tfm } from "./cli.ts";

/** `$/` in an argument is the folder in which everything lies. */
type Command = readonly string[];

export interface CommandFixture {
  /** Checkpoints of `tests/checkpoints` that lie in the folder, under their names. */
  readonly checkpoints?: readonly string[];
  readonly files?: Files;
  /** Commands that must succeed. */
  readonly before?: readonly Command[];
  readonly remove?: readonly string[];
  readonly rename?: Readonly<Record<string, string>>;
  /** Files that are written then. */
  readonly change?: Files;
  /** Objects of JSON that are put into those in a file. */
  readonly merge?: Readonly<Record<string, JsonObject>>;
  /** Texts in a file, in place of others of the same length: names in a model. */
  readonly replace?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly run?: Command;
  /** In place of all this, where no input brings the diagnostic about: what it is made with. */
  readonly made?: object;
}

type JsonObject = Readonly<Record<string, unknown>>;

const CHECKPOINTS = new URL("../checkpoints/", import.meta.url).pathname;
/** Prepared folders, by what prepared them: many fixtures begin with the same one. */
const prepared = new Map<string, Promise<string>>();

/** What the command reports; the folder's own place does not show. */
export async function runCommandFixture(path: string): Promise<readonly Diagnostic[]> {
  const fixture = JSON.parse(readFileSync(path, "utf8")) as CommandFixture;
  if (fixture.made) {
    const code = `${basename(dirname(path))}/${basename(path, ".json")}` as Code;
    return [diagnose(code, fixture.made as ParamsOf<Code>)];
  }
  const key = JSON.stringify([fixture.checkpoints, fixture.files, fixture.before]);
  if (!prepared.has(key)) prepared.set(key, prepare(fixture));
  const folder = mkdtempSync(join(tmpdir(), "tfm-command-"));
  try {
    cpSync(await prepared.get(key)!, folder, { recursive: true });
    spoil(folder, fixture);
    const said = await tfm(...argumentsIn(folder, fixture.run!), "--json");
    if (said.out === "") throw new Error(said.err);
    const { diagnostics } = JSON.parse(said.out.replaceAll(`${folder}/`, "").replaceAll(folder, "my-model")) as {
      diagnostics: Diagnostic[];
    };
    return diagnostics.map((d) => ({ ...d, related: [], fixes: [] }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Removes what was prepared. */
export async function closeCommandFixtures(): Promise<void> {
  for (const folder of prepared.values()) rmSync(await folder, { recursive: true, force: true });
  prepared.clear();
}

async function prepare({ checkpoints = [], files = {}, before = [] }: CommandFixture): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "tfm-command-"));
  for (const name of checkpoints) cpSync(join(CHECKPOINTS, name), join(folder, name), { recursive: true });
  for (const [name, description] of Object.entries(files)) writeFile(join(folder, name), description);
  for (const command of before) {
    const said = await tfm(...argumentsIn(folder, command));
    if (said.status !== 0) throw new Error(said.err);
  }
  return folder;
}

function spoil(
  folder: string,
  { remove = [], rename = {}, change = {}, merge = {}, replace = {} }: CommandFixture,
): void {
  for (const name of remove) rmSync(join(folder, name));
  for (const [from, to] of Object.entries(rename)) renameSync(join(folder, from), join(folder, to));
  for (const [name, description] of Object.entries(change)) writeFile(join(folder, name), description);
  for (const [name, value] of Object.entries(merge)) {
    const path = join(folder, name);
    writeFileSync(path, JSON.stringify(merged(JSON.parse(readFileSync(path, "utf8")) as JsonObject, value)));
  }
  for (const [name, texts] of Object.entries(replace)) {
    const path = join(folder, name);
    let bytes = readFileSync(path).toString("latin1");
    for (const [from, to] of Object.entries(texts)) {
      if (from.length !== to.length) throw new Error(`${from} and ${to} are not of one length`);
      bytes = bytes.replaceAll(from, to);
    }
    writeFileSync(path, Buffer.from(bytes, "latin1"));
  }
}

function merged(old: JsonObject, more: JsonObject): JsonObject {
  const both = (a: unknown, b: unknown): unknown => (isObject(a) && isObject(b) ? merged(a, b) : b);
  return { ...old, ...Object.fromEntries(Object.entries(more).map(([key, value]) => [key, both(old[key], value)])) };
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function argumentsIn(folder: string, command: Command): readonly string[] {
  return command.map((text) => text.replaceAll("$/", `${folder}/`));
}
