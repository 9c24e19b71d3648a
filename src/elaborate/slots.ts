/** @file Slots: filled by name, else by role, else the one required slot left. */
import { nearest } from "../diagnostics/suggest.ts";
import type * as ast from "../syntax/ast.ts";
import type { Span } from "../source/source.ts";
import { roleOf } from "./blocks.ts";
import type { Elaborator } from "./elaborator.ts";
import { evaluate } from "./expressions.ts";
import type { Frame } from "./frame.ts";
import { describe, INVALID, NONE, type BlockV, type V } from "./values.ts";

interface Filler {
  readonly v: V;
  readonly role: string | undefined;
  readonly span: Span;
}

/** Puts every filler into its slot, as a name of the frame. */
export function fillSlots(e: Elaborator, block: BlockV, frame: Frame, span: Span, title: string): void {
  const slots = block.decl.slots.items;
  const filled = new Map<string, V>();
  const waiting: Filler[] = [];
  // After one mistake an empty slot is a consequence.
  let broken = false;
  for (const written of block.fillers)
    for (const arg of written.args) {
      const v = fillerValue(e, arg.value, written.frame);
      if (arg.name) broken = !byName(e, slots, filled, arg, v, title) || broken;
      else if (v.kind === "invalid") broken = true;
      else if (v.kind !== "none") waiting.push({ v, role: roleOf(e, v, block.module), span: arg.span });
    }
  const left: Filler[] = [];
  for (const f of waiting) {
    const name = (f.v.kind === "block" || f.v.kind === "repeat") && f.v.label;
    const byLabel = name && slots.find((s) => s.name.name === name && !filled.has(name));
    const fitting = slots.filter((s) => f.role !== undefined && (s.role?.name ?? s.name.name) === f.role);
    const free = fitting.filter((s) => !filled.has(s.name.name));
    if (byLabel) filled.set(byLabel.name.name, f.v);
    else if (fitting.length === 1 && free.length === 1) filled.set(free[0]!.name.name, f.v);
    else if (broken) continue;
    else if (fitting.length === 1) {
      broken = true;
      e.fail("setting/slot-twice", { slot: fitting[0]!.name.name, owner: title }, f.span);
    } else if (fitting.length > 1) {
      broken = true;
      e.fail("setting/slot-by-name", { role: f.role!, slots: fitting.map((s) => s.name.name), owner: title }, f.span, {
        hint: `write \`${fitting[0]!.name.name} = ...\``,
      });
    } else left.push(f);
  }
  for (const f of left) if (!broken) broken = !leftOver(e, slots, filled, f, title);
  for (const slot of slots) {
    const name = slot.name.name;
    frame.expectBlock(name);
    const v = filled.get(name) ?? (slot.default ? fillerValue(e, slot.default, frame) : undefined);
    if (v) frame.set(name, called(v, name));
    else if (broken) frame.set(name, INVALID);
    else if (slot.optional) frame.set(name, NONE);
    else
      frame.set(name, {
        lazy: () =>
          e.fail("setting/slot-empty", { slot: name, owner: title }, span, {
            related: [{ span: slot.span, message: "the slot is declared here" }],
            hint: `put a block into it: \`${title} < ..., ${name} = ... >\``,
          }),
      });
  }
}

function byName(
  e: Elaborator,
  slots: readonly ast.Slot[],
  filled: Map<string, V>,
  arg: ast.Arg,
  v: V,
  title: string,
): boolean {
  const name = arg.name!.name;
  if (!slots.some((s) => s.name.name === name)) {
    const close = nearest(
      name,
      slots.map((s) => s.name.name),
    );
    e.fail("setting/no-slot", { slot: name, owner: title }, arg.name!.span, {
      hint: close ? `did you mean ${close}?` : slotsOf(slots, title),
      fixes: close ? [{ title: `write ${close}`, span: arg.name!.span, replacement: close }] : [],
    });
    return false;
  }
  if (filled.has(name)) e.fail("setting/slot-twice", { slot: name, owner: title }, arg.span);
  filled.set(name, v);
  return true;
}

/** True of a slot whose role is that of some block: what has another role does not belong there. */
function wantsRole(e: Elaborator, slot: ast.Slot): boolean {
  const role = slot.role?.name ?? slot.name.name;
  for (const module of e.program.modules.values())
    for (const decl of module.own.values()) if (decl.kind === "Block" && decl.role?.name === role) return true;
  return false;
}

/** A filler without a slot of its role takes the one required slot left, if that is not for another role. */
function leftOver(
  e: Elaborator,
  slots: readonly ast.Slot[],
  filled: Map<string, V>,
  f: Filler,
  title: string,
): boolean {
  const open = slots.filter((s) => !s.optional && !s.default && !filled.has(s.name.name));
  if (open.length === 1 && (f.role === undefined || !wantsRole(e, open[0]!))) {
    filled.set(open[0]!.name.name, f.v);
    return true;
  }
  if (f.role !== undefined)
    e.fail("setting/wrong-role", { found: describe(f.v), role: f.role, owner: title }, f.span, {
      hint: slotsOf(slots, title),
    });
  else e.fail("setting/no-slot-left", { found: describe(f.v), owner: title }, f.span, { hint: slotsOf(slots, title) });
  return false;
}

function slotsOf(slots: readonly ast.Slot[], title: string): string {
  if (slots.length === 0) return `${title} has no slots`;
  return `${title} has the slots ${slots.map((s) => `${s.name.name}${s.optional ? "?" : ""}${s.role ? ` (role ${s.role.name})` : ""}`).join(", ")}`;
}

export function fillerValue(e: Elaborator, x: ast.Expr, frame: Frame): V {
  if (x.kind === "Pipe") return { kind: "pipeline", stages: x, frame, called: "body", span: x.span };
  const v = evaluate(e, x, frame);
  if (
    v.kind === "block" ||
    v.kind === "repeat" ||
    v.kind === "instance" ||
    v.kind === "none" ||
    v.kind === "invalid" ||
    v.kind === "pipeline" ||
    v.kind === "op" ||
    v.kind === "each"
  )
    return v;
  return e.fail("type/not-a-block", { found: describe(v) }, x.span, { hint: "a slot takes a block" });
}

function called(v: V, name: string): V {
  return v.kind === "block" || v.kind === "repeat" || v.kind === "pipeline" ? { ...v, called: name } : v;
}
