/** @file Writes a placed figure as SVG: light and dark by the reader's preference, or as asked; no scripts, no fonts to load. */
import { JOIN, type Placed, type PlacedEdge, type PlacedItem, type Point } from "./place.ts";

export type Theme = "auto" | "light" | "dark";

const MARGIN = 12;
const FONT = "Helvetica, Arial, 'Liberation Sans', sans-serif";

/** Colours by role; the hues of the Transformer's own figure. */
const LIGHT = {
  ink: "#1b1f24",
  soft: "#57606a",
  paper: "#ffffff",
  group: "#f3f4f6",
  edge: "#3d444d",
  border: "#8c959f",
  attention: "#ffe2bb",
  cross: "#ffe2bb",
  ffn: "#c4e8f7",
  norm: "#f4f6c3",
  operator: "#e3f0df",
  other: "#e9dff5",
};
const DARK: typeof LIGHT = {
  ink: "#e8eaed",
  soft: "#a8b0ba",
  paper: "#15181c",
  group: "#20252b",
  edge: "#b6bec8",
  border: "#5d6671",
  attention: "#6a4716",
  cross: "#6a4716",
  ffn: "#184f63",
  norm: "#4f5219",
  operator: "#2a4a25",
  other: "#453162",
};

const CLASSES: readonly (keyof typeof LIGHT)[] = ["attention", "cross", "ffn", "norm", "operator"];

/** The picture as a whole SVG document. */
export function svgOf(title: string, placed: Placed, options: { readonly theme?: Theme } = {}): string {
  const width = Math.ceil(placed.width + 2 * MARGIN);
  const height = Math.ceil(placed.height + 2 * MARGIN);
  const groups = placed.items.filter((i) => i.item.kind === "group");
  const others = placed.items.filter((i) => i.item.kind !== "group");
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escape(title)}">`,
    `<title>${escape(title)}</title>`,
    `<style>${styles(options.theme ?? "auto")}</style>`,
    `<rect class="paper" width="${width}" height="${height}"/>`,
    `<g transform="translate(${MARGIN} ${MARGIN})">`,
    ...groups.map(drawGroup),
    ...placed.edges.map((e) => drawEdge(e, placed)),
    ...placed.labels.map((l) => text(l.x, l.y + 10, l.text, "", "small type")),
    ...others.map(drawItem),
    "</g>",
    "</svg>",
    "",
  ].join("\n");
}

/** The rules of style of every figure, as its `<style>` has them. A page that shows figures inline gives them once, and takes them out of each. */
export function styles(theme: Theme): string {
  const rules = (c: typeof LIGHT): string =>
    `.paper{fill:${c.paper}}.group{fill:${c.group};stroke:${c.border}}.box{fill:${c.other};stroke:${c.ink}}` +
    CLASSES.map((name) => `.box.${name}{fill:${c[name]}}`).join("") +
    `.join{fill:${c.paper};stroke:${c.ink}}text{fill:${c.ink}}.small{fill:${c.soft}}.count{fill:${c.ink}}.edge{stroke:${c.edge}}.head{fill:${c.edge}}`;
  const shape =
    `text{font-family:${FONT};font-size:13px;text-anchor:middle}.small{font-size:10.5px}.count{text-anchor:end}` +
    `.type{text-anchor:start;font-size:9.5px}.edge{fill:none;stroke-width:1.2}.box,.group,.join{stroke-width:1}`;
  if (theme === "light") return shape + rules(LIGHT);
  if (theme === "dark") return shape + rules(DARK);
  return `${shape}${rules(LIGHT)}@media (prefers-color-scheme: dark){${rules(DARK)}}`;
}

function drawGroup({ item, rect }: PlacedItem): string {
  if (item.kind !== "group") return "";
  return (
    `<rect class="group" x="${r(rect.x)}" y="${r(rect.y)}" width="${r(rect.width)}" height="${r(rect.height)}" rx="10"/>` +
    text(rect.x - 7, rect.y + rect.height / 2 + 5, item.label, "", item.label.length > 4 ? "small count" : "count")
  );
}

function drawItem({ item, rect }: PlacedItem): string {
  const x = rect.x + rect.width / 2;
  switch (item.kind) {
    case "box": {
      const role = (CLASSES as readonly string[]).includes(item.role) ? ` ${item.role}` : "";
      return [
        `<g><title>${escape(item.tip)}</title>`,
        `<rect class="box${role}" x="${r(rect.x)}" y="${r(rect.y)}" width="${r(rect.width)}" height="${r(rect.height)}" rx="5"/>`,
        text(x, rect.y + 18.5, item.title, fit(item.title, 13, rect.width)),
        ...item.lines.map((line, i) => text(x, rect.y + 33 + 14 * i, line, fit(line, 10.5, rect.width), "small")),
        "</g>",
      ].join("");
    }
    case "join":
      return (
        `<circle class="join" cx="${r(x)}" cy="${r(rect.y + JOIN / 2)}" r="${JOIN / 2}"/>` +
        text(x, rect.y + JOIN / 2 + 4.5, item.sign, "")
      );
    case "terminal":
      return [
        text(x, rect.y + 13, item.title, ""),
        ...item.lines.map((line, i) => text(x, rect.y + 27 + 14 * i, line, "", "small")),
      ].join("");
    case "fork":
      return `<path class="edge" d="M${r(x)} ${r(rect.y - 1)}V${r(rect.y + rect.height + 1)}"/>`;
    default:
      return "";
  }
}

/** Words that are too long for their box are drawn narrower, never cut. */
function fit(words: string, size: number, width: number): string {
  const natural = words.length * size * 0.56;
  return natural > width - 10 ? ` textLength="${r(width - 12)}" lengthAdjust="spacingAndGlyphs"` : "";
}

function text(x: number, y: number, words: string, more: string, kind = ""): string {
  return `<text${kind ? ` class="${kind}"` : ""} x="${r(x)}" y="${r(y)}"${more}>${escape(words)}</text>`;
}

function drawEdge({ edge, points }: PlacedEdge, placed: Placed): string {
  if (points.length < 2) return "";
  const head = placed.items.find((i) => i.item.id === edge.to)?.item.kind === "fork" ? "" : arrow(points);
  return `<path class="edge" d="${rounded(points)}"/>${head}`;
}

/** A line whose corners are rounded. */
function rounded(points: readonly Point[]): string {
  const parts = [`M${r(points[0]!.x)} ${r(points[0]!.y)}`];
  for (let i = 1; i < points.length; i++) {
    const [a, b, c] = [points[i - 1]!, points[i]!, points[i + 1]];
    if (!c) parts.push(`L${r(b.x)} ${r(b.y)}`);
    else {
      const radius = Math.min(6, distance(a, b) / 2, distance(b, c) / 2);
      const before = towards(b, a, radius);
      const after = towards(b, c, radius);
      parts.push(`L${r(before.x)} ${r(before.y)}Q${r(b.x)} ${r(b.y)} ${r(after.x)} ${r(after.y)}`);
    }
  }
  return parts.join("");
}

function distance(a: Point, b: Point): number {
  return Math.hypot(a.x - b.x, a.y - b.y);
}

function towards(from: Point, to: Point, by: number): Point {
  const d = distance(from, to) || 1;
  return { x: from.x + ((to.x - from.x) * by) / d, y: from.y + ((to.y - from.y) * by) / d };
}

function arrow(points: readonly Point[]): string {
  const end = points.at(-1)!;
  const before = points.at(-2)!;
  const back = towards(end, before, 6);
  const side = { x: (end.y - back.y) * 0.5, y: (back.x - end.x) * 0.5 };
  const corner = (s: number): string => `${r(back.x + s * side.x)} ${r(back.y + s * side.y)}`;
  return `<path class="head" d="M${r(end.x)} ${r(end.y)}L${corner(1)}L${corner(-1)}Z"/>`;
}

function r(n: number): string {
  return String(Math.round(n * 10) / 10);
}

function escape(s: string): string {
  return s.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/"/g, "&quot;");
}
