/** @file Keys of a config that a client does not know, and values of another kind than it reads. */
import { diagnose, type Diagnostic } from "../diagnostics/diagnostic.ts";
import { nearest } from "../diagnostics/suggest.ts";
import type { JsonValue } from "../weights/json.ts";
import type { ClientRules, KeyKind, KeyTree } from "./rules.ts";

const KINDS: Readonly<
  Record<Exclude<KeyKind, "any">, { readonly is: (v: JsonValue) => boolean; readonly text: string }>
> = {
  text: { is: (v) => typeof v === "string", text: "a text" },
  number: { is: (v) => typeof v === "number", text: "a number" },
  numbers: {
    is: (v) => typeof v === "number" || (Array.isArray(v) && v.every((x) => typeof x === "number")),
    text: "a number or a list of numbers",
  },
  truth: { is: (v) => typeof v === "boolean", text: "true or false" },
};

/** Where the rules list the keys: those that are not in the list, and those whose values are of another kind. */
export function checkKeys(client: ClientRules, value: JsonValue): Diagnostic[] {
  const { keys, file } = client.config;
  if (!keys) return [];
  const visit = (v: JsonValue, tree: KeyTree, path: string): Diagnostic[] => {
    if (typeof v !== "object" || v === null || Array.isArray(v))
      return [wrong(file, path === "" ? "the whole" : path, v, "an object")];
    return Object.entries(v as { readonly [key: string]: JsonValue }).flatMap(([key, inner]) => {
      const at = path === "" ? key : `${path}.${key}`;
      const kind = Object.hasOwn(tree, key) ? tree[key] : tree["*"];
      if (kind === undefined) {
        const close = nearest(key, Object.keys(tree));
        return [
          diagnose("client/unknown-key", { client: client.title, file, key: at }, undefined, {
            hint: close === undefined ? "remove it" : `did you mean ${close}?`,
          }),
        ];
      }
      if (kind === "any") return [];
      if (typeof kind !== "string") return visit(inner, kind, at);
      return KINDS[kind].is(inner) ? [] : [wrong(file, at, inner, KINDS[kind].text)];
    });
  };
  return visit(value, keys, "");
}

function wrong(file: string, key: string, value: JsonValue, wanted: string): Diagnostic {
  return diagnose("client/wrong-value", { file, key, found: JSON.stringify(value).slice(0, 60), wanted });
}
