/** @file Plans a folder that several clients open: where files lie, what they are called, which configs stand beside them. */
import { diagnose, hasErrors, type Diagnostic, type Result } from "../diagnostics/diagnostic.ts";
import type { JsonValue } from "../weights/json.ts";
import { configFor } from "./configs.ts";
import { layersOf, type ModelFacts } from "./facts.ts";
import { checkPorts } from "./ports.ts";
import { statesFor, suffixOf, typesOf, valueAt, type ClientRules, type Role, type RoleRules } from "./rules.ts";

type JsonObject = { readonly [key: string]: JsonValue };

/** Where a model's file and its data lie. */
export interface FileLayout {
  /** `onnx/model_fp16.onnx` of the graph's name `model`. */
  readonly model: (name: string) => string;
  /** Names of data files beside it, in the order in which the model first refers to them; undefined: their own names. */
  readonly chunk?: (modelFile: string, index: number) => string;
}

/** The layout that all of these clients open; a client that takes any yields to one that does not. */
export function layoutFor(clients: readonly ClientRules[], dtype: string): Result<FileLayout> {
  const strict = clients.find((c) => c.layout.models !== "any") ?? clients[0];
  if (!strict) return { value: { model: (name) => `${name}.onnx` }, diagnostics: [] };
  const suffix = suffixOf(strict.layout, dtype);
  if (suffix === undefined) return { diagnostics: [diagnose("client/no-dtype", { client: strict.title, dtype })] };
  const { models } = strict.layout;
  const within = models === "any" || models === "" ? "" : `${models}/`;
  const chunked = clients.some((c) => c.layout.data === "chunks");
  return {
    value: {
      model: (name) => `${within}${name}${suffix}.onnx`,
      ...(chunked ? { chunk: (file: string, i: number) => `${baseOf(file)}_data${i === 0 ? "" : `_${i}`}` } : {}),
    },
    diagnostics: [],
  };
}

/** What outputs are to be called, by their own names, so that the clients read them: where a client has another word for one. */
export function outputNames(
  clients: readonly ClientRules[],
  role: Role,
  outputs: readonly string[],
): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const client of clients)
    for (const [wanted, others] of Object.entries(client.roles[role]?.aliases ?? {})) {
      const found = outputs.includes(wanted) ? undefined : others.find((o) => outputs.includes(o));
      if (found !== undefined) names.set(found, wanted);
    }
  return names;
}

export function baseOf(file: string): string {
  return file.slice(file.lastIndexOf("/") + 1);
}

export interface CompiledModel {
  readonly role: Role;
  /** Each model file with its path, in the order in which they run. */
  readonly models: readonly { readonly file: string; readonly facts: ModelFacts }[];
  readonly checkpoint?: JsonObject | undefined;
  readonly generation?: JsonObject | undefined;
  /** The family's word for the nearest type, by the client's name. */
  readonly nearest: ReadonlyMap<string, string>;
  readonly dtype: string;
  readonly tables: ReadonlyMap<string, number>;
  readonly shared: boolean;
  readonly provider: string;
}

/** The client's own config for a compiled model, as a file; errors say why the client would not run it. */
export function planConfig(client: ClientRules, compiled: CompiledModel): Result<{ name: string; text: string }> {
  if (Object.keys(client.roles).length === 0) return { diagnostics: [] };
  const role = client.roles[compiled.role];
  if (!role)
    return {
      diagnostics: [
        diagnose("client/no-role", { client: client.title, what: NAMES[compiled.role] }, undefined, {
          hint: `it runs ${Object.keys(client.roles)
            .map((r) => NAMES[r as Role])
            .join(" and ")}; without --for, \`tfm run\` runs the folder`,
        }),
      ],
    };
  const type = typeFor(client, role, compiled);
  // What the model takes and gives comes first: no type would help where that does not fit.
  const states = typeof type === "string" ? statesFor(role, type) : role.states;
  const checked = compiled.models.flatMap(
    ({ file, facts }) => checkPorts({ client, role, model: facts, file, states }).diagnostics,
  );
  if (hasErrors(checked)) return { diagnostics: checked };
  if (typeof type !== "string") return { diagnostics: [type] };
  const stepped = compiled.models.at(-1)!;
  const chunks = Object.fromEntries(compiled.models.map((m) => [baseOf(m.file), m.facts.data.length]));
  const { checkpoint, generation, dtype, tables, shared, provider } = compiled;
  const text = configFor({
    client,
    role,
    type,
    checkpoint,
    generation,
    model: stepped.facts,
    file: stepped.file,
    chunks,
    dtype,
    tables,
    shared,
    provider,
  });
  return { value: { name: client.config.file, text }, diagnostics: checked };
}

const NAMES: Readonly<Record<Role, string>> = {
  encoder: "models that are run once over a whole sequence",
  decoder: "models that generate with a cache",
  encoder_decoder: "encoder-decoders",
};

/**
 * The checkpoint's own type where the client knows it and has states as the model has them, else the one that the family names; a
 * program of one's own has the client's plainest.
 */
function typeFor(
  client: ClientRules,
  role: RoleRules,
  { checkpoint, nearest, models, role: compiledRole }: CompiledModel,
): string | Diagnostic {
  const known = typesOf(role);
  const fits = (type: string): boolean => {
    const states = statesFor(role, type);
    return known.includes(type) && (!states || layersOf(models.at(-1)!.facts, states).layers.length > 0);
  };
  const own = valueAt(checkpoint, "model_type");
  if (typeof own === "string" && fits(own)) return own;
  const named = nearest.get(client.name);
  if (named !== undefined && fits(named)) return named;
  if (!checkpoint) return role.generic;
  const type = named ?? (typeof own === "string" ? own : "that the config does not name");
  return diagnose("client/no-type", { client: client.title, type, what: NAMES[compiledRole] }, undefined, {
    hint: `name one that it knows in the family's map, \`client "${client.name}" => "${role.generic}"\`, and give the file with --use; without --for, \`tfm run\` runs the folder`,
  });
}
