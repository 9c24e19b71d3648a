/** @file Reads a folder by a client's own rules and says what would fail in the client, whoever wrote the folder. */
import { diagnose, type Diagnostic } from "../diagnostics/diagnostic.ts";
import type { JsonValue } from "../weights/json.ts";
import { layersOf, vocabularyOf, type LayerStates, type ModelFacts } from "./facts.ts";
import { checkKeys } from "./keys.ts";
import { checkPorts } from "./ports.ts";
import {
  countsOf,
  typesOf,
  valueAt,
  type ClientRules,
  type CountRules,
  type Role,
  type RoleRules,
  type StateRules,
} from "./rules.ts";
import { vocabularyIn, vocabularyProblem } from "./vocabulary.ts";

/** A folder as it is looked at; names have `/` between folders. */
export interface FolderView {
  /** Bytes; undefined where there is no such file. */
  readonly size: (name: string) => number | undefined;
  readonly json: (name: string) => { readonly value: JsonValue } | { readonly reason: string };
  readonly model: (name: string) => { readonly value: ModelFacts } | { readonly reason: string };
}

/** What would fail, in the order in which the client would come to it; empty where the folder opens. */
export function checkFolder(folder: FolderView, client: ClientRules): readonly Diagnostic[] {
  const { file } = client.config;
  if (folder.size(file) === undefined) return [missing(client, file, "to open the folder")];
  const read = folder.json(file);
  if ("reason" in read) return [diagnose("client/config", { file, reason: read.reason })];
  const config = read.value;
  if (typeof config !== "object" || config === null || Array.isArray(config))
    return [diagnose("client/config", { file, reason: "it holds no object" })];
  const models = checkModels(folder, client, config);
  return [...checkKeys(client, config), ...models.diagnostics, ...checkTexts(folder, client, models.vocab)];
}

/** What turns text into tokens, and how the client generates. `vocab`: how many tokens a model that generates has scores for. */
export function checkTexts(folder: FolderView, client: ClientRules, vocab: number | undefined): readonly Diagnostic[] {
  const there = (name: string): boolean => folder.size(name) !== undefined;
  return [...client.tokenizer, ...(client.reads ?? []).filter(there)].flatMap((file): Diagnostic[] => {
    if (!there(file)) return [missing(client, file, "to turn text into tokens")];
    const read = folder.json(file);
    if ("reason" in read) return [diagnose("client/config", { file, reason: read.reason })];
    if (file !== "tokenizer.json") return [];
    const vocabulary = vocabularyIn(read.value);
    if (!vocabulary) return [diagnose("client/config", { file, reason: "there is no vocabulary in it" })];
    const reason = vocab === undefined ? undefined : vocabularyProblem(vocabulary, vocab);
    return reason === undefined ? [] : [diagnose("client/vocabulary", { file, reason })];
  });
}

function missing(client: ClientRules, file: string, purpose: string): Diagnostic {
  return diagnose("client/missing-file", { client: client.title, file, purpose });
}

interface Found {
  readonly role: RoleRules;
  readonly files: readonly string[];
}

interface CheckedModels {
  readonly diagnostics: readonly Diagnostic[];
  /** Of a model that generates: how many tokens it has scores for. */
  readonly vocab?: number | undefined;
}

function checkModels(folder: FolderView, client: ClientRules, config: JsonValue): CheckedModels {
  const { type: key, file } = client.config;
  if (key === undefined) return { diagnostics: [] };
  const type = valueAt(config, key);
  const problems: Diagnostic[] = [];
  const known = Object.values(client.roles).some((role) => typesOf(role).includes(String(type)));
  if (!known) {
    const shown = type === undefined ? "not there" : JSON.stringify(type);
    problems.push(diagnose("client/unknown-type", { client: client.title, file, key, type: shown }));
  }
  const found = roleOf(folder, client, config, known ? String(type) : undefined);
  if ("missing" in found)
    return { diagnostics: [...problems, ...found.missing.map((name) => missingModel(folder, client, config, name))] };
  const counts = known ? countsOf(found.role, String(type)) : undefined;
  for (const name of found.files) problems.push(...checkModel(folder, client, config, name, found.role, counts));
  const { require = {} } = found.role;
  for (const [at, wanted] of Object.entries(require)) {
    const stated = valueAt(config, at);
    if (stated !== wanted)
      problems.push(
        diagnose("client/wrong-value", {
          file,
          key: at,
          found: JSON.stringify(stated ?? null),
          wanted: JSON.stringify(wanted),
        }),
      );
  }
  const last = folder.model(found.files.at(-1)!);
  const vocab = "value" in last && found.role.states ? vocabularyOf(last.value) : undefined;
  const vocabKey = found.role.vocab;
  const stated = vocabKey === undefined ? undefined : valueAt(config, vocabKey);
  if (vocabKey !== undefined && vocab !== undefined && stated !== undefined && stated !== vocab)
    problems.push(
      diagnose("client/layers", {
        file,
        key: vocabKey,
        stated: JSON.stringify(stated),
        found: vocab,
        what: "tokens with a score",
      }),
    );
  return { diagnostics: problems, vocab };
}

/** A model file that is not there; where one of another type of numbers is, that is likely what was meant. */
function missingModel(folder: FolderView, client: ClientRules, config: JsonValue, file: string): Diagnostic {
  const { options, file: from } = client.config;
  const { models, suffixes } = client.layout;
  const names = Object.values(client.roles).flatMap((role) => role.files);
  const others = names.flatMap((name) =>
    Object.values(suffixes).map((suffix) => join(models, `${name}${suffix}.onnx`)),
  );
  const other = others.find((name) => folder.size(name) !== undefined);
  const stated = options && valueAt(valueAt(config, options.key), options.dtype);
  const why = stated === undefined ? "" : `${from} says ${options!.dtype} ${JSON.stringify(stated)}, and `;
  return diagnose(
    "client/missing-file",
    { client: client.title, file, purpose: "for the model itself" },
    undefined,
    other === undefined ? {} : { hint: `${why}${other} is there` },
  );
}

/** The role that the type and the files that are there have in common. */
function roleOf(
  folder: FolderView,
  client: ClientRules,
  config: JsonValue,
  type: string | undefined,
): Found | { readonly missing: readonly string[] } {
  const roles = Object.entries(client.roles) as [Role, RoleRules][];
  const taken = type === undefined ? roles : roles.filter(([, role]) => typesOf(role).includes(type));
  const tried = taken.map(([, role]) => ({ role, files: filesOf(folder, client, config, role) }));
  const there = tried.filter(({ files }) => files.every((f) => folder.size(f) !== undefined));
  // Roles may have files of the same name: then the model's own states tell them apart.
  const kept = there.find(({ role, files }) => {
    const last = folder.model(files.at(-1)!);
    return role.states && "value" in last && layersOf(last.value, role.states).layers.length > 0;
  });
  const found = kept ?? there[0];
  if (found) return found;
  const nearest = tried[0];
  return { missing: nearest ? nearest.files.filter((f) => folder.size(f) === undefined) : [client.config.file] };
}

/** The model files: where the config names it that one, or those of the type of numbers that it names; else of the first suffix that is there. */
function filesOf(folder: FolderView, client: ClientRules, config: JsonValue, role: RoleRules): readonly string[] {
  const { model } = client.config;
  if (model !== undefined) {
    const named = valueAt(config, model);
    return [typeof named === "string" ? named : `${role.files[0]!}.onnx`];
  }
  const { models, suffixes, dtypes = {} } = client.layout;
  const at = (suffix: string): string[] => role.files.map((f) => join(models, `${f}${suffix}.onnx`));
  const { options } = client.config;
  const stated = options && valueAt(valueAt(config, options.key), options.dtype);
  const own = Object.keys(dtypes).find((name) => dtypes[name] === stated);
  if (own !== undefined) return at(suffixes[own] ?? "");
  const all = Object.values(suffixes).map(at);
  return all.find((files) => files.every((f) => folder.size(f) !== undefined)) ?? at("");
}

function checkModel(
  folder: FolderView,
  client: ClientRules,
  config: JsonValue,
  file: string,
  role: RoleRules,
  counts: CountRules | undefined,
): Diagnostic[] {
  const read = folder.model(file);
  if ("reason" in read) return [diagnose("client/model-file", { file, reason: read.reason })];
  const states = statesOf(counts?.states ?? role.states, config);
  const { layers, diagnostics } = checkPorts({ client, role, model: read.value, file, states });
  // Of several files the last one is stepped: only that one has a cache.
  const stepped = role.files.length === 1 || file.slice(file.lastIndexOf("/") + 1).startsWith(role.files.at(-1)!);
  return [
    ...diagnostics,
    ...(stepped && counts && states ? countProblems(client, config, counts, layers, states) : []),
    ...dataProblems(folder, client, config, file, read.value),
  ];
}

/** The names of the states as the config states them; the usual ones where it does not. */
function statesOf(states: StateRules | undefined, config: JsonValue): StateRules | undefined {
  const { named } = states ?? {};
  if (!states || !named) return states;
  const stated = (paths: readonly string[], usual: readonly string[]): string[] =>
    paths.map((path, i) => {
      const found = valueAt(config, path);
      return typeof found === "string" ? found : usual[i]!;
    });
  return { ...states, past: stated(named.past, states.past), present: stated(named.present, states.present) };
}

function countProblems(
  client: ClientRules,
  config: JsonValue,
  counts: CountRules,
  layers: readonly LayerStates[],
  states: StateRules,
): Diagnostic[] {
  const { file } = client.config;
  const problems: Diagnostic[] = [];
  const compare = (key: string | undefined, found: unknown, what: string, needed: boolean): void => {
    if (key === undefined || typeof found !== "number") return;
    const stated = valueAt(config, key) ?? undefined;
    if (stated === found || (stated === undefined && !needed)) return;
    problems.push(
      diagnose("client/layers", {
        file,
        key,
        stated: stated === undefined ? "nothing" : JSON.stringify(stated),
        found,
        what,
      }),
    );
  };
  compare(counts.layers, layers.length, "layers with a cache", true);
  const first = layers[0]?.past.find((p) => p !== undefined);
  if (!first) return problems;
  const [heads, width] = states.fixed.map((axis) => first.dims[axis]);
  compare(counts.heads, heads, "key/value heads", false);
  compare(counts.head_dim, width, "numbers in a head", false);
  return problems;
}

/** Is the file a model, and are all the bytes there that it refers to? */
export function modelProblems(folder: FolderView, file: string): readonly Diagnostic[] {
  const read = folder.model(file);
  if ("reason" in read) return [diagnose("client/model-file", { file, reason: read.reason })];
  const within = file.slice(0, file.lastIndexOf("/") + 1);
  return read.value.data.flatMap(({ file: name, end }) => {
    const size = folder.size(`${within}${name}`);
    if (size === undefined)
      return [
        diagnose("client/missing-file", {
          client: "the runtime",
          file: `${within}${name}`,
          purpose: "for the weights",
        }),
      ];
    return size < end
      ? [diagnose("client/truncated-data", { file: `${within}${name}`, found: size, needed: end })]
      : [];
  });
}

function dataProblems(
  folder: FolderView,
  client: ClientRules,
  config: JsonValue,
  file: string,
  { data }: ModelFacts,
): Diagnostic[] {
  const base = file.slice(file.lastIndexOf("/") + 1);
  const problems = [...modelProblems(folder, file)];
  if (client.layout.data !== "chunks") return problems;
  const wanted = data.map((_, i) => `${base}_data${i === 0 ? "" : `_${i}`}`);
  const odd = data.find((d) => !wanted.includes(d.file));
  if (odd) {
    const free = wanted.find((w) => !data.some((d) => d.file === w))!;
    problems.push(diagnose("client/data-name", { client: client.title, model: file, found: odd.file, wanted: free }));
  }
  const declared = declaredChunks(client, config, base);
  if (declared < data.length)
    problems.push(
      diagnose(
        "client/undeclared-data",
        { client: client.title, file: client.config.file, model: file, declared, needed: data.length },
        undefined,
        { hint: declarationOf(client, base, data.length) },
      ),
    );
  return problems;
}

/** How many data files the config declares for a model file: a number, `true` for one, or a map by file. */
function declaredChunks(client: ClientRules, config: JsonValue, base: string): number {
  const { options } = client.config;
  if (!options) return 0;
  const own = valueAt(config, options.key);
  const stated = valueAt(own, options.data);
  const plain = base.replace(/\.onnx$/, "");
  const value =
    typeof stated === "object" && stated !== null && !Array.isArray(stated)
      ? ((stated as { readonly [key: string]: JsonValue })[base] ??
        (stated as { readonly [key: string]: JsonValue })[plain])
      : stated;
  return Number(value ?? 0);
}

function declarationOf(client: ClientRules, base: string, chunks: number): string | undefined {
  const { options, file } = client.config;
  return options && `add "${options.key}": { "${options.data}": { "${base}": ${chunks} } } to ${file}`;
}

function join(folder: string, name: string): string {
  return folder === "" ? name : `${folder}/${name}`;
}
