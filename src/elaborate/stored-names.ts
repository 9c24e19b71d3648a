/** @file Stored tensors by the names that a checkpoint map has for them, and the question whether two of them are the same. */
import type * as ast from "../syntax/ast.ts";
import { ReadFailure } from "../weights/read-failure.ts";
import { sameNumbers } from "../weights/same.ts";
import type { Checkpoint, StoredTensor } from "../weights/source.ts";
import type { FunctionPrimitive } from "./primitives.ts";
import { bool, describe } from "./values.ts";

/** The tensors by their names after the map's `rename`s. */
export function renamed(entries: readonly ast.Entry[], checkpoint: Checkpoint): Map<string, StoredTensor> {
  const rules = entries.flatMap((x) => (x.kind === "Rename" ? [[x.from.value, x.to.value] as const] : []));
  const all = new Map<string, StoredTensor>();
  for (const [name, t] of checkpoint.tensors)
    all.set(
      rules.reduce((n, [from, to]) => n.replaceAll(from, to), name),
      t,
    );
  return all;
}

/** What may stand before a name, in the order in which it is tried. */
export function prefixesOf(entries: readonly ast.Entry[]): readonly string[] {
  return [...entries.flatMap((x) => (x.kind === "Prefix" ? [x.prefix.value] : [])), ""];
}

/** Finds a tensor by its name in the map. */
export function finderOf(
  stored: ReadonlyMap<string, StoredTensor>,
  prefixes: readonly string[],
): (name: string) => StoredTensor | undefined {
  return (name) => {
    for (const prefix of prefixes) {
      const found = stored.get(prefix + name);
      if (found) return found;
    }
    return undefined;
  };
}

/** Two stored tensors, or undefined where one of them is not there. */
export interface StoredPair {
  readonly names: readonly [string, string];
  readonly checkpoint: string;
  readonly same: boolean;
}

/** Answers for the map of `entries`; the checkpoint is opened when it is first asked, and closed again. */
export function pairsOf(
  entries: readonly ast.Entry[],
  open: () => Checkpoint | undefined,
): (a: string, b: string) => StoredPair | undefined {
  return (a, b) => {
    const checkpoint = open();
    if (!checkpoint) return undefined;
    try {
      const find = finderOf(renamed(entries, checkpoint), prefixesOf(entries));
      const [x, y] = [find(a), find(b)];
      return x && y
        ? { names: [x.name, y.name], checkpoint: checkpoint.name, same: sameNumbers(checkpoint, x, y) }
        : undefined;
    } catch (error) {
      // What cannot be read is said when the weights are.
      if (error instanceof ReadFailure) return undefined;
      throw error;
    } finally {
      checkpoint.close();
    }
  };
}

/**
 * `alike("a", "b")` in a checkpoint map: false where both tensors are stored and hold other numbers, which is said as a warning. Where one
 * of them is not stored, or there is no checkpoint to look into, nothing speaks against it.
 */
export const alike: FunctionPrimitive = {
  name: "alike",
  usage: 'alike("one tensor", "another")',
  least: 2,
  most: 2,
  apply(e, { operands, span }) {
    const [a, b] = operands.map((o) => o.v);
    if (a?.kind !== "text" || b?.kind !== "text")
      return e.fail("type/usage", { name: "alike", usage: `${this.usage}, not ${describe(a!)}` }, span);
    const pair = e.storedPair?.(a.value, b.value);
    if (!pair || pair.same) return bool(true);
    e.reporter.report("map/not-alike", { names: pair.names, file: pair.checkpoint }, undefined, {
      hint: "the model has both: mend the setting of config.json that says they are one, or give it with -s if one is to serve for both",
    });
    return bool(false);
  },
};
