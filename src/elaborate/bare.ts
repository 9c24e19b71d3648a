/** @file Programs without declarations: a stack of blocks. */
import { Size } from "../ir/size.ts";
import type { Axis, Dtype } from "../ir/type.ts";
import type * as ast from "../syntax/ast.ts";
import { applyStage } from "./apply.ts";
import type { Elaborator } from "./elaborator.ts";
import { evaluate } from "./expressions.ts";
import type { Frame } from "./frame.ts";
import { show, type ModelResult, type OutsideSettings } from "./models.ts";
import type { Module } from "./program.ts";
import { describe, NONE, tensor, type V } from "./values.ts";

/** A bare stack: it takes what its first block takes, `batch` for `...`. */
export function elaborateBare(
  e: Elaborator,
  stack: ast.Expr,
  module: Module,
  outside: OutsideSettings,
): ModelResult | undefined {
  const frame = e.frame("program", "the program", module, undefined, undefined, undefined, []);
  for (const [name, o] of outside) {
    frame.offer(name);
    frame.set(name, {
      lazy: () => {
        const v = o.value(undefined);
        const n = v.kind === "number" ? v.value : undefined;
        return n !== undefined && Number.isInteger(n) && n > 0
          ? { kind: "dim", axis: { name, size: Size.of(n), origin: o.span } }
          : v;
      },
    });
  }
  const pattern = firstInput(e, stack, frame, module);
  if (!pattern) return undefined;
  const axes: Axis[] = [];
  for (const item of pattern.axes ?? []) {
    if (item.kind === "Rest") {
      if (!axes.some((a) => a.name === "batch"))
        axes.push({ name: "batch", size: Size.symbol("batch"), origin: item.span });
    } else if (item.kind === "Axis") {
      const own = frame.lookup(item.name.name);
      axes.push(
        own?.kind === "dim" ? own.axis : { name: item.name.name, size: Size.symbol(item.name.name), origin: item.span },
      );
    }
  }
  const dtype = (pattern.base?.name ?? "float") as Dtype;
  const x = e.builder.input("x", { dtype, axes }, "x", stack.span);
  const run = (s: ast.Expr): V =>
    s.kind === "Pipe"
      ? applyStage(e, s.stage, run(s.input), frame, s.span)
      : applyStage(e, s, tensor(x), frame, s.span);
  const v = run(stack);
  if (v.kind === "invalid") return undefined;
  const value = e.asTensor(v, stack.span);
  if (!value) {
    e.fail("model/output-kind", { name: "the program", found: describe(v) }, stack.span);
    return undefined;
  }
  e.builder.output("output", value, "output");
  return {
    frame,
    settings: [...outside.keys()].map((name) => ({ name, text: show(e, frame.lookup(name) ?? NONE) })),
    inputDefaults: new Map(),
  };
}

/** The type of the first input of the first block of a stack. */
function firstInput(e: Elaborator, x: ast.Expr, frame: Frame, module: Module): ast.TypeExpr | undefined {
  switch (x.kind) {
    case "Pipe":
      return firstInput(e, x.input, frame, module);
    case "Label":
    case "Repeat":
    case "New":
      return firstInput(e, x.body, frame, module);
    case "Call":
    case "Fill":
      return firstInput(e, x.callee, frame, module);
    case "Paren":
      return x.items[0] ? firstInput(e, x.items[0].value, frame, module) : undefined;
    case "Invalid":
      return undefined;
    case "Name": {
      const found = e.program.find(module, x.name);
      if (found?.decl.kind === "Block") {
        if (found.decl.meaning.kind === "Alias") return firstInput(e, found.decl.meaning.value, frame, found.module);
        return found.decl.meaning.statements.find((s) => s.kind === "Input")?.type;
      }
      if (found?.decl.kind === "Op") {
        const type = found.decl.operands.items[0]?.type;
        return type?.axes
          ? type
          : {
              span: x.span,
              optional: false,
              alternatives: [],
              axes: [
                { kind: "Rest", span: x.span },
                { kind: "Axis", span: x.span, name: { name: "hidden", span: x.span } },
              ],
            };
      }
      evaluate(e, x, frame);
      if (found) return undefined;
      if (e.reporter.hasErrors) return undefined;
    }
  }
  e.fail("model/bare", {}, x.span, {
    hint: "a program without declarations is a stack of blocks: `decoder x2 < mha, rmsnorm, mlp(gelu) >`",
  });
  return undefined;
}
