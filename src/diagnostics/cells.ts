/** @file How wide text is in a terminal: cells, not characters. */

/** One line as it is shown: tabs as spaces, control characters replaced, and the cell at which each offset begins. */
export interface ShownLine {
  readonly text: string;
  /** `cells[i]` is the cell of the i-th UTF-16 unit of the line; one more for its end. */
  readonly cells: readonly number[];
}

const tab = 4;

export function shown(line: string): ShownLine {
  if (/^[ -~]*$/.test(line)) return { text: line, cells: Array.from({ length: line.length + 1 }, (_, i) => i) };
  const cells: number[] = [];
  let text = "";
  let cell = 0;
  for (const character of line) {
    for (let unit = 0; unit < character.length; unit++) cells.push(cell);
    if (character === "\t") {
      const width = tab - (cell % tab);
      text += " ".repeat(width);
      cell += width;
    } else {
      const isControl = /\p{Cc}|[\u202a-\u202e\u2066-\u2069\ufeff]/u.test(character);
      text += isControl ? "\ufffd" : character;
      cell += isControl ? 1 : widthOf(character.codePointAt(0)!);
    }
  }
  cells.push(cell);
  return { text, cells };
}

/** The part of a shown line in the cells `[from, to)`. */
export function slice(text: string, from: number, to: number): string {
  let cell = 0;
  let out = "";
  for (const character of text) {
    const width = widthOf(character.codePointAt(0)!);
    if (cell >= from && cell + width <= to) out += character;
    cell += width;
    if (cell >= to) break;
  }
  return out;
}

/** Cells of a character: none for combining ones, two for East Asian wide ones and emoji, else one. */
export function widthOf(code: number): number {
  if (code < 0x300) return 1;
  const character = String.fromCodePoint(code);
  if (/\p{Mn}|\p{Me}|[\u200b-\u200f\u2060\ufe00-\ufe0f]/u.test(character)) return 0;
  return wide.some(([low, high]) => code >= low && code <= high) || /\p{Emoji_Presentation}/u.test(character) ? 2 : 1;
}

/** The main ranges of Unicode's East Asian Width `W` and `F` (UAX 11). */
const wide: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0x33ff],
  [0x3400, 0x4dbf],
  [0x4e00, 0x9fff],
  [0xa000, 0xa4cf],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe4f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x1f300, 0x1f64f],
  [0x1f900, 0x1f9ff],
  [0x20000, 0x3fffd],
];
