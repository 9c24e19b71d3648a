/** @file Tokens to text as they come. */
import type { Tokenizer } from "./tokenizer.ts";

/**
 * Text that comes token by token. A token may end inside of a letter, and what a token looks like may depend on the one before: what
 * is given out is what can no longer change.
 */
export class TextStream {
  private readonly ids: number[] = [];
  /** Tokens from here on are decoded together, so that spaces between them come out right. */
  private from = 0;
  /** The text of tokens up to here has been given out. */
  private done = 0;

  constructor(private readonly tokenizer: Tokenizer) {}

  /** The text that one more token makes certain. */
  push(id: number): string {
    this.ids.push(id);
    const before = this.tokenizer.decode(this.ids.slice(this.from, this.done));
    const after = this.tokenizer.decode(this.ids.slice(this.from));
    // A letter of several bytes that is not whole yet.
    if (after.length <= before.length || after.endsWith("\uFFFD")) return "";
    this.from = this.done;
    this.done = this.ids.length;
    return after.slice(before.length);
  }

  /** What is left when no token follows. */
  end(): string {
    const before = this.tokenizer.decode(this.ids.slice(this.from, this.done));
    const after = this.tokenizer.decode(this.ids.slice(this.from));
    this.from = this.done = this.ids.length;
    return after.slice(before.length);
  }
}
