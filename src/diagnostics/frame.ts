/**
 * @file A code frame: the lines of one file that a diagnostic speaks of, with marks under them.
 *
 *     3 |   let y = max(x, 0
 *       |              ^
 *     4 |   let z = f(y)
 *       |   --- `let` cannot stand inside it
 */
import type { SourceFile, Span } from "../source/source.ts";
import { type ShownLine, shown, slice } from "./cells.ts";

/** A place to be marked, with words beside the mark. */
export interface Mark {
  readonly span: Span;
  readonly label: string;
  readonly primary: boolean;
}

export interface Paint {
  readonly gutter: (text: string) => string;
  readonly primary: (text: string) => string;
  readonly secondary: (text: string) => string;
}

/** Where the lines of a text begin. */
class Lines {
  private readonly starts: number[] = [0];
  private readonly text: string;

  constructor(file: SourceFile) {
    this.text = file.text;
    for (let i = this.text.indexOf("\n"); i >= 0; i = this.text.indexOf("\n", i + 1)) this.starts.push(i + 1);
  }

  /** The zero-based line of an offset. */
  of(offset: number): number {
    let low = 0;
    let high = this.starts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.starts[middle]! <= offset) low = middle;
      else high = middle;
    }
    return low;
  }

  start(line: number): number {
    return this.starts[line]!;
  }

  content(line: number): string {
    const end = this.starts[line + 1] ?? this.text.length + 1;
    return this.text.slice(this.starts[line]!, Math.max(end - 1, this.starts[line]!)).replace(/\r$/, "");
  }
}

const known = new WeakMap<SourceFile, Lines>();

function linesOf(file: SourceFile): Lines {
  let lines = known.get(file);
  if (lines === undefined) known.set(file, (lines = new Lines(file)));
  return lines;
}

/** A mark on one line, in units of the line's text. */
interface LineMark {
  readonly from: number;
  readonly to: number;
  readonly label: string;
  readonly primary: boolean;
}

interface Block {
  /** First and last line of a span over several lines, whose bar runs along the margin. */
  readonly first: number;
  readonly last: number;
  readonly endUnit: number;
  readonly label: string;
  readonly primary: boolean;
}

/** The lines of a frame, without its head. `digits` is the width of line numbers, `width` that of the whole. */
export function frame(file: SourceFile, marks: readonly Mark[], digits: number, width: number, paint: Paint): string[] {
  const lines = linesOf(file);
  const byLine = new Map<number, LineMark[]>();
  const add = (line: number, mark: LineMark): void => {
    byLine.set(line, [...(byLine.get(line) ?? []), mark]);
  };
  let block: Block | undefined;
  for (const mark of marks) {
    const { start, end } = visible(mark.span);
    const first = lines.of(start);
    const last = lines.of(Math.max(start, end - 1));
    const from = start - lines.start(first);
    const head = { from, label: mark.label, primary: mark.primary };
    if (first === last) add(first, { ...head, to: Math.max(end - lines.start(first), from) });
    else if (block === undefined && mark.primary) {
      block = { first, last, endUnit: end - lines.start(last), label: mark.label, primary: true };
    } else add(first, { ...head, to: lines.content(first).length });
  }
  const wanted = new Set(byLine.keys());
  if (block) addBlockLines(wanted, block);
  return draw(
    { lines, byLine, block, digits, width, paint },
    [...wanted].sort((a, b) => a - b),
  );
}

function addBlockLines(wanted: Set<number>, { first, last }: Block): void {
  const all = last - first < 6;
  for (let line = first; line <= last; line++) {
    if (all || line < first + 3 || line > last - 2) wanted.add(line);
  }
}

/** The last line number that a frame shows, for the width of the margin. */
export function lastLine(marks: readonly Mark[]): number {
  return Math.max(
    0,
    ...marks.map((m) => {
      const { start, end } = visible(m.span);
      return linesOf(m.span.file).of(Math.max(start, end - 1)) + 1;
    }),
  );
}

/** A span at the end of the text, behind its last newline, is shown at the end of the last line that has something. */
export function visible(span: Span): { start: number; end: number } {
  const { text } = span.file;
  const end = text.trimEnd().length;
  if (span.start < end || (span.start < text.length && span.end > span.start)) {
    return { start: span.start, end: Math.min(Math.max(span.end, span.start), text.length) };
  }
  return { start: end, end };
}

interface Drawing {
  readonly lines: Lines;
  readonly byLine: ReadonlyMap<number, readonly LineMark[]>;
  readonly block: Block | undefined;
  readonly digits: number;
  readonly width: number;
  readonly paint: Paint;
}

function draw(d: Drawing, wanted: readonly number[]): string[] {
  const out: string[] = [];
  const empty = " ".repeat(d.digits);
  const room = Math.max(20, d.width - d.digits - 3 - (d.block ? 2 : 0));
  let before: number | undefined;
  for (const line of withBridges(wanted)) {
    const inside = d.block && line > d.block.first && line <= d.block.last;
    if (before !== undefined && line > before + 1) {
      out.push(
        d.paint.gutter("...") + (inside ? ` ${" ".repeat(Math.max(0, d.digits - 2))}${d.paint.primary("|")}` : ""),
      );
    }
    before = line;
    const content = shown(d.lines.content(line));
    const marks = [...(d.byLine.get(line) ?? [])].sort((a, b) => a.from - b.from || a.to - b.to);
    const view = windowOf(content, marks, room);
    const bar = blockBar(d, line);
    const number = d.paint.gutter(`${String(line + 1).padStart(d.digits)} |`);
    out.push(`${number} ${bar}${view.text}`.trimEnd());
    const under = (text: string): void => {
      const margin = inside && line < d.block!.last ? `${d.paint.primary("|")} ` : d.block ? "  " : "";
      out.push(`${d.paint.gutter(`${empty} |`)} ${margin}${text}`.trimEnd());
    };
    for (const row of markRows(content, marks, view, d.paint)) under(row);
    if (d.block && line === d.block.last) {
      const cell = Math.max(
        0,
        (content.cells[Math.min(d.block.endUnit, content.cells.length - 1)] ?? 1) - 1 - view.from,
      );
      const tail = `|${"_".repeat(cell + 1)}^${d.block.label ? ` ${d.block.label}` : ""}`;
      out.push(`${d.paint.gutter(`${empty} |`)} ${d.paint.primary(tail)}`);
    }
  }
  return out;
}

/** One line between two is shown rather than left out. */
function withBridges(wanted: readonly number[]): number[] {
  return wanted.flatMap((line, i) => (i > 0 && line === wanted[i - 1]! + 2 ? [line - 1, line] : [line]));
}

function blockBar(d: Drawing, line: number): string {
  if (!d.block) return "";
  if (line === d.block.first) return `${d.paint.primary("/")} `;
  return line > d.block.first && line <= d.block.last ? `${d.paint.primary("|")} ` : "  ";
}

/** The cells of a line that are shown, where it is longer than the room. */
interface View {
  readonly text: string;
  readonly from: number;
  readonly to: number;
}

function windowOf(content: ShownLine, marks: readonly LineMark[], room: number): View {
  const total = content.cells[content.cells.length - 1]!;
  if (total <= room) return { text: content.text, from: 0, to: Math.max(total, 1) + 1 };
  const focus = marks.find((m) => m.primary) ?? marks[0];
  const start = focus ? cellAt(content, focus.from) : 0;
  const end = focus ? cellAt(content, focus.to) : 0;
  const lead = Math.max(8, Math.floor((room - Math.min(end - start, room)) / 2));
  const from =
    start + Math.min(end - start, room) + lead <= room ? 0 : Math.max(0, Math.min(start - lead, total - room));
  const to = Math.min(total, from + room);
  const left = from > 0 ? "..." : "";
  const right = to < total ? "..." : "";
  const text = left + slice(content.text, from + left.length, to - right.length) + right;
  return { text, from, to };
}

const cellAt = (content: ShownLine, unit: number): number => content.cells[Math.min(unit, content.cells.length - 1)]!;

/** The rows under a line: all marks, the rightmost label beside its mark, the others below, from right to left. */
function markRows(content: ShownLine, marks: readonly LineMark[], view: View, paint: Paint): string[] {
  if (marks.length === 0) return [];
  const placed = marks.map((m) => {
    const from = clamp(cellAt(content, m.from), view.from, view.to - 1) - view.from;
    const to = clamp(cellAt(content, m.to), view.from, view.to) - view.from;
    return { ...m, from, to: Math.max(to, from + 1) };
  });
  const cells: { sign: string; primary: boolean }[] = [];
  for (const m of [...placed].sort((a, b) => Number(a.primary) - Number(b.primary))) {
    for (let c = m.from; c < m.to; c++) cells[c] = { sign: m.primary ? "^" : "-", primary: m.primary };
  }
  const colour = (primary: boolean): ((text: string) => string) => (primary ? paint.primary : paint.secondary);
  const row = Array.from(cells, (c) => (c ? colour(c.primary)(c.sign) : " ")).join("");
  const labelled = placed.filter((m) => m.label !== "");
  const right = Math.max(...placed.map((m) => m.to));
  const beside = labelled.findLast((m) => m.to === right);
  const rows = [row + (beside ? ` ${colour(beside.primary)(beside.label)}` : "")];
  const below = labelled.filter((m) => m !== beside);
  for (let k = below.length - 1; k >= 0; k--) {
    const stems = below.slice(0, k).filter((m) => m.from < below[k]!.from);
    let text = "";
    let at = 0;
    for (const m of stems) {
      if (m.from < at) continue;
      text += " ".repeat(m.from - at) + colour(m.primary)("|");
      at = m.from + 1;
    }
    const own = below[k]!;
    rows.push(text + " ".repeat(Math.max(0, own.from - at)) + colour(own.primary)(own.label));
  }
  return rows;
}

const clamp = (value: number, low: number, high: number): number => Math.min(Math.max(value, low), high);
