/** @file The parser's errors in the language's words: what was found, what would have gone on, and what was likely meant. */
import type { IToken, Place, Unexpected } from "../../grammar/index.ts";
import type { Extras } from "../diagnostics/diagnostic.ts";
import { nearest } from "../diagnostics/suggest.ts";
import type { Span } from "../source/source.ts";
import type { Context } from "./context.ts";
import { clip } from "./report.ts";

/** What a token type is called in a message. */
const calls: Readonly<Record<string, string>> = {
  Name: "a name",
  Text: "a text in quotes",
  NumberWord: "a number",
  Equal: "`=`",
  Colon: "`:`",
  Comma: "`,`",
  Dot: "`.`",
  FatArrow: "`=>`",
  Arrow: "`->`",
  LParen: "`(`",
  LBracket: "`[`",
  LBrace: "`{`",
  SlotOpen: "`<`",
  InOperator: "`in`",
  For: "`for`",
  Then: "`then`",
  Else: "`else`",
  Question: "`?`",
  From: "`from`",
  As: "`as`",
  Over: "`over`",
  Star: "`*`",
  RParen: "`,` or `)`",
  RBracket: "`,` or `]`",
  SlotClose: "`,` or `>`",
  RBrace: "`}`",
};

const words: Readonly<Record<string, readonly string[]>> = {
  declaration: ["use", "model", "objective", "block", "op", "checkpoint", "law", "rewrite"],
  statement: ["input", "param", "dim", "let", "output"],
  entry: ["require", "ignore", "prefix", "rename", "cache", "client", "task", "class"],
};

/** Words of other languages, and what does their work here. */
const elsewhere: Readonly<Record<string, string>> = {
  return: "output",
  yield: "output",
  import: "use",
  include: "use",
  require: "use",
  var: "let",
  const: "let",
  val: "let",
  def: "op",
  fn: "op",
  func: "op",
  fun: "op",
  function: "op",
  class: "block",
  module: "block",
  struct: "block",
  layer: "block",
  parameter: "param",
  weight: "param",
  elif: "else if",
  elseif: "else if",
};

type Located = Unexpected & Place;

export function reportUnexpected(context: Context, error: Located, tokens: readonly IToken[]): void {
  const f = misspelt(context, error);
  const span = context.at(f);
  const found = foundWords(context, f, span);
  const { reporter } = context;
  const hint = specialHint(context, f, span);
  const extras = (fallback: string | undefined, more: Extras = {}): Extras => ({ ...more, hint: hint ?? fallback });

  if (isReserved(f.found) && f.expected === "Name") {
    return reporter.report("syntax/reserved-word", { word: context.text(span) }, span, extras("choose another name"));
  }
  switch (placeOf(f)) {
    case "if": {
      const word = f.expected.toLowerCase();
      const start = openIf(context, tokens, f.start) ?? span;
      const related = [{ span, message: `\`${word}\` is expected before this` }];
      return reporter.report(
        "syntax/incomplete-if",
        { word, found },
        start,
        extras(
          word === "else"
            ? "an `if` has a value in any case: `if ... then ... else ...`; `else none` leaves it out"
            : "write `if condition then a else b`",
          f.found === "EOF" ? {} : { related },
        ),
      );
    }
    case "value": {
      const after = f.after ? clip(context.text(context.at(f.after))) : "";
      const place = f.after ? context.at(f.after) : span;
      return reporter.report(
        "syntax/missing-value",
        { after, found },
        place,
        extras(after === "" ? "put a value here" : `put a value behind \`${after}\`, or take it away`),
      );
    }
    case "statement": {
      return reporter.report("syntax/not-a-statement", { found }, span, statementExtras(context, f, span, hint));
    }
    case "entry":
      if (f.found === "Comma") return reporter.report("syntax/stray-comma", {}, span, commaExtras(span));
      return reporter.report(
        "syntax/not-an-entry",
        { found },
        span,
        extras(
          meantWord(context, span, "entry") ??
            'a line is `path = "tensor"`, `path from "prefix" { ... }` or `setting = config.key`',
        ),
      );
    case "declaration": {
      const word = context.text(span);
      if (statementTypes.has(f.found)) {
        return reporter.report(
          "syntax/statement-outside",
          { word },
          span,
          extras("put it between the braces of a `model`, `block` or `op`"),
        );
      }
      return reporter.report(
        "syntax/not-a-declaration",
        { found },
        span,
        extras(
          meantWord(context, span, "declaration") ?? `a file holds declarations: ${list(words["declaration"]!)}`,
          spellingFix(context, span, "declaration"),
        ),
      );
    }
    default:
      return reporter.report("syntax/unexpected", { expected: expectedWords(f), found }, span, extras(undefined));
  }
}

/** `modle m { ... }`: without a word that it knows, a text is one expression, and the parser stumbles behind the word. */
function misspelt(context: Context, f: Located): Located {
  if (f.rule !== "bare" || f.found !== "Name" || f.after === undefined) return f;
  const isFirst =
    context.file.text
      .slice(0, f.after.start)
      .replace(/\/\/.*/g, "")
      .trim() === "";
  const word = context.text(context.at(f.after));
  const known = words["declaration"]!;
  if (!isFirst || !(nearest(word, known) !== undefined || known.includes(elsewhere[word] ?? ""))) return f;
  return { kind: "unexpected", rule: "file", rules: ["file"], expected: "EOF", found: "Name", ...f.after };
}

/** The `if` before `offset` that still lacks a branch. */
function openIf(context: Context, tokens: readonly IToken[], offset: number): Span | undefined {
  let owed = 0;
  for (const t of tokens.filter((one) => one.startOffset < offset).reverse()) {
    if (t.tokenType.name === "Else") owed++;
    else if (t.tokenType.name === "If" && owed-- === 0) return context.ofToken(t);
  }
  return undefined;
}

function commaExtras(span: Span): Extras {
  return { hint: "lines of a map end by themselves", fixes: [{ title: "leave it out", span, replacement: "" }] };
}

const statementTypes = new Set(["Input", "Param", "Dim", "Let", "Output"]);
const reservedTypes = new Set([
  ...statementTypes,
  "Use",
  "Model",
  "Objective",
  "Block",
  "Op",
  "Checkpoint",
  "Law",
  "Rewrite",
  "If",
  "Then",
  "Else",
  "Match",
  "And",
  "Or",
  "Not",
  "True",
  "False",
  "None",
  "New",
  "For",
  "Given",
  "Extends",
  "Grows",
  "When",
  "Require",
  "Ignore",
  "Div",
]);
const isReserved = (type: string): boolean => reservedTypes.has(type);

type PlaceOfError = "if" | "value" | "statement" | "entry" | "declaration" | "other";

/** Which sort of mistake it is, by the rule of the grammar that could not go on. */
function placeOf(f: Unexpected): PlaceOfError {
  if (f.rule === "if" && (f.expected === "Then" || f.expected === "Else")) return "if";
  if (f.rules[0] === "bare" && statementTypes.has(f.found)) return "declaration";
  if (f.expected === "a value") return "value";
  if (f.rule === "statement" || (f.rule === "body" && f.expected === "RBrace")) return "statement";
  if (f.rule === "entry" || (f.rule === "map" && f.expected === "RBrace")) return "entry";
  if (f.rule === "declaration" || f.rule === "file") return "declaration";
  return "other";
}

function expectedWords(f: Unexpected): string {
  if (f.rule === "bare") return "an operator or the end of the expression";
  if (f.expected === "RBrace" && f.rule === "match") return "a pattern or `}`";
  if (f.expected === "RBrace" && (f.rule === "law" || f.rule === "rewrite")) return "`where` or `}`";
  if (f.expected === "RBrace" && f.rule === "set") return "`,` or `}`";
  if (f.expected === "RParen" && f.rule === "let") return "`,` or `)`";
  if (f.expected === "RBracket" && (f.rule === "pathStep" || f.rule === "list")) return "`]`";
  return calls[f.expected] ?? (f.expected === "" ? "something else" : f.expected);
}

function foundWords(context: Context, f: Unexpected, span: Span): string {
  const text = clip(context.text(span));
  switch (f.found) {
    case "EOF":
      return "the end of the text";
    case "NumberWord":
      return `the number ${text}`;
    case "Text":
    case "UnclosedText":
    case "OddText":
      return `the text ${text}`;
    default:
      return isReserved(f.found) ? `the word \`${text}\`` : /^\w/.test(text) ? `the name \`${text}\`` : `\`${text}\``;
  }
}

function statementExtras(context: Context, f: Unexpected, span: Span, special: string | undefined): Extras {
  if (special !== undefined) return { hint: special };
  const word = context.text(span);
  const meant = meantWord(context, span, "statement");
  if (meant) return { hint: meant, ...spellingFix(context, span, "statement") };
  const rest = context.file.text.slice(span.end);
  if (/^[A-Za-z_]/.test(word) && /^\s*=(?!=)/.test(rest)) {
    return {
      hint: `to name a value, write \`let ${word} = ...\``,
      fixes: [{ title: "insert `let`", span: context.span(span.start, span.start), replacement: "let " }],
    };
  }
  if (f.found === "Name" || f.found === "NumberWord" || f.found === "Text") {
    return {
      hint: `if it belongs to the value before it, an operator is missing; a statement begins with ${list(words["statement"]!)}`,
    };
  }
  return { hint: `a statement begins with ${list(words["statement"]!)}` };
}

/** What a hint can say by the words around, whatever the grammar expected. */
function specialHint(context: Context, f: Unexpected, span: Span): string | undefined {
  const { text } = context.file;
  const word = context.text(span);
  const rest = text.slice(span.end);
  if (f.after) {
    const between = text.slice(f.after.end, span.start);
    const divided = /\/\/\s*[\w(.]+\s*(?:else|then|and|or|,|\)|\]|\}|[-+*]|$)/m.exec(between);
    if (divided && !between.trimStart().includes("///")) {
      return "`//` begins a comment; to divide and round down, write `div`";
    }
  }
  if (f.found === "LBrace" && f.afterType === "Name") return "settings stand in `( )`; braces hold bodies and sets";
  const afterText = f.after ? context.text(context.at(f.after)) : "";
  if (word === "x" && /^\(/.test(rest)) return "a repeat takes its count in braces: `x{layers}`";
  if (f.rule === "outputHead" || (f.rule === "type" && f.rules.includes("outputHead"))) {
    return "after `output name:` comes a type; an output that begins with a label stands in `( )`";
  }
  if (f.rule === "let" && f.found === "Colon") return "a `let` has no type; it has that of its value";
  if (f.rule === "dim" && f.found === "Colon") return "a `dim` is a size: `dim half = width / 2`";
  if (f.rule === "tensor" && f.expected === "Colon") {
    return "an `input` or `param` states its type: `input x: [..., d]`";
  }
  if (f.rule === "meaning" && /\bgiven\b[^{}]*=[^{}]*$/.test(text.slice(0, span.start))) {
    return "after `given`, `=` is a default: give the meaning in braces, `{ output ... }`";
  }
  if (f.rule === "meaning" && f.found === "Extends") return "`extends` comes before `grows`";
  if (f.rule === "meaning" && f.found === "Colon") {
    return "a role comes after the slots and before `given`: `block f(...) < ... >: ffn given hidden`";
  }
  if (f.rule === "meaning" && f.found === "SlotOpen" && /\bgiven\b[^{}<>]*$/.test(text.slice(0, span.start))) {
    return "slots come before the role and `given`: `block f(...) < ... >: ffn given hidden`";
  }
  if (f.rule === "meaning" && f.found === "LParen" && f.rules.includes("block")) {
    return "a block has one list of settings; its inputs are statements";
  }
  if (f.found === "Equal" && (f.rule === "bare" || (f.rules.includes("expression") && !f.rules.includes("parens")))) {
    return "to compare, write `==`";
  }
  if (f.found === "FatArrow" && f.expected !== "FatArrow") {
    return "`=>` belongs to `match`, `rewrite` and `class`; a pipeline is written `->`";
  }
  if (f.found === "Arrow" && f.rule === "arm") return "an arm of a `match` is `pattern => value`";
  if (afterText === "->" && f.found === "Arrow") return "a stage is missing between the two `->`";
  if (f.found === "Semicolon") return "`;` ends a statement; here it is too early";
  return undefined;
}

/** The word of the language that a wrong one stands for, as a hint. */
function meantWord(context: Context, span: Span, kind: keyof typeof words & string): string | undefined {
  const word = context.text(span);
  if (!/^[A-Za-z_]+$/.test(word)) return undefined;
  const foreign = elsewhere[word];
  if (foreign !== undefined && (words[kind]!.includes(foreign) || foreign.startsWith("else")))
    return `\`${word}\` is \`${foreign}\` here`;
  const near = nearest(word, words[kind]!);
  return near ? `did you mean \`${near}\`?` : undefined;
}

function spellingFix(context: Context, span: Span, kind: keyof typeof words & string): Extras {
  const word = context.text(span);
  const near = words[kind]!.includes(elsewhere[word] ?? "") ? elsewhere[word] : nearest(word, words[kind]!);
  return near && /^[A-Za-z_]+$/.test(word) ? { fixes: [{ title: `write \`${near}\``, span, replacement: near }] } : {};
}

function list(items: readonly string[]): string {
  const quoted = items.map((w) => `\`${w}\``);
  return `${quoted.slice(0, -1).join(", ")} or ${quoted[quoted.length - 1]}`;
}
