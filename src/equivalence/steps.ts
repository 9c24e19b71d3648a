/** @file A text in steps beside the text at once: what each step has of every value. */
import type { Flat } from "./flat.ts";

/**
 * Marks what each step has of every value so far: its places along the axis that grows, and all until then along those that are kept.
 * `ends` are the places that there are after each step, the last all of them.
 */
export function markSteps(flat: Flat, grows: string, kept: ReadonlySet<string>, ends: readonly number[]): void {
  const places = ends.at(-1)!;
  for (const node of [...flat.nodes]) {
    if (node.dtype !== "float" || node.op === "leaf") continue;
    let start = 0;
    for (const end of ends) {
      let id = flat.part(node.id, grows, start, end);
      // What is computed once is along an axis of such a name too, but as long as its source.
      for (const axis of node.axes)
        if (kept.has(axis.name) && axis.size === places) id = flat.part(id, axis.name, 0, end);
      flat.view(id, node.id);
      start = end;
    }
  }
}
