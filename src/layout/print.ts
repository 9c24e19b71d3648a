/** @file The layout of every value and every conversion, as text for `--emit layout`. */
import { showType } from "../ir/type.ts";
import type { Entry } from "./book.ts";
import { showLayout } from "./layout.ts";

/** One line for each tensor: what it lies like, and of a conversion what it was made from. */
export function printLayout<T>(entries: readonly Entry<T>[], nameOf: (tensor: T) => string): string {
  const lines = entries.map((e) =>
    e.kind === "made"
      ? `${nameOf(e.tensor)}: ${showLayout(e.layout)}  of ${showType(e.type)}`
      : `  ${nameOf(e.tensor)}: ${showLayout(e.layout)}  ${e.step} of ${nameOf(e.from)}`,
  );
  const count = (step: string): number => entries.filter((e) => e.kind === "converted" && e.step === step).length;
  lines.push(`${count("reshape")} reshapes, ${count("transpose")} transposes, ${count("expand")} expansions`);
  return `${lines.join("\n")}\n`;
}
