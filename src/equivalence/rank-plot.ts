/** @file Singular values of attention matrices as an SVG plot: one panel a layer, one line a head, on a logarithmic scale. */
import type { HeadRank } from "./rank.ts";

const PANEL = { width: 230, height: 150, gap: 46 };
const LEFT = 56;
const TOP = 62;
const MOST_COLUMNS = 4;
/** Distinguishable with any colour vision (Okabe and Ito, 2008). */
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8a7a00"];

/** `title` says what was measured. */
export function plotRanks(ranks: readonly HeadRank[], title: string): string {
  const layers = [...new Set(ranks.map((r) => r.layer))];
  const columns = Math.min(MOST_COLUMNS, Math.max(1, layers.length));
  const rows = Math.max(1, Math.ceil(layers.length / columns));
  const width = LEFT + columns * (PANEL.width + PANEL.gap);
  const height = TOP + rows * (PANEL.height + PANEL.gap + 18);
  const smallest = Math.min(
    1e-3,
    ...ranks.flatMap((r) => r.singular.map((s) => s / r.singular[0]!)).filter((s) => s > 0),
  );
  const lowest = Math.max(-18, Math.floor(Math.log10(smallest)));
  const panels = layers.map((layer, i) => {
    const x = LEFT + (i % columns) * (PANEL.width + PANEL.gap);
    const y = TOP + Math.floor(i / columns) * (PANEL.height + PANEL.gap + 18);
    return panel(
      layer,
      ranks.filter((r) => r.layer === layer),
      x,
      y,
      lowest,
    );
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<text x="12" y="20" font-size="14">${escaped(title)}</text>`,
    `<text x="12" y="36" fill="#555">singular values relative to the largest, one line a head</text>`,
    ...panels,
    "</svg>",
    "",
  ].join("\n");
}

function panel(layer: string, heads: readonly HeadRank[], x: number, y: number, lowest: number): string {
  const n = Math.max(2, ...heads.map((h) => h.size));
  const across = (i: number): number => x + (i / (n - 1)) * PANEL.width;
  const down = (s: number): number => y + (Math.max(lowest, s > 0 ? Math.log10(s) : lowest) / lowest) * PANEL.height;
  const full = heads.filter((h) => h.rank === h.size).length;
  const step = Math.max(1, Math.ceil(-lowest / 4));
  const ticks = Array.from({ length: Math.floor(-lowest / step) + 1 }, (_, k) => -k * step);
  const lines = heads.map((h, k) => {
    const points = h.singular.map((s, i) => `${across(i).toFixed(1)},${down(s / h.singular[0]!).toFixed(1)}`).join(" ");
    return `<polyline points="${points}" fill="none" stroke="${COLOURS[k % COLOURS.length]}" stroke-width="1.4"/>`;
  });
  return [
    `<text x="${x}" y="${y - 8}">${escaped(layer === "" ? "attention" : layer)}: ${full} of ${heads.length} of full rank</text>`,
    ...ticks.map(
      (t) =>
        `<line x1="${x}" x2="${x + PANEL.width}" y1="${down(10 ** t)}" y2="${down(10 ** t)}" stroke="#ddd"/><text x="${x - 6}" y="${down(10 ** t) + 4}" text-anchor="end" fill="#555">${t === 0 ? "1" : `1e${t}`}</text>`,
    ),
    `<text x="${x}" y="${y + PANEL.height + 15}" fill="#555">1</text>`,
    `<text x="${x + PANEL.width}" y="${y + PANEL.height + 15}" text-anchor="end" fill="#555">${n}</text>`,
    ...lines,
  ].join("\n");
}

function escaped(text: string): string {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}
