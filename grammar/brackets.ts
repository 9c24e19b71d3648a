/**
 * @file The second pass: pairs brackets and makes them balance, so that a bracket too few or too many costs one finding and
 * not half a file. A declaration closes everything, a statement everything inside its body. Marks the names that begin a
 * line of a checkpoint map, and drops a comma at the end of a statement.
 */
import type { Finding, Place } from "./findings.ts";
import {
  beginsDeclaration,
  beginsStatement,
  endOf,
  endsOperand,
  insertedToken,
  is,
  isName,
  isText,
  retype,
} from "./kinds.ts";
import * as T from "./tokens.ts";
import type { IToken, TokenType } from "./tokens.ts";

const closing = new Map<TokenType, TokenType>([
  [T.LParen, T.RParen],
  [T.LBracket, T.RBracket],
  [T.LBrace, T.RBrace],
]);
const opening = new Map<TokenType, TokenType>([
  [T.RParen, T.LParen],
  [T.RBracket, T.LBracket],
  [T.RBrace, T.LBrace],
]);
export const imageOf = (type: TokenType): string => type.PATTERN as string;

interface Open {
  readonly token: IToken;
  /** What a brace holds; round and square brackets are `other`. */
  readonly holds: "body" | "map" | "match" | "other";
  /** Where it stands in the tokens that are handed on. */
  readonly at: number;
  /** `match`es at this level whose brace has not come yet. */
  matches: number;
}

export function balance(text: string, tokens: readonly IToken[], findings: Finding[]): IToken[] {
  return new Balancer(text, tokens, findings).run();
}

class Balancer {
  private readonly out: IToken[] = [];
  private readonly stack: Open[] = [];
  /** The word that began the declaration we are in. */
  private declaration: TokenType | undefined;
  private matches = 0;
  private readonly text: string;
  private readonly tokens: readonly IToken[];
  private readonly findings: Finding[];

  constructor(text: string, tokens: readonly IToken[], findings: Finding[]) {
    this.text = text;
    this.tokens = tokens;
    this.findings = findings;
  }

  run(): IToken[] {
    for (let i = 0; i < this.tokens.length; i++) this.step(i);
    this.closeDownTo(0, this.text.length, undefined);
    return this.out;
  }

  private step(i: number): void {
    const t = this.tokens[i]!;
    const before = this.tokens[i - 1];
    const next = this.tokens[i + 1];
    if (beginsDeclaration(before, t, next)) {
      this.closeDownTo(0, t.startOffset, t);
      this.declaration = t.tokenType;
      this.matches = 0;
    } else if (beginsStatement(before, t)) {
      const body = this.stack.findLastIndex((o) => o.holds === "body");
      if (body >= 0) this.closeDownTo(body + 1, t.startOffset, t);
    } else if (closing.has(t.tokenType)) {
      this.open(i, t, before, next);
    } else if (opening.has(t.tokenType)) {
      if (!this.close(t, next)) return;
    } else if (t.tokenType === T.Match) {
      this.countMatch(1);
    } else if (t.tokenType === T.Comma && this.endsStatement(i, next)) {
      this.findings.push({ kind: "stray-comma", start: t.startOffset, end: endOf(t) });
      return;
    } else if (isName(t) && this.top?.holds === "map" && this.beginsEntry(i)) {
      retype(t, T.EntryName);
    }
    this.out.push(t);
  }

  private get top(): Open | undefined {
    return this.stack[this.stack.length - 1];
  }

  private countMatch(by: number): void {
    if (this.top) this.top.matches += by;
    else this.matches += by;
  }

  private open(i: number, t: IToken, before: IToken | undefined, next: IToken | undefined): void {
    let holds: Open["holds"] = "other";
    if (t.tokenType === T.LBrace && (endsOperand(before) || is(before, T.Greater)) && !is(before, T.RepeatX)) {
      if ((this.top?.matches ?? this.matches) > 0) {
        holds = "match";
        this.countMatch(-1);
      } else {
        const opensBlock = (next !== undefined && beginsStatement(t, next)) || this.beginsLine(i + 1);
        if (opensBlock && !this.stack.some((o) => o.holds === "body")) this.closeLists(t);
        holds = this.bracesHold(i);
      }
    }
    this.stack.push({ token: t, holds, matches: 0, at: this.out.length });
  }

  /** A body or a map never stands inside `( )` or `[ ]`: those that are open were forgotten. */
  private closeLists(t: IToken): void {
    const keep = this.stack.findLastIndex((o) => o.token.tokenType === T.LBrace);
    this.closeDownTo(keep + 1, t.startOffset, t);
  }

  private bracesHold(i: number): Open["holds"] {
    if (this.stack.length === 0) {
      if (this.declaration === T.Checkpoint) return "map";
      return this.declaration === T.Law || this.declaration === T.Rewrite ? "other" : "body";
    }
    if (this.top!.holds !== "map") return "other";
    const isFrom = isText(this.tokens[i - 1]) && is(this.tokens[i - 2], T.From);
    const isClass = isName(this.tokens[i - 1]) && is(this.tokens[i - 2], T.FatArrow);
    return isFrom || isClass ? "map" : "other";
  }

  /** Pairs a closing bracket; false where it is dropped. */
  private close(t: IToken, next: IToken | undefined): boolean {
    const wanted = opening.get(t.tokenType)!;
    const at = { start: t.startOffset, end: endOf(t) };
    for (let k = this.stack.length - 1; k >= 0; k--) {
      const o = this.stack[k]!;
      if (o.token.tokenType === wanted) {
        this.closeDownTo(k + 1, t.startOffset, t);
        this.stack.pop();
        return true;
      }
      // A `)` does not reach out of the braces around it.
      if (o.token.tokenType === T.LBrace) break;
    }
    const top = this.top?.token;
    if (top && top.tokenType !== T.LBrace && t.tokenType !== T.RBrace && !is(next, closing.get(top.tokenType)!)) {
      const right = closing.get(top.tokenType)!;
      this.findings.push({ kind: "wrong-bracket", instead: imageOf(right), opened: place(top), ...at });
      retype(t, right, imageOf(right));
      this.stack.pop();
      return true;
    }
    this.findings.push({ kind: "stray-bracket", ...at });
    return false;
  }

  /** Closes what is open above `depth`; `noticed` is the token that cannot stand inside, or nothing at the end. */
  private closeDownTo(depth: number, offset: number, noticed: IToken | undefined): void {
    while (this.stack.length > depth) {
      const { token, at } = this.stack.pop()!;
      const right = closing.get(token.tokenType)!;
      const index = this.slotsEnd(at) ?? this.out.length;
      const last = this.out[index - 1];
      const insert = last ? endOf(last) : offset;
      this.out.splice(index, 0, insertedToken(right, imageOf(right), insert));
      this.findings.push({
        kind: "unclosed-bracket",
        close: imageOf(right),
        insert,
        ...place(token),
        noticed: noticed ? place(noticed) : { start: offset, end: offset },
      });
    }
  }

  /** In `layer x2 < one(8, two >` the `)` is missing before the `>`: its index, if the slots around end there. */
  private slotsEnd(at: number): number | undefined {
    if (this.out[at]!.tokenType === T.LBrace) return undefined;
    const step = (t: IToken): number => (t.tokenType === T.Less ? 1 : t.tokenType === T.Greater ? -1 : 0);
    let around = 0;
    for (let i = at - 1; i >= 0 && around <= 0 && !beginsStatement(this.out[i - 1], this.out[i]!); i--)
      around += step(this.out[i]!);
    if (around <= 0) return undefined;
    let inside = 0;
    let depth = 0;
    for (let i = at + 1; i < this.out.length; i++) {
      const t = this.out[i]!;
      depth += closing.has(t.tokenType) ? 1 : opening.has(t.tokenType) ? -1 : 0;
      if (depth > 0) continue;
      inside += step(t);
      if (inside < 0) return i;
    }
    return undefined;
  }

  private endsStatement(i: number, next: IToken | undefined): boolean {
    if (next === undefined) return this.stack.length === 0;
    const holds = this.top?.holds;
    if (next.tokenType === T.RBrace)
      return holds !== undefined && holds !== "match" && this.top!.token.tokenType === T.LBrace;
    if (holds === "body") return beginsStatement(this.tokens[i], next);
    return holds === "map" && isName(next) && this.beginsEntry(i + 1);
  }

  private beginsLine(i: number): boolean {
    const t = this.tokens[i];
    if (t === undefined) return true;
    const from = i === 0 ? 0 : endOf(this.tokens[i - 1]!);
    return i === 0 || this.text.slice(from, t.startOffset).includes("\n");
  }

  /** A path at the beginning of a line that runs up to `=` or `from "..."`. */
  private beginsEntry(i: number): boolean {
    if (!this.beginsLine(i)) return false;
    const ts = this.tokens;
    let p = i + 1;
    for (;;) {
      const t = ts[p];
      if (is(t, T.Equal)) return true;
      if (is(t, T.From)) return isText(ts[p + 1]);
      if (is(t, T.Dot) && (isName(ts[p + 1]) || is(ts[p + 1], T.Star))) p += 2;
      else if (is(t, T.Dot) && is(ts[p + 1], T.LBrace)) p = this.skip(p + 1, T.RBrace);
      else if (is(t, T.LBracket)) p = this.skip(p, T.RBracket);
      else return false;
    }
  }

  /** The place behind the first `end` that follows on the same line. */
  private skip(from: number, end: TokenType): number {
    let p = from + 1;
    while (p < this.tokens.length && !is(this.tokens[p], end) && !this.beginsLine(p)) p++;
    return p + 1;
  }
}

function place(t: IToken): Place {
  return { start: t.startOffset, end: endOf(t) };
}
