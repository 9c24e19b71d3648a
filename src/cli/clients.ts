/** @file `--for`: the clients that a compiled folder is laid out for, their configs, and the check of the folder by their rules. */
import { join } from "node:path";
import { describeOnnx } from "../backends/onnx/describe.ts";
import { checkFolder, checkTexts, modelProblems } from "../clients/check.ts";
import type { ModelFacts } from "../clients/facts.ts";
import { layoutFor, outputNames, planConfig, type FileLayout } from "../clients/plan.ts";
import type { ClientRules, Role, StateRules } from "../clients/rules.ts";
import type { Elaborated } from "../compile.ts";
import { diagnose, hasErrors, type Diagnostic, type Result } from "../diagnostics/diagnostic.ts";
import { nearest } from "../diagnostics/suggest.ts";
import type { PlannedFile } from "../host/artifact.ts";
import { clientNames, readClient, viewFolder } from "../host/clients.ts";
import { rolesOf } from "../generate/signature.ts";
import { readJsonObject } from "../host/config.ts";
import type { ArtifactRecord } from "../host/record.ts";
import { openArtifact } from "../host/run.ts";
import { statOf } from "../host/system.ts";
import type { JsonValue } from "../weights/json.ts";
import type { Part } from "./parts.ts";

export type Chosen = { readonly usage: string } | { readonly clients: readonly ClientRules[] };

/** The clients that the command line names, with commas between them. */
export function clientsOf(texts: string | undefined): Chosen {
  const names = (texts ?? "")
    .split(",")
    .map((n) => n.trim())
    .filter((n) => n !== "");
  if (texts !== undefined && names.length === 0) return { usage: `--for names a client: ${clientNames().join(", ")}` };
  const known = clientNames();
  const unknown = names.find((n) => !known.includes(n));
  if (unknown !== undefined) {
    const close = nearest(unknown, known);
    return {
      usage: `there is no client ${unknown}${close === undefined ? "" : `: did you mean ${close}?`} There are ${known.join(", ")}.`,
    };
  }
  return { clients: [...new Set(names)].map(readClient) };
}

/** Where the files of a folder for these clients lie. Without clients the model lies at the top. */
export function layoutOf(clients: readonly ClientRules[], dtype: string): Result<FileLayout> {
  return layoutFor(
    clients.filter((c) => !c.record),
    dtype,
  );
}

/**
 * Inputs that one of the clients does not feed and that have a default: without them in the model, each is what it is by default. An
 * encoder-decoder's inputs are of two models, so what any model is fed counts for one that generates.
 */
export function unfedInputs(
  { graph, inputDefaults }: Elaborated,
  clients: readonly ClientRules[],
  cache: boolean,
): ReadonlySet<string> {
  const once = !cache || graph.grows === undefined;
  const unfed = [...inputDefaults.keys()].filter((name) =>
    clients.some(({ roles: { encoder, ...others } }) => {
      const roles = once ? [encoder] : Object.values(others);
      const there = roles.filter((r) => r !== undefined);
      return there.length > 0 && !there.some((r) => Object.hasOwn(r.inputs, name));
    }),
  );
  return new Set(unfed);
}

/** The model with its outputs and states called as the clients do. */
export function renamedFor(model: Elaborated, clients: readonly ClientRules[], cache: boolean): Elaborated {
  const { graph } = model;
  const role: Role = cache && graph.grows !== undefined ? "decoder" : "encoder";
  const names = outputNames(
    clients,
    role,
    graph.outputs.map((o) => o.outside ?? o.name),
  );
  const states = clients.map((c) => c.roles[role]?.states).find((s) => s !== undefined);
  const stateNames = states ? namedAs(states, model.stateNames) : model.stateNames;
  if (names.size === 0) return { ...model, stateNames };
  const outputs = graph.outputs.map((o) => {
    const outside = names.get(o.outside ?? o.name);
    return outside === undefined ? o : { ...o, outside };
  });
  return { ...model, stateNames, graph: { ...graph, outputs } };
}

/**
 * Names of states for a model whose file gives none: those of its layers as the clients pair them, in the order in which a layer
 * keeps them. Where layers keep more, or states lie outside of any, they have the compiler's own.
 */
function namedAs({ past, present }: StateRules, given: Elaborated["stateNames"]): Elaborated["stateNames"] {
  const seen: string[] = [];
  return (path) => {
    const own = given(path);
    const holes = path.match(/\{\d+\}/g);
    if (own || holes?.length !== 1) return own;
    if (!seen.includes(path)) seen.push(path);
    const which = seen.indexOf(path);
    const [before, after] = [past[which], present[which]];
    if (before === undefined || after === undefined) return undefined;
    return { past: before.replace("%d", holes[0]), present: after.replace("%d", holes[0]) };
  };
}

export interface ForClients {
  readonly clients: readonly ClientRules[];
  readonly model: Elaborated;
  readonly parts: readonly Part[];
  /** The checkpoint's folder, where there is one. */
  readonly folder: string | undefined;
  readonly dtype: string;
  /** Is the cache one buffer that past and present share? */
  readonly shared: boolean;
  /** What the model is compiled to run on. */
  readonly provider: string;
}

/** The configs of the clients; errors say why a client would not run the model. */
export function configFiles({
  clients,
  model,
  parts,
  folder,
  dtype,
  shared,
  provider,
}: ForClients): Result<readonly PlannedFile[]> {
  if (clients.length === 0) return { value: [], diagnostics: [] };
  const models = parts.map((p) => ({ file: p.file, facts: factsOf(p) }));
  const tables = new Map(
    parts.flatMap((p) =>
      p.ports.inputs.flatMap((i): [string, number][] => (i.below === undefined ? [] : [[i.name, i.below]])),
    ),
  );
  const role: Role = parts.length > 1 ? "encoder_decoder" : parts[0]!.ports.states.length > 0 ? "decoder" : "encoder";
  const read = (name: string): { readonly [key: string]: JsonValue } | undefined =>
    folder !== undefined && statOf(join(folder, name))
      ? (readJsonObject(join(folder, name)).value as { readonly [key: string]: JsonValue } | undefined)
      : undefined;
  const compiled = {
    role,
    models,
    checkpoint: read("config.json"),
    generation: read("generation_config.json"),
    nearest: model.clientTypes,
    dtype,
    tables,
    shared,
    provider,
  };
  const files: PlannedFile[] = [];
  const diagnostics: Diagnostic[] = [];
  for (const client of clients) {
    const { value, diagnostics: said } = planConfig(client, compiled);
    diagnostics.push(...said);
    if (value) files.push({ kind: "bytes", name: value.name, bytes: value.text });
    const absent = client.tokenizer.find((name) => folder === undefined || !statOf(join(folder, name)));
    if (absent !== undefined) diagnostics.push(diagnose("client/no-tokenizer", { client: client.title, file: absent }));
  }
  return hasErrors(diagnostics) ? { diagnostics } : { value: files, diagnostics };
}

function factsOf(part: Part): ModelFacts {
  const model = part.files.find((f) => f.name === part.file);
  if (model?.kind !== "bytes" || typeof model.bytes === "string") throw new Error(`${part.file} is no model of ONNX`);
  const found = describeOnnx(model.bytes);
  if ("reason" in found) throw new Error(`${part.file}: ${found.reason}`);
  return found.value;
}

/** What the clients would say of a written folder; that it has no tokenizer was said before. */
export function clientProblems(folder: string, clients: readonly ClientRules[]): readonly Diagnostic[] {
  const view = viewFolder(folder);
  // The record comes last, when everything is checked.
  return clients
    .filter((c) => !c.record)
    .flatMap((client) =>
      checkFolder(view, client).filter(
        (d) => d.severity === "error" && !client.tokenizer.some((file) => d.message.startsWith(`${file} is missing`)),
      ),
    );
}

/** How many tokens a model that generates has scores for. */
function scoresOf(record: ArtifactRecord): number | undefined {
  const stepped = record.graphs?.at(-1) ?? record;
  const roles = stepped.states.length > 0 ? rolesOf(stepped) : undefined;
  return roles === undefined || "reason" in roles ? undefined : roles.vocab;
}

/** What a client would say of a folder, whoever made it. */
export function folderProblems(folder: string, client: ClientRules): readonly Diagnostic[] {
  const view = viewFolder(folder);
  if (!client.record) return checkFolder(view, client);
  const { value: artifact, diagnostics } = openArtifact(folder);
  if (!artifact) return diagnostics;
  const { record } = artifact;
  // Each model file is opened: one that is no model, or refers to bytes that are not there, is found.
  const files = record.target === "tfjs" ? [] : (record.graphs ?? [{ file: "model.onnx" }]);
  const models = files.flatMap(({ file }) => modelProblems(view, file));
  // The record has named its files already: a tokenizer that it does not name is none that got lost.
  const lost = (d: Diagnostic): boolean => d.code === "client/missing-file";
  const texts = checkTexts(view, client, scoresOf(record)).map((d) =>
    lost(d) ? diagnose("client/no-tokenizer", { client: client.title, file: client.tokenizer[0]! }) : d,
  );
  return [...diagnostics, ...models, ...texts];
}
