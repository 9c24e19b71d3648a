/** @file An expression of the syntax tree on one line, with every grouping visible, for tests. */
import type { Arg, Expr } from "../../src/syntax/ast.ts";

export function showExpr(e: Expr | undefined): string {
  if (e === undefined) return "_";
  switch (e.kind) {
    case "Name":
      return e.name;
    case "Number":
    case "Bool":
      return String(e.value);
    case "Text":
      return JSON.stringify(e.value);
    case "None":
      return "none";
    case "Invalid":
      return "HOLE";
    case "Unary":
      return `(${e.op} ${showExpr(e.operand)})`;
    case "Binary":
      return `(${showExpr(e.left)} ${e.op} ${showExpr(e.right)})`;
    case "Pipe":
      return `(${showExpr(e.input)} -> ${showExpr(e.stage)})`;
    case "Range":
      return `(${showExpr(e.from)} .. ${showExpr(e.to)})`;
    case "Label":
      return `${e.label.name}:${showExpr(e.body)}`;
    case "New":
      return `new ${showExpr(e.body)}`;
    case "Member":
      return `${showExpr(e.object)}.${e.set ? `{${e.names.map((n) => n.name).join()}}` : e.names[0]!.name}`;
    case "Call":
      return `${showExpr(e.callee)}(${showArgs(e.args, e.rest)})`;
    case "Index":
      return `${showExpr(e.object)}[${showArgs(e.items, e.rest)}]`;
    case "Fill":
      return `${showExpr(e.callee)}<${showArgs(e.fillers, e.rest)}>`;
    case "Repeat":
      return `${showExpr(e.body)} x{${showExpr(e.count)}}`;
    case "Paren":
      return `P(${showArgs(e.items)})`;
    case "List":
      return `[${e.items.map(showExpr).join(",")}]`;
    case "For": {
      const to = e.binding.to ? `..${showExpr(e.binding.to)}` : "";
      return `[for ${e.binding.name.name} in ${showExpr(e.binding.from)}${to}: ${showExpr(e.body)}]`;
    }
    case "Set":
      return `{${e.items.map(showExpr).join(",")}}`;
    case "If":
      return `if ${showExpr(e.condition)} then ${showExpr(e.then)} else ${showExpr(e.else)} fi`;
    case "Match": {
      const arms = e.arms.map((a) => `${a.patterns.map(showExpr).join("|")}=>${showExpr(a.value)}`);
      return `match ${showExpr(e.subject)} {${arms.join(",")}}`;
    }
  }
}

function showArgs(args: readonly Arg[], rest?: unknown): string {
  const shown = args.map((a) => (a.name ? `${a.name.name}=` : "") + showExpr(a.value));
  return [...shown, ...(rest ? ["..."] : [])].join(",");
}
