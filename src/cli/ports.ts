/** @file The inputs and outputs of an artifact as text; those that differ in a number only are one line. */
import type { Port } from "../backends/backend.ts";

interface Group {
  readonly parts: readonly string[];
  readonly numbers: number[];
  readonly type: string;
}

/** Rows of a table: `inputs`, the name, the type. `past_key_values.{0..31}.key` stands for 32 of them. */
export function portRows(label: string, ports: readonly Port[]): string[][] {
  const groups: Group[] = [];
  for (const port of ports) {
    const type = `${port.dtype}[${port.dims.join(", ")}]`;
    const match = /^(.*?)(\d+)(.*)$/.exec(port.name);
    const parts = match ? [match[1]!, match[3]!] : [port.name];
    const known =
      match &&
      groups.find(
        (g) =>
          g.type === type &&
          g.parts.length === 2 &&
          g.parts[0] === parts[0] &&
          g.parts[1] === parts[1] &&
          g.numbers.at(-1)! + 1 === Number(match[2]),
      );
    if (known) known.numbers.push(Number(match[2]));
    else groups.push({ parts, numbers: match ? [Number(match[2])] : [], type });
  }
  return groups.map((g, i) => [i === 0 ? label : "", g.parts.join(span(g.numbers)), g.type]);
}

function span(numbers: readonly number[]): string {
  return numbers.length > 1 ? `{${numbers[0]}..${numbers.at(-1)}}` : String(numbers[0] ?? "");
}
