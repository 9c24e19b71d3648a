/** @file The configs that clients read: the checkpoint's own with what is missing added, or one made from a template. */
import type { JsonValue } from "../weights/json.ts";
import { layersOf, vocabularyOf, type ModelFacts } from "./facts.ts";
import { countsOf, valueAt, type ClientRules, type RoleRules } from "./rules.ts";

type JsonObject = { readonly [key: string]: JsonValue };

export interface ConfigRequest {
  readonly client: ClientRules;
  readonly role: RoleRules;
  /** The registered type. */
  readonly type: string;
  /** The checkpoint's config.json, and what it says of generating; none for a program of one's own. */
  readonly checkpoint?: JsonObject | undefined;
  readonly generation?: JsonObject | undefined;
  /** The model that is stepped, or the only one. */
  readonly model: ModelFacts;
  /** Its path in the folder. */
  readonly file: string;
  /** The number of data files beside each model file, by the model file's name. */
  readonly chunks: Readonly<Record<string, number>>;
  /** The type of the numbers, `float32`. */
  readonly dtype: string;
  /** Sizes of the tables that whole-number inputs are looked up in, by the input's name. */
  readonly tables: ReadonlyMap<string, number>;
  /** Is the cache one buffer that past and present share? */
  readonly shared: boolean;
  /** What the model was compiled to run on: `cpu`. */
  readonly provider: string;
}

/** The text of the client's config. */
export function configFor(request: ConfigRequest): string {
  const { client } = request;
  const value = client.config.from_checkpoint
    ? amended(request)
    : (filled(client.config.template ?? {}, request) ?? {});
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

/** The checkpoint's config; what the client looks for and it lacks is taken from the model. */
function amended(request: ConfigRequest): JsonObject {
  const { client, role, type, checkpoint, model, chunks, dtype } = request;
  const config: Record<string, JsonValue> = { ...checkpoint };
  if (client.config.type !== undefined) config[client.config.type] = type;
  for (const [key, value] of Object.entries(role.require ?? {})) config[key] = value;
  const counts = countsOf(role, type);
  const layers = role.states && layersOf(model, role.states).layers;
  if (role.states && layers && layers.length > 0) {
    const [heads, width] = role.states.fixed.map((axis) => layers[0]!.past[0]?.dims[axis]);
    // What the model really has: settings of the command line may have changed it.
    const put = (key: string | undefined, value: unknown, always: boolean): void => {
      if (key !== undefined && typeof value === "number" && (always || (config[key] ?? null) !== null))
        config[key] = value;
    };
    put(counts?.layers, layers.length, true);
    // A config without the key means what the family's default is: only one that was made here gets it.
    put(counts?.heads, heads, !checkpoint);
    put(counts?.head_dim, width, !checkpoint);
  }
  if (!checkpoint) {
    const vocab = vocabularyOf(model);
    if (vocab !== undefined) config["vocab_size"] = vocab;
  }
  const { options } = client.config;
  if (options) {
    const before = config[options.key];
    const own = typeof before === "object" && before !== null && !Array.isArray(before) ? (before as JsonObject) : {};
    const named = client.layout.dtypes?.[dtype];
    const some = Object.values(chunks).some((n) => n > 0);
    const rest = Object.fromEntries(Object.entries(own).filter(([key]) => key !== options.data));
    config[options.key] = {
      ...rest,
      ...(named === undefined ? {} : { [options.dtype]: named }),
      ...(some ? { [options.data]: chunks } : {}),
    };
  }
  return config;
}

/**
 * A template with its `$` filled in; what there is no value for is left out. `a | b` takes the first that there is: a word
 * is a key, of what the `$` names, `table NAME` the size of the table that an input is looked up in, a number, `true` or `false` itself.
 */
function filled(value: JsonValue, request: ConfigRequest): JsonValue | undefined {
  if (typeof value === "string" && value.startsWith("$")) return lookup(value.slice(1), request);
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value as JsonObject).flatMap(([key, inner]): [string, JsonValue][] => {
    const made = filled(inner, request);
    return made === undefined ? [] : [[key, made]];
  });
  return Object.fromEntries(entries);
}

function lookup(text: string, request: ConfigRequest): JsonValue | undefined {
  const [what, ...rest] = text.split(" ");
  const choices = rest
    .join(" ")
    .split("|")
    .map((c) => c.trim());
  const { model, role, checkpoint, generation } = request;
  const states = role.states;
  switch (what) {
    case "type":
      return request.type;
    case "file":
      return request.file;
    case "shared":
      return request.shared;
    case "providers":
      return request.client.config.providers?.[request.provider] ?? [];
    case "vocab":
      return vocabularyOf(model);
    case "layers":
      return states && layersOf(model, states).layers.length;
    case "state": {
      const size = states && layersOf(model, states).layers[0]?.past[0]?.dims[Number(choices[0])];
      return typeof size === "number" ? size : undefined;
    }
    case "past":
      return states?.past[Number(choices[0])];
    case "present":
      return states?.present[Number(choices[0])];
    case "input":
      return model.inputs.find((i) => i.name === choices[0])?.name;
    case "output":
      return model.outputs.find((o) => o.name === choices[0])?.name;
    case "generation":
      return firstOf(choices, [generation], request);
    case "token":
    case "config":
      return firstOf(choices, what === "token" ? [generation, checkpoint] : [checkpoint], request);
    default:
      throw new Error(`${request.client.name}: the template has ${text}`);
  }
}

function firstOf(
  choices: readonly string[],
  objects: readonly (JsonObject | undefined)[],
  { tables }: ConfigRequest,
): JsonValue | undefined {
  for (const choice of choices) {
    if (/^(\d+|true|false)$/.test(choice)) return JSON.parse(choice) as JsonValue;
    const [kind, name] = choice.split(" ");
    if (kind === "table" && name !== undefined) {
      const size = tables.get(name);
      if (size !== undefined) return size;
      continue;
    }
    for (const object of objects) {
      const found = valueAt(object, kind === "first" ? name! : choice);
      if (found === undefined || found === null) continue;
      return kind === "first" && Array.isArray(found) ? (found[0] as JsonValue) : found;
    }
  }
  return undefined;
}
