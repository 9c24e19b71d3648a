/**
 * @file The syntax tree. Plain data, one `kind` per node, a span on every node; parentheses are kept (`Paren`), comments are
 * not (the formatter reads them from the tokens). A hole left by error recovery is an `Invalid` expression: later phases
 * stay silent about it, since its error has been reported.
 */
import type { Span } from "../source/source.ts";

interface Spanned {
  readonly span: Span;
}

/** A name with its place. */
export interface Ident extends Spanned {
  readonly name: string;
}

// ── Files and declarations ────────────────────────────────────────────────────────────────────────────────────────────

export interface File {
  readonly kind: "File";
  readonly span: Span;
  readonly decls: readonly Decl[];
  /** A text that holds an expression and no declaration: a bare stack. */
  readonly bare?: Expr;
}

export type Decl = Use | Model | Block | Op | Checkpoint | Law | Rewrite;

interface Declared extends Spanned {
  /** The text of the `///` lines before it, without the slashes; "" where there are none. */
  readonly doc: string;
}

/** `use "./blocks.tfm"` or `use std.attention`. */
export interface Use extends Declared {
  readonly kind: "Use";
  readonly path?: string;
  readonly names?: readonly Ident[];
}

export interface Model extends Declared {
  readonly kind: "Model";
  /** `objective next_token for gpt_lm { ... }`: what training that model (the base) makes small. */
  readonly objective?: true;
  readonly name: Ident;
  readonly params: Params;
  readonly base?: Ident;
  /** `extends bert over choices` */
  readonly over?: Ident;
  readonly grows?: Ident;
  readonly meaning: Meaning;
}

export interface Block extends Declared {
  readonly kind: "Block";
  readonly name: Ident;
  readonly params: Params;
  readonly slots: Slots;
  readonly role?: Ident;
  readonly given: readonly Param[];
  readonly meaning: Meaning;
}

/** One list: its operands. Two lists: settings, then operands. */
export interface Op extends Declared {
  readonly kind: "Op";
  readonly name: Ident;
  readonly settings?: Params;
  readonly operands: Params;
  readonly given: readonly Param[];
  readonly meaning: Meaning;
}

export interface Checkpoint extends Declared {
  readonly kind: "Checkpoint";
  readonly model: Ident;
  readonly when?: Expr;
  readonly entries: readonly Entry[];
}

export interface Law extends Declared {
  readonly kind: "Law";
  readonly title: Text;
  readonly operands: Params;
  readonly bindings: readonly Binding[];
  readonly body: Expr;
  readonly wheres: readonly Where[];
}

export interface Rewrite extends Declared {
  readonly kind: "Rewrite";
  readonly title: Text;
  readonly operands: Params;
  readonly when?: Expr;
  readonly left: Expr;
  readonly right: Expr;
  readonly wheres: readonly Where[];
}

export interface Where extends Spanned {
  readonly path: Path;
  readonly value: Expr;
}

export interface Params {
  readonly items: readonly Param[];
  /** The span of `...`, where the list ends in it. */
  readonly rest?: Span;
}

export interface Param extends Spanned {
  readonly name: Ident;
  readonly type?: TypeExpr;
  readonly default?: Expr;
}

export interface Slots {
  readonly items: readonly Slot[];
  readonly rest?: Span;
}

export interface Slot extends Spanned {
  readonly name: Ident;
  readonly optional: boolean;
  readonly role?: Ident;
  readonly default?: Expr;
}

export type Meaning =
  | { readonly kind: "Alias"; readonly value: Expr }
  | { readonly kind: "Body"; readonly statements: readonly Statement[]; readonly span: Span };

// ── Types ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** `int[batch, seq]`, `[..., d]`, `dim`, `op?`, `pre | post | branch`. */
export interface TypeExpr extends Spanned {
  /** `int`, `float`, `bool`, `text`, `list`, `dim`, `dims`, `op`, `block`, or the first word of a choice; absent for axes alone. */
  readonly base?: Ident;
  readonly axes?: readonly AxisPattern[];
  readonly optional: boolean;
  /** The words after the first of a choice. */
  readonly alternatives: readonly Ident[];
}

export type AxisPattern =
  | { readonly kind: "Rest"; readonly span: Span }
  /** `name`, or `name as "name outside"`. */
  | { readonly kind: "Axis"; readonly span: Span; readonly name: Ident; readonly outside?: Text }
  /** `name = expr`. */
  | { readonly kind: "Sized"; readonly span: Span; readonly name: Ident; readonly size: Expr }
  | { readonly kind: "Size"; readonly span: Span; readonly size: Expr };

// ── Statements ────────────────────────────────────────────────────────────────────────────────────────────────────────

export type Statement = Input | ParamDecl | Dim | Let | Output;

export interface Input extends Declared {
  readonly kind: "Input";
  readonly name: Ident;
  readonly outside?: Text;
  /** `as "decoder_input_ids" | "input_ids"`: its name in the graph of a step, where that is a graph of its own. */
  readonly outsideStep?: Text;
  readonly type: TypeExpr;
  readonly default?: Expr;
}

export interface ParamDecl extends Declared {
  readonly kind: "Param";
  readonly name: Ident;
  readonly outside?: Text;
  readonly type: TypeExpr;
  readonly initial?: Expr;
}

export interface Dim extends Spanned {
  readonly kind: "Dim";
  readonly name: Ident;
  readonly size: Expr;
}

export interface Let extends Spanned {
  readonly kind: "Let";
  /** One name, or several for a tuple; `_` takes what nobody wants. */
  readonly names: readonly Ident[];
  readonly value: Expr;
}

export interface Output extends Declared {
  readonly kind: "Output";
  readonly name?: Ident;
  readonly outside?: Text;
  readonly type?: TypeExpr;
  readonly value: Expr;
}

// ── Checkpoint maps ───────────────────────────────────────────────────────────────────────────────────────────────────

export type Entry =
  | (Spanned & { readonly kind: "Require"; readonly condition: Expr })
  | (Spanned & { readonly kind: "Ignore"; readonly patterns: readonly Text[] })
  | (Spanned & { readonly kind: "Prefix"; readonly optional: boolean; readonly prefix: Text })
  | (Spanned & { readonly kind: "Rename"; readonly from: Text; readonly to: Text })
  | (Spanned & { readonly kind: "Cache"; readonly path: Path; readonly name: Text })
  /** The nearest type that a client knows. */
  | (Spanned & { readonly kind: "Client"; readonly name: Text; readonly type: Text })
  /** How texts become the rows of one input: templates with `{text}`, `{pair}` and tokens in braces. */
  | (Spanned & { readonly kind: "Task"; readonly name: Text; readonly rows: readonly Text[] })
  | (Spanned & {
      readonly kind: "Class";
      readonly classes: readonly Text[];
      readonly model: Ident;
      readonly entries: readonly Entry[];
    })
  | (Spanned & { readonly kind: "Assign"; readonly path: Path; readonly value: Expr })
  | (Spanned & {
      readonly kind: "From";
      readonly path: Path;
      readonly prefix: Text;
      readonly entries: readonly Entry[];
    });

export interface Path extends Spanned {
  readonly parts: readonly PathPart[];
}

export type PathPart =
  | (Spanned & { readonly kind: "Name"; readonly name: string })
  | (Spanned & { readonly kind: "Star" })
  | (Spanned & { readonly kind: "Set"; readonly names: readonly Ident[] })
  | (Spanned & { readonly kind: "Index"; readonly index: Expr });

// ── Expressions ───────────────────────────────────────────────────────────────────────────────────────────────────────

export type Expr =
  | Name
  | NumberLit
  | Text
  | Bool
  | None
  | Invalid
  | Unary
  | Binary
  | Pipe
  | Range
  | Label
  | New
  | Member
  | Call
  | Index
  | Fill
  | Repeat
  | Paren
  | List
  | For
  | SetLit
  | If
  | Match;

export interface Name extends Spanned {
  readonly kind: "Name";
  readonly name: string;
}
export interface NumberLit extends Spanned {
  readonly kind: "Number";
  readonly value: number;
  readonly integer: boolean;
}
export interface Text extends Spanned {
  readonly kind: "Text";
  readonly value: string;
}
export interface Bool extends Spanned {
  readonly kind: "Bool";
  readonly value: boolean;
}
export interface None extends Spanned {
  readonly kind: "None";
}
/** A hole left by error recovery. */
export interface Invalid extends Spanned {
  readonly kind: "Invalid";
}

export interface Unary extends Spanned {
  readonly kind: "Unary";
  readonly op: "-" | "not";
  readonly operand: Expr;
}

export type BinaryOp =
  | "or"
  | "and"
  | "=="
  | "!="
  | "<"
  | "<="
  | ">"
  | ">="
  | "in"
  | "??"
  | "+"
  | "-"
  | "++"
  | "*"
  | "/"
  | "div"
  | "%"
  | "^"
  | "|";
export interface Binary extends Spanned {
  readonly kind: "Binary";
  readonly op: BinaryOp;
  readonly opSpan: Span;
  readonly left: Expr;
  readonly right: Expr;
}

/** `input -> stage`. */
export interface Pipe extends Spanned {
  readonly kind: "Pipe";
  readonly input: Expr;
  readonly stage: Expr;
}
/** `a..b`, `..b`, `a..`. */
export interface Range extends Spanned {
  readonly kind: "Range";
  readonly from?: Expr;
  readonly to?: Expr;
}
/** `name: stage`. */
export interface Label extends Spanned {
  readonly kind: "Label";
  readonly label: Ident;
  readonly body: Expr;
}
export interface New extends Spanned {
  readonly kind: "New";
  readonly body: Expr;
}
/** `x.name` (one name), `x.{a, b}` (several, in laws and maps). */
export interface Member extends Spanned {
  readonly kind: "Member";
  readonly object: Expr;
  readonly names: readonly Ident[];
  readonly set: boolean;
}
export interface Call extends Spanned {
  readonly kind: "Call";
  readonly callee: Expr;
  readonly args: readonly Arg[];
  readonly rest?: Span;
}
/** `x[...]`: axes, or an index of a list. */
export interface Index extends Spanned {
  readonly kind: "Index";
  readonly object: Expr;
  readonly items: readonly Arg[];
  readonly rest?: Span;
}
/** `block < fillers >`. */
export interface Fill extends Spanned {
  readonly kind: "Fill";
  readonly callee: Expr;
  readonly fillers: readonly Arg[];
  readonly rest?: Span;
}
/** `block x32`, `block x{layers}`. */
export interface Repeat extends Spanned {
  readonly kind: "Repeat";
  readonly body: Expr;
  readonly count: Expr;
}
/** `( )` around one thing or several; several are a tuple. Items may be named inside brackets: `(pair = 2, half)`. */
export interface Paren extends Spanned {
  readonly kind: "Paren";
  readonly items: readonly Arg[];
}
export interface List extends Spanned {
  readonly kind: "List";
  readonly items: readonly Expr[];
}
/** `[for t in xs: body]`. */
export interface For extends Spanned {
  readonly kind: "For";
  readonly binding: Binding;
  readonly body: Expr;
}
/** `{q, k, v}` in maps and laws: read in step with the other side. */
export interface SetLit extends Spanned {
  readonly kind: "Set";
  readonly items: readonly Expr[];
}
export interface If extends Spanned {
  readonly kind: "If";
  readonly condition: Expr;
  readonly then: Expr;
  readonly else: Expr;
}
export interface Match extends Spanned {
  readonly kind: "Match";
  readonly subject: Expr;
  readonly arms: readonly Arm[];
}

export interface Arm extends Spanned {
  /** Names (`_` is any), numbers, texts, `true`, `false`, `none`; several joined with `|`. */
  readonly patterns: readonly (Name | NumberLit | Text | Bool | None)[];
  readonly value: Expr;
}

export interface Arg extends Spanned {
  readonly name?: Ident;
  readonly value: Expr;
}

/** `name in list`, `name in a..b`. */
export interface Binding extends Spanned {
  readonly name: Ident;
  readonly from: Expr;
  /** With it the binding runs over `from..to`, `to` left out. */
  readonly to?: Expr;
}
