/** @file Attributes as text that is equal exactly when they are. */
import { Size } from "../ir/size.ts";

export function attributesKey(attrs: object): string {
  return JSON.stringify(attrs, (name, value: unknown) => {
    // Where a size came from is for messages.
    if (name === "origin") return undefined;
    if (value instanceof Size) return value.toString();
    if (typeof value === "number") return Object.is(value, -0) ? "-0" : String(value);
    if (value !== null && typeof value === "object" && !Array.isArray(value))
      return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));
    return value;
  });
}
