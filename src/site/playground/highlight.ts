/** @file Colours for the editor, from the grammar that other editors use: its patterns, in their order, at each place of a line. */
import { HighlightStyle, StreamLanguage, syntaxHighlighting } from "@codemirror/language";
import { tags } from "@lezer/highlight";
import grammar from "../../../grammar/tfm.tmLanguage.json";

interface Pattern {
  readonly name?: string;
  readonly match?: string;
  readonly begin?: string;
  readonly captures?: Readonly<Record<string, { readonly name: string }>>;
}

const NAMES: readonly (readonly [RegExp, string])[] = [
  [/^comment\.line\.documentation/, "docComment"],
  [/^comment/, "comment"],
  [/^string/, "string"],
  [/^constant\.numeric/, "number"],
  [/^constant/, "atom"],
  [/^(storage|keyword\.(control|other))/, "keyword"],
  [/^keyword\.operator/, "operator"],
  [/^entity\.name\.type/, "typeName"],
  [/^entity\.name\.function/, "variableName.function"],
  [/^(entity\.name\.label|variable\.parameter)/, "labelName"],
  [/^variable\.other\.property/, "propertyName"],
];

const styleOf = (scope: string | undefined): string | null => NAMES.find(([re]) => re.test(scope ?? ""))?.[1] ?? null;

const patterns = (grammar.repository.all.patterns as readonly Pattern[]).map((p) => ({
  name: p.name,
  captures: p.captures ?? {},
  re: new RegExp(p.match ?? '"(?:\\\\.|[^"\\\\])*"?', "dy"),
}));

interface State {
  /** Pieces of this line that are still to come, with their style. */
  pending: { end: number; style: string | null }[];
}

const language = StreamLanguage.define<State>({
  startState: () => ({ pending: [] }),
  token(stream, state) {
    if (stream.sol()) state.pending = [];
    const next = state.pending.shift();
    if (next) {
      stream.pos = next.end;
      return next.style;
    }
    if (stream.eatSpace()) return null;
    for (const { re, name, captures } of patterns) {
      re.lastIndex = stream.pos;
      const found = re.exec(stream.string) as (RegExpExecArray & { indices: [number, number][] }) | null;
      if (!found || found[0] === "") continue;
      const end = stream.pos + found[0].length;
      let at = stream.pos;
      const pieces: State["pending"] = [];
      for (const [group, { name: scope }] of Object.entries(captures)) {
        const range = found.indices[Number(group)];
        if (!range) continue;
        if (range[0] > at) pieces.push({ end: range[0], style: styleOf(name) });
        pieces.push({ end: range[1], style: styleOf(scope) });
        at = range[1];
      }
      if (at < end) pieces.push({ end, style: styleOf(name) });
      const [first, ...rest] = pieces;
      stream.pos = first!.end;
      state.pending = rest;
      return first!.style;
    }
    stream.next();
    return null;
  },
});

const style = HighlightStyle.define([
  { tag: tags.comment, color: "var(--tfm-comment)" },
  { tag: tags.docComment, color: "var(--tfm-comment)", fontStyle: "italic" },
  { tag: tags.string, color: "var(--tfm-string)" },
  { tag: [tags.number, tags.atom], color: "var(--tfm-number)" },
  { tag: tags.keyword, color: "var(--tfm-keyword)" },
  { tag: tags.operator, color: "var(--tfm-keyword)" },
  { tag: [tags.typeName, tags.function(tags.variableName)], color: "var(--tfm-name)" },
  { tag: tags.labelName, color: "var(--tfm-label)" },
]);

export const tfmLanguage = [language, syntaxHighlighting(style)];
