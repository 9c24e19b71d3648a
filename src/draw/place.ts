/**
 * @file Gives a figure's items their places, by ELK's layered layout from the bottom up. What reads another part's result
 * across (a decoder its encoder's) stands beside it, as papers draw it; the line between them is led here.
 */
import type { ELK, ElkExtendedEdge, ElkNode } from "elkjs/lib/elk-api.js";
import { residualsOf, routeBeside, straightened } from "./residual.ts";
import { itemsOf, type Box, type Edge, type Figure, type Item, type Terminal } from "./figure.ts";

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Rect extends Point {
  readonly width: number;
  readonly height: number;
}

export interface PlacedItem {
  readonly item: Item;
  readonly rect: Rect;
}

export interface PlacedEdge {
  readonly edge: Edge;
  readonly points: readonly Point[];
}

export interface Placed {
  readonly width: number;
  readonly height: number;
  /** Groups before what is in them. */
  readonly items: readonly PlacedItem[];
  readonly edges: readonly PlacedEdge[];
  readonly labels: readonly Label[];
}

/** Words at a line; their place. */
export interface Label extends Rect {
  readonly text: string;
}

/** In pixels of the picture. */
const LINE = 14;
const GUTTER = 56;
const LABEL = 13;
export const JOIN = 18;

const OPTIONS = {
  "elk.algorithm": "layered",
  "elk.direction": "UP",
  "elk.hierarchyHandling": "INCLUDE_CHILDREN",
  "elk.edgeRouting": "ORTHOGONAL",
  "elk.layered.spacing.nodeNodeBetweenLayers": "18",
  "elk.layered.spacing.edgeNodeBetweenLayers": "12",
  "elk.spacing.nodeNode": "20",
  "elk.spacing.edgeNode": "14",
  "elk.layered.mergeEdges": "true",
  "elk.layered.mergeHierarchyEdges": "true",
  "elk.layered.nodePlacement.strategy": "NETWORK_SIMPLEX",
  "elk.layered.nodePlacement.favorStraightEdges": "true",
  "elk.layered.considerModelOrder.strategy": "NODES_AND_EDGES",
  "elk.padding": "[top=8,left=38,bottom=8,right=12]",
};

/** Places the items of a figure. */
export async function place(figure: Figure, options: { readonly types?: boolean } = {}): Promise<Placed> {
  const elk = await engine();
  const columns = columnsOf(figure);
  const widths = boxWidth(figure);
  const placed: Placed[] = [];
  for (const column of columns) placed.push(await placeColumn(elk, column, widths, options.types === true));
  return joined(placed, figure);
}

/** The layout engine is large: it is loaded when a figure is drawn. */
async function engine(): Promise<ELK> {
  const module = (await import("elkjs/lib/elk.bundled.js")) as unknown as { default: new () => ELK };
  return new module.default();
}

/** The width of a box whose longest line has so many characters. */
function boxWidth(figure: Figure): number {
  const texts = [...itemsOf(figure.items)].flatMap((i) =>
    i.kind === "box" ? [i.title.length * 7.4, ...i.lines.map((l) => l.length * 5.9)] : [],
  );
  return Math.ceil(Math.min(230, Math.max(110, ...texts.map((w) => w + 22))));
}

/** Parts of the figure that only lines across connect: each becomes a column, the source of such a line on the left. */
function columnsOf(figure: Figure): Figure[] {
  const topOf = new Map<string, string>();
  for (const item of figure.items) for (const inside of itemsOf([item])) topOf.set(inside.id, item.id);
  const part = new Map(figure.items.map((i) => [i.id, i.id]));
  const find = (id: string): string => {
    let at = id;
    while (part.get(at) !== at) at = part.get(at)!;
    return at;
  };
  for (const e of figure.edges) {
    const [from, to] = [topOf.get(e.from)!, topOf.get(e.to)!];
    if (!e.across) part.set(find(from), find(to));
  }
  const roots = [...new Set(figure.items.map((i) => find(i.id)))];
  const before = new Map(roots.map((r) => [r, 0]));
  for (const e of figure.edges)
    if (e.across) {
      const [from, to] = [find(topOf.get(e.from)!), find(topOf.get(e.to)!)];
      if (from !== to) before.set(to, Math.max(before.get(to)!, before.get(from)! + 1));
    }
  return [...roots]
    .sort((a, b) => before.get(a)! - before.get(b)!)
    .map((root) => {
      const items = figure.items.filter((i) => find(i.id) === root);
      const inside = new Set([...itemsOf(items)].map((i) => i.id));
      return { ...figure, items, edges: figure.edges.filter((e) => inside.has(e.from) && inside.has(e.to)) };
    });
}

async function placeColumn(elk: ELK, figure: Figure, boxes: number, types: boolean): Promise<Placed> {
  const beside = residualsOf(figure);
  const forks = new Set([...itemsOf(figure.items)].filter((i) => i.kind === "fork").map((i) => i.id));
  const root: ElkNode = {
    id: "root",
    layoutOptions: OPTIONS,
    children: figure.items.map((i) => nodeOf(i, boxes)),
    edges: figure.edges.flatMap((e, i): ElkExtendedEdge[] =>
      beside.has(e)
        ? []
        : [
            {
              id: `e${i}`,
              sources: [e.from],
              targets: [e.to],
              ...(types && !forks.has(e.from) ? { labels: [labelOf(e)] } : {}),
            },
          ],
    ),
  };
  const out = await elk.layout(root);
  const rects = new Map<string, Rect>();
  const visit = (node: ElkNode, x: number, y: number): void => {
    for (const child of node.children ?? []) {
      const at = { x: x + child.x!, y: y + child.y! };
      rects.set(child.id, { ...at, width: child.width!, height: child.height! });
      visit(child, at.x, at.y);
    }
  };
  visit(out, 0, 0);
  const items = [...itemsOf(figure.items)].map((item) => ({ item, rect: rects.get(item.id)! }));
  const edges: PlacedEdge[] = [];
  const labels: Label[] = [];
  for (const e of out.edges ?? []) {
    const origin = containerOf(e, rects);
    edges.push({ edge: figure.edges[Number(e.id.slice(1))]!, points: straightened(pointsOf(e, origin)) });
    for (const l of e.labels ?? [])
      labels.push({ x: l.x! + origin.x, y: l.y! + origin.y, width: l.width!, height: LABEL, text: l.text ?? "" });
  }
  edges.push(...routeBeside(beside, items, labels));
  const right = Math.max(out.width!, ...edges.flatMap((e) => e.points.map((p) => p.x + 8)));
  return { width: right, height: out.height!, items, edges, labels };
}

function labelOf(e: Edge) {
  return { text: e.type, width: e.type.length * 5.1 + 8, height: LABEL };
}

/** Coordinates of an edge are relative to the node that contains it. */
function containerOf(edge: ElkExtendedEdge, rects: ReadonlyMap<string, Rect>): Point {
  const { container } = edge as { container?: string };
  return (container !== undefined && rects.get(container)) || { x: 0, y: 0 };
}

function pointsOf(edge: ElkExtendedEdge, origin: Point): Point[] {
  return (edge.sections ?? []).flatMap((s) =>
    [s.startPoint, ...(s.bendPoints ?? []), s.endPoint].map((p) => ({ x: p.x + origin.x, y: p.y + origin.y })),
  );
}

function nodeOf(item: Item, boxes: number): ElkNode {
  switch (item.kind) {
    case "box":
      return { id: item.id, width: boxes, height: heightOf(item) };
    case "terminal":
      return { id: item.id, width: terminalWidth(item), height: 18 + LINE * item.lines.length };
    case "join":
      return { id: item.id, width: JOIN, height: JOIN };
    case "fork":
      return { id: item.id, width: 2, height: 2 };
    case "group":
      return {
        id: item.id,
        layoutOptions: { "elk.padding": "[top=14,left=14,bottom=14,right=32]" },
        children: item.items.map((i) => nodeOf(i, boxes)),
      };
  }
}

function heightOf(box: Box): number {
  return 28 + LINE * box.lines.length;
}

function terminalWidth(item: Terminal): number {
  return Math.max(item.title.length * 7, ...item.lines.map((l) => l.length * 5.9)) + 10;
}

/** The columns side by side, standing on one line, with the lines across. */
function joined(columns: readonly Placed[], figure: Figure): Placed {
  const height = Math.max(...columns.map((c) => c.height));
  const items: PlacedItem[] = [];
  const edges: PlacedEdge[] = [];
  const labels: Label[] = [];
  let x = 0;
  for (const column of columns) {
    const shift = (p: Point): Point => ({ x: p.x + x, y: p.y + height - column.height });
    for (const { item, rect } of column.items) items.push({ item, rect: { ...rect, ...shift(rect) } });
    for (const { edge, points } of column.edges) edges.push({ edge, points: points.map(shift) });
    for (const label of column.labels) labels.push({ ...label, ...shift(label) });
    x += column.width + GUTTER;
  }
  const rectOf = new Map(items.map(({ item, rect }) => [item.id, rect]));
  const drawn = new Set(edges.map((e) => e.edge));
  for (const edge of figure.edges)
    if (!drawn.has(edge)) edges.push({ edge, points: across(rectOf.get(edge.from)!, rectOf.get(edge.to)!, columns) });
  return { width: x - GUTTER, height, items, edges, labels };
}

/** Up from the source, over to the gap between the columns, along it, and into the target from its side. */
function across(from: Rect, to: Rect, columns: readonly Placed[]): Point[] {
  let gap = 0;
  for (const column of columns) {
    gap += column.width + GUTTER;
    if (gap > from.x + from.width) break;
  }
  const x = gap - GUTTER / 2;
  const top = from.y - 9;
  const start = from.x + from.width / 2 + 6;
  const end = to.y + to.height / 2;
  return [
    { x: start, y: from.y },
    { x: start, y: top },
    { x, y: top },
    { x, y: end },
    { x: to.x, y: end },
  ];
}
