/** @file The text of `grammar.ebnf`: the parser's rules, generated. A test compares the two. The README has them shorter, in prose. */
import { TfmParser } from "./parser.ts";
import * as T from "./tokens.ts";
import type { TokenType } from "./tokens.ts";

/** A rule's right side, as chevrotain records it. */
interface Production {
  readonly definition?: readonly Production[];
  readonly nonTerminalName?: string;
  readonly terminalType?: TokenType;
  readonly separator?: TokenType;
}

/** What `classify` gives out has no text of its own. */
const MADE: ReadonlyMap<TokenType, string> = new Map([
  [T.SlotOpen, "⟨"],
  [T.SlotClose, "⟩"],
  [T.InOperator, "IN"],
  [T.RepeatN, "xN"],
  [T.RepeatX, "x"],
  [T.EntryName, "ENTRY"],
  [T.Name, "NAME"],
  [T.Text, "TEXT"],
  [T.NumberWord, "NUMBER"],
]);

const infix = (): string =>
  T.vocabulary
    .filter((t) => (t.CATEGORIES ?? []).includes(T.Infix))
    .map(terminal)
    .join(" | ");

function terminal(type: TokenType): string {
  const made = MADE.get(type);
  if (made !== undefined) return made;
  if (type === T.Infix) return "infix";
  const { PATTERN } = type;
  return `"${typeof PATTERN === "string" ? PATTERN : (PATTERN as RegExp).source}"`;
}

/** `loose` inside of a sequence: a choice there needs parentheses. */
function write(p: Production, loose: boolean): string {
  const parts = p.definition ?? [];
  const sequence = (): string => parts.map((d) => write(d, parts.length > 1)).join(" ");
  switch (p.constructor.name) {
    case "Terminal":
      return terminal(p.terminalType!);
    case "NonTerminal":
      return p.nonTerminalName!;
    case "Option":
      return `[ ${sequence()} ]`;
    case "Repetition":
      return `{ ${sequence()} }`;
    case "RepetitionMandatory":
      return `${group(sequence(), parts.length)} { ${sequence()} }`;
    case "RepetitionWithSeparator":
      return `[ ${separated(p, sequence())} ]`;
    case "RepetitionMandatoryWithSeparator":
      return separated(p, sequence());
    case "Alternation": {
      const choice = parts.map((d) => write(d, false)).join(" | ");
      return loose && parts.length > 1 ? `( ${choice} )` : choice;
    }
    default:
      return sequence();
  }
}

const group = (text: string, parts: number): string => (parts > 1 ? `( ${text} )` : text);
const separated = (p: Production, text: string): string => `${text} { ${terminal(p.separator!)} ${text} }`;

export function ebnf(): string {
  const rules = Object.values(new TfmParser().getGAstProductions()) as unknown as (Production & { name: string })[];
  const lines = rules.map((rule) => `${rule.name} = ${write(rule, false)} ;`);
  return `(* Generated from the parser's rules: UPDATE=1 npx vitest run --config tests/vitest.config.ts tests/lsp/grammar-files.test.ts
   ⟨ and ⟩ are < and > where they hold slots, IN is the operator in, xN a repeat such as x12, ENTRY a name that begins a
   line of a map: classify.ts tells them apart. Commas in lists may be missing here; that is reported afterwards. *)

${lines.join("\n\n")}

infix = ${infix()} ;
`;
}
