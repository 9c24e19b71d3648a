/**
 * @file The third pass: decides for every `<` whether it opens slots (`layer < one(8), two >`) or compares, from right
 * to left, so that inner slots are settled first. `README.md` has the rule and examples; a scan stops at the first `<` that
 * compares, so that the whole is linear.
 */
import type { Finding } from "./findings.ts";
import {
  beginsDeclaration,
  beginsOperand,
  beginsStatement,
  endOf,
  endsOperand,
  insertedToken,
  is,
  isName,
  joined,
  retype,
  touches,
} from "./kinds.ts";
import * as T from "./tokens.ts";
import type { IToken } from "./tokens.ts";
import { canRepeat } from "./words.ts";

/** Where the list of fillers after a `<` ends: at its `>`, or (`closed` false) before a token that cannot stand in it. */
interface Run {
  readonly at: number;
  readonly closed: boolean;
  readonly comma: boolean;
}

export function settleSlots(tokens: readonly IToken[], findings: Finding[]): IToken[] {
  const settler = new Settler(tokens, findings);
  return settler.run();
}

class Settler {
  private readonly t: readonly IToken[];
  private readonly findings: Finding[];
  /** For every bracket (and settled `<`) the index of its partner. */
  private readonly partner = new Map<number, number>();
  /** The bracket around each `<`, as the index of the opening one; -1 at the top. */
  private readonly around = new Map<number, number>();
  /** Closing tokens to be put in before an index. */
  private readonly insertions = new Map<number, IToken[]>();
  /** `>=` that closes slots and gives their meaning: cut in two. */
  private readonly cut = new Set<number>();

  constructor(tokens: readonly IToken[], findings: Finding[]) {
    this.t = tokens;
    this.findings = findings;
  }

  run(): IToken[] {
    const angles = this.pairBrackets();
    for (let k = angles.length - 1; k >= 0; k--) this.settle(angles[k]!);
    return this.insertions.size === 0 && this.cut.size === 0 ? [...this.t] : this.rebuilt();
  }

  private pairBrackets(): number[] {
    const open: number[] = [];
    const angles: number[] = [];
    this.t.forEach((t, i) => {
      switch (t.tokenType) {
        case T.LParen:
        case T.LBracket:
        case T.LBrace:
          open.push(i);
          break;
        case T.RParen:
        case T.RBracket:
        case T.RBrace: {
          const from = open.pop()!;
          this.partner.set(from, i);
          this.partner.set(i, from);
          break;
        }
        case T.Less:
          angles.push(i);
          this.around.set(i, open[open.length - 1] ?? -1);
          break;
        default:
      }
    });
    return angles;
  }

  private settle(i: number): void {
    const always = this.afterRepeat(i) || this.inBlockHead(i);
    if (!always && !endsOperand(this.t[i - 1]) && !is(this.t[i - 1], T.Greater)) return;
    const run = this.strictRun(i) ?? (always ? this.looseRun(i) : undefined);
    if (run === undefined || !(always || this.isSlots(i, run))) return;
    retype(this.t[i]!, T.SlotOpen);
    if (run.closed) this.closeAt(i, run.at);
    else this.closeBefore(i, run.at);
  }

  private isSlots(i: number, run: Run): boolean {
    const container = this.t[this.around.get(i)!];
    const inList = is(container, T.LParen) || is(container, T.LBracket);
    if (!run.closed) return run.comma && !inList;
    if (!run.comma || !inList) return true;
    const after = this.t[run.at + 1];
    const isOperand = beginsOperand(after) || is(after, T.Minus);
    const touching = touches(this.t[run.at], after) && (is(after, T.LParen) || is(after, T.LBracket));
    return !isOperand || touching;
  }

  private closeAt(i: number, at: number): void {
    const close = this.t[at]!;
    this.partner.set(i, at);
    this.partner.set(at, i);
    if (close.tokenType === T.GreaterEqual) {
      this.findings.push({ kind: "foreign-sign", instead: "> =", start: close.startOffset, end: endOf(close) });
      this.cut.add(at);
    }
    retype(close, T.SlotClose);
    const after = this.t[at + 1];
    if (after && canRepeat(after, this.t[at + 2])) retype(after, after.tokenType === T.X ? T.RepeatX : T.RepeatN);
  }

  private closeBefore(i: number, at: number): void {
    const noticed = this.t[at];
    const last = this.t[at - 1]!;
    const token = insertedToken(T.SlotClose, ">", endOf(last));
    this.insertions.set(at, [...(this.insertions.get(at) ?? []), token]);
    // Its partner is what would stand behind the inserted token: a scan that jumps there goes on at `at`.
    this.partner.set(i, at - 1);
    const open = this.t[i]!;
    this.findings.push({
      kind: "unclosed-bracket",
      close: ">",
      insert: endOf(last),
      start: open.startOffset,
      end: endOf(open),
      noticed:
        noticed && noticed.payload === undefined
          ? { start: noticed.startOffset, end: endOf(noticed) }
          : { start: endOf(last), end: endOf(last) },
    });
  }

  private rebuilt(): IToken[] {
    const out: IToken[] = [];
    for (let i = 0; i <= this.t.length; i++) {
      out.push(...(this.insertions.get(i) ?? []));
      const t = this.t[i];
      if (t === undefined) break;
      if (this.cut.has(i)) {
        const at = t.startOffset;
        out.push({ ...joined(t, t, T.SlotClose, ">"), endOffset: at });
        out.push({ ...joined(t, t, T.Equal, "="), startOffset: at + 1 });
      } else out.push(t);
    }
    return out;
  }

  private afterRepeat(i: number): boolean {
    const before = this.t[i - 1];
    if (is(before, T.RepeatN)) return true;
    return is(before, T.RBrace) && is(this.t[(this.partner.get(i - 1) ?? 0) - 1], T.RepeatX);
  }

  /** `block name <`, `block name(...) <`. */
  private inBlockHead(i: number): boolean {
    let name = i - 1;
    if (is(this.t[name], T.RParen)) name = (this.partner.get(name) ?? 0) - 1;
    return (
      is(this.t[name - 1], T.Block) &&
      isName(this.t[name]) &&
      beginsDeclaration(this.t[name - 2], this.t[name - 1]!, this.t[name])
    );
  }

  private stops(p: number): boolean {
    const t = this.t[p];
    if (t === undefined) return true;
    switch (t.tokenType) {
      case T.RParen:
      case T.RBracket:
      case T.RBrace:
      case T.Semicolon:
      case T.EntryName:
        return true;
      default:
        return beginsStatement(this.t[p - 1], t) || beginsDeclaration(this.t[p - 1], t, this.t[p + 1]);
    }
  }

  /** The place behind the `then` of the `if` at `p`, if it has one before anything that ends an expression. */
  private afterThen(p: number): number | undefined {
    let ifs = 0;
    for (let q = p + 1; !this.stops(q); q++) {
      const type = this.t[q]!.tokenType;
      if (type === T.If) ifs++;
      else if (type === T.Then && ifs-- === 0) return q + 1;
      else if (type === T.LParen || type === T.LBracket || type === T.LBrace) q = this.partner.get(q)!;
    }
    return undefined;
  }

  /** The place behind the braces of the `match` at `p`. */
  private afterMatch(p: number): number | undefined {
    for (let q = p + 1; !this.stops(q); q++) {
      const type = this.t[q]!.tokenType;
      if (type === T.LBrace && !is(this.t[q - 1], T.RepeatX)) return this.partner.get(q)! + 1;
      if (type === T.LParen || type === T.LBracket || type === T.LBrace) q = this.partner.get(q)!;
    }
    return undefined;
  }

  /** Follows a list of fillers from the `<` at `i`; undefined as soon as something stands there that no filler has. */
  private strictRun(i: number): Run | undefined {
    let p = i + 1;
    let itemStart = true;
    let wanted = true;
    let owedElse = 0;
    let comma = false;
    for (;;) {
      const t = this.t[p];
      const next = this.t[p + 1];
      if (!wanted && this.stops(p)) return owedElse === 0 ? { at: p, closed: false, comma } : undefined;
      if (t === undefined) return undefined;
      const type = t.tokenType;
      if (wanted) {
        if (isName(t) && (is(next, T.Colon) || (itemStart && is(next, T.Equal)))) p += 2;
        else if (isName(t) || type === T.None || type === T.Ellipsis) {
          p++;
          wanted = false;
        } else if (type === T.LParen || type === T.LBracket) {
          p = this.partner.get(p)! + 1;
          wanted = false;
        } else if (type === T.New) p++;
        else if (type === T.If || type === T.Match) {
          const behind = type === T.If ? this.afterThen(p) : this.afterMatch(p);
          if (behind === undefined) return undefined;
          p = behind;
          if (type === T.If) owedElse++;
          else wanted = false;
        } else if (this.closes(t, i) && itemStart && owedElse === 0) return { at: p, closed: true, comma };
        else return undefined;
        itemStart = false;
        continue;
      }
      if (this.closes(t, i)) return owedElse === 0 ? { at: p, closed: true, comma } : undefined;
      if (type === T.Comma) {
        if (owedElse > 0) return undefined;
        comma = true;
        itemStart = wanted = true;
        p++;
      } else if (type === T.Arrow) {
        wanted = true;
        p++;
      } else if (type === T.Else && owedElse > 0) {
        owedElse--;
        wanted = true;
        p++;
      } else if (type === T.Dot && isName(next)) p += 2;
      else if (type === T.Dot && is(next, T.LBrace)) p = this.partner.get(p + 1)! + 1;
      else if (type === T.LParen || type === T.LBracket || type === T.SlotOpen) p = this.partner.get(p)! + 1;
      else if (type === T.RepeatN) p++;
      else if (type === T.RepeatX && is(next, T.LBrace)) p = this.partner.get(p + 1)! + 1;
      else if (isName(t) && !is(next, T.Equal) && type !== T.WhereWord) itemStart = wanted = true;
      else return undefined;
    }
  }

  private closes(t: IToken, i: number): boolean {
    return t.tokenType === T.Greater || (t.tokenType === T.GreaterEqual && this.inBlockHead(i));
  }

  /** For a `<` that can only open slots: the next `>` before anything that ends an expression. */
  private looseRun(i: number): Run {
    let p = i + 1;
    for (; !this.stops(p); p++) {
      const type = this.t[p]!.tokenType;
      if (this.closes(this.t[p]!, i)) return { at: p, closed: true, comma: true };
      if (type === T.If) p = (this.afterThen(p) ?? p + 1) - 1;
      else if (type === T.LParen || type === T.LBracket || type === T.LBrace || type === T.SlotOpen)
        p = this.partner.get(p)!;
    }
    return { at: p, closed: false, comma: true };
  }
}
