/** @file The run times as a picture: a row for each case, a dot for each exporter, with the spread of its rounds. */

const [WIDTH, LEFT, RIGHT, ROW, TOP, FOOT] = [760, 190, 30, 34, 46, 58];
/** Ratios, on an axis where equal steps are equal factors. */
const TICKS = [0.3, 0.4, 0.5, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 8];
/** Of the legend. */
const COLUMNS = 4;
const COLOURS = ["#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377"];

/**
 * `cases`: `{ name, rows }` as `compare` gives them; labels that begin with `ours` stand out; `limit` is the label of what nothing can
 * beat, a wall where the picture reaches so far.
 */
export function plot(cases, { ours, limit, title }) {
  const labels = [...new Set(cases.flatMap((c) => c.rows.map((r) => r.label)))].filter((l) => l !== limit);
  const own = labels.filter((l) => l.startsWith(ours));
  const others = labels.filter((l) => !own.includes(l));
  const all = cases.flatMap((c) => c.rows.filter((r) => r.label !== limit).map((r) => r.cpuRatio.median));
  const [low, high] = [Math.min(0.8, ...all) / 1.05, Math.max(1.25, ...all) * 1.1];
  const share = (ratio) => Math.log(Math.min(high, Math.max(low, ratio)) / low) / Math.log(high / low);
  const x = (ratio) => LEFT + share(ratio) * (WIDTH - LEFT - RIGHT);
  const height = TOP + cases.length * ROW + FOOT;
  const ticks = TICKS.filter((t) => t >= low && t <= high);
  const mark = (label, cx, cy, title) => {
    const tip = `<title>${escaped(title)}</title>`;
    if (label === limit)
      return `<rect x="${at(cx - 1)}" y="${at(cy - ROW / 2 + 3)}" width="2" height="${ROW - 6}" fill="#999">${tip}</rect>`;
    const k = own.indexOf(label);
    if (k < 0)
      return `<circle cx="${at(cx)}" cy="${at(cy)}" r="3.5" fill="${COLOURS[others.indexOf(label) % COLOURS.length]}">${tip}</circle>`;
    if (k === 0) return `<circle cx="${at(cx)}" cy="${at(cy)}" r="4.5" fill="#000">${tip}</circle>`;
    if (k === 1)
      return `<circle cx="${at(cx)}" cy="${at(cy)}" r="3.5" fill="#fff" stroke="#000" stroke-width="1.5">${tip}</circle>`;
    return `<path d="M${at(cx)} ${at(cy - 5.5)}l5.5 5.5l-5.5 5.5l-5.5 -5.5z" fill="#000">${tip}</path>`;
  };
  const parts = [
    `<text x="${WIDTH / 2}" y="20" text-anchor="middle" font-size="13">${escaped(title)}</text>`,
    ...ticks.map(
      (t) =>
        `<line x1="${at(x(t))}" x2="${at(x(t))}" y1="${TOP - 8}" y2="${TOP + cases.length * ROW}" stroke="${t === 1 ? "#888" : "#ddd"}"/>` +
        `<text x="${at(x(t))}" y="${TOP + cases.length * ROW + 14}" text-anchor="middle">${t}</text>`,
    ),
  ];
  for (const [i, { name, rows }] of cases.entries()) {
    const middle = TOP + i * ROW + ROW / 2;
    parts.push(`<text x="${LEFT - 12}" y="${middle + 4}" text-anchor="end">${escaped(name)}</text>`);
    const wall = rows.find((r) => r.label === limit)?.cpuRatio.median;
    if (wall !== undefined && wall <= high) parts.push(mark(limit, x(wall), middle, `${limit}: ${wall.toFixed(2)}`));
    const points = rows.filter((r) => r.label !== limit);
    for (const [k, { label, cpuRatio }] of points.entries()) {
      const y = middle + (k - (points.length - 1) / 2) * Math.min(5, (ROW - 8) / points.length);
      const colour = own.includes(label) ? "#000" : COLOURS[others.indexOf(label) % COLOURS.length];
      parts.push(
        `<line x1="${at(x(cpuRatio.least))}" x2="${at(x(cpuRatio.most))}" y1="${at(y)}" y2="${at(y)}" stroke="${colour}"/>`,
        mark(label, x(cpuRatio.median), y, `${label}: ${cpuRatio.median.toFixed(2)}`),
      );
    }
  }
  const legend = [...own, ...others, ...(limit === undefined ? [] : [limit])];
  for (const [i, label] of legend.entries()) {
    const [column, line] = [i % COLUMNS, Math.floor(i / COLUMNS)];
    const [left, y] = [24 + (column * (WIDTH - 40)) / COLUMNS, height - FOOT + 38 + line * ROW];
    parts.push(`${mark(label, left, y, label)}<text x="${at(left + 10)}" y="${y + 4}">${escaped(label)}</text>`);
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height + (Math.ceil(legend.length / COLUMNS) - 1) * ROW}" font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="#fff"/>\n${parts.join("\n")}\n</svg>\n`;
}

const at = (n) => n.toFixed(1);
const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
