/**
 * @file From what lexer, `classify` and parser found to diagnostics. A statement in which a bracket, a text or a number is
 * broken has one error; what the parser says of the same statement would only be its consequence.
 */
import type { Finding, IToken, Unexpected } from "../../grammar/index.ts";
import type { Fix } from "../diagnostics/diagnostic.ts";
import type { Context } from "./context.ts";
import { reportUnexpected } from "./expected.ts";

export function reportFindings(context: Context, findings: readonly Finding[], tokens: readonly IToken[]): void {
  if (findings.length === 0) return;
  const regions = new Regions(tokens);
  const broken = new Set<number>();
  for (const f of findings) {
    if (f.kind === "unexpected" || f.kind === "foreign-sign" || f.kind === "odd-quotes") continue;
    broken.add(regions.of(f.start));
    if (f.kind === "unclosed-bracket") broken.add(regions.of(Math.max(f.noticed.start - 1, f.start)));
  }
  const sorted = [...findings].sort((a, b) => a.start - b.start);
  for (const f of sorted) {
    if (f.kind !== "unexpected") {
      reportOne(context, f);
      continue;
    }
    const region = regions.of(f.after?.start ?? f.start);
    if (broken.has(region)) continue;
    broken.add(region);
    reportUnexpected(context, f, tokens);
  }
}

const boundaries = new Set([
  "Use",
  "Model",
  "Objective",
  "Block",
  "Op",
  "Checkpoint",
  "Law",
  "Rewrite",
  "Input",
  "Param",
  "Dim",
  "Let",
  "Output",
  "EntryName",
  "Require",
  "Ignore",
  "Semicolon",
]);

/** A text in stretches of one statement, declaration head or line of a map each. */
class Regions {
  private readonly starts: readonly number[];

  constructor(tokens: readonly IToken[]) {
    const isBoundary = (t: IToken, i: number): boolean =>
      boundaries.has(t.tokenType.name) && tokens[i - 1]?.tokenType.name !== "Colon";
    this.starts = tokens.filter(isBoundary).map((t) => t.startOffset);
  }

  of(offset: number): number {
    let low = 0;
    let high = this.starts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.starts[middle]! <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function reportOne(context: Context, f: Exclude<Finding, Unexpected>): void {
  const { reporter } = context;
  const span = context.at(f);
  const found = context.text(span);
  const replace = (title: string, replacement: string): readonly Fix[] => [{ title, span, replacement }];
  switch (f.kind) {
    case "unknown-character":
      return reporter.report("syntax/unknown-character", { character: named(found) }, span, {
        hint: found.startsWith("#") ? "comments begin with `//`" : "leave it out; a name outside stands in quotes",
      });
    case "block-comment":
      return reporter.report("syntax/block-comment", {}, span, {
        hint: "begin each of its lines with `//`",
        fixes: replace("make it a `//` comment", lineComment(found)),
      });
    case "unclosed-text":
      return reporter.report("syntax/unclosed-text", {}, span, { hint: 'a text ends on its line, with a `"`' });
    case "odd-quotes":
      return reporter.report("syntax/foreign-quotes", { text: clip(found) }, span, {
        hint: `write \`"${clip(found.slice(1, -1))}"\``,
        fixes: replace('use `"`', `"${found.slice(1, -1).replace(/[\\"]/g, "\\$&")}"`),
      });
    case "foreign-sign":
      return reporter.report("syntax/foreign-sign", { found, instead: f.instead }, span, {
        fixes: replace(`write \`${f.instead}\``, wordApart(context, f.start, f.end, f.instead)),
      });
    case "bad-number":
      return reporter.report("syntax/bad-number", { text: found, reason: reasonOf(found) }, span, {
        hint: f.instead ? `write \`${f.instead}\`` : numberHint(found),
        fixes: f.instead ? replace(`write \`${f.instead}\``, f.instead) : [],
      });
    case "reserved-word":
      return reporter.report("syntax/reserved-word", { word: found }, span, {
        hint: "choose another name",
      });
    case "bad-repeat":
      return reporter.report("syntax/repeat-count", { text: found }, span, {
        hint: f.instead
          ? `write \`${f.instead}\``
          : "a repeat counts whole layers: `x12`, or `x{layers}` for a setting",
        fixes: f.instead ? replace(`write \`${f.instead}\``, f.instead) : [],
      });
    case "stray-comma":
      return reporter.report("syntax/stray-comma", {}, span, {
        hint: "leave it out",
        fixes: replace("leave it out", ""),
      });
    case "unclosed-bracket":
      return reportUnclosed(context, f);
    case "stray-bracket":
      return reporter.report("syntax/stray-bracket", { bracket: found }, span, {
        hint: "leave it out, or look for the opening bracket that is missing before it",
        fixes: replace("leave it out", ""),
      });
    case "wrong-bracket":
      return reporter.report(
        "syntax/wrong-bracket",
        { open: context.text(context.at(f.opened)), found, close: f.instead },
        span,
        {
          related: [{ span: context.at(f.opened), message: "this is what it closes" }],
          hint: `write \`${f.instead}\``,
          fixes: replace(`write \`${f.instead}\``, f.instead),
        },
      );
    case "too-deep":
      return reporter.report("syntax/too-deep", { what: `more than ${f.limit} open brackets and \`if\`s` }, span, {
        hint: "give an inner part a name with `let`",
      });
  }
}

function reportUnclosed(context: Context, f: Extract<Finding, { kind: "unclosed-bracket" }>): void {
  const open = context.text(context.at(f));
  const atEnd = f.noticed.start >= context.file.text.trimEnd().length;
  const noticed = atEnd ? context.span(f.noticed.start, f.noticed.start) : context.at(f.noticed);
  const word = context.text(noticed).trim();
  const insert = context.span(f.insert, f.insert);
  context.reporter.report("syntax/unclosed-bracket", { open, close: f.close }, context.at(f), {
    related:
      atEnd || word === ""
        ? []
        : [{ span: noticed, message: `\`${clip(word)}\` cannot stand inside it, so \`${f.close}\` is missing before` }],
    hint: atEnd ? `the text ends before its \`${f.close}\`` : `put \`${f.close}\` where it ends`,
    fixes: [
      {
        title: `insert \`${f.close}\``,
        span: insert,
        replacement: f.close === "}" ? "\n}" : f.close === ">" ? " >" : f.close,
      },
    ],
  });
}

function named(character: string): string {
  const one = [...character];
  if (one.length > 1) return `\`${clip(character)}\``;
  const code = character.codePointAt(0) ?? 0;
  const visible = code > 32 && !(code >= 0x7f && code <= 0xa0) && !/\p{C}|\p{Z}/u.test(character);
  const number = `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
  return visible ? (code < 128 ? `\`${character}\`` : `\`${character}\` (${number})`) : `the character ${number}`;
}

function reasonOf(text: string): string {
  if (text.startsWith(".")) return "has no digit before the point";
  if (/^[0-9_]+\.$/.test(text)) return "has no digit after the point";
  if (/^[0-9_]+\..*\./.test(text) || /\.[0-9_]+\.$/.test(text)) return "has two points";
  return "runs into a name";
}

function numberHint(text: string): string {
  const [, digits, unit] = /^([0-9_.]+)([kKmMbB])$/.exec(text) ?? [];
  if (digits && unit) {
    const zeros = unit.toLowerCase() === "k" ? "_000" : unit.toLowerCase() === "m" ? "_000_000" : "_000_000_000";
    return digits.includes(".") ? "write all its digits" : `write \`${digits}${zeros}\``;
  }
  const [, count] = /^([0-9_]+)x$/.exec(text) ?? [];
  if (count) return `a repeat is written after its block: \`x${count}\``;
  return "put a space or an operator between the number and the name";
}

function lineComment(text: string): string {
  const inner = text.replace(/^\/\*+/, "").replace(/\*+\/$/, "");
  return (
    inner
      .trim()
      .split(/\r?\n/)
      .map((line) => `// ${line.trim().replace(/^\* ?/, "")}`.trimEnd())
      .join("\n") + "\n"
  );
}

/** A word in the place of a sign needs spaces around it. */
function wordApart(context: Context, start: number, end: number, instead: string): string {
  if (!/^\w/.test(instead)) return instead;
  const { text } = context.file;
  return (/\w/.test(text[start - 1] ?? " ") ? " " : "") + instead + (/\w/.test(text[end] ?? " ") ? " " : "");
}

export function clip(text: string): string {
  return text.length <= 40 ? text : `${text.slice(0, 37)}...`;
}
