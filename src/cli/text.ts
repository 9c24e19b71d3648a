/** @file Numbers, tables and trees as text. */

/** `1,234,567`; of what depends on a size that is open, `open`. */
export function grouped(n: number | bigint): string {
  return Number.isNaN(n) ? "open" : n.toLocaleString("en-US");
}

/** Three figures and a prefix: `8.03 G`, `857 k`, `12`. */
export function short(n: number): string {
  if (n === 0) return "0";
  if (Number.isNaN(n)) return "open";
  const units = ["", "k", "M", "G", "T", "P", "E"];
  let unit = 0;
  let x = n;
  // From 999.5 on, three figures round to 1000.
  while (Math.abs(x) >= 999.5 && unit < units.length - 1) {
    x /= 1000;
    unit++;
  }
  const text = String(Number(x.toPrecision(3)));
  return units[unit] === "" ? text : `${text} ${units[unit]}`;
}

/** Bytes in powers of 1000, as disks and memories are sold and `ls -h --si` shows them: `16.1 GB`. */
export function bytes(n: number): string {
  const text = short(n);
  if (Number.isNaN(n)) return text;
  return text.includes(" ") ? `${text}B` : `${text} B`;
}

/** `0.31 s`, `45 ms`. */
export function duration(ms: number): string {
  return ms < 100 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

/** Rows with their columns lined up; a column is flush right where every cell but the first is a number. */
export function table(rows: readonly (readonly string[])[], indent = ""): string {
  const columns = Math.max(0, ...rows.map((r) => r.length));
  const widths = Array.from({ length: columns }, (_, i) => Math.max(...rows.map((r) => (r[i] ?? "").length)));
  const numeric = widths.map(
    (_, i) =>
      rows.length > 1 && rows.slice(1).every((r) => /^[\d.,]/.test(r[i] ?? "0") && !/[\[a-z]{3}/.test(r[i] ?? "")),
  );
  const line = (r: readonly string[]): string =>
    r
      .map((cell, i) => (i > 0 && numeric[i] ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join("  ")
      .trimEnd();
  return rows.map((r) => `${indent}${line(r)}\n`).join("");
}

/** Text in lines of at most `width` cells, broken between words. */
export function wrap(text: string, width: number, indent = ""): string {
  const lines: string[] = [];
  for (const paragraph of text.split("\n")) {
    let line = "";
    for (const word of paragraph.split(" ")) {
      if (line !== "" && indent.length + line.length + 1 + word.length > width) {
        lines.push(line);
        line = word;
      } else line = line === "" ? word : `${line} ${word}`;
    }
    lines.push(line);
  }
  return lines.map((l) => `${indent}${l}`.trimEnd() + "\n").join("");
}
