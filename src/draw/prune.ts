/** @file Takes out of a figure what does not lead to an output: masks, sizes, what only feeds those. */
import { itemsOf, type Edge, type Figure, type Item } from "./figure.ts";

/** The figure with only those items from which a line leads to an output; a model without outputs keeps all. */
export function pruned(figure: Figure): Figure {
  const into = new Map<string, Edge[]>();
  for (const e of figure.edges) into.set(e.to, [...(into.get(e.to) ?? []), e]);
  const kept = new Set<string>();
  const todo = [...itemsOf(figure.items)].filter((i) => i.kind === "terminal" && i.side === "out").map((i) => i.id);
  for (let id = todo.pop(); id !== undefined; id = todo.pop()) {
    if (kept.has(id)) continue;
    kept.add(id);
    for (const e of into.get(id) ?? []) todo.push(e.from);
  }
  return {
    ...figure,
    items: keep(figure.items, kept),
    edges: figure.edges.filter((e) => kept.has(e.from) && kept.has(e.to)),
  };
}

function keep(items: readonly Item[], kept: ReadonlySet<string>): Item[] {
  return items.flatMap((item): Item[] => {
    if (item.kind !== "group") return kept.has(item.id) ? [item] : [];
    const inside = keep(item.items, kept);
    return inside.length > 0 ? [{ ...item, items: inside }] : [];
  });
}
