/** @file The run times as a picture: a row for each case, a dot for each exporter, with the spread of its rounds. */

const [WIDTH, LEFT, RIGHT, ROW, TOP, FOOT] = [760, 190, 30, 34, 46, 58];
const COLOURS = ["#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377"];

/** `cases`: `{ name, rows }` as `compare` gives them; `ours` is the label that stands out. */
export function plot(cases, { ours, title }) {
  const labels = [...new Set(cases.flatMap((c) => c.rows.map((r) => r.label)))];
  const others = labels.filter((l) => l !== ours);
  const colourOf = (label) => (label === ours ? "#000000" : COLOURS[others.indexOf(label) % COLOURS.length]);
  const all = cases.flatMap((c) => c.rows.flatMap((r) => [r.cpuRatio.least, r.cpuRatio.most]));
  const [low, high] = [Math.min(0.8, ...all), Math.max(1.2, ...all)];
  const x = (ratio) => LEFT + ((ratio - low) / (high - low)) * (WIDTH - LEFT - RIGHT);
  const height = TOP + cases.length * ROW + FOOT;
  const ticks = Array.from({ length: Math.floor(high / 0.2) + 1 }, (_, i) => i * 0.2).filter((t) => t >= low);
  const parts = [
    `<text x="${WIDTH / 2}" y="20" text-anchor="middle" font-size="13">${escaped(title)}</text>`,
    ...ticks.map(
      (t) =>
        `<line x1="${at(x(t))}" x2="${at(x(t))}" y1="${TOP - 8}" y2="${TOP + cases.length * ROW}" stroke="${Math.abs(t - 1) < 1e-9 ? "#888" : "#ddd"}"/>` +
        `<text x="${at(x(t))}" y="${TOP + cases.length * ROW + 14}" text-anchor="middle">${t.toFixed(1)}</text>`,
    ),
  ];
  for (const [i, { name, rows }] of cases.entries()) {
    const middle = TOP + i * ROW + ROW / 2;
    parts.push(`<text x="${LEFT - 12}" y="${middle + 4}" text-anchor="end">${escaped(name)}</text>`);
    for (const [k, { label, cpuRatio }] of rows.entries()) {
      const y = middle + (k - (rows.length - 1) / 2) * Math.min(5, (ROW - 8) / rows.length);
      const colour = colourOf(label);
      parts.push(
        `<line x1="${at(x(cpuRatio.least))}" x2="${at(x(cpuRatio.most))}" y1="${at(y)}" y2="${at(y)}" stroke="${colour}"/>`,
        `<circle cx="${at(x(cpuRatio.median))}" cy="${at(y)}" r="${label === ours ? 4.5 : 3.5}" fill="${colour}"><title>${escaped(`${label}: ${cpuRatio.median.toFixed(2)}`)}</title></circle>`,
      );
    }
  }
  for (const [i, label] of [ours, ...others].entries()) {
    const left = 20 + i * ((WIDTH - 40) / labels.length);
    parts.push(
      `<circle cx="${at(left)}" cy="${height - 16}" r="4" fill="${colourOf(label)}"/><text x="${at(left + 8)}" y="${height - 12}">${escaped(label)}</text>`,
    );
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="#fff"/>\n${parts.join("\n")}\n</svg>\n`;
}

const at = (n) => n.toFixed(1);
const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
