/**
 * @file What is known of a client: a program that opens a compiled folder by rules of its own. The rules are data
 * (`stdlib/clients/NAME.json`, each with its sources), so that the compiler names no client.
 */
import type { JsonValue } from "../weights/json.ts";

/** What a compiled model is, as far as clients see it. */
export type Role = "encoder" | "decoder" | "encoder_decoder";

export interface ClientRules {
  /** The client's own name: the name of its file of rules, and what stands after `--for`. */
  readonly name: string;
  /** As messages call it. */
  readonly title: string;
  /** Which release the rules were read from. */
  readonly release: string;
  readonly sources: Readonly<Record<string, string>>;
  readonly layout: Layout;
  /** Files without which the client turns no text into tokens. */
  readonly tokenizer: readonly string[];
  /** Other files of JSON that it reads where they are there. */
  readonly reads?: readonly string[];
  readonly config: ConfigRules;
  readonly roles: Partial<Readonly<Record<Role, RoleRules>>>;
  /** Forms of the cache that it can use beside a whole past in and a whole present out. */
  readonly cache_forms?: readonly string[];
  /** Does it read the compiler's own record? */
  readonly record?: boolean;
}

export interface Layout {
  /** The folder of the model files, `""` for the top one; `"any"`: the config names the file. */
  readonly models: string;
  /** `"chunks"`: data files are called after the model, `model.onnx_data`, `model.onnx_data_1`, ...; `"any"`: as the model says. */
  readonly data: "any" | "chunks";
  readonly most_chunks?: number;
  /** What the file of a model with this type of numbers ends in, before `.onnx`; `"*"` is every other. */
  readonly suffixes: Readonly<Record<string, string>>;
  /** The client's own name for a type of numbers. */
  readonly dtypes?: Readonly<Record<string, string>>;
}

export interface ConfigRules {
  readonly file: string;
  /** Where in it the model's type stands, with dots. */
  readonly type?: string;
  /** Is it the checkpoint's own config.json, with what is missing added? */
  readonly from_checkpoint: boolean;
  /** Where the model's file is named. */
  readonly model?: string;
  /** Options to the client inside the config. */
  readonly options?: { readonly key: string; readonly data: string; readonly dtype: string };
  /** The config, where it is not the checkpoint's: values that begin with `$` are filled in (`configs.ts`). */
  readonly template?: JsonValue;
  /** What the client is told of a provider, by its name here; of one that is not here, nothing. */
  readonly providers?: Readonly<Record<string, JsonValue>>;
  /** The keys that the client knows, each with the kind of its value; absent: others do no harm. */
  readonly keys?: KeyTree;
}

/** `any`: not looked into. `"*"` stands for every other key. */
export type KeyKind = "text" | "number" | "numbers" | "truth" | "any";
export interface KeyTree {
  readonly [key: string]: KeyKind | KeyTree;
}

export interface RoleRules {
  /** Names of the model files, without suffix and ending. */
  readonly files: readonly string[];
  /** What the client feeds, with the number of axes; only those that the model declares. */
  readonly inputs: Readonly<Record<string, number>>;
  /** What it reads: one of these. */
  readonly outputs: readonly string[];
  /** Other words for an output that the client reads: `{ "logits": ["prediction_logits"] }`. A compiled model has the client's. */
  readonly aliases?: Readonly<Record<string, readonly string[]>>;
  readonly states?: StateRules;
  /** Where the config has the number of tokens that there are scores for. */
  readonly vocab?: string;
  /** What the config must say. */
  readonly require?: Readonly<Record<string, JsonValue>>;
  /** The type for a model that no checkpoint gives a type. */
  readonly generic: string;
  /** Registered types, and where the config of each has its numbers. */
  readonly counts: readonly CountRules[];
}

export interface StateRules {
  /** Names of one layer's states, `%d` for its number. */
  readonly past: readonly string[];
  readonly present: readonly string[];
  /** Where the config names them instead. */
  readonly named?: { readonly past: readonly string[]; readonly present: readonly string[] };
  /** What the axis of rows must be called where it is no number; absent: anything. */
  readonly batch?: string;
  /** Axes that must be numbers: heads and their width. */
  readonly fixed: readonly number[];
  /** The axis of places. */
  readonly along: number;
}

export interface CountRules {
  readonly types: readonly string[];
  readonly layers?: string;
  readonly heads?: string;
  readonly head_dim?: string;
  /** Where these types hand on their states otherwise than the role's others. */
  readonly states?: StateRules;
}

/** The types that a client knows for a role. */
export function typesOf(role: RoleRules): readonly string[] {
  return role.counts.flatMap((c) => c.types);
}

export function countsOf(role: RoleRules, type: string): CountRules | undefined {
  return role.counts.find((c) => c.types.includes(type));
}

/** How models of a type hand on their states. */
export function statesFor(role: RoleRules, type: string | undefined): StateRules | undefined {
  return (type === undefined ? undefined : countsOf(role, type)?.states) ?? role.states;
}

/** How the file of a model ends before `.onnx`; undefined where the client has no name for that type of numbers. */
export function suffixOf(layout: Layout, dtype: string): string | undefined {
  return layout.suffixes[dtype] ?? layout.suffixes["*"];
}

/** The value at a path with dots. A key of the config itself may contain dots: it is tried whole first. */
export function valueAt(json: JsonValue | undefined, path: string): JsonValue | undefined {
  if (typeof json !== "object" || json === null || Array.isArray(json)) return undefined;
  const object = json as { readonly [key: string]: JsonValue };
  if (Object.hasOwn(object, path)) return object[path];
  const dot = path.indexOf(".");
  if (dot < 0) return undefined;
  const head = path.slice(0, dot);
  return Object.hasOwn(object, head) ? valueAt(object[head], path.slice(dot + 1)) : undefined;
}
