/**
 * @file A strict JSON reader for files that may be broken or made to deceive (RFC 8259). Other than `JSON.parse` it
 * says where a text goes wrong, sees keys that stand twice, and refuses depths that would overflow a stack later.
 */
import { lineColumn } from "../source/source.ts";

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };

export interface JsonProblem {
  /** What is wrong there, without the place. */
  readonly reason: string;
  /** One-based. */
  readonly line: number;
  readonly column: number;
  /** The keys that lead to the object that has a key twice, and that key. */
  readonly duplicate?: readonly string[];
}

export interface JsonOptions {
  /** A key that stands twice in an object is a problem; otherwise the last one counts. */
  readonly uniqueKeys?: boolean;
  /** How deep lists and objects may nest. */
  readonly maxDepth?: number;
}

export type JsonResult = { readonly value: JsonValue } | { readonly problem: JsonProblem };

/** Thrown and caught in this file only. */
class Stop extends Error {
  constructor(
    readonly reason: string,
    readonly at: number,
    readonly duplicate?: readonly string[],
  ) {
    super(reason);
  }
}

export function parseJson(text: string, options: JsonOptions = {}): JsonResult {
  try {
    return { value: new Reader(text, options.uniqueKeys ?? false, options.maxDepth ?? 64).whole() };
  } catch (e) {
    if (!(e instanceof Stop)) throw e;
    const { line, column } = lineColumn({ name: "", text }, e.at);
    return { problem: { reason: e.reason, line, column, ...(e.duplicate ? { duplicate: e.duplicate } : {}) } };
  }
}

/** The text of UTF-8 bytes, or undefined where they are none. A byte order mark is left out. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const PLAIN = /[^"\\\u0000-\u001f]*/y;
const SPACE = /[ \t\n\r]*/y;
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};

class Reader {
  private at = 0;
  private readonly path: string[] = [];

  constructor(
    private readonly text: string,
    private readonly uniqueKeys: boolean,
    private readonly maxDepth: number,
  ) {}

  whole(): JsonValue {
    this.space();
    if (this.at === this.text.length) this.stop("it is empty");
    const value = this.value(0);
    this.space();
    if (this.at < this.text.length) this.stop(`${this.here()} stands after the end`);
    return value;
  }

  private value(depth: number): JsonValue {
    const c = this.text[this.at];
    if (c === "{" || c === "[") {
      if (depth >= this.maxDepth) this.stop(`it nests deeper than ${this.maxDepth} levels`);
      return c === "{" ? this.object(depth) : this.list(depth);
    }
    if (c === '"') return this.string();
    if (c === "-" || (c !== undefined && c >= "0" && c <= "9")) return this.number();
    for (const [word, value] of [
      ["true", true],
      ["false", false],
      ["null", null],
    ] as const)
      if (this.text.startsWith(word, this.at)) {
        this.at += word.length;
        return value;
      }
    return this.stop(c === undefined ? "it ends in the middle" : `a value should stand where ${this.here()} does`);
  }

  private object(depth: number): JsonValue {
    const object: Record<string, JsonValue> = {};
    const seen = this.uniqueKeys ? new Set<string>() : undefined;
    this.at++;
    this.space();
    if (this.take("}")) return object;
    for (;;) {
      const start = this.at;
      if (this.text[this.at] !== '"')
        this.stop(
          this.at === this.text.length
            ? "it ends in the middle"
            : `a key in quotes should stand where ${this.here()} does`,
        );
      const key = this.string();
      if (seen?.has(key)) throw new Stop("a key stands twice", start, [...this.path, key]);
      seen?.add(key);
      this.space();
      this.expect(":");
      this.path.push(key);
      const value = this.value(depth + 1);
      this.path.pop();
      // Assigned as a property, `__proto__` would change the object instead.
      if (key === "__proto__")
        Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
      else object[key] = value;
      this.space();
      if (this.take("}")) return object;
      this.expect(",", "}");
    }
  }

  private list(depth: number): JsonValue {
    const list: JsonValue[] = [];
    this.at++;
    this.space();
    if (this.take("]")) return list;
    for (;;) {
      list.push(this.value(depth + 1));
      this.space();
      if (this.take("]")) return list;
      this.expect(",", "]");
    }
  }

  private string(): string {
    const open = this.at++;
    let out = "";
    for (;;) {
      out += this.match(PLAIN);
      const c = this.text[this.at];
      if (c === '"') {
        this.at++;
        return out;
      }
      if (c === undefined) throw new Stop("a text in quotes does not end", open);
      if (c !== "\\") return this.stop("a text in quotes holds a control character");
      out += this.escape();
    }
  }

  private escape(): string {
    const c = this.text[this.at + 1] ?? "";
    const simple = ESCAPES[c];
    if (simple !== undefined) {
      this.at += 2;
      return simple;
    }
    const hex = this.text.slice(this.at + 2, this.at + 6);
    if (c !== "u" || !/^[0-9a-fA-F]{4}$/.test(hex)) this.stop(`\\${c} is no escape`);
    this.at += 6;
    return String.fromCharCode(Number.parseInt(hex, 16));
  }

  private number(): number {
    const start = this.at;
    const digits = this.match(NUMBER);
    if (digits === "") this.stop(`a number should stand where ${this.here()} does`);
    const value = Number(digits);
    if (!Number.isFinite(value))
      throw new Stop(`the number ${digits.length > 24 ? `${digits.slice(0, 20)}...` : digits} is too large`, start);
    return value;
  }

  private space(): void {
    this.match(SPACE);
  }

  private match(pattern: RegExp): string {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0] ?? "";
    this.at += found.length;
    return found;
  }

  private take(c: string): boolean {
    if (this.text[this.at] !== c) return false;
    this.at++;
    this.space();
    return true;
  }

  private expect(c: string, or?: string): void {
    if (this.take(c)) return;
    const wanted = or === undefined ? `\`${c}\`` : `\`${c}\` or \`${or}\``;
    this.stop(
      this.at === this.text.length ? "it ends in the middle" : `${wanted} should stand where ${this.here()} does`,
    );
  }

  /** The character here, as messages show it. */
  private here(): string {
    const c = String.fromCodePoint(this.text.codePointAt(this.at) ?? 0);
    return /^[\p{L}\p{N}\p{P}\p{S}]$/u.test(c)
      ? `\`${c}\``
      : `U+${c.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}`;
  }

  private stop(reason: string): never {
    throw new Stop(reason, this.at);
  }
}
