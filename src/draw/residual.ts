/**
 * @file Lines that skip what another line goes through: residual paths. They are led by hand along the right side of what
 * they skip and into the sum from its side, as papers draw them; the layout of everything else does not see them.
 */
import type { Edge, Figure, Item } from "./figure.ts";
import type { PlacedEdge, PlacedItem, Point, Rect } from "./place.ts";

/** Between what is skipped and the line, and between two such lines. */
const LANE = 13;

/** Edges into a sum, within one group (or outside all), beside which there is a longer way from one end to the other. */
export function residualsOf(figure: Figure): ReadonlySet<Edge> {
  const next = new Map<string, string[]>();
  for (const e of figure.edges) next.set(e.from, [...(next.get(e.from) ?? []), e.to]);
  const reaches = (from: string, to: string, seen: Set<string>): boolean =>
    from === to || (next.get(from) ?? []).some((n) => !seen.has(n) && (seen.add(n), reaches(n, to, seen)));
  const groupOf = new Map<string, string>();
  const joins = new Set<string>();
  const visit = (items: readonly Item[], group: string): void => {
    for (const item of items) {
      groupOf.set(item.id, group);
      if (item.kind === "join") joins.add(item.id);
      if (item.kind === "group") visit(item.items, item.id);
    }
  };
  visit(figure.items, "");
  return new Set(
    figure.edges.filter(
      (e) =>
        joins.has(e.to) &&
        groupOf.get(e.from) === groupOf.get(e.to) &&
        (next.get(e.from) ?? []).some((n) => n !== e.to && reaches(n, e.to, new Set([n]))),
    ),
  );
}

/** Leads the residual paths, the shortest nearest to what they skip. */
export function routeBeside(
  edges: ReadonlySet<Edge>,
  items: readonly PlacedItem[],
  labels: readonly Rect[],
): PlacedEdge[] {
  const rectOf = new Map(items.map(({ item, rect }) => [item.id, rect]));
  const solid = [
    ...items.filter((i) => i.item.kind !== "fork" && i.item.kind !== "group").map((i) => i.rect),
    ...labels,
  ];
  const lanes: { readonly x: number; readonly top: number; readonly bottom: number }[] = [];
  const bySpan = [...edges].sort((a, b) => span(a) - span(b));
  return bySpan.map((edge) => {
    const [from, to] = [rectOf.get(edge.from)!, rectOf.get(edge.to)!];
    const start: Point = { x: from.x + from.width / 2, y: from.y - 7 };
    const end: Point = { x: to.x + to.width, y: to.y + to.height / 2 };
    const beside = solid.filter((s) => s.y < start.y && s.y + s.height > end.y && inside(s, groupAround(edge)));
    const taken = lanes.filter((l) => l.top < start.y && l.bottom > end.y);
    const x = Math.max(end.x + LANE, ...beside.map((s) => s.x + s.width + LANE), ...taken.map((l) => l.x + LANE));
    lanes.push({ x, top: end.y, bottom: start.y });
    return { edge, points: [start, { x, y: start.y }, { x, y: end.y }, end] };
  });

  /** The innermost group that holds both ends. */
  function groupAround(e: Edge): Rect | undefined {
    const [a, b] = [rectOf.get(e.from)!, rectOf.get(e.to)!];
    return items.filter((i) => i.item.kind === "group" && inside(a, i.rect) && inside(b, i.rect)).at(-1)?.rect;
  }

  function span(e: Edge): number {
    return rectOf.get(e.from)!.y - rectOf.get(e.to)!.y;
  }
}

function inside(r: Rect, around: Rect | undefined): boolean {
  return (
    !around || (r.x >= around.x && r.y >= around.y && r.x <= around.x + around.width && r.y <= around.y + around.height)
  );
}

/** Pieces that are a pixel or two from upright are upright. */
export function straightened(points: readonly Point[]): Point[] {
  const out = points.map((p) => ({ ...p }));
  for (let i = out.length - 1; i > 0; i--) if (Math.abs(out[i]!.x - out[i - 1]!.x) < 5) out[i - 1]!.x = out[i]!.x;
  return out;
}
